/*
 * The inside of the core: what its files share. Nobody outside src/core includes this.
 *
 *   core.c         entry points
 *   machine.c      phase x packet type -> which of these files handles it
 *   peer.c         input buffer, sending, closing
 *   connect.c      CONNECT, takeover, CONNACK
 *   challenge.c    enhanced authentication: AUTH
 *   proof.c        what TLS proved
 *   welcome.c      CONNACK; what a listener offers and what not
 *   stage.c        PUBLISH from a client, step by step
 *   route.c        topic -> verdict and receivers, cached
 *   payload.c      payload format indicator
 *   share.c        shared subscriptions: whose turn, and who inherits
 *   deliver.c      one message to one session
 *   alias.c        topic aliases towards clients
 *   acknowledge.c  PUBACK ... PUBCOMP
 *   subscribe.c    SUBSCRIBE, UNSUBSCRIBE, retained
 *   depart.c       end of connections and sessions, wills
 *   ticket.c       acknowledgements that wait for the store
 *   sweep.c        change of policy
 *   rehearse.c     what a change would take away
 *   author.c       who published what is retained
 *   throttle.c     back-pressure on publishers
 *   output.c       unsent bytes
 *   limit.c        limits that were met: counters, records for the log
 *   request.c      requests, audit
 *   sys.c          $SYS
 *   inform.c       questions from outside
 */
#pragma once

#include "core/core.h"

#include "base/bucket.h"
#include "base/rng.h"
#include "base/wheel.h"
#include "session/acks.h"
#include "session/session.h"
#include "session/subscription.h"
#include "topic/retained.h"
#include "spec/sys.h"
#include "wire/connect.h"
#include "wire/publish.h"

#define MT_ROUTE_SLOTS 4096u	/* a power of two */
#define MT_COPY_BYTES_MAX 1024u /* payloads up to here are copied, larger ones referenced */
#define MT_ENCODED_BYTES_MAX 2048u
#define MT_ENCODED_CLASSES 18u /* (version x QoS x retain), and those of 5 with an alias */

/* ---- output.c: unsent bytes of a connection ---- */

struct mt_chunk {
	struct mt_chunk *next;
	struct mt_msg *msg; /* a reference: bytes are ext; NULL: bytes are data */
	const uint8_t *ext;
	size_t pos, end, cap;
	uint8_t data[];
};

struct mt_output {
	struct mt_chunk *first, *last;
	size_t bytes;
};

struct mt_chunk_stock {
	struct mt_mem *mem;
	struct mt_chunk *free;
	uint32_t free_count;
	uint32_t unused_count; /* of them: never taken since the last trim */
};

/* `need` bytes to write to, counted as sent at once; NULL without memory. */
MT_MUST_USE uint8_t *mt_output_room(struct mt_chunk_stock *stock, struct mt_output *out,
				    size_t need);
/* Appends a view into a message, by reference. */
MT_MUST_USE enum mt_status mt_output_refer(struct mt_chunk_stock *stock, struct mt_output *out,
					   struct mt_msg *msg, struct mt_bytes view);
size_t mt_output_list(const struct mt_output *out, struct mt_bytes *list, size_t list_max);
void mt_output_advance(struct mt_chunk_stock *stock, struct mt_output *out, size_t bytes);
void mt_output_clear(struct mt_chunk_stock *stock, struct mt_output *out);
/* Frees what nobody took since the last trim. */
void mt_chunk_stock_trim(struct mt_chunk_stock *stock);
void mt_chunk_stock_finish(struct mt_chunk_stock *stock);

/* ---- the connection ---- */

enum mt_phase {
	MT_PHASE_CONNECT,
	MT_PHASE_AUTHENTICATE, /* the verdict is still out */
	MT_PHASE_CHALLENGE,    /* the client is to say more by AUTH */
	MT_PHASE_OPEN,
	MT_PHASE_CLOSING,
};

/* Why a connection is not read; bits. */
enum mt_pause {
	MT_PAUSE_AUTHENTICATE = 1,
	MT_PAUSE_RECEIVER = 2, /* its messages fill another's queue */
	MT_PAUSE_OUTPUT = 4,   /* it does not take the answers to what it sends */
	MT_PAUSE_RATE = 8,     /* it publishes faster than it may */
	MT_PAUSE_STORE = 16,   /* many of its messages wait for the store */
	MT_PAUSE_LINK = 32,    /* a sibling core has not yet taken what it sends */
	MT_PAUSE_SUBACK = 64,  /* siblings have not yet confirmed its subscriptions */
	MT_PAUSE_MOVE = 128,   /* it goes to another core */
};

/* A retained message that a new subscription is still to get. */
struct mt_backlog_item {
	struct mt_msg *msg;
	struct mt_sub_ids *ids;
	struct mt_link_message *answer; /* of the core that keeps it; NULL: this one */
	uint8_t qos;
};

