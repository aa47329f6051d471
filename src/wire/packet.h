/*
 * What every packet has: type, version, violation, reason codes (MQTT 5.0 and 3.1.1, section 2).
 * Tables: spec/packets.tbl, spec/reasons.tbl.
 */
#pragma once

#include "base/buf.h"
#include "base/status.h"
#include "spec/packets.h"
#include "spec/reasons.h"

enum mt_packet_type {
#define X(name, code, flags, text) MT_PACKET_##name = (code),
	MT_TABLE_PACKETS(X)
#undef X
};

enum mt_reason {
#define X(name, code, text) MT_REASON_##name = (code),
	MT_TABLE_REASONS(X)
#undef X
};

enum mt_version { MT_VERSION_3_1_1 = 4, MT_VERSION_5 = 5 };

/* Who sent the bytes: some packets, flags and properties are legal in one direction only. */
enum mt_side { MT_SIDE_CLIENT, MT_SIDE_SERVER };

/* What a peer did against the standard. The same id appears in log, audit, DISCONNECT, tests and
 * docs. */
struct mt_violation {
	const char *statement; /* "MQTT-3.1.2-3"; where the standard has no id "section 2.2.2.2", or
				  "malformed"; static */
	uint8_t reason;	       /* enum mt_reason that answers it in MQTT 5 */
	uint32_t offset;       /* of the offending byte in the packet body */
};

/* Static names; "unknown" for codes that are in no table. */
const char *mt_packet_name(uint8_t type);
const char *mt_reason_text(uint8_t reason);

/* True when MQTT 5 lets a packet of this type, sent by `side`, carry the code (spec/reasons.tbl).
 */
bool mt_reason_is_legal(uint8_t reason, uint8_t type, enum mt_side side);

/* Fills *why and returns MT_VIOLATION: `return mt_violate(why, "MQTT-2.2.2-2",
 * MT_REASON_PROTOCOL_ERROR, pos);` */
MT_MUST_USE enum mt_status mt_violate(struct mt_violation *why, const char *statement,
				      uint8_t reason, size_t offset);
