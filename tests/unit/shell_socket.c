/* One connection over real sockets: order under pressure, bounds on what is kept, honest ends. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shell/socket.h"
#include "tls/parts.h"

#include "tls_world.h"

#include "shell_world.h"

#include "spec.h"
#include "ws_client.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>

#define ROUNDS 4u

static struct world tls;
static struct mt_scratch scratch;
static uint8_t received[8u << 20];

/* One socket of ours around a core, and its peer. */
struct site {
	struct mt_core *core;
	struct mt_now now;
	struct mt_socket *socket;
	struct end *client; /* TLS: the peer's session */
	int peer;
};

static int group_setup(void **state)
{
	(void)state;
	world_open(&tls);
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	world_close(&tls);
	return 0;
}

/* The listener's socket and its peer: TCP, with small buffers so that it blocks early. */
static int join_sockets(int *peer)
{
	const int small = 4096;
	uint16_t port;
	int listener = shell_listen(&port), fd;
	*peer = shell_dial(port, small);
	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) < 0)
		assert_int_equal(errno, EAGAIN);
	close(listener);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	return fd;
}

static void open_site(struct site *site, bool is_tls)
{
	struct mt_core_settings settings = shell_core_settings();
	struct mt_conn_facts facts = {.listener = "test",
				      .anonymous_role = "open",
				      .has_anonymous_sessions = true,
				      .is_secret_safe = true};
	struct mt_policy *policy = shell_policy("");
	memset(site, 0, sizeof(*site));
	site->now = (struct mt_now){1000 * MT_SECOND, 1700000000 * MT_SECOND};
	site->core = mt_core_create(&settings, policy, site->now);
	assert_non_null(site->core);
	mt_policy_unref(&policy);
	site->socket = calloc(1, sizeof(*site->socket));
	assert_non_null(site->socket);
	site->socket->fd = join_sockets(&site->peer);
	site->socket->listener = "test";
	if (is_tls) {
		site->socket->tls = mt_tls_session_create_server(tls.server);
		site->client = end_of(mt_tls_session_create_client(tls.client, "localhost"));
	}
	assert_int_equal(mt_core_open(site->core, site->now, &facts, &site->socket->conn), MT_OK);
}

static void close_site(struct site *site)
{
	mt_socket_close(&site->socket, &scratch);
	assert_null(site->socket);
	if (site->client)
		end_free(site->client);
	close(site->peer);
	mt_core_destroy(&site->core);
}

/* What the core asks for matters to the pump; here only its bytes do. */
static void forget_requests(struct site *site)
{
	struct mt_request request;
	while (mt_core_request(site->core, &request))
		;
}

static enum mt_socket_end receive(struct site *site)
{
	enum mt_socket_end end =
		mt_socket_receive(site->socket, site->core, site->now, &scratch, ROUNDS);
	forget_requests(site);
	return end;
}

static enum mt_socket_end flush(struct site *site)
{
	enum mt_socket_end end = mt_socket_flush(site->socket, site->core, site->now, &scratch);
	forget_requests(site);
	return end;
}

static void await_peer(const struct site *site)
{
	struct pollfd ended = {.fd = site->peer, .events = POLLRDHUP};
	assert_int_equal(poll(&ended, 1, 10000), 1);
}

static void await_input(const struct site *site)
{
	struct pollfd readable = {.fd = site->socket->fd, .events = POLLIN};
	assert_int_equal(poll(&readable, 1, 10000), 1);
}

/* Bytes that the other side has not acknowledged. */
static int unsent(int fd)
{
	int bytes;
	assert_int_equal(ioctl(fd, SIOCOUTQ, &bytes), 0);
	return bytes;
}

static void send_end(struct site *site)
{
	shell_put(site->peer, mt_buf_view(&site->client->out));
	site->client->out.pos = 0;
}

static void take_end(struct site *site)
{
	uint8_t data[16384];
	ssize_t got;
	while ((got = recv(site->peer, data, sizeof(data), MSG_DONTWAIT)) > 0)
		end_feed(site->client, mt_bytes_of(data, (size_t)got));
}

static void shake_hands(struct site *site)
{
	end_feed(site->client, mt_bytes_of(NULL, 0));
	while (!mt_tls_session_is_open(site->client->session) ||
	       !mt_tls_session_is_open(site->socket->tls)) {
		send_end(site);
		assert_int_equal(receive(site), MT_SOCKET_LIVES);
		take_end(site);
	}
	send_end(site);
}

