/* Statuses: each has a text of its own, each failure a remedy and an exit code that a shell takes
 * for one. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/status.h"

#include <string.h>

static const enum mt_status all[] = {
#define X(name, exit_code, text, remedy) MT_##name,
	MT_TABLE_ERRORS(X)
#undef X
};

static void success_is_zero(void **state)
{
	(void)state;
	assert_int_equal(MT_OK, 0);
	assert_int_equal(mt_status_exit(MT_OK), 0);
	assert_non_null(mt_status_remedy(MT_OK));
}

static void failures_tell_what_to_do(void **state)
{
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(all); i++) {
		assert_int_equal(all[i], i);
		assert_true(strlen(mt_status_text(all[i])) > 0);
		if (all[i] == MT_OK)
			continue;
		assert_true(strlen(mt_status_remedy(all[i])) > 0);
		assert_in_range(mt_status_exit(all[i]), 1, 125);
	}
}

static void texts_differ(void **state)
{
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(all); i++)
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(mt_status_text(all[i]), mt_status_text(all[k]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(success_is_zero),
		cmocka_unit_test(failures_tell_what_to_do),
		cmocka_unit_test(texts_differ),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
