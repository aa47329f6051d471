/* Explanations: each rule is told by the axis that holds it off, and they agree with the decision.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy/explain.h"

#define RULES 13
#define NOW 50

/* What is told of the rules 1 ... */
struct told {
	enum mt_rule_part parts[RULES + 1];
	uint32_t count;
};

static struct mt_rule rule_of(bool is_deny, uint8_t operation, const char *filter)
{
	return (struct mt_rule){.is_deny = is_deny,
				.operation = operation,
				.qos_mask = 7,
				.filter = mt_bytes_str(filter)};
}

static struct mt_policy *make(bool is_filtering)
{
	struct mt_rule rules[RULES] = {
		rule_of(false, MT_OPERATION_PUBLISH, "site/%c/#"),
		rule_of(false, MT_OPERATION_SUBSCRIBE, "site/#"),
		rule_of(false, MT_OPERATION_BOTH, "other"),
		rule_of(false, MT_OPERATION_PUBLISH, "site/+/state"),
		rule_of(false, MT_OPERATION_PUBLISH, "site/+/state"),
		rule_of(false, MT_OPERATION_PUBLISH, "site/+/state"),
		rule_of(false, MT_OPERATION_PUBLISH, "site/+/state"),
		rule_of(false, MT_OPERATION_PUBLISH, "site/+/state"),
		rule_of(false, MT_OPERATION_PUBLISH, "site/+/state"),
		rule_of(true, MT_OPERATION_PUBLISH, "site/dev/secret"),
		rule_of(true, MT_OPERATION_SUBSCRIBE, "site/+/secret"),
		rule_of(true, MT_OPERATION_SUBSCRIBE, "site/low"),
		rule_of(false, MT_OPERATION_SUBSCRIBE, "site/dev/#"),
	};
	struct mt_policy_builder *builder = mt_policy_builder_create(1, (struct mt_seed){{5, 6}});
	struct mt_user user = {.id = 7, .name = mt_bytes_str("bob"), .is_enabled = true};
	struct mt_bytes name = mt_bytes_str("device");
	struct mt_policy *policy;
	uint32_t role;
	rules[3].qos_mask = 1;
	rules[4].retain = MT_RETAIN_YES;
	rules[5].since_s = NOW + 1;
	rules[6].until_s = NOW;
	rules[7].listener = mt_bytes_str("tls");
	rules[8].has_network = true;
	assert_true(mt_network_parse(mt_bytes_str("10.7.0.0/16"), &rules[8].network));
	rules[11].qos_mask = 4;
	rules[12].share = mt_bytes_str("g");
	assert_int_equal(mt_policy_builder_role(builder, name, &role), MT_OK);
	if (is_filtering)
		assert_int_equal(mt_policy_builder_filter(builder, role), MT_OK);
	for (uint32_t i = 0; i < RULES; i++) {
		rules[i].id = i + 1;
		assert_int_equal(mt_policy_builder_rule(builder, role, &rules[i]), MT_OK);
	}
	assert_int_equal(mt_policy_builder_user(builder, &user, &name, 1), MT_OK);
	assert_int_equal(mt_policy_build(&builder, &policy), MT_OK);
	return policy;
}

static bool take(void *context, const struct mt_explained *item)
{
	struct told *told = context;
	told->count++;
	assert_int_equal(item->rule->id, told->count);
	assert_true(mt_bytes_equal(item->role, mt_bytes_str("device")));
	told->parts[item->rule->id] = item->part;
	assert_non_null(mt_rule_part_text(item->part));
	return true;
}

static struct mt_answer ask(bool is_filtering, enum mt_operation operation, const char *topic,
			    const char *group, uint8_t qos, struct told *told)
{
	struct mt_policy *policy = make(is_filtering);
	struct mt_subject subject = {.user_id = 7,
				     .user = mt_bytes_str("bob"),
				     .client_id = mt_bytes_str("dev"),
				     .listener = mt_bytes_str("ws")};
	struct mt_question question = {.operation = operation,
				       .topic = mt_bytes_str(topic),
				       .group = mt_bytes_str(group),
				       .qos = qos,
				       .now_s = NOW};
	struct mt_answer answer;
	*told = (struct told){.count = 0};
	answer = mt_policy_explain(policy, &subject, &question, take, told);
	assert_int_equal(told->count, RULES);
	mt_policy_unref(&policy);
	return answer;
}

