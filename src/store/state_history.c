/* Revisions, how long what they changed is kept, and the change that waits to be confirmed. */
#include "store/state_history.h"

#include "store/state_internal.h"

enum mt_status mt_history_open(struct mt_state *state)
{
	struct mt_query query;
	struct mt_history_bound *bound = &state->bound;
	*bound = (struct mt_history_bound){.count_max = MT_HISTORY_COUNT,
					   .bytes_max = MT_HISTORY_BYTES};
	mt_query_start(&query, state,
		       "SELECT coalesce(min(revision), 0), coalesce(sum(length(changes)), 0)"
		       " FROM revisions WHERE changes IS NOT NULL");
	if (mt_query_row(&query)) {
		bound->oldest = (uint64_t)mt_query_row_number(&query, 0);
		bound->bytes = (uint64_t)mt_query_row_number(&query, 1);
	}
	return mt_query_finish(&query);
}

void mt_state_history_limit(struct mt_state *state, uint64_t count_max, uint64_t bytes_max)
{
	state->bound.count_max = count_max;
	state->bound.bytes_max = bytes_max;
}

/* Of the changes that a revision keeps; 0 when it keeps none. */
static enum mt_status measure(struct mt_state *state, uint64_t revision, uint64_t *out)
{
	struct mt_query query;
	uint64_t bytes = 0;
	mt_query_start(&query, state,
		       "SELECT coalesce(length(changes), 0) FROM revisions WHERE revision = ?");
	mt_query_number(&query, (int64_t)revision);
	if (mt_query_row(&query))
		bytes = (uint64_t)mt_query_row_number(&query, 0);
	MT_TRY(mt_query_finish(&query));
	*out = bytes;
	return MT_OK;
}

static bool is_too_long(const struct mt_history_bound *bound, uint64_t newest)
{
	if (bound->oldest == 0 || bound->oldest > newest)
		return false;
	if (bound->count_max > 0 && newest - bound->oldest >= bound->count_max)
		return true;
	return bound->bytes_max > 0 && bound->bytes > bound->bytes_max;
}

static enum mt_status forget_oldest(struct mt_state *state, struct mt_history_bound *bound)
{
	struct mt_query query;
	uint64_t bytes;
	MT_TRY(measure(state, bound->oldest, &bytes));
	mt_query_start(&query, state, "UPDATE revisions SET changes = NULL WHERE revision = ?");
	mt_query_number(&query, (int64_t)bound->oldest);
	while (mt_query_row(&query))
		;
	MT_TRY(mt_query_finish(&query));
	bound->bytes -= bytes;
	bound->oldest++;
	return MT_OK;
}

enum mt_status mt_history_shorten(struct mt_state *state, struct mt_history_bound *bound)
{
	uint64_t newest = state->revision + 1, bytes;
	MT_TRY(measure(state, newest, &bytes));
	bound->bytes += bytes;
	if (bound->oldest == 0)
		bound->oldest = newest;
	while (is_too_long(bound, newest))
		MT_TRY(forget_oldest(state, bound));
	return MT_OK;
}

enum mt_status mt_state_revisions(struct mt_state *state, mt_state_revision_fn *visit,
				  void *context)
{
	struct mt_query query;
	mt_query_start(&query, state,
		       "SELECT revision, time_s, author, what, coalesce(length(changes), -1)"
		       " FROM revisions ORDER BY revision DESC");
	while (mt_query_row(&query)) {
		int64_t bytes = mt_query_row_number(&query, 4);
		struct mt_state_revision row = {
			.revision = (uint64_t)mt_query_row_number(&query, 0),
			.time_s = mt_query_row_number(&query, 1),
			.author = mt_query_row_text(&query, 2),
			.what = mt_query_row_text(&query, 3),
			.has_changes = bytes >= 0,
			.change_bytes = bytes > 0 ? (uint64_t)bytes : 0,
		};
		if (!mt_query_is_good(&query) || !visit(context, &row))
			break;
	}
	return mt_query_finish(&query);
}

/* ---- confirmation ---- */

enum mt_status mt_state_confirmation(struct mt_state *state, struct mt_state_confirmation *out)
{
	struct mt_query query;
	struct mt_state_confirmation found = {0};
	mt_query_start(&query, state, "SELECT revision, back_to, due_s FROM confirmations");
	if (mt_query_row(&query))
		found = (struct mt_state_confirmation){
			.revision = (uint64_t)mt_query_row_number(&query, 0),
			.back_to = (uint64_t)mt_query_row_number(&query, 1),
			.due_s = mt_query_row_number(&query, 2),
		};
	MT_TRY(mt_query_finish(&query));
	if (found.revision == 0)
		return mt_state_refuse(state, MT_NOT_FOUND, "no change waits to be confirmed");
	*out = found;
	return MT_OK;
}

enum mt_status mt_state_confirmation_await(struct mt_state *state, int64_t due_s)
{
	struct mt_query query;
	struct mt_state_confirmation waits;
	enum mt_status status = mt_state_confirmation(state, &waits);
	if (status == MT_OK)
		return mt_state_refuse(state, MT_EXISTS,
				       "another change waits to be confirmed; confirm it first");
	if (status != MT_NOT_FOUND)
		return status;
	mt_query_start(&query, state,
		       "INSERT INTO confirmations (revision, back_to, due_s) VALUES (?, ?, ?)");
	mt_query_number(&query, (int64_t)state->revision + 1);
	mt_query_number(&query, (int64_t)state->revision);
	mt_query_number(&query, due_s);
	return mt_query_change(&query, "the confirmation was not noted");
}

enum mt_status mt_state_confirmation_end(struct mt_state *state)
{
	struct mt_query query;
	mt_query_start(&query, state, "DELETE FROM confirmations");
	return mt_query_change(&query, "no change waits to be confirmed");
}
