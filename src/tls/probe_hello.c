/*
 * Hellos by hand, for what the library cannot offer: SSL 3.0, suites of old, pre-shared keys and
 * compression. The server's choice is all that is wanted; nothing follows it.
 *
 *   record:  type 1 | version 2 | length 2 | message
 *   message: type 1 | length 3 | version 2 | random 32 | id <0..32> | suites <2..> or suite 2 |
 *            compression | extensions
 */
#include "tls/probe_parts.h"

#include <openssl/rand.h>

#define HELLO_BYTES_MAX 2048u
#define RECORD_BYTES_MAX 16640u
#define MESSAGE_CLIENT_HELLO 1
#define MESSAGE_SERVER_HELLO 2
#define RECORD_ALERT 21
#define RECORD_HANDSHAKE 22
#define EXTENSION_MASTER_SECRET 23
#define EXTENSION_VERSIONS 43
#define EXTENSION_RENEGOTIATION 0xff01

struct old_suite {
	uint16_t id;
	const char *name;
	bool is_forward_secret;
};

/* What OpenSSL 3 was built without: all of it is broken. */
static const struct old_suite old_suites[] = {
	{0x000a, "DES-CBC3-SHA", false},
	{0x0016, "DHE-RSA-DES-CBC3-SHA", true},
	{0xc012, "ECDHE-RSA-DES-CBC3-SHA", true},
	{0xc008, "ECDHE-ECDSA-DES-CBC3-SHA", true},
	{0x0005, "RC4-SHA", false},
	{0x0004, "RC4-MD5", false},
	{0xc011, "ECDHE-RSA-RC4-SHA", true},
	{0xc007, "ECDHE-ECDSA-RC4-SHA", true},
	{0x0009, "DES-CBC-SHA", false},
	{0x0015, "DHE-RSA-DES-CBC-SHA", true},
	{0x0007, "IDEA-CBC-SHA", false},
	{0x0003, "EXP-RC4-MD5", false},
	{0x0006, "EXP-RC2-CBC-MD5", false},
	{0x0008, "EXP-DES-CBC-SHA", false},
	{0x0014, "EXP-DHE-RSA-DES-CBC-SHA", false},
	{0x001b, "ADH-DES-CBC3-SHA", true},
	{0x0018, "ADH-RC4-MD5", true},
	{0xc017, "AECDH-DES-CBC3-SHA", true},
	{0xc016, "AECDH-RC4-SHA", true},
};

/* Of every kind: which one is chosen does not matter. */
static const uint16_t psk_suites[] = {
	0xccac, 0xccad, 0xccab, 0xccae, 0xd001, 0xd002, 0xd003, 0xd005, 0x00a8, 0x00a9,
	0x00aa, 0x00ab, 0x00ac, 0x00ad, 0x00ae, 0x00af, 0x00b2, 0x00b3, 0x00b6, 0x00b7,
	0xc0a4, 0xc0a5, 0xc0a6, 0xc0a7, 0xc0a8, 0xc0a9, 0xc0aa, 0xc0ab, 0x008c, 0x008d,
	0x0090, 0x0091, 0x0094, 0x0095, 0xc035, 0xc036, 0xc037, 0xc038, 0x008a, 0x008b,
};

/* What a server of SSL 3.0 knows, besides the old ones. */
static const uint16_t sha_suites[] = {0x002f, 0x0035, 0x0033, 0x0039, 0x0032, 0x0038};

/* Room for a length that is known later; its place. */
static size_t begin(struct mt_buf *out)
{
	mt_buf_put_u16(out, 0);
	return out->pos;
}

static void conclude(struct mt_buf *out, size_t from)
{
	size_t len = out->pos - from;
	if (out->is_overflown)
		return;
	MT_CHECK(from >= 2 && len <= UINT16_MAX);
	out->data[from - 2] = (uint8_t)(len >> 8);
	out->data[from - 1] = (uint8_t)len;
}

static void put_name(struct mt_buf *out, const char *name)
{
	size_t extension, list, text;
	if (!name)
		return;
	mt_buf_put_u16(out, 0);
	extension = begin(out);
	list = begin(out);
	mt_buf_put_u8(out, 0); /* a host name */
	text = begin(out);
	mt_buf_put(out, mt_bytes_str(name));
	conclude(out, text);
	conclude(out, list);
	conclude(out, extension);
}

