/* Frames of a client: whole, in pieces, broken; and the frames that answer them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "ws/frame.h"

#include "spec.h"
#include "ws_client.h"

#include <stdlib.h>

#define LIMIT 100000u
#define FIN_BINARY 0x82
#define BINARY 0x02
#define CONTINUATION 0x00
#define FIN_CONTINUATION 0x80
#define PING 0x89
#define PONG 0x8a
#define CLOSE 0x88
#define KEY 0x37fa213du

static uint8_t sent[1u << 18], got[1u << 18];
static struct mt_buf frames;
static struct mt_ws ws;

static int setup(void **state)
{
	(void)state;
	frames = mt_buf_of(sent, sizeof(sent));
	mt_ws_init(&ws, LIMIT);
	return 0;
}

/* Reads `in` in pieces of this size, each in a block of its own; the payload goes to `got`. */
static enum mt_status read_in(struct mt_bytes in, size_t piece, size_t *got_bytes)
{
	enum mt_status status = MT_OK;
	*got_bytes = 0;
	while (in.len > 0 && status == MT_OK) {
		size_t len = in.len < piece ? in.len : piece, payload;
		uint8_t *block = malloc(len);
		assert_non_null(block);
		memcpy(block, in.data, len);
		status = mt_ws_read(&ws, block, len, &payload);
		assert_true(payload <= len);
		memcpy(got + *got_bytes, block, payload);
		*got_bytes += payload;
		free(block);
		in = mt_bytes_from(in, len);
	}
	return status;
}

static enum mt_status read_all(size_t *got_bytes)
{
	return read_in(mt_buf_view(&frames), SIZE_MAX, got_bytes);
}

static void put(uint8_t first, const char *text)
{
	ws_put_frame(&frames, first, KEY, mt_bytes_str(text));
}

static void expect_got(size_t len, const char *text)
{
	assert_int_equal(len, strlen(text));
	assert_memory_equal(got, text, len);
}

/* The close frame that answers: its code, or -1 for one without, or -2 for none. */
static int close_code(void)
{
	uint8_t data[16], first;
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	struct mt_reader in;
	struct mt_bytes payload;
	mt_ws_put_close(&ws, &buf);
	in = mt_reader_of(mt_buf_view(&buf));
	if (!ws_take_frame(&in, &first, &payload))
		return -2;
	assert_int_equal(first, CLOSE);
	assert_int_equal(mt_reader_left(&in), 0);
	return payload.len == 0 ? -1 : payload.data[0] << 8 | payload.data[1];
}

static void expect_fault(int code)
{
	size_t len;
	assert_int_equal(read_all(&len), MT_VIOLATION);
	assert_non_null(ws.fault);
	assert_int_equal(close_code(), code);
	assert_int_equal(close_code(), -2);
	assert_int_equal(read_all(&len), MT_VIOLATION);
	assert_int_equal(len, 0);
}

static void test_example_of_the_standard(void **state)
{
	/* Section 5.7, "Hello" masked, as binary. */
	static const uint8_t hello[] = {0x82, 0x85, 0x37, 0xfa, 0x21, 0x3d,
					0x7f, 0x9f, 0x4d, 0x51, 0x58};
	size_t len;
	(void)state;
	assert_int_equal(read_in(mt_bytes_of(hello, sizeof(hello)), 99, &len), MT_OK);
	expect_got(len, "Hello");
}

static void test_every_length_in_pieces_of_every_size(void **state)
{
	static const size_t lengths[] = {0, 1, 3, 4, 7, 8, 9, 125, 126, 127, 65535, 65536, LIMIT};
	static const size_t pieces[] = {1, 2, 3, 5, 7, 8, 13, 64, 1000, SIZE_MAX};
	static uint8_t wanted[LIMIT];
	(void)state;
	for (size_t i = 0; i < LIMIT; i++)
		wanted[i] = (uint8_t)(i * 7 + i / 251);
	for (size_t i = 0; i < MT_COUNT_OF(lengths); i++) {
		for (size_t k = 0; k < MT_COUNT_OF(pieces); k++) {
			size_t len;
			setup(NULL);
			ws_put_frame(&frames, FIN_BINARY, 0x01fe80ffu + (uint32_t)k,
				     mt_bytes_of(wanted, lengths[i]));
			put(FIN_BINARY, "next");
			assert_int_equal(read_in(mt_buf_view(&frames), pieces[k], &len), MT_OK);
			assert_int_equal(len, lengths[i] + 4);
			assert_memory_equal(got, wanted, lengths[i]);
			assert_memory_equal(got + lengths[i], "next", 4);
		}
	}
}

