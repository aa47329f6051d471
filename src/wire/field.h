/*
 * The fields that packets are made of: strings, names, packet ids (sections 1.5 and 2.2.1). Used
 * inside wire only.
 *
 * Readers start at the packet body, so that their position is the offset of a violation. What is
 * short is a malformed packet.
 */
#pragma once

#include "wire/frame.h"

#define MT_FIELD_BYTES_MAX 65535u

/* Keeps what is rare, and its stack frame, out of the functions that run for each packet. */
#define MT_COLD __attribute__((noinline, cold))

/* The standard's id of one rule: the numbers of 3.1.1 and 5 differ. */
static inline const char *mt_field_id(enum mt_version version, const char *in_3, const char *in_5)
{
	return version == MT_VERSION_5 ? in_5 : in_3;
}

/* Two bytes of length, then as many bytes. False when short. */
MT_MUST_USE bool mt_field_take(struct mt_reader *in, struct mt_bytes *out);
/* UTF-8 as section 1.5 wants it; `offset` is that of the text in the body. */
MT_MUST_USE enum mt_status mt_field_check_text(struct mt_bytes text, enum mt_version version,
					       size_t offset, struct mt_violation *why);
/* A name of a topic: text, not empty, without '+' and '#' (which is against `statement`, answered
 * by `reason`). */
MT_MUST_USE enum mt_status mt_field_check_name(struct mt_bytes name, enum mt_version version,
					       size_t offset, const char *statement, uint8_t reason,
					       struct mt_violation *why);
/* A packet id that must not be 0 by `statement`. */
MT_MUST_USE enum mt_status mt_field_take_id(struct mt_reader *in, const char *statement,
					    uint16_t *out, struct mt_violation *why);
/* MT_OK when nothing is left, else a malformed packet. */
MT_MUST_USE enum mt_status mt_field_end(const struct mt_reader *in, struct mt_violation *why);

/* Bytes of a field on the wire; above MT_VARINT_MAX when it cannot be written, so that sums of
 * sizes refuse it. */
static inline size_t mt_field_bytes(struct mt_bytes field)
{
	return field.len > MT_FIELD_BYTES_MAX ? (size_t)MT_VARINT_MAX + 1 : field.len + 2;
}

static inline void mt_field_put(struct mt_buf *out, struct mt_bytes field)
{
	uint8_t *at = mt_buf_take(out, field.len + 2);
	MT_CHECK(field.len <= MT_FIELD_BYTES_MAX);
	if (!at)
		return;
	at[0] = (uint8_t)(field.len >> 8);
	at[1] = (uint8_t)field.len;
	if (field.len > 0)
		memcpy(at + 2, field.data, field.len);
}

/* Starts a packet: header, when there is room for all of it; else MT_LIMIT and nothing is written.
 */
MT_MUST_USE enum mt_status mt_field_begin(struct mt_buf *out, uint8_t type, uint8_t flags,
					  size_t remaining);
