/* Judging the request line and the fields of an opening handshake. */
#include "ws/upgrade.h"

#include "crypto/digest.h"

#define KEY_BYTES 24u /* base64 of 16 bytes */
#define FIELDS_MAX 100u

/* What the request said; views into it. */
struct request {
	struct mt_bytes host, origin, key, version;
	uint32_t seen; /* bit of enum field */
	bool has_websocket, has_upgrade, has_mqtt;
};

enum field { HOST, ORIGIN, KEY, VERSION, UPGRADE, CONNECTION, PROTOCOL, OTHER };

static enum mt_status refuse(struct mt_upgrade *out, uint16_t status, const char *why)
{
	out->status = status;
	out->why = why;
	return MT_VIOLATION;
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

static bool equals_fold(struct mt_bytes a, struct mt_bytes b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (lower(a.data[i]) != lower(b.data[i]))
			return false;
	return true;
}

static bool is_text(struct mt_bytes text, const char *wanted)
{
	return equals_fold(text, mt_bytes_str(wanted));
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static struct mt_bytes trim(struct mt_bytes text)
{
	while (text.len > 0 && is_blank(text.data[0]))
		text = mt_bytes_from(text, 1);
	while (text.len > 0 && is_blank(text.data[text.len - 1]))
		text.len--;
	return text;
}

/* What stands before the separator, which is taken too; everything when there is none. */
static struct mt_bytes take_until(struct mt_bytes *text, uint8_t separator)
{
	const uint8_t *at = text->len > 0 ? memchr(text->data, separator, text->len) : NULL;
	struct mt_bytes part = *text;
	if (at)
		part.len = (size_t)(at - text->data);
	*text = mt_bytes_from(*text, at ? part.len + 1 : part.len);
	return part;
}

/* The next line without its CR LF. False: a byte that no line may hold, or no CR LF. */
static bool take_line(struct mt_bytes *text, struct mt_bytes *line)
{
	struct mt_bytes part = take_until(text, '\n');
	if (part.len == 0 || part.data[part.len - 1] != '\r')
		return false;
	part.len--;
	for (size_t i = 0; i < part.len; i++)
		if ((part.data[i] < ' ' && part.data[i] != '\t') || part.data[i] == 127)
			return false;
	*line = part;
	return true;
}

static bool is_token(struct mt_bytes text)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = lower(text.data[i]);
		bool is_alpha = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		if (!is_alpha && !memchr(marks, c, sizeof(marks) - 1))
			return false;
	}
	return text.len > 0;
}

/* `wanted` is one of a list of words; names of protocols are told apart by case. */
static bool holds(struct mt_bytes list, const char *wanted, bool is_exact)
{
	while (list.len > 0) {
		struct mt_bytes word = trim(take_until(&list, ','));
		if (is_exact ? mt_bytes_equal(word, mt_bytes_str(wanted)) : is_text(word, wanted))
			return true;
	}
	return false;
}

static enum field field_of(struct mt_bytes name)
{
	static const char *const names[] = {
		[HOST] = "host",
		[ORIGIN] = "origin",
		[KEY] = "sec-websocket-key",
		[VERSION] = "sec-websocket-version",
		[UPGRADE] = "upgrade",
		[CONNECTION] = "connection",
		[PROTOCOL] = "sec-websocket-protocol",
	};
	enum field field = HOST;
	while (field < OTHER && !is_text(name, names[field]))
		field++;
	return field;
}

/* False: a field that stands once stood before. */
static bool note(struct request *request, enum field field, struct mt_bytes value)
{
	bool is_again = (request->seen >> field & 1) != 0;
	request->seen |= 1u << field;
	switch (field) {
	case HOST:
		request->host = value;
		return !is_again;
	case ORIGIN:
		request->origin = value;
		return !is_again;
	case KEY:
		request->key = value;
		return !is_again;
	case VERSION:
		request->version = value;
		return !is_again;
	case UPGRADE:
		request->has_websocket |= holds(value, "websocket", false);
		break;
	case CONNECTION:
		request->has_upgrade |= holds(value, "upgrade", false);
		break;
	case PROTOCOL:
		request->has_mqtt |= holds(value, "mqtt", true);
		break;
	case OTHER:
		break;
	}
	return true;
}

