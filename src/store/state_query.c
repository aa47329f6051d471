/* Prepared queries of the state database, and what SQLite's codes mean to us. */
#include "store/state_internal.h"

#include <stdio.h>

enum mt_status mt_state_refuse(struct mt_state *state, enum mt_status status, const char *text)
{
	snprintf(state->fault, sizeof(state->fault), "%s", text);
	return status;
}

bool mt_state_beside(const char *path, const char *ending, char out[PATH_MAX])
{
	int len = snprintf(out, PATH_MAX, "%s%s", path, ending);
	return len > 0 && len < PATH_MAX;
}

static enum mt_status constraint_status(int code)
{
	switch (code) {
	case SQLITE_CONSTRAINT_UNIQUE:
	case SQLITE_CONSTRAINT_PRIMARYKEY:
		return MT_EXISTS;
	case SQLITE_CONSTRAINT_FOREIGNKEY:
		return MT_NOT_FOUND;
	default:
		return MT_INVALID;
	}
}

static enum mt_status status_of(int code)
{
	switch (code & 0xff) {
	case SQLITE_CONSTRAINT:
		return constraint_status(code);
	case SQLITE_NOMEM:
		return MT_MEMORY;
	case SQLITE_TOOBIG:
		return MT_LIMIT;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return MT_CORRUPT;
	default:
		return MT_SYSTEM;
	}
}

void mt_query_start(struct mt_query *query, struct mt_state *state, const char *sql)
{
	*query = (struct mt_query){.state = state};
	state->fault[0] = '\0';
	query->code = sqlite3_prepare_v2(state->db, sql, -1, &query->stmt, NULL);
}

/* A value that fails to bind is our bug, unless it is too big or there is no memory. */
static void note_bound(struct mt_query *query, int code)
{
	MT_CHECK(code != SQLITE_RANGE && code != SQLITE_MISUSE);
	query->code = code;
}

void mt_query_text(struct mt_query *query, const char *text)
{
	if (query->code == SQLITE_OK)
		note_bound(query,
			   sqlite3_bind_text(query->stmt, ++query->bound, text, -1, SQLITE_STATIC));
}

void mt_query_number(struct mt_query *query, int64_t number)
{
	if (query->code == SQLITE_OK)
		note_bound(query, sqlite3_bind_int64(query->stmt, ++query->bound, number));
}

void mt_query_blob(struct mt_query *query, struct mt_bytes bytes)
{
	const void *data = bytes.len > 0 ? (const void *)bytes.data : ""; /* NULL would bind NULL */
	if (query->code == SQLITE_OK)
		note_bound(query, sqlite3_bind_blob64(query->stmt, ++query->bound, data, bytes.len,
						      SQLITE_STATIC));
}

bool mt_query_row(struct mt_query *query)
{
	if (query->code != SQLITE_OK && query->code != SQLITE_ROW)
		return false;
	query->code = sqlite3_step(query->stmt);
	return query->code == SQLITE_ROW;
}

const char *mt_query_row_text(struct mt_query *query, int column)
{
	const char *text = (const char *)sqlite3_column_text(query->stmt, column);
	if (text)
		return text;
	query->code = SQLITE_NOMEM; /* no column of ours is NULL */
	return "";
}

int64_t mt_query_row_number(struct mt_query *query, int column)
{
	return sqlite3_column_int64(query->stmt, column);
}

struct mt_bytes mt_query_row_blob(struct mt_query *query, int column)
{
	const void *data = sqlite3_column_blob(query->stmt, column);
	int len = sqlite3_column_bytes(query->stmt, column);
	if (!data && len > 0)
		query->code = SQLITE_NOMEM;
	return mt_bytes_of(data, data ? (size_t)len : 0);
}

bool mt_query_is_good(const struct mt_query *query)
{
	return query->code == SQLITE_ROW;
}

enum mt_status mt_query_finish(struct mt_query *query)
{
	struct mt_state *state = query->state;
	enum mt_status status = MT_OK;
	if (query->code != SQLITE_OK && query->code != SQLITE_ROW && query->code != SQLITE_DONE)
		status = mt_state_refuse(state, status_of(query->code),
					 (query->code & 0xff) == SQLITE_NOMEM
						 ? "out of memory"
						 : sqlite3_errmsg(state->db));
	sqlite3_finalize(query->stmt);
	query->stmt = NULL;
	return status;
}

enum mt_status mt_query_change(struct mt_query *query, const char *missing)
{
	struct mt_state *state = query->state;
	sqlite3_int64 before = sqlite3_total_changes64(state->db);
	MT_CHECK(state->is_changing);
	while (mt_query_row(query))
		;
	MT_TRY(mt_query_finish(query));
	if (sqlite3_total_changes64(state->db) == before)
		return mt_state_refuse(state, MT_NOT_FOUND, missing);
	return MT_OK;
}
