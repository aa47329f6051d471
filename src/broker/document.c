/*
 * Walks libyaml's events along the schema. The walk goes only as deep as the schema does; what it
 * does not know is reported and skipped, so that one run shows every fault.
 */
#include "broker/document.h"

#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

/* A key of the document with its whole path. */
struct entry {
	char path[MT_KEY_BYTES_MAX + 1];
	size_t line;
};

struct walk {
	yaml_parser_t parser;
	yaml_event_t event; /* the current one */
	bool has_stopped;   /* the parser failed, or there are too many keys: no more events */
	struct mt_assembly *assembly;
	struct mt_bytes text;
	const char *file;
	struct entry *seen; /* MT_DOCUMENT_KEYS_MAX of them */
	size_t seen_count;
};

static void where_of(const struct walk *walk, size_t line, char out[MT_WHERE_BYTES])
{
	snprintf(out, MT_WHERE_BYTES, "%.250s:%zu: ", walk->file, line);
}

/* A fault of one key. */
static void complain(struct walk *walk, const struct entry *entry, const char *what)
{
	char where[MT_WHERE_BYTES];
	where_of(walk, entry->line, where);
	mt_report_add(walk->assembly->report, "%s%s%s%s", where, entry->path,
		      entry->path[0] ? ": " : "", what);
}

static size_t line_of(const struct walk *walk)
{
	return walk->event.start_mark.line + 1;
}

static void stop(struct walk *walk, size_t line, const char *why)
{
	const struct entry nowhere = {.line = line};
	walk->has_stopped = true;
	complain(walk, &nowhere, why);
}

/* The reader knows only the offset of a byte that it refuses, for it reads ahead. */
static size_t line_of_problem(const struct walk *walk)
{
	const yaml_parser_t *parser = &walk->parser;
	size_t line = 1;
	if (parser->error != YAML_READER_ERROR)
		return parser->problem_mark.line + 1;
	for (size_t i = 0; i < parser->problem_offset && i < walk->text.len; i++)
		line += walk->text.data[i] == '\n';
	return line;
}

static void stop_at_parser(struct walk *walk)
{
	const yaml_parser_t *parser = &walk->parser;
	char why[256];
	snprintf(why, sizeof(why), "found no valid YAML: %s%s%s",
		 parser->context ? parser->context : "", parser->context ? ", " : "",
		 parser->problem ? parser->problem : "out of memory");
	stop(walk, line_of_problem(walk), why);
}

/* What makes YAML more than keys and values, and a reader uncertain of what stands there. */
static const char *feature_of(const yaml_event_t *event)
{
	const char *const anchor = "found an anchor (&); expected values written out";
	const char *const tag = "found a tag (!); expected a plain value";
	switch (event->type) {
	case YAML_ALIAS_EVENT:
		return "found an alias (*); expected values written out";
	case YAML_SCALAR_EVENT:
		return event->data.scalar.anchor ? anchor : (event->data.scalar.tag ? tag : NULL);
	case YAML_SEQUENCE_START_EVENT:
		return event->data.sequence_start.anchor
			       ? anchor
			       : (event->data.sequence_start.tag ? tag : NULL);
	case YAML_MAPPING_START_EVENT:
		return event->data.mapping_start.anchor
			       ? anchor
			       : (event->data.mapping_start.tag ? tag : NULL);
	default:
		return NULL;
	}
}

/* Moves to the next event; false at the end of what can be read. */
static bool next(struct walk *walk)
{
	const char *feature;
	if (walk->has_stopped)
		return false;
	yaml_event_delete(&walk->event);
	if (!yaml_parser_parse(&walk->parser, &walk->event)) {
		stop_at_parser(walk);
		return false;
	}
	feature = feature_of(&walk->event);
	if (feature) {
		const struct entry nowhere = {.line = line_of(walk)};
		complain(walk, &nowhere, feature);
	}
	return walk->event.type != YAML_NO_EVENT;
}

/* Past the node that begins with the current event. */
static void skip(struct walk *walk)
{
	size_t depth = 0;
	do {
		yaml_event_type_t type = walk->event.type;
		if (type == YAML_SEQUENCE_START_EVENT || type == YAML_MAPPING_START_EVENT)
			depth++;
		else if (type == YAML_SEQUENCE_END_EVENT || type == YAML_MAPPING_END_EVENT)
			depth--;
	} while (depth > 0 && next(walk));
}