/* Plain bytes of the client, as TLS where there is TLS. */
static void say(struct site *site, struct mt_bytes bytes)
{
	if (!site->client) {
		shell_put(site->peer, bytes);
		return;
	}
	while (bytes.len > 0) {
		struct mt_bytes part = bytes;
		part.len = bytes.len < 8192 ? bytes.len : 8192;
		assert_int_equal(
			mt_tls_session_write(site->client->session, part, &site->client->out),
			MT_OK);
		send_end(site);
		bytes = mt_bytes_from(bytes, part.len);
	}
}

static void say_connect(struct site *site)
{
	uint8_t data[256];
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	struct mt_connect connect = {
		.version = MT_VERSION_5, .is_clean = true, .client_id = mt_bytes_str("c")};
	assert_int_equal(mt_connect_encode(&connect, &buf), MT_OK);
	say(site, mt_buf_view(&buf));
}

static void start(struct site *site, bool is_tls)
{
	open_site(site, is_tls);
	if (is_tls)
		shake_hands(site);
	say_connect(site);
	await_input(site);
	assert_int_equal(receive(site), MT_SOCKET_LIVES);
	assert_int_equal(mt_core_counts(site->core).connects_accepted, 1);
}

/* ---- WebSocket ---- */

static const struct mt_upgrade_rules rules = {.path = "/mqtt", .origins = "same"};

static void say_frame(struct site *site, uint8_t first, struct mt_bytes payload)
{
	static uint8_t data[70000];
	struct mt_buf frame = mt_buf_of(data, sizeof(data));
	ws_put_frame(&frame, first, 0x37fa213d, payload);
	say(site, mt_buf_view(&frame));
}

static void take_in(struct site *site)
{
	await_input(site);
	assert_int_equal(receive(site), MT_SOCKET_LIVES);
}

static void start_web(struct site *site, bool is_tls)
{
	uint8_t data[256];
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	struct mt_connect connect = {
		.version = MT_VERSION_5, .is_clean = true, .client_id = mt_bytes_str("c")};
	open_site(site, is_tls);
	site->socket->web = mt_web_create(&rules);
	assert_non_null(site->socket->web);
	if (is_tls)
		shake_hands(site);
	say(site, mt_bytes_str(WS_REQUEST("/mqtt", "")));
	take_in(site);
	assert_int_equal(mt_connect_encode(&connect, &buf), MT_OK);
	say_frame(site, 0x82, mt_buf_view(&buf));
	take_in(site);
	assert_int_equal(mt_core_counts(site->core).connects_accepted, 1);
}

/* What the peer has got so far, decrypted; *len of it. */
static const uint8_t *heard(struct site *site, size_t *len)
{
	static struct mt_buf buf;
	ssize_t got;
	if (site->client) {
		take_end(site);
		*len = site->client->plain_len;
		return site->client->plain;
	}
	if (*len == 0)
		buf = mt_buf_of(received, sizeof(received));
	while ((got = recv(site->peer, received + buf.pos, sizeof(received) - buf.pos,
			   MSG_DONTWAIT)) > 0)
		buf.pos += (size_t)got;
	*len = buf.pos;
	return received;
}

static void test_bytes_reach_the_core_and_come_back(void **state)
{
	for (int is_tls = 0; is_tls < 2; is_tls++) {
		struct site site;
		size_t len = 0;
		char types[8];
		const uint8_t *data;
		(void)state;
		start(&site, is_tls);
		assert_int_equal(flush(&site), MT_SOCKET_LIVES);
		data = heard(&site, &len);
		shell_types(mt_bytes_of(data, len), types, sizeof(types));
		assert_string_equal(types, "2");
		close_site(&site);
	}
}

/* Small: queued by hand with the subscriber as its own publisher. */
static void publish_many(struct site *site, uint32_t count, size_t payload_bytes)
{
	static uint8_t payload[4096], data[8192];
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	mt_core_input(site->core, site->now, site->socket->conn, shell_subscribe(&buf, "t"));
	for (uint32_t i = 0; i < count; i++) {
		memset(payload, (int)(i & 255), payload_bytes);
		memcpy(payload, &i, sizeof(i));
		mt_core_input(site->core, site->now, site->socket->conn,
			      shell_publish(&buf, "t", mt_bytes_of(payload, payload_bytes)));
	}
	forget_requests(site);
}

