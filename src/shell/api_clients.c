/*
 * Sessions and connections: /api/clients.
 *
 * They live on the loop's thread: each visit there looks at a bounded number of sessions, so that a
 * list of many holds up nobody.
 */
#include "io/listen.h"
#include "replay/tape.h"
#include "shell/api_call.h"

#include <stdio.h>
#include <stdlib.h>

#define VISIT_SESSIONS_MAX 256u
#define PAGE_SESSIONS_MAX 1024u
#define SHOWN_SESSIONS_MAX 16u
#define SHOWN_SUBSCRIPTIONS_MAX 1000u

/* What the loop's thread is asked for; filled there, read here. */
struct visit {
	const char *client_id; /* NULL: all */
	const char *user;      /* NULL: all */
	uint32_t cursor;
	bool is_over;
	bool has_failed;
	uint32_t found_count;
	json_t *list;
	json_int_t kicked_count;
};

static json_t *describe(const struct mt_client_info *info, mt_time now_ns)
{
	struct mt_peer_address peer = {.port = info->port};
	char address[MT_ENDPOINT_TEXT_BYTES];
	memcpy(peer.byte, info->address.byte, sizeof(peer.byte));
	mt_peer_address_text(&peer, address);
	return json_pack("{s:s, s:s, s:b, s:s, s:s, s:s, s:s, s:i, s:I, s:I, s:I, s:I}",
			 "client_id", info->client_id, "user", info->user, "connected",
			 info->is_connected, "address", address, "listener", info->listener,
			 "mechanism", mt_mechanism_name(info->mechanism), "version",
			 info->version == 5 ? "5" : "3.1.1", "keep_alive_s",
			 (int)info->keep_alive_s, "subscriptions",
			 (json_int_t)info->subscription_count, "queued",
			 (json_int_t)info->queued_count, "expiry_s", (json_int_t)info->expiry_s,
			 "since_s", (json_int_t)((now_ns - info->connected_ns) / MT_SECOND));
}

static bool is_wanted(const struct visit *visit, const struct mt_client_info *info)
{
	return (!visit->client_id || strcmp(visit->client_id, info->client_id) == 0) &&
	       (!visit->user || strcmp(visit->user, info->user) == 0);
}

/* JSON takes no half characters: what the core cut is cut back to the last whole one. */
static void mend(char *text)
{
	size_t len = strlen(text);
	json_t *probe;
	while (!(probe = json_string(text)) && len > 0)
		text[--len] = '\0';
	json_decref(probe);
}

static void add_session(struct visit *visit, struct mt_core *core, struct mt_client_info *info,
			mt_time now_ns)
{
	json_t *object;
	json_t *filters;
	struct mt_subscription_info subscription;
	mend(info->client_id);
	mend(info->user);
	object = describe(info, now_ns);
	if (visit->client_id) {
		filters = json_array();
		for (uint32_t i = 0;
		     i < SHOWN_SUBSCRIPTIONS_MAX &&
		     mt_core_client_subscription(core, visit->cursor, i, &subscription);
		     i++) {
			mend(subscription.filter);
			json_array_append_new(filters,
					      json_pack("{s:s, s:i}", "filter", subscription.filter,
							"qos", (int)subscription.qos));
		}
		json_object_set_new(object, "filters", filters);
	}
	visit->found_count++;
	if (json_array_append_new(visit->list, object) != 0)
		visit->has_failed = true;
}

static void look(struct mt_broker *broker, void *argument)
{
	struct visit *visit = argument;
	struct mt_core *core = mt_broker_core(broker);
	mt_time now_ns = mt_broker_now(broker).mono_ns;
	struct mt_client_info info;
	for (uint32_t i = 0; i < VISIT_SESSIONS_MAX; i++) {
		if (!mt_core_next_client(core, &visit->cursor, &info)) {
			visit->is_over = true;
			return;
		}
		if (is_wanted(visit, &info))
			add_session(visit, core, &info, now_ns);
	}
}

/* Looks until the end or until found_max sessions are found. False: answered, and the list is gone.
 */
