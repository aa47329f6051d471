/* Verdicts: denies first, then allows, role by role. */
#include "policy/snapshot.h"
#include "topic/name.h"

/* The roles of a subject, looked up once for all that is asked of them. */
struct roles {
	const uint32_t *ids;
	uint32_t count;
	uint32_t anonymous; /* what ids points to for a subject without credentials */
};

static bool find_roles(const struct mt_policy *policy, const struct mt_subject *subject,
		       struct roles *out)
{
	const struct mt_user *user;
	if (subject->user_id == 0) {
		out->ids = &out->anonymous;
		out->count = 1;
		return mt_policy_role(policy, subject->anonymous_role, &out->anonymous);
	}
	user = mt_policy_user_by_id(policy, subject->user_id);
	if (!user || !user->is_enabled)
		return false;
	out->ids = user->roles;
	out->count = user->role_count;
	return true;
}

/* A user name is one only with a record: who is anonymous may have claimed it. */
static bool has_variables(const struct mt_policy *policy, const struct mt_subject *subject,
			  const struct roles *roles)
{
	uint8_t variables = 0;
	for (uint32_t i = 0; i < roles->count; i++) {
		const struct mt_role *role = policy->roles[roles->ids[i]];
		if (!role)
			return false;
		variables |= role->variables;
	}
	return (!(variables & MT_VARIABLE_CLIENT_ID) ||
		mt_topic_is_plain_level(subject->client_id)) &&
	       (!(variables & MT_VARIABLE_USER) ||
		(subject->user_id != 0 && mt_topic_is_plain_level(subject->user))) &&
	       (!(variables & MT_VARIABLE_CN) || mt_topic_is_plain_level(subject->cn));
}

/*
 * Every decision asks this, not CONNECT alone: after a change of the policy a session may live on
 * for a while with a client id that the new rules cannot name, and would dodge their denies.
 */
static bool admits(const struct mt_policy *policy, const struct mt_subject *subject,
		   struct roles *roles)
{
	return find_roles(policy, subject, roles) && has_variables(policy, subject, roles);
}

const struct mt_role *mt_policy_role_of(const struct mt_policy *policy,
					const struct mt_subject *subject, uint32_t index)
{
	struct roles roles;
	if (!find_roles(policy, subject, &roles) || index >= roles.count)
		return NULL;
	return policy->roles[roles.ids[index]];
}

bool mt_policy_admits(const struct mt_policy *policy, const struct mt_subject *subject)
{
	struct roles roles;
	return admits(policy, subject, &roles);
}

uint64_t mt_policy_stamp(const struct mt_policy *policy, const struct mt_subject *subject)
{
	const struct mt_record *record;
	struct roles roles;
	uint64_t stamp = 0;
	if (!find_roles(policy, subject, &roles))
		return 0;
	if (subject->user_id != 0) {
		record = (const struct mt_record *)(const void *)mt_policy_user_by_id(
			policy, subject->user_id);
		stamp = record->version;
	}
	for (uint32_t i = 0; i < roles.count; i++) {
		const struct mt_role *role = policy->roles[roles.ids[i]];
		if (!role)
			return 0;
		if (role->version > stamp)
			stamp = role->version;
	}
	return stamp;
}

/* What the visitors look for and find. */
struct inquiry {
	struct mt_bytes group; /* empty: not shared */
	uint8_t qos;
	bool is_retain;
	bool is_found;
	uint32_t rule_id;
	uint8_t qos_mask;	  /* gathered */
	uint8_t partial_qos_mask; /* of all denies */
	bool is_crossed;
};

/* Asks the denies or the allows of every role. False when a visitor stopped it. */
static bool ask(const struct mt_policy *policy, const struct roles *roles,
		struct mt_trie_query *query, bool is_deny)
{
	for (uint32_t i = 0; i < roles->count; i++) {
		const struct mt_role *role = policy->roles[roles->ids[i]];
		query->table = &role->table;
		if (!mt_trie_walk(query, is_deny ? &role->denies : &role->allows))
			return false;
	}
	return true;
}

static struct mt_verdict verdict_of(const struct inquiry *inquiry, bool is_allowed)
{
	return (struct mt_verdict){
		.is_allowed = is_allowed, .why = MT_WHY_RULE, .rule_id = inquiry->rule_id};
}

static bool stop_at(struct inquiry *inquiry, const struct mt_rule *rule)
{
	inquiry->is_found = true;
	inquiry->rule_id = rule->id;
	return false;
}

/* ---- publish ---- */

