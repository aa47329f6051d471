/* Why is it permitted, or not: /api/policy/explain. */
#include "identity/client_id.h"
#include "io/clock.h"
#include "policy/explain.h"
#include "shell/api_call.h"
#include "topic/name.h"
#include "wire/subscribe.h"

#include <stdio.h>

/* Who asks, and the session of that client if there is one. */
struct inquiry {
	struct mt_policy *policy; /* a reference */
	struct mt_subject subject;
	bool is_live;
	struct mt_client_info session;
	struct mt_question question;
};

static bool is_session_of(const struct inquiry *inquiry, const struct mt_client_info *session)
{
	return mt_bytes_equal(mt_bytes_str(session->client_id), inquiry->subject.client_id) &&
	       mt_bytes_equal(mt_bytes_str(session->user), inquiry->subject.user);
}

static void look_on_loop(struct mt_broker *broker, void *argument)
{
	struct inquiry *inquiry = argument;
	struct mt_core *core = mt_broker_core(broker);
	uint32_t cursor = 0;
	inquiry->policy = mt_policy_ref(mt_core_policy(core));
	while (!inquiry->is_live && inquiry->subject.client_id.len > 0 &&
	       mt_core_next_client(core, &cursor, &inquiry->session))
		inquiry->is_live = is_session_of(inquiry, &inquiry->session);
}

/* False: answered. */
static bool take_subject(struct mt_api_call *call, struct inquiry *inquiry)
{
	struct mt_subject *subject = &inquiry->subject;
	const char *user = mt_api_text(call, "user"), *role = mt_api_text(call, "role");
	const char *id = mt_api_text(call, "client_id"), *cn = mt_api_text(call, "cn");
	const struct mt_user *record;
	enum mt_status status;
	if (!user == !role) {
		mt_api_fail(call, 400, "user or role: expected one of them");
		return false;
	}
	subject->user = mt_bytes_str(user ? user : "");
	subject->anonymous_role = mt_bytes_str(role ? role : "");
	subject->client_id = mt_bytes_str(id ? id : "");
	subject->cn = mt_bytes_str(cn ? cn : "");
	status = mt_hub_call(mt_broker_hub(call->api->broker), look_on_loop, inquiry);
	if (status != MT_OK) {
		mt_api_fail_status(call, status, "explain");
		return false;
	}
	record = user ? mt_policy_user_by_name(inquiry->policy, subject->user) : NULL;
	if (user && !record) {
		mt_api_fail(call, 404, "user %.64s: there is no such user; see mortise user list",
			    user);
		return false;
	}
	subject->user_id = record ? record->id : 0;
	return true;
}

static bool take_place(struct mt_api_call *call, struct inquiry *inquiry)
{
	const char *from = mt_api_text(call, "from"), *listener = mt_api_text(call, "listener");
	struct mt_network network;
	if (inquiry->is_live) {
		inquiry->subject.address = inquiry->session.address;
		inquiry->subject.listener = mt_bytes_str(inquiry->session.listener);
	}
	if (listener)
		inquiry->subject.listener = mt_bytes_str(listener);
	if (!from)
		return true;
	if (!mt_network_parse(mt_bytes_str(from), &network) || network.prefix_bits != 128) {
		mt_api_fail(call, 400, "from %.64s: expected an address such as 10.7.0.9", from);
		return false;
	}
	inquiry->subject.address = network.address;
	return true;
}

static bool take_question(struct mt_api_call *call, struct mt_question *out)
{
	const char *operation = mt_api_text(call, "operation");
	const char *topic = mt_api_text(call, "topic");
	const json_t *qos = json_object_get(call->body, "qos");
	struct mt_bytes plain = mt_bytes_str(topic);
	bool is_publish = strcmp(operation, "publish") == 0;
	if (!is_publish && strcmp(operation, "subscribe") != 0) {
		mt_api_fail(call, 400, "operation %.32s: expected publish or subscribe", operation);
		return false;
	}
	if (qos &&
	    (!json_is_integer(qos) || json_integer_value(qos) < 0 || json_integer_value(qos) > 2)) {
		mt_api_fail(call, 400, "qos: expected 0, 1 or 2");
		return false;
	}
	if (is_publish ? !mt_topic_name_is_valid(plain) : !mt_topic_filter_is_valid(plain)) {
		mt_api_fail(call, 400, "topic: not a topic %s", is_publish ? "name" : "filter");
		return false;
	}
	out->operation = is_publish ? MT_OPERATION_PUBLISH : MT_OPERATION_SUBSCRIBE;
	if (!is_publish)
		mt_topic_share_split(mt_bytes_str(topic), &out->group, &plain);
	out->topic = plain;
	out->qos = (uint8_t)json_integer_value(qos);
	out->is_retain = json_is_true(json_object_get(call->body, "retain"));
	out->now_s = mt_clock_now().wall_ns / MT_SECOND;
	return true;
}

