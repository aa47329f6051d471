/* Building and holding snapshots. */
#include "policy/snapshot.h"

#include "topic/name.h"

#include <stdlib.h>

#define BUILT_IN_COUNT 2u /* `open` and `admin` bear the first ids */

static struct mt_bytes role_name_key(const void *value)
{
	return ((const struct mt_role *)value)->name;
}

static struct mt_bytes user_name_key(const void *value)
{
	return ((const struct mt_user *)value)->name;
}

static struct mt_bytes user_id_key(const void *value)
{
	const struct mt_user *user = value;
	return mt_bytes_of(&user->id, sizeof(user->id));
}

static void destroy(struct mt_policy *policy)
{
	mt_map_finish(&policy->users_by_name);
	mt_map_finish(&policy->users_by_id);
	mt_map_finish(&policy->roles_by_name);
	mt_arena_finish(&policy->arena);
	free(policy);
}

static struct mt_policy *create(uint64_t revision, struct mt_seed seed)
{
	struct mt_policy *policy = calloc(1, sizeof(*policy));
	if (!policy)
		return NULL;
	atomic_init(&policy->ref_count, 1);
	policy->revision = revision;
	mt_mem_init(&policy->mem, SIZE_MAX);
	mt_arena_init(&policy->arena, &policy->mem);
	mt_map_init(&policy->users_by_name, &policy->mem, seed, user_name_key);
	mt_map_init(&policy->users_by_id, &policy->mem, seed, user_id_key);
	mt_map_init(&policy->roles_by_name, &policy->mem, seed, role_name_key);
	return policy;
}

/* ---- roles ---- */

static enum mt_status add_role(struct mt_policy_builder *builder, struct mt_bytes name,
			       uint32_t *id)
{
	struct mt_policy *policy = builder->policy;
	struct mt_role *role = mt_arena_take(&policy->arena, sizeof(*role));
	if (!role)
		return MT_MEMORY;
	MT_TRY(mt_arena_copy(&policy->arena, name, &role->name));
	if (policy->role_count == builder->role_cap) {
		uint32_t cap = builder->role_cap ? builder->role_cap * 2 : 16;
		struct mt_role **roles =
			mt_arena_take(&policy->arena, cap * sizeof(struct mt_role *));
		if (!roles)
			return MT_MEMORY;
		if (policy->role_count > 0)
			memcpy(roles, policy->roles, policy->role_count * sizeof(struct mt_role *));
		policy->roles = roles;
		builder->role_cap = cap;
	}
	role->id = policy->role_count;
	MT_TRY(mt_map_put(&policy->roles_by_name, role));
	policy->roles[policy->role_count++] = role;
	*id = role->id;
	return MT_OK;
}

static uint8_t variables_of(struct mt_bytes filter)
{
	uint8_t variables = 0;
	for (size_t i = 0; i + 1 < filter.len; i++)
		if (filter.data[i] == '%')
			variables |= filter.data[i + 1] == 'c'	 ? MT_VARIABLE_CLIENT_ID
				     : filter.data[i + 1] == 'u' ? MT_VARIABLE_USER
								 : MT_VARIABLE_CN;
	return variables;
}

static enum mt_status add_rule(struct mt_policy_builder *builder, uint32_t role,
			       const struct mt_rule *rule)
{
	struct mt_arena *arena = &builder->policy->arena;
	struct mt_pending_rule *pending = mt_arena_take(arena, sizeof(*pending));
	if (!pending || !(pending->rule = mt_arena_take(arena, sizeof(*pending->rule))))
		return MT_MEMORY;
	pending->rule->rule = *rule;
	MT_TRY(mt_arena_copy(arena, rule->filter, &pending->rule->rule.filter));
	MT_TRY(mt_arena_copy(arena, rule->share, &pending->rule->rule.share));
	MT_TRY(mt_arena_copy(arena, rule->listener, &pending->rule->rule.listener));
	pending->role = role;
	pending->next = builder->first;
	builder->first = pending;
	builder->level_count += mt_topic_level_count(rule->filter);
	builder->change_count += (rule->since_s != 0) + 0u + (rule->until_s != 0);
	builder->policy->roles[role]->variables |= variables_of(rule->filter);
	if (rule->is_deny && rule->operation & MT_OPERATION_SUBSCRIBE && rule->qos_mask != 7)
		builder->policy->roles[role]->partial_qos_mask |= rule->qos_mask;
	return MT_OK;
}

