/* Building and holding snapshots. */
#include "policy/snapshot.h"

#include "base/buf.h"
#include "topic/name.h"

#include <stdlib.h>

struct mt_policy_builder {
	struct mt_policy *policy;
};

/* ---- roles, counted ---- */

static struct mt_bytes role_name_key(const void *value)
{
	return ((const struct mt_role *)value)->name;
}

static void role_ref(void *value)
{
	struct mt_role *role = value;
	atomic_fetch_add_explicit(&role->ref_count, 1, memory_order_relaxed);
}

static void role_unref(void *value)
{
	struct mt_role *role = value;
	if (atomic_fetch_sub_explicit(&role->ref_count, 1, memory_order_acq_rel) != 1)
		return;
	mt_arena_finish(&role->arena);
	free(role);
}

static struct mt_role *role_create(struct mt_bytes name, uint64_t version)
{
	struct mt_role *role = calloc(1, sizeof(*role));
	if (!role)
		return NULL;
	atomic_init(&role->ref_count, 1);
	role->version = version;
	mt_mem_init(&role->mem, SIZE_MAX);
	mt_arena_init(&role->arena, &role->mem);
	if (mt_arena_copy(&role->arena, name, &role->name) == MT_OK)
		return role;
	role_unref(role);
	return NULL;
}

static const struct mt_hamt_kind role_kind = {role_name_key, role_ref, role_unref};

/* ---- users, counted ---- */

static struct mt_bytes user_name_key(const void *value)
{
	return ((const struct mt_record *)value)->user.name;
}

static struct mt_bytes user_id_key(const void *value)
{
	const struct mt_record *record = value;
	return mt_bytes_of(&record->user.id, sizeof(record->user.id));
}

static void record_ref(void *value)
{
	struct mt_record *record = value;
	atomic_fetch_add_explicit(&record->ref_count, 1, memory_order_relaxed);
}

static void record_unref(void *value)
{
	struct mt_record *record = value;
	if (atomic_fetch_sub_explicit(&record->ref_count, 1, memory_order_acq_rel) == 1)
		free(record);
}

static struct mt_bytes put_text(struct mt_buf *out, struct mt_bytes text)
{
	const uint8_t *at = out->data + out->pos;
	mt_buf_put(out, text);
	return mt_bytes_of(at, text.len);
}

static struct mt_record *record_create(const struct mt_user *user, uint64_t version)
{
	size_t role_bytes = user->role_count * sizeof(uint32_t);
	size_t text_bytes = user->name.len + user->password_hash.len + user->token_hash.len +
			    user->client_id_rule.len;
	struct mt_record *record = calloc(1, sizeof(*record) + role_bytes + text_bytes);
	struct mt_buf room;
	uint32_t *roles;
	if (!record)
		return NULL;
	atomic_init(&record->ref_count, 1);
	record->version = version;
	record->user = *user;
	roles = (uint32_t *)(void *)(record + 1);
	if (role_bytes > 0)
		memcpy(roles, user->roles, role_bytes);
	record->user.roles = roles;
	room = mt_buf_of((uint8_t *)(record + 1) + role_bytes, text_bytes);
	record->user.name = put_text(&room, user->name);
	record->user.password_hash = put_text(&room, user->password_hash);
	record->user.token_hash = put_text(&room, user->token_hash);
	record->user.client_id_rule = put_text(&room, user->client_id_rule);
	return record;
}

static const struct mt_hamt_kind name_kind = {user_name_key, record_ref, record_unref};
static const struct mt_hamt_kind id_kind = {user_id_key, record_ref, record_unref};

/* ---- the snapshot ---- */

static void destroy(struct mt_policy *policy)
{
	mt_hamt_finish(&policy->users_by_name);
	mt_hamt_finish(&policy->users_by_id);
	mt_hamt_finish(&policy->roles_by_name);
	for (uint32_t i = 0; i < policy->role_count; i++)
		if (policy->roles[i])
			role_unref(policy->roles[i]);
	free(policy->roles);
	free(policy);
}

