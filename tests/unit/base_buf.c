/* Bounded writer and reader: random writes into every capacity, read back from every truncation. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/rng.h"

#define CAP_MAX 40u

/* The bytes a writer without bounds would have produced, and how many calls fitted. */
struct twin {
	uint8_t data[CAP_MAX + 16];
	size_t len;
};

static void append(struct twin *twin, uint64_t value, unsigned bytes)
{
	for (unsigned i = bytes; i-- > 0;)
		twin->data[twin->len++] = (uint8_t)(value >> (8 * i));
}

static void put_number(struct mt_buf *buf, uint64_t value, unsigned bytes)
{
	if (bytes == 1)
		mt_buf_put_u8(buf, (uint8_t)value);
	else if (bytes == 2)
		mt_buf_put_u16(buf, (uint16_t)value);
	else if (bytes == 4)
		mt_buf_put_u32(buf, (uint32_t)value);
	else
		mt_buf_put_u64(buf, value);
}

static void writes_stop_at_the_end(void **state)
{
	struct mt_rng rng;
	(void)state;
	mt_rng_init(&rng, 2);
	for (size_t cap = 0; cap <= CAP_MAX; cap++)
		for (int round = 0; round < 200; round++) {
			uint8_t data[CAP_MAX + 8];
			struct mt_buf buf = mt_buf_of(data, cap);
			struct twin twin = {.len = 0};
			memset(data, 0xa5, sizeof(data));
			while (twin.len <= cap) {
				unsigned bytes = 1u << mt_rng_below(&rng, 4);
				uint64_t value = mt_rng_next(&rng);
				assert_false(buf.is_overflown);
				assert_int_equal(buf.pos, twin.len);
				put_number(&buf, value, bytes);
				append(&twin, value, bytes);
			}
			assert_true(buf.is_overflown);
			assert_true(buf.pos <= cap);
			assert_memory_equal(data, twin.data, buf.pos);
			for (size_t i = cap; i < sizeof(data); i++)
				assert_int_equal(data[i], 0xa5);
		}
}

static void overflow_is_sticky(void **state)
{
	uint8_t data[4] = {0};
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	(void)state;
	mt_buf_put(&buf, mt_bytes_str("ab"));
	mt_buf_put(&buf, mt_bytes_str("cde"));
	assert_true(buf.is_overflown);
	mt_buf_put_u8(&buf, 'x');
	assert_null(mt_buf_take(&buf, 1));
	assert_true(mt_bytes_equal(mt_buf_view(&buf), mt_bytes_str("ab")));
	assert_int_equal(data[2], 0);
}

static void a_huge_length_does_not_wrap(void **state)
{
	uint8_t data[4] = {1, 2, 3, 4};
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	struct mt_reader reader = mt_reader_of(mt_bytes_of(data, sizeof(data)));
	(void)state;
	mt_buf_put_u16(&buf, 0x0102);
	assert_null(mt_buf_take(&buf, SIZE_MAX));
	assert_true(buf.is_overflown);
	assert_int_equal(mt_reader_u16(&reader), 0x0102);
	assert_int_equal(mt_reader_take(&reader, SIZE_MAX - 1).len, 0);
	assert_true(reader.is_short);
}

static void taking_nothing_is_no_overflow(void **state)
{
	uint8_t data[1];
	struct mt_buf buf = mt_buf_of(data, 1);
	(void)state;
	mt_buf_put_u8(&buf, 7);
	assert_null(mt_buf_take(&buf, 0));
	mt_buf_put(&buf, mt_bytes_str(""));
	assert_false(buf.is_overflown);
	assert_int_equal(buf.pos, 1);
}

/* Reads u8, u16, u32 and three bytes; all that is behind the cut must come out as zero. */
static void read_truncated(const uint8_t *data, size_t len)
{
	struct mt_reader reader = mt_reader_of(mt_bytes_of(data, len));
	struct mt_bytes tail;
	assert_int_equal(mt_reader_u8(&reader), len >= 1 ? 0x81 : 0);
	assert_int_equal(mt_reader_u16(&reader), len >= 3 ? 0x8283 : 0);
	if (len >= 7)
		assert_int_equal(mt_reader_u32(&reader), 0x84858687);
	else
		(void)mt_reader_u32(&reader);
	assert_int_equal(reader.is_short, len < 7);
	assert_int_equal(mt_reader_left(&reader), len - reader.pos);
	tail = mt_reader_take(&reader, 3);
	assert_int_equal(tail.len, len >= 10 ? 3 : 0);
	assert_int_equal(reader.is_short, len < 10);
	assert_true(reader.pos <= len);
	if (len >= 10)
		assert_ptr_equal(tail.data, data + 7);
}

static void every_truncation_reads_short(void **state)
{
	static const uint8_t data[] = {0x81, 0x82, 0x83, 0x84, 0x85, 0x86,
				       0x87, 0x88, 0x89, 0x8a, 0x8b};
	(void)state;
	for (size_t len = 0; len <= sizeof(data); len++)
		read_truncated(data, len);
}

static void shortness_is_sticky(void **state)
{
	static const uint8_t data[] = {1, 2, 3};
	struct mt_reader reader = mt_reader_of(mt_bytes_of(data, sizeof(data)));
	(void)state;
	assert_int_equal(mt_reader_take(&reader, 4).len, 0);
	assert_true(reader.is_short);
	assert_int_equal(mt_reader_u8(&reader), 0);
	assert_int_equal(reader.pos, 0);
}

static void eight_bytes_come_back(void **state)
{
	uint8_t data[8];
	(void)state;
	for (size_t cut = 0; cut <= 8; cut++) {
		struct mt_buf buf = mt_buf_of(data, sizeof(data));
		struct mt_reader reader = mt_reader_of(mt_bytes_of(data, cut));
		mt_buf_put_u64(&buf, 0x0123456789abcdefULL);
		assert_int_equal(data[0], 0x01);
		assert_int_equal(data[7], 0xef);
		if (cut == 8)
			assert_int_equal(mt_reader_u64(&reader), 0x0123456789abcdefULL);
		else
			(void)mt_reader_u64(&reader);
		assert_int_equal(reader.is_short, cut < 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_stop_at_the_end),
		cmocka_unit_test(eight_bytes_come_back),
		cmocka_unit_test(overflow_is_sticky),
		cmocka_unit_test(a_huge_length_does_not_wrap),
		cmocka_unit_test(taking_nothing_is_no_overflow),
		cmocka_unit_test(every_truncation_reads_short),
		cmocka_unit_test(shortness_is_sticky),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
