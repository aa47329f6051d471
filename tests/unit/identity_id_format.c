/* Formats of client ids: what is one, in blocks of its own, and what is made. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/rng.h"
#include "identity/id_format.h"

#include <stdio.h>
#include <stdlib.h>

typedef size_t span_fn(struct mt_bytes text);

/* In a block that ends where the text does. */
static size_t span(span_fn *measure, const char *text)
{
	size_t len = strlen(text), found;
	uint8_t *copy = malloc(len + (len == 0));
	assert_non_null(copy);
	memcpy(copy, text, len);
	found = measure(mt_bytes_of(copy, len));
	free(copy);
	return found;
}

static void expect_only_whole(span_fn *measure, const char *text)
{
	char part[64];
	size_t len = strlen(text);
	assert_int_equal(span(measure, text), len);
	for (size_t i = 0; i < len; i++) {
		snprintf(part, sizeof(part), "%.*s", (int)i, text);
		assert_int_equal(span(measure, part), 0);
	}
	snprintf(part, sizeof(part), "%s/x", text);
	assert_int_equal(span(measure, part), len);
}

static void test_uuids(void **state)
{
	static const char *const wrong[] = {
		"",
		"00000000-0000-0000-0000-000000000000",
		"ffffffff-ffff-ffff-ffff-ffffffffffff",
		"FFFFFFFF-FFFF-ffff-FFFF-FFFFFFFFFFFF",
		"f81d4fae7dec11d0a76500a0c91e6bf6",
		"{f81d4fae-7dec-11d0-a765-00a0c91e6bf6}",
		"f81d4fae-7dec-11d0-a765-00a0c91e6bg6",
		"f81d4fae-7dec-11d0-a7650-0a0c91e6bf6",
		"f81d4fae+7dec-11d0-a765-00a0c91e6bf6",
		" 81d4fae-7dec-11d0-a765-00a0c91e6bf6",
	};
	(void)state;
	expect_only_whole(mt_uuid_span, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
	expect_only_whole(mt_uuid_span, "F81D4FAE-7dec-11D0-A765-00A0C91E6BF6");
	expect_only_whole(mt_uuid_span, "00000000-0000-0000-0000-000000000001");
	expect_only_whole(mt_uuid_span, "ffffffff-ffff-ffff-ffff-fffffffffffe");
	for (size_t i = 0; i < MT_COUNT_OF(wrong); i++)
		assert_int_equal(span(mt_uuid_span, wrong[i]), 0);
}

static void test_macs(void **state)
{
	static const char *const wrong[] = {
		"",
		"00:00:00:00:00:00",
		"000000000000",
		"ff:ff:ff:ff:ff:ff",
		"01:00:5e:00:00:01",
		"33-33-00-00-00-01",
		"00:1b-63:84-45:e6",
		"00.1b.63.84.45.e6",
		"00:1b:63:84:45e6",
		"001b:6384:45e6",
		"001b6384:45e6",
		"0:1b:63:84:45:e6",
		"00:1b:63:84:45:g6",
		"00/1b/63/84/45/e6",
	};
	(void)state;
	expect_only_whole(mt_mac_span, "00:1b:63:84:45:e6");
	expect_only_whole(mt_mac_span, "00-1B-63-84-45-e6");
	expect_only_whole(mt_mac_span, "001b638445E6");
	expect_only_whole(mt_mac_span, "02:00:00:00:00:00");
	expect_only_whole(mt_mac_span, "fe:ff:ff:ff:ff:ff");
	for (size_t i = 0; i < MT_COUNT_OF(wrong); i++)
		assert_int_equal(span(mt_mac_span, wrong[i]), 0);
}

static size_t serial(const char *pattern, const char *text)
{
	return mt_serial_span(mt_bytes_str(pattern), mt_bytes_str(text));
}

static void test_serials(void **state)
{
	(void)state;
	assert_int_equal(serial("SN-%8d", "SN-01234567"), 11);
	assert_int_equal(serial("SN-%8d", "SN-012345678"), 11);
	assert_int_equal(serial("SN-%8d", "SN-0123456"), 0);
	assert_int_equal(serial("SN-%8d", "sn-01234567"), 0);
	assert_int_equal(serial("SN-%8d", "SN-0123456a"), 0);
	assert_int_equal(serial("%A%a%d", "Zz9"), 3);
	assert_int_equal(serial("%A%a%d", "zZ9"), 0);
	assert_int_equal(serial("%2X%2x", "F0f0"), 4);
	assert_int_equal(serial("%2X", "f0"), 0);
	assert_int_equal(serial("%2X", "G0"), 0);
	assert_int_equal(serial("%3N", "A0Z"), 3);
	assert_int_equal(serial("%3n", "a0z"), 3);
	assert_int_equal(serial("%3n", "A0z"), 0);
	assert_int_equal(serial("%%%*%}%d", "%*}7"), 4);
	assert_int_equal(serial("\xc3\xa9%d", "\xc3\xa9"
					      "5"),
			 3);
	assert_int_equal(serial("%d", ""), 0);
	assert_int_equal(mt_serial_span(mt_bytes_str("a%2d"), mt_bytes_of("a1\0", 3)), 0);
}

static void test_patterns_that_are_none(void **state)
{
	static const char *const wrong[] = {"",	   "SN",  "%",	  "%d%",  "%u",
					    "%q",  "%0d", "%00d", "%8",	  "%100d",
					    "%8%", "%2}", "%d*",  "a}%d", "%-1d"};
	char many[4 * 256 + 1] = "";
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(wrong); i++)
		if (!mt_serial_fault(mt_bytes_str(wrong[i])))
			fail_msg("%s", wrong[i]);
	assert_null(mt_serial_fault(mt_bytes_str("%99a%99a%57a")));
	assert_non_null(mt_serial_fault(mt_bytes_str("%99a%99a%58a")));
	for (int i = 0; i < 256; i++)
		strcat(many, "%d");
	assert_non_null(mt_serial_fault(mt_bytes_str(many)));
	assert_null(mt_serial_fault(mt_bytes_str(many + 2)));
}

