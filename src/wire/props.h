/*
 * Properties of MQTT 5 (section 2.2.2). Table: spec/properties.tbl (which packets may carry which).
 *
 * In version 3.1.1 there are none: decoders leave the struct empty, encoders write nothing.
 */
#pragma once

#include "wire/packet.h"

#include "spec/properties.h"

/* Bit index of a property in `present`; MT_PROP_BIT(RECEIVE_MAXIMUM) is its mask. */
enum mt_prop {
#define X(name, code, kind, packets, text) MT_PROP_##name,
	MT_TABLE_PROPERTIES(X)
#undef X
		MT_PROP_COUNT
};
#define MT_PROP_BIT(name) (UINT32_C(1) << MT_PROP_##name)

struct mt_props {
	uint32_t present; /* bits of enum mt_prop; fields without their bit are zero */
	uint8_t payload_format;
	uint8_t request_problem_info;
	uint8_t request_response_info;
	uint8_t qos_max;
	uint8_t is_retain_available;
	uint8_t is_wildcard_available;
	uint8_t is_subscription_id_available;
	uint8_t is_shared_available;
	uint16_t server_keep_alive_s;
	uint16_t receive_max;
	uint16_t topic_alias_max;
	uint16_t topic_alias;
	uint32_t message_expiry_s;
	uint32_t session_expiry_s;
	uint32_t will_delay_s;
	uint32_t packet_bytes_max;
	uint32_t subscription_id; /* the first; a PUBLISH to a client may carry several: see raw */
	uint32_t subscription_id_count;
	struct mt_bytes content_type;
	struct mt_bytes response_topic;
	struct mt_bytes correlation_data;
	struct mt_bytes assigned_client_id;
	struct mt_bytes auth_method;
	struct mt_bytes auth_data;
	struct mt_bytes response_info;
	struct mt_bytes server_reference;
	struct mt_bytes reason_string;
	uint32_t user_property_count;
	struct mt_bytes
		raw; /* decoded: all properties as they stood on the wire, without the length */
	struct mt_bytes user; /* encoding only: user properties (and further subscription ids) in
				 wire form, appended */
};

/*
 * Reads the property length and the properties of packet `type` (for a will: MT_PACKET_WILL, a
 * pseudo type of 16) sent by `side`. Every rule is checked: known, allowed in this packet, once
 * (but user properties, and subscription ids from a server), value range, UTF-8. `base` is the
 * offset of `in` in the packet body, for violations.
 */
#define MT_PACKET_WILL 16
MT_MUST_USE enum mt_status mt_props_decode(struct mt_reader *in, uint8_t type, enum mt_side side,
					   struct mt_props *out, struct mt_violation *why);

/* Writes length and properties: those in `present`, in table order, then `user`. */
void mt_props_encode(const struct mt_props *props, struct mt_buf *out);
/* Bytes that mt_props_encode will write, the length included. */
size_t mt_props_bytes(const struct mt_props *props);

/* One property of a raw list that was decoded before. */
struct mt_prop_item {
	enum mt_prop prop;
	uint32_t number;       /* byte, two-byte, four-byte, varint kinds */
	struct mt_bytes text;  /* string, binary; name of a pair */
	struct mt_bytes value; /* second half of a pair */
	struct mt_bytes raw;   /* the whole item, its identifier included */
};
/* Walks raw from *pos (start with 0); false at the end. */
MT_MUST_USE bool mt_props_next(struct mt_bytes raw, size_t *pos, struct mt_prop_item *out);

/* Copies what a broker passes on with a message: all but topic alias, subscription ids, message
 * expiry and will delay. In order. */
void mt_props_forward(const struct mt_props *props, struct mt_buf *out);
/* Appends one user property in wire form (for `user`). */
void mt_props_put_user(struct mt_buf *out, struct mt_bytes name, struct mt_bytes value);
