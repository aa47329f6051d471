/* mortise role: what holders of a role may do. */
#include "base/bytes.h"
#include "cli/api.h"
#include "cli/print.h"
#include "cli/verbs.h"

int mt_cli_role_add(const struct mt_options *options)
{
	const char *name = options->operands[0];
	const char *manner = mt_options_value(options, "subscribe");
	json_t *body = json_pack("{s:s, s:s*}", "name", name, "subscribe", manner);
	if (!body)
		return mt_cli_fail(2, "role add: a name is no UTF-8 text");
	return mt_cli_api_do(options, "POST", "roles", body, "role %s added", name);
}

int mt_cli_role_subscribe(const struct mt_options *options)
{
	char path[MT_CLI_URL_BYTES];
	const char *role = options->operands[0], *manner = options->operands[1];
	int failed = mt_cli_api_path(path, "roles/%s", role, NULL);
	json_t *body = failed ? NULL : json_pack("{s:s}", "subscribe", manner);
	if (failed)
		return failed;
	if (!body)
		return mt_cli_fail(2, "role subscribe: an operand is no UTF-8 text");
	return mt_cli_api_do(options, "PUT", path, body, "role %s: subscribe %s", role, manner);
}

int mt_cli_role_remove(const struct mt_options *options)
{
	char path[MT_CLI_URL_BYTES];
	const char *name = options->operands[0];
	int failed = mt_cli_api_path(path, "roles/%s", name, NULL);
	return failed ? failed
		      : mt_cli_api_do(options, "DELETE", path, NULL, "role %s removed", name);
}

int mt_cli_role_list(const struct mt_options *options)
{
	json_t *answer;
	json_t *name;
	size_t i;
	int failed = mt_cli_api_request(options, "GET", "roles", NULL, &answer);
	if (failed)
		return failed;
	if (mt_options_has(options, "json"))
		mt_cli_print_json(stdout, answer);
	else
		json_array_foreach(json_object_get(answer, "roles"), i, name)
		{
			mt_cli_print_text(stdout, json_string_value(name));
			putchar('\n');
		}
	json_decref(answer);
	return 0;
}

static const char *text_of(const json_t *object, const char *key, const char *fallback)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : fallback;
}

static json_t *rule_row(const json_t *rule)
{
	const json_t *retain = json_object_get(rule, "retain");
	bool is_deny = json_object_get(rule, "deny") != NULL;
	char id[24];
	char qos[16] = "";
	size_t i;
	json_t *value;
	snprintf(id, sizeof(id), "%lld",
		 (long long)json_integer_value(json_object_get(rule, "id")));
	json_array_foreach(json_object_get(rule, "qos"), i, value) if (i < 3)
		snprintf(qos + strlen(qos), sizeof(qos) - strlen(qos), "%s%d", i > 0 ? "," : "",
			 (int)json_integer_value(value));
	return json_pack("[s, s, s, s, s, s, s, s, s, s, s]", id, is_deny ? "deny" : "allow",
			 text_of(rule, is_deny ? "deny" : "allow", ""), text_of(rule, "topic", ""),
			 qos,
			 !retain		? "any"
			 : json_is_true(retain) ? "yes"
						: "no",
			 text_of(rule, "share", "-"), text_of(rule, "from", "-"),
			 text_of(rule, "listener", "-"), text_of(rule, "since", "-"),
			 text_of(rule, "until", "-"));
}

static void print_rules(const json_t *answer)
{
	json_t *rows = json_array();
	json_t *rule;
	size_t i;
	json_array_foreach(json_object_get(answer, "rules"), i, rule)
		json_array_append_new(rows, rule_row(rule));
	mt_cli_print_table(stdout,
			   "RULE EFFECT OPERATION TOPIC QOS RETAIN SHARE FROM LISTENER SINCE UNTIL",
			   rows);
	if (json_is_true(json_object_get(answer, "built_in")))
		printf("built in: everything but publishing to $SYS\n");
	if (strcmp(text_of(answer, "subscribe", "refuse"), "filter") == 0)
		printf("subscribe: filter\n");
	json_decref(rows);
}

