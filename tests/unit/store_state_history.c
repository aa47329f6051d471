/* The history of the state database: what revisions changed, going back, and confirmation. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "store/state_history.h"

#include "folder.h"

#include <stdio.h>
#include <stdlib.h>

static const char *folder;
static char path[600], fault[512];
static struct mt_state *store;

static void open_store(void)
{
	if (mt_state_open(path, true, &store, fault, sizeof(fault)) != MT_OK)
		fail_msg("%s", fault);
}

static int setup(void **state)
{
	(void)state;
	folder = folder_make();
	snprintf(path, sizeof(path), "%s/mortise.db", folder);
	open_store();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mt_state_close(&store);
	folder_remove(folder);
	return 0;
}

static void begin(void)
{
	assert_int_equal(mt_state_begin(store, "tester", "a change", 1700000000), MT_OK);
}

static void commit(void)
{
	assert_int_equal(mt_state_commit(store), MT_OK);
}

static uint64_t add_user(const char *name)
{
	struct mt_state_user user = {
		.name = name, .is_enabled = true, .password_hash = "secret", .client_id_rule = ""};
	uint64_t id = 0;
	assert_int_equal(mt_state_user_add(store, &user, &id), MT_OK);
	return id;
}

static uint32_t add_rule(const char *role, const char *filter)
{
	struct mt_state_rule rule = {.operation = 3,
				     .qos_mask = 7,
				     .filter = filter,
				     .share = "",
				     .network = "",
				     .listener = ""};
	uint32_t id = 0;
	assert_int_equal(mt_state_rule_add(store, role, &rule, &id), MT_OK);
	return id;
}

/* ---- everything as one text ---- */

static char seen[4096];

static void MT_FORMAT(1, 2) add(const char *format, ...)
{
	size_t len = strlen(seen);
	va_list list;
	va_start(list, format);
	vsnprintf(seen + len, sizeof(seen) - len, format, list);
	va_end(list);
}

static bool see_rule(void *context, const struct mt_state_rule *rule)
{
	(void)context;
	add(" %u:%s", rule->id, rule->filter);
	return true;
}

static bool see_role(void *context, const struct mt_state_role *role)
{
	(void)context;
	add("[%s%s", role->name, role->is_filtering ? "~" : "");
	assert_int_equal(mt_state_rules(store, role->name, see_rule, NULL), MT_OK);
	add("]");
	return true;
}

static bool see_grant(void *context, const char *role)
{
	(void)context;
	add(" %s", role);
	return true;
}

static bool see_user(void *context, const struct mt_state_user *user)
{
	(void)context;
	add("(%d %s%s%s", (int)user->id, user->name, user->is_enabled ? "" : " off",
	    *user->password_hash ? " password" : "");
	assert_int_equal(mt_state_user_roles(store, user->id, see_grant, NULL), MT_OK);
	add(")");
	return true;
}

static bool see_name(void *context, const struct mt_state_certificate_name *row)
{
	(void)context;
	add("<%d %s>", (int)row->user_id, row->name);
	return true;
}

static bool see_end(void *context, uint64_t user_id, int64_t not_before_s)
{
	(void)context;
	add("!%d/%d", (int)user_id, (int)not_before_s);
	return true;
}

static const char *everything(void)
{
	seen[0] = '\0';
	assert_int_equal(mt_state_roles(store, see_role, NULL), MT_OK);
	assert_int_equal(mt_state_users(store, see_user, NULL), MT_OK);
	assert_int_equal(mt_state_certificate_names(store, see_name, NULL), MT_OK);
	return seen;
}

static const char *ends(void)
{
	seen[0] = '\0';
	assert_int_equal(mt_state_user_ends(store, see_end, NULL), MT_OK);
	return seen;
}

static void go_back(uint64_t revision, int64_t now_s)
{
	begin();
	if (mt_state_undo(store, revision, now_s) != MT_OK)
		fail_msg("%s", mt_state_fault(store));
	commit();
}

/* 1: role dev with a rule; 2: ann holds it; 3: ann goes. */
static void make_three(void)
{
	begin();
	assert_int_equal(mt_state_role_add(store, "dev"), MT_OK);
	add_rule("dev", "a/#");
	commit();
	begin();
	assert_int_equal(
		mt_state_certificate_name_add(store, add_user("ann"), "CN", mt_bytes_of(NULL, 0)),
		MT_OK);
	assert_int_equal(mt_state_grant(store, "ann", "dev"), MT_OK);
	commit();
	begin();
	assert_int_equal(mt_state_user_remove(store, "ann"), MT_OK);
	commit();
}

