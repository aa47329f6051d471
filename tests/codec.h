/*
 * Any packet decoded, encoded again and compared: what the sweeps of the unit tests and the fuzz
 * targets share.
 */
#pragma once

#include "base/buf.h"
#include "wire/ack.h"
#include "wire/connect.h"
#include "wire/control.h"
#include "wire/publish.h"
#include "wire/subscribe.h"

#include <stdlib.h>

struct mt_any {
	uint8_t type;
	enum mt_version version; /* of the packet; CONNECT brings its own */
	enum mt_side side;
	size_t bytes;
	struct mt_connect connect;
	struct mt_connack connack;
	struct mt_publish publish;
	struct mt_ack ack;
	struct mt_subscribe subscribe;
	struct mt_suback suback;
	struct mt_control control;
};

static inline enum mt_status any_decode_frame(const struct mt_frame *frame, struct mt_any *any,
					      struct mt_violation *why)
{
	switch (frame->type) {
	case MT_PACKET_CONNECT:
		return mt_connect_decode(frame, &any->connect, &any->version, why);
	case MT_PACKET_CONNACK:
		return mt_connack_decode(frame, any->version, &any->connack, why);
	case MT_PACKET_PUBLISH:
		return mt_publish_decode(frame, any->version, any->side, &any->publish, why);
	case MT_PACKET_PUBACK:
	case MT_PACKET_PUBREC:
	case MT_PACKET_PUBREL:
	case MT_PACKET_PUBCOMP:
		return mt_ack_decode(frame, any->version, &any->ack, why);
	case MT_PACKET_SUBSCRIBE:
	case MT_PACKET_UNSUBSCRIBE:
		return mt_subscribe_decode(frame, any->version, &any->subscribe, why);
	case MT_PACKET_SUBACK:
	case MT_PACKET_UNSUBACK:
		return mt_suback_decode(frame, any->version, &any->suback, why);
	case MT_PACKET_PINGREQ:
	case MT_PACKET_PINGRESP:
		return mt_ping_decode(frame, why);
	default:
		return mt_control_decode(frame, any->version, any->side, &any->control, why);
	}
}

/* The first packet of `in`. */
static inline enum mt_status any_decode(struct mt_bytes in, enum mt_version version,
					enum mt_side side, struct mt_any *any,
					struct mt_violation *why)
{
	struct mt_frame frame;
	enum mt_status status = mt_frame_next(in, MT_VARINT_MAX, &frame, why);
	if (status != MT_OK)
		return status;
	*any = (struct mt_any){
		.type = frame.type, .version = version, .side = side, .bytes = frame.bytes};
	return any_decode_frame(&frame, any, why);
}

/* User properties and further subscription ids as `props->user` wants them, into `out`. */
static inline void any_collect_user(struct mt_props *props, struct mt_buf *out)
{
	struct mt_prop_item item;
	size_t pos = 0, ids = 0, start = out->pos;
	while (mt_props_next(props->raw, &pos, &item)) {
		if (item.prop == MT_PROP_SUBSCRIPTION_IDENTIFIER && ids++ == 0)
			continue;
		if (item.prop == MT_PROP_USER_PROPERTY ||
		    item.prop == MT_PROP_SUBSCRIPTION_IDENTIFIER)
			mt_buf_put(out, item.raw);
	}
	props->user = mt_bytes_of(out->data + start, out->pos - start);
}

/* `scratch` holds what the encoder of properties needs: as many bytes as the packet has. */
static inline enum mt_status any_encode(struct mt_any *any, struct mt_buf *scratch,
					struct mt_buf *out)
{
	switch (any->type) {
	case MT_PACKET_CONNECT:
		any_collect_user(&any->connect.props, scratch);
		any_collect_user(&any->connect.will_props, scratch);
		return mt_connect_encode(&any->connect, out);
	case MT_PACKET_CONNACK:
		any_collect_user(&any->connack.props, scratch);
		return mt_connack_encode(&any->connack, any->version, out);
	case MT_PACKET_PUBLISH:
		any_collect_user(&any->publish.props, scratch);
		return mt_publish_encode(&any->publish, any->version, out);
	case MT_PACKET_PUBACK:
	case MT_PACKET_PUBREC:
	case MT_PACKET_PUBREL:
	case MT_PACKET_PUBCOMP:
		any_collect_user(&any->ack.props, scratch);
		return mt_ack_encode(&any->ack, any->version, out);
	case MT_PACKET_SUBSCRIBE:
	case MT_PACKET_UNSUBSCRIBE:
		any_collect_user(&any->subscribe.props, scratch);
		return mt_subscribe_encode(&any->subscribe, any->version, out);
	case MT_PACKET_SUBACK:
	case MT_PACKET_UNSUBACK:
		any_collect_user(&any->suback.props, scratch);
		return mt_suback_encode(&any->suback, any->version, out);
	case MT_PACKET_PINGREQ:
	case MT_PACKET_PINGRESP:
		mt_ping_encode(any->type, out);
		return MT_OK;
	default:
		any_collect_user(&any->control.props, scratch);
		return mt_control_encode(&any->control, any->version, out);
	}
}

static inline bool is_item_equal(const struct mt_prop_item *a, const struct mt_prop_item *b)
{
	return a->prop == b->prop && a->number == b->number && mt_bytes_equal(a->text, b->text) &&
	       mt_bytes_equal(a->value, b->value);
}

