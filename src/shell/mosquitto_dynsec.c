/*
 * The file of Mosquitto's dynamic-security plug-in.
 *
 * There the ACL of the highest priority that matches decides, and what none matches is as
 * `defaultACLAccess` says; here one deny beats every allow, and the rest is denied.
 */
#include "identity/client_id.h"
#include "policy/rule.h"
#include "shell/mosquitto_parts.h"
#include "topic/name.h"

#include <stdio.h>
#include <stdlib.h>

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

/* ---- roles ---- */

/* Built in here, and everything. */
static const char *role_name(const json_t *object)
{
	const char *name = text_of(object, "rolename");
	if (strcmp(name, "admin") == 0)
		return "mosquitto-admin";
	return strcmp(name, "open") == 0 ? "mosquitto-open" : name;
}

struct dynsec {
	struct mt_mosquitto *import;
	bool is_receive_allowed; /* where no ACL says anything */
};

/* Of a subscription, as far as what arrives by it is allowed too. */
static bool may_receive(const struct dynsec *dynsec, const json_t *acls, const char *topic)
{
	json_t *acl;
	size_t i;
	if (dynsec->is_receive_allowed)
		return true;
	json_array_foreach(acls, i,
			   acl) if (strcmp(text_of(acl, "acltype"), "publishClientReceive") == 0 &&
				    json_is_true(json_object_get(acl, "allow")) &&
				    mt_topic_contains(mt_bytes_str(text_of(acl, "topic")),
						      mt_bytes_str(topic))) return true;
	return false;
}

static void take_subscribe(const struct dynsec *dynsec, const char *where, const json_t *acls,
			   json_t *role, const struct mt_state_rule *rule)
{
	struct mt_mosquitto *import = dynsec->import;
	if (rule->is_deny || may_receive(dynsec, acls, rule->filter))
		mt_mosquitto_add_rule(import, where, role, rule, false);
	else
		mt_mosquitto_note(import->report, where,
				  "%.100s: no publishClientReceive allows all of it: not allowed; "
				  "add mortise role allow ROLE subscribe for the part that is",
				  rule->filter);
}

static void take_acl(const struct dynsec *dynsec, const char *where, const json_t *acls,
		     const json_t *acl, json_t *role)
{
	struct mt_mosquitto *import = dynsec->import;
	const char *type = text_of(acl, "acltype");
	bool is_allowed = json_is_true(json_object_get(acl, "allow"));
	struct mt_state_rule rule = {.is_deny = !is_allowed, .filter = text_of(acl, "topic")};
	if (!json_is_boolean(json_object_get(acl, "allow")) || !*rule.filter) {
		mt_mosquitto_note(import->errors, where, "expected acltype, topic and allow");
	} else if (strcmp(type, "publishClientSend") == 0) {
		rule.operation = MT_OPERATION_PUBLISH;
		mt_mosquitto_add_rule(import, where, role, &rule, false);
	} else if (strcmp(type, "subscribeLiteral") == 0 || strcmp(type, "subscribePattern") == 0) {
		rule.operation = MT_OPERATION_SUBSCRIBE;
		take_subscribe(dynsec, where, acls, role, &rule);
	} else if (strcmp(type, "publishClientReceive") == 0) {
		/* An allow alone gives nothing: it needs a subscription. */
		rule.operation = MT_OPERATION_SUBSCRIBE;
		if (!is_allowed)
			mt_mosquitto_add_rule(import, where, role, &rule, false);
	} else if (strncmp(type, "unsubscribe", 11) == 0) {
		if (!is_allowed)
			mt_mosquitto_note(import->report, where,
					  "%s: whoever subscribes may unsubscribe here", type);
	} else {
		mt_mosquitto_note(import->errors, where, "acltype %.64s is unknown", type);
	}
	if (!is_allowed && strcmp(type, "subscribeLiteral") == 0)
		mt_mosquitto_note(import->report, where,
				  "%.100s: a literal denial of that filter denies its topics here",
				  rule.filter);
}

/* Which of them decides where both match depends on their priorities there. */
static bool has_both(const json_t *acls)
{
	bool has_allow = false, has_deny = false;
	json_t *acl;
	size_t i;
	json_array_foreach(acls, i, acl)
	{
		bool is_allowed = json_is_true(json_object_get(acl, "allow"));
		has_allow |= is_allowed;
		has_deny |= !is_allowed;
	}
	return has_allow && has_deny;
}

static void take_role(const struct dynsec *dynsec, const char *where, const json_t *json)
{
	const json_t *acls = json_object_get(json, "acls");
	json_t *role = mt_mosquitto_role(dynsec->import, where, role_name(json), false);
	json_t *acl;
	size_t i;
	char at[96];
	if (!role)
		return;
	json_array_foreach(acls, i, acl)
	{
		snprintf(at, sizeof(at), "%s.acls[%zu]", where, i);
		take_acl(dynsec, at, acls, acl, role);
	}
	if (has_both(acls))
		mt_mosquitto_note(dynsec->import->report, where,
				  "role %.64s: priorities have no equal: each denial beats every "
				  "allowance, of other roles too",
				  text_of(json, "rolename"));
}

/* ---- clients and groups ---- */

static void grant(struct mt_mosquitto *import, const char *where, json_t *user, const json_t *roles)
{
	json_t *entry;
	size_t i;
	json_array_foreach(roles, i, entry)
	{
		const char *name = role_name(entry);
		if (json_object_get(import->document.roles, name))
			json_object_set_new(json_object_get(user, "roles"), name, json_true());
		else
			mt_mosquitto_note(import->errors, where, "there is no role %.64s", name);
	}
}

