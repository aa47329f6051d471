/* PUBLISH (section 3.3). */
#pragma once

#include "wire/frame.h"
#include "wire/props.h"

struct mt_publish {
	uint8_t qos;
	bool is_retain;
	bool is_dup;
	uint16_t packet_id;    /* 0 when qos is 0 */
	struct mt_bytes topic; /* empty only with a topic alias */
	struct mt_props props;
	struct mt_bytes payload;
};

/*
 * Topic: UTF-8, no wildcards ([MQTT-3.3.2-2]), not empty unless an alias is given (3.1.1: never). A
 * topic alias of 0 is TOPIC_ALIAS_INVALID; the upper bound is the session's business. From a client
 * no subscription ids ([MQTT-3.3.4-6]).
 */
MT_MUST_USE enum mt_status mt_publish_decode(const struct mt_frame *frame, enum mt_version version,
					     enum mt_side side, struct mt_publish *out,
					     struct mt_violation *why);
/* Bytes of the whole encoded packet. */
size_t mt_publish_bytes(const struct mt_publish *publish, enum mt_version version);
/* The whole packet. */
MT_MUST_USE enum mt_status mt_publish_encode(const struct mt_publish *publish,
					     enum mt_version version, struct mt_buf *out);

/* What a broker passes on unchanged: properties as raw bytes that were decoded before. */
struct mt_forward {
	struct mt_bytes topic;
	struct mt_bytes props; /* for version 5 */
	size_t payload_bytes;
	uint16_t packet_id;
	uint8_t qos;
	bool is_retain;
};
/* The head of such a PUBLISH, as mt_publish_encode_head, at a fraction of its cost. The length must
 * fit MT_VARINT_MAX. */
MT_MUST_USE enum mt_status mt_publish_encode_forward(const struct mt_forward *forward,
						     enum mt_version version, struct mt_buf *out,
						     size_t *packet_id_at);

/*
 * Everything before the payload, for a body that is shared between receivers: fixed header, topic,
 * packet id, properties = `props` (encoded from its fields, then props.user: the forwarded raw
 * bytes of a message). payload_bytes counts in the remaining length. *packet_id_at: offset of the
 * packet id in what was written, 0 for QoS 0; so that one head serves many receivers.
 */
MT_MUST_USE enum mt_status mt_publish_encode_head(const struct mt_publish *publish,
						  enum mt_version version, size_t payload_bytes,
						  struct mt_buf *out, size_t *packet_id_at);
