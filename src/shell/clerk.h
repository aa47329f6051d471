/*
 * Undoes a change of the policy that nobody confirmed in time, on a thread of its own that sleeps
 * until then. It takes the lock of the API for it.
 */
#pragma once

#include "base/status.h"
#include "store/state_history.h"

struct mt_api;
struct mt_clerk;

/* NULL: no memory or thread. `settle` is called under `lock`: it undoes what is due, and tells in
 * how many seconds to ask again; 0: when woken. first_s: before the first time. */
struct mt_clerk *mt_clerk_open(struct mt_api *api, void *lock, int64_t (*settle)(struct mt_api *),
			       int64_t first_s);
/* Something waits now, or no longer does. Any thread. */
void mt_clerk_wake(struct mt_clerk *clerk);
void mt_clerk_close(struct mt_clerk **clerk); /* takes NULL */

/* Before the policy is loaded at all: undoes what came due while nobody ran. */
MT_MUST_USE enum mt_status mt_clerk_settle_at_start(struct mt_state *state, int64_t now_s);
/* Inside a change: goes back from what waits. */
MT_MUST_USE enum mt_status mt_clerk_undo(struct mt_state *state,
					 const struct mt_state_confirmation *waits, int64_t now_s);
#define MT_CLERK_AUTHOR "mortised: not confirmed in time"
