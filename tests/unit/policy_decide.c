/* Decisions, axis by axis: what each sentence of the rule header means. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy/decide.h"

#include <stdio.h>
#include <stdlib.h>

#define USER 7u

/* One user "bob" with one role; a test adds rules, then asks. */
struct world {
	struct mt_policy_builder *builder;
	struct mt_policy *policy;
	struct mt_subject subject;
	uint32_t role;
	uint32_t next_id;
};

static int begin(void **state)
{
	static struct world world;
	world = (struct world){.next_id = 1,
			       .builder = mt_policy_builder_create(1, (struct mt_seed){{5, 6}})};
	world.subject = (struct mt_subject){.user_id = USER,
					    .client_id = mt_bytes_str("dev-1"),
					    .user = mt_bytes_str("bob"),
					    .cn = mt_bytes_str("cert-1")};
	*state = &world;
	return mt_policy_builder_role(world.builder, mt_bytes_str("role"), &world.role) == MT_OK
		       ? 0
		       : -1;
}

static int end(void **state)
{
	struct world *world = *state;
	mt_policy_builder_destroy(&world->builder);
	mt_policy_unref(&world->policy);
	return 0;
}

static struct mt_rule rule_of(const char *filter, uint8_t operation)
{
	return (struct mt_rule){
		.operation = operation, .qos_mask = 7, .filter = mt_bytes_str(filter)};
}

/* Returns the rule's id: 1, 2, ... */
static uint32_t add(struct world *world, struct mt_rule rule)
{
	rule.id = world->next_id++;
	assert_int_equal(mt_policy_builder_rule(world->builder, world->role, &rule), MT_OK);
	return rule.id;
}

static uint32_t allow(struct world *world, const char *filter)
{
	return add(world, rule_of(filter, MT_OPERATION_BOTH));
}

static uint32_t deny(struct world *world, const char *filter)
{
	struct mt_rule rule = rule_of(filter, MT_OPERATION_BOTH);
	rule.is_deny = true;
	return add(world, rule);
}

static struct mt_policy *policy_of(struct world *world)
{
	struct mt_user user = {.id = USER, .name = mt_bytes_str("bob"), .is_enabled = true};
	struct mt_user disabled = {.id = USER + 1, .name = mt_bytes_str("gone")};
	struct mt_bytes role = mt_bytes_str("role"), open = mt_bytes_str("open");
	if (world->policy)
		return world->policy;
	assert_int_equal(mt_policy_builder_user(world->builder, &user, &role, 1), MT_OK);
	assert_int_equal(mt_policy_builder_user(world->builder, &disabled, &open, 1), MT_OK);
	assert_int_equal(mt_policy_build(&world->builder, &world->policy), MT_OK);
	return world->policy;
}

static struct mt_verdict publish(struct world *world, const char *topic, uint8_t qos,
				 bool is_retain)
{
	return mt_decide_publish(policy_of(world), &world->subject, mt_bytes_str(topic), qos,
				 is_retain, 50);
}

static bool may_publish(struct world *world, const char *topic)
{
	return publish(world, topic, 0, false).is_allowed;
}

static struct mt_grant subscribe(struct world *world, const char *filter, const char *group,
				 uint8_t qos)
{
	return mt_decide_subscribe(policy_of(world), &world->subject, mt_bytes_str(filter),
				   mt_bytes_str(group), qos, 50);
}

static bool may_subscribe(struct world *world, const char *filter)
{
	return subscribe(world, filter, "", 0).is_allowed;
}

static struct mt_verdict deliver(struct world *world, const char *topic, const char *group)
{
	return mt_decide_deliver(policy_of(world), &world->subject, mt_bytes_str(topic),
				 mt_bytes_str(group), 50);
}

/* ---- who ---- */

