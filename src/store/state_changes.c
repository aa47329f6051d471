/*
 * What each change changed: recorded by SQLite's session extension, kept with its revision, undone
 * in reverse.
 *
 *   begin -> recording ... -> keep: revisions.changes -> COMMIT
 *   undo:  newest change first, inverted and applied, back to a revision
 *
 * Two recordings run side by side: the history holds no secrets, the other one all tables, to tell
 * who is touched.
 */
#include "store/state_internal.h"

#include "base/hash.h"

#include <stdio.h>

/* In the order in which rows may refer to others. */
static const char *const kept_tables[] = {
	"users", "roles", "grants", "rules", "certificate_names", "issuers", "subjects"};

#define USERS_IS_ENABLED 2 /* column */

static enum mt_status fail(struct mt_state *state, int code)
{
	return mt_state_refuse(state, code == SQLITE_NOMEM ? MT_MEMORY : MT_SYSTEM,
			       sqlite3_errstr(code));
}

enum mt_status mt_changes_start(struct mt_state *state)
{
	int code = sqlite3session_create(state->db, "main", &state->history);
	if (code == SQLITE_OK)
		code = sqlite3session_create(state->db, "main", &state->touch);
	if (code == SQLITE_OK)
		code = sqlite3session_attach(state->touch, NULL);
	for (size_t i = 0; i < MT_COUNT_OF(kept_tables) && code == SQLITE_OK; i++)
		code = sqlite3session_attach(state->history, kept_tables[i]);
	return code == SQLITE_OK ? MT_OK : fail(state, code);
}

void mt_changes_drop(struct mt_state *state)
{
	if (state->history)
		sqlite3session_delete(state->history);
	if (state->touch)
		sqlite3session_delete(state->touch);
	state->history = state->touch = NULL;
}

/* SQLite does not notice when the bytes of a large value are lost; this does. */
#define SUM_BYTES 8u

static uint64_t sum_of(struct mt_bytes changes)
{
	return mt_hash_bytes((struct mt_seed){{0x6d6f727469736531, 0x6368616e67657331}}, changes);
}

/* A kept change without its sum. */
static bool is_whole(struct mt_bytes kept, struct mt_bytes *changes)
{
	uint64_t sum;
	if (kept.len < SUM_BYTES)
		return false;
	memcpy(&sum, kept.data, SUM_BYTES);
	*changes = mt_bytes_from(kept, SUM_BYTES);
	return sum == sum_of(*changes);
}

enum mt_status mt_changes_check(struct mt_state *state)
{
	struct mt_query query;
	struct mt_bytes changes;
	bool is_good = true;
	mt_query_start(&query, state, "SELECT changes FROM revisions WHERE changes IS NOT NULL");
	while (is_good && mt_query_row(&query)) {
		struct mt_bytes kept = mt_query_row_blob(&query, 0);
		is_good = !mt_query_is_good(&query) || is_whole(kept, &changes);
	}
	MT_TRY(mt_query_finish(&query));
	return is_good ? MT_OK
		       : mt_state_refuse(state, MT_CORRUPT,
					 "the history of changes is damaged; restore the database "
					 "from a backup");
}

static enum mt_status note(struct mt_state *state, struct mt_bytes changes)
{
	struct mt_query query;
	mt_query_start(&query, state, "UPDATE revisions SET changes = ? WHERE revision = ?");
	mt_query_blob(&query, changes);
	mt_query_number(&query, (int64_t)state->revision + 1);
	return mt_query_change(&query, "the revision is not there");
}

enum mt_status mt_changes_keep(struct mt_state *state)
{
	int bytes = 0;
	void *data = NULL;
	uint8_t *kept = NULL;
	uint64_t sum;
	int code = sqlite3session_changeset(state->history, &bytes, &data);
	enum mt_status status = code == SQLITE_OK ? MT_OK : fail(state, code);
	/* One that is too large to keep cannot be undone: its revision tells by having none. */
	if (status == MT_OK && bytes < sqlite3_limit(state->db, SQLITE_LIMIT_LENGTH, -1) / 2) {
		kept = sqlite3_malloc64(SUM_BYTES + (size_t)bytes);
		status = kept ? MT_OK : MT_MEMORY;
	}
	if (kept) {
		sum = sum_of(mt_bytes_of(data, (size_t)bytes));
		memcpy(kept, &sum, SUM_BYTES);
		if (bytes > 0)
			memcpy(kept + SUM_BYTES, data, (size_t)bytes);
		status = note(state, mt_bytes_of(kept, SUM_BYTES + (size_t)bytes));
	}
	sqlite3_free(kept);
	sqlite3_free(data);
	return status;
}

/* ---- who is touched ---- */

/* A value of the row before or after, whichever there is; NULL: the row does not tell. */
static sqlite3_value *value_of(sqlite3_changeset_iter *change, int op, int column)
{
	sqlite3_value *value = NULL;
	if (op != SQLITE_INSERT && sqlite3changeset_old(change, column, &value) != SQLITE_OK)
		return NULL;
	if (op == SQLITE_INSERT && sqlite3changeset_new(change, column, &value) != SQLITE_OK)
		return NULL;
	return value;
}

