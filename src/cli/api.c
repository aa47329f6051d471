/* HTTP to the admin API, by libcurl. */
#include "cli/api.h"

#include "base/bytes.h"
#include "cli/print.h"
#include "cli/remote.h"
#include "cli/verbs.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdlib.h>

#define ANSWER_BYTES_MAX (256u << 20)
#define ANSWER_SECONDS_MAX 120L

struct answer {
	char *text;
	size_t len;
	size_t cap;
};

static void free_wiped(void *at)
{
	if (at)
		mt_bytes_wipe(at, malloc_usable_size(at));
	free(at);
}

static bool encode(const char *text, char *out, size_t cap, size_t *len)
{
	static const char safe[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~";
	for (; *text; text++) {
		size_t room = cap - *len;
		int wrote;
		if (strchr(safe, *text))
			wrote = snprintf(out + *len, room, "%c", *text);
		else
			wrote = snprintf(out + *len, room, "%%%02X",
					 (unsigned)(unsigned char)*text);
		if (wrote < 0 || (size_t)wrote >= room)
			return false;
		*len += (size_t)wrote;
	}
	return true;
}

int mt_cli_api_path(char out[MT_CLI_URL_BYTES], const char *form, const char *first,
		    const char *second)
{
	const char *values[] = {first, second};
	size_t used = 0;
	size_t len = 0;
	for (; *form; form++) {
		if (form[0] == '%' && form[1] == 's') {
			MT_CHECK(used < MT_COUNT_OF(values) && values[used]);
			if (!*values[used])
				return mt_cli_fail(
					2, "an empty name: expected at least one character");
			if (!encode(values[used++], out, MT_CLI_URL_BYTES, &len))
				return mt_cli_fail(2, "a name is too long");
			form++;
			continue;
		}
		MT_CHECK(len + 1 < MT_CLI_URL_BYTES);
		out[len++] = *form;
	}
	out[len] = '\0';
	return 0;
}

static size_t collect(char *data, size_t size, size_t count, void *context)
{
	struct answer *answer = context;
	size_t bytes = size * count;
	if (bytes > ANSWER_BYTES_MAX - answer->len)
		return 0;
	if (answer->len + bytes > answer->cap) {
		size_t cap = (answer->len + bytes) * 2;
		char *grown = malloc(cap);
		if (!grown)
			return 0;
		if (answer->len > 0)
			memcpy(grown, answer->text, answer->len);
		free_wiped(answer->text);
		answer->text = grown;
		answer->cap = cap;
	}
	memcpy(answer->text + answer->len, data, bytes);
	answer->len += bytes;
	return bytes;
}

/* Neither a proxy of the environment nor a redirect may lead the request elsewhere. */
static bool prepare(CURL *curl, const struct mt_cli_target *target, const char *method,
		    const char *url, struct answer *answer)
{
	return mt_cli_target_prepare(target, curl) &&
	       curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_TIMEOUT, ANSWER_SECONDS_MAX) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer) == CURLE_OK;
}

/* The body is written with a length and without "Expect: 100-continue". */
static bool add_headers(const struct mt_cli_target *target, struct curl_slist **list)
{
	const char *lines[] = {"Expect:", "Content-Type: application/json", target->authorization};
	for (size_t i = 0; i < MT_COUNT_OF(lines); i++) {
		struct curl_slist *longer;
		if (!*lines[i])
			continue;
		longer = curl_slist_append(*list, lines[i]);
		if (!longer)
			return false;
		*list = longer;
	}
	return true;
}

static void free_headers(struct curl_slist *list)
{
	for (struct curl_slist *at = list; at; at = at->next)
		mt_bytes_wipe(at->data, strlen(at->data));
	curl_slist_free_all(list);
}

static CURLcode perform(CURL *curl, const struct mt_cli_target *target, const char *body)
{
	struct curl_slist *headers = NULL;
	CURLcode code = CURLE_OUT_OF_MEMORY;
	if (add_headers(target, &headers))
		code = curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	if (code == CURLE_OK && body)
		code = curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
					(curl_off_t)strlen(body));
	if (code == CURLE_OK && body)
		code = curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	if (code == CURLE_OK)
		code = curl_easy_perform(curl);
	free_headers(headers);
	return code;
}

static int exit_of(long http_status)
{
	switch (http_status) {
	case 200:
		return 0;
	case 400:
	case 413:
		return 2;
	case 401:
	case 403:
	case 429:
		return 4;
	case 503:
		return 3;
	default:
		return 1;
	}
}

