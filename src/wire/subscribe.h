/* SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK (sections 3.8 to 3.11). */
#pragma once

#include "wire/frame.h"
#include "wire/props.h"

/* Subscription options (section 3.8.3.1). */
struct mt_sub_options {
	uint8_t qos;
	bool is_no_local;
	bool is_retain_as_published;
	uint8_t retain_handling; /* 0 send, 1 send when new, 2 do not send */
};

/* SUBSCRIBE and UNSUBSCRIBE: `list` is the payload; walk it with mt_subscribe_next, which cannot
 * fail after decode. */
struct mt_subscribe {
	uint8_t type; /* MT_PACKET_SUBSCRIBE or MT_PACKET_UNSUBSCRIBE */
	uint16_t packet_id;
	struct mt_props props;
	struct mt_bytes list;
	uint32_t filter_count; /* at least 1 */
};

/*
 * Checked: UTF-8, wildcard placement ([MQTT-4.7.1-1..3]; reason TOPIC_FILTER_INVALID), reserved
 * option bits, QoS 3, retain handling 3, $share syntax ([MQTT-4.8.2-1,2]) and no-local on a shared
 * subscription ([MQTT-3.8.3-4]) in 5.
 */
MT_MUST_USE enum mt_status mt_subscribe_decode(const struct mt_frame *frame,
					       enum mt_version version, struct mt_subscribe *out,
					       struct mt_violation *why);
/* Next filter from *pos (start with 0); false at the end. options untouched for UNSUBSCRIBE. */
MT_MUST_USE bool mt_subscribe_next(const struct mt_subscribe *subscribe, size_t *pos,
				   struct mt_bytes *filter, struct mt_sub_options *options);
/* Writes header, id, properties and `list`; build the list with mt_subscribe_put. */
MT_MUST_USE enum mt_status mt_subscribe_encode(const struct mt_subscribe *subscribe,
					       enum mt_version version, struct mt_buf *out);
/* Appends one filter to a list; options NULL for UNSUBSCRIBE. In 3.1.1 only the QoS is written. */
void mt_subscribe_put(struct mt_buf *list, struct mt_bytes filter,
		      const struct mt_sub_options *options, enum mt_version version);

/* SUBACK and UNSUBACK: one reason a filter. In 3.1.1 UNSUBACK has none; SUBACK has 0..2 or 0x80. */
struct mt_suback {
	uint8_t type;
	uint16_t packet_id;
	struct mt_props props;
	struct mt_bytes reasons;
};

MT_MUST_USE enum mt_status mt_suback_decode(const struct mt_frame *frame, enum mt_version version,
					    struct mt_suback *out, struct mt_violation *why);
/* In 3.1.1 any reason of 0x80 and above is written as 0x80. */
MT_MUST_USE enum mt_status mt_suback_encode(const struct mt_suback *suback, enum mt_version version,
					    struct mt_buf *out);
