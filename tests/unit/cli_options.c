/* The parser of the command line: every way to write an option, and what is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/options.h"

#include <stdlib.h>
#include <string.h>

static struct mt_options options;
static char fault[256];

/* Parses the words of one line. */
static enum mt_status parse(const char *const *words)
{
	const char *argv[64] = {"mortise"};
	int argc = 1;
	for (; words[argc - 1]; argc++)
		argv[argc] = words[argc - 1];
	fault[0] = '\0';
	return mt_options_parse(&options, argc, argv, fault, sizeof(fault));
}

#define PARSE(...) parse((const char *const[]){__VA_ARGS__, NULL})

static void test_values_in_every_form(void **state)
{
	(void)state;
	assert_int_equal(PARSE("pub", "-t", "a/b", "-q1", "--message=hello=x", "--id", "me", "-r"),
			 MT_OK);
	assert_int_equal(options.verb->id, MT_VERB_pub);
	assert_string_equal(mt_options_value(&options, "topic"), "a/b");
	assert_string_equal(mt_options_value(&options, "qos"), "1");
	assert_string_equal(mt_options_value(&options, "message"), "hello=x");
	assert_string_equal(mt_options_value(&options, "id"), "me");
	assert_true(mt_options_has(&options, "retain"));
	assert_false(mt_options_has(&options, "null-message"));
	assert_null(mt_options_value(&options, "host"));
}

static void test_bundled_flags_and_value(void **state)
{
	(void)state;
	assert_int_equal(PARSE("pub", "-rnq2", "-t-x"), MT_OK);
	assert_true(mt_options_has(&options, "retain"));
	assert_true(mt_options_has(&options, "null-message"));
	assert_string_equal(mt_options_value(&options, "qos"), "2");
	assert_string_equal(mt_options_value(&options, "topic"), "-x");
}

static void test_empty_values_are_values(void **state)
{
	(void)state;
	assert_int_equal(PARSE("pub", "-m", "", "--topic="), MT_OK);
	assert_string_equal(mt_options_value(&options, "message"), "");
	assert_string_equal(mt_options_value(&options, "topic"), "");
}

static void test_repeated_option_keeps_order(void **state)
{
	uint32_t pos = 0;
	(void)state;
	assert_int_equal(PARSE("sub", "-t", "a", "-t", "b", "--topic=c"), MT_OK);
	assert_int_equal(mt_options_count(&options, "topic"), 3);
	assert_string_equal(mt_options_next(&options, "topic", &pos)->arguments[0], "a");
	assert_string_equal(mt_options_next(&options, "topic", &pos)->arguments[0], "b");
	assert_string_equal(mt_options_next(&options, "topic", &pos)->arguments[0], "c");
	assert_null(mt_options_next(&options, "topic", &pos));
}

static void test_single_option_given_twice_is_refused(void **state)
{
	(void)state;
	assert_int_equal(PARSE("pub", "-t", "a", "--topic", "b"), MT_INVALID);
	assert_non_null(strstr(fault, "twice"));
	assert_int_equal(PARSE("user", "add", "u", "--client-id", "a", "--client-id", "b"),
			 MT_INVALID);
}

static void test_three_arguments(void **state)
{
	uint32_t pos = 0;
	const struct mt_option_use *found;
	(void)state;
	assert_int_equal(PARSE("pub", "-D", "publish", "user-property", "-v", "w", "-D", "connect",
			       "x", "y"),
			 MT_OK);
	found = mt_options_next(&options, "property", &pos);
	assert_string_equal(found->arguments[0], "publish");
	assert_string_equal(found->arguments[2], "-v");
	assert_string_equal(found->arguments[3], "w");
	found = mt_options_next(&options, "property", &pos);
	assert_string_equal(found->arguments[1], "x");
	assert_int_equal(PARSE("pub", "-D", "publish", "user-property"), MT_INVALID);
	assert_non_null(strstr(fault, "PACKET PROPERTY VALUE"));
}

static void test_common_options_stand_anywhere(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--state", "d", "user", "--json", "list"), MT_OK);
	assert_int_equal(options.verb->id, MT_VERB_user_list);
	assert_string_equal(mt_options_value(&options, "state"), "d");
	assert_true(mt_options_has(&options, "json"));
	assert_int_equal(PARSE("user", "list", "--state=e"), MT_OK);
	assert_string_equal(mt_options_value(&options, "state"), "e");
}

static void test_option_of_a_verb_before_it_is_unknown(void **state)
{
	(void)state;
	assert_int_equal(PARSE("-t", "x", "pub"), MT_INVALID);
	assert_non_null(strstr(fault, "see: mortise --help"));
}