static void test_back_and_forth(void **state)
{
	(void)state;
	make_three();
	assert_string_equal(everything(), "[dev 1:a/#]");
	go_back(0, 50);
	assert_string_equal(everything(), "");
	go_back(1, 60);
	assert_string_equal(everything(), "[dev 1:a/#]");
	assert_int_equal(mt_state_revision(store), 5);
	go_back(3, 70); /* what it is already */
	assert_string_equal(everything(), "[dev 1:a/#]");
}

static void test_who_comes_back_has_no_secret(void **state)
{
	(void)state;
	make_three();
	go_back(2, 1700000100);
	assert_string_equal(everything(), "[dev 1:a/#](1 ann dev)<1 CN>");
	assert_string_equal(ends(), "!1/1700000100");
	/* An id of its own for whoever is new. */
	begin();
	assert_int_equal(add_user("eve"), 2);
	commit();
}

static void test_a_name_that_was_taken_since(void **state)
{
	(void)state;
	make_three();
	begin();
	assert_int_equal(add_user("ann"), 2);
	commit();
	go_back(2, 80);
	assert_string_equal(everything(), "[dev 1:a/#](1 ann dev)<1 CN>");
	go_back(4, 90);
	assert_string_equal(everything(), "[dev 1:a/#](2 ann)");
}

static void test_a_password_is_never_brought_back(void **state)
{
	struct mt_state_user user = {
		.name = "ann", .is_enabled = true, .password_hash = "", .client_id_rule = "new"};
	(void)state;
	begin();
	user.id = add_user("ann");
	commit();
	begin();
	assert_int_equal(mt_state_user_update(store, &user), MT_OK);
	commit();
	go_back(1, 10);
	assert_string_equal(everything(), "(1 ann)");
	assert_string_equal(ends(), "");
}

static void test_shut_out_again(void **state)
{
	struct mt_state_user user = {.name = "ann", .password_hash = "x", .client_id_rule = ""};
	(void)state;
	begin();
	user.id = add_user("ann");
	commit();
	begin();
	assert_int_equal(mt_state_user_update(store, &user), MT_OK);
	commit();
	begin();
	user.is_enabled = true;
	assert_int_equal(mt_state_user_update(store, &user), MT_OK);
	commit();
	go_back(2, 1700000200);
	assert_string_equal(everything(), "(1 ann off password)");
	assert_string_equal(ends(), "!1/1700000200");
}

static bool see_certificate(void *context, const struct mt_state_certificate *row)
{
	(void)context;
	add("%s/%d", row->serial, (int)row->revoked_s);
	return true;
}

static void test_certificates_of_who_goes(void **state)
{
	static const uint8_t print[32] = {1};
	struct mt_state_certificate certificate = {
		.serial = "0A", .user = "ann", .fingerprint = mt_bytes_of(print, 32)};
	(void)state;
	begin();
	certificate.user_id = add_user("ann");
	assert_int_equal(mt_state_certificate_add(store, &certificate), MT_OK);
	commit();
	go_back(0, 1234);
	go_back(1, 1235);
	seen[0] = '\0';
	assert_int_equal(mt_state_certificates(store, see_certificate, NULL), MT_OK);
	assert_string_equal(seen, "0A/1234");
}

static void test_role_in_place(void **state)
{
	struct mt_state_role role = {.name = "dev", .is_filtering = true};
	(void)state;
	make_three();
	begin();
	assert_int_equal(mt_state_role_update(store, &role), MT_OK);
	commit();
	assert_string_equal(everything(), "[dev~ 1:a/#]");
	go_back(3, 10);
	assert_string_equal(everything(), "[dev 1:a/#]");
}

static void test_the_future_and_the_forgotten(void **state)
{
	(void)state;
	make_three();
	begin();
	assert_int_equal(mt_state_undo(store, 4, 10), MT_NOT_FOUND);
	mt_state_rollback(store);
	mt_state_history_limit(store, 2, 0);
	begin();
	commit();
	begin();
	assert_int_equal(mt_state_undo(store, 1, 10), MT_NOT_FOUND);
	assert_non_null(strstr(mt_state_fault(store), "not kept"));
	mt_state_rollback(store);
	assert_string_equal(everything(), "[dev 1:a/#]");
	go_back(2, 10);
	assert_string_equal(everything(), "[dev 1:a/#](1 ann dev)<1 CN>");
	mt_state_history_limit(store, 0, 9);
	begin();
	commit();
	begin();
	assert_int_equal(mt_state_undo(store, 4, 10), MT_NOT_FOUND);
	mt_state_rollback(store);
}

static bool see_revision(void *context, const struct mt_state_revision *row)
{
	(void)context;
	assert_string_equal(row->author, "tester");
	assert_string_equal(row->what, "a change");
	assert_int_equal(row->time_s, 1700000000);
	add("%d%s ", (int)row->revision, row->has_changes ? "+" : "");
	return true;
}

static const char *revisions(void)
{
	seen[0] = '\0';
	assert_int_equal(mt_state_revisions(store, see_revision, NULL), MT_OK);
	return seen;
}

