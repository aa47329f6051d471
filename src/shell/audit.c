/* Audit records of the core as log lines: the address stands in each, so that fail2ban works. */
#include "shell/pump.h"

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

void mt_pump_audit(const struct mt_audit *audit)
{
	struct mt_peer_address peer = {.port = audit->port};
	char address[MT_ENDPOINT_TEXT_BYTES];
	struct mt_log_field fields[10];
	size_t count = 0;
	memcpy(peer.byte, audit->address.byte, sizeof(peer.byte));
	mt_peer_address_text(&peer, address);
	fields[count++] = MT_STR("address", address);
	fields[count++] = MT_STR("user", audit->user);
	fields[count++] = MT_STR("client_id", audit->client_id);
	fields[count++] = MT_STR("listener", audit->listener);
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
	mt_log_write(lines[audit->event].level, "broker", lines[audit->event].text, fields, count);
}
