/*
 * A reader of packets, byte by byte, that knows no more than where their secrets are.
 *
 *   HEAD -> LENGTH -> the fields of CONNECT, or of CONNACK and AUTH, or one large skip -> HEAD
 */
#include "replay/secret.h"

#include "wire/packet.h"
#include "wire/props.h"

enum step {
	STEP_HEAD,
	STEP_LENGTH,
	STEP_NAME, /* of the protocol */
	STEP_VERSION,
	STEP_FLAGS,
	STEP_KEEP_ALIVE,
	STEP_PROPS,
	STEP_ID,
	STEP_WILL_PROPS,
	STEP_WILL_TOPIC,
	STEP_WILL_PAYLOAD,
	STEP_USER,
	STEP_PASSWORD,
	STEP_REASON, /* of AUTH; of CONNACK with the byte before it */
	STEP_PROP,   /* the number of a property */
	STEP_TEXT,   /* of a property */
	STEP_REST,   /* nothing secret follows in this packet */
	STEP_LOST,   /* what follows in this packet is not understood */
	STEP_OVER,   /* these are no packets */
};

enum kind {
	KIND_FLAG,
	KIND_COUNT2,
	KIND_COUNT4,
	KIND_COUNT,
	KIND_TWO,
	KIND_FOUR,
	KIND_STRING,
	KIND_BINARY,
	KIND_PAIR
};

#define FLAG_WILL 0x04
#define FLAG_PASSWORD 0x40
#define FLAG_USER 0x80
#define AUTH_DATA 0x16
#define VARINT_BYTES_MAX 4u

void mt_secret_init(struct mt_secret *secret, bool is_server)
{
	memset(secret, 0, sizeof(*secret));
	secret->is_server = is_server;
}

static void begin(struct mt_secret *secret, enum step step)
{
	secret->step = (uint8_t)step;
	secret->number = 0;
	secret->number_bytes = 0;
	secret->skip_left = 0;
	secret->is_hidden = false;
}

static void begin_props(struct mt_secret *secret, enum step step, enum step behind)
{
	begin(secret, step);
	secret->step_behind = (uint8_t)behind;
}

static enum step step_of_packet(const struct mt_secret *secret)
{
	if (!secret->is_server && secret->type == MT_PACKET_CONNECT)
		return STEP_NAME;
	if (!secret->is_server && !secret->has_connected)
		return STEP_LOST;
	if (secret->type == MT_PACKET_AUTH ||
	    (secret->is_server && secret->type == MT_PACKET_CONNACK))
		return STEP_REASON;
	return STEP_REST;
}

static void skip(struct mt_secret *secret, uint32_t bytes);

static void begin_packet(struct mt_secret *secret)
{
	secret->is_in_props = false;
	begin(secret, step_of_packet(secret));
	if (secret->step == STEP_REASON)
		skip(secret, secret->type == MT_PACKET_AUTH ? 1 : 2);
}

static void end_packet(struct mt_secret *secret)
{
	if (secret->type == MT_PACKET_CONNECT)
		secret->has_connected = true;
	begin(secret, STEP_HEAD);
}

/* Which fields of a CONNECT there are, the flags say. */
static enum step step_behind_id(const struct mt_secret *secret, enum step step)
{
	bool has_will = secret->flags & FLAG_WILL;
	if (step == STEP_ID && has_will)
		return secret->version == MT_VERSION_5 ? STEP_WILL_PROPS : STEP_WILL_TOPIC;
	if (step == STEP_WILL_TOPIC)
		return STEP_WILL_PAYLOAD;
	if (step < STEP_USER && secret->flags & FLAG_USER)
		return STEP_USER;
	if (step < STEP_PASSWORD && secret->flags & FLAG_PASSWORD)
		return STEP_PASSWORD;
	/* Bytes behind the last field belong to nobody. */
	return STEP_LOST;
}

static void end_prop(struct mt_secret *secret)
{
	secret->is_in_props = secret->props_left > 0;
	begin(secret, secret->is_in_props ? STEP_PROP : (enum step)secret->step_behind);
}

/* A field is read to its end. */
static void advance(struct mt_secret *secret)
{
	enum step step = (enum step)secret->step, next;
	switch (step) {
	case STEP_NAME:
		begin(secret, STEP_VERSION);
		break;
	case STEP_KEEP_ALIVE:
		if (secret->version == MT_VERSION_5)
			begin_props(secret, STEP_PROPS, STEP_ID);
		else
			begin(secret, STEP_ID);
		break;
	case STEP_REASON:
		begin_props(secret, STEP_PROPS, STEP_REST);
		break;
	case STEP_TEXT:
		if (--secret->texts_left > 0)
			begin(secret, STEP_TEXT);
		else
			end_prop(secret);
		break;
	case STEP_PROP:
		end_prop(secret);
		break;
	default:
		next = step_behind_id(secret, step);
		begin_props(secret, next, STEP_WILL_TOPIC);
		break;
	}
}

/* So many bytes belong to the field. */
static void skip(struct mt_secret *secret, uint32_t bytes)
{
	if (secret->is_in_props && bytes > secret->props_left) {
		begin(secret, STEP_LOST);
		return;
	}
	secret->skip_left = bytes;
	if (bytes == 0)
		advance(secret);
}

