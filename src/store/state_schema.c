/* The tables of the state database. */
#include "store/state_schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define APPLICATION_ID 0x4d545354 /* "MTST": what file(1) and we know the file by */
#define FORMAT 3
#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

/* Shapes only: what a name or a filter may be is checked above the store. */
static const char tables[] =
	"BEGIN;"
	"CREATE TABLE meta (version INTEGER NOT NULL) STRICT;"
	"CREATE TABLE users ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT CHECK (id > 0),"
	" name TEXT NOT NULL UNIQUE CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 255),"
	" is_enabled INTEGER NOT NULL CHECK (is_enabled IN (0, 1)),"
	" password_hash TEXT NOT NULL CHECK (length(CAST(password_hash AS BLOB)) <= 1023),"
	" token_hash BLOB NOT NULL CHECK (length(token_hash) IN (0, 32)),"
	" client_id_rule TEXT NOT NULL CHECK (length(CAST(client_id_rule AS BLOB)) <= 65535)"
	") STRICT;"
	"CREATE TABLE roles ("
	" name TEXT PRIMARY KEY"
	" CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 255 AND name NOT IN ('open', 'admin'))"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE grants ("
	" user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,"
	" role TEXT NOT NULL," /* of `roles`, or built in */
	" PRIMARY KEY (user_id, role)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX grants_by_role ON grants (role);"
	"CREATE TABLE rules ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT CHECK (id BETWEEN 1 AND 4294967295),"
	" role TEXT NOT NULL REFERENCES roles (name) ON DELETE CASCADE,"
	" is_deny INTEGER NOT NULL CHECK (is_deny IN (0, 1)),"
	" operation INTEGER NOT NULL CHECK (operation BETWEEN 1 AND 3),"
	" qos_mask INTEGER NOT NULL CHECK (qos_mask BETWEEN 1 AND 7),"
	" retain INTEGER NOT NULL CHECK (retain BETWEEN 0 AND 2),"
	" until_s INTEGER NOT NULL CHECK (until_s >= 0),"
	" filter TEXT NOT NULL CHECK (length(CAST(filter AS BLOB)) BETWEEN 1 AND 65535),"
	" share TEXT NOT NULL CHECK (length(CAST(share AS BLOB)) <= 65535),"
	" network TEXT NOT NULL CHECK (length(CAST(network AS BLOB)) <= 64)"
	") STRICT;"
	"CREATE INDEX rules_by_role ON rules (role);"
	"CREATE TABLE revisions ("
	" revision INTEGER PRIMARY KEY CHECK (revision > 0),"
	" author TEXT NOT NULL,"
	" what TEXT NOT NULL,"
	" time_s INTEGER NOT NULL"
	") STRICT;";

/* Since format 2. */
#define PROOFS_SQL \
	"CREATE TABLE certificate_names (" \
	" name TEXT NOT NULL CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 1024)," \
	" issuer BLOB NOT NULL CHECK (length(issuer) IN (0, 32))," \
	" user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE," \
	" PRIMARY KEY (name, issuer)" \
	") STRICT, WITHOUT ROWID;" \
	"CREATE INDEX certificate_names_by_user ON certificate_names (user_id);" \
	"CREATE TABLE psks (" \
	" user_id INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE," \
	" key BLOB NOT NULL CHECK (length(key) BETWEEN 16 AND 64)" \
	") STRICT;" \
	"CREATE TABLE certificates (" \
	" serial TEXT PRIMARY KEY CHECK (length(serial) BETWEEN 1 AND 64)," \
	" user_id INTEGER NOT NULL," /* its user may be gone */ \
	" user TEXT NOT NULL," \
	" fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32)," \
	" issued_s INTEGER NOT NULL," \
	" not_after_s INTEGER NOT NULL," \
	" revoked_s INTEGER NOT NULL CHECK (revoked_s >= 0)" \
	") STRICT, WITHOUT ROWID;" \
	"CREATE INDEX certificates_by_user ON certificates (user_id);" \
	"CREATE TABLE user_ends (" \
	" user_id INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE," \
	" not_before_s INTEGER NOT NULL" \
	") STRICT;"

/*
 * Since format 3. Secrets stand beside their users, so that a change that is undone never brings an
 * old password back.
 */
#define POLICY_SQL \
	"CREATE TABLE secrets (" \
	" user_id INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE," \
	" password_hash TEXT NOT NULL CHECK (length(CAST(password_hash AS BLOB)) <= 1023)," \
	" token_hash BLOB NOT NULL CHECK (length(token_hash) IN (0, 32))" \
	") STRICT;" \
	"INSERT INTO secrets SELECT id, password_hash, token_hash FROM users;" \
	"ALTER TABLE users DROP COLUMN password_hash;" \
	"ALTER TABLE users DROP COLUMN token_hash;" \
	"ALTER TABLE roles ADD COLUMN is_filtering INTEGER NOT NULL DEFAULT 0" \
	" CHECK (is_filtering IN (0, 1));" \
	"ALTER TABLE rules ADD COLUMN since_s INTEGER NOT NULL DEFAULT 0 CHECK (since_s >= 0);" \
	"ALTER TABLE rules ADD COLUMN listener TEXT NOT NULL DEFAULT ''" \
	" CHECK (length(CAST(listener AS BLOB)) <= 63);" \
	"ALTER TABLE revisions ADD COLUMN changes BLOB;" /* NULL: not kept */ \
	"CREATE TABLE scram (" \
	" user_id INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE," \
	" salt BLOB NOT NULL CHECK (length(salt) = 16)," \
	" iterations INTEGER NOT NULL CHECK (iterations BETWEEN 4096 AND 10000000)," \
	" stored_key BLOB NOT NULL CHECK (length(stored_key) = 32)," \
	" server_key BLOB NOT NULL CHECK (length(server_key) = 32)" \
	") STRICT;" \
	"CREATE TABLE issuers (" /* of JWT */ \
	" name TEXT PRIMARY KEY CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 255)," \
	" algorithm TEXT NOT NULL CHECK (length(algorithm) BETWEEN 1 AND 16)," \
	" key BLOB NOT NULL CHECK (length(key) BETWEEN 1 AND 16384)," \
	" claim_issuer TEXT NOT NULL CHECK (length(CAST(claim_issuer AS BLOB)) <= 1024)," \
	" claim_audience TEXT NOT NULL CHECK (length(CAST(claim_audience AS BLOB)) <= 1024)," \
	" claim_subject TEXT NOT NULL" /* whose value is looked up */ \
	" CHECK (length(CAST(claim_subject AS BLOB)) BETWEEN 1 AND 255)," \
	" leeway_s INTEGER NOT NULL CHECK (leeway_s BETWEEN 0 AND 3600)" \
	") STRICT, WITHOUT ROWID;" \
	"CREATE TABLE subjects (" /* of issuers: whom they stand for */ \
	" issuer TEXT NOT NULL REFERENCES issuers (name) ON DELETE CASCADE," \
	" subject TEXT NOT NULL CHECK (length(CAST(subject AS BLOB)) BETWEEN 1 AND 1024)," \
	" user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE," \
	" PRIMARY KEY (issuer, subject)" \
	") STRICT, WITHOUT ROWID;" \
	"CREATE INDEX subjects_by_user ON subjects (user_id);" \
	"CREATE TABLE api_tokens (" \
	" id INTEGER PRIMARY KEY AUTOINCREMENT CHECK (id > 0)," \
	" name TEXT NOT NULL UNIQUE CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 255)," \
	" hash BLOB NOT NULL CHECK (length(hash) = 32)," \
	" role INTEGER NOT NULL CHECK (role BETWEEN 1 AND 3)," /* viewer, operator, admin */ \
	" created_s INTEGER NOT NULL," \
	" expires_s INTEGER NOT NULL CHECK (expires_s >= 0)," /* 0: never */ \
	" author TEXT NOT NULL" \
	") STRICT;" \
	"CREATE TABLE confirmations (" /* at most one: what is undone unless confirmed */ \
	" revision INTEGER PRIMARY KEY CHECK (revision > 0)," \
	" back_to INTEGER NOT NULL CHECK (back_to >= 0)," \
	" due_s INTEGER NOT NULL" \
	") STRICT;"

/* Ends the transaction that makes the tables. */
#define VERSION_SQL \
	"INSERT INTO meta VALUES (" TEXT_OF(FORMAT) "); PRAGMA user_version = " TEXT_OF(FORMAT)
#define OWNER_SQL "PRAGMA application_id = " TEXT_OF(APPLICATION_ID)
static const char proofs[] = PROOFS_SQL;
static const char policy[] = POLICY_SQL;
static const char versions[] = VERSION_SQL ";" OWNER_SQL ";COMMIT;";
#define VERSION_UPGRADE_SQL \
	"UPDATE meta SET version = " TEXT_OF(FORMAT) "; PRAGMA user_version = " TEXT_OF( \
		FORMAT) ";COMMIT;"
/* From format 1, which had users, roles and rules alone, and from format 2. */
static const char *const upgrades[] = {
	NULL,
	"BEGIN IMMEDIATE;" PROOFS_SQL POLICY_SQL VERSION_UPGRADE_SQL,
	"BEGIN IMMEDIATE;" POLICY_SQL VERSION_UPGRADE_SQL,
};

static int make_tables(sqlite3 *db)
{
	static const char *const parts[] = {tables, proofs, policy, versions};
	int code = SQLITE_OK;
	for (size_t i = 0; i < MT_COUNT_OF(parts) && code == SQLITE_OK; i++)
		code = sqlite3_exec(db, parts[i], NULL, NULL, NULL);
	return code;
}

static enum mt_status say(char *fault, size_t cap, enum mt_status status, const char *path,
			  const char *why)
{
	snprintf(fault, cap, "%s: %s", path, why);
	return status;
}

/* Makes the entry of the new name durable. */
static bool sync_parent(const char *path)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int fd, result;
	if (!mt_state_beside(slash ? path : ".", "", folder))
		return false;
	if (slash)
		folder[slash == path ? 1 : slash - path] = '\0';
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	result = fsync(fd);
	close(fd);
	return result == 0;
}

