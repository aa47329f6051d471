/* Templates: the name of a certificate. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "identity/template.h"

static struct mt_certificate_names names_of(void)
{
	return (struct mt_certificate_names){.user = mt_bytes_str("ann"),
					     .cn = mt_bytes_str("Ann A."),
					     .dns = mt_bytes_str("ann.example"),
					     .email = mt_bytes_str("ann@example"),
					     .uri = mt_bytes_str("urn:a"),
					     .serial = mt_bytes_str("1F")};
}

static enum mt_status apply(const char *text, const struct mt_certificate_names *names, size_t cap,
			    char out[64])
{
	uint8_t name[63];
	size_t len = 99;
	enum mt_status status = mt_template_apply(mt_bytes_str(text), names, name, cap, &len);
	assert_true(status == MT_OK || len == 99);
	mt_bytes_cut(out, 64, mt_bytes_of(name, status == MT_OK ? len : 0));
	return status;
}

static void test_what_is_made(void **state)
{
	static const char *const cases[][2] = {
		{"%{user}", "ann"},
		{"%{cn}", "Ann A."},
		{"%{dns}%{email}%{uri}", "ann.exampleann@exampleurn:a"},
		{"a-%{serial}-%%{cn}", "a-1F-%{cn}"},
		{"%%%{user}%%", "%ann%"},
	};
	struct mt_certificate_names names = names_of();
	char out[64];
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		assert_int_equal(apply(cases[i][0], &names, 63, out), MT_OK);
		assert_string_equal(out, cases[i][1]);
		assert_null(mt_template_fault(mt_bytes_str(cases[i][0])));
	}
}

static void test_what_is_missing(void **state)
{
	struct mt_certificate_names names = names_of();
	char out[64];
	(void)state;
	names.cn = mt_bytes_of(NULL, 0);
	assert_int_equal(apply("%{cn}", &names, 63, out), MT_NOT_FOUND);
	assert_int_equal(apply("%{user}%{cn}", &names, 63, out), MT_NOT_FOUND);
	assert_int_equal(apply("%{user}", &names, 63, out), MT_OK);
}

static void test_what_does_not_fit(void **state)
{
	struct mt_certificate_names names = names_of();
	char out[64];
	(void)state;
	assert_int_equal(apply("%{user}", &names, 3, out), MT_OK);
	assert_int_equal(apply("%{user}", &names, 2, out), MT_LIMIT);
}

static void test_what_is_no_template(void **state)
{
	static const char *const cases[] = {"",	      "me",	"%",	   "%u",      "%{",
					    "%{user", "%{}",	"%{User}", "%{name}", "%{user}%",
					    "a%%b",   "%{user", "%{us er}"};
	struct mt_certificate_names names = names_of();
	char out[64];
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++)
		assert_non_null(mt_template_fault(mt_bytes_str(cases[i])));
	assert_int_equal(apply("%{user}%", &names, 63, out), MT_INVALID);
	assert_int_equal(apply("%{name}", &names, 63, out), MT_INVALID);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_made),
		cmocka_unit_test(test_what_is_missing),
		cmocka_unit_test(test_what_does_not_fit),
		cmocka_unit_test(test_what_is_no_template),
	};
	return cmocka_run_group_tests_name("identity_template", tests, NULL, NULL);
}
