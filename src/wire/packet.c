/* Names of packets and reason codes, and which packet may carry which code. Pure. */
#include "wire/packet.h"

#include "wire/mask.h"

const char *mt_packet_name(uint8_t type)
{
	switch (type) {
#define X(name, code, flags, text) \
	case MT_PACKET_##name: \
		return text;
		MT_TABLE_PACKETS(X)
#undef X
	default:
		return "unknown";
	}
}

const char *mt_reason_text(uint8_t reason)
{
	switch (reason) {
#define X(name, code, text) \
	case MT_REASON_##name: \
		return text;
		MT_TABLE_REASONS(X)
#undef X
	default:
		return "unknown";
	}
}

bool mt_reason_is_legal(uint8_t reason, uint8_t type, enum mt_side side)
{
	static const uint32_t carriers[256] = {
#define X(name, packets) [MT_REASON_##name] = (packets),
		MT_TABLE_REASON_PACKETS(X)
#undef X
	};
	MT_CHECK(type >= MT_PACKET_CONNECT && type <= MT_PACKET_AUTH);
	return (carriers[reason] & mt_mask_of(type, side)) != 0;
}

enum mt_status mt_violate(struct mt_violation *why, const char *statement, uint8_t reason,
			  size_t offset)
{
	MT_CHECK(statement != NULL);
	MT_CHECK(reason >= MT_REASON_UNSPECIFIED_ERROR);
	why->statement = statement;
	why->reason = reason;
	why->offset = offset > UINT32_MAX ? UINT32_MAX : (uint32_t)offset;
	return MT_VIOLATION;
}
