/* The clocks and the random source of the system. */
#include "io/clock.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

static mt_time read_clock(clockid_t id)
{
	struct timespec at;

	MT_CHECK(clock_gettime(id, &at) == 0);
	return (mt_time)at.tv_sec * MT_SECOND + at.tv_nsec;
}

struct mt_now mt_clock_now(void)
{
	return (struct mt_now){.mono_ns = read_clock(CLOCK_MONOTONIC),
			       .wall_ns = read_clock(CLOCK_REALTIME)};
}

void mt_random_bytes(void *to, size_t len)
{
	uint8_t *at = (uint8_t *)to;

	while (len > 0) {
		ssize_t got = getrandom(at, len, 0);
		MT_CHECK(got > 0 || errno == EINTR);
		if (got > 0) {
			at += got;
			len -= (size_t)got;
		}
	}
}

struct mt_seed mt_random_seed(void)
{
	struct mt_seed seed;

	mt_random_bytes(&seed, sizeof(seed));
	return seed;
}
