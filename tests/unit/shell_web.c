/* The stage of WebSocket: requests in pieces, frames behind them, ends. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shell/web.h"
#include "wire/frame.h"

#include "ws_client.h"

#include <stdlib.h>

static const struct mt_upgrade_rules rules = {.path = "/mqtt", .origins = "same"};
static const char request[] = WS_REQUEST("/mqtt", "");
static struct mt_web *web;
static uint8_t said[MT_UPGRADE_ANSWER_BYTES];
static struct mt_buf answer;
static uint8_t got[256];
static size_t got_bytes;

static int setup(void **state)
{
	(void)state;
	web = mt_web_create(&rules);
	assert_non_null(web);
	answer = mt_buf_of(said, sizeof(said));
	got_bytes = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mt_web_destroy(&web);
	assert_null(web);
	mt_web_destroy(&web);
	return 0;
}

/* In a block of its own, which the stage changes. */
static enum mt_status put(struct mt_bytes bytes)
{
	uint8_t *block = malloc(bytes.len);
	struct mt_bytes payload;
	enum mt_status status;
	assert_non_null(block);
	memcpy(block, bytes.data, bytes.len);
	status = mt_web_read(web, block, bytes.len, &payload, &answer);
	assert_true(payload.len == 0 ||
		    (payload.data >= block && payload.data + payload.len <= block + bytes.len));
	assert_true(got_bytes + payload.len <= sizeof(got));
	if (payload.len > 0)
		memcpy(got + got_bytes, payload.data, payload.len);
	got_bytes += payload.len;
	free(block);
	assert_false(answer.is_overflown);
	return status;
}

static void put_all(struct mt_bytes bytes, size_t piece)
{
	while (bytes.len > 0) {
		size_t len = bytes.len < piece ? bytes.len : piece;
		assert_int_equal(put(mt_bytes_of(bytes.data, len)), MT_OK);
		bytes = mt_bytes_from(bytes, len);
	}
}

static bool answered(const char *start)
{
	return mt_bytes_starts(mt_buf_view(&answer), mt_bytes_str(start));
}

static void test_in_pieces_of_every_size(void **state)
{
	uint8_t data[sizeof(request) + 64];
	struct mt_buf in = mt_buf_of(data, sizeof(data));
	mt_buf_put(&in, mt_bytes_str(request));
	ws_put_frame(&in, 0x02, 0x01020304, mt_bytes_str("early "));
	ws_put_frame(&in, 0x80, 0x05060708, mt_bytes_str("words"));
	for (size_t piece = 1; piece <= in.pos; piece++) {
		teardown(state);
		setup(state);
		put_all(mt_buf_view(&in), piece);
		assert_true(mt_web_is_open(web));
		assert_true(answered("HTTP/1.1 101 "));
		assert_int_equal(got_bytes, 11);
		assert_memory_equal(got, "early words", 11);
		assert_string_equal(mt_web_fault(web), "");
	}
}

static void test_refused(void **state)
{
	(void)state;
	assert_int_equal(put(mt_bytes_str(WS_REQUEST("/other", ""))), MT_VIOLATION);
	assert_true(answered("HTTP/1.1 404 "));
	assert_string_not_equal(mt_web_fault(web), "");
	assert_false(mt_web_is_open(web));
	answer.pos = 0;
	assert_int_equal(put(mt_bytes_str(request)), MT_VIOLATION);
	assert_int_equal(answer.pos, 0);
	/* No close frame where no frames are spoken. */
	mt_web_put_close(web, &answer);
	assert_int_equal(answer.pos, 0);
}

/* What is kept of a request without end is bounded, and the end comes at once. */
static void test_a_request_without_end(void **state)
{
	static const char start[] = "GET /mqtt HTTP/1.1\r\nX: ";
	uint8_t filler[1000];
	size_t sent = strlen(start);
	enum mt_status status = put(mt_bytes_str(start));
	(void)state;
	memset(filler, 'x', sizeof(filler));
	while (status == MT_OK) {
		status = put(mt_bytes_of(filler, sizeof(filler)));
		sent += sizeof(filler);
		assert_true(sent <= MT_UPGRADE_BYTES_MAX + sizeof(filler));
	}
	assert_int_equal(status, MT_VIOLATION);
	assert_true(answered("HTTP/1.1 431 "));
}

/* The request ends in the last byte that it may have, and frames follow in the same read. */
static void test_the_longest_request(void **state)
{
	static const char tail[] = "\r\n\r\n";
	static uint8_t data[MT_UPGRADE_BYTES_MAX + 64];
	struct mt_buf in = mt_buf_of(data, sizeof(data));
	(void)state;
	mt_buf_put(&in, mt_bytes_of(request, strlen(request) - 2));
	mt_buf_put(&in, mt_bytes_str("X: "));
	memset(data + in.pos, 'x', MT_UPGRADE_BYTES_MAX - in.pos);
	in.pos = MT_UPGRADE_BYTES_MAX - strlen(tail);
	mt_buf_put(&in, mt_bytes_str(tail));
	ws_put_frame(&in, 0x82, 1, mt_bytes_str("first"));
	put_all(mt_buf_view(&in), MT_UPGRADE_BYTES_MAX / 2);
	assert_true(answered("HTTP/1.1 101 "));
	assert_memory_equal(got, "first", got_bytes);
	assert_int_equal(got_bytes, 5);
}