static void test_double_dash_ends_options(void **state)
{
	(void)state;
	assert_int_equal(PARSE("user", "show", "--", "--json"), MT_OK);
	assert_int_equal(options.operand_count, 1);
	assert_string_equal(options.operands[0], "--json");
	assert_false(mt_options_has(&options, "json"));
}

static void test_single_dash_is_an_operand(void **state)
{
	(void)state;
	assert_int_equal(PARSE("user", "show", "-"), MT_OK);
	assert_string_equal(options.operands[0], "-");
}

static void test_raw_verb_takes_everything(void **state)
{
	(void)state;
	assert_int_equal(PARSE("broker", "--state", "d", "--help", "--", "-x"), MT_OK);
	assert_int_equal(options.operand_count, 5);
	assert_string_equal(options.operands[0], "--state");
	assert_string_equal(options.operands[3], "--");
	assert_false(mt_options_has(&options, "help"));
}

static void test_unknown_option_names_its_help(void **state)
{
	(void)state;
	assert_int_equal(PARSE("user", "add", "x", "--nonsense"), MT_INVALID);
	assert_string_equal(fault, "unknown option --nonsense; see: mortise user add --help");
	assert_int_equal(PARSE("role", "list", "-t"), MT_INVALID);
	assert_non_null(strstr(fault, "unknown option -t"));
	assert_int_equal(PARSE("pub", "--top", "x"), MT_INVALID);
}

static void test_missing_value_and_surplus_value(void **state)
{
	(void)state;
	assert_int_equal(PARSE("pub", "-t"), MT_INVALID);
	assert_int_equal(PARSE("pub", "--topic"), MT_INVALID);
	assert_int_equal(PARSE("pub", "--retain=yes"), MT_INVALID);
	assert_non_null(strstr(fault, "takes no value"));
}

static void test_operand_counts(void **state)
{
	(void)state;
	assert_int_equal(PARSE("user", "grant", "a"), MT_INVALID);
	assert_non_null(strstr(fault, "NAME ROLE"));
	assert_int_equal(PARSE("user", "grant", "a", "b"), MT_OK);
	assert_int_equal(PARSE("user", "grant", "a", "b", "c"), MT_INVALID);
	assert_int_equal(PARSE("pub", "hello"), MT_INVALID);
}

static void test_missing_and_unknown_verbs(void **state)
{
	(void)state;
	assert_int_equal(parse((const char *const[]){NULL}), MT_INVALID);
	assert_int_equal(PARSE("user"), MT_INVALID);
	assert_non_null(strstr(fault, "mortise user --help"));
	assert_int_equal(PARSE("nonsense"), MT_INVALID);
	assert_int_equal(PARSE("user", "nonsense"), MT_INVALID);
	assert_int_equal(PARSE("use", "list"), MT_INVALID);
	assert_int_equal(PARSE(""), MT_INVALID);
	assert_int_equal(PARSE("user list"), MT_INVALID);
}

static void test_help_excuses_what_is_missing(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--help"), MT_OK);
	assert_null(options.verb);
	assert_int_equal(PARSE("user", "--help"), MT_OK);
	assert_string_equal(options.noun, "user");
	assert_int_equal(PARSE("user", "add", "--help"), MT_OK);
	assert_int_equal(options.verb->id, MT_VERB_user_add);
}

static void test_too_many_options_are_refused(void **state)
{
	const char *argv[MT_OPTIONS_MAX + 4] = {"mortise", "sub"};
	(void)state;
	for (uint32_t i = 2; i < MT_OPTIONS_MAX + 3; i++)
		argv[i] = "-v";
	assert_int_equal(mt_options_parse(&options, MT_OPTIONS_MAX + 2, argv, fault, sizeof(fault)),
			 MT_OK);
	assert_int_equal(mt_options_parse(&options, MT_OPTIONS_MAX + 3, argv, fault, sizeof(fault)),
			 MT_INVALID);
}

static void test_number_range(void **state)
{
	uint64_t value = 99;
	(void)state;
	assert_int_equal(
		PARSE("pub", "-q", "2", "-k", "0x10", "-p", "", "-x", "99999999999999999999"),
		MT_OK);
	assert_int_equal(mt_options_number(&options, "qos", 0, 2, 0, &value, fault, sizeof(fault)),
			 MT_OK);
	assert_int_equal(value, 2);
	assert_int_equal(mt_options_number(&options, "qos", 0, 1, 0, &value, fault, sizeof(fault)),
			 MT_INVALID);
	assert_int_equal(
		mt_options_number(&options, "keepalive", 0, 100, 0, &value, fault, sizeof(fault)),
		MT_INVALID);
	assert_int_equal(
		mt_options_number(&options, "port", 0, 100, 0, &value, fault, sizeof(fault)),
		MT_INVALID);
	assert_int_equal(mt_options_number(&options, "session-expiry-interval", 0, UINT64_MAX, 0,
					   &value, fault, sizeof(fault)),
			 MT_INVALID);
	assert_int_equal(value, 2);
	assert_int_equal(
		mt_options_number(&options, "will-qos", 0, 2, 1, &value, fault, sizeof(fault)),
		MT_OK);
	assert_int_equal(value, 1);
}