static void put_extensions(struct mt_buf *out, const char *name)
{
	/* clang-format off */
	static const uint8_t fixed[] = {
		0, 10, 0, 10, 0, 8, 0, 29, 0, 23, 0, 24, 0, 25, /* X25519, P-256, P-384, P-521 */
		0, 11, 0, 2, 1, 0,				/* points: uncompressed */
		0, 13, 0, 28, 0, 26, 4, 3, 5, 3, 6, 3, 8, 4, 8, 5, 8, 6, 4, 1, 5, 1, 6, 1, 2, 3,
		2, 1, 3, 3, 3, 1,				/* signatures, SHA-1 among them */
		0, 23, 0, 0,					/* extended master secret */
		0xff, 1, 0, 1, 0,				/* secure renegotiation */
	};
	/* clang-format on */
	size_t all = begin(out);
	put_name(out, name);
	mt_buf_put(out, mt_bytes_of(fixed, sizeof(fixed)));
	conclude(out, all);
}

static void put_suites(struct mt_buf *out, const struct mt_probe_offer *offer)
{
	size_t list = begin(out);
	for (size_t i = 0; i < offer->suite_count; i++)
		mt_buf_put_u16(out, offer->suites[i]);
	conclude(out, list);
}

static void put_body(struct mt_buf *out, const struct mt_probe_offer *offer)
{
	uint8_t random[32] = {0};
	/* Nothing is kept secret by it: the handshake never ends. */
	(void)RAND_bytes(random, sizeof(random));
	mt_buf_put_u16(out, offer->version);
	mt_buf_put(out, mt_bytes_of(random, sizeof(random)));
	mt_buf_put_u8(out, 0); /* no session */
	put_suites(out, offer);
	mt_buf_put_u8(out, offer->is_compressing ? 2 : 1);
	if (offer->is_compressing)
		mt_buf_put_u8(out, 1); /* DEFLATE */
	mt_buf_put_u8(out, 0);
	if (offer->version > 0x0300)
		put_extensions(out, offer->name);
}

void mt_probe_hello_write(const struct mt_probe_offer *offer, struct mt_buf *out)
{
	size_t record, message;
	mt_buf_put_u8(out, RECORD_HANDSHAKE);
	mt_buf_put_u16(out, offer->version > 0x0300 ? 0x0301 : 0x0300);
	record = begin(out);
	mt_buf_put_u8(out, MESSAGE_CLIENT_HELLO);
	mt_buf_put_u8(out, 0); /* of a length of three bytes */
	message = begin(out);
	put_body(out, offer);
	conclude(out, message);
	conclude(out, record);
}

static void read_extensions(struct mt_reader *in, struct mt_probe_hello *out)
{
	while (mt_reader_left(in) > 0 && !in->is_short) {
		uint16_t type = mt_reader_u16(in);
		struct mt_bytes data = mt_reader_take(in, mt_reader_u16(in));
		out->has_master_secret |= type == EXTENSION_MASTER_SECRET;
		out->has_renegotiation |= type == EXTENSION_RENEGOTIATION;
		if (type == EXTENSION_VERSIONS && data.len == 2)
			out->version = (uint16_t)(data.data[0] << 8 | data.data[1]);
	}
}

bool mt_probe_hello_read(struct mt_bytes body, struct mt_probe_hello *out)
{
	/* SHA-256 of "HelloRetryRequest" (RFC 8446, section 4.1.3). */
	static const uint8_t retry[32] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11,
					  0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
					  0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e,
					  0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};
	struct mt_reader in = mt_reader_of(body);
	struct mt_probe_hello hello = {.version = mt_reader_u16(&in)};
	struct mt_bytes random = mt_reader_take(&in, sizeof(retry)), rest;
	hello.is_retry = mt_bytes_equal(random, mt_bytes_of(retry, sizeof(retry)));
	(void)mt_reader_take(&in, mt_reader_u8(&in));
	hello.suite = mt_reader_u16(&in);
	hello.compression = mt_reader_u8(&in);
	if (in.is_short)
		return false;
	if (mt_reader_left(&in) > 0) {
		rest = mt_reader_take(&in, mt_reader_u16(&in));
		if (in.is_short || mt_reader_left(&in) > 0)
			return false;
		in = mt_reader_of(rest);
		read_extensions(&in, &hello);
	}
	if (in.is_short)
		return false;
	*out = hello;
	return true;
}

