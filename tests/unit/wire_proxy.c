/* PROXY headers of both versions: whom they name, and what is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "wire/proxy.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4_BODY "\xc6\x33\x64\x07\xcb\x00\x71\x01\xc8\x22\x22\xb3"

static struct mt_proxy proxy;
static const char *why;

/* In a block of its exact size. */
static enum mt_status read_bytes(const void *data, size_t len)
{
	uint8_t *block = malloc(len ? len : 1);
	enum mt_status status;
	assert_non_null(block);
	memcpy(block, data, len);
	why = NULL;
	memset(&proxy, 0x55, sizeof(proxy));
	status = mt_proxy_read(mt_bytes_of(block, len), &proxy, &why);
	free(block);
	assert_int_equal(status == MT_VIOLATION, why != NULL);
	return status;
}

static enum mt_status read_text(const char *text)
{
	return read_bytes(text, strlen(text));
}

static void expect_source(const char *address, uint16_t port, size_t bytes)
{
	uint8_t wanted[16];
	assert_int_equal(inet_pton(AF_INET6, address, wanted), 1);
	assert_true(proxy.has_source);
	assert_memory_equal(proxy.address, wanted, 16);
	assert_int_equal(proxy.port, port);
	assert_int_equal(proxy.bytes, bytes);
}

static void test_text(void **state)
{
	(void)state;
	assert_int_equal(read_text("PROXY TCP4 198.51.100.7 203.0.113.1 51234 8883\r\nmore"),
			 MT_OK);
	expect_source("::ffff:198.51.100.7", 51234, 48);
	assert_int_equal(read_text("PROXY TCP6 2001:db8::7 ::1 0 65535\r\n"), MT_OK);
	expect_source("2001:db8::7", 0, 36);
	assert_int_equal(read_text("PROXY UNKNOWN\r\n"), MT_OK);
	assert_false(proxy.has_source);
	assert_int_equal(proxy.bytes, 15);
	assert_int_equal(read_text("PROXY UNKNOWN ffff::1 ::2 whatever this is\r\n"), MT_OK);
	assert_false(proxy.has_source);
	assert_int_equal(proxy.bytes, 44);
}

static void test_longest_text(void **state)
{
	char text[128];
	(void)state;
	snprintf(text, sizeof(text), "PROXY UNKNOWN %*s\r\n", 107 - 16, "x");
	assert_int_equal(strlen(text), MT_PROXY_TEXT_BYTES_MAX);
	assert_int_equal(read_text(text), MT_OK);
	snprintf(text, sizeof(text), "PROXY UNKNOWN %*s\r\n", 107 - 15, "x");
	assert_int_equal(read_text(text), MT_VIOLATION);
	assert_int_equal(read_bytes(text, 106), MT_AGAIN);
	assert_int_equal(read_bytes(text, 107), MT_VIOLATION);
}

static void test_bad_text(void **state)
{
	static const char *const bad[] = {
		"PROXY\r\n",
		"PROXY \r\n",
		"PROXY TCP4\r\n",
		"PROXY UNKNOWNS\r\n",
		"proxy TCP4 1.2.3.4 1.2.3.4 1 1\r\n",
		"PROXY UDP4 1.2.3.4 1.2.3.4 1 1\r\n",
		"PROXY TCP4 1.2.3 1.2.3.4 1 1\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.256 1 1\r\n",
		"PROXY TCP4 1.2.3.04 1.2.3.4 1 1\r\n",
		"PROXY TCP4 ::1 ::1 1 1\r\n",
		"PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n",
		"PROXY TCP6 fe80::1%eth0 ::1 1 1\r\n",
		"PROXY TCP6 :: ::1 1 1\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 -1\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 1 1\r\n",
		"PROXY TCP4  1.2.3.4 1.2.3.4 1 1\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n\r\n",
		"\x10\x0c",
		"GET / HTTP/1.1\r\n",
	};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++)
		if (read_text(bad[i]) != MT_VIOLATION)
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(read_bytes("PROXY TCP4 1.2.3.4\0 1.2.3.4 1 1\r\n", 33), MT_VIOLATION);
}

static size_t make_binary(uint8_t *out, uint8_t command, uint8_t family, const char *body,
			  size_t body_bytes, size_t tlv_bytes)
{
	size_t len = body_bytes + tlv_bytes;
	memcpy(out, SIGNATURE, 12);
	out[12] = command;
	out[13] = family;
	out[14] = (uint8_t)(len >> 8);
	out[15] = (uint8_t)len;
	memcpy(out + 16, body, body_bytes);
	memset(out + 16 + body_bytes, 0xee, tlv_bytes);
	return 16 + len;
}