int mt_cli_role_show(const struct mt_options *options)
{
	char path[MT_CLI_URL_BYTES];
	json_t *answer;
	int failed = mt_cli_api_path(path, "roles/%s", options->operands[0], NULL);
	if (!failed)
		failed = mt_cli_api_request(options, "GET", path, NULL, &answer);
	if (failed)
		return failed;
	if (mt_options_has(options, "json"))
		mt_cli_print_json(stdout, answer);
	else
		print_rules(answer);
	json_decref(answer);
	return 0;
}

/* "0,1": a list; NULL when it is none. */
static json_t *qos_list(const char *text)
{
	json_t *list = json_array();
	for (size_t i = 0; text[i] >= '0' && text[i] <= '2'; i += 2) {
		json_array_append_new(list, json_integer(text[i] - '0'));
		if (text[i + 1] == '\0')
			return list;
		if (text[i + 1] != ',')
			break;
	}
	json_decref(list);
	return NULL;
}

/* Exit code. */
static int add_qos(json_t *body, const char *text)
{
	json_t *list = text && strcmp(text, "any") != 0 ? qos_list(text) : NULL;
	if (text && !list && strcmp(text, "any") != 0)
		return mt_cli_fail(2, "--qos %s: expected any, or some of 0,1,2 with commas", text);
	if (list)
		json_object_set_new(body, "qos", list);
	return 0;
}

static int add_retain(json_t *body, const char *text)
{
	bool is_yes = text && strcmp(text, "yes") == 0;
	if (text && !is_yes && strcmp(text, "no") != 0)
		return mt_cli_fail(2, "--retain %s: expected yes or no", text);
	if (text)
		json_object_set_new(body, "retain", json_boolean(is_yes));
	return 0;
}

static int add_texts(json_t *body, const struct mt_options *options)
{
	static const char *const names[] = {"share", "from", "listener", "since", "until"};
	for (size_t i = 0; i < MT_COUNT_OF(names); i++) {
		const char *text = mt_options_value(options, names[i]);
		if (text && json_object_set_new(body, names[i], json_string(text)) != 0)
			return mt_cli_fail(2, "--%s: is no UTF-8 text", names[i]);
	}
	return 0;
}

/* Takes the body over. */
static int send_rule(const struct mt_options *options, json_t *body)
{
	char path[MT_CLI_URL_BYTES];
	json_t *answer;
	int failed = mt_cli_api_path(path, "roles/%s/rules", options->operands[0], NULL);
	if (failed) {
		json_decref(body);
		return failed;
	}
	failed = mt_cli_api_request(options, "POST", path, body, &answer);
	if (failed)
		return failed;
	if (mt_options_has(options, "json"))
		mt_cli_print_json(stdout, answer);
	else
		printf("rule %lld added\n",
		       (long long)json_integer_value(json_object_get(answer, "rule")));
	json_decref(answer);
	return 0;
}

static int add_rule(const struct mt_options *options, const char *effect)
{
	json_t *body = json_pack("{s:s, s:s}", effect, options->operands[1], "topic",
				 options->operands[2]);
	int failed = body ? 0 : mt_cli_fail(2, "role %s: an operand is no UTF-8 text", effect);
	if (!failed)
		failed = add_qos(body, mt_options_value(options, "qos"));
	if (!failed)
		failed = add_retain(body, mt_options_value(options, "retain"));
	if (!failed)
		failed = add_texts(body, options);
	if (!failed)
		return send_rule(options, body);
	json_decref(body);
	return failed;
}

int mt_cli_role_allow(const struct mt_options *options)
{
	return add_rule(options, "allow");
}

int mt_cli_role_deny(const struct mt_options *options)
{
	return add_rule(options, "deny");
}

int mt_cli_role_drop(const struct mt_options *options)
{
	char path[MT_CLI_URL_BYTES];
	const char *role = options->operands[0];
	const char *rule = options->operands[1];
	int failed = mt_cli_api_path(path, "roles/%s/rules/%s", role, rule);
	return failed ? failed
		      : mt_cli_api_do(options, "DELETE", path, NULL, "rule %s of role %s dropped",
				      rule, role);
}
