/* mortise client: sessions and connections of the running broker. */
#include "base/bytes.h"
#include "cli/api.h"
#include "cli/print.h"
#include "cli/verbs.h"

static json_t *number_text(const json_t *object, const char *key)
{
	char text[24];
	snprintf(text, sizeof(text), "%lld",
		 (long long)json_integer_value(json_object_get(object, key)));
	return json_string(text);
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

static json_t *client_row(const json_t *client)
{
	return json_pack("[s, s, s, s, s, s, o, o, o]", text_of(client, "client_id"),
			 *text_of(client, "user") ? text_of(client, "user") : "-",
			 json_is_true(json_object_get(client, "connected")) ? "connected" : "kept",
			 text_of(client, "address"), text_of(client, "listener"),
			 text_of(client, "version"), number_text(client, "subscriptions"),
			 number_text(client, "queued"), number_text(client, "since_s"));
}

/* All pages as one list. Exit code, 0 when *out is filled. */
static int fetch_all(const struct mt_options *options, json_t **out)
{
	json_t *list = json_array();
	char path[64] = "clients";
	for (;;) {
		json_t *page;
		const json_t *next;
		int failed = mt_cli_api_request(options, "GET", path, NULL, &page);
		if (failed) {
			json_decref(list);
			return failed;
		}
		json_array_extend(list, json_object_get(page, "clients"));
		next = json_object_get(page, "next");
		snprintf(path, sizeof(path), "clients?cursor=%lld",
			 (long long)json_integer_value(next));
		json_decref(page);
		if (!next)
			break;
	}
	*out = list;
	return 0;
}

int mt_cli_client_list(const struct mt_options *options)
{
	json_t *list;
	json_t *answer;
	json_t *rows;
	json_t *client;
	size_t i;
	int failed = fetch_all(options, &list);
	if (failed)
		return failed;
	if (mt_options_has(options, "json")) {
		answer = json_pack("{s:O}", "clients", list);
		mt_cli_print_json(stdout, answer);
		json_decref(answer);
	} else {
		rows = json_array();
		json_array_foreach(list, i, client) json_array_append_new(rows, client_row(client));
		mt_cli_print_table(stdout,
				   "CLIENT USER STATE ADDRESS LISTENER MQTT FILTERS QUEUED SECONDS",
				   rows);
		json_decref(rows);
	}
	json_decref(list);
	return 0;
}

/* "clients/ID" or "clients/ID?user=U". Exit code. */
static int client_path(const struct mt_options *options, char path[MT_CLI_URL_BYTES])
{
	const char *user = mt_options_value(options, "user");
	return mt_cli_api_path(path, user ? "clients/%s?user=%s" : "clients/%s",
			       options->operands[0], user);
}

static void print_client(json_t *client)
{
	json_t *filters =
		json_incref(json_object_get(client, "filters")); /* printed below the rest */
	json_t *rows = json_array();
	json_t *filter;
	size_t i;
	json_object_del(client, "filters");
	mt_cli_print_object(stdout, client);
	json_array_foreach(filters, i, filter) json_array_append_new(
		rows, json_pack("[s, o]", text_of(filter, "filter"), number_text(filter, "qos")));
	if (json_array_size(rows) > 0)
		mt_cli_print_table(stdout, "FILTER QOS", rows);
	json_decref(rows);
	json_decref(filters);
}

int mt_cli_client_show(const struct mt_options *options)
{
	char path[MT_CLI_URL_BYTES];
	json_t *answer;
	json_t *client;
	size_t i;
	int failed = client_path(options, path);
	if (!failed)
		failed = mt_cli_api_request(options, "GET", path, NULL, &answer);
	if (failed)
		return failed;
	if (mt_options_has(options, "json"))
		mt_cli_print_json(stdout, answer);
	else
		json_array_foreach(json_object_get(answer, "clients"), i, client)
			print_client(client);
	json_decref(answer);
	return 0;
}

int mt_cli_client_kick(const struct mt_options *options)
{
	char path[MT_CLI_URL_BYTES];
	int failed = client_path(options, path);
	return failed ? failed
		      : mt_cli_api_do(options, "DELETE", path, NULL, "client %s disconnected",
				      options->operands[0]);
}
