/* mortise issuer: whose JSON Web Tokens are believed; mortise user jwt: whom they stand for. */
#include "cli/api.h"
#include "cli/print.h"
#include "cli/verbs.h"
#include "crypto/digest.h"
#include "io/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_BYTES_MAX 16384u

/* Base64 of a file, without the end of its line where it is a secret. NULL: told. */
static json_t *read_key(const struct mt_options *options, bool is_secret, int *failed)
{
	const char *path = mt_options_value(options, "key-file");
	char text[MT_BASE64_BYTES(KEY_BYTES_MAX)];
	uint8_t *data;
	size_t len;
	json_t *key;
	enum mt_status status;
	if (!path) {
		*failed = mt_cli_fail(
			2, "--key-file is missing: the public key in PEM, or the secret");
		return NULL;
	}
	status = is_secret ? mt_file_read_secret(path, KEY_BYTES_MAX, &data, &len)
			   : mt_file_read(path, KEY_BYTES_MAX, &data, &len);
	if (status != MT_OK) {
		*failed = mt_cli_fail(
			2, "--key-file %s: %s", path,
			status == MT_SYSTEM ? strerror(errno)
			: status == MT_DENIED
				? "others may read the secret; chmod 600 it, when it is still one"
				: mt_status_text(status));
		return NULL;
	}
	mt_digest_base64(
		mt_bytes_of(data, is_secret && len > 0 && data[len - 1] == '\n' ? len - 1 : len),
		text);
	mt_bytes_wipe(data, len);
	free(data);
	key = json_string(text);
	mt_bytes_wipe(text, sizeof(text));
	return key;
}

/* "RS256,RS384" */
static json_t *algorithms_of(const char *text)
{
	json_t *list = json_array();
	while (*text != '\0') {
		size_t len = strcspn(text, ",");
		json_array_append_new(list, json_stringn(text, len));
		text += len + (text[len] == ',');
	}
	return list;
}

/* All digits, or the text, which the broker refuses. */
static json_t *seconds_of(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	return text[digits] == '\0' && digits > 0 && digits < 9
		       ? json_integer(strtol(text, NULL, 10))
		       : json_string(text);
}

static json_t *issuer_of(const struct mt_options *options, json_t *key, const char *algorithms)
{
	static const char *const texts[] = {"audience", "claim"};
	const char *leeway = mt_options_value(options, "leeway");
	json_t *body = json_pack("{s:s, s:s, s:o, s:o}", "name", options->operands[0], "issuer",
				 mt_options_value(options, "iss"), "algorithms",
				 algorithms_of(algorithms), "key", key);
	for (size_t i = 0; body && i < MT_COUNT_OF(texts); i++) {
		const char *text = mt_options_value(options, texts[i]);
		if (text)
			json_object_set_new(body, texts[i], json_string(text));
	}
	if (body && leeway)
		json_object_set_new(body, "leeway_s", seconds_of(leeway));
	return body;
}

int mt_cli_issuer_add(const struct mt_options *options)
{
	const char *algorithms = mt_options_value(options, "algorithm");
	json_t *key, *body;
	int failed = 0;
	if (!mt_options_value(options, "iss"))
		return mt_cli_fail(2, "--iss is missing: what its tokens call the issuer");
	if (!algorithms)
		return mt_cli_fail(2, "--algorithm is missing: such as RS256, or RS256,RS384");
	key = read_key(options, strncmp(algorithms, "HS", 2) == 0, &failed);
	if (!key)
		return failed;
	body = issuer_of(options, key, algorithms);
	if (!body)
		return mt_cli_fail(2, "issuer add: a name is no UTF-8 text");
	return mt_cli_api_do(options, "POST", "issuers", body, "issuer %s added",
			     options->operands[0]);
}

/* Which kind of key it has, the broker knows. */
static int ask_algorithm(const struct mt_options *options, bool *is_secret)
{
	char path[MT_CLI_URL_BYTES];
	json_t *answer;
	const char *first;
	int failed = mt_cli_api_path(path, "issuers/%s", options->operands[0], NULL);
	if (!failed)
		failed = mt_cli_api_request(options, "GET", path, NULL, &answer);
	if (failed)
		return failed;
	first = json_string_value(json_array_get(json_object_get(answer, "algorithms"), 0));
	*is_secret = first && strncmp(first, "HS", 2) == 0;
	json_decref(answer);
	return 0;
}

int mt_cli_issuer_key(const struct mt_options *options)
{
	char path[MT_CLI_URL_BYTES];
	bool is_secret = true;
	json_t *key;
	int failed = ask_algorithm(options, &is_secret);
	if (!failed)
		failed = mt_cli_api_path(path, "issuers/%s/key", options->operands[0], NULL);
	if (failed)
		return failed;
	key = read_key(options, is_secret, &failed);
	return key ? mt_cli_api_do(options, "PUT", path, json_pack("{s:o}", "key", key),
				   "issuer %s has a new key", options->operands[0])
		   : failed;
}

