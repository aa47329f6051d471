/* Reading, decrypting, feeding; pulling, encrypting, writing. */
#include "shell/socket.h"

#include "base/log.h"
#include "io/stream.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define GATHER_MAX 64u
#define LAST_READS_MAX 128 /* at close; more than a receive buffer holds */

/* Keeps what the socket did not take, behind what it had not taken before. A peer that causes
 * answers and never reads them fills this, so it has an end. */
static enum mt_status keep(struct mt_socket *socket, struct mt_bytes cipher)
{
	size_t need = socket->left_bytes + cipher.len;
	if (cipher.len == 0)
		return MT_OK;
	if (need > MT_SOCKET_LEFT_BYTES_MAX)
		return MT_LIMIT;
	if (need > socket->left_cap) {
		uint8_t *left = realloc(socket->left, need);
		if (!left)
			return MT_MEMORY;
		socket->left = left;
		socket->left_cap = need;
	}
	memcpy(socket->left + socket->left_bytes, cipher.data, cipher.len);
	socket->left_bytes = need;
	return MT_OK;
}

/* Writes until all is out or the socket blocks; *bytes is what remains. */
static enum mt_socket_end write_until_blocked(struct mt_socket *socket, struct mt_bytes *bytes)
{
	while (bytes->len > 0 && !socket->is_blocked) {
		size_t taken;
		enum mt_status status = mt_stream_write(socket->fd, bytes, 1, &taken);
		if (status == MT_AGAIN)
			socket->is_blocked = true;
		else if (status != MT_OK)
			return MT_SOCKET_ENDS;
		else
			*bytes = mt_bytes_from(*bytes, taken);
	}
	return MT_SOCKET_LIVES;
}

/* Records go out in the order they were made: none overtakes what is kept. */
static enum mt_socket_end write_raw(struct mt_socket *socket, struct mt_bytes bytes)
{
	if (socket->left_bytes == 0 && write_until_blocked(socket, &bytes) == MT_SOCKET_ENDS)
		return MT_SOCKET_ENDS;
	return keep(socket, bytes) == MT_OK ? MT_SOCKET_LIVES : MT_SOCKET_ENDS;
}

/* Sends the kept bytes; what then remains moves to the front. */
static enum mt_socket_end write_left(struct mt_socket *socket)
{
	struct mt_bytes left = mt_bytes_of(socket->left, socket->left_bytes);
	if (write_until_blocked(socket, &left) == MT_SOCKET_ENDS)
		return MT_SOCKET_ENDS;
	if (left.len > 0) {
		memmove(socket->left, left.data, left.len);
	} else {
		free(socket->left);
		socket->left = NULL;
		socket->left_cap = 0;
	}
	socket->left_bytes = left.len;
	return MT_SOCKET_LIVES;
}

static void report_tls_fault(const struct mt_socket *socket)
{
	char address[MT_ENDPOINT_TEXT_BYTES];
	mt_peer_address_text(&socket->peer, address);
	mt_log(MT_LOG_NOTICE, "tls", "connection ended",
	       MT_STR("why", mt_tls_session_fault(socket->tls)), MT_STR("address", address),
	       MT_STR("listener", socket->listener));
}

static enum mt_socket_end feed_tls(struct mt_socket *socket, struct mt_core *core,
				   struct mt_now now, struct mt_scratch *scratch,
				   struct mt_bytes received)
{
	enum mt_status status = MT_OK;
	mt_tls_session_feed(socket->tls, received);
	while (status == MT_OK) {
		struct mt_buf cipher = mt_buf_of(scratch->cipher, sizeof(scratch->cipher));
		size_t len;
		status = mt_tls_session_read(socket->tls, scratch->plain, sizeof(scratch->plain),
					     &len, &cipher);
		if (cipher.pos > 0 && write_raw(socket, mt_buf_view(&cipher)) == MT_SOCKET_ENDS)
			return MT_SOCKET_ENDS;
		if (status == MT_OK)
			mt_core_input(core, now, socket->conn, mt_bytes_of(scratch->plain, len));
	}
	if (status == MT_TLS)
		report_tls_fault(socket);
	return status == MT_AGAIN ? MT_SOCKET_LIVES : MT_SOCKET_ENDS;
}

static enum mt_socket_end feed(struct mt_socket *socket, struct mt_core *core, struct mt_now now,
			       struct mt_scratch *scratch, struct mt_bytes received)
{
	if (socket->tls)
		return feed_tls(socket, core, now, scratch, received);
	mt_core_input(core, now, socket->conn, received);
	return MT_SOCKET_LIVES;
}

