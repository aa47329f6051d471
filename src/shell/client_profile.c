/*
 * Reads a profile as Mortise writes it, without a YAML library: a device needs nothing but OpenSSL.
 *
 *   # comment      key: "double quoted"      key: plain      key: |  and lines indented below it
 *
 * shell/profile.c reads any YAML of the same meaning.
 */
#include "shell/client_parts.h"

#include "io/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX (256u * 1024)
#define TEXT_BYTES 256u

struct reading {
	struct mortise_client *client;
	const char *path;
	struct mt_bytes left;
	unsigned line;
	char user[TEXT_BYTES];
	char password[TEXT_BYTES];
};

static int fail(struct reading *in, const char *why)
{
	return mt_client_say(in->client, MORTISE_INVALID, "%s, line %u: %s", in->path, in->line,
			     why);
}

/* False at the end. The line comes without its newline. */
static bool next_line(struct reading *in, struct mt_bytes *line)
{
	const uint8_t *end;
	if (in->left.len == 0)
		return false;
	end = memchr(in->left.data, '\n', in->left.len);
	*line = mt_bytes_of(in->left.data, end ? (size_t)(end - in->left.data) : in->left.len);
	in->left = mt_bytes_from(in->left, line->len + (end != NULL));
	in->line++;
	return true;
}

static bool put_code_point(struct mt_buf *out, uint32_t code)
{
	if (code < 0x20 || code == 0x7f || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return false;
	if (code < 0x80) {
		mt_buf_put_u8(out, (uint8_t)code);
		return true;
	}
	if (code < 0x800) {
		mt_buf_put_u8(out, (uint8_t)(0xc0 | code >> 6));
	} else if (code < 0x10000) {
		mt_buf_put_u8(out, (uint8_t)(0xe0 | code >> 12));
		mt_buf_put_u8(out, (uint8_t)(0x80 | (code >> 6 & 0x3f)));
	} else {
		mt_buf_put_u8(out, (uint8_t)(0xf0 | code >> 18));
		mt_buf_put_u8(out, (uint8_t)(0x80 | (code >> 12 & 0x3f)));
		mt_buf_put_u8(out, (uint8_t)(0x80 | (code >> 6 & 0x3f)));
	}
	mt_buf_put_u8(out, (uint8_t)(0x80 | (code & 0x3f)));
	return true;
}

static bool take_hex(struct mt_reader *in, size_t digits, uint32_t *out)
{
	uint32_t value = 0;
	for (size_t i = 0; i < digits; i++) {
		uint8_t c = mt_reader_u8(in);
		if (c >= '0' && c <= '9')
			value = value << 4 | (uint32_t)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			value = value << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
		else
			return false;
	}
	*out = value;
	return true;
}

static bool take_escape(struct mt_reader *in, struct mt_buf *out)
{
	uint8_t c = mt_reader_u8(in);
	uint32_t code;
	switch (c) {
	case '"':
	case '\\':
	case '/':
		mt_buf_put_u8(out, c);
		return true;
	case 'x':
		return take_hex(in, 2, &code) && put_code_point(out, code);
	case 'u':
		return take_hex(in, 4, &code) && put_code_point(out, code);
	case 'U':
		return take_hex(in, 8, &code) && put_code_point(out, code);
	case 'L':
		return put_code_point(out, 0x2028);
	case 'P':
		return put_code_point(out, 0x2029);
	default:
		return false;
	}
}

static bool unquote(struct mt_bytes quoted, struct mt_buf *out)
{
	struct mt_reader in = mt_reader_of(mt_bytes_from(quoted, 1));
	while (mt_reader_left(&in) > 0) {
		uint8_t c = mt_reader_u8(&in);
		if (c == '"')
			return mt_reader_left(&in) == 0;
		if (c < 0x20 || c == 0x7f)
			return false;
		if (c != '\\')
			mt_buf_put_u8(out, c);
		else if (!take_escape(&in, out))
			return false;
	}
	return false;
}

/* Plain scalars that YAML would read as anything but their text are refused: profiles are written
 * with quotes. */
static bool is_plain(struct mt_bytes value)
{
	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.data[i];
		bool is_word = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
			       c >= 0x80;
		if (!is_word && (c == 0 || !strchr("._-+/=:[]@", c)))
			return false;
	}
	return value.len > 0;
}

