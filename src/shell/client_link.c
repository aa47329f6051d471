/*
 * The connection of a client: address after address, TLS, bytes both ways, and coming back after a
 * loss.
 *
 *   IDLE -start-> DIALLING -connected-> UP -DISCONNECT sent-> LEAVING -closed-> IDLE
 *                   ^   \_ no address left _/ lost
 *                   +---- WAITING <----------+        when a reconnect is wanted
 */
#include "shell/client_parts.h"

#include "io/clock.h"
#include "io/dial.h"
#include "io/file.h"
#include "io/stream.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define SESSION_BYTES_MAX 65536u
#define PLAIN_BYTES 32768u
#define CIPHER_IN_BYTES 32768u
#define CIPHER_OUT_BYTES (MT_TLS_FLIGHT_BYTES_MAX + MT_TLS_RECORD_BYTES_MAX + MT_TLS_OVERHEAD_BYTES)
#define DIAL_NS (10 * MT_SECOND)
#define LEAVE_NS MT_SECOND

static mt_time now_ns(void)
{
	return mt_clock_now().mono_ns;
}

static size_t cipher_pending(const struct mortise_client *client)
{
	return client->cipher_tail - client->cipher_head;
}

bool mt_client_link_has_output(const struct mortise_client *client)
{
	struct mt_bytes view;
	if (client->state != LINK_UP || client->is_unwritable)
		return false;
	return cipher_pending(client) > 0 || mt_client_output(client->core, &view, 1) > 0;
}

/* Nobody misses what cannot be read; and whoever could have written it could play the server. */
void mt_client_link_recall(struct mortise_client *client)
{
	const char *path = client->options.session_path;
	uint8_t *data;
	size_t len;
	if (!path || mt_file_read_secret(path, SESSION_BYTES_MAX, &data, &len) != MT_OK)
		return;
	(void)mt_tls_context_load_session(client->tls, mt_bytes_of(data, len));
	mt_bytes_wipe(data, len);
	free(data);
}

static void keep_session(struct mortise_client *client)
{
	uint8_t *data;
	size_t len;
	if (!client->options.session_path || !client->session ||
	    !mt_tls_context_save_session(client->tls, &data, &len))
		return;
	/* Without it the next handshake is in full: no reason to trouble anybody. */
	if (mt_file_write(client->options.session_path, mt_bytes_of(data, len), 0600) != MT_OK)
		client->options.session_path = NULL;
	mt_bytes_wipe(data, len);
	free(data);
}

void mt_client_link_drop(struct mortise_client *client)
{
	keep_session(client);
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
	mt_tls_session_destroy(&client->session);
	client->cipher_head = client->cipher_tail = 0;
	client->has_input = client->has_cipher = client->is_unwritable = false;
	if (client->plain)
		mt_bytes_wipe(client->plain, PLAIN_BYTES);
	if (client->core)
		mt_client_closed(client->core);
	client->state = LINK_IDLE;
	client->by_ns = MT_TIME_NEVER;
}

/* Coming back would fail again, or fight with a second client of our id. */
static bool is_final(enum mortise_status status, uint8_t reason)
{
	static const uint8_t final[] = {
		MT_REASON_UNSUPPORTED_PROTOCOL_VERSION,
		MT_REASON_CLIENT_IDENTIFIER_NOT_VALID,
		MT_REASON_BAD_USER_NAME_OR_PASSWORD,
		MT_REASON_NOT_AUTHORIZED,
		MT_REASON_BANNED,
		MT_REASON_BAD_AUTHENTICATION_METHOD,
		MT_REASON_SESSION_TAKEN_OVER,
		MT_REASON_USE_ANOTHER_SERVER,
		MT_REASON_SERVER_MOVED,
	};
	if (status == MORTISE_INVALID || status == MORTISE_UNPROVEN ||
	    (status == MORTISE_DENIED && reason == 0))
		return true;
	return reason != 0 && memchr(final, reason, sizeof(final)) != NULL;
}

static void wait_to_retry(struct mortise_client *client)
{
	uint32_t half = client->retry_ms / 2;
	uint64_t wait_ms = client->retry_ms - mt_rng_below(&client->rng, (uint64_t)half + 1);
	uint32_t max_ms = client->options.retry_max_ms;
	client->retry_ms = client->retry_ms > max_ms / 2 ? max_ms : client->retry_ms * 2;
	client->attempt = 0;
	client->dial_reason = NULL;
	client->state = LINK_WAITING;
	client->by_ns = now_ns() + (mt_time)wait_ms * MT_MS;
}

void mt_client_link_lose(struct mortise_client *client, enum mortise_status status, uint8_t reason)
{
	bool will_return = client->options.retry_max_ms > 0 && !is_final(status, reason);
	mt_client_link_drop(client);
	mt_client_subs_lost(client);
	client->reason = reason;
	client->has_lost = true;
	client->lost = (struct mortise_event){.type = MORTISE_EVENT_LOST,
					      .status = status,
					      .reason = reason,
					      .will_return = will_return};
	if (will_return)
		wait_to_retry(client);
}

