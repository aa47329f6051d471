/* CPU time of another process, summed over its threads, from /proc. */
#pragma once

#include "base/bytes.h"
#include "base/status.h"

struct mt_cpu {
	uint64_t run_ns;     /* time on a CPU, from schedstat of every thread */
	uint64_t user_ticks; /* of 10 ms */
	uint64_t system_ticks;
};

/* MT_NOT_FOUND: no such process. */
MT_MUST_USE enum mt_status mt_cpu_read(int32_t pid, struct mt_cpu *out);
/* Text of /proc/PID/task/TID/schedstat: time on a CPU first. */
MT_MUST_USE bool mt_cpu_parse_schedstat(struct mt_bytes text, uint64_t *run_ns);
/* Text of /proc/PID/stat; the command name may hold anything, blanks and brackets included. */
MT_MUST_USE bool mt_cpu_parse_stat(struct mt_bytes text, uint64_t *user_ticks,
				   uint64_t *system_ticks);
