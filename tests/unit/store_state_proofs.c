/* Certificates, keys and ends in the state database, and the way there from its first format. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "store/state.h"

#include "folder.h"

#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *folder;
static char path[600], fault[512];
static struct mt_state *store;
static uint64_t ann;

static const uint8_t key[16] = {1, 2, 3}, other_key[32] = {4}, print[32] = {5}, issuer[32] = {6};

static void open_store(void)
{
	if (mt_state_open(path, true, &store, fault, sizeof(fault)) != MT_OK)
		fail_msg("%s", fault);
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
		.name = name, .is_enabled = true, .password_hash = "", .client_id_rule = ""};
	uint64_t id = 0;
	assert_int_equal(mt_state_user_add(store, &user, &id), MT_OK);
	return id;
}

static int setup(void **state)
{
	(void)state;
	folder = folder_make();
	snprintf(path, sizeof(path), "%s/mortise.db", folder);
	open_store();
	begin();
	ann = add_user("ann");
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

static char seen[512];

static bool see_name(void *context, const struct mt_state_certificate_name *row)
{
	size_t len = strlen(seen);
	(void)context;
	snprintf(seen + len, sizeof(seen) - len, "%s/%zu/%d ", row->name, row->issuer.len,
		 (int)row->user_id);
	return true;
}

static bool see_key(void *context, const struct mt_state_psk *row)
{
	size_t len = strlen(seen);
	(void)context;
	snprintf(seen + len, sizeof(seen) - len, "%s/%zu/%d ", row->user, row->key.len,
		 row->is_enabled);
	return true;
}

static bool see_scram(void *context, const struct mt_state_scram *row)
{
	size_t len = strlen(seen);
	(void)context;
	assert_int_equal(row->salt.len, 16);
	assert_int_equal(row->server_key.len, 32);
	snprintf(seen + len, sizeof(seen) - len, "%s/%d/%u/%02x ", row->user, (int)row->user_id,
		 row->iterations, row->stored_key.data[0]);
	return true;
}

static bool see_certificate(void *context, const struct mt_state_certificate *row)
{
	size_t len = strlen(seen);
	(void)context;
	assert_int_equal(row->fingerprint.len, 32);
	snprintf(seen + len, sizeof(seen) - len, "%s/%s/%d ", row->serial, row->user,
		 (int)row->revoked_s);
	return true;
}

static bool see_end(void *context, uint64_t user_id, int64_t not_before_s)
{
	size_t len = strlen(seen);
	(void)context;
	snprintf(seen + len, sizeof(seen) - len, "%d/%d ", (int)user_id, (int)not_before_s);
	return true;
}

static const char *names(void)
{
	seen[0] = '\0';
	assert_int_equal(mt_state_certificate_names(store, see_name, NULL), MT_OK);
	return seen;
}

static const char *keys(void)
{
	seen[0] = '\0';
	assert_int_equal(mt_state_psks(store, see_key, NULL), MT_OK);
	return seen;
}

static const char *scrams(void)
{
	seen[0] = '\0';
	assert_int_equal(mt_state_scrams(store, see_scram, NULL), MT_OK);
	return seen;
}

static const char *certificates(void)
{
	seen[0] = '\0';
	assert_int_equal(mt_state_certificates(store, see_certificate, NULL), MT_OK);
	return seen;
}

static const char *ends(void)
{
	seen[0] = '\0';
	assert_int_equal(mt_state_user_ends(store, see_end, NULL), MT_OK);
	return seen;
}

static void test_names(void **state)
{
	struct mt_bytes from = mt_bytes_of(issuer, 32), any = mt_bytes_of(NULL, 0);
	(void)state;
	begin();
	assert_int_equal(mt_state_certificate_name_add(store, ann, "ann", from), MT_OK);
	assert_int_equal(mt_state_certificate_name_add(store, ann, "ann", from), MT_EXISTS);
	assert_int_equal(mt_state_certificate_name_add(store, ann, "ann", any), MT_OK);
	assert_int_equal(mt_state_certificate_name_add(store, 99, "bob", any), MT_NOT_FOUND);
	assert_int_equal(mt_state_certificate_name_add(store, ann, "", any), MT_INVALID);
	commit();
	assert_string_equal(names(), "ann/0/1 ann/32/1 ");
	begin();
	assert_int_equal(mt_state_certificate_name_remove(store, ann, "bob"), MT_NOT_FOUND);
	assert_int_equal(mt_state_certificate_name_remove(store, ann, "ann"), MT_OK);
	commit();
	assert_string_equal(names(), "");
}

static void test_scram(void **state)
{
	static const uint8_t bytes[32] = {1}, others[32] = {2};
	struct mt_state_scram row = {.user_id = ann,
				     .iterations = 4096,
				     .salt = mt_bytes_of(bytes, 16),
				     .stored_key = mt_bytes_of(bytes, 32),
				     .server_key = mt_bytes_of(bytes, 32)};
	(void)state;
	assert_int_equal(mt_state_scram_has(store, ann), MT_NOT_FOUND);
	begin();
	assert_int_equal(mt_state_scram_set(store, &row), MT_OK);
	row.iterations = 5000;
	row.stored_key = mt_bytes_of(others, 32);
	assert_int_equal(mt_state_scram_set(store, &row), MT_OK);
	row.user_id = 99;
	assert_int_equal(mt_state_scram_set(store, &row), MT_NOT_FOUND);
	row.user_id = ann;
	row.iterations = 4095;
	assert_int_equal(mt_state_scram_set(store, &row), MT_INVALID);
	row.iterations = 5000;
	row.salt.len = 15;
	assert_int_equal(mt_state_scram_set(store, &row), MT_INVALID);
	commit();
	assert_int_equal(mt_state_scram_has(store, ann), MT_OK);
	assert_string_equal(scrams(), "ann/1/5000/02 ");
	begin();
	assert_int_equal(mt_state_scram_remove(store, ann), MT_OK);
	assert_int_equal(mt_state_scram_remove(store, ann), MT_NOT_FOUND);
	commit();
	assert_string_equal(scrams(), "");
	begin();
	row.salt.len = 16;
	assert_int_equal(mt_state_scram_set(store, &row), MT_OK);
	assert_int_equal(mt_state_user_remove(store, "ann"), MT_OK);
	commit();
	assert_string_equal(scrams(), "");
}

static void test_keys(void **state)
{
	(void)state;
	begin();
	assert_int_equal(mt_state_psk_set(store, ann, mt_bytes_of(key, 16)), MT_OK);
	assert_int_equal(mt_state_psk_set(store, ann, mt_bytes_of(other_key, 32)), MT_OK);
	assert_int_equal(mt_state_psk_set(store, ann, mt_bytes_of(key, 3)), MT_INVALID);
	assert_int_equal(mt_state_psk_set(store, 99, mt_bytes_of(key, 16)), MT_NOT_FOUND);
	commit();
	assert_string_equal(keys(), "ann/32/1 ");
	begin();
	assert_int_equal(mt_state_psk_remove(store, ann), MT_OK);
	assert_int_equal(mt_state_psk_remove(store, ann), MT_NOT_FOUND);
	commit();
	assert_string_equal(keys(), "");
}

static void add_certificate(const char *serial)
{
	struct mt_state_certificate row = {.serial = serial,
					   .user_id = ann,
					   .user = "ann",
					   .fingerprint = mt_bytes_of(print, 32),
					   .issued_s = 1,
					   .not_after_s = 2};
	assert_int_equal(mt_state_certificate_add(store, &row), MT_OK);
	assert_int_equal(mt_state_certificate_add(store, &row), MT_EXISTS);
}

static void test_certificates(void **state)
{
	(void)state;
	begin();
	add_certificate("0A");
	add_certificate("0B");
	add_certificate("0C");
	assert_int_equal(mt_state_certificate_revoke(store, "0A", 77), MT_OK);
	assert_int_equal(mt_state_certificate_revoke(store, "0A", 78), MT_NOT_FOUND);
	assert_int_equal(mt_state_certificate_revoke(store, "0D", 78), MT_NOT_FOUND);
	commit();
	assert_string_equal(certificates(), "0A/ann/77 0B/ann/0 0C/ann/0 ");
	begin();
	assert_int_equal(mt_state_certificates_revoke(store, ann, 80), MT_OK);
	assert_int_equal(mt_state_certificates_revoke(store, 99, 80), MT_OK);
	commit();
	assert_string_equal(certificates(), "0A/ann/77 0B/ann/80 0C/ann/80 ");
}

/* What goes with its user, and what stays. */
static void test_a_user_goes(void **state)
{
	(void)state;
	begin();
	assert_int_equal(mt_state_certificate_name_add(store, ann, "ann", mt_bytes_of(NULL, 0)),
			 MT_OK);
	assert_int_equal(mt_state_psk_set(store, ann, mt_bytes_of(key, 16)), MT_OK);
	add_certificate("0A");
	assert_int_equal(mt_state_user_end(store, ann, 50), MT_OK);
	commit();
	begin();
	assert_int_equal(mt_state_user_remove(store, "ann"), MT_OK);
	commit();
	assert_string_equal(names(), "");
	assert_string_equal(keys(), "");
	assert_string_equal(ends(), "");
	assert_string_equal(certificates(), "0A/ann/0 ");
}

