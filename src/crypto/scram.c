/* Keys, messages and their reading. Attributes, base64 and names are read as RFC 5802 section 7
 * writes them, and no other way. */
#include "crypto/scram.h"

#include "base/utf8.h"
#include "crypto/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#define BINDING_NAME "p=tls-exporter"
#define KEY_TEXT (MT_BASE64_BYTES(MT_SCRAM_KEY_BYTES) - 1)
#define SALT_TEXT_MAX MT_BASE64_BYTES(MT_SCRAM_SALT_BYTES_MAX)
#define HEADER_BYTES_MAX (MT_SCRAM_USER_BYTES_MAX * 3 + 32)
#define BOUND_BYTES_MAX (HEADER_BYTES_MAX + MT_SCRAM_BINDING_BYTES)
#define BEGUN 1u
#define CHALLENGED 2u

_Static_assert(MT_BASE64_BYTES(MT_SCRAM_RANDOM_BYTES) == MT_SCRAM_NONCE_TEXT_BYTES, "a nonce fits");
/* header, n=user, r=nonce of both, salt, iterations, commas */
_Static_assert(HEADER_BYTES_MAX + MT_SCRAM_USER_BYTES_MAX * 3 + 3 * MT_SCRAM_NONCE_BYTES_MAX +
			       SALT_TEXT_MAX + 32 <=
		       MT_SCRAM_MESSAGE_BYTES_MAX,
	       "what both say first fits");
_Static_assert(MT_BASE64_BYTES(BOUND_BYTES_MAX) + 2 * MT_SCRAM_NONCE_BYTES_MAX + KEY_TEXT + 16 <=
		       MT_SCRAM_MESSAGE_BYTES_MAX,
	       "the final message fits");

/* ---- keys (section 3) ---- */

static enum mt_status sign(const uint8_t key[MT_SCRAM_KEY_BYTES], struct mt_bytes text,
			   uint8_t out[MT_SCRAM_KEY_BYTES])
{
	unsigned len = 0;
	const uint8_t *done =
		HMAC(EVP_sha256(), key, MT_SCRAM_KEY_BYTES, text.data, text.len, out, &len);
	return done && len == MT_SCRAM_KEY_BYTES ? MT_OK : MT_MEMORY;
}

static enum mt_status sign_text(const uint8_t key[MT_SCRAM_KEY_BYTES], const char *text,
				uint8_t out[MT_SCRAM_KEY_BYTES])
{
	return sign(key, mt_bytes_str(text), out);
}

static enum mt_status digest(const uint8_t key[MT_SCRAM_KEY_BYTES], uint8_t out[MT_SCRAM_KEY_BYTES])
{
	return EVP_Digest(key, MT_SCRAM_KEY_BYTES, out, NULL, EVP_sha256(), NULL) == 1 ? MT_OK
										       : MT_MEMORY;
}

/* ClientKey and ServerKey of a password. */
static enum mt_status derive(struct mt_bytes password, struct mt_bytes salt, uint32_t iterations,
			     uint8_t client_key[MT_SCRAM_KEY_BYTES],
			     uint8_t server_key[MT_SCRAM_KEY_BYTES])
{
	uint8_t salted[MT_SCRAM_KEY_BYTES];
	enum mt_status status = MT_OK;
	if (password.len == 0 || password.len > MT_SCRAM_PASSWORD_BYTES_MAX ||
	    iterations < MT_SCRAM_ITERATIONS_MIN || iterations > MT_SCRAM_ITERATIONS_MAX)
		return MT_INVALID;
	if (PKCS5_PBKDF2_HMAC((const char *)password.data, (int)password.len, salt.data,
			      (int)salt.len, (int)iterations, EVP_sha256(), sizeof(salted),
			      salted) != 1)
		status = MT_MEMORY;
	if (status == MT_OK)
		status = sign_text(salted, "Client Key", client_key);
	if (status == MT_OK)
		status = sign_text(salted, "Server Key", server_key);
	mt_bytes_wipe(salted, sizeof(salted));
	return status;
}

