/* Byte views: every comparison against one byte at a time, cutting and wiping. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "base/rng.h"

#define LEN_MAX 12u

static int compare_slowly(struct mt_bytes a, struct mt_bytes b)
{
	for (size_t i = 0; i < a.len && i < b.len; i++)
		if (a.data[i] != b.data[i])
			return a.data[i] < b.data[i] ? -1 : 1;
	return a.len == b.len ? 0 : a.len < b.len ? -1 : 1;
}

static struct mt_bytes random_bytes(struct mt_rng *rng, uint8_t *to)
{
	static const uint8_t letters[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
	size_t len = mt_rng_below(rng, LEN_MAX + 1);
	for (size_t i = 0; i < len; i++)
		to[i] = letters[mt_rng_below(rng, i < 4 ? 1 + i % 2 : MT_COUNT_OF(letters))];
	return mt_bytes_of(len > 0 ? to : NULL, len);
}

static void comparisons_agree(void **state)
{
	struct mt_rng rng;
	(void)state;
	mt_rng_init(&rng, 1);
	for (int round = 0; round < 20000; round++) {
		uint8_t left[LEN_MAX], right[LEN_MAX];
		struct mt_bytes a = random_bytes(&rng, left);
		struct mt_bytes b = random_bytes(&rng, right);
		int expected = compare_slowly(a, b);
		assert_int_equal(mt_bytes_compare(a, b), expected);
		assert_int_equal(mt_bytes_compare(b, a), -expected);
		assert_int_equal(mt_bytes_equal(a, b), expected == 0);
		assert_int_equal(mt_bytes_equal_secret(a, b), expected == 0);
		assert_int_equal(mt_bytes_starts(a, b),
				 a.len >= b.len &&
					 compare_slowly(mt_bytes_of(a.data, b.len), b) == 0);
	}
}

static void each_single_bit_makes_secrets_differ(void **state)
{
	uint8_t secret[32] = {0x5a}, guess[32] = {0x5a};
	struct mt_bytes a = mt_bytes_of(secret, sizeof(secret));
	(void)state;
	assert_true(mt_bytes_equal_secret(a, mt_bytes_of(guess, sizeof(guess))));
	for (unsigned bit = 0; bit < 8 * sizeof(secret); bit++) {
		guess[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(mt_bytes_equal_secret(a, mt_bytes_of(guess, sizeof(guess))));
		guess[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_false(mt_bytes_equal_secret(a, mt_bytes_of(guess, sizeof(guess) - 1)));
}

static void strings_become_views(void **state)
{
	struct mt_bytes view = mt_bytes_str("abc");
	(void)state;
	assert_int_equal(view.len, 3);
	assert_memory_equal(view.data, "abc", 3);
	assert_int_equal(mt_bytes_str(NULL).len, 0);
	assert_true(mt_bytes_equal(mt_bytes_str(NULL), mt_bytes_str("")));
	assert_true(mt_bytes_equal(mt_bytes_from(view, 0), view));
	assert_true(mt_bytes_equal(mt_bytes_from(view, 1), mt_bytes_str("bc")));
	assert_int_equal(mt_bytes_from(view, 3).len, 0);
	assert_int_equal(mt_bytes_from(mt_bytes_str(NULL), 0).len, 0);
}

static void cutting_fits_and_terminates(void **state)
{
	(void)state;
	for (size_t len = 0; len <= 6; len++)
		for (size_t cap = 1; cap <= 8; cap++) {
			char to[10];
			size_t kept = len < cap ? len : cap - 1;
			memset(to, '#', sizeof(to));
			mt_bytes_cut(to, cap, mt_bytes_of(len > 0 ? "abcdef" : NULL, len));
			assert_memory_equal(to, "abcdef", kept);
			assert_int_equal(to[kept], '\0');
			for (size_t i = kept + 1; i < sizeof(to); i++)
				assert_int_equal(to[i], '#');
		}
}

static void wiping_clears_just_the_range(void **state)
{
	uint8_t data[] = {1, 2, 3, 4, 5};
	static const uint8_t expected[] = {1, 0, 0, 0, 5};
	(void)state;
	mt_bytes_wipe(data + 1, 3);
	assert_memory_equal(data, expected, sizeof(data));
	mt_bytes_wipe(NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comparisons_agree),
		cmocka_unit_test(each_single_bit_makes_secrets_differ),
		cmocka_unit_test(strings_become_views),
		cmocka_unit_test(cutting_fits_and_terminates),
		cmocka_unit_test(wiping_clears_just_the_range),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
