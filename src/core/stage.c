/*
 * A PUBLISH from a client, step by step:
 *
 *   decode -> alias -> known QoS 2 id? -> quota -> route and verdict -> retain -> deliver to the
 * route -> acknowledge
 */
#include "core/links.h"

#include "topic/name.h"

struct step {
	struct mt_peer *peer;
	struct mt_publish publish;
	struct mt_route *route;
	struct mt_msg *msg;
	struct mt_ticket *ticket;
	struct mt_pledge *pledge; /* with siblings: the acknowledgement has parts */
	uint64_t kept;		  /* the sibling that retains it, its bit; 0: none */
};

static bool violate(struct mt_core *core, struct mt_peer *peer, const char *statement,
		    uint8_t reason)
{
	struct mt_violation why = {statement, reason, 0};
	mt_peer_violated(core, peer, &why);
	return false;
}

static enum mt_status set_alias(struct mt_core *core, struct mt_peer *peer, uint16_t alias,
				struct mt_bytes topic)
{
	uint16_t most = peer->facts.limits->topic_aliases;
	union {
		const uint8_t *view;
		void *owned;
	} old;
	uint8_t *copy = mt_mem_take(&core->mem, topic.len);
	if (!copy)
		return MT_MEMORY;
	if (!peer->aliases)
		peer->aliases = mt_mem_zero(&core->mem, most * sizeof(*peer->aliases));
	if (!peer->aliases) {
		mt_mem_give(&core->mem, copy, topic.len);
		return MT_MEMORY;
	}
	memcpy(copy, topic.data, topic.len);
	old.view = peer->aliases[alias - 1].data;
	mt_mem_give(&core->mem, old.owned, peer->aliases[alias - 1].len);
	peer->aliases[alias - 1] = mt_bytes_of(copy, topic.len);
	return MT_OK;
}

/* Gives the topic its name, or the name its alias (section 3.3.2.3.4). False: the connection is
 * closing. */
static bool resolve_alias(struct mt_core *core, struct mt_peer *peer, struct mt_publish *publish)
{
	uint16_t alias = publish->props.topic_alias;
	if (!(publish->props.present & MT_PROP_BIT(TOPIC_ALIAS)))
		return true;
	if (alias > peer->facts.limits->topic_aliases)
		mt_limit_meet(core, peer, MT_LIMIT_TOPIC_ALIASES);
	if (alias > peer->facts.limits->topic_aliases)
		return violate(core, peer, "MQTT-3.3.2-9", MT_REASON_TOPIC_ALIAS_INVALID);
	if (publish->topic.len > 0) {
		if (set_alias(core, peer, alias, publish->topic) == MT_OK)
			return true;
		mt_peer_close(core, peer, MT_REASON_QUOTA_EXCEEDED, true, "out of memory");
		return false;
	}
	if (!peer->aliases || peer->aliases[alias - 1].len == 0)
		return violate(core, peer, "section 3.3.2.3.4", MT_REASON_PROTOCOL_ERROR);
	publish->topic = peer->aliases[alias - 1];
	return true;
}

/*
 * More unacknowledged PUBLISHes than were announced ([MQTT-3.3.4-7]). A QoS 2 message counts by its
 * id, from PUBLISH to PUBREL; its held PUBREC is bounded as well, for a PUBREL may come too early.
 * 3.1.1 is told no number: what waits for the store is bounded by not reading on
 * (mt_ticket_answer), the ids by the queue of a session.
 */
static bool is_over_quota(const struct mt_core *core, const struct mt_peer *peer)
{
	uint32_t most = peer->facts.limits->inflight;
	uint32_t count = peer->acks.final_count + peer->session->in.count;
	if (peer->version == MT_VERSION_5)
		return peer->acks.count >= most || count >= most;
	return count >= most && count >= core->settings.limits.queue_messages;
}

/* A QoS 2 message that came before is not passed on again ([MQTT-4.3.3-10]); it is only answered
 * again. */
static bool is_repeated(const struct mt_peer *peer, const struct mt_publish *publish)
{
	return publish->qos == 2 && mt_flow_in_has(&peer->session->in, publish->packet_id);
}

