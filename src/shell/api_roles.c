/* Roles and their rules: /api/roles. */
#include "identity/user.h"
#include "io/clock.h"
#include "policy/rule.h"
#include "shell/api_call.h"
#include "shell/directory.h"
#include "shell/moment.h"

#include <stdlib.h>

static const char *const operation_names[] = {"", "publish", "subscribe", "both"};

static bool list_role(void *context, const struct mt_state_role *role)
{
	return json_array_append_new(context, json_string(role->name)) == 0;
}

static void list_roles(struct mt_api_call *call)
{
	json_t *list = json_pack("[s, s]", "admin", "open");
	enum mt_status status =
		list ? mt_state_roles(call->api->state, list_role, list) : MT_MEMORY;
	if (status == MT_OK) {
		mt_api_succeed(call, json_pack("{s:o, s:[s, s]}", "roles", list, "built_in",
					       "admin", "open"));
		return;
	}
	json_decref(list);
	mt_api_fail_status(call, status, "roles");
}

static json_t *qos_list(uint8_t mask)
{
	json_t *list = json_array();
	for (int qos = 0; qos <= 2; qos++)
		if (mask & 1u << qos)
			json_array_append_new(list, json_integer(qos));
	return list;
}

static void set_time(json_t *object, const char *key, int64_t when_s)
{
	char text[MT_MOMENT_BYTES];
	if (when_s == 0)
		return;
	mt_moment_print(when_s, text);
	json_object_set_new(object, key, json_string(text));
}

static bool list_rule(void *context, const struct mt_state_rule *rule)
{
	json_t *list = context;
	json_t *object =
		json_pack("{s:I, s:s, s:s, s:o}", "id", (json_int_t)rule->id,
			  rule->is_deny ? "deny" : "allow", operation_names[rule->operation & 3],
			  "topic", rule->filter, "qos", qos_list(rule->qos_mask));
	if (rule->retain != MT_RETAIN_ANY)
		json_object_set_new(object, "retain", json_boolean(rule->retain == MT_RETAIN_YES));
	if (*rule->share)
		json_object_set_new(object, "share", json_string(rule->share));
	if (*rule->network)
		json_object_set_new(object, "from", json_string(rule->network));
	if (*rule->listener)
		json_object_set_new(object, "listener", json_string(rule->listener));
	set_time(object, "since", rule->since_s);
	set_time(object, "until", rule->until_s);
	return json_array_append_new(list, object) == 0;
}

struct search {
	const char *name;
	bool is_found;
	bool is_filtering;
};

static bool compare_name(void *context, const struct mt_state_role *role)
{
	struct search *search = context;
	search->is_found = strcmp(search->name, role->name) == 0;
	search->is_filtering = search->is_found && role->is_filtering;
	return !search->is_found;
}

static enum mt_status find_role(struct mt_api_call *call, struct search *search)
{
	MT_TRY(mt_state_roles(call->api->state, compare_name, search));
	return search->is_found ? MT_OK : MT_NOT_FOUND;
}

static bool is_built_in(const char *name)
{
	return strcmp(name, "admin") == 0 || strcmp(name, "open") == 0;
}

static void show_role(struct mt_api_call *call)
{
	struct search search = {.name = call->segments[1]};
	bool is_ours = is_built_in(search.name);
	json_t *rules = json_array();
	enum mt_status status = is_ours ? MT_OK : find_role(call, &search);
	if (status == MT_OK)
		status = mt_state_rules(call->api->state, search.name, list_rule, rules);
	if (status == MT_OK) {
		mt_api_succeed(call, json_pack("{s:s, s:b, s:s, s:o}", "name", search.name,
					       "built_in", is_ours, "subscribe",
					       search.is_filtering ? "filter" : "refuse", "rules",
					       rules));
		return;
	}
	json_decref(rules);
	mt_api_fail_status(call, status, "role");
}

/* *is_filtering stays when it is not given. False: answered. */
static bool take_subscribe(struct mt_api_call *call, bool *is_filtering)
{
	const char *text = mt_api_text(call, "subscribe");
	if (!text)
		return true;
	if (strcmp(text, "filter") != 0 && strcmp(text, "refuse") != 0) {
		mt_api_fail(call, 400, "subscribe %.32s: expected refuse or filter", text);
		return false;
	}
	*is_filtering = strcmp(text, "filter") == 0;
	return true;
}

