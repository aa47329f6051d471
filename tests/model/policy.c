/* Decisions against an interpreter that reads rule after rule, with the variables written into
 * their filters. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "naive_topic.h"
#include "policy/decide.h"

#include <stdio.h>
#include <stdlib.h>

#define ROLES 4
#define RULES_MAX 90
#define USERS 5
#define SITES 400
#define REQUESTS 2500 /* per site: 1,000,000 decisions in all */

static const char *const words[] = {"a",  "b",	"",	"$s",	  "cid",   "usr",
				    "%c", "ab", "acid", "usrcid", "cidusr"};
static const char *const rule_words[] = {"a",  "b",  "",    "$s",  "cid",  "%c",
					 "%u", "%n", "a%c", "$%c", "%c%u", "a"};
static const char *const values[] = {"cid", "usr", "a", "b", "s", "%c", "a", "b", "cid", "usr"};
static const char *const bad_values[] = {"", "a/b", "+", "$s", "x#"};
static const char *const shares[] = {"", "", "", "any", "g", "h"};
static const char *const listeners[] = {"", "", "", "tls", "ws"};
static const char *const role_names[ROLES] = {"r0", "r1", "r2", "r3"};

struct naive_rule {
	struct mt_rule rule;
	struct naive_topic filter;
	int role;
};

struct naive_user {
	struct mt_user user;
	char name[16];
	bool has_role[ROLES];
};

/* How often each kind of answer came: a model that never sees one proves nothing about it. */
struct tally {
	unsigned no_identity, permitted, denied, unmatched, granted, lowered, crossed, refused,
		uncrossed, filtered;
};

struct site {
	struct mt_rng rng;
	struct tally tally;
	struct naive_rule rules[RULES_MAX];
	size_t rule_count;
	bool is_filtering[ROLES];
	struct naive_user users[USERS];
	struct mt_policy *policy;
};

/* Who asks, as texts, and what the interpreter thinks of it. */
struct asker {
	struct mt_subject subject;
	bool has_role[ROLES];
	bool has_identity;
};

static size_t pick(struct site *site, size_t count)
{
	return (size_t)mt_rng_below(&site->rng, count);
}

#define PICK(site, array) ((array)[pick(site, MT_COUNT_OF(array))])

/* ---- a site ---- */

static struct mt_address address(struct site *site)
{
	struct mt_address address = {{0}};
	address.byte[0] = (uint8_t)(pick(site, 2) << 7);
	address.byte[15] = (uint8_t)pick(site, 4);
	return address;
}

static void make_rule(struct site *site, struct naive_rule *out)
{
	static const uint8_t prefixes[] = {0, 1, 126, 127, 128};
	struct mt_rule *rule = &out->rule;
	out->filter = naive_random_filter(&site->rng, rule_words, MT_COUNT_OF(rule_words), 3);
	out->role = (int)pick(site, ROLES);
	*rule = (struct mt_rule){.id = (uint32_t)(out - site->rules) + 1,
				 .filter = naive_view(&out->filter)};
	rule->is_deny = pick(site, 4) == 0;
	rule->operation = (uint8_t)(1 + pick(site, 3));
	rule->qos_mask = pick(site, 3) > 0 ? 7 : (uint8_t)(1 + pick(site, 7));
	rule->retain = pick(site, 3) > 0 ? MT_RETAIN_ANY : (uint8_t)pick(site, 3);
	rule->has_network = pick(site, 6) == 0;
	rule->network = (struct mt_network){address(site), PICK(site, prefixes)};
	rule->since_s = pick(site, 5) == 0 ? (int64_t)(1 + pick(site, 6)) : 0;
	rule->until_s = pick(site, 5) == 0 ? rule->since_s + (int64_t)(1 + pick(site, 10)) : 0;
	rule->listener = mt_bytes_str(PICK(site, listeners));
	rule->share = mt_bytes_str(PICK(site, shares));
}