enum mt_status mt_scram_verifier_make(struct mt_bytes password,
				      const uint8_t salt[MT_SCRAM_SALT_BYTES], uint32_t iterations,
				      struct mt_scram_verifier *out)
{
	struct mt_scram_verifier made = {.iterations = iterations};
	uint8_t client_key[MT_SCRAM_KEY_BYTES];
	enum mt_status status;
	memcpy(made.salt, salt, sizeof(made.salt));
	status = derive(password, mt_bytes_of(salt, MT_SCRAM_SALT_BYTES), iterations, client_key,
			made.server_key);
	if (status == MT_OK)
		status = digest(client_key, made.stored_key);
	if (status == MT_OK)
		*out = made;
	mt_bytes_wipe(client_key, sizeof(client_key));
	mt_bytes_wipe(&made, sizeof(made));
	return status;
}

static enum mt_status feign(const uint8_t secret[MT_SCRAM_KEY_BYTES], const char *what,
			    struct mt_bytes user, uint8_t out[MT_SCRAM_KEY_BYTES])
{
	uint8_t key[MT_SCRAM_KEY_BYTES];
	MT_TRY(sign_text(secret, what, key));
	return sign(key, user, out);
}

enum mt_status mt_scram_verifier_feign(const uint8_t secret[MT_SCRAM_KEY_BYTES],
				       struct mt_bytes user, uint32_t iterations,
				       struct mt_scram_verifier *out)
{
	struct mt_scram_verifier made = {.iterations = iterations};
	uint8_t salt[MT_SCRAM_KEY_BYTES];
	MT_TRY(feign(secret, "salt", user, salt));
	MT_TRY(feign(secret, "stored key", user, made.stored_key));
	MT_TRY(feign(secret, "server key", user, made.server_key));
	memcpy(made.salt, salt, sizeof(made.salt));
	*out = made;
	return MT_OK;
}

void mt_scram_nonce(const uint8_t random[MT_SCRAM_RANDOM_BYTES],
		    char out[MT_SCRAM_NONCE_TEXT_BYTES])
{
	mt_digest_base64(mt_bytes_of(random, MT_SCRAM_RANDOM_BYTES), out);
}

/* ---- texts (section 7) ---- */

/* What stands before the next comma, which goes too; *is_last: there was none. */
static struct mt_bytes take_part(struct mt_bytes *rest, bool *is_last)
{
	const uint8_t *comma = rest->len > 0 ? memchr(rest->data, ',', rest->len) : NULL;
	size_t len = comma ? (size_t)(comma - rest->data) : rest->len;
	struct mt_bytes part = mt_bytes_of(rest->data, len);
	*rest = mt_bytes_from(*rest, comma ? len + 1 : len);
	*is_last = comma == NULL;
	return part;
}

/* The value of the next attribute, which must be this one. */
static bool take_attribute(struct mt_bytes *rest, char name, struct mt_bytes *value, bool *is_last)
{
	struct mt_bytes part = take_part(rest, is_last);
	if (part.len < 2 || part.data[0] != (uint8_t)name || part.data[1] != '=')
		return false;
	*value = mt_bytes_from(part, 2);
	return true;
}

/* attr-val that are not known: passed over, unless they must be understood ("m="). */
static bool is_extension(struct mt_bytes part)
{
	size_t bad;
	uint8_t name = part.len >= 3 ? part.data[0] : 0;
	bool is_letter = (name >= 'a' && name <= 'z') || (name >= 'A' && name <= 'Z');
	return is_letter && name != 'm' && part.data[1] == '=' &&
	       mt_utf8_check(part, &bad) == MT_UTF8_GOOD;
}

static bool are_extensions(struct mt_bytes rest, bool is_last)
{
	while (!is_last)
		if (!is_extension(take_part(&rest, &is_last)))
			return false;
	return true;
}

