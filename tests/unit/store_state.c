/* The state database: changes are revisions or nothing, and a damaged, foreign or newer file is
 * never opened. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "store/state.h"

#include "folder.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>

struct place {
	const char *folder;
	char path[600];
	char fault[512];
	struct mt_state *state;
};

static int setup(void **context)
{
	static struct place place;
	memset(&place, 0, sizeof(place));
	place.folder = folder_make();
	snprintf(place.path, sizeof(place.path), "%s/mortise.db", place.folder);
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

static enum mt_status open_state(struct place *place, bool create)
{
	place->fault[0] = '\0';
	return mt_state_open(place->path, create, &place->state, place->fault,
			     sizeof(place->fault));
}

static void begin(struct mt_state *state)
{
	assert_int_equal(mt_state_begin(state, "tester", "a change", 1700000000), MT_OK);
}

static void commit(struct mt_state *state)
{
	assert_int_equal(mt_state_commit(state), MT_OK);
}

static struct mt_state_user user_named(const char *name)
{
	return (struct mt_state_user){
		.name = name, .is_enabled = true, .password_hash = "", .client_id_rule = ""};
}

static uint64_t add_user(struct mt_state *state, const char *name)
{
	struct mt_state_user user = user_named(name);
	uint64_t id = 0;
	assert_int_equal(mt_state_user_add(state, &user, &id), MT_OK);
	return id;
}

/* Many rows, so that every table takes pages. */
static void fill(struct mt_state *state)
{
	char name[32], filter[64];
	uint32_t id;
	struct mt_state_rule rule = {.operation = 3,
				     .qos_mask = 7,
				     .filter = filter,
				     .share = "",
				     .network = "",
				     .listener = ""};
	begin(state);
	for (unsigned i = 0; i < 150; i++) {
		snprintf(name, sizeof(name), "r%u", i);
		snprintf(filter, sizeof(filter), "site/%u/telemetry/#", i);
		assert_int_equal(mt_state_role_add(state, name), MT_OK);
		assert_int_equal(mt_state_rule_add(state, name, &rule, &id), MT_OK);
		add_user(state, name);
		assert_int_equal(mt_state_grant(state, name, name), MT_OK);
	}
	commit(state);
}

/* What a visitor saw, as one text. */
struct seen {
	char text[4096];
	unsigned stop_after; /* 0: never */
	unsigned count;
};

static bool see(struct seen *seen, const char *name)
{
	size_t len = strlen(seen->text);
	snprintf(seen->text + len, sizeof(seen->text) - len, "%s ", name);
	return ++seen->count != seen->stop_after;
}

static bool see_name(void *context, const char *name)
{
	return see(context, name);
}

static bool see_role(void *context, const struct mt_state_role *role)
{
	return see(context, role->name);
}

static bool see_user(void *context, const struct mt_state_user *user)
{
	return see(context, user->name);
}

static void new_database_is_private_and_empty(void **context)
{
	struct place *place = *context;
	struct seen seen = {0};
	struct stat facts;
	mode_t old = umask(0);
	assert_int_equal(open_state(place, true), MT_OK);
	umask(old);
	assert_int_equal(stat(place->path, &facts), 0);
	assert_int_equal(facts.st_mode & 0777, 0600);
	assert_int_equal(mt_state_revision(place->state), 0);
	assert_int_equal(mt_state_users(place->state, see_user, &seen), MT_OK);
	assert_int_equal(mt_state_roles(place->state, see_role, &seen), MT_OK);
	assert_int_equal(seen.count, 0);
}

static void its_log_is_private_too(void **context)
{
	struct place *place = *context;
	char log[700];
	struct stat facts;
	mode_t old = umask(0);
	assert_int_equal(open_state(place, true), MT_OK);
	begin(place->state);
	add_user(place->state, "a");
	commit(place->state);
	umask(old);
	snprintf(log, sizeof(log), "%s-wal", place->path);
	assert_int_equal(stat(log, &facts), 0);
	assert_int_equal(facts.st_mode & 0777, 0600);
}

static void missing_file_is_made_on_demand_only(void **context)
{
	struct place *place = *context;
	assert_int_equal(open_state(place, false), MT_NOT_FOUND);
	assert_false(file_is_there(place->path));
	assert_string_not_equal(place->fault, "");
	assert_null(place->state);
}