static void make_user(struct site *site, struct naive_user *user, size_t index)
{
	snprintf(user->name, sizeof(user->name), "user%zu", index);
	user->user = (struct mt_user){
		.id = 100 + index, .name = mt_bytes_str(user->name), .is_enabled = index > 0};
	for (int i = 0; i < ROLES; i++)
		user->has_role[i] = pick(site, 2) == 0;
}

static void build_users(struct site *site, struct mt_policy_builder *builder)
{
	for (size_t i = 0; i < USERS; i++) {
		struct mt_bytes names[ROLES];
		size_t count = 0;
		make_user(site, &site->users[i], i);
		for (int role = 0; role < ROLES; role++)
			if (site->users[i].has_role[role])
				names[count++] = mt_bytes_str(role_names[role]);
		assert_int_equal(
			mt_policy_builder_user(builder, &site->users[i].user, names, count), MT_OK);
	}
}

static void build(struct site *site, uint64_t seed)
{
	struct mt_policy_builder *builder =
		mt_policy_builder_create(seed, (struct mt_seed){{seed, ~seed}});
	uint32_t ids[ROLES];
	assert_non_null(builder);
	for (int i = 0; i < ROLES; i++) {
		assert_int_equal(
			mt_policy_builder_role(builder, mt_bytes_str(role_names[i]), &ids[i]),
			MT_OK);
		site->is_filtering[i] = pick(site, 8) == 0;
		if (site->is_filtering[i])
			assert_int_equal(mt_policy_builder_filter(builder, ids[i]), MT_OK);
	}
	site->rule_count = pick(site, RULES_MAX + 1);
	for (size_t i = 0; i < site->rule_count; i++) {
		make_rule(site, &site->rules[i]);
		assert_null(mt_rule_fault(&site->rules[i].rule));
		assert_int_equal(mt_policy_builder_rule(builder, ids[site->rules[i].role],
							&site->rules[i].rule),
				 MT_OK);
	}
	build_users(site, builder);
	assert_int_equal(mt_policy_build(&builder, &site->policy), MT_OK);
	assert_null(builder);
}

/* ---- the interpreter ---- */

static bool is_plain(struct mt_bytes value)
{
	return value.len > 0 && value.data[0] != '$' && !memchr(value.data, '/', value.len) &&
	       !memchr(value.data, '+', value.len) && !memchr(value.data, '#', value.len);
}

static bool holds(const struct naive_rule *rule, const char *part)
{
	return strstr(rule->filter.text, part) != NULL;
}

static bool is_admitted(const struct site *site, const struct asker *asker)
{
	if (!asker->has_identity)
		return false;
	for (size_t i = 0; i < site->rule_count; i++) {
		const struct naive_rule *rule = &site->rules[i];
		if (!asker->has_role[rule->role])
			continue;
		if ((holds(rule, "%c") && !is_plain(asker->subject.client_id)) ||
		    (holds(rule, "%u") &&
		     (asker->subject.user_id == 0 || !is_plain(asker->subject.user))) ||
		    (holds(rule, "%n") && !is_plain(asker->subject.cn)))
			return false;
	}
	return true;
}

/* The rule's filter with the values in place of the variables. */
static struct naive_topic spell(const struct naive_rule *rule, const struct mt_subject *subject)
{
	char room[NAIVE_BYTES * 4];
	size_t at = 0;
	for (const char *c = rule->filter.text; *c; c++) {
		struct mt_bytes part = mt_bytes_of(c, 1);
		if (*c == '%') {
			c++;
			part = *c == 'c'   ? subject->client_id
			       : *c == 'u' ? subject->user
					   : subject->cn;
		}
		memcpy(room + at, part.data, part.len);
		at += part.len;
	}
	return naive_split(mt_bytes_of(room, at));
}

static bool is_inside(const struct mt_network *network, const struct mt_address *from)
{
	for (unsigned bit = 0; bit < network->prefix_bits; bit++)
		if ((network->address.byte[bit / 8] ^ from->byte[bit / 8]) >> (7 - bit % 8) & 1)
			return false;
	return true;
}

