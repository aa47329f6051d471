/* mortise policy: the permissions as one document, and their history. */
#include "base/bytes.h"
#include "cli/api.h"
#include "cli/print.h"
#include "cli/verbs.h"

#include <errno.h>
#include <stdlib.h>

#define FILE_BYTES_MAX 1048576u

/* Of `path`, "-" for standard input; exit code, 0 when *out is the malloc'ed text. */
static int read_text(const char *path, char **out)
{
	bool is_input = strcmp(path, "-") == 0;
	FILE *in = is_input ? stdin : fopen(path, "re");
	char *text = in ? malloc(FILE_BYTES_MAX + 2) : NULL;
	size_t len = text ? fread(text, 1, FILE_BYTES_MAX + 1, in) : 0;
	int failed = 0;
	if (!in)
		failed = mt_cli_fail(2, "%s: %s", path, strerror(errno));
	else if (!text)
		failed = mt_cli_fail(1, "out of memory");
	else if (ferror(in))
		failed = mt_cli_fail(2, "%s: cannot be read; expected a file", path);
	else if (len > FILE_BYTES_MAX)
		failed = mt_cli_fail(2, "%s: is longer than %u bytes", path, FILE_BYTES_MAX);
	if (in && !is_input)
		fclose(in);
	if (failed) {
		free(text);
		return failed;
	}
	text[len] = '\0';
	*out = text;
	return 0;
}

/* {key: the file}; exit code. */
static int add_file(json_t *body, const char *key, const char *path)
{
	char *text = NULL;
	int failed = read_text(path, &text);
	if (!failed && json_object_set_new(body, key, json_string(text)) != 0)
		failed = mt_cli_fail(2, "%s: is no UTF-8 text", path);
	free(text);
	return failed;
}