static struct mt_policy *create(uint64_t revision, struct mt_seed seed)
{
	struct mt_policy *policy = calloc(1, sizeof(*policy));
	if (!policy)
		return NULL;
	atomic_init(&policy->ref_count, 1);
	policy->revision = revision;
	policy->seed = seed;
	mt_hamt_init(&policy->users_by_name, &name_kind, seed);
	mt_hamt_init(&policy->users_by_id, &id_kind, seed);
	mt_hamt_init(&policy->roles_by_name, &role_kind, seed);
	return policy;
}

/* Another snapshot of the same roles and users. */
static struct mt_policy *copy(const struct mt_policy *from, uint64_t revision)
{
	struct mt_policy *policy = create(revision, from->seed);
	if (!policy)
		return NULL;
	policy->roles = malloc((from->role_count + 1) * sizeof(struct mt_role *));
	if (!policy->roles) {
		free(policy);
		return NULL;
	}
	mt_hamt_share(&from->users_by_name, &policy->users_by_name);
	mt_hamt_share(&from->users_by_id, &policy->users_by_id);
	mt_hamt_share(&from->roles_by_name, &policy->roles_by_name);
	policy->role_cap = from->role_count + 1;
	policy->role_count = from->role_count;
	for (uint32_t i = 0; i < from->role_count; i++) {
		policy->roles[i] = from->roles[i];
		if (policy->roles[i])
			role_ref(policy->roles[i]);
	}
	return policy;
}

/* ---- building roles ---- */

static enum mt_status add_slot(struct mt_policy *policy, uint32_t *id)
{
	if (policy->role_count == policy->role_cap) {
		uint32_t cap = policy->role_cap ? policy->role_cap * 2 : 16;
		struct mt_role **roles = realloc(policy->roles, cap * sizeof(struct mt_role *));
		if (!roles)
			return MT_MEMORY;
		policy->roles = roles;
		policy->role_cap = cap;
	}
	*id = policy->role_count++;
	policy->roles[*id] = NULL;
	return MT_OK;
}

