/* The store that keeps nothing answers every ticket, in order. */
#include "base/rng.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void answers_in_the_order_of_the_appends(void **state)
{
	struct mt_store *store = mt_store_open_memory();
	uint64_t next_in = 1, next_out = 1, ticket;
	enum mt_status status;
	struct mt_rng rng;
	(void)state;
	assert_non_null(store);
	mt_rng_init(&rng, 1);
	assert_false(mt_store_answer(store, &ticket, &status));
	while (next_out < 5000) {
		/* appends outnumber answers, until both run dry: the ring grows while it is wrapped
		 * around */
		if (next_in < 5000 && mt_rng_below(&rng, 5) < 3) {
			assert_int_equal(mt_store_append(store, next_in * 7, mt_bytes_str("t"),
							 mt_bytes_str("p")),
					 MT_OK);
			next_in++;
			continue;
		}
		status = MT_SYSTEM;
		assert_int_equal(mt_store_answer(store, &ticket, &status), next_out < next_in);
		if (next_out == next_in)
			continue;
		assert_int_equal(ticket, next_out++ * 7);
		assert_int_equal(status, MT_OK);
	}
	assert_false(mt_store_answer(store, &ticket, &status));
	mt_store_close(&store);
	assert_null(store);
}

static void closes_with_tickets_unanswered(void **state)
{
	struct mt_store *store = mt_store_open_memory();
	(void)state;
	assert_non_null(store);
	assert_int_equal(mt_store_append(store, 1, mt_bytes_of(NULL, 0), mt_bytes_of(NULL, 0)),
			 MT_OK);
	mt_store_close(&store);
	mt_store_close(&store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_in_the_order_of_the_appends),
		cmocka_unit_test(closes_with_tickets_unanswered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
