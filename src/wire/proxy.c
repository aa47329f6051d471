/* Both versions of the PROXY header, told apart by their first bytes. */
#include "wire/proxy.h"

#include "base/buf.h"

#include <arpa/inet.h>

#define HEAD_BYTES 16u
#define WORDS 6u

enum command { LOCAL = 0x20, PROXY = 0x21 };
enum family { UNSPECIFIED = 0x00, TCP4 = 0x11, TCP6 = 0x21, UNIX_STREAM = 0x31 };

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};
static const uint8_t signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
				      0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
static const char word[] = "PROXY ";

static enum mt_status refuse(const char **why, const char *text)
{
	*why = text;
	return MT_VIOLATION;
}

/* `in` begins as `start` does, as far as both go. */
static bool may_be(struct mt_bytes in, struct mt_bytes start)
{
	size_t len = in.len < start.len ? in.len : start.len;
	return mt_bytes_equal(mt_bytes_of(in.data, len), mt_bytes_of(start.data, len));
}

static void set_v4(struct mt_proxy *out, const uint8_t address[4])
{
	memcpy(out->address, mapped_prefix, sizeof(mapped_prefix));
	memcpy(out->address + sizeof(mapped_prefix), address, 4);
}

/* :: stands for those who have no address. */
static enum mt_status accept_source(struct mt_proxy *source, struct mt_proxy *out, const char **why)
{
	static const uint8_t none[16];
	if (memcmp(source->address, none, sizeof(none)) == 0)
		return refuse(why, "the PROXY header names no address");
	source->has_source = true;
	*out = *source;
	return MT_OK;
}

/* ---- version 1 ---- */

/* Exactly WORDS words with one space between them. */
static bool split(struct mt_bytes line, struct mt_bytes words[WORDS])
{
	for (size_t i = 0; i < WORDS; i++) {
		const uint8_t *space = line.len > 0 ? memchr(line.data, ' ', line.len) : NULL;
		if ((space == NULL) != (i == WORDS - 1))
			return false;
		words[i] = line;
		if (!space)
			return line.len > 0;
		words[i].len = (size_t)(space - line.data);
		line = mt_bytes_from(line, words[i].len + 1);
	}
	return false;
}

static bool read_port(struct mt_bytes text, uint16_t *port)
{
	uint32_t value = 0;
	if (text.len == 0 || text.len > 5 || (text.data[0] == '0' && text.len > 1))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		value = value * 10 + (uint32_t)(text.data[i] - '0');
	}
	if (value > UINT16_MAX)
		return false;
	*port = (uint16_t)value;
	return true;
}

static bool read_address(struct mt_bytes text, bool is_v6, struct mt_proxy *out)
{
	char copy[INET6_ADDRSTRLEN];
	uint8_t v4[4];
	if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.data, '\0', text.len))
		return false;
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	if (is_v6)
		return inet_pton(AF_INET6, copy, out->address) == 1;
	if (inet_pton(AF_INET, copy, v4) != 1)
		return false;
	set_v4(out, v4);
	return true;
}

static enum mt_status read_line(struct mt_bytes line, struct mt_proxy *out, const char **why)
{
	struct mt_proxy source = *out, other;
	struct mt_bytes words[WORDS];
	uint16_t port;
	bool is_v6;
	if (mt_bytes_starts(line, mt_bytes_str("PROXY UNKNOWN")) &&
	    (line.len == 13 || line.data[13] == ' '))
		return MT_OK;
	if (!split(line, words))
		return refuse(why, "the PROXY header is malformed");
	is_v6 = mt_bytes_equal(words[1], mt_bytes_str("TCP6"));
	if (!is_v6 && !mt_bytes_equal(words[1], mt_bytes_str("TCP4")))
		return refuse(why, "the PROXY header names no protocol that we know");
	if (!read_address(words[2], is_v6, &source) || !read_address(words[3], is_v6, &other) ||
	    !read_port(words[4], &source.port) || !read_port(words[5], &port))
		return refuse(why, "an address of the PROXY header is malformed");
	return accept_source(&source, out, why);
}

static enum mt_status read_text(struct mt_bytes in, struct mt_proxy *out, const char **why)
{
	struct mt_proxy parsed = {.has_source = false};
	size_t len = in.len < MT_PROXY_TEXT_BYTES_MAX ? in.len : MT_PROXY_TEXT_BYTES_MAX;
	const uint8_t *end = memmem(in.data, len, "\r\n", 2);
	if (!end && len == MT_PROXY_TEXT_BYTES_MAX)
		return refuse(why, "the PROXY header has no end");
	if (!end)
		return MT_AGAIN;
	len = (size_t)(end - in.data);
	parsed.bytes = len + 2;
	MT_TRY(read_line(mt_bytes_of(in.data, len), &parsed, why));
	*out = parsed;
	return MT_OK;
}

/* ---- version 2 ---- */

static enum mt_status read_source(uint8_t family, struct mt_bytes body, struct mt_proxy *out,
				  const char **why)
{
	struct mt_proxy source = *out;
	struct mt_reader in = mt_reader_of(body);
	struct mt_bytes address, other;
	size_t bytes = family == TCP6 ? 16 : 4;
	if (family == UNSPECIFIED || family == UNIX_STREAM)
		return MT_OK;
	if (family != TCP4 && family != TCP6)
		return refuse(why, "the PROXY header names no protocol that we know");
	address = mt_reader_take(&in, bytes);
	other = mt_reader_take(&in, bytes);
	source.port = mt_reader_u16(&in);
	(void)mt_reader_u16(&in);
	if (in.is_short || other.len != bytes)
		return refuse(why, "the PROXY header is too short for its addresses");
	if (family == TCP4)
		set_v4(&source, address.data);
	else
		memcpy(source.address, address.data, sizeof(source.address));
	return accept_source(&source, out, why);
}

static enum mt_status read_binary(struct mt_bytes in, struct mt_proxy *out, const char **why)
{
	struct mt_proxy parsed = {.has_source = false};
	struct mt_bytes body;
	uint8_t command;
	if (in.len < HEAD_BYTES)
		return MT_AGAIN;
	command = in.data[12];
	if (command != LOCAL && command != PROXY)
		return refuse(why, "the PROXY header has another version or command");
	parsed.bytes = HEAD_BYTES + (size_t)(in.data[14] << 8 | in.data[15]);
	if (parsed.bytes > MT_PROXY_BYTES_MAX)
		return refuse(why, "the PROXY header is too large");
	if (in.len < parsed.bytes)
		return MT_AGAIN;
	body = mt_bytes_of(in.data + HEAD_BYTES, parsed.bytes - HEAD_BYTES);
	if (command == PROXY)
		MT_TRY(read_source(in.data[13], body, &parsed, why));
	*out = parsed;
	return MT_OK;
}

enum mt_status mt_proxy_read(struct mt_bytes in, struct mt_proxy *out, const char **why)
{
	if (in.len == 0)
		return MT_AGAIN;
	if (may_be(in, mt_bytes_of(signature, sizeof(signature))))
		return read_binary(in, out, why);
	if (may_be(in, mt_bytes_str(word)))
		return read_text(in, out, why);
	return refuse(why, "a trusted proxy sends no PROXY header");
}
