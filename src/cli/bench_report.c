/* What a run of the load generator found, for a person or as JSON. */
#include "cli/bench.h"

#include <inttypes.h>

static const char *const scenario_names[] = {
	[MT_BENCH_PAIRS] = "pairs", [MT_BENCH_FANOUT] = "fanout", [MT_BENCH_FANIN] = "fanin"};

static double per(double amount, uint64_t count)
{
	return count > 0 ? amount / (double)count : 0;
}

static double rate_of(const struct mt_bench_result *result)
{
	return result->elapsed_ns > 0
		       ? (double)result->delivered_count * 1e9 / (double)result->elapsed_ns
		       : 0;
}

static void report_json(FILE *to, const struct mt_bench_settings *settings,
			const struct mt_bench_result *result)
{
	(void)fprintf(to,
		      "{\"scenario\":\"%s\",\"connections\":%" PRIu32
		      ",\"qos\":%u,\"payload_bytes\":%" PRIu32 ",\"window\":%" PRIu32
		      ",\"lockstep\":%" PRIu32 ",\"published\":%" PRIu64 ",\"delivered\":%" PRIu64
		      ",\"lost\":%" PRIu64 ",\"duplicated\":%" PRIu64 ",\"reordered\":%" PRIu64
		      ",\"elapsed_s\":%.6f,\"per_second\":%.0f,\"latency_p50_us\":%.1f",
		      scenario_names[settings->scenario], settings->connections,
		      (unsigned)settings->qos, settings->payload_bytes, settings->window,
		      settings->lockstep, result->published_count, result->delivered_count,
		      result->tally.lost_count, result->tally.duplicated_count,
		      result->tally.reordered_count, (double)result->elapsed_ns / 1e9,
		      rate_of(result), (double)result->latency_p50_ns / 1e3);
	if (result->has_cpu)
		(void)fprintf(to, ",\"cpu_us_per_message\":%.4f",
			      per((double)result->cpu_ns / 1e3, result->delivered_count));
	if (result->has_cpu && result->cpu_user_share >= 0)
		(void)fprintf(to, ",\"cpu_user_share\":%.3f", result->cpu_user_share);
	(void)fputs("}\n", to);
}

static void report_text(FILE *to, const struct mt_bench_settings *settings,
			const struct mt_bench_result *result)
{
	(void)fprintf(to,
		      "%s %" PRIu32 ", QoS %u, %" PRIu32 " B: %" PRIu64
		      " delivered in %.3f s, %.0f/s, p50 %.1f us",
		      scenario_names[settings->scenario], settings->connections,
		      (unsigned)settings->qos, settings->payload_bytes, result->delivered_count,
		      (double)result->elapsed_ns / 1e9, rate_of(result),
		      (double)result->latency_p50_ns / 1e3);
	if (result->has_cpu)
		(void)fprintf(to, ", broker %.3f us/message",
			      per((double)result->cpu_ns / 1e3, result->delivered_count));
	if (result->has_cpu && result->cpu_user_share >= 0)
		(void)fprintf(to, " (%.0f %% user)", result->cpu_user_share * 100);
	if (mt_order_tally_is_clean(&result->tally))
		(void)fputs(", all in order\n", to);
	else
		(void)fprintf(to,
			      ", LOST %" PRIu64 " DUPLICATED %" PRIu64 " REORDERED %" PRIu64 "\n",
			      result->tally.lost_count, result->tally.duplicated_count,
			      result->tally.reordered_count);
}

void mt_bench_report(FILE *to, const struct mt_bench_settings *settings,
		     const struct mt_bench_result *result)
{
	if (settings->is_json)
		report_json(to, settings, result);
	else
		report_text(to, settings, result);
}