/* Each fault of a document, a line each. */
static void tell_faults(const json_t *faults)
{
	json_t *fault;
	size_t i;
	json_array_foreach(faults, i, fault)
	{
		const char *where = json_string_value(json_object_get(fault, "where"));
		const char *what = json_string_value(json_object_get(fault, "what"));
		char line[32];
		snprintf(line, sizeof(line), "line %lld",
			 (long long)json_integer_value(json_object_get(fault, "line")));
		(void)mt_cli_fail(0, "%s: %s", where ? where : line, what ? what : "");
	}
}

/* Tells an error or a warning; exit code, 0 when *out is filled. */
static int judge(long http_status, const struct answer *answer, json_t **out)
{
	json_t *parsed = json_loadb(answer->text ? answer->text : "", answer->len, 0, NULL);
	const char *error = json_string_value(json_object_get(parsed, "error"));
	const char *warning = json_string_value(json_object_get(parsed, "warning"));
	int failed = exit_of(http_status);
	tell_faults(json_object_get(parsed, "errors"));
	if (failed)
		(void)mt_cli_fail(failed, "%s",
				  error ? error
					: "the broker answered without a reason; see its log");
	else if (!json_is_object(parsed))
		failed = mt_cli_fail(
			1, "the broker's answer is no JSON object; is it another version?");
	if (failed) {
		json_decref(parsed);
		return failed;
	}
	if (warning)
		mt_cli_warn("%s", warning);
	*out = parsed;
	return 0;
}

static int talk(const struct mt_cli_target *target, const char *method, const char *url,
		const char *body, json_t **out)
{
	struct answer answer = {0};
	CURL *curl = curl_easy_init();
	long http_status = 0;
	CURLcode code = CURLE_OUT_OF_MEMORY;
	int failed;
	if (curl && prepare(curl, target, method, url, &answer))
		code = perform(curl, target, body);
	if (code != CURLE_OK) {
		failed = mt_cli_target_fail(target, curl, code);
	} else {
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &http_status);
		failed = judge(http_status, &answer, out);
	}
	curl_easy_cleanup(curl);
	free_wiped(answer.text);
	return failed;
}

int mt_cli_api_request(const struct mt_options *options, const char *method, const char *path,
		       json_t *body, json_t **out)
{
	struct mt_cli_target target = {0};
	char url[MT_STATE_PATH_BYTES + MT_CLI_URL_BYTES + 32];
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	int failed;
	if (body && !text)
		failed = mt_cli_fail(1, "out of memory");
	else
		failed = mt_cli_target_find(options, &target);
	json_decref(body);
	snprintf(url, sizeof(url), "%s/api/%s",
		 target.is_remote ? target.place : "http://localhost", path);
	if (!failed)
		failed = talk(&target, method, url, text, out);
	mt_cli_target_finish(&target);
	free_wiped(text);
	return failed;
}

bool mt_cli_print_revoked(const json_t *revoked)
{
	static const char *const names[] = {"sessions", "subscriptions", "queued", "wills",
					    "retained"};
	const char *tickets = json_string_value(json_object_get(revoked, "tickets_before"));
	const json_t *ms = json_object_get(revoked, "ms");
	const char *comma = "";
	for (size_t i = 0; i < MT_COUNT_OF(names); i++) {
		long long count = json_integer_value(json_object_get(revoked, names[i]));
		if (count == 0)
			continue;
		printf("%s%lld %s", comma, count, names[i]);
		comma = ", ";
	}
	if (tickets)
		printf("%stickets before %s void", comma, tickets);
	if (!tickets && !*comma)
		return false;
	if (ms)
		printf(", %.1f ms", json_real_value(ms));
	puts(json_is_false(json_object_get(revoked, "complete")) ? "; the rest follows" : "");
	return true;
}

int mt_cli_api_do(const struct mt_options *options, const char *method, const char *path,
		  json_t *body, const char *format, ...)
{
	char text[4096];
	json_t *answer;
	va_list list;
	int failed = mt_cli_api_request(options, method, path, body, &answer);
	if (failed)
		return failed;
	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	if (mt_options_has(options, "json")) {
		mt_cli_print_json(stdout, answer);
	} else {
		mt_cli_print_text(stdout, text);
		putchar('\n');
		(void)mt_cli_print_revoked(json_object_get(answer, "revoked"));
	}
	json_decref(answer);
	return 0;
}
