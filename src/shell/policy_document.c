/* The policy document as data: its rules as text, what the database holds, and YAML again. */
#include "shell/policy_document.h"

#include "base/utf8.h"
#include "policy/rule.h"
#include "shell/moment.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const operation_names[] = {"", "publish", "subscribe", "both"};

void mt_policy_document_clear(struct mt_policy_document *document)
{
	json_decref(document->roles);
	json_decref(document->users);
	*document = (struct mt_policy_document){NULL, NULL};
}

/* ---- text ---- */

static uint32_t code_point(const uint8_t **at)
{
	uint8_t first = *(*at)++;
	int more = first < 0xc0 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
	uint32_t value = more == 0 ? first : first & (0x3fu >> more);
	for (; more > 0; more--)
		value = value << 6 | (*(*at)++ & 0x3fu);
	return value;
}

/* What a reader of YAML takes for itself, or an eye cannot see. */
static bool is_hidden(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff ||
	       c == 0xfffe || c == 0xffff;
}

/* Valid UTF-8, in double quotes. */
static void print_quoted(FILE *out, const char *text)
{
	const uint8_t *at = (const uint8_t *)text;
	fputc('"', out);
	while (*at) {
		const uint8_t *from = at;
		uint32_t c = code_point(&at);
		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", (int)c);
		else if (is_hidden(c))
			fprintf(out, "\\u%04X", (unsigned)c);
		else
			fwrite(from, 1, (size_t)(at - from), out);
	}
	fputc('"', out);
}

static bool is_plain(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static const char all[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
	return *text && strchr(letters, *text) && text[strspn(text, all)] == '\0';
}

static void print_name(FILE *out, const char *text)
{
	if (is_plain(text))
		fputs(text, out);
	else
		print_quoted(out, text);
}

static void print_qos(FILE *out, uint8_t mask)
{
	static const char *const texts[] = {"", "0", "1", "[0, 1]", "2", "[0, 2]", "[1, 2]", "any"};
	if ((mask & 7) != 7)
		fprintf(out, ", qos: %s", texts[mask & 7]);
}

static void print_text(FILE *out, const char *key, const char *text)
{
	if (!*text)
		return;
	fprintf(out, ", %s: ", key);
	print_quoted(out, text);
}

static void print_time(FILE *out, const char *key, int64_t when_s)
{
	char text[MT_MOMENT_BYTES];
	if (when_s == 0)
		return;
	mt_moment_print(when_s, text);
	fprintf(out, ", %s: %s", key, text);
}

static void print_rule(FILE *out, const struct mt_state_rule *rule)
{
	fprintf(out, "{ %s: %s, topic: ", rule->is_deny ? "deny" : "allow",
		operation_names[rule->operation & 3]);
	print_quoted(out, rule->filter);
	print_qos(out, rule->qos_mask);
	if (rule->retain != MT_RETAIN_ANY)
		fprintf(out, ", retain: %s", rule->retain == MT_RETAIN_YES ? "yes" : "no");
	print_text(out, "share", rule->share);
	print_text(out, "from", rule->network);
	print_text(out, "listener", rule->listener);
	print_time(out, "since", rule->since_s);
	print_time(out, "until", rule->until_s);
	fputs(" }", out);
}

static char *rule_text(const struct mt_state_rule *rule)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);
	if (!out)
		return NULL;
	print_rule(out, rule);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

/* ---- rules as JSON ---- */

bool mt_policy_document_add_rule(json_t *rules, const struct mt_state_rule *rule, json_int_t line)
{
	char *text = rule_text(rule);
	bool is_added = false;
	if (text && !json_object_get(rules, text))
		is_added =
			json_object_set_new(
				rules, text,
				json_pack("{s:b, s:i, s:i, s:i, s:I, s:I, s:s, s:s, s:s, s:s, s:I, "
					  "s:[]}",
					  "deny", rule->is_deny, "operation", (int)rule->operation,
					  "qos", (int)rule->qos_mask, "retain", (int)rule->retain,
					  "since", (json_int_t)rule->since_s, "until",
					  (json_int_t)rule->until_s, "topic", rule->filter, "share",
					  rule->share, "from", rule->network, "listener",
					  rule->listener, "line", line, "ids")) == 0;
	free(text);
	return is_added;
}

