/* Clocks go forward and say plausible times; random bytes differ. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "io/clock.h"

static void time_goes_forward(void **state)
{
	struct mt_now last = mt_clock_now();

	(void)state;
	/* 2020: an empty or swapped clock shows. */
	assert_true(last.wall_ns > 1577836800 * MT_SECOND);
	for (int i = 0; i < 1000; i++) {
		struct mt_now now = mt_clock_now();
		assert_true(now.mono_ns >= last.mono_ns);
		last = now;
	}
}

static void random_bytes_fill_everything(void **state)
{
	uint8_t bytes[1024], seen[1024] = {0};

	(void)state;
	mt_random_bytes(bytes, 0);
	/* A byte stays zero in 20 rounds with a chance of 2^-160. */
	for (int round = 0; round < 20; round++) {
		mt_random_bytes(bytes, sizeof(bytes));
		for (size_t i = 0; i < sizeof(bytes); i++)
			seen[i] |= bytes[i];
	}
	for (size_t i = 0; i < sizeof(seen); i++)
		assert_int_not_equal(seen[i], 0);
}

static void seeds_differ(void **state)
{
	struct mt_seed a = mt_random_seed(), b = mt_random_seed();

	(void)state;
	assert_true(a.word[0] != b.word[0]);
	assert_true(a.word[1] != b.word[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_goes_forward),
		cmocka_unit_test(random_bytes_fill_everything),
		cmocka_unit_test(seeds_differ),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