struct mt_backlog {
	struct mt_backlog_item *items;
	uint32_t count, cap, pos;
};

/* A topic that the client knows by number. */
struct mt_alias_slot {
	uint64_t hash;
	uint8_t *topic; /* NULL: free */
	uint32_t topic_len;
	uint8_t misses; /* in a row */
};

struct mt_challenge;

/* A copy of what TLS proved. */
struct mt_proven {
	struct mt_proof proof;
	uint8_t cn[MT_PROOF_CN_BYTES_MAX];
};

struct mt_peer {
	struct mt_timer timer; /* first: CONNECT, then keep-alive */
	mt_conn self;
	struct mt_session *session; /* while OPEN */
	struct mt_conn_facts facts; /* limits: never NULL */
	size_t output_high;	    /* unsent bytes at which publishers wait */
	struct mt_bucket publish_bucket, publish_byte_bucket;
	mt_time rate_due_ns; /* with MT_PAUSE_RATE: when it may go on */
	mt_time opened_ns;
	mt_time input_ns;	 /* of the last whole packet: keep-alive is re-armed lazily */
	uint8_t *in;		 /* bytes of an unfinished packet, or behind a CONNECT */
	uint32_t in_len, in_cap; /* a packet has 256 MiB at most */
	uint8_t *hello;		 /* the CONNECT packet while it is authenticated */
	size_t hello_bytes;
	uint64_t ticket;		/* of the authentication that the shell is at; 0: none */
	struct mt_challenge *challenge; /* NULL: CONNECT named no method */
	struct mt_proven *proven;	/* by TLS; NULL: nothing */
	struct mt_output out;
	struct mt_acks acks;
	struct mt_backlog backlog;
	struct mt_list throttle; /* in throttled of the session it waits for */
	mt_handle throttled_by;
	mt_time throttled_ns;
	struct mt_bytes *aliases;	      /* topic of alias n at n - 1; owned copies */
	struct mt_alias_slot *client_aliases; /* assigned to the client; NULL before the first */
	uint16_t alias_slots;		      /* a power of two; 0: it takes none */
	uint32_t route_slot;		      /* where the route of the last PUBLISH was */
	uint32_t packet_bytes_max;	      /* the client's; UINT32_MAX: none */
	uint16_t keep_alive_s;
	enum mt_phase phase : 8;
	enum mt_version version : 8;
	enum mt_mechanism mechanism : 8; /* that says who it is */
	bool is_dirty;			 /* SEND is asked for and output not yet empty */
	uint8_t pauses;			 /* enum mt_pause: why it is not read */
	bool is_problem_info_wanted;
	bool is_rated;	   /* its listener has publish rates */
	bool is_plain;	   /* takes packets of any size, and no aliases */
	bool is_abandoned; /* CLOSE is asked for without a word to the peer */
	uint8_t sibling;   /* it stands for what core sibling - 1 forwards; 0: a connection */
	struct mt_list link_wait;     /* in `waiting` of a link */
	struct mt_round *round;	      /* the SUBSCRIBE that waits for siblings */
	struct mt_adoption *adoption; /* while it moves */
};

/* ---- routes ---- */

struct mt_interest;
struct mt_remote_group;

struct mt_receiver {
	struct mt_session *session;
	struct mt_sub_ids *ids; /* a reference */
	uint8_t qos;		/* granted */
	bool is_retain_as_published;
	struct mt_group *
		group; /* the receivers of one group stand together; one of them gets the message */
};

/* With siblings: one shared subscription of a route. */
struct mt_route_share {
	uint64_t number;
	uint32_t first, count;		/* receivers of ours */
	const struct mt_interest *own;	/* NULL: no member here */
	struct mt_remote_group *remote; /* NULL: none elsewhere */
	uint32_t core; /* whose members get the message on its way; MT_CORES_MAX: nobody's */
};

struct mt_route {
	mt_conn conn;
	uint64_t generation;	  /* of subscriptions and policy together */
	uint8_t decided, allowed; /* bit (qos * 2 + retain) */
	bool has_keepers;	  /* some receiver's session outlives its connection */
	uint64_t siblings;	  /* cores with subscribers of their own, a bit each */
	uint64_t reach;		  /* those, and cores with members of shared subscriptions */
	uint32_t receiver_count;
	uint32_t share_count;
	uint32_t topic_len;
	size_t bytes;		       /* of this block */
	struct mt_receiver *receivers; /* behind the struct */
	struct mt_route_share *shares; /* behind the receivers, by number; none when alone */
	uint8_t *topic;		       /* behind all */
};

/* A PUBLISH encoded once per class, to be copied to many. */
struct mt_encoded {
	uint64_t stamp; /* of the message it was made for */
	bool is_whole;	/* the payload is in it */
	uint16_t bytes; /* 0: does not fit, encode for each receiver */
	uint16_t packet_id_at;
	uint16_t alias_at; /* 0: the topic stands there */
	uint8_t data[MT_ENCODED_BYTES_MAX];
};

