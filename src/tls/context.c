/* The rules that every TLS connection of ours follows, client or server. */
#include "tls/parts.h"

#include <openssl/err.h>
#include <stdlib.h>

/* The largest chain of a peer that is read, in bytes. */
#define PEER_CHAIN_BYTES_MAX (16 * 1024)

#define SUITES_13 "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384"
#define SIGNATURES \
	"ecdsa_secp256r1_sha256:ed25519:rsa_pss_rsae_sha256:ecdsa_secp384r1_sha384:rsa_pss_rsae_" \
	"sha384:" \
	"rsa_pss_rsae_sha512:rsa_pkcs1_sha256:rsa_pkcs1_sha384:rsa_pkcs1_sha512"

static bool apply_rules(SSL_CTX *ctx)
{
	/* 112 bits: no RSA below 2048, no SHA-1, whatever the system's configuration says. */
	SSL_CTX_set_security_level(ctx, 2);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					 SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_PRIORITIZE_CHACHA);
	/* Without NO_AUTO_CHAIN a lone certificate is searched for its chain in every handshake. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_cert_list(ctx, PEER_CHAIN_BYTES_MAX);
	SSL_CTX_set_default_passwd_cb(ctx, mt_tls_pem_no_passphrase);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
	       SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_cipher_list(ctx, MT_TLS_SUITES_12) == 1 &&
	       SSL_CTX_set_ciphersuites(ctx, SUITES_13) == 1 &&
	       SSL_CTX_set1_groups_list(ctx, "X25519:P-256") == 1 &&
	       SSL_CTX_set1_sigalgs_list(ctx, SIGNATURES) == 1 &&
	       SSL_CTX_set_num_tickets(ctx, 0) == 1;
}

enum mt_status mt_tls_context_create(const SSL_METHOD *method, struct mt_tls_context **out,
				     char *fault, size_t cap)
{
	struct mt_tls_context *context = calloc(1, sizeof(*context));

	if (!context) {
		mt_tls_fault_say(fault, cap, "no memory for TLS");
		return MT_MEMORY;
	}
	ERR_clear_error();
	atomic_init(&context->ref_count, 1);
	pthread_mutex_init(&context->lock, NULL);
	context->counts = &context->own_counts;
	context->ctx = SSL_CTX_new(method);
	if (!context->ctx || SSL_CTX_set_app_data(context->ctx, context) != 1 ||
	    !apply_rules(context->ctx)) {
		mt_tls_fault_say(fault, cap, "the TLS library cannot do what is needed: %s",
				 mt_tls_fault_reason());
		mt_tls_context_destroy(&context);
		return MT_TLS;
	}
	*out = context;
	return MT_OK;
}

enum mt_status mt_tls_context_conclude(struct mt_tls_context *context, enum mt_status status,
				       struct mt_tls_context **out)
{
	if (status == MT_OK)
		*out = context;
	else
		mt_tls_context_destroy(&context);
	return status;
}

static void destroy(struct mt_tls_context *context)
{
	mt_tls_context_forget(context);
	SSL_CTX_free(context->ctx);
	for (uint32_t i = 0; i < MT_TLS_PAIRS_MAX; i++)
		mt_tls_own_finish(&context->own[i]);
	sk_X509_CRL_pop_free(context->crls, X509_CRL_free);
	mt_book_unref(&context->book);
	pthread_mutex_destroy(&context->lock);
	ERR_clear_error();
	free(context);
}

void mt_tls_context_destroy(struct mt_tls_context **context)
{
	struct mt_tls_context *old = context ? *context : NULL;
	if (!old)
		return;
	*context = NULL;
	if (atomic_fetch_sub_explicit(&old->ref_count, 1, memory_order_acq_rel) == 1)
		destroy(old);
}

struct mt_tls_context *mt_tls_context_ref(struct mt_tls_context *context)
{
	atomic_fetch_add_explicit(&context->ref_count, 1, memory_order_relaxed);
	return context;
}

void mt_tls_context_set_book(struct mt_tls_context *context, struct mt_book *book)
{
	struct mt_book *old;
	pthread_mutex_lock(&context->lock);
	old = context->book;
	context->book = book ? mt_book_ref(book) : NULL;
	pthread_mutex_unlock(&context->lock);
	mt_book_unref(&old);
}

const char *mt_tls_outcome_name(enum mt_tls_outcome outcome)
{
	static const char *const names[] = {
#define X(name, id, meaning) name,
		MT_TABLE_TLS_COUNTS(X)
#undef X
	};
	MT_CHECK((size_t)outcome < MT_COUNT_OF(names));
	return names[outcome];
}

void mt_tls_context_add(struct mt_tls_context *context, enum mt_tls_outcome outcome, uint64_t count)
{
	atomic_fetch_add_explicit(&context->counts->of[outcome], count, memory_order_relaxed);
}

void mt_tls_context_count(struct mt_tls_context *context, enum mt_tls_outcome outcome)
{
	mt_tls_context_add(context, outcome, 1);
}

uint64_t mt_tls_context_counted(const struct mt_tls_context *context, enum mt_tls_outcome outcome)
{
	return atomic_load_explicit(&context->counts->of[outcome], memory_order_relaxed);
}
