/* PUBACK, PUBREC, PUBREL, PUBCOMP (sections 3.4 to 3.7): one shape. */
#pragma once

#include "wire/frame.h"
#include "wire/props.h"

struct mt_ack {
	uint8_t type; /* MT_PACKET_PUBACK .. MT_PACKET_PUBCOMP */
	uint8_t reason;
	uint16_t packet_id; /* never 0 */
	struct mt_props props;
};

/* In 5 the reason and the properties may be left out (0x00); a reason that this packet does not
 * know is a violation. */
MT_MUST_USE enum mt_status mt_ack_decode(const struct mt_frame *frame, enum mt_version version,
					 struct mt_ack *out, struct mt_violation *why);
/* The shortest legal form. 3.1.1 drops reason and properties. */
MT_MUST_USE enum mt_status mt_ack_encode(const struct mt_ack *ack, enum mt_version version,
					 struct mt_buf *out);
