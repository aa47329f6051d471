/*
 * The history of the control plane's database: its revisions, how much of what they changed is
 * kept, and the confirmation that a change may wait for.
 *
 * Threading: as the database.
 */
#pragma once

#include "store/state.h"

struct mt_state_revision {
	uint64_t revision;
	int64_t time_s;
	const char *author;
	const char *what;
	bool has_changes; /* else going back before it is not possible */
	uint64_t change_bytes;
};
typedef bool mt_state_revision_fn(void *context, const struct mt_state_revision *row);
/* The newest first. */
MT_MUST_USE enum mt_status mt_state_revisions(struct mt_state *state, mt_state_revision_fn *visit,
					      void *context);

/* Of so many revisions, and so many bytes, the changes are kept; older ones stay in the list,
 * without them. From the next change on; 0: without bound. */
void mt_state_history_limit(struct mt_state *state, uint64_t count_max, uint64_t bytes_max);

/* A change that is undone unless it is confirmed. At most one waits. */
struct mt_state_confirmation {
	uint64_t revision; /* that waits */
	uint64_t back_to;
	int64_t due_s;
};
/* MT_NOT_FOUND: none waits. */
MT_MUST_USE enum mt_status mt_state_confirmation(struct mt_state *state,
						 struct mt_state_confirmation *out);
/* Inside a change: it waits until due_s, and else goes back to the revision before it. MT_EXISTS.
 */
MT_MUST_USE enum mt_status mt_state_confirmation_await(struct mt_state *state, int64_t due_s);
/* Inside a change: none waits any more. MT_NOT_FOUND. */
MT_MUST_USE enum mt_status mt_state_confirmation_end(struct mt_state *state);
