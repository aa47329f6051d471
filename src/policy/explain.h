/*
 * Why a decision is what it is: the verdict, and of each rule of the subject's roles whether it
 * applies, and if not, by which of its axes. For people: costs a walk per rule.
 */
#pragma once

#include "policy/decide.h"

struct mt_question {
	enum mt_operation operation; /* publish or subscribe */
	struct mt_bytes topic;	     /* name, or plain filter */
	struct mt_bytes group;	     /* of a shared subscription; empty: none */
	uint8_t qos;
	bool is_retain; /* publish */
	int64_t now_s;
};

struct mt_answer {
	bool is_allowed;
	bool is_crossed; /* subscribe: each message is asked for */
	uint8_t qos;	 /* subscribe: granted */
	uint8_t why;	 /* enum mt_verdict_why */
	uint32_t rule_id;
};

enum mt_rule_part {
	MT_RULE_DECIDES,
	MT_RULE_AGREES,	   /* applies as well */
	MT_RULE_OVERRULED, /* an allow that applies beside a deny that does */
	MT_RULE_FILTERS,   /* a deny that takes a part of the filter away, at delivery */
	MT_RULE_LOWERS,	   /* a deny that takes QoS levels away from the grant */
	MT_RULE_NARROW,	   /* an allow that holds a part of the filter only */
	MT_RULE_OTHER_OPERATION,
	MT_RULE_OTHER_TOPIC,
	MT_RULE_OTHER_GROUP,
	MT_RULE_OTHER_NETWORK,
	MT_RULE_OTHER_LISTENER,
	MT_RULE_NOT_YET,
	MT_RULE_OVER,
	MT_RULE_OTHER_QOS,
	MT_RULE_OTHER_RETAIN,
};
/* "is for other topics" */
const char *mt_rule_part_text(enum mt_rule_part part);

struct mt_explained {
	const struct mt_rule *rule;
	struct mt_bytes role;
	enum mt_rule_part part;
};
typedef bool mt_explain_fn(void *context, const struct mt_explained *rule);

/* Each rule of the subject's roles, in the order in which they were given, until the visitor says
 * false. */
struct mt_answer mt_policy_explain(const struct mt_policy *policy, const struct mt_subject *subject,
				   const struct mt_question *question, mt_explain_fn *visit,
				   void *context);