static void without_identity_nothing_is_allowed(void **state)
{
	static const struct mt_subject strangers[] = {
		{.user_id = 99},
		{.user_id = USER + 1},
		{.user_id = 0},
		{.anonymous_role = {(const uint8_t *)"none", 4}}};
	struct world *world = *state;
	allow(world, "#");
	for (size_t i = 0; i < MT_COUNT_OF(strangers); i++) {
		world->subject = strangers[i];
		assert_false(mt_policy_admits(policy_of(world), &world->subject));
		assert_false(may_publish(world, "a"));
		assert_int_equal(publish(world, "a", 0, false).why, MT_WHY_NO_IDENTITY);
		assert_false(may_subscribe(world, "a"));
		assert_int_equal(subscribe(world, "a", "", 0).why, MT_WHY_NO_IDENTITY);
		assert_false(deliver(world, "a", "").is_allowed);
		assert_int_equal(deliver(world, "a", "").why, MT_WHY_NO_IDENTITY);
	}
}

/* A name proves nothing, only the id of the record. */
static void the_id_counts_not_the_name(void **state)
{
	struct world *world = *state;
	allow(world, "#");
	assert_true(may_publish(world, "a"));
	world->subject.user_id = 99;
	assert_false(may_publish(world, "a"));
}

static void anonymous_peers_have_the_role_of_the_listener(void **state)
{
	struct world *world = *state;
	allow(world, "a");
	world->subject = (struct mt_subject){.anonymous_role = mt_bytes_str("role"),
					     .user = mt_bytes_str("bob")};
	assert_true(mt_policy_admits(policy_of(world), &world->subject));
	assert_true(may_publish(world, "a"));
	assert_false(may_publish(world, "b"));
}

/* What an anonymous peer says its name is proves nothing. */
static void anonymous_peers_have_no_user_name(void **state)
{
	struct world *world = *state;
	allow(world, "box/%u");
	assert_true(may_publish(world, "box/bob"));
	world->subject.user_id = 0;
	world->subject.anonymous_role = mt_bytes_str("role");
	assert_false(mt_policy_admits(policy_of(world), &world->subject));
	assert_false(may_publish(world, "box/bob"));
	assert_false(may_subscribe(world, "box/bob"));
	assert_false(deliver(world, "box/bob", "").is_allowed);
}

static void a_policy_without_rules_denies_all(void **state)
{
	struct world *world = *state;
	struct mt_user lone = {.id = 70, .name = mt_bytes_str("ann"), .is_enabled = true};
	assert_int_equal(mt_policy_builder_user(world->builder, &lone, NULL, 0), MT_OK);
	for (uint64_t id = USER; id <= 70; id += 70 - USER) { /* an empty role, and no role */
		world->subject.user_id = id;
		assert_true(mt_policy_admits(policy_of(world), &world->subject));
		assert_int_equal(publish(world, "a", 0, false).why, MT_WHY_NO_RULE);
		assert_false(may_publish(world, "a"));
		assert_false(may_publish(world, "$SYS/a"));
		assert_false(may_subscribe(world, "a"));
		assert_false(may_subscribe(world, "#"));
		assert_false(subscribe(world, "a", "group", 0).is_allowed);
		assert_false(deliver(world, "a", "").is_allowed);
	}
}

/* Denies alone permit nothing of what they leave. */
static void denies_alone_allow_nothing(void **state)
{
	struct world *world = *state;
	deny(world, "a");
	assert_false(may_publish(world, "b"));
	assert_false(may_subscribe(world, "b"));
	assert_false(deliver(world, "b", "").is_allowed);
}

static void the_built_in_role_opens_all_but_system_topics(void **state)
{
	struct world *world = *state;
	world->subject = (struct mt_subject){.anonymous_role = mt_bytes_str("open")};
	assert_true(may_publish(world, "any/topic"));
	assert_false(may_publish(world, "$SYS/x"));
	assert_false(may_publish(world, "$other"));
	assert_true(may_subscribe(world, "#"));
	assert_true(may_subscribe(world, "$SYS/#"));
	assert_false(may_subscribe(world, "$other/#"));
	assert_true(subscribe(world, "#", "group", 2).is_allowed);
	assert_int_equal(subscribe(world, "#", "group", 2).qos, 2);
	assert_true(deliver(world, "$SYS/x", "").is_allowed);
	world->subject.anonymous_role = mt_bytes_str("admin");
	assert_true(may_publish(world, "any/topic"));
}