/* `open` and `admin`: everything, but of `$SYS` only reading. Their rules bear the id 0. */
static enum mt_status add_built_in(struct mt_policy_builder *builder, const char *name)
{
	static const struct mt_rule all = {.operation = MT_OPERATION_BOTH, .qos_mask = 7};
	static const struct mt_rule system = {.operation = MT_OPERATION_SUBSCRIBE, .qos_mask = 7};
	struct mt_rule rules[] = {all, system};
	uint32_t role;
	MT_TRY(add_role(builder, mt_bytes_str(name), &role));
	rules[0].filter = mt_bytes_str("#");
	rules[1].filter = mt_bytes_str("$SYS/#");
	for (size_t i = 0; i < MT_COUNT_OF(rules); i++) {
		rules[i].share = mt_bytes_str("any");
		MT_TRY(add_rule(builder, role, &rules[i]));
	}
	return MT_OK;
}

struct mt_policy_builder *mt_policy_builder_create(uint64_t revision, struct mt_seed seed)
{
	struct mt_policy_builder *builder = calloc(1, sizeof(*builder));
	if (!builder)
		return NULL;
	builder->seed = seed;
	builder->policy = create(revision, seed);
	if (!builder->policy || add_built_in(builder, "open") != MT_OK ||
	    add_built_in(builder, "admin") != MT_OK)
		mt_policy_builder_destroy(&builder);
	return builder;
}

void mt_policy_builder_destroy(struct mt_policy_builder **builder)
{
	struct mt_policy_builder *old = *builder;
	*builder = NULL;
	if (!old)
		return;
	if (old->policy)
		destroy(old->policy);
	free(old);
}

enum mt_status mt_policy_builder_role(struct mt_policy_builder *builder, struct mt_bytes name,
				      uint32_t *role)
{
	uint32_t former;
	if (name.len == 0)
		return MT_INVALID;
	if (mt_policy_role(builder->policy, name, &former))
		return MT_EXISTS;
	return add_role(builder, name, role);
}

enum mt_status mt_policy_builder_filter(struct mt_policy_builder *builder, uint32_t role)
{
	if (role >= builder->policy->role_count)
		return MT_NOT_FOUND;
	if (role < BUILT_IN_COUNT)
		return MT_INVALID;
	builder->policy->roles[role]->is_filtering = true;
	return MT_OK;
}

enum mt_status mt_policy_builder_rule(struct mt_policy_builder *builder, uint32_t role,
				      const struct mt_rule *rule)
{
	if (role >= builder->policy->role_count)
		return MT_NOT_FOUND;
	if (role < BUILT_IN_COUNT || mt_rule_fault(rule))
		return MT_INVALID;
	return add_rule(builder, role, rule);
}

/* ---- users ---- */

static enum mt_status copy_user(struct mt_arena *arena, const struct mt_user *from,
				struct mt_user *to)
{
	*to = *from;
	MT_TRY(mt_arena_copy(arena, from->name, &to->name));
	MT_TRY(mt_arena_copy(arena, from->password_hash, &to->password_hash));
	MT_TRY(mt_arena_copy(arena, from->token_hash, &to->token_hash));
	return mt_arena_copy(arena, from->client_id_rule, &to->client_id_rule);
}

