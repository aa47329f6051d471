/* SHA-1 against the vectors of FIPS 180, base64 against those of RFC 4648. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "crypto/digest.h"

static void test_sha1(void **state)
{
	static const uint8_t abc[] = {0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e,
				      0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d};
	static const uint8_t none[] = {0xda, 0x39, 0xa3, 0xee, 0x5e, 0x6b, 0x4b, 0x0d, 0x32, 0x55,
				       0xbf, 0xef, 0x95, 0x60, 0x18, 0x90, 0xaf, 0xd8, 0x07, 0x09};
	uint8_t out[MT_SHA1_BYTES];
	(void)state;
	mt_digest_sha1(mt_bytes_str("abc"), out);
	assert_memory_equal(out, abc, sizeof(abc));
	mt_digest_sha1(mt_bytes_of(NULL, 0), out);
	assert_memory_equal(out, none, sizeof(none));
}

static void test_base64(void **state)
{
	static const char *const pairs[][2] = {
		{"", ""},
		{"f", "Zg=="},
		{"fo", "Zm8="},
		{"foo", "Zm9v"},
		{"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"},
		{"\xff\xef\xbe", "/+++"},
		{"\xfb\xff", "+/8="},
	};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(pairs); i++) {
		char out[16];
		size_t len = strlen(pairs[i][0]);
		mt_digest_base64(mt_bytes_str(pairs[i][0]), out);
		assert_string_equal(out, pairs[i][1]);
		assert_int_equal(strlen(out) + 1, MT_BASE64_BYTES(len));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_sha1),
					   cmocka_unit_test(test_base64)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
