/* Who is let in: limits per address and in all, descriptors that run out, and that all is given
 * back. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "pump_world.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>

static struct pump_world pumps;

static int teardown(void **state)
{
	(void)state;
	pump_world_close(&pumps);
	return 0;
}

/* From 127.0.0.`last`. */
static int dial_from(uint8_t last)
{
	struct sockaddr_in here = {.sin_family = AF_INET};
	struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(pumps.ports[0])};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	here.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + last);
	there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (const struct sockaddr *)&here, sizeof(here)), 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&there, sizeof(there)), 0);
	return fd;
}

/* Let in: the core answers its CONNECT. */
static void assert_served(int fd)
{
	shell_put_connect(fd, "", NULL, NULL);
	assert_string_equal(pump_hear(&pumps, fd, 1), "2");
}

static void assert_turned_away(int fd)
{
	assert_string_equal(pump_hear(&pumps, fd, 1), "!");
	close(fd);
}

static void test_each_address_has_its_share(void **state)
{
	enum { SHARE = 3 };
	int mine[SHARE], other;
	(void)state;
	pump_world_open(&pumps, NULL, SHARE);
	for (int i = 0; i < SHARE; i++)
		assert_served(mine[i] = dial_from(1));
	assert_turned_away(dial_from(1));
	assert_turned_away(dial_from(1));
	assert_served(other = dial_from(2));
	assert_int_equal(pumps.pump.sources.by_address.count, 2);
	close(mine[1]);
	pump_await(&pumps, SHARE);
	assert_served(mine[1] = dial_from(1));
	assert_turned_away(dial_from(1));
	for (int i = 0; i < SHARE; i++)
		close(mine[i]);
	close(other);
	pump_await(&pumps, 0);
	assert_int_equal(pumps.pump.sources.by_address.count, 0);
}

static void test_without_a_share_the_limit_of_all_holds(void **state)
{
	const uint32_t most = shell_core_settings().limits.connections;
	int fds[64];
	(void)state;
	pump_world_open(&pumps, NULL, 0);
	assert_true(most < MT_COUNT_OF(fds));
	for (uint32_t i = 0; i < most; i++)
		fds[i] = dial_from(1);
	pump_await(&pumps, most);
	for (uint8_t i = 1; i < 5; i++)
		assert_turned_away(dial_from(i));
	assert_int_equal(pump_counts(&pumps).connections, most);
	/* Those that were turned away left no trace. */
	assert_int_equal(pumps.pump.sources.by_address.count, 1);
	close(fds[0]);
	pump_await(&pumps, most - 1);
	assert_served(fds[0] = dial_from(1));
	for (uint32_t i = 0; i < most; i++)
		close(fds[i]);
	pump_await(&pumps, 0);
	assert_int_equal(pumps.pump.sources.by_address.count, 0);
}

/* A listener has limits of its own, and says which one was met. */
static void test_a_listener_may_take_less(void **state)
{
	int fds[3];
	(void)state;
	pump_world_open(&pumps, NULL, 0);
	pumps.settings.listeners[0].limits.connections = 2;
	assert_served(fds[0] = dial_from(1));
	assert_served(fds[1] = dial_from(2));
	assert_turned_away(dial_from(3));
	assert_int_equal(pump_counts(&pumps).limits[MT_LIMIT_CONNECTIONS], 1);
	close(fds[0]);
	pump_await(&pumps, 1);
	assert_served(fds[0] = dial_from(3));
	pumps.settings.listeners[0].limits = (struct mt_limits){.listener_connect_rate = 1};
	assert_served(fds[2] = dial_from(4));
	assert_turned_away(dial_from(5));
	assert_int_equal(pump_counts(&pumps).limits[MT_LIMIT_LISTENER_CONNECT_RATE], 1);
	pumps.settings.listeners[0].limits = (struct mt_limits){.connect_rate = 1};
	close(fds[2]);
	pump_await(&pumps, 2);
	assert_served(fds[2] = dial_from(6));
	assert_turned_away(dial_from(6));
	assert_int_equal(pump_counts(&pumps).limits[MT_LIMIT_CONNECT_RATE], 1);
	for (size_t i = 0; i < MT_COUNT_OF(fds); i++)
		close(fds[i]);
	pump_await(&pumps, 0);
}