struct mt_encoding {
	uint64_t stamp; /* of the message on its way */
	uint64_t hash_stamp, topic_hash;
	struct mt_encoded classes[MT_ENCODED_CLASSES];
};

/* Levels of a receiver's queues at which publishers stop, and go on. */
struct mt_marks {
	uint32_t messages;
	size_t queue_bytes;
};

struct mt_ticket {
	struct mt_list link; /* first */
	uint64_t number;
	struct mt_list held; /* of struct mt_delivery, by their `hold` */
	struct mt_msg *msg;
	struct mt_msg *replaced; /* the retained message before */
	bool is_retained_changed;
	bool is_distribution_due; /* once it is stored */
	mt_conn conn;
	mt_handle session;
	uint16_t packet_id;
	uint8_t qos;
	struct mt_pledge *pledge; /* it is a part of; NULL: none */
};

struct mt_links;
struct mt_pledge;
struct mt_wait;

#define X(topic, field, meaning) +1
enum { MT_SYS_LOAD_COUNT = 0 MT_TABLE_SYS_LOAD(X) };
#undef X

/* One counter's growth in a minute, averaged over 1, 5 and 15 minutes. */
struct mt_sys_load {
	uint64_t count; /* at the last round */
	double averages[3];
};

/* What the log hears of one limit. */
struct mt_limit_voice {
	struct mt_bucket bucket;
	uint64_t silent_count; /* since the last record */
};

/* A round through all sessions and the authors of what is retained; another follows when the epoch
 * has risen meanwhile. */
struct mt_sweep {
	bool is_running;
	bool is_at_retained;
	uint32_t index; /* next session */
	struct mt_retained_cursor cursor;
	uint64_t epoch;	     /* at the begin of the round */
	uint64_t done_epoch; /* of the last whole round */
};

struct mt_core {
	struct mt_core_settings settings;
	struct mt_mem mem;
	struct mt_now now; /* of the call that runs */
	struct mt_policy *policy;
	uint64_t epoch;	       /* rises with every change of what is permitted */
	mt_time policy_due_ns; /* a time window opens or closes */
	uint64_t anew_epoch;   /* the last at which everything was to be decided anew */
	struct mt_sweep sweep;
	struct mt_rng rng;
	struct mt_wheel peer_wheel, session_wheel;
	struct mt_pool peers;
	struct mt_sessions sessions;
	uint32_t connected_count;
	struct mt_subscriptions subscriptions;
	struct mt_retained *retained;
	struct mt_chunk_stock chunks;
	struct mt_route **routes;
	void *candidates; /* scratch of route building */
	size_t candidate_cap;
	struct mt_encoding encoding;
	struct mt_marks high, low;
	struct mt_peer *publisher; /* whose PUBLISH is being distributed; NULL: the broker's own */
	uint64_t departure_count;
	uint64_t routes_change_count; /* when stale routes were last freed */
	mt_time tidy_due_ns;	      /* what nobody needs is freed then, if there is any */
	uint64_t sender;	      /* when a sibling forwards it: its number there */
	struct mt_list tickets;
	uint64_t next_ticket;
	uint64_t next_owner;
	mt_time started_ns, sys_due_ns, load_ns;
	struct mt_sys_load loads[MT_SYS_LOAD_COUNT];
	struct mt_request *requests; /* ring */
	uint32_t request_cap, request_first, request_count;
	struct mt_audit *shown; /* the audit record that the shell is looking at */
	struct mt_core_counts counts;
	uint64_t queued_count, queued_bytes;
	struct mt_limit_voice limit_voices[MT_LIMIT_COUNT];
	struct mt_links *links; /* NULL: it is alone */
	bool is_empty;		/* only its end is left */
};

static inline int64_t mt_core_wall_s(const struct mt_core *core)
{
	return core->now.wall_ns / MT_SECOND;
}

static inline bool mt_is_expired(const struct mt_core *core, const struct mt_msg *msg)
{
	return msg->expires_ns != MT_TIME_NEVER && msg->expires_ns <= core->now.mono_ns;
}

/* What invalidates cached routes: one number for both sources. */
static inline uint64_t mt_core_generation(const struct mt_core *core)
{
	return core->subscriptions.generation + core->epoch;
}

/* ---- request.c ---- */
void mt_request_push(struct mt_core *core, const struct mt_request *request);
/* Room for so many more requests, under the ceiling. */
MT_MUST_USE enum mt_status mt_requests_reserve(struct mt_core *core, uint32_t count);
void mt_requests_finish(struct mt_core *core);
/* `what` is static text. peer may have no session yet; connect NULL when unknown. */
struct mt_audit_facts {
	enum mt_audit_event event;
	const char *what;
	const char *statement;
	uint64_t count;
	uint32_t rule_id;
	uint8_t reason;
	struct mt_bytes user, client_id, topic;
};
void mt_audit(struct mt_core *core, const struct mt_peer *peer, const struct mt_audit_facts *facts);

