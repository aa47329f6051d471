/*
 * The core of the broker: a pure machine. Bytes, answers and time in; requests and bytes out.
 *
 *   shell --open/input/closed/authenticated/stored/set_policy/tick--> core
 *   shell <--requests in order, bytes pulled per connection, next deadline-- core
 *
 * Cores may be joined: core_count of them with indices from 0, a FIFO without loss from each to
 * each (FORWARD -> mt_core_peer), connections that move (MOVE -> mt_core_adopt). The shell gives
 * each its share of the limits, every policy to all of them, kick and shut-down to all of them, and
 * sums counts and clients up itself. $SYS is of core 0.
 *
 * Rules: every call carries `now`; nothing calls back; each call runs to completion; randomness
 * comes from the seed alone. So a log of calls replays a run exactly. After a batch of calls the
 * shell drains the requests, pulls the output of the connections named by SEND, and asks for the
 * deadline.
 *
 * Threading: one thread per core. Memory: everything is accounted in `mem` of the settings.
 */
#pragma once

#include "base/hash.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/time.h"
#include "identity/mechanism.h"
#include "policy/decide.h"
#include "topic/retained.h"
#include "wire/packet.h"

#include "spec/limits.h"

typedef mt_handle mt_conn;

struct mt_link_message;

/* The limits by number: to count what went beyond them (spec/limits.tbl). */
enum mt_limit_id {
#define X(name, id, ...) MT_LIMIT_##id,
	MT_TABLE_LIMITS(X)
#undef X
		MT_LIMIT_COUNT
};
/* "packet_bytes" */
const char *mt_limit_name(enum mt_limit_id limit);

/* Retained messages below one filter have limits of their own. */
struct mt_retained_subtree;

/* For a connection those of its listener hold; what belongs to the whole broker is taken from the
 * settings of the core alone. 0 lifts those marked with *. */
struct mt_core_limits {
	size_t packet_bytes;  /* largest packet accepted; announced in CONNACK */
	size_t connect_bytes; /* largest CONNECT */
	uint32_t topic_levels;
	uint32_t topic_bytes;	  /* * of names and filters */
	uint32_t user_properties; /* * of one packet */
	size_t property_bytes;	  /* * of one packet */
	uint32_t filters_per_subscribe;
	uint32_t filters_per_session;
	uint32_t subscription_nodes; /* * of the whole broker */
	uint32_t queue_messages;     /* waiting and in flight, per session */
	size_t queue_bytes;
	size_t output_bytes; /* encoded and unsent, per connection; QoS 0 above it is dropped */
	uint16_t inflight;   /* receive maximum each way; >= 1 */
	uint32_t retained_count;
	size_t retained_bytes;
	uint32_t retained_nodes;		    /* * */
	const struct mt_retained_subtree *subtrees; /* outlive the core */
	uint32_t subtree_count;
	uint32_t sessions;
	uint32_t connections;
	uint16_t topic_aliases;	     /* from a client; announced */
	uint16_t client_aliases;     /* towards a client that allows them */
	uint32_t session_expiry_s;   /* longest; UINT32_MAX: without end */
	uint16_t keep_alive_s;	     /* longest; 0: no bound */
	uint16_t keep_alive_least_s; /* * */
	uint32_t will_delay_s;	     /* * longest */
	uint32_t publish_rate;	     /* * messages a second of one client */
	uint64_t publish_byte_rate;  /* * */
	mt_time handshake_ns;	     /* * from open to the first byte */
	mt_time connect_ns;	     /* from open to an accepted CONNECT */
};

/* Which member of a shared subscription gets a message. */
enum mt_shared_strategy {
	MT_SHARED_ROUND_ROBIN, /* the next one that keeps up */
	MT_SHARED_STICKY,      /* always the same for one sender, so that its order is kept */
};

