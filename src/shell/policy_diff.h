/* From one policy document to another: what changes, told and done. */
#pragma once

#include "shell/policy_document.h"

/* A list of texts, each one change: "+ role x: { allow: ... }", "- user y", "~ user z: enabled:
 * no". NULL without memory. Sections that `wanted` lacks stay as they are. */
json_t *mt_policy_diff(const struct mt_policy_document *current,
		       const struct mt_policy_document *wanted);
/* Names of users that `wanted` would remove; NULL without memory. */
json_t *mt_policy_diff_removed(const struct mt_policy_document *current,
			       const struct mt_policy_document *wanted);
/* Inside a change: makes it so. `current` was loaded from this state. On failure *at is what it
 * failed on, borrowed. */
MT_MUST_USE enum mt_status mt_policy_apply(struct mt_state *state,
					   const struct mt_policy_document *current,
					   const struct mt_policy_document *wanted, int64_t now_s,
					   const char **at);
