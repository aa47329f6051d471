/*
 * Acknowledgements and the store: a ticket per message that must be durable before its PUBACK or
 * PUBREC leaves.
 *
 *   stage: open -> STORE request ... stored -> settle -> QoS 2 is handed over, the held
 * acknowledgement leaves, in order
 *   not stored: waiting deliveries of the message are taken back, the former retained message
 * returns, the answer is 0x97
 */
#include "core/state.h"

struct mt_ticket *mt_ticket_open(struct mt_core *core, struct mt_peer *peer, struct mt_msg *msg,
				 uint16_t packet_id)
{
	struct mt_ticket *ticket;
	if (mt_requests_reserve(core, 1) != MT_OK)
		return NULL;
	ticket = mt_mem_zero(&core->mem, sizeof(*ticket));
	if (!ticket)
		return NULL;
	ticket->number = ++core->next_ticket;
	ticket->msg = mt_msg_ref(msg);
	ticket->conn = peer ? peer->self : MT_HANDLE_NONE;
	ticket->session = peer ? peer->session->self : MT_HANDLE_NONE;
	ticket->packet_id = packet_id;
	ticket->qos = msg->qos;
	mt_list_init(&ticket->held);
	mt_list_push_back(&core->tickets, &ticket->link);
	mt_request_push(core, &(struct mt_request){.type = MT_REQUEST_STORE,
						   .conn = ticket->conn,
						   .ticket = ticket->number,
						   .msg = ticket->msg});
	return ticket;
}

static uint8_t answer_type(uint8_t qos)
{
	return qos == 1 ? MT_PACKET_PUBACK : MT_PACKET_PUBREC;
}

static bool is_holding_many(const struct mt_peer *peer)
{
	return peer->acks.count >= peer->facts.limits->inflight;
}

static void hold(struct mt_core *core, struct mt_peer *peer, const struct mt_held_ack *ack)
{
	if (ack->ticket == 0 && peer->acks.count == 0) {
		mt_ack_send(core, peer, ack->type, ack->packet_id, ack->reason);
		return;
	}
	if (mt_acks_push(&peer->acks, *ack) != MT_OK)
		mt_peer_abandon(core, peer);
	else if (peer->version != MT_VERSION_5 && is_holding_many(peer))
		mt_peer_pause(core, peer, MT_PAUSE_STORE);
}

void mt_ticket_answer(struct mt_core *core, struct mt_peer *peer, uint64_t number,
		      const struct mt_publish *publish, uint8_t reason)
{
	struct mt_held_ack ack = {.ticket = number,
				  .packet_id = publish->packet_id,
				  .type = answer_type(publish->qos),
				  .reason = reason};
	hold(core, peer, &ack);
}

void mt_ticket_answer_again(struct mt_core *core, struct mt_peer *peer,
			    const struct mt_publish *publish)
{
	struct mt_held_ack ack = {.packet_id = publish->packet_id,
				  .type = answer_type(publish->qos)};
	/* The answer that waits already is the one to this message too. */
	if (mt_acks_has(&peer->acks, ack.type, ack.packet_id))
		return;
	for (struct mt_list *link = core->tickets.next; link != &core->tickets; link = link->next) {
		struct mt_ticket *ticket = MT_LIST_ITEM(link, struct mt_ticket, link);
		if (ticket->session != peer->session->self ||
		    ticket->packet_id != publish->packet_id || ticket->qos != 2)
			continue;
		ticket->conn = peer->self;
		ack.ticket = ticket->pledge ? 0 : ticket->number;
	}
	if (core->links && ack.ticket == 0)
		ack.ticket = mt_pledge_find(core, peer, publish->packet_id);
	hold(core, peer, &ack);
}

void mt_ticket_flush(struct mt_core *core, struct mt_peer *peer)
{
	struct mt_held_ack ack;
	while (mt_acks_pop(&peer->acks, &ack))
		mt_ack_send(core, peer, ack.type, ack.packet_id, ack.reason);
	if (!(peer->pauses & MT_PAUSE_STORE) || is_holding_many(peer))
		return;
	/* The time it was not listened to does not count against its keep-alive. */
	peer->input_ns = core->now.mono_ns;
	mt_peer_go_on(core, peer, MT_PAUSE_STORE);
	mt_peer_arm(core, peer);
}