/* All `len` bytes, or false. */
static bool receive_all(struct mt_probe_wire *wire, uint8_t *to, size_t len)
{
	while (len > 0) {
		int got = mt_probe_wire_receive(wire, to, len);
		if (got <= 0)
			return false;
		to += got;
		len -= (size_t)got;
	}
	return true;
}

/* The ServerHello of these bytes, which may be cut off. */
static enum mt_probe_answer read_message(struct mt_bytes bytes, struct mt_probe_hello *out)
{
	struct mt_reader in = mt_reader_of(bytes);
	uint8_t type = mt_reader_u8(&in);
	size_t len = (size_t)mt_reader_u8(&in) << 16;
	struct mt_bytes body;
	len |= mt_reader_u16(&in);
	body = mt_reader_take(&in, len);
	if (in.is_short || type != MESSAGE_SERVER_HELLO || !mt_probe_hello_read(body, out))
		return MT_PROBE_UNKNOWN;
	return MT_PROBE_YES;
}

/* The first record decides: a ServerHello is small, and no server cuts it. */
static enum mt_probe_answer hear(struct mt_probe_wire *wire, struct mt_probe_hello *out)
{
	uint8_t head[5], data[RECORD_BYTES_MAX];
	size_t len;
	if (!receive_all(wire, head, sizeof(head)))
		return wire->is_closed ? MT_PROBE_NO : MT_PROBE_UNKNOWN;
	len = (size_t)head[3] << 8 | head[4];
	if (head[0] == RECORD_ALERT)
		return MT_PROBE_NO;
	if (head[0] != RECORD_HANDSHAKE || len > sizeof(data) || !receive_all(wire, data, len))
		return MT_PROBE_UNKNOWN;
	return read_message(mt_bytes_of(data, len), out);
}

static enum mt_probe_answer try_once(struct mt_probe *probe, const struct mt_probe_offer *offer,
				     struct mt_probe_hello *out, bool *is_clear)
{
	uint8_t data[HELLO_BYTES_MAX];
	struct mt_buf hello = mt_buf_of(data, sizeof(data));
	struct mt_probe_wire wire;
	const char *reason;
	enum mt_probe_answer answer = MT_PROBE_UNKNOWN;
	mt_probe_hello_write(offer, &hello);
	MT_CHECK(!hello.is_overflown);
	*is_clear = false;
	if (!mt_probe_wire_open(probe, &wire, &reason))
		return answer;
	if (mt_probe_wire_send(&wire, data, hello.pos) == (int)hello.pos)
		answer = hear(&wire, out);
	if (wire.is_late)
		mt_probe_note_silence(probe);
	*is_clear = wire.first_count > 0 || wire.is_late;
	mt_probe_wire_close(&wire);
	return answer;
}

static bool is_offered(const struct mt_probe_offer *offer, uint16_t suite)
{
	for (size_t i = 0; i < offer->suite_count; i++)
		if (offer->suites[i] == suite)
			return true;
	return false;
}

enum mt_probe_answer mt_probe_hello_try(struct mt_probe *probe, const struct mt_probe_offer *offer,
					struct mt_probe_hello *out)
{
	enum mt_probe_answer answer;
	bool is_clear;
	if (probe->is_over || offer->suite_count == 0)
		return MT_PROBE_UNKNOWN;
	answer = try_once(probe, offer, out, &is_clear);
	if (!is_clear && mt_probe_recover(probe))
		answer = try_once(probe, offer, out, &is_clear);
	/* Some servers choose what nobody offered. */
	return answer == MT_PROBE_YES && !is_offered(offer, out->suite) ? MT_PROBE_UNKNOWN : answer;
}

