/*
 * What comes out of a core, as one running digest: each request in its order, each byte that was
 * taken.
 *
 * Secrets are left out: of passwords and authentication data only the lengths count. So a recording
 * and its replay, which has tokens in their place, agree. Pure; one thread.
 */
#pragma once

#include "core/core.h"
#include "replay/secret.h"

/* Both directions of one connection. */
struct mt_stream {
	mt_conn conn;
	struct mt_secret in, out;
};

struct mt_outcome {
	uint64_t digest;
	struct mt_mem mem;
	struct mt_stream *streams; /* by index of the handle */
	size_t stream_cap;
};

void mt_outcome_init(struct mt_outcome *outcome);
void mt_outcome_finish(struct mt_outcome *outcome);
/* A connection was opened: its streams begin. MT_MEMORY. */
MT_MUST_USE enum mt_status mt_outcome_begin(struct mt_outcome *outcome, mt_conn conn);
/* Its streams; NULL for a handle that is not the last one of its place. */
struct mt_stream *mt_outcome_stream(const struct mt_outcome *outcome, mt_conn conn);
void mt_outcome_request(struct mt_outcome *outcome, const struct mt_request *request);
/* The next `bytes` bytes that the core has for the connection, before it is told that they were
 * sent. MT_INVALID: it has fewer, or the connection did not begin. */
MT_MUST_USE enum mt_status mt_outcome_output(struct mt_outcome *outcome, const struct mt_core *core,
					     mt_conn conn, size_t bytes);
/* What the core counts, for a check now and then. Of joined cores memory is not a part: when a
 * sibling lets go of a message is not in the log. */
uint64_t mt_outcome_counts(const struct mt_core *core, bool is_alone);
