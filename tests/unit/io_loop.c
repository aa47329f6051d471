/* The loop on socket pairs: edges, levels, hang-ups, removal. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "io/loop.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct mt_loop loop;
static int pair[2];

static int open_loop(void **state)
{
	(void)state;
	return mt_loop_open(&loop) != MT_OK ||
	       socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair);
}

static int close_loop(void **state)
{
	(void)state;
	mt_loop_close(&loop);
	assert_int_equal(loop.epoll_fd, -1);
	mt_loop_close(&loop);
	close(pair[0]);
	close(pair[1]);
	return 0;
}

static struct mt_event wait_one(int *count)
{
	struct mt_event events[4] = {{0, 0}};

	assert_int_equal(mt_loop_wait(&loop, 0, events, 4, count), MT_OK);
	return events[0];
}

static void edges_come_once(void **state)
{
	struct mt_event event;
	int count;

	(void)state;
	assert_true(fcntl(loop.epoll_fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(mt_loop_add(&loop, pair[0], 0xfedcba9876543210u), MT_OK);
	wait_one(&count);
	assert_int_equal(count, 0);
	assert_int_equal(write(pair[1], "x", 1), 1);
	event = wait_one(&count);
	assert_int_equal(count, 1);
	assert_int_equal(event.flags, MT_EVENT_READ);
	assert_true(event.token == 0xfedcba9876543210u);
	wait_one(&count);
	assert_int_equal(count, 0);
}

/* That there is room is told to those who asked for it: at once when there is, and then as it
 * comes. */
static void room_is_told_on_demand(void **state)
{
	static uint8_t bytes[65536];
	int count;

	(void)state;
	assert_int_equal(mt_loop_add(&loop, pair[0], 1), MT_OK);
	while (send(pair[0], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(mt_loop_await_room(&loop, pair[0], 2), MT_OK);
	wait_one(&count);
	assert_int_equal(count, 0);
	while (recv(pair[1], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	assert_true(wait_one(&count).flags & MT_EVENT_WRITE);
	assert_int_equal(count, 1);
	wait_one(&count);
	assert_int_equal(count, 0);
	assert_int_equal(mt_loop_await_room(&loop, pair[0], 3), MT_OK);
	assert_true(wait_one(&count).token == 3);
	assert_int_equal(mt_loop_await_room(&loop, -1, 3), MT_SYSTEM);
}

static void levels_stay(void **state)
{
	int count;

	(void)state;
	assert_int_equal(mt_loop_add_level(&loop, pair[0], 1), MT_OK);
	wait_one(&count);
	assert_int_equal(count, 0);
	assert_int_equal(write(pair[1], "x", 1), 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(wait_one(&count).flags, MT_EVENT_READ);
		assert_int_equal(count, 1);
	}
}

static void hang_ups_are_seen(void **state)
{
	int count;

	(void)state;
	assert_int_equal(mt_loop_add(&loop, pair[0], 1), MT_OK);
	assert_int_equal(shutdown(pair[1], SHUT_WR), 0);
	assert_true(wait_one(&count).flags & MT_EVENT_HANGUP);
	assert_int_equal(count, 1);
}

static void removed_is_silent(void **state)
{
	int count;

	(void)state;
	assert_int_equal(mt_loop_add(&loop, pair[0], 1), MT_OK);
	assert_int_equal(mt_loop_add(&loop, pair[0], 2), MT_SYSTEM);
	mt_loop_remove(&loop, pair[0]);
	mt_loop_remove(&loop, pair[0]);
	wait_one(&count);
	assert_int_equal(count, 0);
	assert_int_equal(mt_loop_add(&loop, -1, 1), MT_SYSTEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(edges_come_once, open_loop, close_loop),
		cmocka_unit_test_setup_teardown(room_is_told_on_demand, open_loop, close_loop),
		cmocka_unit_test_setup_teardown(levels_stay, open_loop, close_loop),
		cmocka_unit_test_setup_teardown(hang_ups_are_seen, open_loop, close_loop),
		cmocka_unit_test_setup_teardown(removed_is_silent, open_loop, close_loop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