static void assert_publishes(const uint8_t *data, size_t len, uint32_t count)
{
	struct mt_bytes left = mt_bytes_of(data, len);
	uint32_t seen = 0;
	while (left.len > 0) {
		struct mt_frame frame;
		struct mt_violation why;
		struct mt_publish publish;
		assert_int_equal(mt_frame_next(left, SIZE_MAX, &frame, &why), MT_OK);
		left = mt_bytes_from(left, frame.bytes);
		if (frame.type != MT_PACKET_PUBLISH)
			continue;
		assert_int_equal(
			mt_publish_decode(&frame, MT_VERSION_5, MT_SIDE_SERVER, &publish, &why),
			MT_OK);
		assert_memory_equal(publish.payload.data, &seen, sizeof(seen));
		seen++;
	}
	assert_int_equal(seen, count);
}

/* The pump's part: a blocked socket is flushed again when it can be written. */
static size_t unblock_until_silent(struct site *site, const uint8_t **data)
{
	struct mt_bytes list[1];
	size_t len = 0;
	*data = heard(site, &len);
	while (site->socket->is_blocked || site->socket->left_bytes > 0 ||
	       mt_core_output(site->core, site->socket->conn, list, 1) > 0) {
		site->socket->is_blocked = false;
		assert_int_equal(flush(site), MT_SOCKET_LIVES);
		*data = heard(site, &len);
	}
	while (unsent(site->socket->fd) > 0)
		*data = heard(site, &len);
	*data = heard(site, &len);
	return len;
}

static void test_a_blocked_socket_loses_nothing(void **state)
{
	enum { COUNT = 120, PAYLOAD = 1500 };
	(void)state;
	for (int is_tls = 0; is_tls < 2; is_tls++) {
		struct site site;
		const uint8_t *data;
		size_t len;
		start(&site, is_tls);
		publish_many(&site, COUNT, PAYLOAD);
		assert_int_equal(flush(&site), MT_SOCKET_LIVES);
		assert_true(site.socket->is_blocked);
		/* Nothing more is pulled while bytes are kept. */
		assert_true(site.socket->left_bytes <=
			    MT_TLS_RECORD_BYTES_MAX + MT_TLS_OVERHEAD_BYTES);
		len = unblock_until_silent(&site, &data);
		assert_publishes(data, len, COUNT);
		assert_null(site.socket->left);
		close_site(&site);
	}
}

/* Takes the answer to the handshake and the frames behind it apart: payload of the binary ones into
 * place, their number, and the others' opcodes as text. */
static size_t unframe(const uint8_t *data, size_t len, uint8_t *payload, size_t *frame_count,
		      char *others)
{
	const uint8_t *end = memmem(data, len, "\r\n\r\n", 4);
	struct mt_reader in;
	struct mt_bytes part;
	uint8_t first;
	size_t bytes = 0;
	assert_non_null(end);
	in = mt_reader_of(mt_bytes_from(mt_bytes_of(data, len), (size_t)(end - data) + 4));
	*frame_count = 0;
	while (ws_take_frame(&in, &first, &part)) {
		if (first != 0x82) {
			*others++ = "0123456789ABCDEF"[first & 15];
			continue;
		}
		memmove(payload + bytes, part.data, part.len);
		bytes += part.len;
		++*frame_count;
	}
	*others = '\0';
	assert_int_equal(mt_reader_left(&in), 0);
	return bytes;
}

static uint8_t unframed[8u << 20];

static void test_frames_of_a_blocked_socket(void **state)
{
	enum { COUNT = 120, PAYLOAD = 1500 };
	(void)state;
	SPEC(MQTT5, "6.0.0-2");
	for (int is_tls = 0; is_tls < 2; is_tls++) {
		struct site site;
		const uint8_t *data;
		char others[8];
		size_t len, frames;
		start_web(&site, is_tls);
		publish_many(&site, COUNT, PAYLOAD);
		assert_int_equal(flush(&site), MT_SOCKET_LIVES);
		assert_true(site.socket->is_blocked);
		assert_true(site.socket->left_bytes <= MT_SOCKET_LEFT_BYTES_MAX);
		len = unblock_until_silent(&site, &data);
		len = unframe(data, len, unframed, &frames, others);
		assert_string_equal(others, "");
		/* One a flush, not one a packet. */
		assert_true(frames >= COUNT); /* one for each packet, and for what is cut */
		assert_publishes(unframed, len, COUNT);
		assert_null(site.socket->left);
		close_site(&site);
	}
}

