/* Log lines: read back by a strict reader of flat JSON, cut at 128 bytes of text, whole at every
 * capacity. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/log.h"
#include "base/rng.h"

#define PAIRS_MAX 40u
#define TEXT_MAX 400u

/* What a reader finds in one line. */
struct pair {
	char key[32];
	uint8_t text[TEXT_MAX];
	size_t len;
	bool is_number;
};

struct parsed {
	struct pair pairs[PAIRS_MAX];
	size_t count;
};

static unsigned hex_digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *at = c ? strchr(digits, c) : NULL;
	assert_non_null(at);
	return (unsigned)(at - digits);
}

/* A JSON string whose escapes are \u00XX alone; returns what follows its closing quote. */
static const char *read_string(const char *at, uint8_t *out, size_t cap, size_t *len)
{
	*len = 0;
	assert_int_equal(*at++, '"');
	while (*at != '"') {
		assert_true(*at >= 0x20 && *at < 0x7f);
		assert_true(*len < cap);
		if (*at != '\\') {
			out[(*len)++] = (uint8_t)*at++;
			continue;
		}
		assert_memory_equal(at, "\\u00", 4);
		out[(*len)++] = (uint8_t)(hex_digit(at[4]) << 4 | hex_digit(at[5]));
		at += 6;
	}
	return at + 1;
}

static const char *read_number(const char *at, struct pair *pair)
{
	pair->is_number = true;
	if (*at == '-')
		pair->text[pair->len++] = (uint8_t)*at++;
	assert_true(*at >= '0' && *at <= '9');
	while (*at >= '0' && *at <= '9')
		pair->text[pair->len++] = (uint8_t)*at++;
	return at;
}

/* The whole line must be one JSON object and a newline. `line` is terminated. */
static void read_json(const char *line, struct parsed *out)
{
	const char *at = line;
	memset(out, 0, sizeof(*out));
	assert_int_equal(*at++, '{');
	for (;;) {
		struct pair *pair = &out->pairs[out->count++];
		size_t key_len;
		assert_true(out->count <= PAIRS_MAX);
		at = read_string(at, (uint8_t *)pair->key, sizeof(pair->key) - 1, &key_len);
		assert_int_equal(*at++, ':');
		at = *at == '"' ? read_string(at, pair->text, sizeof(pair->text), &pair->len)
				: read_number(at, pair);
		if (*at != ',')
			break;
		at++;
	}
	assert_string_equal(at, "}\n");
}

/* Formats into exactly `cap` bytes, so that the sanitizer and the mark behind see a step too far.
 */
static size_t format(bool is_json, const struct mt_log_field *fields, size_t count, char *line,
		     size_t cap)
{
	struct mt_log_settings settings = {.level = MT_LOG_DEBUG, .is_json = is_json};
	size_t len;
	line[cap] = '#';
	len = mt_log_format(settings, MT_LOG_NOTICE, "auth", "login refused", fields, count, line,
			    cap);
	assert_true(len > 0 && len <= cap);
	assert_int_equal(line[cap], '#');
	assert_int_equal(line[len - 1], '\n');
	line[len] = '\0';
	return len;
}

static void a_plain_line_reads_as_documented(void **state)
{
	const struct mt_log_field fields[] = {MT_STR("user", "eve"), MT_U64("port", 8883)};
	char line[2049];
	(void)state;
	format(false, fields, 2, line, 2048);
	assert_string_equal(
		line,
		"level=notice subject=\"auth\" msg=\"login refused\" user=\"eve\" port=8883\n");
	format(true, fields, 2, line, 2048);
	assert_string_equal(line,
			    "{\"level\":\"notice\",\"subject\":\"auth\",\"msg\":\"login refused\","
			    "\"user\":\"eve\",\"port\":8883}\n");
}

static void every_byte_is_escaped_or_printable(void **state)
{
	char line[2049];
	struct parsed parsed;
	(void)state;
	for (unsigned value = 0; value < 256; value++) {
		uint8_t text[] = {'a', (uint8_t)value, 'z'};
		struct mt_log_field field = MT_RAW("raw", mt_bytes_of(text, sizeof(text)));
		size_t len = format(false, &field, 1, line, 2048);
		for (size_t i = 0; i + 1 < len; i++)
			assert_true(line[i] >= 0x20 && line[i] < 0x7f);
		format(true, &field, 1, line, 2048);
		read_json(line, &parsed);
		assert_int_equal(parsed.count, 4);
		assert_int_equal(parsed.pairs[3].len, sizeof(text));
		assert_memory_equal(parsed.pairs[3].text, text, sizeof(text));
	}
}

