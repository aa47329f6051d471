/* Records of a log: lengths, checks, times. */
#include "replay/record.h"

#define VERSION 2u
#define LENGTH_BYTES 4u
#define CHECK_BYTES 4u
#define SUM_BYTES 8u

static const char name[] = "mortise calls\n";

static uint64_t sum_of(uint64_t number, struct mt_bytes bytes)
{
	return mt_hash_bytes((struct mt_seed){{VERSION, number}}, bytes);
}

void mt_records_begin(struct mt_buf *out)
{
	mt_buf_put(out, mt_bytes_str(name));
	mt_buf_put_u16(out, VERSION);
}

void mt_record_put(struct mt_records *records, struct mt_call *call, struct mt_buf *out)
{
	size_t start = out->pos, bytes;
	struct mt_buf head;
	call->has_time = records->count == 0 || call->now.mono_ns != records->now.mono_ns ||
			 call->now.wall_ns != records->now.wall_ns;
	mt_buf_put_u64(out, 0); /* where length and check will stand */
	mt_call_encode(call, out);
	MT_CHECK(!out->is_overflown);
	bytes = out->pos - start - LENGTH_BYTES - CHECK_BYTES;
	head = mt_buf_of(out->data + start, LENGTH_BYTES + CHECK_BYTES);
	mt_buf_put_u32(&head, (uint32_t)bytes);
	mt_buf_put_u32(&head, (uint32_t)sum_of(records->count, mt_buf_view(&head)));
	mt_buf_put_u64(out,
		       sum_of(records->count, mt_bytes_of(out->data + start + head.pos, bytes)));
	MT_CHECK(!out->is_overflown);
	records->now = call->now;
	records->count++;
}

enum mt_status mt_records_open(struct mt_bytes *in)
{
	struct mt_reader reader = mt_reader_of(*in);
	struct mt_bytes first = mt_reader_take(&reader, sizeof(name) - 1);
	uint16_t version = mt_reader_u16(&reader);
	if (reader.is_short || !mt_bytes_equal(first, mt_bytes_str(name)) || version != VERSION)
		return MT_INVALID;
	*in = mt_bytes_from(*in, reader.pos);
	return MT_OK;
}

/* A length that was changed must not pass for the end of the log. */
static enum mt_status take_body(uint64_t number, struct mt_reader *in, struct mt_bytes *body)
{
	struct mt_bytes length = mt_reader_take(in, LENGTH_BYTES);
	uint32_t check = mt_reader_u32(in), bytes;
	struct mt_reader digits = mt_reader_of(length);
	if (in->is_short)
		return MT_AGAIN;
	if (check != (uint32_t)sum_of(number, length))
		return MT_CORRUPT;
	bytes = mt_reader_u32(&digits);
	*body = mt_reader_take(in, bytes);
	return in->is_short ? MT_AGAIN : MT_OK;
}

enum mt_status mt_record_take(struct mt_records *records, struct mt_bytes *in, struct mt_call *out)
{
	struct mt_reader reader = mt_reader_of(*in);
	struct mt_bytes body;
	struct mt_call call;
	uint64_t sum;
	MT_TRY(take_body(records->count, &reader, &body));
	sum = mt_reader_u64(&reader);
	if (reader.is_short)
		return MT_AGAIN;
	if (sum != sum_of(records->count, body))
		return MT_CORRUPT;
	MT_TRY(mt_call_decode(body, &call));
	if (call.has_time)
		records->now = call.now;
	else
		call.now = records->now;
	records->count++;
	*in = mt_bytes_from(*in, reader.pos);
	*out = call;
	return MT_OK;
}
