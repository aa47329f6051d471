/*
 * What the connections of one listener (or one client) share: certificate, key, trust, rules.
 *
 * TLS 1.2 and 1.3 only, 1.3 preferred, X25519 before P-256, AEAD suites with forward secrecy only,
 * no renegotiation, no compression, no 0-RTT, ALPN `mqtt`, or `http/1.1` (none is accepted too),
 * SSL_MODE_RELEASE_BUFFERS. Resumption is off until it can be voided by identity.
 */
#pragma once

#include "base/bytes.h"
#include "base/status.h"

struct mt_tls_context;

struct mt_tls_server_settings {
	const char *certificate_path; /* PEM chain, leaf first */
	const char *key_path;	      /* PEM; refused when others than the owner may read it */
	bool is_http;		      /* ALPN http/1.1, for WebSocket, instead of mqtt */
};

struct mt_tls_client_settings {
	const char *ca_path;	/* PEM file; NULL: see ca_pem, then the system's store */
	struct mt_bytes ca_pem; /* in memory (from a profile); empty: none. When given, only this CA
				   is trusted */
	const char *certificate_path; /* NULL: none */
	const char *key_path;
};

/* fault: why not, one sentence with the path, written on failure into fault[0..cap). MT_NOT_FOUND,
 * MT_DENIED, MT_INVALID, MT_TLS. */
MT_MUST_USE enum mt_status
mt_tls_context_create_server(const struct mt_tls_server_settings *settings,
			     struct mt_tls_context **out, char *fault, size_t cap);
MT_MUST_USE enum mt_status
mt_tls_context_create_client(const struct mt_tls_client_settings *settings,
			     struct mt_tls_context **out, char *fault, size_t cap);
void mt_tls_context_destroy(struct mt_tls_context **context);
