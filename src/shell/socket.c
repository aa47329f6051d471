/* Reading, decrypting, feeding; pulling, encrypting, writing. */
#include "shell/socket.h"

#include "base/log.h"
#include "io/stream.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define GATHER_MAX 64u
/* A frame on its way may have to be kept, whole, behind a pong. */
#define FRAME_BYTES_MAX (MT_SOCKET_LEFT_BYTES_MAX - 4096u)
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
		socket->left_cap = (uint32_t)need;
	}
	memcpy(socket->left + socket->left_bytes, cipher.data, cipher.len);
	socket->left_bytes = (uint32_t)need;
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

static void report_fault(const struct mt_socket *socket, const char *subject, const char *why)
{
	char address[MT_ENDPOINT_TEXT_BYTES];
	mt_peer_address_text(&socket->peer, address);
	mt_log(MT_LOG_NOTICE, subject, "connection ended", MT_STR("why", why),
	       MT_STR("address", address), MT_STR("listener", socket->listener));
}

/* Records go out in the order they were made: none overtakes what is kept. */
static enum mt_socket_end write_raw(struct mt_socket *socket, struct mt_bytes bytes)
{
	enum mt_status status;
	if (socket->left_bytes == 0 && write_until_blocked(socket, &bytes) == MT_SOCKET_ENDS)
		return MT_SOCKET_ENDS;
	status = keep(socket, bytes);
	if (status == MT_LIMIT)
		report_fault(socket, "tls", "the peer does not read what it asks for");
	return status == MT_OK ? MT_SOCKET_LIVES : MT_SOCKET_ENDS;
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
	socket->left_bytes = (uint32_t)left.len;
	return MT_SOCKET_LIVES;
}

static void report_tls_fault(const struct mt_socket *socket)
{
	report_fault(socket, "tls", mt_tls_session_fault(socket->tls));
}

/* Plain bytes that are already in order go out, by TLS where there is TLS. */
static enum mt_socket_end seal(struct mt_socket *socket, struct mt_scratch *scratch,
			       struct mt_bytes plain)
{
	struct mt_buf cipher = mt_buf_of(scratch->cipher, sizeof(scratch->cipher));
	if (!socket->tls)
		return write_raw(socket, plain);
	if (mt_tls_session_write(socket->tls, plain, &cipher) != MT_OK) {
		report_tls_fault(socket);
		return MT_SOCKET_ENDS;
	}
	return write_raw(socket, mt_buf_view(&cipher));
}

/* A pong waits while the socket is blocked: a peer who asks and does not read costs nothing. */
static enum mt_socket_end answer_ping(struct mt_socket *socket, struct mt_scratch *scratch)
{
	uint8_t data[MT_WS_CONTROL_FRAME_BYTES_MAX];
	struct mt_buf pong = mt_buf_of(data, sizeof(data));
	if (!mt_web_has_pong(socket->web) || socket->is_blocked)
		return MT_SOCKET_LIVES;
	mt_web_put_pong(socket->web, &pong);
	return seal(socket, scratch, mt_buf_view(&pong));
}

static enum mt_socket_end feed_web(struct mt_socket *socket, struct mt_core *core,
				   struct mt_now now, struct mt_scratch *scratch, uint8_t *data,
				   size_t len)
{
	uint8_t said[MT_UPGRADE_ANSWER_BYTES];
	struct mt_buf answer = mt_buf_of(said, sizeof(said));
	struct mt_bytes payload;
	enum mt_status status = mt_web_read(socket->web, data, len, &payload, &answer);
	if (answer.pos > 0 && seal(socket, scratch, mt_buf_view(&answer)) == MT_SOCKET_ENDS)
		return MT_SOCKET_ENDS;
	if (payload.len > 0)
		mt_tape_input(socket->tape, core, now, socket->conn, payload);
	if (status == MT_VIOLATION)
		report_fault(socket, "websocket", mt_web_fault(socket->web));
	return status == MT_OK ? answer_ping(socket, scratch) : MT_SOCKET_ENDS;
}

/* Plain bytes to the core. */
static enum mt_socket_end hand_on(struct mt_socket *socket, struct mt_core *core, struct mt_now now,
				  struct mt_scratch *scratch, uint8_t *data, size_t len)
{
	if (socket->web)
		return feed_web(socket, core, now, scratch, data, len);
	mt_tape_input(socket->tape, core, now, socket->conn, mt_bytes_of(data, len));
	return MT_SOCKET_LIVES;
}

