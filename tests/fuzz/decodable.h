/* What a core sends must be whole packets that our own decoders take. Shared by the fuzz targets of
 * cores. */
#pragma once

#include "base/buf.h"
#include "core/core.h"
#include "wire/ack.h"
#include "wire/connect.h"
#include "wire/control.h"
#include "wire/publish.h"
#include "wire/subscribe.h"

#include <stdlib.h>

/* *publish is written for a PUBLISH. */
static inline bool is_decodable(const struct mt_frame *frame, enum mt_version version,
				struct mt_publish *publish)
{
	struct mt_violation why;
	struct mt_connack connack;
	struct mt_suback suback;
	struct mt_control control;
	struct mt_ack ack;
	switch (frame->type) {
	case MT_PACKET_CONNACK:
		return mt_connack_decode(frame, version, &connack, &why) == MT_OK;
	case MT_PACKET_PUBLISH:
		return mt_publish_decode(frame, version, MT_SIDE_SERVER, publish, &why) == MT_OK;
	case MT_PACKET_PUBACK:
	case MT_PACKET_PUBREC:
	case MT_PACKET_PUBREL:
	case MT_PACKET_PUBCOMP:
		return mt_ack_decode(frame, version, &ack, &why) == MT_OK;
	case MT_PACKET_SUBACK:
	case MT_PACKET_UNSUBACK:
		return mt_suback_decode(frame, version, &suback, &why) == MT_OK;
	case MT_PACKET_PINGRESP:
		return mt_ping_decode(frame, &why) == MT_OK;
	case MT_PACKET_DISCONNECT:
	case MT_PACKET_AUTH:
		return mt_control_decode(frame, version, MT_SIDE_SERVER, &control, &why) == MT_OK;
	default:
		return false;
	}
}

/* What a client received and has not yet looked at. */
struct inbox {
	uint8_t *data;
	size_t bytes, cap;
};

static inline void inbox_put(struct inbox *inbox, struct mt_bytes bytes)
{
	if (inbox->bytes + bytes.len > inbox->cap) {
		inbox->cap = (inbox->bytes + bytes.len) * 2;
		inbox->data = realloc(inbox->data, inbox->cap);
		MT_CHECK(inbox->data);
	}
	if (bytes.len > 0)
		memcpy(inbox->data + inbox->bytes, bytes.data, bytes.len);
	inbox->bytes += bytes.len;
}

/* Forgets what was looked at. */
static inline void inbox_drop(struct inbox *inbox, size_t bytes)
{
	inbox->bytes -= bytes;
	if (bytes > 0 && inbox->bytes > 0)
		memmove(inbox->data, inbox->data + bytes, inbox->bytes);
}

/* All that is whole must be decodable, and is forgotten; *last_id: of the last PUBLISH with a
 * packet id. */
static inline void inbox_look(struct inbox *inbox, enum mt_version version, uint16_t *last_id)
{
	struct mt_frame frame;
	struct mt_violation why;
	struct mt_publish publish;
	size_t pos = 0;
	enum mt_status status = MT_AGAIN;
	while (pos < inbox->bytes &&
	       (status = mt_frame_next(mt_bytes_of(inbox->data + pos, inbox->bytes - pos), SIZE_MAX,
				       &frame, &why)) == MT_OK) {
		MT_CHECK(is_decodable(&frame, version, &publish));
		if (frame.type == MT_PACKET_PUBLISH && publish.qos > 0)
			*last_id = publish.packet_id;
		pos += frame.bytes;
	}
	MT_CHECK(pos == inbox->bytes || status == MT_AGAIN);
	inbox_drop(inbox, pos);
}

static inline void inbox_finish(struct inbox *inbox)
{
	free(inbox->data);
	*inbox = (struct inbox){0};
}
