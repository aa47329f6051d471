/* The format characters of sub. */
#include "cli/format.h"

#include "base/utf8.h"
#include "cli/connection.h"

#include <jansson.h>
#include <string.h>

#define WIDTH_MAX 10000u
#define ITEMS "tpxXjJIUlmqrACDEFPRS%"
#define PADDED "tpxXIlmACEFRS" /* heed flags and a width */
#define ZEROED "AEFlmSXx"      /* and zeros */
#define BOUNDED "CIRt"	       /* and a most width */

struct printing {
	FILE *out;
	const struct mortise_message *message;
	struct timespec when;
	struct tm local;
	bool is_tty;
};

static bool is_utf8(const void *text, size_t bytes)
{
	size_t bad;
	return mt_utf8_check(mt_bytes_of(text, bytes), &bad) == MT_UTF8_GOOD;
}

/* Bytes of the control character at `at`, 0 when it is none. C1 is two bytes in UTF-8, and one in
 * what is no UTF-8: a terminal may take either. */
static size_t control_bytes(const uint8_t *at, size_t left, bool is_text)
{
	if ((at[0] < 0x20 && at[0] != '\n' && at[0] != '\t') || at[0] == 0x7f)
		return 1;
	if (!is_text)
		return at[0] >= 0x80 && at[0] < 0xa0;
	return at[0] == 0xc2 && left > 1 && at[1] < 0xa0 ? 2 : 0;
}

static void put_text(const struct printing *to, const void *text, size_t bytes)
{
	const uint8_t *at = text;
	bool is_text;
	if (!to->is_tty) {
		fwrite(text, 1, bytes, to->out);
		return;
	}
	is_text = is_utf8(text, bytes);
	for (size_t i = 0; i < bytes;) {
		size_t control = control_bytes(at + i, bytes - i, is_text);
		fputc(control > 0 ? '?' : at[i], to->out);
		i += control > 0 ? control : 1;
	}
}

static void put_hex(const struct printing *to, const char *digits)
{
	const uint8_t *at = to->message->payload;
	for (size_t i = 0; i < to->message->payload_bytes; i++) {
		fputc(digits[at[i] >> 4], to->out);
		fputc(digits[at[i] & 15], to->out);
	}
}

static void put_properties(const struct printing *to, uint8_t id)
{
	struct mortise_property item;
	size_t pos = 0;
	bool is_first = true;
	while (mortise_message_property(to->message, &pos, &item)) {
		if (item.id != id)
			continue;
		if (!is_first)
			fputc(' ', to->out);
		is_first = false;
		if (item.text)
			put_text(to, item.text, item.text_bytes);
		else
			fprintf(to->out, "%u", item.number);
		if (item.value) {
			fputc(':', to->out);
			put_text(to, item.value, item.value_bytes);
		}
	}
}

/* The format comes from the command line of the same person. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void put_time(const struct printing *to, const char *format)
{
	char text[128];
	if (strftime(text, sizeof(text), format, &to->local) > 0)
		fputs(text, to->out);
}
#pragma GCC diagnostic pop

static json_t *hex_json(const void *data, size_t bytes)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *at = data;
	char *text = malloc(bytes * 2 + 1);
	json_t *value;
	if (!text)
		return NULL;
	for (size_t i = 0; i < bytes; i++) {
		text[2 * i] = digits[at[i] >> 4];
		text[2 * i + 1] = digits[at[i] & 15];
	}
	value = json_stringn(text, bytes * 2);
	free(text);
	return value;
}

/* A payload that is no text stands under another name, in hex. */
static void add_payload(json_t *object, const struct mortise_message *message, bool is_nested)
{
	const char *payload = message->payload_bytes > 0 ? message->payload : "";
	json_t *parsed = is_nested ? json_loadb(payload, message->payload_bytes,
						JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL)
				   : NULL;
	if (parsed)
		json_object_set_new(object, "payload", parsed);
	else if (is_utf8(payload, message->payload_bytes))
		json_object_set_new(object, "payload",
				    json_stringn(payload, message->payload_bytes));
	else
		json_object_set_new(object, "payload_hex",
				    hex_json(payload, message->payload_bytes));
}