static bool is_live(const struct naive_rule *rule, const struct asker *asker, uint8_t operation,
		    int64_t now_s)
{
	if (!asker->has_role[rule->role] || !(rule->rule.operation & operation))
		return false;
	if ((rule->rule.until_s != 0 && now_s >= rule->rule.until_s) || now_s < rule->rule.since_s)
		return false;
	if (rule->rule.listener.len > 0 &&
	    !mt_bytes_equal(rule->rule.listener, asker->subject.listener))
		return false;
	return !rule->rule.has_network || is_inside(&rule->rule.network, &asker->subject.address);
}

static bool covers_group(const struct mt_rule *rule, struct mt_bytes group)
{
	bool is_named = mt_bytes_equal(rule->share, mt_bytes_str("any")) ||
			mt_bytes_equal(rule->share, group);
	if (group.len == 0)
		return !rule->is_deny || rule->share.len == 0;
	return rule->is_deny && rule->share.len == 0 ? true : rule->share.len > 0 && is_named;
}

/* What is asked: a publish, a delivery or a subscription. */
struct question {
	struct mt_bytes topic;
	const struct naive_topic *naive; /* the same */
	struct mt_bytes group;
	uint8_t qos;
	bool is_retain;
	int64_t now_s;
};

static bool speaks_of_publish(const struct naive_rule *rule, const struct asker *asker,
			      const struct question *question)
{
	struct naive_topic filter;
	if (!(is_live(rule, asker, MT_OPERATION_PUBLISH, question->now_s) &&
	      (rule->rule.qos_mask >> question->qos & 1) &&
	      (rule->rule.retain == MT_RETAIN_ANY ||
	       (rule->rule.retain == MT_RETAIN_YES) == question->is_retain)))
		return false;
	filter = spell(rule, &asker->subject);
	return naive_matches(&filter, question->naive);
}

static bool speaks_of_delivery(const struct naive_rule *rule, const struct asker *asker,
			       const struct question *question)
{
	struct naive_topic filter;
	if (!(is_live(rule, asker, MT_OPERATION_SUBSCRIBE, question->now_s) &&
	      covers_group(&rule->rule, question->group) &&
	      (!rule->rule.is_deny || rule->rule.qos_mask == 7)))
		return false;
	filter = spell(rule, &asker->subject);
	return naive_matches(&filter, question->naive);
}

typedef bool speaks_fn(const struct naive_rule *rule, const struct asker *asker,
		       const struct question *question);

static void check_verdict(struct site *site, const struct asker *asker,
			  const struct question *question, speaks_fn *speaks,
			  struct mt_verdict verdict)
{
	bool is_denied = false, is_allowed = false, is_named = false;
	if (!is_admitted(site, asker)) {
		site->tally.no_identity++;
		assert_false(verdict.is_allowed);
		assert_int_equal(verdict.why, MT_WHY_NO_IDENTITY);
		return;
	}
	for (size_t i = 0; i < site->rule_count; i++) {
		const struct mt_rule *rule = &site->rules[i].rule;
		if (!speaks(&site->rules[i], asker, question))
			continue;
		is_denied |= rule->is_deny;
		is_allowed |= !rule->is_deny;
		is_named |= rule->id == verdict.rule_id && rule->is_deny == !verdict.is_allowed;
	}
	assert_int_equal(verdict.is_allowed, is_allowed && !is_denied);
	assert_int_equal(verdict.why, is_allowed || is_denied ? MT_WHY_RULE : MT_WHY_NO_RULE);
	assert_true(is_named || verdict.why != MT_WHY_RULE);
	site->tally.permitted += verdict.is_allowed;
	site->tally.denied += is_denied;
	site->tally.unmatched += !is_denied && !is_allowed;
}

/* What the rules say together about a subscription. */
struct sum {
	uint8_t allowed, removed; /* sets of QoS */
	bool is_refused, is_crossed;
	bool is_filtered; /* a role grants whatever the rules say */
	bool is_named;	  /* one of the rules that decided is the one that is said to */
};