static void roles_add_up_and_any_deny_wins(void **state)
{
	struct world *world = *state;
	struct mt_user user = {.id = 70, .name = mt_bytes_str("ann"), .is_enabled = true};
	struct mt_bytes roles[] = {mt_bytes_str("role"), mt_bytes_str("second")};
	allow(world, "a/#");
	assert_int_equal(
		mt_policy_builder_role(world->builder, mt_bytes_str("second"), &world->role),
		MT_OK);
	allow(world, "b/#");
	deny(world, "a/secret");
	assert_int_equal(mt_policy_builder_user(world->builder, &user, roles, 2), MT_OK);
	assert_true(may_publish(world, "a/secret"));
	assert_false(may_publish(world, "b"));
	world->subject.user_id = 70;
	assert_true(may_publish(world, "a/x"));
	assert_true(may_publish(world, "b/x"));
	assert_false(may_publish(world, "a/secret"));
}

/* ---- publish ---- */

static void nothing_matches_means_denied(void **state)
{
	struct world *world = *state;
	uint32_t id = allow(world, "a/+/c");
	assert_true(may_publish(world, "a/b/c"));
	assert_int_equal(publish(world, "a/b/c", 0, false).why, MT_WHY_RULE);
	assert_int_equal(publish(world, "a/b/c", 0, false).rule_id, id);
	assert_false(may_publish(world, "a/b"));
	assert_int_equal(publish(world, "a/b", 0, false).why, MT_WHY_NO_RULE);
	assert_false(may_publish(world, "a/b/c/d"));
}

static void a_deny_beats_every_allow(void **state)
{
	struct world *world = *state;
	uint32_t id = deny(world, "a/+/secret/#");
	allow(world, "a/#");
	allow(world, "a/x/secret/y");
	assert_true(may_publish(world, "a/x/open"));
	assert_false(may_publish(world, "a/x/secret/y"));
	assert_int_equal(publish(world, "a/x/secret/y", 0, false).rule_id, id);
	assert_false(may_publish(world, "a/x/secret"));
}

static void publish_has_qos_and_retain_axes(void **state)
{
	struct world *world = *state;
	struct mt_rule rule = rule_of("a", MT_OPERATION_PUBLISH);
	rule.qos_mask = 5;
	rule.retain = MT_RETAIN_NO;
	add(world, rule);
	rule.filter = mt_bytes_str("b");
	rule.retain = MT_RETAIN_YES;
	add(world, rule);
	allow(world, "c");
	rule = rule_of("c", MT_OPERATION_PUBLISH);
	rule.is_deny = true;
	rule.qos_mask = 4;
	add(world, rule);
	assert_true(publish(world, "a", 0, false).is_allowed);
	assert_false(publish(world, "a", 1, false).is_allowed);
	assert_true(publish(world, "a", 2, false).is_allowed);
	assert_false(publish(world, "a", 0, true).is_allowed);
	assert_true(publish(world, "b", 0, true).is_allowed);
	assert_false(publish(world, "b", 0, false).is_allowed);
	assert_true(publish(world, "c", 1, true).is_allowed);
	assert_false(publish(world, "c", 2, true).is_allowed);
}

static void operations_are_apart(void **state)
{
	struct world *world = *state;
	struct mt_rule rule = rule_of("b", MT_OPERATION_SUBSCRIBE);
	add(world, rule_of("a", MT_OPERATION_PUBLISH));
	add(world, rule);
	allow(world, "c");
	rule.filter = mt_bytes_str("c");
	rule.is_deny = true;
	add(world, rule);
	assert_true(may_publish(world, "a"));
	assert_false(may_subscribe(world, "a"));
	assert_false(deliver(world, "a", "").is_allowed);
	assert_false(may_publish(world, "b"));
	assert_true(may_subscribe(world, "b"));
	assert_true(may_publish(world, "c"));
	assert_false(may_subscribe(world, "c"));
}

static void rules_end_with_their_time(void **state)
{
	struct world *world = *state;
	struct mt_rule rule = rule_of("a", MT_OPERATION_BOTH);
	rule.until_s = 51;
	add(world, rule);
	rule.filter = mt_bytes_str("b");
	rule.until_s = 50;
	add(world, rule);
	rule.filter = mt_bytes_str("c");
	rule.is_deny = true;
	add(world, rule);
	allow(world, "c");
	assert_true(may_publish(world, "a"));
	assert_false(may_publish(world, "b"));
	assert_false(may_subscribe(world, "b"));
	assert_true(may_publish(world, "c"));
}

