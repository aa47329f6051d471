/* Mosquitto's files as a policy document, what is reported, and what is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shell/mosquitto.h"

#include <stdio.h>
#include <stdlib.h>

static struct mt_mosquitto import;
static char notes[4096];

static int setup(void **state)
{
	(void)state;
	return mt_mosquitto_start(&import) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	mt_mosquitto_finish(&import);
	return 0;
}

static const char *text_of(const json_t *list)
{
	json_t *entry;
	size_t i;
	notes[0] = '\0';
	json_array_foreach(list, i, entry)
	{
		size_t len = strlen(notes);
		snprintf(notes + len, sizeof(notes) - len, "%s: %s\n",
			 json_string_value(json_object_get(entry, "where")),
			 json_string_value(json_object_get(entry, "what")));
	}
	return notes;
}

static void assert_notes(const json_t *list, const char *wanted)
{
	if (!strstr(text_of(list), wanted))
		fail_msg("%s is not in: %s", wanted, notes);
}

static void assert_document(const char *wanted)
{
	char *text = mt_policy_document_print(&import.document);
	assert_string_equal(text_of(import.errors), "");
	assert_string_equal(text, wanted);
	free(text);
}

static void passwords_and_acl(void **state)
{
	(void)state;
	mt_mosquitto_read_passwords(&import,
				    "ann:$7$101$c2FsdA==$aGFzaA==\r\n# note\n\nbob:$6$x$y\n");
	mt_mosquitto_read_acl(&import, "topic read $SYS/#\nuser ann\ntopic a/#\ntopic deny a/b\n"
				       "topic write out of it\nuser zed\ntopic read z\n"
				       "pattern readwrite own/%u/%c\n");
	assert_document("roles:\n"
			"  mosquitto-anonymous:\n    subscribe: filter\n    permissions:\n"
			"      - { allow: subscribe, topic: \"$SYS/#\", share: \"any\" }\n"
			"  mosquitto-patterns:\n    subscribe: filter\n    permissions:\n"
			"      - { allow: both, topic: \"own/%u/%c\", share: \"any\" }\n"
			"  mosquitto-user-ann:\n    subscribe: filter\n    permissions:\n"
			"      - { allow: both, topic: \"a/#\", share: \"any\" }\n"
			"      - { allow: publish, topic: \"out of it\" }\n"
			"      - { deny: both, topic: \"a/b\" }\n"
			"  mosquitto-user-zed:\n    subscribe: filter\n    permissions:\n"
			"      - { allow: subscribe, topic: \"z\", share: \"any\" }\n"
			"users:\n  ann: { roles: [mosquitto-patterns, mosquitto-user-ann] }\n"
			"  bob: { roles: [mosquitto-patterns] }\n");
	assert_string_equal(json_string_value(json_object_get(
				    json_object_get(import.document.users, "ann"), "hash")),
			    "$7$101$c2FsdA==$aGFzaA==");
	assert_notes(import.report, "acl:6: user zed has no password");
	assert_notes(import.report, "listeners.NAME.anonymous");
}

static void a_percent_is_none_of_our_variables(void **state)
{
	(void)state;
	mt_mosquitto_read_acl(&import, "user u\ntopic read a/%u/b\ntopic deny x/y%c/z\n"
				       "pattern deny q/%d/%c\n");
	assert_document("roles:\n"
			"  mosquitto-patterns:\n    subscribe: filter\n    permissions:\n"
			"      - { deny: both, topic: \"q/+/%c\" }\n"
			"  mosquitto-user-u:\n    subscribe: filter\n    permissions:\n"
			"      - { deny: both, topic: \"x/+/z\" }\n"
			"users: {}\n");
	assert_notes(import.report, "acl:2: a/%u/b");
	assert_notes(import.report, "acl:3: x/y%c/z");
}

static void faulty_lines(void **state)
{
	(void)state;
	mt_mosquitto_read_passwords(&import, "ann\nbob:plain\n:x\ncid:\ndee:$6$a$b\ndee:$6$a$b\n");
	mt_mosquitto_read_acl(&import, "user\nuser u\ntopic sometimes a\ntopic a/#/b\nhello\n");
	assert_notes(import.errors, "passwords:1: expected NAME:HASH");
	assert_notes(import.errors, "passwords:2: user bob: expected a hash");
	assert_notes(import.errors, "passwords:3: ");
	assert_notes(import.errors, "passwords:4: ");
	assert_notes(import.errors, "passwords:6: user dee: stands there a second time");
	assert_notes(import.errors, "acl:1: expected user NAME");
	assert_notes(import.errors, "acl:3: expected read, write");
	assert_notes(import.errors, "acl:4: topic: not a topic filter");
	assert_notes(import.errors, "acl:5: expected user NAME");
}

static void dynamic_security(void **state)
{
	(void)state;
	mt_mosquitto_read_dynsec(
		&import,
		"{\"defaultACLAccess\":{\"publishClientSend\":true,\"subscribe\":false},"
		"\"clients\":[{\"username\":\"ann\",\"password\":\"cA==\",\"salt\":\"cw==\","
		"\"iterations\":101,\"clientid\":\"dev-1\",\"groups\":[{\"groupname\":\"g\"}],"
		"\"disabled\":true},{\"username\":\"bob\",\"clientid\":\"*\",\"roles\":"
		"[{\"rolename\":\"admin\"}]},{\"username\":\"cat\",\"clientid\":\"a\\u0007\"}],"
		"\"groups\":[{\"groupname\":\"g\",\"roles\":[{\"rolename\":\"r\"}]}],"
		"\"roles\":[{\"rolename\":\"admin\",\"acls\":[]},{\"rolename\":\"r\",\"acls\":["
		"{\"acltype\":\"publishClientSend\",\"topic\":\"s\",\"allow\":true},"
		"{\"acltype\":\"publishClientReceive\",\"topic\":\"w\",\"allow\":true},"
		"{\"acltype\":\"subscribePattern\",\"topic\":\"p/#\",\"allow\":true},"
		"{\"acltype\":\"subscribeLiteral\",\"topic\":\"p/x\",\"allow\":false}]}]}");
	assert_document("roles:\n  mosquitto-admin:\n    permissions: []\n"
			"  r:\n    permissions:\n"
			"      - { allow: publish, topic: \"s\" }\n"
			"      - { allow: subscribe, topic: \"p/#\", share: \"any\" }\n"
			"      - { deny: subscribe, topic: \"p/x\" }\n"
			"users:\n  ann: { roles: [r], client_id: \"dev-1\", enabled: no }\n"
			"  bob: { roles: [mosquitto-admin], client_id: \"%*\" }\n"
			"  cat: { roles: [], enabled: no }\n");
	assert_string_equal(json_string_value(json_object_get(
				    json_object_get(import.document.users, "ann"), "hash")),
			    "$7$101$cw==$cA==");
	assert_notes(import.report, "dynsec: roles[1]: role r: priorities");
	assert_notes(import.report, "defaultACLAccess.publishClientSend: allowed by default");
	assert_notes(import.report, "clients[2]: clientid a\a holds a control character: disabled");
	assert_notes(import.report, "clients[0]: user ann is disabled");
}

/* Nothing is received there but what an ACL allows. */
static void receiving_that_is_denied_by_default(void **state)
{
	(void)state;
	mt_mosquitto_read_dynsec(
		&import,
		"{\"defaultACLAccess\":{\"publishClientReceive\":false},\"roles\":[{\"rolename\":"
		"\"r\",\"acls\":["
		"{\"acltype\":\"publishClientReceive\",\"topic\":\"a/#\",\"allow\":true},"
		"{\"acltype\":\"subscribePattern\",\"topic\":\"a/b\",\"allow\":true},"
		"{\"acltype\":\"subscribePattern\",\"topic\":\"#\",\"allow\":true}]}]}");
	assert_document(
		"roles:\n  r:\n    permissions:\n"
		"      - { allow: subscribe, topic: \"a/b\", share: \"any\" }\nusers: {}\n");
	assert_notes(import.report, "dynsec: roles[0].acls[2]: #: no publishClientReceive");
}

