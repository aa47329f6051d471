/* The inside of a snapshot: what policy.c builds and decide.c reads. Private to policy. */
#pragma once

#include "policy/policy.h"
#include "policy/trie.h"

#include "base/hamt.h"

#include <stdatomic.h>

#define MT_VARIABLE_CLIENT_ID 1u
#define MT_VARIABLE_USER 2u
#define MT_VARIABLE_CN 4u

#define MT_BUILT_IN_ROLES 2u /* `open` and `admin` bear the first ids */

/* Compiled once, then shared by all snapshots until one of its rules changes. */
struct mt_role {
	_Atomic uint32_t ref_count;
	uint32_t id;
	uint64_t version; /* revision of the first snapshot it is in */
	struct mt_mem mem;
	struct mt_arena arena;
	struct mt_bytes name;
	struct mt_trie_rule *first, *last; /* its rules as they were given, by `later` */
	size_t level_count;		   /* of their filters together */
	bool is_compiled;
	bool is_filtering;	  /* `subscribe: filter` */
	uint8_t variables;	  /* used by any of its rules */
	uint8_t partial_qos_mask; /* QoS levels that denies of subscriptions name, but for those of
				     all levels */
	struct mt_trie_table table;
	struct mt_trie_node allows, denies; /* roots */
	uint32_t change_count;		    /* since_s and until_s that its rules have */
};

/* One block: the user, its roles, its texts. */
struct mt_record {
	struct mt_user user; /* first */
	_Atomic uint32_t ref_count;
	uint64_t version; /* revision of the first snapshot it is in */
};

/* decide.c: the subject's n-th role; NULL behind the last, or when it has no identity. */
const struct mt_role *mt_policy_role_of(const struct mt_policy *policy,
					const struct mt_subject *subject, uint32_t index);
/* Does a subscription rule speak of the group (empty: of an unshared filter)? */
bool mt_rule_covers_group(const struct mt_rule *rule, struct mt_bytes group);

struct mt_policy {
	_Atomic uint32_t ref_count;
	uint64_t revision;
	struct mt_seed seed;
	struct mt_role **roles; /* by id, the built-in ones first; NULL: removed, and its id is
				   never used again */
	uint32_t role_count, role_cap;
	struct mt_hamt users_by_name, users_by_id, roles_by_name;
};