static void each_axis_is_told(void **state)
{
	struct told told;
	struct mt_answer answer = ask(false, MT_OPERATION_PUBLISH, "site/dev/state", "", 1, &told);
	(void)state;
	assert_true(answer.is_allowed);
	assert_int_equal(answer.rule_id, 1);
	assert_int_equal(told.parts[1], MT_RULE_DECIDES);
	assert_int_equal(told.parts[2], MT_RULE_OTHER_OPERATION);
	assert_int_equal(told.parts[3], MT_RULE_OTHER_TOPIC);
	assert_int_equal(told.parts[4], MT_RULE_OTHER_QOS);
	assert_int_equal(told.parts[5], MT_RULE_OTHER_RETAIN);
	assert_int_equal(told.parts[6], MT_RULE_NOT_YET);
	assert_int_equal(told.parts[7], MT_RULE_OVER);
	assert_int_equal(told.parts[8], MT_RULE_OTHER_LISTENER);
	assert_int_equal(told.parts[9], MT_RULE_OTHER_NETWORK);
	assert_int_equal(told.parts[10], MT_RULE_OTHER_TOPIC);
	assert_int_equal(told.parts[11], MT_RULE_OTHER_OPERATION);
}

static void a_deny_beats_allows(void **state)
{
	struct told told;
	struct mt_answer answer = ask(false, MT_OPERATION_PUBLISH, "site/dev/secret", "", 0, &told);
	(void)state;
	assert_false(answer.is_allowed);
	assert_int_equal(answer.rule_id, 10);
	assert_int_equal(told.parts[1], MT_RULE_OVERRULED);
	assert_int_equal(told.parts[10], MT_RULE_DECIDES);
}

static void subscriptions_are_told_by_what_contains(void **state)
{
	struct told told;
	struct mt_answer answer = ask(false, MT_OPERATION_SUBSCRIBE, "site/#", "", 2, &told);
	(void)state;
	assert_true(answer.is_allowed && answer.is_crossed);
	assert_int_equal(answer.qos, 1);
	assert_int_equal(told.parts[1], MT_RULE_OTHER_OPERATION);
	assert_int_equal(told.parts[2], MT_RULE_DECIDES);
	assert_int_equal(told.parts[11], MT_RULE_FILTERS);
	assert_int_equal(told.parts[12], MT_RULE_LOWERS);
	assert_int_equal(told.parts[13], MT_RULE_NARROW);
	answer = ask(false, MT_OPERATION_SUBSCRIBE, "site/dev/x", "g", 0, &told);
	assert_true(answer.is_allowed);
	assert_int_equal(told.parts[2], MT_RULE_OTHER_GROUP);
	assert_int_equal(told.parts[13], MT_RULE_DECIDES);
	answer = ask(false, MT_OPERATION_SUBSCRIBE, "site/a/secret", "", 0, &told);
	assert_false(answer.is_allowed);
	assert_int_equal(told.parts[11], MT_RULE_DECIDES);
	assert_int_equal(told.parts[2], MT_RULE_OVERRULED);
}

static void a_filtering_role_is_told(void **state)
{
	struct told told;
	struct mt_answer answer = ask(true, MT_OPERATION_SUBSCRIBE, "#", "", 0, &told);
	(void)state;
	assert_true(answer.is_allowed && answer.is_crossed);
	assert_int_equal(told.parts[11], MT_RULE_FILTERS);
	assert_int_equal(told.parts[answer.rule_id], MT_RULE_DECIDES);
	answer = ask(true, MT_OPERATION_SUBSCRIBE, "nothing", "", 0, &told);
	assert_true(answer.is_allowed);
	assert_int_equal(answer.why, MT_WHY_FILTERED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_axis_is_told),
		cmocka_unit_test(a_deny_beats_allows),
		cmocka_unit_test(subscriptions_are_told_by_what_contains),
		cmocka_unit_test(a_filtering_role_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
