/* mortise replay: plays a recording of the broker into a core of its own, and compares. */
#include "cli/print.h"
#include "cli/verbs.h"
#include "io/file.h"
#include "replay/play.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FILE_BYTES_MAX ((size_t)1 << 42)

struct run {
	const char *file;
	struct mt_play *play;
	struct mt_play_event last;
	enum mt_play_state state;
};

static mt_time time_since(const struct run *run, mt_time mono_ns)
{
	return mono_ns - mt_play_facts(run->play).first_ns;
}

/* The connection by its place in the table of the core, as long as it lives. */
static void tell(const struct run *run, FILE *out)
{
	fprintf(out, "%12.6f #%" PRIu64 " %s",
		(double)time_since(run, run->last.now.mono_ns) / (double)MT_SECOND,
		run->last.number, run->last.name);
	if (run->last.conn != 0)
		fprintf(out, " conn %" PRIu64, run->last.conn & UINT32_MAX);
	if (run->last.amount != 0)
		fprintf(out, " %" PRIu64, run->last.amount);
	fputc('\n', out);
}

/* out: where each call is told, or NULL. */
static void play_all(struct run *run, FILE *out)
{
	do {
		run->state = mt_play_step(run->play, &run->last);
		if (out && *run->last.name)
			tell(run, out);
	} while (run->state == MT_PLAY_ON);
}

static const char *result_of(enum mt_play_state state)
{
	switch (state) {
	case MT_PLAY_ON:
	case MT_PLAY_END:
	case MT_PLAY_CUT:
		break;
	case MT_PLAY_DIFFERS:
		return "differs";
	case MT_PLAY_CORRUPT:
		return "damaged";
	case MT_PLAY_INVALID:
		return "invalid";
	case MT_PLAY_MEMORY:
		return "out of memory";
	}
	return "same";
}

static int exit_of(enum mt_play_state state)
{
	switch (state) {
	case MT_PLAY_ON:
	case MT_PLAY_END:
	case MT_PLAY_CUT:
		break;
	case MT_PLAY_INVALID:
		return mt_status_exit(MT_INVALID);
	case MT_PLAY_CORRUPT:
		return mt_status_exit(MT_CORRUPT);
	case MT_PLAY_DIFFERS:
	case MT_PLAY_MEMORY:
		return 1;
	}
	return 0;
}

/* Where the comparison ended, and why. */
static json_t *describe_fault(const struct run *run)
{
	return json_pack(
		"{s:I, s:s, s:s, s:I, s:I}", "record", (json_int_t)run->last.number, "call",
		run->last.name, "what", run->last.what, "after_ms",
		(json_int_t)(*run->last.name ? time_since(run, run->last.now.mono_ns) / MT_MS : 0),
		"conn", (json_int_t)(run->last.conn & UINT32_MAX));
}

static json_t *describe_end(const struct run *run)
{
	size_t unread_bytes = mt_play_facts(run->play).unread_bytes;
	if (run->state == MT_PLAY_END)
		return json_stringn((const char *)run->last.text.data, run->last.text.len);
	return json_string(unread_bytes > 0 ? "breaks off within a record" : "breaks off");
}

static json_t *describe_start(const struct mt_play_facts *facts)
{
	time_t wall = (time_t)(facts->first_wall_ns / MT_SECOND);
	struct tm parts;
	char text[32] = "";
	if (gmtime_r(&wall, &parts))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
	return json_string(text);
}

static json_t *describe(const struct run *run)
{
	struct mt_play_facts facts = mt_play_facts(run->play);
	char digest[20];
	json_t *object;
	snprintf(digest, sizeof(digest), "%016" PRIx64, mt_play_digest(run->play));
	object = json_pack(
		"{s:s, s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
		"s:s}",
		"result", result_of(run->state), "file", run->file, "recorded_by",
		json_stringn((const char *)facts.release.data, facts.release.len), "begins",
		describe_start(&facts), "ms", (json_int_t)(time_since(run, facts.last_ns) / MT_MS),
		"records", (json_int_t)facts.records, "connections", (json_int_t)facts.connections,
		"inputs", (json_int_t)facts.inputs, "input_bytes", (json_int_t)facts.input_bytes,
		"output_bytes", (json_int_t)facts.output_bytes, "requests",
		(json_int_t)facts.requests, "publishes_received",
		(json_int_t)facts.publishes_received, "publishes_sent",
		(json_int_t)facts.publishes_sent, "refused", (json_int_t)facts.connects_refused,
		"denied", (json_int_t)(facts.publishes_denied + facts.subscribes_denied),
		"violations", (json_int_t)facts.violations, "digest", digest);
	if (object && exit_of(run->state) == 0)
		json_object_set_new(object, "end", describe_end(run));
	else if (object)
		json_object_set_new(object, "fault", describe_fault(run));
	return object;
}

static int report(const struct run *run, bool is_json)
{
	json_t *object = describe(run);
	int exit_code = exit_of(run->state);
	if (!object)
		return mt_cli_fail(2, "replay: %s: holds a text that is no UTF-8", run->file);
	if (is_json)
		mt_cli_print_json(stdout, object);
	else
		mt_cli_print_object(stdout, object);
	json_decref(object);
	if (exit_code == 0)
		return 0;
	return mt_cli_fail(exit_code, "replay: %s: record %" PRIu64 ": %s", run->file,
			   run->last.number,
			   *run->last.what ? run->last.what : result_of(run->state));
}

static int play_log(const struct mt_options *options, struct run *run, struct mt_bytes log)
{
	bool is_json = mt_options_has(options, "json");
	bool is_verbose = mt_options_has(options, "verbose");
	enum mt_status status = mt_play_open(log, &run->play);
	int exit_code;
	if (status != MT_OK)
		return mt_cli_fail(mt_status_exit(status), "replay: %s: %s", run->file,
				   status == MT_INVALID ? "this is no recording of this version; "
							  "make one with mortised --record"
							: mt_status_text(status));
	/* What programs read stays one document. */
	play_all(run, is_verbose ? is_json ? stderr : stdout : NULL);
	exit_code = report(run, is_json);
	mt_play_close(&run->play);
	return exit_code;
}

int mt_cli_replay(const struct mt_options *options)
{
	struct run run = {.file = options->operands[0]};
	uint8_t *data;
	size_t len;
	int exit_code;
	enum mt_status status = mt_file_read(run.file, FILE_BYTES_MAX, &data, &len);
	if (status != MT_OK)
		return mt_cli_fail(2, "replay: %s: %s", run.file,
				   status == MT_SYSTEM ? strerror(errno) : mt_status_text(status));
	exit_code = play_log(options, &run, mt_bytes_of(data, len));
	free(data);
	return exit_code;
}
