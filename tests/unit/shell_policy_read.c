/* Policy documents: what is read, every error with its line, and the same text again. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shell/policy_document.h"

#include <stdio.h>
#include <stdlib.h>

static char seen[8192];

static bool knows_listener(const void *context, const char *name)
{
	(void)context;
	return strcmp(name, "tls") == 0;
}

static enum mt_status read_text(const char *text, size_t len, struct mt_policy_document *out)
{
	const struct mt_policy_known known = {.listener = knows_listener};
	json_t *errors = NULL, *error;
	size_t i;
	enum mt_status status =
		mt_policy_document_read(mt_bytes_of(text, len), &known, out, &errors);
	seen[0] = '\0';
	json_array_foreach(errors, i, error)
	{
		size_t at = strlen(seen);
		snprintf(seen + at, sizeof(seen) - at, "%d: %s\n",
			 (int)json_integer_value(json_object_get(error, "line")),
			 json_string_value(json_object_get(error, "what")));
	}
	json_decref(errors);
	return status;
}

/* What it reads as, printed. */
static void assert_prints(const char *text, const char *wanted)
{
	struct mt_policy_document document;
	char *printed;
	if (read_text(text, strlen(text), &document) != MT_OK)
		fail_msg("%s", seen);
	printed = mt_policy_document_print(&document);
	assert_string_equal(printed, wanted);
	mt_policy_document_clear(&document);
	assert_int_equal(read_text(printed, strlen(printed), &document), MT_OK);
	mt_policy_document_clear(&document);
	free(printed);
}

static void assert_refused(const char *text, const char *wanted)
{
	struct mt_policy_document document;
	assert_int_equal(read_text(text, strlen(text), &document), MT_INVALID);
	if (!strstr(seen, wanted))
		fail_msg("%s: %s", text, seen);
}

static void the_example_of_the_docs(void **state)
{
	(void)state;
	assert_prints(
		"users:\n  th-17: { roles: [thermostat], client_id: \"th-17\" }\n"
		"roles:\n  thermostat:\n    permissions:\n"
		"      - { allow: publish,   topic: \"site/%c/telemetry/#\", qos: [0, 1] }\n"
		"      - { allow: subscribe, topic: \"site/%c/command\",     qos: any }\n"
		"      - { allow: both,      topic: \"site/%c/config\",      qos: 2, retain: no }\n"
		"  operator:\n    subscribe: filter\n    permissions:\n"
		"      - { deny: both,       topic: \"site/+/secret/#\" }\n"
		"      - { allow: subscribe, topic: \"$SYS/#\", from: 10.7.0.0/16, listener: tls,\n"
		"          share: any, since: 2026-01-01T00:00:00Z, until: 2027-01-01T00:00:00Z "
		"}\n",
		"roles:\n  operator:\n    subscribe: filter\n    permissions:\n"
		"      - { allow: subscribe, topic: \"$SYS/#\", share: \"any\", from: "
		"\"10.7.0.0/16\", "
		"listener: \"tls\", since: 2026-01-01T00:00:00Z, until: 2027-01-01T00:00:00Z }\n"
		"      - { deny: both, topic: \"site/+/secret/#\" }\n"
		"  thermostat:\n    permissions:\n"
		"      - { allow: both, topic: \"site/%c/config\", qos: 2, retain: no }\n"
		"      - { allow: publish, topic: \"site/%c/telemetry/#\", qos: [0, 1] }\n"
		"      - { allow: subscribe, topic: \"site/%c/command\" }\n"
		"users:\n  th-17: { roles: [thermostat], client_id: \"th-17\" }\n");
}

static void names_that_need_quotes(void **state)
{
	(void)state;
	assert_prints("users:\n  \"a b: #\u00e4\": { roles: [admin, open], enabled: no }\n"
		      "  'x': {}\n",
		      "users:\n  \"a b: #\u00e4\": { roles: [admin, open], enabled: no }\n"
		      "  x: { roles: [] }\n");
	assert_prints("roles: {}\n", "roles: {}\n");
	assert_prints("roles:\n  a: {permissions: [{allow: both, topic: \"\\\"\\\\\\uFEFF\"}]}\n",
		      "roles:\n  a:\n    permissions:\n"
		      "      - { allow: both, topic: \"\\\"\\\\\\uFEFF\" }\n");
}

#define RULE(text) "roles:\n  a:\n    permissions:\n      - " text "\n"

