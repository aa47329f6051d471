/* What changes changed: who is told to be touched, and the way back. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "store/state.h"

#include "folder.h"

#include <sqlite3.h>

#define NOW 1700000000

struct place {
	const char *folder;
	char path[600];
	struct mt_state *state;
};

static void open_state(struct place *place)
{
	char fault[512];
	assert_int_equal(mt_state_open(place->path, true, &place->state, fault, sizeof(fault)),
			 MT_OK);
}

static int setup(void **context)
{
	static struct place place;
	place = (struct place){.folder = folder_make()};
	snprintf(place.path, sizeof(place.path), "%s/mortise.db", place.folder);
	open_state(&place);
	*context = &place;
	return 0;
}

static int teardown(void **context)
{
	struct place *place = *context;
	mt_state_close(&place->state);
	folder_remove(place->folder);
	return 0;
}

static void begin(struct place *place)
{
	assert_int_equal(mt_state_begin(place->state, "tester", "a change", NOW), MT_OK);
}

static void commit(struct place *place)
{
	assert_int_equal(mt_state_commit(place->state), MT_OK);
}

static uint64_t add_user(struct place *place, const char *name, const char *hash)
{
	struct mt_state_user user = {
		.name = name, .is_enabled = true, .password_hash = hash, .client_id_rule = ""};
	uint64_t id = 0;
	assert_int_equal(mt_state_user_add(place->state, &user, &id), MT_OK);
	return id;
}

static uint32_t add_rule(struct place *place, const char *role, const char *filter)
{
	struct mt_state_rule rule = {.operation = 3,
				     .qos_mask = 7,
				     .filter = filter,
				     .share = "",
				     .network = "",
				     .listener = ""};
	uint32_t id = 0;
	assert_int_equal(mt_state_rule_add(place->state, role, &rule, &id), MT_OK);
	return id;
}

/* Everything there is, as one text. */
struct dump {
	struct mt_state *state;
	char text[4096];
	uint64_t ends; /* users whose proofs end, a bit each */
};

static void __attribute__((format(printf, 2, 3))) put(struct dump *dump, const char *format, ...)
{
	size_t len = strlen(dump->text);
	va_list list;
	va_start(list, format);
	vsnprintf(dump->text + len, sizeof(dump->text) - len, format, list);
	va_end(list);
}

static bool put_name(void *context, const char *name)
{
	put(context, " %s", name);
	return true;
}

static bool put_user(void *context, const struct mt_state_user *user)
{
	struct dump *dump = context;
	put(dump, "user %d %s %d [%s]", (int)user->id, user->name, user->is_enabled,
	    user->password_hash);
	assert_int_equal(mt_state_user_roles(dump->state, user->id, put_name, dump), MT_OK);
	put(dump, "\n");
	return true;
}

static bool put_rule(void *context, const struct mt_state_rule *rule)
{
	put(context, " %u=%s", rule->id, rule->filter);
	return true;
}

static bool put_role(void *context, const struct mt_state_role *role)
{
	struct dump *dump = context;
	put(dump, "role %s %d", role->name, role->is_filtering);
	assert_int_equal(mt_state_rules(dump->state, role->name, put_rule, dump), MT_OK);
	put(dump, "\n");
	return true;
}

static struct dump dump_of(struct place *place)
{
	struct dump dump = {.state = place->state};
	assert_int_equal(mt_state_users(place->state, put_user, &dump), MT_OK);
	assert_int_equal(mt_state_roles(place->state, put_role, &dump), MT_OK);
	return dump;
}

/* What was touched, once each, in the order in which it was told. */
struct touched {
	char text[1024];
	bool is_book, is_all;
};

static void note(struct touched *touched, const char *word)
{
	size_t len = strlen(touched->text);
	if (!strstr(touched->text, word))
		snprintf(touched->text + len, sizeof(touched->text) - len, "%s ", word);
}

static bool note_role(void *context, const char *name)
{
	note(context, name);
	return true;
}

static bool note_user(void *context, uint64_t id)
{
	char word[32];
	snprintf(word, sizeof(word), "#%d", (int)id);
	note(context, word);
	return true;
}