static enum mt_status read_fields(struct mt_bytes text, struct request *request,
				  struct mt_upgrade *out)
{
	for (unsigned i = 0; text.len > 0; i++) {
		struct mt_bytes line, name;
		if (i == FIELDS_MAX)
			return refuse(out, 431, "the request has too many fields");
		if (!take_line(&text, &line))
			return refuse(out, 400, "a line of the request is malformed");
		if (!memchr(line.data, ':', line.len))
			return refuse(out, 400, "a field of the request has no colon");
		name = take_until(&line, ':');
		if (!is_token(name))
			return refuse(out, 400, "the name of a field is malformed");
		if (!note(request, field_of(name), trim(line)))
			return refuse(out, 400, "a field stands twice in the request");
	}
	return MT_OK;
}

/* Host and port of "scheme://host:port/..."; empty without a scheme. */
static struct mt_bytes authority_of(struct mt_bytes uri)
{
	struct mt_bytes scheme = take_until(&uri, ':');
	if (!(is_text(scheme, "http") || is_text(scheme, "https")) ||
	    !mt_bytes_starts(uri, mt_bytes_str("//")))
		return mt_bytes_of(NULL, 0);
	uri = mt_bytes_from(uri, 2);
	return take_until(&uri, '/');
}

/* The path of a target, which may be a whole address. */
static struct mt_bytes path_of(struct mt_bytes target)
{
	struct mt_bytes authority = authority_of(target);
	if (authority.len > 0)
		target = mt_bytes_from(target,
				       (size_t)(authority.data - target.data) + authority.len);
	return take_until(&target, '?');
}

static enum mt_status read_start(struct mt_bytes line, const struct mt_upgrade_rules *rules,
				 struct mt_upgrade *out)
{
	struct mt_bytes method = take_until(&line, ' ');
	struct mt_bytes target = take_until(&line, ' ');
	if (!is_token(method) || !mt_bytes_equal(line, mt_bytes_str("HTTP/1.1")))
		return refuse(out, 400, "this is no request of HTTP/1.1");
	if (!mt_bytes_equal(method, mt_bytes_str("GET")))
		return refuse(out, 405, "the method is not GET");
	if (!mt_bytes_equal(path_of(target), mt_bytes_str(rules->path)))
		return refuse(out, 404, "the path is another one");
	return MT_OK;
}

/* Without the port; of IPv6 the bracket before it stays. */
static struct mt_bytes host_of(struct mt_bytes authority)
{
	bool is_v6 = authority.len > 0 && authority.data[0] == '[';
	return take_until(&authority, is_v6 ? ']' : ':');
}

/* Digits and dots, or in brackets, or localhost: no name server was asked for it. */
static bool is_fixed_host(struct mt_bytes host)
{
	if (host.len > 0 && host.data[0] == '[')
		return true;
	for (size_t i = 0; i < host.len; i++)
		if ((host.data[i] < '0' || host.data[i] > '9') && host.data[i] != '.')
			return is_text(host, "localhost");
	return host.len > 0;
}

static bool is_same_host(const struct request *request, const struct mt_upgrade_rules *rules)
{
	struct mt_bytes host = host_of(request->host);
	struct mt_bytes origin = host_of(authority_of(request->origin));
	return host.len > 0 && equals_fold(host, origin) &&
	       (rules->is_host_proven || is_fixed_host(host));
}

static bool is_origin_allowed(const struct request *request, const struct mt_upgrade_rules *rules)
{
	struct mt_bytes list = mt_bytes_str(rules->origins);
	if (!(request->seen >> ORIGIN & 1))
		return true;
	while (list.len > 0) {
		struct mt_bytes item = take_until(&list, ',');
		if (is_text(item, "any") || equals_fold(item, request->origin))
			return true;
		if (is_text(item, "same") && is_same_host(request, rules))
			return true;
	}
	return false;
}

/* 16 bytes in base64: 22 digits, of which the last carries 2 bits, and two signs of equality. */
static bool is_key(struct mt_bytes key)
{
	if (key.len != KEY_BYTES || key.data[22] != '=' || key.data[23] != '=')
		return false;
	for (size_t i = 0; i < 22; i++) {
		uint8_t c = lower(key.data[i]);
		bool is_alpha = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		if (!is_alpha && c != '+' && c != '/')
			return false;
	}
	return memchr("AQgw", key.data[21], 4) != NULL;
}

static enum mt_status judge(const struct request *request, const struct mt_upgrade_rules *rules,
			    struct mt_upgrade *out)
{
	if (!request->has_websocket || !request->has_upgrade)
		return refuse(out, 426, "the request asks for no WebSocket");
	if (!mt_bytes_equal(request->version, mt_bytes_str("13")))
		return refuse(out, 426, "the version of WebSocket is not 13");
	if (request->host.len == 0)
		return refuse(out, 400, "the request names no host");
	if (!is_key(request->key))
		return refuse(out, 400, "the key of the request is malformed");
	if (!is_origin_allowed(request, rules))
		return refuse(out, 403, "pages of this origin may not connect");
	if (!request->has_mqtt)
		return refuse(out, 400, "the subprotocol mqtt is not offered [MQTT-6.0.0-3]");
	return MT_OK;
}

