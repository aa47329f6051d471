/* The admin API as a whole: from a request to its handler, and back to JSON. */
#include "shell/api.h"

#include "base/utf8.h"
#include "shell/api_call.h"
#include "shell/clerk.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

static void list_routes(struct mt_api_call *call);

static const struct mt_api_route own_routes[] = {
	{"GET", "routes", list_routes, MT_API_VIEWER},
	{NULL, NULL, NULL, MT_API_NOBODY},
};

static const struct mt_api_route *const routes[] = {
	mt_api_user_routes,   mt_api_role_routes,   mt_api_explain_routes,
	mt_api_client_routes, mt_api_status_routes, mt_api_certificate_routes,
	mt_api_proof_routes,  mt_api_token_routes,  mt_api_issuer_routes,
	own_routes,	      mt_api_policy_routes, mt_api_import_routes,
};

/* For whoever points a browser here. It loads nothing, and no script runs on it. */
static const char page[] =
	"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	"<title>Mortise</title></head>\n<body><h1>Mortise</h1>\n"
	"<p>This is the administration of an MQTT broker. It is served to programs, as JSON below "
	"<code>/api/</code>, and to the command line:</p>\n"
	"<pre>mortise status --url https://HOST:PORT --token-file FILE</pre>\n"
	"<p>Each request bears a token, in the header <code>Authorization: Bearer TOKEN</code>. An "
	"administrator makes one on the broker's machine:</p>\n"
	"<pre>mortise api-token new NAME --role viewer --out FILE</pre>\n"
	"<p><code>/api/routes</code> lists what can be asked for.</p>\n</body></html>\n";

static void list_routes(struct mt_api_call *call)
{
	json_t *list = json_array();
	for (size_t i = 0; i < MT_COUNT_OF(routes); i++)
		for (const struct mt_api_route *route = routes[i]; route->method; route++)
			json_array_append_new(list,
					      json_pack("{s:s, s:s, s:s}", "method", route->method,
							"path", route->pattern, "least",
							mt_api_role_name(route->least)));
	mt_api_succeed(call, json_pack("{s:o}", "routes", list));
}

static const char prefix[] = "/api/";

/* JSON holds passwords and tokens: nothing of it stays behind in the heap. */
static void free_json(void *at)
{
	if (at)
		mt_bytes_wipe(at, malloc_usable_size(at));
	free(at);
}

enum mt_status mt_api_open(struct mt_broker *broker, mt_api_adopt_fn *adopt, struct mt_api **out)
{
	struct mt_api *api = calloc(1, sizeof(*api));
	if (!api)
		return MT_MEMORY;
	api->broker = broker;
	api->state = mt_broker_state(broker);
	api->adopt = adopt;
	json_set_alloc_funcs(malloc, free_json);
	pthread_mutex_init(&api->lock, NULL);
	api->clerk = mt_clerk_open(api, &api->lock, mt_api_settle, mt_api_settle_in(api));
	if (!api->clerk) {
		pthread_mutex_destroy(&api->lock);
		free(api);
		return MT_MEMORY;
	}
	*out = api;
	return MT_OK;
}

void mt_api_replace_hash(void *context, uint64_t user_id, struct mt_bytes former, const char *hash)
{
	struct mt_api *api = context;
	enum mt_status status;
	pthread_mutex_lock(&api->lock);
	status = mt_state_hash_replace(api->state, user_id, former, hash);
	if (status == MT_OK)
		mt_log(MT_LOG_NOTICE, "auth", "an imported password hash was replaced",
		       MT_U64("user_id", user_id));
	else if (status != MT_NOT_FOUND)
		mt_log(MT_LOG_WARNING, "auth", "an imported password hash stays",
		       MT_U64("user_id", user_id), MT_STR("why", mt_state_fault(api->state)));
	pthread_mutex_unlock(&api->lock);
}

void mt_api_close(struct mt_api **api)
{
	if (*api) {
		mt_clerk_close(&(*api)->clerk);
		pthread_mutex_destroy(&(*api)->lock);
		mt_policy_unref(&(*api)->policy);
	}
	free(*api);
	*api = NULL;
}

static int hex_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes %XX up to `end` behind what call->text holds; NULL when malformed: bad escape, NUL, no
 * UTF-8, no room. */
