/* UTF-8: every sequence of up to three bytes, and samples of four, against a decoder that computes
 * code points. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/utf8.h"
#include "spec.h"

/* The obvious way: take the bits, then look whether the code point may be written so. Length, or 0.
 */
static size_t decode(const uint8_t *at, size_t left, uint32_t *point)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t count = at[0] < 0x80	  ? 1
		       : at[0] >> 5 == 6  ? 2
		       : at[0] >> 4 == 14 ? 3
		       : at[0] >> 3 == 30 ? 4
					  : 0;
	if (count == 0 || count > left)
		return 0;
	*point = count == 1 ? at[0] : at[0] & (0x7fu >> count);
	for (size_t i = 1; i < count; i++) {
		if (at[i] >> 6 != 2)
			return 0;
		*point = *point << 6 | (at[i] & 0x3fu);
	}
	if (*point < least[count] || *point > 0x10ffff || (*point >= 0xd800 && *point <= 0xdfff))
		return 0;
	return count;
}

static enum mt_utf8 expect(const uint8_t *text, size_t len, size_t *bad)
{
	for (size_t pos = 0; pos < len;) {
		uint32_t point;
		size_t count = decode(text + pos, len - pos, &point);
		if (count == 0 || point == 0) {
			*bad = pos;
			return count == 0 ? MT_UTF8_MALFORMED : MT_UTF8_NUL;
		}
		pos += count;
	}
	return MT_UTF8_GOOD;
}

static void compare(const uint8_t *text, size_t len)
{
	size_t bad = 99, expected_bad = 99;
	enum mt_utf8 expected = expect(text, len, &expected_bad);
	assert_int_equal(mt_utf8_check(mt_bytes_of(text, len), &bad), expected);
	assert_int_equal(bad, expected_bad);
}

static void all_short_sequences(void **state)
{
	(void)state;
	SPEC(MQTT5, "1.5.4-1");
	SPEC(MQTT5, "1.5.4-2");
	compare(NULL, 0);
	for (uint32_t value = 0; value < 0x1000000; value++) {
		uint8_t text[] = {(uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value};
		compare(text, 3);
	}
}

static void four_byte_sequences(void **state)
{
	(void)state;
	for (uint32_t first = 0xee; first <= 0xff; first++)
		for (uint32_t second = 0; second < 0x100; second++)
			for (uint32_t rest = 0; rest < 16; rest++) {
				static const uint8_t ends[] = {0x00, 0x7f, 0x80, 0xbf};
				uint8_t text[] = {(uint8_t)first, (uint8_t)second, ends[rest / 4],
						  ends[rest % 4]};
				compare(text, 4);
			}
}

/* The fast path looks at eight bytes: a fault at each place of a longer text must show. */
static void faults_at_each_place(void **state)
{
	(void)state;
	for (size_t at = 0; at < 24; at++)
		for (uint32_t byte = 0; byte < 0x100; byte++) {
			uint8_t text[24];
			memset(text, 'a', sizeof(text));
			text[at] = (uint8_t)byte;
			compare(text, sizeof(text));
		}
}

static void control_characters(void **state)
{
	(void)state;
	for (uint32_t byte = 0; byte < 0x80; byte++) {
		uint8_t text[] = {'a', (uint8_t)byte};
		assert_int_equal(mt_utf8_has_control(mt_bytes_of(text, 2)),
				 byte < 0x20 || byte == 0x7f);
	}
	assert_false(mt_utf8_has_control(mt_bytes_str("")));
	assert_true(mt_utf8_has_control(mt_bytes_str("\xc2\x80")));
	assert_true(mt_utf8_has_control(mt_bytes_str("x\xc2\x9f")));
	assert_false(mt_utf8_has_control(mt_bytes_str("\xc2\xa0")));
	assert_false(mt_utf8_has_control(mt_bytes_str("\xc3\x80")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_short_sequences),
		cmocka_unit_test(four_byte_sequences),
		cmocka_unit_test(faults_at_each_place),
		cmocka_unit_test(control_characters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