static void each_error(void **state)
{
	static const char *const cases[][2] = {
		{"", "1: found nothing; expected roles, users"},
		{"- a", "1: document: found a list; expected roles, users"},
		{"roles: 3", "1: roles: found 3; expected roles by name"},
		{"extra: 1", "1: extra: unknown key"},
		{"roles: {}\nroles: {}", "2: roles: found a second time (first in line 1)"},
		{"roles:\n  open: {}", "2: role open: is built in"},
		{"roles:\n  a: {}\n  a: {}", "3: a: found a second time (first in line 2)"},
		{"roles:\n  a: { subscribe: yes }", "2: subscribe: found yes; expected refuse"},
		{"roles:\n  a: { permissions: x }", "2: permissions: found x; expected a list"},
		{RULE("x"), "4: permission: found x"},
		{RULE("{ topic: a }"), "4: permission: expected allow or deny"},
		{RULE("{ allow: both }"), "4: permission: expected a topic"},
		{RULE("{ allow: write, topic: a }"), "4: allow: found write; expected publish"},
		{RULE("{ allow: both, topic: a, deny: both }"), "4: deny: found beside the other"},
		{RULE("{ allow: both, topic: a/#/b }"), "4: topic: not a topic filter"},
		{RULE("{ allow: both, topic: \"a\\0b\" }"), "4: topic: found"},
		{RULE("{ allow: both, topic: a, qos: 3 }"), "4: qos: found 3"},
		{RULE("{ allow: both, topic: a, qos: [] }"), "4: qos: found a list"},
		{RULE("{ allow: both, topic: a, retain: maybe }"), "4: retain: found maybe"},
		{RULE("{ allow: both, topic: a, from: 10.0.0.0/33 }"), "4: from"},
		{RULE("{ allow: both, topic: a, listener: nope }"), "4: listener: nope is none"},
		{RULE("{ allow: both, topic: a, until: 2026-02-30T00:00:00Z }"), "4: until: found"},
		{RULE("{ allow: both, topic: a, since: 2027-01-01T00:00:00Z,"
		      " until: 2026-01-01T00:00:00Z }"),
		 "before until"},
		{RULE("{ allow: both, topic: a }\n      - { topic: a, qos: any, allow: both }"),
		 "5: the same permission"},
		{"users:\n  a: { roles: [b] }", "2: roles: there is no role b"},
		{"users:\n  a: { roles: [admin, admin] }", "2: roles: admin found a second time"},
		{"users:\n  a: { password: x }", "2: password: unknown key"},
		{"users:\n  a: { enabled: maybe }", "2: enabled: found maybe; expected yes or no"},
		{"users:\n  \"a\\nb\": {}", "2: user a"},
		{"users: &x {}\nroles: *x", "1: found an anchor (&)"},
		{"a: &x [ *x ]", "1: found an alias (*)"},
		{"roles: !!map {}", "1: found a tag (!)"},
		{"roles: {}\n---\nroles: {}", "2: found a second document"},
		{"roles: [[[[[[[[[[[[]]]]]]]]]]]]", "1: nested too deep"},
		{"roles: {\n", "found no valid YAML"},
		{"roles:\n  a\xff: {}", "2: found no valid YAML"},
	};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++)
		assert_refused(cases[i][0], cases[i][1]);
}

static void client_id_rules(void **state)
{
	(void)state;
	assert_refused("users:\n  b: { client_id: \"%{uid}\" }\n",
		       "2: client_id: between %{ and } expected uuid, mac, or serial:");
	assert_refused("users:\n  b: { client_id: \"50%\" }\n", "2: client_id: a % begins %u");
}

static void all_errors_at_once(void **state)
{
	(void)state;
	assert_refused("roles:\n  admin: {}\n  a: { permissions: [{ allow: x, topic: \"#/#\" }] }\n"
		       "users:\n  b: { roles: [c] }\nmore: 1\n",
		       "6: more: unknown key");
	assert_non_null(strstr(seen, "2: role admin"));
	assert_non_null(strstr(seen, "3: allow: found x"));
	assert_non_null(strstr(seen, "5: roles: there is no role c"));
}

static void too_many_errors_are_cut(void **state)
{
	static char text[40000];
	size_t len = 0;
	(void)state;
	for (int i = 0; i < 1000; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "key%d: 1\n", i);
	assert_refused(text, "there is more; mend these");
}

static void every_truncation(void **state)
{
	static const char text[] = "roles:\n  a:\n    subscribe: filter\n    permissions:\n"
				   "      - { allow: both, topic: \"x/#\", qos: [0, 1], until: "
				   "2027-01-01T00:00:00Z }\nusers:\n  b: { roles: [a] }\n";
	(void)state;
	for (size_t len = 0; len < sizeof(text); len++) {
		struct mt_policy_document document = {NULL, NULL};
		char *copy = malloc(len + 1);
		memcpy(copy, text, len);
		if (read_text(copy, len, &document) == MT_OK)
			mt_policy_document_clear(&document);
		else
			assert_true(seen[0] != '\0');
		free(copy);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_the_docs),
		cmocka_unit_test(names_that_need_quotes),
		cmocka_unit_test(each_error),
		cmocka_unit_test(client_id_rules),
		cmocka_unit_test(all_errors_at_once),
		cmocka_unit_test(too_many_errors_are_cut),
		cmocka_unit_test(every_truncation),
	};
	return cmocka_run_group_tests_name("shell_policy_read", tests, NULL, NULL);
}
