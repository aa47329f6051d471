/* Properties of MQTT 5: one walk over the wire form, driven by spec/properties.tbl. Pure. */
#include "wire/props.h"

#include "wire/field.h"
#include "wire/mask.h"

enum kind { FLAG, TWO, FOUR, COUNT2, COUNT4, COUNT, STRING, BINARY, PAIR };

struct rule {
	uint8_t code;
	uint8_t kind;
	uint32_t packets;
};

static const struct rule rules[MT_PROP_COUNT] = {
#define X(name, code, kind, packets, text) [MT_PROP_##name] = {(code), (kind), (packets)},
	MT_TABLE_PROPERTIES(X)
#undef X
};

#define CODE_END 0x2bu

/* Property + 1 for each identifier, 0 for those that do not exist. */
static const uint8_t prop_of[CODE_END] = {
#define X(name, code, kind, packets, text) [code] = MT_PROP_##name + 1,
	MT_TABLE_PROPERTIES(X)
#undef X
};

#define AT(field) (offsetof(struct mt_props, field))
static const uint16_t field_at[MT_PROP_COUNT] = {
	[MT_PROP_PAYLOAD_FORMAT_INDICATOR] = AT(payload_format),
	[MT_PROP_MESSAGE_EXPIRY_INTERVAL] = AT(message_expiry_s),
	[MT_PROP_CONTENT_TYPE] = AT(content_type),
	[MT_PROP_RESPONSE_TOPIC] = AT(response_topic),
	[MT_PROP_CORRELATION_DATA] = AT(correlation_data),
	[MT_PROP_SUBSCRIPTION_IDENTIFIER] = AT(subscription_id),
	[MT_PROP_SESSION_EXPIRY_INTERVAL] = AT(session_expiry_s),
	[MT_PROP_ASSIGNED_CLIENT_IDENTIFIER] = AT(assigned_client_id),
	[MT_PROP_SERVER_KEEP_ALIVE] = AT(server_keep_alive_s),
	[MT_PROP_AUTHENTICATION_METHOD] = AT(auth_method),
	[MT_PROP_AUTHENTICATION_DATA] = AT(auth_data),
	[MT_PROP_REQUEST_PROBLEM_INFORMATION] = AT(request_problem_info),
	[MT_PROP_WILL_DELAY_INTERVAL] = AT(will_delay_s),
	[MT_PROP_REQUEST_RESPONSE_INFORMATION] = AT(request_response_info),
	[MT_PROP_RESPONSE_INFORMATION] = AT(response_info),
	[MT_PROP_SERVER_REFERENCE] = AT(server_reference),
	[MT_PROP_REASON_STRING] = AT(reason_string),
	[MT_PROP_RECEIVE_MAXIMUM] = AT(receive_max),
	[MT_PROP_TOPIC_ALIAS_MAXIMUM] = AT(topic_alias_max),
	[MT_PROP_TOPIC_ALIAS] = AT(topic_alias),
	[MT_PROP_MAXIMUM_QOS] = AT(qos_max),
	[MT_PROP_RETAIN_AVAILABLE] = AT(is_retain_available),
	[MT_PROP_USER_PROPERTY] = AT(user_property_count),
	[MT_PROP_MAXIMUM_PACKET_SIZE] = AT(packet_bytes_max),
	[MT_PROP_WILDCARD_SUBSCRIPTION_AVAILABLE] = AT(is_wildcard_available),
	[MT_PROP_SUBSCRIPTION_IDENTIFIER_AVAILABLE] = AT(is_subscription_id_available),
	[MT_PROP_SHARED_SUBSCRIPTION_AVAILABLE] = AT(is_shared_available),
};
#undef AT

/* The struct is one picture of the table: a property is found by its offset, and copied by the
 * width of its kind. */
static uint32_t number_of(const struct mt_props *props, enum mt_prop prop)
{
	const uint8_t *at = (const uint8_t *)props + field_at[prop];
	uint16_t two;
	uint32_t four;
	switch ((enum kind)rules[prop].kind) {
	case FLAG:
		return *at;
	case TWO:
	case COUNT2:
		memcpy(&two, at, sizeof(two));
		return two;
	case FOUR:
	case COUNT4:
	case COUNT:
		memcpy(&four, at, sizeof(four));
		return four;
	case STRING:
	case BINARY:
	case PAIR:
		break;
	}
	return 0;
}

