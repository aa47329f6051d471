/* Moving bytes between a TLS client and the HTTP server. */
#include "shell/relay_link.h"

#include "base/log.h"
#include "io/stream.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define STALL_NS (10 * MT_SECOND) /* that a client may leave what it was sent */
#define LINGER_NS (2 * MT_SECOND)
#define LINGER_BYTES_MAX 2097152u

struct mt_relay_link *mt_relay_link_create(struct mt_tls_context *context, int fd,
					   const struct mt_peer_address *peer, mt_time due_ns,
					   mt_time now_ns)
{
	struct mt_relay_link *link = malloc(sizeof(*link));
	if (!link)
		return NULL;
	memset(link, 0, offsetof(struct mt_relay_link, in_bytes));
	link->tls = mt_tls_session_create_server(context);
	if (!link->tls) {
		free(link);
		return NULL;
	}
	link->fd = fd;
	link->inner_fd = -1;
	link->peer = *peer;
	link->handshake_due_ns = due_ns;
	link->linger_due_ns = MT_TIME_NEVER;
	link->moved_ns = now_ns;
	return link;
}

void mt_relay_link_destroy(struct mt_relay_link **link)
{
	struct mt_relay_link *old = *link;
	*link = NULL;
	if (!old)
		return;
	close(old->fd);
	if (old->inner_fd >= 0)
		close(old->inner_fd);
	mt_tls_session_destroy(&old->tls);
	/* Tokens and passwords went through here. */
	mt_bytes_wipe(old->in_bytes, sizeof(old->in_bytes));
	free(old);
}

static bool is_empty(const struct mt_relay_piece *piece)
{
	return piece->pos == piece->end;
}

static bool is_lingering(const struct mt_relay_link *link)
{
	return link->linger_due_ns != MT_TIME_NEVER;
}

short mt_relay_link_outer_events(const struct mt_relay_link *link)
{
	if (!is_empty(&link->out))
		return POLLOUT;
	if (is_lingering(link))
		return POLLIN;
	return !link->is_client_done && !link->is_last && is_empty(&link->in) ? POLLIN : 0;
}

short mt_relay_link_inner_events(const struct mt_relay_link *link)
{
	short events = 0;
	if (link->inner_fd < 0 || link->is_last)
		return 0;
	if (is_empty(&link->out))
		events = (short)(events | POLLIN);
	if (!is_empty(&link->in) && !link->is_server_deaf)
		events = (short)(events | POLLOUT);
	return events;
}

mt_time mt_relay_link_due(const struct mt_relay_link *link)
{
	mt_time due = link->handshake_due_ns;
	if (link->linger_due_ns < due)
		due = link->linger_due_ns;
	if (!is_empty(&link->out) && link->moved_ns + STALL_NS < due)
		due = link->moved_ns + STALL_NS;
	return due;
}

static void report(const struct mt_relay_link *link, const char *why)
{
	char address[MT_ENDPOINT_TEXT_BYTES];
	mt_peer_address_text(&link->peer, address);
	mt_log(MT_LOG_NOTICE, "https", "connection ended", MT_STR("why", why),
	       MT_STR("address", address));
}

/* ---- from the client ---- */

/* Cipher bytes that the client has to get for what it said: its part of the handshake, an alert. */
static enum mt_status read_tls(struct mt_relay_link *link, size_t *len)
{
	struct mt_buf cipher =
		mt_buf_of(link->out_bytes + link->out.end, sizeof(link->out_bytes) - link->out.end);
	enum mt_status status;
	if (link->in.end == sizeof(link->in_bytes))
		return MT_LIMIT;
	status = mt_tls_session_read(link->tls, link->in_bytes + link->in.end,
				     sizeof(link->in_bytes) - link->in.end, len, &cipher);
	link->out.end += cipher.pos;
	return status;
}

static void open_cipher(struct mt_relay_link *link)
{
	enum mt_status status;
	size_t len = 0;
	while ((status = read_tls(link, &len)) == MT_OK)
		link->in.end += len;
	if (status == MT_CLOSED) {
		link->is_client_done = true;
	} else if (status != MT_AGAIN) {
		report(link, status == MT_TLS ? mt_tls_session_fault(link->tls)
					      : "more came than was read");
		link->is_last = true;
	}
	if (!link->is_met && mt_tls_session_is_open(link->tls)) {
		link->is_met = true;
		link->handshake_due_ns = MT_TIME_NEVER;
	}
}

/* Who sends a request drop by drop has to be done with it in time. */
static bool is_too_slow(struct mt_relay_link *link, mt_time request_ns, mt_time now_ns)
{
	if (is_empty(&link->in))
		return false;
	if (link->asking_ns == 0)
		link->asking_ns = now_ns;
	return now_ns - link->asking_ns > request_ns;
}

static enum mt_relay_end receive(struct mt_relay_link *link, mt_time request_ns, mt_time now_ns,
				 uint8_t *scratch)
{
	size_t len;
	bool is_drained;
	enum mt_status status =
		mt_stream_read(link->fd, scratch, MT_TLS_RECORD_BYTES_MAX, &len, &is_drained);
	if (status == MT_AGAIN)
		return MT_RELAY_GOES_ON;
	/* Without a close_notify it is cut off: half a request is none. */
	if (status != MT_OK)
		return MT_RELAY_ENDS;
	mt_tls_session_feed(link->tls, mt_bytes_of(scratch, len));
	open_cipher(link);
	if (is_too_slow(link, request_ns, now_ns)) {
		report(link, "a request took too long to arrive");
		return MT_RELAY_ENDS;
	}
	return MT_RELAY_GOES_ON;
}

