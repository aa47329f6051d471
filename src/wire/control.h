/* PINGREQ, PINGRESP, DISCONNECT, AUTH (sections 3.12 to 3.15). */
#pragma once

#include "wire/frame.h"
#include "wire/props.h"

/* DISCONNECT and AUTH: a reason and properties, both of which may be left out. */
struct mt_control {
	uint8_t type; /* MT_PACKET_DISCONNECT or MT_PACKET_AUTH */
	uint8_t reason;
	struct mt_props props;
};

/* AUTH does not exist in 3.1.1; a DISCONNECT of 3.1.1 has an empty body and comes from the client
 * only. */
MT_MUST_USE enum mt_status mt_control_decode(const struct mt_frame *frame, enum mt_version version,
					     enum mt_side side, struct mt_control *out,
					     struct mt_violation *why);
MT_MUST_USE enum mt_status mt_control_encode(const struct mt_control *control,
					     enum mt_version version, struct mt_buf *out);
/* PINGREQ and PINGRESP: the body must be empty; two bytes out. */
MT_MUST_USE enum mt_status mt_ping_decode(const struct mt_frame *frame, struct mt_violation *why);
void mt_ping_encode(uint8_t type, struct mt_buf *out);