static struct mt_bytes text_of(const struct mt_props *props, enum mt_prop prop)
{
	struct mt_bytes text;
	memcpy(&text, (const uint8_t *)props + field_at[prop], sizeof(text));
	return text;
}

static void store(struct mt_props *props, const struct mt_prop_item *item)
{
	uint8_t *at = (uint8_t *)props + field_at[item->prop];
	uint16_t two = (uint16_t)item->number;
	switch ((enum kind)rules[item->prop].kind) {
	case FLAG:
		*at = (uint8_t)item->number;
		break;
	case TWO:
	case COUNT2:
		memcpy(at, &two, sizeof(two));
		break;
	case FOUR:
	case COUNT4:
	case COUNT:
		memcpy(at, &item->number, sizeof(item->number));
		break;
	case STRING:
	case BINARY:
		memcpy(at, &item->text, sizeof(item->text));
		break;
	case PAIR:
		props->user_property_count++;
		break;
	}
}

/* The value of item->prop; false when it is short or, for a variable byte integer, not in its
 * shortest form. */
static bool take_value(struct mt_reader *in, struct mt_prop_item *item)
{
	switch ((enum kind)rules[item->prop].kind) {
	case FLAG:
		item->number = mt_reader_u8(in);
		break;
	case TWO:
	case COUNT2:
		item->number = mt_reader_u16(in);
		break;
	case FOUR:
	case COUNT4:
		item->number = mt_reader_u32(in);
		break;
	case COUNT:
		return mt_varint_take(in, &item->number);
	case STRING:
	case BINARY:
		return mt_field_take(in, &item->text);
	case PAIR:
		return mt_field_take(in, &item->text) && mt_field_take(in, &item->value);
	}
	return !in->is_short;
}

/* One property: false when the identifier is unknown or the value is cut off. */
static bool take_item(struct mt_reader *in, struct mt_prop_item *item)
{
	size_t start = in->pos;
	uint8_t code = mt_reader_u8(in);
	*item = (struct mt_prop_item){0};
	if (in->is_short || code >= CODE_END || prop_of[code] == 0)
		return false;
	item->prop = (enum mt_prop)(prop_of[code] - 1);
	if (!take_value(in, item))
		return false;
	item->raw = mt_bytes_of(in->in.data + start, in->pos - start);
	return true;
}

struct context {
	uint8_t type;
	enum mt_side side;
	size_t base; /* of the reader in the packet body */
};

static enum mt_status check_carrier(const struct context *at, const struct mt_prop_item *item,
				    struct mt_violation *why)
{
	size_t offset = at->base;
	if (rules[item->prop].packets & mt_mask_of(at->type, at->side))
		return MT_OK;
	if (at->type == MT_PACKET_PUBLISH && item->prop == MT_PROP_SUBSCRIPTION_IDENTIFIER)
		return mt_violate(why, "MQTT-3.3.4-6", MT_REASON_PROTOCOL_ERROR, offset);
	if (at->type == MT_PACKET_DISCONNECT && item->prop == MT_PROP_SESSION_EXPIRY_INTERVAL)
		return mt_violate(why, "MQTT-3.14.2-2", MT_REASON_PROTOCOL_ERROR, offset);
	return mt_violate(why, "malformed", MT_REASON_MALFORMED_PACKET, offset);
}

/* Section 2.2.2.2: once, but for user properties, and for subscription ids that a server sends. */
static bool may_repeat(const struct context *at, enum mt_prop prop)
{
	return prop == MT_PROP_USER_PROPERTY ||
	       (prop == MT_PROP_SUBSCRIPTION_IDENTIFIER && at->type == MT_PACKET_PUBLISH);
}

static enum mt_status check_number(const struct mt_prop_item *item, size_t offset,
				   struct mt_violation *why)
{
	uint8_t kind = rules[item->prop].kind;
	bool is_count = kind == COUNT || kind == COUNT2 || kind == COUNT4;
	if (item->prop == MT_PROP_TOPIC_ALIAS && item->number == 0)
		return mt_violate(why, "MQTT-3.3.2-8", MT_REASON_TOPIC_ALIAS_INVALID, offset);
	if ((kind == FLAG && item->number > 1) || (is_count && item->number == 0))
		return mt_violate(why, "section 2.2.2.2", MT_REASON_PROTOCOL_ERROR, offset);
	return MT_OK;
}