static int take_text(struct reading *in, struct mt_bytes value, char out[TEXT_BYTES])
{
	struct mt_buf buf = mt_buf_of(out, TEXT_BYTES - 1);
	bool is_good;
	if (value.len > 0 && value.data[0] == '"') {
		is_good = unquote(value, &buf);
	} else {
		is_good = is_plain(value);
		mt_buf_put(&buf, value);
	}
	if (!is_good || buf.is_overflown)
		return fail(in, "expected a text in double quotes of at most 255 bytes");
	out[buf.pos] = '\0';
	return MORTISE_OK;
}

/* The lines indented deeper than the key, without their indent. */
static int take_block(struct reading *in, char **out)
{
	struct mt_bytes line;
	struct mt_reader ahead;
	char *text = malloc(in->left.len + 2);
	size_t len = 0;
	if (!text)
		return mt_client_say(in->client, MORTISE_MEMORY, "out of memory");
	for (;;) {
		ahead = mt_reader_of(in->left);
		if (in->left.len == 0 || mt_reader_u8(&ahead) != ' ' || !next_line(in, &line))
			break;
		while (line.len > 0 && line.data[0] == ' ')
			line = mt_bytes_from(line, 1);
		memcpy(text + len, line.data, line.len);
		len += line.len;
		text[len++] = '\n';
	}
	text[len] = '\0';
	if (memchr(text, 0, len) || strncmp(text, "-----BEGIN ", 11) != 0) {
		mt_bytes_wipe(text, len);
		free(text);
		return fail(in, "expected a PEM block");
	}
	*out = text;
	return MORTISE_OK;
}

static int take_address(struct reading *in, struct mt_bytes value)
{
	struct client_options *options = &in->client->options;
	struct mt_endpoint endpoint;
	const char *why = "";
	char text[TEXT_BYTES];
	int status = take_text(in, value, text);
	if (status != MORTISE_OK)
		return status;
	if (mt_endpoint_parse(mt_bytes_str(text), &endpoint, &why) != MT_OK || !endpoint.host[0] ||
	    endpoint.port == 0)
		return fail(in, "address: expected HOST:PORT");
	memcpy(options->host, endpoint.host, sizeof(options->host));
	options->port = endpoint.port;
	return MORTISE_OK;
}

static int take_pem(struct reading *in, struct mt_bytes key, struct mt_bytes value)
{
	struct client_options *options = &in->client->options;
	char **to = mt_bytes_equal(key, mt_bytes_str("ca"))	       ? &options->ca_pem
		    : mt_bytes_equal(key, mt_bytes_str("certificate")) ? &options->certificate_pem
		    : mt_bytes_equal(key, mt_bytes_str("key"))	       ? &options->key_pem
								       : NULL;
	if (!to)
		return fail(in, "this is no key of a profile");
	if (value.len == 0 || value.data[0] != '|' || *to)
		return fail(in, "expected one PEM block after `|`");
	return take_block(in, to);
}

static int take_entry(struct reading *in, struct mt_bytes key, struct mt_bytes value)
{
	char text[TEXT_BYTES];
	int status;
	if (mt_bytes_equal(key, mt_bytes_str("address")))
		return take_address(in, value);
	if (mt_bytes_equal(key, mt_bytes_str("user")))
		return take_text(in, value, in->user);
	if (mt_bytes_equal(key, mt_bytes_str("password")))
		return take_text(in, value, in->password);
	if (mt_bytes_equal(
		    key,
		    mt_bytes_str(
			    "ca_pin"))) /* the CA itself is in the file: the pin is for people */
		return take_text(in, value, text);
	if (!mt_bytes_equal(key, mt_bytes_str("client_id")))
		return take_pem(in, key, value);
	status = take_text(in, value, text);
	return status == MORTISE_OK ? mortise_client_set_client_id(in->client, text) : status;
}

