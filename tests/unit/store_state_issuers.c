/* Issuers of JSON Web Tokens and their subjects in the state database; what going back does to
 * them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "store/state.h"

#include "folder.h"

#include <stdio.h>

static const char *folder;
static char path[600], fault[512], seen[1024];
static struct mt_state *store;
static uint64_t ann;

static void begin(void)
{
	assert_int_equal(mt_state_begin(store, "tester", "a change", 1700000000), MT_OK);
}

static void commit(void)
{
	assert_int_equal(mt_state_commit(store), MT_OK);
}

static int setup(void **state)
{
	struct mt_state_user user = {
		.name = "ann", .is_enabled = true, .password_hash = "", .client_id_rule = ""};
	(void)state;
	folder = folder_make();
	snprintf(path, sizeof(path), "%s/mortise.db", folder);
	if (mt_state_open(path, true, &store, fault, sizeof(fault)) != MT_OK)
		return -1;
	begin();
	assert_int_equal(mt_state_user_add(store, &user, &ann), MT_OK);
	commit();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mt_state_close(&store);
	folder_remove(folder);
	return 0;
}

static enum mt_status add(const char *name, const char *iss, const char *algorithms,
			  const char *key)
{
	struct mt_state_issuer row = {.name = name,
				      .algorithms = algorithms,
				      .key = mt_bytes_str(key),
				      .issuer = iss,
				      .audience = "",
				      .claim = "sub",
				      .leeway_s = 60};
	return mt_state_issuer_add(store, &row);
}

static bool note_issuer(void *context, const struct mt_state_issuer *row)
{
	size_t len = strlen(seen);
	(void)context;
	snprintf(seen + len, sizeof(seen) - len, "%s %s %s %.*s;", row->name, row->issuer,
		 row->algorithms, (int)row->key.len, (const char *)row->key.data);
	return true;
}

static bool note_subject(void *context, const struct mt_state_subject *row)
{
	size_t len = strlen(seen);
	(void)context;
	snprintf(seen + len, sizeof(seen) - len, "%s/%s=%s;", row->issuer, row->subject, row->user);
	return true;
}

static void expect_all(const char *wanted)
{
	seen[0] = '\0';
	assert_int_equal(mt_state_issuers(store, note_issuer, NULL), MT_OK);
	assert_int_equal(mt_state_subjects(store, note_subject, NULL), MT_OK);
	assert_string_equal(seen, wanted);
}

static void they_come_and_go(void **state)
{
	(void)state;
	begin();
	assert_int_equal(add("a", "https://a", "RS256", "key"), MT_OK);
	assert_int_equal(add("a", "https://b", "RS256", "key"), MT_EXISTS);
	assert_int_equal(add("b", "https://a", "RS256", "key"), MT_EXISTS);
	assert_int_equal(add("b", "https://b", "HS256", "secret"), MT_OK);
	assert_int_equal(mt_state_subject_add(store, ann, "a", "device 7"), MT_OK);
	assert_int_equal(mt_state_subject_add(store, ann, "a", "device 8"), MT_OK);
	assert_int_equal(mt_state_subject_add(store, ann, "a", "device 7"), MT_EXISTS);
	assert_int_equal(mt_state_subject_add(store, ann, "c", "x"), MT_NOT_FOUND);
	commit();
	expect_all("a https://a RS256 key;b https://b HS256 secret;a/device 7=ann;a/device 8=ann;");
	begin();
	assert_int_equal(mt_state_subject_remove(store, ann, "a", "device 7"), MT_OK);
	assert_int_equal(mt_state_subject_remove(store, ann, "a", "device 7"), MT_NOT_FOUND);
	assert_int_equal(mt_state_issuer_key(store, "b", mt_bytes_str("fresh")), MT_OK);
	assert_int_equal(mt_state_issuer_key(store, "c", mt_bytes_str("fresh")), MT_NOT_FOUND);
	expect_all("a https://a RS256 key;b https://b HS256 fresh;a/device 8=ann;");
	assert_int_equal(mt_state_issuer_remove(store, "a"), MT_OK);
	assert_int_equal(mt_state_issuer_remove(store, "a"), MT_NOT_FOUND);
	commit();
	expect_all("b https://b HS256 fresh;");
}

static void there_is_a_bound(void **state)
{
	char name[16];
	(void)state;
	begin();
	for (unsigned i = 0; i < MT_STATE_ISSUERS_MAX; i++) {
		snprintf(name, sizeof(name), "i%u", i);
		assert_int_equal(add(name, name, "RS256", "key"), MT_OK);
	}
	assert_int_equal(add("more", "more", "RS256", "key"), MT_LIMIT);
	mt_state_rollback(store);
}

static void go_back(uint64_t revision)
{
	begin();
	assert_int_equal(mt_state_undo(store, revision, 1700000001), MT_OK);
	commit();
}

/* Neither an issuer nor a former key comes back, and no key is read by other algorithms than its
 * own; a subject does, of an issuer that is there. */
static void what_was_taken_away_stays_away(void **state)
{
	uint64_t before;
	(void)state;
	begin();
	assert_int_equal(add("gone", "g", "HS256", "leaked"), MT_OK);
	assert_int_equal(add("fresh", "f", "RS256", "old"), MT_OK);
	assert_int_equal(add("other", "o", "HS256", "secret"), MT_OK);
	assert_int_equal(mt_state_subject_add(store, ann, "gone", "x"), MT_OK);
	assert_int_equal(mt_state_subject_add(store, ann, "fresh", "x"), MT_OK);
	commit();
	before = mt_state_revision(store);
	begin();
	assert_int_equal(mt_state_issuer_remove(store, "gone"), MT_OK);
	assert_int_equal(mt_state_issuer_remove(store, "other"), MT_OK);
	assert_int_equal(mt_state_issuer_key(store, "fresh", mt_bytes_str("new")), MT_OK);
	assert_int_equal(mt_state_subject_remove(store, ann, "fresh", NULL), MT_OK);
	commit();
	begin();
	assert_int_equal(add("other", "o", "RS256", "public"), MT_OK);
	commit();
	go_back(before);
	expect_all("fresh f RS256 new;fresh/x=ann;");
	/* And forth: what was added after is gone. */
	go_back(before - 1);
	expect_all("");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(they_come_and_go, setup, teardown),
		cmocka_unit_test_setup_teardown(there_is_a_bound, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_taken_away_stays_away, setup, teardown),
	};
	return cmocka_run_group_tests_name("store_state_issuers", tests, NULL, NULL);
}