static void add_role(struct mt_api_call *call)
{
	struct mt_state_role role = {0};
	const char *fault;
	enum mt_status status;
	if (!mt_api_expect(call, "name:s subscribe:s?") ||
	    !take_subscribe(call, &role.is_filtering))
		return;
	role.name = mt_api_text(call, "name");
	fault = mt_user_name_fault(mt_bytes_str(role.name));
	if (fault) {
		mt_api_fail(call, 400, "name: %s", fault);
		return;
	}
	if (!mt_api_change(call, "role add %s", role.name))
		return;
	status = mt_state_role_add(call->api->state, role.name);
	if (status == MT_OK && role.is_filtering)
		status = mt_state_role_update(call->api->state, &role);
	if (mt_api_change_end(call, status))
		mt_api_succeed(call, json_pack("{s:s}", "added", role.name));
}

/* What a SUBSCRIBE without a rule gets: `{"subscribe": "refuse"}`, or "filter". */
static void change_role(struct mt_api_call *call)
{
	struct mt_state_role role = {.name = call->segments[1]};
	const char *word;
	if (!mt_api_expect(call, "subscribe:s") || !take_subscribe(call, &role.is_filtering))
		return;
	word = mt_api_text(call, "subscribe");
	if (is_built_in(role.name)) {
		mt_api_fail(call, 409, "role %s: is built in; make a role of your own", role.name);
		return;
	}
	if (!mt_api_change(call, "role subscribe %s %s", role.name, word))
		return;
	if (mt_api_change_end(call, mt_state_role_update(call->api->state, &role)))
		mt_api_succeed(call, json_pack("{s:s, s:s}", "name", role.name, "subscribe", word));
}

static void remove_role(struct mt_api_call *call)
{
	const char *name = call->segments[1];
	if (!mt_api_expect(call, "") || !mt_api_change(call, "role remove %s", name))
		return;
	if (mt_api_change_end(call, mt_state_role_remove(call->api->state, name)))
		mt_api_succeed(call, json_pack("{s:s}", "removed", name));
}

static bool take_operation(struct mt_api_call *call, struct mt_state_rule *rule)
{
	const char *allow = mt_api_text(call, "allow");
	const char *deny = mt_api_text(call, "deny");
	const char *text = allow ? allow : deny;
	rule->is_deny = deny != NULL;
	if (!allow == !deny) {
		mt_api_fail(call, 400, "allow or deny: expected one of them");
		return false;
	}
	for (uint8_t i = MT_OPERATION_PUBLISH; i <= MT_OPERATION_BOTH; i++)
		if (strcmp(text, operation_names[i]) == 0)
			rule->operation = i;
	if (rule->operation == 0)
		mt_api_fail(call, 400, "operation %.32s: expected publish, subscribe or both",
			    text);
	return rule->operation != 0;
}

static bool add_qos(const json_t *value, uint8_t *mask)
{
	json_int_t qos = json_integer_value(value);
	if (!json_is_integer(value) || qos < 0 || qos > 2)
		return false;
	*mask = (uint8_t)(*mask | 1u << qos);
	return true;
}

/* 1, [0, 1] or "any". */
static bool take_qos(struct mt_api_call *call, uint8_t *out)
{
	const json_t *value = json_object_get(call->body, "qos");
	bool is_any =
		!value || (json_is_string(value) && strcmp(json_string_value(value), "any") == 0);
	bool is_good = is_any || json_is_integer(value) || json_is_array(value);
	uint8_t mask = is_any ? 7 : 0;
	size_t i;
	json_t *item;
	if (json_is_integer(value))
		is_good = add_qos(value, &mask);
	json_array_foreach(value, i, item) is_good = is_good && add_qos(item, &mask);
	if (!is_good || mask == 0) {
		mt_api_fail(call, 400, "qos: expected any, or one or more of 0, 1, 2");
		return false;
	}
	*out = mask;
	return true;
}

static uint8_t retain_of(const struct mt_api_call *call)
{
	const json_t *value = json_object_get(call->body, "retain");
	return !value ? MT_RETAIN_ANY : json_is_true(value) ? MT_RETAIN_YES : MT_RETAIN_NO;
}

/* 0 when it is not given. */
static bool take_time(struct mt_api_call *call, const char *key, int64_t *out)
{
	const char *text = mt_api_text(call, key);
	*out = 0;
	if (!text || mt_moment_parse(text, out))
		return true;
	mt_api_fail(call, 400, "%s %.32s: expected a time such as 2027-01-01T00:00:00Z", key, text);
	return false;
}