/* Which column of a table names the user or the role that a row is about. */
static const struct {
	const char *table;
	int user, role; /* -1: none */
	unsigned what;
} columns[] = {
	{"users", 0, -1, MT_TOUCHED_BOOK},
	{"secrets", 0, -1, 0},
	{"grants", 0, -1, 0},
	{"roles", -1, 0, 0},
	{"rules", -1, 1, 0},
	{"certificate_names", -1, -1, MT_TOUCHED_BOOK},
	{"psks", -1, -1, MT_TOUCHED_BOOK},
	{"scram", -1, -1, MT_TOUCHED_BOOK},
	{"certificates", -1, -1, MT_TOUCHED_BOOK},
	{"user_ends", -1, -1, MT_TOUCHED_BOOK | MT_TOUCHED_ENDS},
	{"issuers", -1, -1, MT_TOUCHED_BOOK},
	{"subjects", -1, -1, MT_TOUCHED_BOOK},
};

/* False: the visitor has had enough, or the row does not tell. */
static bool tell(sqlite3_changeset_iter *change, const struct mt_state_touch *visit, unsigned *what)
{
	const char *table;
	int column_count, op, is_indirect, column;
	size_t i = 0;
	sqlite3_value *value;
	if (sqlite3changeset_op(change, &table, &column_count, &op, &is_indirect) != SQLITE_OK)
		return false;
	while (i < MT_COUNT_OF(columns) && strcmp(columns[i].table, table) != 0)
		i++;
	if (i == MT_COUNT_OF(columns))
		return true;
	*what |= columns[i].what;
	column = columns[i].user >= 0 ? columns[i].user : columns[i].role;
	if (column < 0)
		return true;
	value = value_of(change, op, column);
	if (!value || (columns[i].role >= 0 && !sqlite3_value_text(value)))
		return false;
	if (columns[i].user >= 0)
		return visit->user(visit->context, (uint64_t)sqlite3_value_int64(value));
	return visit->role(visit->context, (const char *)sqlite3_value_text(value));
}

enum mt_status mt_state_touched(struct mt_state *state, const struct mt_state_touch *visit,
				unsigned *what)
{
	sqlite3_changeset_iter *change = NULL;
	int bytes = 0, code;
	void *data = NULL;
	MT_CHECK(state->is_changing);
	*what = 0;
	code = sqlite3session_changeset(state->touch, &bytes, &data);
	if (code == SQLITE_OK && bytes > 0)
		code = sqlite3changeset_start(&change, bytes, data);
	while (change && !(*what & MT_TOUCHED_ALL) && sqlite3changeset_next(change) == SQLITE_ROW)
		if (!tell(change, visit, what))
			*what |= MT_TOUCHED_ALL;
	if (change)
		code = sqlite3changeset_finalize(change);
	sqlite3_free(data);
	return code == SQLITE_OK ? MT_OK : fail(state, code);
}

/* ---- undoing ---- */

/* Nothing but recorded changes ever touches these tables: a conflict means damage, but where a row
 * has gone with the one that it refers to (ON DELETE CASCADE), before its own turn. */
static int settle_conflict(void *context, int kind, sqlite3_changeset_iter *change)
{
	const char *table;
	int column_count, op, is_indirect;
	(void)context;
	if (kind == SQLITE_CHANGESET_NOTFOUND &&
	    sqlite3changeset_op(change, &table, &column_count, &op, &is_indirect) == SQLITE_OK &&
	    op == SQLITE_DELETE && strcmp(table, "users") != 0 && strcmp(table, "roles") != 0 &&
	    strcmp(table, "issuers") != 0)
		return SQLITE_CHANGESET_OMIT;
	return SQLITE_CHANGESET_ABORT;
}

/* A blob of our own: the change of one revision. */
static enum mt_status read_changes(struct mt_state *state, uint64_t revision, void **out,
				   int *out_bytes)
{
	struct mt_query query;
	struct mt_bytes changes = {NULL, 0};
	void *copy = NULL;
	enum mt_status status = MT_NOT_FOUND;
	mt_query_start(&query, state,
		       "SELECT changes FROM revisions WHERE revision = ? AND changes IS NOT NULL");
	mt_query_number(&query, (int64_t)revision);
	if (mt_query_row(&query)) {
		status = MT_CORRUPT;
		if (is_whole(mt_query_row_blob(&query, 0), &changes)) {
			copy = sqlite3_malloc64(changes.len + 1);
			status = copy ? MT_OK : MT_MEMORY;
		}
		if (copy && changes.len > 0)
			memcpy(copy, changes.data, changes.len);
	}
	if (mt_query_finish(&query) != MT_OK || status != MT_OK) {
		sqlite3_free(copy);
		return status == MT_OK ? MT_SYSTEM : status;
	}
	*out = copy;
	*out_bytes = (int)changes.len;
	return MT_OK;
}

/* Who comes back, or is shut out again, proves nothing older; certificates of who goes are
 * nobody's.
 */
