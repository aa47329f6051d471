/* The state database as a whole: opening with suspicion, and changes as revisions. */
#include "store/state.h"

#include "store/state_schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define VALUE_BYTES_MAX (1 << 24) /* a change of that size is kept; far above other limits */
#define FILE_HEAD_BYTES 100

static enum mt_status say(char *fault, size_t cap, enum mt_status status, const char *path,
			  const char *why)
{
	snprintf(fault, cap, "%s: %s", path, why);
	return status;
}

static bool has_log(const char *path)
{
	char name[PATH_MAX];
	struct stat facts;
	return mt_state_beside(path, "-wal", name) && stat(name, &facts) == 0 && facts.st_size > 0;
}

/*
 * SQLite takes an empty file for a new database, and fills a cut last page with zeros: both are
 * caught here, before it looks. While a log is there a page may be half written, and the log mends
 * it.
 */
static bool has_database_form(int fd, off_t bytes, const char *path)
{
	uint8_t head[FILE_HEAD_BYTES];
	off_t page_bytes;
	if (read(fd, head, sizeof(head)) != (ssize_t)sizeof(head) ||
	    memcmp(head, "SQLite format 3", 16) != 0)
		return false;
	page_bytes = head[16] << 8 | head[17];
	if (page_bytes == 1)
		page_bytes = 65536;
	return page_bytes >= 512 && (bytes % page_bytes == 0 || has_log(path));
}

static const char *owner_fault(const struct stat *facts)
{
	if (!S_ISREG(facts->st_mode))
		return "it is not a file; move it away";
	if (facts->st_uid != geteuid())
		return "it belongs to another user; chown it to the user of the broker";
	if (facts->st_mode & 077)
		return "others may read or write it; chmod 600 it when you trust what is in it";
	if (!(facts->st_mode & S_IWUSR))
		return "it is read-only; chmod 600 it";
	return NULL;
}

/* MT_OK: an existing file that SQLite may look at. MT_NOT_FOUND: none. */
static enum mt_status check_file(const char *path, char *fault, size_t cap)
{
	struct stat facts;
	enum mt_status status = MT_OK;
	const char *why = NULL;
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ENOENT)
		return say(fault, cap, MT_NOT_FOUND, path, "there is no such file");
	if (fd < 0 && errno == ELOOP)
		return say(fault, cap, MT_DENIED, path,
			   "it is a symbolic link; put the file itself there");
	if (fd < 0)
		return say(fault, cap, errno == EACCES ? MT_DENIED : MT_SYSTEM, path,
			   strerror(errno));
	if (fstat(fd, &facts) != 0)
		status = say(fault, cap, MT_SYSTEM, path, strerror(errno));
	else if ((why = owner_fault(&facts)) != NULL)
		status = say(fault, cap, MT_DENIED, path, why);
	else if (!has_database_form(fd, facts.st_size, path))
		status = say(fault, cap, MT_CORRUPT, path,
			     "it is no database or was cut; restore it from a backup");
	close(fd);
	return status;
}

/* One constant statement without parameters; rows are of no interest. */
static enum mt_status run(struct mt_state *state, const char *sql)
{
	struct mt_query query;
	mt_query_start(&query, state, sql);
	while (mt_query_row(&query))
		;
	return mt_query_finish(&query);
}

static enum mt_status use_log(struct mt_state *state)
{
	struct mt_query query;
	bool is_wal = false;
	mt_query_start(&query, state, "PRAGMA journal_mode = WAL");
	if (mt_query_row(&query))
		is_wal = strcmp(mt_query_row_text(&query, 0), "wal") == 0;
	MT_TRY(mt_query_finish(&query));
	if (!is_wal)
		return mt_state_refuse(state, MT_SYSTEM,
				       "the file system allows no write-ahead log");
	return MT_OK;
}

static enum mt_status read_revision(struct mt_state *state)
{
	struct mt_query query;
	mt_query_start(&query, state, "SELECT coalesce(max(revision), 0) FROM revisions");
	if (mt_query_row(&query))
		state->revision = (uint64_t)mt_query_row_number(&query, 0);
	return mt_query_finish(&query);
}

