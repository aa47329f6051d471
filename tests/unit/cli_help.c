/* --help: every verb and every option has its line, and words of the command line find theirs. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/options.h"

#include <stdlib.h>
#include <string.h>

static char *text;
static size_t text_len;

static int teardown(void **state)
{
	(void)state;
	free(text);
	text = NULL;
	return 0;
}

/* Help by words; NULL: there is none. */
static const char *help(const char *const *words, uint32_t count)
{
	FILE *out;
	bool is_found;
	free(text);
	text = NULL;
	out = open_memstream(&text, &text_len);
	assert_non_null(out);
	is_found = mt_help_words(out, words, count);
	fclose(out);
	return is_found ? text : NULL;
}

static void assert_columns(const char *shown)
{
	size_t column = 0;
	for (; *shown; shown++) {
		column = *shown == '\n' ? 0 : column + 1;
		assert_true(column <= 160);
	}
	assert_int_equal(column, 0);
}

static void test_all_verbs_are_listed(void **state)
{
	uint32_t count;
	const struct mt_verb *verbs = mt_options_verbs(&count);
	const char *shown = help(NULL, 0);
	(void)state;
	assert_non_null(shown);
	for (uint32_t i = 0; i < count; i++) {
		assert_non_null(strstr(shown, verbs[i].name));
		assert_non_null(strstr(shown, verbs[i].help));
	}
	assert_columns(shown);
}

static void test_each_verb_has_its_page(void **state)
{
	uint32_t count, option_count;
	const struct mt_verb *verbs = mt_options_verbs(&count);
	const struct mt_option *options = mt_options_table(&option_count);
	(void)state;
	for (uint32_t i = 0; i < count; i++) {
		char name[64], usage[128];
		const char *words[2] = {name, NULL}, *shown;
		snprintf(name, sizeof(name), "%s", verbs[i].name);
		words[1] = strchr(name, ' ');
		if (words[1])
			*strchr(name, ' ') = '\0';
		words[1] = words[1] ? words[1] + 1 : NULL;
		shown = help(words, words[1] ? 2 : 1);
		assert_non_null(shown);
		snprintf(usage, sizeof(usage), "usage: mortise %s", verbs[i].name);
		assert_int_equal(strncmp(shown, usage, strlen(usage)), 0);
		assert_columns(shown);
		for (uint32_t k = 0; k < option_count; k++) {
			char option[64];
			snprintf(option, sizeof(option), "--%s", options[k].name);
			if (mt_verb_takes(&verbs[i], &options[k]))
				assert_non_null(strstr(shown, option));
		}
	}
}

static void test_a_noun_lists_its_verbs_only(void **state)
{
	const char *shown = help((const char *const[]){"user"}, 1);
	(void)state;
	assert_non_null(shown);
	assert_non_null(strstr(shown, "user add"));
	assert_null(strstr(shown, "role add"));
}

static void test_unknown_and_long_words(void **state)
{
	char word[300];
	const char *const words[] = {word, word};
	(void)state;
	memset(word, 'w', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	assert_null(help(words, 1));
	assert_null(help(words, 2));
	assert_null(help((const char *const[]){""}, 1));
	assert_null(help((const char *const[]){"%s%n"}, 1));
	assert_null(help((const char *const[]){"user", ""}, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_all_verbs_are_listed, teardown),
		cmocka_unit_test_teardown(test_each_verb_has_its_page, teardown),
		cmocka_unit_test_teardown(test_a_noun_lists_its_verbs_only, teardown),
		cmocka_unit_test_teardown(test_unknown_and_long_words, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
