/* `mortise bench`: a load generator against any broker, over plain TCP. */
#include "cli/bench.h"

#include "cli/verbs.h"

#include <stdio.h>

#define SECRET_BYTES_MAX 1024
#define FAULT_BYTES 200

struct number_option {
	const char *name;
	uint32_t low;
	uint32_t high;
	size_t at; /* of its uint32_t in the settings */
};

static const struct number_option numbers[] = {
	{"connections", 1, MT_BENCH_CONNECTIONS_MAX,
	 offsetof(struct mt_bench_settings, connections)},
	{"messages", 1, MT_BENCH_MESSAGES_MAX, offsetof(struct mt_bench_settings, messages)},
	{"size", MT_BENCH_PAYLOAD_MIN, MT_BENCH_PAYLOAD_MAX,
	 offsetof(struct mt_bench_settings, payload_bytes)},
	{"window", 1, MT_BENCH_WINDOW_MAX, offsetof(struct mt_bench_settings, window)},
	{"lockstep", 0, MT_BENCH_WINDOW_MAX, offsetof(struct mt_bench_settings, lockstep)},
	{"timeout", 1, MT_BENCH_TIMEOUT_S_MAX, offsetof(struct mt_bench_settings, timeout_s)},
};

static enum mt_status take_numbers(const struct mt_options *options,
				   struct mt_bench_settings *settings, char *fault)
{
	uint64_t value, qos, pid, cpu;
	uint32_t *to;

	for (size_t i = 0; i < MT_COUNT_OF(numbers); i++) {
		to = (uint32_t *)(void *)((char *)settings + numbers[i].at);
		MT_TRY(mt_options_number(options, numbers[i].name, numbers[i].low, numbers[i].high,
					 *to, &value, fault, FAULT_BYTES));
		*to = (uint32_t)value;
	}
	MT_TRY(mt_options_number(options, "qos", 0, 2, settings->qos, &qos, fault, FAULT_BYTES));
	MT_TRY(mt_options_number(options, "pid", 1, INT32_MAX, 0, &pid, fault, FAULT_BYTES));
	MT_TRY(mt_options_number(options, "cpu", 0, MT_BENCH_CPU_MAX, 0, &cpu, fault, FAULT_BYTES));
	settings->qos = (uint8_t)qos;
	settings->pid = (int32_t)pid;
	settings->cpu = mt_options_has(options, "cpu") ? (int32_t)cpu : -1;
	return MT_OK;
}

static void take_text(const struct mt_options *options, const char *name, const char **to)
{
	const char *value = mt_options_value(options, name);

	if (value)
		*to = value;
}

static enum mt_status take_version(const char *text, struct mt_bench_settings *settings,
				   char *fault)
{
	if (!text || strcmp(text, "5") == 0 || strcmp(text, "mqttv5") == 0) {
		settings->version = MT_VERSION_5;
		return MT_OK;
	}
	if (strcmp(text, "3.1.1") == 0 || strcmp(text, "mqttv311") == 0) {
		settings->version = MT_VERSION_3_1_1;
		return MT_OK;
	}
	(void)snprintf(fault, FAULT_BYTES, "--protocol-version must be 3.1.1 or 5");
	return MT_INVALID;
}

static enum mt_status take_scenario(const char *word, struct mt_bench_settings *settings,
				    char *fault)
{
	static const struct {
		const char *name;
		enum mt_bench_scenario scenario;
		bool is_sparse;
	} scenarios[] = {
		{"pairs", MT_BENCH_PAIRS, false},
		{"fanout", MT_BENCH_FANOUT, false},
		{"fanin", MT_BENCH_FANIN, false},
		{"sparse", MT_BENCH_PAIRS, true},
	};

	for (size_t i = 0; i < MT_COUNT_OF(scenarios); i++) {
		if (strcmp(word, scenarios[i].name) != 0)
			continue;
		settings->scenario = scenarios[i].scenario;
		settings->window = scenarios[i].is_sparse ? 1 : settings->window;
		return MT_OK;
	}
	(void)snprintf(fault, FAULT_BYTES, "the scenario must be pairs, fanout, fanin or sparse");
	return MT_INVALID;
}

/* One trailing newline does not belong to the password. */
static enum mt_status read_password(const char *path, char *secret, char *fault)
{
	FILE *file = fopen(path, "re");
	size_t len = 0;

	if (file) {
		len = fread(secret, 1, SECRET_BYTES_MAX + 1, file);
		(void)fclose(file);
	}
	if (!file || len > SECRET_BYTES_MAX) {
		(void)snprintf(fault, FAULT_BYTES,
			       "--password-file cannot be read or has more than 1024 bytes");
		return MT_INVALID;
	}
	secret[len] = 0;
	if (len > 0 && secret[len - 1] == '\n')
		secret[len - 1] = 0;
	return MT_OK;
}

static enum mt_status take_password(const struct mt_options *options,
				    struct mt_bench_settings *settings, char *secret, char *fault)
{
	const char *path = mt_options_value(options, "password-file");

	settings->password = mt_options_value(options, "pw");
	if (settings->password)
		(void)fputs(
			"mortise: bench: others on this machine can read -P; use --password-file\n",
			stderr);
	if (!path)
		return MT_OK;
	MT_TRY(read_password(path, secret, fault));
	settings->password = secret;
	return MT_OK;
}

static enum mt_status take(const struct mt_options *options, struct mt_bench_settings *settings,
			   char *secret, char *fault)
{
	take_text(options, "host", &settings->host);
	take_text(options, "port", &settings->port);
	take_text(options, "username", &settings->user);
	take_text(options, "topic", &settings->topic);
	settings->is_json = mt_options_has(options, "json");
	if (options->operand_count > 0)
		MT_TRY(take_scenario(options->operands[0], settings, fault));
	MT_TRY(take_version(mt_options_value(options, "protocol-version"), settings, fault));
	MT_TRY(take_password(options, settings, secret, fault));
	return take_numbers(options, settings, fault);
}

int mt_cli_bench(const struct mt_options *options)
{
	struct mt_bench_settings settings = mt_bench_defaults();
	char secret[SECRET_BYTES_MAX + 2] = "", fault[FAULT_BYTES] = "";
	struct mt_bench_result result;
	const char *reason = fault;
	enum mt_status status;

	status = take(options, &settings, secret, fault);
	if (status == MT_OK)
		status = mt_bench_run(&settings, &result, &reason);
	mt_bytes_wipe(secret, sizeof(secret));
	if (status != MT_OK) {
		(void)fprintf(stderr, "mortise: bench: %s: %s; %s\n", mt_status_text(status),
			      reason, mt_status_remedy(status));
		return mt_status_exit(status);
	}
	mt_bench_report(stdout, &settings, &result);
	return mt_order_tally_is_clean(&result.tally) ? 0 : 1;
}
