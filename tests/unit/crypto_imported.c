/* Hashes that Debian's mosquitto_passwd wrote. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "crypto/imported.h"

#include <stdlib.h>

#define ONCE \
	"$6$HrIMEvs8pOe1qZr3$fWo5aIcFbmnuyCw2ExNpH+wBkDrwUa7eq2ryTyohFf/2PWUyfymdl0/" \
	"pb0j1sco9um7GsHCB6yCZsYr724k6Ew=="
#define DERIVED \
	"$7$101$zSBnmiCkfS7T7Eyj$YMQ4kN6ivj9CG5shqoYgrA+" \
	"8n9R2f2h2VbhQoHb1SZfI0b1bNIQXoDckAs3H69xIprGpOr7WwihWQ33XmxjRZw=="
#define EMPTY \
	"$7$1000$4deb6m6hqaTbzAcE$Yr2bxoHfhlNyD7NMeuXG47Z7e+" \
	"FBCDxpxQQWwgpS1PPbKkzO2YTK9zUgN2C8Qt7pyRwN//fv1lq2SlPDewYQGg=="

static enum mt_status verify(const char *password, const char *hash)
{
	return mt_imported_verify(mt_bytes_str(password), mt_bytes_str(hash));
}

static void the_right_password_matches(void **state)
{
	(void)state;
	assert_int_equal(verify("secret word", ONCE), MT_OK);
	assert_int_equal(verify("secret word", DERIVED), MT_OK);
	assert_int_equal(verify("", EMPTY), MT_OK);
	assert_int_equal(mt_imported_verify(mt_bytes_of(NULL, 0), mt_bytes_str(EMPTY)), MT_OK);
	assert_int_equal(verify("secret wore", ONCE), MT_DENIED);
	assert_int_equal(verify("secret word ", DERIVED), MT_DENIED);
	assert_int_equal(verify("", ONCE), MT_DENIED);
	assert_int_equal(verify("", DERIVED), MT_DENIED);
}

static void each_changed_character_is_another_hash(void **state)
{
	static const char *const hashes[] = {ONCE, DERIVED};
	(void)state;
	for (size_t h = 0; h < MT_COUNT_OF(hashes); h++) {
		char text[200];
		size_t len = strlen(hashes[h]);
		for (size_t i = 0; i < len; i++) {
			strcpy(text, hashes[h]);
			text[i] = text[i] == 'A' ? 'B' : 'A';
			assert_int_equal(verify("secret word", text), MT_DENIED);
		}
		for (size_t cut = 0; cut < len; cut++)
			assert_int_equal(mt_imported_verify(mt_bytes_str("secret word"),
							    mt_bytes_of(hashes[h], cut)),
					 MT_DENIED);
	}
}

static void what_has_another_form_is_none(void **state)
{
	static const char *const none[] = {
		"",
		"$",
		"$6$",
		"$7$",
		"$6$$",
		"$7$$$",
		"$7$101$$",
		"$7$0$zSBnmiCkfS7T7Eyj$YMQ4kN6ivj9CG5shqoYgrA+"
		"8n9R2f2h2VbhQoHb1SZfI0b1bNIQXoDckAs3H69xIprGpOr7WwihWQ33XmxjRZw==",
		"$7$-1$zSBnmiCkfS7T7Eyj$YMQ4kN6ivj9CG5shqoYgrA+"
		"8n9R2f2h2VbhQoHb1SZfI0b1bNIQXoDckAs3H69xIprGpOr7WwihWQ33XmxjRZw==",
		"$7$1000001$zSBnmiCkfS7T7Eyj$YMQ4kN6ivj9CG5shqoYgrA+"
		"8n9R2f2h2VbhQoHb1SZfI0b1bNIQXoDckAs3H69xIprGpOr7WwihWQ33XmxjRZw==",
		"$7$4294967397$zSBnmiCkfS7T7Eyj$YMQ4kN6ivj9CG5shqoYgrA+"
		"8n9R2f2h2VbhQoHb1SZfI0b1bNIQXoDckAs3H69xIprGpOr7WwihWQ33XmxjRZw==",
		"$8$HrIMEvs8pOe1qZr3$fWo5aIcFbmnuyCw2ExNpH+wBkDrwUa7eq2ryTyohFf/2PWUyfymdl0/"
		"pb0j1sco9um7GsHCB6yCZsYr724k6Ew==",
		"$6$HrIMEvs8pOe1qZr3$AAAA",
		"$6$AAAA$fWo5aIcFbmnuyCw2ExNpH+wBkDrwUa7eq2ryTyohFf/2PWUyfymdl0/"
		"pb0j1sco9um7GsHCB6yCZsYr724k6Ew==",
		ONCE "$",
		ONCE "=",
		"secret word",
		"plain",
		"*",
		"x:",
	};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(none); i++) {
		assert_false(mt_imported_has_form(mt_bytes_str(none[i])));
		assert_int_equal(verify("secret word", none[i]), MT_DENIED);
		assert_int_equal(verify(none[i], none[i]), MT_DENIED);
		assert_int_equal(verify("", none[i]), MT_DENIED);
	}
	assert_true(mt_imported_has_form(mt_bytes_str(ONCE)));
	assert_true(mt_imported_has_form(mt_bytes_str(DERIVED)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_right_password_matches),
		cmocka_unit_test(each_changed_character_is_another_hash),
		cmocka_unit_test(what_has_another_form_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
