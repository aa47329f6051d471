/* DISCONNECT, AUTH and the two pings. Pure. */
#include "wire/control.h"

#include "wire/field.h"

static enum mt_status take_reason(struct mt_reader *in, enum mt_side side,
				  struct mt_control *control, struct mt_violation *why)
{
	bool is_auth = control->type == MT_PACKET_AUTH;
	if (mt_reader_left(in) > 0)
		control->reason = mt_reader_u8(in);
	if (!mt_reason_is_legal(control->reason, control->type, side))
		return mt_violate(why, is_auth ? "MQTT-3.15.2-1" : "MQTT-3.14.2-1",
				  MT_REASON_PROTOCOL_ERROR, 0);
	return MT_OK;
}

/* Section 3.14: only the client ends a connection of 3.1.1 by a packet, and type 15 is reserved
 * there. */
static enum mt_status check_old(const struct mt_frame *frame, enum mt_side side,
				struct mt_violation *why)
{
	if (frame->type == MT_PACKET_AUTH)
		return mt_violate(why, "malformed", MT_REASON_MALFORMED_PACKET, 0);
	if (side == MT_SIDE_SERVER)
		return mt_violate(why, "section 3.14", MT_REASON_PROTOCOL_ERROR, 0);
	return MT_OK;
}

enum mt_status mt_control_decode(const struct mt_frame *frame, enum mt_version version,
				 enum mt_side side, struct mt_control *out,
				 struct mt_violation *why)
{
	struct mt_reader in = mt_reader_of(frame->body);
	struct mt_control control = {.type = frame->type};
	MT_CHECK(frame->type == MT_PACKET_DISCONNECT || frame->type == MT_PACKET_AUTH);
	if (version == MT_VERSION_5) {
		MT_TRY(take_reason(&in, side, &control, why));
		if (mt_reader_left(&in) > 0)
			MT_TRY(mt_props_decode(&in, frame->type, side, &control.props, why));
	} else {
		MT_TRY(check_old(frame, side, why));
	}
	MT_TRY(mt_field_end(&in, why));
	/* Section 3.15.2.2.2; an AUTH of success may be empty (3.15.2.1). */
	if (frame->type == MT_PACKET_AUTH && frame->body.len > 0 &&
	    !(control.props.present & MT_PROP_BIT(AUTHENTICATION_METHOD)))
		return mt_violate(why, "section 3.15.2.2.2", MT_REASON_PROTOCOL_ERROR, in.pos);
	*out = control;
	return MT_OK;
}

enum mt_status mt_control_encode(const struct mt_control *control, enum mt_version version,
				 struct mt_buf *out)
{
	bool has_props = version == MT_VERSION_5 && mt_props_bytes(&control->props) > 1;
	bool has_reason =
		version == MT_VERSION_5 && (has_props || control->reason != MT_REASON_SUCCESS);
	size_t remaining = (size_t)has_reason + (has_props ? mt_props_bytes(&control->props) : 0);
	MT_CHECK(control->type == MT_PACKET_DISCONNECT ||
		 (control->type == MT_PACKET_AUTH && version == MT_VERSION_5));
	MT_TRY(mt_field_begin(out, control->type, 0, remaining));
	if (has_reason)
		mt_buf_put_u8(out, control->reason);
	if (has_props)
		mt_props_encode(&control->props, out);
	return MT_OK;
}

enum mt_status mt_ping_decode(const struct mt_frame *frame, struct mt_violation *why)
{
	MT_CHECK(frame->type == MT_PACKET_PINGREQ || frame->type == MT_PACKET_PINGRESP);
	if (frame->body.len > 0)
		return mt_violate(why, "malformed", MT_REASON_MALFORMED_PACKET, 0);
	return MT_OK;
}

void mt_ping_encode(uint8_t type, struct mt_buf *out)
{
	MT_CHECK(type == MT_PACKET_PINGREQ || type == MT_PACKET_PINGRESP);
	mt_frame_put_header(out, type, 0, 0);
}