/* From PUBREC to PUBREL the id of a QoS 2 message is taken, but not when the PUBREC says no
 * ([MQTT-4.3.3-9]). False without memory: then the message goes nowhere, for sent again it would
 * not be known. */
static bool take_id(struct mt_peer *peer, const struct mt_publish *publish)
{
	return publish->qos != 2 || mt_flow_in_add(&peer->session->in, publish->packet_id) == MT_OK;
}

static void audit_denial(struct mt_core *core, struct mt_peer *peer,
			 const struct mt_publish *publish)
{
	struct mt_verdict verdict =
		mt_decide_publish(core->policy, &peer->session->subject, publish->topic,
				  publish->qos, publish->is_retain, mt_core_wall_s(core));
	core->counts.publishes_denied++;
	mt_audit(core, peer,
		 &(struct mt_audit_facts){.event = MT_AUDIT_DENY,
					  .what = "publish",
					  .reason = MT_REASON_NOT_AUTHORIZED,
					  .rule_id =
						  verdict.why == MT_WHY_RULE ? verdict.rule_id : 0,
					  .topic = publish->topic});
}

/*
 * 5 says no in the acknowledgement. Otherwise a denial is acknowledged and dropped, or ends the
 * connection where that is wanted; what failed for want of room is never acknowledged: 3.1.1
 * closes, QoS 0 is counted as dropped.
 */
static void refuse(struct mt_core *core, struct mt_peer *peer, const struct mt_publish *publish,
		   uint8_t reason)
{
	bool is_denial = reason == MT_REASON_NOT_AUTHORIZED;
	if (publish->qos > 0 && peer->version == MT_VERSION_5)
		mt_ticket_answer(core, peer, 0, publish, reason);
	else if (is_denial ? core->settings.is_denial_closing : publish->qos > 0)
		mt_peer_close(core, peer, reason, true,
			      is_denial ? "denied publish" : "no room for a publish");
	else if (publish->qos > 0 && take_id(peer, publish))
		mt_ticket_answer(core, peer, 0, publish, MT_REASON_SUCCESS);
	else if (publish->qos > 0)
		mt_peer_abandon(core, peer);
	else
		core->counts.publishes_dropped += !is_denial;
}

static enum mt_status keep_retained(struct mt_core *core, struct mt_msg *msg)
{
	static const enum mt_limit_id limits[] = {
		[MT_RETAINED_COUNT] = MT_LIMIT_RETAINED_COUNT,
		[MT_RETAINED_BYTES] = MT_LIMIT_RETAINED_BYTES,
		[MT_RETAINED_NODES] = MT_LIMIT_RETAINED_NODES,
	};
	enum mt_retained_bound bound = MT_RETAINED_COUNT;
	enum mt_status status = mt_retained_set_within(core->retained, msg, &bound);
	if (status != MT_LIMIT)
		return status;
	if (core->publisher)
		mt_limit_meet(core, core->publisher, limits[bound]);
	else
		mt_limit_cut(core, limits[bound]);
	return status;
}

/* Sets or clears the topic's retained message; keeps the former one in the ticket, for undoing. */
static enum mt_status retain(struct mt_core *core, struct mt_msg *msg, struct mt_ticket *ticket)
{
	struct mt_bytes topic = mt_msg_topic(msg);
	struct mt_msg *former = mt_retained_find(core->retained, topic);
	if (ticket) {
		ticket->replaced = former ? mt_msg_ref(former) : NULL;
		ticket->is_retained_changed = true;
	}
	if (core->links)
		mt_retain_heard(core, msg);
	if (msg->payload_len > 0)
		return keep_retained(core, msg);
	mt_retained_clear(core->retained, topic);
	return MT_OK;
}

static void hand_over_in_turn(struct mt_core *core, const struct mt_receiver *members,
			      uint32_t count, struct mt_msg *msg, struct mt_list *held)
{
	struct mt_share share = {.members = members, .count = count, .msg = msg};
	const struct mt_receiver *chosen = mt_share_choose(core, &share);
	struct mt_outgoing outgoing;
	if (!chosen)
		return;
	outgoing = mt_outgoing_to(chosen, msg);
	outgoing.is_spared = share.is_spared;
	mt_deliver(core, chosen->session, &outgoing, held);
}

