/* PUBLISH: the data plane. Pure. */
#include "wire/publish.h"

#include "wire/field.h"

enum flag { FLAG_RETAIN = 0x01, FLAG_QOS = 0x06, FLAG_QOS_SHIFT = 1, FLAG_DUP = 0x08 };

/* One bit for each value of the flags: no QoS 3, and no DUP with QoS 0. */
#define LEGAL_FLAGS 0x3c3fu

#define HIGH_BITS 0x8080808080808080ULL
#define EACH_BYTE 0x0101010101010101ULL

static uint16_t load16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/*
 * True when 8 bytes are ASCII without NUL, '+' and '#': a subtraction borrows where a byte is 0.
 * The two wildcards differ in bit 3 alone, so that one comparison finds both.
 */
static bool is_plain_word(const uint8_t *at)
{
	uint64_t word, wild;
	memcpy(&word, at, 8);
	wild = (word | EACH_BYTE * 0x08) ^ EACH_BYTE * '+';
	return ((word | (word - EACH_BYTE) | (wild - EACH_BYTE)) & HIGH_BITS) == 0;
}

typedef int8_t block __attribute__((vector_size(16)));
typedef uint64_t halves __attribute__((vector_size(16)));

/* Bytes that are not plain, as bytes of ones; NUL and all beyond ASCII are not above 0. */
static block wrong_in(const uint8_t *at)
{
	block bytes;
	memcpy(&bytes, at, sizeof(bytes));
	return (bytes <= 0) | ((bytes | 0x08) == '+');
}

/* At least 16 bytes; the last block may overlap the one before. */
static bool are_plain_blocks(struct mt_bytes name)
{
	block wrong = wrong_in(name.data + name.len - sizeof(block));
	halves sum;
	for (size_t pos = 0; pos + sizeof(block) < name.len; pos += sizeof(block))
		wrong |= wrong_in(name.data + pos);
	sum = (halves)wrong;
	return (sum[0] | sum[1]) == 0;
}

/* The common name: plain ASCII. What fails here is only not yet proven good. */
static bool is_plain_name(struct mt_bytes name)
{
	if (name.len >= sizeof(block))
		return are_plain_blocks(name);
	if (name.len >= 8)
		return is_plain_word(name.data) && is_plain_word(name.data + name.len - 8);
	for (size_t pos = 0; pos < name.len; pos++)
		if ((int8_t)name.data[pos] <= 0 || (name.data[pos] | 0x08) == '+')
			return false;
	return name.len > 0;
}

/* The properties of a packet that has none. The size is hidden from the compiler, because for a
 * known one gcc emits "rep stos", which costs more than the whole rest of the decoder. */
static void clear(struct mt_props *props)
{
	size_t bytes = sizeof(*props);
	__asm__("" : "+r"(bytes));
	memset(props, 0, bytes);
}

MT_COLD static enum mt_status refuse_flags(uint8_t flags, struct mt_violation *why)
{
	return mt_violate(why,
			  flags & FLAG_DUP && !(flags & FLAG_QOS) ? "MQTT-3.3.1-2" : "MQTT-3.3.1-4",
			  MT_REASON_MALFORMED_PACKET, 0);
}

static const char *id_statement(enum mt_version version, enum mt_side side)
{
	if (version == MT_VERSION_3_1_1)
		return "MQTT-2.3.1-1";
	return side == MT_SIDE_CLIENT ? "MQTT-2.2.1-3" : "MQTT-2.2.1-4";
}

MT_COLD static enum mt_status refuse_id(struct mt_bytes body, size_t at, enum mt_version version,
					enum mt_side side, struct mt_violation *why)
{
	if (body.len - at < 2)
		return mt_violate(why, "malformed", MT_REASON_MALFORMED_PACKET, at);
	return mt_violate(why, id_statement(version, side), MT_REASON_PROTOCOL_ERROR, at);
}

/* Writes the result; *out has its properties already. */
static enum mt_status finish(const struct mt_frame *frame, struct mt_bytes topic,
			     uint16_t packet_id, size_t pos, struct mt_publish *out)
{
	out->qos = (frame->flags & FLAG_QOS) >> FLAG_QOS_SHIFT;
	out->is_retain = (frame->flags & FLAG_RETAIN) != 0;
	out->is_dup = (frame->flags & FLAG_DUP) != 0;
	out->packet_id = packet_id;
	out->topic = topic;
	out->payload = mt_bytes_of(frame->body.data + pos, frame->body.len - pos);
	return MT_OK;
}

/* The rest of a packet of 5 from its properties on. */
MT_COLD static enum mt_status decode_props(const struct mt_frame *frame, enum mt_side side,
					   struct mt_bytes topic, uint16_t packet_id, size_t pos,
					   struct mt_publish *out, struct mt_violation *why)
{
	struct mt_reader in = {.in = frame->body, .pos = pos};
	struct mt_props props;
	MT_TRY(mt_props_decode(&in, MT_PACKET_PUBLISH, side, &props, why));
	if (topic.len == 0 && !(props.present & MT_PROP_BIT(TOPIC_ALIAS)))
		return mt_violate(why, "MQTT-4.7.3-1", MT_REASON_PROTOCOL_ERROR, 0);
	out->props = props;
	return finish(frame, topic, packet_id, in.pos, out);
}

