/*
 * Examines a TLS server from outside, as a client: each fact is found by trying it, on a connection
 * of its own, and what could not be tried is unknown.
 *
 *   dial -> contact -> versions -> suites -> groups -> chain, staple -> client certificate ->
 * resumption -> renegotiation, compression
 *
 * What is weak (versions below 1.2, suites of old) is tried with the library's security level 0 and
 * without the client certificate; everything else as our own clients do. Texts that come from the
 * server are UTF-8 without control characters, cut to their room. Threading: one thread; blocks,
 * but each connection for `timeout_ms` at most, and after three silent ones it gives up.
 */
#pragma once

#include "tls/context.h"

#define MT_PROBE_CHAIN_MAX 8u
#define MT_PROBE_NAMES_MAX 16u
#define MT_PROBE_SUITES_MAX 64u
#define MT_PROBE_TEXT_BYTES 256u
#define MT_PROBE_ROUNDS 5u /* handshakes of each kind that are measured */
#define MT_PROBE_CUTS 4u   /* connections that are broken off */

enum mt_probe_answer { MT_PROBE_UNKNOWN, MT_PROBE_NO, MT_PROBE_YES };

enum mt_probe_version {
	MT_PROBE_SSL_30,
	MT_PROBE_TLS_10,
	MT_PROBE_TLS_11,
	MT_PROBE_TLS_12,
	MT_PROBE_TLS_13,
	MT_PROBE_VERSIONS
};

enum mt_probe_group {
	MT_PROBE_X25519,
	MT_PROBE_P256,
	MT_PROBE_P384,
	MT_PROBE_X448,
	MT_PROBE_FFDHE2048,
	MT_PROBE_GROUPS
};

/* Whose preference decides. */
enum mt_probe_order { MT_PROBE_ORDER_UNKNOWN, MT_PROBE_ORDER_SERVER, MT_PROBE_ORDER_CLIENT };

enum mt_probe_demand {
	MT_PROBE_DEMAND_UNKNOWN,
	MT_PROBE_NOT_ASKED,
	MT_PROBE_OPTIONAL,
	MT_PROBE_REQUIRED
};

struct mt_probe_suite {
	char name[48]; /* as OpenSSL calls it */
	uint16_t id;
	uint16_t dh_bits; /* of a finite field that the server chose; 0: none */
	bool is_forward_secret;
	bool is_aead;
	bool is_broken; /* no encryption, no authentication, or a cipher that is broken */
};

struct mt_probe_suites {
	struct mt_probe_suite
		items[MT_PROBE_SUITES_MAX]; /* in the order that the server chose them */
	uint32_t count;
	enum mt_probe_order order;
};

struct mt_probe_certificate {
	char subject[MT_PROBE_TEXT_BYTES];
	char issuer[MT_PROBE_TEXT_BYTES];
	char key[32]; /* "EC P-256", "RSA" */
	char signature[48];
	char names[MT_PROBE_NAMES_MAX]
		  [MT_PROBE_TEXT_BYTES]; /* "DNS:x", "IP:x"; empty ones are unused */
	uint32_t name_count;		 /* of all, even those that found no room */
	uint32_t key_bits;
	uint32_t bytes;
	int64_t not_before_s; /* unix time */
	int64_t not_after_s;
	bool is_self_issued;
	bool is_rsa;
	bool is_signature_weak; /* MD5, SHA-1 */
};

/* The OCSP response that came with the handshake. */
struct mt_probe_staple {
	enum mt_probe_answer is_sent;
	enum mt_probe_answer is_trusted; /* signed by who may */
	char status[16];		 /* "good", "revoked", "unknown"; "" */
	char fault[MT_PROBE_TEXT_BYTES]; /* why it is worth nothing; "" */
	int64_t this_update_s;		 /* 0: not said */
	int64_t next_update_s;
};

enum mt_probe_way { MT_PROBE_ID_12, MT_PROBE_TICKET_12, MT_PROBE_TICKET_13, MT_PROBE_WAYS };

