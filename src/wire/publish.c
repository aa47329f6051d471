/* PUBLISH: the data plane. Pure. */
#include "wire/publish.h"

#include "wire/field.h"

enum flag { FLAG_RETAIN = 0x01, FLAG_QOS_SHIFT = 1, FLAG_DUP = 0x08 };

#define HIGH_BITS 0x8080808080808080ULL
#define EACH_BYTE 0x0101010101010101ULL

/* True when 8 bytes are ASCII without NUL, '+' and '#': a subtraction borrows where a byte is 0. */
static bool is_plain_word(const uint8_t *at)
{
	uint64_t word, plus, hash;
	memcpy(&word, at, 8);
	plus = word ^ (EACH_BYTE * '+');
	hash = word ^ (EACH_BYTE * '#');
	return ((word | (word - EACH_BYTE) | (plus - EACH_BYTE) | (hash - EACH_BYTE)) &
		HIGH_BITS) == 0;
}

/* The common name: plain ASCII. What fails here is only not yet proven good. */
static bool is_plain_name(struct mt_bytes name)
{
	size_t pos = 0;
	if (name.len < 8) {
		for (; pos < name.len; pos++)
			if (name.data[pos] - 1u >= 0x7f || name.data[pos] == '+' ||
			    name.data[pos] == '#')
				return false;
		return name.len > 0;
	}
	for (; pos + 8 <= name.len; pos += 8)
		if (!is_plain_word(name.data + pos))
			return false;
	return is_plain_word(name.data + name.len - 8);
}

static enum mt_status check_flags(uint8_t flags, struct mt_violation *why)
{
	if ((flags >> FLAG_QOS_SHIFT & 3) == 3)
		return mt_violate(why, "MQTT-3.3.1-4", MT_REASON_MALFORMED_PACKET, 0);
	if ((flags & FLAG_DUP) && (flags >> FLAG_QOS_SHIFT & 3) == 0)
		return mt_violate(why, "MQTT-3.3.1-2", MT_REASON_MALFORMED_PACKET, 0);
	return MT_OK;
}

/* An empty topic is left for the end, when an alias has been read or not. */
static enum mt_status take_topic(struct mt_reader *in, enum mt_version version,
				 struct mt_bytes *out, struct mt_violation *why)
{
	struct mt_bytes topic;
	if (MT_UNLIKELY(!mt_field_take(in, &topic)))
		return mt_violate(why, "MQTT-3.3.2-1", MT_REASON_MALFORMED_PACKET, in->pos);
	if (MT_UNLIKELY(!is_plain_name(topic)) && topic.len > 0)
		MT_TRY(mt_field_check_name(topic, version, 2, "MQTT-3.3.2-2",
					   MT_REASON_MALFORMED_PACKET, why));
	*out = topic;
	return MT_OK;
}

static enum mt_status take_props(struct mt_reader *in, enum mt_side side, struct mt_props *out,
				 struct mt_violation *why)
{
	if (MT_LIKELY(mt_reader_left(in) > 0 && in->in.data[in->pos] == 0)) {
		in->pos++;
		return MT_OK;
	}
	return mt_props_decode(in, MT_PACKET_PUBLISH, side, out, why);
}

static const char *id_statement(enum mt_version version, enum mt_side side)
{
	if (version == MT_VERSION_3_1_1)
		return "MQTT-2.3.1-1";
	return side == MT_SIDE_CLIENT ? "MQTT-2.2.1-3" : "MQTT-2.2.1-4";
}

enum mt_status mt_publish_decode(const struct mt_frame *frame, enum mt_version version,
				 enum mt_side side, struct mt_publish *out,
				 struct mt_violation *why)
{
	struct mt_reader in = mt_reader_of(frame->body);
	struct mt_publish publish = {0};
	MT_CHECK(frame->type == MT_PACKET_PUBLISH);
	MT_TRY(check_flags(frame->flags, why));
	publish.qos = frame->flags >> FLAG_QOS_SHIFT & 3;
	publish.is_retain = (frame->flags & FLAG_RETAIN) != 0;
	publish.is_dup = (frame->flags & FLAG_DUP) != 0;
	MT_TRY(take_topic(&in, version, &publish.topic, why));
	if (publish.qos > 0)
		MT_TRY(mt_field_take_id(&in, id_statement(version, side), &publish.packet_id, why));
	if (version == MT_VERSION_5)
		MT_TRY(take_props(&in, side, &publish.props, why));
	if (MT_UNLIKELY(publish.topic.len == 0) &&
	    !(publish.props.present & MT_PROP_BIT(TOPIC_ALIAS)))
		return mt_violate(why, "MQTT-4.7.3-1", MT_REASON_PROTOCOL_ERROR, 0);
	publish.payload = mt_bytes_from(frame->body, in.pos);
	*out = publish;
	return MT_OK;
}

static size_t head_bytes(const struct mt_publish *publish, enum mt_version version)
{
	return mt_field_bytes(publish->topic) + (publish->qos > 0 ? 2 : 0) +
	       (version == MT_VERSION_5 ? mt_props_bytes(&publish->props) : 0);
}

size_t mt_publish_bytes(const struct mt_publish *publish, enum mt_version version)
{
	size_t body = head_bytes(publish, version) + publish->payload.len;
	return body > MT_VARINT_MAX ? body : 1 + mt_varint_bytes((uint32_t)body) + body;
}

/* Header, topic, id and properties; the caller has seen to it that there is room and that the
 * length fits. */
static void put_head(const struct mt_publish *publish, enum mt_version version, size_t remaining,
		     struct mt_buf *out, size_t *packet_id_at)
{
	unsigned flags = (unsigned)publish->qos << FLAG_QOS_SHIFT;
	size_t start = out->pos;
	MT_CHECK(publish->qos <= 2);
	MT_CHECK(!publish->is_dup || publish->qos > 0);
	flags |= publish->is_retain ? FLAG_RETAIN : 0;
	flags |= publish->is_dup ? FLAG_DUP : 0;
	mt_frame_put_header(out, MT_PACKET_PUBLISH, (uint8_t)flags, (uint32_t)remaining);
	mt_field_put(out, publish->topic);
	*packet_id_at = publish->qos > 0 ? out->pos - start : 0;
	if (publish->qos > 0)
		mt_buf_put_u16(out, publish->packet_id);
	if (version == MT_VERSION_5)
		mt_props_encode(&publish->props, out);
}

enum mt_status mt_publish_encode_head(const struct mt_publish *publish, enum mt_version version,
				      size_t payload_bytes, struct mt_buf *out,
				      size_t *packet_id_at)
{
	size_t head = head_bytes(publish, version);
	size_t at;
	if (payload_bytes > MT_VARINT_MAX || head + payload_bytes > MT_VARINT_MAX ||
	    out->is_overflown)
		return MT_LIMIT;
	if (out->cap - out->pos < 1 + mt_varint_bytes((uint32_t)(head + payload_bytes)) + head)
		return MT_LIMIT;
	put_head(publish, version, head + payload_bytes, out, &at);
	*packet_id_at = at;
	return MT_OK;
}

enum mt_status mt_publish_encode(const struct mt_publish *publish, enum mt_version version,
				 struct mt_buf *out)
{
	size_t bytes = mt_publish_bytes(publish, version);
	size_t ignored;
	if (out->is_overflown || out->cap - out->pos < bytes)
		return MT_LIMIT;
	MT_TRY(mt_publish_encode_head(publish, version, publish->payload.len, out, &ignored));
	mt_buf_put(out, publish->payload);
	return MT_OK;
}