static bool visit_publish(struct mt_trie_query *query, const struct mt_rule *rule)
{
	struct inquiry *inquiry = query->context;
	bool is_retain_meant = rule->retain == MT_RETAIN_ANY ||
			       (rule->retain == MT_RETAIN_YES) == inquiry->is_retain;
	if (!(rule->qos_mask >> inquiry->qos & 1) || !is_retain_meant)
		return true;
	return stop_at(inquiry, rule);
}

struct mt_verdict mt_decide_publish(const struct mt_policy *policy,
				    const struct mt_subject *subject, struct mt_bytes topic,
				    uint8_t qos, bool is_retain, int64_t now_s)
{
	struct roles roles;
	struct inquiry inquiry = {.qos = qos, .is_retain = is_retain};
	struct mt_trie_query query = {.subject = subject,
				      .relation = MT_TRIE_MATCHES,
				      .topic = topic,
				      .operation = MT_OPERATION_PUBLISH,
				      .now_s = now_s,
				      .visit = visit_publish,
				      .context = &inquiry};
	if (!admits(policy, subject, &roles))
		return (struct mt_verdict){.why = MT_WHY_NO_IDENTITY};
	if (!ask(policy, &roles, &query, true))
		return verdict_of(&inquiry, false);
	if (!ask(policy, &roles, &query, false))
		return verdict_of(&inquiry, true);
	return (struct mt_verdict){.why = MT_WHY_NO_RULE};
}

/* ---- subscribe ---- */

static bool shares(const struct mt_rule *rule, struct mt_bytes group)
{
	return mt_bytes_equal(rule->share, mt_bytes_str("any")) ||
	       mt_bytes_equal(rule->share, group);
}

/* An allow with `share` covers the plain filter too; without it, never a group. */
static bool allow_covers(const struct mt_rule *rule, struct mt_bytes group)
{
	return group.len == 0 || shares(rule, group);
}

/* A deny without `share` covers everything; with it, only that group. */
static bool deny_covers(const struct mt_rule *rule, struct mt_bytes group)
{
	return rule->share.len == 0 || (group.len > 0 && shares(rule, group));
}

bool mt_rule_covers_group(const struct mt_rule *rule, struct mt_bytes group)
{
	return rule->is_deny ? deny_covers(rule, group) : allow_covers(rule, group);
}

static bool visit_containing_deny(struct mt_trie_query *query, const struct mt_rule *rule)
{
	struct inquiry *inquiry = query->context;
	if (rule->qos_mask != 7 || !deny_covers(rule, inquiry->group))
		return true;
	return stop_at(inquiry, rule);
}

static bool visit_overlapping_deny(struct mt_trie_query *query, const struct mt_rule *rule)
{
	struct inquiry *inquiry = query->context;
	if (!deny_covers(rule, inquiry->group))
		return true;
	if (rule->qos_mask == 7)
		inquiry->is_crossed = true;
	else
		inquiry->qos_mask |= rule->qos_mask;
	/* One is enough, unless others may take a QoS away. */
	return !inquiry->is_crossed || inquiry->qos_mask != inquiry->partial_qos_mask;
}

/* What the denies take away from a filter that is allowed. Last of all, because it costs the number
 * of denies: who may nothing shall not make us pay that, and nobody more than the budget. */
static void find_crossing(const struct mt_policy *policy, const struct roles *roles,
			  struct mt_trie_query *query, struct inquiry *denied)
{
	for (uint32_t i = 0; i < roles->count; i++)
		denied->partial_qos_mask |= policy->roles[roles->ids[i]]->partial_qos_mask;
	query->relation = MT_TRIE_OVERLAPS;
	query->visit = visit_overlapping_deny;
	query->context = denied;
	query->nodes_left = MT_OVERLAP_NODES_MAX;
	if (ask(policy, roles, query, true) || query->nodes_left > 0)
		return;
	denied->is_crossed = true;
	denied->qos_mask |= denied->partial_qos_mask;
}

static bool visit_containing_allow(struct mt_trie_query *query, const struct mt_rule *rule)
{
	struct inquiry *inquiry = query->context;
	if (!allow_covers(rule, inquiry->group))
		return true;
	if (!inquiry->is_found)
		inquiry->rule_id = rule->id;
	inquiry->is_found = true;
	inquiry->qos_mask |= rule->qos_mask;
	return true;
}

/* Does some role of the subject grant every SUBSCRIBE and filter at delivery? */
static bool filters(const struct mt_policy *policy, const struct roles *roles)
{
	for (uint32_t i = 0; i < roles->count; i++)
		if (policy->roles[roles->ids[i]]->is_filtering)
			return true;
	return false;
}

