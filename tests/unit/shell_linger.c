/* Last words reach a peer that is still sending; how long and how much is bounded. */
#include "shell/linger.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct mt_linger linger;
static struct mt_scratch scratch;

static int setup(void **state)
{
	(void)state;
	mt_linger_init(&linger);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mt_linger_finish(&linger);
	return 0;
}

static void open_pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void it_ends_with_the_peer(void **state)
{
	int fds[2];
	(void)state;
	open_pair(fds);
	mt_linger_add(&linger, 1, fds[0]);
	assert_int_equal(send(fds[1], "more", 4, 0), 4);
	mt_linger_serve(&linger, linger.next_ns, &scratch);
	assert_int_equal(linger.count, 1);
	close(fds[1]);
	mt_linger_serve(&linger, linger.next_ns, &scratch);
	assert_int_equal(linger.count, 0);
	assert_true(linger.next_ns == MT_TIME_NEVER);
	assert_false(is_open(fds[0]));
}

static void it_ends_with_time(void **state)
{
	int fds[2];
	(void)state;
	open_pair(fds);
	mt_linger_add(&linger, 1, fds[0]);
	mt_linger_serve(&linger, MT_SECOND, &scratch);
	assert_int_equal(linger.count, 1);
	mt_linger_serve(&linger, MT_SECOND + MT_SECOND / 2, &scratch);
	assert_int_equal(linger.count, 0);
	assert_false(is_open(fds[0]));
	close(fds[1]);
}

static void it_ends_with_too_many_bytes(void **state)
{
	static const uint8_t data[16384];
	int fds[2];
	mt_time now = 1;
	size_t sent = 0;
	(void)state;
	open_pair(fds);
	mt_linger_add(&linger, now, fds[0]);
	while (linger.count > 0 && sent < 4 * MT_LINGER_BYTES_MAX) {
		ssize_t more = send(fds[1], data, sizeof(data), MSG_NOSIGNAL);
		sent += more > 0 ? (size_t)more : 0;
		linger.next_ns = now;
		mt_linger_serve(&linger, now, &scratch);
	}
	assert_int_equal(linger.count, 0);
	assert_true(sent >= MT_LINGER_BYTES_MAX);
	close(fds[1]);
}

static void the_oldest_makes_room(void **state)
{
	int first[2], fds[MT_LINGER_COUNT_MAX][2];
	(void)state;
	open_pair(first);
	mt_linger_add(&linger, 1, first[0]);
	for (uint32_t i = 0; i < MT_LINGER_COUNT_MAX; i++) {
		open_pair(fds[i]);
		mt_linger_add(&linger, 1, fds[i][0]);
	}
	assert_int_equal(linger.count, MT_LINGER_COUNT_MAX);
	assert_false(is_open(first[0]));
	assert_true(is_open(fds[0][0]));
	close(first[1]);
	for (uint32_t i = 0; i < MT_LINGER_COUNT_MAX; i++)
		close(fds[i][1]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(it_ends_with_the_peer),
		TEST(it_ends_with_time),
		TEST(it_ends_with_too_many_bytes),
		TEST(the_oldest_makes_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