/* The file is made by us rather than by SQLite, for its mode and for O_EXCL. */
static bool make_empty(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool is_made = fd >= 0 && fchmod(fd, 0600) == 0;
	if (fd >= 0)
		close(fd);
	return is_made;
}

static enum mt_status build(const char *path, char *fault, size_t cap)
{
	sqlite3 *db = NULL;
	enum mt_status status = MT_OK;
	int code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (code == SQLITE_OK)
		code = make_tables(db);
	if (code != SQLITE_OK)
		status = say(fault, cap, code == SQLITE_NOMEM ? MT_MEMORY : MT_SYSTEM, path,
			     db ? sqlite3_errmsg(db) : "out of memory");
	sqlite3_close(db);
	return status;
}

/* Leftovers of a start that was cut short. */
static void remove_draft(const char *draft)
{
	char journal[PATH_MAX];
	if (mt_state_beside(draft, "-journal", journal))
		unlink(journal);
	unlink(draft);
}

/* A log without its database means that the database was lost: a new one would hide that. */
static bool has_orphan_log(const char *path)
{
	static const char *const endings[] = {"-wal", "-journal"};
	char name[PATH_MAX];
	struct stat facts;
	for (size_t i = 0; i < MT_COUNT_OF(endings); i++) {
		if (mt_state_beside(path, endings[i], name) && lstat(name, &facts) == 0)
			return true;
	}
	return false;
}