/* A new role, in the place of the former one of its name (NULL: none). */
static enum mt_status add_role(struct mt_policy *policy, const struct mt_role *former,
			       struct mt_bytes name, uint32_t *id)
{
	struct mt_role *role = role_create(name, policy->revision);
	enum mt_status status = MT_OK;
	if (!role)
		return MT_MEMORY;
	if (former)
		role->id = former->id;
	else
		status = add_slot(policy, &role->id);
	if (status == MT_OK)
		status = mt_hamt_put(&policy->roles_by_name, role);
	if (status != MT_OK) {
		role_unref(role);
		return status;
	}
	if (policy->roles[role->id])
		role_unref(policy->roles[role->id]);
	policy->roles[role->id] = role;
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

static enum mt_status add_rule(struct mt_role *role, const struct mt_rule *rule)
{
	struct mt_trie_rule *item = mt_arena_take(&role->arena, sizeof(*item));
	if (!item)
		return MT_MEMORY;
	item->rule = *rule;
	MT_TRY(mt_arena_copy(&role->arena, rule->filter, &item->rule.filter));
	MT_TRY(mt_arena_copy(&role->arena, rule->share, &item->rule.share));
	MT_TRY(mt_arena_copy(&role->arena, rule->listener, &item->rule.listener));
	if (role->last)
		role->last->later = item;
	else
		role->first = item;
	role->last = item;
	role->level_count += mt_topic_level_count(rule->filter);
	role->change_count += (uint32_t)(rule->since_s != 0) + (uint32_t)(rule->until_s != 0);
	role->variables |= variables_of(rule->filter);
	if (rule->is_deny && rule->operation & MT_OPERATION_SUBSCRIBE && rule->qos_mask != 7)
		role->partial_qos_mask |= rule->qos_mask;
	return MT_OK;
}

static enum mt_status compile(struct mt_role *role, struct mt_seed seed)
{
	MT_TRY(mt_trie_table_init(&role->table, &role->arena, seed, role->level_count));
	for (struct mt_trie_rule *rule = role->first; rule; rule = rule->later)
		MT_TRY(mt_trie_add(&role->table, &role->arena,
				   rule->rule.is_deny ? &role->denies : &role->allows, rule));
	role->is_compiled = true;
	return MT_OK;
}

/* `open` and `admin`: everything, but of `$SYS` only reading. Their rules bear the id 0. */
static enum mt_status add_built_in(struct mt_policy *policy, const char *name)
{
	static const struct mt_rule all = {.operation = MT_OPERATION_BOTH, .qos_mask = 7};
	static const struct mt_rule system = {.operation = MT_OPERATION_SUBSCRIBE, .qos_mask = 7};
	struct mt_rule rules[] = {all, system};
	uint32_t role;
	MT_TRY(add_role(policy, NULL, mt_bytes_str(name), &role));
	rules[0].filter = mt_bytes_str("#");
	rules[1].filter = mt_bytes_str("$SYS/#");
	for (size_t i = 0; i < MT_COUNT_OF(rules); i++) {
		rules[i].share = mt_bytes_str("any");
		MT_TRY(add_rule(policy->roles[role], &rules[i]));
	}
	return compile(policy->roles[role], policy->seed);
}

struct mt_policy_builder *mt_policy_builder_create(uint64_t revision, struct mt_seed seed)
{
	struct mt_policy_builder *builder = calloc(1, sizeof(*builder));
	if (!builder)
		return NULL;
	builder->policy = create(revision, seed);
	if (!builder->policy || add_built_in(builder->policy, "open") != MT_OK ||
	    add_built_in(builder->policy, "admin") != MT_OK)
		mt_policy_builder_destroy(&builder);
	return builder;
}

struct mt_policy_builder *mt_policy_builder_from(const struct mt_policy *former, uint64_t revision)
{
	struct mt_policy_builder *builder = calloc(1, sizeof(*builder));
	if (!builder)
		return NULL;
	builder->policy = copy(former, revision);
	if (!builder->policy)
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
	const struct mt_role *former = mt_hamt_find(&builder->policy->roles_by_name, name);
	if (name.len == 0)
		return MT_INVALID;
	if (former && (!former->is_compiled || former->id < MT_BUILT_IN_ROLES))
		return MT_EXISTS;
	return add_role(builder->policy, former, name, role);
}

/* One that this builder makes; NULL: there is none such. */
static struct mt_role *role_in_work(const struct mt_policy_builder *builder, uint32_t id)
{
	struct mt_role *role = id < builder->policy->role_count ? builder->policy->roles[id] : NULL;
	return role && !role->is_compiled ? role : NULL;
}

enum mt_status mt_policy_builder_filter(struct mt_policy_builder *builder, uint32_t role)
{
	struct mt_role *work = role_in_work(builder, role);
	if (!work)
		return MT_NOT_FOUND;
	work->is_filtering = true;
	return MT_OK;
}

enum mt_status mt_policy_builder_rule(struct mt_policy_builder *builder, uint32_t role,
				      const struct mt_rule *rule)
{
	struct mt_role *work = role_in_work(builder, role);
	if (!work)
		return MT_NOT_FOUND;
	if (mt_rule_fault(rule))
		return MT_INVALID;
	return add_rule(work, rule);
}

enum mt_status mt_policy_builder_drop_role(struct mt_policy_builder *builder, struct mt_bytes name)
{
	struct mt_policy *policy = builder->policy;
	const struct mt_role *role = mt_hamt_find(&policy->roles_by_name, name);
	uint32_t id;
	if (!role || role->id < MT_BUILT_IN_ROLES)
		return MT_NOT_FOUND;
	id = role->id;
	MT_TRY(mt_hamt_remove(&policy->roles_by_name, name));
	role_unref(policy->roles[id]);
	policy->roles[id] = NULL;
	return MT_OK;
}

/* ---- building users ---- */

static enum mt_status add_record(struct mt_policy *policy, struct mt_record *record)
{
	enum mt_status status = mt_hamt_put(&policy->users_by_name, record);
	if (status != MT_OK)
		return status;
	status = mt_hamt_put(&policy->users_by_id, record);
	/* What was just put in is this version's alone: it goes without memory. */
	if (status != MT_OK)
		MT_CHECK(mt_hamt_remove(&policy->users_by_name, record->user.name) == MT_OK);
	return status;
}

enum mt_status mt_policy_builder_user(struct mt_policy_builder *builder, const struct mt_user *user,
				      const struct mt_bytes *role_names, size_t role_count)
{
	struct mt_policy *policy = builder->policy;
	uint32_t roles[MT_USER_ROLES_MAX];
	struct mt_user given = *user;
	struct mt_record *record;
	enum mt_status status;
	if (user->id == 0 || mt_user_name_fault(user->name) || role_count > MT_USER_ROLES_MAX)
		return MT_INVALID;
	if (mt_policy_user_by_name(policy, user->name) || mt_policy_user_by_id(policy, user->id))
		return MT_EXISTS;
	for (size_t i = 0; i < role_count; i++)
		if (!mt_policy_role(policy, role_names[i], &roles[i]))
			return MT_NOT_FOUND;
	given.roles = roles;
	given.role_count = (uint32_t)role_count;
	record = record_create(&given, policy->revision);
	if (!record)
		return MT_MEMORY;
	status = add_record(policy, record);
	record_unref(record);
	return status;
}

enum mt_status mt_policy_builder_drop_user(struct mt_policy_builder *builder, uint64_t id)
{
	struct mt_policy *policy = builder->policy;
	struct mt_record *record = mt_hamt_find(&policy->users_by_id, mt_bytes_of(&id, sizeof(id)));
	enum mt_status status;
	if (!record)
		return MT_NOT_FOUND;
	record_ref(record);
	status = mt_hamt_remove(&policy->users_by_name, record->user.name);
	if (status == MT_OK)
		status = mt_hamt_remove(&policy->users_by_id, mt_bytes_of(&id, sizeof(id)));
	record_unref(record);
	return status;
}

/* ---- the whole ---- */

enum mt_status mt_policy_build(struct mt_policy_builder **builder, struct mt_policy **out)
{
	struct mt_policy *policy = (*builder)->policy;
	enum mt_status status = MT_OK;
	for (uint32_t i = 0; i < policy->role_count && status == MT_OK; i++)
		if (policy->roles[i] && !policy->roles[i]->is_compiled)
			status = compile(policy->roles[i], policy->seed);
	if (status == MT_OK) {
		*out = policy;
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

bool mt_policy_is_sparse(const struct mt_policy *policy)
{
	return policy->role_count > 2 * policy->roles_by_name.count + 1000;
}

const struct mt_user *mt_policy_user_by_name(const struct mt_policy *policy, struct mt_bytes name)
{
	return mt_hamt_find(&policy->users_by_name, name);
}

const struct mt_user *mt_policy_user_by_id(const struct mt_policy *policy, uint64_t id)
{
	return mt_hamt_find(&policy->users_by_id, mt_bytes_of(&id, sizeof(id)));
}

bool mt_policy_role(const struct mt_policy *policy, struct mt_bytes name, uint32_t *out)
{
	const struct mt_role *role = mt_hamt_find(&policy->roles_by_name, name);
	if (!role)
		return false;
	*out = role->id;
	return true;
}

static int64_t sooner(int64_t next, int64_t moment, int64_t now_s)
{
	return moment > now_s && moment < next ? moment : next;
}

int64_t mt_policy_next_change_s(const struct mt_policy *policy, int64_t now_s)
{
	int64_t next = INT64_MAX;
	for (uint32_t i = 0; i < policy->role_count; i++) {
		const struct mt_role *role = policy->roles[i];
		const struct mt_trie_rule *rule =
			role && role->change_count > 0 ? role->first : NULL;
		for (; rule; rule = rule->later) {
			next = sooner(next, rule->rule.since_s, now_s);
			next = sooner(next, rule->rule.until_s, now_s);
		}
	}
	return next;
}
