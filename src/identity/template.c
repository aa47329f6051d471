/* A walk over literal text and variables. */
#include "identity/template.h"

#include "base/buf.h"

static const struct variable {
	const char *name;
	size_t offset;
} variables[] = {
	{"user", offsetof(struct mt_certificate_names, user)},
	{"cn", offsetof(struct mt_certificate_names, cn)},
	{"dns", offsetof(struct mt_certificate_names, dns)},
	{"email", offsetof(struct mt_certificate_names, email)},
	{"uri", offsetof(struct mt_certificate_names, uri)},
	{"serial", offsetof(struct mt_certificate_names, serial)},
};

/* One step of the text: a variable, or literal bytes. */
struct piece {
	const struct variable *variable; /* NULL: literal */
	struct mt_bytes literal;
	size_t bytes; /* of the template */
};

static const struct variable *find_variable(struct mt_bytes name)
{
	for (size_t i = 0; i < MT_COUNT_OF(variables); i++)
		if (mt_bytes_equal(name, mt_bytes_str(variables[i].name)))
			return &variables[i];
	return NULL;
}

static const char *read_variable(struct mt_bytes text, struct piece *out)
{
	const uint8_t *end;
	if (text.len < 2 || text.data[1] != '{')
		return "a % begins %{user}, %{cn}, %{dns}, %{email}, %{uri} or %{serial}; %% is "
		       "one %";
	end = memchr(text.data, '}', text.len);
	if (!end)
		return "a %{ without its }";
	out->bytes = (size_t)(end - text.data) + 1;
	out->variable = find_variable(mt_bytes_of(text.data + 2, out->bytes - 3));
	return out->variable ? NULL
			     : "expected %{user}, %{cn}, %{dns}, %{email}, %{uri} or %{serial}";
}

/* text is not empty. */
static const char *next_piece(struct mt_bytes text, struct piece *out)
{
	const uint8_t *sign = memchr(text.data, '%', text.len);
	*out = (struct piece){.bytes = sign ? (size_t)(sign - text.data) : text.len};
	out->literal = mt_bytes_of(text.data, out->bytes);
	if (out->bytes > 0)
		return NULL;
	if (text.len < 2 || text.data[1] != '%')
		return read_variable(text, out);
	out->literal = mt_bytes_of(text.data, 1);
	out->bytes = 2;
	return NULL;
}

const char *mt_template_fault(struct mt_bytes text)
{
	bool has_variable = false;
	while (text.len > 0) {
		struct piece piece;
		const char *fault = next_piece(text, &piece);
		if (fault)
			return fault;
		has_variable |= piece.variable != NULL;
		text = mt_bytes_from(text, piece.bytes);
	}
	/* All certificates would have the same name. */
	return has_variable ? NULL : "no variable in it: every certificate would be the same user";
}

static struct mt_bytes value_of(const struct mt_certificate_names *names,
				const struct variable *variable)
{
	struct mt_bytes value;
	memcpy(&value, (const uint8_t *)names + variable->offset, sizeof(value));
	return value;
}

enum mt_status mt_template_apply(struct mt_bytes text, const struct mt_certificate_names *names,
				 uint8_t *out, size_t cap, size_t *len)
{
	struct mt_buf buf = mt_buf_of(out, cap);
	while (text.len > 0) {
		struct piece piece;
		struct mt_bytes value;
		if (next_piece(text, &piece))
			return MT_INVALID;
		value = piece.variable ? value_of(names, piece.variable) : piece.literal;
		if (value.len == 0)
			return MT_NOT_FOUND;
		mt_buf_put(&buf, value);
		text = mt_bytes_from(text, piece.bytes);
	}
	if (buf.is_overflown)
		return MT_LIMIT;
	*len = buf.pos;
	return MT_OK;
}
