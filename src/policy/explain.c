/* Explanations: the trees that decide are asked for each rule by itself. */
#include "policy/explain.h"

#include "policy/snapshot.h"

static const char *const texts[] = {
	[MT_RULE_DECIDES] = "decides",
	[MT_RULE_AGREES] = "applies as well",
	[MT_RULE_OVERRULED] = "applies, and a deny beats it",
	[MT_RULE_FILTERS] = "takes a part away, at delivery",
	[MT_RULE_LOWERS] = "takes QoS levels away",
	[MT_RULE_NARROW] = "does not contain the whole filter",
	[MT_RULE_OTHER_OPERATION] = "is for the other operation",
	[MT_RULE_OTHER_TOPIC] = "is for other topics",
	[MT_RULE_OTHER_GROUP] = "is not for this shared group",
	[MT_RULE_OTHER_NETWORK] = "is for clients of another network",
	[MT_RULE_OTHER_LISTENER] = "is for another listener",
	[MT_RULE_NOT_YET] = "is not in force yet",
	[MT_RULE_OVER] = "is no longer in force",
	[MT_RULE_OTHER_QOS] = "is for another QoS",
	[MT_RULE_OTHER_RETAIN] = "asks for the other retain flag",
};

const char *mt_rule_part_text(enum mt_rule_part part)
{
	return texts[part];
}

struct explaining {
	const struct mt_subject *subject;
	const struct mt_question *question;
	struct mt_answer answer;
	bool is_filtered; /* a role grants every SUBSCRIBE */
};

static bool is_not(struct mt_trie_query *query, const struct mt_rule *rule)
{
	return rule != query->context;
}

static bool relates(const struct explaining *work, const struct mt_role *role,
		    const struct mt_rule *rule, enum mt_trie_relation relation)
{
	union {
		const struct mt_rule *rule;
		void *context;
	} sought = {.rule = rule};
	struct mt_trie_query query = {.table = &role->table,
				      .subject = work->subject,
				      .relation = relation,
				      .topic = work->question->topic,
				      .is_any_rule = true,
				      .nodes_left = UINT32_MAX,
				      .visit = is_not,
				      .context = sought.context};
	return !mt_trie_walk(&query, rule->is_deny ? &role->denies : &role->allows);
}

/* What holds the rule off whatever it says of topics; MT_RULE_DECIDES: nothing. */
static enum mt_rule_part held_off(const struct explaining *work, const struct mt_rule *rule)
{
	const struct mt_subject *subject = work->subject;
	const struct mt_question *question = work->question;
	if (!(rule->operation & question->operation))
		return MT_RULE_OTHER_OPERATION;
	if (rule->has_network && !mt_network_holds(&rule->network, &subject->address))
		return MT_RULE_OTHER_NETWORK;
	if (rule->listener.len > 0 && !mt_bytes_equal(rule->listener, subject->listener))
		return MT_RULE_OTHER_LISTENER;
	if (question->now_s < rule->since_s)
		return MT_RULE_NOT_YET;
	if (rule->until_s != 0 && question->now_s >= rule->until_s)
		return MT_RULE_OVER;
	return MT_RULE_DECIDES;
}

/* The rule applies: to the verdict, or beside it. */
static enum mt_rule_part part_in(const struct explaining *work, const struct mt_rule *rule)
{
	const struct mt_answer *answer = &work->answer;
	if (answer->why == MT_WHY_RULE && answer->rule_id == rule->id &&
	    rule->is_deny != answer->is_allowed)
		return MT_RULE_DECIDES;
	return answer->why == MT_WHY_RULE && !rule->is_deny && !answer->is_allowed
		       ? MT_RULE_OVERRULED
		       : MT_RULE_AGREES;
}

static enum mt_rule_part publish_part(const struct explaining *work, const struct mt_role *role,
				      const struct mt_rule *rule)
{
	const struct mt_question *question = work->question;
	if (!relates(work, role, rule, MT_TRIE_MATCHES))
		return MT_RULE_OTHER_TOPIC;
	if (!(rule->qos_mask >> question->qos & 1))
		return MT_RULE_OTHER_QOS;
	if (rule->retain != MT_RETAIN_ANY && (rule->retain == MT_RETAIN_YES) != question->is_retain)
		return MT_RULE_OTHER_RETAIN;
	return part_in(work, rule);
}

static enum mt_rule_part subscribe_part(const struct explaining *work, const struct mt_role *role,
					const struct mt_rule *rule)
{
	if (!relates(work, role, rule, MT_TRIE_OVERLAPS))
		return MT_RULE_OTHER_TOPIC;
	if (!mt_rule_covers_group(rule, work->question->group))
		return MT_RULE_OTHER_GROUP;
	if (rule->is_deny && rule->qos_mask != 7)
		return MT_RULE_LOWERS;
	if (relates(work, role, rule, MT_TRIE_CONTAINS) || (work->is_filtered && !rule->is_deny))
		return rule->is_deny && work->is_filtered ? MT_RULE_FILTERS : part_in(work, rule);
	return rule->is_deny ? MT_RULE_FILTERS : MT_RULE_NARROW;
}

static struct mt_answer decide(const struct mt_policy *policy, const struct mt_subject *subject,
			       const struct mt_question *question)
{
	struct mt_verdict verdict;
	struct mt_grant grant;
	if (question->operation == MT_OPERATION_PUBLISH) {
		verdict = mt_decide_publish(policy, subject, question->topic, question->qos,
					    question->is_retain, question->now_s);
		return (struct mt_answer){.is_allowed = verdict.is_allowed,
					  .qos = question->qos,
					  .why = verdict.why,
					  .rule_id = verdict.rule_id};
	}
	grant = mt_decide_subscribe(policy, subject, question->topic, question->group,
				    question->qos, question->now_s);
	return (struct mt_answer){.is_allowed = grant.is_allowed,
				  .is_crossed = grant.is_crossed,
				  .qos = grant.qos,
				  .why = grant.why,
				  .rule_id = grant.rule_id};
}

struct mt_answer mt_policy_explain(const struct mt_policy *policy, const struct mt_subject *subject,
				   const struct mt_question *question, mt_explain_fn *visit,
				   void *context)
{
	struct explaining work = {.subject = subject, .question = question};
	const struct mt_role *role;
	struct mt_explained item;
	bool goes_on = true;
	work.answer = decide(policy, subject, question);
	for (uint32_t i = 0; (role = mt_policy_role_of(policy, subject, i)); i++)
		work.is_filtered |= role->is_filtering;
	for (uint32_t i = 0; (role = mt_policy_role_of(policy, subject, i)) && goes_on; i++) {
		for (const struct mt_trie_rule *rule = role->first; rule && goes_on;
		     rule = rule->later) {
			item = (struct mt_explained){&rule->rule, role->name,
						     held_off(&work, &rule->rule)};
			if (item.part == MT_RULE_DECIDES)
				item.part = question->operation == MT_OPERATION_PUBLISH
						    ? publish_part(&work, role, &rule->rule)
						    : subscribe_part(&work, role, &rule->rule);
			goes_on = visit(context, &item);
		}
	}
	return work.answer;
}
