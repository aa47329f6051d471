/* Time as an argument: the shell reads the clocks, everything below is told. */
#pragma once

#include <stdint.h>

typedef int64_t mt_time; /* nanoseconds */

#define MT_MS ((mt_time)1000000)
#define MT_SECOND ((mt_time)1000000000)
#define MT_TIME_NEVER INT64_MAX

/* The same moment on two clocks. */
struct mt_now {
	mt_time mono_ns; /* CLOCK_MONOTONIC: for every duration */
	mt_time wall_ns; /* since 1970-01-01 UTC: only for what a person or a certificate dates */
};
