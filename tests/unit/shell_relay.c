/* HTTPS of the admin API: what comes through, what bounds it, and that a new certificate is shown.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "io/clock.h"
#include "io/listen.h"
#include "shell/provision_tls.h"
#include "shell/relay.h"
#include "tls/session.h"

#include "folder.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define WIRE_BYTES 65536u
#define BIG_BYTES 3000000u

static struct mt_settings settings;
static struct mt_admin_server *server;
static struct mt_relay *relay;
static const char *folder;
static char fault[512];
static uint16_t port;
static _Atomic uint32_t request_count, local_count;
static size_t body_len;

static void handle(void *context, const struct mt_admin_request *request,
		   struct mt_admin_answer *answer)
{
	(void)context;
	request_count++;
	local_count += request->is_local;
	body_len = request->body.len;
	answer->http_status = 200;
	if (strcmp(request->path, "/big") == 0) {
		answer->body = malloc(BIG_BYTES + 1);
		memset(answer->body, 'x', BIG_BYTES);
		answer->body[BIG_BYTES] = '\0';
	} else {
		answer->body = strdup("{\"good\":true}");
	}
}

static bool admit(void *context, const struct mt_admin_request *request,
		  struct mt_admin_answer *answer)
{
	(void)context;
	if (request->authorization)
		return true;
	answer->http_status = 401;
	return false;
}

static void provision(enum mt_renewal renewal)
{
	bool is_renewed = false;
	if (mt_provision_tls(folder, mt_clock_now().wall_ns / MT_SECOND, renewal, &is_renewed,
			     fault, sizeof(fault)) != MT_OK)
		fail_msg("%s", fault);
}

static void open_relay(void)
{
	struct mt_endpoint endpoint;
	const char *why;
	if (mt_relay_open(&settings, server, &relay, fault, sizeof(fault)) != MT_OK)
		fail_msg("%s", fault);
	assert_memory_equal(mt_relay_text(relay), "https=127.0.0.1:", 16);
	assert_int_equal(mt_endpoint_parse(mt_bytes_str(mt_relay_text(relay) + 6), &endpoint, &why),
			 MT_OK);
	port = endpoint.port;
}

static int setup(void **state)
{
	struct mt_admin_uses uses = {handle, admit, NULL};
	char path[200];
	(void)state;
	folder = folder_make();
	memset(&settings, 0, sizeof(settings));
	snprintf(settings.state_path, sizeof(settings.state_path), "%s", folder);
	strcpy(settings.https.address, "127.0.0.1:0");
	settings.https.connections = 8;
	settings.https.connections_per_address = 0;
	settings.https.request_ns = 30 * MT_SECOND;
	settings.limits.handshake_ns = 10 * MT_SECOND;
	provision(MT_RENEW_WHEN_DUE);
	snprintf(path, sizeof(path), "%.100s/s", folder);
	assert_int_equal(mt_admin_server_open(path, &uses, &server, fault, sizeof(fault)), MT_OK);
	request_count = local_count = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mt_relay_close(&relay);
	mt_admin_server_close(&server);
	folder_remove(folder);
	return 0;
}

/* ---- a client that blocks ---- */

struct client {
	int fd;
	struct mt_tls_context *context;
	struct mt_tls_session *tls;
	uint8_t wire[WIRE_BYTES];
};

