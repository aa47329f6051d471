/* Rate limits: what a bucket gives at once, and what over time. */
#include "base/bucket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COST (MT_SECOND / 10)

static uint32_t take_all(struct mt_bucket *bucket, mt_time now)
{
	uint32_t count = 0;
	while (mt_bucket_take(bucket, now, COST, MT_SECOND))
		count++;
	return count;
}

static void it_gives_its_depth_then_its_rate(void **state)
{
	struct mt_bucket bucket = {0};
	(void)state;
	assert_int_equal(take_all(&bucket, 500 * MT_SECOND), 10);
	assert_int_equal(take_all(&bucket, 500 * MT_SECOND + COST - 1), 0);
	assert_int_equal(take_all(&bucket, 500 * MT_SECOND + COST), 1);
	assert_int_equal(take_all(&bucket, 500 * MT_SECOND + 4 * COST), 3);
	assert_int_equal(take_all(&bucket, 900 * MT_SECOND), 10);
}

static void a_charge_is_paid_back_by_waiting(void **state)
{
	struct mt_bucket bucket = {0};
	mt_time now = 3 * MT_SECOND, due = 0;
	(void)state;
	for (int i = 0; i < 10; i++) {
		due = mt_bucket_charge(&bucket, now, COST, MT_SECOND);
		assert_true(due <= now);
	}
	due = mt_bucket_charge(&bucket, now, 25 * COST, MT_SECOND);
	assert_int_equal(due, now + 25 * COST);
	assert_false(mt_bucket_take(&bucket, due, COST, MT_SECOND));
	assert_true(mt_bucket_take(&bucket, due + COST, COST, MT_SECOND));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_gives_its_depth_then_its_rate),
		cmocka_unit_test(a_charge_is_paid_back_by_waiting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