struct mt_core_settings {
	struct mt_core_limits limits;
	struct mt_seed seed;
	size_t memory_bytes;	    /* ceiling of the core's accounted memory */
	bool is_revocation_closing; /* who loses a subscription by a change loses the connection too
				     */
	bool is_denial_closing;	 /* a denied PUBLISH that cannot be answered closes the connection
				    (else it is dropped) */
	mt_time sys_interval_ns; /* of $SYS; 0: off */
	const char *release;	 /* for $SYS/broker/version; static */
	enum mt_shared_strategy shared_strategy;
	bool is_payload_checked;    /* what says that it is UTF-8 must be: 0x99 */
	const char *response_topic; /* what Response Information says, %c and %u replaced; NULL or
				       "": nothing; static */
	uint32_t core_index, core_count; /* joined cores, at most MT_CORES_MAX; 0 and 1: alone */
	struct mt_seed link_seed;	 /* the same in all of them */
	size_t link_bytes; /* towards one core and not yet taken, where its publishers pause; 0: 4
			    * MiB
			    */
};

/* What a listener offers; announced in CONNACK and kept to. */
struct mt_offer {
	uint8_t qos_max; /* 0..2 */
	bool is_retain_available;
	bool is_wildcard_available;
	bool is_shared_available;
	bool is_subscription_id_available;
	bool is_moved;		      /* for ever: 0x9D, else 0x9C */
	const char *server_reference; /* where every client is sent; "": nowhere */
};

/* What the shell knows of a connection at accept. */
struct mt_conn_facts {
	struct mt_address address;
	uint16_t port;
	bool has_anonymous_sessions;
	bool is_secret_safe; /* a password may travel here: TLS, loopback, or the listener says so
			      */
	bool is_certificate_required; /* whatever else a client knows, it proves one */
	mt_mechanisms accepted;	      /* what may say who a client is; 0: anything */
	bool is_id_demanded;	      /* an empty client id is refused, none is assigned */
	const char *listener;	      /* name; outlives the core */
	const char *anonymous_role;   /* "": credentials are demanded; outlives the core */
	const char *client_id_rule;   /* of identity/client_id.h, on top of the user's; NULL or "":
					 any id; outlives the core */
	const struct mt_core_limits
		*limits;	      /* of the listener; outlives the core; NULL: the core's */
	const struct mt_offer *offer; /* outlives the core; NULL: everything */
};

/* How a peer proved who it is before its CONNECT. */
enum mt_proof_kind { MT_PROOF_CERTIFICATE, MT_PROOF_PSK };

#define MT_PROOF_CN_BYTES_MAX 256u /* 64 characters */

struct mt_proof {
	enum mt_proof_kind kind;
	uint64_t user_id;   /* whom it stands for; 0: nobody that is known */
	struct mt_bytes cn; /* CN of the certificate, at most MT_PROOF_CN_BYTES_MAX; empty: none */
};

/* Why a proof is worth nothing any more. */
enum mt_expulsion {
	MT_EXPELLED_REVOKED, /* by its issuer, or here */
	MT_EXPELLED_EXPIRED,
	MT_EXPELLED_UNTRUSTED, /* its issuer is, or the user that it stood for is another */
	MT_EXPELLED_TOKEN_EXPIRED,
	MT_EXPELLED_TOKEN_VOID, /* its issuer, or whom it stood for, is another now */
	MT_EXPULSION_COUNT
};

enum mt_request_type {
	MT_REQUEST_SEND,   /* conn has bytes to pull */
	MT_REQUEST_CLOSE,  /* send what is left, close, then call mt_core_closed */
	MT_REQUEST_PAUSE,  /* stop reading from conn */
	MT_REQUEST_RESUME, /* go on reading; call mt_core_input with no bytes first, for what the
			      core has kept */
	MT_REQUEST_AUTHENTICATE, /* check the password, or what the method says; answer with
				    mt_core_authenticated */
	MT_REQUEST_STORE,   /* make the message durable; answer with mt_core_stored, in the order of
			       the requests */
	MT_REQUEST_AUDIT,   /* tell the log */
	MT_REQUEST_FORWARD, /* give `message` to mt_core_peer of core `to`; with a transport that
			       ends first, mt_link_message_free */
	MT_REQUEST_MOVE, /* move the connection to core `to`: give `adoption` to its mt_core_adopt,
			    then free it; conn is stale already, and nothing of it is left to send
			  */
};

