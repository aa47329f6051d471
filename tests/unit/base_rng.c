/* Random numbers: the published vectors of splitmix64 and xoshiro256**, bounds and their evenness.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/rng.h"

static void the_seed_is_spread_by_splitmix64(void **state)
{
	static const uint64_t expected[] = {6457827717110365317u, 3203168211198807973u,
					    9817491932198370423u, 4593380528125082431u};
	struct mt_rng rng;
	(void)state;
	mt_rng_init(&rng, 1234567);
	for (size_t i = 0; i < MT_COUNT_OF(expected); i++)
		assert_true(rng.state[i] == expected[i]);
}

static void the_sequence_is_xoshiro256(void **state)
{
	static const uint64_t expected[] = {11520, 0, 1509978240, 1215971899390074240};
	struct mt_rng rng = {{1, 2, 3, 4}};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(expected); i++)
		assert_true(mt_rng_next(&rng) == expected[i]);
}

static void equal_seeds_give_equal_sequences(void **state)
{
	struct mt_rng a, b, other;
	unsigned differences = 0;
	(void)state;
	mt_rng_init(&a, 42);
	mt_rng_init(&b, 42);
	mt_rng_init(&other, 43);
	for (int i = 0; i < 100; i++) {
		uint64_t value = mt_rng_next(&a);
		assert_true(mt_rng_next(&b) == value);
		differences += mt_rng_next(&other) != value;
	}
	assert_true(differences > 90);
}

static void values_stay_below_the_bound(void **state)
{
	static const uint64_t bounds[] = {
		1, 2, 3, 7, 64, 1000, 1ULL << 63, (1ULL << 63) + 1, UINT64_MAX};
	struct mt_rng rng;
	(void)state;
	mt_rng_init(&rng, 10);
	for (size_t k = 0; k < MT_COUNT_OF(bounds); k++)
		for (int i = 0; i < 2000; i++)
			assert_true(mt_rng_below(&rng, bounds[k]) < bounds[k]);
}

/* At 3 * 2^62 a plain remainder would give the lowest third half of all draws. */
static void no_part_of_the_range_is_favoured(void **state)
{
	const uint64_t third = 1ULL << 62;
	unsigned hits[3] = {0};
	struct mt_rng rng;
	(void)state;
	mt_rng_init(&rng, 11);
	for (int i = 0; i < 30000; i++)
		hits[mt_rng_below(&rng, 3 * third) / third]++;
	for (size_t i = 0; i < 3; i++) {
		assert_true(hits[i] > 9500);
		assert_true(hits[i] < 10500);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_seed_is_spread_by_splitmix64),
		cmocka_unit_test(the_sequence_is_xoshiro256),
		cmocka_unit_test(equal_seeds_give_equal_sequences),
		cmocka_unit_test(values_stay_below_the_bound),
		cmocka_unit_test(no_part_of_the_range_is_favoured),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