static void what_is_committed_survives_reopening(void **context)
{
	struct place *place = *context;
	struct seen seen = {0};
	assert_int_equal(open_state(place, true), MT_OK);
	begin(place->state);
	add_user(place->state, "b");
	add_user(place->state, "a");
	commit(place->state);
	assert_int_equal(mt_state_revision(place->state), 1);
	mt_state_close(&place->state);
	assert_null(place->state);
	assert_int_equal(open_state(place, false), MT_OK);
	assert_int_equal(mt_state_revision(place->state), 1);
	assert_int_equal(mt_state_users(place->state, see_user, &seen), MT_OK);
	assert_string_equal(seen.text, "a b ");
}

static void what_is_rolled_back_is_nothing(void **context)
{
	struct place *place = *context;
	struct seen seen = {0};
	assert_int_equal(open_state(place, true), MT_OK);
	begin(place->state);
	add_user(place->state, "a");
	mt_state_rollback(place->state);
	mt_state_rollback(place->state);
	begin(place->state);
	add_user(place->state, "b");
	mt_state_close(&place->state);
	assert_int_equal(open_state(place, false), MT_OK);
	assert_int_equal(mt_state_revision(place->state), 0);
	assert_int_equal(mt_state_users(place->state, see_user, &seen), MT_OK);
	assert_int_equal(seen.count, 0);
}

/* A refused step leaves the rest of its transaction standing. */
static void refused_step_undoes_itself_only(void **context)
{
	struct place *place = *context;
	struct mt_state_user twice = user_named("a");
	struct seen seen = {0};
	uint64_t id = 77;
	assert_int_equal(open_state(place, true), MT_OK);
	begin(place->state);
	add_user(place->state, "a");
	assert_int_equal(mt_state_user_add(place->state, &twice, &id), MT_EXISTS);
	assert_int_equal(id, 77);
	assert_string_not_equal(mt_state_fault(place->state), "");
	add_user(place->state, "b");
	assert_string_equal(mt_state_fault(place->state), "");
	commit(place->state);
	assert_int_equal(mt_state_users(place->state, see_user, &seen), MT_OK);
	assert_string_equal(seen.text, "a b ");
}

/* The process dies in the midst of a transaction, after many committed ones. */
static void killed_process_loses_no_commit(void **context)
{
	struct place *place = *context;
	struct seen seen = {0};
	int status;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		assert_int_equal(open_state(place, true), MT_OK);
		for (unsigned i = 0; i < 5; i++) {
			char name[16];
			snprintf(name, sizeof(name), "u%u", i);
			begin(place->state);
			add_user(place->state, name);
			commit(place->state);
		}
		begin(place->state);
		add_user(place->state, "never");
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(open_state(place, false), MT_OK);
	assert_int_equal(mt_state_revision(place->state), 5);
	assert_int_equal(mt_state_users(place->state, see_user, &seen), MT_OK);
	assert_string_equal(seen.text, "u0 u1 u2 u3 u4 ");
}

static void revisions_hold_author_deed_and_time(void **context)
{
	struct place *place = *context;
	sqlite3 *db;
	sqlite3_stmt *row;
	assert_int_equal(open_state(place, true), MT_OK);
	assert_int_equal(
		mt_state_begin(place->state, "anna", "user b'); DROP TABLE users; --", 1234),
		MT_OK);
	commit(place->state);
	mt_state_close(&place->state);
	assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db,
					    "SELECT revision, author, what, time_s FROM revisions",
					    -1, &row, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(row), SQLITE_ROW);
	assert_int_equal(sqlite3_column_int(row, 0), 1);
	assert_string_equal(sqlite3_column_text(row, 1), "anna");
	assert_string_equal(sqlite3_column_text(row, 2), "user b'); DROP TABLE users; --");
	assert_int_equal(sqlite3_column_int(row, 3), 1234);
	sqlite3_finalize(row);
	sqlite3_close(db);
}