/* ---- limit.c ---- */
/* The peer met a limit: counted, and told to the log if that was not told much lately. */
void mt_limit_meet(struct mt_core *core, const struct mt_peer *peer, enum mt_limit_id limit);
/* The same for a session, connected or not. */
void mt_limit_meet_session(struct mt_core *core, const struct mt_session *session,
			   enum mt_limit_id limit);
/* A wish that is granted up to a limit: counted alone. */
static inline void mt_limit_cut(struct mt_core *core, enum mt_limit_id limit)
{
	core->counts.limits[limit]++;
}

/* False, and the limit was met: more properties than one packet may have. */
bool mt_limit_takes_props(struct mt_core *core, const struct mt_peer *peer,
			  const struct mt_props *props);
/* False, and the limit was met: too long or too deep a name or filter. */
bool mt_limit_takes_topic(struct mt_core *core, const struct mt_peer *peer, struct mt_bytes topic);
/* The same, without a word. */
bool mt_limit_fits_topic(const struct mt_core_limits *limits, struct mt_bytes topic);

/* ---- peer.c ---- */
struct mt_peer *mt_peer_get(const struct mt_core *core, mt_conn conn);
/* Appends an encoded packet; a peer that cannot be given memory is abandoned. */
void mt_peer_send(struct mt_core *core, struct mt_peer *peer, struct mt_bytes bytes);
/* Tells the shell that there is output. */
void mt_peer_wake(struct mt_core *core, struct mt_peer *peer);
/* Asks for the end. In MT_PHASE_OPEN and version 5 a DISCONNECT with `reason` goes first (0: none).
 * The session departs, its will fires if told. what: static text for the audit and the Reason
 * String. */
void mt_peer_close(struct mt_core *core, struct mt_peer *peer, uint8_t reason, bool is_will_due,
		   const char *what);
/* Memory ran out while sending: ask for the end and change nothing else, so that it is safe in the
 * midst of a delivery. */
void mt_peer_abandon(struct mt_core *core, struct mt_peer *peer);
/* The peer broke the protocol: audited, answered, closed. */
void mt_peer_violated(struct mt_core *core, struct mt_peer *peer, const struct mt_violation *why);
/* Not read from here on, and read again once the last reason has gone. */
void mt_peer_pause(struct mt_core *core, struct mt_peer *peer, enum mt_pause why);
void mt_peer_go_on(struct mt_core *core, struct mt_peer *peer, enum mt_pause why);
/* Takes bytes: parses and dispatches whole packets, keeps the rest. */
void mt_peer_input(struct mt_core *core, struct mt_peer *peer, struct mt_bytes bytes);
/* Everything a peer owns but its slot. */
void mt_peer_finish(struct mt_core *core, struct mt_peer *peer);
/* The CONNECT is answered: its copy (and the password in it) is wiped. */
void mt_peer_hello_done(struct mt_core *core, struct mt_peer *peer);
/* Goes on with what came behind the CONNECT. */
void mt_peer_resume_input(struct mt_core *core, struct mt_peer *peer);
void mt_peer_timer_fired(struct mt_core *core, struct mt_peer *peer);
void mt_peer_arm(struct mt_core *core, struct mt_peer *peer);
/* PINGREQ (section 3.12). */
void mt_peer_ping(struct mt_core *core, struct mt_peer *peer, const struct mt_frame *frame);

/* ---- connect.c ---- */
void mt_connect_handle(struct mt_core *core, struct mt_peer *peer, const struct mt_frame *frame);
void mt_connect_authenticated(struct mt_core *core, struct mt_peer *peer,
			      const struct mt_auth_verdict *verdict);
/* peer->hello holds a CONNECT that another core has checked but for what policy says. */
void mt_connect_adopted(struct mt_core *core, struct mt_peer *peer, uint64_t user_id);

/* Asks the shell for a verdict on what the client said last. */
void mt_connect_ask(struct mt_core *core, struct mt_peer *peer);

/* ---- challenge.c ---- */
/* A CONNECT with a method. */
MT_MUST_USE enum mt_status mt_challenge_begin(struct mt_core *core, struct mt_peer *peer,
					      const struct mt_connect *connect);
void mt_challenge_end(struct mt_core *core, struct mt_peer *peer);
/* Enters method and data; nothing happens without a method. */
void mt_challenge_describe(const struct mt_peer *peer, struct mt_request *request);
/* Of a connection that moves: what the verdict said, and what was said elsewhere. */
bool mt_challenge_reply(const struct mt_peer *peer, struct mt_bytes *reply);
MT_MUST_USE enum mt_status mt_challenge_adopt(struct mt_core *core, struct mt_peer *peer,
					      const struct mt_connect *connect,
					      struct mt_bytes reply);
