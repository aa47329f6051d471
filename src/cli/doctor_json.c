/* The facts of an examination as one JSON object; what is unknown is null. */
#include "cli/doctor.h"

#include <time.h>

static json_t *answer(enum mt_probe_answer answer)
{
	return answer == MT_PROBE_UNKNOWN ? json_null() : json_boolean(answer == MT_PROBE_YES);
}

/* "" is null. */
static json_t *text(const char *text)
{
	return *text ? json_string(text) : json_null();
}

static json_t *date(int64_t time_s)
{
	time_t time = (time_t)time_s;
	struct tm parts;
	char out[32];
	if (time_s == 0 || !gmtime_r(&time, &parts) ||
	    strftime(out, sizeof(out), "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
		return json_null();
	return json_string(out);
}

static json_t *order(enum mt_probe_order order)
{
	switch (order) {
	case MT_PROBE_ORDER_UNKNOWN:
		break;
	case MT_PROBE_ORDER_SERVER:
		return json_string("server");
	case MT_PROBE_ORDER_CLIENT:
		return json_string("client");
	}
	return json_null();
}

static json_t *demand(enum mt_probe_demand demand)
{
	switch (demand) {
	case MT_PROBE_DEMAND_UNKNOWN:
		break;
	case MT_PROBE_NOT_ASKED:
		return json_string("not asked");
	case MT_PROBE_OPTIONAL:
		return json_string("optional");
	case MT_PROBE_REQUIRED:
		return json_string("required");
	}
	return json_null();
}

static json_t *versions(const struct mt_probe_facts *facts)
{
	json_t *object = json_object();
	for (int i = 0; i < MT_PROBE_VERSIONS; i++)
		json_object_set_new(object, mt_probe_version_name((enum mt_probe_version)i),
				    answer(facts->versions[i]));
	return object;
}

static json_t *suites(const struct mt_probe_suites *suites)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < suites->count; i++) {
		const struct mt_probe_suite *at = &suites->items[i];
		char id[8];
		snprintf(id, sizeof(id), "0x%04X", at->id);
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:b, s:b, s:b, s:o}", "name", at->name, "id",
					id, "forward_secrecy", at->is_forward_secret, "aead",
					at->is_aead, "broken", at->is_broken, "dh_bits",
					at->dh_bits ? json_integer(at->dh_bits) : json_null()));
	}
	return json_pack("{s:o, s:o}", "order", order(suites->order), "accepted", list);
}

static json_t *groups(const struct mt_probe_facts *facts)
{
	json_t *object = json_object();
	for (int i = 0; i < MT_PROBE_GROUPS; i++)
		json_object_set_new(object, mt_probe_group_name((enum mt_probe_group)i),
				    answer(facts->groups[i]));
	return json_pack("{s:o, s:o, s:o}", "order", order(facts->group_order), "chosen",
			 facts->group == MT_PROBE_GROUPS
				 ? json_null()
				 : json_string(mt_probe_group_name(facts->group)),
			 "accepted", object);
}

static json_t *certificate(const struct mt_probe_certificate *at, int64_t now_s)
{
	json_t *names = json_array();
	for (uint32_t i = 0; i < at->name_count && i < MT_PROBE_NAMES_MAX; i++)
		json_array_append_new(names, json_string(at->names[i]));
	return json_pack(
		"{s:s, s:s, s:s, s:i, s:s, s:o, s:i, s:o, s:o, s:I, s:i}", "subject", at->subject,
		"issuer", at->issuer, "key", at->key, "key_bits", (int)at->key_bits, "signature",
		at->signature, "names", names, "name_count", (int)at->name_count, "not_before",
		date(at->not_before_s), "not_after", date(at->not_after_s), "days_left",
		(json_int_t)mt_doctor_days(now_s, at->not_after_s), "bytes", (int)at->bytes);
}

static json_t *chain(const struct mt_doctor_report *report)
{
	const struct mt_probe_facts *facts = &report->facts;
	json_t *list = json_array();
	for (uint32_t i = 0; i < facts->chain_count; i++)
		json_array_append_new(list, certificate(&facts->chain[i], report->now_s));
	return json_pack("{s:o, s:o, s:o, s:s, s:o}", "chain", list, "name_matches",
			 answer(facts->is_named), "verifies", answer(facts->is_trusted),
			 "trusted_by", report->trust, "reason", text(facts->distrust));
}

