/*
 * A snapshot as bytes, and back: what decisions need of it. The hashes of passwords and tokens stay
 * behind, so that a snapshot that was read decides as the written one but lets nobody log in.
 *
 *   revision | roles: name, filters?, rules as they were given | users: record, role names
 */
#pragma once

#include "policy/policy.h"

#include "base/buf.h"

/* What mt_policy_encode writes. */
size_t mt_policy_image_bytes(const struct mt_policy *policy);
void mt_policy_encode(const struct mt_policy *policy, struct mt_buf *out);
/* One reference. MT_INVALID: no such image, or rules and names that a builder refuses. */
MT_MUST_USE enum mt_status mt_policy_decode(struct mt_bytes image, struct mt_policy **out);
