/* Audit records of the core: a line of the log, with the address in each, and an entry of the audit
 * log. */
#include "shell/audit_log.h"
#include "shell/pump.h"

#include <stdio.h>

static const struct {
	enum mt_log_level level;
	const char *text;
} lines[] = {
	[MT_AUDIT_CONNECT] = {MT_LOG_INFO, "client connected"},
	[MT_AUDIT_REFUSE] = {MT_LOG_NOTICE, "connection refused"},
	[MT_AUDIT_DISCONNECT] = {MT_LOG_INFO, "client disconnected"},
	[MT_AUDIT_VIOLATION] = {MT_LOG_NOTICE, "protocol violation"},
	[MT_AUDIT_DENY] = {MT_LOG_NOTICE, "not permitted"},
	[MT_AUDIT_LIMIT] = {MT_LOG_NOTICE, "limit reached"},
};

static enum mt_audit_kind kind_of(const struct mt_audit *audit)
{
	switch (audit->event) {
	case MT_AUDIT_CONNECT:
		return MT_AUDIT_EVENT_CONNECT;
	case MT_AUDIT_REFUSE:
		return MT_AUDIT_EVENT_CONNECT_REFUSED;
	case MT_AUDIT_DISCONNECT:
		return MT_AUDIT_EVENT_DISCONNECT;
	case MT_AUDIT_VIOLATION:
		return MT_AUDIT_EVENT_VIOLATION;
	case MT_AUDIT_LIMIT:
		return MT_AUDIT_EVENT_LIMIT;
	case MT_AUDIT_DENY:
		break;
	}
	return audit->what && strcmp(audit->what, "subscribe") == 0 ? MT_AUDIT_EVENT_DENY_SUBSCRIBE
								    : MT_AUDIT_EVENT_DENY_PUBLISH;
}

/* Of a login; NULL: it is none, or nothing was shown. */
static const char *mechanism_of(const struct mt_audit *audit)
{
	bool is_login = audit->event == MT_AUDIT_CONNECT || audit->event == MT_AUDIT_REFUSE;
	return is_login && audit->mechanism != MT_MECHANISM_NONE
		       ? mt_mechanism_name(audit->mechanism)
		       : NULL;
}

static void keep(struct mt_pump *pump, const struct mt_audit *audit)
{
	struct mt_audit_entry entry;
	if (!pump->audit)
		return;
	entry = (struct mt_audit_entry){.kind = kind_of(audit),
					.has_address = true,
					.port = audit->port,
					.reason = audit->reason,
					.rule_id = audit->rule_id,
					.mechanism = mechanism_of(audit),
					.user_id = audit->user_id,
					.revision = mt_policy_revision(mt_core_policy(pump->core)),
					.count = audit->count};
	memcpy(entry.address, audit->address.byte, sizeof(entry.address));
	snprintf(entry.listener, sizeof(entry.listener), "%s", audit->listener);
	snprintf(entry.user, sizeof(entry.user), "%s", audit->user);
	snprintf(entry.client_id, sizeof(entry.client_id), "%s", audit->client_id);
	snprintf(entry.topic, sizeof(entry.topic), "%s", audit->topic);
	snprintf(entry.statement, sizeof(entry.statement), "%s",
		 audit->statement ? audit->statement : "");
	snprintf(entry.what, sizeof(entry.what), "%s", audit->what ? audit->what : "");
	mt_audit_log_write(pump->audit, &entry);
}

void mt_pump_audit(struct mt_pump *pump, const struct mt_audit *audit)
{
	struct mt_peer_address peer = {.port = audit->port};
	char address[MT_ENDPOINT_TEXT_BYTES];
	struct mt_log_field fields[11];
	size_t count = 0;
	memcpy(peer.byte, audit->address.byte, sizeof(peer.byte));
	mt_peer_address_text(&peer, address);
	fields[count++] = MT_STR("address", address);
	fields[count++] = MT_STR("user", audit->user);
	fields[count++] = MT_STR("client_id", audit->client_id);
	fields[count++] = MT_STR("listener", audit->listener);
	if (mechanism_of(audit))
		fields[count++] = MT_STR("mechanism", mechanism_of(audit));
	if (audit->what)
		fields[count++] =
			MT_STR(audit->event == MT_AUDIT_LIMIT ? "limit" : "what", audit->what);
	if (audit->event == MT_AUDIT_LIMIT)
		fields[count++] = MT_U64("count", audit->count);
	if (audit->topic[0] != '\0')
		fields[count++] = MT_STR("topic", audit->topic);
	if (audit->statement)
		fields[count++] = MT_STR("statement", audit->statement);
	if (audit->reason != 0)
		fields[count++] = MT_U64("reason", audit->reason);
	if (audit->event == MT_AUDIT_DENY)
		fields[count++] = MT_U64("rule", audit->rule_id);
	keep(pump, audit);
	mt_log_write(lines[audit->event].level, "broker", lines[audit->event].text, fields, count);
}