static void linger(struct mt_relay_link *link, mt_time now_ns)
{
	shutdown(link->fd, SHUT_WR);
	link->linger_due_ns = now_ns + LINGER_NS;
}

static enum mt_relay_end throw_away(struct mt_relay_link *link, uint8_t *scratch)
{
	size_t len;
	bool is_drained;
	enum mt_status status =
		mt_stream_read(link->fd, scratch, MT_TLS_RECORD_BYTES_MAX, &len, &is_drained);
	if (status == MT_AGAIN)
		return MT_RELAY_GOES_ON;
	if (status != MT_OK)
		return MT_RELAY_ENDS;
	link->lingered_bytes += len;
	return link->lingered_bytes > LINGER_BYTES_MAX ? MT_RELAY_ENDS : MT_RELAY_GOES_ON;
}

/* ---- to the HTTP server and back ---- */

/* Writes what it can of the piece; an empty one begins anew. */
static enum mt_status write_piece(int fd, const uint8_t *bytes, struct mt_relay_piece *piece)
{
	while (!is_empty(piece)) {
		struct mt_bytes view = mt_bytes_of(bytes + piece->pos, piece->end - piece->pos);
		size_t taken;
		enum mt_status status = mt_stream_write(fd, &view, 1, &taken);
		if (status != MT_OK)
			return status;
		piece->pos += taken;
	}
	*piece = (struct mt_relay_piece){0};
	return MT_OK;
}

static void drop_in(struct mt_relay_link *link)
{
	mt_bytes_wipe(link->in_bytes, link->in.end);
	link->in = (struct mt_relay_piece){0};
}

/* A server that no longer listens may not have finished its answer. */
static void pass_on(struct mt_relay_link *link)
{
	size_t end = link->in.end;
	enum mt_status status = MT_CLOSED;
	if (!link->is_server_deaf)
		status = write_piece(link->inner_fd, link->in_bytes, &link->in);
	if (status == MT_AGAIN)
		return;
	link->in.end = end;
	drop_in(link);
	if (link->is_client_done && !link->is_server_deaf)
		shutdown(link->inner_fd, SHUT_WR);
	link->is_server_deaf = status != MT_OK || link->is_client_done;
}

static enum mt_relay_end fetch(struct mt_relay_link *link, uint8_t *scratch)
{
	struct mt_buf cipher =
		mt_buf_of(link->out_bytes + link->out.end, sizeof(link->out_bytes) - link->out.end);
	size_t len = 0;
	bool is_drained;
	enum mt_status status =
		mt_stream_read(link->inner_fd, scratch, MT_TLS_RECORD_BYTES_MAX, &len, &is_drained);
	if (status == MT_AGAIN)
		return MT_RELAY_GOES_ON;
	link->asking_ns = 0;
	if (status == MT_OK) {
		status = mt_tls_session_write(link->tls, mt_bytes_of(scratch, len), &cipher);
		mt_bytes_wipe(scratch, len);
		if (status != MT_OK)
			return MT_RELAY_ENDS;
	} else {
		mt_tls_session_close(link->tls, &cipher);
		link->is_last = true;
	}
	link->out.end += cipher.pos;
	return MT_RELAY_GOES_ON;
}

static enum mt_relay_end send_out(struct mt_relay_link *link, mt_time now_ns)
{
	size_t before = link->out.pos;
	enum mt_status status = write_piece(link->fd, link->out_bytes, &link->out);
	if (status != MT_OK && status != MT_AGAIN)
		return MT_RELAY_ENDS;
	if (link->out.pos != before)
		link->moved_ns = now_ns;
	return MT_RELAY_GOES_ON;
}

/* A piece that was just read can mostly go on at once. */
static enum mt_relay_end move(struct mt_relay_link *link, mt_time now_ns)
{
	if (!is_empty(&link->out) && send_out(link, now_ns) == MT_RELAY_ENDS)
		return MT_RELAY_ENDS;
	if (link->inner_fd >= 0 && !link->is_last &&
	    (!is_empty(&link->in) || (link->is_client_done && !link->is_server_deaf)))
		pass_on(link);
	if (link->is_client_done && is_empty(&link->in) && link->inner_fd < 0)
		return MT_RELAY_ENDS; /* it asked for nothing */
	if (link->is_last && is_empty(&link->out) && !is_lingering(link))
		linger(link, now_ns);
	return MT_RELAY_GOES_ON;
}

static enum mt_relay_end read_both(struct mt_relay_link *link, short outer, short inner,
				   mt_time request_ns, mt_time now_ns, uint8_t *scratch)
{
	const short readable = POLLIN | POLLHUP | POLLERR;
	if ((outer & readable) && (mt_relay_link_outer_events(link) & POLLIN) &&
	    receive(link, request_ns, now_ns, scratch) == MT_RELAY_ENDS)
		return MT_RELAY_ENDS;
	if ((inner & readable) && (mt_relay_link_inner_events(link) & POLLIN))
		return fetch(link, scratch);
	return MT_RELAY_GOES_ON;
}

enum mt_relay_end mt_relay_link_serve(struct mt_relay_link *link, short outer, short inner,
				      mt_time request_ns, mt_time now_ns, uint8_t *scratch)
{
	if (is_lingering(link))
		return outer ? throw_away(link, scratch) : MT_RELAY_GOES_ON;
	if (is_empty(&link->out))
		link->moved_ns = now_ns;
	if (read_both(link, outer, inner, request_ns, now_ns, scratch) == MT_RELAY_ENDS)
		return MT_RELAY_ENDS;
	return move(link, now_ns);
}
