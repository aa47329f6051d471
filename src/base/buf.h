/*
 * Bounded writer and reader with a sticky failure, checked once at the end.
 *
 *   data [ written ... | pos ... cap )
 *
 * A write past `cap` sets `is_overflown` and writes nothing; a read past the end sets `is_short`
 * and yields zero. Numbers are big-endian, as in MQTT. Neither owns its memory.
 */
#pragma once

#include "base/bytes.h"

struct mt_buf {
	uint8_t *data;
	size_t pos;
	size_t cap;
	bool is_overflown;
};

static inline struct mt_buf mt_buf_of(void *data, size_t cap)
{
	return (struct mt_buf){.data = (uint8_t *)data, .cap = cap};
}

static inline struct mt_bytes mt_buf_view(const struct mt_buf *buf)
{
	return mt_bytes_of(buf->data, buf->pos);
}

/* Room for `len` bytes, advanced over; NULL on overflow (or when len is 0). */
static inline uint8_t *mt_buf_take(struct mt_buf *buf, size_t len)
{
	uint8_t *at = buf->data + buf->pos;
	if (MT_UNLIKELY(buf->is_overflown || len > buf->cap - buf->pos)) {
		buf->is_overflown = true;
		return NULL;
	}
	buf->pos += len;
	return len > 0 ? at : NULL;
}

static inline void mt_buf_put(struct mt_buf *buf, struct mt_bytes bytes)
{
	uint8_t *at = mt_buf_take(buf, bytes.len);
	if (at)
		memcpy(at, bytes.data, bytes.len);
}

static inline void mt_buf_put_u8(struct mt_buf *buf, uint8_t value)
{
	uint8_t *at = mt_buf_take(buf, 1);
	if (at)
		*at = value;
}

static inline void mt_buf_put_u16(struct mt_buf *buf, uint16_t value)
{
	uint8_t *at = mt_buf_take(buf, 2);
	if (at) {
		at[0] = (uint8_t)(value >> 8);
		at[1] = (uint8_t)value;
	}
}

static inline void mt_buf_put_u32(struct mt_buf *buf, uint32_t value)
{
	mt_buf_put_u16(buf, (uint16_t)(value >> 16));
	mt_buf_put_u16(buf, (uint16_t)value);
}

static inline void mt_buf_put_u64(struct mt_buf *buf, uint64_t value)
{
	mt_buf_put_u32(buf, (uint32_t)(value >> 32));
	mt_buf_put_u32(buf, (uint32_t)value);
}

struct mt_reader {
	struct mt_bytes in;
	size_t pos;
	bool is_short;
};

static inline struct mt_reader mt_reader_of(struct mt_bytes in)
{
	return (struct mt_reader){.in = in};
}

static inline size_t mt_reader_left(const struct mt_reader *reader)
{
	return reader->in.len - reader->pos;
}

static inline struct mt_bytes mt_reader_take(struct mt_reader *reader, size_t len)
{
	if (MT_UNLIKELY(reader->is_short || len > reader->in.len - reader->pos)) {
		reader->is_short = true;
		return mt_bytes_of(NULL, 0);
	}
	reader->pos += len;
	return mt_bytes_of(reader->in.data + (reader->pos - len), len);
}

static inline uint8_t mt_reader_u8(struct mt_reader *reader)
{
	struct mt_bytes at = mt_reader_take(reader, 1);
	return at.len ? at.data[0] : 0;
}

static inline uint16_t mt_reader_u16(struct mt_reader *reader)
{
	struct mt_bytes at = mt_reader_take(reader, 2);
	return at.len ? (uint16_t)(at.data[0] << 8 | at.data[1]) : 0;
}

static inline uint32_t mt_reader_u32(struct mt_reader *reader)
{
	uint32_t high = mt_reader_u16(reader);
	return high << 16 | mt_reader_u16(reader);
}

static inline uint64_t mt_reader_u64(struct mt_reader *reader)
{
	uint64_t high = mt_reader_u32(reader);
	return high << 32 | mt_reader_u32(reader);
}