/* The table of addresses grows and shrinks with who is there. */
static void test_many_come_and_go(void **state)
{
	uint32_t seed = 1;
	int fds[16];
	(void)state;
	pump_world_open(&pumps, NULL, 2);
	for (size_t i = 0; i < MT_COUNT_OF(fds); i++)
		fds[i] = -1;
	for (int i = 0; i < 400; i++) {
		int *fd = &fds[(seed = seed * 1103515245 + 12345) >> 16 & 15];
		if (*fd >= 0) {
			close(*fd);
			*fd = -1;
		} else {
			*fd = dial_from((uint8_t)(1 + (seed >> 20 & 7)));
		}
		pump_turn(&pumps);
	}
	assert_true(pumps.pump.sources.by_address.count <= 8);
	for (size_t i = 0; i < MT_COUNT_OF(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	pump_await(&pumps, 0);
	assert_int_equal(pumps.pump.sources.by_address.count, 0);
	assert_served(fds[0] = dial_from(1));
	close(fds[0]);
}

/* A peer that is gone before it is looked at. */
static void test_gone_before_it_was_accepted(void **state)
{
	const struct linger now = {.l_onoff = 1};
	int reset = -1, quiet;
	(void)state;
	pump_world_open(&pumps, NULL, 1);
	reset = dial_from(1);
	assert_int_equal(setsockopt(reset, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	close(reset);
	quiet = dial_from(2);
	close(quiet);
	assert_served(quiet = dial_from(3));
	pump_await(&pumps, 1);
	close(quiet);
	pump_await(&pumps, 0);
	assert_int_equal(pumps.pump.sources.by_address.count, 0);
}

static int highest_file(void)
{
	int highest = 0;
	for (int fd = 0; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			highest = fd;
	return highest;
}

/* Takes every free number below the limit. */
static size_t use_up_files(int *fds, size_t cap)
{
	size_t count = 0;
	while (count < cap && (fds[count] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		count++;
	assert_true(count < cap);
	return count;
}

static void test_listeners_rest_while_files_are_short(void **state)
{
	struct rlimit before, tight;
	static int fds[1100];
	int fd;
	size_t count;
	(void)state;
	pump_world_open(&pumps, NULL, 0);
	fd = dial_from(1);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	tight = before;
	tight.rlim_cur = (rlim_t)highest_file() + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	count = use_up_files(fds, MT_COUNT_OF(fds));
	while (pumps.pump.accept_due_ns == MT_TIME_NEVER)
		pump_turn(&pumps);
	assert_int_equal(pumps.pump.socket_count, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	while (count > 0)
		close(fds[--count]);
	assert_served(fd);
	assert_true(pumps.pump.accept_due_ns == MT_TIME_NEVER);
	close(fd);
}

/* What cannot be woken now is woken later: the broker goes on. */
static void test_listeners_that_cannot_be_woken_rest_again(void **state)
{
	mt_time first;
	int fd, listener;
	(void)state;
	pump_world_open(&pumps, NULL, 0);
	mt_pump_rest_listeners(&pumps.pump);
	first = pumps.pump.accept_due_ns;
	listener = pumps.pump.listeners[0].fd;
	pumps.pump.listeners[0].fd = -1;
	while (pumps.pump.accept_due_ns == first)
		pump_turn(&pumps);
	assert_true(pumps.pump.accept_due_ns > first && pumps.pump.accept_due_ns != MT_TIME_NEVER);
	pumps.pump.listeners[0].fd = listener;
	assert_served(fd = dial_from(1));
	close(fd);
}

/* Loopback needs no TLS for a password; a listener that asks for credentials gets none refuses. */
static void test_a_listener_without_anonymous_clients(void **state)
{
	int nobody, ann;
	(void)state;
	pump_world_open(&pumps, NULL, 0);
	pumps.settings.listeners[0].anonymous_role[0] = '\0';
	nobody = dial_from(1);
	shell_put_connect(nobody, "n", NULL, NULL);
	assert_string_equal(pump_hear(&pumps, nobody, 2), "2!");
	ann = dial_from(1);
	shell_put_connect(ann, "a", "ann", PUMP_PASSWORD);
	assert_string_equal(pump_hear(&pumps, ann, 1), "2");
	assert_int_equal(pump_counts(&pumps).connects_accepted, 1);
	assert_int_equal(pump_counts(&pumps).connects_refused, 1);
	close(nobody);
	close(ann);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_each_address_has_its_share, teardown),
		cmocka_unit_test_teardown(test_without_a_share_the_limit_of_all_holds, teardown),
		cmocka_unit_test_teardown(test_a_listener_may_take_less, teardown),
		cmocka_unit_test_teardown(test_many_come_and_go, teardown),
		cmocka_unit_test_teardown(test_gone_before_it_was_accepted, teardown),
		cmocka_unit_test_teardown(test_listeners_rest_while_files_are_short, teardown),
		cmocka_unit_test_teardown(test_listeners_that_cannot_be_woken_rest_again, teardown),
		cmocka_unit_test_teardown(test_a_listener_without_anonymous_clients, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