static void faulty_json(void **state)
{
	static const char *const cases[][2] = {
		{"", "dynsec:1: found no JSON object"},
		{"{\n", "found no JSON object"},
		{"[]", "found no JSON object"},
		{"[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "found no JSON object"},
		{"{\"roles\":3}", "roles: expected a list"},
		{"{\"roles\":[{}]}", "dynsec: roles[0]: role: "},
		{"{\"roles\":[{\"rolename\":\"r\",\"acls\":[{\"acltype\":\"x\",\"topic\":\"t\","
		 "\"allow\":true}]}]}",
		 "acltype x is unknown"},
		{"{\"clients\":[{\"username\":\"a\",\"roles\":[{\"rolename\":\"none\"}]}]}",
		 "there is no role none"},
	};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		mt_mosquitto_read_dynsec(&import, cases[i][0]);
		assert_notes(import.errors, cases[i][1]);
		mt_mosquitto_finish(&import);
		assert_true(mt_mosquitto_start(&import));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(passwords_and_acl),
		TEST(a_percent_is_none_of_our_variables),
		TEST(faulty_lines),
		TEST(dynamic_security),
		TEST(receiving_that_is_denied_by_default),
		TEST(faulty_json),
	};
	return cmocka_run_group_tests_name("shell_mosquitto", tests, NULL, NULL);
}
