/*
 * The simulator: real clients and a real broker core, virtual time, and one seed that decides what
 * network, store, clock and people do. What every file of it shares.
 *
 *   device (mt_client) <== up, down: bytes under way ==> broker (mt_core)      oracle: looks on,
 * and knows nothing of either
 *
 *   sim.c      arguments, seeds, one run             broker.c   the shell around the core
 *   device.c   clients and what they do              network.c  bytes under way, faults
 *   people.c   rules, a naive policy                 oracle.c   what must hold
 *   rogue.c    who means no good                     inspector.c what is retained at the end
 *   stranger.c the connections of both
 */
#pragma once

#include "base/rng.h"
#include "client/client.h"
#include "core/core.h"
#include "link/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CORES 2u
#define DEVICES 7u
#define USERS 4u
#define TOPICS 8u
#define FILTERS 9u
#define MESSAGES 4096u
#define EPOCHS 512u
#define RULES 8u
#define TICKETS 1024u
#define LINK_MESSAGES 4096u
#define WILL_TOPIC "a/b"
#define SHARED_TOPIC 5u	 /* and the next: s/x and s/y */
#define SHARED_FILTER 7u /* $share/g/s/# */
#define ROGUE_ID 100u	 /* of users: no permission at all */
#define INSPECTOR_ID 101u

/* Bytes under way, and while which policies the core gave them out. */
struct chunk {
	struct chunk *next;
	uint32_t epoch_first, epoch_last;
	size_t bytes, pos;
	uint8_t data[];
};

struct pipe {
	struct chunk *first, *last;
	bool is_ended; /* nothing comes behind what is there */
};

enum link_state { LINK_DOWN, LINK_UP, LINK_CUT /* silently: neither side knows */ };

struct subscription {
	uint32_t since; /* step of the SUBACK; 0: not subscribed */
	uint32_t asked; /* step of the SUBSCRIBE */
	uint32_t ended; /* step of the UNSUBACK; 0: it was not, or one asked again since */
	uint16_t request;
	bool is_wanted; /* asked for once */
	bool is_asked;	/* and not yet answered */
	uint8_t qos;
};

struct device {
	struct mt_client *client;
	enum mt_version version;
	uint32_t user;
	char id[8];
	bool is_twin;	   /* shares its id with another: what it has may be taken away */
	bool is_connected; /* CONNACK came */
	enum link_state link;
	uint32_t core;
	mt_conn conn; /* MT_HANDLE_NONE: the core has closed it */
	bool is_paused, is_frozen, has_output;
	uint32_t output_since; /* epoch when the core's output was last empty */
	struct pipe up, down;
	mt_time down_since_ns;
	struct subscription subs[FILTERS];
	bool has_asked[FILTERS]; /* in any of its sessions */
	bool has_asked_qos_0[FILTERS];
	bool has_lost_session; /* once, for it was away too long */
	bool is_retired;       /* it does not connect any more */
	uint64_t ticket;       /* of its authentication */
};

enum message_state { MESSAGE_PENDING, MESSAGE_DONE, MESSAGE_REFUSED };

struct message {
	uint8_t publisher, topic, qos;
	bool is_retain;
	bool is_unordered;  /* it was published again: who missed it first has it behind others */
	bool is_repeatable; /* its publisher's session was lost: it may come twice */
	enum message_state state;
	uint16_t packet_id;
	uint32_t sequence;
	uint32_t step, epoch; /* of the publish call */
	uint32_t answered;    /* step of the answer */
	uint8_t received[DEVICES];
};

/* From one core to another: FIFO, lossless, of any delay. */
struct core_link {
	struct mt_link_message *messages[LINK_MESSAGES];
	uint32_t first, count;
};

/* What one core has asked the store for, in order. */
struct store_queue {
	uint64_t tickets[TICKETS];
	uint32_t first, count;
};

struct rule {
	bool is_deny;
	uint8_t operation, qos_mask;
	uint8_t filter;
};

struct permissions {
	struct rule rules[RULES];
	uint32_t count;
	bool is_disabled;
};

struct sim;
struct mt_frame;

/* A connection without a client behind it. */
struct stranger {
	mt_conn conn; /* MT_HANDLE_NONE: none */
	uint32_t core;
	enum mt_version version;
	bool is_paused, is_answered;
	uint64_t ticket;
	uint32_t retained[TOPICS]; /* what came, by topic */
	void (*heard)(struct sim *sim, struct stranger *stranger, const struct mt_frame *frame);
	size_t unread_bytes;
	uint8_t unread[1 << 17];
};

