/* The format characters of sub: each prints its part, and no message reaches into the terminal. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/format.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* 2024-02-29 12:34:56.000000789 UTC */
static const struct timespec when = {1709210096, 789};

static int setup(void **state)
{
	(void)state;
	setenv("TZ", "UTC0", 1);
	tzset();
	return 0;
}

static struct mortise_message message_of(const void *payload, size_t bytes)
{
	return (struct mortise_message){.topic = "a/b",
					.topic_bytes = 3,
					.payload = payload,
					.payload_bytes = bytes,
					.qos = 1,
					.is_retain = true,
					.packet_id = 77};
}

/* What is printed, malloc'ed; *len of it. */
static char *print(const char *format, const struct mortise_message *message, bool is_tty,
		   size_t *len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len);
	assert_non_null(out);
	assert_null(mt_format_check(format));
	mt_format_print(out, format, message, &when, is_tty);
	fputc('\n', out);
	fclose(out);
	return text;
}

static void expect(const char *format, const struct mortise_message *message, const char *wanted)
{
	size_t len;
	char *text = print(format, message, false, &len);
	assert_int_equal(len, strlen(wanted) + 1);
	assert_int_equal(text[len - 1], '\n');
	assert_memory_equal(text, wanted, len - 1);
	free(text);
}

static void test_parts_of_a_message(void **state)
{
	struct mortise_message message = message_of("\x01pay\xff", 5);
	(void)state;
	expect("", &message, "");
	expect("%t|%p", &message, "a/b|\x01pay\xff");
	expect("%x %X", &message, "01706179ff 01706179FF");
	expect("%l %q %r %m %%", &message, "5 1 1 77 %");
	expect("x%ty%tz", &message, "xa/bya/bz");
	message.is_retain = false;
	expect("%r", &message, "0");
}

static void test_escapes_and_clocks(void **state)
{
	struct mortise_message message = message_of("", 0);
	size_t len;
	char *text;
	(void)state;
	expect("\\t\\n\\r\\a\\e\\v\\\\", &message, "\t\n\r\a\x1b\v\\");
	expect("%U", &message, "1709210096.000000789");
	expect("%I", &message, "2024-02-29T12:34:56+0000");
	expect("@Y-@m-@d @H:@M:@S.@N @@", &message, "2024-02-29 12:34:56.000000789 @");
	text = print("a\\0b", &message, false, &len);
	assert_int_equal(len, 4);
	assert_memory_equal(text, "a\0b\n", 4);
	free(text);
}

static void test_empty_payloads(void **state)
{
	struct mortise_message message = message_of(NULL, 0);
	(void)state;
	expect("[%p%x%X]%l", &message, "[]0");
}

static void test_properties(void **state)
{
	static const uint8_t raw[] = {
		0x26, 0, 1,    'k', 0,	1, 'v', /* user property */
		0x02, 0, 0,    0,   60,		/* expiry */
		0x03, 0, 1,    'c',		/* content type */
		0x26, 0, 1,    'l', 0,	0,	/* user property without a value */
		0x0b, 5, 0x0b, 6,		/* subscription ids */
	};
	struct mortise_message message = message_of("", 0);
	(void)state;
	message.raw = raw;
	message.raw_bytes = sizeof(raw);
	expect("%P|%E|%C|%S|%R|%D|%F|%A", &message, "k:v l:|60|c|5 6||||");
}

static json_t *parse(const char *format, const struct mortise_message *message, bool is_tty)
{
	size_t len;
	char *text = print(format, message, is_tty, &len);
	json_t *value = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(value);
	free(text);
	return value;
}

static void test_json(void **state)
{
	struct mortise_message message = message_of("{\"a\":[1,2]}", 11);
	json_t *plain = parse("%j", &message, false), *nested = parse("%J", &message, false);
	(void)state;
	assert_string_equal(json_string_value(json_object_get(plain, "topic")), "a/b");
	assert_string_equal(json_string_value(json_object_get(plain, "payload")), "{\"a\":[1,2]}");
	assert_string_equal(json_string_value(json_object_get(plain, "tst")),
			    "2024-02-29T12:34:56.000000+0000");
	assert_null(json_object_get(plain, "properties"));
	assert_int_equal(json_integer_value(json_object_get(plain, "payloadlen")), 11);
	assert_int_equal(json_integer_value(json_object_get(plain, "mid")), 77);
	assert_int_equal(json_array_size(json_object_get(json_object_get(nested, "payload"), "a")),
			 2);
	json_decref(plain);
	json_decref(nested);
}

static void test_json_of_properties(void **state)
{
	static const uint8_t raw[] = {0x03, 0,	  1,	't', 0x02, 0,	 0,    0,  9,	 0x09,
				      0,    2,	  0xff, 1,   0x0b, 7,	 0x0b, 8,  0x26, 0,
				      1,    'a',  0,	1,   'b',  0x26, 0,    1,  'c',	 0,
				      0,    0x26, 0,	1,   'a',  0,	 1,    'd'};
	struct mortise_message message = message_of("x", 1);
	json_t *value, *wanted;
	(void)state;
	message.raw = raw;
	message.raw_bytes = sizeof(raw);
	value = parse("%j", &message, false);
	wanted = json_pack("{s:s, s:i, s:s, s:[i,i], s:{s:[s,s], s:s}}", "content-type", "t",
			   "message-expiry-interval", 9, "correlation-data_hex", "ff01",
			   "subscription-identifier", 7, 8, "user-properties", "a", "b", "d", "c",
			   "");
	assert_non_null(wanted);
	assert_true(json_equal(json_object_get(value, "properties"), wanted));
	json_decref(wanted);
	json_decref(value);
}

