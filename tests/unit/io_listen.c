/* Endpoints as text, listening sockets, the names of peers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "io/dial.h"
#include "io/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static void endpoints_are_read(void **state)
{
	static const struct {
		const char *text, *host;
		uint16_t port;
		bool is_loopback;
	} cases[] = {
		{"[::]:8883", "::", 8883, false},
		{"127.0.0.1:1883", "127.0.0.1", 1883, true},
		{"localhost:0", "localhost", 0, true},
		{":8883", "", 8883, false},
		{"[::1]:65535", "::1", 65535, true},
		{"127.9.9.9:1", "127.9.9.9", 1, true},
		{"LOCALHOST:1", "LOCALHOST", 1, true},
		{"0.0.0.0:1", "0.0.0.0", 1, false},
		{"10.0.0.1:1", "10.0.0.1", 1, false},
		{"[::ffff:127.0.0.1]:1", "::ffff:127.0.0.1", 1, true},
		{"[::ffff:10.0.0.1]:1", "::ffff:10.0.0.1", 1, false},
		{"[fe80::1%eth0]:1", "fe80::1%eth0", 1, false},
		{"a_b-c.example:1", "a_b-c.example", 1, false},
		{"localhost.evil.example:1", "localhost.evil.example", 1, false},
		{"127.0.0.1.example:1", "127.0.0.1.example", 1, false},
		{"[::]:00001", "::", 1, false},
	};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		struct mt_endpoint endpoint;
		const char *fault = NULL;
		assert_int_equal(mt_endpoint_parse(mt_bytes_str(cases[i].text), &endpoint, &fault),
				 MT_OK);
		assert_null(fault);
		assert_string_equal(endpoint.host, cases[i].host);
		assert_int_equal(endpoint.port, cases[i].port);
		assert_int_equal(mt_endpoint_is_loopback(&endpoint), cases[i].is_loopback);
	}
}

static void wrong_endpoints_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"8883",
		"localhost",
		"localhost:",
		"localhost:65536",
		"localhost:-1",
		"localhost:+1",
		"localhost: 1",
		"::1:8883",
		"[::1]",
		"[::1:8883",
		"[]:1",
		"[:1",
		"[localhost]:1",
		"[127.0.0.1]:1",
		"a b:1",
		"a/b:1",
		"tcp://h:1",
		"h:123456",
		"h:1x",
		"[::1%]]:1:",
		"[::1%a b]:1",
		"]:1",
		"ä:1",
	};
	struct mt_endpoint endpoint = {.port = 7};
	const char *fault;
	char text[300];

	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++) {
		fault = NULL;
		if (mt_endpoint_parse(mt_bytes_str(bad[i]), &endpoint, &fault) != MT_INVALID)
			fail_msg("'%s' was taken", bad[i]);
		assert_non_null(fault);
		assert_int_equal(endpoint.port, 7);
	}
	memset(text, 'a', sizeof(text));
	memcpy(text + 256, ":1", 3);
	assert_int_equal(mt_endpoint_parse(mt_bytes_str(text), &endpoint, &fault), MT_INVALID);
	assert_int_equal(mt_endpoint_parse(mt_bytes_str(text + 1), &endpoint, &fault), MT_OK);
	assert_int_equal(mt_endpoint_parse(mt_bytes_of("a\0b:1", 5), &endpoint, &fault),
			 MT_INVALID);
	assert_int_equal(mt_endpoint_parse(mt_bytes_of(NULL, 0), &endpoint, &fault), MT_INVALID);
}

static void unix_endpoints_are_paths(void **state)
{
	static const char *const bad[] = {"unix:",     "unix:/", "unix:mqtt.sock",
					  "unix:1883", "unix",	 ""};
	struct mt_endpoint endpoint;
	const char *fault;
	char text[200];

	(void)state;
	assert_int_equal(
		mt_endpoint_parse_local(mt_bytes_str("unix:/run/a b:1"), &endpoint, &fault), MT_OK);
	assert_true(endpoint.is_unix && mt_endpoint_is_loopback(&endpoint));
	assert_string_equal(endpoint.host, "/run/a b:1");
	assert_int_equal(mt_endpoint_parse(mt_bytes_str("unix:/run/a"), &endpoint, &fault),
			 MT_INVALID);
	assert_int_equal(mt_endpoint_parse_local(mt_bytes_str("[::1]:7"), &endpoint, &fault),
			 MT_OK);
	assert_false(endpoint.is_unix);
	assert_int_equal(endpoint.port, 7);
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++)
		assert_int_equal(mt_endpoint_parse_local(mt_bytes_str(bad[i]), &endpoint, &fault),
				 MT_INVALID);
	assert_int_equal(mt_endpoint_parse_local(mt_bytes_of("unix:/a\0b", 9), &endpoint, &fault),
			 MT_INVALID);
	memset(text, '/', sizeof(text));
	memcpy(text, "unix:", 5);
	assert_int_equal(mt_endpoint_parse_local(mt_bytes_of(text, 5 + 107), &endpoint, &fault),
			 MT_OK);
	assert_int_equal(strlen(endpoint.host), 107);
	assert_int_equal(mt_endpoint_parse_local(mt_bytes_of(text, 5 + 108), &endpoint, &fault),
			 MT_INVALID);
}

static int listen_on(const char *text)
{
	struct mt_endpoint endpoint;
	const char *fault;
	int fd = -1;

	assert_int_equal(mt_endpoint_parse(mt_bytes_str(text), &endpoint, &fault), MT_OK);
	if (mt_listen_open(&endpoint, &fd) != MT_OK)
		return -1;
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	return fd;
}

static uint16_t port_of(int fd)
{
	char name[MT_ENDPOINT_TEXT_BYTES];
	const char *colon;

	mt_listen_name(fd, name);
	colon = strrchr(name, ':');
	assert_non_null(colon);
	return (uint16_t)strtoul(colon + 1, NULL, 10);
}

static int dial(const char *host, uint16_t port)
{
	const char *reason = "";
	unsigned attempt = 0;
	int fd = -1;

	if (mt_dial_start(host, port, &attempt, &fd, &reason) != MT_OK)
		fail_msg("%s", reason);
	assert_true(attempt > 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	return fd;
}

static int option(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

static void peers_are_accepted_and_named(void **state)
{
	struct mt_peer_address peer;
	char name[MT_ENDPOINT_TEXT_BYTES], expected[MT_ENDPOINT_TEXT_BYTES],
		own[MT_ENDPOINT_TEXT_BYTES];
	int listener = listen_on("localhost:0"), client, fd = -1;
	const char *reason;

	(void)state;
	assert_true(listener >= 0);
	mt_listen_name(listener, name);
	snprintf(expected, sizeof(expected), "127.0.0.1:%u", port_of(listener));
	assert_string_equal(name, expected);
	assert_int_equal(mt_listen_accept(listener, &fd, &peer), MT_AGAIN);
	client = dial("127.0.0.1", port_of(listener));
	assert_int_equal(poll(&(struct pollfd){.fd = client, .events = POLLOUT}, 1, -1), 1);
	assert_int_equal(mt_dial_finish(client, &reason), MT_OK);
	assert_int_equal(poll(&(struct pollfd){.fd = listener, .events = POLLIN}, 1, -1), 1);
	assert_int_equal(mt_listen_accept(listener, &fd, &peer), MT_OK);
	mt_peer_address_text(&peer, name);
	mt_listen_name(client, own);
	assert_string_equal(name, own);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPIDLE),
			 option(client, IPPROTO_TCP, TCP_KEEPIDLE));
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT), 65536);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	close(client);
	close(listener);
}

/* "[::]" and no host at all serve IPv4, whether or not the machine has IPv6. */
static void any_serves_ipv4(void **state)
{
	static const char *const texts[] = {"[::]:0", ":0", "0.0.0.0:0"};

	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(texts); i++) {
		int listener = listen_on(texts[i]), client, fd;
		struct mt_peer_address peer;
		char name[MT_ENDPOINT_TEXT_BYTES];
		assert_true(listener >= 0);
		client = dial("127.0.0.1", port_of(listener));
		assert_int_equal(poll(&(struct pollfd){.fd = listener, .events = POLLIN}, 1, -1),
				 1);
		assert_int_equal(mt_listen_accept(listener, &fd, &peer), MT_OK);
		mt_peer_address_text(&peer, name);
		assert_memory_equal(name, "127.0.0.1:", 10);
		close(fd);
		close(client);
		close(listener);
	}
}