/* printable = %x21-2B / %x2D-7E */
static bool is_nonce(struct mt_bytes text, size_t len_max)
{
	if (text.len == 0 || text.len > len_max)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] < 0x21 || text.data[i] > 0x7e || text.data[i] == ',')
			return false;
	return true;
}

bool mt_scram_takes_user(struct mt_bytes user)
{
	size_t bad;
	return user.len > 0 && user.len <= MT_SCRAM_USER_BYTES_MAX &&
	       mt_utf8_check(user, &bad) == MT_UTF8_GOOD && !mt_utf8_has_control(user);
}

/* saslname: "=2C" is a comma, "=3D" an equals sign, and there is no other escape. */
static bool unescape(struct mt_bytes text, char out[MT_SCRAM_USER_BYTES_MAX + 1], size_t *len)
{
	size_t at = 0;
	for (size_t i = 0; i < text.len; i++) {
		struct mt_bytes rest = mt_bytes_from(text, i);
		char c = (char)text.data[i];
		if (at == MT_SCRAM_USER_BYTES_MAX)
			return false;
		if (c == '=') {
			bool is_comma = mt_bytes_starts(rest, mt_bytes_str("=2C"));
			if (!is_comma && !mt_bytes_starts(rest, mt_bytes_str("=3D")))
				return false;
			c = is_comma ? ',' : '=';
			i += 2;
		}
		out[at++] = c;
	}
	out[at] = '\0';
	*len = at;
	return mt_scram_takes_user(mt_bytes_of(out, at));
}

static void put_text(struct mt_buf *out, const char *text)
{
	mt_buf_put(out, mt_bytes_str(text));
}

static void put_user(struct mt_buf *out, struct mt_bytes user)
{
	for (size_t i = 0; i < user.len; i++) {
		if (user.data[i] == ',')
			put_text(out, "=2C");
		else if (user.data[i] == '=')
			put_text(out, "=3D");
		else
			mt_buf_put_u8(out, user.data[i]);
	}
}

static void put_base64(struct mt_buf *out, struct mt_bytes bytes)
{
	char text[MT_BASE64_BYTES(BOUND_BYTES_MAX)];
	MT_CHECK(bytes.len <= BOUND_BYTES_MAX);
	mt_digest_base64(bytes, text);
	put_text(out, text);
}

static void put_number(struct mt_buf *out, uint32_t number)
{
	char digits[10];
	size_t at = sizeof(digits);
	do
		digits[--at] = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	mt_buf_put(out, mt_bytes_of(digits + at, sizeof(digits) - at));
}

/* posit-number, within our range. */
static bool read_iterations(struct mt_bytes text, uint32_t *out)
{
	uint32_t number = 0;
	if (text.len == 0 || text.len > 8 || text.data[0] == '0')
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		number = number * 10 + (uint32_t)(text.data[i] - '0');
	}
	*out = number;
	return number >= MT_SCRAM_ITERATIONS_MIN && number <= MT_SCRAM_ITERATIONS_MAX;
}

static bool read_key(struct mt_bytes text, uint8_t out[MT_SCRAM_KEY_BYTES])
{
	size_t len;
	return mt_digest_base64_read(text, out, MT_SCRAM_KEY_BYTES, &len) &&
	       len == MT_SCRAM_KEY_BYTES;
}

/* The header and what the channel exports, as "c=" must hold them. */
static struct mt_bytes bound(const uint8_t *text, size_t header_bytes, const uint8_t *binding,
			     uint8_t room[BOUND_BYTES_MAX])
{
	struct mt_buf buf = mt_buf_of(room, BOUND_BYTES_MAX);
	mt_buf_put(&buf, mt_bytes_of(text, header_bytes));
	if (binding)
		mt_buf_put(&buf, mt_bytes_of(binding, MT_SCRAM_BINDING_BYTES));
	MT_CHECK(!buf.is_overflown);
	return mt_buf_view(&buf);
}