/* However many pings come while nothing can be written: one pong, later, and no memory. */
static void test_pings_of_a_peer_that_does_not_read(void **state)
{
	enum { COUNT = 120, PAYLOAD = 1500 };
	(void)state;
	for (int is_tls = 0; is_tls < 2; is_tls++) {
		struct site site;
		const uint8_t *data;
		char others[8];
		size_t len, frames, left;
		start_web(&site, is_tls);
		publish_many(&site, COUNT, PAYLOAD);
		assert_int_equal(flush(&site), MT_SOCKET_LIVES);
		left = site.socket->left_bytes;
		for (int i = 0; i < 100; i++) {
			say_frame(&site, 0x89, mt_bytes_str("are you there"));
			take_in(&site);
		}
		assert_int_equal(site.socket->left_bytes, left);
		len = unblock_until_silent(&site, &data);
		len = unframe(data, len, unframed, &frames, others);
		assert_string_equal(others, "A");
		assert_publishes(unframed, len, COUNT);
		close_site(&site);
	}
}

static void test_text_ends_the_connection(void **state)
{
	struct site site;
	(void)state;
	SPEC(MQTT5, "6.0.0-1");
	start_web(&site, false);
	say_frame(&site, 0x81, mt_bytes_str("text"));
	await_input(&site);
	assert_int_equal(receive(&site), MT_SOCKET_ENDS);
	close_site(&site);
}

static void test_the_last_frame_is_a_close(void **state)
{
	(void)state;
	for (int is_tls = 0; is_tls < 2; is_tls++) {
		struct site site;
		const uint8_t *data;
		uint8_t code[4] = {0x88, 2, 1000 >> 8, 1000 & 255};
		size_t len = 0;
		start_web(&site, is_tls);
		assert_int_equal(flush(&site), MT_SOCKET_LIVES);
		mt_socket_close(&site.socket, &scratch);
		await_peer(&site);
		data = heard(&site, &len);
		assert_true(len > sizeof(code));
		assert_memory_equal(data + len - sizeof(code), code, sizeof(code));
		close_site(&site);
	}
}