enum mt_status mt_schema_create(const char *path, char *fault, size_t cap)
{
	char draft[PATH_MAX];
	enum mt_status status;
	if (!mt_state_beside(path, ".new", draft))
		return say(fault, cap, MT_SYSTEM, path, strerror(ENAMETOOLONG));
	if (has_orphan_log(path))
		return say(fault, cap, MT_CORRUPT, path,
			   "it is missing while its log (-wal or -journal) is there; restore it "
			   "from a backup");
	remove_draft(draft);
	if (!make_empty(draft))
		return say(fault, cap, MT_SYSTEM, draft, strerror(errno));
	status = build(draft, fault, cap);
	if (status == MT_OK && (renameat2(AT_FDCWD, draft, AT_FDCWD, path, RENAME_NOREPLACE) != 0 ||
				!sync_parent(path)))
		status = say(fault, cap, MT_SYSTEM, path, strerror(errno));
	if (status != MT_OK)
		remove_draft(draft);
	return status;
}

static enum mt_status read_number(struct mt_state *state, const char *sql, int64_t *out)
{
	struct mt_query query;
	int64_t number = -1;
	mt_query_start(&query, state, sql);
	if (mt_query_row(&query))
		number = mt_query_row_number(&query, 0);
	MT_TRY(mt_query_finish(&query));
	*out = number;
	return MT_OK;
}