json_t *mt_policy_document_find_rule(const json_t *rules, const struct mt_state_rule *rule)
{
	char *text = rule_text(rule);
	json_t *json = text ? json_object_get(rules, text) : NULL;
	free(text);
	return json;
}

static int64_t number_of(const json_t *json, const char *key)
{
	return json_integer_value(json_object_get(json, key));
}

static const char *text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));
	return text ? text : "";
}

void mt_policy_document_rule(const json_t *json, struct mt_state_rule *out)
{
	*out = (struct mt_state_rule){
		.is_deny = json_is_true(json_object_get(json, "deny")),
		.operation = (uint8_t)number_of(json, "operation"),
		.qos_mask = (uint8_t)number_of(json, "qos"),
		.retain = (uint8_t)number_of(json, "retain"),
		.since_s = number_of(json, "since"),
		.until_s = number_of(json, "until"),
		.filter = text_of(json, "topic"),
		.share = text_of(json, "share"),
		.network = text_of(json, "from"),
		.listener = text_of(json, "listener"),
	};
}

json_t *mt_policy_document_add_role(json_t *roles, const char *name)
{
	json_t *role = json_pack("{s:b, s:{}}", "filter", 0, "rules");
	return json_object_set_new(roles, name, role) == 0 ? role : NULL;
}

json_t *mt_policy_document_add_user(json_t *users, const char *name)
{
	json_t *user = json_pack("{s:b, s:s, s:{}}", "enabled", 1, "client_id", "", "roles");
	return json_object_set_new(users, name, user) == 0 ? user : NULL;
}

/* ---- from the database ---- */

struct loading {
	struct mt_state *state;
	struct mt_policy_document *document;
	json_t *rules; /* of the role at hand */
	json_t *grants;
	enum mt_status status;
};

/* The same rule may stand there twice: it has two ids then. */
static bool load_rule(void *context, const struct mt_state_rule *rule)
{
	struct loading *loading = context;
	json_t *json = mt_policy_document_find_rule(loading->rules, rule);
	if (!json && mt_policy_document_add_rule(loading->rules, rule, 0))
		json = mt_policy_document_find_rule(loading->rules, rule);
	if (!json ||
	    json_array_append_new(json_object_get(json, "ids"), json_integer(rule->id)) != 0)
		loading->status = MT_MEMORY;
	return loading->status == MT_OK;
}

static bool load_role(void *context, const struct mt_state_role *role)
{
	struct loading *loading = context;
	json_t *json = mt_policy_document_add_role(loading->document->roles, role->name);
	if (!json) {
		loading->status = MT_MEMORY;
		return false;
	}
	json_object_set_new(json, "filter", json_boolean(role->is_filtering));
	loading->rules = json_object_get(json, "rules");
	if (loading->status == MT_OK) {
		enum mt_status status =
			mt_state_rules(loading->state, role->name, load_rule, loading);
		loading->status = loading->status != MT_OK ? loading->status : status;
	}
	return loading->status == MT_OK;
}

static bool load_grant(void *context, const char *role)
{
	struct loading *loading = context;
	if (json_object_set_new(loading->grants, role, json_true()) != 0)
		loading->status = MT_MEMORY;
	return loading->status == MT_OK;
}

static bool load_user(void *context, const struct mt_state_user *user)
{
	struct loading *loading = context;
	json_t *json = mt_policy_document_add_user(loading->document->users, user->name);
	enum mt_status status;
	if (!json || json_object_set_new(json, "enabled", json_boolean(user->is_enabled)) != 0 ||
	    json_object_set_new(json, "client_id", json_string(user->client_id_rule)) != 0 ||
	    json_object_set_new(json, "id", json_integer((json_int_t)user->id)) != 0) {
		loading->status = MT_MEMORY;
		return false;
	}
	loading->grants = json_object_get(json, "roles");
	status = mt_state_user_roles(loading->state, user->id, load_grant, loading);
	loading->status = loading->status != MT_OK ? loading->status : status;
	return loading->status == MT_OK;
}