static enum mt_status end_user(struct mt_state *state, sqlite3_changeset_iter *change, int op,
			       int64_t now_s)
{
	sqlite3_value *id = value_of(change, op, 0), *is_enabled = NULL;
	uint64_t user_id;
	if (!id)
		return MT_SYSTEM;
	user_id = (uint64_t)sqlite3_value_int64(id);
	if (op == SQLITE_DELETE)
		return mt_state_certificates_revoke(state, user_id, now_s);
	if (op == SQLITE_UPDATE &&
	    sqlite3changeset_new(change, USERS_IS_ENABLED, &is_enabled) != SQLITE_OK)
		return MT_SYSTEM;
	if (op == SQLITE_INSERT || (is_enabled && sqlite3_value_int(is_enabled) == 0))
		return mt_state_user_end(state, user_id, now_s);
	return MT_OK;
}

static enum mt_status end_users(struct mt_state *state, int bytes, void *data, int64_t now_s)
{
	sqlite3_changeset_iter *change;
	enum mt_status status = MT_OK;
	int code = sqlite3changeset_start(&change, bytes, data);
	if (code != SQLITE_OK)
		return fail(state, code);
	while (status == MT_OK && sqlite3changeset_next(change) == SQLITE_ROW) {
		const char *table;
		int column_count, op, is_indirect;
		if (sqlite3changeset_op(change, &table, &column_count, &op, &is_indirect) ==
			    SQLITE_OK &&
		    strcmp(table, "users") == 0)
			status = end_user(state, change, op, now_s);
	}
	code = sqlite3changeset_finalize(change);
	return status == MT_OK && code != SQLITE_OK ? fail(state, code) : status;
}

static enum mt_status invert(struct mt_state *state, int bytes, const void *data, int64_t now_s)
{
	enum mt_status status;
	int back_bytes = 0;
	void *back = NULL;
	int code = bytes > 0 ? sqlite3changeset_invert(bytes, data, &back_bytes, &back) : SQLITE_OK;
	if (bytes == 0)
		return MT_OK;
	if (code == SQLITE_OK)
		code = sqlite3changeset_apply(state->db, back_bytes, back, NULL, settle_conflict,
					      NULL);
	status = code == SQLITE_OK	? end_users(state, back_bytes, back, now_s)
		 : code == SQLITE_NOMEM ? MT_MEMORY
					: mt_state_refuse(state, MT_CORRUPT,
							  "the history does not fit what is there");
	sqlite3_free(back);
	return status;
}

static enum mt_status run(struct mt_state *state, const char *sql)
{
	struct mt_query query;
	mt_query_start(&query, state, sql);
	while (mt_query_row(&query))
		;
	return mt_query_finish(&query);
}

/* What is there before, to tell what has come back. */
static enum mt_status note_issuers(struct mt_state *state)
{
	MT_TRY(run(state, "DROP TABLE IF EXISTS temp.former_issuers"));
	return run(state, "CREATE TEMP TABLE former_issuers AS"
			  " SELECT name, algorithm, key FROM issuers");
}

/* A key that was taken away, because somebody else has it perhaps, opens nothing again: an issuer
 * keeps the key of now, of the same algorithms, or goes. */
static enum mt_status drop_former_keys(struct mt_state *state)
{
	MT_TRY(run(state, "UPDATE main.issuers SET key = f.key FROM temp.former_issuers f"
			  " WHERE f.name = issuers.name AND f.algorithm = issuers.algorithm"
			  " AND f.key <> issuers.key"));
	MT_TRY(run(state, "DELETE FROM main.issuers WHERE NOT EXISTS (SELECT 1 FROM"
			  " temp.former_issuers f WHERE f.name = issuers.name AND"
			  " f.algorithm = issuers.algorithm)"));
	return run(state, "DROP TABLE temp.former_issuers");
}

static enum mt_status undo_to(struct mt_state *state, uint64_t revision, int64_t now_s);

enum mt_status mt_state_undo(struct mt_state *state, uint64_t revision, int64_t now_s)
{
	MT_TRY(note_issuers(state));
	MT_TRY(undo_to(state, revision, now_s));
	return drop_former_keys(state);
}

static enum mt_status undo_to(struct mt_state *state, uint64_t revision, int64_t now_s)
{
	char text[96];
	MT_CHECK(state->is_changing);
	if (revision > state->revision)
		return mt_state_refuse(state, MT_NOT_FOUND, "there is no such revision yet");
	for (uint64_t at = state->revision; at > revision; at--) {
		int bytes;
		void *data;
		enum mt_status status = read_changes(state, at, &data, &bytes);
		if (status == MT_NOT_FOUND) {
			snprintf(text, sizeof(text),
				 "what revision %llu changed is not kept; nothing was undone",
				 (unsigned long long)at);
			return mt_state_refuse(state, MT_NOT_FOUND, text);
		}
		MT_TRY(status);
		status = invert(state, bytes, data, now_s);
		sqlite3_free(data);
		MT_TRY(status);
	}
	return MT_OK;
}
