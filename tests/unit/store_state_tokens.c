/* Tokens of the admin API in the state database. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "store/state.h"

#include "folder.h"

#include <stdio.h>

static const char *folder;
static char path[600], fault[512];
static struct mt_state *store;
static const uint8_t hash[32] = {1, 2, 3};

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

static enum mt_status add(const char *name, uint8_t role)
{
	struct mt_state_api_token token = {.name = name,
					   .hash = {hash, sizeof(hash)},
					   .role = role,
					   .created_s = 1700000000,
					   .expires_s = 1800000000,
					   .author = "token:deploy"};
	return mt_state_api_token_add(store, &token);
}

static bool count(void *context, const struct mt_state_api_token *row)
{
	(void)row;
	++*(int *)context;
	return true;
}

static int count_all(void)
{
	int all = 0;
	assert_int_equal(mt_state_api_tokens(store, count, &all), MT_OK);
	return all;
}

static bool check(void *context, const struct mt_state_api_token *row)
{
	++*(int *)context;
	assert_string_equal(row->name, "ci");
	assert_int_equal(row->hash.len, 32);
	assert_memory_equal(row->hash.data, hash, 32);
	assert_int_equal(row->role, 2);
	assert_int_equal(row->created_s, 1700000000);
	assert_int_equal(row->expires_s, 1800000000);
	assert_string_equal(row->author, "token:deploy");
	return true;
}

static void test_row_comes_back_after_a_restart(void **state)
{
	int seen = 0;
	(void)state;
	begin();
	assert_int_equal(add("ci", 2), MT_OK);
	assert_int_equal(mt_state_commit(store), MT_OK);
	mt_state_close(&store);
	open_store();
	assert_int_equal(mt_state_api_tokens(store, check, &seen), MT_OK);
	assert_int_equal(seen, 1);
}

static void test_names_are_taken_once(void **state)
{
	(void)state;
	begin();
	assert_int_equal(add("ci", 2), MT_OK);
	assert_int_equal(add("ci", 3), MT_EXISTS);
	mt_state_rollback(store);
	assert_int_equal(count_all(), 0);
}

static void test_removed_is_gone(void **state)
{
	(void)state;
	begin();
	assert_int_equal(add("ci", 2), MT_OK);
	assert_int_equal(mt_state_api_token_remove(store, "c"), MT_NOT_FOUND);
	assert_int_equal(mt_state_api_token_remove(store, "ci"), MT_OK);
	assert_int_equal(mt_state_api_token_remove(store, "ci"), MT_NOT_FOUND);
	assert_int_equal(mt_state_commit(store), MT_OK);
	assert_int_equal(count_all(), 0);
}

static void test_roles_that_are_none_are_refused(void **state)
{
	(void)state;
	begin();
	assert_int_not_equal(add("zero", 0), MT_OK);
	assert_int_not_equal(add("four", 4), MT_OK);
	mt_state_rollback(store);
}

/* Who was shut out stays out, whatever is undone; and who was let in stays in. */
static void test_undoing_changes_no_token(void **state)
{
	uint64_t before = mt_state_revision(store);
	(void)state;
	begin();
	assert_int_equal(add("gone", 3), MT_OK);
	assert_int_equal(mt_state_role_add(store, "r"), MT_OK);
	assert_int_equal(mt_state_commit(store), MT_OK);
	begin();
	assert_int_equal(mt_state_api_token_remove(store, "gone"), MT_OK);
	assert_int_equal(add("ci", 2), MT_OK);
	assert_int_equal(mt_state_commit(store), MT_OK);
	begin();
	assert_int_equal(mt_state_undo(store, before, 1700000001), MT_OK);
	assert_int_equal(mt_state_role_remove(store, "r"), MT_NOT_FOUND);
	assert_int_equal(mt_state_commit(store), MT_OK);
	assert_int_equal(count_all(), 1);
	assert_int_equal(mt_state_api_tokens(store, check, &(int){0}), MT_OK);
}

static void test_there_is_an_end(void **state)
{
	char name[16];
	(void)state;
	begin();
	for (unsigned i = 0; i < MT_STATE_API_TOKENS_MAX; i++) {
		snprintf(name, sizeof(name), "t%u", i);
		assert_int_equal(add(name, 1), MT_OK);
	}
	assert_int_equal(add("more", 1), MT_LIMIT);
	mt_state_rollback(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_row_comes_back_after_a_restart),
		TEST(test_names_are_taken_once),
		TEST(test_removed_is_gone),
		TEST(test_roles_that_are_none_are_refused),
		TEST(test_undoing_changes_no_token),
		TEST(test_there_is_an_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
