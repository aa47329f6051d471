/* One connection of the load generator: handshake in blocking order, then non-blocking buffers. */
#include "cli/bench_conn.h"

#include "io/dial.h"
#include "io/stream.h"
#include "wire/connect.h"
#include "wire/subscribe.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define HANDSHAKE_BYTES 8192
#define CLIENT_PACKET_BYTES_MAX MT_VARINT_MAX

static const char *explain(const char *what, const char *why)
{
	static char text[256];

	(void)snprintf(text, sizeof(text), "%s: %s", what, why);
	return text;
}

static enum mt_status wait_for(int fd, short events, uint32_t timeout_s)
{
	struct pollfd wait = {.fd = fd, .events = events};

	return poll(&wait, 1, (int)timeout_s * 1000) > 0 ? MT_OK : MT_TIMEOUT;
}

static enum mt_status dial(struct mt_bench_conn *conn, const struct mt_bench_settings *settings,
			   const char **reason)
{
	uint16_t port = (uint16_t)strtoul(settings->port, NULL, 10);
	enum mt_status status = MT_AGAIN;
	unsigned attempt = 0;

	for (;;) {
		MT_TRY(mt_dial_start(settings->host, port, &attempt, &conn->fd, reason));
		while (status == MT_AGAIN &&
		       wait_for(conn->fd, POLLOUT, settings->timeout_s) == MT_OK)
			status = mt_dial_finish(conn->fd, reason);
		if (status == MT_OK)
			return MT_OK;
		(void)close(conn->fd);
		conn->fd = -1;
		status = MT_AGAIN;
	}
}

uint8_t *mt_bench_conn_room(struct mt_bench_conn *conn, size_t bytes)
{
	uint8_t *grown;
	size_t cap;

	if (conn->out_cap - conn->out_len < bytes) {
		cap = conn->out_cap * 2 + bytes;
		grown = realloc(conn->out, cap);
		if (!grown)
			return NULL;
		conn->out = grown;
		conn->out_cap = cap;
	}
	conn->out_len += bytes;
	return conn->out + conn->out_len - bytes;
}

enum mt_status mt_bench_conn_flush(struct mt_bench_conn *conn)
{
	enum mt_status status = MT_OK;
	struct mt_bytes rest;
	size_t taken;

	while (status == MT_OK && conn->out_sent < conn->out_len) {
		rest = mt_bytes_of(conn->out + conn->out_sent, conn->out_len - conn->out_sent);
		status = mt_stream_write(conn->fd, &rest, 1, &taken);
		if (status == MT_OK)
			conn->out_sent += taken;
	}
	if (status == MT_OK)
		conn->out_sent = conn->out_len = 0;
	return status;
}

enum mt_status mt_bench_conn_read(struct mt_bench_conn *conn, struct mt_buf *scratch,
				  struct mt_bytes *whole)
{
	bool is_drained;
	size_t got;

	if (conn->in_len >= scratch->cap)
		return MT_LIMIT;
	if (conn->in_len > 0)
		memcpy(scratch->data, conn->in, conn->in_len);
	MT_TRY(mt_stream_read(conn->fd, scratch->data + conn->in_len, scratch->cap - conn->in_len,
			      &got, &is_drained));
	*whole = mt_bytes_of(scratch->data, conn->in_len + got);
	return MT_OK;
}

enum mt_status mt_bench_conn_keep(struct mt_bench_conn *conn, struct mt_bytes rest)
{
	uint8_t *grown;

	if (rest.len > conn->in_cap) {
		grown = realloc(conn->in, rest.len);
		if (!grown)
			return MT_MEMORY;
		conn->in = grown;
		conn->in_cap = rest.len;
	}
	if (rest.len > 0)
		memcpy(conn->in, rest.data, rest.len);
	conn->in_len = rest.len;
	return MT_OK;
}

/* Waits for one packet of that type, passing over a PUBLISH; *frame points into scratch. */
static enum mt_status await(struct mt_bench_conn *conn, uint8_t type, uint32_t timeout_s,
			    struct mt_buf *scratch, struct mt_frame *frame, const char **reason)
{
	struct mt_bytes whole = {scratch->data, conn->in_len};
	struct mt_violation why;
	enum mt_status status;

	if (conn->in_len > 0)
		memcpy(scratch->data, conn->in, conn->in_len);
	for (;;) {
		status = mt_frame_next(whole, CLIENT_PACKET_BYTES_MAX, frame, &why);
		if (status == MT_OK && frame->type == type)
			return mt_bench_conn_keep(conn, mt_bytes_from(whole, frame->bytes));
		if (status == MT_OK && frame->type == MT_PACKET_PUBLISH) {
			whole = mt_bytes_from(whole, frame->bytes);
			continue;
		}
		*reason = explain("unexpected answer instead of", mt_packet_name(type));
		if (status != MT_AGAIN)
			return MT_VIOLATION;
		MT_TRY(mt_bench_conn_keep(conn, whole));
		*reason = explain("no answer, waited for", mt_packet_name(type));
		MT_TRY(wait_for(conn->fd, POLLIN, timeout_s));
		*reason = explain("connection closed, waited for", mt_packet_name(type));
		MT_TRY(mt_bench_conn_read(conn, scratch, &whole));
	}
}

