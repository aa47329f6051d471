/*
 * Reading a policy document: libyaml's events first, for what makes YAML more than keys and values,
 * then its tree. All that is wrong is told at once.
 */
#include "identity/client_id.h"
#include "identity/user.h"
#include "policy/rule.h"
#include "shell/directory.h"
#include "shell/moment.h"
#include "shell/policy_document.h"

#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

struct reading {
	yaml_document_t tree;
	const struct mt_policy_known *known;
	struct mt_policy_document *out;
	json_t *errors;
	bool is_full; /* of errors */
};

/* ---- errors ---- */

static void MT_FORMAT(3, 4) complain(struct reading *reading, size_t line, const char *format, ...)
{
	char what[512];
	json_t *text;
	va_list list;
	if (reading->is_full)
		return;
	va_start(list, format);
	vsnprintf(what, sizeof(what), format, list);
	va_end(list);
	/* A cut may have split a character. */
	for (size_t len = strlen(what); !(text = json_string(what)) && len > 0;)
		what[--len] = '\0';
	json_array_append_new(reading->errors,
			      json_pack("{s:I, s:o}", "line", (json_int_t)line, "what", text));
	if (json_array_size(reading->errors) < MT_POLICY_DOCUMENT_ERRORS_MAX - 1)
		return;
	reading->is_full = true;
	json_array_append_new(reading->errors, json_pack("{s:I, s:s}", "line", (json_int_t)line,
							 "what", "there is more; mend these"));
}

static size_t line_of(const yaml_node_t *node)
{
	return node->start_mark.line + 1;
}

static const char *kind_of(const yaml_node_t *node)
{
	switch (node->type) {
	case YAML_MAPPING_NODE:
		return "keys and values";
	case YAML_SEQUENCE_NODE:
		return "a list";
	case YAML_SCALAR_NODE:
		return node->data.scalar.length > 0 ? (const char *)node->data.scalar.value
						    : "nothing";
	case YAML_NO_NODE:
		break;
	}
	return "nothing";
}

static void expect(struct reading *reading, const yaml_node_t *node, const char *key,
		   const char *expected)
{
	complain(reading, line_of(node), "%.64s: found %.64s; expected %s", key, kind_of(node),
		 expected);
}

/* ---- first walk ---- */

static const char *feature_of(const yaml_event_t *event)
{
	bool has_anchor = false, has_tag = false;
	if (event->type == YAML_ALIAS_EVENT)
		return "found an alias (*); expected values written out";
	if (event->type == YAML_SCALAR_EVENT) {
		has_anchor = event->data.scalar.anchor != NULL;
		has_tag = event->data.scalar.tag != NULL;
	} else if (event->type == YAML_SEQUENCE_START_EVENT) {
		has_anchor = event->data.sequence_start.anchor != NULL;
		has_tag = event->data.sequence_start.tag != NULL;
	} else if (event->type == YAML_MAPPING_START_EVENT) {
		has_anchor = event->data.mapping_start.anchor != NULL;
		has_tag = event->data.mapping_start.tag != NULL;
	}
	if (has_anchor)
		return "found an anchor (&); expected values written out";
	return has_tag ? "found a tag (!); expected a plain value" : NULL;
}

struct walk {
	size_t depth, nodes, documents;
	bool is_over;
};

/* Counts the event in; the first that is too much ends the walk. */
static void count(struct reading *reading, struct walk *walk, const yaml_event_t *event)
{
	size_t line = event->start_mark.line + 1;
	const char *feature = feature_of(event);
	if (feature)
		complain(reading, line, "%s", feature);
	switch (event->type) {
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		walk->depth++;
		walk->nodes++;
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		walk->depth--;
		break;
	case YAML_SCALAR_EVENT:
		walk->nodes++;
		break;
	case YAML_DOCUMENT_START_EVENT:
		if (++walk->documents > 1)
			complain(reading, line, "found a second document; expected one");
		break;
	default:
		break;
	}
	if (walk->depth > MT_POLICY_DOCUMENT_DEPTH_MAX)
		complain(reading, line, "nested too deep; expected at most %u levels",
			 MT_POLICY_DOCUMENT_DEPTH_MAX);
	if (walk->nodes > MT_POLICY_DOCUMENT_NODES_MAX)
		complain(reading, line, "too long; expected at most %u values",
			 MT_POLICY_DOCUMENT_NODES_MAX);
	walk->is_over = event->type == YAML_STREAM_END_EVENT || walk->documents > 1 ||
			walk->depth > MT_POLICY_DOCUMENT_DEPTH_MAX ||
			walk->nodes > MT_POLICY_DOCUMENT_NODES_MAX;
}

