/* What speaks at a port where TLS does not: it is asked in plain MQTT and in HTTP. */
#include "tls/probe_parts.h"

struct tongue {
	const char *begin;
	const char *name;
};

static bool begins(const struct mt_probe_wire *wire, const char *with)
{
	return mt_bytes_starts(mt_bytes_of(wire->first, wire->first_count), mt_bytes_str(with));
}

static const char *recognize(const struct mt_probe_wire *wire)
{
	static const struct tongue tongues[] = {{"HTTP/", "plain HTTP"}, {"<!", "plain HTTP"},
						{"<html", "plain HTTP"}, {"SSH-", "SSH"},
						{"220", "SMTP or FTP"},	 {"AMQP", "AMQP"}};
	/* CONNACK is two bytes more, or has properties. */
	if (wire->first_count >= 4 && wire->first[0] == 0x20 && wire->first[1] >= 2)
		return "plain MQTT";
	for (size_t i = 0; i < MT_COUNT_OF(tongues); i++)
		if (begins(wire, tongues[i].begin))
			return tongues[i].name;
	return NULL;
}

static const char *ask(struct mt_probe *probe, struct mt_bytes question)
{
	struct mt_probe_wire wire;
	const char *reason, *name = NULL;
	uint8_t data[64];
	if (!mt_probe_wire_open(probe, &wire, &reason))
		return NULL;
	if (mt_probe_wire_send(&wire, question.data, question.len) == (int)question.len)
		while (!name && wire.first_count < sizeof(wire.first) &&
		       mt_probe_wire_receive(&wire, data, sizeof(data)) > 0)
			name = recognize(&wire);
	mt_probe_wire_close(&wire);
	return name;
}

const char *mt_probe_plain(struct mt_probe *probe, const struct mt_probe_link *contact)
{
	/* CONNECT of MQTT 3.1.1: a clean session without a client id. */
	static const uint8_t connect[] = {0x10, 12, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 10, 0, 0};
	const char *name = recognize(&contact->wire);
	if (!name)
		name = ask(probe, mt_bytes_of(connect, sizeof(connect)));
	/* A silent one would be waited for a third time. */
	if (!name && contact->end != MT_PROBE_SILENT)
		name = ask(probe, mt_bytes_str("GET / HTTP/1.0\r\n\r\n"));
	return name;
}
