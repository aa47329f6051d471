/* Reads and writes the fields that packets are made of. Pure. */
#include "wire/field.h"

#include "base/utf8.h"

bool mt_field_take(struct mt_reader *in, struct mt_bytes *out)
{
	struct mt_bytes field = mt_reader_take(in, mt_reader_u16(in));
	if (in->is_short)
		return false;
	*out = field;
	return true;
}

enum mt_status mt_field_check_text(struct mt_bytes text, enum mt_version version, size_t offset,
				   struct mt_violation *why)
{
	size_t bad;
	switch (mt_utf8_check(text, &bad)) {
	case MT_UTF8_GOOD:
		return MT_OK;
	case MT_UTF8_MALFORMED:
		return mt_violate(why, mt_field_id(version, "MQTT-1.5.3-1", "MQTT-1.5.4-1"),
				  MT_REASON_MALFORMED_PACKET, offset + bad);
	case MT_UTF8_NUL:
		break;
	}
	return mt_violate(why, mt_field_id(version, "MQTT-1.5.3-2", "MQTT-1.5.4-2"),
			  MT_REASON_MALFORMED_PACKET, offset + bad);
}

enum mt_status mt_field_check_name(struct mt_bytes name, enum mt_version version, size_t offset,
				   const char *statement, uint8_t reason, struct mt_violation *why)
{
	if (name.len == 0)
		return mt_violate(why, "MQTT-4.7.3-1", MT_REASON_PROTOCOL_ERROR, offset);
	MT_TRY(mt_field_check_text(name, version, offset, why));
	for (size_t i = 0; i < name.len; i++)
		if (name.data[i] == '+' || name.data[i] == '#')
			return mt_violate(why, statement, reason, offset + i);
	return MT_OK;
}

enum mt_status mt_field_take_id(struct mt_reader *in, const char *statement, uint16_t *out,
				struct mt_violation *why)
{
	size_t offset = in->pos;
	uint16_t packet_id = mt_reader_u16(in);
	if (in->is_short)
		return mt_violate(why, "malformed", MT_REASON_MALFORMED_PACKET, offset);
	if (packet_id == 0)
		return mt_violate(why, statement, MT_REASON_PROTOCOL_ERROR, offset);
	*out = packet_id;
	return MT_OK;
}

enum mt_status mt_field_end(const struct mt_reader *in, struct mt_violation *why)
{
	MT_CHECK(!in->is_short);
	if (mt_reader_left(in) > 0)
		return mt_violate(why, "malformed", MT_REASON_MALFORMED_PACKET, in->pos);
	return MT_OK;
}

enum mt_status mt_field_begin(struct mt_buf *out, uint8_t type, uint8_t flags, size_t remaining)
{
	if (remaining > MT_VARINT_MAX || out->is_overflown)
		return MT_LIMIT;
	if (out->cap - out->pos < 1 + mt_varint_bytes((uint32_t)remaining) + remaining)
		return MT_LIMIT;
	mt_frame_put_header(out, type, flags, (uint32_t)remaining);
	return MT_OK;
}
