/* SUBSCRIBE, UNSUBSCRIBE and their acknowledgements. Pure. */
#include "wire/subscribe.h"

#include "wire/field.h"

enum option {
	OPTION_QOS = 0x03,
	OPTION_NO_LOCAL = 0x04,
	OPTION_RETAIN_AS_PUBLISHED = 0x08,
	OPTION_RETAIN_HANDLING_SHIFT = 4,
	OPTION_RESERVED = 0xc0,
	OPTION_RESERVED_3 = 0xfc, /* in 3.1.1 only the QoS has a meaning */
};

static const char share_prefix[] = "$share/";

static bool is_shared(struct mt_bytes filter)
{
	return mt_bytes_starts(filter, mt_bytes_str(share_prefix));
}

/* Where the filter behind "$share/<name>/" starts; 0 when the name is missing, wild or has no
 * filter (section 4.8.2). */
static size_t shared_filter_at(struct mt_bytes filter)
{
	size_t start = sizeof(share_prefix) - 1;
	for (size_t i = start; i < filter.len; i++) {
		uint8_t byte = filter.data[i];
		if (byte == '/')
			return i > start && i + 1 < filter.len ? i + 1 : 0;
		if (byte == '+' || byte == '#')
			return 0;
	}
	return 0;
}

/* Each '+' and '#' must have a level of its own, and '#' the last one. */
static enum mt_status check_wildcards(struct mt_bytes filter, size_t from, enum mt_version version,
				      size_t offset, struct mt_violation *why)
{
	const char *many = mt_field_id(version, "MQTT-4.7.1-2", "MQTT-4.7.1-1");
	const char *one = mt_field_id(version, "MQTT-4.7.1-3", "MQTT-4.7.1-2");
	for (size_t i = from; i < filter.len; i++) {
		bool is_start = i == from || filter.data[i - 1] == '/';
		bool is_last = i + 1 == filter.len;
		if (filter.data[i] == '#' && (!is_start || !is_last))
			return mt_violate(why, many, MT_REASON_TOPIC_FILTER_INVALID, offset + i);
		if (filter.data[i] == '+' && (!is_start || (!is_last && filter.data[i + 1] != '/')))
			return mt_violate(why, one, MT_REASON_TOPIC_FILTER_INVALID, offset + i);
	}
	return MT_OK;
}

static enum mt_status check_filter(struct mt_bytes filter, enum mt_version version, size_t offset,
				   struct mt_violation *why)
{
	size_t from = 0;
	if (filter.len == 0)
		return mt_violate(why, "MQTT-4.7.3-1", MT_REASON_PROTOCOL_ERROR, offset);
	MT_TRY(mt_field_check_text(filter, version, offset, why));
	if (version == MT_VERSION_5 && is_shared(filter)) {
		from = shared_filter_at(filter);
		if (from == 0)
			return mt_violate(why, "MQTT-4.8.2-2", MT_REASON_TOPIC_FILTER_INVALID,
					  offset + sizeof(share_prefix) - 1);
	}
	return check_wildcards(filter, from, version, offset, why);
}

static enum mt_status check_options_5(uint8_t options, bool is_for_share, size_t offset,
				      struct mt_violation *why)
{
	if (options & OPTION_RESERVED)
		return mt_violate(why, "MQTT-3.8.3-5", MT_REASON_MALFORMED_PACKET, offset);
	if ((options & OPTION_QOS) == 3 || options >> OPTION_RETAIN_HANDLING_SHIFT == 3)
		return mt_violate(why, "section 3.8.3.1", MT_REASON_PROTOCOL_ERROR, offset);
	if (is_for_share && (options & OPTION_NO_LOCAL))
		return mt_violate(why, "MQTT-3.8.3-4", MT_REASON_PROTOCOL_ERROR, offset);
	return MT_OK;
}

/* One filter and, for SUBSCRIBE, its options. */
static enum mt_status take_entry(struct mt_reader *in, uint8_t type, enum mt_version version,
				 struct mt_violation *why)
{
	struct mt_bytes filter;
	uint8_t options;
	if (!mt_field_take(in, &filter))
		return mt_violate(why, "malformed", MT_REASON_MALFORMED_PACKET, in->pos);
	MT_TRY(check_filter(filter, version, in->pos - filter.len, why));
	if (type == MT_PACKET_UNSUBSCRIBE)
		return MT_OK;
	options = mt_reader_u8(in);
	if (in->is_short)
		return mt_violate(why, "malformed", MT_REASON_MALFORMED_PACKET, in->pos);
	if (version == MT_VERSION_5)
		return check_options_5(options, is_shared(filter), in->pos - 1, why);
	if ((options & OPTION_RESERVED_3) || options == 3)
		return mt_violate(why, "MQTT-3.8.3-4", MT_REASON_MALFORMED_PACKET, in->pos - 1);
	return MT_OK;
}

