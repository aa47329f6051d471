/* mortise user: who may connect. */
#include "base/bytes.h"
#include "cli/api.h"
#include "cli/print.h"
#include "cli/secret.h"
#include "cli/verbs.h"
#include "io/file.h"

#include <errno.h>
#include <stdlib.h>

static json_t *role_list(const struct mt_options *options)
{
	const struct mt_option_use *found;
	uint32_t pos = 0;
	json_t *list = json_array();
	while ((found = mt_options_next(options, "role", &pos)) != NULL)
		json_array_append_new(list, json_string(found->arguments[0]));
	return list;
}

/* Sends the request that carries a password, and shows a generated one. Takes the body over. */
static int send_secret(const struct mt_options *options, const char *method, const char *path,
		       json_t *body, const struct mt_cli_secret *secret, const char *done)
{
	json_t *answer;
	int failed = mt_cli_api_request(options, method, path, body, &answer);
	if (failed)
		return failed;
	if (mt_options_has(options, "json")) {
		if (secret->is_generated)
			json_object_set_new(answer, "password", json_string(secret->text));
		mt_cli_print_json(stdout, answer);
	} else {
		printf("user ");
		mt_cli_print_text(stdout, options->operands[0]);
		printf(" %s\n", done);
		if (secret->is_generated)
			printf("password: %s\n", secret->text);
	}
	json_decref(answer);
	return 0;
}

int mt_cli_user_add(const struct mt_options *options)
{
	const char *rule = mt_options_value(options, "client-id");
	struct mt_cli_secret secret;
	json_t *body;
	int failed = mt_cli_secret_read(options, &secret);
	if (failed)
		return failed;
	body = json_pack("{s:s, s:s, s:o}", "name", options->operands[0], "password", secret.text,
			 "roles", role_list(options));
	if (body && rule)
		json_object_set_new(body, "client_id", json_string(rule));
	if (body)
		failed = send_secret(options, "POST", "users", body, &secret, "added");
	else
		failed = mt_cli_fail(2, "user add: a name is no UTF-8 text");
	mt_cli_secret_finish(&secret);
	return failed;
}

int mt_cli_user_passwd(const struct mt_options *options)
{
	char path[MT_CLI_URL_BYTES];
	struct mt_cli_secret secret;
	int failed = mt_cli_api_path(path, "users/%s/password", options->operands[0], NULL);
	if (!failed)
		failed = mt_cli_secret_read(options, &secret);
	if (failed)
		return failed;
	failed = send_secret(options, "PUT", path, json_pack("{s:s}", "password", secret.text),
			     &secret, "has a new password");
	mt_cli_secret_finish(&secret);
	return failed;
}

int mt_cli_user_scram(const struct mt_options *options)
{
	char path[MT_CLI_URL_BYTES];
	struct mt_cli_secret secret;
	int failed = mt_cli_api_path(path, "users/%s/scram", options->operands[0], NULL);
	if (!failed && mt_options_has(options, "off"))
		return mt_cli_api_do(options, "DELETE", path, NULL, "user %s has no SCRAM any more",
				     options->operands[0]);
	if (!failed)
		failed = mt_cli_secret_read(options, &secret);
	if (failed)
		return failed;
	failed = send_secret(options, "PUT", path, json_pack("{s:s}", "password", secret.text),
			     &secret, "has this password, and SCRAM with it");
	mt_cli_secret_finish(&secret);
	return failed;
}

int mt_cli_user_token(const struct mt_options *options)
{
	char path[MT_CLI_URL_BYTES];
	json_t *answer;
	int failed = mt_cli_api_path(path, "users/%s/token", options->operands[0], NULL);
	if (!failed)
		failed = mt_cli_api_request(options, "POST", path, NULL, &answer);
	if (failed)
		return failed;
	if (mt_options_has(options, "json"))
		mt_cli_print_json(stdout, answer);
	else
		printf("token: %s\n", json_string_value(json_object_get(answer, "token")));
	json_decref(answer);
	return 0;
}

/* A change of one user: `form` is its path. */
static int change(const struct mt_options *options, const char *method, const char *form,
		  const char *done)
{
	char path[MT_CLI_URL_BYTES];
	int failed = mt_cli_api_path(path, form, options->operands[0], NULL);
	return failed ? failed
		      : mt_cli_api_do(options, method, path, NULL, "user %s %s",
				      options->operands[0], done);
}

int mt_cli_user_enable(const struct mt_options *options)
{
	return change(options, "POST", "users/%s/enable", "enabled");
}

int mt_cli_user_disable(const struct mt_options *options)
{
	return change(options, "POST", "users/%s/disable", "disabled");
}

int mt_cli_user_remove(const struct mt_options *options)
{
	return change(options, "DELETE", "users/%s", "removed");
}

static int change_role(const struct mt_options *options, const char *method, const char *done)
{
	char path[MT_CLI_URL_BYTES];
	const char *name = options->operands[0];
	const char *role = options->operands[1];
	int failed = mt_cli_api_path(path, "users/%s/roles/%s", name, role);
	return failed ? failed
		      : mt_cli_api_do(options, method, path, NULL, "user %s %s role %s", name, done,
				      role);
}

int mt_cli_user_grant(const struct mt_options *options)
{
	return change_role(options, "PUT", "now holds");
}

int mt_cli_user_revoke(const struct mt_options *options)
{
	return change_role(options, "DELETE", "no longer holds");
}

