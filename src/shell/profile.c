/* Profiles: strict reading and writing of one small YAML mapping. */
#include "shell/profile.h"

#include "base/utf8.h"
#include "io/file.h"
#include "io/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#define PIN_TEXT 44u
#define HEAD \
	"# All that a client needs. Whoever has this file can act as its user: keep it to " \
	"yourself.\n"

enum kind { KIND_ADDRESS, KIND_PIN, KIND_TEXT, KIND_PEM };

struct key {
	const char *name;
	enum kind kind;
	size_t offset; /* in struct mt_profile */
};

/* In the order of writing. */
static const struct key keys[] = {
	{"address", KIND_ADDRESS, 0},
	{"ca_pin", KIND_PIN, offsetof(struct mt_profile, ca_pin)},
	{"user", KIND_TEXT, offsetof(struct mt_profile, user)},
	{"password", KIND_TEXT, offsetof(struct mt_profile, password)},
	{"client_id", KIND_TEXT, offsetof(struct mt_profile, client_id)},
	{"ca", KIND_PEM, offsetof(struct mt_profile, ca_pem)},
	{"certificate", KIND_PEM, offsetof(struct mt_profile, certificate_pem)},
	{"key", KIND_PEM, offsetof(struct mt_profile, key_pem)},
};

_Static_assert(sizeof(((struct mt_profile *)0)->user) == 256 &&
		       sizeof(((struct mt_profile *)0)->password) == 256 &&
		       sizeof(((struct mt_profile *)0)->client_id) == 256,
	       "texts have one size");
#define TEXT_BYTES 256u

static char *text_at(struct mt_profile *profile, const struct key *key)
{
	return (char *)profile + key->offset;
}

static char **pem_at(struct mt_profile *profile, const struct key *key)
{
	return (char **)(void *)((char *)profile + key->offset);
}

struct reading {
	yaml_parser_t yaml;
	struct mt_profile profile;
	unsigned seen; /* bit n: keys[n] */
	char *fault;
	size_t fault_cap;
};

/* Lines count from 1 for people. */
static enum mt_status fail(struct reading *in, size_t line, const char *what, const char *why)
{
	snprintf(in->fault, in->fault_cap, "line %zu: %.64s%s", line + 1, what, why);
	return MT_INVALID;
}

static enum mt_status next_event(struct reading *in, yaml_event_t *event)
{
	if (yaml_parser_parse(&in->yaml, event))
		return MT_OK;
	if (in->yaml.error == YAML_MEMORY_ERROR)
		return MT_MEMORY;
	return fail(in, in->yaml.problem_mark.line, "",
		    in->yaml.problem ? in->yaml.problem : "this is no YAML");
}

/* Events of scalars may hold secrets. */
static void drop_event(yaml_event_t *event)
{
	if (event->type == YAML_SCALAR_EVENT)
		mt_bytes_wipe(event->data.scalar.value, event->data.scalar.length);
	yaml_event_delete(event);
}

static enum mt_status expect(struct reading *in, yaml_event_type_t type, const char *why)
{
	yaml_event_t event;
	enum mt_status status = MT_OK;
	MT_TRY(next_event(in, &event));
	if (event.type != type)
		status = fail(in, event.start_mark.line, "", why);
	drop_event(&event);
	return status;
}

/* UTF-8 without control characters, U+0080 to U+009F included: it is safe on a terminal. */
static bool is_plain_text(struct mt_bytes text)
{
	size_t bad;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t next = i + 1 < text.len ? text.data[i + 1] : 0;
		if (text.data[i] < 0x20 || text.data[i] == 0x7f ||
		    (text.data[i] == 0xc2 && next < 0xa0))
			return false;
	}
	return mt_utf8_check(text, &bad) == MT_UTF8_GOOD;
}

static bool is_pem(struct mt_bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] != '\n' && (text.data[i] < 0x20 || text.data[i] > 0x7e))
			return false;
	return mt_bytes_starts(text, mt_bytes_str("-----BEGIN "));
}