void mt_challenge_adopted(struct mt_peer *peer);
void mt_challenge_name(const struct mt_peer *peer, struct mt_props *props);
void mt_challenge_answered(struct mt_core *core, struct mt_peer *peer,
			   const struct mt_auth_verdict *verdict);
void mt_challenge_handle(struct mt_core *core, struct mt_peer *peer, const struct mt_frame *frame);
/* DISCONNECT before CONNACK. */
void mt_challenge_leave(struct mt_core *core, struct mt_peer *peer, const struct mt_frame *frame);

/* ---- proof.c ---- */
MT_MUST_USE enum mt_status mt_proof_keep(struct mt_core *core, struct mt_peer *peer,
					 const struct mt_proof *proof);
void mt_proof_forget(struct mt_core *core, struct mt_peer *peer);
/* Whom the proof stands for; 0: nobody. */
/* What it was proven by; NONE: nothing was. */
enum mt_mechanism mt_proof_mechanism(const struct mt_peer *peer);
uint64_t mt_proof_user(const struct mt_peer *peer);
struct mt_bytes mt_proof_cn(const struct mt_peer *peer);
/* Why the CONNECT is refused whatever password comes with it, with *reason; NULL: it is not. */
const char *mt_proof_check(const struct mt_core *core, const struct mt_peer *peer,
			   const struct mt_connect *connect, uint8_t *reason);
/* Why a CONNECT without password is nobody's. */
const char *mt_proof_explain(const struct mt_peer *peer);

/* ---- welcome.c ---- */
extern const struct mt_offer mt_offer_all;
/* A session is joined; it is answered. */
struct mt_welcome {
	const struct mt_connect *connect; /* with the id that holds */
	bool is_session_present;
	bool is_id_assigned;
};
void mt_welcome(struct mt_core *core, struct mt_peer *peer, const struct mt_welcome *welcome);
/* what: static text. */
void mt_welcome_refuse(struct mt_core *core, struct mt_peer *peer, uint8_t reason,
		       const char *what);
/* NULL, or why the listener does not take this CONNECT. */
const char *mt_offer_check_connect(const struct mt_peer *peer, const struct mt_connect *connect,
				   uint8_t *reason);
/* SUCCESS, or why the listener does not take this filter. */
uint8_t mt_offer_check_filter(const struct mt_offer *offer, struct mt_bytes filter);
/* False: it was a violation, and the connection is closing. */
bool mt_offer_takes_publish(struct mt_core *core, struct mt_peer *peer,
			    const struct mt_publish *publish);
bool mt_offer_takes_subscribe(struct mt_core *core, struct mt_peer *peer,
			      const struct mt_subscribe *packet);

/* ---- stage.c ---- */
void mt_stage_publish(struct mt_core *core, struct mt_peer *peer, const struct mt_frame *frame);
/* A message of the broker itself or a will: retained if it says so, delivered to all; the author's
 * rights are the caller's business. */
void mt_stage_release(struct mt_core *core, struct mt_msg *msg);
/* A message that had to be stored before anybody gets it. MT_MEMORY: nobody got it. */
MT_MUST_USE enum mt_status mt_stage_hand_over(struct mt_core *core, struct mt_ticket *ticket);
/* What a member of a shared subscription leaves behind, and nobody here can take. */
void mt_stage_bequeath(struct mt_core *core, struct mt_route *route,
		       const struct mt_delivery *delivery);
/* A PUBLISH of a sibling, which `proxy` stands for. */
void mt_stage_forwarded(struct mt_core *core, struct mt_peer *proxy,
			const struct mt_link_message *message);

/* ---- route.c ---- */
/* Who gets what `peer` (NULL: the broker) publishes on topic; valid until the next change of
 * subscriptions or policy. NULL without memory, and for a topic of too many levels. */
struct mt_route *mt_route_find(struct mt_core *core, struct mt_peer *peer, struct mt_bytes topic);
bool mt_route_permits(struct mt_core *core, const struct mt_peer *peer, struct mt_route *route,
		      uint8_t qos, bool is_retain);
/* Re-decides a subscription under the present policy, once per epoch. */
void mt_sub_redecide(struct mt_core *core, struct mt_sub *sub);
bool mt_sub_delivers(struct mt_core *core, struct mt_sub *sub, struct mt_bytes topic);
/* Something may have become stale since the last sweep. */
bool mt_routes_are_stale(const struct mt_core *core);
void mt_routes_sweep(struct mt_core *core);
void mt_routes_finish(struct mt_core *core);

