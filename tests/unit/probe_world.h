/* For the tests of the probe: certificates made as wished, and servers of which each connection is
 * a thread at the other end of a pair of sockets. */
#pragma once

#include "tls/parts.h"
#include "tls/probe_parts.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DAY_S 86400

struct identity {
	X509 *certificate;
	EVP_PKEY *key;
};

/* What a certificate shall be; zeros are the usual. */
struct wish {
	const char *subject;	       /* its CN */
	const char *names;	       /* "DNS:localhost"; NULL: none */
	const struct identity *issuer; /* NULL: itself */
	const EVP_MD *digest;	       /* SHA-256 */
	EVP_PKEY *key;		       /* taken over; a new one of P-256 */
	int begin_days;		       /* from now */
	int end_days;		       /* 100 */
	bool is_ca;
};

static inline void identity_extend(X509 *certificate, X509 *issuer, int id, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;
	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, id, value);
	assert_non_null(extension);
	assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

static inline struct identity identity_make(struct wish wish)
{
	static int serial;
	struct identity made = {X509_new(), wish.key ? wish.key : EVP_EC_gen("P-256")};
	X509 *x509 = made.certificate, *issuer = wish.issuer ? wish.issuer->certificate : x509;
	X509_NAME *name = X509_get_subject_name(x509);
	const unsigned char *text = (const unsigned char *)wish.subject;
	assert_non_null(made.key);
	X509_set_version(x509, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x509), ++serial);
	assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, text, -1, -1, 0), 1);
	X509_set_issuer_name(x509, X509_get_subject_name(issuer));
	X509_gmtime_adj(X509_getm_notBefore(x509), (long)wish.begin_days * DAY_S - 3600);
	X509_gmtime_adj(X509_getm_notAfter(x509),
			(long)(wish.end_days ? wish.end_days : 100) * DAY_S + 60);
	X509_set_pubkey(x509, made.key);
	if (wish.is_ca)
		identity_extend(x509, issuer, NID_basic_constraints, "critical,CA:TRUE");
	if (wish.names)
		identity_extend(x509, issuer, NID_subject_alt_name, wish.names);
	assert_true(X509_sign(x509, wish.issuer ? wish.issuer->key : made.key,
			      wish.digest ? wish.digest : EVP_sha256()) > 0);
	return made;
}

static inline void identity_free(struct identity *identity)
{
	X509_free(identity->certificate);
	EVP_PKEY_free(identity->key);
}

/* PEM, malloc'ed. */
static inline char *identity_pem(const struct identity *identity, bool is_key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data, *copy;
	long len;
	if (is_key)
		PEM_write_bio_PrivateKey(bio, identity->key, NULL, NULL, 0, NULL, NULL);
	else
		PEM_write_bio_X509(bio, identity->certificate);
	len = BIO_get_mem_data(bio, &data);
	copy = strndup(data, (size_t)len);
	BIO_free(bio);
	return copy;
}

struct server {
	SSL_CTX *ctx;		    /* of OpenSSL */
	struct mt_tls_context *own; /* or of ours */
	struct mt_bytes words;	    /* or what it says instead of TLS */
	bool is_silent;		    /* or says nothing at all */
	bool is_closing;	    /* or closes at once */
	uint32_t away_from;	    /* which connections are closed at once: a limit of rate */
	uint32_t away_count;
	uint32_t gone_from; /* from which on nobody answers; 0: never */
	uint32_t count;
	pthread_t thread;
	bool is_running;
	int fd;
};

/* Until the other end is closed. */
static inline void serve_silence(int fd)
{
	char data[1024];
	while (recv(fd, data, sizeof(data), 0) > 0)
		;
}

/* As programs do: what comes is read until it ends, an end is answered. */
static inline void serve_openssl(SSL_CTX *ctx, int fd)
{
	SSL *ssl = SSL_new(ctx);
	char data[1024];
	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1) {
		while (SSL_read(ssl, data, sizeof(data)) > 0)
			;
		if (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN)
			SSL_shutdown(ssl);
	}
	SSL_free(ssl);
	ERR_clear_error();
}

static inline bool give(int fd, struct mt_buf *out)
{
	size_t at = 0;
	while (at < out->pos) {
		ssize_t sent = send(fd, out->data + at, out->pos - at, MSG_NOSIGNAL);
		if (sent <= 0)
			return false;
		at += (size_t)sent;
	}
	out->pos = 0;
	return true;
}

static inline void serve_own(struct mt_tls_context *context, int fd)
{
	struct mt_tls_session *session = mt_tls_session_create_server(context);
	uint8_t *room = malloc(2 * MT_TLS_FLIGHT_BYTES_MAX), plain[1024], cipher[4096];
	struct mt_buf out = mt_buf_of(room, 2 * MT_TLS_FLIGHT_BYTES_MAX);
	enum mt_status status = MT_AGAIN;
	ssize_t got;
	size_t len;
	while (status == MT_AGAIN && (got = recv(fd, cipher, sizeof(cipher), 0)) > 0) {
		mt_tls_session_feed(session, mt_bytes_of(cipher, (size_t)got));
		do
			status = mt_tls_session_read(session, plain, sizeof(plain), &len, &out);
		while (status == MT_OK);
		if (status == MT_CLOSED)
			mt_tls_session_close(session, &out);
		if (!give(fd, &out))
			break;
	}
	mt_tls_session_destroy(&session);
	free(room);
}

static inline void *serve(void *context)
{
	struct server *server = context;
	bool is_away = server->count >= server->away_from &&
		       server->count < server->away_from + server->away_count;
	if (server->is_silent)
		serve_silence(server->fd);
	else if (server->words.len > 0) {
		(void)!send(server->fd, server->words.data, server->words.len, MSG_NOSIGNAL);
		shutdown(server->fd, SHUT_WR);
		serve_silence(server->fd);
	} else if (is_away || server->is_closing)
		;
	else if (server->own)
		serve_own(server->own, server->fd);
	else
		serve_openssl(server->ctx, server->fd);
	close(server->fd);
	return NULL;
}

static inline void server_rest(struct server *server)
{
	if (server->is_running)
		pthread_join(server->thread, NULL);
	server->is_running = false;
}

/* The dial of the probe: one connection is over when the next begins. */
static inline int server_dial(void *context, const char **reason)
{
	struct server *server = context;
	int pair[2];
	server_rest(server);
	server->count++;
	*reason = "nobody is there";
	if (server->gone_from > 0 && server->count >= server->gone_from)
		return -1;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	server->fd = pair[1];
	server->is_running = true;
	assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
	return pair[0];
}

/* A server of OpenSSL with everything that it can: versions from 1.0, at level 0. */
static inline SSL_CTX *server_context(const struct identity *identity)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"test", 4);
	if (identity) {
		assert_int_equal(SSL_CTX_use_certificate(ctx, identity->certificate), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(ctx, identity->key), 1);
	}
	return ctx;
}