enum mt_status mt_policy_builder_user(struct mt_policy_builder *builder, const struct mt_user *user,
				      const struct mt_bytes *role_names, size_t role_count)
{
	struct mt_policy *policy = builder->policy;
	struct mt_user *copy;
	uint32_t *roles;
	if (user->id == 0 || mt_user_name_fault(user->name) || role_count > MT_USER_ROLES_MAX)
		return MT_INVALID;
	if (mt_policy_user_by_name(policy, user->name) || mt_policy_user_by_id(policy, user->id))
		return MT_EXISTS;
	copy = mt_arena_take(&policy->arena, sizeof(*copy));
	roles = mt_arena_take(&policy->arena, role_count * sizeof(*roles));
	if (!copy || !roles)
		return MT_MEMORY;
	for (size_t i = 0; i < role_count; i++)
		if (!mt_policy_role(policy, role_names[i], &roles[i]))
			return MT_NOT_FOUND;
	MT_TRY(copy_user(&policy->arena, user, copy));
	copy->roles = roles;
	copy->role_count = (uint32_t)role_count;
	MT_TRY(mt_map_put(&policy->users_by_name, copy));
	if (mt_map_put(&policy->users_by_id, copy) == MT_OK)
		return MT_OK;
	mt_map_remove(&policy->users_by_name, copy->name);
	return MT_MEMORY;
}

/* ---- the snapshot ---- */

static enum mt_status compile(struct mt_policy_builder *builder)
{
	struct mt_policy *policy = builder->policy;
	MT_TRY(mt_trie_table_init(&policy->table, &policy->arena, builder->seed,
				  builder->level_count));
	policy->changes =
		mt_arena_take(&policy->arena, builder->change_count * sizeof(*policy->changes));
	if (!policy->changes)
		return MT_MEMORY;
	policy->rules = builder->first;
	for (struct mt_pending_rule *pending = builder->first; pending; pending = pending->next) {
		struct mt_role *role = policy->roles[pending->role];
		const struct mt_rule *rule = &pending->rule->rule;
		MT_TRY(mt_trie_add(&policy->table, &policy->arena,
				   rule->is_deny ? &role->denies : &role->allows, pending->rule));
		if (rule->since_s != 0)
			policy->changes[policy->change_count++] = rule->since_s;
		if (rule->until_s != 0)
			policy->changes[policy->change_count++] = rule->until_s;
	}
	return MT_OK;
}

enum mt_status mt_policy_build(struct mt_policy_builder **builder, struct mt_policy **out)
{
	enum mt_status status = compile(*builder);
	if (status == MT_OK) {
		*out = (*builder)->policy;
		(*builder)->policy = NULL;
	}
	mt_policy_builder_destroy(builder);
	return status;
}

struct mt_policy *mt_policy_ref(struct mt_policy *policy)
{
	atomic_fetch_add_explicit(&policy->ref_count, 1, memory_order_relaxed);
	return policy;
}

void mt_policy_unref(struct mt_policy **policy)
{
	struct mt_policy *old = *policy;
	*policy = NULL;
	if (old && atomic_fetch_sub_explicit(&old->ref_count, 1, memory_order_acq_rel) == 1)
		destroy(old);
}

uint64_t mt_policy_revision(const struct mt_policy *policy)
{
	return policy->revision;
}

const struct mt_user *mt_policy_user_by_name(const struct mt_policy *policy, struct mt_bytes name)
{
	return mt_map_find(&policy->users_by_name, name);
}

const struct mt_user *mt_policy_user_by_id(const struct mt_policy *policy, uint64_t id)
{
	return mt_map_find(&policy->users_by_id, mt_bytes_of(&id, sizeof(id)));
}

bool mt_policy_role(const struct mt_policy *policy, struct mt_bytes name, uint32_t *out)
{
	const struct mt_role *role = mt_map_find(&policy->roles_by_name, name);
	if (!role)
		return false;
	*out = role->id;
	return true;
}

int64_t mt_policy_next_change_s(const struct mt_policy *policy, int64_t now_s)
{
	int64_t next = INT64_MAX;
	for (uint32_t i = 0; i < policy->change_count; i++)
		if (policy->changes[i] > now_s && policy->changes[i] < next)
			next = policy->changes[i];
	return next;
}
