/* What turns one policy document into another: as text for people, as rows for the database. */
#include "shell/policy_diff.h"

#include <stdio.h>
#include <stdlib.h>

static bool is_same(const json_t *a, const json_t *b, const char *key)
{
	return json_equal(json_object_get(a, key), json_object_get(b, key));
}

/* ---- telling ---- */

static void MT_FORMAT(2, 3) tell(json_t *lines, const char *format, ...)
{
	char *text = NULL;
	va_list list;
	va_start(list, format);
	if (vasprintf(&text, format, list) >= 0)
		json_array_append_new(lines, json_string(text));
	va_end(list);
	free(text);
}

static void tell_rules(json_t *lines, const char *role, json_t *was, json_t *is)
{
	const char *text;
	json_t *rule;
	json_object_foreach(was, text, rule) if (!json_object_get(is, text))
		tell(lines, "- role %s: %s", role, text);
	json_object_foreach(is, text, rule) if (!json_object_get(was, text))
		tell(lines, "+ role %s: %s", role, text);
}

static void tell_role(json_t *lines, const char *name, json_t *was, json_t *is)
{
	bool is_filtering = json_is_true(json_object_get(is, "filter"));
	if (!was)
		tell(lines, "+ role %s", name);
	if (is_filtering != json_is_true(json_object_get(was, "filter")))
		tell(lines, "~ role %s: subscribe: %s", name, is_filtering ? "filter" : "refuse");
	tell_rules(lines, name, json_object_get(was, "rules"), json_object_get(is, "rules"));
}

static void tell_user(json_t *lines, const char *name, json_t *was, json_t *is)
{
	const char *client_id = json_string_value(json_object_get(is, "client_id"));
	bool has_secret = json_object_get(is, "hash") != NULL;
	json_t *had = json_object_get(was, "roles"), *has = json_object_get(is, "roles");
	const char *role;
	json_t *value;
	if (!was)
		tell(lines, "+ user %s%s", name,
		     has_secret ? ""
				: " (without a secret yet: mortise user passwd, token, psk or "
				  "certificate)");
	if (was ? !is_same(was, is, "client_id") : *client_id != '\0')
		tell(lines, "~ user %s: client_id: %s", name, *client_id ? client_id : "any");
	if (was ? !is_same(was, is, "enabled") : !json_is_true(json_object_get(is, "enabled")))
		tell(lines, "~ user %s: enabled: %s", name,
		     json_is_true(json_object_get(is, "enabled")) ? "yes" : "no");
	json_object_foreach(had, role, value) if (!json_object_get(has, role))
		tell(lines, "- user %s: role %s", name, role);
	json_object_foreach(has, role, value) if (!json_object_get(had, role))
		tell(lines, "+ user %s: role %s", name, role);
}

json_t *mt_policy_diff_removed(const struct mt_policy_document *current,
			       const struct mt_policy_document *wanted)
{
	json_t *names = json_array();
	const char *name;
	json_t *value;
	if (wanted->users)
		json_object_foreach(current->users, name,
				    value) if (!json_object_get(wanted->users, name))
			json_array_append_new(names, json_string(name));
	return names;
}

json_t *mt_policy_diff(const struct mt_policy_document *current,
		       const struct mt_policy_document *wanted)
{
	json_t *lines = json_array();
	const char *name;
	json_t *value;
	if (wanted->roles)
		json_object_foreach(current->roles, name,
				    value) if (!json_object_get(wanted->roles, name))
			tell(lines, "- role %s", name);
	json_object_foreach(wanted->roles, name, value)
		tell_role(lines, name, json_object_get(current->roles, name), value);
	if (wanted->users)
		json_object_foreach(current->users, name,
				    value) if (!json_object_get(wanted->users, name))
			tell(lines, "- user %s", name);
	json_object_foreach(wanted->users, name, value)
		tell_user(lines, name, json_object_get(current->users, name), value);
	return lines;
}

/* ---- doing ---- */

struct change {
	struct mt_state *state;
	int64_t now_s;
	const char *at;
};

static enum mt_status drop_rules(struct change *change, const char *role, json_t *was, json_t *is)
{
	const char *text;
	json_t *rule, *id;
	size_t i;
	json_object_foreach(was, text, rule)
	{
		if (json_object_get(is, text))
			continue;
		change->at = text;
		json_array_foreach(json_object_get(rule, "ids"), i, id) MT_TRY(mt_state_rule_remove(
			change->state, role, (uint32_t)json_integer_value(id)));
	}
	return MT_OK;
}

static enum mt_status add_rules(struct change *change, const char *role, json_t *was, json_t *is)
{
	const char *text;
	json_t *json;
	json_object_foreach(is, text, json)
	{
		struct mt_state_rule rule;
		uint32_t id;
		if (json_object_get(was, text))
			continue;
		change->at = text;
		mt_policy_document_rule(json, &rule);
		MT_TRY(mt_state_rule_add(change->state, role, &rule, &id));
	}
	return MT_OK;
}