static struct touched touched_now(struct place *place)
{
	struct touched touched = {{0}, false, false};
	struct mt_state_touch visit = {note_role, note_user, &touched};
	unsigned what;
	assert_int_equal(mt_state_touched(place->state, &visit, &what), MT_OK);
	touched.is_book = what & MT_TOUCHED_BOOK;
	touched.is_all = what & MT_TOUCHED_ALL;
	return touched;
}

static void who_is_touched_is_told(void **context)
{
	struct place *place = *context;
	struct touched touched;
	uint32_t rule;
	uint64_t ann;
	begin(place);
	touched = touched_now(place);
	assert_string_equal(touched.text, "");
	assert_false(touched.is_book || touched.is_all);
	ann = add_user(place, "ann", "h1");
	assert_string_equal(touched_now(place).text, "#1 ");
	assert_true(touched_now(place).is_book);
	assert_int_equal(mt_state_role_add(place->state, "r"), MT_OK);
	assert_non_null(strstr(touched_now(place).text, "r "));
	commit(place);
	begin(place);
	rule = add_rule(place, "r", "a/#");
	touched = touched_now(place);
	assert_string_equal(touched.text, "r ");
	assert_false(touched.is_book || touched.is_all);
	commit(place);
	begin(place);
	assert_int_equal(mt_state_rule_remove(place->state, "r", rule), MT_OK);
	assert_string_equal(touched_now(place).text, "r ");
	commit(place);
	begin(place);
	assert_int_equal(mt_state_role_update(place->state, &(struct mt_state_role){"r", true}),
			 MT_OK);
	assert_string_equal(touched_now(place).text, "r ");
	commit(place);
	begin(place);
	assert_int_equal(mt_state_grant(place->state, "ann", "r"), MT_OK);
	assert_string_equal(touched_now(place).text, "#1 ");
	commit(place);
	begin(place);
	assert_int_equal(
		mt_state_user_update(place->state, &(struct mt_state_user){.id = ann,
									   .name = "ann",
									   .is_enabled = true,
									   .password_hash = "h2",
									   .client_id_rule = ""}),
		MT_OK);
	assert_string_equal(touched_now(place).text, "#1 ");
	commit(place);
	begin(place);
	assert_int_equal(mt_state_user_remove(place->state, "ann"), MT_OK);
	assert_string_equal(touched_now(place).text, "#1 ");
	assert_true(touched_now(place).is_book);
	commit(place);
}

static bool note_end(void *context, uint64_t id, int64_t not_before_s)
{
	struct dump *dump = context;
	assert_int_equal(not_before_s, NOW + 5);
	dump->ends |= UINT64_C(1) << id;
	return true;
}

static void undoing_brings_back_all_but_secrets(void **context)
{
	struct place *place = *context;
	struct dump before, after, end = {.state = place->state};
	uint64_t revision;
	uint32_t rule;
	begin(place);
	add_user(place, "ann", "h1");
	add_user(place, "bob", "h2");
	assert_int_equal(mt_state_role_add(place->state, "r"), MT_OK);
	rule = add_rule(place, "r", "a/#");
	assert_int_equal(mt_state_grant(place->state, "ann", "r"), MT_OK);
	assert_int_equal(mt_state_grant(place->state, "bob", "open"), MT_OK);
	commit(place);
	before = dump_of(place);
	revision = mt_state_revision(place->state);
	begin(place);
	assert_int_equal(mt_state_user_remove(place->state, "ann"), MT_OK);
	commit(place);
	begin(place);
	assert_int_equal(mt_state_rule_remove(place->state, "r", rule), MT_OK);
	assert_int_equal(mt_state_role_remove(place->state, "r"), MT_OK);
	add_user(place, "ann", "h3");
	commit(place);
	begin(place);
	commit(place); /* nothing */
	begin(place);
	assert_int_equal(mt_state_undo(place->state, revision, NOW + 5), MT_OK);
	assert_non_null(strstr(touched_now(place).text, "#1"));
	assert_non_null(strstr(touched_now(place).text, "#3"));
	commit(place);
	after = dump_of(place);
	assert_string_equal(after.text,
			    "user 1 ann 1 [] r\nuser 2 bob 1 [h2] open\nrole r 0 1=a/#\n");
	assert_string_equal(before.text,
			    "user 1 ann 1 [h1] r\nuser 2 bob 1 [h2] open\nrole r 0 1=a/#\n");
	assert_int_equal(mt_state_user_ends(place->state, note_end, &end), MT_OK);
	assert_int_equal(end.ends, 2);
	/* And back again: undoing is a change like others. */
	begin(place);
	assert_int_equal(mt_state_undo(place->state, mt_state_revision(place->state) - 1, NOW + 5),
			 MT_OK);
	commit(place);
	assert_string_equal(dump_of(place).text, "user 3 ann 1 []\nuser 2 bob 1 [h2] open\n");
}