static struct mt_bytes scalar_of(const struct walk *walk)
{
	return mt_bytes_of(walk->event.data.scalar.value, walk->event.data.scalar.length);
}

/* "found ...; EXPECTED", or nothing for what was reported as a feature. */
static void refuse_node(struct walk *walk, const struct entry *entry, const char *expected)
{
	char what[MT_EXPECTED_BYTES + MT_REPORT_QUOTE_BYTES + 32];
	char found[MT_REPORT_QUOTE_BYTES] = "keys and values";
	if (walk->event.type == YAML_SCALAR_EVENT && scalar_of(walk).len == 0)
		memcpy(found, "nothing", 8);
	else if (walk->event.type == YAML_SCALAR_EVENT)
		mt_report_quote(scalar_of(walk), found);
	else if (walk->event.type == YAML_SEQUENCE_START_EVENT)
		memcpy(found, "a list", 7);
	if (walk->event.type != YAML_ALIAS_EVENT) {
		snprintf(what, sizeof(what), "found %s; %s", found, expected);
		complain(walk, entry, what);
	}
	skip(walk);
}

/* Remembers the key; false when it was there before, or when there are too many. */
static bool note(struct walk *walk, const struct entry *entry)
{
	char what[96];
	for (size_t i = 0; i < walk->seen_count; i++) {
		if (strcmp(walk->seen[i].path, entry->path) != 0)
			continue;
		snprintf(what, sizeof(what),
			 "found a second time (first in line %zu); expected once",
			 walk->seen[i].line);
		complain(walk, entry, what);
		return false;
	}
	if (walk->seen_count == MT_DOCUMENT_KEYS_MAX) {
		stop(walk, entry->line, "found too many keys; expected at most 512");
		return false;
	}
	walk->seen[walk->seen_count++] = *entry;
	return true;
}

static void read_mapping(struct walk *walk, const char *prefix);

static void read_section(struct walk *walk, const struct entry *entry)
{
	struct mt_bytes name = mt_schema_listener(mt_bytes_str(entry->path));
	char where[MT_WHERE_BYTES];
	if (walk->event.type != YAML_MAPPING_START_EVENT) {
		refuse_node(walk, entry, "expected keys and values below it");
		return;
	}
	if (strcmp(entry->path, "listeners") == 0)
		mt_assembly_clear_listeners(walk->assembly);
	where_of(walk, entry->line, where);
	if (name.len > 0 && !mt_assembly_listener(walk->assembly, where, name)) {
		skip(walk);
		return;
	}
	read_mapping(walk, entry->path);
}

/* Each item has a line of its own. */
static void read_list(struct walk *walk, const struct entry *entry, const struct mt_key *key)
{
	struct mt_bytes path = mt_bytes_str(entry->path);
	char expected[MT_EXPECTED_BYTES];
	char where[MT_WHERE_BYTES];
	where_of(walk, entry->line, where);
	mt_assembly_clear(walk->assembly, where, path, key);
	while (next(walk) && walk->event.type != YAML_SEQUENCE_END_EVENT) {
		struct entry item = *entry;
		item.line = line_of(walk);
		if (walk->event.type != YAML_SCALAR_EVENT || scalar_of(walk).len == 0) {
			mt_schema_expected(key, expected);
			refuse_node(walk, &item, expected);
			continue;
		}
		where_of(walk, item.line, where);
		mt_assembly_append(walk->assembly, where, path, key, scalar_of(walk));
	}
}

static void read_leaf(struct walk *walk, const struct entry *entry, const struct mt_key *key)
{
	struct mt_bytes path = mt_bytes_str(entry->path);
	char expected[MT_EXPECTED_BYTES];
	char where[MT_WHERE_BYTES];
	if (mt_schema_is_list(key) && walk->event.type == YAML_SEQUENCE_START_EVENT) {
		read_list(walk, entry, key);
		return;
	}
	if (walk->event.type != YAML_SCALAR_EVENT || scalar_of(walk).len == 0) {
		mt_schema_expected(key, expected);
		refuse_node(walk, entry, expected);
		return;
	}
	where_of(walk, entry->line, where);
	mt_assembly_put(walk->assembly, where, path, key, scalar_of(walk),
			walk->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE);
}