/* The library answers each of them no later than with the next. */
static void ask_for_keys(struct site *site, int count)
{
	SSL *ssl = mt_tls_session_ssl(site->client->session);
	for (int i = 0; i < count; i++) {
		assert_int_equal(SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		say(site, mt_bytes_of("\xc0", 2));
	}
}

/* A blocked socket gets its turn to write and bytes to answer at once: the answer goes behind what
 * was kept, or the peer would see records out of order. */
static void test_answers_go_behind_what_was_kept(void **state)
{
	enum { COUNT = 120, PAYLOAD = 1500 };
	struct site site;
	const uint8_t *data;
	size_t len;
	(void)state;
	start(&site, true);
	publish_many(&site, COUNT, PAYLOAD);
	assert_int_equal(flush(&site), MT_SOCKET_LIVES);
	assert_true(site.socket->left_bytes > 0);
	ask_for_keys(&site, 3);
	while (unsent(site.socket->fd) > 0)
		heard(&site, &len);
	await_input(&site);
	site.socket->is_blocked = false;
	assert_int_equal(receive(&site), MT_SOCKET_LIVES);
	len = unblock_until_silent(&site, &data);
	assert_int_equal(site.client->last, MT_AGAIN);
	assert_publishes(data, len, COUNT);
	close_site(&site);
}

/* Each record asks for new keys, and no answer is ever read. */
static void test_answers_nobody_reads_are_bounded(void **state)
{
	struct site site;
	enum mt_socket_end end = MT_SOCKET_LIVES;
	size_t most = 0;
	FILE *log = tmpfile();
	int console = dup(STDERR_FILENO);
	char line[512] = "";
	(void)state;
	start(&site, true);
	assert_true(log && dup2(fileno(log), STDERR_FILENO) >= 0);
	for (int batch = 0; batch < 1000 && end == MT_SOCKET_LIVES; batch++) {
		ask_for_keys(&site, 10);
		end = receive(&site);
		most = site.socket->left_bytes > most ? site.socket->left_bytes : most;
	}
	assert_true(dup2(console, STDERR_FILENO) >= 0);
	close(console);
	assert_true(pread(fileno(log), line, sizeof(line) - 1, 0) >= 0);
	fclose(log);
	assert_int_equal(end, MT_SOCKET_ENDS);
	assert_non_null(strstr(line, "why=\"the peer does not read what it asks for\""));
	assert_in_range(most, MT_TLS_RECORD_BYTES_MAX, MT_SOCKET_LEFT_BYTES_MAX);
	close_site(&site);
}

/* A Unix socket takes all of it at once. */
static void test_reading_ends_after_its_rounds(void **state)
{
	static uint8_t pings[MT_SCRATCH_BYTES * 3 / 2];
	struct site site;
	uint64_t before;
	int pair[2];
	(void)state;
	start(&site, false);
	before = mt_core_counts(site.core).bytes_received;
	for (size_t i = 0; i < sizeof(pings); i += 2)
		pings[i] = 0xc0;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(dup2(pair[0], site.socket->fd), site.socket->fd);
	close(pair[0]);
	shell_put(pair[1], mt_bytes_of(pings, sizeof(pings)));
	site.socket->is_read_pending = true;
	assert_int_equal(mt_socket_receive(site.socket, site.core, site.now, &scratch, 1),
			 MT_SOCKET_LIVES);
	assert_true(site.socket->is_read_pending);
	assert_int_equal(mt_core_counts(site.core).bytes_received - before, MT_SCRATCH_BYTES);
	assert_int_equal(receive(&site), MT_SOCKET_LIVES);
	assert_false(site.socket->is_read_pending);
	assert_int_equal(mt_core_counts(site.core).bytes_received - before, sizeof(pings));
	close(pair[1]);
	close_site(&site);
}

static void test_a_paused_socket_is_not_read(void **state)
{
	struct site site;
	uint64_t before;
	(void)state;
	start(&site, false);
	before = mt_core_counts(site.core).bytes_received;
	site.socket->is_paused = true;
	site.socket->is_read_pending = true;
	say(&site, mt_bytes_of("\xc0", 2));
	await_input(&site);
	assert_int_equal(receive(&site), MT_SOCKET_LIVES);
	assert_int_equal(mt_core_counts(site.core).bytes_received, before);
	assert_true(site.socket->is_read_pending);
	site.socket->is_paused = false;
	assert_int_equal(receive(&site), MT_SOCKET_LIVES);
	assert_int_equal(mt_core_counts(site.core).bytes_received, before + 2);
	assert_false(site.socket->is_read_pending);
	close_site(&site);
}

static void test_last_words_of_the_peer_count(void **state)
{
	struct site site;
	uint64_t before;
	(void)state;
	start(&site, false);
	before = mt_core_counts(site.core).bytes_received;
	say(&site, mt_bytes_of("\xc0", 2));
	assert_int_equal(shutdown(site.peer, SHUT_WR), 0);
	site.socket->is_hung_up = true;
	assert_int_equal(receive(&site), MT_SOCKET_ENDS);
	assert_int_equal(mt_core_counts(site.core).bytes_received, before + 2);
	close_site(&site);
}

static void reset(int fd)
{
	const struct linger now = {.l_onoff = 1};
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	close(fd);
}

static void test_writing_to_a_vanished_peer_ends_it(void **state)
{
	(void)state;
	for (int is_tls = 0; is_tls < 2; is_tls++) {
		struct site site;
		start(&site, is_tls);
		publish_many(&site, 10, 1000);
		reset(site.peer);
		assert_int_equal(flush(&site), MT_SOCKET_ENDS);
		assert_int_equal(receive(&site), MT_SOCKET_ENDS);
		site.peer = open("/dev/null", O_RDONLY);
		close_site(&site);
	}
}

static void test_vanishing_amid_the_handshake(void **state)
{
	struct site site;
	size_t len = 1;
	(void)state;
	for (int i = 0; i < 12; i++, len = len * 2 + 1) {
		struct mt_bytes hello;
		open_site(&site, true);
		end_feed(site.client, mt_bytes_of(NULL, 0));
		hello = mt_buf_view(&site.client->out);
		if (hello.len > len)
			hello.len = len;
		shell_put(site.peer, hello);
		await_input(&site);
		assert_int_equal(receive(&site), MT_SOCKET_LIVES);
		assert_int_equal(shutdown(site.peer, SHUT_WR), 0);
		site.socket->is_hung_up = true;
		assert_int_equal(receive(&site), MT_SOCKET_ENDS);
		assert_int_equal(mt_core_counts(site.core).bytes_received, 0);
		close_site(&site);
	}
}

static void test_garbage_in_place_of_tls_ends_it(void **state)
{
	static const char *const greetings[] = {"\x10\x10MQTT?????????????????",
						"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
						"\x16\x03\x01\x00\x04\xff\xff\xff\xff\xff"};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(greetings); i++) {
		struct site site;
		open_site(&site, true);
		shell_put(site.peer, mt_bytes_of(greetings[i], i == 2 ? 10 : 20));
		await_input(&site);
		assert_int_equal(receive(&site), MT_SOCKET_ENDS);
		assert_int_equal(mt_core_counts(site.core).bytes_received, 0);
		close_site(&site);
	}
}

