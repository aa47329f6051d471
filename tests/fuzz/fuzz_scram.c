/* SCRAM: whatever a client says, the server's answers fit and nobody is let in but by the proof of
 * the example of RFC 7677; whatever a server says, a client without a password derives nothing. The
 * input is a byte of switches and two messages with a line feed between them. */
#include "crypto/scram.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NONCE "rOprNGfwEbeRWgbNEkqO"

/* Of the password "pencil" and the salt of RFC 7677 section 3. */
static const uint8_t salt[MT_SCRAM_SALT_BYTES] = {0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e,
						  0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81};

static const struct mt_scram_verifier *verifier(void)
{
	static struct mt_scram_verifier made;
	if (made.iterations == 0)
		MT_CHECK(mt_scram_verifier_make(mt_bytes_str("pencil"), salt,
						MT_SCRAM_ITERATIONS_MIN, &made) == MT_OK);
	return &made;
}

static void serve(bool is_plus, const uint8_t *binding, struct mt_bytes first,
		  struct mt_bytes final)
{
	static const char signature[] = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
	uint8_t room[MT_SCRAM_MESSAGE_BYTES_MAX];
	struct mt_buf out = mt_buf_of(room, sizeof(room));
	struct mt_scram_server server;
	struct mt_bytes user;
	if (mt_scram_server_begin(&server, is_plus, binding, first) != MT_OK)
		return;
	user = mt_bytes_of(server.user, server.user_bytes);
	MT_CHECK(mt_scram_takes_user(user));
	mt_scram_server_challenge(&server, verifier(), "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", &out);
	MT_CHECK(!out.is_overflown && out.pos > 0);
	out.pos = 0;
	if (mt_scram_server_finish(&server, final, &out) != MT_OK)
		MT_CHECK(out.pos == 0);
	else if (!is_plus && mt_bytes_equal(first, mt_bytes_str("n,,n=user,r=" NONCE)))
		MT_CHECK(mt_bytes_equal(mt_buf_view(&out), mt_bytes_str(signature)));
	else
		MT_CHECK(false); /* a forgery */
}

static void connect(const uint8_t *binding, struct mt_bytes first, struct mt_bytes final)
{
	uint8_t room[MT_SCRAM_MESSAGE_BYTES_MAX];
	struct mt_buf out = mt_buf_of(room, sizeof(room));
	struct mt_scram_client client;
	struct mt_scram_keys keys = {.iterations = MT_SCRAM_ITERATIONS_MIN,
				     .salt_bytes = sizeof(salt)};
	memcpy(keys.salt, salt, sizeof(salt));
	MT_CHECK(mt_scram_client_begin(&client, binding != NULL, mt_bytes_str("user"), NONCE,
				       &out) == MT_OK);
	out.pos = 0;
	if (mt_scram_client_prove(&client, binding, mt_bytes_of(NULL, 0), &keys, first, &out) !=
	    MT_OK)
		return;
	MT_CHECK(!out.is_overflown && mt_bytes_starts(mt_buf_view(&out), mt_bytes_str("c=")));
	MT_CHECK(mt_scram_client_verify(&client, final) != MT_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t channel[MT_SCRAM_BINDING_BYTES] = {1, 2, 3};
	uint8_t *block = malloc(size + 1);
	const uint8_t *line;
	struct mt_bytes first, final = {NULL, 0};
	MT_CHECK(block != NULL);
	memcpy(block, size > 0 ? data : channel, size > 0 ? size : 1);
	first = mt_bytes_of(block + 1, size > 0 ? size - 1 : 0);
	line = first.len > 0 ? memchr(first.data, '\n', first.len) : NULL;
	if (line) {
		first.len = (size_t)(line - first.data);
		final = mt_bytes_of(line + 1, (size_t)(block + size - line - 1));
	}
	if (block[0] & 4)
		connect(block[0] & 1 ? channel : NULL, first, final);
	else
		serve(block[0] & 2, block[0] & 1 ? channel : NULL, first, final);
	free(block);
	return 0;
}
