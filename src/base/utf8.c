/* UTF-8 validation: a fast path for ASCII words, then one sequence at a time. */
#include "base/utf8.h"

#define HIGH_BITS 0x8080808080808080ULL
#define LOW_ONES 0x0101010101010101ULL

/* Bytes of the sequence that starts at `at`, 0 when it is malformed (RFC 3629, section 4). */
static size_t sequence_bytes(const uint8_t *at, size_t left)
{
	uint8_t low = 0x80, high = 0xbf;
	size_t count;
	if (at[0] < 0x80)
		return 1;
	if (at[0] >= 0xc2 && at[0] <= 0xdf)
		count = 2;
	else if (at[0] >= 0xe0 && at[0] <= 0xef)
		count = 3;
	else if (at[0] >= 0xf0 && at[0] <= 0xf4)
		count = 4;
	else
		return 0;
	if (at[0] == 0xe0)
		low = 0xa0;
	else if (at[0] == 0xed)
		high = 0x9f;
	else if (at[0] == 0xf0)
		low = 0x90;
	else if (at[0] == 0xf4)
		high = 0x8f;
	if (count > left || at[1] < low || at[1] > high)
		return 0;
	for (size_t i = 2; i < count; i++)
		if (at[i] < 0x80 || at[i] > 0xbf)
			return 0;
	return count;
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