/* The next ticket behind this one that changed the same retained message; NULL: none. */
static struct mt_ticket *next_retaining(struct mt_core *core, const struct mt_ticket *ticket)
{
	struct mt_bytes topic = mt_msg_topic(ticket->msg);
	for (struct mt_list *link = ticket->link.next; link != &core->tickets; link = link->next) {
		struct mt_ticket *next = MT_LIST_ITEM(link, struct mt_ticket, link);
		if (next->is_retained_changed && mt_bytes_equal(mt_msg_topic(next->msg), topic))
			return next;
	}
	return NULL;
}

/*
 * The former retained message returns, unless ours was replaced meanwhile: then a ticket behind
 * this one that replaced ours has to fall back to the former one as well.
 */
static void take_back_retained(struct mt_core *core, struct mt_ticket *ticket)
{
	struct mt_msg *set = ticket->msg->payload_len > 0 ? ticket->msg : NULL;
	struct mt_bytes topic = mt_msg_topic(ticket->msg);
	struct mt_ticket *next = next_retaining(core, ticket);
	if (next && next->replaced == set) {
		mt_msg_unref(&next->replaced);
		next->replaced = ticket->replaced;
		ticket->replaced = NULL;
	}
	if (next || mt_retained_find(core->retained, topic) != set)
		return;
	mt_retained_clear(core->retained, topic);
	if (ticket->replaced && mt_retained_set(core->retained, ticket->replaced) != MT_OK)
		core->counts.publishes_dropped++;
}

/* What has not gone out yet is taken back; what has is at least once, as QoS 1 may be. */
static void take_back(struct mt_core *core, struct mt_ticket *ticket)
{
	struct mt_session *author = mt_pool_get(&core->sessions.pool, ticket->session);
	struct mt_list *link;
	while ((link = mt_list_first(&ticket->held))) {
		struct mt_delivery *delivery = MT_LIST_ITEM(link, struct mt_delivery, hold);
		mt_list_remove(link);
		if (delivery->state != MT_DELIVERY_WAITING)
			continue;
		core->queued_bytes -= delivery->bytes;
		mt_flow_out_drop(delivery->flow, &delivery);
		core->queued_count--;
	}
	if (ticket->is_retained_changed)
		take_back_retained(core, ticket);
	if (author && ticket->qos == 2 && !ticket->pledge)
		mt_flow_in_remove(&author->in, ticket->packet_id);
}

static void free_ticket(struct mt_core *core, struct mt_ticket *ticket)
{
	struct mt_list *link;
	while ((link = mt_list_first(&ticket->held)))
		mt_list_remove(link);
	mt_list_remove(&ticket->link);
	mt_msg_unref(&ticket->msg);
	mt_msg_unref(&ticket->replaced);
	mt_mem_give(&core->mem, ticket, sizeof(*ticket));
}

void mt_ticket_settle(struct mt_core *core, struct mt_ticket *ticket, bool is_stored)
{
	struct mt_peer *peer = mt_peer_get(core, ticket->conn);
	if (ticket->is_distribution_due) {
		struct mt_session *author = mt_pool_get(&core->sessions.pool, ticket->session);
		if (author)
			author->unstored_count--;
		if (is_stored)
			is_stored = mt_stage_hand_over(core, ticket) == MT_OK;
	}
	if (!is_stored)
		take_back(core, ticket);
	if (ticket->pledge)
		mt_pledge_settle(core, ticket->pledge, is_stored ? 0 : MT_REASON_QUOTA_EXCEEDED);
	else if (peer && peer->phase == MT_PHASE_OPEN) {
		mt_acks_settle(&peer->acks, ticket->number,
			       is_stored ? 0 : MT_REASON_QUOTA_EXCEEDED);
		mt_ticket_flush(core, peer);
	}
	free_ticket(core, ticket);
}
