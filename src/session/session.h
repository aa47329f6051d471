/*
 * A session: what the broker keeps for one (identity, client id), with or without a connection
 * (MQTT 5.0 section 4.1).
 *
 *   key = owner (8 bytes) | client id        owner: the identity's immutable id, so that another
 * identity never meets it
 */
#pragma once

#include "identity/mechanism.h"
#include "base/map.h"
#include "base/pool.h"
#include "base/wheel.h"
#include "policy/decide.h"
#include "session/flow_in.h"
#include "session/flow_out.h"

/* Owners without a user record: shared by all anonymous clients, or unique to one connection. */
#define MT_OWNER_ANONYMOUS ((uint64_t)0)
#define MT_OWNER_UNIQUE_BIT (UINT64_C(1) << 63)

struct mt_will {
	struct mt_msg *msg; /* a reference; NULL: none */
	uint32_t delay_s;
};

struct mt_session {
	struct mt_timer timer; /* first: will delay or expiry, whichever comes first, while there is
				  no connection */
	mt_handle self;
	mt_handle conn; /* MT_HANDLE_NONE while away */
	uint64_t owner;
	struct mt_subject subject; /* frozen at CONNECT; its bytes are in `text` */
	uint64_t stamp;		   /* of its rights (policy/decide.h) at `epoch` */
	uint64_t epoch;		   /* when the stamp was last looked at */
	uint64_t decided_epoch;	   /* what was decided about it before is void */
	uint64_t swept_epoch;	   /* when what it may not keep was last taken away */
	uint8_t *text;		   /* key, user name: one allocation */
	struct mt_flow_out out;
	struct mt_flow_in in;
	struct mt_list subs; /* of struct mt_sub */
	uint32_t sub_count;
	uint32_t expiry_s;	  /* 0: ends with the connection; UINT32_MAX: never */
	struct mt_list throttled; /* publishers that wait for this receiver (core) */
	struct mt_will will;
	mt_time away_ns; /* when the connection was lost */
	mt_time connected_ns;
	uint16_t keep_alive_s;
	uint16_t port;
	uint8_t version;
	enum mt_mechanism mechanism : 8; /* that proved who it is, at the last CONNECT */
	bool is_slow;			 /* it did not catch up in time: nobody waits for it */
	uint32_t text_bytes;
	uint32_t unstored_count; /* its QoS 2 messages that nobody gets before they are stored */
	const char *listener;	 /* static */
};

/* Who a session is for; bytes are copied. */
struct mt_session_identity {
	uint64_t owner;
	struct mt_subject subject;
};

struct mt_sessions {
	struct mt_mem *mem;
	uint8_t *key; /* scratch of find */
	struct mt_pool pool;
	struct mt_map by_key;
};

/* finish is due even after MT_MEMORY. */
MT_MUST_USE enum mt_status mt_sessions_init(struct mt_sessions *sessions, struct mt_mem *mem,
					    struct mt_seed seed, uint32_t count_max);
/* Ends every session; subscriptions must be gone. */
void mt_sessions_finish(struct mt_sessions *sessions);
struct mt_session *mt_sessions_find(const struct mt_sessions *sessions, uint64_t owner,
				    struct mt_bytes client_id);
/* A new session, without subscriptions and connection; NULL at the limit or without memory. The key
 * must be free. */
MT_MUST_USE struct mt_session *mt_sessions_create(struct mt_sessions *sessions,
						  const struct mt_session_identity *who,
						  uint16_t inflight_max);
/* Frees it with its queues and its will; its subscriptions must be gone and its timer disarmed. */
void mt_sessions_destroy(struct mt_sessions *sessions, struct mt_session **session);
/* The same client connected again: facts of the subject that may have changed. MT_MEMORY: nothing
 * changed. */
MT_MUST_USE enum mt_status mt_session_refresh(struct mt_sessions *sessions,
					      struct mt_session *session,
					      const struct mt_subject *subject);