/* "a, b" of a list of texts, as a JSON text. */
static json_t *join(const json_t *list)
{
	char text[2048] = "";
	size_t len = 0;
	size_t i;
	json_t *item;
	json_array_foreach(list, i, item)
	{
		int wrote = snprintf(text + len, sizeof(text) - len, "%s%s", i > 0 ? ", " : "",
				     json_string_value(item));
		if (wrote < 0 || (size_t)wrote >= sizeof(text) - len)
			break;
		len += (size_t)wrote;
	}
	text[len] = '\0'; /* whole names only */
	return json_string(text);
}

/* "password, jwt": what it has to log in with, besides what TLS proves. */
static json_t *login_of(const json_t *user)
{
	static const char *const kinds[] = {"password", "token", "scram", "jwt"};
	json_t *list = json_array(), *text;
	for (size_t i = 0; i < MT_COUNT_OF(kinds); i++)
		if (json_is_true(json_object_get(user, kinds[i])))
			json_array_append_new(list, json_string(kinds[i]));
	text = json_array_size(list) > 0 ? join(list) : json_string("none");
	json_decref(list);
	return text;
}

static json_t *user_row(const json_t *user)
{
	const char *rule = json_string_value(json_object_get(user, "client_id"));
	return json_pack("[O, s, o, s, o]", json_object_get(user, "name"),
			 json_is_true(json_object_get(user, "enabled")) ? "enabled" : "disabled",
			 login_of(user), rule && *rule ? rule : "any",
			 join(json_object_get(user, "roles")));
}

int mt_cli_user_list(const struct mt_options *options)
{
	json_t *answer;
	json_t *rows;
	json_t *user;
	size_t i;
	int failed = mt_cli_api_request(options, "GET", "users", NULL, &answer);
	if (failed)
		return failed;
	if (mt_options_has(options, "json")) {
		mt_cli_print_json(stdout, answer);
	} else {
		rows = json_array();
		json_array_foreach(json_object_get(answer, "users"), i, user)
			json_array_append_new(rows, user_row(user));
		mt_cli_print_table(stdout, "USER STATE LOGIN CLIENT-ID ROLES", rows);
		json_decref(rows);
	}
	json_decref(answer);
	return 0;
}

int mt_cli_user_show(const struct mt_options *options)
{
	char path[MT_CLI_URL_BYTES];
	json_t *answer;
	int failed = mt_cli_api_path(path, "users/%s", options->operands[0], NULL);
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

/* ---- what proves it in TLS ---- */

static int remove_certificate(const struct mt_options *options, const char *name)
{
	char path[MT_CLI_URL_BYTES];
	int failed = mt_cli_api_path(path, "users/%s/certificates/%s", options->operands[0], name);
	return failed ? failed
		      : mt_cli_api_do(options, "DELETE", path, NULL,
				      "a certificate of %s no longer stands for user %s", name,
				      options->operands[0]);
}

/* PEM of the file, or "any"; NULL: told. */
static json_t *read_issuer(const char *file, int *failed)
{
	uint8_t *data;
	size_t len;
	json_t *text;
	enum mt_status status;
	if (strcmp(file, "any") == 0)
		return json_string("any");
	status = mt_file_read(file, 65536, &data, &len);
	if (status != MT_OK) {
		*failed =
			mt_cli_fail(2, "--issuer %s: %s", file,
				    status == MT_SYSTEM ? strerror(errno) : mt_status_text(status));
		return NULL;
	}
	text = json_string((const char *)data);
	free(data);
	if (!text)
		*failed = mt_cli_fail(2, "--issuer %s: expected a certificate in PEM", file);
	return text;
}

int mt_cli_user_certificate(const struct mt_options *options)
{
	const char *issuer = mt_options_value(options, "issuer");
	const char *name = mt_options_value(options, "name");
	const char *removed = mt_options_value(options, "remove");
	char path[MT_CLI_URL_BYTES];
	json_t *body, *text = NULL;
	int failed = 0;
	if (removed)
		return remove_certificate(options, removed);
	if (issuer && !(text = read_issuer(issuer, &failed)))
		return failed;
	body = json_pack("{s:s*, s:o*}", "name", name, "issuer", text);
	if (!body)
		return mt_cli_fail(2, "--name: it is no UTF-8 text");
	failed = mt_cli_api_path(path, "users/%s/certificates", options->operands[0], NULL);
	if (failed) {
		json_decref(body);
		return failed;
	}
	return mt_cli_api_do(options, "POST", path, body, "a certificate of %s stands for user %s",
			     name ? name : options->operands[0], options->operands[0]);
}

int mt_cli_user_psk(const struct mt_options *options)
{
	char path[MT_CLI_URL_BYTES];
	json_t *answer;
	int failed = mt_cli_api_path(path, "users/%s/psk", options->operands[0], NULL);
	if (!failed && mt_options_has(options, "remove"))
		return mt_cli_api_do(options, "DELETE", path, NULL, "user %s has no key any more",
				     options->operands[0]);
	if (!failed)
		failed = mt_cli_api_request(options, "POST", path, NULL, &answer);
	if (failed)
		return failed;
	if (mt_options_has(options, "json")) {
		mt_cli_print_json(stdout, answer);
	} else {
		printf("identity: ");
		mt_cli_print_text(stdout, options->operands[0]);
		printf("\nkey: %s\n", json_string_value(json_object_get(answer, "key")));
	}
	json_decref(answer);
	return 0;
}