/* What is no text stands in hex; what is no JSON stays a text. */
static void test_json_of_odd_payloads(void **state)
{
	struct mortise_message message = message_of("\xff\x00\x10", 3);
	json_t *value = parse("%j", &message, false);
	(void)state;
	assert_string_equal(json_string_value(json_object_get(value, "payload_hex")), "ff0010");
	assert_null(json_object_get(value, "payload"));
	json_decref(value);
	message = message_of("{\"a\":1,\"a\":2}", 13);
	value = parse("%J", &message, false);
	assert_true(json_is_string(json_object_get(value, "payload")));
	json_decref(value);
	message = message_of("\n\",\"qos\":9", 10);
	value = parse("%j", &message, false);
	assert_int_equal(json_integer_value(json_object_get(value, "qos")), 1);
	json_decref(value);
}

/* No byte string of a peer moves the cursor, in any encoding that a terminal may use. */
static void assert_harmless(const char *format, const struct mortise_message *message)
{
	size_t len;
	char *text = print(format, message, true, &len);
	for (size_t i = 0; i < len; i++) {
		uint8_t byte = (uint8_t)text[i], last = i > 0 ? (uint8_t)text[i - 1] : 0;
		assert_true(byte >= 0x20 || byte == '\n' || byte == '\t');
		assert_int_not_equal(byte, 0x7f);
		/* U+0080 to U+009F, and the same as single bytes. */
		if (byte >= 0x80 && byte < 0xa0)
			assert_true(last >= 0x80 && last != 0xc2);
	}
	free(text);
}

static void test_terminals_are_safe(void **state)
{
	static const char *const hostile[] = {"\x1b[2J\x07\r\b\x7f",
					      "\xc2\x9b"
					      "2J",
					      "\x9b"
					      "2J",
					      "\xff\x9b"
					      "2J",
					      "\x90q\x9c"};
	char all[2];
	(void)state;
	for (size_t i = 0; i < sizeof(hostile) / sizeof(*hostile); i++) {
		struct mortise_message message = message_of(hostile[i], strlen(hostile[i]));
		message.topic = hostile[i];
		message.topic_bytes = strlen(hostile[i]);
		assert_harmless("%p", &message);
		assert_harmless("%t", &message);
		assert_harmless("%j", &message);
		assert_harmless("%J", &message);
	}
	for (int c = 0; c < 256; c++) {
		struct mortise_message message = message_of(all, 1);
		all[0] = (char)c;
		assert_harmless("%p", &message);
	}
}

static void test_terminals_show_letters(void **state)
{
	static const char letters[] = "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80";
	struct mortise_message message = message_of(letters, sizeof(letters) - 1);
	size_t len;
	char *text = print("%p", &message, true, &len);
	(void)state;
	assert_int_equal(len, sizeof(letters));
	assert_memory_equal(text, letters, len - 1);
	free(text);
}

/* As wide as mosquitto_sub has them (tests/interop/formats.sh). */
static void test_fields(void **state)
{
	struct mortise_message message = message_of("jK", 2);
	(void)state;
	expect("[%5t|%-5t|%2t]", &message, "[  a/b|a/b  |a/b]");
	expect("[%05l|%-05l|%3l|%0l]", &message, "[00002|2    |  2|2]");
	expect("[%.2t|%6.2t|%-6.2t|%.0t]", &message, "[a/|    a/|a/    |]");
	expect("[%6x|%06X|%06p]", &message, "[  6a4b|006A4B|    jK]");
	expect("[%4C|%4R|%-4E]", &message, "[    ||    ]");
}

static void test_check_names_the_first_unknown(void **state)
{
	static const struct {
		const char *format;
		size_t at;
	} wrong[] = {{"%", 0},	 {"ab%z", 2},	  {"%t%", 2}, {"\\", 0}, {"%%\\q", 2}, {"@", 0},
		     {"%p@", 2}, {"%t %y %z", 3}, {"%5y", 0}, {"%5", 0}, {"a%-5k", 1}, {"%.", 0}};
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_ptr_equal(mt_format_check(wrong[i].format), wrong[i].format + wrong[i].at);
	assert_null(mt_format_check("%t%p%x%X%j%J%I%U%l%m%q%r%A%C%D%E%F%P%R%S%%@Y@@@N\\n\\\\"));
	assert_null(mt_format_check(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts_of_a_message),
		cmocka_unit_test(test_escapes_and_clocks),
		cmocka_unit_test(test_empty_payloads),
		cmocka_unit_test(test_properties),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_of_properties),
		cmocka_unit_test(test_json_of_odd_payloads),
		cmocka_unit_test(test_terminals_are_safe),
		cmocka_unit_test(test_terminals_show_letters),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_check_names_the_first_unknown),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
