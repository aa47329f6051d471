/* Handshake, then frames. */
#include "shell/web.h"

#include "wire/frame.h"

#include <stdlib.h>

/* The largest packet of MQTT in one frame; the bytes are not kept, so it costs nothing. */
#define FRAME_BYTES_MAX (UINT64_C(268435455) + 5)

struct mt_web {
	const struct mt_upgrade_rules *rules;
	uint8_t *request; /* its beginning, while the rest is awaited */
	size_t request_bytes;
	bool is_open;
	const char *fault; /* of the handshake; NULL */
	struct mt_ws frames;
	size_t packet_left; /* of the last one sent: goes on in the next frame */
};

struct mt_web *mt_web_create(const struct mt_upgrade_rules *rules)
{
	struct mt_web *web = calloc(1, sizeof(*web));
	if (!web)
		return NULL;
	web->rules = rules;
	mt_ws_init(&web->frames, FRAME_BYTES_MAX);
	return web;
}

void mt_web_destroy(struct mt_web **web)
{
	if (!*web)
		return;
	free((*web)->request);
	free(*web);
	*web = NULL;
}

/* Joins what came to what had come; one byte beyond the limit is enough to see that it is passed.
 */
static enum mt_status keep(struct mt_web *web, struct mt_bytes bytes)
{
	size_t room = MT_UPGRADE_BYTES_MAX + 1 - web->request_bytes;
	size_t part = bytes.len < room ? bytes.len : room;
	uint8_t *request = realloc(web->request, web->request_bytes + part);
	if (!request)
		return MT_MEMORY;
	web->request = request;
	memcpy(request + web->request_bytes, bytes.data, part);
	web->request_bytes += part;
	return MT_OK;
}

/* *used of the new bytes belonged to the request, when it is complete. */
static enum mt_status shake_hands(struct mt_web *web, struct mt_bytes bytes, size_t *used,
				  struct mt_buf *answer)
{
	struct mt_upgrade upgrade;
	struct mt_bytes request = bytes;
	size_t before = web->request_bytes, taken = 0;
	enum mt_status status;
	if (before > 0) {
		MT_TRY(keep(web, bytes));
		request = mt_bytes_of(web->request, web->request_bytes);
	}
	status = mt_upgrade_read(request, web->rules, &taken, &upgrade);
	if (status == MT_AGAIN)
		return before > 0 || keep(web, bytes) == MT_OK ? MT_AGAIN : MT_MEMORY;
	mt_upgrade_answer(&upgrade, answer);
	free(web->request);
	web->request = NULL;
	web->request_bytes = 0;
	if (status != MT_OK) {
		web->fault = upgrade.why;
		return status;
	}
	MT_CHECK(taken > before);
	*used = taken - before;
	web->is_open = true;
	return MT_OK;
}

enum mt_status mt_web_read(struct mt_web *web, uint8_t *data, size_t len, struct mt_bytes *payload,
			   struct mt_buf *answer)
{
	size_t used = 0, payload_bytes = 0;
	enum mt_status status = MT_OK;
	*payload = mt_bytes_of(NULL, 0);
	if (web->fault)
		return MT_VIOLATION;
	if (!web->is_open)
		status = shake_hands(web, mt_bytes_of(data, len), &used, answer);
	if (status != MT_OK)
		return status == MT_AGAIN ? MT_OK : status;
	status = mt_ws_read(&web->frames, data + used, len - used, &payload_bytes);
	*payload = mt_bytes_of(data + used, payload_bytes);
	return status;
}

const char *mt_web_fault(const struct mt_web *web)
{
	if (web->fault)
		return web->fault;
	return web->frames.fault ? web->frames.fault : "";
}

bool mt_web_is_open(const struct mt_web *web)
{
	return web->is_open;
}

/* What of `plain` belongs into one frame; 0: its header is not whole. */
static size_t part_of(const struct mt_web *web, struct mt_bytes plain)
{
	size_t bytes = web->packet_left > 0 ? web->packet_left : mt_frame_bytes(plain);
	return bytes < plain.len ? bytes : plain.len;
}

/* The head, and the part behind it, fit in front of what has not been moved yet. */
static bool has_room(const struct mt_buf *out, struct mt_bytes plain, size_t part, size_t head)
{
	size_t end = out->pos + head + part;
	bool is_within = plain.data >= out->data && plain.data < out->data + out->cap;
	return end <= out->cap && (!is_within || end <= (size_t)(plain.data - out->data) + part);
}

size_t mt_web_put_packets(struct mt_web *web, struct mt_bytes plain, struct mt_buf *out)
{
	size_t taken = 0, part;
	while ((part = part_of(web, mt_bytes_from(plain, taken))) > 0) {
		uint8_t data[MT_WS_HEAD_BYTES_MAX];
		struct mt_buf head = mt_buf_of(data, sizeof(data));
		struct mt_bytes left = mt_bytes_from(plain, taken);
		mt_ws_put_head(&head, part);
		if (!has_room(out, left, part, head.pos))
			break;
		if (web->packet_left == 0)
			web->packet_left = mt_frame_bytes(left);
		web->packet_left -= part;
		mt_buf_put(out, mt_buf_view(&head));
		memmove(out->data + out->pos, left.data, part);
		out->pos += part;
		taken += part;
	}
	return taken;
}

bool mt_web_has_pong(const struct mt_web *web)
{
	return web->frames.has_pong;
}

void mt_web_put_pong(struct mt_web *web, struct mt_buf *out)
{
	mt_ws_put_pong(&web->frames, out);
}

void mt_web_put_close(struct mt_web *web, struct mt_buf *out)
{
	if (web->is_open)
		mt_ws_put_close(&web->frames, out);
}
