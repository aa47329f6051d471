/* UTF-8 validation: a fast path for ASCII words, then one sequence at a time. */
#include "base/utf8.h"

#define HIGH_BITS 0x8080808080808080ULL
#define LOW_ONES 0x0101010101010101ULL

/* Well-formed sequences by their first byte, with the range of the second (RFC 3629, section 4);
 * the others are 80..bf. */
static const struct form {
	uint8_t first_low, first_high;
	uint8_t second_low, second_high;
	uint8_t count;
} forms[] = {
	{0x00, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
	{0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
	{0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

static const struct form *form_of(uint8_t first)
{
	for (size_t i = 0; i < MT_COUNT_OF(forms); i++)
		if (first >= forms[i].first_low && first <= forms[i].first_high)
			return &forms[i];
	return NULL;
}

/* Bytes of the sequence that starts at `at`, 0 when it is malformed. */
static size_t sequence_bytes(const uint8_t *at, size_t left)
{
	const struct form *form = form_of(at[0]);
	if (!form || form->count > left)
		return 0;
	if (form->count > 1 && (at[1] < form->second_low || at[1] > form->second_high))
		return 0;
	for (size_t i = 2; i < form->count; i++)
		if (at[i] < 0x80 || at[i] > 0xbf)
			return 0;
	return form->count;
}

static bool is_plain_word(const uint8_t *at)
{
	uint64_t word;
	memcpy(&word, at, 8);
	return ((word | (word - LOW_ONES)) & HIGH_BITS) == 0;
}

enum mt_utf8 mt_utf8_check(struct mt_bytes text, size_t *bad)
{
	size_t pos = 0;
	while (pos < text.len) {
		size_t count;
		if (text.len - pos >= 8 && is_plain_word(text.data + pos)) {
			pos += 8;
			continue;
		}
		count = sequence_bytes(text.data + pos, text.len - pos);
		if (count == 0 || text.data[pos] == 0) {
			*bad = pos;
			return count == 0 ? MT_UTF8_MALFORMED : MT_UTF8_NUL;
		}
		pos += count;
	}
	return MT_UTF8_GOOD;
}

/* C1 is U+0080 to U+009F, two bytes. */
bool mt_utf8_has_control(struct mt_bytes text)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t byte = text.data[i];
		if (byte < 0x20 || byte == 0x7f ||
		    (byte == 0xc2 && i + 1 < text.len && text.data[i + 1] < 0xa0))
			return true;
	}
	return false;
}