static void ids_of_users_are_never_used_again(void **context)
{
	struct place *place = *context;
	uint64_t first, second;
	assert_int_equal(open_state(place, true), MT_OK);
	begin(place->state);
	first = add_user(place->state, "a");
	assert_int_equal(mt_state_user_remove(place->state, "a"), MT_OK);
	commit(place->state);
	mt_state_close(&place->state);
	assert_int_equal(open_state(place, false), MT_OK);
	begin(place->state);
	second = add_user(place->state, "a");
	commit(place->state);
	assert_true(first > 0);
	assert_true(second > first);
}

static bool check_full_user(void *context, const struct mt_state_user *user)
{
	uint8_t token[32];
	memset(token, 0x5a, sizeof(token));
	assert_string_equal(user->name, "th-17");
	assert_false(user->is_enabled);
	assert_string_equal(user->password_hash, "$argon2id$x");
	assert_int_equal(user->token_hash.len, 32);
	assert_memory_equal(user->token_hash.data, token, 32);
	assert_string_equal(user->client_id_rule, "%u-*");
	*(uint64_t *)context = user->id;
	return true;
}

static void users_keep_every_field(void **context)
{
	struct place *place = *context;
	uint8_t token[32];
	uint64_t id, seen_id = 0;
	struct mt_state_user user = {
		.name = "th-17", .password_hash = "$argon2id$x", .client_id_rule = "%u-*"};
	memset(token, 0x5a, sizeof(token));
	user.token_hash = mt_bytes_of(token, 32);
	assert_int_equal(open_state(place, true), MT_OK);
	begin(place->state);
	assert_int_equal(mt_state_user_add(place->state, &user, &id), MT_OK);
	commit(place->state);
	assert_int_equal(mt_state_user_find(place->state, "th-17", check_full_user, &seen_id),
			 MT_OK);
	assert_int_equal(seen_id, id);
	assert_int_equal(mt_state_user_find(place->state, "TH-17", check_full_user, &seen_id),
			 MT_NOT_FOUND);
}

static bool check_cleared_user(void *context, const struct mt_state_user *user)
{
	(void)context;
	assert_true(user->is_enabled);
	assert_string_equal(user->password_hash, "");
	assert_int_equal(user->token_hash.len, 0);
	return true;
}

static void update_goes_by_id(void **context)
{
	struct place *place = *context;
	struct mt_state_user user = {.name = "a", .password_hash = "h", .client_id_rule = ""};
	assert_int_equal(open_state(place, true), MT_OK);
	begin(place->state);
	assert_int_equal(mt_state_user_add(place->state, &user, &user.id), MT_OK);
	user.is_enabled = true;
	user.password_hash = "";
	assert_int_equal(mt_state_user_update(place->state, &user), MT_OK);
	user.id += 1000;
	assert_int_equal(mt_state_user_update(place->state, &user), MT_NOT_FOUND);
	commit(place->state);
	assert_int_equal(mt_state_user_find(place->state, "a", check_cleared_user, NULL), MT_OK);
}

static void misshapen_rows_are_refused(void **context)
{
	struct place *place = *context;
	struct mt_state_user user = user_named("");
	struct mt_state_rule rule = {.operation = 3,
				     .qos_mask = 7,
				     .filter = "a",
				     .share = "",
				     .network = "",
				     .listener = ""};
	char long_name[300];
	uint64_t id;
	uint32_t rule_id;
	assert_int_equal(open_state(place, true), MT_OK);
	begin(place->state);
	assert_int_equal(mt_state_user_add(place->state, &user, &id), MT_INVALID);
	memset(long_name, 'a', sizeof(long_name));
	long_name[256] = '\0';
	user.name = long_name;
	assert_int_equal(mt_state_user_add(place->state, &user, &id), MT_INVALID);
	long_name[255] = '\0';
	assert_int_equal(mt_state_user_add(place->state, &user, &id), MT_OK);
	user = user_named("short token");
	user.token_hash = mt_bytes_of(long_name, 31);
	assert_int_equal(mt_state_user_add(place->state, &user, &id), MT_INVALID);
	assert_int_equal(mt_state_role_add(place->state, "r"), MT_OK);
	rule.qos_mask = 8;
	assert_int_equal(mt_state_rule_add(place->state, "r", &rule, &rule_id), MT_INVALID);
	rule.qos_mask = 7;
	rule.operation = 0;
	assert_int_equal(mt_state_rule_add(place->state, "r", &rule, &rule_id), MT_INVALID);
	rule.operation = 1;
	rule.filter = NULL;
	assert_int_equal(mt_state_rule_add(place->state, "r", &rule, &rule_id), MT_INVALID);
	commit(place->state);
}

