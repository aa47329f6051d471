/* Sets of ways to prove who one is, by name. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "identity/mechanism.h"

#include <string.h>

static void each_has_a_name_and_a_bit(void **state)
{
	mt_mechanisms seen = 0;
	(void)state;
	for (unsigned i = 1; i < MT_MECHANISM_COUNT; i++) {
		enum mt_mechanism one = (enum mt_mechanism)i;
		mt_mechanisms bit = mt_mechanism_bit(one);
		assert_int_equal(mt_mechanism_read(mt_mechanism_name(one)), bit);
		assert_int_equal(seen & bit, 0);
		seen |= bit;
		assert_non_null(strstr(mt_mechanism_unaccepted(one), mt_mechanism_name(one)));
		for (unsigned j = 1; j < MT_MECHANISM_COUNT; j++)
			assert_int_equal(mt_mechanism_is_of((enum mt_mechanism)j, bit), i == j);
		assert_true(mt_mechanism_is_of(one, 0));
	}
	for (unsigned i = 0; i < MT_REFUSAL_COUNT; i++)
		assert_true(mt_refusal_text((enum mt_refusal)i)[0] != '\0');
}

static void lists_are_read(void **state)
{
	mt_mechanisms both =
		mt_mechanism_bit(MT_MECHANISM_PASSWORD) | mt_mechanism_bit(MT_MECHANISM_JWT);
	(void)state;
	assert_int_equal(mt_mechanism_read("password,jwt"), both);
	assert_int_equal(mt_mechanism_read("jwt,password,jwt"), both);
	assert_int_equal(mt_mechanism_read("any"), 0);
	assert_int_equal(mt_mechanism_read(""), 0);
	assert_int_equal(mt_mechanism_read("none"), 0);
	assert_int_equal(mt_mechanism_read("passwor,jwtx,,"), 0);
	assert_false(mt_mechanism_is_of(MT_MECHANISM_NONE, both));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_has_a_name_and_a_bit),
		cmocka_unit_test(lists_are_read),
	};
	return cmocka_run_group_tests_name("identity_mechanism", tests, NULL, NULL);
}
