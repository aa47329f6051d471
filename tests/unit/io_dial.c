/* Dialling: names that do not exist, ports where nobody listens, the next address. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "io/dial.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A port that is bound, so that nobody else has it, and not listening. */
static uint16_t deaf_port(int *fd)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);

	*fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(*fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(*fd, (struct sockaddr *)&at, &len), 0);
	return ntohs(at.sin_port);
}

static void nobody_answers(void **state)
{
	const char *reason = NULL;
	unsigned attempt = 0;
	int deaf, fd;
	uint16_t port = deaf_port(&deaf);
	enum mt_status status = mt_dial_start("127.0.0.1", port, &attempt, &fd, &reason);

	(void)state;
	if (status == MT_OK) {
		assert_int_equal(poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1), 1);
		status = mt_dial_finish(fd, &reason);
		close(fd);
	}
	assert_int_equal(status, MT_UNREACHABLE);
	assert_string_equal(reason, "Connection refused");
	close(deaf);
}

static void addresses_are_tried_once(void **state)
{
	const char *reason = NULL;
	unsigned attempt = 0;
	int deaf, fd = -2;
	uint16_t port = deaf_port(&deaf);

	(void)state;
	assert_int_equal(listen(deaf, 1), 0);
	assert_int_equal(mt_dial_start("127.0.0.1", port, &attempt, &fd, &reason), MT_OK);
	assert_int_equal(attempt, 1);
	close(fd);
	fd = -2;
	assert_int_equal(mt_dial_start("127.0.0.1", port, &attempt, &fd, &reason), MT_UNREACHABLE);
	assert_int_equal(attempt, 1);
	assert_int_equal(fd, -2);
	assert_string_equal(reason, "none of its addresses answers");
	close(deaf);
}

/* The loopback names need no resolver and no /etc/hosts. */
static void localhost_is_this_machine(void **state)
{
	static const char *const names[] = {"localhost", "LocalHost", "broker.localhost"};
	int listener;
	uint16_t port = deaf_port(&listener);

	(void)state;
	assert_int_equal(listen(listener, 8), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		enum mt_status status = MT_UNREACHABLE;
		const char *reason;
		unsigned attempt = 0;
		int fd;

		while (status != MT_OK &&
		       mt_dial_start(names[i], port, &attempt, &fd, &reason) == MT_OK) {
			assert_int_equal(poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1),
					 1);
			status = mt_dial_finish(fd, &reason);
			close(fd);
		}
		assert_int_equal(status, MT_OK);
	}
	close(listener);
}

static void unknown_names_are_unreachable(void **state)
{
	static const char *const hosts[] = {"nosuchhost.invalid", "a b", "[::1]", "300.1.1.1"};

	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(hosts); i++) {
		const char *reason = NULL;
		unsigned attempt = 0;
		int fd = -2;
		assert_int_equal(mt_dial_start(hosts[i], 1, &attempt, &fd, &reason),
				 MT_UNREACHABLE);
		assert_non_null(reason);
		assert_int_equal(attempt, 0);
		assert_int_equal(fd, -2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_answers),
		cmocka_unit_test(addresses_are_tried_once),
		cmocka_unit_test(localhost_is_this_machine),
		cmocka_unit_test(unknown_names_are_unreachable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