/* Before the core gets a byte of it. */
static void prove(struct mt_socket *socket, struct mt_core *core, struct mt_now now)
{
	struct mt_tls_peer peer;
	struct mt_proof proof;
	socket->is_met = true;
	if (!mt_tls_session_peer(socket->tls, &peer))
		return;
	socket->proven_until_s = peer.not_after_s;
	proof = (struct mt_proof){.kind = peer.is_key ? MT_PROOF_PSK : MT_PROOF_CERTIFICATE,
				  .user_id = peer.user_id,
				  .cn = mt_bytes_str(peer.cn)};
	mt_tape_prove(socket->tape, core, now, socket->conn, &proof);
}

static enum mt_socket_end run_tls(struct mt_socket *socket, struct mt_core *core, struct mt_now now,
				  struct mt_scratch *scratch)
{
	enum mt_status status = MT_OK;
	while (status == MT_OK) {
		struct mt_buf cipher = mt_buf_of(scratch->cipher, sizeof(scratch->cipher));
		size_t len;
		status = mt_tls_session_read(socket->tls, scratch->plain, sizeof(scratch->plain),
					     &len, &cipher);
		if (cipher.pos > 0 && write_raw(socket, mt_buf_view(&cipher)) == MT_SOCKET_ENDS)
			return MT_SOCKET_ENDS;
		if (!socket->is_met && mt_tls_session_is_open(socket->tls))
			prove(socket, core, now);
		if (status == MT_OK &&
		    hand_on(socket, core, now, scratch, scratch->plain, len) == MT_SOCKET_ENDS)
			return MT_SOCKET_ENDS;
	}
	if (status == MT_TLS)
		report_tls_fault(socket);
	socket->is_waiting = mt_tls_session_is_waiting(socket->tls);
	return status == MT_AGAIN ? MT_SOCKET_LIVES : MT_SOCKET_ENDS;
}

static enum mt_socket_end feed_tls(struct mt_socket *socket, struct mt_core *core,
				   struct mt_now now, struct mt_scratch *scratch, size_t received)
{
	mt_tls_session_feed(socket->tls, mt_bytes_of(scratch->received, received));
	return run_tls(socket, core, now, scratch);
}

enum mt_socket_end mt_socket_go_on(struct mt_socket *socket, struct mt_core *core,
				   struct mt_now now, struct mt_scratch *scratch)
{
	return run_tls(socket, core, now, scratch);
}

static enum mt_socket_end feed(struct mt_socket *socket, struct mt_core *core, struct mt_now now,
			       struct mt_scratch *scratch, size_t received)
{
	if (socket->tls)
		return feed_tls(socket, core, now, scratch, received);
	return hand_on(socket, core, now, scratch, scratch->received, received);
}

enum mt_socket_end mt_socket_receive(struct mt_socket *socket, struct mt_core *core,
				     struct mt_now now, struct mt_scratch *scratch, unsigned rounds)
{
	while (rounds-- > 0 && !socket->is_paused && !socket->is_waiting) {
		size_t len;
		bool is_drained;
		enum mt_status status =
			mt_stream_read(socket->fd, scratch->received, sizeof(scratch->received),
				       &len, &is_drained);
		if (status == MT_AGAIN) {
			socket->is_read_pending = false;
			return MT_SOCKET_LIVES;
		}
		if (status != MT_OK) {
			socket->is_ended = true;
			return MT_SOCKET_ENDS;
		}
		if (feed(socket, core, now, scratch, len) == MT_SOCKET_ENDS)
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
			mt_tape_sent(socket->tape, core, now, socket->conn, taken);
	}
	return MT_SOCKET_LIVES;
}

/* Appends what the core has to say, as far as there is room; the number of its bytes. */
static size_t gather(const struct mt_socket *socket, const struct mt_core *core,
		     struct mt_buf *plain)
{
	struct mt_bytes list[GATHER_MAX];
	size_t start = plain->pos;
	size_t count = mt_core_output(core, socket->conn, list, GATHER_MAX);
	for (size_t i = 0; i < count && plain->pos < plain->cap; i++) {
		size_t room = plain->cap - plain->pos;
		mt_buf_put(plain,
			   mt_bytes_of(list[i].data, list[i].len < room ? list[i].len : room));
	}
	return plain->pos - start;
}

