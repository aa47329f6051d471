/* Client-id rules, matched without backtracking over more than one star. */
#include "identity/client_id.h"

#include "base/utf8.h"
#include "identity/id_format.h"

enum element_kind {
	ELEMENT_BROKEN,
	ELEMENT_STAR,
	ELEMENT_TEXT,
	ELEMENT_UUID,
	ELEMENT_MAC,
	ELEMENT_SERIAL
};

struct element {
	enum element_kind kind;
	struct mt_bytes text; /* of TEXT, and the pattern of SERIAL */
	size_t rule_bytes;
	bool is_user;
	const char *fault; /* of BROKEN */
};

static struct element broken(const char *fault)
{
	return (struct element){.kind = ELEMENT_BROKEN, .fault = fault};
}

/* Where the } stands that ends what begins with %{; rule.len: nowhere. */
static size_t find_end(struct mt_bytes rule)
{
	size_t at = 2;
	while (at < rule.len && rule.data[at] != '}')
		at += rule.data[at] == '%' ? 2 : 1;
	return at < rule.len ? at : rule.len;
}

static struct element read_format(struct mt_bytes rule)
{
	static const char serial[] = "serial:";
	size_t end = find_end(rule);
	struct element element = {.rule_bytes = end + 1};
	if (end == rule.len)
		return broken("a %{ without its }; expected such as %{uuid}");
	element.text = mt_bytes_of(rule.data + 2, end - 2);
	if (mt_bytes_equal(element.text, mt_bytes_str("uuid"))) {
		element.kind = ELEMENT_UUID;
	} else if (mt_bytes_equal(element.text, mt_bytes_str("mac"))) {
		element.kind = ELEMENT_MAC;
	} else if (mt_bytes_starts(element.text, mt_bytes_str(serial))) {
		element.kind = ELEMENT_SERIAL;
		element.text = mt_bytes_from(element.text, sizeof(serial) - 1);
		element.fault = mt_serial_fault(element.text);
	} else {
		return broken(
			"between %{ and } expected uuid, mac, or serial: and a pattern, such as "
			"%{serial:SN-%8d}");
	}
	return element.fault ? broken(element.fault) : element;
}

/* rule is not empty. */
static struct element read_element(struct mt_bytes rule, struct mt_bytes user)
{
	struct element element = {.kind = ELEMENT_TEXT, .rule_bytes = 2};
	uint8_t second = rule.len > 1 ? rule.data[1] : 0;
	if (rule.data[0] == '*')
		return (struct element){.kind = ELEMENT_STAR, .rule_bytes = 1};
	if (rule.data[0] != '%') {
		element.text = mt_bytes_of(rule.data, 1);
		element.rule_bytes = 1;
	} else if (second == '{') {
		return read_format(rule);
	} else if (second == 'u') {
		element.text = user;
		element.is_user = true;
	} else if (second == '%' || second == '*') {
		element.text = mt_bytes_of(rule.data + 1, 1);
	} else {
		return broken(
			"a % begins %u, %{uuid}, %{mac} or %{serial:PATTERN}; write %% for one "
			"%, %* for one *");
	}
	return element;
}

/* Its bytes at the beginning of `id`; 0: it does not stand there. Nobody's name is empty: there is
 * none, and an empty text would stand everywhere. */
static size_t span_of(const struct element *element, struct mt_bytes id)
{
	switch (element->kind) {
	case ELEMENT_TEXT:
		return mt_bytes_starts(id, element->text) ? element->text.len : 0;
	case ELEMENT_UUID:
		return mt_uuid_span(id);
	case ELEMENT_MAC:
		return mt_mac_span(id);
	case ELEMENT_SERIAL:
		return mt_serial_span(element->text, id);
	case ELEMENT_BROKEN:
	case ELEMENT_STAR:
		break;
	}
	return 0;
}

/*
 * The usual glob: on a mismatch the last star takes one byte more, so the time is at most rule x
 * id. What stands before that star need not be tried again: an earlier match of it never ends
 * behind a later one. For of all elements a MAC address alone has two lengths, and twelve digits in
 * a row neither begin nor end within one that has signs between its octets.
 */
bool mt_client_id_keeps(struct mt_bytes rule, struct mt_bytes user, struct mt_bytes client_id)
{
	size_t at = 0, pos = 0, star_at = 0, star_pos = SIZE_MAX;
	if (rule.len == 0)
		return true;
	if (rule.len > MT_CLIENT_ID_RULE_BYTES_MAX)
		return false;
	while (at < client_id.len || pos < rule.len) {
		if (pos < rule.len) {
			struct element element = read_element(mt_bytes_from(rule, pos), user);
			size_t bytes;
			if (element.kind == ELEMENT_BROKEN)
				return false;
			if (element.kind == ELEMENT_STAR) {
				star_at = at;
				star_pos = pos++;
				continue;
			}
			bytes = span_of(&element, mt_bytes_from(client_id, at));
			if (bytes > 0) {
				at += bytes;
				pos += element.rule_bytes;
				continue;
			}
		}
		if (star_pos == SIZE_MAX || star_at >= client_id.len)
			return false;
		at = ++star_at;
		pos = star_pos + 1;
	}
	return true;
}

static const char *text_fault(struct mt_bytes text)
{
	size_t bad;
	if (mt_utf8_check(text, &bad) != MT_UTF8_GOOD)
		return "is not valid UTF-8; expected text without U+0000";
	return mt_utf8_has_control(text) ? "holds a control character" : NULL;
}

const char *mt_client_id_fault(struct mt_bytes client_id)
{
	if (client_id.len == 0)
		return "is empty; the broker assigns one, where it may";
	if (client_id.len > UINT16_MAX)
		return "is too long; expected at most 65,535 bytes";
	return text_fault(client_id);
}

/* A name that stands for all, where only the form of a rule is read. */
static const struct mt_bytes anybody = {(const uint8_t *)"u", 1};

const char *mt_client_id_rule_fault(struct mt_bytes rule)
{
	const char *fault = text_fault(rule);
	if (rule.len > MT_CLIENT_ID_RULE_BYTES_MAX)
		return "is too long; expected at most 1,024 bytes";
	if (fault)
		return fault;
	while (rule.len > 0) {
		struct element element = read_element(rule, anybody);
		if (element.kind == ELEMENT_BROKEN)
			return element.fault;
		rule = mt_bytes_from(rule, element.rule_bytes);
	}
	return NULL;
}

bool mt_client_id_rule_has_user(struct mt_bytes rule)
{
	while (rule.len > 0) {
		struct element element = read_element(rule, anybody);
		if (element.is_user)
			return true;
		if (element.kind == ELEMENT_BROKEN)
			return false;
		rule = mt_bytes_from(rule, element.rule_bytes);
	}
	return false;
}

struct mt_bytes mt_client_id_assign(uint64_t high, uint64_t low, uint8_t out[31])
{
	static const char prefix[] = "mortise-";
	static const char digits[] =
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t at = sizeof(prefix) - 1;
	memcpy(out, prefix, at);
	for (int i = 0; i < 11; i++, high /= 62)
		out[at++] = (uint8_t)digits[high % 62];
	for (int i = 0; i < 11; i++, low /= 62)
		out[at++] = (uint8_t)digits[low % 62];
	out[at] = '\0';
	return mt_bytes_of(out, at);
}