/* ---- deliver.c ---- */
struct mt_outgoing {
	struct mt_msg *msg;
	struct mt_sub_ids *ids; /* NULL: none */
	uint8_t qos;
	bool is_retain;
	bool is_of_retained; /* it was kept for its topic, and comes from there */
	bool is_cacheable;   /* core->encoding belongs to this message */
	uint64_t group;	     /* number of the shared subscription; 0: none */
	bool is_spared;	     /* another member takes what comes next: the publisher need not wait */
};
static inline struct mt_outgoing mt_outgoing_to(const struct mt_receiver *receiver,
						struct mt_msg *msg)
{
	return (struct mt_outgoing){
		.msg = msg,
		.ids = receiver->session->version == MT_VERSION_5 ? receiver->ids : NULL,
		.qos = msg->qos < receiver->qos ? msg->qos : receiver->qos,
		.is_retain = receiver->is_retain_as_published && msg->is_retain,
		.is_cacheable = true,
		.group = receiver->group ? receiver->group->number : 0};
}
/* One more QoS 1 or 2 message fits into the session's queue. */
bool mt_deliver_has_room(const struct mt_core *core, const struct mt_session *session,
			 const struct mt_msg *msg);
/* Forgets what was encoded: a new message is on its way. */
void mt_encoding_begin(struct mt_core *core);
/* Sends or queues; held: list of a ticket to join, or NULL. True when it was sent or queued. */
bool mt_deliver(struct mt_core *core, struct mt_session *session,
		const struct mt_outgoing *outgoing, struct mt_list *held);
/* Starts waiting deliveries while the window has room, then the backlog. */
void mt_deliver_pump(struct mt_core *core, struct mt_session *session);
/* Sends again what was in flight on an earlier connection, in order. */
void mt_deliver_resume(struct mt_core *core, struct mt_session *session);
/* May it (still) reach the session? After a change of policy it is decided anew. */
bool mt_delivery_is_permitted(struct mt_core *core, struct mt_session *session,
			      struct mt_delivery *delivery);
void mt_delivery_end(struct mt_core *core, struct mt_session *session,
		     struct mt_delivery *delivery);
static inline uint32_t mt_backlog_waiting(const struct mt_backlog *backlog)
{
	return backlog->count - backlog->pos;
}

MT_MUST_USE enum mt_status mt_backlog_push(struct mt_core *core, struct mt_peer *peer,
					   struct mt_backlog_item item);
/* Moves what persists into the session's queue, drops the rest. */
void mt_backlog_finish(struct mt_core *core, struct mt_peer *peer, struct mt_session *keeper);

/* ---- payload.c ---- */
bool mt_payload_keeps_format(const struct mt_core *core, const struct mt_props *props,
			     struct mt_bytes payload);

/* ---- alias.c ---- */
struct mt_alias {
	uint16_t number; /* 0: none */
	bool is_known;	 /* the topic itself need not go with it */
};
/* client_max: what the client allows ([MQTT-3.1.2-26]). */
void mt_alias_open(struct mt_peer *peer, uint16_t client_max);
/* Only for a peer that takes aliases. */
struct mt_alias mt_alias_find(struct mt_core *core, struct mt_peer *peer,
			      const struct mt_outgoing *outgoing);
/* The packet that sets the alias is written. */
void mt_alias_keep(struct mt_core *core, struct mt_peer *peer, uint16_t alias,
		   const struct mt_outgoing *outgoing);
void mt_alias_finish(struct mt_core *core, struct mt_peer *peer);

/* ---- share.c ---- */
struct mt_share {
	const struct mt_receiver *members; /* receivers of one group */
	uint32_t count;
	const struct mt_msg *msg;
	const struct mt_session *leaver; /* gets nothing; NULL: nobody leaves */
	bool is_spared;			 /* out: the chosen one keeps up, and turns are taken */
};
/* The member that gets the message; NULL: only the one that leaves is there. */
const struct mt_receiver *mt_share_choose(const struct mt_core *core, struct mt_share *share);
/* Who publishes, for as long as its session lives; the broker itself and wills are one sender. */
uint64_t mt_share_sender(const struct mt_core *core);
/* The session ends: what it did not acknowledge of shared subscriptions goes to other members. */
void mt_share_inherit(struct mt_core *core, struct mt_session *leaver);

/* ---- group.c ---- */
/* Fills in the shared subscriptions of a route that is being built, after a match of interests. */
void mt_groups_list(struct mt_core *core, struct mt_route *route);
/* Which core's members get a message; message: what a sibling leaves to us; NULL: it is new. */
void mt_groups_assign(struct mt_core *core, struct mt_route *route,
		      const struct mt_link_message *message);
/* One of them alone, and not here; false: it has no member elsewhere. */
bool mt_groups_bequeath(struct mt_core *core, struct mt_route *route, uint64_t number);
/* Cores with an assigned one, a bit each. */
uint64_t mt_groups_cores(const struct mt_route *route);
/* How many are assigned to a core, and their numbers (NULL: only how many). */
uint32_t mt_groups_of(const struct mt_route *route, uint32_t core, uint64_t *numbers);