static void grants_need_user_and_role(void **context)
{
	struct place *place = *context;
	struct seen seen = {0};
	uint64_t id;
	assert_int_equal(open_state(place, true), MT_OK);
	begin(place->state);
	id = add_user(place->state, "a");
	assert_int_equal(mt_state_role_add(place->state, "r"), MT_OK);
	assert_int_equal(mt_state_role_add(place->state, "r"), MT_EXISTS);
	assert_int_equal(mt_state_grant(place->state, "a", "r"), MT_OK);
	assert_int_equal(mt_state_grant(place->state, "a", "r"), MT_EXISTS);
	assert_int_equal(mt_state_grant(place->state, "a", "x"), MT_NOT_FOUND);
	assert_int_equal(mt_state_grant(place->state, "x", "r"), MT_NOT_FOUND);
	assert_int_equal(mt_state_grant(place->state, "a", "open"), MT_OK);
	assert_int_equal(mt_state_grant(place->state, "a", "admin"), MT_OK);
	assert_int_equal(mt_state_user_roles(place->state, id, see_name, &seen), MT_OK);
	assert_string_equal(seen.text, "admin open r ");
	assert_int_equal(mt_state_ungrant(place->state, "a", "open"), MT_OK);
	assert_int_equal(mt_state_ungrant(place->state, "a", "open"), MT_NOT_FOUND);
	assert_int_equal(mt_state_ungrant(place->state, "x", "r"), MT_NOT_FOUND);
	commit(place->state);
}

static void built_in_roles_have_no_row(void **context)
{
	struct place *place = *context;
	struct mt_state_rule rule = {.operation = 3,
				     .qos_mask = 7,
				     .filter = "a",
				     .share = "",
				     .network = "",
				     .listener = ""};
	uint32_t id;
	assert_int_equal(open_state(place, true), MT_OK);
	begin(place->state);
	assert_int_equal(mt_state_role_add(place->state, "open"), MT_EXISTS);
	assert_int_equal(mt_state_role_add(place->state, "admin"), MT_EXISTS);
	assert_int_equal(mt_state_role_remove(place->state, "admin"), MT_DENIED);
	assert_int_equal(mt_state_rule_add(place->state, "admin", &rule, &id), MT_NOT_FOUND);
	commit(place->state);
}

static bool count_rule(void *context, const struct mt_state_rule *rule)
{
	(void)rule;
	++*(unsigned *)context;
	return true;
}

static void held_role_stays_and_a_free_one_takes_its_rules(void **context)
{
	struct place *place = *context;
	struct mt_state_rule rule = {.operation = 3,
				     .qos_mask = 7,
				     .filter = "a",
				     .share = "",
				     .network = "",
				     .listener = ""};
	struct seen seen = {0};
	unsigned rules = 0;
	uint64_t id;
	uint32_t rule_id;
	assert_int_equal(open_state(place, true), MT_OK);
	begin(place->state);
	id = add_user(place->state, "a");
	assert_int_equal(mt_state_role_add(place->state, "r"), MT_OK);
	assert_int_equal(mt_state_rule_add(place->state, "r", &rule, &rule_id), MT_OK);
	assert_int_equal(mt_state_grant(place->state, "a", "r"), MT_OK);
	assert_int_equal(mt_state_role_remove(place->state, "r"), MT_DENIED);
	assert_int_equal(mt_state_user_remove(place->state, "a"), MT_OK);
	assert_int_equal(mt_state_user_remove(place->state, "a"), MT_NOT_FOUND);
	assert_int_equal(mt_state_user_roles(place->state, id, see_name, &seen), MT_OK);
	assert_int_equal(seen.count, 0);
	assert_int_equal(mt_state_role_remove(place->state, "r"), MT_OK);
	assert_int_equal(mt_state_role_remove(place->state, "r"), MT_NOT_FOUND);
	assert_int_equal(mt_state_rules(place->state, "r", count_rule, &rules), MT_OK);
	assert_int_equal(rules, 0);
	commit(place->state);
}