static bool is_pin(struct mt_bytes text)
{
	static const char base64[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	if (text.len != PIN_TEXT || text.data[PIN_TEXT - 1] != '=')
		return false;
	for (size_t i = 0; i < PIN_TEXT - 1; i++)
		if (text.data[i] == '\0' || !strchr(base64, text.data[i]))
			return false;
	return true;
}

static enum mt_status take_address(struct reading *in, size_t line, struct mt_bytes value)
{
	struct mt_endpoint endpoint;
	const char *why;
	if (mt_endpoint_parse(value, &endpoint, &why) != MT_OK)
		return fail(in, line, "address: ", why);
	if (endpoint.host[0] == '\0')
		return fail(in, line, "address: ", "the host is missing");
	if (endpoint.port == 0)
		return fail(in, line, "address: ", "the port is missing");
	memcpy(in->profile.host, endpoint.host, sizeof(in->profile.host));
	in->profile.port = endpoint.port;
	return MT_OK;
}

static enum mt_status take_text(struct reading *in, size_t line, const struct key *key,
				struct mt_bytes value)
{
	if (value.len >= TEXT_BYTES)
		return fail(in, line, key->name, " is longer than 255 bytes");
	if (!is_plain_text(value))
		return fail(in, line, key->name, " holds control characters");
	if (value.len > 0)
		memcpy(text_at(&in->profile, key), value.data, value.len);
	return MT_OK;
}

static enum mt_status take_pem(struct reading *in, size_t line, const struct key *key,
			       struct mt_bytes value)
{
	char *copy;
	if (!is_pem(value))
		return fail(in, line, key->name, " is no PEM: it begins with -----BEGIN");
	copy = malloc(value.len + 1);
	if (!copy)
		return MT_MEMORY;
	memcpy(copy, value.data, value.len);
	copy[value.len] = '\0';
	*pem_at(&in->profile, key) = copy;
	return MT_OK;
}

static enum mt_status take_value(struct reading *in, size_t line, const struct key *key,
				 struct mt_bytes value)
{
	switch (key->kind) {
	case KIND_ADDRESS:
		return take_address(in, line, value);
	case KIND_PIN:
		if (!is_pin(value))
			return fail(in, line, key->name, " is not 44 characters of base64");
		memcpy(in->profile.ca_pin, value.data, value.len);
		return MT_OK;
	case KIND_TEXT:
		return take_text(in, line, key, value);
	case KIND_PEM:
		return take_pem(in, line, key, value);
	}
	return MT_INVALID;
}

static bool is_simple(const yaml_event_t *event)
{
	return event->type == YAML_SCALAR_EVENT && !event->data.scalar.anchor &&
	       !event->data.scalar.tag;
}

static struct mt_bytes value_of(const yaml_event_t *event)
{
	return mt_bytes_of(event->data.scalar.value, event->data.scalar.length);
}

static enum mt_status find_key(struct reading *in, const yaml_event_t *event,
			       const struct key **out)
{
	size_t line = event->start_mark.line;
	if (!is_simple(event))
		return fail(in, line, "", "expected a key");
	for (size_t i = 0; i < MT_COUNT_OF(keys); i++) {
		if (!mt_bytes_equal(value_of(event), mt_bytes_str(keys[i].name)))
			continue;
		if (in->seen & 1u << i)
			return fail(in, line, keys[i].name, " stands here twice");
		in->seen |= 1u << i;
		*out = &keys[i];
		return MT_OK;
	}
	return fail(in, line,
		    is_plain_text(value_of(event)) ? (const char *)event->data.scalar.value
						   : "this",
		    " is no key of a profile");
}

static enum mt_status read_value(struct reading *in, const struct key *key)
{
	yaml_event_t event;
	enum mt_status status;
	MT_TRY(next_event(in, &event));
	if (is_simple(&event))
		status = take_value(in, event.start_mark.line, key, value_of(&event));
	else
		status = fail(in, event.start_mark.line, key->name, " is no plain text");
	drop_event(&event);
	return status;
}

/* Keys and values up to the end of the mapping; what is missing is told with its last line. */
static enum mt_status read_entries(struct reading *in)
{
	yaml_event_t event;
	const struct key *key = NULL;
	enum mt_status status;
	size_t line;
	for (;;) {
		MT_TRY(next_event(in, &event));
		line = event.start_mark.line;
		if (event.type == YAML_MAPPING_END_EVENT)
			break;
		status = find_key(in, &event, &key);
		drop_event(&event);
		MT_TRY(status);
		MT_TRY(read_value(in, key));
	}
	drop_event(&event);
	if (in->profile.port == 0)
		return fail(in, line, "address", " is missing");
	if (!in->profile.certificate_pem != !in->profile.key_pem)
		return fail(in, line, in->profile.key_pem ? "certificate" : "key", " is missing");
	return MT_OK;
}

static enum mt_status read_document(struct reading *in)
{
	MT_TRY(expect(in, YAML_STREAM_START_EVENT, "this is no YAML"));
	MT_TRY(expect(in, YAML_DOCUMENT_START_EVENT, "the file is empty"));
	MT_TRY(expect(in, YAML_MAPPING_START_EVENT, "expected `key: value`"));
	MT_TRY(read_entries(in));
	MT_TRY(expect(in, YAML_DOCUMENT_END_EVENT, "expected the end of the file"));
	return expect(in, YAML_STREAM_END_EVENT, "expected the end of the file");
}

enum mt_status mt_profile_parse(struct mt_bytes content, struct mt_profile *out, char *fault,
				size_t cap)
{
	struct reading in = {.fault = fault, .fault_cap = cap};
	enum mt_status status;
	if (content.len > MT_PROFILE_FILE_BYTES_MAX)
		return fail(&in, 0, "", "the file is too long for a profile");
	if (!yaml_parser_initialize(&in.yaml))
		return MT_MEMORY;
	yaml_parser_set_encoding(&in.yaml, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&in.yaml, content.len > 0 ? content.data : (const uint8_t *)"",
				     content.len);
	status = read_document(&in);
	yaml_parser_delete(&in.yaml);
	if (status == MT_MEMORY)
		snprintf(fault, cap, "out of memory");
	if (status == MT_OK) {
		*out = in.profile;
		mt_bytes_wipe(&in.profile, sizeof(in.profile));
	} else {
		mt_profile_finish(&in.profile);
	}
	return status;
}

static bool emit(yaml_emitter_t *yaml, yaml_event_t *event, int is_made)
{
	return is_made && yaml_emitter_emit(yaml, event);
}

static bool emit_scalar(yaml_emitter_t *yaml, const char *text, yaml_scalar_style_t style)
{
	yaml_event_t event;
	/* libyaml copies the text; its parameter lacks a const only. */
	yaml_char_t *value = (yaml_char_t *)(uintptr_t)text;
	return emit(yaml, &event,
		    yaml_scalar_event_initialize(&event, NULL, NULL, value, (int)strlen(text), 1, 1,
						 style));
}

static bool emit_entry(yaml_emitter_t *yaml, const char *name, const char *value,
		       yaml_scalar_style_t style)
{
	return emit_scalar(yaml, name, YAML_PLAIN_SCALAR_STYLE) && emit_scalar(yaml, value, style);
}

static bool emit_key(yaml_emitter_t *yaml, const struct mt_profile *profile, const struct key *key)
{
	struct mt_profile *at = (struct mt_profile *)(uintptr_t)profile; /* read only */
	char address[sizeof(profile->host) + 16];
	switch (key->kind) {
	case KIND_ADDRESS:
		snprintf(address, sizeof(address), strchr(profile->host, ':') ? "[%s]:%u" : "%s:%u",
			 profile->host, profile->port);
		return emit_entry(yaml, key->name, address, YAML_DOUBLE_QUOTED_SCALAR_STYLE);
	case KIND_PIN:
	case KIND_TEXT:
		if (*text_at(at, key) == '\0')
			return true;
		return emit_entry(yaml, key->name, text_at(at, key),
				  YAML_DOUBLE_QUOTED_SCALAR_STYLE);
	case KIND_PEM:
		if (!*pem_at(at, key))
			return true;
		return emit_entry(yaml, key->name, *pem_at(at, key), YAML_LITERAL_SCALAR_STYLE);
	}
	return false;
}

static bool emit_document(yaml_emitter_t *yaml, const struct mt_profile *profile)
{
	const yaml_mapping_style_t style = YAML_BLOCK_MAPPING_STYLE;
	yaml_event_t event;
	bool is_good = emit(yaml, &event,
			    yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING)) &&
		       emit(yaml, &event,
			    yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1)) &&
		       emit(yaml, &event,
			    yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, style));
	for (size_t i = 0; is_good && i < MT_COUNT_OF(keys); i++)
		is_good = emit_key(yaml, profile, &keys[i]);
	return is_good && emit(yaml, &event, yaml_mapping_end_event_initialize(&event)) &&
	       emit(yaml, &event, yaml_document_end_event_initialize(&event, 1)) &&
	       emit(yaml, &event, yaml_stream_end_event_initialize(&event));
}