/* The reader knows only the offset of a byte that it refuses, for it reads ahead. */
static size_t line_of_problem(const yaml_parser_t *parser, struct mt_bytes text)
{
	size_t line = 1;
	if (parser->error != YAML_READER_ERROR)
		return parser->problem_mark.line + 1;
	for (size_t i = 0; i < parser->problem_offset && i < text.len; i++)
		line += text.data[i] == '\n';
	return line;
}

static void start_parser(yaml_parser_t *parser, struct mt_bytes text)
{
	/* Fixed, or a byte order mark could turn the same bytes into another text. */
	yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(parser, text.data ? text.data : (const uint8_t *)"", text.len);
}

/* True: nothing but keys, values and lists. */
static bool walk_events(struct reading *reading, struct mt_bytes text)
{
	struct walk walk = {0};
	yaml_parser_t parser;
	if (!yaml_parser_initialize(&parser))
		return false;
	start_parser(&parser, text);
	while (!walk.is_over) {
		yaml_event_t event;
		if (!yaml_parser_parse(&parser, &event)) {
			complain(reading, line_of_problem(&parser, text),
				 "found no valid YAML: %s%s%s",
				 parser.context ? parser.context : "", parser.context ? ", " : "",
				 parser.problem ? parser.problem : "out of memory");
			break;
		}
		count(reading, &walk, &event);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return json_array_size(reading->errors) == 0;
}

/* ---- values ---- */

/* NULL: it is none, and was complained about. */
static const char *take_text(struct reading *reading, const yaml_node_t *node, const char *key,
			     const char *expected)
{
	const char *text =
		node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
	if (text && *text && strlen(text) == node->data.scalar.length)
		return text;
	expect(reading, node, key, expected);
	return NULL;
}

static bool take_yes(struct reading *reading, const yaml_node_t *node, const char *key, bool *out)
{
	const char *text = take_text(reading, node, key, "yes or no");
	if (!text)
		return false;
	*out = strcmp(text, "yes") == 0;
	if (!*out && strcmp(text, "no") != 0)
		expect(reading, node, key, "yes or no");
	return true;
}

/* ---- mappings ---- */

typedef void take_fn(struct reading *reading, const yaml_node_t *key, const yaml_node_t *value,
		     void *subject);

struct field {
	const char *name;
	take_fn *take;
};

/* Calls the taker of each known key; a list of fields that begins with "*" takes any. */
static void take_fields(struct reading *reading, const yaml_node_t *node, const char *what,
			const struct field *fields, const char *expected, void *subject)
{
	json_t *seen = json_object();
	if (node->type != YAML_MAPPING_NODE) {
		expect(reading, node, what, expected);
		json_decref(seen);
		return;
	}
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
	     pair < node->data.mapping.pairs.top; pair++) {
		yaml_node_t *key = yaml_document_get_node(&reading->tree, pair->key);
		yaml_node_t *value = yaml_document_get_node(&reading->tree, pair->value);
		const struct field *field = fields;
		const char *name = take_text(reading, key, what, "a key");
		if (!name)
			continue;
		while (field->name && *field->name != '*' && strcmp(field->name, name) != 0)
			field++;
		if (!field->name)
			complain(reading, line_of(key), "%.64s: unknown key; expected %s", name,
				 expected);
		else if (json_object_get(seen, name))
			complain(reading, line_of(key),
				 "%.64s: found a second time (first in line %d); expected once",
				 name, (int)json_integer_value(json_object_get(seen, name)));
		else
			field->take(reading, key, value, subject);
		if (!json_object_get(seen, name))
			json_object_set_new(seen, name, json_integer((json_int_t)line_of(key)));
	}
	json_decref(seen);
}

static const char *name_of(const yaml_node_t *key)
{
	return (const char *)key->data.scalar.value;
}

/* ---- permissions ---- */

struct permission {
	struct mt_state_rule rule;
	bool has_effect;
	bool is_bad;
};

static void take_effect(struct reading *reading, const yaml_node_t *key, const yaml_node_t *value,
			void *subject)
{
	static const char *const names[] = {"", "publish", "subscribe", "both"};
	struct permission *permission = subject;
	const char *text = take_text(reading, value, name_of(key), "publish, subscribe or both");
	if (permission->has_effect)
		complain(reading, line_of(key),
			 "%s: found beside the other; expected allow or deny", name_of(key));
	permission->has_effect = true;
	permission->rule.is_deny = strcmp(name_of(key), "deny") == 0;
	for (uint8_t i = MT_OPERATION_PUBLISH; text && i <= MT_OPERATION_BOTH; i++)
		if (strcmp(text, names[i]) == 0)
			permission->rule.operation = i;
	if (permission->rule.operation != 0)
		return;
	permission->is_bad = true;
	if (text)
		expect(reading, value, name_of(key), "publish, subscribe or both");
}