static bool has_group(const char *group, size_t len)
{
	uint32_t count;
	const struct mt_option *table = mt_options_table(&count);
	for (uint32_t i = 0; i < count; i++)
		if (strlen(table[i].group) == len && strncmp(table[i].group, group, len) == 0)
			return true;
	return len == 3 && strncmp(group, "raw", 3) == 0;
}

/* Every group a verb names exists, and no verb has one name or letter for two options. */
static void test_table_is_consistent(void **state)
{
	uint32_t verb_count;
	uint32_t count;
	const struct mt_verb *verbs = mt_options_verbs(&verb_count);
	const struct mt_option *table = mt_options_table(&count);
	(void)state;
	for (uint32_t v = 0; v < verb_count; v++) {
		for (const char *at = verbs[v].groups; *at;
		     at += strcspn(at, " "), at += strspn(at, " "))
			assert_true(has_group(at, strcspn(at, " ")));
		for (uint32_t i = 0; i < count; i++) {
			for (uint32_t k = i + 1; k < count; k++) {
				if (!mt_verb_takes(&verbs[v], &table[i]) ||
				    !mt_verb_takes(&verbs[v], &table[k]))
					continue;
				assert_string_not_equal(table[i].name, table[k].name);
				if (*table[i].short_name)
					assert_string_not_equal(table[i].short_name,
								table[k].short_name);
			}
		}
	}
}

static void test_help_names_every_option_of_the_verb(void **state)
{
	char *text = NULL;
	size_t len = 0;
	uint32_t count;
	const struct mt_option *table = mt_options_table(&count);
	FILE *out = open_memstream(&text, &len);
	(void)state;
	assert_int_equal(PARSE("sub", "-t", "x"), MT_OK);
	mt_help_verb(out, options.verb);
	fclose(out);
	for (uint32_t i = 0; i < count; i++) {
		char name[64];
		snprintf(name, sizeof(name), "--%s", table[i].name);
		if (mt_verb_takes(options.verb, &table[i]))
			assert_non_null(strstr(text, name));
	}
	assert_null(strstr(text, "--stdin-line"));
	free(text);
}

static void test_help_by_words(void **state)
{
	FILE *out = fopen("/dev/null", "w");
	(void)state;
	assert_true(mt_help_words(out, NULL, 0));
	assert_true(mt_help_words(out, (const char *const[]){"user"}, 1));
	assert_true(mt_help_words(out, (const char *const[]){"user", "add"}, 2));
	assert_true(mt_help_words(out, (const char *const[]){"pub"}, 1));
	assert_false(mt_help_words(out, (const char *const[]){"use"}, 1));
	assert_false(mt_help_words(out, (const char *const[]){"user", "fly"}, 2));
	fclose(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_in_every_form),
		cmocka_unit_test(test_bundled_flags_and_value),
		cmocka_unit_test(test_empty_values_are_values),
		cmocka_unit_test(test_repeated_option_keeps_order),
		cmocka_unit_test(test_single_option_given_twice_is_refused),
		cmocka_unit_test(test_three_arguments),
		cmocka_unit_test(test_common_options_stand_anywhere),
		cmocka_unit_test(test_option_of_a_verb_before_it_is_unknown),
		cmocka_unit_test(test_double_dash_ends_options),
		cmocka_unit_test(test_single_dash_is_an_operand),
		cmocka_unit_test(test_raw_verb_takes_everything),
		cmocka_unit_test(test_unknown_option_names_its_help),
		cmocka_unit_test(test_missing_value_and_surplus_value),
		cmocka_unit_test(test_operand_counts),
		cmocka_unit_test(test_missing_and_unknown_verbs),
		cmocka_unit_test(test_help_excuses_what_is_missing),
		cmocka_unit_test(test_too_many_options_are_refused),
		cmocka_unit_test(test_number_range),
		cmocka_unit_test(test_table_is_consistent),
		cmocka_unit_test(test_help_names_every_option_of_the_verb),
		cmocka_unit_test(test_help_by_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