/* What is written must be readable: proven by reading it. */
static enum mt_status check_content(struct mt_bytes content)
{
	struct mt_profile profile;
	char fault[128];
	MT_TRY(mt_profile_parse(content, &profile, fault, sizeof(fault)));
	mt_profile_finish(&profile);
	return MT_OK;
}

enum mt_status mt_profile_print(const struct mt_profile *profile, uint8_t **content, size_t *len)
{
	const size_t head_len = sizeof(HEAD) - 1;
	uint8_t *data = malloc(MT_PROFILE_FILE_BYTES_MAX);
	size_t body_len = 0;
	yaml_emitter_t yaml;
	enum mt_status status =
		MT_INVALID; /* an event that libyaml does not make, of broken UTF-8 */
	if (!data || !yaml_emitter_initialize(&yaml)) {
		free(data);
		return MT_MEMORY;
	}
	memcpy(data, HEAD, head_len);
	yaml_emitter_set_output_string(&yaml, data + head_len, MT_PROFILE_FILE_BYTES_MAX - head_len,
				       &body_len);
	yaml_emitter_set_width(&yaml, -1);
	yaml_emitter_set_unicode(&yaml, 1);
	if (emit_document(&yaml, profile))
		status = check_content(mt_bytes_of(data, head_len + body_len));
	else if (yaml.error == YAML_MEMORY_ERROR)
		status = MT_MEMORY;
	else if (yaml.error == YAML_WRITER_ERROR)
		status = MT_LIMIT;
	yaml_emitter_delete(&yaml);
	if (status != MT_OK) {
		mt_bytes_wipe(data, MT_PROFILE_FILE_BYTES_MAX);
		free(data);
		return status;
	}
	*content = data;
	*len = head_len + body_len;
	return MT_OK;
}

