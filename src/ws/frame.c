/* Reading a client's frames in place, and writing heads and control frames of ours. */
#include "ws/frame.h"

#define FIN 0x80u
#define RESERVED 0x70u
#define MASKED 0x80u
#define LENGTH_16 126u
#define LENGTH_64 127u

enum opcode {
	CONTINUATION = 0,
	TEXT = 1,
	BINARY = 2,
	CLOSE = 8,
	PING = 9,
	PONG = 10,
};

void mt_ws_init(struct mt_ws *ws, uint64_t frame_bytes_max)
{
	memset(ws, 0, sizeof(*ws));
	ws->frame_bytes_max = frame_bytes_max;
}

static enum mt_status refuse(struct mt_ws *ws, enum mt_ws_close code, const char *why)
{
	ws->is_over = true;
	ws->close_code = (uint16_t)code;
	ws->fault = why;
	return MT_VIOLATION;
}

static enum opcode opcode_of(const struct mt_ws *ws)
{
	return ws->head[0] & 15u;
}

static bool is_control(const struct mt_ws *ws)
{
	return (ws->head[0] & 8u) != 0;
}

static bool is_final(const struct mt_ws *ws)
{
	return (ws->head[0] & FIN) != 0;
}

/* Bytes of the length's own field; the first two bytes of the head are there. */
static uint8_t length_bytes(const struct mt_ws *ws)
{
	switch (ws->head[1] & 127u) {
	case LENGTH_16:
		return 2;
	case LENGTH_64:
		return 8;
	default:
		return 0;
	}
}

static enum mt_status check_control(struct mt_ws *ws)
{
	if (opcode_of(ws) > PONG)
		return refuse(ws, MT_WS_CLOSE_PROTOCOL, "a frame has a reserved opcode");
	if (!is_final(ws))
		return refuse(ws, MT_WS_CLOSE_PROTOCOL, "a control frame is fragmented");
	if ((ws->head[1] & 127u) > MT_WS_CONTROL_BYTES_MAX)
		return refuse(ws, MT_WS_CLOSE_PROTOCOL, "a control frame is longer than 125 bytes");
	return MT_OK;
}

static enum mt_status check_data(struct mt_ws *ws)
{
	if (opcode_of(ws) > BINARY)
		return refuse(ws, MT_WS_CLOSE_PROTOCOL, "a frame has a reserved opcode");
	if (opcode_of(ws) == TEXT)
		return refuse(ws, MT_WS_CLOSE_NOT_BINARY,
			      "a data frame is not binary [MQTT-6.0.0-1]");
	if (opcode_of(ws) == CONTINUATION && !ws->is_message_open)
		return refuse(ws, MT_WS_CLOSE_PROTOCOL,
			      "a continuation frame continues no message");
	if (opcode_of(ws) == BINARY && ws->is_message_open)
		return refuse(ws, MT_WS_CLOSE_PROTOCOL,
			      "a message begins before the former one has ended");
	return MT_OK;
}

/* What the first two bytes show, before anything else is waited for. */
static enum mt_status check_start(struct mt_ws *ws)
{
	if (ws->head[0] & RESERVED)
		return refuse(ws, MT_WS_CLOSE_PROTOCOL, "a reserved bit of a frame is set");
	if (!(ws->head[1] & MASKED))
		return refuse(ws, MT_WS_CLOSE_PROTOCOL, "a frame of the client is not masked");
	return is_control(ws) ? check_control(ws) : check_data(ws);
}

/* The head is complete: its length. */
static enum mt_status begin_frame(struct mt_ws *ws)
{
	uint8_t bytes = length_bytes(ws);
	uint64_t len = ws->head[1] & 127u;
	if (bytes > 0)
		len = 0;
	for (uint8_t i = 0; i < bytes; i++)
		len = len << 8 | ws->head[2 + i];
	if (len >> 63)
		return refuse(ws, MT_WS_CLOSE_PROTOCOL,
			      "the length of a frame has its top bit set");
	if ((bytes == 2 && len < LENGTH_16) || (bytes == 8 && len <= UINT16_MAX))
		return refuse(ws, MT_WS_CLOSE_PROTOCOL, "the length of a frame is not minimal");
	if (len > ws->frame_bytes_max)
		return refuse(ws, MT_WS_CLOSE_TOO_BIG, "a frame is too large");
	ws->left = len;
	ws->mask_at = 0;
	ws->control_bytes = 0;
	ws->is_in_frame = true;
	if (!is_control(ws))
		ws->is_message_open = !is_final(ws);
	return MT_OK;
}

static enum mt_status take_head(struct mt_ws *ws, const uint8_t *data, size_t len, size_t *at)
{
	while (*at < len) {
		ws->head[ws->head_bytes++] = data[(*at)++];
		if (ws->head_bytes < 2)
			continue;
		if (ws->head_bytes == 2)
			MT_TRY(check_start(ws));
		if (ws->head_bytes == 2 + length_bytes(ws) + 4)
			return begin_frame(ws);
	}
	return MT_OK;
}