static void take_word(struct reading *reading, const yaml_node_t *key, const yaml_node_t *value,
		      void *subject)
{
	struct permission *permission = subject;
	const char *name = name_of(key);
	const char *text = take_text(reading, value, name, "a text that is not empty");
	if (!text)
		permission->is_bad = true;
	else if (strcmp(name, "topic") == 0)
		permission->rule.filter = text;
	else if (strcmp(name, "share") == 0)
		permission->rule.share = text;
	else if (strcmp(name, "from") == 0)
		permission->rule.network = text;
	else
		permission->rule.listener = text;
}

static bool add_qos(const yaml_node_t *node, uint8_t *mask)
{
	const char *text;
	if (node->type != YAML_SCALAR_NODE)
		return false;
	text = (const char *)node->data.scalar.value;
	if (text[0] < '0' || text[0] > '2' || text[1] != '\0')
		return false;
	*mask = (uint8_t)(*mask | 1u << (text[0] - '0'));
	return true;
}

static void take_qos(struct reading *reading, const yaml_node_t *key, const yaml_node_t *value,
		     void *subject)
{
	struct permission *permission = subject;
	uint8_t mask = 0;
	bool is_good = true;
	if (value->type == YAML_SCALAR_NODE && strcmp(name_of(value), "any") == 0)
		mask = 7;
	else if (value->type == YAML_SEQUENCE_NODE)
		for (yaml_node_item_t *item = value->data.sequence.items.start;
		     item < value->data.sequence.items.top; item++)
			is_good = add_qos(yaml_document_get_node(&reading->tree, *item), &mask) &&
				  is_good;
	else
		is_good = add_qos(value, &mask);
	if (!is_good || mask == 0) {
		expect(reading, value, name_of(key), "any, or one or more of 0, 1, 2");
		permission->is_bad = true;
	}
	permission->rule.qos_mask = mask;
}

static void take_retain(struct reading *reading, const yaml_node_t *key, const yaml_node_t *value,
			void *subject)
{
	struct permission *permission = subject;
	bool is_yes = false;
	if (take_yes(reading, value, name_of(key), &is_yes))
		permission->rule.retain = is_yes ? MT_RETAIN_YES : MT_RETAIN_NO;
	else
		permission->is_bad = true;
}

static void take_time(struct reading *reading, const yaml_node_t *key, const yaml_node_t *value,
		      void *subject)
{
	static const char expected[] = "a time such as 2027-01-01T00:00:00Z, of a day that exists";
	struct permission *permission = subject;
	const char *text = take_text(reading, value, name_of(key), expected);
	int64_t when_s = 0;
	if (text && (!mt_moment_parse(text, &when_s) || when_s <= 0))
		expect(reading, value, name_of(key), expected);
	if (when_s <= 0)
		permission->is_bad = true;
	else if (strcmp(name_of(key), "since") == 0)
		permission->rule.since_s = when_s;
	else
		permission->rule.until_s = when_s;
}

static const struct field permission_fields[] = {
	{"allow", take_effect},
	{"deny", take_effect},
	{"topic", take_word},
	{"qos", take_qos},
	{"retain", take_retain},
	{"share", take_word},
	{"from", take_word},
	{"listener", take_word},
	{"since", take_time},
	{"until", take_time},
	{NULL, NULL},
};

static bool knows_listener(const struct reading *reading, const char *name)
{
	const struct mt_policy_known *known = reading->known;
	return !*name || !known->listener || known->listener(known->context, name);
}

static void add_permission(struct reading *reading, const yaml_node_t *node, json_t *rules,
			   const struct mt_state_rule *row)
{
	struct mt_rule rule;
	const char *fault = mt_directory_rule(row, &rule);
	if (fault)
		complain(reading, line_of(node), "%s", fault);
	else if (row->since_s > 0 && row->until_s > 0 && row->until_s <= row->since_s)
		complain(reading, line_of(node),
			 "until: is not after since; expected a later time");
	else if (!knows_listener(reading, row->listener))
		complain(reading, line_of(node),
			 "listener: %.64s is none of this broker's; expected a name as mortise "
			 "status shows it",
			 row->listener);
	else if (!mt_policy_document_add_rule(rules, row, (json_int_t)line_of(node)))
		complain(reading, line_of(node),
			 "the same permission stands in this role already; expected it once");
}

