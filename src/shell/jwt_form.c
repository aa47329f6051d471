/* A signed JSON Web Token as text: parts, base64url, JSON, claims. */
#include "shell/jwt_form.h"

#include <sodium.h>
#include <string.h>

#define TIME_MOST 253402300799.0 /* of the year 9999 */

bool mt_jwt_has_form(struct mt_bytes secret)
{
	size_t dots = 0;
	if (secret.len < 5 || memcmp(secret.data, "eyJ", 3) != 0)
		return false;
	for (size_t i = 0; i < secret.len; i++)
		dots += secret.data[i] == '.';
	return dots == 2;
}

/* The bytes up to the next dot, or to the end; *rest begins behind it. */
static struct mt_bytes take_part(struct mt_bytes *rest)
{
	const uint8_t *dot = memchr(rest->data, '.', rest->len);
	size_t len = dot ? (size_t)(dot - rest->data) : rest->len;
	struct mt_bytes part = mt_bytes_of(rest->data, len);
	*rest = mt_bytes_from(*rest, dot ? len + 1 : len);
	return part;
}

static bool is_base64url(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

/* libsodium takes bytes above 127 for digits where char is signed. */
static bool is_plain(struct mt_bytes part)
{
	for (size_t i = 0; i < part.len; i++)
		if (!is_base64url(part.data[i]))
			return false;
	return part.len > 0;
}

static bool decode(struct mt_bytes part, uint8_t out[MT_JWT_BYTES_MAX], size_t *len)
{
	return is_plain(part) &&
	       sodium_base642bin(out, MT_JWT_BYTES_MAX, (const char *)part.data, part.len, NULL,
				 len, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0 &&
	       *len > 0;
}

/* An object, and nothing behind it; NULL: it is none. */
static json_t *read_object(struct mt_bytes part)
{
	uint8_t text[MT_JWT_BYTES_MAX];
	size_t len = 0;
	json_t *object = NULL;
	if (decode(part, text, &len))
		object = json_loadb((const char *)text, len, JSON_REJECT_DUPLICATES, NULL);
	mt_bytes_wipe(text, sizeof(text));
	if (json_is_object(object))
		return object;
	json_decref(object);
	return NULL;
}

/* Seconds since 1970, whole or not; rounded down. */
static bool read_time(const json_t *value, int64_t *out)
{
	double seconds;
	if (!json_is_number(value))
		return false;
	seconds = json_number_value(value);
	if (!(seconds >= 0 && seconds <= TIME_MOST))
		return false;
	*out = (int64_t)seconds;
	return true;
}

static bool read_optional_time(const json_t *value, int64_t *out)
{
	*out = MT_JWT_NO_TIME;
	return !value || read_time(value, out);
}

static bool is_audience(const json_t *value)
{
	size_t i;
	json_t *item;
	if (!value || json_is_string(value))
		return true;
	if (!json_is_array(value))
		return false;
	json_array_foreach(value, i, item) if (!json_is_string(item)) return false;
	return true;
}

static bool read_claims(struct mt_jwt_form *form)
{
	const json_t *payload = form->payload;
	form->algorithm = json_string_value(json_object_get(form->header, "alg"));
	form->issuer = json_string_value(json_object_get(payload, "iss"));
	form->audience = json_object_get(payload, "aud");
	/* What must be understood (section 4.1.11) is not: there is nothing that we do. */
	return form->algorithm && form->issuer && !json_object_get(form->header, "crit") &&
	       read_time(json_object_get(payload, "exp"), &form->expires_s) &&
	       read_optional_time(json_object_get(payload, "nbf"), &form->not_before_s) &&
	       read_optional_time(json_object_get(payload, "iat"), &form->issued_s) &&
	       is_audience(form->audience);
}

enum mt_status mt_jwt_form_read(struct mt_bytes token, struct mt_jwt_form *out)
{
	struct mt_jwt_form form = {0};
	struct mt_bytes rest = token;
	uint8_t signature[MT_JWT_BYTES_MAX];
	size_t len;
	if (token.len > MT_JWT_BYTES_MAX || !mt_jwt_has_form(token))
		return MT_INVALID;
	form.header = read_object(take_part(&rest));
	form.payload = form.header ? read_object(take_part(&rest)) : NULL;
	if (form.payload && decode(rest, signature, &len) && read_claims(&form)) {
		*out = form;
		return MT_OK;
	}
	mt_jwt_form_finish(&form);
	return MT_INVALID;
}

void mt_jwt_form_finish(struct mt_jwt_form *form)
{
	json_decref(form->header);
	json_decref(form->payload);
	memset(form, 0, sizeof(*form));
}

bool mt_jwt_form_is_for(const struct mt_jwt_form *form, const char *wanted)
{
	size_t i;
	json_t *item;
	if (*wanted == '\0' || !form->audience)
		return *wanted == '\0' && !form->audience;
	if (json_is_string(form->audience))
		return strcmp(json_string_value(form->audience), wanted) == 0;
	json_array_foreach(form->audience, i, item)
	{
		if (strcmp(json_string_value(item), wanted) == 0)
			return true;
	}
	return false;
}

const char *mt_jwt_form_claim(const struct mt_jwt_form *form, const char *name)
{
	return json_string_value(json_object_get(form->payload, name));
}
