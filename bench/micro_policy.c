/*
 * What a decision and a search of the tree cost, in ns of one thread: with few rules or
 * subscriptions and with many. Usage: micro_policy
 */
#include "policy/decide.h"
#include "topic/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RULES 10000
#define ROLES 10000
#define FILTERS 1000000
#define NAMES 4096u /* a power of two */
#define ASKED 2000000u
#define ROUNDS 7

static const struct mt_seed seed = {{0x243f6a8885a308d3, 0x13198a2e03707344}};
static char texts[NAMES][64];
static struct mt_bytes names[NAMES];

static double now_ns(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* The topics of devices spread over all there are, so that caches hold what they would hold. */
static void make_names(unsigned devices)
{
	for (unsigned i = 0; i < NAMES; i++) {
		unsigned device = i * 2654435761u % devices;
		snprintf(texts[i], sizeof(texts[i]), "site/dev%u/telemetry/temperature", device);
		names[i] = mt_bytes_str(texts[i]);
	}
}

static void add_rule(struct mt_policy_builder *builder, uint32_t role, bool is_deny,
		     const char *filter)
{
	struct mt_rule rule = {.id = 1,
			       .is_deny = is_deny,
			       .operation = MT_OPERATION_BOTH,
			       .qos_mask = 7,
			       .filter = mt_bytes_str(filter)};
	MT_CHECK(mt_policy_builder_rule(builder, role, &rule) == MT_OK);
}

static struct mt_policy *make_policy(int rules, int roles, bool is_deny)
{
	struct mt_policy_builder *builder = mt_policy_builder_create(1, seed);
	struct mt_user user = {.id = 1, .name = mt_bytes_str("bob"), .is_enabled = true};
	struct mt_bytes name = mt_bytes_str("device");
	struct mt_policy *policy;
	uint32_t role;
	char text[64];
	MT_CHECK(builder);
	for (int i = 0; i < roles; i++) {
		snprintf(text, sizeof(text), "role%d", i);
		MT_CHECK(mt_policy_builder_role(builder, mt_bytes_str(text), &role) == MT_OK);
	}
	MT_CHECK(mt_policy_builder_role(builder, name, &role) == MT_OK);
	add_rule(builder, role, false, "site/+/telemetry/#");
	for (int i = 0; i < rules; i++) {
		snprintf(text, sizeof(text), is_deny ? "site/dev%d/secret" : "site/dev%d/+/x", i);
		add_rule(builder, role, is_deny, text);
	}
	MT_CHECK(mt_policy_builder_user(builder, &user, &name, 1) == MT_OK);
	MT_CHECK(mt_policy_build(&builder, &policy) == MT_OK);
	return policy;
}

static double publish_ns(const struct mt_policy *policy, const struct mt_subject *subject)
{
	double best = 1e18;
	for (int round = 0; round < ROUNDS; round++) {
		double start = now_ns(), each;
		uint32_t allowed = 0;
		for (uint32_t i = 0; i < ASKED; i++)
			allowed += mt_decide_publish(policy, subject, names[i % NAMES], 0, false, 1)
					   .is_allowed;
		each = (now_ns() - start) / ASKED;
		MT_CHECK(allowed == ASKED);
		best = each < best ? each : best;
	}
	return best;
}

static double subscribe_ns(const struct mt_policy *policy, const char *filter)
{
	struct mt_subject subject = {.user_id = 1};
	double start = now_ns();
	uint32_t granted = 0;
	for (int i = 0; i < 1000; i++)
		granted += mt_decide_subscribe(policy, &subject, mt_bytes_str(filter),
					       mt_bytes_str(""), 0, 1)
				   .is_allowed;
	MT_CHECK(granted % 1000 == 0);
	return (now_ns() - start) / 1000;
}

static void measure_policy(void)
{
	struct mt_subject user = {.user_id = 1, .client_id = mt_bytes_str("dev1")};
	struct mt_subject anonymous = {.anonymous_role = mt_bytes_str("device")};
	struct mt_policy *few = make_policy(0, 0, false), *allows = make_policy(RULES, 0, false),
			 *denies = make_policy(RULES, 0, true),
			 *roles = make_policy(0, ROLES, false);
	make_names(RULES);
	printf("publish, 1 rule                       %8.1f ns\n", publish_ns(few, &user));
	printf("publish, %d allows                 %8.1f ns\n", RULES, publish_ns(allows, &user));
	printf("publish, %d denies                 %8.1f ns\n", RULES, publish_ns(denies, &user));
	make_names(1);
	printf("one topic, 1 rule                     %8.1f ns\n", publish_ns(few, &user));
	printf("one topic, %d allows               %8.1f ns\n", RULES, publish_ns(allows, &user));
	printf("one topic, %d denies               %8.1f ns\n", RULES, publish_ns(denies, &user));
	printf("anonymous, 1 role                     %8.1f ns\n", publish_ns(few, &anonymous));
	printf("anonymous, %d roles                %8.1f ns\n", ROLES,
	       publish_ns(roles, &anonymous));
	printf("subscribe granted, %d denies       %8.1f ns\n", RULES,
	       subscribe_ns(denies, "site/+/telemetry/#"));
	printf("subscribe refused, %d denies       %8.1f ns\n", RULES, subscribe_ns(denies, "#"));
	mt_policy_unref(&few);
	mt_policy_unref(&allows);
	mt_policy_unref(&denies);
	mt_policy_unref(&roles);
}

static double match_ns(const struct mt_tree *tree, struct mt_ids *found)
{
	double best = 1e18;
	for (int round = 0; round < ROUNDS; round++) {
		double start = now_ns(), each;
		for (uint32_t i = 0; i < ASKED / 4; i++) {
			mt_ids_clear(found);
			MT_CHECK(mt_tree_match(tree, names[i % NAMES], found) == MT_OK);
			MT_CHECK(found->count == 1);
		}
		each = (now_ns() - start) / (ASKED / 4);
		best = each < best ? each : best;
	}
	return best;
}

static void measure_tree(unsigned filters)
{
	struct mt_mem mem;
	struct mt_ids found;
	struct mt_tree *tree;
	char text[64];
	uint32_t node;
	double start;
	mt_mem_init(&mem, SIZE_MAX);
	mt_ids_init(&found, &mem);
	tree = mt_tree_create(&mem, seed);
	MT_CHECK(tree);
	start = now_ns();
	for (unsigned i = 0; i < filters; i++) {
		snprintf(text, sizeof(text), "site/dev%u/%s", i, i % 2 ? "+/#" : "telemetry/+");
		MT_CHECK(mt_tree_insert(tree, mt_bytes_str(text), &node) == MT_OK);
	}
	printf("tree, %7u filters: insert          %8.1f ns\n", filters,
	       (now_ns() - start) / filters);
	make_names(filters);
	printf("tree, %7u filters: match           %8.1f ns, %zu bytes a filter\n", filters,
	       match_ns(tree, &found), mem.used_bytes / filters);
	mt_tree_destroy(&tree);
	mt_ids_finish(&found);
}

int main(void)
{
	measure_policy();
	measure_tree(100);
	measure_tree(FILTERS);
	return 0;
}
