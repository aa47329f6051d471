/* The inside of a snapshot: what policy.c builds and decide.c reads. Private to policy. */
#pragma once

#include "policy/policy.h"
#include "policy/trie.h"

#include <stdatomic.h>

#define MT_VARIABLE_CLIENT_ID 1u
#define MT_VARIABLE_USER 2u
#define MT_VARIABLE_CN 4u

struct mt_role {
	struct mt_bytes name;
	uint32_t id;
	struct mt_trie_node allows, denies; /* roots */
	uint8_t variables;		    /* used by any of its rules */
	bool is_filtering;		    /* `subscribe: filter` */
	uint8_t partial_qos_mask; /* QoS levels that denies of subscriptions name, but for those of
				     all levels */
};

struct mt_policy {
	_Atomic uint32_t ref_count;
	uint64_t revision;
	struct mt_mem mem;
	struct mt_arena arena;
	struct mt_trie_table table;
	struct mt_role **roles; /* by id; the built-in ones first */
	uint32_t role_count;
	struct mt_map users_by_name, users_by_id, roles_by_name;
	int64_t *changes; /* since_s and until_s of rules that have them */
	uint32_t change_count;
	const struct mt_pending_rule *rules; /* as they were given, the last first */
};

/* A rule as given: kept until the number of levels is known and the tries can be made, and for
 * whoever wants the rules themselves. */
struct mt_pending_rule {
	struct mt_pending_rule *next;
	uint32_t role;
	struct mt_trie_rule *rule;
};

struct mt_policy_builder {
	struct mt_policy *policy;
	struct mt_seed seed;
	struct mt_pending_rule *first;
	uint32_t role_cap;
	size_t level_count;
	uint32_t change_count;
};
