/* What the files of the state database share: the connection, and one prepared query with a sticky
 * failure. */
#pragma once

#include "store/state.h"

#include <limits.h>
#define SQLITE_ENABLE_SESSION 1
#define SQLITE_ENABLE_PREUPDATE_HOOK 1
#include <sqlite3.h>

#define MT_STATE_FAULT_BYTES 512

#define MT_HISTORY_COUNT 1000u
#define MT_HISTORY_BYTES (16u << 20)

/* How much of the history is kept, and what there is of it. */
struct mt_history_bound {
	uint64_t count_max, bytes_max; /* 0: without bound */
	uint64_t oldest;	       /* no older revision keeps its changes */
	uint64_t bytes;
};

struct mt_state {
	sqlite3 *db;
	uint64_t revision;		 /* of the last commit */
	bool is_changing;		 /* between begin and commit */
	struct sqlite3_session *history; /* of the open change: what is kept of it */
	struct sqlite3_session *touch;	 /* all of it */
	struct mt_history_bound bound;	 /* as of the last commit */
	char fault[MT_STATE_FAULT_BYTES];
};

/* What an open change changes is recorded from start on; keep writes it to its revision; drop ends
 * the recording. */
MT_MUST_USE enum mt_status mt_changes_start(struct mt_state *state);
MT_MUST_USE enum mt_status mt_changes_keep(struct mt_state *state);
void mt_changes_drop(struct mt_state *state);
/* MT_CORRUPT: something that is kept is not what it was. */
MT_MUST_USE enum mt_status mt_changes_check(struct mt_state *state);

/* Reads how long the history is. */
MT_MUST_USE enum mt_status mt_history_open(struct mt_state *state);
/* Inside a change whose changes are kept already: forgets what is too old, and tells in *bound what
 * is there then. */
MT_MUST_USE enum mt_status mt_history_shorten(struct mt_state *state,
					      struct mt_history_bound *bound);

/* Notes `text` as the fault and returns `status`. */
enum mt_status mt_state_refuse(struct mt_state *state, enum mt_status status, const char *text);

/* path and ending, as in "mortise.db-wal"; false when it is longer than any path. */
MT_MUST_USE bool mt_state_beside(const char *path, const char *ending, char out[PATH_MAX]);

/*
 * start -> text, number, blob: the parameters in order -> row, row ... -> finish
 *
 * After a failure everything but finish does nothing; finish frees the statement and tells.
 */
struct mt_query {
	struct mt_state *state;
	sqlite3_stmt *stmt;
	int code;  /* of SQLite */
	int bound; /* parameters so far */
};

/* Clears the fault of the state. sql: a constant. */
void mt_query_start(struct mt_query *query, struct mt_state *state, const char *sql);
/* Bound values must outlive the query. NULL text binds NULL, which no column of ours takes. */
void mt_query_text(struct mt_query *query, const char *text);
void mt_query_number(struct mt_query *query, int64_t number);
void mt_query_blob(struct mt_query *query, struct mt_bytes bytes);
/* True: the next row is there. */
MT_MUST_USE bool mt_query_row(struct mt_query *query);
/* Columns of the row; text is valid until the next row, never NULL. */
const char *mt_query_row_text(struct mt_query *query, int column);
int64_t mt_query_row_number(struct mt_query *query, int column);
struct mt_bytes mt_query_row_blob(struct mt_query *query, int column);
/* False when a column of this row could not be had: the row is not to be used. */
bool mt_query_is_good(const struct mt_query *query);
MT_MUST_USE enum mt_status mt_query_finish(struct mt_query *query);
/* A change, whole: runs to the end and finishes. MT_NOT_FOUND with `missing` as the fault when no
 * row was touched. */
MT_MUST_USE enum mt_status mt_query_change(struct mt_query *query, const char *missing);