/* AuthMessage: both first messages and the final one without its proof. */
static struct mt_bytes auth_message(const uint8_t *text, size_t from, size_t to,
				    struct mt_bytes final,
				    uint8_t room[2 * MT_SCRAM_MESSAGE_BYTES_MAX])
{
	struct mt_buf buf = mt_buf_of(room, 2 * (size_t)MT_SCRAM_MESSAGE_BYTES_MAX);
	mt_buf_put(&buf, mt_bytes_of(text + from, to - from));
	mt_buf_put_u8(&buf, ',');
	mt_buf_put(&buf, final);
	MT_CHECK(!buf.is_overflown);
	return mt_buf_view(&buf);
}

/* ---- the server ---- */

/* What the client says of channel binding; section 6 tells what it must not say. */
static enum mt_status check_flag(struct mt_bytes flag, bool is_plus, bool is_offered)
{
	if (mt_bytes_starts(flag, mt_bytes_str("p="))) {
		if (flag.len == 2)
			return MT_INVALID;
		return is_plus && is_offered && mt_bytes_equal(flag, mt_bytes_str(BINDING_NAME))
			       ? MT_OK
			       : MT_DENIED;
	}
	if (mt_bytes_equal(flag, mt_bytes_str("y")))
		return is_plus || is_offered ? MT_DENIED : MT_OK;
	if (mt_bytes_equal(flag, mt_bytes_str("n")))
		return is_plus ? MT_DENIED : MT_OK;
	return MT_INVALID;
}

/* The identity to act as: nobody acts as another. */
static enum mt_status check_authzid(const struct mt_scram_server *server, struct mt_bytes text)
{
	char name[MT_SCRAM_USER_BYTES_MAX + 1];
	size_t len;
	if (text.len == 0)
		return MT_OK;
	if (!mt_bytes_starts(text, mt_bytes_str("a=")) ||
	    !unescape(mt_bytes_from(text, 2), name, &len))
		return MT_INVALID;
	return mt_bytes_equal(mt_bytes_of(name, len), mt_bytes_of(server->user, server->user_bytes))
		       ? MT_OK
		       : MT_DENIED;
}

/* client-first-message-bare */
static enum mt_status read_bare(struct mt_scram_server *server, struct mt_bytes rest)
{
	struct mt_bytes user, nonce;
	bool is_last;
	if (!take_attribute(&rest, 'n', &user, &is_last) || is_last ||
	    !take_attribute(&rest, 'r', &nonce, &is_last) || !are_extensions(rest, is_last) ||
	    !is_nonce(nonce, MT_SCRAM_NONCE_BYTES_MAX) ||
	    !unescape(user, server->user, &server->user_bytes))
		return MT_INVALID;
	/* Its place in `text`, as long as the server's part is missing. */
	server->nonce_bytes = (uint16_t)nonce.len;
	server->nonce_from = (uint16_t)(server->text_bytes - (rest.len + !is_last + nonce.len));
	return MT_OK;
}

enum mt_status mt_scram_server_begin(struct mt_scram_server *server, bool is_plus,
				     const uint8_t *binding, struct mt_bytes message)
{
	struct mt_bytes rest = message, flag, authzid;
	bool is_last;
	*server = (struct mt_scram_server){.is_plus = is_plus};
	flag = take_part(&rest, &is_last);
	if (is_last)
		return MT_INVALID;
	MT_TRY(check_flag(flag, is_plus, binding != NULL));
	authzid = take_part(&rest, &is_last);
	/* Room is left for what we answer. */
	if (is_last || message.len - rest.len > HEADER_BYTES_MAX ||
	    rest.len > MT_SCRAM_USER_BYTES_MAX * 3 + MT_SCRAM_NONCE_BYTES_MAX + 16)
		return MT_INVALID;
	memcpy(server->text, message.data, message.len);
	server->text_bytes = (uint16_t)message.len;
	server->header_bytes = (uint16_t)(message.len - rest.len);
	if (is_plus)
		memcpy(server->binding, binding, sizeof(server->binding));
	MT_TRY(read_bare(server, rest));
	MT_TRY(check_authzid(server, authzid));
	server->step = BEGUN;
	return MT_OK;
}

