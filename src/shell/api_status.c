/* What the running broker does: /api/status. */
#include "crypto/password.h"
#include "io/clock.h"
#include "mortise/version.h"
#include "shell/api_call.h"
#include "shell/relay.h"
#include "shell/pump.h"

#include <unistd.h>

struct survey {
	struct mt_core_counts counts;
	mt_time uptime_ns;
};

static void count(struct mt_broker *broker, void *argument)
{
	struct survey *survey = argument;
	survey->counts = mt_core_counts(mt_broker_core(broker));
	survey->uptime_ns = mt_broker_now(broker).mono_ns - mt_broker_started_ns(broker);
}

static json_t *list_listeners(const struct mt_broker *broker)
{
	json_t *list = json_array();
	const char *text;
	for (uint32_t i = 0; (text = mt_broker_listener_text(broker, i)) != NULL; i++)
		json_array_append_new(list, json_string(text));
	return list;
}

static json_t *traffic_of(const struct mt_core_counts *counts)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "packets_received",
			 (json_int_t)counts->packets_received, "packets_sent",
			 (json_int_t)counts->packets_sent, "bytes_received",
			 (json_int_t)counts->bytes_received, "bytes_sent",
			 (json_int_t)counts->bytes_sent, "publishes_received",
			 (json_int_t)counts->publishes_received, "publishes_sent",
			 (json_int_t)counts->publishes_sent, "publishes_dropped",
			 (json_int_t)counts->publishes_dropped);
}

static json_t *security_of(const struct mt_core_counts *counts)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "connects_accepted",
			 (json_int_t)counts->connects_accepted, "connects_refused",
			 (json_int_t)counts->connects_refused, "publishes_denied",
			 (json_int_t)counts->publishes_denied, "subscribes_denied",
			 (json_int_t)counts->subscribes_denied, "violations",
			 (json_int_t)counts->violations, "audits_lost",
			 (json_int_t)counts->audits_lost);
}

/* What checking passwords cost: Argon2id hashes, and those that were spared; and what proved who
 * was let in. */
static json_t *logins_of(const struct mt_broker *broker, const struct mt_core_counts *counts)
{
	json_t *mechanisms = json_object();
#define X(id, name, meaning) \
	json_object_set_new(mechanisms, name, json_integer((json_int_t)counts->logins_##id));
	MT_TABLE_MECHANISMS(X)
#undef X
	return json_pack("{s:I, s:I, s:o}", "hashes", (json_int_t)mt_password_hash_count(),
			 "remembered", (json_int_t)mt_broker_remembered_count(broker), "mechanisms",
			 mechanisms);
}

static json_t *holdings_of(const struct mt_core_counts *counts)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "connections",
			 (json_int_t)counts->connections, "sessions", (json_int_t)counts->sessions,
			 "sessions_connected", (json_int_t)counts->sessions_connected,
			 "subscriptions", (json_int_t)counts->subscriptions, "retained_count",
			 (json_int_t)counts->retained_count, "retained_bytes",
			 (json_int_t)counts->retained_bytes, "queued_messages",
			 (json_int_t)counts->queued_messages, "memory_bytes",
			 (json_int_t)counts->memory_bytes);
}

/* The handshakes of each TLS listener: in full, resumed, and why not. */
static json_t *handshakes_of(const struct mt_broker *broker)
{
	const struct mt_transport *transport = mt_broker_transport(broker);
	json_t *all = json_object();
	const struct mt_listener *listener;
	for (uint32_t i = 0; (listener = mt_broker_listener(broker, i)) != NULL; i++) {
		json_t *one = listener->settings->is_tls ? json_object() : NULL;
		for (int outcome = 0; one && outcome < MT_TLS_OUTCOMES; outcome++)
			json_object_set_new(one, mt_tls_outcome_name((enum mt_tls_outcome)outcome),
					    json_integer((json_int_t)mt_transport_counted(
						    transport, i, (enum mt_tls_outcome)outcome)));
		if (one)
			json_object_set_new(all, listener->settings->name, one);
	}
	return all;
}

