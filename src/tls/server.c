/* The server's side: its certificate, and the protocol it speaks. */
#include "tls/parts.h"

#include <time.h>

static const char mqtt[] = "mqtt", http[] = "http/1.1";

/* Who offers only other protocols is served without a selection, like who offers none. */
static int select_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
			   const unsigned char *in, unsigned in_len, void *context)
{
	struct mt_bytes protocol = mt_bytes_str(context);
	(void)ssl;
	for (size_t at = 0; at < in_len && in_len - at > in[at]; at += 1u + in[at]) {
		if (!mt_bytes_equal(mt_bytes_of(in + at + 1, in[at]), protocol))
			continue;
		*out = protocol.data;
		*out_len = (unsigned char)protocol.len;
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_NOACK;
}

/* Of a further pair the library says only in use whether it can be used. */
static enum mt_status try_own(SSL_CTX *ctx, const struct mt_tls_own *own, const char *path,
			      char *fault, size_t cap)
{
	SSL *ssl = SSL_new(ctx);
	bool is_good =
		ssl && SSL_use_cert_and_key(ssl, own->certificate, own->key, own->chain, 1) == 1;
	SSL_free(ssl);
	if (is_good)
		return MT_OK;
	mt_tls_fault_say(fault, cap, "cannot use the certificate %s: %s", path,
			 mt_tls_fault_reason());
	return MT_INVALID;
}

static enum mt_status load_pair(struct mt_tls_context *context, const struct mt_tls_pair *pair,
				char *fault, size_t cap)
{
	struct mt_tls_own *own = &context->own[context->own_count];
	MT_TRY(mt_tls_own_load(pair->certificate_path, pair->key_path, own, fault, cap));
	/* Without its staple a certificate is as good as one that has none. */
	if (pair->staple_path && pair->staple_path[0] != '\0' &&
	    mt_tls_staple_load(own, pair->staple_path, context->warning,
			       sizeof(context->warning)) == MT_MEMORY)
		return MT_MEMORY;
	if (context->own_count == 0)
		MT_TRY(mt_tls_own_use(context->ctx, own, pair->certificate_path, fault, cap));
	else
		MT_TRY(try_own(context->ctx, own, pair->certificate_path, fault, cap));
	context->own_count++;
	return MT_OK;
}

static enum mt_status load(struct mt_tls_context *context,
			   const struct mt_tls_server_settings *settings, char *fault, size_t cap)
{
	struct mt_tls_pair first = {settings->certificate_path, settings->key_path,
				    settings->staple_path};
	MT_CHECK(settings->more_count < MT_TLS_PAIRS_MAX);
	/* The library's argument has no const; it is only read. */
	SSL_CTX_set_alpn_select_cb(context->ctx, select_protocol,
				   (void *)(uintptr_t)(settings->is_http ? http : mqtt));
	mt_tls_meet_clients(context->ctx);
	if (settings->counts)
		context->counts = settings->counts;
	MT_TRY(load_pair(context, &first, fault, cap));
	for (uint32_t i = 0; i < settings->more_count; i++)
		MT_TRY(load_pair(context, &settings->more[i], fault, cap));
	MT_TRY(mt_tls_trust_load(context, settings, fault, cap));
	if (mt_tls_staple_offer(context->ctx) && (!settings->has_psk || mt_tls_psk_offer(context)))
		return MT_OK;
	mt_tls_fault_say(fault, cap, "the TLS library cannot do what is needed: %s",
			 mt_tls_fault_reason());
	return MT_TLS;
}

enum mt_status mt_tls_context_create_server(const struct mt_tls_server_settings *settings,
					    struct mt_tls_context **out, char *fault, size_t cap)
{
	struct mt_tls_context *context;

	MT_TRY(mt_tls_context_create(TLS_server_method(), &context, fault, cap));
	return mt_tls_context_conclude(context, load(context, settings, fault, cap), out);
}

struct mt_tls_session *mt_tls_session_create_server(struct mt_tls_context *context)
{
	struct mt_tls_session *session = mt_tls_session_create(context);

	if (session)
		SSL_set_accept_state(mt_tls_session_ssl(session));
	return session;
}

static int64_t end_of(const X509 *certificate)
{
	struct tm end;
	return ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) == 1 ? (int64_t)timegm(&end)
									   : 0;
}

int64_t mt_tls_context_not_after(const struct mt_tls_context *context)
{
	int64_t first_s = INT64_MAX;
	for (uint32_t i = 0; i < context->own_count; i++) {
		const struct mt_tls_own *own = &context->own[i];
		int64_t end_s = end_of(own->certificate);
		for (int j = 0; j < sk_X509_num(own->chain); j++)
			if (end_of(sk_X509_value(own->chain, j)) < end_s)
				end_s = end_of(sk_X509_value(own->chain, j));
		if (end_s < first_s)
			first_s = end_s;
	}
	return first_s;
}

const char *mt_tls_context_warning(const struct mt_tls_context *context)
{
	return context->warning;
}