/* The lock is exclusive: with a second writer the revision kept here would be wrong. */
static enum mt_status prepare_connection(struct mt_state *state)
{
	sqlite3_extended_result_codes(state->db, 1);
	sqlite3_limit(state->db, SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX);
	sqlite3_limit(state->db, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_db_config(state->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(state->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	MT_TRY(run(state, "PRAGMA locking_mode = EXCLUSIVE"));
	MT_TRY(run(state, "PRAGMA cell_size_check = ON"));
	MT_TRY(run(state, "PRAGMA foreign_keys = ON"));
	MT_TRY(run(state, "PRAGMA secure_delete = ON"));
	return run(state, "PRAGMA synchronous = FULL");
}

static enum mt_status open_database(struct mt_state *state, const char *path)
{
	int code = sqlite3_open_v2(path, &state->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
				   NULL);
	if (code != SQLITE_OK)
		return mt_state_refuse(state, code == SQLITE_NOMEM ? MT_MEMORY : MT_SYSTEM,
				       sqlite3_errstr(code));
	MT_TRY(prepare_connection(state));
	MT_TRY(mt_schema_upgrade(state));
	MT_TRY(mt_schema_check(state));
	MT_TRY(mt_changes_check(state));
	MT_TRY(mt_history_open(state));
	MT_TRY(use_log(state));
	return read_revision(state);
}

static bool is_locked(const struct mt_state *state)
{
	int code = state->db ? sqlite3_errcode(state->db) & 0xff : SQLITE_OK;
	return code == SQLITE_BUSY || code == SQLITE_LOCKED;
}

enum mt_status mt_state_open(const char *path, bool create, struct mt_state **out, char *fault,
			     size_t cap)
{
	struct mt_state *state;
	enum mt_status status = check_file(path, fault, cap);
	if (status == MT_NOT_FOUND && create)
		status = mt_schema_create(path, fault, cap);
	if (status != MT_OK)
		return status;
	state = calloc(1, sizeof(*state));
	if (!state)
		return say(fault, cap, MT_MEMORY, path, "out of memory");
	status = open_database(state, path);
	if (status == MT_OK) {
		*out = state;
		return MT_OK;
	}
	(void)say(fault, cap, status, path,
		  is_locked(state) ? "another process uses it; stop that process first"
				   : state->fault);
	mt_state_close(&state);
	return status;
}

void mt_state_close(struct mt_state **state)
{
	if (!*state)
		return;
	mt_state_rollback(*state);
	MT_CHECK(sqlite3_close((*state)->db) == SQLITE_OK);
	free(*state);
	*state = NULL;
}

uint64_t mt_state_revision(const struct mt_state *state)
{
	return state->revision;
}

const char *mt_state_fault(const struct mt_state *state)
{
	return state->fault;
}

static enum mt_status note_revision(struct mt_state *state, const char *author, const char *what,
				    int64_t now_s)
{
	struct mt_query query;
	mt_query_start(
		&query, state,
		"INSERT INTO revisions (revision, author, what, time_s) VALUES (?, ?, ?, ?)");
	mt_query_number(&query, (int64_t)state->revision + 1);
	mt_query_text(&query, author);
	mt_query_text(&query, what);
	mt_query_number(&query, now_s);
	return mt_query_change(&query, "the revision was not noted");
}

/* Undoes without touching the fault: it tells why. */
static void undo(struct mt_state *state)
{
	/* A transaction that SQLite ended by itself (full disk) leaves nothing to roll back. */
	mt_changes_drop(state);
	if (!sqlite3_get_autocommit(state->db))
		sqlite3_exec(state->db, "ROLLBACK", NULL, NULL, NULL);
	state->is_changing = false;
}

enum mt_status mt_state_begin(struct mt_state *state, const char *author, const char *what,
			      int64_t now_s)
{
	enum mt_status status;
	MT_CHECK(!state->is_changing);
	MT_TRY(run(state, "BEGIN IMMEDIATE"));
	state->is_changing = true;
	status = note_revision(state, author, what, now_s);
	if (status == MT_OK)
		status = mt_changes_start(state);
	if (status != MT_OK)
		undo(state);
	return status;
}

enum mt_status mt_state_commit(struct mt_state *state)
{
	struct mt_history_bound bound = state->bound;
	enum mt_status status;
	MT_CHECK(state->is_changing);
	if (sqlite3_get_autocommit(state->db)) {
		state->is_changing = false;
		return mt_state_refuse(state, MT_SYSTEM,
				       "the change was undone by a failure in it");
	}
	status = mt_changes_keep(state);
	if (status == MT_OK)
		status = mt_history_shorten(state, &bound);
	if (status == MT_OK)
		status = run(state, "COMMIT");
	if (status == MT_OK) {
		state->revision++;
		state->bound = bound;
	}
	undo(state);
	return status;
}

void mt_state_rollback(struct mt_state *state)
{
	if (state->is_changing)
		undo(state);
}
