/*
 * A log of calls: a head that names the format, then records.
 *
 *   "mortise calls\n" | version 2 ||  length 4 | check of the length 4 | body | checksum 8  || ...
 *
 * Each check holds the number of its record, so that none can be taken out, doubled or moved. A log
 * may break off anywhere, as its writer may. The checks find damage, not forgery. Pure.
 */
#pragma once

#include "replay/call.h"

#define MT_RECORD_HEAD_BYTES 16u
#define MT_RECORD_EXTRA_BYTES 16u /* around a body */

/* Either end of a log. */
struct mt_records {
	uint64_t count;
	struct mt_now now; /* of the last record that told one */
};

void mt_records_begin(struct mt_buf *out);
/* At most mt_call_bytes_max and MT_RECORD_EXTRA_BYTES; call->has_time is set here. */
void mt_record_put(struct mt_records *records, struct mt_call *call, struct mt_buf *out);

/* Takes the head. MT_INVALID: this is no such log, or one of another version. */
MT_MUST_USE enum mt_status mt_records_open(struct mt_bytes *in);
/* The next call, with its time. MT_AGAIN: the log ends here, within a record when bytes are left.
 * MT_CORRUPT: a check fails. MT_INVALID: the record is whole and no call. *in moves on success. */
MT_MUST_USE enum mt_status mt_record_take(struct mt_records *records, struct mt_bytes *in,
					  struct mt_call *out);
