/* The table of configuration keys, its look-ups and its suggestions. */
#include "broker/schema.h"

#include "base/buf.h"
#include "identity/client_id.h"
#include "identity/template.h"
#include "io/listen.h"
#include "policy/rule.h"
#include "spec/config.h"
#include "spec/limits.h"
#include "ws/upgrade.h"

#include <stdio.h>

#define PARTS_MAX 4u
#define DISTANCE_MAX 2u

#define STRUCT_BROKER struct mt_settings
#define STRUCT_LISTENER struct mt_listener_settings
#define STRUCT_SUBTREE struct mt_subtree_settings
#define STRUCT_CERTIFICATE struct mt_certificate_settings
#define PLACE(type, field) offsetof(type, field), sizeof(((type *)NULL)->field)

static const struct mt_key keys[] = {
#define X(key, scope, field, type, initial, range, off, meaning) \
	{key, MT_SCOPE_##scope, MT_VALUE_##type, PLACE(STRUCT_##scope, field), initial, range, off},
	MT_TABLE_CONFIG(X)
#undef X
#define X(name, id, field, unit, scope, initial, least, most, off, answer, reason) \
	{"limits." name, \
	 MT_SCOPE_BROKER, \
	 MT_VALUE_##unit, \
	 PLACE(struct mt_settings, limits.field), \
	 initial, \
	 least ".." most, \
	 off},
		MT_TABLE_LIMITS(X)
#undef X
/* Without a default: a listener that is not told otherwise has the broker's. */
#define KEY_OF_BROKER(name, field, unit, range, off)
#define KEY_OF_LISTENER(name, field, unit, range, off) \
	{"listeners.NAME.limits." name, \
	 MT_SCOPE_LISTENER, \
	 MT_VALUE_##unit, \
	 PLACE(struct mt_listener_settings, limits.field), \
	 "", \
	 range, \
	 off},
#define X(name, id, field, unit, scope, initial, least, most, off, answer, reason) \
	KEY_OF_##scope(name, field, unit, least ".." most, off)
			MT_TABLE_LIMITS(X)
#undef X
};

struct parts {
	struct mt_bytes part[PARTS_MAX];
	size_t count;
};

/* Splits at dots; count is PARTS_MAX + 1 when there are more. */
static struct parts split(struct mt_bytes path)
{
	struct parts parts = {0};
	while (parts.count < PARTS_MAX) {
		const uint8_t *dot = path.len > 0 ? memchr(path.data, '.', path.len) : NULL;
		size_t len = dot ? (size_t)(dot - path.data) : path.len;
		parts.part[parts.count++] = mt_bytes_of(path.data, len);
		if (!dot)
			return parts;
		path = mt_bytes_from(path, len + 1);
	}
	parts.count = PARTS_MAX + 1;
	return parts;
}

static bool part_matches(struct mt_bytes pattern, struct mt_bytes part)
{
	if (mt_bytes_equal(pattern, mt_bytes_str("NAME")))
		return mt_value_is_name(part, MT_LISTENER_NAME_BYTES);
	return mt_bytes_equal(pattern, part);
}

/* The path's parts are the pattern's first ones. */
static bool starts(const struct parts *pattern, const struct parts *path)
{
	if (path->count > pattern->count)
		return false;
	for (size_t i = 0; i < path->count; i++) {
		if (!part_matches(pattern->part[i], path->part[i]))
			return false;
	}
	return true;
}

enum mt_key_kind mt_schema_find(struct mt_bytes path, const struct mt_key **key)
{
	struct parts wanted = split(path);
	enum mt_key_kind kind = MT_KEY_UNKNOWN;
	for (size_t i = 0; i < MT_COUNT_OF(keys); i++) {
		struct parts pattern = split(mt_bytes_str(keys[i].pattern));
		if (!starts(&pattern, &wanted))
			continue;
		if (pattern.count == wanted.count) {
			*key = &keys[i];
			return MT_KEY_LEAF;
		}
		kind = MT_KEY_SECTION;
	}
	return kind;
}

static struct mt_bytes name_below(struct mt_bytes path, const char *section)
{
	struct parts parts = split(path);
	if (parts.count < 2 || !mt_bytes_equal(parts.part[0], mt_bytes_str(section)))
		return mt_bytes_of(NULL, 0);
	return parts.part[1];
}

struct mt_bytes mt_schema_listener(struct mt_bytes path)
{
	return name_below(path, "listeners");
}

struct mt_bytes mt_schema_subtree(struct mt_bytes path)
{
	return name_below(path, "retained");
}

struct mt_bytes mt_schema_certificate(struct mt_bytes path)
{
	return name_below(path, "certificates");
}

static size_t least_of(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;
	return least < c ? least : c;
}

/* Levenshtein's distance, one row at a time; both texts fit MT_KEY_BYTES_MAX. */
static size_t distance(struct mt_bytes a, struct mt_bytes b)
{
	size_t row[MT_KEY_BYTES_MAX + 1];
	MT_CHECK(a.len <= MT_KEY_BYTES_MAX && b.len <= MT_KEY_BYTES_MAX);
	for (size_t j = 0; j <= b.len; j++)
		row[j] = j;
	for (size_t i = 0; i < a.len; i++) {
		size_t diagonal = row[0];
		row[0] = i + 1;
		for (size_t j = 0; j < b.len; j++) {
			size_t above = row[j + 1];
			size_t change = diagonal + (a.data[i] != b.data[j]);
			row[j + 1] = least_of(row[j] + 1, above + 1, change);
			diagonal = above;
		}
	}
	return row[b.len];
}

/* The pattern cut to as many parts as the path has, with the path's own name for NAME. */
static struct mt_bytes candidate(const struct parts *pattern, const struct parts *path,
				 struct mt_buf *out)
{
	for (size_t i = 0; i < path->count; i++) {
		bool is_name = mt_bytes_equal(pattern->part[i], mt_bytes_str("NAME"));
		if (i > 0)
			mt_buf_put_u8(out, '.');
		mt_buf_put(out, is_name ? path->part[i] : pattern->part[i]);
	}
	return mt_buf_view(out);
}

/* Finds the nearest key; its distance, or more than DISTANCE_MAX. */
static size_t find_nearest(struct mt_bytes path, char *nearest, size_t cap)
{
	struct parts wanted = split(path);
	size_t best = DISTANCE_MAX + 1;
	if (path.len > MT_KEY_BYTES_MAX)
		return best;
	for (size_t i = 0; i < MT_COUNT_OF(keys); i++) {
		struct parts pattern = split(mt_bytes_str(keys[i].pattern));
		uint8_t room[MT_KEY_BYTES_MAX];
		struct mt_buf buf = mt_buf_of(room, sizeof(room));
		struct mt_bytes text;
		size_t found;
		if (pattern.count < wanted.count)
			continue;
		text = candidate(&pattern, &wanted, &buf);
		if (buf.is_overflown)
			continue;
		found = distance(path, text);
		if (found == 0 || found >= best || found * 2 >= text.len)
			continue;
		best = found;
		snprintf(nearest, cap, "%.*s", (int)text.len, (const char *)text.data);
	}
	return best;
}

/* The word of a key where the last of the path's parts stands; empty when it is none of them. */
static struct mt_bytes sibling(const struct mt_key *key, const struct parts *above)
{
	struct parts pattern = split(mt_bytes_str(key->pattern));
	if (!starts(&pattern, above) || pattern.count == above->count)
		return mt_bytes_of(NULL, 0);
	return pattern.part[above->count];
}

static bool came_before(size_t index, const struct parts *above, struct mt_bytes word)
{
	for (size_t i = 0; i < index; i++)
		if (mt_bytes_equal(sibling(&keys[i], above), word))
			return true;
	return false;
}

/* The words that may stand where the last part of the path stands. */
static void list_siblings(struct mt_bytes path, struct mt_buf *out)
{
	struct parts above = split(path);
	if (above.count > PARTS_MAX)
		return;
	above.count--;
	for (size_t i = 0; i < MT_COUNT_OF(keys); i++) {
		struct mt_bytes word = sibling(&keys[i], &above);
		if (word.len == 0 || came_before(i, &above, word))
			continue;
		mt_buf_put(out, mt_bytes_str(out->pos > 0 ? ", " : ""));
		mt_buf_put(out, word);
	}
}

void mt_schema_suggest(struct mt_bytes path, char out[MT_EXPECTED_BYTES])
{
	char nearest[MT_KEY_BYTES_MAX + 1];
	char words[MT_EXPECTED_BYTES - 32];
	struct mt_buf buf = mt_buf_of(words, sizeof(words));
	if (find_nearest(path, nearest, sizeof(nearest)) <= DISTANCE_MAX) {
		snprintf(out, MT_EXPECTED_BYTES, "did you mean %s?", nearest);
		return;
	}
	list_siblings(path, &buf);
	if (mt_bytes_equal(mt_buf_view(&buf), mt_bytes_str("NAME")))
		snprintf(out, MT_EXPECTED_BYTES,
			 "expected a name of letters, digits, - and _ that begins with a letter");
	else if (buf.pos > 0)
		snprintf(out, MT_EXPECTED_BYTES, "expected one of %.*s", (int)buf.pos, words);
	else
		snprintf(out, MT_EXPECTED_BYTES,
			 "expected a key of docs/reference/configuration.md");
}

static const char *describe(enum mt_value_type type)
{
	switch (type) {
	case MT_VALUE_BOOL:
		return "yes or no";
	case MT_VALUE_COUNT:
		return "a whole number";
	case MT_VALUE_SIZE:
		return "a size (such as 4096, 64KiB, 1MiB, 2GiB)";
	case MT_VALUE_TIME:
		return "a time (such as 250ms, 5s, 2m, 1h)";
	case MT_VALUE_SECONDS:
		return "a time in whole seconds (such as 5s, 2m, 1h, 7d)";
	case MT_VALUE_CHOICE:
		return "one of";
	case MT_VALUE_ROLE:
		return "the name of a role";
	case MT_VALUE_PATH:
		return "the path of a file";
	case MT_VALUE_TEXT:
		return "a text without control characters";
	case MT_VALUE_ENDPOINT:
		return "HOST:PORT, such as 127.0.0.1:1883 or [::]:8883, or unix:/PATH";
	case MT_VALUE_MODE:
		return "a mode of four octal digits, such as 0660,";
	case MT_VALUE_WEB_PATH:
		return "a path such as /mqtt, without a query";
	case MT_VALUE_ORIGINS:
		return "origins such as https://site.example, or same, or any";
	case MT_VALUE_NETWORKS:
		return "networks such as 10.0.0.0/8 or 2001:db8::/32";
	case MT_VALUE_TEMPLATE:
		return "a template such as %{cn}@site";
	case MT_VALUE_ID_RULE:
		return "a rule of client ids such as th-%{uuid}, any";
	case MT_VALUE_WORDS:
		return "a list of words";
	}
	return "";
}

void mt_schema_expected(const struct mt_key *key, char out[MT_EXPECTED_BYTES])
{
	bool is_choice = key->type == MT_VALUE_CHOICE;
	snprintf(out, MT_EXPECTED_BYTES, "expected %s%s%s%s", describe(key->type),
		 is_choice ? " " : (*key->range ? " from " : ""), key->range,
		 *key->off ? ", or off" : "");
}

static bool is_in_range(const struct mt_key *key, uint64_t value)
{
	const char *dots = strstr(key->range, "..");
	uint64_t least;
	uint64_t most;
	if (!dots)
		return true;
	MT_CHECK(mt_value_number(key->type, mt_bytes_of(key->range, (size_t)(dots - key->range)),
				 &least));
	MT_CHECK(mt_value_number(key->type, mt_bytes_str(dots + 2), &most));
	return value >= least && value <= most;
}

/* Numbers go into fields of 1, 4 or 8 bytes: bool, enum and uint32_t, uint64_t and mt_time. */
static void put_number(const struct mt_key *key, uint8_t *field, uint64_t value)
{
	uint32_t narrow = (uint32_t)value;
	bool flag = value != 0;
	if (key->bytes == sizeof(value)) {
		memcpy(field, &value, sizeof(value));
		return;
	}
	if (key->bytes == sizeof(narrow)) {
		MT_CHECK(value <= UINT32_MAX);
		memcpy(field, &narrow, sizeof(narrow));
		return;
	}
	MT_CHECK(key->bytes == sizeof(flag) && value <= 1);
	memcpy(field, &flag, sizeof(flag));
}

static bool store_number(const struct mt_key *key, uint8_t *field, struct mt_bytes value,
			 bool is_text)
{
	uint64_t number;
	if (*key->off && mt_bytes_equal(value, mt_bytes_str("off")))
		MT_CHECK(mt_value_number(MT_VALUE_COUNT, mt_bytes_str(key->off), &number));
	else if ((is_text && key->type != MT_VALUE_MODE) ||
		 !mt_value_number(key->type, value, &number) || !is_in_range(key, number))
		return false;
	put_number(key, field, number);
	return true;
}

static bool store_choice(const struct mt_key *key, uint8_t *field, struct mt_bytes value)
{
	uint64_t index;
	if (!mt_value_choice(value, key->range, &index))
		return false;
	put_number(key, field, index);
	return true;
}

static void put_text(const struct mt_key *key, uint8_t *field, struct mt_bytes value)
{
	MT_CHECK(value.len < key->bytes);
	memset(field, 0, key->bytes);
	if (value.len > 0)
		memcpy(field, value.data, value.len);
}

static bool store_text(const struct mt_key *key, uint8_t *field, struct mt_bytes value,
		       bool is_good)
{
	if (*key->off && mt_bytes_equal(value, mt_bytes_str("off")))
		value.len = 0;
	else if (!is_good)
		return false;
	put_text(key, field, value);
	return true;
}

static bool store_endpoint(const struct mt_key *key, uint8_t *field, struct mt_bytes value,
			   char *expected)
{
	struct mt_endpoint endpoint;
	const char *fault;
	if (*key->off && mt_bytes_equal(value, mt_bytes_str("off")))
		return store_text(key, field, value, true);
	if (!mt_value_is_path(value, key->bytes))
		return false;
	if (mt_endpoint_parse_local(value, &endpoint, &fault) != MT_OK) {
		snprintf(expected, MT_EXPECTED_BYTES, "%s", fault);
		return false;
	}
	put_text(key, field, value);
	return true;
}

/* fault: of a text that does not mean what it should, or NULL. */
static bool store_checked(const struct mt_key *key, uint8_t *field, struct mt_bytes value,
			  const char *fault, char *expected)
{
	if (!mt_value_is_path(value, key->bytes))
		return false;
	if (fault) {
		snprintf(expected, MT_EXPECTED_BYTES, "%s", fault);
		return false;
	}
	put_text(key, field, value);
	return true;
}

static bool store_id_rule(const struct mt_key *key, uint8_t *field, struct mt_bytes value,
			  char *expected)
{
	bool is_any = mt_bytes_equal(value, mt_bytes_str("any")) ||
		      mt_bytes_equal(value, mt_bytes_str("off"));
	if (!is_any)
		return store_checked(key, field, value, mt_client_id_rule_fault(value), expected);
	put_text(key, field, mt_bytes_of(NULL, 0));
	return true;
}

static bool is_item(const struct mt_key *key, struct mt_bytes item)
{
	struct mt_network network;
	uint64_t index;
	if (key->type == MT_VALUE_WORDS)
		return mt_value_choice(item, key->range, &index);
	return key->type == MT_VALUE_ORIGINS ? mt_upgrade_is_origin(item)
					     : mt_network_parse(item, &network);
}

static bool append(const struct mt_key *key, uint8_t *field, struct mt_bytes item, char *expected)
{
	size_t len = strlen((const char *)field);
	if (!is_item(key, item))
		return false;
	if (len + 1 + item.len >= key->bytes) {
		snprintf(expected, MT_EXPECTED_BYTES, "expected fewer: at most %zu characters",
			 key->bytes - 2);
		return false;
	}
	if (len > 0)
		field[len++] = ',';
	memcpy(field + len, item.data, item.len);
	field[len + item.len] = '\0';
	return true;
}

/* All of it, or nothing changes. */
static bool store_list(const struct mt_key *key, uint8_t *field, struct mt_bytes value,
		       char *expected)
{
	uint8_t made[MT_LIST_BYTES] = "";
	bool is_off = *key->off && mt_bytes_equal(value, mt_bytes_str("off"));
	MT_CHECK(key->bytes == sizeof(made));
	while (!is_off && value.len > 0) {
		const uint8_t *comma = memchr(value.data, ',', value.len);
		size_t len = comma ? (size_t)(comma - value.data) : value.len;
		if (!append(key, made, mt_bytes_of(value.data, len), expected))
			return false;
		if (comma && len + 1 == value.len)
			return false;
		value = mt_bytes_from(value, comma ? len + 1 : len);
	}
	memcpy(field, made, sizeof(made));
	return true;
}

bool mt_schema_is_list(const struct mt_key *key)
{
	return key->type == MT_VALUE_ORIGINS || key->type == MT_VALUE_NETWORKS ||
	       key->type == MT_VALUE_WORDS;
}

void mt_schema_clear(const struct mt_key *key, void *object)
{
	memset((uint8_t *)object + key->offset, 0, key->bytes);
}

enum mt_status mt_schema_append(const struct mt_key *key, void *object, struct mt_bytes item,
				char expected[MT_EXPECTED_BYTES])
{
	char text[MT_EXPECTED_BYTES];
	mt_schema_expected(key, text);
	if (append(key, (uint8_t *)object + key->offset, item, text))
		return MT_OK;
	memcpy(expected, text, sizeof(text));
	return MT_INVALID;
}

static bool store(const struct mt_key *key, uint8_t *field, struct mt_bytes value, bool is_text,
		  char *expected)
{
	switch (key->type) {
	case MT_VALUE_BOOL:
	case MT_VALUE_COUNT:
	case MT_VALUE_SIZE:
	case MT_VALUE_TIME:
	case MT_VALUE_SECONDS:
	case MT_VALUE_MODE:
		return store_number(key, field, value, is_text);
	case MT_VALUE_CHOICE:
		return store_choice(key, field, value);
	case MT_VALUE_ROLE:
		return store_text(key, field, value, mt_value_is_name(value, key->bytes));
	case MT_VALUE_PATH:
	case MT_VALUE_TEXT:
		return store_text(key, field, value, mt_value_is_path(value, key->bytes));
	case MT_VALUE_ENDPOINT:
		return store_endpoint(key, field, value, expected);
	case MT_VALUE_TEMPLATE:
		return store_checked(key, field, value, mt_template_fault(value), expected);
	case MT_VALUE_ID_RULE:
		return store_id_rule(key, field, value, expected);
	case MT_VALUE_WEB_PATH:
		return store_text(key, field, value,
				  value.len < key->bytes && mt_upgrade_is_path(value));
	case MT_VALUE_ORIGINS:
	case MT_VALUE_NETWORKS:
	case MT_VALUE_WORDS:
		return store_list(key, field, value, expected);
	}
	return false;
}

enum mt_status mt_schema_store(const struct mt_key *key, void *object, struct mt_bytes value,
			       bool is_text, char expected[MT_EXPECTED_BYTES])
{
	char text[MT_EXPECTED_BYTES];
	mt_schema_expected(key, text);
	if (store(key, (uint8_t *)object + key->offset, value, is_text, text))
		return MT_OK;
	memcpy(expected, text, sizeof(text));
	return MT_INVALID;
}

/* A listener's own limits, by their place in the table of keys. */
static bool is_own_limit(const struct mt_key *key)
{
	return key->scope == MT_SCOPE_LISTENER &&
	       key->offset >= offsetof(struct mt_listener_settings, limits) &&
	       key->offset <
		       offsetof(struct mt_listener_settings, limits) + sizeof(struct mt_limits);
}

static size_t limit_offset(const struct mt_key *key)
{
	return key->offset - offsetof(struct mt_listener_settings, limits);
}

void mt_schema_mark(const struct mt_key *key, struct mt_listener_settings *listener)
{
	if (listener && is_own_limit(key))
		listener->own_limits |= UINT64_C(1) << limit_offset(key) / sizeof(uint32_t);
}

void mt_schema_inherit(const struct mt_limits *limits, struct mt_listener_settings *listener)
{
	for (size_t i = 0; i < MT_COUNT_OF(keys); i++) {
		const struct mt_key *key = &keys[i];
		size_t at = is_own_limit(key) ? limit_offset(key) : 0;
		if (!is_own_limit(key) || listener->own_limits >> at / sizeof(uint32_t) & 1)
			continue;
		memcpy((uint8_t *)&listener->limits + at, (const uint8_t *)limits + at, key->bytes);
	}
}

/* The tables' own defaults go through the same check as everybody's values. */
static void store_defaults(enum mt_key_scope scope, void *object)
{
	for (size_t i = 0; i < MT_COUNT_OF(keys); i++) {
		char expected[MT_EXPECTED_BYTES];
		enum mt_status status;
		if (keys[i].scope != scope || !*keys[i].initial)
			continue;
		status = mt_schema_store(&keys[i], object, mt_bytes_str(keys[i].initial), false,
					 expected);
		MT_CHECK(status == MT_OK);
	}
}

void mt_schema_broker_defaults(struct mt_settings *out)
{
	memset(out, 0, sizeof(*out));
	store_defaults(MT_SCOPE_BROKER, out);
}

void mt_schema_listener_defaults(struct mt_bytes name, struct mt_listener_settings *out)
{
	MT_CHECK(name.len < sizeof(out->name));
	memset(out, 0, sizeof(*out));
	memcpy(out->name, name.data, name.len);
	store_defaults(MT_SCOPE_LISTENER, out);
}

void mt_schema_subtree_defaults(struct mt_bytes name, struct mt_subtree_settings *out)
{
	MT_CHECK(name.len < sizeof(out->name));
	memset(out, 0, sizeof(*out));
	memcpy(out->name, name.data, name.len);
	store_defaults(MT_SCOPE_SUBTREE, out);
}

void mt_schema_certificate_defaults(struct mt_bytes name, struct mt_certificate_settings *out)
{
	MT_CHECK(name.len < sizeof(out->name));
	memset(out, 0, sizeof(*out));
	memcpy(out->name, name.data, name.len);
	store_defaults(MT_SCOPE_CERTIFICATE, out);
}