static enum mt_status check_pair(const struct mt_prop_item *item, size_t offset,
				 struct mt_violation *why)
{
	struct mt_violation half;
	if (mt_field_check_text(item->text, MT_VERSION_5, 0, &half) != MT_OK ||
	    mt_field_check_text(item->value, MT_VERSION_5, item->text.len + 2, &half) != MT_OK)
		return mt_violate(why, "MQTT-1.5.7-1", MT_REASON_MALFORMED_PACKET,
				  offset + 2 + half.offset);
	return MT_OK;
}

/* `offset` is that of the value, behind the identifier. */
static enum mt_status check_value(const struct mt_prop_item *item, size_t offset,
				  struct mt_violation *why)
{
	switch ((enum kind)rules[item->prop].kind) {
	case STRING:
		if (item->prop == MT_PROP_RESPONSE_TOPIC)
			return mt_field_check_name(item->text, MT_VERSION_5, offset + 2,
						   "MQTT-3.3.2-14", MT_REASON_PROTOCOL_ERROR, why);
		return mt_field_check_text(item->text, MT_VERSION_5, offset + 2, why);
	case PAIR:
		return check_pair(item, offset, why);
	case BINARY:
		return MT_OK;
	case FLAG:
	case TWO:
	case FOUR:
	case COUNT2:
	case COUNT4:
	case COUNT:
		break;
	}
	return check_number(item, offset, why);
}

/* Reads and checks the property at in->pos and enters it. */
static enum mt_status enter_item(struct context at, struct mt_reader *in, struct mt_props *props,
				 struct mt_violation *why)
{
	struct mt_prop_item item;
	uint32_t bit;
	at.base += in->pos;
	if (!take_item(in, &item))
		return mt_violate(why, "malformed", MT_REASON_MALFORMED_PACKET, at.base);
	MT_TRY(check_carrier(&at, &item, why));
	bit = UINT32_C(1) << item.prop;
	if ((props->present & bit) && !may_repeat(&at, item.prop))
		return mt_violate(why, "section 2.2.2.2", MT_REASON_PROTOCOL_ERROR, at.base);
	MT_TRY(check_value(&item, at.base + 1, why));
	props->subscription_id_count += item.prop == MT_PROP_SUBSCRIPTION_IDENTIFIER;
	if (!(props->present & bit) || item.prop == MT_PROP_USER_PROPERTY)
		store(props, &item);
	props->present |= bit;
	return MT_OK;
}

/* The length in front of the properties, and the bytes it announces. */
static enum mt_status take_raw(struct mt_reader *in, struct mt_bytes *raw, struct mt_violation *why)
{
	size_t start = in->pos;
	uint32_t bytes = 0;
	if (mt_reader_left(in) == 0)
		return mt_violate(why, "MQTT-2.2.2-1", MT_REASON_MALFORMED_PACKET, start);
	if (!mt_varint_take(in, &bytes))
		return mt_violate(why, in->is_short ? "malformed" : "MQTT-1.5.5-1",
				  MT_REASON_MALFORMED_PACKET, start);
	*raw = mt_reader_take(in, bytes);
	if (in->is_short)
		return mt_violate(why, "malformed", MT_REASON_MALFORMED_PACKET, start);
	return MT_OK;
}

enum mt_status mt_props_decode(struct mt_reader *in, uint8_t type, enum mt_side side,
			       struct mt_props *out, struct mt_violation *why)
{
	struct mt_props props = {0};
	struct mt_reader items;
	struct context at = {.type = type, .side = side};
	MT_CHECK(type >= MT_PACKET_CONNECT && type <= MT_PACKET_WILL);
	MT_TRY(take_raw(in, &props.raw, why));
	at.base = in->pos - props.raw.len;
	items = mt_reader_of(props.raw);
	while (mt_reader_left(&items) > 0)
		MT_TRY(enter_item(at, &items, &props, why));
	/* Section 3.1.2.11.10: data says nothing without its method. */
	if ((props.present & MT_PROP_BIT(AUTHENTICATION_DATA)) &&
	    !(props.present & MT_PROP_BIT(AUTHENTICATION_METHOD)))
		return mt_violate(why, "section 3.1.2.11.10", MT_REASON_PROTOCOL_ERROR, at.base);
	*out = props;
	return MT_OK;
}

/* Properties whose fields are written: user properties come in wire form. */
static uint32_t fields_of(const struct mt_props *props)
{
	return props->present & ~MT_PROP_BIT(USER_PROPERTY);
}