static void take_permission(struct reading *reading, const yaml_node_t *node, json_t *rules)
{
	struct permission permission = {
		.rule = {.qos_mask = 7, .filter = "", .share = "", .network = "", .listener = ""}};
	size_t before = json_array_size(reading->errors);
	take_fields(reading, node, "permission", permission_fields,
		    "allow or deny, topic, qos, retain, share, from, listener, since, until",
		    &permission);
	if (node->type != YAML_MAPPING_NODE)
		return;
	if (!permission.has_effect)
		complain(reading, line_of(node), "permission: expected allow or deny");
	if (!*permission.rule.filter && !permission.is_bad)
		complain(reading, line_of(node), "permission: expected a topic");
	if (!permission.is_bad && json_array_size(reading->errors) == before)
		add_permission(reading, node, rules, &permission.rule);
}

/* ---- roles ---- */

static void take_subscribe(struct reading *reading, const yaml_node_t *key,
			   const yaml_node_t *value, void *subject)
{
	const char *text = take_text(reading, value, name_of(key), "refuse or filter");
	bool is_filter = text && strcmp(text, "filter") == 0;
	if (text && !is_filter && strcmp(text, "refuse") != 0)
		expect(reading, value, name_of(key), "refuse or filter");
	json_object_set_new(subject, "filter", json_boolean(is_filter));
}

static void take_permissions(struct reading *reading, const yaml_node_t *key,
			     const yaml_node_t *value, void *subject)
{
	json_t *rules = json_object_get(subject, "rules");
	if (value->type != YAML_SEQUENCE_NODE) {
		expect(reading, value, name_of(key), "a list of permissions");
		return;
	}
	for (yaml_node_item_t *item = value->data.sequence.items.start;
	     item < value->data.sequence.items.top; item++)
		take_permission(reading, yaml_document_get_node(&reading->tree, *item), rules);
}

static const struct field role_fields[] = {
	{"subscribe", take_subscribe}, {"permissions", take_permissions}, {NULL, NULL}};

static bool is_built_in(const char *role)
{
	return strcmp(role, "open") == 0 || strcmp(role, "admin") == 0;
}

static void take_role(struct reading *reading, const yaml_node_t *key, const yaml_node_t *value,
		      void *subject)
{
	const char *fault = mt_user_name_fault(mt_bytes_str(name_of(key)));
	json_t *role;
	if (fault || is_built_in(name_of(key))) {
		complain(reading, line_of(key), "role %.64s: %s", name_of(key),
			 fault ? fault : "is built in; expected a name of your own");
		return;
	}
	role = mt_policy_document_add_role(subject, name_of(key));
	if (role)
		take_fields(reading, value, name_of(key), role_fields, "subscribe, permissions",
			    role);
}

/* ---- users ---- */

static void take_enabled(struct reading *reading, const yaml_node_t *key, const yaml_node_t *value,
			 void *subject)
{
	bool is_enabled = false;
	if (take_yes(reading, value, name_of(key), &is_enabled))
		json_object_set_new(subject, "enabled", json_boolean(is_enabled));
}

static void take_client_id(struct reading *reading, const yaml_node_t *key,
			   const yaml_node_t *value, void *subject)
{
	const char *text =
		take_text(reading, value, name_of(key), "a client id, or a rule with %u or *");
	const char *fault = mt_client_id_rule_fault(mt_bytes_str(text));
	if (fault)
		complain(reading, line_of(value), "client_id: %s", fault);
	else if (text)
		json_object_set_new(subject, "client_id", json_string(text));
}

static void take_grant(struct reading *reading, const yaml_node_t *node, json_t *grants)
{
	const struct mt_policy_known *known = reading->known;
	const json_t *roles = reading->out->roles ? reading->out->roles
			      : known->current	  ? known->current->roles
						  : NULL;
	const char *name = take_text(reading, node, "roles", "the name of a role");
	if (!name)
		return;
	if (!is_built_in(name) && !json_object_get(roles, name))
		complain(reading, line_of(node),
			 "roles: there is no role %.64s; expected one of the section roles", name);
	else if (json_object_get(grants, name))
		complain(reading, line_of(node), "roles: %.64s found a second time; expected once",
			 name);
	else
		json_object_set_new(grants, name, json_true());
}