static enum mt_status check_format(struct mt_state *state)
{
	int64_t application, format;
	MT_TRY(read_number(state, "PRAGMA application_id", &application));
	MT_TRY(read_number(state, "PRAGMA user_version", &format));
	if (application != APPLICATION_ID)
		return mt_state_refuse(state, MT_CORRUPT,
				       "it is not a state database; restore it from a backup");
	if (format > FORMAT)
		return mt_state_refuse(state, MT_INVALID,
				       "it was written by a newer version; start that version, or "
				       "restore a backup");
	if (format != FORMAT)
		return mt_state_refuse(state, MT_CORRUPT,
				       "its format is unknown; restore it from a backup");
	return MT_OK;
}

/* integrity_check is quick_check that also compares the indexes with their tables: a user that only
 * one of them knows would be found by some queries and not by others. */
static enum mt_status check_pages(struct mt_state *state)
{
	struct mt_query query;
	bool is_sound = false;
	mt_query_start(&query, state, "PRAGMA integrity_check(1)");
	if (mt_query_row(&query))
		is_sound = strcmp(mt_query_row_text(&query, 0), "ok") == 0;
	MT_TRY(mt_query_finish(&query));
	if (!is_sound)
		return mt_state_refuse(state, MT_CORRUPT,
				       "its pages are damaged; restore it from a backup");
	mt_query_start(&query, state, "PRAGMA foreign_key_check");
	is_sound = !mt_query_row(&query);
	MT_TRY(mt_query_finish(&query));
	if (!is_sound)
		return mt_state_refuse(state, MT_CORRUPT,
				       "its rows contradict each other; restore it from a backup");
	return MT_OK;
}

/* Every object that the file defines, in one text; NULL without memory. Freed by sqlite3_free. */
static char *objects_of(sqlite3 *db)
{
	static const char sql[] =
		"SELECT group_concat(sql, ';') FROM"
		" (SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name)";
	sqlite3_stmt *stmt = NULL;
	char *text = NULL;
	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		text = sqlite3_mprintf("%s", sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
	return text;
}

/* No table less, and no trigger or view more, than in a database made now. */
static enum mt_status check_objects(struct mt_state *state)
{
	sqlite3 *model = NULL;
	char *wanted = NULL, *found = NULL;
	enum mt_status status = MT_MEMORY;
	if (sqlite3_open(":memory:", &model) == SQLITE_OK && make_tables(model) == SQLITE_OK) {
		wanted = objects_of(model);
		found = objects_of(state->db);
	}
	if (!wanted || !found)
		(void)mt_state_refuse(state, MT_MEMORY, "out of memory");
	else if (strcmp(wanted, found) != 0)
		status = mt_state_refuse(
			state, MT_CORRUPT,
			"its tables are not those of a state database; restore it from a backup");
	else
		status = MT_OK;
	sqlite3_free(found);
	sqlite3_free(wanted);
	sqlite3_close(model);
	return status;
}

enum mt_status mt_schema_upgrade(struct mt_state *state)
{
	int64_t application, format;
	MT_TRY(read_number(state, "PRAGMA application_id", &application));
	MT_TRY(read_number(state, "PRAGMA user_version", &format));
	if (application != APPLICATION_ID || format < 1 || format >= FORMAT)
		return MT_OK;
	MT_TRY(check_pages(state));
	if (sqlite3_exec(state->db, upgrades[format], NULL, NULL, NULL) == SQLITE_OK)
		return MT_OK;
	(void)mt_state_refuse(state, MT_SYSTEM, sqlite3_errmsg(state->db));
	sqlite3_exec(state->db, "ROLLBACK", NULL, NULL, NULL);
	return MT_SYSTEM;
}

enum mt_status mt_schema_check(struct mt_state *state)
{
	int64_t rows, version;
	MT_TRY(check_format(state));
	MT_TRY(check_pages(state));
	MT_TRY(check_objects(state));
	MT_TRY(read_number(state, "SELECT count(*) FROM meta", &rows));
	MT_TRY(read_number(state, "SELECT coalesce(max(version), 0) FROM meta", &version));
	if (rows != 1 || version != FORMAT)
		return mt_state_refuse(
			state, MT_CORRUPT,
			"its format is told twice and differs; restore it from a backup");
	return MT_OK;
}