/* ---- acknowledge.c ---- */
void mt_acknowledge(struct mt_core *core, struct mt_peer *peer, const struct mt_frame *frame);
void mt_ack_send(struct mt_core *core, struct mt_peer *peer, uint8_t type, uint16_t packet_id,
		 uint8_t reason);
/* A static text for the Reason String of an acknowledgement; NULL: the code says it all. */
const char *mt_ack_explain(uint8_t reason);

/* ---- ticket.c ---- */
/* A ticket for `msg`, last in the order; peer NULL: of a sibling. NULL without memory. */
struct mt_ticket *mt_ticket_open(struct mt_core *core, struct mt_peer *peer, struct mt_msg *msg,
				 uint16_t packet_id);
/* Answers PUBACK or PUBREC now, or when the number is settled and all before it are out. 0: nothing
 * to wait for. */
void mt_ticket_answer(struct mt_core *core, struct mt_peer *peer, uint64_t number,
		      const struct mt_publish *publish, uint8_t reason);
/* A QoS 2 PUBLISH that came before: PUBREC again, after the store if that is still at it. */
void mt_ticket_answer_again(struct mt_core *core, struct mt_peer *peer,
			    const struct mt_publish *publish);
void mt_ticket_settle(struct mt_core *core, struct mt_ticket *ticket, bool is_stored);
void mt_ticket_flush(struct mt_core *core, struct mt_peer *peer);

/* ---- link.c: only where there are links, but for create and finish ---- */
MT_MUST_USE enum mt_status mt_links_create(struct mt_core *core);
void mt_links_finish(struct mt_core *core);
/* The proxy of a sibling was paused, or goes on. */
void mt_link_paced(struct mt_core *core, const struct mt_peer *proxy);
void mt_links_tick(struct mt_core *core);
bool mt_links_is_due(const struct mt_core *core);

/* ---- pledge.c ---- */
/* What a held acknowledgement waits for. */
uint64_t mt_pledge_number(const struct mt_pledge *pledge);
/* The one of a QoS 2 PUBLISH that came before, or 0; answers go to `peer` from here on. */
uint64_t mt_pledge_find(struct mt_core *core, const struct mt_peer *peer, uint16_t packet_id);
/* A part is done: 0, or why not. */
void mt_pledge_settle(struct mt_core *core, struct mt_pledge *pledge, uint8_t reason);
void mt_pledge_answered(struct mt_core *core, uint64_t number, uint8_t reason);

/* ---- interest.c ---- */
/* A subscription is made, or about to go. */
MT_MUST_USE enum mt_status mt_interest_begin(struct mt_core *core, const struct mt_sub *sub);
void mt_interest_end(struct mt_core *core, const struct mt_sub *sub);
/* The siblings with subscribers of a topic, a bit each, and how many shared subscriptions have
 * members there. */
MT_MUST_USE enum mt_status mt_interest_match(struct mt_core *core, struct mt_bytes topic,
					     uint64_t *out, size_t *group_count);
void mt_interest_end_all(struct mt_core *core, struct mt_session *session);
/* The session has come or gone: the siblings hear of its shared subscriptions. */
void mt_interest_presence(struct mt_core *core, struct mt_session *session);
MT_MUST_USE enum mt_status mt_round_begin(struct mt_core *core, struct mt_peer *peer);
/* The siblings are told of the filter at `index` of the SUBSCRIBE. */
MT_MUST_USE enum mt_status mt_round_add(struct mt_core *core, struct mt_peer *peer,
					const struct mt_sub *sub, uint32_t index,
					bool is_retained_wanted);
/* True: the SUBACK leaves later, and `reasons` are taken over. */
bool mt_round_holds(struct mt_core *core, struct mt_peer *peer, uint16_t packet_id,
		    struct mt_buf reasons);
void mt_round_end(struct mt_core *core, struct mt_peer *peer);

/* ---- retain.c ---- */
uint32_t mt_retain_owner(const struct mt_core *core, struct mt_bytes topic);
/* Alone, each topic is. */
bool mt_retain_is_ours(const struct mt_core *core, struct mt_bytes topic);
/* Before a retained publication is shared. */
void mt_retain_stamp(struct mt_core *core, struct mt_msg *msg);
/* It is kept here. */
void mt_retain_heard(struct mt_core *core, const struct mt_msg *msg);
/* It is delivered live. */
void mt_retain_seen(struct mt_core *core, const struct mt_msg *msg);
/* Nothing newer was delivered live since the SUBSCRIBE. */
bool mt_retain_is_current(const struct mt_core *core, const struct mt_link_message *answer);
/* It was delivered live since the SUBSCRIBE. */
bool mt_retain_was_seen(const struct mt_core *core, const struct mt_wait *wait,
			const struct mt_msg *msg);
/* It left the backlog. */
void mt_retain_delivered(struct mt_core *core, struct mt_link_message **answer);