static bool take_window(struct mt_api_call *call, struct mt_state_rule *rule)
{
	if (!take_time(call, "since", &rule->since_s) || !take_time(call, "until", &rule->until_s))
		return false;
	if (rule->until_s == 0 || rule->until_s > mt_clock_now().wall_ns / MT_SECOND)
		return true;
	mt_api_fail(call, 400, "until %.32s: has passed already; give a time to come",
		    mt_api_text(call, "until"));
	return false;
}

/* False: answered. */
static bool check_rule(struct mt_api_call *call, const struct mt_state_rule *row)
{
	struct mt_rule rule;
	const char *fault = mt_directory_rule(row, &rule);
	if (fault)
		mt_api_fail(call, 400, "%s", fault);
	else if (*row->listener && !mt_api_knows_listener(call, row->listener))
		mt_api_fail(call, 400,
			    "listener %.64s: is none of this broker's listeners; see "
			    "mortise status",
			    row->listener);
	return call->http_status == 0;
}

/* An empty text would mean "not given" in the database, and so something wider: it is refused. */
static bool take_text(struct mt_api_call *call, const char *key, const char **out)
{
	const char *text = mt_api_text(call, key);
	*out = text ? text : "";
	if (text && !*text)
		mt_api_fail(call, 400, "%s: is empty; leave it out, or give a value", key);
	return !text || *text;
}

static bool take_rule(struct mt_api_call *call, struct mt_state_rule *rule)
{
	if (!mt_api_expect(call,
			   "allow:s? deny:s? topic:s qos:*? retain:b? share:s? from:s? listener:s? "
			   "since:s? until:s?"))
		return false;
	rule->retain = retain_of(call);
	return take_operation(call, rule) && take_text(call, "topic", &rule->filter) &&
	       take_qos(call, &rule->qos_mask) && take_text(call, "share", &rule->share) &&
	       take_text(call, "from", &rule->network) &&
	       take_text(call, "listener", &rule->listener) && take_window(call, rule) &&
	       check_rule(call, rule);
}

static void add_rule(struct mt_api_call *call)
{
	struct mt_state_rule rule = {0};
	const char *role = call->segments[1];
	uint32_t id = 0;
	enum mt_status status;
	if (is_built_in(role)) {
		mt_api_fail(call, 409, "role %s: is built in; make a role of your own", role);
		return;
	}
	if (!take_rule(call, &rule))
		return;
	if (!mt_api_change(call, "role %s %s %s %s", rule.is_deny ? "deny" : "allow", role,
			   operation_names[rule.operation], rule.filter))
		return;
	status = mt_state_rule_add(call->api->state, role, &rule, &id);
	if (mt_api_change_end(call, status))
		mt_api_succeed(call, json_pack("{s:s, s:I}", "role", role, "rule", (json_int_t)id));
}

static void drop_rule(struct mt_api_call *call)
{
	const char *role = call->segments[1];
	const char *text = call->segments[3];
	size_t digits = strspn(text, "0123456789");
	unsigned long long id = strtoull(text, NULL, 10);
	if (text[digits] != '\0' || digits > 10 || id == 0 || id > UINT32_MAX) {
		mt_api_fail(call, 400, "rule %.32s: expected its number; see mortise role show",
			    text);
		return;
	}
	if (!mt_api_expect(call, "") || !mt_api_change(call, "role drop %s %llu", role, id))
		return;
	if (mt_api_change_end(call, mt_state_rule_remove(call->api->state, role, (uint32_t)id)))
		mt_api_succeed(call,
			       json_pack("{s:s, s:I}", "role", role, "dropped", (json_int_t)id));
}

const struct mt_api_route mt_api_role_routes[] = {
	{"GET", "roles", list_roles, MT_API_VIEWER},
	{"POST", "roles", add_role, MT_API_ADMIN},
	{"GET", "roles/*", show_role, MT_API_VIEWER},
	{"PUT", "roles/*", change_role, MT_API_ADMIN},
	{"DELETE", "roles/*", remove_role, MT_API_ADMIN},
	{"POST", "roles/*/rules", add_rule, MT_API_ADMIN},
	{"DELETE", "roles/*/rules/*", drop_rule, MT_API_ADMIN},
	{NULL, NULL, NULL, MT_API_NOBODY},
};