struct sim {
	uint64_t seed;
	bool is_verbose;
	bool is_tight;		  /* small limits: what is lost to them is not looked for */
	bool is_faulty;		  /* network, store and people do their worst */
	uint32_t topics, filters; /* that are used in this run, a bit each */
	uint8_t qos_least;	  /* of subscriptions */
	bool has_fixed_rules;	  /* nobody changes them */
	bool has_lag;		  /* rules reach one core after another */
	bool has_rogue;
	bool is_starved; /* allocations fail */
	struct mt_rng rng;
	struct mt_now now;
	uint32_t step;
	struct mt_core_limits limits; /* of all cores together */
	struct mt_core *cores[CORES];
	uint32_t core_count;
	struct core_link links[CORES][CORES];
	struct store_queue stores[CORES];
	struct device devices[DEVICES];
	struct permissions policies[EPOCHS][USERS]; /* by epoch */
	uint32_t epoch;
	uint64_t refused_allocations;
	uint32_t core_epochs[CORES]; /* whose rules each core has */
	uint32_t touched[USERS];     /* step of the last change */
	struct message messages[MESSAGES];
	uint32_t message_count;
	uint32_t sequence;
	uint32_t last_first[DEVICES][DEVICES][TOPICS]
			   [9]; /* by receiver, publisher, topic, QoS of both */
	uint64_t digest;	/* of all that happened: a seed gives the same twice */
	uint64_t delivered;
	struct stranger rogue, inspectors[CORES];
};

/* ---- sim.c ---- */
void sim_say(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_fail(struct sim *sim, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));
uint32_t sim_below(struct sim *sim, uint32_t bound);
bool sim_chance(struct sim *sim, uint32_t percent);

/* One of the members of a set. */
uint32_t sim_pick(struct sim *sim, uint32_t set, uint32_t count);

/* ---- network.c ---- */
void pipe_put(struct pipe *pipe, struct mt_bytes bytes, uint32_t epoch_first, uint32_t epoch_last);
void pipe_clear(struct pipe *pipe);
/* Moves some bytes of one device each way. */
void network_move(struct sim *sim, struct device *device);
void network_fault(struct sim *sim, struct device *device);
/* Takes what the client wants to send. */
void network_pull_client(struct sim *sim, struct device *device);

/* ---- broker.c ---- */
void broker_open(struct sim *sim);
void broker_close(struct sim *sim);
void broker_tick(struct sim *sim);
/* One of the next allocations of a core fails; count 0: none does any more. */
void broker_starve(struct sim *sim, uint32_t count);
struct mt_core_counts broker_counts(const struct sim *sim);
/* All that was asked of the store, or told between cores, is done. */
bool broker_is_calm(const struct sim *sim);
/* Hands over up to `count` messages of every link. */
void broker_move_links(struct sim *sim, uint32_t count);
void broker_serve(struct sim *sim);
void broker_pull(struct sim *sim, struct device *device);
void broker_answer_store(struct sim *sim, uint32_t count);
void broker_answer_login(struct sim *sim, struct device *device);
/* The transport below the core is gone. */
void broker_closed(struct sim *sim, struct device *device);
bool broker_accept(struct sim *sim, struct device *device);

/* ---- device.c ---- */
extern const char *const topic_names[TOPICS];
extern const char *const filter_names[FILTERS];
void device_init(struct sim *sim, uint32_t index);
void device_act(struct sim *sim, struct device *device);
void device_connect(struct sim *sim, struct device *device);
void device_take_events(struct sim *sim, struct device *device, uint32_t epoch_first,
			uint32_t epoch_last);
void device_closed(struct sim *sim, struct device *device);
/* A new machine, which knows nothing of the former one's session and asks for none. */
void device_renew(struct sim *sim, struct device *device);
void device_finish(struct device *device);
void device_leave(struct sim *sim, struct device *device);
const char *plain_filter(const char *filter);
bool device_is_calm(const struct device *device);

/* ---- people.c ---- */
void people_begin(struct sim *sim);
void people_act(struct sim *sim);
void people_relent(struct sim *sim);
/* A core gets the rules that the others have. */
void people_spread(struct sim *sim);
bool naive_matches(const char *filter, const char *topic);
bool naive_publish(const struct permissions *permissions, const char *topic, uint8_t qos);
bool naive_receive(const struct permissions *permissions, const char *topic);

/* ---- stranger.c ---- */
bool stranger_open(struct sim *sim, struct stranger *stranger, uint32_t core);
void stranger_close(struct sim *sim, struct stranger *stranger);
void stranger_say(struct sim *sim, struct stranger *stranger, struct mt_bytes bytes);
void stranger_read(struct sim *sim, struct stranger *stranger);
void stranger_let_in(struct sim *sim, struct stranger *stranger, uint64_t user_id);
void stranger_serve(struct sim *sim, struct stranger *stranger, struct mt_request *request);

/* ---- rogue.c, inspector.c ---- */
void rogue_act(struct sim *sim);
void inspector_look(struct sim *sim);

/* ---- oracle.c ---- */
void oracle_received(struct sim *sim, struct device *device, const struct mt_publish *publish,
		     uint32_t epoch_first, uint32_t epoch_last);
void oracle_published(struct sim *sim, struct device *device, uint16_t packet_id, uint8_t reason);
/* The store failed a message, or the rules of a user changed (USERS: anybody's message): who does
 * not hear the refusal publishes again, behind what followed. */
void oracle_refused(struct sim *sim, uint32_t user);
/* What is not acknowledged is published again: those of QoS 1 are new to the broker. */
void oracle_disconnected(struct sim *sim, struct device *device);
void oracle_session(struct sim *sim, struct device *device, bool is_present);
void oracle_end(struct sim *sim);