/* The n-th item of one property in a raw list. */
static inline bool find_item(struct mt_bytes raw, enum mt_prop prop, size_t nth,
			     struct mt_prop_item *out)
{
	size_t pos = 0;
	while (mt_props_next(raw, &pos, out))
		if (out->prop == prop && nth-- == 0)
			return true;
	return false;
}

/* The same properties, those that may repeat in the same order. */
static inline bool is_props_equal(const struct mt_props *a, const struct mt_props *b)
{
	size_t seen[MT_PROP_COUNT] = {0};
	struct mt_prop_item item, twin;
	size_t pos = 0;
	if (a->present != b->present || a->raw.len != b->raw.len ||
	    a->user_property_count != b->user_property_count ||
	    a->subscription_id_count != b->subscription_id_count ||
	    a->subscription_id != b->subscription_id)
		return false;
	while (mt_props_next(a->raw, &pos, &item))
		if (!find_item(b->raw, item.prop, seen[item.prop]++, &twin) ||
		    !is_item_equal(&item, &twin))
			return false;
	return pos == a->raw.len;
}

static inline bool is_connect_equal(const struct mt_connect *a, const struct mt_connect *b)
{
	return a->version == b->version && a->is_clean == b->is_clean &&
	       a->has_will == b->has_will && a->will_qos == b->will_qos &&
	       a->is_will_retain == b->is_will_retain && a->has_user == b->has_user &&
	       a->has_password == b->has_password && a->keep_alive_s == b->keep_alive_s &&
	       is_props_equal(&a->props, &b->props) && mt_bytes_equal(a->client_id, b->client_id) &&
	       is_props_equal(&a->will_props, &b->will_props) &&
	       mt_bytes_equal(a->will_topic, b->will_topic) &&
	       mt_bytes_equal(a->will_payload, b->will_payload) &&
	       mt_bytes_equal(a->user, b->user) && mt_bytes_equal(a->password, b->password);
}

static inline bool is_publish_equal(const struct mt_publish *a, const struct mt_publish *b)
{
	return a->qos == b->qos && a->is_retain == b->is_retain && a->is_dup == b->is_dup &&
	       a->packet_id == b->packet_id && mt_bytes_equal(a->topic, b->topic) &&
	       is_props_equal(&a->props, &b->props) && mt_bytes_equal(a->payload, b->payload);
}

static inline bool is_list_equal(const struct mt_subscribe *a, const struct mt_subscribe *b)
{
	return a->packet_id == b->packet_id && a->filter_count == b->filter_count &&
	       mt_bytes_equal(a->list, b->list) && is_props_equal(&a->props, &b->props);
}

static inline bool is_answer_equal(const struct mt_any *a, const struct mt_any *b)
{
	return a->connack.is_session_present == b->connack.is_session_present &&
	       a->connack.reason == b->connack.reason &&
	       is_props_equal(&a->connack.props, &b->connack.props) &&
	       a->suback.packet_id == b->suback.packet_id &&
	       mt_bytes_equal(a->suback.reasons, b->suback.reasons) &&
	       is_props_equal(&a->suback.props, &b->suback.props) &&
	       a->ack.reason == b->ack.reason && a->ack.packet_id == b->ack.packet_id &&
	       is_props_equal(&a->ack.props, &b->ack.props);
}

/* The members that the type does not use are zero in both. */
static inline bool any_equal(const struct mt_any *a, const struct mt_any *b)
{
	return a->type == b->type && a->version == b->version &&
	       is_connect_equal(&a->connect, &b->connect) &&
	       is_publish_equal(&a->publish, &b->publish) &&
	       is_list_equal(&a->subscribe, &b->subscribe) && is_answer_equal(a, b) &&
	       a->control.reason == b->control.reason &&
	       is_props_equal(&a->control.props, &b->control.props);
}

/* Every filter that decode counted can be walked. */
static inline bool is_list_walkable(const struct mt_subscribe *subscribe)
{
	struct mt_sub_options options;
	struct mt_bytes filter;
	size_t pos = 0;
	uint32_t count = 0;
	while (mt_subscribe_next(subscribe, &pos, &filter, &options)) {
		if (filter.len == 0)
			return false;
		count++;
	}
	return count == subscribe->filter_count;
}

/* A violation tells what, and why, and where. */
static inline bool is_violation_whole(const struct mt_violation *why, size_t len)
{
	return why->statement && why->reason >= MT_REASON_UNSPECIFIED_ERROR && why->offset <= len;
}

/* The property of all decoders: what decodes encodes to bytes that decode to the same, else the
 * violation is whole. */
static inline bool any_round_trips(struct mt_bytes in, enum mt_version version, enum mt_side side)
{
	struct mt_any first, second;
	struct mt_violation why = {0};
	struct mt_buf scratch, out;
	enum mt_status status = any_decode(in, version, side, &first, &why);
	bool is_good;
	if (status == MT_VIOLATION)
		return is_violation_whole(&why, in.len);
	if (status != MT_OK)
		return status == MT_AGAIN;
	scratch = mt_buf_of(malloc(first.bytes), first.bytes);
	out = mt_buf_of(malloc(first.bytes), first.bytes);
	is_good = any_encode(&first, &scratch, &out) == MT_OK && !out.is_overflown &&
		  !scratch.is_overflown &&
		  any_decode(mt_buf_view(&out), version, side, &second, &why) == MT_OK &&
		  second.bytes == out.pos && any_equal(&first, &second) &&
		  is_list_walkable(&first.subscribe);
	free(scratch.data);
	free(out.data);
	return is_good;
}
