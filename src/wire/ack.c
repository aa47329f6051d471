/* PUBACK, PUBREC, PUBREL, PUBCOMP: one shape, four lists of reason codes. Pure. */
#include "wire/ack.h"

#include "wire/field.h"

static const char *reason_statement(uint8_t type)
{
	switch (type) {
	case MT_PACKET_PUBACK:
		return "MQTT-3.4.2-1";
	case MT_PACKET_PUBREC:
		return "MQTT-3.5.2-1";
	case MT_PACKET_PUBREL:
		return "MQTT-3.6.2-1";
	default:
		return "MQTT-3.7.2-1";
	}
}

/* What MQTT 5 may add after the packet id (sections 3.4.2.1 and 3.4.2.2). */
static enum mt_status take_tail(struct mt_reader *in, struct mt_ack *ack, struct mt_violation *why)
{
	if (mt_reader_left(in) == 0)
		return MT_OK;
	ack->reason = mt_reader_u8(in);
	if (!mt_reason_is_legal(ack->reason, ack->type, MT_SIDE_CLIENT))
		return mt_violate(why, reason_statement(ack->type), MT_REASON_PROTOCOL_ERROR,
				  in->pos - 1);
	if (mt_reader_left(in) == 0)
		return MT_OK;
	return mt_props_decode(in, ack->type, MT_SIDE_CLIENT, &ack->props, why);
}

enum mt_status mt_ack_decode(const struct mt_frame *frame, enum mt_version version,
			     struct mt_ack *out, struct mt_violation *why)
{
	struct mt_reader in = mt_reader_of(frame->body);
	struct mt_ack ack = {.type = frame->type};
	MT_CHECK(frame->type >= MT_PACKET_PUBACK && frame->type <= MT_PACKET_PUBCOMP);
	MT_TRY(mt_field_take_id(&in, mt_field_id(version, "MQTT-2.3.1-6", "MQTT-2.2.1-5"),
				&ack.packet_id, why));
	if (version == MT_VERSION_5)
		MT_TRY(take_tail(&in, &ack, why));
	MT_TRY(mt_field_end(&in, why));
	*out = ack;
	return MT_OK;
}

enum mt_status mt_ack_encode(const struct mt_ack *ack, enum mt_version version, struct mt_buf *out)
{
	bool has_props = version == MT_VERSION_5 && mt_props_bytes(&ack->props) > 1;
	bool has_reason =
		version == MT_VERSION_5 && (has_props || ack->reason != MT_REASON_SUCCESS);
	size_t remaining = 2u + has_reason + (has_props ? mt_props_bytes(&ack->props) : 0);
	MT_CHECK(ack->type >= MT_PACKET_PUBACK && ack->type <= MT_PACKET_PUBCOMP);
	MT_CHECK(ack->packet_id != 0);
	MT_TRY(mt_field_begin(out, ack->type, ack->type == MT_PACKET_PUBREL ? 2 : 0, remaining));
	mt_buf_put_u16(out, ack->packet_id);
	if (has_reason)
		mt_buf_put_u8(out, ack->reason);
	if (has_props)
		mt_props_encode(&ack->props, out);
	return MT_OK;
}
