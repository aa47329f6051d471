/*
 * One permission rule, one role, one user: the words of the policy (docs/reference/policy.md).
 *
 * Semantics, whole:
 *  1. Nothing matches: denied.
 *  2. One matching deny beats every allow; order never matters.
 *  3. SUBSCRIBE is granted when one allow rule contains the whole filter; a deny that overlaps it
 * is applied at delivery.
 *  4. For subscribing the QoS axis limits the granted QoS: the highest allowed one not above the
 * request, over all containing allow rules together; a deny with a QoS set removes those at the
 * grant, a deny without it (qos_mask == 7) applies at delivery (and refuses the subscription when
 * it contains the whole filter).
 *  5. PUBLISH needs a rule that matches topic, QoS and retain.
 *  6. Shared subscriptions are covered only by allow rules with `share` (a group name or "any"),
 * which cover the plain filter as well; a deny without `share` covers both, with it only that
 * group. For publishing `share` means nothing, for subscribing `retain`. A leading wildcard never
 * covers '$' topics.
 *     A role that says `subscribe: filter` grants every SUBSCRIBE of whoever holds it and filters
 * at delivery; the QoS is the highest that overlapping allows name, the requested one where none
 * does.
 *  7. Variables %c %u %n in filters: a rule whose variable is absent, empty or not exactly one
 * plain level (no '/', '+', '#', no '$' in front) makes the identity's CONNECT fail, and every
 * later decision: see mt_policy_admits.
 */
#pragma once

#include "base/bytes.h"
#include "base/time.h"

enum mt_operation { MT_OPERATION_PUBLISH = 1, MT_OPERATION_SUBSCRIBE = 2, MT_OPERATION_BOTH = 3 };
enum mt_retain_axis { MT_RETAIN_ANY, MT_RETAIN_YES, MT_RETAIN_NO };

/* An IPv4 (mapped to ::ffff:0:0/96) or IPv6 address. */
struct mt_address {
	uint8_t byte[16];
};

struct mt_network {
	struct mt_address address;
	uint8_t prefix_bits; /* 0..128 */
};

struct mt_rule {
	uint32_t id; /* of the database; shown in explanations and logs */
	bool is_deny;
	uint8_t operation; /* enum mt_operation */
	uint8_t qos_mask;  /* bit n: QoS n; 7 is any */
	uint8_t retain;	   /* enum mt_retain_axis; for publish */
	bool has_network;  /* `from:` */
	struct mt_network network;
	int64_t since_s;	  /* wall clock; 0: from ever */
	int64_t until_s;	  /* 0: no end */
	struct mt_bytes listener; /* its name; empty: any */
	struct mt_bytes filter;	  /* may hold %c %u %n as whole or part of a level */
	struct mt_bytes share;	  /* empty: not shared; "any"; or a group */
};

#define MT_LISTENER_NAME_BYTES_MAX 63u

/* One line of the reasons why a rule is not valid (filter, empty QoS set, variables ...); NULL when
 * it is. Static text. */
const char *mt_rule_fault(const struct mt_rule *rule);
/* "10.7.0.0/16", "::1", "fe80::/10". False when it is no address. */
bool mt_network_parse(struct mt_bytes text, struct mt_network *out);
bool mt_network_holds(const struct mt_network *network, const struct mt_address *address);