static bool check_rule(void *context, const struct mt_state_rule *rule)
{
	const struct mt_state_rule *wanted = context;
	assert_int_equal(rule->id, wanted->id);
	assert_int_equal(rule->is_deny, wanted->is_deny);
	assert_int_equal(rule->operation, wanted->operation);
	assert_int_equal(rule->qos_mask, wanted->qos_mask);
	assert_int_equal(rule->retain, wanted->retain);
	assert_true(rule->until_s == wanted->until_s);
	assert_true(rule->since_s == wanted->since_s);
	assert_string_equal(rule->listener, wanted->listener);
	assert_string_equal(rule->filter, wanted->filter);
	assert_string_equal(rule->share, wanted->share);
	assert_string_equal(rule->network, wanted->network);
	return true;
}

static void rules_keep_every_field(void **context)
{
	struct place *place = *context;
	struct mt_state_rule rule = {.is_deny = true,
				     .operation = 2,
				     .qos_mask = 5,
				     .retain = 2,
				     .until_s = 1798761600123,
				     .filter = "site/%c/+/#",
				     .share = "any",
				     .network = "10.7.0.0/16",
				     .since_s = 17,
				     .listener = "tls"};
	uint32_t id;
	assert_int_equal(open_state(place, true), MT_OK);
	begin(place->state);
	assert_int_equal(mt_state_role_add(place->state, "r"), MT_OK);
	assert_int_equal(mt_state_role_add(place->state, "s"), MT_OK);
	assert_int_equal(mt_state_rule_add(place->state, "r", &rule, &rule.id), MT_OK);
	assert_int_equal(mt_state_rule_add(place->state, "nobody", &rule, &id), MT_NOT_FOUND);
	commit(place->state);
	assert_int_equal(mt_state_rules(place->state, "r", check_rule, &rule), MT_OK);
	begin(place->state);
	assert_int_equal(mt_state_rule_remove(place->state, "s", rule.id), MT_NOT_FOUND);
	assert_int_equal(mt_state_rule_remove(place->state, "r", rule.id), MT_OK);
	assert_int_equal(mt_state_rule_remove(place->state, "r", rule.id), MT_NOT_FOUND);
	commit(place->state);
}

static void visitors_may_stop(void **context)
{
	struct place *place = *context;
	struct seen seen = {.stop_after = 2};
	assert_int_equal(open_state(place, true), MT_OK);
	begin(place->state);
	add_user(place->state, "a");
	add_user(place->state, "b");
	add_user(place->state, "c");
	commit(place->state);
	assert_int_equal(mt_state_users(place->state, see_user, &seen), MT_OK);
	assert_string_equal(seen.text, "a b ");
}

/* Refused with this status and a sentence, whether it may be made or not, and left as it is. */
static void assert_refused(struct place *place, enum mt_status wanted)
{
	size_t before = 0, after = 0;
	uint8_t *old = file_get(place->path, &before), *now;
	for (int create = 0; create < 2; create++) {
		assert_int_equal(open_state(place, create), wanted);
		assert_null(place->state);
		assert_non_null(strstr(place->fault, place->path));
	}
	now = file_get(place->path, &after);
	assert_int_equal(before, after);
	assert_memory_equal(old, now, before);
	free(old);
	free(now);
}

static uint8_t *make_sample(struct place *place, size_t *len)
{
	assert_int_equal(open_state(place, true), MT_OK);
	fill(place->state);
	mt_state_close(&place->state);
	return file_get(place->path, len);
}

static void cut_database_is_refused(void **context)
{
	struct place *place = *context;
	size_t len;
	uint8_t *sample = make_sample(place, &len);
	for (size_t i = 0; i < len; i += i < 200 ? 20 : 1009) {
		file_put(place->path, sample, i, 0600);
		assert_refused(place, MT_CORRUPT);
	}
	for (size_t i = 4096; i < len; i += 4096) {
		file_put(place->path, sample, i, 0600);
		assert_refused(place, MT_CORRUPT);
	}
	file_put(place->path, sample, len - 1, 0600);
	assert_refused(place, MT_CORRUPT);
	free(sample);
}