void mt_scram_server_challenge(struct mt_scram_server *server,
			       const struct mt_scram_verifier *verifier, const char *nonce,
			       struct mt_buf *out)
{
	struct mt_buf text = mt_buf_of(server->text, sizeof(server->text));
	size_t from, nonce_from;
	MT_CHECK(server->step == BEGUN);
	MT_CHECK(is_nonce(mt_bytes_str(nonce), MT_SCRAM_NONCE_BYTES_MAX));
	text.pos = server->text_bytes;
	mt_buf_put_u8(&text, ',');
	from = text.pos;
	put_text(&text, "r=");
	nonce_from = text.pos;
	mt_buf_put(&text, mt_bytes_of(server->text + server->nonce_from, server->nonce_bytes));
	put_text(&text, nonce);
	server->nonce_from = (uint16_t)nonce_from;
	server->nonce_bytes = (uint16_t)(text.pos - nonce_from);
	put_text(&text, ",s=");
	put_base64(&text, mt_bytes_of(verifier->salt, sizeof(verifier->salt)));
	put_text(&text, ",i=");
	put_number(&text, verifier->iterations);
	mt_buf_put(out, mt_bytes_of(text.data + from, text.pos - from));
	MT_CHECK(!text.is_overflown && !out->is_overflown);
	server->text_bytes = (uint16_t)text.pos;
	server->verifier = *verifier;
	server->step = CHALLENGED;
}

/* client-final-message: *without is what the proof is about. */
static bool read_final(const struct mt_scram_server *server, struct mt_bytes message,
		       uint8_t proof[MT_SCRAM_KEY_BYTES], struct mt_bytes *without)
{
	uint8_t room[BOUND_BYTES_MAX], found[BOUND_BYTES_MAX];
	struct mt_bytes wanted = bound(server->text, server->header_bytes,
				       server->is_plus ? server->binding : NULL, room);
	struct mt_bytes rest = message, part, header, nonce;
	size_t found_bytes;
	bool is_last;
	if (!take_attribute(&rest, 'c', &header, &is_last) || is_last ||
	    !take_attribute(&rest, 'r', &nonce, &is_last) || is_last)
		return false;
	while (part = take_part(&rest, &is_last), !is_last)
		if (!is_extension(part) || part.data[0] == 'p')
			return false;
	if (!mt_bytes_starts(part, mt_bytes_str("p=")) || !read_key(mt_bytes_from(part, 2), proof))
		return false;
	*without = mt_bytes_of(message.data, message.len - part.len - 1);
	return mt_digest_base64_read(header, found, sizeof(found), &found_bytes) &&
	       mt_bytes_equal_secret(mt_bytes_of(found, found_bytes), wanted) &&
	       mt_bytes_equal_secret(
		       nonce, mt_bytes_of(server->text + server->nonce_from, server->nonce_bytes));
}

/* ClientKey is the proof without the signature; its digest must be the StoredKey. */
static enum mt_status check_proof(const struct mt_scram_server *server, struct mt_bytes message,
				  uint8_t proof[MT_SCRAM_KEY_BYTES])
{
	uint8_t signature[MT_SCRAM_KEY_BYTES], stored[MT_SCRAM_KEY_BYTES];
	MT_TRY(sign(server->verifier.stored_key, message, signature));
	for (size_t i = 0; i < MT_SCRAM_KEY_BYTES; i++)
		proof[i] ^= signature[i];
	MT_TRY(digest(proof, stored));
	return mt_bytes_equal_secret(mt_bytes_of(stored, sizeof(stored)),
				     mt_bytes_of(server->verifier.stored_key, sizeof(stored)))
		       ? MT_OK
		       : MT_DENIED;
}

