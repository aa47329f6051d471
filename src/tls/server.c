/* The server's side: its certificate, and the protocol it speaks. */
#include "tls/parts.h"

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

enum mt_status mt_tls_context_create_server(const struct mt_tls_server_settings *settings,
					    struct mt_tls_context **out, char *fault, size_t cap)
{
	struct mt_tls_context *context;
	enum mt_status status;

	MT_TRY(mt_tls_context_create(TLS_server_method(), &context, fault, cap));
	/* The library's argument has no const; it is only read. */
	SSL_CTX_set_alpn_select_cb(context->ctx, select_protocol,
				   (void *)(uintptr_t)(settings->is_http ? http : mqtt));
	status = mt_tls_identity_load(context->ctx, settings->certificate_path, settings->key_path,
				      fault, cap);
	return mt_tls_context_conclude(context, status, out);
}

struct mt_tls_session *mt_tls_session_create_server(struct mt_tls_context *context)
{
	struct mt_tls_session *session = mt_tls_session_create(context);

	if (session)
		SSL_set_accept_state(mt_tls_session_ssl(session));
	return session;
}
