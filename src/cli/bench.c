/* `mortise bench`: a load generator against any broker, over plain TCP. */
#include "cli/bench.h"

#include <getopt.h>
#include <stdlib.h>

enum option_code { OPTION_HELP = 256, OPTION_CONNECTIONS, OPTION_MESSAGES, OPTION_PAYLOAD, OPTION_WINDOW,
		   OPTION_LOCKSTEP, OPTION_TIMEOUT, OPTION_TOPIC, OPTION_PID, OPTION_CPU, OPTION_JSON };

static const struct option options[] = {
	{"help", no_argument, NULL, OPTION_HELP},
	{"host", required_argument, NULL, 'h'},
	{"port", required_argument, NULL, 'p'},
	{"user", required_argument, NULL, 'u'},
	{"qos", required_argument, NULL, 'q'},
	{"connections", required_argument, NULL, OPTION_CONNECTIONS},
	{"messages", required_argument, NULL, OPTION_MESSAGES},
	{"payload", required_argument, NULL, OPTION_PAYLOAD},
	{"window", required_argument, NULL, OPTION_WINDOW},
	{"lockstep", required_argument, NULL, OPTION_LOCKSTEP},
	{"timeout", required_argument, NULL, OPTION_TIMEOUT},
	{"topic", required_argument, NULL, OPTION_TOPIC},
	{"pid", required_argument, NULL, OPTION_PID},
	{"cpu", required_argument, NULL, OPTION_CPU},
	{"json", no_argument, NULL, OPTION_JSON},
	{0},
};

static const char usage[] =
	"usage: mortise bench [pairs|fanout|fanin|sparse] [option]...\n"
	"Sends messages through a broker and checks that each arrives once and in order.\n"
	"  pairs   N publishers, a receiver for each (default)    fanout  one publisher, N receivers\n"
	"  fanin   N publishers, one receiver by wildcard         sparse  pairs with --window 1\n"
	"  -h, --host HOST      broker (127.0.0.1)       --connections N   N above (100)\n"
	"  -p, --port PORT      (1883)                   --messages N      published in all (100000)\n"
	"  -u, --user NAME                               --payload BYTES   16 to 1048576 (64)\n"
	"  -P PASSWORD          visible to others        --window N        in flight for each publisher (64)\n"
	"  -V 3.1.1|5           (5)                      --lockstep K      K messages a write, in turns\n"
	"  -q, --qos 0..2       (0)                      --timeout S       without progress (20)\n"
	"  --topic PREFIX       (bench)                  --pid PID         of the broker: its CPU time is shown\n"
	"  --json               one object               --cpu N           run on that CPU alone\n"
	"Exit: 0 everything arrived once and in order, 1 something did not.\n";

/* UINT32_MAX, which is outside of every bound, for what is no number. */
static uint32_t number_of(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != 0 || value > UINT32_MAX)
		return UINT32_MAX;
	return (uint32_t)value;
}

static enum mt_status take_version(const char *text, struct mt_bench_settings *settings, const char **reason)
{
	if (strcmp(text, "5") == 0 || strcmp(text, "mqttv5") == 0) {
		settings->version = MT_VERSION_5;
	} else if (strcmp(text, "3.1.1") == 0 || strcmp(text, "mqttv311") == 0) {
		settings->version = MT_VERSION_3_1_1;
	} else {
		*reason = "-V must be 3.1.1 or 5";
		return MT_INVALID;
	}
	return MT_OK;
}

static enum mt_status take_place_option(int code, uint32_t number, struct mt_bench_settings *settings,
					const char **reason)
{
	if (number > INT32_MAX || (code == OPTION_CPU && number >= 1024)) {
		*reason = code == OPTION_PID ? "--pid must be the id of a process" : "--cpu must be 0 to 1023";
		return MT_INVALID;
	}
	if (code == OPTION_PID)
		settings->pid = (int32_t)number;
	else
		settings->cpu = (int32_t)number;
	return MT_OK;
}