/* What is made is one, and all that may vary does. */
static void test_made_ones(void **state)
{
	static const char pattern[] = "S%%-%4d%A%a%9X%x%N%n%}%99N%99x";
	struct mt_rng rng;
	char uuid[MT_UUID_TEXT_BYTES], mac[MT_MAC_TEXT_BYTES], text[MT_SERIAL_BYTES_MAX + 1];
	char former[MT_SERIAL_BYTES_MAX + 1] = "";
	(void)state;
	mt_rng_init(&rng, 5);
	for (int i = 0; i < 1000; i++) {
		uint64_t draws[MT_SERIAL_BYTES_MAX];
		struct mt_bytes made;
		for (size_t at = 0; at < MT_COUNT_OF(draws); at++)
			draws[at] = mt_rng_next(&rng);
		made = mt_uuid_make((const uint8_t *)draws, uuid);
		assert_int_equal(made.len, strlen(uuid));
		assert_int_equal(mt_uuid_span(made), 36);
		assert_int_equal(uuid[14], '4');
		assert_non_null(strchr("89ab", uuid[19]));
		made = mt_mac_make((const uint8_t *)draws, mac);
		assert_int_equal(made.len, strlen(mac));
		assert_int_equal(mt_mac_span(made), 17);
		assert_non_null(strchr("26ae", mac[1]));
		made = mt_serial_make(mt_bytes_str(pattern), draws, text);
		assert_int_equal(made.len, strlen(text));
		assert_int_equal(mt_serial_span(mt_bytes_str(pattern), made), made.len);
		assert_string_not_equal(text, former);
		memcpy(former, text, sizeof(text));
	}
	mt_uuid_make((const uint8_t[16]){0}, uuid);
	assert_string_equal(uuid, "00000000-0000-4000-8000-000000000000");
	mt_mac_make((const uint8_t[6]){0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, mac);
	assert_string_equal(mac, "fe:ff:ff:ff:ff:ff");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uuids),	  cmocka_unit_test(test_macs),
		cmocka_unit_test(test_serials),	  cmocka_unit_test(test_patterns_that_are_none),
		cmocka_unit_test(test_made_ones),
	};
	return cmocka_run_group_tests_name("identity_id_format", tests, NULL, NULL);
}