/* The median of `count` handshakes, from the first byte sent to the finished handshake. */
struct mt_probe_cost {
	int64_t ns;
	uint32_t sent_bytes;	 /* of one of them */
	uint32_t received_bytes; /* tickets of TLS 1.3 included */
	uint32_t count;
};

struct mt_probe_resumption {
	enum mt_probe_answer is_offered; /* an id or a ticket was given out */
	uint32_t tries;			 /* each with the newest session, after a proper end */
	uint32_t resumed;
	uint32_t cuts; /* the same after a connection was broken off */
	uint32_t cuts_resumed;
	uint32_t tickets;	/* of a handshake in full */
	uint32_t tickets_again; /* of one that was resumed */
	uint32_t lifetime_s;	/* that the server hints at; 0: none */
	uint32_t ticket_bytes;
	uint32_t early_bytes; /* of 0-RTT data that it would take */
	struct mt_probe_cost full_cost;
	struct mt_probe_cost resumed_cost;
};

struct mt_probe_facts {
	enum mt_probe_answer versions[MT_PROBE_VERSIONS];
	struct mt_probe_suites suites_12;
	struct mt_probe_suites suites_13;
	enum mt_probe_answer has_old_suites; /* RC4, DES and others that the library lacks */
	enum mt_probe_answer has_psk;	     /* suites with pre-shared keys, TLS 1.2 */
	enum mt_probe_answer groups[MT_PROBE_GROUPS];
	enum mt_probe_group group; /* that it chose of all; MT_PROBE_GROUPS: none */
	enum mt_probe_order group_order;
	char refusal[MT_PROBE_TEXT_BYTES]; /* why a client of today's rules cannot connect; "" */

	struct mt_probe_certificate chain[MT_PROBE_CHAIN_MAX];
	uint32_t chain_count; /* at most MT_PROBE_CHAIN_MAX */
	enum mt_probe_answer is_trusted;
	enum mt_probe_answer is_named;		/* bears the name that was asked for */
	char distrust[2 * MT_PROBE_TEXT_BYTES]; /* why it is not trusted, one sentence; "" */
	struct mt_probe_staple staple;

	enum mt_probe_demand client_certificate;
	enum mt_probe_answer is_certificate_taken; /* ours; unknown: there is none */
	char certificate_refusal[MT_PROBE_TEXT_BYTES];

	struct mt_probe_resumption ways[MT_PROBE_WAYS];
	enum mt_probe_answer renegotiates;		 /* when the client asks, TLS 1.2 */
	enum mt_probe_answer has_secure_renegotiation;	 /* RFC 5746, TLS 1.2 */
	enum mt_probe_answer has_extended_master_secret; /* RFC 7627, TLS 1.2 */
	enum mt_probe_answer compresses;
	enum mt_probe_answer has_alpn; /* `mqtt` was chosen */

	uint32_t connections;		   /* that it took to find out */
	char stopped[MT_PROBE_TEXT_BYTES]; /* why the rest could not be tried; "" */
};

struct mt_probe_settings {
	/* A connected stream socket, which the probe closes; -1 with *reason (static text). */
	int (*dial)(void *context, const char **reason);
	void *context;
	const char *name; /* for SNI, unless it is an address, and the check of the names */
	struct mt_tls_client_settings trust; /* and, with certificate_path, who we are */
	uint32_t timeout_ms;		     /* of one connection, at least 1 */
	int64_t now_s;			     /* unix time that certificates are judged by */
};

/*
 * Fills *out. MT_OK: examined, whatever was found. Otherwise *out is not written, and fault[0..cap)
 * says why: MT_UNREACHABLE nobody answers, MT_TIMEOUT connections are taken and nothing is said,
 * MT_VIOLATION no TLS (and what it is), MT_LIMIT the name is too long; and what
 * mt_tls_context_create_client says of files.
 */
MT_MUST_USE enum mt_status mt_probe_run(const struct mt_probe_settings *settings,
					struct mt_probe_facts *out, char *fault, size_t cap);

const char *mt_probe_version_name(enum mt_probe_version version); /* "TLS 1.3" */
const char *mt_probe_group_name(enum mt_probe_group group);	  /* "X25519" */