static const char *empty_statement(uint8_t type, enum mt_version version)
{
	if (type == MT_PACKET_UNSUBSCRIBE)
		return "MQTT-3.10.3-2";
	return mt_field_id(version, "MQTT-3.8.3-3", "MQTT-3.8.3-2");
}

enum mt_status mt_subscribe_decode(const struct mt_frame *frame, enum mt_version version,
				   struct mt_subscribe *out, struct mt_violation *why)
{
	struct mt_reader in = mt_reader_of(frame->body);
	struct mt_subscribe subscribe = {.type = frame->type};
	MT_CHECK(frame->type == MT_PACKET_SUBSCRIBE || frame->type == MT_PACKET_UNSUBSCRIBE);
	MT_TRY(mt_field_take_id(&in, mt_field_id(version, "MQTT-2.3.1-1", "MQTT-2.2.1-3"),
				&subscribe.packet_id, why));
	if (version == MT_VERSION_5)
		MT_TRY(mt_props_decode(&in, frame->type, MT_SIDE_CLIENT, &subscribe.props, why));
	subscribe.list = mt_bytes_from(frame->body, in.pos);
	for (; mt_reader_left(&in) > 0; subscribe.filter_count++)
		MT_TRY(take_entry(&in, frame->type, version, why));
	if (subscribe.filter_count == 0)
		return mt_violate(why, empty_statement(frame->type, version),
				  MT_REASON_PROTOCOL_ERROR, in.pos);
	*out = subscribe;
	return MT_OK;
}

static struct mt_sub_options options_of(uint8_t byte)
{
	return (struct mt_sub_options){
		.qos = byte & OPTION_QOS,
		.is_no_local = (byte & OPTION_NO_LOCAL) != 0,
		.is_retain_as_published = (byte & OPTION_RETAIN_AS_PUBLISHED) != 0,
		.retain_handling = byte >> OPTION_RETAIN_HANDLING_SHIFT & 3,
	};
}

bool mt_subscribe_next(const struct mt_subscribe *subscribe, size_t *pos, struct mt_bytes *filter,
		       struct mt_sub_options *options)
{
	struct mt_reader in = mt_reader_of(subscribe->list);
	struct mt_bytes found;
	uint8_t byte = 0;
	MT_CHECK(*pos <= subscribe->list.len);
	in.pos = *pos;
	if (mt_reader_left(&in) == 0)
		return false;
	MT_CHECK(mt_field_take(&in, &found));
	if (subscribe->type == MT_PACKET_SUBSCRIBE) {
		byte = mt_reader_u8(&in);
		MT_CHECK(!in.is_short);
		*options = options_of(byte);
	}
	*filter = found;
	*pos = in.pos;
	return true;
}

enum mt_status mt_subscribe_encode(const struct mt_subscribe *subscribe, enum mt_version version,
				   struct mt_buf *out)
{
	bool has_props = version == MT_VERSION_5;
	size_t props_bytes = has_props ? mt_props_bytes(&subscribe->props) : 0;
	MT_CHECK(subscribe->type == MT_PACKET_SUBSCRIBE ||
		 subscribe->type == MT_PACKET_UNSUBSCRIBE);
	MT_CHECK(subscribe->packet_id != 0);
	if (subscribe->list.len == 0)
		return MT_INVALID;
	MT_TRY(mt_field_begin(out, subscribe->type, 2, 2 + props_bytes + subscribe->list.len));
	mt_buf_put_u16(out, subscribe->packet_id);
	if (has_props)
		mt_props_encode(&subscribe->props, out);
	mt_buf_put(out, subscribe->list);
	return MT_OK;
}