/* Numbers whose bounds mt_bench_check knows. */
static void take_number(int code, uint32_t number, struct mt_bench_settings *settings)
{
	switch (code) {
	case 'q':
		settings->qos = number > 2 ? 3 : (uint8_t)number;
		break;
	case OPTION_CONNECTIONS:
		settings->connections = number;
		break;
	case OPTION_MESSAGES:
		settings->messages = number;
		break;
	case OPTION_PAYLOAD:
		settings->payload_bytes = number;
		break;
	case OPTION_WINDOW:
		settings->window = number;
		break;
	case OPTION_LOCKSTEP:
		settings->lockstep = number;
		break;
	default:
		settings->timeout_s = number;
		break;
	}
}

static enum mt_status take_option(int code, const char *value, struct mt_bench_settings *settings, const char **reason)
{
	switch (code) {
	case 'h':
		settings->host = value;
		return MT_OK;
	case 'p':
		settings->port = value;
		return MT_OK;
	case 'u':
		settings->user = value;
		return MT_OK;
	case 'P':
		settings->password = value;
		(void)fputs("mortise: a password on the command line is visible to other users of this machine\n", stderr);
		return MT_OK;
	case 'V':
		return take_version(value, settings, reason);
	case OPTION_TOPIC:
		settings->topic = value;
		return MT_OK;
	case OPTION_JSON:
		settings->is_json = true;
		return MT_OK;
	case OPTION_PID:
	case OPTION_CPU:
		return take_place_option(code, number_of(value), settings, reason);
	case '?':
		*reason = "an option that bench does not know, or one without its value";
		return MT_INVALID;
	default:
		take_number(code, number_of(value), settings);
		return MT_OK;
	}
}

static enum mt_status take_scenario(const char *word, struct mt_bench_settings *settings, const char **reason)
{
	static const struct {
		const char *name;
		enum mt_bench_scenario scenario;
		uint32_t window; /* 0: as it is */
	} scenarios[] = {
		{"pairs", MT_BENCH_PAIRS, 0},
		{"fanout", MT_BENCH_FANOUT, 0},
		{"fanin", MT_BENCH_FANIN, 0},
		{"sparse", MT_BENCH_PAIRS, 1},
	};

	for (size_t i = 0; i < MT_COUNT_OF(scenarios); i++) {
		if (strcmp(word, scenarios[i].name) != 0)
			continue;
		settings->scenario = scenarios[i].scenario;
		if (scenarios[i].window > 0)
			settings->window = scenarios[i].window;
		return MT_OK;
	}
	*reason = "the scenario must be pairs, fanout, fanin or sparse";
	return MT_INVALID;
}

static enum mt_status parse(int argc, char **argv, struct mt_bench_settings *settings, bool *is_help,
			    const char **reason)
{
	int code;

	opterr = 0;
	while ((code = getopt_long(argc, argv, "h:p:u:P:V:q:", options, NULL)) != -1) {
		if (code == OPTION_HELP) {
			*is_help = true;
			return MT_OK;
		}
		MT_TRY(take_option(code, optarg, settings, reason));
	}
	*reason = "one scenario at most";
	if (argc - optind > 1)
		return MT_INVALID;
	return argc > optind ? take_scenario(argv[optind], settings, reason) : MT_OK;
}

int mt_cli_bench(int argc, char **argv)
{
	struct mt_bench_settings settings = mt_bench_defaults();
	struct mt_bench_result result;
	const char *reason = "";
	bool is_help = false;
	enum mt_status status;

	status = parse(argc, argv, &settings, &is_help, &reason);
	if (status == MT_OK && is_help) {
		(void)fputs(usage, stdout);
		return 0;
	}
	if (status == MT_OK)
		status = mt_bench_run(&settings, &result, &reason);
	if (status != MT_OK) {
		(void)fprintf(stderr, "mortise: bench: %s: %s; %s\n", mt_status_text(status), reason,
			      mt_status_remedy(status));
		return mt_status_exit(status);
	}
	mt_bench_report(stdout, &settings, &result);
	return mt_order_tally_is_clean(&result.tally) ? 0 : 1;
}
