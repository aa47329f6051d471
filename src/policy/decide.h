/*
 * Decisions: snapshot x subject x request -> verdict and the rule behind it. Pure, no allocation,
 * no lock. Cost: depth of the topic times roles of the subject.
 */
#pragma once

#include "policy/policy.h"

/* Who asks: facts frozen at CONNECT. The caller owns the bytes. */
struct mt_subject {
	uint64_t user_id; /* immutable id of a user record; 0: without credentials */
	struct mt_bytes
		anonymous_role; /* for user_id 0: the role's name from the listener; empty: none */
	struct mt_bytes client_id;
	struct mt_bytes user; /* of the record; %u never takes it for user_id 0 */
	struct mt_bytes cn;   /* CN of the client certificate; empty: none */
	struct mt_address address;
	struct mt_bytes listener; /* its name; static */
};

enum mt_verdict_why {
	MT_WHY_RULE,	    /* rule_id allowed or denied it */
	MT_WHY_NO_RULE,	    /* nothing matched */
	MT_WHY_FILTERED,    /* a role says `subscribe: filter`: granted, and no rule overlaps yet */
	MT_WHY_NO_IDENTITY, /* user gone or disabled, role unknown, or not admitted (rule 7) */
};

struct mt_verdict {
	bool is_allowed;
	uint8_t why;	  /* enum mt_verdict_why */
	uint32_t rule_id; /* with MT_WHY_RULE */
};

struct mt_grant {
	bool is_allowed;
	uint8_t qos;	 /* granted */
	bool is_crossed; /* a deny overlaps the filter, or there are too many to tell, or a role
			    filters: each delivery needs mt_decide_deliver */
	uint8_t why;
	uint32_t rule_id;
};

/* May the subject connect at all: it exists, is enabled, and every variable its rules use has a
 * plain one-level value (rule 7). */
MT_MUST_USE bool mt_policy_admits(const struct mt_policy *policy, const struct mt_subject *subject);

/* The revision at which what the subject may do last changed, but for time windows: as long as it
 * is the same, so are its verdicts. 0: no identity. */
uint64_t mt_policy_stamp(const struct mt_policy *policy, const struct mt_subject *subject);

MT_MUST_USE struct mt_verdict mt_decide_publish(const struct mt_policy *policy,
						const struct mt_subject *subject,
						struct mt_bytes topic, uint8_t qos, bool is_retain,
						int64_t now_s);
/* What one subscription may cost: so many nodes of the denies are compared with its filter. Beyond
 * them the grant is crossed, and excludes each QoS that any deny of the subject's roles names. */
#define MT_OVERLAP_NODES_MAX 1024u

/* filter without "$share/group/"; group empty when it is not shared. */
MT_MUST_USE struct mt_grant mt_decide_subscribe(const struct mt_policy *policy,
						const struct mt_subject *subject,
						struct mt_bytes filter, struct mt_bytes group,
						uint8_t qos, int64_t now_s);
/* May a message on `topic` reach the subject through a subscription that was granted? Applies the
 * denies (and that some allow matches). */
MT_MUST_USE struct mt_verdict mt_decide_deliver(const struct mt_policy *policy,
						const struct mt_subject *subject,
						struct mt_bytes topic, struct mt_bytes group,
						int64_t now_s);
