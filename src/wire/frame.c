/* Cuts the byte stream into packets and writes fixed headers. Pure. */
#include "wire/frame.h"

#include "wire/field.h"

#define VARINT_BYTES_MAX 4u

/*
 * The header is read before the version of the peer is known, so ids are those of MQTT 5; where
 * both standards speak of the same packet they have the same number.
 */
MT_COLD static enum mt_status refuse_first(uint8_t first, struct mt_violation *why)
{
	const char *statement = "MQTT-2.1.3-1";
	switch (first >> 4) {
	case 0:
		statement = "malformed";
		break;
	case MT_PACKET_PUBREL:
		statement = "MQTT-3.6.1-1";
		break;
	case MT_PACKET_SUBSCRIBE:
		statement = "MQTT-3.8.1-1";
		break;
	case MT_PACKET_UNSUBSCRIBE:
		statement = "MQTT-3.10.1-1";
		break;
	case MT_PACKET_DISCONNECT:
		statement = "MQTT-3.14.1-1";
		break;
	case MT_PACKET_AUTH:
		statement = "MQTT-3.15.1-1";
		break;
	default:
		break;
	}
	return mt_violate(why, statement, MT_REASON_MALFORMED_PACKET, 0);
}

static bool is_first_legal(uint8_t first)
{
	/* One bit for each value of the flags that a type may have. */
	static const uint16_t legal_flags[16] = {
#define X(name, code, flags, text) [code] = (flags) < 0 ? 0xffff : (uint16_t)(1u << ((flags)&15)),
		MT_TABLE_PACKETS(X)
#undef X
	};
	return (legal_flags[first >> 4] >> (first & 15) & 1) != 0;
}

/* A remaining length of any size, which starts at in.data[1]. *value and *taken on MT_OK. */
static enum mt_status take_length(struct mt_bytes in, size_t *value, size_t *taken,
				  struct mt_violation *why)
{
	size_t sum = 0;
	for (size_t i = 0; i < VARINT_BYTES_MAX; i++) {
		uint8_t byte;
		if (i + 1 >= in.len)
			return MT_AGAIN;
		byte = in.data[i + 1];
		sum |= (size_t)(byte & 0x7f) << (7 * i);
		if (byte & 0x80)
			continue;
		if (byte == 0 && i > 0)
			return mt_violate(why, "MQTT-1.5.5-1", MT_REASON_MALFORMED_PACKET, 0);
		*value = sum;
		*taken = i + 1;
		return MT_OK;
	}
	return mt_violate(why, "malformed", MT_REASON_MALFORMED_PACKET, 0);
}

static inline enum mt_status cut(struct mt_bytes in, size_t header, size_t remaining,
				 size_t packet_bytes_max, struct mt_frame *out,
				 struct mt_violation *why)
{
	if (MT_UNLIKELY(header + remaining > packet_bytes_max))
		return mt_violate(why, "MQTT-3.2.2-15", MT_REASON_PACKET_TOO_LARGE, 0);
	if (remaining > in.len - header)
		return MT_AGAIN;
	out->type = in.data[0] >> 4;
	out->flags = in.data[0] & 15;
	out->body = mt_bytes_of(in.data + header, remaining);
	out->bytes = header + remaining;
	return MT_OK;
}

MT_COLD static enum mt_status cut_long(struct mt_bytes in, size_t packet_bytes_max,
				       struct mt_frame *out, struct mt_violation *why)
{
	size_t remaining = 0, taken = 0;
	MT_TRY(take_length(in, &remaining, &taken, why));
	return cut(in, 1 + taken, remaining, packet_bytes_max, out, why);
}

enum mt_status mt_frame_next(struct mt_bytes in, size_t packet_bytes_max, struct mt_frame *out,
			     struct mt_violation *why)
{
	if (in.len == 0)
		return MT_AGAIN;
	if (MT_UNLIKELY(!is_first_legal(in.data[0])))
		return refuse_first(in.data[0], why);
	if (MT_LIKELY(in.len >= 2 && in.data[1] < 0x80))
		return cut(in, 2, in.data[1], packet_bytes_max, out, why);
	return cut_long(in, packet_bytes_max, out, why);
}

const char *mt_frame_statement(const struct mt_violation *why, enum mt_version version)
{
	/* 3.1.1 numbers the flags of three packets as 5 does, has one id for all others, and none
	 * for lengths. */
	static const char *const renamed[][2] = {{"MQTT-2.1.3-1", "MQTT-2.2.2-2"},
						 {"MQTT-3.14.1-1", "MQTT-2.2.2-2"},
						 {"MQTT-3.15.1-1", "section 2.2.1"},
						 {"MQTT-1.5.5-1", "section 2.2.3"},
						 {"MQTT-3.2.2-15", "section 2.2.3"}};
	for (size_t i = 0; version != MT_VERSION_5 && i < MT_COUNT_OF(renamed); i++)
		if (strcmp(why->statement, renamed[i][0]) == 0)
			return renamed[i][1];
	return why->statement;
}

size_t mt_frame_bytes(struct mt_bytes in)
{
	struct mt_violation ignored;
	size_t remaining, taken;
	if (in.len < 2 || take_length(in, &remaining, &taken, &ignored) != MT_OK)
		return 0;
	return 1 + taken + remaining;
}

size_t mt_varint_bytes(uint32_t value)
{
	MT_CHECK(value <= MT_VARINT_MAX);
	if (value < 0x80)
		return 1;
	if (value < 0x4000)
		return 2;
	return value < 0x200000 ? 3 : 4;
}

void mt_varint_put(struct mt_buf *out, uint32_t value)
{
	uint8_t *at = mt_buf_take(out, mt_varint_bytes(value));
	if (!at)
		return;
	for (; value >= 0x80; value >>= 7)
		*at++ = (uint8_t)(value | 0x80);
	*at = (uint8_t)value;
}

bool mt_varint_take(struct mt_reader *in, uint32_t *out)
{
	uint32_t sum = 0;
	for (unsigned i = 0; i < VARINT_BYTES_MAX; i++) {
		uint8_t byte = mt_reader_u8(in);
		sum |= (uint32_t)(byte & 0x7f) << (7 * i);
		if (byte & 0x80)
			continue;
		if (in->is_short || (byte == 0 && i > 0))
			return false;
		*out = sum;
		return true;
	}
	return false;
}

void mt_frame_put_header(struct mt_buf *out, uint8_t type, uint8_t flags, uint32_t remaining)
{
	MT_CHECK(type >= MT_PACKET_CONNECT && type <= MT_PACKET_AUTH);
	MT_CHECK(is_first_legal((uint8_t)(type << 4 | flags)));
	mt_buf_put_u8(out, (uint8_t)(type << 4 | flags));
	mt_varint_put(out, remaining);
}
