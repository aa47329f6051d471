/* mortise api-token: who may use the admin API over the network. */
#include "cli/api.h"
#include "cli/print.h"
#include "cli/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

/* Never over something: who names a wrong file loses nothing. Made before the token is, so that
 * none is lost either. */
static int open_file(const char *path, int *fd)
{
	*fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (*fd >= 0)
		return 0;
	return mt_cli_fail(errno == EACCES ? 4 : 2, "--out %s: %s; name a new file", path,
			   strerror(errno));
}

static int write_file(const char *path, int fd, const char *token)
{
	size_t len = strlen(token);
	if (write(fd, token, len) == (ssize_t)len && write(fd, "\n", 1) == 1 && fsync(fd) == 0)
		return 0;
	return mt_cli_fail(1, "--out %s: %s; revoke the token and make another", path,
			   strerror(errno));
}

/* All digits: days. */
static json_t *expiry_of(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	return text[digits] == '\0' && digits > 0 && digits < 10
		       ? json_integer(strtol(text, NULL, 10))
		       : json_string(text);
}

static int ask(const struct mt_options *options, json_t **answer)
{
	const char *role = mt_options_value(options, "role");
	const char *expires = mt_options_value(options, "expires");
	json_t *body;
	if (!role)
		return mt_cli_fail(2, "--role is missing: expected viewer, operator or admin");
	body = json_pack("{s:s, s:s}", "name", options->operands[0], "role", role);
	if (!body)
		return mt_cli_fail(2, "the name is no UTF-8");
	if (expires)
		json_object_set_new(body, "expires", expiry_of(expires));
	return mt_cli_api_request(options, "POST", "tokens", body, answer);
}

static void tell(const struct mt_options *options, const json_t *answer, const char *path)
{
	const char *expires = text_of(answer, "expires");
	if (mt_options_has(options, "json"))
		mt_cli_print_json(stdout, answer);
	else if (path)
		printf("token %s written to %s\n", text_of(answer, "name"), path);
	else
		printf("token: %s\n", text_of(answer, "token"));
	if (!mt_options_has(options, "json") && *expires)
		printf("expires: %s\n", expires);
}

int mt_cli_api_token_new(const struct mt_options *options)
{
	const char *path = mt_options_value(options, "out");
	json_t *answer = NULL;
	int fd = -1;
	int failed = path ? open_file(path, &fd) : 0;
	if (failed)
		return failed;
	failed = ask(options, &answer);
	if (!failed && path)
		failed = write_file(path, fd, text_of(answer, "token"));
	if (!failed && path)
		json_object_del(answer, "token");
	if (!failed)
		tell(options, answer, path);
	else if (path)
		unlink(path);
	if (fd >= 0)
		close(fd);
	json_decref(answer);
	return failed;
}

static json_t *row_of(const json_t *token)
{
	const char *expires = text_of(token, "expires");
	bool is_expired = json_is_true(json_object_get(token, "expired"));
	return json_pack("[s, s, s, s, s]", text_of(token, "name"), text_of(token, "role"),
			 text_of(token, "created"),
			 is_expired ? "expired"
			 : *expires ? expires
				    : "never",
			 text_of(token, "author"));
}

int mt_cli_api_token_list(const struct mt_options *options)
{
	json_t *answer;
	json_t *rows;
	json_t *token;
	size_t i;
	int failed = mt_cli_api_request(options, "GET", "tokens", NULL, &answer);
	if (failed)
		return failed;
	if (mt_options_has(options, "json")) {
		mt_cli_print_json(stdout, answer);
	} else {
		rows = json_array();
		json_array_foreach(json_object_get(answer, "tokens"), i, token)
			json_array_append_new(rows, row_of(token));
		mt_cli_print_table(stdout, "NAME ROLE CREATED EXPIRES AUTHOR", rows);
		json_decref(rows);
	}
	json_decref(answer);
	return 0;
}

int mt_cli_api_token_revoke(const struct mt_options *options)
{
	char path[MT_CLI_URL_BYTES];
	int failed = mt_cli_api_path(path, "tokens/%s", options->operands[0], NULL);
	return failed ? failed
		      : mt_cli_api_do(options, "DELETE", path, NULL, "token %s revoked",
				      options->operands[0]);
}