enum mt_audit_event {
	MT_AUDIT_CONNECT,    /* accepted */
	MT_AUDIT_REFUSE,     /* CONNECT refused */
	MT_AUDIT_DISCONNECT, /* ended: by the client, by us, by the network */
	MT_AUDIT_VIOLATION,  /* the peer broke the protocol: statement is set */
	MT_AUDIT_DENY,	     /* a PUBLISH or SUBSCRIBE outside the permissions */
	MT_AUDIT_LIMIT,	     /* beyond a limit: `what` is its name; one in many is told */
};

/* Bytes come from the peer: escape before showing. Cut to the arrays, 0-terminated. */
struct mt_audit {
	enum mt_audit_event event;
	uint8_t reason;
	uint64_t count;		     /* LIMIT: how often since the last record of this limit */
	uint32_t rule_id;	     /* of a denial; 0: no rule matched */
	enum mt_mechanism mechanism; /* that proved who it is, or that was refused */
	const char *statement;	     /* static; NULL */
	const char *what;	     /* static: "publish", "keep-alive ran out" ... */
	uint64_t user_id;	     /* of the record; 0: none */
	char user[128];
	char client_id[128];
	char topic[128];
	struct mt_address address;
	uint16_t port;
	const char *listener; /* static */
};

struct mt_request {
	enum mt_request_type type;
	mt_conn conn;
	uint64_t ticket;      /* AUTHENTICATE, STORE */
	struct mt_bytes user; /* AUTHENTICATE; valid until the next call into the core */
	struct mt_bytes password;
	struct mt_bytes method; /* of enhanced authentication; empty: a password is to be checked */
	struct mt_bytes data;	/* what the client's last packet said to it */
	bool is_again;		/* on an open connection */
	mt_mechanisms accepted; /* AUTHENTICATE: what the listener takes; a credential of another
				   kind is answered as a wrong one is */
	struct mt_msg *msg;	/* STORE; borrowed until the answer */
	struct mt_audit *audit; /* AUDIT; valid until the next mt_core_request */
	uint32_t to;		/* FORWARD, MOVE */
	struct mt_link_message *message;
	struct mt_adoption *adoption;
};

/* A connection on its way to the core that owns its session. Read by cores alone. */
struct mt_adoption {
	struct mt_mem *mem; /* counts it; outlives it */
	size_t bytes;
	struct mt_conn_facts facts;
	mt_time opened_ns;
	uint64_t user_id;
	size_t hello_bytes; /* the CONNECT, in data */
	size_t reply_bytes; /* what an authentication method says last, behind it */
	uint8_t *unread;    /* what came behind the CONNECT */
	size_t unread_bytes;
	enum mt_mechanism mechanism;
	bool has_method;
	bool has_proof;
	struct mt_proof proof;
	size_t cn_bytes; /* the proof's CN, behind the reply */
	uint8_t data[];
};
/* Wipes and frees; NULL is fine. Any thread. */
void mt_adoption_free(struct mt_adoption **adoption);

struct mt_core;

/* policy: a reference is taken. NULL without memory. */
MT_MUST_USE struct mt_core *mt_core_create(const struct mt_core_settings *settings,
					   struct mt_policy *policy, struct mt_now now);
void mt_core_destroy(struct mt_core **core);
/* Gives back all that belongs to others; only mt_core_destroy may follow. Joined cores are all
 * emptied before the first of them is destroyed, for they hold messages of each other. */
void mt_core_empty(struct mt_core *core);

/* ---- in ---- */

/* A connection was accepted. MT_LIMIT: there are too many; close it. */
MT_MUST_USE enum mt_status mt_core_open(struct mt_core *core, struct mt_now now,
					const struct mt_conn_facts *facts, mt_conn *out);
/* The shell closes a connection at once, for a limit of its own: counted, and told to the log. */
void mt_core_turn_away(struct mt_core *core, struct mt_now now, const struct mt_conn_facts *facts,
		       enum mt_limit_id limit);