/* Now is 50. */
static void rules_begin(void **state)
{
	struct world *world = *state;
	struct mt_rule rule = rule_of("later", MT_OPERATION_PUBLISH);
	rule.since_s = 51;
	add(world, rule);
	rule = rule_of("now", MT_OPERATION_PUBLISH);
	rule.since_s = 50;
	add(world, rule);
	assert_false(may_publish(world, "later"));
	assert_true(may_publish(world, "now"));
	assert_int_equal(mt_policy_next_change_s(world->policy, 49), 50);
	assert_int_equal(mt_policy_next_change_s(world->policy, 50), 51);
}

static void rules_may_be_for_a_listener_alone(void **state)
{
	struct world *world = *state;
	struct mt_rule rule = rule_of("a", MT_OPERATION_PUBLISH);
	rule.listener = mt_bytes_str("tls");
	add(world, rule);
	assert_false(may_publish(world, "a"));
	world->subject.listener = mt_bytes_str("tls2");
	assert_false(may_publish(world, "a"));
	world->subject.listener = mt_bytes_str("tls");
	assert_true(may_publish(world, "a"));
}

static void a_filtering_role_grants_and_filters(void **state)
{
	struct world *world = *state;
	struct mt_rule one = rule_of("a/b", MT_OPERATION_SUBSCRIBE);
	struct mt_grant grant;
	one.qos_mask = 2;
	add(world, one);
	deny(world, "a/c");
	assert_int_equal(mt_policy_builder_filter(world->builder, world->role), MT_OK);
	grant = subscribe(world, "a/#", "", 2);
	assert_true(grant.is_allowed && grant.is_crossed);
	assert_int_equal(grant.qos, 1); /* a/b has one, the rest none */
	grant = subscribe(world, "z", "", 2);
	assert_true(grant.is_allowed && grant.is_crossed);
	assert_int_equal(grant.qos, 2);
	assert_int_equal(grant.why, MT_WHY_FILTERED);
	assert_true(subscribe(world, "a/c", "", 0).is_allowed);
	assert_true(deliver(world, "a/b", "").is_allowed);
	assert_false(deliver(world, "a/c", "").is_allowed);
	assert_false(deliver(world, "z", "").is_allowed);
	/* A group is granted as well, and gets what rules with `share` let through: nothing. */
	assert_true(subscribe(world, "a/b", "g", 0).is_allowed);
	assert_false(deliver(world, "a/b", "g").is_allowed);
}

static void rules_may_be_for_a_network_alone(void **state)
{
	struct world *world = *state;
	struct mt_rule rule = rule_of("a", MT_OPERATION_BOTH);
	rule.has_network = true;
	assert_true(mt_network_parse(mt_bytes_str("10.7.0.0/16"), &rule.network));
	add(world, rule);
	assert_false(may_publish(world, "a"));
	world->subject.address =
		(struct mt_address){{[10] = 0xff, [11] = 0xff, [12] = 10, [13] = 7}};
	assert_true(may_publish(world, "a"));
	world->subject.address.byte[13] = 8;
	assert_false(may_publish(world, "a"));
}

/* ---- subscribe ---- */

static void one_rule_must_contain_the_filter(void **state)
{
	struct world *world = *state;
	allow(world, "a/+");
	allow(world, "a/b/#");
	allow(world, "c/#");
	assert_true(may_subscribe(world, "a/+"));
	assert_true(may_subscribe(world, "a/b/+/#"));
	assert_false(may_subscribe(world, "a/#"));
	assert_false(may_subscribe(world, "#"));
	assert_int_equal(subscribe(world, "#", "", 0).why, MT_WHY_NO_RULE);
	assert_true(may_subscribe(world, "c"));
	assert_true(may_subscribe(world, "c/+/#"));
	assert_false(may_subscribe(world, "+/b"));
}