static enum mt_status send_packet(struct mt_bench_conn *conn, struct mt_bytes packet)
{
	uint8_t *at = mt_bench_conn_room(conn, packet.len);

	if (!at)
		return MT_MEMORY;
	memcpy(at, packet.data, packet.len);
	return mt_bench_conn_flush(conn);
}

static enum mt_status log_in(struct mt_bench_conn *conn, const struct mt_bench_settings *settings,
			     const char *client_id, struct mt_buf *scratch, const char **reason)
{
	struct mt_connect connect = {.version = settings->version,
				     .is_clean = true,
				     .has_user = settings->user != NULL,
				     .has_password = settings->password != NULL,
				     .client_id = mt_bytes_str(client_id),
				     .user = mt_bytes_str(settings->user),
				     .password = mt_bytes_str(settings->password)};
	uint8_t packet[HANDSHAKE_BYTES];
	struct mt_buf out = mt_buf_of(packet, sizeof(packet));
	struct mt_violation why;
	struct mt_connack connack;
	struct mt_frame frame;

	*reason = "CONNECT does not fit";
	MT_TRY(mt_connect_encode(&connect, &out));
	*reason = "CONNECT was not taken";
	MT_TRY(send_packet(conn, mt_buf_view(&out)));
	MT_TRY(await(conn, MT_PACKET_CONNACK, settings->timeout_s, scratch, &frame, reason));
	*reason = "malformed CONNACK";
	MT_TRY(mt_connack_decode(&frame, settings->version, &connack, &why));
	if (connack.reason != MT_REASON_SUCCESS) {
		*reason = explain("refused", mt_reason_text(connack.reason));
		return MT_DENIED;
	}
	conn->receive_max = connack.props.present & MT_PROP_BIT(RECEIVE_MAXIMUM)
				    ? connack.props.receive_max
				    : UINT16_MAX;
	return MT_OK;
}

static enum mt_status subscribe(struct mt_bench_conn *conn,
				const struct mt_bench_settings *settings, const char *filter,
				struct mt_buf *scratch, const char **reason)
{
	const struct mt_sub_options options = {.qos = settings->qos};
	uint8_t packet[HANDSHAKE_BYTES], filters[HANDSHAKE_BYTES];
	struct mt_buf out = mt_buf_of(packet, sizeof(packet)),
		      list = mt_buf_of(filters, sizeof(filters));
	struct mt_subscribe request = {
		.type = MT_PACKET_SUBSCRIBE, .packet_id = 1, .filter_count = 1};
	struct mt_violation why;
	struct mt_suback suback;
	struct mt_frame frame;

	mt_subscribe_put(&list, mt_bytes_str(filter), &options, settings->version);
	request.list = mt_buf_view(&list);
	*reason = "SUBSCRIBE does not fit";
	MT_TRY(mt_subscribe_encode(&request, settings->version, &out));
	*reason = "SUBSCRIBE was not taken";
	MT_TRY(send_packet(conn, mt_buf_view(&out)));
	MT_TRY(await(conn, MT_PACKET_SUBACK, settings->timeout_s, scratch, &frame, reason));
	*reason = "malformed SUBACK";
	MT_TRY(mt_suback_decode(&frame, settings->version, &suback, &why));
	if (suback.reasons.len == 1 && suback.reasons.data[0] == settings->qos)
		return MT_OK;
	*reason = "the subscription was refused or granted a lower QoS";
	return MT_DENIED;
}

enum mt_status mt_bench_conn_open(struct mt_bench_conn *conn,
				  const struct mt_bench_settings *settings, const char *client_id,
				  const char *filter, const char **reason)
{
	uint8_t room[HANDSHAKE_BYTES];
	struct mt_buf scratch = mt_buf_of(room, sizeof(room));

	*conn = (struct mt_bench_conn){.fd = -1};
	MT_TRY(dial(conn, settings, reason));
	MT_TRY(log_in(conn, settings, client_id, &scratch, reason));
	return filter ? subscribe(conn, settings, filter, &scratch, reason) : MT_OK;
}

void mt_bench_conn_close(struct mt_bench_conn *conn)
{
	if (conn->fd >= 0)
		(void)close(conn->fd);
	free(conn->in);
	free(conn->out);
	*conn = (struct mt_bench_conn){.fd = -1};
}