static void test_packets_split_and_merged(void **state)
{
	size_t len;
	(void)state;
	SPEC(MQTT5, "6.0.0-2");
	put(BINARY, "ab");
	put(CONTINUATION, "");
	put(PING, "are you there");
	put(CONTINUATION, "cd");
	put(FIN_CONTINUATION, "e");
	put(FIN_BINARY, "");
	put(PONG, "nobody asked");
	put(FIN_BINARY, "fgh");
	for (size_t piece = 1; piece <= frames.pos; piece++) {
		mt_ws_init(&ws, LIMIT);
		assert_int_equal(read_in(mt_buf_view(&frames), piece, &len), MT_OK);
		expect_got(len, "abcdefgh");
	}
}

static void test_pings_are_answered(void **state)
{
	uint8_t data[300], first;
	struct mt_buf out = mt_buf_of(data, sizeof(data));
	struct mt_reader in;
	struct mt_bytes payload;
	char longest[126];
	size_t len;
	(void)state;
	mt_ws_put_pong(&ws, &out);
	assert_int_equal(out.pos, 0);
	memset(longest, 'p', 125);
	longest[125] = '\0';
	put(PING, "");
	put(PING, longest);
	assert_int_equal(read_in(mt_buf_view(&frames), 3, &len), MT_OK);
	mt_ws_put_pong(&ws, &out);
	mt_ws_put_pong(&ws, &out);
	assert_int_equal(out.pos, 2 + 125);
	assert_true(out.pos <= MT_WS_CONTROL_FRAME_BYTES_MAX);
	in = mt_reader_of(mt_buf_view(&out));
	assert_true(ws_take_frame(&in, &first, &payload));
	assert_int_equal(first, PONG);
	assert_memory_equal(payload.data, longest, 125);
}

/* However many come, one is due: what a flood costs is a constant. */
static void test_a_flood_of_pings_leaves_one_pong(void **state)
{
	uint8_t data[300];
	struct mt_buf out = mt_buf_of(data, sizeof(data));
	size_t len;
	(void)state;
	for (int i = 0; i < 10000; i++)
		put(PING, i == 9999 ? "last" : "flood");
	assert_int_equal(read_all(&len), MT_OK);
	assert_int_equal(len, 0);
	mt_ws_put_pong(&ws, &out);
	assert_int_equal(out.pos, 6);
	assert_memory_equal(data + 2, "last", 4);
}

static void test_close_is_echoed(void **state)
{
	static const struct {
		uint16_t code;
		bool is_good;
	} codes[] = {{999, false},  {1000, true}, {1003, true}, {1004, false}, {1005, false},
		     {1006, false}, {1007, true}, {1011, true}, {1014, true},  {1015, false},
		     {2999, false}, {3000, true}, {4999, true}, {5000, false}, {0, false}};
	size_t len;
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(codes); i++) {
		uint8_t payload[] = {(uint8_t)(codes[i].code >> 8), (uint8_t)codes[i].code, 'x'};
		setup(NULL);
		put(FIN_BINARY, "last words");
		ws_put_frame(&frames, CLOSE, KEY, mt_bytes_of(payload, 3));
		put(FIN_BINARY, "not heard");
		assert_int_equal(read_all(&len), codes[i].is_good ? MT_CLOSED : MT_VIOLATION);
		expect_got(len, "last words");
		assert_int_equal(close_code(), codes[i].is_good ? codes[i].code : 1002);
	}
	setup(NULL);
	put(CLOSE, "");
	assert_int_equal(read_all(&len), MT_CLOSED);
	assert_int_equal(read_all(&len), MT_CLOSED);
	assert_int_equal(close_code(), -1);
	setup(NULL);
	put(CLOSE, "x");
	expect_fault(1002);
}

static void test_our_own_close(void **state)
{
	uint8_t data[300];
	struct mt_buf out = mt_buf_of(data, sizeof(data));
	size_t len;
	(void)state;
	put(PING, "x");
	assert_int_equal(read_all(&len), MT_OK);
	assert_int_equal(close_code(), 1000);
	/* Nothing follows a close. */
	mt_ws_put_pong(&ws, &out);
	assert_int_equal(out.pos, 0);
}

static void test_other_data_than_binary(void **state)
{
	(void)state;
	SPEC(MQTT3, "6.0-1");
	SPEC(MQTT5, "6.0.0-1");
	put(0x81, "text");
	expect_fault(1003);
	setup(NULL);
	put(0x01, "text");
	expect_fault(1003);
}