static void a_deny_that_overlaps_is_applied_at_delivery(void **state)
{
	struct world *world = *state;
	uint32_t id = deny(world, "a/+/secret");
	allow(world, "a/#");
	assert_true(subscribe(world, "a/b", "", 0).is_allowed);
	assert_false(subscribe(world, "a/b", "", 0).is_crossed);
	assert_true(subscribe(world, "a/#", "", 0).is_allowed);
	assert_true(subscribe(world, "a/#", "", 0).is_crossed);
	assert_true(subscribe(world, "a/x/+", "", 0).is_crossed);
	assert_false(subscribe(world, "a/x/secret", "", 0).is_allowed);
	assert_int_equal(subscribe(world, "a/x/secret", "", 0).rule_id, id);
	assert_false(subscribe(world, "a/+/secret", "", 0).is_allowed);
	assert_true(deliver(world, "a/x/y", "").is_allowed);
	assert_false(deliver(world, "a/x/secret", "").is_allowed);
	assert_int_equal(deliver(world, "a/x/secret", "").rule_id, id);
}

static void qos_of_containing_rules_unites(void **state)
{
	struct world *world = *state;
	struct mt_rule rule = rule_of("a/#", MT_OPERATION_SUBSCRIBE);
	rule.qos_mask = 1;
	add(world, rule);
	rule.filter = mt_bytes_str("a/b");
	rule.qos_mask = 4;
	add(world, rule);
	rule.filter = mt_bytes_str("c");
	add(world, rule);
	assert_int_equal(subscribe(world, "a/b", "", 2).qos, 2);
	assert_int_equal(subscribe(world, "a/b", "", 1).qos, 0);
	assert_int_equal(subscribe(world, "a/c", "", 2).qos, 0);
	assert_true(subscribe(world, "c", "", 2).is_allowed);
	assert_false(subscribe(world, "c", "", 1).is_allowed); /* none at or below the request */
}

static void a_deny_with_qos_lowers_the_grant(void **state)
{
	struct world *world = *state;
	struct mt_rule rule = rule_of("a/+/x", MT_OPERATION_SUBSCRIBE);
	rule.is_deny = true;
	rule.qos_mask = 4;
	allow(world, "a/#");
	add(world, rule);
	assert_int_equal(subscribe(world, "a/b/x", "", 2).qos, 1);
	assert_int_equal(subscribe(world, "a/#", "", 2).qos, 1); /* overlapping is enough */
	assert_false(subscribe(world, "a/#", "", 2).is_crossed);
	assert_int_equal(subscribe(world, "a/b", "", 2).qos, 2);
	assert_true(deliver(world, "a/b/x", "").is_allowed);
}

/* However many denies there are, a subscription costs a bounded look at them: what it could not see
 * it takes for crossed, and for taking away the QoS that any of them names. */
static void too_many_denies_count_as_crossing(void **state)
{
	struct world *world = *state;
	struct mt_rule partial = rule_of("elsewhere", MT_OPERATION_SUBSCRIBE);
	char filters[MT_OVERLAP_NODES_MAX + 1][24];
	partial.is_deny = true;
	partial.qos_mask = 4;
	allow(world, "#");
	add(world, partial);
	for (size_t i = 0; i <= MT_OVERLAP_NODES_MAX; i++) {
		snprintf(filters[i], sizeof(filters[i]), "a/%zu/x", i);
		deny(world, filters[i]);
	}
	assert_false(subscribe(world, "a/7/y", "", 2).is_crossed);
	assert_int_equal(subscribe(world, "a/7/y", "", 2).qos, 2);
	assert_true(subscribe(world, "a/+/y", "", 2).is_crossed); /* none of them overlaps */
	assert_int_equal(subscribe(world, "a/+/y", "", 2).qos, 1);
	assert_true(deliver(world, "a/7/y", "").is_allowed);
	assert_false(deliver(world, "a/7/x", "").is_allowed);
}

static void few_denies_are_seen_to_their_end(void **state)
{
	struct world *world = *state;
	char filters[MT_OVERLAP_NODES_MAX / 2 - 1][24];
	allow(world, "#");
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		snprintf(filters[i], sizeof(filters[i]), "a/%zu/x", i);
		deny(world, filters[i]);
	}
	assert_false(subscribe(world, "a/+/y", "", 2).is_crossed);
	assert_true(subscribe(world, "a/+/x", "", 2).is_crossed);
	assert_int_equal(subscribe(world, "a/+/x", "", 2).qos, 2);
}

