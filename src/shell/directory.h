/*
 * From the state database to the policy snapshot: the one place where stored rows become rules, and
 * where they are checked.
 */
#pragma once

#include "identity/book.h"
#include "policy/policy.h"
#include "store/state.h"

/* A snapshot of everything in `state`. A row that makes no valid rule fails the whole (closed):
 * fault names it. */
MT_MUST_USE enum mt_status mt_directory_load(struct mt_state *state, struct mt_policy **out,
					     char *fault, size_t cap);
/* The same within an open change, as the revision that it will be: `former` is the snapshot before,
 * and only what the change touched is read; NULL: all is. *touched: MT_TOUCHED_... */
MT_MUST_USE enum mt_status mt_directory_update(struct mt_state *state,
					       const struct mt_policy *former,
					       struct mt_policy **out, unsigned *touched,
					       char *fault, size_t cap);
/*
 * A stored rule as one of the policy; its texts are borrowed. A text: what is wrong with it,
 * static; NULL when it is good.
 */
MT_MUST_USE const char *mt_directory_rule(const struct mt_state_rule *row, struct mt_rule *out);
/* The book of proofs: certificates and keys of users, and what of them has ended. The same. */
MT_MUST_USE enum mt_status mt_directory_load_book(struct mt_state *state, struct mt_book **out,
						  char *fault, size_t cap);