static void test_the_later_end_holds(void **state)
{
	(void)state;
	begin();
	assert_int_equal(mt_state_user_end(store, ann, 50), MT_OK);
	assert_int_equal(mt_state_user_end(store, ann, 40), MT_OK);
	assert_int_equal(mt_state_user_end(store, 99, 40), MT_NOT_FOUND);
	commit();
	assert_string_equal(ends(), "1/50 ");
	begin();
	assert_int_equal(mt_state_user_end(store, ann, 60), MT_OK);
	commit();
	assert_string_equal(ends(), "1/60 ");
}

/* A file as a former version left it: its tables, and some rows. */
static void make_old(int format, const char *more)
{
	char name[64], sql[8192] = "";
	sqlite3 *db = NULL;
	FILE *file;
	mt_state_close(&store);
	assert_int_equal(unlink(path), 0);
	snprintf(name, sizeof(name), "tests/vectors/state/format-%d.sql", format);
	file = fopen(name, "r");
	assert_non_null(file);
	assert_true(fread(sql, 1, sizeof(sql) - 1, file) > 0);
	fclose(file);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, more, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_int_equal(chmod(path, 0600), 0);
}

static bool see_user(void *context, const struct mt_state_user *user)
{
	size_t len = strlen(seen);
	(void)context;
	snprintf(seen + len, sizeof(seen) - len, "%llu/%s/%d/%s/%zu/%s ",
		 (unsigned long long)user->id, user->name, user->is_enabled, user->password_hash,
		 user->token_hash.len, user->client_id_rule);
	return true;
}