/* The current event begins the value of `entry`. */
static void read_value(struct walk *walk, const struct entry *entry)
{
	const struct mt_key *key = NULL;
	enum mt_key_kind kind = mt_schema_find(mt_bytes_str(entry->path), &key);
	char expected[MT_EXPECTED_BYTES];
	char what[MT_EXPECTED_BYTES + 32];
	if (kind == MT_KEY_UNKNOWN) {
		mt_schema_suggest(mt_bytes_str(entry->path), expected);
		snprintf(what, sizeof(what), "unknown key; %s", expected);
		complain(walk, entry, what);
		skip(walk);
	} else if (!note(walk, entry)) {
		skip(walk);
	} else if (kind == MT_KEY_SECTION) {
		read_section(walk, entry);
	} else {
		read_leaf(walk, entry, key);
	}
}

/* The path of the key in the current event. False (and a fault) when it is no key at all. */
static bool take_key(struct walk *walk, const char *prefix, struct entry *out)
{
	struct entry entry = {.line = line_of(walk)};
	char found[MT_REPORT_QUOTE_BYTES];
	char what[128];
	struct mt_bytes key;
	snprintf(entry.path, sizeof(entry.path), "%s", prefix);
	if (walk->event.type != YAML_SCALAR_EVENT) {
		refuse_node(walk, &entry, "expected a key");
		return false;
	}
	key = scalar_of(walk);
	mt_report_quote(key, found);
	if (key.len == 0 || key.len > MT_KEY_BYTES_MAX / 2 || memchr(key.data, '.', key.len) ||
	    memchr(key.data, '\0', key.len)) {
		snprintf(what, sizeof(what),
			 "found the key \"%s\"; expected a word (nested, without dots)", found);
		complain(walk, &entry, what);
		return false;
	}
	snprintf(entry.path, sizeof(entry.path), "%s%s%s", prefix, *prefix ? "." : "", found);
	*out = entry;
	return true;
}

/* The current event began a mapping; `prefix` is its path, at most three parts long. */
static void read_mapping(struct walk *walk, const char *prefix)
{
	while (next(walk) && walk->event.type != YAML_MAPPING_END_EVENT) {
		struct entry entry;
		bool is_key = take_key(walk, prefix, &entry);
		if (!next(walk))
			return;
		if (is_key)
			read_value(walk, &entry);
		else
			skip(walk);
	}
}

static void read_root(struct walk *walk)
{
	const struct entry nowhere = {.line = line_of(walk)};
	if (walk->event.type == YAML_MAPPING_START_EVENT)
		read_mapping(walk, "");
	else if (walk->event.type != YAML_SCALAR_EVENT || scalar_of(walk).len > 0)
		refuse_node(walk, &nowhere, "expected keys and values");
}

static void read_stream(struct walk *walk)
{
	if (!next(walk) || !next(walk) || walk->event.type == YAML_STREAM_END_EVENT)
		return;
	if (!next(walk))
		return;
	read_root(walk);
	if (!next(walk) || !next(walk))
		return;
	if (walk->event.type != YAML_STREAM_END_EVENT)
		stop(walk, line_of(walk), "found a second document; expected one");
}

enum mt_status mt_document_read(struct mt_bytes text, const char *file,
				struct mt_assembly *assembly)
{
	struct walk *walk = calloc(1, sizeof(*walk));
	enum mt_status status = MT_MEMORY;
	if (!walk)
		return MT_MEMORY;
	walk->assembly = assembly;
	walk->text = text;
	walk->file = file;
	walk->seen = calloc(MT_DOCUMENT_KEYS_MAX, sizeof(*walk->seen));
	if (walk->seen && yaml_parser_initialize(&walk->parser)) {
		/* Fixed, or a byte order mark could turn the same bytes into another text. */
		yaml_parser_set_encoding(&walk->parser, YAML_UTF8_ENCODING);
		yaml_parser_set_input_string(&walk->parser,
					     text.data ? text.data : (const uint8_t *)"", text.len);
		read_stream(walk);
		yaml_event_delete(&walk->event);
		yaml_parser_delete(&walk->parser);
		status = MT_OK;
	}
	free(walk->seen);
	free(walk);
	return status;
}