enum mt_socket_end mt_socket_receive(struct mt_socket *socket, struct mt_core *core,
				     struct mt_now now, struct mt_scratch *scratch, unsigned rounds)
{
	while (rounds-- > 0 && !socket->is_paused) {
		size_t len;
		bool is_drained;
		enum mt_status status =
			mt_stream_read(socket->fd, scratch->received, sizeof(scratch->received),
				       &len, &is_drained);
		if (status == MT_AGAIN) {
			socket->is_read_pending = false;
			return MT_SOCKET_LIVES;
		}
		if (status != MT_OK)
			return MT_SOCKET_ENDS;
		if (feed(socket, core, now, scratch, mt_bytes_of(scratch->received, len)) ==
		    MT_SOCKET_ENDS)
			return MT_SOCKET_ENDS;
		if (is_drained && !socket->is_hung_up) {
			socket->is_read_pending = false;
			return MT_SOCKET_LIVES;
		}
	}
	return MT_SOCKET_LIVES;
}

static enum mt_socket_end flush_plain(struct mt_socket *socket, struct mt_core *core,
				      struct mt_now now)
{
	struct mt_bytes list[GATHER_MAX];
	size_t count;
	while (!socket->is_blocked &&
	       (count = mt_core_output(core, socket->conn, list, GATHER_MAX)) > 0) {
		size_t taken;
		enum mt_status status = mt_stream_write(socket->fd, list, count, &taken);
		if (status == MT_AGAIN)
			socket->is_blocked = true;
		else if (status != MT_OK)
			return MT_SOCKET_ENDS;
		else
			mt_core_sent(core, now, socket->conn, taken);
	}
	return MT_SOCKET_LIVES;
}

/* Gathers at most one record's worth of the core's output into the scratch. */
static size_t gather(const struct mt_socket *socket, const struct mt_core *core,
		     struct mt_scratch *scratch)
{
	struct mt_bytes list[GATHER_MAX];
	struct mt_buf plain = mt_buf_of(scratch->plain, MT_TLS_RECORD_BYTES_MAX);
	size_t count = mt_core_output(core, socket->conn, list, GATHER_MAX);
	for (size_t i = 0; i < count && plain.pos < plain.cap; i++) {
		size_t room = plain.cap - plain.pos;
		mt_buf_put(&plain,
			   mt_bytes_of(list[i].data, list[i].len < room ? list[i].len : room));
	}
	return plain.pos;
}

static enum mt_socket_end flush_tls(struct mt_socket *socket, struct mt_core *core,
				    struct mt_now now, struct mt_scratch *scratch)
{
	size_t len;
	while (!socket->is_blocked && (len = gather(socket, core, scratch)) > 0) {
		struct mt_buf cipher = mt_buf_of(scratch->cipher, sizeof(scratch->cipher));
		enum mt_status status = mt_tls_session_write(
			socket->tls, mt_bytes_of(scratch->plain, len), &cipher);
		if (status == MT_AGAIN)
			return MT_SOCKET_LIVES;
		if (status != MT_OK) {
			report_tls_fault(socket);
			return MT_SOCKET_ENDS;
		}
		mt_core_sent(core, now, socket->conn, len);
		if (write_raw(socket, mt_buf_view(&cipher)) == MT_SOCKET_ENDS)
			return MT_SOCKET_ENDS;
	}
	return MT_SOCKET_LIVES;
}

enum mt_socket_end mt_socket_flush(struct mt_socket *socket, struct mt_core *core,
				   struct mt_now now, struct mt_scratch *scratch)
{
	if (socket->left_bytes > 0 && write_left(socket) == MT_SOCKET_ENDS)
		return MT_SOCKET_ENDS;
	if (socket->left_bytes > 0)
		return MT_SOCKET_LIVES;
	return socket->tls ? flush_tls(socket, core, now, scratch) : flush_plain(socket, core, now);
}

/* What the peer sent and nobody reads would make the system answer close() with a reset. */
static void discard_input(const struct mt_socket *socket, struct mt_scratch *scratch)
{
	enum mt_status status = MT_OK;
	for (int i = 0; i < LAST_READS_MAX && status == MT_OK; i++) {
		size_t len;
		bool is_drained;
		status = mt_stream_read(socket->fd, scratch->received, sizeof(scratch->received),
					&len, &is_drained);
	}
}

void mt_socket_close(struct mt_socket **socket, struct mt_scratch *scratch)
{
	struct mt_socket *old = *socket;
	enum mt_socket_end end = MT_SOCKET_LIVES;
	*socket = NULL;
	if (!old)
		return;
	if (old->tls && !old->is_blocked) {
		struct mt_buf cipher = mt_buf_of(scratch->cipher, sizeof(scratch->cipher));
		mt_tls_session_close(old->tls, &cipher);
		end = write_raw(old, mt_buf_view(&cipher));
	}
	if (end == MT_SOCKET_LIVES && shutdown(old->fd, SHUT_WR) == 0)
		discard_input(old, scratch);
	close(old->fd);
	mt_tls_session_destroy(&old->tls);
	free(old->left);
	free(old);
}
