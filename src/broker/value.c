/* Texts of the configuration to numbers. Everything is exact: no blanks, no signs, no fractions,
 * lower case. */
#include "broker/value.h"

#include "base/utf8.h"

struct unit {
	const char *suffix;
	uint64_t scale;
};

static const struct unit count_units[] = {{"", 1}};
static const struct unit size_units[] = {
	{"", 1}, {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}};
/* A time without a unit is refused: 5 might be meant as seconds or as milliseconds. */
static const struct unit time_units[] = {
	{"ms", 1000000},      {"s", 1000000000},     {"m", 60000000000},
	{"h", 3600000000000}, {"d", 86400000000000},
};

/* Digits at the start; *used of them. False on none and on overflow. */
static bool take_digits(struct mt_bytes text, uint64_t *out, size_t *used)
{
	uint64_t value = 0;
	size_t i = 0;
	for (; i < text.len && text.data[i] >= '0' && text.data[i] <= '9'; i++) {
		if (__builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(text.data[i] - '0'), &value))
			return false;
	}
	*out = value;
	*used = i;
	return i > 0;
}

static bool read_number(struct mt_bytes text, const struct unit *units, size_t unit_count,
			uint64_t *out)
{
	uint64_t value;
	size_t used;
	if (!take_digits(text, &value, &used))
		return false;
	for (size_t i = 0; i < unit_count; i++) {
		if (mt_bytes_equal(mt_bytes_from(text, used), mt_bytes_str(units[i].suffix)))
			return !__builtin_mul_overflow(value, units[i].scale, out);
	}
	return false;
}

bool mt_value_bool(struct mt_bytes text, uint64_t *out)
{
	uint64_t index;
	if (!mt_value_choice(text, "no false off yes true on", &index))
		return false;
	*out = index >= 3;
	return true;
}

bool mt_value_choice(struct mt_bytes text, const char *words, uint64_t *out)
{
	uint64_t index = 0;
	while (*words) {
		size_t len = strcspn(words, " ");
		if (mt_bytes_equal(text, mt_bytes_of(words, len))) {
			*out = index;
			return true;
		}
		words += words[len] == ' ' ? len + 1 : len;
		index++;
	}
	return false;
}

/* Times are signed in the broker, so half of the range is enough. */
static bool read_time(struct mt_bytes text, uint64_t *out)
{
	uint64_t value;
	if (!read_number(text, time_units, MT_COUNT_OF(time_units), &value) || value > INT64_MAX)
		return false;
	*out = value;
	return true;
}

static bool read_seconds(struct mt_bytes text, uint64_t *out)
{
	const uint64_t second = 1000000000;
	uint64_t value;
	if (!read_time(text, &value) || value % second != 0)
		return false;
	*out = value / second;
	return true;
}

/* Always with the leading zero, so that nobody means a decimal number. */
static bool read_mode(struct mt_bytes text, uint64_t *out)
{
	uint64_t value = 0;
	if (text.len != 4 || text.data[0] != '0')
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '7')
			return false;
		value = value * 8 + (uint64_t)(text.data[i] - '0');
	}
	*out = value;
	return true;
}

bool mt_value_number(enum mt_value_type type, struct mt_bytes text, uint64_t *out)
{
	switch (type) {
	case MT_VALUE_BOOL:
		return mt_value_bool(text, out);
	case MT_VALUE_COUNT:
		return read_number(text, count_units, MT_COUNT_OF(count_units), out);
	case MT_VALUE_SIZE:
		return read_number(text, size_units, MT_COUNT_OF(size_units), out);
	case MT_VALUE_TIME:
		return read_time(text, out);
	case MT_VALUE_SECONDS:
		return read_seconds(text, out);
	case MT_VALUE_MODE:
		return read_mode(text, out);
	case MT_VALUE_CHOICE:
	case MT_VALUE_ROLE:
	case MT_VALUE_PATH:
	case MT_VALUE_TEXT:
	case MT_VALUE_ENDPOINT:
	case MT_VALUE_WEB_PATH:
	case MT_VALUE_ORIGINS:
	case MT_VALUE_NETWORKS:
	case MT_VALUE_TEMPLATE:
	case MT_VALUE_ID_RULE:
	case MT_VALUE_WORDS:
		break;
	}
	return false;
}

static bool is_letter(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_name_byte(uint8_t c)
{
	return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* `anonymous: no` and `anonymous: yes` must not open the door to a role that happens to be called
 * so. */
bool mt_value_is_name(struct mt_bytes text, size_t cap)
{
	uint64_t ignored;
	if (text.len == 0 || text.len >= cap || !is_letter(text.data[0]))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (!is_name_byte(text.data[i]))
			return false;
	}
	return !mt_value_bool(text, &ignored);
}

bool mt_value_is_path(struct mt_bytes text, size_t cap)
{
	size_t bad;
	if (text.len == 0 || text.len >= cap || mt_utf8_check(text, &bad) != MT_UTF8_GOOD)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < 0x20 || text.data[i] == 0x7f)
			return false;
	}
	return true;
}
