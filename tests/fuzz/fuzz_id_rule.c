/* A client-id rule, a user and an id, with a 0 between: the matcher equals one that follows every
 * way at once, a rule that is none is kept by nobody, and a serial number that is made keeps its
 * pattern. */
#include "identity/client_id.h"
#include "identity/id_format.h"

#include <stdlib.h>

#define ID_BYTES_MAX 300u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Up to the next 0, in a block of its own. */
static struct mt_bytes take(const uint8_t **data, size_t *size)
{
	const uint8_t *end = *size ? memchr(*data, 0, *size) : NULL;
	size_t len = end ? (size_t)(end - *data) : *size;
	uint8_t *block = malloc(len ? len : 1);
	MT_CHECK(block != NULL);
	if (len)
		memcpy(block, *data, len);
	*data += len + (end != NULL);
	*size -= len + (end != NULL);
	return mt_bytes_of(block, len);
}

/* Of what begins with %{, its bytes up to the } included. */
static size_t format_bytes(struct mt_bytes rule)
{
	size_t at = 2;
	while (rule.data[at] != '}')
		at += rule.data[at] == '%' ? 2 : 1;
	return at + 1;
}

/* Of an element that is no star, at one place. */
static size_t span_at(struct mt_bytes element, struct mt_bytes user, struct mt_bytes id)
{
	static const size_t serial = sizeof("%{serial:") - 1;
	struct mt_bytes text = element;
	if (mt_bytes_equal(element, mt_bytes_str("%{uuid}")))
		return mt_uuid_span(id);
	if (mt_bytes_equal(element, mt_bytes_str("%{mac}")))
		return mt_mac_span(id);
	if (element.len > serial)
		return mt_serial_span(mt_bytes_of(element.data + serial, element.len - serial - 1),
				      id);
	if (element.data[0] == '%')
		text = element.data[1] == 'u' ? user : mt_bytes_of(element.data + 1, 1);
	return text.len > 0 && mt_bytes_starts(id, text) ? text.len : 0;
}

/* Element by element, every place of the id where what came before it may end. */
static bool twin(struct mt_bytes rule, struct mt_bytes user, struct mt_bytes id)
{
	bool here[ID_BYTES_MAX + 1] = {true};
	if (rule.len == 0)
		return true;
	while (rule.len > 0) {
		bool next[ID_BYTES_MAX + 1] = {false};
		bool is_star = rule.data[0] == '*', is_sign = rule.data[0] == '%';
		size_t bytes = !is_sign ? 1 : rule.data[1] == '{' ? format_bytes(rule) : 2;
		struct mt_bytes element = mt_bytes_of(rule.data, bytes);
		for (size_t at = 0; at <= id.len; at++) {
			size_t span = 0;
			if (here[at] && !is_star)
				span = span_at(element, user, mt_bytes_from(id, at));
			if (span > 0)
				next[at + span] = true;
			if (is_star)
				next[at] = here[at] || (at > 0 && next[at - 1]);
		}
		memcpy(here, next, sizeof(here));
		rule = mt_bytes_from(rule, bytes);
	}
	return here[id.len];
}

static void check_made(struct mt_bytes pattern, uint64_t draw)
{
	uint64_t draws[MT_SERIAL_BYTES_MAX];
	char text[MT_SERIAL_BYTES_MAX + 1];
	struct mt_bytes made;
	for (size_t i = 0; i < MT_SERIAL_BYTES_MAX; i++)
		draws[i] = draw * (i + 1);
	made = mt_serial_make(pattern, draws, text);
	MT_CHECK(made.len > 0 && text[made.len] == '\0');
	MT_CHECK(mt_serial_span(pattern, made) == made.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mt_bytes rule = take(&data, &size), user = take(&data, &size),
			id = take(&data, &size);
	bool is_kept = mt_client_id_keeps(rule, user, id);
	if (!mt_client_id_rule_fault(rule) && id.len <= ID_BYTES_MAX)
		MT_CHECK(is_kept == twin(rule, user, id));
	if (is_kept && user.len == 0)
		MT_CHECK(!mt_client_id_rule_has_user(rule));
	if (!mt_serial_fault(rule))
		check_made(rule, id.len);
	free((void *)(uintptr_t)rule.data);
	free((void *)(uintptr_t)user.data);
	free((void *)(uintptr_t)id.data);
	return 0;
}