static json_t *text_of(struct mt_bytes bytes)
{
	return json_stringn((const char *)bytes.data, bytes.len);
}

static const char *operation_name(uint8_t operation)
{
	return operation == MT_OPERATION_PUBLISH     ? "publish"
	       : operation == MT_OPERATION_SUBSCRIBE ? "subscribe"
						     : "both";
}

static bool list_rule(void *context, const struct mt_explained *item)
{
	json_t *list = context;
	return json_array_append_new(
		       list, json_pack("{s:I, s:o, s:s, s:s, s:o, s:s}", "rule",
				       (json_int_t)item->rule->id, "role", text_of(item->role),
				       "effect", item->rule->is_deny ? "deny" : "allow",
				       "operation", operation_name(item->rule->operation), "topic",
				       text_of(item->rule->filter), "outcome",
				       mt_rule_part_text(item->part))) == 0;
}

static const char *reason_of(const struct mt_policy *policy, const struct mt_subject *subject,
			     const struct mt_answer *answer)
{
	const struct mt_user *user = mt_policy_user_by_id(policy, subject->user_id);
	switch (answer->why) {
	case MT_WHY_RULE:
		return answer->is_allowed ? "a rule allows it" : "a rule denies it";
	case MT_WHY_FILTERED:
		return "a role grants each subscription and filters at delivery; no rule overlaps "
		       "it";
	case MT_WHY_NO_RULE:
		return "no rule allows it";
	default:
		if (user && !user->is_enabled)
			return "the user is disabled";
		return "a rule uses a variable (%c, %u, %n) that has no plain value here, or a "
		       "role is gone: nothing is permitted, and CONNECT is refused";
	}
}

/* Whatever the rules of its roles say: with such an id the user does not come in. */
static bool breaks_id_rule(const struct inquiry *inquiry)
{
	const struct mt_subject *subject = &inquiry->subject;
	const struct mt_user *user = mt_policy_user_by_id(inquiry->policy, subject->user_id);
	return user && subject->client_id.len > 0 &&
	       !mt_client_id_keeps(user->client_id_rule, user->name, subject->client_id);
}

static void answer(struct mt_api_call *call, const struct inquiry *inquiry)
{
	json_t *rules = json_array();
	struct mt_answer found = mt_policy_explain(inquiry->policy, &inquiry->subject,
						   &inquiry->question, list_rule, rules);
	json_t *body = json_pack("{s:s, s:s, s:b, s:b, s:I, s:o}", "verdict",
				 found.is_allowed ? "allowed" : "denied", "reason",
				 reason_of(inquiry->policy, &inquiry->subject, &found), "connected",
				 inquiry->is_live && inquiry->session.is_connected, "filtered",
				 found.is_crossed, "revision",
				 (json_int_t)mt_policy_revision(inquiry->policy), "rules", rules);
	if (found.why == MT_WHY_RULE)
		json_object_set_new(body, "rule", json_integer(found.rule_id));
	if (found.is_allowed && inquiry->question.operation == MT_OPERATION_SUBSCRIBE)
		json_object_set_new(body, "qos", json_integer(found.qos));
	if (breaks_id_rule(inquiry))
		json_object_set_new(body, "warning",
				    json_string("the client id breaks the user's rule: CONNECT is "
						"refused"));
	mt_api_succeed(call, body);
}

static void explain(struct mt_api_call *call)
{
	struct inquiry inquiry = {0};
	if (!mt_api_expect(call, "user:s? role:s? client_id:s? cn:s? from:s? listener:s? "
				 "operation:s topic:s qos:*? retain:b?"))
		return;
	if (take_question(call, &inquiry.question) && take_subject(call, &inquiry) &&
	    take_place(call, &inquiry))
		answer(call, &inquiry);
	mt_policy_unref(&inquiry.policy);
}

const struct mt_api_route mt_api_explain_routes[] = {
	{"POST", "policy/explain", explain, MT_API_VIEWER},
	{NULL, NULL, NULL, MT_API_NOBODY},
};