void mt_subscribe_put(struct mt_buf *list, struct mt_bytes filter,
		      const struct mt_sub_options *options, enum mt_version version)
{
	unsigned byte;
	if (filter.len > MT_FIELD_BYTES_MAX) {
		list->is_overflown = true;
		return;
	}
	mt_field_put(list, filter);
	if (!options)
		return;
	MT_CHECK(options->qos <= 2);
	MT_CHECK(options->retain_handling <= 2);
	byte = options->qos;
	if (version == MT_VERSION_5) {
		byte |= options->is_no_local ? OPTION_NO_LOCAL : 0;
		byte |= options->is_retain_as_published ? OPTION_RETAIN_AS_PUBLISHED : 0;
		byte |= (unsigned)options->retain_handling << OPTION_RETAIN_HANDLING_SHIFT;
	}
	mt_buf_put_u8(list, (uint8_t)byte);
}

static bool is_code_legal(uint8_t code, uint8_t type, enum mt_version version)
{
	if (version == MT_VERSION_5)
		return mt_reason_is_legal(code, type, MT_SIDE_SERVER);
	return code <= MT_REASON_GRANTED_QOS_2 || code == MT_REASON_UNSPECIFIED_ERROR;
}

static enum mt_status check_codes(const struct mt_suback *suback, enum mt_version version,
				  size_t offset, struct mt_violation *why)
{
	bool is_suback = suback->type == MT_PACKET_SUBACK;
	if (suback->reasons.len == 0)
		return mt_violate(why,
				  is_suback ? mt_field_id(version, "MQTT-3.8.4-5", "MQTT-3.9.3-1")
					    : "MQTT-3.11.3-1",
				  MT_REASON_PROTOCOL_ERROR, offset);
	for (size_t i = 0; i < suback->reasons.len; i++)
		if (!is_code_legal(suback->reasons.data[i], suback->type, version))
			return mt_violate(why, is_suback ? "MQTT-3.9.3-2" : "MQTT-3.11.3-2",
					  MT_REASON_PROTOCOL_ERROR, offset + i);
	return MT_OK;
}

/* 3.1.1 acknowledges an UNSUBSCRIBE by the packet id alone. */
static bool has_codes(uint8_t type, enum mt_version version)
{
	return type == MT_PACKET_SUBACK || version == MT_VERSION_5;
}

enum mt_status mt_suback_decode(const struct mt_frame *frame, enum mt_version version,
				struct mt_suback *out, struct mt_violation *why)
{
	struct mt_reader in = mt_reader_of(frame->body);
	struct mt_suback suback = {.type = frame->type};
	MT_CHECK(frame->type == MT_PACKET_SUBACK || frame->type == MT_PACKET_UNSUBACK);
	MT_TRY(mt_field_take_id(&in, mt_field_id(version, "MQTT-2.3.1-7", "MQTT-2.2.1-6"),
				&suback.packet_id, why));
	if (version == MT_VERSION_5)
		MT_TRY(mt_props_decode(&in, frame->type, MT_SIDE_SERVER, &suback.props, why));
	if (has_codes(frame->type, version)) {
		suback.reasons = mt_bytes_from(frame->body, in.pos);
		MT_TRY(check_codes(&suback, version, in.pos, why));
	} else {
		MT_TRY(mt_field_end(&in, why));
	}
	*out = suback;
	return MT_OK;
}

static void put_codes(struct mt_bytes reasons, enum mt_version version, struct mt_buf *out)
{
	for (size_t i = 0; i < reasons.len; i++) {
		bool is_folded = version == MT_VERSION_3_1_1 &&
				 reasons.data[i] >= MT_REASON_UNSPECIFIED_ERROR;
		mt_buf_put_u8(out, is_folded ? MT_REASON_UNSPECIFIED_ERROR : reasons.data[i]);
	}
}

enum mt_status mt_suback_encode(const struct mt_suback *suback, enum mt_version version,
				struct mt_buf *out)
{
	bool has_props = version == MT_VERSION_5;
	struct mt_bytes codes =
		has_codes(suback->type, version) ? suback->reasons : mt_bytes_of(NULL, 0);
	size_t props_bytes = has_props ? mt_props_bytes(&suback->props) : 0;
	MT_CHECK(suback->type == MT_PACKET_SUBACK || suback->type == MT_PACKET_UNSUBACK);
	MT_CHECK(suback->packet_id != 0);
	MT_TRY(mt_field_begin(out, suback->type, 0, 2 + props_bytes + codes.len));
	mt_buf_put_u16(out, suback->packet_id);
	if (has_props)
		mt_props_encode(&suback->props, out);
	put_codes(codes, version, out);
	return MT_OK;
}