/* With siblings another core may have been chosen; *at moves on with the receivers. */
static bool is_turn_ours(const struct mt_core *core, const struct mt_route *route,
			 const struct mt_receiver *receiver, uint32_t *at)
{
	if (!core->links)
		return true;
	while (route->shares[*at].number != receiver->group->number)
		++*at;
	return route->shares[*at].core == core->settings.core_index;
}

/* One message on its way to the receivers of a route. */
struct distribution {
	const struct mt_route *route;
	struct mt_msg *msg;
	struct mt_list *held;		 /* of its ticket; NULL: none */
	const struct mt_session *except; /* gets nothing; NULL: nobody */
	bool is_shared_only;		 /* who has a subscription of its own got it already */
};

static void distribute(struct mt_core *core, const struct distribution *out)
{
	const struct mt_route *route = out->route;
	uint32_t end, at = 0;
	mt_encoding_begin(core);
	for (uint32_t i = 0; i < route->receiver_count; i = end) {
		const struct mt_receiver *receiver = &route->receivers[i];
		end = i + 1;
		if (receiver->group) {
			while (end < route->receiver_count &&
			       route->receivers[end].group == receiver->group)
				end++;
			if (is_turn_ours(core, route, receiver, &at))
				hand_over_in_turn(core, receiver, end - i, out->msg, out->held);
		} else if (receiver->session != out->except && !out->is_shared_only) {
			struct mt_outgoing outgoing = mt_outgoing_to(receiver, out->msg);
			mt_deliver(core, receiver->session, &outgoing, out->held);
		}
	}
}

static struct mt_msg *make_msg(struct mt_core *core, const struct mt_peer *peer,
			       const struct mt_publish *publish)
{
	struct mt_msg_facts facts = {.topic = publish->topic,
				     .payload = publish->payload,
				     .expires_ns = MT_TIME_NEVER,
				     .author_id = peer->session->subject.user_id,
				     .qos = publish->qos,
				     .is_retain = publish->is_retain};
	size_t props_bytes = publish->props.raw.len;
	uint8_t *scratch;
	struct mt_buf forwarded;
	struct mt_msg *msg;
	if (props_bytes == 0)
		return mt_msg_authored(core, &peer->session->subject, &facts);
	scratch = mt_mem_take(&core->mem, props_bytes);
	if (!scratch)
		return NULL;
	forwarded = mt_buf_of(scratch, props_bytes);
	mt_props_forward(&publish->props, &forwarded);
	facts.props = mt_buf_view(&forwarded);
	if (publish->props.present & MT_PROP_BIT(MESSAGE_EXPIRY_INTERVAL))
		facts.expires_ns = core->now.mono_ns + publish->props.message_expiry_s * MT_SECOND;
	msg = mt_msg_authored(core, &peer->session->subject, &facts);
	mt_mem_give(&core->mem, scratch, props_bytes);
	return msg;
}

/* A message that must outlive us and is acknowledged waits for the store; and one of QoS 2 behind
 * another that does, for their order. */
static bool needs_store(const struct step *step)
{
	const struct mt_publish *publish = &step->publish;
	if (publish->qos == 0)
		return false;
	return (publish->is_retain && step->kept == 0) || step->route->has_keepers ||
	       (publish->qos == 2 && step->peer->session->unstored_count > 0 &&
		(step->route->receiver_count > 0 || step->route->reach != 0));
}

/* QoS 2 waits for the store: were it refused there, its author would send it again. */
static void put_off(struct step *step)
{
	step->ticket->is_distribution_due = true;
	step->peer->session->unstored_count++;
}

/* With siblings: who retains it, and is there more than one part to wait for? */
static enum mt_status join(struct mt_core *core, struct step *step)
{
	const struct mt_peer *peer = step->peer;
	if (step->publish.is_retain) {
		mt_retain_stamp(core, step->msg);
		if (!mt_retain_is_ours(core, step->publish.topic))
			step->kept = UINT64_C(1) << mt_retain_owner(core, step->publish.topic);
	}
	if (step->publish.qos == 0 || (step->route->reach | step->kept) == 0)
		return MT_OK;
	step->pledge =
		mt_pledge_open(core, &(struct mt_pledge){.conn = peer->self,
							 .session = peer->session->self,
							 .packet_id = step->publish.packet_id,
							 .qos = step->publish.qos});
	return step->pledge ? MT_OK : MT_MEMORY;
}