static void lose_saying(struct mortise_client *client, enum mortise_status status, const char *text)
{
	(void)mt_client_say(client, status, "%s:%u: %s", client->options.host,
			    mt_client_options_port(&client->options), text);
	mt_client_link_lose(client, status, 0);
}

static bool take_buffers(struct mortise_client *client)
{
	if (!client->plain)
		client->plain = malloc(PLAIN_BYTES);
	if (client->tls && !client->cipher_in)
		client->cipher_in = malloc(CIPHER_IN_BYTES);
	if (client->tls && !client->cipher_out)
		client->cipher_out = malloc(CIPHER_OUT_BYTES);
	return client->plain && (!client->tls || (client->cipher_in && client->cipher_out));
}

/* The next address of the name; a name without one is a loss. */
static void dial(struct mortise_client *client)
{
	const char *reason = "";
	const struct client_options *options = &client->options;
	if (mt_dial_start(options->host, mt_client_options_port(options), &client->attempt,
			  &client->fd, &reason) != MT_OK) {
		client->fd = -1;
		lose_saying(client, MORTISE_UNREACHABLE,
			    client->dial_reason ? client->dial_reason : reason);
		return;
	}
	client->state = LINK_DIALLING;
	client->by_ns = now_ns() + DIAL_NS;
}

/* Judged by the address that we really reached, not by a name that someone else resolves. */
static bool is_loopback(int fd)
{
	struct sockaddr_storage peer = {0};
	socklen_t len = sizeof(peer);
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	if (getpeername(fd, (struct sockaddr *)&peer, &len) != 0)
		return false;
	memcpy(&v4, &peer, sizeof(v4));
	memcpy(&v6, &peer, sizeof(v6));
	if (peer.ss_family == AF_INET)
		return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
	if (peer.ss_family != AF_INET6)
		return false;
	return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) ||
	       (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) && v6.sin6_addr.s6_addr[12] == 127);
}

/* True when nothing secret would travel in the clear. */
static bool is_safe(const struct mortise_client *client)
{
	return client->tls || client->options.is_plain_allowed ||
	       !client->options.core.connect.has_password || is_loopback(client->fd);
}

static void begin_session(struct mortise_client *client)
{
	if (!is_safe(client)) {
		lose_saying(client, MORTISE_DENIED,
			    "the password would travel in the clear; use TLS");
		return;
	}
	if (client->tls) {
		client->session = mt_tls_session_create_client(client->tls, client->options.host);
		if (!client->session) {
			lose_saying(client, MORTISE_MEMORY, "no TLS session");
			return;
		}
	}
	if (!take_buffers(client) || mt_client_auth_connect(client) != MT_OK) {
		lose_saying(client, MORTISE_MEMORY, "out of memory");
		return;
	}
	client->state = LINK_UP;
	client->by_ns = MT_TIME_NEVER;
	client->has_cipher = client->tls != NULL; /* the first read makes the ClientHello */
}

static void try_next_address(struct mortise_client *client)
{
	close(client->fd);
	client->fd = -1;
	dial(client);
}

static void on_dialling(struct mortise_client *client)
{
	const char *reason = "";
	enum mt_status status = mt_dial_finish(client->fd, &reason);
	if (status == MT_OK)
		begin_session(client);
	if (status == MT_OK || (status == MT_AGAIN && now_ns() < client->by_ns))
		return;
	client->dial_reason = status == MT_AGAIN ? "no answer" : reason;
	try_next_address(client);
}

/* False when the socket takes no more now. A peer that went away may have said why: then only
 * reading goes on. */
static bool write_out(struct mortise_client *client, struct mt_bytes view, size_t *sent)
{
	enum mt_status status = mt_stream_write(client->fd, &view, 1, sent);
	if (status != MT_OK && status != MT_AGAIN)
		client->is_unwritable = true;
	return status == MT_OK;
}

static bool flush_cipher(struct mortise_client *client)
{
	size_t sent = 0;
	while (cipher_pending(client) > 0 && !client->is_unwritable) {
		struct mt_bytes view = mt_bytes_of(client->cipher_out + client->cipher_head,
						   cipher_pending(client));
		if (write_out(client, view, &sent))
			client->cipher_head += sent;
		else if (!client->is_unwritable)
			return false;
	}
	client->cipher_head = client->cipher_tail = 0;
	return true;
}

/* One record from what the core has to say; false when there is nothing or TLS is not ready. */
static bool encrypt(struct mortise_client *client)
{
	struct mt_bytes view;
	struct mt_buf cipher = mt_buf_of(client->cipher_out, CIPHER_OUT_BYTES);
	if (client->is_unwritable || mt_client_output(client->core, &view, 1) == 0)
		return false;
	if (view.len > MT_TLS_RECORD_BYTES_MAX)
		view.len = MT_TLS_RECORD_BYTES_MAX;
	if (mt_tls_session_write(client->session, view, &cipher) != MT_OK)
		return false;
	client->cipher_tail = cipher.pos;
	mt_client_sent(client->core, mt_clock_now(), view.len);
	return true;
}