static bool see_rule(void *context, const struct mt_state_rule *rule)
{
	size_t len = strlen(seen);
	(void)context;
	snprintf(seen + len, sizeof(seen) - len, "%u/%d/%u/%u/%u/%lld/%lld/%s/%s/%s/[%s]", rule->id,
		 rule->is_deny, rule->operation, rule->qos_mask, rule->retain,
		 (long long)rule->since_s, (long long)rule->until_s, rule->filter, rule->share,
		 rule->network, rule->listener);
	return true;
}

static bool see_role(void *context, const struct mt_state_role *role)
{
	size_t len = strlen(seen);
	(void)context;
	snprintf(seen + len, sizeof(seen) - len, "%s/%d ", role->name, role->is_filtering);
	return true;
}

static void test_former_formats_are_brought_along(void **state)
{
	(void)state;
	for (int format = 1; format <= 2; format++) {
		make_old(format, "");
		for (int again = 0; again < 2; again++) {
			open_store();
			assert_int_equal(mt_state_revision(store), 1);
			seen[0] = '\0';
			assert_int_equal(mt_state_users(store, see_user, NULL), MT_OK);
			assert_int_equal(mt_state_roles(store, see_role, NULL), MT_OK);
			assert_int_equal(mt_state_rules(store, "thermostat", see_rule, NULL),
					 MT_OK);
			assert_string_equal(seen, "1/ann/1/$argon2id$x/0/ 3/th-17/0//32/%u-* "
						  "thermostat/0 4/1/2/5/2/0/1798761600/site/%c/#/"
						  "any/10.7.0.0/16/[]");
			if (format == 2)
				assert_string_equal(ends(), "3/1700000001 ");
			mt_state_close(&store);
		}
		open_store();
	}
}

static void test_one_that_is_not_ours_is_left_alone(void **state)
{
	(void)state;
	make_old(1, "CREATE TABLE psks (something TEXT)");
	assert_int_not_equal(mt_state_open(path, true, &store, fault, sizeof(fault)), MT_OK);
	assert_non_null(strstr(fault, path));
	assert_null(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_names),
		TEST(test_scram),
		TEST(test_keys),
		TEST(test_certificates),
		TEST(test_a_user_goes),
		TEST(test_the_later_end_holds),
		TEST(test_former_formats_are_brought_along),
		TEST(test_one_that_is_not_ours_is_left_alone),
	};
	return cmocka_run_group_tests_name("store_state_proofs", tests, NULL, NULL);
}