static void system_topics_need_rules_that_name_them(void **state)
{
	struct world *world = *state;
	allow(world, "#");
	allow(world, "+/open/#");
	add(world, rule_of("$SYS/load", MT_OPERATION_SUBSCRIBE));
	assert_false(may_publish(world, "$SYS/load"));
	assert_false(may_publish(world, "$SYS/open"));
	assert_true(may_subscribe(world, "$SYS/load"));
	assert_false(may_subscribe(world, "$SYS/#"));
	assert_false(may_subscribe(world, "$SYS/open"));
	assert_true(may_publish(world, "a/$SYS"));
	assert_true(deliver(world, "$SYS/load", "").is_allowed);
	assert_false(deliver(world, "$SYS/other", "").is_allowed);
}

static void shared_subscriptions_need_rules_with_share(void **state)
{
	struct world *world = *state;
	struct mt_rule rule = rule_of("b", MT_OPERATION_SUBSCRIBE);
	allow(world, "a");
	rule.share = mt_bytes_str("workers");
	add(world, rule);
	rule.filter = mt_bytes_str("c");
	rule.share = mt_bytes_str("any");
	add(world, rule);
	assert_true(subscribe(world, "a", "", 0).is_allowed);
	assert_false(subscribe(world, "a", "workers", 0).is_allowed);
	assert_false(deliver(world, "a", "workers").is_allowed);
	assert_true(subscribe(world, "b", "workers", 0).is_allowed);
	assert_true(deliver(world, "b", "workers").is_allowed);
	assert_false(subscribe(world, "b", "others", 0).is_allowed);
	assert_false(subscribe(world, "b", "worker", 0).is_allowed);
	assert_true(subscribe(world, "b", "", 0)
			    .is_allowed); /* share adds the group to the plain filter */
	assert_true(subscribe(world, "c", "others", 0).is_allowed);
}

static void a_deny_with_share_is_for_that_group(void **state)
{
	struct world *world = *state;
	struct mt_rule rule = rule_of("#", MT_OPERATION_SUBSCRIBE);
	rule.share = mt_bytes_str("any");
	add(world, rule);
	deny(world, "a");
	rule = rule_of("b", MT_OPERATION_SUBSCRIBE);
	rule.is_deny = true;
	rule.share = mt_bytes_str("workers");
	add(world, rule);
	rule.filter = mt_bytes_str("c");
	rule.share = mt_bytes_str("any");
	add(world, rule);
	assert_false(subscribe(world, "a", "", 0).is_allowed);
	assert_false(subscribe(world, "a", "workers", 0).is_allowed);
	assert_true(subscribe(world, "b", "", 0).is_allowed);
	assert_true(subscribe(world, "b", "others", 0).is_allowed);
	assert_false(subscribe(world, "b", "workers", 0).is_allowed);
	assert_false(deliver(world, "b", "workers").is_allowed);
	assert_true(deliver(world, "b", "").is_allowed);
	assert_true(subscribe(world, "c", "", 0).is_allowed);
	assert_false(subscribe(world, "c", "others", 0).is_allowed);
	assert_true(subscribe(world, "#", "workers", 0).is_crossed);
	assert_true(subscribe(world, "+", "", 0).is_crossed);
}

/* ---- variables ---- */

static void variables_take_the_subjects_values(void **state)
{
	struct world *world = *state;
	allow(world, "site/%c/x");
	allow(world, "user/%u-%c/#");
	allow(world, "cert/pre-%n");
	assert_true(may_publish(world, "site/dev-1/x"));
	assert_false(may_publish(world, "site/dev-2/x"));
	assert_false(may_publish(world, "site/dev-11/x"));
	assert_false(may_publish(world, "site/%c/x"));
	assert_false(may_publish(world, "site//x"));
	assert_true(may_publish(world, "user/bob-dev-1/y"));
	assert_false(may_publish(world, "user/bob/y"));
	assert_true(may_publish(world, "cert/pre-cert-1"));
	assert_true(may_subscribe(world, "site/dev-1/x"));
	assert_false(may_subscribe(world, "site/+/x"));
	assert_false(may_subscribe(world, "site/%c/x"));
	assert_true(may_subscribe(world, "user/bob-dev-1/+/#"));
}