static const json_t *group_of(const json_t *groups, const char *name)
{
	json_t *group;
	size_t i;
	json_array_foreach(groups, i,
			   group) if (strcmp(text_of(group, "groupname"), name) == 0) return group;
	return NULL;
}

static void take_client_id(struct mt_mosquitto *import, const char *where, json_t *user,
			   const char *client_id)
{
	char rule[MT_CLIENT_ID_RULE_BYTES_MAX + 1];
	const char *fault = "is too long";
	size_t len = 0;
	for (; *client_id != '\0' && len + 2 < sizeof(rule); client_id++) {
		if (*client_id == '*' || *client_id == '%')
			rule[len++] = '%'; /* itself, no sign of a rule */
		rule[len++] = *client_id;
	}
	rule[len] = '\0';
	if (*client_id == '\0')
		fault = mt_client_id_rule_fault(mt_bytes_of(rule, len));
	if (!fault) {
		json_object_set_new(user, "client_id", json_string(rule));
		return;
	}
	json_object_set_new(user, "enabled", json_false());
	mt_mosquitto_note(import->report, where,
			  "clientid %.64s %s: disabled; give another client id, then mortise user "
			  "enable",
			  rule, fault);
}

static void take_client(const struct dynsec *dynsec, const char *where, const json_t *json,
			const json_t *root)
{
	struct mt_mosquitto *import = dynsec->import;
	const char *password = text_of(json, "password");
	char hash[1024] = "";
	json_t *user, *entry;
	size_t i;
	if (*password && snprintf(hash, sizeof(hash), "$7$%d$%s$%s",
				  (int)json_integer_value(json_object_get(json, "iterations")),
				  text_of(json, "salt"), password) >= (int)sizeof(hash)) {
		mt_mosquitto_note(import->errors, where, "the password is too long");
		return;
	}
	user = mt_mosquitto_user(import, where, text_of(json, "username"), hash);
	if (!user)
		return;
	if (*text_of(json, "clientid"))
		take_client_id(import, where, user, text_of(json, "clientid"));
	grant(import, where, user, json_object_get(json, "roles"));
	json_array_foreach(json_object_get(json, "groups"), i, entry)
	{
		const json_t *group =
			group_of(json_object_get(root, "groups"), text_of(entry, "groupname"));
		grant(import, where, user, json_object_get(group, "roles"));
	}
	if (json_is_true(json_object_get(json, "disabled"))) {
		json_object_set_new(user, "enabled", json_false());
		mt_mosquitto_note(import->report, where, "user %.64s is disabled there, and here",
				  text_of(json, "username"));
	}
}

static bool is_default(const json_t *root, const char *key, bool otherwise)
{
	const json_t *value = json_object_get(json_object_get(root, "defaultACLAccess"), key);
	return value ? json_is_true(value) : otherwise;
}

static void tell_defaults(struct mt_mosquitto *import, const json_t *root)
{
	if (is_default(root, "publishClientSend", false))
		mt_mosquitto_note(import->report, "dynsec: defaultACLAccess.publishClientSend",
				  "allowed by default there: denied here; allow what is needed by "
				  "mortise role allow ROLE publish");
	if (is_default(root, "subscribe", false))
		mt_mosquitto_note(import->report, "dynsec: defaultACLAccess.subscribe",
				  "allowed by default there: denied here; allow what is needed by "
				  "mortise role allow ROLE subscribe");
	if (*text_of(root, "anonymousGroup"))
		mt_mosquitto_note(import->report, "dynsec: anonymousGroup",
				  "clients without a user: set listeners.NAME.anonymous to a role "
				  "of the group %.64s where they may connect",
				  text_of(root, "anonymousGroup"));
}

typedef void entry_fn(const struct dynsec *dynsec, const char *where, const json_t *json,
		      const json_t *root);

static void take_role_entry(const struct dynsec *dynsec, const char *where, const json_t *json,
			    const json_t *root)
{
	(void)root;
	take_role(dynsec, where, json);
}

static void each(const struct dynsec *dynsec, const json_t *root, const char *key, entry_fn *take)
{
	const json_t *list = json_object_get(root, key);
	json_t *entry;
	size_t i;
	char where[64];
	if (list && !json_is_array(list))
		mt_mosquitto_note(dynsec->import->errors, "dynsec", "%s: expected a list", key);
	json_array_foreach(list, i, entry)
	{
		snprintf(where, sizeof(where), "dynsec: %s[%zu]", key, i);
		take(dynsec, where, entry, root);
	}
}

/* The reader of JSON is recursive. */
static bool is_deep(const char *text)
{
	unsigned depth = 0;
	bool is_text = false;
	for (; *text; text++) {
		if (is_text && *text == '\\' && text[1])
			text++;
		else if (*text == '"')
			is_text = !is_text;
		else if (!is_text && (*text == '{' || *text == '[') && ++depth > 16)
			return true;
		else if (!is_text && (*text == '}' || *text == ']') && depth > 0)
			depth--;
	}
	return false;
}

void mt_mosquitto_read_dynsec(struct mt_mosquitto *import, const char *text)
{
	struct dynsec dynsec = {.import = import};
	json_error_t error = {.line = 1};
	json_t *root = is_deep(text) ? NULL : json_loads(text, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_object(root)) {
		char where[32];
		snprintf(where, sizeof(where), "dynsec:%d", error.line);
		mt_mosquitto_note(import->errors, where, "found no JSON object");
		json_decref(root);
		return;
	}
	dynsec.is_receive_allowed = is_default(root, "publishClientReceive", true);
	each(&dynsec, root, "roles", take_role_entry);
	each(&dynsec, root, "clients", take_client);
	tell_defaults(import, root);
	json_decref(root);
}
