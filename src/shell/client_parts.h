/*
 * What the files of the client library's shell share: one client, its options, its connection.
 *
 *   client_options  what was asked for  ->  client_link  socket, TLS, reconnect  <->
 * client/client.h  the protocol client   the public functions    client_wait   the blocking ones
 * client_props   properties client_subs   subscriptions to renew    client_profile   profiles
 * without a YAML library   client_auth    SCRAM
 */
#pragma once

#include "base/arena.h"
#include "base/list.h"
#include "base/rng.h"
#include "client/client.h"
#include "mortise/client.h"
#include "tls/context.h"
#include "tls/session.h"

#define LINK_FAULT_BYTES 512
#define HOST_BYTES_MAX 253u

enum link_state {
	LINK_IDLE,    /* nothing to do */
	LINK_WAITING, /* for the time of the next attempt */
	LINK_DIALLING,
	LINK_UP,
	LINK_LEAVING, /* all is said; reading until the server closes */
};

struct client_options {
	char host[256];
	uint16_t port;			/* 0: by TLS */
	struct mt_client_settings core; /* strings in the arena */
	enum mortise_auth auth;
	bool is_tls;
	bool is_plain_allowed;
	const char *ca_path;
	const char *certificate_path;
	const char *key_path;
	const char *pin;	  /* NULL: none */
	const char *session_path; /* NULL: the TLS session is not kept */
	char *ca_pem;		  /* of a profile; malloc'ed */
	char *certificate_pem;
	char *key_pem;
	uint8_t *secret; /* the password; malloc'ed, wiped */
	size_t secret_bytes;
	struct mt_bytes disconnect_user; /* user properties in wire form */
	struct mt_props disconnect;
	uint32_t retry_min_ms;
	uint32_t retry_max_ms; /* 0: never again */
	uint64_t retry_seed;
	uint32_t inbox_max;
};

/* A subscription to make again; in the list `subs`. */
struct client_sub {
	struct mt_list link;
	struct mt_sub_options options;
	uint32_t subscription_id; /* 0: none */
	uint16_t request;	  /* its unanswered SUBSCRIBE, 0: none */
	uint32_t index;		  /* in that SUBSCRIBE */
	bool is_renewal;	  /* that SUBSCRIBE was ours, not the user's */
	bool is_due;		  /* to be sent again */
	size_t filter_bytes;
	uint8_t filter[];
};

/* A message that came while something else was waited for; in the list `inbox`. */
struct client_letter {
	struct mt_list link;
	struct mortise_message message;
	size_t bytes; /* of the letter */
	uint8_t data[];
};

struct mortise_client {
	struct mt_mem mem;
	struct mt_arena arena;
	struct client_options options;
	struct mt_client *core;	  /* NULL until the first start */
	struct client_auth *auth; /* NULL: the password travels, if there is one */
	enum link_state state;

	int fd;
	unsigned attempt;	 /* addresses tried since the name was last begun */
	const char *dial_reason; /* why the last address failed; static */
	mt_time by_ns;		 /* of DIALLING, WAITING, LEAVING */
	uint32_t retry_ms;	 /* of the next wait, before jitter */
	struct mt_rng rng;

	struct mt_tls_context *tls;
	struct mt_tls_session *session;
	uint8_t *plain; /* what the core reads from */
	uint8_t *cipher_in;
	uint8_t *cipher_out; /* [head .. tail) waits for the socket */
	size_t cipher_head;
	size_t cipher_tail;
	bool is_unwritable; /* the socket refused our bytes: what comes is still read */
	bool has_input;	    /* the core has not returned false since the last input */
	bool has_cipher;    /* TLS has not said AGAIN since the last feed */

	struct mt_list inbox;
	uint32_t inbox_count;
	struct client_letter *open_letter; /* the user reads it */
	struct mt_list subs;
	uint32_t sub_count;
	uint8_t *topic; /* of the last message, 0-terminated */
	size_t topic_cap;

	bool has_lost; /* `lost` waits to be told */
	struct mortise_event lost;
	bool is_session_present;
	bool has_refused_post;
	uint8_t reason;
	char *client_id;
	char fault[LINK_FAULT_BYTES];
};

/* ---- client.c ---- */
/* Writes the sentence and returns the status. */
MT_FORMAT(3, 4)
int mt_client_say(struct mortise_client *client, enum mortise_status status, const char *format,
		  ...);