static json_t *staple(const struct mt_probe_staple *at)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "sent", answer(at->is_sent), "status",
			 text(at->status), "verifies", answer(at->is_trusted), "this_update",
			 date(at->this_update_s), "next_update", date(at->next_update_s), "fault",
			 text(at->fault));
}

static json_t *cost(const struct mt_probe_cost *at)
{
	if (at->count == 0)
		return json_null();
	return json_pack("{s:f, s:i, s:i, s:i}", "ms", (double)at->ns / 1e6, "sent_bytes",
			 (int)at->sent_bytes, "received_bytes", (int)at->received_bytes,
			 "handshakes", (int)at->count);
}

static json_t *way(const struct mt_probe_resumption *at, bool is_ticket)
{
	json_t *object =
		json_pack("{s:o, s:i, s:i, s:i, s:i, s:o, s:o}", "offered", answer(at->is_offered),
			  "tries", (int)at->tries, "resumed", (int)at->resumed, "abrupt_tries",
			  (int)at->cuts, "abrupt_resumed", (int)at->cuts_resumed, "full",
			  cost(&at->full_cost), "short", cost(&at->resumed_cost));
	if (!is_ticket || at->is_offered != MT_PROBE_YES)
		return object;
	json_object_set_new(object, "tickets", json_integer(at->tickets));
	json_object_set_new(object, "tickets_resumed", json_integer(at->tickets_again));
	json_object_set_new(object, "ticket_bytes", json_integer(at->ticket_bytes));
	json_object_set_new(object, "lifetime_s", json_integer(at->lifetime_s));
	json_object_set_new(object, "early_data_bytes", json_integer(at->early_bytes));
	return object;
}

static json_t *resumption(const struct mt_probe_facts *facts)
{
	return json_pack("{s:o, s:o, s:o}", "id_tls12", way(&facts->ways[MT_PROBE_ID_12], false),
			 "ticket_tls12", way(&facts->ways[MT_PROBE_TICKET_12], true),
			 "ticket_tls13", way(&facts->ways[MT_PROBE_TICKET_13], true));
}

static json_t *protocol(const struct mt_probe_facts *facts)
{
	return json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "renegotiation", answer(facts->renegotiates),
		"secure_renegotiation", answer(facts->has_secure_renegotiation),
		"extended_master_secret", answer(facts->has_extended_master_secret), "compression",
		answer(facts->compresses), "alpn_mqtt", answer(facts->has_alpn), "pre_shared_keys",
		answer(facts->has_psk), "suites_of_old", answer(facts->has_old_suites));
}

static json_t *client(const struct mt_probe_facts *facts)
{
	return json_pack("{s:o, s:o, s:o}", "demand", demand(facts->client_certificate), "accepted",
			 answer(facts->is_certificate_taken), "reason",
			 text(facts->certificate_refusal));
}

static json_t *advice(const struct mt_doctor_report *report)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < report->advice_count; i++)
		json_array_append_new(list, json_pack("{s:s, s:s}", "grade",
						      mt_doctor_grade_name(report->advice[i].grade),
						      "text", report->advice[i].text));
	return list;
}

json_t *mt_doctor_json(const struct mt_doctor_report *report)
{
	const struct mt_probe_facts *facts = &report->facts;
	return json_pack("{s:s, s:i, s:o, s:s, s:o, s:{s:o, s:o}, s:o, s:o, s:o, s:o, s:o, s:o, "
			 "s:o, s:o, s:i, s:o}",
			 "host", report->host, "port", report->port, "address",
			 text(report->address), "name", report->name, "versions", versions(facts),
			 "suites", "tls13", suites(&facts->suites_13), "tls12",
			 suites(&facts->suites_12), "groups", groups(facts), "certificate",
			 chain(report), "ocsp", staple(&facts->staple), "client_certificate",
			 client(facts), "resumption", resumption(facts), "protocol",
			 protocol(facts), "refusal", text(facts->refusal), "advice", advice(report),
			 "connections", (int)facts->connections, "stopped", text(facts->stopped));
}