static void take_grants(struct reading *reading, const yaml_node_t *key, const yaml_node_t *value,
			void *subject)
{
	json_t *grants = json_object_get(subject, "roles");
	if (value->type != YAML_SEQUENCE_NODE) {
		expect(reading, value, name_of(key), "a list of roles");
		return;
	}
	for (yaml_node_item_t *item = value->data.sequence.items.start;
	     item < value->data.sequence.items.top; item++)
		take_grant(reading, yaml_document_get_node(&reading->tree, *item), grants);
	if (json_object_size(grants) > MT_USER_ROLES_MAX)
		complain(reading, line_of(value), "roles: expected at most %u", MT_USER_ROLES_MAX);
}

static const struct field user_fields[] = {{"roles", take_grants},
					   {"client_id", take_client_id},
					   {"enabled", take_enabled},
					   {NULL, NULL}};

static void take_user(struct reading *reading, const yaml_node_t *key, const yaml_node_t *value,
		      void *subject)
{
	const char *fault = mt_user_name_fault(mt_bytes_str(name_of(key)));
	json_t *user;
	if (fault) {
		complain(reading, line_of(key), "user %.64s: %s", name_of(key), fault);
		return;
	}
	user = mt_policy_document_add_user(subject, name_of(key));
	if (user)
		take_fields(reading, value, name_of(key), user_fields, "roles, client_id, enabled",
			    user);
}

/* ---- the whole ---- */

static const struct field any_role[] = {{"*", take_role}, {NULL, NULL}};
static const struct field any_user[] = {{"*", take_user}, {NULL, NULL}};

/* Users name roles: the roles are read before them, wherever they stand. */
static void take_roles(struct reading *reading, const yaml_node_t *key, const yaml_node_t *value,
		       void *subject)
{
	(void)subject;
	reading->out->roles = json_object();
	take_fields(reading, value, name_of(key), any_role, "roles by name", reading->out->roles);
}

static void take_users(struct reading *reading, const yaml_node_t *key, const yaml_node_t *value,
		       void *subject)
{
	(void)subject;
	reading->out->users = json_object();
	take_fields(reading, value, name_of(key), any_user, "users by name", reading->out->users);
}

static void pass(struct reading *reading, const yaml_node_t *key, const yaml_node_t *value,
		 void *subject)
{
	(void)reading;
	(void)key;
	(void)value;
	(void)subject;
}

static void take_root(struct reading *reading)
{
	static const struct field first[] = {{"roles", take_roles}, {"users", pass}, {NULL, NULL}};
	const yaml_node_t *root = yaml_document_get_root_node(&reading->tree);
	if (!root) {
		complain(reading, 1, "found nothing; expected roles, users");
		return;
	}
	take_fields(reading, root, "document", first, "roles, users", NULL);
	if (root->type != YAML_MAPPING_NODE)
		return;
	for (yaml_node_pair_t *pair = root->data.mapping.pairs.start;
	     pair < root->data.mapping.pairs.top; pair++) {
		yaml_node_t *key = yaml_document_get_node(&reading->tree, pair->key);
		if (key->type == YAML_SCALAR_NODE && strcmp(name_of(key), "users") == 0 &&
		    !reading->out->users)
			take_users(reading, key,
				   yaml_document_get_node(&reading->tree, pair->value), NULL);
	}
}

static enum mt_status read_tree(struct reading *reading, struct mt_bytes text)
{
	yaml_parser_t parser;
	if (!yaml_parser_initialize(&parser))
		return MT_MEMORY;
	start_parser(&parser, text);
	if (!yaml_parser_load(&parser, &reading->tree)) {
		yaml_parser_delete(&parser);
		return MT_MEMORY; /* the events were good */
	}
	take_root(reading);
	yaml_document_delete(&reading->tree);
	yaml_parser_delete(&parser);
	return MT_OK;
}

enum mt_status mt_policy_document_read(struct mt_bytes text, const struct mt_policy_known *known,
				       struct mt_policy_document *out, json_t **errors)
{
	struct mt_policy_document document = {NULL, NULL};
	struct reading reading = {.known = known, .out = &document, .errors = json_array()};
	enum mt_status status = MT_OK;
	if (!reading.errors)
		return MT_MEMORY;
	if (text.len > MT_POLICY_DOCUMENT_BYTES_MAX)
		complain(&reading, 1, "too long; expected at most %u bytes",
			 MT_POLICY_DOCUMENT_BYTES_MAX);
	else if (walk_events(&reading, text))
		status = read_tree(&reading, text);
	if (status == MT_OK && json_array_size(reading.errors) == 0) {
		json_decref(reading.errors);
		*out = document;
		return MT_OK;
	}
	mt_policy_document_clear(&document);
	if (status == MT_OK)
		*errors = reading.errors;
	else
		json_decref(reading.errors);
	return status == MT_OK ? MT_INVALID : status;
}
