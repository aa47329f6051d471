/* mortise policy explain: why something is permitted, or not. */
#include "base/bytes.h"
#include "cli/api.h"
#include "cli/print.h"
#include "cli/verbs.h"

static int add_texts(json_t *body, const struct mt_options *options)
{
	static const struct {
		const char *option, *key;
	} texts[] = {{"user", "user"}, {"as-role", "role"}, {"client-id", "client_id"},
		     {"cn", "cn"},     {"from", "from"},    {"listener", "listener"}};
	for (size_t i = 0; i < MT_COUNT_OF(texts); i++) {
		const char *text = mt_options_value(options, texts[i].option);
		if (text && json_object_set_new(body, texts[i].key, json_string(text)) != 0)
			return mt_cli_fail(2, "--%s: is no UTF-8 text", texts[i].option);
	}
	return 0;
}

static json_t *question(const struct mt_options *options, int *failed)
{
	const char *qos = mt_options_value(options, "qos");
	json_t *body = json_pack("{s:s, s:s}", "operation", options->operands[0], "topic",
				 options->operands[1]);
	if (!body) {
		*failed = mt_cli_fail(2, "policy explain: an operand is no UTF-8 text");
		return NULL;
	}
	*failed = add_texts(body, options);
	if (!*failed && qos && (qos[0] < '0' || qos[0] > '2' || qos[1] != '\0'))
		*failed = mt_cli_fail(2, "--qos %s: expected 0, 1 or 2", qos);
	if (!*failed && qos)
		json_object_set_new(body, "qos", json_integer(qos[0] - '0'));
	if (mt_options_has(options, "retain"))
		json_object_set_new(body, "retain", json_true());
	if (!*failed)
		return body;
	json_decref(body);
	return NULL;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

/* The verdict is the first word. */
static void print_answer(const json_t *answer)
{
	const json_t *granted = json_object_get(answer, "qos");
	const json_t *deciding = json_object_get(answer, "rule");
	json_t *rows = json_array();
	json_t *rule;
	size_t i;
	char number[24];
	mt_cli_print_text(stdout, text_of(answer, "verdict"));
	printf(": ");
	mt_cli_print_text(stdout, text_of(answer, "reason"));
	if (deciding)
		printf(" (rule %lld)", (long long)json_integer_value(deciding));
	if (granted)
		printf("; granted QoS %lld", (long long)json_integer_value(granted));
	if (json_is_true(json_object_get(answer, "filtered")))
		printf("; each message is asked for");
	putchar('\n');
	json_array_foreach(json_object_get(answer, "rules"), i, rule)
	{
		snprintf(number, sizeof(number), "%lld",
			 (long long)json_integer_value(json_object_get(rule, "rule")));
		json_array_append_new(rows,
				      json_pack("[s, s, s, s, s, s]", number, text_of(rule, "role"),
						text_of(rule, "effect"), text_of(rule, "operation"),
						text_of(rule, "topic"), text_of(rule, "outcome")));
	}
	mt_cli_print_table(stdout, "RULE ROLE EFFECT OPERATION TOPIC OUTCOME", rows);
	json_decref(rows);
}

int mt_cli_policy_explain(const struct mt_options *options)
{
	json_t *answer;
	int failed = 0;
	json_t *body = question(options, &failed);
	if (!body)
		return failed;
	failed = mt_cli_api_request(options, "POST", "policy/explain", body, &answer);
	if (failed)
		return failed;
	if (mt_options_has(options, "json"))
		mt_cli_print_json(stdout, answer);
	else
		print_answer(answer);
	json_decref(answer);
	return 0;
}
