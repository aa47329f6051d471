/* The command line of mortised. */
#include "broker/arguments.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

static struct mt_arguments arguments;
static char fault[MT_ARGUMENTS_FAULT_BYTES];

/* Up to five words behind the program's name; NULL ends them. */
static enum mt_status parse(const char *a, const char *b, const char *c, const char *d,
			    const char *e)
{
	const char *words[] = {"mortised", a, b, c, d, e, NULL};
	char storage[6][64];
	char *argv[7] = {0};
	int argc = 0;
	for (; words[argc]; argc++)
		argv[argc] = strcpy(storage[argc], words[argc]);
	return mt_arguments_parse(argc, argv, NULL, &arguments, fault);
}

static void defaults(void **state)
{
	char name[] = "mortised";
	char *argv[] = {name, NULL};
	(void)state;
	assert_int_equal(parse(NULL, NULL, NULL, NULL, NULL), MT_OK);
	assert_int_equal(arguments.action, MT_ACTION_SERVE);
	assert_string_equal(arguments.state_path, "/var/lib/mortise");
	assert_null(arguments.config_path);
	assert_null(arguments.record_path);
	assert_int_equal(arguments.set_count, 0);
	assert_int_equal(mt_arguments_parse(1, argv, "/srv/m", &arguments, fault), MT_OK);
	assert_string_equal(arguments.state_path, "/srv/m");
	assert_int_equal(mt_arguments_parse(1, argv, "", &arguments, fault), MT_OK);
	assert_string_equal(arguments.state_path, "/var/lib/mortise");
}

static void both_forms_of_a_value(void **state)
{
	char words[9][32] = {"mortised", "--state",	"a",	      "--config=b", "--set",
			     "k=v",	 "--set=l=w=x", "--record=c", "--check"};
	char *argv[10] = {0};
	(void)state;
	for (int i = 0; i < 9; i++)
		argv[i] = words[i];
	assert_int_equal(mt_arguments_parse(9, argv, "other", &arguments, fault), MT_OK);
	assert_int_equal(arguments.action, MT_ACTION_CHECK);
	assert_string_equal(arguments.state_path, "a");
	assert_string_equal(arguments.config_path, "b");
	assert_string_equal(arguments.record_path, "c");
	assert_int_equal(arguments.set_count, 2);
	assert_string_equal(arguments.sets[0], "k=v");
	assert_string_equal(arguments.sets[1], "l=w=x");
}

static void expect_fault(enum mt_status status, const char *part)
{
	assert_int_equal(status, MT_INVALID);
	assert_non_null(strstr(fault, part));
}

static void what_is_wrong_is_said(void **state)
{
	(void)state;
	expect_fault(parse("--stat", "x", NULL, NULL, NULL), "--stat: unknown argument");
	expect_fault(parse("--states=x", NULL, NULL, NULL, NULL), "unknown argument");
	expect_fault(parse("file.yaml", NULL, NULL, NULL, NULL), "file.yaml: unknown argument");
	expect_fault(parse("--checks", NULL, NULL, NULL, NULL), "unknown argument");
	expect_fault(parse("", NULL, NULL, NULL, NULL), "unknown argument");
	expect_fault(parse("--state", NULL, NULL, NULL, NULL), "--state: found no value");
	expect_fault(parse("--check", "--set", NULL, NULL, NULL), "--set: found no value");
	expect_fault(parse("--record", NULL, NULL, NULL, NULL), "--record: found no value");
	expect_fault(parse("--record=a", "--record=b", NULL, NULL, NULL), "--record: given twice");
	expect_fault(parse("--state=", NULL, NULL, NULL, NULL), "--state: found nothing");
	expect_fault(parse("--config", "a", "--config", "b", NULL), "--config: given twice");
}

static void sets_are_limited(void **state)
{
	char set[] = "--set=a=b";
	char *argv[MT_ARGUMENTS_SETS_MAX + 2];
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(argv); i++)
		argv[i] = set;
	assert_int_equal(
		mt_arguments_parse(MT_ARGUMENTS_SETS_MAX + 1, argv, NULL, &arguments, fault),
		MT_OK);
	assert_int_equal(arguments.set_count, MT_ARGUMENTS_SETS_MAX);
	expect_fault(mt_arguments_parse(MT_ARGUMENTS_SETS_MAX + 2, argv, NULL, &arguments, fault),
		     "--set: more than");
}

static void help_wins(void **state)
{
	(void)state;
	assert_int_equal(parse("--help", "--check", "--version", NULL, NULL), MT_OK);
	assert_int_equal(arguments.action, MT_ACTION_HELP);
	assert_int_equal(parse("--version", "--check", NULL, NULL, NULL), MT_OK);
	assert_int_equal(arguments.action, MT_ACTION_VERSION);
	assert_non_null(strstr(mt_arguments_usage, "--set KEY=VALUE"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(both_forms_of_a_value),
		cmocka_unit_test(what_is_wrong_is_said),
		cmocka_unit_test(sets_are_limited),
		cmocka_unit_test(help_wins),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
