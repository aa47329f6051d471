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
	const char *packets; /* "PUBLISH + WILL" */
	const char *name;
} rows[] = {
#define X(name, code, kind, packets, text) {(code), #kind, #packets, text},
	MT_TABLE_PROPERTIES(X)
#undef X
};

/* What a client sends, by its name in -D and in the table. */
static const struct packet {
	const char *name;
	const char *table_name;
	const char *one_sided_name; /* when the client alone may carry it there */
} packets[] = {
	{"connect", "CONNECT", "CONNECT"},
	{"publish", "PUBLISH", "CLIENT_PUBLISH"},
	{"subscribe", "SUBSCRIBE", "SUBSCRIBE"},
	{"disconnect", "DISCONNECT", "CLIENT_DISCONNECT"},
	{"will", "WILL", "WILL"},
};

static const struct kind {
	const char *name;
	uint32_t least, most;
} numbers[] = {
	{"FLAG", 0, 1},
	{"TWO", 0, UINT16_MAX},
	{"FOUR", 0, UINT32_MAX},
	{"COUNT2", 1, UINT16_MAX},
	{"COUNT4", 1, UINT32_MAX},
	{"COUNT", 1, 268435455},
};

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

void mt_cli_property_name(uint8_t id, char out[MT_PROPERTY_NAME_BYTES])
{
	snprintf(out, MT_PROPERTY_NAME_BYTES, "property-%u", id);
	for (size_t i = 0; i < MT_COUNT_OF(rows); i++)
		if (rows[i].id == id)
			snprintf(out, MT_PROPERTY_NAME_BYTES, "%s", rows[i].name);
	for (char *at = out; *at; at++)
		if (*at == ' ')
			*at = '-';
}

static const struct packet *packet_of(const char *name)
{
	for (size_t i = 0; i < MT_COUNT_OF(packets); i++)
		if (strcmp(packets[i].name, name) == 0)
			return &packets[i];
	return NULL;
}

/* A word of a list that is joined by anything but letters and '_'. */
static bool has_word(const char *list, const char *word)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
	size_t len;
	for (; *list; list += len) {
		list += strcspn(list, letters);
		len = strspn(list, letters);
		if (len == strlen(word) && len > 0 && strncmp(list, word, len) == 0)
			return true;
	}
	return false;
}

static bool carries(const struct packet *packet, const struct row *row)
{
	return has_word(row->packets, packet->table_name) ||
	       has_word(row->packets, packet->one_sided_name) || has_word(row->packets, "ANY");
}

static int take_number(const struct row *row, const char *text, struct mortise_property *out)
{
	const struct kind *kind = numbers;
	char *end;
	unsigned long long value = strtoull(text, &end, 10);
	while (strcmp(kind->name, row->kind) != 0)
		kind++;
	if (*text < '0' || *text > '9' || *end || value < kind->least || value > kind->most)
		return mt_cli_fail(2, "-D %s: expected a number from %u to %u", row->name,
				   kind->least, kind->most);
	out->number = (uint32_t)value;
	return 0;
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
	} else if (take_number(row, text, property) != 0) {
		return 2;
	}
	out->count++;
	return 0;
}

static int check(const struct mt_option_use *use, const char *sent)
{
	const struct packet *packet = packet_of(use->arguments[0]);
	const struct row *row = find(use->arguments[1]);
	if (!packet || !has_word(sent, packet->name))
		return mt_cli_fail(2, "-D %s: expected one of these packets: %s", use->arguments[0],
				   sent);
	if (row && !carries(packet, row))
		return mt_cli_fail(2, "-D %s %s: that packet has no such property", packet->name,
				   use->arguments[1]);
	return 0;
}

int mt_cli_connection_check(const struct mt_options *options, const char *sent)
{
	struct mt_cli_properties properties;
	const struct mt_option_use *use;
	uint32_t pos = 0;
	int failed = 0;
	while (!failed && (use = mt_options_next(options, "property", &pos))) {
		failed = check(use, sent);
		properties.count = 0;
		if (!failed)
			failed = take(use, &properties);
	}
	return failed;
}

int mt_cli_connection_properties(const struct mt_options *options, const char *packet,
				 struct mt_cli_properties *out)
{
	const struct mt_option_use *use;
	uint32_t pos = 0;
	int failed = 0;
	out->count = 0;
	while (!failed && (use = mt_options_next(options, "property", &pos)))
		if (strcmp(use->arguments[0], packet) == 0)
			failed = take(use, out);
	return failed;
}