static void test_ends(void **state)
{
	uint8_t data[256];
	struct mt_buf in = mt_buf_of(data, sizeof(data));
	(void)state;
	mt_buf_put(&in, mt_bytes_str(request));
	ws_put_frame(&in, 0x89, 1, mt_bytes_str("p"));
	assert_int_equal(put(mt_buf_view(&in)), MT_OK);
	assert_true(mt_web_has_pong(web));
	answer.pos = 0;
	mt_web_put_pong(web, &answer);
	assert_int_equal(answer.pos, 3);
	assert_false(mt_web_has_pong(web));
	in.pos = 0;
	ws_put_frame(&in, 0x82, 1, mt_bytes_str("last"));
	ws_put_frame(&in, 0x81, 1, mt_bytes_str("text"));
	answer.pos = 0;
	assert_int_equal(put(mt_buf_view(&in)), MT_VIOLATION);
	assert_memory_equal(got, "last", 4);
	assert_non_null(strstr(mt_web_fault(web), "MQTT-6.0.0-1"));
	mt_web_put_close(web, &answer);
	assert_int_equal(answer.pos, 4);
}

#define STREAM_BYTES 5000u

/* Packets of 2 bytes, of some, and of more than any buffer here. */
static struct mt_buf make_stream(uint8_t *data)
{
	static const uint32_t bodies[] = {0, 0, 200, 0, 3000, 7, 130, 0, 1000, 0, 0};
	struct mt_buf out = mt_buf_of(data, STREAM_BYTES);
	for (size_t i = 0; i < MT_COUNT_OF(bodies); i++) {
		mt_frame_put_header(&out, MT_PACKET_PUBLISH, 0, bodies[i]);
		for (uint32_t j = 0; j < bodies[i]; j++)
			mt_buf_put_u8(&out, (uint8_t)(i * 31 + j));
	}
	assert_false(out.is_overflown);
	return out;
}

/* Each frame begins where a packet begins, or goes on with one; none goes beyond. */
static void take_frames(struct mt_bytes frames, size_t *left, struct mt_buf *back)
{
	struct mt_reader in = mt_reader_of(frames);
	struct mt_bytes payload;
	uint8_t first;
	while (mt_reader_left(&in) > 0) {
		assert_true(ws_take_frame(&in, &first, &payload));
		assert_int_equal(first, 0x82);
		if (*left == 0)
			*left = mt_frame_bytes(payload);
		assert_true(payload.len > 0 && payload.len <= *left);
		*left -= payload.len;
		mt_buf_put(back, payload);
	}
}

/* The stream in windows of `cap` bytes, of which the first quarter is for heads, as the socket does
 * it. */
static void send_stream(struct mt_bytes stream, size_t cap)
{
	static uint8_t got_back[STREAM_BYTES];
	struct mt_buf back = mt_buf_of(got_back, sizeof(got_back));
	uint8_t *room = malloc(cap);
	size_t sent = 0, left = 0, behind = cap / 4;
	assert_non_null(room);
	while (sent < stream.len) {
		struct mt_buf out = mt_buf_of(room, cap);
		size_t window = stream.len - sent, taken;
		window = window < cap - behind ? window : cap - behind;
		memcpy(room + behind, stream.data + sent, window);
		taken = mt_web_put_packets(web, mt_bytes_of(room + behind, window), &out);
		assert_true(taken > 0 && taken <= window);
		assert_false(out.is_overflown);
		take_frames(mt_buf_view(&out), &left, &back);
		sent += taken;
	}
	assert_int_equal(left, 0);
	assert_int_equal(back.pos, stream.len);
	assert_memory_equal(got_back, stream.data, stream.len);
	free(room);
}

static void test_each_packet_has_a_frame(void **state)
{
	static uint8_t data[STREAM_BYTES];
	struct mt_buf stream = make_stream(data);
	(void)state;
	for (size_t cap = 24; cap < 700; cap++)
		send_stream(mt_buf_view(&stream), cap);
	send_stream(mt_buf_view(&stream), 2 * STREAM_BYTES);
}

/* Half a header says nothing of its packet. */
static void test_half_a_header_waits(void **state)
{
	uint8_t data[64];
	struct mt_buf out = mt_buf_of(data, sizeof(data));
	const uint8_t packets[] = {0xd0, 0, 0x30, 0x80};
	(void)state;
	assert_int_equal(mt_web_put_packets(web, mt_bytes_of(packets, sizeof(packets)), &out), 2);
	assert_int_equal(out.pos, 4);
	assert_int_equal(mt_web_put_packets(web, mt_bytes_of(packets + 2, 2), &out), 0);
	assert_int_equal(out.pos, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_in_pieces_of_every_size, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_request_without_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_longest_request, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_each_packet_has_a_frame, setup, teardown),
		cmocka_unit_test_setup_teardown(test_half_a_header_waits, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