/* TLS is done, and this is what it proved; before the first byte of the connection, and once. Stale
 * handles are ignored. */
void mt_core_prove(struct mt_core *core, struct mt_now now, mt_conn conn,
		   const struct mt_proof *proof);
/* What was proven no longer holds: the connection ends (0x98), its will fires. */
void mt_core_expel(struct mt_core *core, struct mt_now now, mt_conn conn, enum mt_expulsion why);
/* Bytes arrived; all are taken. Stale handles are ignored. */
void mt_core_input(struct mt_core *core, struct mt_now now, mt_conn conn, struct mt_bytes bytes);
/* The connection is gone (after CLOSE, or by itself): the handle is stale from here on. */
void mt_core_closed(struct mt_core *core, struct mt_now now, mt_conn conn);

struct mt_auth_verdict {
	bool is_accepted;
	uint64_t user_id;	     /* when accepted */
	uint8_t reason;		     /* when not: BAD_USER_NAME_OR_PASSWORD, SERVER_BUSY ... */
	enum mt_mechanism mechanism; /* that was asked for */
	bool is_unaccepted;	     /* it is none that the listener takes */
	enum mt_refusal refusal;     /* for the log: what was wrong with it */
	bool is_continued;	     /* with a method: the client is asked once more */
	struct mt_bytes data;	     /* with a method: what the client is told; may be empty */
	struct mt_bytes user;	     /* when not accepted: whom it claims to be, if that stands not
					in CONNECT; for the log */
};
void mt_core_authenticated(struct mt_core *core, struct mt_now now, uint64_t ticket,
			   const struct mt_auth_verdict *verdict);
/* MT_OK: the acknowledgement leaves. Anything else: it is undone and answered with 0x97. */
void mt_core_stored(struct mt_core *core, struct mt_now now, uint64_t ticket,
		    enum mt_status status);
/* A message of core `from`; it is taken over. */
void mt_core_peer(struct mt_core *core, struct mt_now now, uint32_t from,
		  struct mt_link_message *message);
/* A connection that another core has let go of. MT_LIMIT: there are too many; close it. Nothing was
 * answered yet: requests and output follow. */
MT_MUST_USE enum mt_status mt_core_adopt(struct mt_core *core, struct mt_now now,
					 const struct mt_adoption *adoption, mt_conn *out);
/* From here on every decision follows the new snapshot, which has a revision of its own; live
 * sessions are re-decided in slices by tick. A reference is taken. */
void mt_core_set_policy(struct mt_core *core, struct mt_now now, struct mt_policy *policy);
/* What changes of policy so far take away from live sessions is all taken away. */
bool mt_core_is_swept(const struct mt_core *core);
/*
 * What a policy would take away if it were adopted, counted by slices: found is zero at first, and
 * true is returned once all was looked at. Sessions that come and go meanwhile may be missed.
 */
struct mt_rehearsal {
	uint64_t sessions, subscriptions, queued, wills, retained;
	uint32_t index;
	bool is_at_retained;
	struct mt_retained_cursor cursor;
};
MT_MUST_USE bool mt_core_rehearse(struct mt_core *core, struct mt_now now,
				  const struct mt_policy *policy, struct mt_rehearsal *found);
/* Time has passed: call at the deadline (and whenever else). */
void mt_core_tick(struct mt_core *core, struct mt_now now);
/* Ends a client's connection (0x98); the will fires. user empty and id given: any user. Number of
 * connections ended. */
uint32_t mt_core_kick(struct mt_core *core, struct mt_now now, struct mt_bytes user,
		      struct mt_bytes client_id);
/* A figure of the shell's own: published as $SYS/broker/mortise/NAME when it has changed, and there
 * is $SYS. name: at most MT_FIGURE_NAME_BYTES_MAX. */
#define MT_FIGURE_NAME_BYTES_MAX 128u
void mt_core_publish_figure(struct mt_core *core, struct mt_now now, struct mt_bytes name,
			    uint64_t value);