static enum mt_status say(char *fault, size_t cap, enum mt_status status, const char *why)
{
	snprintf(fault, cap, "%s", why);
	return status;
}

/* Reads what `fd` holds into `data`, which has room for a byte more than a profile may have: it
 * shows a longer file. */
static bool read_all(int fd, uint8_t *data, size_t *len)
{
	size_t at = 0;
	while (at <= MT_PROFILE_FILE_BYTES_MAX) {
		ssize_t got = read(fd, data + at, MT_PROFILE_FILE_BYTES_MAX + 1 - at);
		if (got == 0)
			break;
		if (got < 0 && errno != EINTR)
			return false;
		if (got > 0)
			at += (size_t)got;
	}
	*len = at;
	return true;
}

static enum mt_status read_open(int fd, struct mt_profile *out, char *fault, size_t cap)
{
	struct stat facts;
	uint8_t *data;
	size_t len;
	enum mt_status status;
	if (fstat(fd, &facts) != 0)
		return say(fault, cap, MT_SYSTEM, strerror(errno));
	if (!S_ISREG(facts.st_mode))
		return say(fault, cap, MT_INVALID, "this is not a file");
	if (facts.st_mode & 077)
		return say(fault, cap, MT_DENIED,
			   "others may read it; chmod 600 it, and renew what is in it");
	data = malloc(MT_PROFILE_FILE_BYTES_MAX + 1);
	if (!data)
		return say(fault, cap, MT_MEMORY, "out of memory");
	if (read_all(fd, data, &len))
		status = mt_profile_parse(mt_bytes_of(data, len), out, fault, cap);
	else
		status = say(fault, cap, MT_SYSTEM, strerror(errno));
	mt_bytes_wipe(data, MT_PROFILE_FILE_BYTES_MAX + 1);
	free(data);
	return status;
}

/* The permissions are those of the file that is read: it is opened once, and asked by its
 * descriptor. */
enum mt_status mt_profile_read(const char *path, struct mt_profile *out, char *fault, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	enum mt_status status;
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return say(fault, cap, MT_NOT_FOUND, "there is no such file");
	if (fd < 0)
		return say(fault, cap, errno == EACCES ? MT_DENIED : MT_SYSTEM, strerror(errno));
	status = read_open(fd, out, fault, cap);
	close(fd);
	return status;
}

enum mt_status mt_profile_write(const char *path, const struct mt_profile *profile)
{
	uint8_t *content;
	size_t len;
	enum mt_status status;
	MT_TRY(mt_profile_print(profile, &content, &len));
	status = mt_file_write(path, mt_bytes_of(content, len), 0600);
	mt_bytes_wipe(content, len);
	free(content);
	return status;
}

void mt_profile_finish(struct mt_profile *profile)
{
	for (size_t i = 0; i < MT_COUNT_OF(keys); i++) {
		char **pem;
		if (keys[i].kind != KIND_PEM)
			continue;
		pem = pem_at(profile, &keys[i]);
		if (*pem)
			mt_bytes_wipe(*pem, strlen(*pem));
		free(*pem);
	}
	mt_bytes_wipe(profile, sizeof(*profile));
}