static void database_of_zeros_is_refused(void **context)
{
	struct place *place = *context;
	size_t len;
	uint8_t *sample = make_sample(place, &len);
	memset(sample, 0, len);
	file_put(place->path, sample, len, 0600);
	assert_refused(place, MT_CORRUPT);
	free(sample);
}

/* Repeatable noise. */
static void put_noise(uint8_t *data, size_t len)
{
	uint32_t word = 12345;
	for (size_t i = 0; i < len; i++) {
		word = word * 1664525u + 1013904223u;
		data[i] = (uint8_t)(word >> 24);
	}
}

static void noise_is_refused(void **context)
{
	struct place *place = *context;
	static uint8_t noise[70000];
	static const size_t sizes[] = {1, 99, 100, 512, 4096, 65536, 70000};
	put_noise(noise, sizeof(noise));
	for (size_t i = 0; i < MT_COUNT_OF(sizes); i++) {
		file_put(place->path, noise, sizes[i], 0600);
		assert_refused(place, MT_CORRUPT);
	}
}

static void every_lost_page_is_noticed(void **context)
{
	struct place *place = *context;
	size_t len;
	uint8_t *sample = make_sample(place, &len), page[4096];
	assert_int_equal(len % sizeof(page), 0);
	for (size_t at = 0; at < len; at += sizeof(page)) {
		memcpy(page, sample + at, sizeof(page));
		memset(sample + at, 0, sizeof(page));
		file_put(place->path, sample, len, 0600);
		assert_refused(place, MT_CORRUPT);
		put_noise(sample + at, sizeof(page));
		file_put(place->path, sample, len, 0600);
		assert_refused(place, MT_CORRUPT);
		memcpy(sample + at, page, sizeof(page));
	}
	free(sample);
}

/* No change of a byte may crash us, and one that is not noticed must leave a database that can be
 * read. */
static void changed_bytes_do_no_harm(void **context)
{
	struct place *place = *context;
	size_t len, refused = 0;
	uint8_t *sample = make_sample(place, &len);
	for (size_t at = 0; at < len; at += at < 112 ? 1 : 331) {
		struct seen seen = {0};
		sample[at] = (uint8_t)~sample[at];
		file_put(place->path, sample, len, 0600);
		if (open_state(place, true) == MT_OK)
			assert_int_equal(mt_state_users(place->state, see_user, &seen), MT_OK);
		else
			refused++;
		mt_state_close(&place->state);
		sample[at] = (uint8_t)~sample[at];
	}
	assert_true(refused > 0);
	free(sample);
}