static const char *decode(struct mt_api_call *call, const char *at, const char *end)
{
	char *out = call->text + call->text_len;
	size_t len = 0;
	size_t room = sizeof(call->text) - call->text_len;
	size_t bad;
	while (at < end) {
		char c = *at++;
		if (c == '%') {
			int high = end - at >= 2 ? hex_of(at[0]) : -1;
			int low = end - at >= 2 ? hex_of(at[1]) : -1;
			if (high < 0 || low < 0)
				return NULL;
			c = (char)(high << 4 | low);
			at += 2;
		}
		if (len + 1 >= room)
			return NULL;
		out[len++] = c;
	}
	if (room == 0 || mt_utf8_check(mt_bytes_of(out, len), &bad) != MT_UTF8_GOOD)
		return NULL;
	out[len] = '\0';
	call->text_len += len + 1;
	return out;
}

bool mt_api_query(struct mt_api_call *call, const char *name, const char **out)
{
	const struct mt_admin_request *request = call->request;
	const char *raw = request->query ? request->query(request, name) : NULL;
	*out = NULL;
	if (!raw)
		return true;
	*out = decode(call, raw, raw + strlen(raw));
	if (!*out)
		mt_api_fail(call, 400, "?%s=: expected UTF-8, percent-encoded", name);
	return *out != NULL;
}

/* Of a path that begins with the prefix. */
static bool split_path(struct mt_api_call *call)
{
	const char *at = call->request->path + sizeof(prefix) - 1;
	for (;;) {
		const char *end = at + strcspn(at, "/");
		const char *segment;
		if (end == at || call->segment_count == MT_API_SEGMENTS_MAX)
			return false;
		segment = decode(call, at, end);
		if (!segment)
			return false;
		call->segments[call->segment_count++] = segment;
		if (*end == '\0')
			return true;
		at = end + 1;
	}
}

static bool fits(const struct mt_api_call *call, const char *pattern)
{
	uint32_t i = 0;
	while (*pattern) {
		size_t len = strcspn(pattern, "/");
		const char *segment = i < call->segment_count ? call->segments[i++] : NULL;
		bool is_any = len == 1 && *pattern == '*';
		if (!segment ||
		    (!is_any && (strlen(segment) != len || memcmp(segment, pattern, len) != 0)))
			return false;
		pattern += len;
		pattern += *pattern == '/';
	}
	return i == call->segment_count;
}

/* NULL: *http_status is 404, or 405 when only the method does not fit. */
static const struct mt_api_route *find_route(const struct mt_api_call *call, int *http_status)
{
	*http_status = 404;
	for (size_t i = 0; i < MT_COUNT_OF(routes); i++) {
		for (const struct mt_api_route *route = routes[i]; route->method; route++) {
			if (!fits(call, route->pattern))
				continue;
			if (strcmp(route->method, call->request->method) == 0)
				return route;
			*http_status = 405;
		}
	}
	return NULL;
}

/* The reader of JSON is recursive: brackets are counted before it sees them. */
static bool is_shallow(struct mt_bytes text)
{
	unsigned depth = 0;
	bool is_text = false;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];
		if (is_text && c == '\\')
			i++;
		else if (c == '"')
			is_text = !is_text;
		else if (!is_text && (c == '{' || c == '[') && ++depth > MT_API_DEPTH_MAX)
			return false;
		else if (!is_text && (c == '}' || c == ']') && depth > 0)
			depth--;
	}
	return true;
}

/* False: answered. */
static bool read_body(struct mt_api_call *call)
{
	struct mt_bytes text = call->request->body;
	json_error_t error;
	if (text.len == 0)
		return true;
	if (text.len > MT_ADMIN_BODY_BYTES_MAX || !is_shallow(text)) {
		mt_api_fail(call, 400,
			    "the body is too large or too deep: at most %u bytes and %u levels",
			    MT_ADMIN_BODY_BYTES_MAX, MT_API_DEPTH_MAX);
		return false;
	}
	call->body = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_object(call->body)) {
		/* The reader's own message may quote what it read: a password. */
		mt_api_fail(call, 400,
			    "the body is no JSON object: expected {...}, faulty near line %d, "
			    "column %d",
			    call->body ? 1 : error.line, call->body ? 1 : error.column);
		return false;
	}
	return true;
}

const char *mt_api_role_name(enum mt_api_role role)
{
	static const char *const names[] = {"nobody", "viewer", "operator", "admin"};
	return names[role];
}

/* False: answered. Whoever reaches the Unix socket is the broker's own user, root, or an
 * administrator by group. */
