/*
 * TLS sessions under hostile bytes.
 *
 *   input = mode | piece | bytes     mode 0: to a fresh server   1: to a fresh client
 *                                    2: written by one open end, must arrive whole at the other;
 * then fed raw as cipher
 */
#include "tls/authority.h"
#include "tls/context.h"
#include "tls/session.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerInitialize(int *count, char ***arguments);

static struct mt_tls_context *server_context;
static struct mt_tls_context *client_context;

struct end {
	struct mt_tls_session *session;
	uint8_t wire[2 * MT_TLS_FLIGHT_BYTES_MAX];
	struct mt_buf out;
	uint8_t plain[2 * MT_TLS_RECORD_BYTES_MAX];
	size_t plain_len;
};

static void write_file(const char *path, const struct mt_pem *pem)
{
	FILE *file = fopen(path, "wx");

	MT_CHECK(file && fwrite(pem->text, 1, pem->len, file) == pem->len && fclose(file) == 0);
}

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
	static const char *const dns[] = {"localhost"};
	const struct mt_server_names names = {dns, 1, NULL, 0};
	struct mt_pem ca, ca_key, issuer, issuer_key, chain, key;
	struct mt_pem *const all[] = {&ca, &ca_key, &issuer, &issuer_key, &chain, &key};
	char chain_path[64], key_path[64], fault[256];
	struct mt_tls_server_settings server = {.certificate_path = chain_path,
						.key_path = key_path};
	struct mt_tls_client_settings client = {.ca_path = NULL};
	int64_t now_s = (int64_t)time(NULL);

	(void)count;
	(void)arguments;
	MT_CHECK(mt_authority_create("Fuzz", now_s, 9, &ca, &ca_key) == MT_OK);
	MT_CHECK(mt_authority_intermediate(&ca, &ca_key, &names, now_s, 9, &issuer, &issuer_key) ==
		 MT_OK);
	MT_CHECK(mt_authority_server(&issuer, &issuer_key, &names, now_s, 9, &chain, &key) ==
		 MT_OK);
	umask(0077);
	snprintf(chain_path, sizeof(chain_path), "/tmp/mortise-fuzz-%d.pem", (int)getpid());
	snprintf(key_path, sizeof(key_path), "/tmp/mortise-fuzz-%d.key", (int)getpid());
	write_file(chain_path, &chain);
	write_file(key_path, &key);
	client.ca_pem = mt_bytes_of(ca.text, ca.len);
	MT_CHECK(mt_tls_context_create_server(&server, &server_context, fault, sizeof(fault)) ==
		 MT_OK);
	MT_CHECK(mt_tls_context_create_client(&client, &client_context, fault, sizeof(fault)) ==
		 MT_OK);
	unlink(chain_path);
	unlink(key_path);
	for (size_t i = 0; i < MT_COUNT_OF(all); i++)
		mt_pem_finish(all[i]);
	return 0;
}

/* Reads until the end stops; what a failure means for its caller must hold. */
static enum mt_status feed(struct end *end, struct mt_bytes cipher)
{
	enum mt_status status;
	size_t len;

	mt_tls_session_feed(end->session, cipher);
	do {
		uint8_t plain[4096];
		status = mt_tls_session_read(end->session, plain, sizeof(plain), &len, &end->out);
		if (status != MT_OK)
			break;
		MT_CHECK(len > 0 && mt_tls_session_is_open(end->session));
		if (len <= sizeof(end->plain) - end->plain_len)
			memcpy(end->plain + end->plain_len, plain, len);
		end->plain_len += len;
	} while (true);
	MT_CHECK(status == MT_AGAIN || status == MT_CLOSED || status == MT_TLS);
	MT_CHECK((status == MT_TLS) == (mt_tls_session_fault(end->session)[0] != '\0'));
	MT_CHECK(strlen(mt_tls_session_fault(end->session)) <= 200);
	MT_CHECK(ERR_peek_error() == 0);
	return status;
}

static void feed_pieces(struct end *end, struct mt_bytes cipher, size_t piece)
{
	while (cipher.len > 0) {
		size_t len = cipher.len < piece ? cipher.len : piece;
		enum mt_status status = feed(end, mt_bytes_of(cipher.data, len));
		cipher = mt_bytes_from(cipher, len);
		end->out.pos = 0;
		if (status != MT_AGAIN)
			MT_CHECK(feed(end, cipher) == status);
	}
}

static void begin(struct end *end, struct mt_tls_session *session)
{
	MT_CHECK(session != NULL);
	end->session = session;
	end->out = mt_buf_of(end->wire, sizeof(end->wire));
	end->plain_len = 0;
}

static void round_trip(struct end *client, struct end *server, struct mt_bytes bytes, size_t piece)
{
	MT_CHECK(feed(client, mt_bytes_of(NULL, 0)) == MT_AGAIN);
	for (int flight = 0; flight < 2; flight++) {
		MT_CHECK(feed(server, mt_buf_view(&client->out)) == MT_AGAIN);
		client->out.pos = 0;
		MT_CHECK(feed(client, mt_buf_view(&server->out)) == MT_AGAIN);
		server->out.pos = 0;
	}
	MT_CHECK(mt_tls_session_is_open(server->session) &&
		 mt_tls_session_is_open(client->session));
	MT_CHECK(mt_tls_session_write(client->session, bytes, &client->out) == MT_OK);
	MT_CHECK(feed(server, mt_buf_view(&client->out)) == MT_AGAIN);
	MT_CHECK(mt_bytes_equal(mt_bytes_of(server->plain, server->plain_len), bytes));
	feed_pieces(server, bytes, piece);
	MT_CHECK(server->plain_len == bytes.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct end client, server;
	struct mt_bytes bytes;
	size_t piece;

	if (len < 2 || len - 2 > MT_TLS_RECORD_BYTES_MAX)
		return 0;
	bytes = mt_bytes_of(data + 2, len - 2);
	piece = data[1] ? (size_t)data[1] * data[1] : 1;
	begin(&client, mt_tls_session_create_client(client_context, "localhost"));
	begin(&server, mt_tls_session_create_server(server_context));
	switch (data[0] % 3) {
	case 0:
		feed_pieces(&server, bytes, piece);
		break;
	case 1:
		MT_CHECK(feed(&client, mt_bytes_of(NULL, 0)) == MT_AGAIN);
		feed_pieces(&client, bytes, piece);
		break;
	default:
		round_trip(&client, &server, bytes, piece);
		break;
	}
	mt_tls_session_destroy(&client.session);
	mt_tls_session_destroy(&server.session);
	return 0;
}