/* The number of a property: what its value looks like. */
static void take_prop(struct mt_secret *secret, uint8_t code)
{
	static const uint8_t kinds[256] = {
#define X(name, number, kind, ...) [number] = KIND_##kind + 1,
		MT_TABLE_PROPERTIES(X)
#undef X
	};
	secret->is_hidden = false;
	switch (kinds[code]) {
	case KIND_FLAG + 1:
		skip(secret, 1);
		break;
	case KIND_TWO + 1:
	case KIND_COUNT2 + 1:
		skip(secret, 2);
		break;
	case KIND_FOUR + 1:
	case KIND_COUNT4 + 1:
		skip(secret, 4);
		break;
	case KIND_STRING + 1:
	case KIND_BINARY + 1:
	case KIND_PAIR + 1:
		begin(secret, STEP_TEXT);
		secret->texts_left = kinds[code] == KIND_PAIR + 1 ? 2 : 1;
		secret->is_hidden = code == AUTH_DATA;
		break;
	default:
		begin(secret, STEP_LOST);
		break;
	}
}

static void take_version(struct mt_secret *secret, uint8_t version)
{
	secret->version = version;
	begin(secret, version >= 3 && version <= MT_VERSION_5 ? STEP_FLAGS : STEP_LOST);
}

/* True: the variable byte integer is whole. */
static bool take_varint(struct mt_secret *secret, uint8_t byte, enum step when_bad)
{
	secret->number |= (uint32_t)(byte & 0x7f) << 7 * secret->number_bytes;
	if (!(byte & 0x80))
		return true;
	if (++secret->number_bytes == VARINT_BYTES_MAX)
		begin(secret, when_bad);
	return false;
}

static void take_props(struct mt_secret *secret, uint8_t byte)
{
	if (!take_varint(secret, byte, STEP_LOST))
		return;
	secret->props_left = secret->number;
	end_prop(secret);
}

static void take_text(struct mt_secret *secret, uint8_t byte)
{
	secret->number = secret->number << 8 | byte;
	if (++secret->number_bytes < 2)
		return;
	if (secret->step == STEP_PASSWORD)
		secret->is_hidden = true;
	skip(secret, secret->number);
}

/* A byte that is no content of a field. */
static void take(struct mt_secret *secret, uint8_t byte)
{
	switch ((enum step)secret->step) {
	case STEP_VERSION:
		take_version(secret, byte);
		break;
	case STEP_FLAGS:
		secret->flags = byte;
		begin(secret, STEP_KEEP_ALIVE);
		skip(secret, 2);
		break;
	case STEP_PROPS:
	case STEP_WILL_PROPS:
		take_props(secret, byte);
		break;
	case STEP_PROP:
		take_prop(secret, byte);
		break;
	default:
		take_text(secret, byte);
		break;
	}
}

static void take_head(struct mt_secret *secret, uint8_t byte)
{
	if (secret->step == STEP_HEAD) {
		secret->type = byte >> 4;
		begin(secret, secret->type == 0 ? STEP_OVER : STEP_LENGTH);
	} else if (take_varint(secret, byte, STEP_OVER)) {
		secret->packet_left = secret->number;
		begin_packet(secret);
		if (secret->packet_left == 0)
			end_packet(secret);
	}
}

/* One byte of a CONNECT, CONNACK or AUTH; true when it is secret. */
static bool take_body(struct mt_secret *secret, uint8_t byte)
{
	bool is_secret = secret->skip_left > 0 && secret->is_hidden;
	if (secret->is_in_props && secret->props_left == 0) {
		begin(secret, STEP_LOST); /* a property that breaks off */
		is_secret = true;
	} else if (secret->is_in_props) {
		secret->props_left--;
	}
	if (secret->step == STEP_LOST)
		secret->is_in_props = false;
	else if (secret->skip_left == 0)
		take(secret, byte);
	else if (--secret->skip_left == 0)
		advance(secret);
	if (--secret->packet_left == 0)
		end_packet(secret);
	return is_secret;
}

/* What of `len` bytes can be taken in one piece. */
static size_t plain_run(const struct mt_secret *secret, size_t len)
{
	if (secret->step == STEP_OVER)
		return len;
	if (secret->step != STEP_REST && secret->step != STEP_LOST)
		return 0;
	return secret->packet_left < len ? secret->packet_left : len;
}

void mt_secret_hide(struct mt_secret *secret, uint8_t *data, size_t len)
{
	size_t pos = 0;
	while (pos < len) {
		size_t run = plain_run(secret, len - pos);
		if (run > 0) {
			if (secret->step != STEP_REST)
				memset(data + pos, MT_SECRET_TOKEN, run);
			pos += run;
			if (secret->step != STEP_OVER &&
			    (secret->packet_left -= (uint32_t)run) == 0)
				end_packet(secret);
		} else if (secret->step == STEP_HEAD || secret->step == STEP_LENGTH) {
			take_head(secret, data[pos++]);
		} else {
			if (take_body(secret, data[pos]))
				data[pos] = MT_SECRET_TOKEN;
			pos++;
		}
	}
}