static void a_quote_cannot_forge_a_field(void **state)
{
	struct mt_log_field field = MT_STR("user", "x\" level=\"error\"\nlevel=error");
	char line[2049];
	(void)state;
	format(false, &field, 1, line, 2048);
	assert_non_null(
		strstr(line, "user=\"x\\u0022 level=\\u0022error\\u0022\\u000alevel=error\"\n"));
}

static void text_is_cut_at_128(void **state)
{
	uint8_t text[200];
	char line[2049];
	struct parsed parsed;
	(void)state;
	memset(text, 'q', sizeof(text));
	for (size_t len = 0; len <= sizeof(text); len++) {
		struct mt_log_field field = MT_RAW("t", mt_bytes_of(text, len));
		format(true, &field, 1, line, 2048);
		read_json(line, &parsed);
		assert_int_equal(parsed.pairs[3].len, len <= 128 ? len : 131);
		assert_memory_equal(parsed.pairs[3].text, text, len < 128 ? len : 128);
		if (len > 128)
			assert_memory_equal(parsed.pairs[3].text + 128, "...", 3);
	}
}

static void numbers_keep_their_value(void **state)
{
	const struct mt_log_field fields[] = {MT_U64("a", 0), MT_U64("b", INT64_MAX),
					      MT_U64("c", -5)};
	char line[2049];
	struct parsed parsed;
	(void)state;
	format(true, fields, 3, line, 2048);
	read_json(line, &parsed);
	assert_int_equal(parsed.count, 6);
	assert_string_equal((char *)parsed.pairs[3].text, "0");
	assert_string_equal((char *)parsed.pairs[4].text, "9223372036854775807");
	assert_string_equal((char *)parsed.pairs[5].text, "-5");
	assert_true(parsed.pairs[3].is_number);
}

/* A line too short for all keeps the first fields whole and drops the rest. */
static void an_overfull_line_stays_valid(void **state)
{
	static struct parsed whole, parsed;
	static char line[2049];
	const struct mt_log_field fields[] = {MT_STR("one", "a\nb"), MT_U64("two", 12345),
					      MT_STR("three", "\"\"\""), MT_U64("four", 4)};
	size_t full = format(true, fields, 4, line, 2048);
	(void)state;
	read_json(line, &whole);
	for (size_t cap = 24; cap <= full + 4; cap++) {
		format(true, fields, 4, line, cap);
		read_json(line, &parsed);
		assert_int_equal(parsed.count == whole.count, cap >= full);
		assert_memory_equal(parsed.pairs, whole.pairs,
				    parsed.count * sizeof(whole.pairs[0]));
	}
}

static void hostile_fields_never_break_the_line(void **state)
{
	static uint8_t text[300];
	static char line[2049];
	static struct parsed parsed;
	struct mt_rng rng;
	(void)state;
	mt_rng_init(&rng, 12);
	for (int round = 0; round < 2000; round++) {
		struct mt_log_field fields[8];
		size_t count = mt_rng_below(&rng, 9);
		for (size_t i = 0; i < sizeof(text); i++)
			text[i] = (uint8_t)(mt_rng_next(&rng) >> 40);
		for (size_t i = 0; i < count; i++)
			fields[i] =
				MT_RAW("peer", mt_bytes_of(text + 7 * i, mt_rng_below(&rng, 240)));
		format(true, fields, count, line, 2048);
		read_json(line, &parsed);
		assert_true(parsed.count >= 3 && parsed.count <= 3 + count);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_line_reads_as_documented),
		cmocka_unit_test(every_byte_is_escaped_or_printable),
		cmocka_unit_test(a_quote_cannot_forge_a_field),
		cmocka_unit_test(text_is_cut_at_128),
		cmocka_unit_test(numbers_keep_their_value),
		cmocka_unit_test(an_overfull_line_stays_valid),
		cmocka_unit_test(hostile_fields_never_break_the_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