/*
 * Runs for each message. It keeps to plain values, whose address nobody takes, and leaves to others
 * what is rare: names beyond ASCII, properties, faults.
 */
enum mt_status mt_publish_decode(const struct mt_frame *frame, enum mt_version version,
				 enum mt_side side, struct mt_publish *out,
				 struct mt_violation *why)
{
	struct mt_bytes body = frame->body, topic;
	uint16_t packet_id = 0;
	size_t pos;
	MT_CHECK(frame->type == MT_PACKET_PUBLISH);
	if (MT_UNLIKELY(!(LEGAL_FLAGS >> (frame->flags & 15) & 1)))
		return refuse_flags(frame->flags, why);
	if (MT_UNLIKELY(body.len < 2 || body.len - 2 < load16(body.data)))
		return mt_violate(why, "MQTT-3.3.2-1", MT_REASON_MALFORMED_PACKET, 0);
	topic = mt_bytes_of(body.data + 2, load16(body.data));
	pos = 2 + topic.len;
	if (MT_UNLIKELY(!is_plain_name(topic)) && topic.len > 0)
		MT_TRY(mt_field_check_name(topic, version, 2, "MQTT-3.3.2-2",
					   MT_REASON_MALFORMED_PACKET, why));
	if (frame->flags & FLAG_QOS) {
		if (MT_UNLIKELY(body.len - pos < 2 || load16(body.data + pos) == 0))
			return refuse_id(body, pos, version, side, why);
		packet_id = load16(body.data + pos);
		pos += 2;
	}
	if (version == MT_VERSION_5) {
		if (pos == body.len || body.data[pos] != 0)
			return decode_props(frame, side, topic, packet_id, pos, out, why);
		pos++;
	}
	if (MT_UNLIKELY(topic.len == 0))
		return mt_violate(why, "MQTT-4.7.3-1", MT_REASON_PROTOCOL_ERROR, 0);
	clear(&out->props);
	return finish(frame, topic, packet_id, pos, out);
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

static uint8_t first_byte(const struct mt_publish *publish)
{
	unsigned flags = (unsigned)publish->qos << FLAG_QOS_SHIFT;
	flags |= publish->is_retain ? FLAG_RETAIN : 0;
	flags |= publish->is_dup ? FLAG_DUP : 0;
	MT_CHECK(publish->qos <= 2);
	MT_CHECK(!publish->is_dup || publish->qos > 0);
	return (uint8_t)(MT_PACKET_PUBLISH << 4 | flags);
}

static uint8_t *store16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
	return at + 2;
}

/* Header, topic and id to `at`, where there is room; returns the end. */
static uint8_t *put_front(const struct mt_publish *publish, size_t remaining, uint8_t *at)
{
	*at++ = first_byte(publish);
	for (; remaining >= 0x80; remaining >>= 7)
		*at++ = (uint8_t)(remaining | 0x80);
	*at++ = (uint8_t)remaining;
	at = store16(at, publish->topic.len);
	if (publish->topic.len > 0)
		memcpy(at, publish->topic.data, publish->topic.len);
	at += publish->topic.len;
	return publish->qos > 0 ? store16(at, publish->packet_id) : at;
}

enum mt_status mt_publish_encode_head(const struct mt_publish *publish, enum mt_version version,
				      size_t payload_bytes, struct mt_buf *out,
				      size_t *packet_id_at)
{
	size_t head = head_bytes(publish, version), remaining = head + payload_bytes, front;
	if (payload_bytes > MT_VARINT_MAX || remaining > MT_VARINT_MAX || out->is_overflown)
		return MT_LIMIT;
	if (out->cap - out->pos < 1 + mt_varint_bytes((uint32_t)remaining) + head)
		return MT_LIMIT;
	front = (size_t)(put_front(publish, remaining, out->data + out->pos) -
			 (out->data + out->pos));
	out->pos += front;
	if (version == MT_VERSION_5)
		mt_props_encode(&publish->props, out);
	*packet_id_at = publish->qos > 0 ? front - 2 : 0;
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

enum mt_status mt_publish_encode_forward(const struct mt_forward *forward, enum mt_version version,
					 struct mt_buf *out, size_t *packet_id_at)
{
	unsigned flags =
		(unsigned)forward->qos << FLAG_QOS_SHIFT | (forward->is_retain ? FLAG_RETAIN : 0u);
	size_t remaining =
		2 + forward->topic.len + (forward->qos > 0 ? 2 : 0) + forward->payload_bytes;
	size_t start = out->pos;
	if (version == MT_VERSION_5)
		remaining += mt_varint_bytes((uint32_t)forward->props.len) + forward->props.len;
	if (remaining > MT_VARINT_MAX)
		return MT_LIMIT;
	mt_frame_put_header(out, MT_PACKET_PUBLISH, (uint8_t)flags, (uint32_t)remaining);
	mt_field_put(out, forward->topic);
	*packet_id_at = forward->qos > 0 ? out->pos - start : 0;
	if (forward->qos > 0)
		mt_buf_put_u16(out, forward->packet_id);
	if (version == MT_VERSION_5) {
		mt_varint_put(out, (uint32_t)forward->props.len);
		mt_buf_put(out, forward->props);
	}
	return out->is_overflown ? MT_LIMIT : MT_OK;
}