static void taken_ports_are_refused(void **state)
{
	int listener = listen_on("127.0.0.1:0");
	char text[MT_ENDPOINT_TEXT_BYTES];

	(void)state;
	assert_true(listener >= 0);
	mt_listen_name(listener, text);
	assert_int_equal(listen_on(text), -1);
	assert_int_equal(errno, EADDRINUSE);
	close(listener);
	assert_int_equal(listen_on("nosuchhost.invalid:0"), -1);
	assert_int_equal(listen_on("203.0.113.99:0"), -1);
	assert_int_equal(errno, EADDRNOTAVAIL);
}

static void out_of_descriptors_is_a_limit(void **state)
{
	int listener = listen_on("127.0.0.1:0"), client, fd;
	struct mt_peer_address peer;
	struct rlimit kept, none;

	(void)state;
	client = dial("127.0.0.1", port_of(listener));
	assert_int_equal(poll(&(struct pollfd){.fd = listener, .events = POLLIN}, 1, -1), 1);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &kept), 0);
	none = kept;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(mt_listen_accept(listener, &fd, &peer), MT_LIMIT);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &kept), 0);
	assert_int_equal(mt_listen_accept(listener, &fd, &peer), MT_OK);
	close(fd);
	close(client);
	close(listener);
	assert_int_equal(mt_listen_accept(-1, &fd, &peer), MT_SYSTEM);
}

static void addresses_have_one_text(void **state)
{
	struct mt_peer_address v4 = {
		{[10] = 0xff, [11] = 0xff, [12] = 10, [13] = 1, [14] = 2, [15] = 3}, 4711};
	struct mt_peer_address v6 = {{0xfe, 0x80, [15] = 1}, 65535};
	char text[MT_ENDPOINT_TEXT_BYTES];

	(void)state;
	mt_peer_address_text(&v4, text);
	assert_string_equal(text, "10.1.2.3:4711");
	mt_peer_address_text(&v6, text);
	assert_string_equal(text, "[fe80::1]:65535");
	memset(v6.byte, 0xff, 16);
	mt_peer_address_text(&v6, text);
	assert_string_equal(text, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
	memset(&v6, 0, sizeof(v6));
	mt_peer_address_text(&v6, text);
	assert_string_equal(text, "unix");
	v6.port = 1;
	mt_peer_address_text(&v6, text);
	assert_string_equal(text, "[::]:1");
	mt_listen_name(-1, text);
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(endpoints_are_read),
		cmocka_unit_test(wrong_endpoints_are_refused),
		cmocka_unit_test(unix_endpoints_are_paths),
		cmocka_unit_test(peers_are_accepted_and_named),
		cmocka_unit_test(any_serves_ipv4),
		cmocka_unit_test(taken_ports_are_refused),
		cmocka_unit_test(out_of_descriptors_is_a_limit),
		cmocka_unit_test(addresses_have_one_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
