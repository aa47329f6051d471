/* People who change permissions while the broker runs, and the naive policy that the oracle
 * believes. */
#include "sim.h"

#define FILTER_COUNT_FOR_RULES 7u

static const char *const rule_filters[FILTER_COUNT_FOR_RULES] = {"a/#", "a/+", "a/b", "b/c",
								 "b/+", "s/#", "#"};

/* A filter against a topic, level by level, the long way. */
bool naive_matches(const char *filter, const char *topic)
{
	if (*filter == '#')
		return true;
	for (;;) {
		if (*filter == '+') {
			filter++;
			topic += strcspn(topic, "/");
		} else {
			while (*filter != '\0' && *filter != '/' && *filter == *topic) {
				filter++;
				topic++;
			}
		}
		if (strcmp(filter, "/#") == 0 && (*topic == '\0' || *topic == '/'))
			return true;
		if (*filter == '\0' || *topic == '\0')
			return *filter == *topic;
		if (*filter != '/' || *topic != '/')
			return false;
		filter++;
		topic++;
		if (strcmp(filter, "#") == 0)
			return true;
	}
}

static bool applies(const struct rule *rule, uint8_t operation, const char *topic)
{
	return (rule->operation & operation) && naive_matches(rule_filters[rule->filter], topic);
}

bool naive_publish(const struct permissions *permissions, const char *topic, uint8_t qos)
{
	bool is_allowed = false;
	for (uint32_t i = 0; i < permissions->count; i++) {
		const struct rule *rule = &permissions->rules[i];
		if (!applies(rule, MT_OPERATION_PUBLISH, topic) || !(rule->qos_mask & 1u << qos))
			continue;
		if (rule->is_deny)
			return false;
		is_allowed = true;
	}
	return is_allowed && !permissions->is_disabled;
}

/* Of a delivery: no deny for every QoS covers the topic, and some allow rule does. */
bool naive_receive(const struct permissions *permissions, const char *topic)
{
	bool is_allowed = false;
	for (uint32_t i = 0; i < permissions->count; i++) {
		const struct rule *rule = &permissions->rules[i];
		if (!applies(rule, MT_OPERATION_SUBSCRIBE, topic))
			continue;
		if (rule->is_deny && rule->qos_mask == 7)
			return false;
		is_allowed |= !rule->is_deny;
	}
	return is_allowed && !permissions->is_disabled;
}

static void add_rules(struct mt_policy_builder *builder, uint32_t role,
		      const struct permissions *permissions)
{
	for (uint32_t i = 0; i < permissions->count; i++) {
		const struct rule *from = &permissions->rules[i];
		struct mt_rule rule = {.id = i + 1,
				       .is_deny = from->is_deny,
				       .operation = from->operation,
				       .qos_mask = from->qos_mask,
				       .filter = mt_bytes_str(rule_filters[from->filter])};
		if (!rule.is_deny && strcmp(rule_filters[from->filter], "s/#") == 0)
			rule.share = mt_bytes_str("any");
		MT_CHECK(mt_policy_builder_rule(builder, role, &rule) == MT_OK);
	}
}

static void add_user(struct mt_policy_builder *builder, uint32_t index,
		     const struct permissions *permissions)
{
	char name[] = "u0";
	struct mt_bytes names[1];
	struct mt_user user = {.id = index + 1, .is_enabled = !permissions->is_disabled};
	uint32_t role;
	name[1] = (char)('0' + index);
	names[0] = user.name = mt_bytes_str(name);
	MT_CHECK(mt_policy_builder_role(builder, names[0], &role) == MT_OK);
	add_rules(builder, role, permissions);
	MT_CHECK(mt_policy_builder_user(builder, &user, names, 1) == MT_OK);
}

/* Who does nothing or only reads. */
static void add_strangers(struct mt_policy_builder *builder)
{
	struct mt_user rogue = {.id = ROGUE_ID, .is_enabled = true, .name = mt_bytes_str("rogue")};
	struct mt_user inspector = {
		.id = INSPECTOR_ID, .is_enabled = true, .name = mt_bytes_str("inspector")};
	struct mt_rule all = {.id = 1,
			      .operation = MT_OPERATION_SUBSCRIBE,
			      .qos_mask = 7,
			      .filter = mt_bytes_str("#")};
	uint32_t role;
	MT_CHECK(mt_policy_builder_role(builder, inspector.name, &role) == MT_OK);
	MT_CHECK(mt_policy_builder_rule(builder, role, &all) == MT_OK);
	MT_CHECK(mt_policy_builder_user(builder, &inspector, &inspector.name, 1) == MT_OK);
	MT_CHECK(mt_policy_builder_user(builder, &rogue, NULL, 0) == MT_OK);
}

