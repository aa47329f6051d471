/*
 * Fixed header and packet boundaries (section 2.1).
 *
 *   | type 4 | flags 4 | remaining length 1..4 | body ... |
 */
#pragma once

#include "wire/packet.h"

#define MT_VARINT_MAX 268435455u

struct mt_frame {
	uint8_t type;	      /* enum mt_packet_type, 1..15 */
	uint8_t flags;	      /* checked against the packet type, except for PUBLISH */
	struct mt_bytes body; /* borrowed from the input */
	size_t bytes;	      /* of the whole packet */
};

/*
 * The next whole packet at the start of `in`. MT_OK: *out. MT_AGAIN: more bytes are needed.
 * MT_VIOLATION: *why; type 0, wrong reserved flags, a length of five bytes or not minimal
 * ([MQTT-1.5.5-1]), a packet above packet_bytes_max (0x95): as soon as the header shows it. Reads
 * at most 5 bytes; O(1).
 */
MT_MUST_USE enum mt_status mt_frame_next(struct mt_bytes in, size_t packet_bytes_max,
					 struct mt_frame *out, struct mt_violation *why);

/* The statement of such a violation as the peer's version numbers it: the header is read before the
 * version is known, and *why has the ids of MQTT 5. */
const char *mt_frame_statement(const struct mt_violation *why, enum mt_version version);

/* Bytes of the whole packet at the start of `in` when its header is complete, else 0. For sizing a
 * buffer. */
size_t mt_frame_bytes(struct mt_bytes in);

/* Variable byte integer: bytes it takes (1..4), and writing it. value <= MT_VARINT_MAX. */
size_t mt_varint_bytes(uint32_t value);
void mt_varint_put(struct mt_buf *out, uint32_t value);
/* Reads one; false when it is short, five bytes long or not minimal. */
MT_MUST_USE bool mt_varint_take(struct mt_reader *in, uint32_t *out);
/* First byte and remaining length. */
void mt_frame_put_header(struct mt_buf *out, uint8_t type, uint8_t flags, uint32_t remaining);
