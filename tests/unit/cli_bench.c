/* The pure parts of the load generator: order and loss, latencies, CPU time from /proc,
 * settings. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/rng.h"
#include "cli/bench.h"
#include "cli/bench_cpu.h"
#include "cli/bench_histogram.h"

#include <stdlib.h>

static void take_all(const uint32_t *list, size_t count, uint32_t sent,
		     struct mt_order_tally *tally)
{
	struct mt_order order = {0};

	for (size_t i = 0; i < count; i++)
		(void)mt_order_take(&order, list[i], tally);
	mt_order_end(&order, sent, tally);
}

static void test_order_is_clean(void **state)
{
	static const uint32_t list[] = {0, 1, 2, 3};
	struct mt_order_tally tally = {0};

	(void)state;
	take_all(list, 4, 4, &tally);
	assert_int_equal(tally.delivered_count, 4);
	assert_true(mt_order_tally_is_clean(&tally));
}

static void test_order_counts_each_fault(void **state)
{
	static const struct {
		uint32_t list[8];
		size_t count;
		uint32_t sent;
		struct mt_order_tally wanted; /* delivered, lost, duplicated, reordered */
	} cases[] = {
		{{0, 1, 2}, 3, 5, {3, 2, 0, 0}},
		{{2, 3}, 2, 4, {2, 2, 0, 0}},
		{{0, 2, 1, 3}, 4, 4, {4, 0, 0, 1}},
		{{0, 1, 1, 2, 0}, 5, 3, {3, 0, 2, 0}},
		{{3, 2, 1, 0}, 4, 4, {4, 0, 0, 3}},
		{{1, 1, 0, 0}, 4, 2, {2, 0, 2, 1}},
		{{0}, 0, 7, {0, 7, 0, 0}},
		{{64, 0}, 2, 65, {1, 64, 1, 0}}, /* 65 places late: taken for a double */
		{{63, 0}, 2, 64, {2, 62, 0, 1}},
	};

	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		struct mt_order_tally tally = {0};

		take_all(cases[i].list, cases[i].count, cases[i].sent, &tally);
		assert_memory_equal(&tally, &cases[i].wanted, sizeof(tally));
		assert_false(mt_order_tally_is_clean(&tally));
	}
}

/* Every number below the end is delivered or lost, whatever comes in which order within the
 * history. */
