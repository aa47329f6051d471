/* Streams on socket pairs: what each outcome of reading and writing is called. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "io/stream.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static int pair[2];

static int open_pair(void **state)
{
	(void)state;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		return -1;
	mt_stream_tune(pair[0]);
	mt_stream_tune(pair[1]);
	return 0;
}

static int close_pair(void **state)
{
	(void)state;
	close(pair[0]);
	close(pair[1]);
	return 0;
}

static void tuned_never_blocks(void **state)
{
	bool is_drained;
	size_t len;
	char to[8];

	(void)state;
	assert_true(fcntl(pair[0], F_GETFL) & O_NONBLOCK);
	assert_int_equal(mt_stream_read(pair[0], to, sizeof(to), &len, &is_drained), MT_AGAIN);
}

static void lists_arrive_in_order(void **state)
{
	const struct mt_bytes list[] = {mt_bytes_str("ab"), mt_bytes_of(NULL, 0),
					mt_bytes_str("cde")};
	bool is_drained = true;
	size_t len = 0;
	char to[4];

	(void)state;
	assert_int_equal(mt_stream_write(pair[0], list, 3, &len), MT_OK);
	assert_int_equal(len, 5);
	assert_int_equal(mt_stream_read(pair[1], to, sizeof(to), &len, &is_drained), MT_OK);
	assert_int_equal(len, 4);
	assert_false(is_drained);
	assert_memory_equal(to, "abcd", 4);
	assert_int_equal(mt_stream_read(pair[1], to, sizeof(to), &len, &is_drained), MT_OK);
	assert_int_equal(len, 1);
	assert_true(is_drained);
	assert_int_equal(to[0], 'e');
}

static void full_is_again(void **state)
{
	static const uint8_t block[65536];
	const struct mt_bytes list[] = {mt_bytes_of(block, sizeof(block))};
	enum mt_status status = MT_OK;
	size_t len;

	(void)state;
	for (int i = 0; i < 1000 && status == MT_OK; i++)
		status = mt_stream_write(pair[0], list, 1, &len);
	assert_int_equal(status, MT_AGAIN);
}

static void ends_are_closed(void **state)
{
	const struct mt_bytes list[] = {mt_bytes_str("x")};
	bool is_drained;
	size_t len = 77;
	char to[8];

	(void)state;
	assert_int_equal(shutdown(pair[0], SHUT_RDWR), 0);
	assert_int_equal(mt_stream_read(pair[1], to, sizeof(to), &len, &is_drained), MT_CLOSED);
	/* A signal would end the test. */
	assert_int_equal(mt_stream_write(pair[1], list, 1, &len), MT_CLOSED);
	assert_int_equal(len, 77);
	assert_int_equal(mt_stream_read(-1, to, sizeof(to), &len, &is_drained), MT_SYSTEM);
	assert_int_equal(mt_stream_write(-1, list, 1, &len), MT_SYSTEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tuned_never_blocks, open_pair, close_pair),
		cmocka_unit_test_setup_teardown(lists_arrive_in_order, open_pair, close_pair),
		cmocka_unit_test_setup_teardown(full_is_again, open_pair, close_pair),
		cmocka_unit_test_setup_teardown(ends_are_closed, open_pair, close_pair),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
