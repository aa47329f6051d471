/* -D PACKET PROPERTY VALUE: properties of MQTT 5 by the names of the standard, with '-' for spaces;
 * of user-property a name and a value. */
#include "cli/connection.h"
#include "cli/verbs.h"

#include "spec/properties.h"

#include <stdlib.h>
#include <string.h>

static const struct row {
	uint8_t id;
	const char *kind;
	const char *name;
} rows[] = {
#define X(name, code, kind, packets, text) {(code), #kind, text},
	MT_TABLE_PROPERTIES(X)
#undef X
};

static const char *const packets[] = {"connect", "publish", "subscribe", "disconnect", "will"};

static bool is_name(const struct row *row, const char *name)
{
	size_t i;
	for (i = 0; row->name[i] && name[i]; i++)
		if (row->name[i] != name[i] && !(row->name[i] == ' ' && name[i] == '-'))
			return false;
	return row->name[i] == name[i];
}

static const struct row *find(const char *name)
{
	for (size_t i = 0; i < MT_COUNT_OF(rows); i++)
		if (is_name(&rows[i], name))
			return &rows[i];
	return NULL;
}

static bool is_packet(const char *name)
{
	for (size_t i = 0; i < MT_COUNT_OF(packets); i++)
		if (strcmp(packets[i], name) == 0)
			return true;
	return false;
}

static bool take_number(const char *text, struct mortise_property *out)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || value > UINT32_MAX)
		return false;
	out->number = (uint32_t)value;
	return true;
}

static int take(const struct mt_option_use *use, struct mt_cli_properties *out)
{
	struct mortise_property *property = &out->items[out->count];
	const struct row *row = find(use->arguments[1]);
	const char *text = use->arguments[2];
	if (!row)
		return mt_cli_fail(2, "-D %s: there is no property of that name",
				   use->arguments[1]);
	if (out->count == MT_PROPERTIES_MAX)
		return mt_cli_fail(2, "-D: at most %u properties a packet", MT_PROPERTIES_MAX);
	*property = (struct mortise_property){.id = row->id};
	if (strcmp(row->kind, "PAIR") == 0) {
		property->text = text;
		property->text_bytes = strlen(text);
		property->value = use->arguments[3];
		property->value_bytes = strlen(property->value);
	} else if (strcmp(row->kind, "STRING") == 0 || strcmp(row->kind, "BINARY") == 0) {
		property->text = text;
		property->text_bytes = strlen(text);
	} else if (!take_number(text, property)) {
		return mt_cli_fail(2, "-D %s: expected a number", use->arguments[1]);
	}
	out->count++;
	return 0;
}

int mt_cli_connection_properties(const struct mt_options *options, const char *packet,
				 struct mt_cli_properties *out)
{
	const struct mt_option_use *use;
	uint32_t pos = 0;
	int failed = 0;
	out->count = 0;
	while (!failed && (use = mt_options_next(options, "property", &pos))) {
		if (!is_packet(use->arguments[0]))
			return mt_cli_fail(
				2,
				"-D %s: expected connect, will, publish, subscribe or disconnect",
				use->arguments[0]);
		if (strcmp(use->arguments[0], packet) == 0)
			failed = take(use, out);
	}
	return failed;
}