int mt_cli_issuer_remove(const struct mt_options *options)
{
	char path[MT_CLI_URL_BYTES];
	int failed = mt_cli_api_path(path, "issuers/%s", options->operands[0], NULL);
	return failed ? failed
		      : mt_cli_api_do(options, "DELETE", path, NULL, "issuer %s removed",
				      options->operands[0]);
}

int mt_cli_issuer_show(const struct mt_options *options)
{
	char path[MT_CLI_URL_BYTES];
	json_t *answer;
	int failed = mt_cli_api_path(path, "issuers/%s", options->operands[0], NULL);
	if (!failed)
		failed = mt_cli_api_request(options, "GET", path, NULL, &answer);
	if (failed)
		return failed;
	if (mt_options_has(options, "json"))
		mt_cli_print_json(stdout, answer);
	else
		mt_cli_print_object(stdout, answer);
	json_decref(answer);
	return 0;
}

static json_t *row_of(const json_t *issuer)
{
	char algorithms[128] = "", leeway[24];
	const char *audience = json_string_value(json_object_get(issuer, "audience"));
	size_t i, len = 0;
	json_t *item;
	json_array_foreach(json_object_get(issuer, "algorithms"), i, item)
	{
		int wrote = snprintf(algorithms + len, sizeof(algorithms) - len, "%s%s",
				     i > 0 ? "," : "", json_string_value(item));
		if (wrote < 0 || (size_t)wrote >= sizeof(algorithms) - len)
			break;
		len += (size_t)wrote;
	}
	snprintf(leeway, sizeof(leeway), "%lld s",
		 (long long)json_integer_value(json_object_get(issuer, "leeway_s")));
	return json_pack("[O, O, s, s, O, s]", json_object_get(issuer, "name"),
			 json_object_get(issuer, "issuer"), algorithms,
			 audience && *audience ? audience : "-", json_object_get(issuer, "claim"),
			 leeway);
}

int mt_cli_issuer_list(const struct mt_options *options)
{
	json_t *answer;
	json_t *rows;
	json_t *issuer;
	size_t i;
	int failed = mt_cli_api_request(options, "GET", "issuers", NULL, &answer);
	if (failed)
		return failed;
	if (mt_options_has(options, "json")) {
		mt_cli_print_json(stdout, answer);
	} else {
		rows = json_array();
		json_array_foreach(json_object_get(answer, "issuers"), i, issuer)
			json_array_append_new(rows, row_of(issuer));
		mt_cli_print_table(stdout, "NAME ISS ALGORITHMS AUDIENCE CLAIM LEEWAY", rows);
		json_decref(rows);
	}
	json_decref(answer);
	return 0;
}

/* One subject, or all of the issuer. */
static int end_subject(const struct mt_options *options, const char *issuer, const char *subject)
{
	char path[MT_CLI_URL_BYTES], query[MT_CLI_URL_BYTES] = "";
	int failed = mt_cli_api_path(path, "users/%s/jwt/%s", options->operands[0], issuer);
	if (!failed && subject)
		failed = mt_cli_api_path(query, "?subject=%s", subject, NULL);
	if (!failed && strlen(path) + strlen(query) >= sizeof(path))
		failed = mt_cli_fail(2, "--subject: it is too long");
	if (failed)
		return failed;
	memcpy(path + strlen(path), query, strlen(query) + 1);
	return mt_cli_api_do(options, "DELETE", path, NULL,
			     "tokens of %s no longer stand for user %s", issuer,
			     options->operands[0]);
}

int mt_cli_user_jwt(const struct mt_options *options)
{
	const char *issuer = mt_options_value(options, "issuer");
	const char *subject = mt_options_value(options, "subject");
	const char *user = options->operands[0];
	char path[MT_CLI_URL_BYTES];
	json_t *body;
	int failed;
	if (!issuer)
		return mt_cli_fail(2,
				   "--issuer is missing: the name of one of mortise issuer list");
	if (mt_options_has(options, "off"))
		return end_subject(options, issuer, subject);
	failed = mt_cli_api_path(path, "users/%s/jwt", user, NULL);
	if (failed)
		return failed;
	body = json_pack("{s:s, s:s*}", "issuer", issuer, "subject", subject);
	if (!body)
		return mt_cli_fail(2, "--issuer, --subject: expected UTF-8 text");
	return mt_cli_api_do(options, "POST", path, body,
			     "tokens of %s for the subject %s stand for user %s", issuer,
			     subject ? subject : user, user);
}