static int dial(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct timeval patience = {.tv_sec = 20};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void push(int fd, struct mt_buf *cipher)
{
	struct mt_bytes left = mt_buf_view(cipher);
	while (left.len > 0) {
		ssize_t sent = send(fd, left.data, left.len, MSG_NOSIGNAL);
		if (sent <= 0)
			return;
		left = mt_bytes_from(left, (size_t)sent);
	}
}

/* Reads the wire once and decrypts; bytes collected so far in *len. MT_CLOSED: the end. */
static enum mt_status pull(struct client *client, char *out, size_t cap, size_t *len)
{
	uint8_t answer[MT_TLS_FLIGHT_BYTES_MAX];
	ssize_t got = recv(client->fd, client->wire, sizeof(client->wire), 0);
	enum mt_status status;
	if (got <= 0)
		return MT_SYSTEM;
	mt_tls_session_feed(client->tls, mt_bytes_of(client->wire, (size_t)got));
	do {
		struct mt_buf cipher = mt_buf_of(answer, sizeof(answer));
		size_t now = 0;
		status =
			mt_tls_session_read(client->tls, out + *len, cap - 1 - *len, &now, &cipher);
		if (status == MT_OK)
			*len += now;
		push(client->fd, &cipher);
	} while (status == MT_OK);
	return status;
}

static struct client *meet(void)
{
	struct client *client = calloc(1, sizeof(*client));
	char ca[200], none[16];
	struct mt_tls_client_settings how = {.ca_path = ca};
	uint8_t hello[MT_TLS_FLIGHT_BYTES_MAX];
	struct mt_buf cipher = mt_buf_of(hello, sizeof(hello));
	size_t len = 0;
	assert_non_null(client);
	snprintf(ca, sizeof(ca), "%.100s/tls/ca.pem", folder);
	if (mt_tls_context_create_client(&how, &client->context, fault, sizeof(fault)) != MT_OK)
		fail_msg("%s", fault);
	client->tls = mt_tls_session_create_client(client->context, "localhost");
	client->fd = dial();
	mt_tls_session_feed(client->tls, mt_bytes_of(NULL, 0));
	assert_int_equal(mt_tls_session_read(client->tls, none, sizeof(none), &len, &cipher),
			 MT_AGAIN);
	push(client->fd, &cipher);
	while (!mt_tls_session_is_open(client->tls))
		assert_int_equal(pull(client, none, sizeof(none), &len), MT_AGAIN);
	return client;
}

static void leave(struct client *client)
{
	mt_tls_session_destroy(&client->tls);
	mt_tls_context_destroy(&client->context);
	close(client->fd);
	free(client);
}

static void say(struct client *client, const char *text, size_t len)
{
	static uint8_t record[MT_TLS_RECORD_BYTES_MAX + MT_TLS_OVERHEAD_BYTES];
	while (len > 0) {
		size_t now = len < 10000 ? len : 10000;
		struct mt_buf cipher = mt_buf_of(record, sizeof(record));
		assert_int_equal(mt_tls_session_write(client->tls, mt_bytes_of(text, now), &cipher),
				 MT_OK);
		push(client->fd, &cipher);
		text += now;
		len -= now;
	}
}

/* All until the end of the stream, which close_notify has to tell. */
static size_t hear(struct client *client, char *out, size_t cap)
{
	size_t len = 0;
	enum mt_status status;
	while ((status = pull(client, out, cap, &len)) == MT_AGAIN)
		;
	assert_int_equal(status, MT_CLOSED);
	out[len] = '\0';
	return len;
}

/* ---- */

static void test_request_and_answer_come_through(void **state)
{
	static const char request[] =
		"GET /x HTTP/1.1\r\nHost: x\r\nAuthorization: y\r\nConnection: close\r\n\r\n";
	char answer[4096];
	struct client *client;
	(void)state;
	open_relay();
	client = meet();
	say(client, request, sizeof(request) - 1);
	hear(client, answer, sizeof(answer));
	assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
	assert_non_null(strstr(answer, "Strict-Transport-Security"));
	assert_int_equal(request_count, 1);
	assert_int_equal(local_count, 0);
	assert_int_equal(mt_relay_counts(relay).accepted, 1);
	leave(client);
}

static void test_one_connection_serves_several_requests(void **state)
{
	static const char request[] = "GET /x HTTP/1.1\r\nHost: x\r\nAuthorization: y\r\n\r\n";
	char answer[4096];
	struct client *client;
	(void)state;
	open_relay();
	client = meet();
	for (uint32_t i = 1; i <= 3; i++) {
		size_t len = 0;
		memset(answer, 0, sizeof(answer));
		say(client, request, sizeof(request) - 1);
		while (!strstr(answer, "{\"good\":true}"))
			assert_int_equal(pull(client, answer, sizeof(answer), &len), MT_AGAIN);
		assert_int_equal(request_count, i);
	}
	leave(client);
}

static void test_large_bodies_both_ways(void **state)
{
	static char body[1000000], answer[BIG_BYTES + 4096];
	static const char head[] =
		"PUT /big HTTP/1.1\r\nHost: x\r\nAuthorization: y\r\nConnection: "
		"close\r\nContent-Length: 1000000\r\n\r\n";
	struct client *client;
	size_t len;
	(void)state;
	memset(body, 'b', sizeof(body));
	open_relay();
	client = meet();
	say(client, head, sizeof(head) - 1);
	say(client, body, sizeof(body));
	len = hear(client, answer, sizeof(answer));
	assert_int_equal(body_len, sizeof(body));
	assert_true(len > BIG_BYTES);
	assert_int_equal(answer[len - 1], 'x');
	leave(client);
}

static void test_half_closed_client_gets_its_answer(void **state)
{
	static const char request[] =
		"GET /x HTTP/1.1\r\nHost: x\r\nAuthorization: y\r\nConnection: close\r\n\r\n";
	uint8_t record[512];
	struct mt_buf cipher = mt_buf_of(record, sizeof(record));
	char answer[4096];
	struct client *client;
	(void)state;
	open_relay();
	client = meet();
	assert_int_equal(mt_tls_session_write(client->tls,
					      mt_bytes_of(request, sizeof(request) - 1), &cipher),
			 MT_OK);
	mt_tls_session_close(client->tls, &cipher);
	push(client->fd, &cipher); /* both in one write */
	hear(client, answer, sizeof(answer));
	assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
	leave(client);
}

static void test_plain_text_is_no_request(void **state)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: y\r\n\r\n";
	char answer[512];
	int fd;
	ssize_t got;
	size_t len = 0;
	(void)state;
	open_relay();
	fd = dial();
	assert_int_equal(send(fd, request, sizeof(request) - 1, 0), sizeof(request) - 1);
	while ((got = recv(fd, answer + len, sizeof(answer) - len, 0)) > 0)
		len += (size_t)got;
	assert_int_equal(got, 0);
	assert_true(len < 8); /* an alert at most */
	assert_int_equal(request_count, 0);
	close(fd);
}

