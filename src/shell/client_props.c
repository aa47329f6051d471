/* Properties of the public interface to those of the codec, and back. */
#include "shell/client_parts.h"

#include <stdlib.h>

enum kind { KIND_U8, KIND_U32, KIND_TEXT };

static const struct field {
	uint8_t id;
	uint8_t prop;
	uint8_t kind;
	size_t at;
} fields[] = {
	{0x01, MT_PROP_PAYLOAD_FORMAT_INDICATOR, KIND_U8,
	 offsetof(struct mt_props, payload_format)},
	{0x02, MT_PROP_MESSAGE_EXPIRY_INTERVAL, KIND_U32,
	 offsetof(struct mt_props, message_expiry_s)},
	{0x03, MT_PROP_CONTENT_TYPE, KIND_TEXT, offsetof(struct mt_props, content_type)},
	{0x08, MT_PROP_RESPONSE_TOPIC, KIND_TEXT, offsetof(struct mt_props, response_topic)},
	{0x09, MT_PROP_CORRELATION_DATA, KIND_TEXT, offsetof(struct mt_props, correlation_data)},
	{0x0b, MT_PROP_SUBSCRIPTION_IDENTIFIER, KIND_U32,
	 offsetof(struct mt_props, subscription_id)},
	{0x11, MT_PROP_SESSION_EXPIRY_INTERVAL, KIND_U32,
	 offsetof(struct mt_props, session_expiry_s)},
	{0x17, MT_PROP_REQUEST_PROBLEM_INFORMATION, KIND_U8,
	 offsetof(struct mt_props, request_problem_info)},
	{0x18, MT_PROP_WILL_DELAY_INTERVAL, KIND_U32, offsetof(struct mt_props, will_delay_s)},
	{0x19, MT_PROP_REQUEST_RESPONSE_INFORMATION, KIND_U8,
	 offsetof(struct mt_props, request_response_info)},
	{0x1f, MT_PROP_REASON_STRING, KIND_TEXT, offsetof(struct mt_props, reason_string)},
};

static const struct field *find(uint8_t id)
{
	for (size_t i = 0; i < MT_COUNT_OF(fields); i++)
		if (fields[i].id == id)
			return &fields[i];
	return NULL;
}

static bool fits(const struct mortise_property *property, const struct field *field)
{
	if (field->kind == KIND_TEXT)
		return property->text_bytes <= UINT16_MAX;
	if (field->prop == MT_PROP_SUBSCRIPTION_IDENTIFIER)
		return property->number > 0 && property->number <= MT_VARINT_MAX;
	return field->kind == KIND_U32 || property->number <= 1;
}

static void set(struct mt_props *out, const struct field *field,
		const struct mortise_property *property)
{
	uint8_t *at = (uint8_t *)out + field->at;
	uint8_t byte = (uint8_t)property->number;
	struct mt_bytes text = mt_bytes_of(property->text, property->text_bytes);
	if (field->kind == KIND_U8)
		memcpy(at, &byte, sizeof(byte));
	else if (field->kind == KIND_U32)
		memcpy(at, &property->number, sizeof(property->number));
	else
		memcpy(at, &text, sizeof(text));
	out->present |= UINT32_C(1) << field->prop;
	out->subscription_id_count = out->subscription_id > 0;
}

static size_t user_bytes(const struct mortise_property *list, size_t count)
{
	size_t bytes = 0;
	for (size_t i = 0; i < count; i++)
		if (list[i].id == MORTISE_USER_PROPERTY)
			bytes += 5 + list[i].text_bytes + list[i].value_bytes;
	return bytes;
}

static int build(struct mortise_client *client, const struct mortise_property *list, size_t count,
		 struct mt_props *out, struct mt_buf *user)
{
	for (size_t i = 0; i < count; i++) {
		const struct mortise_property *property = &list[i];
		const struct field *field = find(property->id);
		bool is_user = property->id == MORTISE_USER_PROPERTY;
		if (!is_user && !field)
			return mt_client_say(client, MORTISE_INVALID,
					     "property 0x%02x cannot be sent", property->id);
		if (is_user ? property->text_bytes > UINT16_MAX ||
				      property->value_bytes > UINT16_MAX
			    : !fits(property, field))
			return mt_client_say(client, MORTISE_INVALID,
					     "property 0x%02x is out of its range", property->id);
		if (is_user)
			mt_props_put_user(user, mt_bytes_of(property->text, property->text_bytes),
					  mt_bytes_of(property->value, property->value_bytes));
		else if (out->present & UINT32_C(1) << field->prop)
			return mt_client_say(client, MORTISE_INVALID,
					     "property 0x%02x stands twice", property->id);
		else
			set(out, field, property);
	}
	return MORTISE_OK;
}

int mt_client_props_build(struct mortise_client *client, const struct mortise_property *list,
			  size_t count, struct mt_props *out, uint8_t **user)
{
	struct mt_props props = {0};
	size_t bytes = user_bytes(list, count);
	struct mt_buf buf;
	uint8_t *at = NULL;
	int status;
	if (count > 0 && client->options.core.connect.version != MT_VERSION_5)
		return mt_client_say(client, MORTISE_INVALID,
				     "MQTT 3.1.1 has no properties; use version 5");
	if (bytes > 0 && !(at = malloc(bytes)))
		return mt_client_say(client, MORTISE_MEMORY, "out of memory");
	buf = mt_buf_of(at, bytes);
	status = build(client, list, count, &props, &buf);
	if (status != MORTISE_OK) {
		free(at);
		return status;
	}
	if (buf.pos > 0) {
		props.present |= MT_PROP_BIT(USER_PROPERTY);
		props.user = mt_buf_view(&buf);
	}
	*out = props;
	*user = at;
	return MORTISE_OK;
}

bool mortise_message_property(const struct mortise_message *message, size_t *pos,
			      struct mortise_property *out)
{
	static const uint8_t ids[] = {
#define X(name, code, kind, packets, text) code,
		MT_TABLE_PROPERTIES(X)
#undef X
	};
	struct mt_prop_item item;
	if (!mt_props_next(mt_bytes_of(message->raw, message->raw_bytes), pos, &item))
		return false;
	*out = (struct mortise_property){
		.id = ids[item.prop],
		.number = item.number,
		.text = item.text.data,
		.text_bytes = item.text.len,
		.value = item.value.data,
		.value_bytes = item.value.len,
	};
	return true;
}