/* ---- move.c ---- */
/* The core that owns the session of (owner, client id). */
uint32_t mt_move_home(const struct mt_core *core, uint64_t owner, struct mt_bytes client_id);
/* The CONNECT is accepted and belongs to core `to`. MT_MEMORY: nothing has changed. */
MT_MUST_USE enum mt_status mt_move_begin(struct mt_core *core, struct mt_peer *peer, uint32_t to,
					 uint64_t user_id);
/* The last word of the core on a connection that moves; false: it does not move any more. */
bool mt_move_finish(struct mt_core *core, struct mt_peer *peer, struct mt_request *request);

/* ---- subscribe.c ---- */
void mt_subscribe_handle(struct mt_core *core, struct mt_peer *peer, const struct mt_frame *frame);
/* Out of the table and of the siblings' minds. */
void mt_subscribe_drop(struct mt_core *core, struct mt_sub **sub);
/* The retained messages that are kept here, into the backlog; wait: since when there was time to
 * see them live, or NULL. */
MT_MUST_USE enum mt_status mt_subscribe_gather(struct mt_core *core, struct mt_peer *peer,
					       struct mt_sub *sub, const struct mt_wait *wait);
/* One that is kept elsewhere; the answer is taken over on success. */
MT_MUST_USE enum mt_status mt_subscribe_push(struct mt_core *core, struct mt_peer *peer,
					     const struct mt_sub *sub,
					     struct mt_link_message *answer);
/* SUBACK. */
void mt_subscribe_answer(struct mt_core *core, struct mt_peer *peer, uint16_t packet_id,
			 const struct mt_buf *reasons);
void mt_unsubscribe_handle(struct mt_core *core, struct mt_peer *peer,
			   const struct mt_frame *frame);

/* ---- depart.c ---- */
/* DISCONNECT from the client (section 3.14). */
void mt_depart_asked(struct mt_core *core, struct mt_peer *peer, const struct mt_frame *frame);
/* The connection of a session is over: will, expiry. */
void mt_depart(struct mt_core *core, struct mt_peer *peer, bool is_will_due);
void mt_session_end(struct mt_core *core, struct mt_session *session);
void mt_session_timer_fired(struct mt_core *core, struct mt_session *session);

/* ---- throttle.c ---- */
void mt_throttle_init(struct mt_core *core);
static inline bool mt_is_queued_above(const struct mt_marks *marks,
				      const struct mt_session *session)
{
	return mt_flow_out_count(&session->out) >= marks->messages ||
	       session->out.bytes >= marks->queue_bytes;
}

static inline bool mt_is_filling(const struct mt_core *core, const struct mt_session *session,
				 const struct mt_peer *receiver)
{
	return receiver->out.bytes >= receiver->output_high ||
	       mt_is_queued_above(&core->high, session);
}

/* The publish rates of the listener: who is above them is not read until it is back in time. */
void mt_throttle_rate(struct mt_core *core, struct mt_peer *publisher, size_t bytes);
void mt_throttle_rate_end(struct mt_core *core, struct mt_peer *publisher);
/* The receiver's queue is above the high marks: stops reading from the publisher. */
void mt_throttle(struct mt_core *core, struct mt_session *session, const struct mt_peer *receiver);
/* After something left the session's queue: lets publishers go on when there is room again. */
void mt_throttle_relax(struct mt_core *core, struct mt_session *session);
/* After some output of one that did not take it was taken: reads from it again when little is left.
 */
void mt_throttle_reader(struct mt_core *core, struct mt_peer *peer);
/* The receiver is gone: nobody waits for it. */
void mt_throttle_release_all(struct mt_core *core, struct mt_session *session);
/* When the patience of a throttled publisher ends, and what happens then. */
mt_time mt_throttle_due(const struct mt_peer *publisher);
void mt_throttle_expire(struct mt_core *core, struct mt_peer *publisher);

/* ---- author.c ---- */
/* A message of the subject, of now; with the facts of its author when it is to be retained. NULL
 * without memory. */
MT_MUST_USE struct mt_msg *mt_msg_authored(struct mt_core *core, const struct mt_subject *subject,
					   const struct mt_msg_facts *facts);
/* May the author of a retained message publish it by those rules? True for the broker's own.
 */
bool mt_author_may(const struct mt_policy *policy, const struct mt_msg *msg);

/* ---- sweep.c ---- */
/* Since which epoch has nothing changed for the session? What was decided before it is void. */
uint64_t mt_session_decided(struct mt_core *core, struct mt_session *session);
/* The policy has changed, or the time of one of its rules has come. is_anew: stamps do not tell for
 * whom. */
void mt_sweep_begin(struct mt_core *core, bool is_anew);
void mt_sweep_slice(struct mt_core *core);
/* After a change of policy or of time: when is the next one due by itself? */
void mt_sweep_schedule(struct mt_core *core);

/* ---- sys.c ---- */
void mt_sys_publish(struct mt_core *core);
