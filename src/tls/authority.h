/*
 * The local certificate authority of a first start: ECDSA P-256.
 *
 *   ca.pem (10 years, key 0600)  ->  issuing intermediate for servers (name constraints)  ->
 * server.pem
 *
 * The intermediate may sign only localhost, `.local`, the host's name and domain, loopback and
 * private address ranges (RFC 1918, RFC 4193, link-local); the root itself carries no constraint.
 * The server's chain file holds leaf and intermediate.
 */
#pragma once

#include "base/bytes.h"
#include "base/status.h"

struct mt_pem {
	char *text; /* malloc'ed, 0-terminated */
	size_t len;
};
void mt_pem_finish(struct mt_pem *pem); /* wipes, frees */

/* Names and addresses of a server certificate. */
struct mt_server_names {
	const char *const *dns; /* "localhost", "broker.example" */
	size_t dns_count;
	const char *const *addresses; /* "127.0.0.1", "::1" */
	size_t address_count;
};

/*
 * A new root: certificate and key. days of validity (1..36,500) from now_s (unix time); all begin
 * an hour earlier, for peers whose clocks lag, and none outlives its issuer. All of them:
 * MT_INVALID, MT_MEMORY, MT_TLS.
 */
MT_MUST_USE enum mt_status mt_authority_create(const char *common_name, int64_t now_s, int days,
					       struct mt_pem *certificate, struct mt_pem *key);
/* A server-issuing intermediate under the root with name constraints for these names. */
MT_MUST_USE enum mt_status
mt_authority_intermediate(const struct mt_pem *ca, const struct mt_pem *ca_key,
			  const struct mt_server_names *names, int64_t now_s, int days,
			  struct mt_pem *certificate, struct mt_pem *key);
/* A server certificate under the intermediate: `chain` is leaf then intermediate. MT_DENIED: the
 * intermediate's constraints do not allow a name; make a new intermediate first. */
MT_MUST_USE enum mt_status mt_authority_server(const struct mt_pem *issuer,
					       const struct mt_pem *issuer_key,
					       const struct mt_server_names *names, int64_t now_s,
					       int days, struct mt_pem *chain, struct mt_pem *key);
/* A client certificate under the root itself, with the URI as its only alternative name. */
MT_MUST_USE enum mt_status mt_authority_client(const struct mt_pem *ca, const struct mt_pem *ca_key,
					       const char *common_name, const char *uri,
					       int64_t now_s, int days, struct mt_pem *certificate,
					       struct mt_pem *key);
/* The key under a passphrase (PKCS #8, AES-256), and back without one. MT_DENIED: another
 * passphrase. */
MT_MUST_USE enum mt_status mt_authority_lock(const struct mt_pem *key, const char *passphrase,
					     struct mt_pem *out);
MT_MUST_USE enum mt_status mt_authority_unlock(const struct mt_pem *locked, const char *passphrase,
					       struct mt_pem *out);
/* Is it a CA, and its key? */
bool mt_authority_is_pair(const struct mt_pem *certificate, const struct mt_pem *key);
/* SHA-256 of the certificate's public key (SPKI), base64: the pin of a profile. out of 45 bytes. */
MT_MUST_USE enum mt_status mt_authority_pin(const struct mt_pem *certificate, char out[45]);
