/* What a run of the load generator is asked to do: defaults, bounds, and what follows from them.
 * Pure. */
#include "cli/bench.h"

#include <stdlib.h>

#define TOPIC_BYTES_MAX 64
#define CREDENTIAL_BYTES_MAX 1024

struct mt_bench_settings mt_bench_defaults(void)
{
	return (struct mt_bench_settings){.scenario = MT_BENCH_PAIRS,
					  .host = "localhost",
					  .port = "1883",
					  .topic = "bench",
					  .version = MT_VERSION_5,
					  .connections = 100,
					  .messages = 100000,
					  .payload_bytes = 64,
					  .window = 64,
					  .timeout_s = 20,
					  .cpu = -1};
}

uint32_t mt_bench_publishers(const struct mt_bench_settings *settings)
{
	return settings->scenario == MT_BENCH_FANOUT ? 1 : settings->connections;
}

uint32_t mt_bench_receivers(const struct mt_bench_settings *settings)
{
	return settings->scenario == MT_BENCH_FANIN ? 1 : settings->connections;
}

uint32_t mt_bench_copies(const struct mt_bench_settings *settings)
{
	return settings->scenario == MT_BENCH_FANOUT ? settings->connections : 1;
}

static bool is_within(uint32_t value, uint32_t low, uint32_t high)
{
	return value >= low && value <= high;
}

static bool is_port(const char *text)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	return text[0] >= '0' && text[0] <= '9' && *end == 0 && port > 0 && port <= UINT16_MAX;
}

static const char *find_bad_number(const struct mt_bench_settings *settings)
{
	if (!is_within(settings->connections, 1, MT_BENCH_CONNECTIONS_MAX))
		return "--connections must be 1 to 60000";
	if (!is_within(settings->messages, 1, MT_BENCH_MESSAGES_MAX))
		return "--messages must be 1 to 1000000000";
	if (!is_within(settings->payload_bytes, MT_BENCH_PAYLOAD_MIN, MT_BENCH_PAYLOAD_MAX))
		return "--size must be 16 to 1048576 bytes";
	if (!is_within(settings->window, 1, MT_BENCH_WINDOW_MAX))
		return "--window must be 1 to 16384";
	if (settings->lockstep > MT_BENCH_WINDOW_MAX)
		return "--lockstep must be at most 16384";
	if (!is_within(settings->timeout_s, 1, MT_BENCH_TIMEOUT_S_MAX))
		return "--timeout must be 1 to 3600 seconds";
	if (settings->cpu > MT_BENCH_CPU_MAX)
		return "--cpu must be at most 1023";
	return settings->qos > 2 ? "--qos must be 0, 1 or 2" : NULL;
}

static const char *find_bad_text(const struct mt_bench_settings *settings)
{
	size_t topic = strlen(settings->topic);

	if (topic == 0 || topic > TOPIC_BYTES_MAX || strpbrk(settings->topic, "#+"))
		return "--topic must be 1 to 64 bytes without wildcards";
	if (!is_port(settings->port))
		return "-p must be a port number";
	if (mt_bytes_str(settings->user).len > CREDENTIAL_BYTES_MAX ||
	    mt_bytes_str(settings->password).len > CREDENTIAL_BYTES_MAX)
		return "user name and password may have 1024 bytes at most";
	if (settings->password && !settings->user)
		return "a password needs a user name (-u)";
	return NULL;
}

enum mt_status mt_bench_check(const struct mt_bench_settings *settings, const char **reason)
{
	const char *bad = find_bad_number(settings);

	if (!bad)
		bad = find_bad_text(settings);
	if (!bad)
		return MT_OK;
	*reason = bad;
	return MT_INVALID;
}
