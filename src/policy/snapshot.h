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
	struct mt_trie_node allows, denies; /* roots */
	uint8_t variables; /* used by any of its rules */
};

struct mt_policy {
	_Atomic uint32_t ref_count;
	uint64_t revision;
	struct mt_mem mem;
	struct mt_arena arena;
	struct mt_trie_table table;
	struct mt_role **roles; /* by id; the built-in ones first */
	uint32_t role_count;
	struct mt_map users_by_name, users_by_id;
	int64_t *changes; /* until_s of rules that have one */
	uint32_t change_count;
};

/* The ids of a subject's roles; *count 0: it has no identity here. An anonymous role is written to *single. */
const uint32_t *mt_policy_subject_roles(const struct mt_policy *policy, const struct mt_subject *subject,
					uint32_t *single, uint32_t *count);