/* A forged record among true ones: the core sees nothing of it, the peer an alert. */
static void test_a_garbage_record_is_answered_by_an_alert(void **state)
{
	static const uint8_t record[5 + 32] = {23, 3, 3, 0, 32, 1, 2, 3};
	struct site site;
	uint64_t before;
	(void)state;
	start(&site, true);
	assert_int_equal(flush(&site), MT_SOCKET_LIVES);
	before = mt_core_counts(site.core).bytes_received;
	shell_put(site.peer, mt_bytes_of(record, sizeof(record)));
	await_input(&site);
	assert_int_equal(receive(&site), MT_SOCKET_ENDS);
	assert_int_equal(mt_core_counts(site.core).bytes_received, before);
	assert_string_equal(mt_tls_session_fault(site.socket->tls),
			    "a record of the peer is damaged or forged");
	take_end(&site);
	assert_int_equal(site.client->last, MT_TLS);
	assert_non_null(strstr(mt_tls_session_fault(site.client->session), "alert"));
	close_site(&site);
}

static void test_close_says_goodbye_in_tls(void **state)
{
	struct site site;
	(void)state;
	start(&site, true);
	assert_int_equal(flush(&site), MT_SOCKET_LIVES);
	mt_socket_close(&site.socket, &scratch);
	take_end(&site);
	assert_int_equal(site.client->last, MT_CLOSED);
	close_site(&site);
}

/* An unread byte at close would make the system send a reset, which may overtake our last words. */
static void test_unread_input_does_not_cost_the_last_words(void **state)
{
	static uint8_t noise[2 * MT_SCRATCH_BYTES];
	struct mt_buf got = mt_buf_of(received, sizeof(received));
	struct site site;
	char types[8];
	int room = 1 << 20, error;
	socklen_t len = sizeof(error);
	(void)state;
	start(&site, false);
	assert_int_equal(setsockopt(site.socket->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)),
			 0);
	shell_put(site.peer, mt_bytes_of(noise, sizeof(noise)));
	while (unsent(site.peer) > 0)
		;
	assert_int_equal(flush(&site), MT_SOCKET_LIVES);
	mt_socket_close(&site.socket, &scratch);
	assert_int_equal(getsockopt(site.peer, SOL_SOCKET, SO_ERROR, &error, &len), 0);
	assert_int_equal(error, 0);
	assert_true(shell_drain(site.peer, &got));
	shell_types(mt_buf_view(&got), types, sizeof(types));
	assert_string_equal(types, "2");
	close_site(&site);
}

static void test_closing_nothing_is_harmless(void **state)
{
	struct mt_socket *none = NULL;
	(void)state;
	mt_socket_close(&none, &scratch);
	assert_null(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_reach_the_core_and_come_back),
		cmocka_unit_test(test_frames_of_a_blocked_socket),
		cmocka_unit_test(test_pings_of_a_peer_that_does_not_read),
		cmocka_unit_test(test_text_ends_the_connection),
		cmocka_unit_test(test_the_last_frame_is_a_close),
		cmocka_unit_test(test_a_blocked_socket_loses_nothing),
		cmocka_unit_test(test_answers_go_behind_what_was_kept),
		cmocka_unit_test(test_answers_nobody_reads_are_bounded),
		cmocka_unit_test(test_reading_ends_after_its_rounds),
		cmocka_unit_test(test_a_paused_socket_is_not_read),
		cmocka_unit_test(test_last_words_of_the_peer_count),
		cmocka_unit_test(test_writing_to_a_vanished_peer_ends_it),
		cmocka_unit_test(test_vanishing_amid_the_handshake),
		cmocka_unit_test(test_garbage_in_place_of_tls_ends_it),
		cmocka_unit_test(test_a_garbage_record_is_answered_by_an_alert),
		cmocka_unit_test(test_close_says_goodbye_in_tls),
		cmocka_unit_test(test_unread_input_does_not_cost_the_last_words),
		cmocka_unit_test(test_closing_nothing_is_harmless),
	};
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