static bool look_all(struct mt_api_call *call, struct visit *visit, uint32_t found_max)
{
	struct mt_hub *hub = mt_broker_hub(call->api->broker);
	enum mt_status status = MT_OK;
	while (status == MT_OK && !visit->is_over && visit->found_count < found_max) {
		status = mt_hub_call(hub, look, visit);
		if (visit->has_failed)
			status = MT_MEMORY;
	}
	if (status == MT_OK)
		return true;
	json_decref(visit->list);
	mt_api_fail(call, status == MT_CLOSED ? 503 : 500, "clients: %s; %s",
		    mt_status_text(status), mt_status_remedy(status));
	return false;
}

static bool take_cursor(struct mt_api_call *call, uint32_t *out)
{
	const char *text;
	size_t digits;
	if (!mt_api_query(call, "cursor", &text))
		return false;
	if (!text)
		return true;
	digits = strspn(text, "0123456789");
	if (text[digits] != '\0' || digits == 0 || digits > 9) {
		mt_api_fail(call, 400, "cursor: expected the number that came as next");
		return false;
	}
	*out = (uint32_t)strtoul(text, NULL, 10);
	return true;
}

static void list_clients(struct mt_api_call *call)
{
	struct visit visit = {0};
	json_t *answer;
	if (!take_cursor(call, &visit.cursor))
		return;
	visit.list = json_array();
	if (!look_all(call, &visit, PAGE_SESSIONS_MAX))
		return;
	answer = json_pack("{s:o}", "clients", visit.list);
	if (!visit.is_over)
		json_object_set_new(answer, "next", json_integer(visit.cursor));
	mt_api_succeed(call, answer);
}

static void show_client(struct mt_api_call *call)
{
	struct visit visit = {.client_id = call->segments[1]};
	if (!mt_api_query(call, "user", &visit.user))
		return;
	visit.list = json_array();
	if (!look_all(call, &visit, SHOWN_SESSIONS_MAX))
		return;
	if (visit.found_count > 0) {
		mt_api_succeed(call, json_pack("{s:o}", "clients", visit.list));
		return;
	}
	json_decref(visit.list);
	mt_api_fail(call, 404, "client %s: there is no such session; see mortise client list",
		    visit.client_id);
}

static void kick(struct mt_broker *broker, void *argument)
{
	struct visit *visit = argument;
	visit->kicked_count =
		mt_tape_kick(mt_broker_tape(broker), mt_broker_core(broker), mt_broker_now(broker),
			     mt_bytes_str(visit->user), mt_bytes_str(visit->client_id));
}

static void kick_client(struct mt_api_call *call)
{
	struct visit visit = {.client_id = call->segments[1]};
	enum mt_status status;
	if (!mt_api_expect(call, "") || !mt_api_query(call, "user", &visit.user))
		return;
	status = mt_hub_call(mt_broker_hub(call->api->broker), kick, &visit);
	if (status != MT_OK) {
		mt_api_fail(call, 503, "client %s: %s", visit.client_id, mt_status_text(status));
		return;
	}
	if (visit.kicked_count == 0) {
		mt_api_fail(call, 404, "client %s: is not connected; see mortise client list",
			    visit.client_id);
		return;
	}
	mt_api_audit(call, MT_AUDIT_EVENT_CHANGE, "client kick");
	mt_log(MT_LOG_NOTICE, "admin", "client kicked", MT_STR("client", visit.client_id),
	       MT_STR("user", visit.user ? visit.user : ""), MT_STR("author", call->author));
	mt_api_succeed(call, json_pack("{s:s, s:I}", "client_id", visit.client_id, "kicked",
				       visit.kicked_count));
}

const struct mt_api_route mt_api_client_routes[] = {
	{"GET", "clients", list_clients, MT_API_VIEWER},
	{"GET", "clients/*", show_client, MT_API_VIEWER},
	{"DELETE", "clients/*", kick_client, MT_API_OPERATOR},
	{NULL, NULL, NULL, MT_API_NOBODY},
};