/* The same in frames, behind a pong that is due. What is gathered stands back by the room for their
 * heads. */
static size_t gather_frames(const struct mt_socket *socket, const struct mt_core *core,
			    struct mt_buf *plain)
{
	size_t back = plain->cap / 4;
	struct mt_buf packets = mt_buf_of(plain->data + back, plain->cap - back);
	if (!mt_web_is_open(socket->web))
		return 0;
	mt_web_put_pong(socket->web, plain);
	gather(socket, core, &packets);
	return mt_web_put_packets(socket->web, mt_buf_view(&packets), plain);
}

/* By way of the scratch, where TLS and frames need the bytes in one piece. */
static enum mt_socket_end flush_copied(struct mt_socket *socket, struct mt_core *core,
				       struct mt_now now, struct mt_scratch *scratch)
{
	size_t cap = socket->tls ? MT_TLS_RECORD_BYTES_MAX : FRAME_BYTES_MAX;
	if (socket->tls && !mt_tls_session_is_open(socket->tls))
		return MT_SOCKET_LIVES;
	while (!socket->is_blocked) {
		struct mt_buf plain = mt_buf_of(scratch->plain, cap);
		size_t len = socket->web ? gather_frames(socket, core, &plain)
					 : gather(socket, core, &plain);
		if (plain.pos == 0)
			return MT_SOCKET_LIVES;
		if (len > 0)
			mt_tape_sent(socket->tape, core, now, socket->conn, len);
		if (seal(socket, scratch, mt_buf_view(&plain)) == MT_SOCKET_ENDS)
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
	return socket->tls || socket->web ? flush_copied(socket, core, now, scratch)
					  : flush_plain(socket, core, now);
}

/* What the peer sent and nobody reads would make the system answer close() with a reset. */
/* False: more may come. */
static bool discard_input(const struct mt_socket *socket, struct mt_scratch *scratch)
{
	enum mt_status status = MT_OK;
	for (int i = 0; i < LAST_READS_MAX && status == MT_OK; i++) {
		size_t len;
		bool is_drained;
		status = mt_stream_read(socket->fd, scratch->received, sizeof(scratch->received),
					&len, &is_drained);
	}
	return status != MT_OK && status != MT_AGAIN;
}

static enum mt_socket_end close_web(struct mt_socket *socket, struct mt_scratch *scratch)
{
	uint8_t data[MT_WS_CONTROL_FRAME_BYTES_MAX];
	struct mt_buf frame = mt_buf_of(data, sizeof(data));
	mt_web_put_close(socket->web, &frame);
	return frame.pos > 0 ? seal(socket, scratch, mt_buf_view(&frame)) : MT_SOCKET_LIVES;
}

/* False: more may come. */
static bool say_farewell(struct mt_socket *socket, struct mt_scratch *scratch)
{
	enum mt_socket_end end = MT_SOCKET_LIVES;
	if (socket->web && !socket->is_blocked &&
	    !(socket->tls && *mt_tls_session_fault(socket->tls)))
		end = close_web(socket, scratch);
	if (socket->tls && !socket->is_blocked && end == MT_SOCKET_LIVES) {
		struct mt_buf cipher = mt_buf_of(scratch->cipher, sizeof(scratch->cipher));
		mt_tls_session_close(socket->tls, &cipher);
		end = write_raw(socket, mt_buf_view(&cipher));
	}
	return end != MT_SOCKET_LIVES || shutdown(socket->fd, SHUT_WR) != 0 ||
	       discard_input(socket, scratch);
}

/* Who has left hears no last words: they would be answered with a reset. */
int mt_socket_end(struct mt_socket **socket, struct mt_scratch *scratch)
{
	struct mt_socket *old = *socket;
	bool is_over = true;
	int fd;
	*socket = NULL;
	if (!old)
		return -1;
	if (!old->is_ended)
		is_over = say_farewell(old, scratch);
	fd = is_over ? -1 : old->fd;
	if (is_over)
		close(old->fd);
	mt_tls_session_destroy(&old->tls);
	mt_web_destroy(&old->web);
	mt_jwt_grant_destroy(&old->grant);
	mt_scram_exchange_destroy(&old->scram);
	free(old->left);
	free(old);
	return fd;
}

void mt_socket_close(struct mt_socket **socket, struct mt_scratch *scratch)
{
	int fd = mt_socket_end(socket, scratch);
	if (fd >= 0)
		close(fd);
}