enum mt_status mt_scram_server_finish(struct mt_scram_server *server, struct mt_bytes message,
				      struct mt_buf *out)
{
	uint8_t proof[MT_SCRAM_KEY_BYTES], signature[MT_SCRAM_KEY_BYTES];
	uint8_t room[2 * MT_SCRAM_MESSAGE_BYTES_MAX];
	struct mt_bytes whole, without;
	enum mt_status status;
	MT_CHECK(server->step == CHALLENGED);
	server->step = 0;
	if (message.len > MT_SCRAM_MESSAGE_BYTES_MAX ||
	    !read_final(server, message, proof, &without))
		return MT_INVALID;
	whole = auth_message(server->text, server->header_bytes, server->text_bytes, without, room);
	status = check_proof(server, whole, proof);
	mt_bytes_wipe(proof, sizeof(proof));
	MT_TRY(status);
	MT_TRY(sign(server->verifier.server_key, whole, signature));
	put_text(out, "v=");
	put_base64(out, mt_bytes_of(signature, sizeof(signature)));
	MT_CHECK(!out->is_overflown);
	return MT_OK;
}

/* ---- the client ---- */

enum mt_status mt_scram_client_begin(struct mt_scram_client *client, bool is_plus,
				     struct mt_bytes user, const char *nonce, struct mt_buf *out)
{
	struct mt_buf text = mt_buf_of(client->text, sizeof(client->text));
	*client = (struct mt_scram_client){.is_plus = is_plus};
	if (!mt_scram_takes_user(user))
		return MT_INVALID;
	MT_CHECK(is_nonce(mt_bytes_str(nonce), MT_SCRAM_NONCE_BYTES_MAX));
	put_text(&text, is_plus ? BINDING_NAME ",," : "n,,");
	client->header_bytes = (uint16_t)text.pos;
	put_text(&text, "n=");
	put_user(&text, user);
	put_text(&text, ",r=");
	client->nonce_from = (uint16_t)text.pos;
	put_text(&text, nonce);
	client->nonce_bytes = (uint16_t)(text.pos - client->nonce_from);
	client->text_bytes = (uint16_t)text.pos;
	client->step = BEGUN;
	mt_buf_put(out, mt_buf_view(&text));
	MT_CHECK(!text.is_overflown && !out->is_overflown);
	return MT_OK;
}

struct challenge {
	struct mt_bytes nonce;
	uint32_t iterations;
	size_t salt_bytes;
	uint8_t salt[MT_SCRAM_SALT_BYTES_MAX];
};

/* server-first-message; its nonce begins with ours and goes on. */
static bool read_challenge(const struct mt_scram_client *client, struct mt_bytes message,
			   struct challenge *out)
{
	struct mt_bytes rest = message, salt, iterations;
	struct mt_bytes own = mt_bytes_of(client->text + client->nonce_from, client->nonce_bytes);
	bool is_last;
	return take_attribute(&rest, 'r', &out->nonce, &is_last) && !is_last &&
	       take_attribute(&rest, 's', &salt, &is_last) && !is_last &&
	       take_attribute(&rest, 'i', &iterations, &is_last) && are_extensions(rest, is_last) &&
	       is_nonce(out->nonce, (size_t)2 * MT_SCRAM_NONCE_BYTES_MAX) &&
	       mt_bytes_starts(out->nonce, own) && out->nonce.len > own.len &&
	       mt_digest_base64_read(salt, out->salt, sizeof(out->salt), &out->salt_bytes) &&
	       out->salt_bytes > 0 && read_iterations(iterations, &out->iterations);
}