/* To the siblings that want it, and to the one that retains it. */
static void spread(struct mt_core *core, const struct mt_route *route, struct mt_msg *msg,
		   struct mt_pledge *pledge)
{
	struct mt_spread out = {.msg = msg,
				.wanted = route ? route->siblings : 0,
				.route = route,
				.pledge = pledge,
				.publisher = core->publisher};
	if (msg->is_retain) {
		mt_retain_seen(core, msg);
		out.kept = UINT64_C(1) << mt_retain_owner(core, mt_msg_topic(msg));
	}
	mt_link_spread(core, &out);
}

static enum mt_status open_ticket(struct mt_core *core, struct step *step)
{
	step->ticket = mt_ticket_open(core, step->peer, step->msg, step->publish.packet_id);
	if (!step->ticket)
		return MT_MEMORY;
	step->ticket->pledge = step->pledge;
	if (step->pledge)
		step->pledge->part_count++;
	return MT_OK;
}

/* False: there is no room, and the publisher can be told. */
static bool retain_own(struct mt_core *core, struct step *step)
{
	enum mt_status status;
	core->publisher = step->peer;
	status = retain(core, step->msg, step->ticket);
	core->publisher = NULL;
	if (status == MT_OK || step->publish.qos == 0)
		return true;
	if (step->ticket)
		step->ticket->is_retained_changed = false;
	return false;
}

static void hand_out(struct mt_core *core, struct step *step)
{
	if (core->links)
		mt_groups_assign(core, step->route, NULL);
	distribute(core, &(struct distribution){.route = step->route,
						.msg = step->msg,
						.held = step->ticket ? &step->ticket->held : NULL});
	if (core->links)
		spread(core, step->route, step->msg, step->pledge);
}

/* From here on the message is accepted. 0, or the reason why it is not after all; then nothing has
 * changed. */
static uint8_t accept(struct mt_core *core, struct step *step)
{
	const struct mt_publish *publish = &step->publish;
	uint8_t nobody = step->peer->version == MT_VERSION_5 ? MT_REASON_NO_MATCHING_SUBSCRIBERS
							     : MT_REASON_SUCCESS;
	step->msg = make_msg(core, step->peer, publish);
	if (!step->msg || !take_id(step->peer, publish))
		return MT_REASON_QUOTA_EXCEEDED;
	if (core->links && join(core, step) != MT_OK)
		return MT_REASON_QUOTA_EXCEEDED;
	if (needs_store(step) && open_ticket(core, step) != MT_OK)
		return MT_REASON_QUOTA_EXCEEDED;
	if (publish->is_retain && step->kept == 0 && !retain_own(core, step))
		return MT_REASON_QUOTA_EXCEEDED;
	core->publisher = step->peer;
	if (step->ticket && publish->qos == 2)
		put_off(step);
	else
		hand_out(core, step);
	core->publisher = NULL;
	return step->route->receiver_count > 0 || step->route->reach != 0 ? MT_REASON_SUCCESS
									  : nobody;
}

static void pass_on(struct mt_core *core, struct step *step)
{
	uint8_t reason = accept(core, step);
	uint64_t number = step->ticket ? step->ticket->number : 0;
	if (reason >= MT_REASON_UNSPECIFIED_ERROR && step->publish.qos == 2)
		mt_flow_in_remove(&step->peer->session->in, step->publish.packet_id);
	if (step->pledge && (reason < MT_REASON_UNSPECIFIED_ERROR || step->ticket))
		number = mt_pledge_number(step->pledge);
	if (reason >= MT_REASON_UNSPECIFIED_ERROR && !step->ticket)
		refuse(core, step->peer, &step->publish, reason);
	else if (step->publish.qos > 0)
		mt_ticket_answer(core, step->peer, number, &step->publish, reason);
	if (step->pledge)
		mt_pledge_settle(core, step->pledge, 0);
	mt_msg_unref(&step->msg);
}

