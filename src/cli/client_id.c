/* mortise client-id: ids for new clients, and what is to be said of one. No broker is asked. */
#include "identity/client_id.h"
#include "cli/print.h"
#include "cli/verbs.h"
#include "identity/id_format.h"
#include "io/clock.h"
#include "topic/name.h"

#define COUNT_MAX 100000u
#define DEFAULT_PATTERN "%12N"
#define SHORT_BYTES_MAX 23u /* that each server of MQTT 3.1.1 takes ([MQTT-3.1.3-5]) */

enum kind { KIND_UUID, KIND_MAC, KIND_SERIAL, KIND_COUNT };

static const char *const kinds[KIND_COUNT] = {"uuid", "mac", "serial"};

static enum kind find_kind(const char *name)
{
	int kind = 0;
	while (kind < KIND_COUNT && strcmp(kinds[kind], name) != 0)
		kind++;
	return (enum kind)kind;
}

static void make(enum kind kind, const char *pattern, char out[MT_SERIAL_BYTES_MAX + 1])
{
	uint64_t draws[MT_SERIAL_BYTES_MAX];
	mt_random_bytes(draws, sizeof(draws));
	switch (kind) {
	case KIND_UUID:
		mt_uuid_make((const uint8_t *)draws, out);
		break;
	case KIND_MAC:
		mt_mac_make((const uint8_t *)draws, out);
		break;
	case KIND_SERIAL:
	case KIND_COUNT:
		mt_serial_make(mt_bytes_str(pattern), draws, out);
		break;
	}
}

static int make_all(const struct mt_options *options, enum kind kind, const char *pattern,
		    uint64_t count)
{
	char text[MT_SERIAL_BYTES_MAX + 1];
	json_t *answer;
	json_t *list = NULL;
	if (mt_options_has(options, "json"))
		list = json_array();
	for (; count > 0; count--) {
		make(kind, pattern, text);
		if (list)
			json_array_append_new(list, json_string(text));
		else
			puts(text);
	}
	if (!list)
		return 0;
	answer = json_pack("{s:o}", "client_ids", list);
	mt_cli_print_json(stdout, answer);
	json_decref(answer);
	return 0;
}

int mt_cli_client_id_new(const struct mt_options *options)
{
	enum kind kind = find_kind(options->operands[0]);
	const char *pattern = mt_options_value(options, "pattern");
	const char *wrong;
	uint64_t count;
	char fault[256];
	if (kind == KIND_COUNT)
		return mt_cli_fail(2, "client-id new %s: expected uuid, mac or serial",
				   options->operands[0]);
	if (pattern && kind != KIND_SERIAL)
		return mt_cli_fail(2, "--pattern: expected with serial only");
	if (!pattern)
		pattern = DEFAULT_PATTERN;
	wrong = mt_serial_fault(mt_bytes_str(pattern));
	if (!wrong)
		wrong = mt_client_id_fault(mt_bytes_str(pattern));
	if (wrong)
		return mt_cli_fail(2, "--pattern %s: %s", pattern, wrong);
	if (mt_options_number(options, "count", 1, COUNT_MAX, 1, &count, fault, sizeof(fault)) !=
	    MT_OK)
		return mt_cli_fail(2, "%s", fault);
	return make_all(options, kind, pattern, count);
}

/* ---- check ---- */

static bool is_short_and_plain(struct mt_bytes id)
{
	for (size_t i = 0; i < id.len; i++) {
		uint8_t byte = id.data[i];
		if (!(byte >= '0' && byte <= '9') && !(byte >= 'a' && byte <= 'z') &&
		    !(byte >= 'A' && byte <= 'Z'))
			return false;
	}
	return id.len > 0 && id.len <= SHORT_BYTES_MAX;
}

static json_t *formats_of(struct mt_bytes id)
{
	json_t *list = json_array();
	if (id.len > 0 && mt_uuid_span(id) == id.len)
		json_array_append_new(list, json_string(kinds[KIND_UUID]));
	if (id.len > 0 && mt_mac_span(id) == id.len)
		json_array_append_new(list, json_string(kinds[KIND_MAC]));
	return list;
}

struct findings {
	struct mt_bytes id;
	const char *fault; /* NULL: an id like any other */
	bool is_level, is_asked, is_kept;
};

static json_t *describe(const struct findings *found)
{
	/* An id that is no UTF-8 cannot be shown: then it is left out. */
	json_t *facts = json_pack("{s:o*, s:I, s:o, s:b, s:b}", "client_id",
				  json_stringn((const char *)found->id.data, found->id.len),
				  "bytes", (json_int_t)found->id.len, "formats",
				  formats_of(found->id), "stands_in_topics", found->is_level,
				  "every_server_takes_it", is_short_and_plain(found->id));
	if (found->is_asked)
		json_object_set_new(facts, "keeps_rule", json_boolean(found->is_kept));
	if (found->fault)
		json_object_set_new(facts, "fault", json_string(found->fault));
	return facts;
}

static void print_findings(const struct findings *found, const json_t *facts)
{
	const json_t *formats = json_object_get(facts, "formats");
	size_t i;
	json_t *format;
	printf("bytes: %zu\nformats:%s", found->id.len, json_array_size(formats) ? "" : " none");
	json_array_foreach(formats, i, format) printf(" %s", json_string_value(format));
	printf("\nstands in topics as %%c: %s\n",
	       found->is_level
		       ? "yes"
		       : "no, a value of %c is one level: not empty, no + # /, no $ in front");
	printf("every server of MQTT 3.1.1 takes it: %s\n",
	       is_short_and_plain(found->id) ? "yes" : "no, only 1 to 23 bytes of 0-9 a-z A-Z");
	if (found->is_asked)
		printf("keeps the rule: %s\n", found->is_kept ? "yes" : "no");
	if (found->fault)
		printf("fault: %s\n", found->fault);
}

/* 0, or the exit code: told. */
static int check_rule(const char *rule, const char *user)
{
	const char *fault = mt_client_id_rule_fault(mt_bytes_str(rule));
	if (fault)
		return mt_cli_fail(2, "--rule %s: %s", rule, fault);
	if (rule && !user && mt_client_id_rule_has_user(mt_bytes_str(rule)))
		return mt_cli_fail(2, "--rule %s: asks for a user; say --user NAME", rule);
	return user && !rule ? mt_cli_fail(2, "--user: expected with --rule only") : 0;
}

int mt_cli_client_id_check(const struct mt_options *options)
{
	const char *rule = mt_options_value(options, "rule");
	const char *user = mt_options_value(options, "user");
	struct mt_bytes id = mt_bytes_str(options->operands[0]);
	struct findings found = {
		.id = id, .fault = mt_client_id_fault(id), .is_asked = rule != NULL};
	json_t *facts;
	int failed = check_rule(rule, user);
	if (failed)
		return failed;
	found.is_level = !found.fault && mt_topic_is_plain_level(id);
	found.is_kept = mt_client_id_keeps(mt_bytes_str(rule), mt_bytes_str(user), id);
	facts = describe(&found);
	if (mt_options_has(options, "json"))
		mt_cli_print_json(stdout, facts);
	else
		print_findings(&found, facts);
	json_decref(facts);
	return !found.fault && (rule ? found.is_kept : found.is_level) ? 0 : 1;
}