/* The newest rules; of whom they changed while the core had others, nothing is known. */
static void give_rules(struct sim *sim, uint32_t core, struct mt_policy *policy)
{
	for (uint32_t user = 0; user < USERS; user++) {
		if (memcmp(&sim->policies[sim->core_epochs[core]][user],
			   &sim->policies[sim->epoch][user], sizeof(struct permissions)) == 0)
			continue;
		sim->touched[user] = sim->step;
		oracle_refused(sim, user);
	}
	sim->core_epochs[core] = sim->epoch;
	mt_core_set_policy(sim->cores[core], sim->now, policy);
	broker_serve(sim);
}

/* cores: a bit each. */
static void publish_policy(struct sim *sim, uint32_t cores)
{
	struct mt_policy_builder *builder =
		mt_policy_builder_create(sim->epoch + 2, (struct mt_seed){{sim->seed, 9}});
	struct mt_policy *policy;
	MT_CHECK(builder != NULL);
	for (uint32_t i = 0; i < USERS; i++)
		add_user(builder, i, &sim->policies[sim->epoch][i]);
	add_strangers(builder);
	MT_CHECK(mt_policy_build(&builder, &policy) == MT_OK);
	for (uint32_t i = 0; i < sim->core_count; i++)
		if (cores & 1u << i)
			give_rules(sim, i, policy);
	mt_policy_unref(&policy);
}

void people_spread(struct sim *sim)
{
	uint32_t core = sim_below(sim, sim->core_count);
	if (sim->core_epochs[core] == sim->epoch)
		return;
	sim_say(sim, "people: core %u hears of the rules", core);
	publish_policy(sim, 1u << core);
}

static void set_first_rules(struct permissions *permissions)
{
	static const struct rule rules[] = {
		{false, MT_OPERATION_BOTH, 7, 0}, /* a/# */
		{false, MT_OPERATION_BOTH, 7, 4}, /* b/+ */
		{false, MT_OPERATION_BOTH, 7, 5}, /* s/# */
	};
	memset(permissions, 0, sizeof(*permissions));
	memcpy(permissions->rules, rules, sizeof(rules));
	permissions->count = MT_COUNT_OF(rules);
}

void people_begin(struct sim *sim)
{
	for (uint32_t i = 0; i < USERS; i++)
		set_first_rules(&sim->policies[0][i]);
	publish_policy(sim, UINT32_MAX);
}

static struct permissions *next_epoch(struct sim *sim, uint32_t user)
{
	memcpy(sim->policies[sim->epoch + 1], sim->policies[sim->epoch], sizeof(sim->policies[0]));
	sim->epoch++;
	sim->touched[user] = sim->step;
	oracle_refused(sim, user);
	return &sim->policies[sim->epoch][user];
}

void people_act(struct sim *sim)
{
	uint32_t user = sim_below(sim, USERS);
	struct permissions *permissions;
	if (sim_chance(sim, 10)) {
		sim_say(sim, "people: end the connection of d%u", user);
		for (uint32_t i = 0; i < sim->core_count; i++)
			mt_core_kick(sim->cores[i], sim->now, mt_bytes_of(NULL, 0),
				     mt_bytes_str(sim->devices[user].id));
		broker_serve(sim);
		return;
	}
	if (sim->has_fixed_rules || sim->epoch + USERS + 1 >= EPOCHS)
		return;
	permissions = next_epoch(sim, user);
	if (permissions->is_disabled || sim_chance(sim, 10)) {
		permissions->is_disabled = !permissions->is_disabled;
		sim_say(sim, "people: u%u is %s", user,
			permissions->is_disabled ? "disabled" : "enabled");
	} else if (permissions->count < RULES && sim_chance(sim, 50)) {
		struct rule *rule = &permissions->rules[permissions->count++];
		*rule = (struct rule){
			.is_deny = sim_chance(sim, 60),
			.operation = (uint8_t)(1 + sim_below(sim, 3)),
			.qos_mask = sim_chance(sim, 60) ? 7 : (uint8_t)(1 + sim_below(sim, 7)),
			.filter = (uint8_t)sim_below(sim, FILTER_COUNT_FOR_RULES)};
		sim_say(sim, "people: u%u gets %s %u %s qos %u", user,
			rule->is_deny ? "deny" : "allow", rule->operation,
			rule_filters[rule->filter], rule->qos_mask);
	} else if (permissions->count > 0) {
		uint32_t which = sim_below(sim, permissions->count);
		sim_say(sim, "people: u%u loses rule %u", user, which + 1);
		permissions->rules[which] = permissions->rules[--permissions->count];
	}
	publish_policy(sim, sim->has_lag ? 1u << sim_below(sim, sim->core_count) : UINT32_MAX);
}

static bool is_locked_out(const struct permissions *permissions)
{
	for (uint8_t qos = 0; qos <= 2; qos++)
		if (!naive_publish(permissions, WILL_TOPIC, qos))
			return true;
	return false;
}

/* Nobody stays locked out at the end, by a will that is not permitted neither. */
void people_relent(struct sim *sim)
{
	for (uint32_t i = 0; i < USERS; i++)
		if (is_locked_out(&sim->policies[sim->epoch][i]))
			set_first_rules(next_epoch(sim, i));
	publish_policy(sim, UINT32_MAX);
}