/* True when the peer ends it before the patience of dial ends. */
static bool is_ended(int fd)
{
	char byte;
	ssize_t got;
	do
		got = recv(fd, &byte, 1, 0);
	while (got > 0);
	return got == 0 || errno == ECONNRESET;
}

static void test_the_oldest_makes_way(void **state)
{
	static const char request[] =
		"GET /x HTTP/1.1\r\nHost: x\r\nAuthorization: y\r\nConnection: close\r\n\r\n";
	char answer[4096];
	int fds[8];
	struct client *client;
	(void)state;
	open_relay();
	for (size_t i = 0; i < 8; i++)
		fds[i] = dial();
	client = meet();
	say(client, request, sizeof(request) - 1);
	hear(client, answer, sizeof(answer));
	assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
	assert_true(is_ended(fds[0]));
	assert_true(mt_relay_counts(relay).evicted >= 1);
	leave(client);
	for (size_t i = 0; i < 8; i++)
		close(fds[i]);
}

static void test_an_address_has_its_share(void **state)
{
	int fds[4];
	(void)state;
	settings.https.connections_per_address = 3;
	open_relay();
	for (size_t i = 0; i < 4; i++)
		fds[i] = dial();
	assert_true(is_ended(fds[3]));
	while (mt_relay_counts(relay).accepted < 3)
		poll(NULL, 0, 5);
	assert_int_equal(mt_relay_counts(relay).refused, 1);
	for (size_t i = 0; i < 4; i++)
		close(fds[i]);
}

