/* Connections that a trusted proxy speaks for: under whose address they run, what they must begin
 * with, and what they count as. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "pump_world.h"
#include "tls_world.h"

#define HEADER(address) "PROXY TCP4 " address " 203.0.113.1 4711 8883\r\n"

static struct pump_world pumps;
static struct world tls;

static int teardown(void **state)
{
	(void)state;
	pump_world_close(&pumps);
	return 0;
}

static void open_world(struct mt_tls_context *context, uint32_t share, const char *proxies)
{
	pump_world_open(&pumps, context, share);
	for (uint32_t i = 0; i < pumps.pump.listener_count; i++)
		snprintf(pumps.settings.listeners[i].proxies, MT_LIST_BYTES, "%s", proxies);
}

static int dial(void)
{
	return shell_dial(pumps.ports[0], 0);
}

static void say(int fd, const char *text)
{
	shell_put(fd, mt_bytes_str(text));
}

static void assert_served(int fd)
{
	shell_put_connect(fd, "", NULL, NULL);
	assert_string_equal(pump_hear(&pumps, fd, 1), "2");
}

static void assert_ended(int fd)
{
	assert_string_equal(pump_hear(&pumps, fd, 1), "!");
	close(fd);
}

/* The address of the only client. */
static const char *address_of_client(void)
{
	static char text[MT_ENDPOINT_TEXT_BYTES];
	struct mt_client_info info;
	struct mt_peer_address peer;
	uint32_t cursor = 0;
	assert_true(mt_core_next_client(pumps.pump.core, &cursor, &info));
	memcpy(peer.byte, info.address.byte, sizeof(peer.byte));
	peer.port = info.port;
	mt_peer_address_text(&peer, text);
	return text;
}

static void test_the_address_told_counts(void **state)
{
	int fd;
	(void)state;
	open_world(NULL, 0, "127.0.0.0/8");
	fd = dial();
	say(fd, HEADER("198.51.100.7"));
	assert_served(fd);
	assert_string_equal(address_of_client(), "198.51.100.7:4711");
	assert_int_equal(pump_counts(&pumps).connections, 1);
	assert_int_equal(pumps.pump.socket_count, 1);
	close(fd);
	pump_await(&pumps, 0);
	assert_int_equal(pumps.pump.sources.by_address.count, 0);
	assert_int_equal(pump_counts(&pumps).connections, 0);
}

static void test_a_header_in_pieces(void **state)
{
	static const char header[] = HEADER("198.51.100.7");
	int fd;
	(void)state;
	open_world(NULL, 0, "10.0.0.0/8,127.0.0.1");
	fd = dial();
	for (size_t i = 0; header[i]; i++) {
		shell_put(fd, mt_bytes_of(header + i, 1));
		pump_turn(&pumps);
	}
	assert_served(fd);
	assert_string_equal(address_of_client(), "198.51.100.7:4711");
	close(fd);
}

/* One write: not a byte of what follows the header is lost. */
static void test_a_header_with_what_follows(void **state)
{
	uint8_t data[256];
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	struct mt_connect connect = {.version = MT_VERSION_5, .is_clean = true};
	int fd;
	(void)state;
	open_world(NULL, 0, "127.0.0.1");
	mt_buf_put(&buf, mt_bytes_of("\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x27", 16));
	mt_buf_put(&buf, mt_bytes_of("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7", 16));
	mt_buf_put(&buf, mt_bytes_of("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\x50\0\1", 20));
	mt_buf_put(&buf, mt_bytes_of("\xee\0\0", 3));
	assert_int_equal(mt_connect_encode(&connect, &buf), MT_OK);
	fd = dial();
	shell_put(fd, mt_buf_view(&buf));
	assert_string_equal(pump_hear(&pumps, fd, 1), "2");
	assert_string_equal(address_of_client(), "[2001:db8::7]:80");
	close(fd);
}

