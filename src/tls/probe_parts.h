/* What the files of the probe share among themselves; nobody else includes it. */
#pragma once

#include "base/buf.h"
#include "tls/probe.h"

#include <openssl/ssl.h>

#define MT_PROBE_ALL_SUITES "ALL:COMPLEMENTOFALL"
#define MT_PROBE_ALL_SUITES_13 \
	"TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:" \
	"TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256"

struct mt_probe {
	const struct mt_probe_settings *settings;
	struct mt_probe_facts *facts;
	struct mt_tls_context *trust; /* holds the CAs, and our certificate */
	SSL_CTX *anonymous;
	SSL_CTX *identified;	/* the same with our certificate; NULL: there is none */
	STACK_OF(X509) * chain; /* of the server, leaf first; NULL: none came yet */
	char name[254];
	bool is_address;
	bool offers_alpn;
	bool is_over;	   /* nothing more is tried */
	bool is_leisurely; /* the server does not close when we say that it is the end */
	uint32_t silences;
};

/* ---- probe_wire.c: a socket with a deadline ---- */

struct mt_probe_wire {
	int fd; /* -1: none */
	int64_t deadline_ms;
	uint32_t sent_bytes;
	uint32_t received_bytes;
	uint8_t first[16]; /* that ever came */
	uint32_t first_count;
	bool is_late;	/* the deadline passed */
	bool is_closed; /* by the other end, properly or not */
};
int64_t mt_probe_clock_ns(void);
/* Dials, and counts it. False with *reason. */
bool mt_probe_wire_open(struct mt_probe *probe, struct mt_probe_wire *wire, const char **reason);
/* Bytes taken or given; 0: the other end is closed (reading), -1: failed or late. */
int mt_probe_wire_receive(struct mt_probe_wire *wire, void *to, size_t cap);
int mt_probe_wire_send(struct mt_probe_wire *wire, const void *from, size_t len);
void mt_probe_wire_close(struct mt_probe_wire *wire);
/* What came first looks like a record of TLS. */
bool mt_probe_wire_is_tls(const struct mt_probe_wire *wire);

/* ---- probe_hello.c: hellos by hand, for what the library cannot offer ---- */

struct mt_probe_offer {
	uint16_t version; /* 0x0300 .. 0x0303 */
	const uint16_t *suites;
	size_t suite_count;
	bool is_compressing;
	const char *name; /* NULL: no SNI */
};

struct mt_probe_hello {
	uint16_t version; /* that was chosen */
	uint16_t suite;
	uint8_t compression;
	bool is_retry;		/* of TLS 1.3: a wish for another group */
	bool has_master_secret; /* extended, RFC 7627 */
	bool has_renegotiation; /* secure, RFC 5746 */
};
/* A record with a ClientHello. Overflows `out` when it is below 2 KiB or there are more than 256
 * suites. */
void mt_probe_hello_write(const struct mt_probe_offer *offer, struct mt_buf *out);
/* The body of a ServerHello, without the four bytes before it. */
MT_MUST_USE bool mt_probe_hello_read(struct mt_bytes body, struct mt_probe_hello *out);
/* Offers and hears. YES: *out is what was chosen. */
enum mt_probe_answer mt_probe_hello_try(struct mt_probe *probe, const struct mt_probe_offer *offer,
					struct mt_probe_hello *out);
/* SSL 3.0, suites that the library lacks, pre-shared keys, compression. */
void mt_probe_old_version(struct mt_probe *probe);
void mt_probe_old_suites(struct mt_probe *probe);
void mt_probe_psk(struct mt_probe *probe);
void mt_probe_compression(struct mt_probe *probe);

/* ---- probe_link.c: one TLS connection ---- */

struct mt_probe_how {
	int least; /* TLS1_VERSION ... */
	int most;
	int level;
	const char *suites;    /* NULL: those of the library at that level */
	const char *suites_13; /* the same */
	const char *groups;    /* the same */
	SSL_SESSION *session;  /* to go on from; NULL: in full */
	uint32_t tickets;      /* to wait for before it is broken off */
	bool is_identified;
	bool is_ticketless;
	bool is_stapling;
	bool is_renegotiating;
	bool is_cut; /* ends without close_notify */
};

enum mt_probe_end {
	MT_PROBE_OPENED,
	MT_PROBE_REFUSED,  /* by an alert */
	MT_PROBE_CLOSED,   /* without one */
	MT_PROBE_SILENT,   /* nothing came in time */
	MT_PROBE_FOREIGN,  /* what came is not TLS */
	MT_PROBE_BROKEN,   /* what came is not what it should be */
	MT_PROBE_UNREACHED /* no connection */
};

struct mt_probe_link {
	struct mt_probe *probe;
	struct mt_probe_wire wire;
	SSL *ssl;
	SSL_SESSION *session; /* to go on from, after a handshake that succeeded; may be taken */
	enum mt_probe_end end;
	struct mt_probe_hello hello;
	bool has_hello;	   /* a ServerHello that is no retry */
	bool is_demanding; /* CertificateRequest came */
	bool is_open;	   /* the handshake was finished, whatever came then */
	bool is_resumed;
	uint8_t alert; /* that came; 0: none */
	uint32_t hellos;
	uint32_t tickets; /* NewSessionTicket messages */
	int64_t ns;	  /* that the handshake took */
	uint32_t sent_bytes;
	uint32_t received_bytes;
	char fault[MT_PROBE_TEXT_BYTES]; /* why it failed; "" */
};

/* One connection from beginning to end; `link` holds what came of it until it is freed. */
void mt_probe_link_once(struct mt_probe *probe, const struct mt_probe_how *how,
			struct mt_probe_link *link);
/* The same, and when it is not clear whether the server or the network refused, once more after one
 * that is known to succeed. */
void mt_probe_link_try(struct mt_probe *probe, const struct mt_probe_how *how,
		       struct mt_probe_link *link);
void mt_probe_link_free(struct mt_probe_link *link);
/* The server chose that version. */
enum mt_probe_answer mt_probe_link_answer(const struct mt_probe_link *link, int version);
/* Anything at all that the library knows. */
extern const struct mt_probe_how mt_probe_anything;
/* After a failure that says nothing: waits until the server answers again. False: it is over. */
bool mt_probe_recover(struct mt_probe *probe);
/* No answer in time: what is asked too often in vain is asked no more. */
void mt_probe_note_silence(struct mt_probe *probe);
/* A SSL object's BIO over the wire; NULL without memory. */
BIO *mt_probe_bio(struct mt_probe_wire *wire);

/* ---- the parts of an examination ---- */

/* What speaks there, when it is not TLS: "plain MQTT"; NULL: unknown. */
const char *mt_probe_plain(struct mt_probe *probe, const struct mt_probe_link *contact);
void mt_probe_versions(struct mt_probe *probe);
void mt_probe_suites_of(struct mt_probe *probe);
void mt_probe_groups_of(struct mt_probe *probe);
/* Keeps the certificates of the link, unless there are some. */
void mt_probe_chain_keep(struct mt_probe *probe, SSL *ssl);
void mt_probe_chain_judge(struct mt_probe *probe);
void mt_probe_staple_judge(struct mt_probe *probe, const uint8_t *der, long len);
void mt_probe_resumptions(struct mt_probe *probe);
/* Text of the server into out, made harmless. */
void mt_probe_text(struct mt_bytes from, char *out, size_t cap);