static void alter(struct place *place, const char *sql)
{
	sqlite3 *db;
	assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void newer_format_is_refused_untouched(void **context)
{
	struct place *place = *context;
	size_t len;
	free(make_sample(place, &len));
	alter(place, "PRAGMA user_version = 4");
	assert_refused(place, MT_INVALID);
	assert_non_null(strstr(place->fault, "newer"));
}

static void foreign_databases_are_refused(void **context)
{
	struct place *place = *context;
	static const char *const deeds[] = {
		"PRAGMA application_id = 7",
		"PRAGMA user_version = 0",
		"UPDATE meta SET version = 4",
		"DELETE FROM meta",
		"DROP TABLE revisions",
		"DROP INDEX rules_by_role",
		"CREATE TABLE more (x)",
		"CREATE TRIGGER t AFTER INSERT ON users BEGIN DELETE FROM rules; END",
		"CREATE VIEW v AS SELECT 1",
		"INSERT INTO grants VALUES (999, 'admin')",
		"PRAGMA ignore_check_constraints = ON; UPDATE rules SET qos_mask = 0",
	};
	size_t len;
	uint8_t *sample = make_sample(place, &len);
	for (size_t i = 0; i < MT_COUNT_OF(deeds); i++) {
		file_put(place->path, sample, len, 0600);
		alter(place, deeds[i]);
		assert_refused(place, MT_CORRUPT);
	}
	free(sample);
}

static void file_that_others_may_use_is_refused(void **context)
{
	struct place *place = *context;
	static const mode_t modes[] = {0666, 0660, 0620, 0602, 0644, 0604, 0400};
	size_t len;
	uint8_t *sample = make_sample(place, &len);
	for (size_t i = 0; i < MT_COUNT_OF(modes); i++) {
		file_put(place->path, sample, len, modes[i]);
		assert_refused(place, MT_DENIED);
		assert_non_null(strstr(place->fault, "chmod 600"));
	}
	if (geteuid() == 0) {
		file_put(place->path, sample, len, 0600);
		assert_int_equal(chown(place->path, 1, 1), 0);
		assert_refused(place, MT_DENIED);
	}
	free(sample);
}

static void link_and_folder_are_refused(void **context)
{
	struct place *place = *context;
	char other[700];
	size_t len;
	free(make_sample(place, &len));
	snprintf(other, sizeof(other), "%s/other.db", place->folder);
	assert_int_equal(rename(place->path, other), 0);
	assert_int_equal(symlink(other, place->path), 0);
	assert_refused(place, MT_DENIED);
	assert_int_equal(unlink(place->path), 0);
	assert_int_equal(symlink("nowhere", place->path), 0);
	assert_int_equal(open_state(place, true), MT_DENIED);
	assert_int_equal(unlink(place->path), 0);
	assert_int_equal(mkdir(place->path, 0700), 0);
	assert_int_not_equal(open_state(place, true), MT_OK);
}

/* Another process has it open; the pipe tells when, and ends it. */
static void database_in_use_is_refused(void **context)
{
	struct place *place = *context;
	int ready[2], stop[2];
	char byte;
	size_t len;
	pid_t child;
	free(make_sample(place, &len));
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(stop), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(stop[1]);
		if (open_state(place, false) != MT_OK || write(ready[1], "x", 1) != 1)
			_exit(1);
		_exit(read(stop[0], &byte, 1) == 0 ? 0 : 1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(open_state(place, true), MT_SYSTEM);
	assert_null(place->state);
	assert_non_null(strstr(place->fault, "another process"));
	close(stop[1]);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(open_state(place, false), MT_OK);
	close(ready[0]);
	close(ready[1]);
	close(stop[0]);
}

static void lost_database_is_not_made_anew(void **context)
{
	struct place *place = *context;
	char log[700];
	snprintf(log, sizeof(log), "%s-wal", place->path);
	file_put(log, "x", 1, 0600);
	assert_int_equal(open_state(place, true), MT_CORRUPT);
	assert_false(file_is_there(place->path));
}

static void draft_of_a_start_cut_short_is_replaced(void **context)
{
	struct place *place = *context;
	char draft[700];
	snprintf(draft, sizeof(draft), "%s.new", place->path);
	file_put(draft, "half", 4, 0600);
	assert_int_equal(open_state(place, true), MT_OK);
	assert_false(file_is_there(draft));
}

static void no_folder_is_told(void **context)
{
	struct place *place = *context;
	snprintf(place->path, sizeof(place->path), "%s/none/mortise.db", place->folder);
	assert_int_equal(open_state(place, true), MT_SYSTEM);
	assert_non_null(strstr(place->fault, "No such file"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(new_database_is_private_and_empty),
		TEST(its_log_is_private_too),
		TEST(missing_file_is_made_on_demand_only),
		TEST(what_is_committed_survives_reopening),
		TEST(what_is_rolled_back_is_nothing),
		TEST(refused_step_undoes_itself_only),
		TEST(killed_process_loses_no_commit),
		TEST(revisions_hold_author_deed_and_time),
		TEST(ids_of_users_are_never_used_again),
		TEST(users_keep_every_field),
		TEST(update_goes_by_id),
		TEST(misshapen_rows_are_refused),
		TEST(grants_need_user_and_role),
		TEST(built_in_roles_have_no_row),
		TEST(held_role_stays_and_a_free_one_takes_its_rules),
		TEST(rules_keep_every_field),
		TEST(visitors_may_stop),
		TEST(cut_database_is_refused),
		TEST(database_of_zeros_is_refused),
		TEST(noise_is_refused),
		TEST(every_lost_page_is_noticed),
		TEST(changed_bytes_do_no_harm),
		TEST(newer_format_is_refused_untouched),
		TEST(foreign_databases_are_refused),
		TEST(file_that_others_may_use_is_refused),
		TEST(link_and_folder_are_refused),
		TEST(database_in_use_is_refused),
		TEST(lost_database_is_not_made_anew),
		TEST(draft_of_a_start_cut_short_is_replaced),
		TEST(no_folder_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