/* One request whose body is taken over; prints the answer by `print`, or as JSON. */
static int ask(const struct mt_options *options, const char *method, const char *path, json_t *body,
	       void (*print)(const json_t *answer))
{
	json_t *answer;
	int failed = mt_cli_api_request(options, method, path, body, &answer);
	if (failed)
		return failed;
	if (mt_options_has(options, "json"))
		mt_cli_print_json(stdout, answer);
	else
		print(answer);
	json_decref(answer);
	return 0;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

static void print_document(const json_t *answer)
{
	fputs(text_of(answer, "document"), stdout);
}

int mt_cli_policy_show(const struct mt_options *options)
{
	return ask(options, "GET", "policy", NULL, print_document);
}

static void print_changes(const json_t *answer)
{
	const json_t *removed = json_object_get(answer, "removed_users");
	json_t *line;
	size_t i;
	json_array_foreach(json_object_get(answer, "changes"), i, line)
	{
		mt_cli_print_text(stdout, json_string_value(line));
		putchar('\n');
	}
	if (i == 0)
		printf("nothing changes\n");
	if (removed)
		mt_cli_warn("%zu users are not in the document: apply needs --remove-users",
			    json_array_size(removed));
}

int mt_cli_policy_diff(const struct mt_options *options)
{
	json_t *body = json_object();
	int failed = add_file(body, "document", options->operands[0]);
	if (!failed)
		return ask(options, "POST", "policy/diff", body, print_changes);
	json_decref(body);
	return failed;
}

static void print_applied(const json_t *answer)
{
	const char *due = text_of(answer, "confirm_before");
	print_changes(answer);
	if (json_is_true(json_object_get(answer, "dry_run")))
		printf("it would take away from live sessions: ");
	if (!mt_cli_print_revoked(json_object_get(answer, "revoked")) &&
	    json_is_true(json_object_get(answer, "dry_run")))
		printf("nothing\n");
	if (json_object_get(answer, "revision"))
		printf("applied: revision %lld\n",
		       (long long)json_integer_value(json_object_get(answer, "revision")));
	if (*due)
		printf("it is undone at %s unless you say: mortise policy confirm\n", due);
}

/* "60", "60s", "5m": exit code. */
static int add_seconds(json_t *body, const char *text)
{
	char *end = NULL;
	unsigned long long count = text ? strtoull(text, &end, 10) : 0;
	bool is_minutes = text && strcmp(end, "m") == 0;
	if (!text)
		return 0;
	if (*text < '0' || *text > '9' || (*end && strcmp(end, "s") != 0 && !is_minutes) ||
	    count == 0 || count * (is_minutes ? 60 : 1) > 3600)
		return mt_cli_fail(2, "--confirm-within %s: expected 1s to 3600s, or 1m to 60m",
				   text);
	json_object_set_new(body, "confirm_within_s",
			    json_integer((json_int_t)count * (is_minutes ? 60 : 1)));
	return 0;
}

static void add_flags(json_t *body, const struct mt_options *options)
{
	if (mt_options_has(options, "dry-run"))
		json_object_set_new(body, "dry_run", json_true());
	if (mt_options_has(options, "remove-users"))
		json_object_set_new(body, "remove_users", json_true());
}

int mt_cli_policy_apply(const struct mt_options *options)
{
	json_t *body = json_object();
	int failed = add_file(body, "document", options->operands[0]);
	if (!failed)
		failed = add_seconds(body, mt_options_value(options, "confirm-within"));
	add_flags(body, options);
	if (!failed)
		return ask(options, "POST", "policy", body, print_applied);
	json_decref(body);
	return failed;
}

int mt_cli_policy_confirm(const struct mt_options *options)
{
	return mt_cli_api_do(options, "POST", "policy/confirm", NULL, "confirmed");
}

static json_t *log_row(const json_t *row)
{
	char number[24], bytes[24] = "not kept";
	snprintf(number, sizeof(number), "%lld%s",
		 (long long)json_integer_value(json_object_get(row, "revision")),
		 json_is_true(json_object_get(row, "waits")) ? "?" : "");
	if (json_object_get(row, "bytes"))
		snprintf(bytes, sizeof(bytes), "%lld",
			 (long long)json_integer_value(json_object_get(row, "bytes")));
	return json_pack("[s, s, s, s, s]", number, text_of(row, "time"), text_of(row, "author"),
			 bytes, text_of(row, "what"));
}

static void print_log(const json_t *answer)
{
	json_t *rows = json_array();
	json_t *row;
	size_t i;
	json_array_foreach(json_object_get(answer, "revisions"), i, row)
		json_array_append_new(rows, log_row(row));
	mt_cli_print_table(stdout, "REVISION TIME AUTHOR BYTES WHAT", rows);
	json_decref(rows);
}

int mt_cli_policy_log(const struct mt_options *options)
{
	return ask(options, "GET", "policy/log", NULL, print_log);
}

int mt_cli_policy_rollback(const struct mt_options *options)
{
	const char *text = options->operands[0];
	size_t digits = strspn(text, "0123456789");
	json_t *body;
	if (digits == 0 || digits > 9 || text[digits] != '\0')
		return mt_cli_fail(2,
				   "policy rollback %s: expected a revision; see mortise policy "
				   "log",
				   text);
	body = json_pack("{s:I}", "revision", (json_int_t)atoll(text));
	return mt_cli_api_do(options, "POST", "policy/rollback", body,
			     "back at revision %s, as a new one", text);
}

static void print_imported(const json_t *answer)
{
	const json_t *report = json_object_get(answer, "not_carried_over");
	bool is_dry = json_is_true(json_object_get(answer, "dry_run"));
	json_t *entry;
	size_t i;
	if (is_dry)
		print_changes(answer);
	printf("%s: %lld users, %lld roles; %zu remarks\n", is_dry ? "would add" : "added",
	       (long long)json_integer_value(json_object_get(answer, "users")),
	       (long long)json_integer_value(json_object_get(answer, "roles")),
	       json_array_size(report));
	json_array_foreach(report, i, entry)
	{
		mt_cli_print_text(stdout, text_of(entry, "where"));
		fputs(": ", stdout);
		mt_cli_print_text(stdout, text_of(entry, "what"));
		putchar('\n');
	}
}

int mt_cli_policy_import(const struct mt_options *options)
{
	static const char *const files[] = {"passwords", "acl", "dynsec"};
	json_t *body = json_object();
	int failed = 0;
	size_t count = 0;
	for (size_t i = 0; i < MT_COUNT_OF(files) && !failed; i++) {
		const char *path = mt_options_value(options, files[i]);
		if (path)
			failed = add_file(body, files[i], path);
		count += path != NULL;
	}
	if (!failed && strcmp(options->operands[0], "mosquitto") != 0)
		failed = mt_cli_fail(2, "policy import %s: expected mosquitto",
				     options->operands[0]);
	if (!failed && count == 0)
		failed = mt_cli_fail(2, "policy import: expected --passwords, --acl or --dynsec");
	add_flags(body, options);
	if (!failed)
		return ask(options, "POST", "policy/import/mosquitto", body, print_imported);
	json_decref(body);
	return failed;
}
