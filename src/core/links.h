/*
 * The inside of a core that has siblings: what link.c, interest.c, retain.c and pledge.c share.
 *
 *   link.c      messages to and from siblings, windows      interest.c  filters, SUBACKs that wait
 *   retain.c    retained messages by owner                  pledge.c    acknowledgements with parts
 */
#pragma once

#include "core/state.h"

#include "link/interest.h"
#include "link/message.h"

/* Towards one sibling, and from it. */
struct mt_link {
	struct mt_peer proxy;	/* stands for its publishers where a receiver is full */
	struct mt_list inbox;	/* not yet taken, because the proxy is paused */
	struct mt_list waiting; /* of struct mt_peer, by link_wait: publishers without room here */
	size_t sent_bytes;	/* to it, and not yet taken */
	size_t taken_bytes;	/* from it, and not yet told */
};

/* An acknowledgement that several parts must be done for: the own store, each FORWARD. */
struct mt_pledge {
	mt_handle self;
	uint32_t part_count;
	uint8_t reason; /* the first that failed */
	uint8_t qos;
	uint8_t sibling; /* whose ticket it answers + 1; 0: a publisher here */
	uint16_t packet_id;
	uint64_t number; /* of the sibling's ticket */
	mt_conn conn;
	mt_handle session;
};

/* A retained publication that was seen live. */
struct mt_seen {
	uint64_t topic_hash, stamp;
	uint8_t by;
};

/* One filter of a SUBSCRIBE that the siblings are told of. */
struct mt_wait {
	struct mt_list link; /* first; of links->waits */
	mt_handle self;
	mt_handle sub;
	mt_conn conn;
	uint32_t index;		/* in the SUBSCRIBE */
	uint32_t confirm_count; /* still out */
	uint32_t end_count;	/* RETAINED_END still out */
	uint64_t answer_count, answers_due;
	uint32_t item_count; /* in the backlog */
	uint8_t reason;
	bool is_counted; /* the SUBACK waits for it */
	bool is_retained_wanted;
	bool is_overflown; /* more was seen than can be kept */
	struct mt_seen *seen;
	uint32_t seen_count, seen_cap;
};

/* A SUBACK that waits. */
struct mt_round {
	uint32_t wait_count;
	uint16_t packet_id;
	struct mt_buf reasons;
};

struct mt_links {
	uint32_t count, self;
	size_t high_bytes, low_bytes, batch_bytes;
	struct mt_interests interests;
	struct mt_pool pledges, wait_pool;
	struct mt_list waits;
	uint64_t stamp; /* of our last retained publication */
	uint64_t
		heard[MT_CORES_MAX]; /* of each core: the last one that came to us as their owner */
	bool is_due;		     /* some inbox may be read again */
	struct mt_link link[];
};

/* ---- link.c ---- */
void mt_link_send(struct mt_core *core, uint32_t to, struct mt_link_message *message);
/* What goes to siblings of one publication. */
struct mt_spread {
	struct mt_msg *msg;
	uint64_t wanted;	      /* cores that deliver it */
	uint64_t kept;		      /* the core that retains it */
	uint64_t tried;		      /* cores that had it before */
	const struct mt_route *route; /* its shared subscriptions are assigned; NULL: none */
	struct mt_pledge *pledge;     /* gets a part for each; NULL: nobody waits */
	struct mt_peer *publisher;
};
void mt_link_spread(struct mt_core *core, const struct mt_spread *spread);

/* ---- pledge.c ---- */
/* With one part of the caller's own. NULL without memory. */
struct mt_pledge *mt_pledge_open(struct mt_core *core, const struct mt_pledge *facts);
/* There is no room for one: the sibling's ticket fails. */
void mt_pledge_refuse(struct mt_core *core, uint32_t to, uint64_t number);

/* ---- interest.c ---- */
void mt_interest_noted(struct mt_core *core, uint32_t from, struct mt_link_message *message);
void mt_interest_confirmed(struct mt_core *core, struct mt_link_message *message);
/* One thing less that the SUBACK waits for. */
void mt_wait_done(struct mt_core *core, struct mt_wait *wait);
/* Ends it when nothing needs it any more. */
void mt_wait_relax(struct mt_core *core, struct mt_wait *wait);

/* ---- retain.c ---- */
void mt_retain_ask(struct mt_core *core, struct mt_wait *wait);
void mt_retain_asked(struct mt_core *core, uint32_t from, const struct mt_link_message *message);
/* Takes the message over. */
void mt_retain_answered(struct mt_core *core, struct mt_link_message *message);
void mt_retain_ended(struct mt_core *core, const struct mt_link_message *message);