static uint8_t reason_without_route(struct mt_core *core, const struct mt_peer *peer,
				    const struct mt_publish *publish)
{
	return mt_limit_takes_topic(core, peer, publish->topic) ? MT_REASON_QUOTA_EXCEEDED
								: MT_REASON_TOPIC_NAME_INVALID;
}

void mt_stage_publish(struct mt_core *core, struct mt_peer *peer, const struct mt_frame *frame)
{
	MT_UNINITIALIZED struct step step;
	struct mt_publish *publish = &step.publish;
	struct mt_violation why;
	step.peer = peer;
	step.msg = NULL;
	step.ticket = NULL;
	step.pledge = NULL;
	step.kept = 0;
	if (mt_publish_decode(frame, peer->version, MT_SIDE_CLIENT, publish, &why) != MT_OK) {
		mt_peer_violated(core, peer, &why);
		return;
	}
	core->counts.publishes_received++;
	core->counts.publish_bytes_received += publish->payload.len;
	if (MT_UNLIKELY(peer->is_rated))
		mt_throttle_rate(core, peer, frame->bytes);
	if (!resolve_alias(core, peer, publish))
		return;
	if (is_repeated(peer, publish)) {
		mt_ticket_answer_again(core, peer, publish);
		return;
	}
	if (publish->qos > 0 && is_over_quota(core, peer)) {
		mt_limit_meet(core, peer, MT_LIMIT_INFLIGHT);
		violate(core, peer, "MQTT-3.3.4-7", MT_REASON_RECEIVE_MAXIMUM_EXCEEDED);
		return;
	}
	if (MT_UNLIKELY(publish->props.raw.len > 0) &&
	    !mt_limit_takes_props(core, peer, &publish->props)) {
		refuse(core, peer, publish, MT_REASON_QUOTA_EXCEEDED);
		return;
	}
	step.route = mt_route_find(core, peer, publish->topic);
	if (!step.route) {
		refuse(core, peer, publish, reason_without_route(core, peer, publish));
		return;
	}
	if (!mt_route_permits(core, peer, step.route, publish->qos, publish->is_retain)) {
		if (!mt_offer_takes_publish(core, peer, publish))
			return;
		audit_denial(core, peer, publish);
		refuse(core, peer, publish, MT_REASON_NOT_AUTHORIZED);
		return;
	}
	if (publish->props.raw.len > 0 &&
	    !mt_payload_keeps_format(core, &publish->props, publish->payload)) {
		refuse(core, peer, publish, MT_REASON_PAYLOAD_FORMAT_INVALID);
		return;
	}
	pass_on(core, &step);
}

/* An author that is away: is there a subscription of its own that lets its messages back? */
static bool wants_own(struct mt_session *author, struct mt_bytes topic)
{
	struct mt_list *link;
	for (link = author->subs.next; link != &author->subs; link = link->next) {
		const struct mt_sub *sub = MT_LIST_ITEM(link, struct mt_sub, link);
		if (!sub->options.is_no_local && mt_topic_matches(mt_sub_filter(sub), topic))
			return true;
	}
	return false;
}

enum mt_status mt_stage_hand_over(struct mt_core *core, struct mt_ticket *ticket)
{
	struct mt_session *author = mt_pool_get(&core->sessions.pool, ticket->session);
	struct mt_peer *peer = author ? mt_peer_get(core, author->conn) : NULL;
	struct mt_bytes topic = mt_msg_topic(ticket->msg);
	struct mt_route *route = mt_route_find(core, peer, topic);
	bool is_away = author && !peer;
	if (!route)
		return MT_MEMORY;
	core->publisher = peer;
	if (core->links)
		mt_groups_assign(core, route, NULL);
	distribute(core, &(struct distribution){
				 .route = route,
				 .msg = ticket->msg,
				 .except = is_away && !wants_own(author, topic) ? author : NULL});
	if (core->links)
		spread(core, route, ticket->msg, ticket->pledge);
	core->publisher = NULL;
	return MT_OK;
}