static void test_broken_frames(void **state)
{
	static const struct {
		const char *name;
		uint8_t bytes[16];
		uint8_t len; /* all that need to have come */
		uint16_t code;
	} bad[] = {
		{"not masked", {0x82, 0x01}, 2, 1002},
		{"RSV1", {0xc2, 0x80}, 2, 1002},
		{"RSV2", {0xa2, 0x80}, 2, 1002},
		{"RSV3", {0x92, 0x80}, 2, 1002},
		{"opcode 3", {0x83, 0x80}, 2, 1002},
		{"opcode 7", {0x87, 0x80}, 2, 1002},
		{"opcode 11", {0x8b, 0x80}, 2, 1002},
		{"opcode 15", {0x8f, 0x80}, 2, 1002},
		{"ping in parts", {0x09, 0x80}, 2, 1002},
		{"close in parts", {0x08, 0x80}, 2, 1002},
		{"long ping", {0x89, 0xfe}, 2, 1002},
		{"longer close", {0x88, 0xff}, 2, 1002},
		{"nothing to continue", {0x80, 0x81}, 2, 1002},
		{"16 bits for 125", {0x82, 0xfe, 0, 125, 1, 2, 3, 4}, 8, 1002},
		{"64 bits for 65535",
		 {0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4},
		 14,
		 1002},
		{"top bit", {0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, 14, 1002},
		{"all bits",
		 {0x82, 0xff, 255, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4},
		 14,
		 1002},
		{"2^62", {0x82, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, 14, 1009},
		/* LIMIT + 1 */
		{"too large", {0x82, 0xff, 0, 0, 0, 0, 0, 1, 0x86, 0xa1, 1, 2, 3, 4}, 14, 1009},
	};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++) {
		size_t len;
		setup(NULL);
		for (uint8_t k = 0; k < bad[i].len; k++) {
			uint8_t byte = bad[i].bytes[k];
			enum mt_status status = mt_ws_read(&ws, &byte, 1, &len);
			if (status != (k + 1 == bad[i].len ? MT_VIOLATION : MT_OK))
				fail_msg("%s: byte %u: %s", bad[i].name, k, mt_status_text(status));
		}
		if (close_code() != bad[i].code)
			fail_msg("%s: another code", bad[i].name);
	}
}

static void test_messages_do_not_overlap(void **state)
{
	(void)state;
	put(BINARY, "begun");
	put(FIN_BINARY, "another");
	expect_fault(1002);
	setup(NULL);
	put(BINARY, "begun");
	put(FIN_CONTINUATION, "ended");
	put(FIN_CONTINUATION, "again");
	expect_fault(1002);
}

static void test_heads_of_ours(void **state)
{
	static const uint64_t lengths[] = {0, 125, 126, 65535, 65536, UINT64_C(1) << 40};
	static const size_t sizes[] = {2, 2, 4, 4, 10, 10};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(lengths); i++) {
		uint8_t data[MT_WS_HEAD_BYTES_MAX];
		struct mt_buf out = mt_buf_of(data, sizeof(data));
		uint64_t len = 0;
		mt_ws_put_head(&out, lengths[i]);
		assert_int_equal(out.pos, sizes[i]);
		assert_int_equal(data[0], FIN_BINARY);
		if (out.pos == 2)
			len = data[1];
		for (size_t k = 2; k < out.pos; k++)
			len = len << 8 | data[k];
		assert_true(len == lengths[i]);
	}
}

/* A sample with every kind of frame: each cut and each change of a byte ends in one of the three
 * ways, and never with more payload than there were bytes. */
static void test_sweep(void **state)
{
	static uint8_t changed[sizeof(sent)];
	size_t len;
	(void)state;
	put(BINARY, "a message in");
	put(PING, "ping");
	put(FIN_CONTINUATION, "two parts");
	ws_put_frame(&frames, FIN_BINARY, KEY, mt_bytes_of(changed, 300));
	put(PONG, "");
	put(CLOSE, "\x03\xe8");
	for (size_t cut = 0; cut < frames.pos; cut++) {
		mt_ws_init(&ws, LIMIT);
		assert_int_equal(read_in(mt_bytes_of(sent, cut), SIZE_MAX, &len), MT_OK);
		assert_true(len <= 321 && len <= cut);
	}
	for (size_t at = 0; at < frames.pos; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			enum mt_status whole, bytewise;
			size_t other;
			memcpy(changed, sent, frames.pos);
			changed[at] ^= (uint8_t)(1u << bit);
			mt_ws_init(&ws, LIMIT);
			whole = read_in(mt_bytes_of(changed, frames.pos), SIZE_MAX, &len);
			mt_ws_init(&ws, LIMIT);
			bytewise = read_in(mt_bytes_of(changed, frames.pos), 1, &other);
			assert_int_equal(whole, bytewise);
			assert_int_equal(len, other);
			assert_int_equal(whole == MT_VIOLATION, ws.fault != NULL);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_example_of_the_standard, setup),
		cmocka_unit_test_setup(test_every_length_in_pieces_of_every_size, setup),
		cmocka_unit_test_setup(test_packets_split_and_merged, setup),
		cmocka_unit_test_setup(test_pings_are_answered, setup),
		cmocka_unit_test_setup(test_a_flood_of_pings_leaves_one_pong, setup),
		cmocka_unit_test_setup(test_close_is_echoed, setup),
		cmocka_unit_test_setup(test_our_own_close, setup),
		cmocka_unit_test_setup(test_other_data_than_binary, setup),
		cmocka_unit_test_setup(test_broken_frames, setup),
		cmocka_unit_test_setup(test_messages_do_not_overlap, setup),
		cmocka_unit_test_setup(test_heads_of_ours, setup),
		cmocka_unit_test_setup(test_sweep, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