static void accept_key(struct mt_bytes key, struct mt_upgrade *out)
{
	static const char suffix[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	uint8_t text[KEY_BYTES + sizeof(suffix) - 1];
	uint8_t digest[MT_SHA1_BYTES];
	memcpy(text, key.data, KEY_BYTES);
	memcpy(text + KEY_BYTES, suffix, sizeof(suffix) - 1);
	mt_digest_sha1(mt_bytes_of(text, sizeof(text)), digest);
	_Static_assert(MT_BASE64_BYTES(MT_SHA1_BYTES) == MT_UPGRADE_ACCEPT_BYTES, "fits");
	mt_digest_base64(mt_bytes_of(digest, sizeof(digest)), out->accept);
	out->status = 101;
}

/* Bytes up to the empty line, with it; 0: it has not come. */
static size_t head_bytes(struct mt_bytes in)
{
	const uint8_t *end = in.len > 0 ? memmem(in.data, in.len, "\r\n\r\n", 4) : NULL;
	return end ? (size_t)(end - in.data) + 4 : 0;
}

enum mt_status mt_upgrade_read(struct mt_bytes in, const struct mt_upgrade_rules *rules,
			       size_t *used, struct mt_upgrade *out)
{
	struct request request = {.seen = 0};
	struct mt_bytes text, line;
	size_t bytes = head_bytes(in);
	if (bytes > MT_UPGRADE_BYTES_MAX || (bytes == 0 && in.len > MT_UPGRADE_BYTES_MAX))
		return refuse(out, 431, "the request is too large");
	/* MQTT on the wrong listener shows itself at once, and is not waited for. */
	if (in.len > 0 && !is_token(mt_bytes_of(in.data, 1)))
		return refuse(out, 400, "this is no request of HTTP/1.1");
	if (bytes == 0)
		return MT_AGAIN;
	text = mt_bytes_of(in.data, bytes - 2);
	if (!take_line(&text, &line))
		return refuse(out, 400, "a line of the request is malformed");
	MT_TRY(read_start(line, rules, out));
	MT_TRY(read_fields(text, &request, out));
	MT_TRY(judge(&request, rules, out));
	accept_key(request.key, out);
	*used = bytes;
	return MT_OK;
}

static const char *reason_of(uint16_t status)
{
	switch (status) {
	case 403:
		return "403 Forbidden\r\n";
	case 404:
		return "404 Not Found\r\n";
	case 405:
		return "405 Method Not Allowed\r\nAllow: GET\r\n";
	case 426:
		return "426 Upgrade Required\r\nUpgrade: websocket\r\n"
		       "Sec-WebSocket-Version: 13\r\n";
	case 431:
		return "431 Request Header Fields Too Large\r\n";
	default:
		return "400 Bad Request\r\n";
	}
}

static void put(struct mt_buf *out, const char *text)
{
	mt_buf_put(out, mt_bytes_str(text));
}

void mt_upgrade_answer(const struct mt_upgrade *upgrade, struct mt_buf *out)
{
	put(out, "HTTP/1.1 ");
	if (upgrade->status == 101) {
		put(out, "101 Switching Protocols\r\nUpgrade: websocket\r\n"
			 "Connection: Upgrade\r\nSec-WebSocket-Accept: ");
		put(out, upgrade->accept);
		put(out, "\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n");
		return;
	}
	put(out, reason_of(upgrade->status));
	put(out,
	    upgrade->status == 426 ? "Connection: Upgrade, close\r\n" : "Connection: close\r\n");
	put(out, "Content-Length: 0\r\n\r\n");
}

bool mt_upgrade_is_path(struct mt_bytes text)
{
	if (text.len == 0 || text.data[0] != '/')
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] <= ' ' || text.data[i] >= 127 || text.data[i] == '?' ||
		    text.data[i] == '#')
			return false;
	return true;
}

bool mt_upgrade_is_origin(struct mt_bytes text)
{
	struct mt_bytes authority = authority_of(text);
	if (is_text(text, "any") || is_text(text, "same"))
		return true;
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] <= ' ' || text.data[i] >= 127 || text.data[i] == ',')
			return false;
	/* Nothing behind the port, not even a slash: browsers send none. */
	return authority.len > 0 && authority.data + authority.len == text.data + text.len;
}
