/* Spans of UUIDs, MAC addresses and serial numbers; the walk over a pattern. */
#include "identity/id_format.h"

#define UUID_BYTES 36u
#define MAC_OCTETS 6u

static int hex_value(uint8_t byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	if (byte >= 'a' && byte <= 'f')
		return byte - 'a' + 10;
	if (byte >= 'A' && byte <= 'F')
		return byte - 'A' + 10;
	return -1;
}

size_t mt_uuid_span(struct mt_bytes text)
{
	bool is_nil = true, is_max = true;
	if (text.len < UUID_BYTES)
		return 0;
	for (size_t i = 0; i < UUID_BYTES; i++) {
		bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
		int value = hex_value(text.data[i]);
		if (is_dash ? text.data[i] != '-' : value < 0)
			return 0;
		is_nil = is_nil && (is_dash || value == 0);
		is_max = is_max && (is_dash || value == 15);
	}
	return is_nil || is_max ? 0 : UUID_BYTES;
}

/* -1: no two hex digits. */
static int octet_at(struct mt_bytes text, size_t at)
{
	int high = hex_value(text.data[at]), low = hex_value(text.data[at + 1]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

size_t mt_mac_span(struct mt_bytes text)
{
	bool has_signs = text.len > 2 && (text.data[2] == ':' || text.data[2] == '-');
	size_t step = has_signs ? 3 : 2;
	size_t bytes = step * (MAC_OCTETS - 1) + 2;
	int all = 0;
	if (text.len < bytes)
		return 0;
	for (size_t i = 0; i < MAC_OCTETS; i++) {
		int octet = octet_at(text, i * step);
		if (octet < 0 || (i == 0 && (octet & 1)))
			return 0;
		if (has_signs && i > 0 && text.data[i * step - 1] != text.data[2])
			return 0;
		all |= octet;
	}
	return all == 0 ? 0 : bytes;
}

/* ---- serial numbers ---- */

/* `count` characters out of `signs`, or one literal byte. */
struct part {
	struct mt_bytes signs;
	uint32_t count;
	size_t bytes; /* of the pattern */
};

static const struct {
	uint8_t letter;
	const char *signs;
} alphabets[] = {
	{'d', "0123456789"},
	{'A', "ABCDEFGHIJKLMNOPQRSTUVWXYZ"},
	{'a', "abcdefghijklmnopqrstuvwxyz"},
	{'X', "0123456789ABCDEF"},
	{'x', "0123456789abcdef"},
	{'N', "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"},
	{'n', "0123456789abcdefghijklmnopqrstuvwxyz"},
};

/* Nothing when no alphabet has that letter. */
static struct mt_bytes signs_of(uint8_t letter)
{
	for (size_t i = 0; i < MT_COUNT_OF(alphabets); i++)
		if (alphabets[i].letter == letter)
			return mt_bytes_str(alphabets[i].signs);
	return mt_bytes_of(NULL, 0);
}

/* What follows a %. False: nothing that is known. */
static bool take_variable(struct mt_bytes pattern, struct part *out)
{
	size_t at = 1;
	uint32_t count = 0;
	while (at < pattern.len && at < 3 && pattern.data[at] >= '0' && pattern.data[at] <= '9')
		count = count * 10 + (uint32_t)(pattern.data[at++] - '0');
	if (at == pattern.len || (at > 1 && count == 0))
		return false;
	out->count = at > 1 ? count : 1;
	out->signs = signs_of(pattern.data[at]);
	if (out->signs.len == 0 && at == 1 && memchr("%*}", pattern.data[at], 3))
		out->signs = mt_bytes_of(pattern.data + at, 1);
	out->bytes = at + 1;
	return out->signs.len > 0;
}

/* pattern is not empty. */
static bool take_part(struct mt_bytes pattern, struct part *out)
{
	uint8_t first = pattern.data[0];
	if (first == '%')
		return take_variable(pattern, out);
	*out = (struct part){.signs = mt_bytes_of(pattern.data, 1), .count = 1, .bytes = 1};
	return first != '*' && first != '}';
}

const char *mt_serial_fault(struct mt_bytes pattern)
{
	size_t bytes = 0;
	bool is_open = false;
	struct part part;
	if (pattern.len == 0)
		return "the pattern of a serial number is empty; expected one such as "
		       "%{serial:SN-%8d}";
	for (; pattern.len > 0; pattern = mt_bytes_from(pattern, part.bytes)) {
		if (!take_part(pattern, &part))
			return "in the pattern of a serial number expected %d %A %a %X %x %N %n, "
			       "with a number up to 99 such as %8d; %%, %* and %} for the signs "
			       "themselves";
		bytes += part.count;
		is_open |= part.signs.len > 1;
		if (bytes > MT_SERIAL_BYTES_MAX)
			return "the pattern of a serial number stands for more than 255 bytes; "
			       "expected fewer";
	}
	return is_open ? NULL
		       : "the pattern of a serial number leaves nothing open; expected one with a "
			 "%d or the like, or the text without %{serial:...}";
}

size_t mt_serial_span(struct mt_bytes pattern, struct mt_bytes text)
{
	size_t at = 0;
	while (pattern.len > 0) {
		struct part part;
		if (!take_part(pattern, &part) || part.count > text.len - at)
			return 0;
		for (uint32_t i = 0; i < part.count; i++)
			if (!memchr(part.signs.data, text.data[at + i], part.signs.len))
				return 0;
		at += part.count;
		pattern = mt_bytes_from(pattern, part.bytes);
	}
	return at;
}

/* ---- new ones ---- */

static const char digits[] = "0123456789abcdef";

struct mt_bytes mt_uuid_make(const uint8_t random[16], char out[MT_UUID_TEXT_BYTES])
{
	size_t at = 0;
	for (size_t i = 0; i < 16; i++) {
		uint8_t octet = random[i];
		if (i == 6)
			octet = (uint8_t)((octet & 0x0f) | 0x40); /* version 4 */
		if (i == 8)
			octet = (uint8_t)((octet & 0x3f) | 0x80); /* variant of RFC 9562 */
		if (i == 4 || i == 6 || i == 8 || i == 10)
			out[at++] = '-';
		out[at++] = digits[octet >> 4];
		out[at++] = digits[octet & 15];
	}
	out[at] = '\0';
	return mt_bytes_of(out, at);
}

struct mt_bytes mt_mac_make(const uint8_t random[6], char out[MT_MAC_TEXT_BYTES])
{
	size_t at = 0;
	for (size_t i = 0; i < MAC_OCTETS; i++) {
		/* The two lowest bits: one station, and of nobody's range. */
		uint8_t octet = i > 0 ? random[i] : (uint8_t)((random[i] & 0xfc) | 2);
		if (i > 0)
			out[at++] = ':';
		out[at++] = digits[octet >> 4];
		out[at++] = digits[octet & 15];
	}
	out[at] = '\0';
	return mt_bytes_of(out, at);
}

struct mt_bytes mt_serial_make(struct mt_bytes pattern, const uint64_t draws[MT_SERIAL_BYTES_MAX],
			       char out[MT_SERIAL_BYTES_MAX + 1])
{
	size_t at = 0;
	struct part part;
	MT_CHECK(!mt_serial_fault(pattern));
	for (; pattern.len > 0; pattern = mt_bytes_from(pattern, part.bytes)) {
		MT_CHECK(take_part(pattern, &part) && at + part.count <= MT_SERIAL_BYTES_MAX);
		for (uint32_t i = 0; i < part.count; i++, at++)
			out[at] = (char)part.signs.data[draws[at] % part.signs.len];
	}
	out[at] = '\0';
	return mt_bytes_of(out, at);
}
