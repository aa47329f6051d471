/* Every sample packet, every truncation of it and every change of one byte, in blocks of their
 * exact size. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "codec.h"
#include "samples.h"
#include "spec.h"

/* A copy that ends where the block ends, so that a read beyond it is seen. */
static struct mt_bytes copy_of(struct mt_bytes bytes)
{
	uint8_t *copy = malloc(bytes.len ? bytes.len : 1);
	assert_non_null(copy);
	if (bytes.len)
		memcpy(copy, bytes.data, bytes.len);
	return mt_bytes_of(copy, bytes.len);
}

static void release(struct mt_bytes bytes)
{
	free((void *)(uintptr_t)bytes.data);
}

static void sample_decodes(const struct mt_sample *sample)
{
	struct mt_bytes in = copy_of(mt_bytes_of(sample->data, sample->len));
	struct mt_violation why = {0};
	struct mt_any any;
	if (any_decode(in, sample->version, sample->side, &any, &why) != MT_OK)
		fail_msg("%s: %s at %u", sample->name, why.statement ? why.statement : "short",
			 why.offset);
	assert_int_equal(any.bytes, sample->len);
	assert_int_equal(any.version, sample->version);
	release(in);
}

static void samples_decode_whole(void **state)
{
	uint32_t seen[2] = {0};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(mt_samples); i++) {
		sample_decodes(&mt_samples[i]);
		seen[mt_samples[i].version == MT_VERSION_5] |= 1u
							       << (mt_samples[i].data[0] >> 4 & 15);
	}
	/* Every type of 5; of 3.1.1 all that exist there (pings look alike in both). */
	assert_int_equal(seen[0] | seen[1], 0xfffe);
	assert_int_equal(seen[0] | 1u << MT_PACKET_PINGRESP, 0x7ffe);
}

static void samples_round_trip(void **state)
{
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(mt_samples); i++) {
		const struct mt_sample *sample = &mt_samples[i];
		struct mt_bytes in = copy_of(mt_bytes_of(sample->data, sample->len));
		if (!any_round_trips(in, sample->version, sample->side))
			fail_msg("%s does not round-trip", sample->name);
		release(in);
	}
}

static void truncated_streams_ask_for_more(void **state)
{
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(mt_samples); i++) {
		for (size_t len = 0; len < mt_samples[i].len; len++) {
			struct mt_bytes in = copy_of(mt_bytes_of(mt_samples[i].data, len));
			struct mt_violation why;
			struct mt_any any;
			assert_int_equal(any_decode(in, mt_samples[i].version, mt_samples[i].side,
						    &any, &why),
					 MT_AGAIN);
			release(in);
		}
	}
}

/* The body cut short, under a header that says so: decodes or is a violation, and reads nothing
 * beyond. */
static void truncated_bodies_are_safe(void **state)
{
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(mt_samples); i++) {
		for (size_t len = 2; len < mt_samples[i].len; len++) {
			struct mt_bytes in = copy_of(mt_bytes_of(mt_samples[i].data, len));
			((uint8_t *)(uintptr_t)in.data)[1] = (uint8_t)(len - 2);
			if (!any_round_trips(in, mt_samples[i].version, mt_samples[i].side))
				fail_msg("%s cut to %zu", mt_samples[i].name, len);
			release(in);
		}
	}
}

static void change_each_byte(const struct mt_sample *sample, enum mt_version version,
			     enum mt_side side)
{
	for (size_t at = 0; at < sample->len; at++) {
		struct mt_bytes in = copy_of(mt_bytes_of(sample->data, sample->len));
		uint8_t *byte = (uint8_t *)(uintptr_t)in.data + at;
		for (unsigned value = 0; value < 256; value++) {
			*byte = (uint8_t)value;
			if (!any_round_trips(in, version, side))
				fail_msg("%s, byte %zu = %u", sample->name, at, value);
		}
		release(in);
	}
}

/* Also in the version and from the side that the sample is not meant for. */
static void changed_bytes_are_safe(void **state)
{
	(void)state;
	SPEC(MQTT5, "3.1.4-1");
	for (size_t i = 0; i < MT_COUNT_OF(mt_samples); i++) {
		change_each_byte(&mt_samples[i], MT_VERSION_3_1_1, MT_SIDE_CLIENT);
		change_each_byte(&mt_samples[i], MT_VERSION_5, MT_SIDE_CLIENT);
		change_each_byte(&mt_samples[i], MT_VERSION_5, MT_SIDE_SERVER);
	}
}

/* An encoder that lacks one byte says so and leaves the buffer as it was. */
static void encoders_never_write_half(void **state)
{
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(mt_samples); i++) {
		struct mt_violation why;
		struct mt_any any;
		struct mt_buf scratch, out;
		uint8_t room[256], user[256];
		assert_int_equal(any_decode(mt_bytes_of(mt_samples[i].data, mt_samples[i].len),
					    mt_samples[i].version, mt_samples[i].side, &any, &why),
				 MT_OK);
		scratch = mt_buf_of(user, sizeof(user));
		out = mt_buf_of(room, sizeof(room));
		assert_int_equal(any_encode(&any, &scratch, &out), MT_OK);
		if (any.type == MT_PACKET_PINGREQ || any.type == MT_PACKET_PINGRESP)
			continue;
		out = mt_buf_of(room, out.pos - 1);
		scratch.pos = 0;
		assert_int_equal(any_encode(&any, &scratch, &out), MT_LIMIT);
		assert_int_equal(out.pos, 0);
		assert_false(out.is_overflown);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_decode_whole),
		cmocka_unit_test(samples_round_trip),
		cmocka_unit_test(truncated_streams_ask_for_more),
		cmocka_unit_test(truncated_bodies_are_safe),
		cmocka_unit_test(changed_bytes_are_safe),
		cmocka_unit_test(encoders_never_write_half),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