/* The highest QoS of the set that is not above the request; -1: none. */
static int highest(uint8_t qos_mask, uint8_t qos)
{
	for (int candidate = qos; candidate >= 0; candidate--)
		if (qos_mask >> candidate & 1)
			return candidate;
	return -1;
}

/*
 * Granted whatever the rules say, and each message is asked for. Allows that overlap the filter
 * still bound its QoS; of too many to look at, those that were seen do.
 */
static struct mt_grant grant_filtered(const struct mt_policy *policy, const struct roles *roles,
				      struct mt_trie_query *query, uint8_t qos)
{
	struct inquiry *denied = query->context;
	struct inquiry allowed = {.group = denied->group};
	int granted;
	find_crossing(policy, roles, query, denied);
	query->visit = visit_containing_allow;
	query->context = &allowed;
	query->nodes_left = MT_OVERLAP_NODES_MAX;
	(void)ask(policy, roles, query, false);
	if (!allowed.is_found)
		allowed.qos_mask = query->nodes_left > 0 ? 7 : 1;
	granted = highest(allowed.qos_mask & (uint8_t)~denied->qos_mask, qos);
	if (granted < 0)
		return (struct mt_grant){.why = MT_WHY_NO_RULE};
	return (struct mt_grant){.is_allowed = true,
				 .qos = (uint8_t)granted,
				 .is_crossed = true,
				 .why = allowed.is_found ? MT_WHY_RULE : MT_WHY_FILTERED,
				 .rule_id = allowed.rule_id};
}

struct mt_grant mt_decide_subscribe(const struct mt_policy *policy,
				    const struct mt_subject *subject, struct mt_bytes filter,
				    struct mt_bytes group, uint8_t qos, int64_t now_s)
{
	struct roles roles;
	struct inquiry denied = {.group = group}, allowed = {.group = group};
	struct mt_trie_query query = {.subject = subject,
				      .topic = filter,
				      .operation = MT_OPERATION_SUBSCRIBE,
				      .now_s = now_s};
	int granted;
	if (!admits(policy, subject, &roles))
		return (struct mt_grant){.why = MT_WHY_NO_IDENTITY};
	query.context = &denied;
	if (filters(policy, &roles))
		return grant_filtered(policy, &roles, &query, qos);
	query.relation = MT_TRIE_CONTAINS;
	query.visit = visit_containing_deny;
	if (!ask(policy, &roles, &query, true))
		return (struct mt_grant){.why = MT_WHY_RULE, .rule_id = denied.rule_id};
	query.visit = visit_containing_allow;
	query.context = &allowed;
	(void)ask(policy, &roles, &query, false); /* this visitor never stops it, nor the next */
	if (!allowed.is_found)
		return (struct mt_grant){.why = MT_WHY_NO_RULE};
	find_crossing(policy, &roles, &query, &denied);
	granted = highest(allowed.qos_mask & (uint8_t)~denied.qos_mask, qos);
	if (granted < 0)
		return (struct mt_grant){.why = MT_WHY_NO_RULE};
	return (struct mt_grant){.is_allowed = true,
				 .qos = (uint8_t)granted,
				 .is_crossed = denied.is_crossed,
				 .why = MT_WHY_RULE,
				 .rule_id = allowed.rule_id};
}

/* ---- deliver ---- */

static bool visit_allow(struct mt_trie_query *query, const struct mt_rule *rule)
{
	struct inquiry *inquiry = query->context;
	return !allow_covers(rule, inquiry->group) || stop_at(inquiry, rule);
}

struct mt_verdict mt_decide_deliver(const struct mt_policy *policy,
				    const struct mt_subject *subject, struct mt_bytes topic,
				    struct mt_bytes group, int64_t now_s)
{
	struct roles roles;
	struct inquiry inquiry = {.group = group};
	struct mt_trie_query query = {.subject = subject,
				      .relation = MT_TRIE_MATCHES,
				      .topic = topic,
				      .operation = MT_OPERATION_SUBSCRIBE,
				      .now_s = now_s,
				      .visit = visit_containing_deny,
				      .context = &inquiry};
	if (!admits(policy, subject, &roles))
		return (struct mt_verdict){.why = MT_WHY_NO_IDENTITY};
	if (!ask(policy, &roles, &query, true))
		return verdict_of(&inquiry, false);
	query.visit = visit_allow;
	if (!ask(policy, &roles, &query, false))
		return verdict_of(&inquiry, true);
	return (struct mt_verdict){.why = MT_WHY_NO_RULE};
}