static enum mt_status set_role(struct change *change, const char *name, json_t *was, json_t *is)
{
	struct mt_state_role role = {.name = name,
				     .is_filtering = json_is_true(json_object_get(is, "filter"))};
	json_t *had = json_object_get(was, "rules"), *has = json_object_get(is, "rules");
	change->at = name;
	if (!was)
		MT_TRY(mt_state_role_add(change->state, name));
	if (role.is_filtering != json_is_true(json_object_get(was, "filter")))
		MT_TRY(mt_state_role_update(change->state, &role));
	MT_TRY(drop_rules(change, name, had, has));
	return add_rules(change, name, had, has);
}

static enum mt_status add_user(struct change *change, const char *name, json_t *is)
{
	const char *hash = json_string_value(json_object_get(is, "hash"));
	struct mt_state_user user = {
		.name = name,
		.is_enabled = json_is_true(json_object_get(is, "enabled")),
		.password_hash = hash ? hash : "",
		.client_id_rule = json_string_value(json_object_get(is, "client_id")),
	};
	uint64_t id;
	return mt_state_user_add(change->state, &user, &id);
}

static enum mt_status update_user(struct change *change, json_t *was, json_t *is)
{
	uint64_t id = (uint64_t)json_integer_value(json_object_get(was, "id"));
	bool is_enabled = json_is_true(json_object_get(is, "enabled"));
	const char *client_id = json_string_value(json_object_get(is, "client_id"));
	if (is_same(was, is, "enabled") && is_same(was, is, "client_id"))
		return MT_OK;
	/* What was proven until now is void, even when the user comes back. */
	if (!is_enabled && !is_same(was, is, "enabled"))
		MT_TRY(mt_state_user_end(change->state, id, change->now_s));
	return mt_state_user_settings(change->state, id, is_enabled, client_id);
}

static enum mt_status set_grants(struct change *change, const char *user, json_t *had, json_t *has)
{
	const char *role;
	json_t *value;
	json_object_foreach(had, role, value)
	{
		if (!json_object_get(has, role))
			MT_TRY(mt_state_ungrant(change->state, user, role));
	}
	json_object_foreach(has, role, value)
	{
		if (!json_object_get(had, role))
			MT_TRY(mt_state_grant(change->state, user, role));
	}
	return MT_OK;
}

static enum mt_status set_user(struct change *change, const char *name, json_t *was, json_t *is)
{
	change->at = name;
	if (was)
		MT_TRY(update_user(change, was, is));
	else
		MT_TRY(add_user(change, name, is));
	return set_grants(change, name, json_object_get(was, "roles"),
			  json_object_get(is, "roles"));
}

static enum mt_status set_all(struct change *change, const struct mt_policy_document *current,
			      const struct mt_policy_document *wanted)
{
	const char *name;
	json_t *value;
	json_object_foreach(wanted->roles, name, value)
		MT_TRY(set_role(change, name, json_object_get(current->roles, name), value));
	json_object_foreach(wanted->users, name, value)
		MT_TRY(set_user(change, name, json_object_get(current->users, name), value));
	return MT_OK;
}

/* Certificates of who goes would be nobody's. */
static enum mt_status remove_user(struct change *change, const char *name, const json_t *was)
{
	change->at = name;
	MT_TRY(mt_state_certificates_revoke(
		change->state, (uint64_t)json_integer_value(json_object_get(was, "id")),
		change->now_s));
	return mt_state_user_remove(change->state, name);
}

/* Users first: they hold roles. */
static enum mt_status remove_rest(struct change *change, const struct mt_policy_document *current,
				  const struct mt_policy_document *wanted)
{
	const char *name;
	json_t *value;
	json_object_foreach(current->users, name, value)
	{
		if (wanted->users && !json_object_get(wanted->users, name))
			MT_TRY(remove_user(change, name, value));
	}
	json_object_foreach(current->roles, name, value)
	{
		change->at = name;
		if (wanted->roles && !json_object_get(wanted->roles, name))
			MT_TRY(mt_state_role_remove(change->state, name));
	}
	return MT_OK;
}

enum mt_status mt_policy_apply(struct mt_state *state, const struct mt_policy_document *current,
			       const struct mt_policy_document *wanted, int64_t now_s,
			       const char **at)
{
	struct change change = {.state = state, .now_s = now_s, .at = ""};
	enum mt_status status = set_all(&change, current, wanted);
	if (status == MT_OK)
		status = remove_rest(&change, current, wanted);
	if (status != MT_OK)
		*at = change.at;
	return status;
}
