/* User names. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "identity/user.h"

static bool is_good(const char *name)
{
	return mt_user_name_fault(mt_bytes_str(name)) == NULL;
}

static void names_are_text(void **state)
{
	(void)state;
	assert_true(is_good("a"));
	assert_true(is_good("th-17"));
	assert_true(is_good("Zo\xc3\xab B\xc3\xa9"));
	assert_true(is_good("\xf0\x9f\x94\x92"));
	assert_true(is_good("a/b"));	  /* %u refuses it, if a rule uses that */
	assert_true(is_good("\xc2\xa0")); /* the first character behind C1 */
	assert_false(is_good("a\xff"));
	assert_false(is_good("\xc3"));
	assert_false(is_good("\xed\xa0\x80"));
}

static void control_characters_are_refused(void **state)
{
	(void)state;
	for (int c = 0; c < 0x20; c++) {
		uint8_t name[] = {'a', (uint8_t)c, 'b'};
		assert_non_null(mt_user_name_fault(mt_bytes_of(name, sizeof(name))));
	}
	for (int c = 0x80; c < 0xa0; c++) {
		uint8_t name[] = {0xc2, (uint8_t)c};
		assert_non_null(mt_user_name_fault(mt_bytes_of(name, sizeof(name))));
	}
	assert_false(is_good("a\x7f"));
}

static void length_is_bounded(void **state)
{
	uint8_t name[MT_USER_NAME_BYTES_MAX + 1];
	(void)state;
	memset(name, 'x', sizeof(name));
	assert_null(mt_user_name_fault(mt_bytes_of(name, MT_USER_NAME_BYTES_MAX)));
	assert_non_null(mt_user_name_fault(mt_bytes_of(name, MT_USER_NAME_BYTES_MAX + 1)));
	assert_non_null(mt_user_name_fault(mt_bytes_of(NULL, 0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_text),
		cmocka_unit_test(control_characters_are_refused),
		cmocka_unit_test(length_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