static const char *sni_of(const struct mt_probe *probe)
{
	return probe->is_address ? NULL : probe->name;
}

void mt_probe_old_version(struct mt_probe *probe)
{
	uint16_t ids[MT_COUNT_OF(sha_suites) + MT_COUNT_OF(old_suites)];
	struct mt_probe_offer offer = {
		.version = 0x0300, .suites = ids, .suite_count = MT_COUNT_OF(ids)};
	struct mt_probe_hello hello;
	enum mt_probe_answer answer;
	memcpy(ids, sha_suites, sizeof(sha_suites));
	for (size_t i = 0; i < MT_COUNT_OF(old_suites); i++)
		ids[MT_COUNT_OF(sha_suites) + i] = old_suites[i].id;
	answer = mt_probe_hello_try(probe, &offer, &hello);
	if (answer == MT_PROBE_YES && hello.version != 0x0300)
		answer = MT_PROBE_NO;
	probe->facts->versions[MT_PROBE_SSL_30] = answer;
}

static void note_old(struct mt_probe_suites *suites, uint16_t id)
{
	for (size_t i = 0; i < MT_COUNT_OF(old_suites); i++) {
		const struct old_suite *old = &old_suites[i];
		struct mt_probe_suite *suite = &suites->items[suites->count];
		if (old->id != id)
			continue;
		*suite = (struct mt_probe_suite){
			.id = id, .is_forward_secret = old->is_forward_secret, .is_broken = true};
		mt_bytes_cut(suite->name, sizeof(suite->name), mt_bytes_str(old->name));
		suites->count++;
	}
}

static size_t collect_old(const struct mt_probe_suites *known, uint16_t *ids)
{
	size_t count = 0;
	for (size_t i = 0; i < MT_COUNT_OF(old_suites); i++) {
		bool is_known = false;
		for (uint32_t k = 0; k < known->count; k++)
			is_known |= known->items[k].id == old_suites[i].id;
		if (!is_known)
			ids[count++] = old_suites[i].id;
	}
	return count;
}

/* By elimination, in the highest version that such suites exist in. */
void mt_probe_old_suites(struct mt_probe *probe)
{
	struct mt_probe_suites *suites = &probe->facts->suites_12;
	uint16_t ids[MT_COUNT_OF(old_suites)];
	struct mt_probe_offer offer = {.version = 0x0303, .suites = ids, .name = sni_of(probe)};
	struct mt_probe_hello hello;
	uint32_t before = suites->count;
	enum mt_probe_answer answer = MT_PROBE_YES;
	while (answer == MT_PROBE_YES && suites->count < MT_PROBE_SUITES_MAX) {
		offer.suite_count = collect_old(suites, ids);
		answer = mt_probe_hello_try(probe, &offer, &hello);
		if (answer == MT_PROBE_YES)
			note_old(suites, hello.suite);
	}
	probe->facts->has_old_suites = suites->count > before ? MT_PROBE_YES : answer;
}

void mt_probe_psk(struct mt_probe *probe)
{
	const struct mt_probe_offer offer = {.version = 0x0303,
					     .suites = psk_suites,
					     .suite_count = MT_COUNT_OF(psk_suites),
					     .name = sni_of(probe)};
	struct mt_probe_hello hello;
	probe->facts->has_psk = mt_probe_hello_try(probe, &offer, &hello);
}

/* With suites that the server is known to take, so that its refusal of others is one. */
void mt_probe_compression(struct mt_probe *probe)
{
	const struct mt_probe_suites *suites = &probe->facts->suites_12;
	uint16_t ids[MT_PROBE_SUITES_MAX];
	struct mt_probe_offer offer = {.version = 0x0303,
				       .suites = ids,
				       .suite_count = suites->count,
				       .is_compressing = true,
				       .name = sni_of(probe)};
	struct mt_probe_hello hello;
	for (uint32_t i = 0; i < suites->count; i++)
		ids[i] = suites->items[i].id;
	if (mt_probe_hello_try(probe, &offer, &hello) == MT_PROBE_YES)
		probe->facts->compresses = hello.compression ? MT_PROBE_YES : MT_PROBE_NO;
}
