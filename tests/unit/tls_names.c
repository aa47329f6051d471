/* What may stand in a certificate as a name, and that it stands there unchanged. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tls/names.h"

#include <string.h>

static enum mt_status check_dns(const char *name)
{
	struct mt_server_names names = {.dns = &name, .dns_count = 1};
	return mt_names_check(&names);
}

static enum mt_status check_address(const char *address)
{
	struct mt_server_names names = {.addresses = &address, .address_count = 1};
	return mt_names_check(&names);
}

static void test_dns_names(void **state)
{
	static const char *const good[] = {"a",	      "a.b", "*.a",
					   "a-b.c_d", "A9",  "xn--bcher-kva.example"};
	static const char *const bad[] = {"",	 ".",	     "a.",    ".a",  "a..b", "*",
					  "*.",	 "a.*.b",    "*a.b",  "a b", "a\n",  "a,DNS:b",
					  "a/b", "\xc3\xbc", "a\x01", "a@b", "a:1"};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(good); i++)
		assert_int_equal(check_dns(good[i]), MT_OK);
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++)
		assert_int_equal(check_dns(bad[i]), MT_INVALID);
}

/* RFC 1035 2.3.4: 63 a label, 253 in all. */
static void test_lengths_of_dns_names(void **state)
{
	char name[260];
	(void)state;
	memset(name, 'a', sizeof(name));
	name[63] = '\0';
	assert_int_equal(check_dns(name), MT_OK);
	name[63] = 'a';
	name[64] = '\0';
	assert_int_equal(check_dns(name), MT_INVALID);
	memset(name, 'a', sizeof(name));
	for (size_t i = 63; i < sizeof(name); i += 64)
		name[i] = '.';
	name[253] = '\0';
	assert_int_equal(check_dns(name), MT_OK);
	name[253] = 'a';
	name[254] = '\0';
	assert_int_equal(check_dns(name), MT_INVALID);
}

static void test_addresses(void **state)
{
	static const char *const good[] = {"127.0.0.1", "0.0.0.0", "::", "fe80::1",
					   "::ffff:1.2.3.4"};
	static const char *const bad[] = {"",	       "1.2.3",	    "1.2.3.256", "1.2.3.4.5",
					  "::1%lo",    "fe80::1%1", "[::1]",	 "1.2.3.4/8",
					  "localhost", " 1.2.3.4"};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(good); i++)
		assert_int_equal(check_address(good[i]), MT_OK);
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++)
		assert_int_equal(check_address(bad[i]), MT_INVALID);
}

static void test_counts(void **state)
{
	const char *dns[65], *addresses[65];
	struct mt_server_names names = {.dns = dns, .addresses = addresses};
	(void)state;
	for (size_t i = 0; i < 65; i++) {
		dns[i] = "a";
		addresses[i] = "::1";
	}
	assert_int_equal(mt_names_check(&names), MT_INVALID);
	names.dns_count = names.address_count = 64;
	assert_int_equal(mt_names_check(&names), MT_OK);
	names.dns_count = 65;
	assert_int_equal(mt_names_check(&names), MT_INVALID);
	names.dns_count = 64;
	names.address_count = 65;
	assert_int_equal(mt_names_check(&names), MT_INVALID);
}

static void test_san_holds_each_as_it_was_given(void **state)
{
	static const char *const dns[] = {"localhost", "*.example.org"};
	static const char *const addresses[] = {"192.0.2.7", "2001:db8::7"};
	static const struct mt_server_names names = {dns, 2, addresses, 2};
	static const uint8_t v4[4] = {192, 0, 2, 7};
	static const uint8_t v6[16] = {0x20, 1, 0x0d, 0xb8, [15] = 7};
	const struct {
		int type;
		const void *data;
		int len;
	} wanted[] = {{GEN_DNS, dns[0], 9},
		      {GEN_DNS, dns[1], 13},
		      {GEN_IPADD, v4, 4},
		      {GEN_IPADD, v6, 16}};
	GENERAL_NAMES *list = mt_names_make_san(&names);
	(void)state;
	assert_non_null(list);
	assert_int_equal(sk_GENERAL_NAME_num(list), 4);
	for (int i = 0; i < 4; i++) {
		int type;
		const ASN1_STRING *value =
			GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(list, i), &type);
		assert_int_equal(type, wanted[i].type);
		assert_int_equal(ASN1_STRING_length(value), wanted[i].len);
		assert_memory_equal(ASN1_STRING_get0_data(value), wanted[i].data,
				    (size_t)wanted[i].len);
	}
	GENERAL_NAMES_free(list);
}

static bool permits(const NAME_CONSTRAINTS *constraints, const char *dns)
{
	for (int i = 0; i < sk_GENERAL_SUBTREE_num(constraints->permittedSubtrees); i++) {
		int type;
		const ASN1_STRING *value = GENERAL_NAME_get0_value(
			sk_GENERAL_SUBTREE_value(constraints->permittedSubtrees, i)->base, &type);
		if (type == GEN_DNS && (size_t)ASN1_STRING_length(value) == strlen(dns) &&
		    memcmp(ASN1_STRING_get0_data(value), dns, strlen(dns)) == 0)
			return true;
	}
	return false;
}

/* The parent domain of a host, but nothing that many share. */
static void test_constraints_stop_below_shared_domains(void **state)
{
	static const char *const dns[] = {"a.site.example.org", "b.home", "c.co.uk", "d.com.au"};
	static const struct mt_server_names names = {.dns = dns, .dns_count = 4};
	NAME_CONSTRAINTS *constraints = mt_names_make_constraints(&names);
	(void)state;
	assert_non_null(constraints);
	for (size_t i = 0; i < MT_COUNT_OF(dns); i++)
		assert_true(permits(constraints, dns[i]));
	assert_true(permits(constraints, "site.example.org"));
	assert_false(permits(constraints, "example.org"));
	assert_false(permits(constraints, "home"));
	assert_false(permits(constraints, "co.uk"));
	assert_false(permits(constraints, "com.au"));
	assert_null(constraints->excludedSubtrees);
	NAME_CONSTRAINTS_free(constraints);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dns_names),
		cmocka_unit_test(test_lengths_of_dns_names),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_san_holds_each_as_it_was_given),
		cmocka_unit_test(test_constraints_stop_below_shared_domains),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