static size_t value_bytes(const struct mt_props *props, enum mt_prop prop)
{
	uint32_t number;
	switch ((enum kind)rules[prop].kind) {
	case FLAG:
		return 1;
	case TWO:
	case COUNT2:
		return 2;
	case FOUR:
	case COUNT4:
		return 4;
	case COUNT:
		number = number_of(props, prop);
		return number > MT_VARINT_MAX ? (size_t)MT_VARINT_MAX + 1 : mt_varint_bytes(number);
	case STRING:
	case BINARY:
		return mt_field_bytes(text_of(props, prop));
	case PAIR:
		break;
	}
	return 0;
}

static void put_value(const struct mt_props *props, enum mt_prop prop, struct mt_buf *out)
{
	uint32_t number = number_of(props, prop);
	switch ((enum kind)rules[prop].kind) {
	case FLAG:
		mt_buf_put_u8(out, (uint8_t)number);
		break;
	case TWO:
	case COUNT2:
		mt_buf_put_u16(out, (uint16_t)number);
		break;
	case FOUR:
	case COUNT4:
		mt_buf_put_u32(out, number);
		break;
	case COUNT:
		mt_varint_put(out, number);
		break;
	case STRING:
	case BINARY:
		mt_field_put(out, text_of(props, prop));
		break;
	case PAIR:
		break;
	}
}

MT_COLD static size_t fields_bytes(const struct mt_props *props, uint32_t fields)
{
	size_t sum = 0;
	for (; fields; fields &= fields - 1)
		sum += 1 + value_bytes(props, (enum mt_prop)__builtin_ctz(fields));
	return sum;
}

/* All properties without the length in front. */
static size_t list_bytes(const struct mt_props *props)
{
	uint32_t fields = fields_of(props);
	return props->user.len + (MT_UNLIKELY(fields) ? fields_bytes(props, fields) : 0);
}

size_t mt_props_bytes(const struct mt_props *props)
{
	size_t bytes = list_bytes(props);
	return bytes > MT_VARINT_MAX ? bytes : bytes + mt_varint_bytes((uint32_t)bytes);
}

MT_COLD static void put_fields(const struct mt_props *props, uint32_t fields, struct mt_buf *out)
{
	for (; fields; fields &= fields - 1) {
		enum mt_prop prop = (enum mt_prop)__builtin_ctz(fields);
		mt_buf_put_u8(out, rules[prop].code);
		put_value(props, prop, out);
	}
}

void mt_props_encode(const struct mt_props *props, struct mt_buf *out)
{
	size_t bytes = list_bytes(props);
	if (bytes == 0) {
		mt_buf_put_u8(out, 0);
		return;
	}
	if (bytes > MT_VARINT_MAX) {
		out->is_overflown = true;
		return;
	}
	mt_varint_put(out, (uint32_t)bytes);
	if (MT_UNLIKELY(fields_of(props)))
		put_fields(props, fields_of(props), out);
	mt_buf_put(out, props->user);
}

bool mt_props_next(struct mt_bytes raw, size_t *pos, struct mt_prop_item *out)
{
	struct mt_reader in = mt_reader_of(raw);
	MT_CHECK(*pos <= raw.len);
	in.pos = *pos;
	if (mt_reader_left(&in) == 0 || !take_item(&in, out))
		return false;
	*pos = in.pos;
	return true;
}

void mt_props_forward(const struct mt_props *props, struct mt_buf *out)
{
	static const uint32_t kept_back =
		MT_PROP_BIT(TOPIC_ALIAS) | MT_PROP_BIT(SUBSCRIPTION_IDENTIFIER) |
		MT_PROP_BIT(MESSAGE_EXPIRY_INTERVAL) | MT_PROP_BIT(WILL_DELAY_INTERVAL);
	struct mt_prop_item item;
	size_t pos = 0;
	if (!(props->present & kept_back)) {
		mt_buf_put(out, props->raw);
		return;
	}
	while (mt_props_next(props->raw, &pos, &item))
		if (!(kept_back >> item.prop & 1))
			mt_buf_put(out, item.raw);
}

void mt_props_put_user(struct mt_buf *out, struct mt_bytes name, struct mt_bytes value)
{
	if (name.len > MT_FIELD_BYTES_MAX || value.len > MT_FIELD_BYTES_MAX) {
		out->is_overflown = true;
		return;
	}
	mt_buf_put_u8(out, rules[MT_PROP_USER_PROPERTY].code);
	mt_field_put(out, name);
	mt_field_put(out, value);
}