static void test_handshake_has_its_time(void **state)
{
	int fd;
	(void)state;
	settings.limits.handshake_ns = 100 * MT_MS;
	open_relay();
	fd = dial();
	assert_true(is_ended(fd));
	close(fd);
}

static void test_request_has_its_time(void **state)
{
	struct client *client;
	char answer[64];
	size_t len = 0;
	enum mt_status status = MT_AGAIN;
	(void)state;
	settings.https.request_ns = 200 * MT_MS;
	open_relay();
	client = meet();
	while (status == MT_AGAIN) {
		struct pollfd ready = {.fd = client->fd, .events = POLLIN};
		say(client, "G", 1);
		if (poll(&ready, 1, 50) > 0)
			status = pull(client, answer, sizeof(answer), &len);
	}
	assert_int_equal(len, 0);
	assert_int_equal(request_count, 0);
	leave(client);
}

static void test_new_certificate_is_shown(void **state)
{
	int64_t before;
	(void)state;
	open_relay();
	leave(meet());
	before = mt_transport_facts(mt_relay_transport(relay), 0).not_after_s;
	assert_true(before > 0);
	provision(MT_RENEW_NOW);
	while (mt_transport_facts(mt_relay_transport(relay), 0).reloads == 0)
		poll(NULL, 0, 10);
	leave(meet());
}

/* A request on the Unix socket may ask while the broker ends. */
static void test_a_stopped_one_can_still_be_asked(void **state)
{
	struct client *client;
	(void)state;
	open_relay();
	client = meet();
	mt_relay_stop(relay);
	assert_true(is_ended(client->fd));
	assert_int_equal(mt_relay_counts(relay).accepted, 1);
	assert_int_equal(mt_relay_counts(relay).connections, 0);
	assert_memory_equal(mt_relay_text(relay), "https=", 6);
	mt_relay_stop(relay);
	leave(client);
}

static void refuse_to_open(const char *needle)
{
	assert_int_not_equal(mt_relay_open(&settings, server, &relay, fault, sizeof(fault)), MT_OK);
	assert_null(relay);
	if (!strstr(fault, needle))
		fail_msg("%s", fault);
}

static void test_what_cannot_be_opened(void **state)
{
	char taken[64];
	struct mt_relay *first;
	(void)state;
	open_relay();
	first = relay;
	relay = NULL;
	snprintf(taken, sizeof(taken), "%s", mt_relay_text(first) + 6);
	strcpy(settings.https.address, taken);
	refuse_to_open("cannot listen");
	mt_relay_close(&first);
	strcpy(settings.https.address, "nonsense");
	refuse_to_open("HOST:PORT");
	strcpy(settings.https.address, "127.0.0.1:0");
	strcpy(settings.https.certificate, "other");
	refuse_to_open("certificates.other");
	settings.certificate_count = 1;
	strcpy(settings.certificates[0].name, "other");
	strcpy(settings.certificates[0].certificate_path, "/nowhere.pem");
	strcpy(settings.certificates[0].key_path, "/nowhere.key");
	refuse_to_open("/nowhere");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_request_and_answer_come_through),
		TEST(test_one_connection_serves_several_requests),
		TEST(test_large_bodies_both_ways),
		TEST(test_half_closed_client_gets_its_answer),
		TEST(test_plain_text_is_no_request),
		TEST(test_the_oldest_makes_way),
		TEST(test_an_address_has_its_share),
		TEST(test_handshake_has_its_time),
		TEST(test_request_has_its_time),
		TEST(test_new_certificate_is_shown),
		TEST(test_a_stopped_one_can_still_be_asked),
		TEST(test_what_cannot_be_opened),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