/* Their certificates: how long they last, how often they were read again, and whether the last time
 * went wrong. */
static json_t *certificates_of(const struct mt_broker *broker)
{
	json_t *all = json_object();
	const struct mt_listener *listener;
	for (uint32_t i = 0; (listener = mt_broker_listener(broker, i)) != NULL; i++) {
		struct mt_transport_facts facts;
		int64_t left_s;
		if (!listener->settings->is_tls)
			continue;
		facts = mt_transport_facts(mt_broker_transport(broker), i);
		left_s = facts.not_after_s - mt_clock_now().wall_ns / MT_SECOND;
		json_object_set_new(all, listener->settings->name,
				    json_pack("{s:I, s:I, s:I, s:b}", "not_after",
					      (json_int_t)facts.not_after_s, "days_left",
					      (json_int_t)(left_s / 86400), "reloads",
					      (json_int_t)facts.reloads, "stale", facts.is_stale));
	}
	return all;
}

static json_t *tls_of(const struct mt_broker *broker)
{
	struct mt_tls_cache *cache = mt_broker_tls_cache(broker);
	struct mt_tls_cache_counts counts = {0};
	if (cache)
		counts = mt_tls_cache_counts(cache);
	return json_pack("{s:o, s:o, s:I, s:I, s:I}", "handshakes", handshakes_of(broker),
			 "certificates", certificates_of(broker), "sessions",
			 (json_int_t)counts.sessions, "session_bytes", (json_int_t)counts.bytes,
			 "sessions_evicted", (json_int_t)counts.evicted);
}

/* HTTPS of the admin API; none: null. */
static json_t *https_of(const struct mt_broker *broker)
{
	const struct mt_relay *relay = mt_broker_relay(broker);
	struct mt_relay_counts counts;
	struct mt_transport_facts facts;
	if (!relay)
		return json_null();
	counts = mt_relay_counts(relay);
	facts = mt_transport_facts(mt_relay_transport(relay), 0);
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "address",
			 mt_relay_text(relay) + strlen("https="), "connections",
			 (json_int_t)counts.connections, "accepted", (json_int_t)counts.accepted,
			 "refused", (json_int_t)counts.refused, "evicted",
			 (json_int_t)counts.evicted, "not_after", (json_int_t)facts.not_after_s,
			 "reloads", (json_int_t)facts.reloads, "stale", facts.is_stale);
}

/* Those that were met. */
static json_t *limits_of(const struct mt_core_counts *counts)
{
	json_t *limits = json_object();
	for (size_t i = 0; i < MT_LIMIT_COUNT; i++)
		if (counts->limits[i] > 0)
			json_object_set_new(limits, mt_limit_name((enum mt_limit_id)i),
					    json_integer((json_int_t)counts->limits[i]));
	return limits;
}

static void show_status(struct mt_api_call *call)
{
	struct mt_broker *broker = call->api->broker;
	struct survey survey = {0};
	enum mt_status status = mt_hub_call(mt_broker_hub(broker), count, &survey);
	if (status != MT_OK) {
		mt_api_fail(call, 503, "status: %s", mt_status_text(status));
		return;
	}
	mt_api_succeed(
		call,
		json_pack("{s:s, s:i, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
			  "version", MORTISE_VERSION, "pid", (int)getpid(), "uptime_s",
			  (json_int_t)(survey.uptime_ns / MT_SECOND), "policy_revision",
			  (json_int_t)survey.counts.policy_revision, "revision",
			  (json_int_t)mt_state_revision(call->api->state), "listeners",
			  list_listeners(broker), "now", holdings_of(&survey.counts), "traffic",
			  traffic_of(&survey.counts), "security", security_of(&survey.counts),
			  "logins", logins_of(broker, &survey.counts), "tls", tls_of(broker),
			  "limits", limits_of(&survey.counts), "https", https_of(broker)));
}

const struct mt_api_route mt_api_status_routes[] = {
	{"GET", "status", show_status, MT_API_VIEWER},
	{NULL, NULL, NULL, MT_API_NOBODY},
};