static bool know_caller(struct mt_api_call *call)
{
	if (!call->request->is_local)
		return mt_api_know_bearer(call);
	call->role = MT_API_ADMIN;
	snprintf(call->author, sizeof(call->author), "uid %u", call->request->peer_uid);
	return true;
}

/* False: answered. */
static bool is_permitted(struct mt_api_call *call, const struct mt_api_route *route)
{
	char what[256];
	if (route->least != MT_API_NOBODY && call->role >= route->least)
		return true;
	snprintf(what, sizeof(what), "%s %s", route->method, route->pattern);
	mt_api_audit(call, MT_AUDIT_EVENT_ADMIN_REFUSED, what);
	mt_api_fail(call, 403,
		    "not permitted: %s %s needs the role %s, and %s has the role %s; ask an "
		    "administrator for another token",
		    route->method, route->pattern, mt_api_role_name(route->least), call->author,
		    mt_api_role_name(call->role));
	return false;
}

/* All that is known without the body: who calls, what, and may they? NULL: answered. */
static const struct mt_api_route *judge(struct mt_api_call *call)
{
	const struct mt_api_route *route = NULL;
	int http_status = 404;
	bool is_api = strncmp(call->request->path, prefix, sizeof(prefix) - 1) == 0;
	if (is_api && !know_caller(call))
		return NULL;
	if (is_api && split_path(call))
		route = find_route(call, &http_status);
	if (!route) {
		mt_api_fail(call, http_status,
			    http_status == 405
				    ? "%.16s is not possible here; see mortise help"
				    : "%.16s: there is nothing at this path; see mortise help",
			    call->request->method);
		return NULL;
	}
	return is_permitted(call, route) ? route : NULL;
}

static struct mt_api_call *begin(struct mt_api *api, const struct mt_admin_request *request)
{
	struct mt_api_call *call = calloc(1, sizeof(*call));
	if (!call)
		return NULL;
	call->api = api;
	call->request = request;
	return call;
}

static void end(struct mt_api_call *call, struct mt_admin_answer *answer)
{
	answer->http_status = call->http_status;
	answer->retry_after_s = call->retry_after_s;
	if (call->http_status == 200 && call->revoked)
		json_object_set(call->answer, "revoked", call->revoked);
	json_decref(call->revoked);
	answer->body = call->answer ? json_dumps(call->answer, JSON_COMPACT) : NULL;
	if (call->answer && !answer->body)
		answer->http_status = 500;
	json_decref(call->answer);
	json_decref(call->body);
	mt_bytes_wipe(call, sizeof(*call));
	free(call);
}

static bool is_page(const struct mt_admin_request *request)
{
	return strcmp(request->path, "/") == 0 &&
	       (strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0);
}

static void show_page(struct mt_admin_answer *answer)
{
	*answer = (struct mt_admin_answer){.body = strdup(page), .is_page = true};
	answer->http_status = answer->body ? 200 : 500;
}

static bool is_admitted(struct mt_api *api, const struct mt_admin_request *request,
			struct mt_admin_answer *answer)
{
	struct mt_api_call *call = begin(api, request);
	bool is_good;
	if (!call)
		return false;
	is_good = judge(call) != NULL;
	end(call, answer);
	return is_good;
}

bool mt_api_admit(void *context, const struct mt_admin_request *request,
		  struct mt_admin_answer *answer)
{
	struct mt_api *api = context;
	bool is_good;
	*answer = (struct mt_admin_answer){.http_status = 500};
	if (is_page(request)) {
		show_page(answer);
		return false;
	}
	pthread_mutex_lock(&api->lock);
	is_good = is_admitted(api, request, answer);
	pthread_mutex_unlock(&api->lock);
	return is_good;
}

static void answer_call(struct mt_api *api, const struct mt_admin_request *request,
			struct mt_admin_answer *answer)
{
	const struct mt_api_route *route;
	struct mt_api_call *call = begin(api, request);
	if (!call)
		return;
	route = judge(call);
	if (route && read_body(call))
		route->run(call);
	MT_CHECK(call->http_status != 0);
	end(call, answer);
}

void mt_api_handle(void *context, const struct mt_admin_request *request,
		   struct mt_admin_answer *answer)
{
	struct mt_api *api = context;
	*answer = (struct mt_admin_answer){.http_status = 500};
	if (is_page(request)) {
		show_page(answer);
		return;
	}
	pthread_mutex_lock(&api->lock);
	answer_call(api, request, answer);
	pthread_mutex_unlock(&api->lock);
}