static struct sum add_up(const struct site *site, const struct asker *asker,
			 const struct question *question, struct mt_grant grant)
{
	struct sum sum = {0};
	for (int role = 0; role < ROLES; role++)
		sum.is_filtered |= asker->has_role[role] && site->is_filtering[role];
	for (size_t i = 0; i < site->rule_count; i++) {
		const struct mt_rule *rule = &site->rules[i].rule;
		struct naive_topic filter;
		bool is_containing;
		if (!is_live(&site->rules[i], asker, MT_OPERATION_SUBSCRIBE, question->now_s) ||
		    !covers_group(rule, question->group))
			continue;
		filter = spell(&site->rules[i], &asker->subject);
		is_containing = sum.is_filtered && !rule->is_deny
					? naive_overlaps(&filter, question->naive)
					: naive_contains(&filter, question->naive);
		if (!rule->is_deny && is_containing)
			sum.allowed |= rule->qos_mask;
		sum.is_named |= is_containing && rule->id == grant.rule_id &&
				rule->is_deny == !grant.is_allowed &&
				(!rule->is_deny || rule->qos_mask == 7);
		if (!rule->is_deny || !naive_overlaps(&filter, question->naive))
			continue;
		sum.is_refused |= rule->qos_mask == 7 && is_containing;
		sum.is_crossed |= rule->qos_mask == 7;
		sum.removed |= rule->qos_mask == 7 ? 0 : rule->qos_mask;
	}
	if (!sum.is_filtered)
		return sum;
	sum.is_refused = false;
	sum.is_crossed = true;
	if (sum.allowed == 0)
		sum.allowed = 7;
	return sum;
}

/* Where nothing crosses a grant nobody asks again: then every name of the filter must be permitted.
 */
static void check_deliveries(struct site *site, const struct asker *asker,
			     const struct question *question)
{
	for (int i = 0; i < 4; i++) {
		struct naive_topic guide =
			naive_random_name(&site->rng, words, MT_COUNT_OF(words), 4);
		struct naive_topic name = naive_witness(question->naive, &guide, guide.count);
		if (!naive_matches(question->naive, &name))
			continue;
		assert_true(mt_decide_deliver(site->policy, &asker->subject, naive_view(&name),
					      question->group, question->now_s)
				    .is_allowed);
		site->tally.uncrossed++;
	}
}

static void check_grant(struct site *site, const struct asker *asker,
			const struct question *question, struct mt_grant grant)
{
	struct sum sum;
	int qos = question->qos;
	if (!is_admitted(site, asker)) {
		assert_false(grant.is_allowed);
		assert_int_equal(grant.why, MT_WHY_NO_IDENTITY);
		return;
	}
	sum = add_up(site, asker, question, grant);
	while (qos >= 0 && !((sum.allowed & ~sum.removed) >> qos & 1))
		qos--;
	assert_int_equal(grant.is_allowed, !sum.is_refused && qos >= 0);
	if (sum.is_filtered && grant.why == MT_WHY_FILTERED)
		assert_false(sum.is_named);
	else
		assert_int_equal(grant.why,
				 sum.is_refused || qos >= 0 ? MT_WHY_RULE : MT_WHY_NO_RULE);
	assert_true(sum.is_named || grant.why != MT_WHY_RULE);
	site->tally.filtered += sum.is_filtered && grant.is_allowed;
	site->tally.refused += sum.is_refused;
	if (!grant.is_allowed)
		return;
	assert_int_equal(grant.qos, qos);
	assert_int_equal(grant.is_crossed, sum.is_crossed);
	site->tally.granted++;
	site->tally.lowered += qos < question->qos;
	site->tally.crossed += grant.is_crossed;
	if (!grant.is_crossed)
		check_deliveries(site, asker, question);
}

/* ---- questions ---- */

static struct mt_bytes value(struct site *site)
{
	return mt_bytes_str(pick(site, 20) == 0 ? PICK(site, bad_values) : PICK(site, values));
}