static void flush_plain(struct mortise_client *client)
{
	struct mt_bytes view;
	size_t sent = 0;
	while (!client->is_unwritable && mt_client_output(client->core, &view, 1) > 0 &&
	       write_out(client, view, &sent))
		mt_client_sent(client->core, mt_clock_now(), sent);
}

/* All is said: no more writing; reading goes on until the server closes, so that nothing of it is
 * reset away. */
static void begin_leaving(struct mortise_client *client)
{
	struct mt_buf cipher;
	if (client->session) {
		cipher = mt_buf_of(client->cipher_out, CIPHER_OUT_BYTES);
		mt_tls_session_close(client->session, &cipher);
		client->cipher_tail = cipher.pos;
		(void)flush_cipher(client);
	}
	shutdown(client->fd, SHUT_WR);
	client->has_input = client->has_cipher = false;
	client->state = LINK_LEAVING;
	client->by_ns = now_ns() + LEAVE_NS;
}

void mt_client_link_flush(struct mortise_client *client)
{
	if (client->state != LINK_UP)
		return;
	if (client->session)
		while (flush_cipher(client) && encrypt(client))
			;
	else
		flush_plain(client);
	if (mt_client_is_over(client->core) && cipher_pending(client) == 0)
		begin_leaving(client);
}

static void lose_reading(struct mortise_client *client, enum mt_status status)
{
	if (status == MT_TLS)
		lose_saying(client, MORTISE_TLS, mt_tls_session_fault(client->session));
	else
		lose_saying(client, MORTISE_CLOSED, "the connection was closed");
}

/* Decrypts what was fed; needs room for a flight, or the peer's handshake could outrun our writing.
 */
static bool decrypt(struct mortise_client *client)
{
	struct mt_buf cipher;
	size_t len = 0;
	enum mt_status status;
	if (!client->has_cipher || (cipher_pending(client) > 0 && !flush_cipher(client)))
		return false;
	cipher = mt_buf_of(client->cipher_out, CIPHER_OUT_BYTES);
	status = mt_tls_session_read(client->session, client->plain, PLAIN_BYTES, &len, &cipher);
	client->cipher_head = 0;
	client->cipher_tail = cipher.pos;
	if (status == MT_OK) {
		mt_client_input(client->core, mt_clock_now(), mt_bytes_of(client->plain, len));
		client->has_input = true;
		return true;
	}
	client->has_cipher = false;
	(void)flush_cipher(client);
	if (status != MT_AGAIN)
		lose_reading(client, status);
	return false;
}

bool mt_client_link_feed(struct mortise_client *client)
{
	client->has_input = false;
	return client->state == LINK_UP && client->session && decrypt(client);
}

static void read_in(struct mortise_client *client)
{
	uint8_t *to = client->session ? client->cipher_in : client->plain;
	size_t len = 0;
	bool is_drained;
	enum mt_status status = mt_stream_read(
		client->fd, to, client->session ? CIPHER_IN_BYTES : PLAIN_BYTES, &len, &is_drained);
	if (status == MT_AGAIN)
		return;
	if (status != MT_OK) {
		lose_reading(client, status);
		return;
	}
	if (client->session) {
		mt_tls_session_feed(client->session, mt_bytes_of(client->cipher_in, len));
		client->has_cipher = true;
		(void)decrypt(client);
		return;
	}
	mt_client_input(client->core, mt_clock_now(), mt_bytes_of(client->plain, len));
	client->has_input = true;
}

static void on_up(struct mortise_client *client)
{
	if (client->session && client->has_cipher && !client->has_input)
		(void)decrypt(client);
	if (client->state == LINK_UP && !client->has_input && !client->has_cipher)
		read_in(client);
	if (client->state != LINK_UP)
		return;
	if (!client->has_input)
		mt_client_tick(client->core, mt_clock_now());
	mt_client_subs_send(client);
	mt_client_link_flush(client);
}

static void end_leaving(struct mortise_client *client)
{
	mt_client_link_drop(client);
	client->has_lost = true;
	client->lost = (struct mortise_event){.type = MORTISE_EVENT_CLOSED};
}

static void on_leaving(struct mortise_client *client)
{
	size_t len;
	bool is_drained;
	enum mt_status status;
	do
		status = mt_stream_read(client->fd, client->plain, PLAIN_BYTES, &len, &is_drained);
	while (status == MT_OK && now_ns() < client->by_ns);
	if ((status != MT_OK && status != MT_AGAIN) || now_ns() >= client->by_ns)
		end_leaving(client);
}

void mt_client_link_turn(struct mortise_client *client)
{
	if (client->state == LINK_WAITING && now_ns() >= client->by_ns)
		dial(client);
	if (client->state == LINK_DIALLING)
		on_dialling(client);
	if (client->state == LINK_UP)
		on_up(client);
	if (client->state == LINK_LEAVING)
		on_leaving(client);
}

int mt_client_link_start(struct mortise_client *client)
{
	client->attempt = 0;
	client->dial_reason = NULL;
	client->retry_ms = client->options.retry_min_ms;
	dial(client);
	return MORTISE_OK;
}

mt_time mt_client_link_deadline(const struct mortise_client *client)
{
	return client->state == LINK_UP ? mt_client_deadline(client->core) : client->by_ns;
}
