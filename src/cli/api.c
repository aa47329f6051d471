/* HTTP to the admin socket, by libcurl. */
#include "cli/api.h"

#include "base/bytes.h"
#include "cli/print.h"
#include "cli/state.h"
#include "cli/verbs.h"

#include <curl/curl.h>
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>

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

static int fail_to_reach(const char *socket_path, int error)
{
	const char *slash = strrchr(socket_path, '/');
	int len = slash ? (int)(slash - socket_path) : 0;
	if (error == EACCES || error == EPERM)
		return mt_cli_fail(
			4, "%s: not permitted; be root, the broker's user or in the group mortise",
			socket_path);
	return mt_cli_fail(3,
			   "nobody answers at %s: %s; start the broker with: mortise broker "
			   "--state %.*s (or name its "
			   "directory with --state)",
			   socket_path, strerror(error), len, socket_path);
}

static int find_socket(const struct mt_options *options, char out[MT_STATE_PATH_BYTES])
{
	char state[MT_STATE_PATH_BYTES];
	struct stat facts;
	int failed = mt_cli_state_find(options, "admin.sock", state);
	if (!failed)
		failed = mt_cli_state_path(state, "admin.sock", out);
	if (failed)
		return failed;
	if (strlen(out) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return mt_cli_fail(2, "%s: longer than 107 bytes; name a shorter path with --state",
				   out);
	return lstat(out, &facts) == 0 ? 0 : fail_to_reach(out, errno);
}

/* Neither a proxy of the environment nor a redirect may lead the request elsewhere. */
static bool prepare(CURL *curl, const char *socket_path, const char *method, const char *url,
		    struct answer *answer)
{
	return curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket_path) == CURLE_OK &&
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
static CURLcode perform(CURL *curl, const char *body)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
	struct curl_slist *longer =
		headers ? curl_slist_append(headers, "Content-Type: application/json") : NULL;
	CURLcode code = CURLE_OUT_OF_MEMORY;
	if (longer) {
		headers = longer;
		code = curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	}
	if (code == CURLE_OK && body)
		code = curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
					(curl_off_t)strlen(body));
	if (code == CURLE_OK && body)
		code = curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	if (code == CURLE_OK)
		code = curl_easy_perform(curl);
	curl_slist_free_all(headers);
	return code;
}

static int fail_transfer(CURL *curl, CURLcode code, const char *socket_path)
{
	long error = 0;
	curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &error);
	switch (code) {
	case CURLE_COULDNT_CONNECT:
		return fail_to_reach(socket_path, error ? (int)error : ECONNREFUSED);
	case CURLE_OPERATION_TIMEDOUT:
		return mt_cli_fail(3, "%s: no answer within %ld s; look at the broker's log",
				   socket_path, ANSWER_SECONDS_MAX);
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
		return mt_cli_fail(3,
				   "%s: the broker hung up; it is stopping, or hears only root, "
				   "its own user and the "
				   "group mortise",
				   socket_path);
	default:
		return mt_cli_fail(1, "%s: %s", socket_path, curl_easy_strerror(code));
	}
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
		return 4;
	case 503:
		return 3;
	default:
		return 1;
	}
}

/* Tells an error or a warning; exit code, 0 when *out is filled. */
static int judge(long http_status, const struct answer *answer, json_t **out)
{
	json_t *parsed = json_loadb(answer->text ? answer->text : "", answer->len, 0, NULL);
	const char *error = json_string_value(json_object_get(parsed, "error"));
	const char *warning = json_string_value(json_object_get(parsed, "warning"));
	int failed = exit_of(http_status);
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

static int talk(const char *socket_path, const char *method, const char *url, const char *body,
		json_t **out)
{
	struct answer answer = {0};
	CURL *curl = curl_easy_init();
	long http_status = 0;
	CURLcode code = CURLE_OUT_OF_MEMORY;
	int failed;
	if (curl && prepare(curl, socket_path, method, url, &answer))
		code = perform(curl, body);
	if (code != CURLE_OK) {
		failed = fail_transfer(curl, code, socket_path);
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
	char socket_path[MT_STATE_PATH_BYTES];
	char url[MT_CLI_URL_BYTES + 32];
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	int failed;
	snprintf(url, sizeof(url), "http://localhost/api/%s", path);
	if (body && !text)
		failed = mt_cli_fail(1, "out of memory");
	else
		failed = find_socket(options, socket_path);
	json_decref(body);
	if (!failed)
		failed = talk(socket_path, method, url, text, out);
	free_wiped(text);
	return failed;
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
	}
	json_decref(answer);
	return 0;
}