static struct asker make_asker(struct site *site)
{
	const struct naive_user *user = &site->users[pick(site, USERS)];
	struct asker asker = {.has_identity = true};
	uint64_t kind = pick(site, 12);
	asker.subject.client_id = value(site);
	asker.subject.user = value(site);
	asker.subject.cn = value(site);
	asker.subject.address = address(site);
	asker.subject.listener = mt_bytes_str(PICK(site, listeners));
	if (kind == 0) { /* nobody knows it */
		asker.subject.user_id = pick(site, 2) == 0 ? 1 : 0;
		asker.subject.anonymous_role =
			mt_bytes_str(pick(site, 2) == 0 ? "no such role" : "");
		asker.has_identity = false;
	} else if (kind == 1) {
		size_t role = pick(site, ROLES);
		asker.subject.anonymous_role = mt_bytes_str(role_names[role]);
		asker.has_role[role] = true;
	} else {
		asker.subject.user_id = user->user.id;
		asker.has_identity = user->user.is_enabled;
		memcpy(asker.has_role, user->has_role, sizeof(asker.has_role));
	}
	return asker;
}

static void ask(struct site *site)
{
	struct asker asker = make_asker(site);
	struct naive_topic topic;
	struct question question = {.qos = (uint8_t)pick(site, 3), .is_retain = pick(site, 2) == 0};
	question.now_s = (int64_t)pick(site, 12);
	question.group = mt_bytes_str(pick(site, 2) == 0 ? "" : pick(site, 2) == 0 ? "g" : "h");
	assert_int_equal(mt_policy_admits(site->policy, &asker.subject), is_admitted(site, &asker));
	if (pick(site, 2) == 0) {
		topic = naive_random_filter(&site->rng, words, MT_COUNT_OF(words), 3);
		question.topic = naive_view(&topic);
		question.naive = &topic;
		check_grant(site, &asker, &question,
			    mt_decide_subscribe(site->policy, &asker.subject, question.topic,
						question.group, question.qos, question.now_s));
		return;
	}
	topic = naive_random_name(&site->rng, words, MT_COUNT_OF(words), 3);
	question.topic = naive_view(&topic);
	question.naive = &topic;
	if (pick(site, 2) == 0)
		check_verdict(site, &asker, &question, speaks_of_publish,
			      mt_decide_publish(site->policy, &asker.subject, question.topic,
						question.qos, question.is_retain, question.now_s));
	else
		check_verdict(site, &asker, &question, speaks_of_delivery,
			      mt_decide_deliver(site->policy, &asker.subject, question.topic,
						question.group, question.now_s));
}

static void check_tally(const struct tally *tally)
{
	print_message(
		"no identity %u, permitted %u, denied %u, unmatched %u, granted %u, lowered %u, "
		"crossed %u, refused %u, delivered uncrossed %u, filtered %u\n",
		tally->no_identity, tally->permitted, tally->denied, tally->unmatched,
		tally->granted, tally->lowered, tally->crossed, tally->refused, tally->uncrossed,
		tally->filtered);
	assert_true(tally->no_identity > 1000 && tally->permitted > 1000 && tally->denied > 1000 &&
		    tally->unmatched > 1000);
	assert_true(tally->granted > 1000 && tally->lowered > 1000 && tally->crossed > 1000 &&
		    tally->refused > 1000 && tally->uncrossed > 1000 && tally->filtered > 1000);
}

static void decisions_equal_the_interpreter(void **state)
{
	struct site *site = calloc(1, sizeof(*site));
	(void)state;
	assert_non_null(site);
	for (uint64_t seed = 1; seed <= SITES; seed++) {
		print_message("seed %u\n", (unsigned)seed);
		mt_rng_init(&site->rng, seed);
		build(site, seed);
		for (int i = 0; i < REQUESTS; i++)
			ask(site);
		mt_policy_unref(&site->policy);
	}
	check_tally(&site->tally);
	free(site);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(decisions_equal_the_interpreter)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
