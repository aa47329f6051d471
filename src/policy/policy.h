/*
 * The compiled policy: an immutable, counted snapshot of all roles and users.
 *
 *   builder: roles, rules, users -> mt_policy_build -> struct mt_policy (read by cores, hash
 * workers, the admin API)
 *
 * Rules compile to one tree per role, so that a decision costs the depth of the topic, not the
 * number of rules. A snapshot that comes from another shares with it all roles and users that are
 * the same, so that a change costs what it changes. Built-in roles: `open` (everything but writing
 * to $SYS: both "#" with share any; subscribe "$SYS/#") and `admin` (the same for now: the
 * administrator's further rights are those of the admin API). They exist in every snapshot and
 * cannot be redefined.
 *
 * Threading: the count is atomic, all else immutable.
 */
#pragma once

#include "base/arena.h"
#include "base/map.h"
#include "identity/user.h"
#include "policy/rule.h"

struct mt_policy;
struct mt_policy_builder;

/* revision: of the database, shown in logs. NULL without memory. */
MT_MUST_USE struct mt_policy_builder *mt_policy_builder_create(uint64_t revision,
							       struct mt_seed seed);
/* Begins with all that `former` holds; a role given again takes the place of the one of its name,
 * users must be dropped before they are given again. NULL without memory. Cost: a count per role.
 */
MT_MUST_USE struct mt_policy_builder *mt_policy_builder_from(const struct mt_policy *former,
							     uint64_t revision);
void mt_policy_builder_destroy(struct mt_policy_builder **builder);
/* *role: a small id in this snapshot. MT_EXISTS for a name twice or a built-in one. Everything is
 * copied. */
MT_MUST_USE enum mt_status mt_policy_builder_role(struct mt_policy_builder *builder,
						  struct mt_bytes name, uint32_t *role);
/* `subscribe: filter`: SUBSCRIBE is granted to whoever holds the role, and filtered at delivery.
 * MT_NOT_FOUND: this builder makes no such role. */
MT_MUST_USE enum mt_status mt_policy_builder_filter(struct mt_policy_builder *builder,
						    uint32_t role);
/* MT_INVALID: a faulty rule; MT_NOT_FOUND: this builder makes no such role. */
MT_MUST_USE enum mt_status mt_policy_builder_rule(struct mt_policy_builder *builder, uint32_t role,
						  const struct mt_rule *rule);
/* MT_NOT_FOUND: no such role, or a built-in one. Who holds it still may do nothing at all. */
MT_MUST_USE enum mt_status mt_policy_builder_drop_role(struct mt_policy_builder *builder,
						       struct mt_bytes name);
/* role_names: count names; an unknown one is MT_NOT_FOUND. MT_EXISTS: its name or id is there. */
MT_MUST_USE enum mt_status mt_policy_builder_user(struct mt_policy_builder *builder,
						  const struct mt_user *user,
						  const struct mt_bytes *role_names,
						  size_t role_count);
/* MT_NOT_FOUND, MT_MEMORY (then the builder is good for nothing more). */
MT_MUST_USE enum mt_status mt_policy_builder_drop_user(struct mt_policy_builder *builder,
						       uint64_t id);
/* Hands the snapshot over with one reference and destroys the builder (on failure too). */
MT_MUST_USE enum mt_status mt_policy_build(struct mt_policy_builder **builder,
					   struct mt_policy **out);

struct mt_policy *mt_policy_ref(struct mt_policy *policy);
void mt_policy_unref(struct mt_policy **policy);
uint64_t mt_policy_revision(const struct mt_policy *policy);
/* So many roles were removed that a snapshot from nothing is better than one from this. */
bool mt_policy_is_sparse(const struct mt_policy *policy);

/* Borrowed from the snapshot; NULL when there is none. */
const struct mt_user *mt_policy_user_by_name(const struct mt_policy *policy, struct mt_bytes name);
const struct mt_user *mt_policy_user_by_id(const struct mt_policy *policy, uint64_t id);
/* Id of a role by name; false when there is none. */
bool mt_policy_role(const struct mt_policy *policy, struct mt_bytes name, uint32_t *out);
/* Earliest `since_s` or `until_s` after now_s among all rules, INT64_MAX when none: then the epoch
 * must rise. */
int64_t mt_policy_next_change_s(const struct mt_policy *policy, int64_t now_s);