/* What comes once is itself, what comes again makes a list. */
static void add_value(json_t *object, const char *name, size_t bytes, json_t *value)
{
	json_t *former = json_object_getn(object, name, bytes);
	json_t *list = former && !json_is_array(former) ? json_array() : NULL;
	if (list) {
		json_array_append(list, former);
		json_object_setn_new(object, name, bytes, list);
	}
	if (former)
		json_array_append_new(list ? list : former, value);
	else
		json_object_setn_new(object, name, bytes, value);
}

static void add_user_property(json_t *properties, const struct mortise_property *item)
{
	json_t *pairs = json_object_get(properties, "user-properties");
	if (!pairs) {
		pairs = json_object();
		json_object_set_new(properties, "user-properties", pairs);
	}
	add_value(pairs, item->text, item->text_bytes,
		  json_stringn(item->value, item->value_bytes));
}

/* By the names of the standard, with '-' for spaces. Binary data that is no text stands in hex. */
static void add_property(json_t *properties, const struct mortise_property *item)
{
	char name[MT_PROPERTY_NAME_BYTES + 4];
	json_t *value;
	mt_cli_property_name(item->id, name);
	if (!item->text)
		value = json_integer(item->number);
	else if (is_utf8(item->text, item->text_bytes))
		value = json_stringn(item->text, item->text_bytes);
	else {
		strcat(name, "_hex");
		value = hex_json(item->text, item->text_bytes);
	}
	add_value(properties, name, strlen(name), value);
}

static void add_properties(json_t *object, const struct mortise_message *message)
{
	json_t *properties = json_object();
	struct mortise_property item;
	size_t pos = 0;
	while (mortise_message_property(message, &pos, &item)) {
		if (item.value)
			add_user_property(properties, &item);
		else
			add_property(properties, &item);
	}
	if (json_object_size(properties) > 0)
		json_object_set(object, "properties", properties);
	json_decref(properties);
}

/* ISO 8601 with microseconds, as mosquitto_sub's manual has it. */
static void add_time(json_t *object, const struct printing *to)
{
	char seconds[32], zone[8], when[64];
	strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &to->local);
	strftime(zone, sizeof(zone), "%z", &to->local);
	snprintf(when, sizeof(when), "%s.%06ld%s", seconds, to->when.tv_nsec / 1000, zone);
	json_object_set_new(object, "tst", json_string(when));
}

static void put_json(const struct printing *to, bool is_nested)
{
	char *text;
	json_t *object = json_object();
	add_time(object, to);
	json_object_set_new(object, "topic",
			    json_stringn(to->message->topic, to->message->topic_bytes));
	json_object_set_new(object, "qos", json_integer(to->message->qos));
	json_object_set_new(object, "retain", json_integer(to->message->is_retain));
	json_object_set_new(object, "payloadlen",
			    json_integer((json_int_t)to->message->payload_bytes));
	if (to->message->packet_id != 0)
		json_object_set_new(object, "mid", json_integer(to->message->packet_id));
	add_properties(object, to->message);
	add_payload(object, to->message, is_nested);
	text = json_dumps(object, JSON_COMPACT);
	if (text)
		put_text(to, text, strlen(text));
	free(text);
	json_decref(object);
}

/* A property by the character that stands for it; 0: none. */
static uint8_t property_of(char c)
{
	switch (c) {
	case 'A':
		return 0x23;
	case 'C':
		return MORTISE_CONTENT_TYPE;
	case 'D':
		return MORTISE_CORRELATION_DATA;
	case 'E':
		return MORTISE_MESSAGE_EXPIRY_INTERVAL;
	case 'F':
		return MORTISE_PAYLOAD_FORMAT_INDICATOR;
	case 'P':
		return MORTISE_USER_PROPERTY;
	case 'R':
		return MORTISE_RESPONSE_TOPIC;
	case 'S':
		return MORTISE_SUBSCRIPTION_IDENTIFIER;
	default:
		return 0;
	}
}

static void put_number(const struct printing *to, char c)
{
	const struct mortise_message *message = to->message;
	if (c == 'l')
		fprintf(to->out, "%zu", message->payload_bytes);
	else if (c == 'm')
		fprintf(to->out, "%u", message->packet_id);
	else if (c == 'q')
		fprintf(to->out, "%u", message->qos);
	else
		fprintf(to->out, "%d", message->is_retain);
}