static int take_line(struct reading *in, struct mt_bytes line)
{
	const uint8_t *colon = line.len > 0 ? memchr(line.data, ':', line.len) : NULL;
	struct mt_bytes key;
	struct mt_bytes value;
	if (line.len == 0 || line.data[0] == '#')
		return MORTISE_OK;
	if (!colon)
		return fail(in, "expected `key: value`");
	key = mt_bytes_of(line.data, (size_t)(colon - line.data));
	value = mt_bytes_from(line, key.len + 1);
	while (value.len > 0 && value.data[0] == ' ')
		value = mt_bytes_from(value, 1);
	return take_entry(in, key, value);
}

static int parse(struct reading *in)
{
	struct client_options *options = &in->client->options;
	struct mt_bytes line;
	int status = MORTISE_OK;
	while (status == MORTISE_OK && next_line(in, &line))
		status = take_line(in, line);
	if (status == MORTISE_OK && (options->port == 0 || !options->host[0]))
		status = fail(in, "the address is missing");
	if (status == MORTISE_OK && !options->certificate_pem != !options->key_pem)
		status = fail(in, "a certificate needs its key, and a key its certificate");
	if (status == MORTISE_OK && in->user[0])
		status = mortise_client_set_credentials(in->client, in->user,
							in->password[0] ? in->password : NULL,
							strlen(in->password));
	if (status == MORTISE_OK)
		options->is_tls = true;
	return status;
}

static int check_file(struct mortise_client *client, int fd, const char *path)
{
	struct stat facts;
	if (fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode))
		return mt_client_say(client, MORTISE_INVALID, "%s is not a file", path);
	if (facts.st_mode & 077)
		return mt_client_say(client, MORTISE_DENIED, "%s: others may read it; chmod 600 it",
				     path);
	if (facts.st_size < 0 || facts.st_size > (off_t)FILE_BYTES_MAX)
		return mt_client_say(client, MORTISE_INVALID, "%s is too long for a profile", path);
	return MORTISE_OK;
}

static size_t read_all(int fd, uint8_t *data)
{
	size_t len = 0;
	while (len < FILE_BYTES_MAX) {
		ssize_t got = read(fd, data + len, FILE_BYTES_MAX - len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		len += (size_t)got;
	}
	return len;
}

static int read_open(struct mortise_client *client, int fd, const char *path)
{
	struct reading in = {.client = client, .path = path};
	uint8_t *data;
	int status = check_file(client, fd, path);
	if (status != MORTISE_OK)
		return status;
	data = malloc(FILE_BYTES_MAX);
	if (!data)
		return mt_client_say(client, MORTISE_MEMORY, "out of memory");
	in.left = mt_bytes_of(data, read_all(fd, data));
	client->options.port = 0;
	status = parse(&in);
	mt_bytes_wipe(data, FILE_BYTES_MAX);
	mt_bytes_wipe(&in, sizeof(in));
	free(data);
	return status;
}

int mortise_client_set_profile(mortise_client *client, const char *path)
{
	int fd;
	int status;
	client->fault[0] = '\0';
	if (client->core || client->options.ca_pem)
		return mt_client_say(client, MORTISE_INVALID,
				     "one profile, before the first connection");
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return mt_client_say(client, errno == ENOENT ? MORTISE_NOT_FOUND : MORTISE_SYSTEM,
				     "%s: %s", path, strerrordesc_np(errno));
	status = read_open(client, fd, path);
	close(fd);
	return status;
}