/* Retained here, or left to its owner. */
static void keep(struct mt_core *core, struct mt_msg *msg)
{
	if (core->links)
		mt_retain_stamp(core, msg);
	/* Nobody can be told that a will found no room among the retained ones; it still reaches
	 * those who listen. */
	if (mt_retain_is_ours(core, mt_msg_topic(msg)) && retain(core, msg, NULL) != MT_OK)
		core->counts.publishes_dropped++;
}

void mt_stage_release(struct mt_core *core, struct mt_msg *msg)
{
	struct mt_route *route = mt_route_find(core, NULL, mt_msg_topic(msg));
	if (msg->is_retain)
		keep(core, msg);
	if (route && core->links)
		mt_groups_assign(core, route, NULL);
	if (route)
		distribute(core, &(struct distribution){.route = route, .msg = msg});
	if (core->links)
		spread(core, route, msg, NULL);
}

void mt_stage_bequeath(struct mt_core *core, struct mt_route *route,
		       const struct mt_delivery *delivery)
{
	struct mt_spread out = {.msg = delivery->msg, .route = route};
	if (mt_groups_bequeath(core, route, delivery->group))
		mt_link_spread(core, &out);
}

static bool is_delivered(const struct mt_link_message *message)
{
	return message->is_wanted || message->heard_count > 0;
}

/* A publication of a sibling that waits for parts of ours. False: there is no room, it was told. */
static bool begin_forwarded(struct mt_core *core, struct step *step,
			    const struct mt_link_message *message)
{
	bool is_stored = message->is_kept ||
			 (is_delivered(message) && step->route && step->route->has_keepers);
	if (message->number == 0)
		return true;
	step->pledge = mt_pledge_open(core, &(struct mt_pledge){.sibling = step->peer->sibling,
								.number = message->number});
	if (!step->pledge) {
		mt_pledge_refuse(core, step->peer->sibling - 1u, message->number);
		return false;
	}
	if (!is_stored)
		return true;
	step->ticket = mt_ticket_open(core, NULL, step->msg, 0);
	if (!step->ticket)
		return false;
	step->ticket->pledge = step->pledge;
	step->pledge->part_count++;
	return true;
}

static bool keep_forwarded(struct mt_core *core, const struct step *step)
{
	bool is_kept;
	is_kept = retain(core, step->msg, step->ticket) == MT_OK;
	if (is_kept)
		return true;
	if (step->ticket)
		step->ticket->is_retained_changed = false;
	core->counts.publishes_dropped++;
	return step->pledge == NULL;
}

/* A shared subscription that has no member here any more goes on to a core that has. */
static void deliver_forwarded(struct mt_core *core, const struct step *step,
			      const struct mt_link_message *message)
{
	struct mt_spread out = {.msg = step->msg,
				.route = step->route,
				.pledge = step->pledge,
				.tried = message->count | UINT64_C(1) << core->links->self};
	mt_groups_assign(core, step->route, message);
	core->publisher = step->peer;
	core->sender = message->sender;
	distribute(core, &(struct distribution){.route = step->route,
						.msg = step->msg,
						.held = step->ticket ? &step->ticket->held : NULL,
						.is_shared_only = !message->is_wanted});
	mt_link_spread(core, &out);
	core->publisher = NULL;
	if (step->msg->is_retain && message->is_wanted)
		mt_retain_seen(core, step->msg);
}

void mt_stage_forwarded(struct mt_core *core, struct mt_peer *proxy,
			const struct mt_link_message *message)
{
	struct step step = {.peer = proxy, .msg = message->msg};
	bool is_done;
	step.route = mt_route_find(core, NULL, mt_msg_topic(step.msg));
	is_done = begin_forwarded(core, &step, message) && step.route;
	if (is_done && message->is_kept)
		is_done = keep_forwarded(core, &step);
	if (is_done && is_delivered(message))
		deliver_forwarded(core, &step, message);
	if (!is_done && !step.pledge)
		core->counts.publishes_dropped++;
	if (step.pledge)
		mt_pledge_settle(core, step.pledge, is_done ? 0 : MT_REASON_QUOTA_EXCEEDED);
}