static void denies_with_variables_cross(void **state)
{
	struct world *world = *state;
	allow(world, "#");
	deny(world, "box/%c");
	assert_true(subscribe(world, "box/+", "", 0).is_crossed);
	assert_true(subscribe(world, "#", "", 0).is_crossed);
	assert_false(subscribe(world, "box/dev-2", "", 0).is_crossed);
	assert_false(subscribe(world, "box/dev-1", "", 0).is_allowed);
}

/* Otherwise a client id with a slash would step around a deny, and one that is a wildcard would be
 * everybody (CVE-2017-7650). */
static void expect_only_plain_levels(struct world *world, struct mt_bytes *value)
{
	static const char *const bad[] = {"",	"/", "a/b", "a/", "/a",	  "+", "a+",
					  "+a", "#", "x#",  "#x", "$SYS", "$", "$share"};
	static const char *const good[] = {"a", " ", "a$", "%c", "%u", "%", "a b", "*", ".."};
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++) {
		*value = mt_bytes_str(bad[i]);
		assert_false(mt_policy_admits(policy_of(world), &world->subject));
		assert_int_equal(publish(world, "x", 0, false).why, MT_WHY_NO_IDENTITY);
		assert_int_equal(subscribe(world, "x", "", 0).why, MT_WHY_NO_IDENTITY);
		assert_int_equal(deliver(world, "x", "").why, MT_WHY_NO_IDENTITY);
	}
	for (size_t i = 0; i < MT_COUNT_OF(good); i++) {
		char topic[32];
		*value = mt_bytes_str(good[i]);
		snprintf(topic, sizeof(topic), "box/%s", good[i]);
		assert_true(mt_policy_admits(policy_of(world), &world->subject));
		assert_true(may_publish(world, "x"));
		assert_false(may_publish(world, topic)); /* the deny takes it as it is */
		assert_true(may_publish(world, "box/other"));
	}
}

static void client_ids_must_be_plain_levels(void **state)
{
	struct world *world = *state;
	allow(world, "#");
	deny(world, "box/%c");
	expect_only_plain_levels(world, &world->subject.client_id);
}

static void user_names_must_be_plain_levels(void **state)
{
	struct world *world = *state;
	allow(world, "#");
	deny(world, "box/%u");
	expect_only_plain_levels(world, &world->subject.user);
}

static void certificate_names_must_be_plain_levels(void **state)
{
	struct world *world = *state;
	allow(world, "#");
	deny(world, "box/%n");
	expect_only_plain_levels(world, &world->subject.cn);
}

/* A rule that is over, or for elsewhere, still tells what the identity must be. */
static void rules_not_in_force_count_for_admission(void **state)
{
	struct world *world = *state;
	struct mt_rule rule = rule_of("old/%c", MT_OPERATION_PUBLISH);
	rule.until_s = 1;
	add(world, rule);
	allow(world, "a");
	assert_true(may_publish(world, "a"));
	world->subject.client_id = mt_bytes_str("x/y");
	assert_false(mt_policy_admits(policy_of(world), &world->subject));
	assert_false(may_publish(world, "a"));
}

/* `$SYS` is reached by a variable neither whole nor in part. */
static void variables_do_not_reach_system_topics(void **state)
{
	struct world *world = *state;
	allow(world, "%c/#");
	allow(world, "%c%u/#");
	world->subject.client_id = mt_bytes_str("SYS");
	assert_true(may_publish(world, "SYS/x"));
	assert_false(may_publish(world, "$SYS/x"));
	world->subject.client_id = mt_bytes_str("$SYS");
	assert_false(mt_policy_admits(policy_of(world), &world->subject));
	assert_false(may_publish(world, "$SYS/x"));
	assert_false(may_subscribe(world, "$SYS/x"));
}

/* The prefix alone is no way around: as a plain filter it is one that no rule names. */
static void a_share_prefix_is_no_way_around(void **state)
{
	struct world *world = *state;
	allow(world, "#");
	allow(world, "secret/+");
	deny(world, "secret/#");
	assert_false(may_subscribe(world, "$share/g/secret/a"));
	assert_false(may_subscribe(world, "$share//secret/a"));
	assert_false(may_subscribe(world, "$share/+/secret/a"));
	assert_false(subscribe(world, "secret/a", "g", 0).is_allowed);
	assert_false(subscribe(world, "a", "g", 0).is_allowed);
	assert_false(subscribe(world, "a", "any", 0).is_allowed);
}