/* to <= from: a word is read before anything is written over it. */
static void unmask(struct mt_ws *ws, uint8_t *to, const uint8_t *from, size_t len)
{
	const uint8_t *key = ws->head + ws->head_bytes - 4;
	uint8_t turned[8];
	uint64_t wide;
	size_t i = 0;
	for (size_t k = 0; k < sizeof(turned); k++)
		turned[k] = key[(ws->mask_at + k) & 3];
	memcpy(&wide, turned, sizeof(wide));
	for (; len - i >= sizeof(wide); i += sizeof(wide)) {
		uint64_t word;
		memcpy(&word, from + i, sizeof(word));
		word ^= wide;
		memcpy(to + i, &word, sizeof(word));
	}
	for (; i < len; i++)
		to[i] = from[i] ^ turned[i & 7];
	ws->mask_at = (uint8_t)((ws->mask_at + len) & 3);
}

static bool is_code(uint16_t code)
{
	if (code >= 3000)
		return code <= 4999;
	return code >= 1000 && code <= 1014 && (code < 1004 || code > 1006);
}

/* Section 5.5.1: the code is given back; the words behind it are for people. */
static enum mt_status take_close(struct mt_ws *ws)
{
	uint16_t code = ws->control_bytes >= 2 ? (uint16_t)(ws->control[0] << 8 | ws->control[1])
					       : (uint16_t)MT_WS_CLOSE_NONE;
	if (ws->control_bytes == 1 || (ws->control_bytes >= 2 && !is_code(code)))
		return refuse(ws, MT_WS_CLOSE_PROTOCOL, "a close frame has no valid code");
	ws->close_code = code;
	ws->is_over = true;
	return MT_CLOSED;
}

static enum mt_status end_frame(struct mt_ws *ws)
{
	enum opcode opcode = opcode_of(ws);
	ws->is_in_frame = false;
	ws->head_bytes = 0;
	if (opcode == CLOSE)
		return take_close(ws);
	if (opcode == PING) {
		memcpy(ws->pong, ws->control, ws->control_bytes);
		ws->pong_bytes = ws->control_bytes;
		ws->has_pong = true;
	}
	return MT_OK;
}

/* Payload of the current frame: behind what `data` has got already, or into the control frame. */
static enum mt_status take_payload(struct mt_ws *ws, uint8_t *data, size_t len, size_t *at,
				   size_t *payload_bytes)
{
	size_t part = len - *at < ws->left ? len - *at : (size_t)ws->left;
	if (is_control(ws)) {
		unmask(ws, ws->control + ws->control_bytes, data + *at, part);
		ws->control_bytes = (uint8_t)(ws->control_bytes + part);
	} else {
		unmask(ws, data + *payload_bytes, data + *at, part);
		*payload_bytes += part;
	}
	*at += part;
	ws->left -= part;
	return ws->left == 0 ? end_frame(ws) : MT_OK;
}

enum mt_status mt_ws_read(struct mt_ws *ws, uint8_t *data, size_t len, size_t *payload_bytes)
{
	enum mt_status status = MT_OK;
	size_t at = 0;
	*payload_bytes = 0;
	if (ws->is_over)
		return ws->fault ? MT_VIOLATION : MT_CLOSED;
	while (status == MT_OK && at < len) {
		if (!ws->is_in_frame)
			status = take_head(ws, data, len, &at);
		if (status == MT_OK && ws->is_in_frame)
			status = take_payload(ws, data, len, &at, payload_bytes);
	}
	return status;
}

void mt_ws_put_head(struct mt_buf *out, uint64_t payload_bytes)
{
	mt_buf_put_u8(out, FIN | BINARY);
	if (payload_bytes < LENGTH_16) {
		mt_buf_put_u8(out, (uint8_t)payload_bytes);
	} else if (payload_bytes <= UINT16_MAX) {
		mt_buf_put_u8(out, LENGTH_16);
		mt_buf_put_u16(out, (uint16_t)payload_bytes);
	} else {
		mt_buf_put_u8(out, LENGTH_64);
		mt_buf_put_u32(out, (uint32_t)(payload_bytes >> 32));
		mt_buf_put_u32(out, (uint32_t)payload_bytes);
	}
}

void mt_ws_put_pong(struct mt_ws *ws, struct mt_buf *out)
{
	if (!ws->has_pong || ws->is_close_said)
		return;
	ws->has_pong = false;
	mt_buf_put_u8(out, FIN | PONG);
	mt_buf_put_u8(out, ws->pong_bytes);
	mt_buf_put(out, mt_bytes_of(ws->pong, ws->pong_bytes));
}

void mt_ws_put_close(struct mt_ws *ws, struct mt_buf *out)
{
	uint16_t code = ws->is_over ? ws->close_code : (uint16_t)MT_WS_CLOSE_NORMAL;
	if (ws->is_close_said)
		return;
	ws->is_close_said = true;
	mt_buf_put_u8(out, FIN | CLOSE);
	mt_buf_put_u8(out, code == MT_WS_CLOSE_NONE ? 0 : 2);
	if (code != MT_WS_CLOSE_NONE)
		mt_buf_put_u16(out, code);
}