static void test_revisions(void **state)
{
	(void)state;
	make_three();
	mt_state_history_limit(store, 3, 0);
	begin();
	commit();
	assert_string_equal(revisions(), "4+ 3+ 2+ 1 ");
	mt_state_close(&store);
	open_store();
	mt_state_history_limit(store, 3, 0);
	begin();
	add_user("bob");
	mt_state_rollback(store);
	assert_string_equal(revisions(), "4+ 3+ 2+ 1 ");
	begin();
	add_user("bob");
	commit();
	assert_string_equal(revisions(), "5+ 4+ 3+ 2 1 ");
}

static void test_what_does_not_fit_is_not_undone(void **state)
{
	(void)state;
	make_three();
	begin();
	assert_int_equal(add_user("ann"), 2);
	assert_int_equal(mt_state_undo(store, 2, 10), MT_CORRUPT);
	mt_state_rollback(store);
	assert_string_equal(everything(), "[dev 1:a/#]");
}

static void test_confirmation(void **state)
{
	struct mt_state_confirmation waits;
	(void)state;
	make_three();
	assert_int_equal(mt_state_confirmation(store, &waits), MT_NOT_FOUND);
	begin();
	add_user("bob");
	assert_int_equal(mt_state_confirmation_await(store, 777), MT_OK);
	assert_int_equal(mt_state_confirmation_await(store, 778), MT_EXISTS);
	commit();
	mt_state_close(&store);
	open_store();
	assert_int_equal(mt_state_confirmation(store, &waits), MT_OK);
	assert_int_equal(waits.revision, 4);
	assert_int_equal(waits.back_to, 3);
	assert_int_equal(waits.due_s, 777);
	begin();
	assert_int_equal(mt_state_confirmation_end(store), MT_OK);
	assert_int_equal(mt_state_confirmation_end(store), MT_NOT_FOUND);
	commit();
	assert_int_equal(mt_state_confirmation(store, &waits), MT_NOT_FOUND);
}

/* Most fit; the others are refused and change nothing. */
static void change_something(unsigned *seed, const char *name, const char *role)
{
	struct mt_state_user user = {.name = name, .password_hash = "", .client_id_rule = ""};
	struct mt_state_rule rule = {.operation = 1,
				     .qos_mask = 7,
				     .filter = name,
				     .share = "",
				     .network = "",
				     .listener = ""};
	uint64_t id;
	uint32_t rule_id;
	enum mt_status results[7];
	int which = rand_r(seed) % 7;
	if (which == 0)
		results[0] = mt_state_user_add(store, &user, &id);
	else if (which == 1)
		results[1] = mt_state_user_remove(store, name);
	else if (which == 2)
		results[2] = mt_state_role_add(store, role);
	else if (which == 3)
		results[3] = mt_state_role_remove(store, role);
	else if (which == 4)
		results[4] = mt_state_grant(store, name, role);
	else if (which == 5)
		results[5] = mt_state_ungrant(store, name, role);
	else
		results[6] = mt_state_rule_add(store, role, &rule, &rule_id);
	assert_true(results[which] == MT_OK || results[which] == MT_EXISTS ||
		    results[which] == MT_NOT_FOUND || results[which] == MT_DENIED);
}

/* Random changes; every former state can be had again. */
static void test_any_way_back(void **state)
{
	enum { CHANGES = 60 };
	char *was[CHANGES + 1];
	unsigned seed = 7;
	(void)state;
	was[0] = strdup("");
	for (int i = 1; i <= CHANGES; i++) {
		char name[16], role[16];
		snprintf(name, sizeof(name), "u%d", rand_r(&seed) % 4);
		snprintf(role, sizeof(role), "r%d", rand_r(&seed) % 4);
		begin();
		for (int step = 0; step < 4; step++)
			change_something(&seed, name, role);
		commit();
		was[i] = strdup(everything());
	}
	for (int i = 0; i < 40; i++) {
		int to = rand_r(&seed) % (CHANGES + 1);
		go_back((uint64_t)to, 10);
		assert_string_equal(everything(), was[to]);
	}
	for (int i = 0; i <= CHANGES; i++)
		free(was[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_back_and_forth),
		TEST(test_who_comes_back_has_no_secret),
		TEST(test_a_name_that_was_taken_since),
		TEST(test_a_password_is_never_brought_back),
		TEST(test_shut_out_again),
		TEST(test_certificates_of_who_goes),
		TEST(test_role_in_place),
		TEST(test_the_future_and_the_forgotten),
		TEST(test_revisions),
		TEST(test_what_does_not_fit_is_not_undone),
		TEST(test_confirmation),
		TEST(test_any_way_back),
	};
	return cmocka_run_group_tests_name("store_state_history", tests, NULL, NULL);
}
