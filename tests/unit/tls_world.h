/* For the tests of TLS: an authority, its files, and two sessions joined in memory. */
#pragma once

#include "tls/authority.h"
#include "tls/context.h"
#include "tls/session.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define WIRE_BYTES (256u * 1024)

struct world {
	char folder[64];
	char ca_path[96];
	char other_ca_path[96];
	char chain_path[96];
	char key_path[96];
	struct mt_pem ca, ca_key, other, other_key, issuer, issuer_key, chain, key;
	struct mt_tls_context *server;
	struct mt_tls_context *client;
};

/* One end: its session, and the cipher bytes it has written. */
struct end {
	struct mt_tls_session *session;
	uint8_t wire[WIRE_BYTES];
	struct mt_buf out;
	enum mt_status last;
	uint8_t plain[WIRE_BYTES];
	size_t plain_len;
};

static const char *const world_dns[] = {"localhost", "broker.example.org"};
static const char *const world_addresses[] = {"127.0.0.1", "::1", "203.0.113.7"};
static const struct mt_server_names world_names = {world_dns, 2, world_addresses, 3};

static inline void world_file(const char *path, const struct mt_pem *pem, unsigned mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, pem->text, pem->len), (ssize_t)pem->len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static inline void world_make_contexts(struct world *world)
{
	struct mt_tls_server_settings server = {.certificate_path = world->chain_path,
						.key_path = world->key_path};
	struct mt_tls_client_settings client = {.ca_path = world->ca_path};
	char fault[256] = "";

	if (mt_tls_context_create_server(&server, &world->server, fault, sizeof(fault)) != MT_OK ||
	    mt_tls_context_create_client(&client, &world->client, fault, sizeof(fault)) != MT_OK)
		fail_msg("%s", fault);
}

static inline void world_open(struct world *world)
{
	int64_t now_s = (int64_t)time(NULL);

	memset(world, 0, sizeof(*world));
	snprintf(world->folder, sizeof(world->folder), "/tmp/mortise-test-XXXXXX");
	assert_non_null(mkdtemp(world->folder));
	snprintf(world->ca_path, sizeof(world->ca_path), "%s/ca.pem", world->folder);
	snprintf(world->other_ca_path, sizeof(world->other_ca_path), "%s/other.pem", world->folder);
	snprintf(world->chain_path, sizeof(world->chain_path), "%s/server.pem", world->folder);
	snprintf(world->key_path, sizeof(world->key_path), "%s/server.key", world->folder);
	assert_int_equal(mt_authority_create("Test CA", now_s, 3650, &world->ca, &world->ca_key),
			 MT_OK);
	assert_int_equal(
		mt_authority_create("Test CA", now_s, 3650, &world->other, &world->other_key),
		MT_OK);
	assert_int_equal(mt_authority_intermediate(&world->ca, &world->ca_key, &world_names, now_s,
						   1000, &world->issuer, &world->issuer_key),
			 MT_OK);
	assert_int_equal(mt_authority_server(&world->issuer, &world->issuer_key, &world_names,
					     now_s, 100, &world->chain, &world->key),
			 MT_OK);
	world_file(world->ca_path, &world->ca, 0644);
	world_file(world->other_ca_path, &world->other, 0644);
	world_file(world->chain_path, &world->chain, 0644);
	world_file(world->key_path, &world->key, 0600);
	world_make_contexts(world);
}

static inline void world_close(struct world *world)
{
	struct mt_pem *pems[] = {&world->ca,	    &world->ca_key, &world->other,
				 &world->other_key, &world->issuer, &world->issuer_key,
				 &world->chain,	    &world->key};

	mt_tls_context_destroy(&world->server);
	mt_tls_context_destroy(&world->client);
	for (size_t i = 0; i < MT_COUNT_OF(pems); i++)
		mt_pem_finish(pems[i]);
	unlink(world->ca_path);
	unlink(world->other_ca_path);
	unlink(world->chain_path);
	unlink(world->key_path);
	assert_int_equal(rmdir(world->folder), 0);
}

static inline struct end *end_of(struct mt_tls_session *session)
{
	struct end *end = calloc(1, sizeof(*end));

	assert_non_null(end);
	assert_non_null(session);
	end->session = session;
	end->out = mt_buf_of(end->wire, sizeof(end->wire));
	end->last = MT_AGAIN;
	return end;
}

static inline void end_free(struct end *end)
{
	mt_tls_session_destroy(&end->session);
	assert_null(end->session);
	free(end);
}

/* Reads until nothing more comes; plain bytes are collected. */
static inline enum mt_status end_go_on(struct end *end)
{
	size_t len = 0;

	do {
		end->last =
			mt_tls_session_read(end->session, end->plain + end->plain_len,
					    sizeof(end->plain) - end->plain_len, &len, &end->out);
		if (end->last == MT_OK)
			end->plain_len += len;
	} while (end->last == MT_OK);
	return end->last;
}

static inline enum mt_status end_feed(struct end *end, struct mt_bytes cipher)
{
	mt_tls_session_feed(end->session, cipher);
	return end_go_on(end);
}

/* Carries everything that `from` has written to `to`, in pieces of at most `piece` bytes. */
static inline void carry(struct end *from, struct end *to, size_t piece)
{
	struct mt_bytes left = mt_buf_view(&from->out);

	while (left.len > 0 && to->last != MT_TLS && to->last != MT_CLOSED) {
		size_t len = left.len < piece ? left.len : piece;
		end_feed(to, mt_bytes_of(left.data, len));
		left = mt_bytes_from(left, len);
	}
	from->out.pos = 0;
}

/* Exchanges flights until both ends are silent. */
static inline void settle(struct end *client, struct end *server, size_t piece)
{
	end_feed(client, mt_bytes_of(NULL, 0));
	while (client->out.pos > 0 || server->out.pos > 0) {
		carry(client, server, piece);
		carry(server, client, piece);
	}
}