static void what_is_not_kept_is_not_undone(void **context)
{
	struct place *place = *context;
	sqlite3 *db;
	char before[4096];
	begin(place);
	add_user(place, "ann", "h1");
	commit(place);
	begin(place);
	add_user(place, "bob", "h1");
	commit(place);
	memcpy(before, dump_of(place).text, sizeof(before));
	mt_state_close(&place->state);
	assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "UPDATE revisions SET changes = NULL WHERE revision = 1",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(db);
	open_state(place);
	begin(place);
	assert_int_equal(mt_state_undo(place->state, 0, NOW), MT_NOT_FOUND);
	assert_non_null(strstr(mt_state_fault(place->state), "revision 1"));
	mt_state_rollback(place->state);
	assert_string_equal(dump_of(place).text, before);
	begin(place);
	assert_int_equal(mt_state_undo(place->state, 3, NOW), MT_NOT_FOUND);
	assert_int_equal(mt_state_undo(place->state, 1, NOW), MT_OK);
	commit(place);
	assert_string_equal(dump_of(place).text, "user 1 ann 1 [h1]\n");
}

static void damaged_history_changes_nothing(void **context)
{
	struct place *place = *context;
	sqlite3 *db;
	char before[4096];
	begin(place);
	add_user(place, "ann", "h1");
	commit(place);
	begin(place);
	add_user(place, "bob", "h1");
	commit(place);
	memcpy(before, dump_of(place).text, sizeof(before));
	mt_state_close(&place->state);
	assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
				      "UPDATE revisions SET changes = (SELECT changes FROM "
				      "revisions WHERE revision = 1) WHERE revision = 2;"
				      "UPDATE users SET name = 'eve' WHERE id = 1",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(db);
	open_state(place);
	begin(place);
	assert_int_equal(mt_state_undo(place->state, 1, NOW), MT_CORRUPT);
	mt_state_rollback(place->state);
	assert_non_null(strstr(dump_of(place).text, "eve"));
	assert_non_null(strstr(dump_of(place).text, "bob"));
}

/* Another hash of the same password is no change of the policy. */
static void a_hash_is_replaced_if_it_is_still_that_one(void **context)
{
	struct place *place = *context;
	uint64_t ann;
	begin(place);
	ann = add_user(place, "ann", "h1");
	commit(place);
	assert_int_equal(mt_state_hash_replace(place->state, ann, mt_bytes_str("h0"), "h2"),
			 MT_NOT_FOUND);
	assert_string_equal(dump_of(place).text, "user 1 ann 1 [h1]\n");
	assert_int_equal(mt_state_hash_replace(place->state, ann, mt_bytes_str("h1"), "h2"), MT_OK);
	assert_string_equal(dump_of(place).text, "user 1 ann 1 [h2]\n");
	assert_int_equal(mt_state_revision(place->state), 1);
	assert_int_equal(mt_state_hash_replace(place->state, ann, mt_bytes_str("h1"), "h3"),
			 MT_NOT_FOUND);
	assert_int_equal(mt_state_hash_replace(place->state, 99, mt_bytes_str("h1"), "h3"),
			 MT_NOT_FOUND);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(who_is_touched_is_told),
		TEST(a_hash_is_replaced_if_it_is_still_that_one),
		TEST(undoing_brings_back_all_but_secrets),
		TEST(what_is_not_kept_is_not_undone),
		TEST(damaged_history_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
