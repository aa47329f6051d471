/* What the handlers of the admin API share: bodies, answers, and changes that are whole or not at
 * all. */
#include "shell/api_call.h"

#include "base/utf8.h"
#include "shell/broker.h"

#include <stdio.h>
#include <stdlib.h>

void mt_api_succeed(struct mt_api_call *call, json_t *answer)
{
	if (!answer) {
		mt_api_fail(call, 500, "out of memory; lower the limits of the broker");
		return;
	}
	json_decref(call->answer);
	call->answer = answer;
	call->http_status = 200;
}

void mt_api_fail(struct mt_api_call *call, int http_status, const char *format, ...)
{
	char text[MT_API_FAULT_BYTES * 2];
	json_t *error;
	va_list list;
	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	/* A cut may have split a character. */
	for (size_t len = strlen(text); !(error = json_string(text)) && len > 0;)
		text[--len] = '\0';
	json_decref(call->answer);
	call->answer = json_pack("{s:o}", "error", error);
	call->http_status = http_status;
}

int mt_api_http_status(enum mt_status status)
{
	switch (status) {
	case MT_NOT_FOUND:
		return 404;
	case MT_EXISTS:
	case MT_DENIED:
		return 409;
	case MT_INVALID:
	case MT_LIMIT:
		return 400;
	case MT_CLOSED:
		return 503;
	case MT_OK:
	case MT_AGAIN:
	case MT_MEMORY:
	case MT_VIOLATION:
	case MT_TIMEOUT:
	case MT_SYSTEM:
	case MT_TLS:
	case MT_CORRUPT:
	case MT_UNREACHABLE:
		return 500;
	}
	return 500;
}

void mt_api_fail_status(struct mt_api_call *call, enum mt_status status, const char *what)
{
	const char *why = mt_state_fault(call->api->state);
	/* Constraints of the database have names that tell nobody anything. */
	if (!*why || strstr(why, "constraint failed"))
		why = mt_status_text(status);
	if (strchr(why, ';'))
		mt_api_fail(call, mt_api_http_status(status), "%s: %s", what,
			    why); /* it brings its remedy */
	else
		mt_api_fail(call, mt_api_http_status(status), "%s: %s; %s", what, why,
			    mt_status_remedy(status));
}

/* One "key:type?" of a shape. */
struct field {
	const char *key;
	int key_len;
	char type;
	bool is_optional;
};

static bool next_field(const char **shape, struct field *out)
{
	const char *at = *shape + strspn(*shape, " ");
	size_t len = strcspn(at, ":");
	if (*at == '\0')
		return false;
	MT_CHECK(at[len] == ':');
	*out = (struct field){at, (int)len, at[len + 1], at[len + 2] == '?'};
	*shape = at + strcspn(at, " ");
	return true;
}

static bool has_type(const json_t *value, char type)
{
	switch (type) {
	case 's':
		return json_is_string(value);
	case 'b':
		return json_is_boolean(value);
	case 'a':
		return json_is_array(value);
	default:
		return true;
	}
}

static const char *type_name(char type)
{
	return type == 's' ? "a text" : type == 'b' ? "true or false" : "a list";
}

/* "name, password (optional)": what would have been right. */
static void tell_shape(const char *shape, char *out, size_t cap)
{
	struct field field;
	size_t len = 0;
	out[0] = '\0';
	while (next_field(&shape, &field) && len < cap)
		len += (size_t)snprintf(out + len, cap - len, "%s%.*s%s", len > 0 ? ", " : "",
					field.key_len, field.key,
					field.is_optional ? " (optional)" : "");
}

static bool knows_key(const char *shape, const char *key)
{
	struct field field;
	while (next_field(&shape, &field))
		if (strlen(key) == (size_t)field.key_len &&
		    memcmp(key, field.key, (size_t)field.key_len) == 0)
			return true;
	return false;
}

static bool check_fields(struct mt_api_call *call, const char *shape, const char *expected)
{
	struct field field;
	while (next_field(&shape, &field)) {
		char key[32];
		const json_t *value;
		snprintf(key, sizeof(key), "%.*s", field.key_len, field.key);
		value = json_object_get(call->body, key);
		if (value && !has_type(value, field.type)) {
			mt_api_fail(call, 400, "%s: expected %s", key, type_name(field.type));
			return false;
		}
		if (!value && !field.is_optional) {
			mt_api_fail(call, 400, "%s is missing: expected an object of %s", key,
				    expected);
			return false;
		}
	}
	return true;
}

bool mt_api_expect(struct mt_api_call *call, const char *shape)
{
	char expected[256];
	const char *key;
	json_t *value;
	tell_shape(shape, expected, sizeof(expected));
	if (!call->body && *shape) {
		mt_api_fail(call, 400, "the body is missing: expected an object of %s", expected);
		return false;
	}
	json_object_foreach(call->body, key, value)
	{
		if (!knows_key(shape, key)) {
			mt_api_fail(call, 400, "%.64s: there is no such key; expected %s", key,
				    *expected ? expected : "none");
			return false;
		}
	}
	return check_fields(call, shape, expected);
}

const char *mt_api_text(const struct mt_api_call *call, const char *key)
{
	return json_string_value(json_object_get(call->body, key));
}

void mt_api_audit(const struct mt_api_call *call, enum mt_audit_kind kind, const char *what)
{
	struct mt_audit_entry entry = {.kind = kind,
				       .revision = mt_state_revision(call->api->state)};
	entry.has_address = call->request != NULL; /* else the broker itself changes it */
	if (call->request)
		memcpy(entry.address, call->request->address.byte, sizeof(entry.address));
	snprintf(entry.author, sizeof(entry.author), "%s", call->author);
	snprintf(entry.what, sizeof(entry.what), "%s", what);
	mt_audit_log_write(mt_broker_audit(call->api->broker), &entry);
}

bool mt_api_knows_listener(const struct mt_api_call *call, const char *name)
{
	const struct mt_settings *settings = mt_broker_settings(call->api->broker);
	for (uint32_t i = 0; i < settings->listener_count; i++)
		if (strcmp(settings->listeners[i].name, name) == 0)
			return true;
	return false;
}