static enum mt_status renew_keys(struct mt_scram_keys *keys, struct mt_bytes password,
				 const struct challenge *challenge)
{
	struct mt_bytes salt = mt_bytes_of(challenge->salt, challenge->salt_bytes);
	if (keys->iterations == challenge->iterations &&
	    mt_bytes_equal(mt_bytes_of(keys->salt, keys->salt_bytes), salt))
		return MT_OK;
	keys->iterations = 0;
	MT_TRY(derive(password, salt, challenge->iterations, keys->client_key, keys->server_key));
	keys->iterations = challenge->iterations;
	keys->salt_bytes = (uint8_t)salt.len;
	memcpy(keys->salt, salt.data, salt.len);
	return MT_OK;
}

/* ClientProof and the ServerSignature to come. */
static enum mt_status prove(struct mt_scram_client *client, const struct mt_scram_keys *keys,
			    struct mt_bytes message, uint8_t proof[MT_SCRAM_KEY_BYTES])
{
	uint8_t stored[MT_SCRAM_KEY_BYTES];
	MT_TRY(digest(keys->client_key, stored));
	MT_TRY(sign(stored, message, proof));
	MT_TRY(sign(keys->server_key, message, client->signature));
	for (size_t i = 0; i < MT_SCRAM_KEY_BYTES; i++)
		proof[i] ^= keys->client_key[i];
	return MT_OK;
}

enum mt_status mt_scram_client_prove(struct mt_scram_client *client, const uint8_t *binding,
				     struct mt_bytes password, struct mt_scram_keys *keys,
				     struct mt_bytes message, struct mt_buf *out)
{
	struct mt_buf text = mt_buf_of(client->text, sizeof(client->text));
	uint8_t room[2 * MT_SCRAM_MESSAGE_BYTES_MAX], header[BOUND_BYTES_MAX];
	uint8_t proof[MT_SCRAM_KEY_BYTES];
	struct challenge challenge;
	size_t from = out->pos;
	struct mt_bytes whole;
	MT_CHECK(client->is_plus == (binding != NULL));
	if (client->step != BEGUN)
		return MT_INVALID;
	client->step = 0;
	text.pos = client->text_bytes;
	if (message.len >= MT_SCRAM_MESSAGE_BYTES_MAX - text.pos ||
	    !read_challenge(client, message, &challenge))
		return MT_INVALID;
	MT_TRY(renew_keys(keys, password, &challenge));
	mt_buf_put_u8(&text, ',');
	mt_buf_put(&text, message);
	put_text(out, "c=");
	put_base64(out, bound(client->text, client->header_bytes, binding, header));
	put_text(out, ",r=");
	mt_buf_put(out, challenge.nonce);
	MT_CHECK(!text.is_overflown && !out->is_overflown);
	whole = auth_message(client->text, client->header_bytes, text.pos,
			     mt_bytes_of(out->data + from, out->pos - from), room);
	MT_TRY(prove(client, keys, whole, proof));
	put_text(out, ",p=");
	put_base64(out, mt_bytes_of(proof, sizeof(proof)));
	MT_CHECK(!out->is_overflown);
	client->step = CHALLENGED;
	return MT_OK;
}

enum mt_status mt_scram_client_verify(struct mt_scram_client *client, struct mt_bytes message)
{
	uint8_t signature[MT_SCRAM_KEY_BYTES];
	struct mt_bytes rest = message, value;
	bool is_last;
	if (client->step != CHALLENGED)
		return MT_INVALID;
	client->step = 0;
	if (mt_bytes_starts(message, mt_bytes_str("e=")))
		return MT_DENIED;
	if (!take_attribute(&rest, 'v', &value, &is_last) || !are_extensions(rest, is_last) ||
	    !read_key(value, signature))
		return MT_INVALID;
	return mt_bytes_equal_secret(mt_bytes_of(signature, sizeof(signature)),
				     mt_bytes_of(client->signature, sizeof(signature)))
		       ? MT_OK
		       : MT_DENIED;
}