/* Says SERVER_SHUTTING_DOWN to everyone and asks to close them; no will is sent. */
void mt_core_shut_down(struct mt_core *core, struct mt_now now);

/* ---- out ---- */

/* The oldest request; false when there is none. */
MT_MUST_USE bool mt_core_request(struct mt_core *core, struct mt_request *out);
/* Unsent bytes of a connection as a gather list of at most list_max views, valid until the next
 * call with this connection. */
size_t mt_core_output(const struct mt_core *core, mt_conn conn, struct mt_bytes *list,
		      size_t list_max);
/* `bytes` of them were taken; more may become ready (then SEND is asked again only if all had been
 * taken). */
void mt_core_sent(struct mt_core *core, struct mt_now now, mt_conn conn, size_t bytes);
/* When to call tick at the latest (monotonic); MT_TIME_NEVER. */
mt_time mt_core_deadline(const struct mt_core *core);

/* ---- questions ---- */

struct mt_core_counts {
	uint64_t packets_received, packets_sent;
	uint64_t bytes_received, bytes_sent;
	uint64_t publishes_received, publishes_sent;
	uint64_t throttles;	    /* publishers paused for a receiver */
	uint64_t publishes_dropped; /* QoS 0 over output_bytes, queue overflows */
	uint64_t publishes_denied, subscribes_denied, connects_refused, violations;
	/* what changes of policy took away */
	uint64_t revoked_sessions, revoked_subscriptions, revoked_queued, revoked_wills;
	uint64_t revoked_retained;	 /* messages whose author lost the right: withheld */
	uint64_t limits[MT_LIMIT_COUNT]; /* how often each was met */
	uint64_t connects_accepted;
	/* of those, by what proved who it is: logins_password ... */
#define X(id, name, meaning) uint64_t logins_##id;
	MT_TABLE_MECHANISMS(X)
#undef X
	uint64_t publish_bytes_received, publish_bytes_sent; /* payloads */
	uint64_t sockets_opened;
	uint64_t sessions_expired;
	uint64_t memory_bytes_most; /* at a round of $SYS */
	uint64_t queued_bytes;	    /* of queued_messages, for each client */
	uint32_t sessions_kept;	    /* without a connection */
	uint32_t sessions_connected_most;
	uint32_t shared_subscriptions;
	uint64_t audits_lost; /* records without memory: only their number is left */
	uint32_t connections; /* open, whatever their state */
	uint32_t sessions;    /* connected and kept */
	uint32_t sessions_connected;
	uint32_t subscriptions;
	uint32_t retained_count;
	uint64_t retained_bytes;
	uint64_t queued_messages; /* waiting and in flight towards clients */
	uint64_t memory_bytes;	  /* accounted now */
	uint64_t policy_revision;
};
/* The snapshot that decides now; borrowed. */
struct mt_policy *mt_core_policy(const struct mt_core *core);
struct mt_core_counts mt_core_counts(const struct mt_core *core);

struct mt_client_info {
	char client_id[256];
	char user[256];		   /* "" anonymous */
	struct mt_address address; /* of the last connection */
	uint16_t port;
	char listener[64];
	bool is_connected;
	enum mt_mechanism mechanism; /* of the last CONNECT */
	uint8_t version;	     /* 4 or 5 */
	uint16_t keep_alive_s;
	uint32_t subscription_count;
	uint32_t queued_count;
	uint32_t expiry_s;
	mt_time connected_ns; /* monotonic, of the last CONNECT */
};
/* Next session from *cursor (start with 0), in no particular order; false at the end. */
MT_MUST_USE bool mt_core_next_client(const struct mt_core *core, uint32_t *cursor,
				     struct mt_client_info *out);
struct mt_subscription_info {
	char filter[1024];
	uint8_t qos;
};
/* Subscription number `index` of the session before the cursor of mt_core_next_client; false past
 * the last. */
MT_MUST_USE bool mt_core_client_subscription(const struct mt_core *core, uint32_t cursor,
					     uint32_t index, struct mt_subscription_info *out);