static void put_item(const struct printing *to, char c)
{
	switch (c) {
	case 't':
		put_text(to, to->message->topic, to->message->topic_bytes);
		return;
	case 'p':
		put_text(to, to->message->payload, to->message->payload_bytes);
		return;
	case 'x':
		put_hex(to, "0123456789abcdef");
		return;
	case 'X':
		put_hex(to, "0123456789ABCDEF");
		return;
	case 'j':
	case 'J':
		put_json(to, c == 'J');
		return;
	case 'I':
		put_time(to, "%Y-%m-%dT%H:%M:%S%z");
		return;
	case 'U':
		fprintf(to->out, "%lld.%09ld", (long long)to->when.tv_sec, to->when.tv_nsec);
		return;
	case '%':
		fputc('%', to->out);
		return;
	default:
		if (property_of(c))
			put_properties(to, property_of(c));
		else
			put_number(to, c);
	}
}

/* What stands between '%' and the character: -, 0, the least width, and behind a dot the most. */
struct field {
	bool is_left, is_zero;
	size_t width, most;
};

static size_t take_number(const char **at)
{
	size_t number = 0;
	for (; **at >= '0' && **at <= '9'; ++*at)
		number = number > WIDTH_MAX ? number : number * 10 + (size_t)(**at - '0');
	return number > WIDTH_MAX ? WIDTH_MAX : number;
}

static struct field take_field(const char **at)
{
	struct field field = {.most = SIZE_MAX};
	for (; **at == '-' || **at == '0'; ++*at) {
		field.is_left |= **at == '-';
		field.is_zero |= **at == '0';
	}
	field.width = take_number(at);
	if (**at != '.')
		return field;
	++*at;
	field.most = take_number(at);
	return field;
}

static bool is_any(const char *set, char c)
{
	return c != '\0' && strchr(set, c) != NULL;
}

static void pad(FILE *out, char c, size_t count)
{
	for (; count > 0; count--)
		fputc(c, out);
}

/* A bounded text is cut to `most`, what is short is padded: numbers with zeros when they ask. */
static void put_field(const struct printing *to, const struct field *field, char c)
{
	struct printing aside = *to;
	char *text = NULL;
	size_t bytes = 0, missing;
	bool is_zero = field->is_zero && !field->is_left && is_any(ZEROED, c);
	size_t width = is_any(PADDED, c) ? field->width : 0;
	aside.out = open_memstream(&text, &bytes);
	if (!aside.out)
		return;
	put_item(&aside, c);
	/* A response topic that is not there is nothing at all, as mosquitto_sub has it. */
	if (fclose(aside.out) == 0 && text && !(c == 'R' && bytes == 0)) {
		if (is_any(BOUNDED, c) && bytes > field->most)
			bytes = field->most;
		missing = bytes < width ? width - bytes : 0;
		if (!field->is_left)
			pad(to->out, is_zero ? '0' : ' ', missing);
		fwrite(text, 1, bytes, to->out);
		if (field->is_left)
			pad(to->out, ' ', missing);
	}
	free(text);
}

static void put_clock(const struct printing *to, char c)
{
	char format[] = {'%', c, 0};
	if (c == '@')
		fputc('@', to->out);
	else if (c == 'N')
		fprintf(to->out, "%09ld", to->when.tv_nsec);
	else
		put_time(to, format);
}

static const char escapes[] = "ntraev0\\";

static void put_escape(const struct printing *to, char c)
{
	static const char values[] = "\n\t\r\a\x1b\v\0\\";
	const char *at = strchr(escapes, c);
	fputc(values[at - escapes], to->out);
}

const char *mt_format_check(const char *format)
{
	const char *begin;
	for (const char *at = format; *at; at++) {
		if (!strchr("%@\\", *at))
			continue;
		begin = at++;
		if (*begin == '%') {
			(void)take_field(&at);
			if (!is_any(ITEMS, *at))
				return begin;
		}
		if (*at == '\0' || (*begin == '\\' && !strchr(escapes, *at)))
			return begin;
	}
	return NULL;
}

void mt_format_print(FILE *out, const char *format, const struct mortise_message *message,
		     const struct timespec *when, bool is_tty)
{
	struct printing to = {.out = out, .message = message, .when = *when, .is_tty = is_tty};
	localtime_r(&when->tv_sec, &to.local);
	for (const char *at = format; *at; at++) {
		if (*at == '%') {
			struct field field;
			at++;
			field = take_field(&at);
			put_field(&to, &field, *at);
		} else if (*at == '@')
			put_clock(&to, *++at);
		else if (*at == '\\')
			put_escape(&to, *++at);
		else
			fputc(*at, out);
	}
}
