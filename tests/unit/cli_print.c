/* What is printed: hostile texts stay harmless, columns stay columns. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/print.h"

#include <stdlib.h>
#include <string.h>

static char *text;
static size_t text_len;
static FILE *out;

static int setup(void **state)
{
	(void)state;
	out = open_memstream(&text, &text_len);
	return out ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	fclose(out);
	free(text);
	return 0;
}

static const char *printed(void)
{
	fflush(out);
	return text;
}

static void test_no_control_character_gets_through(void **state)
{
	(void)state;
	for (int c = 1; c < 256; c++) {
		char one[2] = {(char)c, '\0'};
		mt_cli_print_text(out, one);
	}
	printed();
	for (size_t i = 0; i < text_len; i++)
		assert_false((unsigned char)text[i] < 0x20 || text[i] == 0x7f);
}

static void test_escapes_and_letters(void **state)
{
	(void)state;
	/* U+009B is CSI in one character; U+00E4 shares its first byte with none of C1. */
	mt_cli_print_text(out, "a\x1b[2Jb\nc\xc2\x9b"
			       "d\xc3\xa4\xe2\x82\xac");
	assert_string_equal(printed(), "a\\x1b[2Jb\\x0ac\\x9bd\xc3\xa4\xe2\x82\xac");
}

static void test_table_is_aligned_by_characters(void **state)
{
	json_t *rows = json_loads(
		"[[\"\xc3\xa4\xc3\xa4\",\"1\"],[\"abcdef\",\"2\"],[\"\\u001b\",\"3\"]]", 0, NULL);
	(void)state;
	mt_cli_print_table(out, "NAME N", rows);
	assert_string_equal(printed(),
			    "NAME    N\n\xc3\xa4\xc3\xa4      1\nabcdef  2\n\\x1b    3\n");
	json_decref(rows);
}

static void test_table_without_rows(void **state)
{
	json_t *rows = json_array();
	(void)state;
	mt_cli_print_table(out, "A B", rows);
	assert_string_equal(printed(), "A  B\n");
	json_decref(rows);
}

static void test_object_with_nested_parts(void **state)
{
	json_t *object =
		json_loads("{\"a\":1,\"b\":true,\"c\":{\"d\":\"x\\ny\"},\"e\":[\"f\",2]}", 0, NULL);
	(void)state;
	mt_cli_print_object(out, object);
	assert_string_equal(printed(), "a: 1\nb: yes\nc:\n  d: x\\x0ay\ne:\n  - f\n  - 2\n");
	json_decref(object);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_no_control_character_gets_through), TEST(test_escapes_and_letters),
		TEST(test_table_is_aligned_by_characters),    TEST(test_table_without_rows),
		TEST(test_object_with_nested_parts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