static void test_binary(void **state)
{
	static const char v6[36] = {0x20, 0x01, 0x0d, [15] = 7, [33] = 1};
	static const char unix_names[216] = "/run/a";
	uint8_t data[4096];
	size_t len;
	(void)state;
	len = make_binary(data, 0x21, 0x11, V4_BODY, 12, 0);
	assert_int_equal(read_bytes(data, len), MT_OK);
	expect_source("::ffff:198.51.100.7", 51234, 28);
	len = make_binary(data, 0x21, 0x11, V4_BODY, 12, 300);
	assert_int_equal(read_bytes(data, len + 3), MT_OK);
	expect_source("::ffff:198.51.100.7", 51234, 328);
	len = make_binary(data, 0x21, 0x21, v6, sizeof(v6), 0);
	assert_int_equal(read_bytes(data, len), MT_OK);
	expect_source("2001:d00::7", 1, 52);
	len = make_binary(data, 0x21, 0x31, unix_names, sizeof(unix_names), 0);
	assert_int_equal(read_bytes(data, len), MT_OK);
	assert_false(proxy.has_source);
	assert_int_equal(proxy.bytes, len);
	len = make_binary(data, 0x21, 0x00, "", 0, 7);
	assert_int_equal(read_bytes(data, len), MT_OK);
	assert_false(proxy.has_source);
	/* LOCAL: whatever stands there does not count. */
	len = make_binary(data, 0x20, 0x11, V4_BODY, 12, 0);
	assert_int_equal(read_bytes(data, len), MT_OK);
	assert_false(proxy.has_source);
	len = make_binary(data, 0x20, 0xff, "", 0, 0);
	assert_int_equal(read_bytes(data, len), MT_OK);
	assert_int_equal(proxy.bytes, 16);
}

static void test_bad_binary(void **state)
{
	static const char zeros[36];
	uint8_t data[MT_PROXY_BYTES_MAX + 16];
	size_t len;
	(void)state;
	for (unsigned command = 0; command < 256; command++) {
		len = make_binary(data, (uint8_t)command, 0, "", 0, 0);
		assert_int_equal(read_bytes(data, len),
				 command == 0x20 || command == 0x21 ? MT_OK : MT_VIOLATION);
	}
	for (unsigned family = 0; family < 256; family++) {
		bool is_known = family == 0 || family == 0x11 || family == 0x21 || family == 0x31;
		len = make_binary(data, 0x21, (uint8_t)family, V4_BODY, 12, 30);
		assert_int_equal(read_bytes(data, len), is_known ? MT_OK : MT_VIOLATION);
	}
	len = make_binary(data, 0x21, 0x11, V4_BODY, 11, 0);
	assert_int_equal(read_bytes(data, len), MT_VIOLATION);
	len = make_binary(data, 0x21, 0x21, V4_BODY, 12, 23);
	assert_int_equal(read_bytes(data, len), MT_VIOLATION);
	len = make_binary(data, 0x21, 0x21, zeros, 36, 0);
	assert_int_equal(read_bytes(data, len), MT_VIOLATION);
	len = make_binary(data, 0x20, 0, "", 0, MT_PROXY_BYTES_MAX - 16);
	assert_int_equal(read_bytes(data, len), MT_OK);
	make_binary(data, 0x20, 0, "", 0, MT_PROXY_BYTES_MAX - 15);
	assert_int_equal(read_bytes(data, 16), MT_VIOLATION);
}

/* Every cut waits, every change of a byte ends in one of the three ways. */
static void sweep(const uint8_t *sample, size_t len)
{
	uint8_t changed[64];
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(read_bytes(sample, cut), MT_AGAIN);
	assert_int_equal(read_bytes(sample, len), MT_OK);
	assert_int_equal(proxy.bytes, len);
	for (size_t at = 0; at < len; at++) {
		for (unsigned byte = 0; byte < 256; byte++) {
			memcpy(changed, sample, len);
			changed[at] = (uint8_t)byte;
			if (read_bytes(changed, len) == MT_OK)
				assert_true(proxy.bytes <= len);
		}
	}
}

static void test_sweep(void **state)
{
	static const char text[] = "PROXY TCP4 198.51.100.7 203.0.113.1 51234 8883\r\n";
	uint8_t data[64];
	(void)state;
	sweep((const uint8_t *)text, strlen(text));
	sweep(data, make_binary(data, 0x21, 0x11, V4_BODY, 12, 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),	   cmocka_unit_test(test_longest_text),
		cmocka_unit_test(test_bad_text),   cmocka_unit_test(test_binary),
		cmocka_unit_test(test_bad_binary), cmocka_unit_test(test_sweep),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