static void only_used_variables_matter(void **state)
{
	struct world *world = *state;
	allow(world, "%u");
	world->subject.client_id = mt_bytes_str("a/b");
	world->subject.cn = mt_bytes_str("");
	assert_true(mt_policy_admits(policy_of(world), &world->subject));
	assert_true(may_publish(world, "bob"));
	world->subject.user = mt_bytes_str("");
	assert_false(mt_policy_admits(policy_of(world), &world->subject));
}

/* ---- size ---- */

/* Words longer than what is hashed at once; the topic stands in a block of its own. */
static void long_words_stay_apart(void **state)
{
	struct world *world = *state;
	char word[65] = "";
	for (size_t len = 1; len < sizeof(word); len++) {
		word[len - 1] = (char)('a' + len % 26);
		allow(world, word);
	}
	for (size_t len = 1; len < sizeof(word); len++) {
		char *topic = malloc(len);
		assert_non_null(topic);
		memcpy(topic, word, len);
		for (size_t at = 0; at <= len; at++) { /* the last one is as it was */
			if (at < len)
				topic[at] ^= 0x40;
			assert_int_equal(mt_decide_publish(policy_of(world), &world->subject,
							   mt_bytes_of(topic, len), 0, false, 50)
						 .is_allowed,
					 at == len);
			if (at < len)
				topic[at] ^= 0x40;
		}
		free(topic);
	}
}

static void many_rules_stay_apart(void **state)
{
	struct world *world = *state;
	char topic[32];
	for (int i = 0; i < 10000; i++) {
		snprintf(topic, sizeof(topic), "a%d/+/b%d", i % 100, i);
		if (i % 3 == 0)
			deny(world, topic);
		else
			allow(world, topic);
	}
	for (int i = 0; i < 10000; i++) {
		struct mt_verdict verdict;
		snprintf(topic, sizeof(topic), "a%d/x/b%d", i % 100, i);
		verdict = publish(world, topic, 0, false);
		assert_int_equal(verdict.is_allowed, i % 3 != 0);
		assert_int_equal(verdict.rule_id, i + 1);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_identity_nothing_is_allowed),
		TEST(the_id_counts_not_the_name),
		TEST(anonymous_peers_have_the_role_of_the_listener),
		TEST(anonymous_peers_have_no_user_name),
		TEST(a_policy_without_rules_denies_all),
		TEST(denies_alone_allow_nothing),
		TEST(the_built_in_role_opens_all_but_system_topics),
		TEST(roles_add_up_and_any_deny_wins),
		TEST(nothing_matches_means_denied),
		TEST(a_deny_beats_every_allow),
		TEST(publish_has_qos_and_retain_axes),
		TEST(operations_are_apart),
		TEST(rules_end_with_their_time),
		TEST(rules_begin),
		TEST(rules_may_be_for_a_listener_alone),
		TEST(a_filtering_role_grants_and_filters),
		TEST(rules_may_be_for_a_network_alone),
		TEST(one_rule_must_contain_the_filter),
		TEST(a_deny_that_overlaps_is_applied_at_delivery),
		TEST(qos_of_containing_rules_unites),
		TEST(a_deny_with_qos_lowers_the_grant),
		TEST(too_many_denies_count_as_crossing),
		TEST(few_denies_are_seen_to_their_end),
		TEST(system_topics_need_rules_that_name_them),
		TEST(shared_subscriptions_need_rules_with_share),
		TEST(a_deny_with_share_is_for_that_group),
		TEST(variables_take_the_subjects_values),
		TEST(denies_with_variables_cross),
		TEST(client_ids_must_be_plain_levels),
		TEST(user_names_must_be_plain_levels),
		TEST(certificate_names_must_be_plain_levels),
		TEST(rules_not_in_force_count_for_admission),
		TEST(variables_do_not_reach_system_topics),
		TEST(a_share_prefix_is_no_way_around),
		TEST(only_used_variables_matter),
		TEST(long_words_stay_apart),
		TEST(many_rules_stay_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