enum mt_status mt_policy_document_load(struct mt_state *state, struct mt_policy_document *out)
{
	struct mt_policy_document document = {json_object(), json_object()};
	struct loading loading = {.state = state, .document = &document, .status = MT_OK};
	enum mt_status status = document.roles && document.users ? MT_OK : MT_MEMORY;
	if (status == MT_OK)
		status = mt_state_roles(state, load_role, &loading);
	if (status == MT_OK && loading.status == MT_OK)
		status = mt_state_users(state, load_user, &loading);
	status = status == MT_OK ? loading.status : status;
	if (status == MT_OK)
		*out = document;
	else
		mt_policy_document_clear(&document);
	return status;
}

/* ---- YAML ---- */

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The keys in order; NULL without memory. */
static const char **sorted_keys(json_t *object, size_t *count)
{
	const char **keys = malloc((json_object_size(object) + 1) * sizeof(*keys));
	const char *key;
	json_t *value;
	*count = 0;
	if (!keys)
		return NULL;
	json_object_foreach(object, key, value) keys[(*count)++] = key;
	qsort(keys, *count, sizeof(*keys), compare_names);
	return keys;
}

typedef bool print_fn(FILE *out, const char *name, json_t *value);

/* Each in order. False: no memory. */
static bool print_sorted(FILE *out, json_t *object, print_fn *print)
{
	size_t count;
	const char **keys = sorted_keys(object, &count);
	bool is_good = keys != NULL;
	for (size_t i = 0; is_good && i < count; i++)
		is_good = print(out, keys[i], json_object_get(object, keys[i]));
	free(keys);
	return is_good;
}

static bool print_permission(FILE *out, const char *text, json_t *rule)
{
	(void)rule;
	fprintf(out, "      - %s\n", text);
	return true;
}

static bool print_role(FILE *out, const char *name, json_t *role)
{
	json_t *rules = json_object_get(role, "rules");
	bool is_filtering = json_is_true(json_object_get(role, "filter"));
	fputs("  ", out);
	print_name(out, name);
	fputs(":\n", out);
	if (is_filtering)
		fputs("    subscribe: filter\n", out);
	fprintf(out, "    permissions:%s\n", json_object_size(rules) == 0 ? " []" : "");
	return print_sorted(out, rules, print_permission);
}

static bool print_grant(FILE *out, const char *name, json_t *first)
{
	(void)first;
	fputs(" ", out);
	print_name(out, name);
	fputs(",", out);
	return true;
}

/* "[a, b]" */
static bool print_grants(FILE *out, json_t *roles)
{
	char *list = NULL;
	size_t bytes = 0;
	FILE *stream = open_memstream(&list, &bytes);
	bool is_good = stream && print_sorted(stream, roles, print_grant);
	if (stream && fclose(stream) != 0)
		is_good = false;
	if (is_good)
		fprintf(out, "[%.*s]", bytes > 0 ? (int)bytes - 2 : 0, bytes > 0 ? list + 1 : "");
	free(list);
	return is_good;
}

static bool print_user(FILE *out, const char *name, json_t *user)
{
	bool is_good;
	fputs("  ", out);
	print_name(out, name);
	fputs(": { roles: ", out);
	is_good = print_grants(out, json_object_get(user, "roles"));
	print_text(out, "client_id", text_of(user, "client_id"));
	if (!json_is_true(json_object_get(user, "enabled")))
		fputs(", enabled: no", out);
	fputs(" }\n", out);
	return is_good;
}

static bool print_section(FILE *out, const char *name, json_t *section, print_fn *print)
{
	if (!section)
		return true;
	fprintf(out, "%s:%s\n", name, json_object_size(section) == 0 ? " {}" : "");
	return print_sorted(out, section, print);
}

char *mt_policy_document_print(const struct mt_policy_document *document)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);
	bool is_good = out && print_section(out, "roles", document->roles, print_role) &&
		       print_section(out, "users", document->users, print_user);
	if (out && fclose(out) != 0)
		is_good = false;
	if (is_good)
		return text;
	free(text);
	return NULL;
}