static void test_a_proxy_that_speaks_for_itself(void **state)
{
	char wanted[MT_ENDPOINT_TEXT_BYTES];
	int fd;
	(void)state;
	open_world(NULL, 1, "127.0.0.1");
	fd = dial();
	shell_put(fd, mt_bytes_of("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16));
	assert_served(fd);
	mt_listen_name(fd, wanted);
	assert_string_equal(address_of_client(), wanted);
	assert_int_equal(pumps.pump.sources.by_address.count, 1);
	close(fd);
}

/* The proxy's own address has no share: those told have. */
static void test_each_address_told_has_its_share(void **state)
{
	int a, b, c, waiting[5];
	(void)state;
	open_world(NULL, 1, "127.0.0.1");
	for (size_t i = 0; i < MT_COUNT_OF(waiting); i++)
		waiting[i] = dial();
	pump_await(&pumps, MT_COUNT_OF(waiting));
	assert_int_equal(pumps.pump.sources.by_address.count, 0);
	say(a = waiting[0], HEADER("198.51.100.1"));
	assert_served(a);
	say(b = waiting[1], HEADER("198.51.100.2"));
	assert_served(b);
	say(waiting[2], HEADER("198.51.100.1"));
	assert_ended(waiting[2]);
	assert_int_equal(pumps.pump.sources.by_address.count, 2);
	close(a);
	pump_await(&pumps, 3);
	say(c = waiting[3], HEADER("198.51.100.1"));
	assert_served(c);
	close(b);
	close(c);
	close(waiting[4]);
	pump_await(&pumps, 0);
	assert_int_equal(pumps.pump.sources.by_address.count, 0);
}

static void test_a_trusted_proxy_must_say_it(void **state)
{
	int fd;
	(void)state;
	open_world(NULL, 0, "127.0.0.1");
	fd = dial();
	shell_put_connect(fd, "", NULL, NULL);
	assert_ended(fd);
	fd = dial();
	say(fd, "PROXY TCP4 1.2.3.4 nonsense 1 1\r\n");
	assert_ended(fd);
	assert_int_equal(pump_counts(&pumps).connects_accepted, 0);
	pump_await(&pumps, 0);
}

/* From elsewhere the header is what it is to MQTT: a packet that is no CONNECT, of 82 bytes. */
static void test_others_are_not_believed(void **state)
{
	int fd;
	(void)state;
	open_world(NULL, 0, "10.0.0.0/8,::1");
	fd = dial();
	say(fd, HEADER("198.51.100.7") HEADER("198.51.100.7"));
	assert_ended(fd);
	fd = dial();
	assert_served(fd);
	assert_memory_equal(address_of_client(), "127.0.0.1:", 10);
	close(fd);
}

static void test_gone_before_the_header(void **state)
{
	int fd;
	(void)state;
	open_world(NULL, 0, "127.0.0.1");
	fd = dial();
	pump_await(&pumps, 1);
	close(fd);
	pump_await(&pumps, 0);
	fd = dial();
	say(fd, "PROXY TCP4 198.51");
	close(fd);
	pump_await(&pumps, 1);
	pump_await(&pumps, 0);
	assert_int_equal(pump_counts(&pumps).connections, 0);
}

/* At the limit of all connections there is room for one that is there already. */
static void test_at_the_limit_of_all(void **state)
{
	const uint32_t most = shell_core_settings().limits.connections;
	int fds[64];
	(void)state;
	open_world(NULL, 0, "127.0.0.1");
	for (uint32_t i = 0; i < most; i++)
		fds[i] = dial();
	pump_await(&pumps, most);
	for (uint32_t i = 0; i < most; i++) {
		say(fds[i], HEADER("198.51.100.7"));
		assert_served(fds[i]);
	}
	assert_int_equal(pump_counts(&pumps).connections, most);
	for (uint32_t i = 0; i < most; i++)
		close(fds[i]);
	pump_await(&pumps, 0);
}

/* The header stands before TLS. */
static void test_tls_behind_the_header(void **state)
{
	static uint8_t data[65536];
	struct end *client;
	int fd;
	(void)state;
	world_open(&tls);
	open_world(tls.server, 0, "127.0.0.1");
	fd = shell_dial(pumps.ports[1], 0);
	say(fd, HEADER("198.51.100.7"));
	client = end_of(mt_tls_session_create_client(tls.client, "localhost"));
	end_feed(client, mt_bytes_of(NULL, 0));
	while (!mt_tls_session_is_open(client->session)) {
		ssize_t got;
		shell_put(fd, mt_buf_view(&client->out));
		client->out.pos = 0;
		pump_await_client(&pumps, fd);
		got = recv(fd, data, sizeof(data), 0);
		assert_true(got > 0);
		end_feed(client, mt_bytes_of(data, (size_t)got));
	}
	end_free(client);
	close(fd);
	pump_await(&pumps, 0);
	world_close(&tls);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_the_address_told_counts, teardown),
		cmocka_unit_test_teardown(test_a_header_in_pieces, teardown),
		cmocka_unit_test_teardown(test_a_header_with_what_follows, teardown),
		cmocka_unit_test_teardown(test_a_proxy_that_speaks_for_itself, teardown),
		cmocka_unit_test_teardown(test_each_address_told_has_its_share, teardown),
		cmocka_unit_test_teardown(test_a_trusted_proxy_must_say_it, teardown),
		cmocka_unit_test_teardown(test_others_are_not_believed, teardown),
		cmocka_unit_test_teardown(test_gone_before_the_header, teardown),
		cmocka_unit_test_teardown(test_at_the_limit_of_all, teardown),
		cmocka_unit_test_teardown(test_tls_behind_the_header, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
