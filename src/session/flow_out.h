/*
 * QoS 1 and 2 towards a client: what waits, what is in flight, and the packet ids in between
 * (MQTT 5.0 sections 4.3, 4.4, 4.9; 3.1.1 section 4.3).
 *
 *   push -> waiting (FIFO) --start, while the window has room--> in flight (FIFO) --PUBACK / PUBREC
 * PUBREL PUBCOMP--> gone
 *
 * Limits are the caller's: it looks at count and bytes before it pushes. Pure; one thread.
 */
#pragma once

#include "base/list.h"
#include "base/msg.h"

/* Subscription identifiers that go with a delivery; counted, shared by route and deliveries. */
struct mt_sub_ids {
	uint32_t ref_count;
	uint32_t count;
	uint32_t ids[];
};

enum mt_delivery_state { MT_DELIVERY_WAITING, MT_DELIVERY_SENT, MT_DELIVERY_RELEASED };

struct mt_delivery {
	struct mt_list link; /* waiting or in flight */
	struct mt_list hold; /* deliveries of one message that is not durable yet */
	struct mt_flow_out *flow;
	struct mt_msg *msg;	/* a reference; NULL once RELEASED */
	struct mt_sub_ids *ids; /* a reference; NULL: none */
	uint64_t epoch;		/* of the policy that allowed it */
	uint64_t group;		/* shared subscription that it came by (core); 0: none */
	size_t bytes;		/* it counts for in the limits */
	uint16_t packet_id;	/* 0 while waiting */
	uint8_t qos;
	uint8_t state;	     /* enum mt_delivery_state */
	bool is_retain;	     /* flag on the wire */
	bool is_of_retained; /* it was kept for a topic: its author must still have the right */
	bool is_due;	     /* in flight since an earlier connection, not sent again on this one */
};

struct mt_flow_out {
	struct mt_mem *mem;
	struct mt_list waiting;
	struct mt_list inflight;
	struct mt_delivery **window; /* by packet id modulo window_size */
	uint32_t window_size;	     /* a power of two, 0 before the first start */
	uint32_t waiting_count;
	uint32_t inflight_count;
	uint16_t inflight_max; /* the client's receive maximum within ours */
	uint16_t last_id;
	struct mt_delivery *due; /* the first that is due to be sent again; NULL: none */
	uint32_t due_count;
	size_t bytes; /* of all deliveries */
};

void mt_flow_out_init(struct mt_flow_out *flow, struct mt_mem *mem, uint16_t inflight_max);
void mt_flow_out_finish(struct mt_flow_out *flow);
/* Appends to the waiting ones; references to msg and ids are taken. NULL without memory. */
MT_MUST_USE struct mt_delivery *mt_flow_out_push(struct mt_flow_out *flow, struct mt_msg *msg,
						 struct mt_sub_ids *ids, uint8_t qos,
						 bool is_retain, uint64_t epoch);
/* A new connection: what is in flight and not released is due to be sent again, in order and within
 * the window ([MQTT-4.4.0-1], [MQTT-3.3.4-9]). */
void mt_flow_out_resume(struct mt_flow_out *flow);
/* The first delivery that is due when the window has room for it, else NULL. */
struct mt_delivery *mt_flow_out_peek_due(const struct mt_flow_out *flow);
/* It was sent again. */
void mt_flow_out_repeat(struct mt_flow_out *flow, struct mt_delivery *delivery);
/* The first waiting delivery when nothing is due and the window has room for it, else NULL. */
struct mt_delivery *mt_flow_out_peek(const struct mt_flow_out *flow);
/* Gives the peeked delivery a packet id that nothing uses ([MQTT-2.2.1-4]) and moves it in flight.
 * MT_MEMORY: nothing changed. */
MT_MUST_USE enum mt_status mt_flow_out_start(struct mt_flow_out *flow,
					     struct mt_delivery *delivery);
/* In flight under this id, or NULL. */
struct mt_delivery *mt_flow_out_find(const struct mt_flow_out *flow, uint16_t packet_id);
/* PUBREC came: the payload is no longer needed, the id still is. It goes behind the others in
 * flight, so that PUBRELs are repeated in the order of the PUBRECs ([MQTT-4.6.0-4]). */
void mt_flow_out_release(struct mt_flow_out *flow, struct mt_delivery *delivery);
/* Removes and frees a delivery in whatever state. */
void mt_flow_out_drop(struct mt_flow_out *flow, struct mt_delivery **delivery);
/* First of the in-flight ones, and the one after; those sent in the order of their start, those
 * released in the order of their release. NULL at the end. */
struct mt_delivery *mt_flow_out_first_inflight(const struct mt_flow_out *flow);
struct mt_delivery *mt_flow_out_next_inflight(const struct mt_flow_out *flow,
					      const struct mt_delivery *delivery);

/* What a message counts for in the limits of a queue. */
static inline size_t mt_delivery_bytes(const struct mt_msg *msg)
{
	return mt_msg_bytes(msg) + sizeof(struct mt_delivery);
}

static inline uint32_t mt_flow_out_count(const struct mt_flow_out *flow)
{
	return flow->waiting_count + flow->inflight_count;
}

/* Drops one reference; *ids may be NULL. */
void mt_sub_ids_unref(struct mt_mem *mem, struct mt_sub_ids **ids);