static void test_order_equals_a_naive_count(void **state)
{
	struct mt_rng rng;

	(void)state;
	mt_rng_init(&rng, 7);
	for (unsigned round = 0; round < 200; round++) {
		bool seen[256] = {false};
		struct mt_order order = {0};
		struct mt_order_tally tally = {0}, wanted = {0};
		uint32_t top = 0, seq;

		for (unsigned i = 0; i < 300 && top < 190; i++) {
			seq = (top > 30 ? top - 30 : 0) + (uint32_t)mt_rng_below(&rng, 34);
			wanted.duplicated_count += seen[seq];
			wanted.reordered_count += !seen[seq] && seq < top;
			wanted.delivered_count += !seen[seq];
			assert_int_equal(mt_order_take(&order, seq, &tally), !seen[seq]);
			seen[seq] = true;
			top = seq >= top ? seq + 1 : top;
		}
		mt_order_end(&order, 256, &tally);
		wanted.lost_count = 256 - wanted.delivered_count;
		assert_memory_equal(&tally, &wanted, sizeof(tally));
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static void test_percentile_is_near_the_sorted_value(void **state)
{
	static const double shares[] = {0, 0.01, 0.5, 0.9, 1};
	static struct mt_histogram histogram;
	uint64_t values[1000], exact, found;
	struct mt_rng rng;
	size_t rank;

	(void)state;
	mt_rng_init(&rng, 3);
	for (size_t i = 0; i < MT_COUNT_OF(values); i++) {
		values[i] = mt_rng_next(&rng) >> mt_rng_below(&rng, 64);
		mt_histogram_add(&histogram, values[i]);
	}
	qsort(values, MT_COUNT_OF(values), sizeof(values[0]), compare);
	for (size_t i = 0; i < MT_COUNT_OF(shares); i++) {
		rank = (size_t)(shares[i] * 1000);
		exact = values[rank > 0 ? rank - 1 : 0];
		found = mt_histogram_at(&histogram, shares[i]);
		assert_true(found <= exact);
		assert_true(exact - found <= exact / 16);
	}
}

static void test_histogram_takes_every_value(void **state)
{
	static const uint64_t values[] = {0, 1, 15, 16, 17, 31, 32, UINT32_MAX, UINT64_MAX};
	struct mt_histogram histogram;

	(void)state;
	memset(&histogram, 0, sizeof(histogram));
	assert_int_equal(mt_histogram_at(&histogram, 0.5), 0);
	for (size_t i = 0; i < MT_COUNT_OF(values); i++) {
		memset(&histogram, 0, sizeof(histogram));
		mt_histogram_add(&histogram, values[i]);
		assert_true(mt_histogram_at(&histogram, 0.5) <= values[i]);
		assert_true(values[i] - mt_histogram_at(&histogram, 0.5) <= values[i] / 16);
	}
}

static void test_cpu_texts(void **state)
{
	static const char stat[] =
		"42 (a) b (c) S 1 42 42 0 -1 4194560 10 0 0 0 123 456 7 8 20 0 1 0\n";
	uint64_t user = 0, system = 0, run = 0;

	(void)state;
	assert_true(mt_cpu_parse_stat(mt_bytes_str(stat), &user, &system));
	assert_int_equal(user, 123);
	assert_int_equal(system, 456);
	assert_true(mt_cpu_parse_schedstat(mt_bytes_str("123456789012 55 9\n"), &run));
	assert_int_equal(run, 123456789012);
	assert_false(mt_cpu_parse_schedstat(mt_bytes_str(""), &run));
	assert_false(mt_cpu_parse_schedstat(mt_bytes_str("99999999999999999999999"), &run));
	for (size_t len = 0; len <= strlen("42 (a) b (c) S 1 42 42 0 -1 4194560 10 0 0 0 123");
	     len++)
		assert_false(mt_cpu_parse_stat(mt_bytes_of(stat, len), &user, &system));
	assert_int_equal(mt_cpu_read(INT32_MAX, &(struct mt_cpu){0}), MT_NOT_FOUND);
}

static void test_settings_have_bounds(void **state)
{
	static const struct {
		size_t at;
		uint32_t low;
		uint32_t high;
	} numbers[] = {
		{offsetof(struct mt_bench_settings, connections), 1, MT_BENCH_CONNECTIONS_MAX},
		{offsetof(struct mt_bench_settings, messages), 1, MT_BENCH_MESSAGES_MAX},
		{offsetof(struct mt_bench_settings, payload_bytes), MT_BENCH_PAYLOAD_MIN,
		 MT_BENCH_PAYLOAD_MAX},
		{offsetof(struct mt_bench_settings, window), 1, MT_BENCH_WINDOW_MAX},
		{offsetof(struct mt_bench_settings, timeout_s), 1, MT_BENCH_TIMEOUT_S_MAX},
	};
	struct mt_bench_settings settings;
	const char *reason = NULL;
	uint32_t value;

	(void)state;
	settings = mt_bench_defaults();
	assert_int_equal(mt_bench_check(&settings, &reason), MT_OK);
	assert_null(reason);
	for (size_t i = 0; i < MT_COUNT_OF(numbers) * 4; i++) {
		value = (uint32_t[]){numbers[i / 4].low, numbers[i / 4].low - 1,
				     numbers[i / 4].high, numbers[i / 4].high + 1}[i % 4];
		settings = mt_bench_defaults();
		memcpy((char *)&settings + numbers[i / 4].at, &value, sizeof(value));
		reason = NULL;
		assert_int_equal(mt_bench_check(&settings, &reason),
				 i % 2 == 0 ? MT_OK : MT_INVALID);
		assert_true((reason != NULL) == (i % 2 == 1));
	}
}

static void test_settings_refuse_wrong_texts(void **state)
{
	static const char *const ports[] = {"0", "65536", "", "1883x", "-1", " 1"};
	static const char *const topics[] = {
		"", "a/#", "+",
		"12345678901234567890123456789012345678901234567890123456789012345"};
	struct mt_bench_settings settings;
	const char *reason = NULL;

	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(ports); i++) {
		settings = mt_bench_defaults();
		settings.port = ports[i];
		assert_int_equal(mt_bench_check(&settings, &reason), MT_INVALID);
	}
	for (size_t i = 0; i < MT_COUNT_OF(topics); i++) {
		settings = mt_bench_defaults();
		settings.topic = topics[i];
		assert_int_equal(mt_bench_check(&settings, &reason), MT_INVALID);
	}
	settings = mt_bench_defaults();
	settings.password = "secret";
	assert_int_equal(mt_bench_check(&settings, &reason), MT_INVALID);
	settings.user = "u";
	assert_int_equal(mt_bench_check(&settings, &reason), MT_OK);
}

static void test_scenarios_have_their_shape(void **state)
{
	static const struct {
		enum mt_bench_scenario scenario;
		uint32_t publishers, receivers, copies;
	} shapes[] = {
		{MT_BENCH_PAIRS, 7, 7, 1}, {MT_BENCH_FANOUT, 1, 7, 7}, {MT_BENCH_FANIN, 7, 1, 1}};
	struct mt_bench_settings settings = mt_bench_defaults();

	(void)state;
	settings.connections = 7;
	for (size_t i = 0; i < MT_COUNT_OF(shapes); i++) {
		settings.scenario = shapes[i].scenario;
		assert_int_equal(mt_bench_publishers(&settings), shapes[i].publishers);
		assert_int_equal(mt_bench_receivers(&settings), shapes[i].receivers);
		assert_int_equal(mt_bench_copies(&settings), shapes[i].copies);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_is_clean),
		cmocka_unit_test(test_order_counts_each_fault),
		cmocka_unit_test(test_order_equals_a_naive_count),
		cmocka_unit_test(test_percentile_is_near_the_sorted_value),
		cmocka_unit_test(test_histogram_takes_every_value),
		cmocka_unit_test(test_cpu_texts),
		cmocka_unit_test(test_settings_have_bounds),
		cmocka_unit_test(test_settings_refuse_wrong_texts),
		cmocka_unit_test(test_scenarios_have_their_shape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
