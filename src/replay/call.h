/*
 * One call into a core, or what came of several, as bytes: the body of a record.
 *
 *   | kind 1 | time follows 1 | mono 8, wall 8 | fields by kind |       numbers are big-endian
 *
 * What stays the same for many calls is told once: a LISTENER is named by its number from then on.
 * DRAIN and SENT carry the digest of all requests and output so far, so that a replay knows where
 * it first went another way. Pure.
 */
#pragma once

#include "core/core.h"
#include "link/message.h"
#include "topic/retained.h"

#define MT_CALL_SUBTREES_MAX 16u
#define MT_CALL_LISTENERS_MAX 64u

enum mt_call_kind {
	MT_CALL_CREATE,	  /* create; the first record */
	MT_CALL_LISTENER, /* listener: its number is the count of those before */
	MT_CALL_OPEN,	  /* facts, conn, status */
	MT_CALL_TURN_AWAY,
	MT_CALL_INPUT,	/* conn, bytes */
	MT_CALL_CLOSED, /* conn */
	MT_CALL_AUTHENTICATED,
	MT_CALL_STORED, /* number: ticket, status */
	MT_CALL_PEER,
	MT_CALL_ADOPT,
	MT_CALL_SET_POLICY, /* bytes: an image of policy/image.h */
	MT_CALL_TICK,
	MT_CALL_KICK, /* bytes: user, more: client id, number: ended */
	MT_CALL_SHUT_DOWN,
	MT_CALL_SENT,	/* conn, number: bytes, digest with them */
	MT_CALL_DRAIN,	/* number: calls of mt_core_request, digest after them */
	MT_CALL_CHECK,	/* digest: of the core's counts */
	MT_CALL_END,	/* bytes: why the recording ends */
	MT_CALL_PROVE,	/* conn, proof */
	MT_CALL_EXPEL,	/* conn, number: enum mt_expulsion */
	MT_CALL_FIGURE, /* bytes: name, number: value */
	MT_CALL_KIND_COUNT
};

struct mt_call_create {
	struct mt_core_settings settings; /* without its texts and subtrees */
	struct mt_bytes release, response_topic;
	struct mt_retained_subtree subtrees[MT_CALL_SUBTREES_MAX];
	struct mt_bytes policy;
};

/* What connections of one listener have in common. */
struct mt_call_listener {
	struct mt_bytes name, anonymous_role, client_id_rule, server_reference;
	struct mt_core_limits limits;
	struct mt_offer offer; /* without server_reference */
	bool has_limits, has_offer, has_anonymous_sessions, is_certificate_required;
	bool is_id_demanded;
	mt_mechanisms accepted;
};

struct mt_call_facts {
	uint32_t listener;
	struct mt_address address;
	uint16_t port;
	bool is_secret_safe;
};

struct mt_call_message {
	enum mt_link_kind kind;
	uint64_t number, count, sender;
	struct mt_members members;
	size_t taken_bytes;
	uint8_t to, reason;
	bool is_wanted, is_kept;
	struct mt_bytes text;
	struct mt_bytes heard; /* numbers of 8 bytes */
	bool has_msg;
	struct mt_msg_facts facts;
	uint64_t stamp;
	uint8_t core;
};

struct mt_call_adoption {
	struct mt_bytes hello, reply, unread;
	mt_time opened_ns;
	uint64_t user_id;
	enum mt_mechanism mechanism;
	bool has_method, has_proof;
	struct mt_proof proof;
};

struct mt_call {
	enum mt_call_kind kind;
	bool has_time; /* another one than the record before */
	struct mt_now now;
	mt_conn conn;
	uint64_t number;
	uint64_t digest;
	uint32_t from;	/* PEER: a core */
	uint8_t status; /* enum mt_status; TURN_AWAY: enum mt_limit_id */
	struct mt_bytes bytes, more;
	struct mt_call_facts facts; /* OPEN, TURN_AWAY, ADOPT */
	union {
		struct mt_call_create create;
		struct mt_call_listener listener;
		struct mt_auth_verdict verdict; /* AUTHENTICATED; number: ticket */
		struct mt_call_message message;
		struct mt_call_adoption adoption;
		struct mt_proof proof;
	};
};

/* "input" */
const char *mt_call_name(enum mt_call_kind kind);
/* At most so many bytes are written. */
size_t mt_call_bytes_max(const struct mt_call *call);
void mt_call_encode(const struct mt_call *call, struct mt_buf *out);
/* Views point into `body`. MT_INVALID: no call, or one with bytes left over; each call has one form
 * alone. */
MT_MUST_USE enum mt_status mt_call_decode(struct mt_bytes body, struct mt_call *out);