enum mortise_status mt_client_status(enum mt_status status);
/* Printable ASCII of `text`, everything else as '?', cut to cap. */
void mt_client_escape(struct mt_bytes text, char *out, size_t cap);

/* Milliseconds, rounded up; -1 for MT_TIME_NEVER. */
int mt_client_ms_until(mt_time due);
/* At the start of each public call: what the user held of the last is gone. */
void mt_client_begin(struct mortise_client *client);
/* The next event of the connection; the inbox is not looked at. */
bool mt_client_next_event(struct mortise_client *client, struct mortise_event *out);
/* The oldest of the inbox, or NULL; the caller's to give back to `mem`. */
struct client_letter *mt_client_take_letter(struct mortise_client *client);
int mt_client_post_message(struct mortise_client *client, const struct mortise_message *message,
			   uint16_t *id);
int mt_client_post_request(struct mortise_client *client, bool is_subscribe,
			   const struct mortise_subscription *list, size_t count,
			   const struct mortise_property *properties, size_t property_count,
			   uint16_t *id);
int mt_client_post_end(struct mortise_client *client, const char *const *filters, size_t count,
		       const struct mortise_property *properties, size_t property_count,
		       uint16_t *id);

/* ---- client_options.c ---- */
void mt_client_options_finish(struct client_options *options);
/* TLS context (when asked for) and core from the options. */
int mt_client_options_apply(struct mortise_client *client);
uint16_t mt_client_options_port(const struct client_options *options);

/* ---- client_auth.c ---- */
/* From the options: the password moves there, CONNECT names the method instead. Nothing without a
 * method. */
int mt_client_auth_apply(struct mortise_client *client, struct mt_client_settings *settings);
void mt_client_auth_finish(struct mortise_client *client);
/* CONNECT, with the first word to the method. */
MT_MUST_USE enum mt_status mt_client_auth_connect(struct mortise_client *client);
/* Answers the server; or the connection is lost. */
void mt_client_auth_challenged(struct mortise_client *client, struct mt_bytes message);
/* Has the server proven itself with its last word? False: the connection is lost. */
MT_MUST_USE bool mt_client_auth_verified(struct mortise_client *client, struct mt_bytes message);
int mt_client_auth_again(struct mortise_client *client);

/* ---- client_link.c ---- */
int mt_client_link_start(struct mortise_client *client);
/* Reads when the core has eaten what there was, writes, looks at the clock. */
void mt_client_link_turn(struct mortise_client *client);
/* Writes what can be written. */
void mt_client_link_flush(struct mortise_client *client);
/* Gives the core what is decrypted already: true when there is something new. */
bool mt_client_link_feed(struct mortise_client *client);
bool mt_client_link_has_output(const struct mortise_client *client);
/* The connection ended for this reason; decides whether to come back. */
void mt_client_link_lose(struct mortise_client *client, enum mortise_status status, uint8_t reason);
/* Closes at once, without an event. */
/* Loads the TLS session that was kept. */
void mt_client_link_recall(struct mortise_client *client);
void mt_client_link_drop(struct mortise_client *client);
mt_time mt_client_link_deadline(const struct mortise_client *client);

/* ---- client_props.c ---- */
/* *out from the user's list; user properties are put into *user, malloc'ed (may stay NULL). */
int mt_client_props_build(struct mortise_client *client, const struct mortise_property *list,
			  size_t count, struct mt_props *out, uint8_t **user);

/* ---- client_subs.c ---- */
int mt_client_subs_add(struct mortise_client *client, const struct mortise_subscription *list,
		       size_t count, uint32_t subscription_id, uint16_t request);
void mt_client_subs_remove(struct mortise_client *client, struct mt_bytes filter);
/* Drops what was refused. True when the request was a renewal of ours without a refusal: the user
 * need not know. */
bool mt_client_subs_answered(struct mortise_client *client, uint16_t request,
			     struct mt_bytes reasons);
/* The connection is gone: unanswered requests of the user are forgotten. */
void mt_client_subs_lost(struct mortise_client *client);
/* All are to be made again; mt_client_subs_send does it as the request limit allows. */
void mt_client_subs_renew(struct mortise_client *client);
void mt_client_subs_send(struct mortise_client *client);
void mt_client_subs_finish(struct mortise_client *client);
