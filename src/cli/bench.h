/*
 * The load generator: what a run is asked to do and what it found. One thread, plain TCP, one
 * epoll.
 *
 *   pairs   publisher i -> topic i -> receiver i        fanout   one publisher -> N receivers
 *   fanin   N publishers -> one wildcard -> one receiver
 *
 * Every payload starts with the publisher's index, a sequence number and the time, so that loss,
 * doubles and order are checked in every run. Messages in flight are bounded by `window`, so that
 * no honest broker needs to drop any.
 */
#pragma once

#include "base/status.h"
#include "base/time.h"
#include "cli/bench_order.h"
#include "wire/packet.h"

#include <stdio.h>

#define MT_BENCH_CONNECTIONS_MAX 60000
#define MT_BENCH_MESSAGES_MAX 1000000000u
#define MT_BENCH_PAYLOAD_MIN 16
#define MT_BENCH_PAYLOAD_MAX 1048576
#define MT_BENCH_WINDOW_MAX 16384
#define MT_BENCH_TIMEOUT_S_MAX 3600
#define MT_BENCH_CPU_MAX 1023

enum mt_bench_scenario { MT_BENCH_PAIRS, MT_BENCH_FANOUT, MT_BENCH_FANIN };

struct mt_bench_settings {
	enum mt_bench_scenario scenario;
	const char *host;
	const char *port;
	const char *user;     /* NULL: none */
	const char *password; /* NULL: none */
	const char *topic;    /* first levels of every topic, at most 64 bytes */
	enum mt_version version;
	uint32_t connections; /* N of the scenario */
	uint32_t messages;    /* of all publishers together; rounded up to a multiple of them */
	uint32_t payload_bytes;
	uint32_t window;    /* messages in flight for each publisher */
	uint32_t lockstep;  /* 0: off; else messages a write, and one publisher at a time */
	uint32_t timeout_s; /* without any progress */
	int32_t pid;	    /* of the broker, 0: its CPU time is not measured */
	int32_t cpu;	    /* the generator runs there, -1: anywhere */
	uint8_t qos;
	bool is_json;
};

struct mt_bench_result {
	uint64_t published_count;
	uint64_t delivered_count;
	struct mt_order_tally tally;
	mt_time elapsed_ns;
	mt_time latency_p50_ns; /* 0 when nothing was delivered */
	bool has_cpu;
	uint64_t cpu_ns;       /* of the broker, all threads */
	double cpu_user_share; /* 0..1, from ticks of 10 ms; -1 when less than 10 ticks were used */
};

/* Defaults of the command. */
struct mt_bench_settings mt_bench_defaults(void);
/* MT_INVALID: *reason says which setting and what was expected. */
MT_MUST_USE enum mt_status mt_bench_check(const struct mt_bench_settings *settings,
					  const char **reason);
uint32_t mt_bench_publishers(const struct mt_bench_settings *settings);
uint32_t mt_bench_receivers(const struct mt_bench_settings *settings);
/* Receivers of each message. */
uint32_t mt_bench_copies(const struct mt_bench_settings *settings);
/*
 * Runs to the end or until nothing moves for timeout_s (then MT_OK with lost messages in the
 * tally). *reason on failure: valid until the next call.
 */
MT_MUST_USE enum mt_status mt_bench_run(const struct mt_bench_settings *settings,
					struct mt_bench_result *out, const char **reason);
/* One line for a person, or one JSON object. */
void mt_bench_report(FILE *to, const struct mt_bench_settings *settings,
		     const struct mt_bench_result *result);
