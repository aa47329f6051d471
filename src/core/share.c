/*
 * Shared subscriptions (section 4.8.2): whose turn is it, and who gets what a member leaves behind.
 *
 *   a member that is away, or whose queue is full, is passed over while another can take the
 * message round robin: next in turn, and one that keeps up before one that does not sticky: the
 * highest of hash(sender, member), so that one sender stays with one member, in order, and few
 * senders move when members come or go
 */
#include "core/state.h"

/* How well a member can take a message; the first that is not empty is chosen from. */
enum fitness { FIT_READY, FIT_FILLING, FIT_AWAY, FIT_FULL, FIT_COUNT };

static enum fitness fitness_of(const struct mt_core *core, const struct mt_receiver *member,
			       const struct mt_msg *msg)
{
	struct mt_session *session = member->session;
	const struct mt_peer *peer = mt_peer_get(core, session->conn);
	bool is_queued = msg->qos > 0 && member->qos > 0;
	if (!peer)
		return is_queued && mt_deliver_has_room(core, session, msg) ? FIT_AWAY : FIT_FULL;
	if (is_queued ? !mt_deliver_has_room(core, session, msg)
		      : peer->out.bytes >= peer->facts.limits->output_bytes)
		return FIT_FULL;
	return session->is_slow || mt_is_filling(core, session, peer) ? FIT_FILLING : FIT_READY;
}

/* The order of a sender's messages matters more than haste: a full queue alone makes it move. */
static enum fitness coarse(const struct mt_core *core, enum fitness fitness)
{
	bool is_sticky = core->settings.shared_strategy == MT_SHARED_STICKY;
	return is_sticky && fitness == FIT_FILLING ? FIT_READY : fitness;
}

uint64_t mt_share_sender(const struct mt_core *core)
{
	const struct mt_peer *publisher = core->publisher;
	if (publisher && publisher->sibling != 0)
		return core->sender;
	return publisher && publisher->session ? publisher->session->self : 0;
}

static const struct mt_receiver *best_of(const struct mt_core *core, const struct mt_share *share,
					 enum fitness fitness)
{
	const struct mt_receiver *best = NULL;
	uint64_t sender = mt_hash_u64(mt_share_sender(core)), most = 0;
	uint32_t turn = share->members[0].group->turn;
	for (uint32_t i = 0; i < share->count; i++) {
		const struct mt_receiver *member = &share->members[(turn + i) % share->count];
		uint64_t weight = mt_hash_u64(sender ^ member->session->self);
		if (member->session == share->leaver ||
		    coarse(core, fitness_of(core, member, share->msg)) != fitness)
			continue;
		if (core->settings.shared_strategy == MT_SHARED_ROUND_ROBIN)
			return member;
		if (!best || weight > most) {
			best = member;
			most = weight;
		}
	}
	return best;
}

const struct mt_receiver *mt_share_choose(const struct mt_core *core, struct mt_share *share)
{
	bool is_in_turn = core->settings.shared_strategy == MT_SHARED_ROUND_ROBIN;
	const struct mt_receiver *chosen = best_of(core, share, FIT_READY);
	share->is_spared = chosen && is_in_turn;
	for (int fitness = FIT_FILLING; fitness < FIT_COUNT && !chosen; fitness++)
		chosen = best_of(core, share, (enum fitness)fitness);
	share->members[0].group->turn++;
	return chosen;
}

/* Passes a delivery on to another member of its group; nobody else is left: it ends here. */
static void pass_on(struct mt_core *core, struct mt_session *leaver,
		    const struct mt_delivery *delivery)
{
	struct mt_route *route = mt_route_find(core, NULL, mt_msg_topic(delivery->msg));
	struct mt_share share = {.msg = delivery->msg, .leaver = leaver};
	const struct mt_receiver *heir;
	struct mt_outgoing outgoing;
	uint32_t i = 0;
	while (route && i < route->receiver_count &&
	       !(route->receivers[i].group && route->receivers[i].group->number == delivery->group))
		i++;
	if (!route)
		return;
	if (i == route->receiver_count) {
		if (core->links)
			mt_stage_bequeath(core, route, delivery);
		return;
	}
	share.members = &route->receivers[i];
	while (i + share.count < route->receiver_count &&
	       share.members[share.count].group == share.members[0].group)
		share.count++;
	heir = mt_share_choose(core, &share);
	if (!heir)
		return;
	outgoing = mt_outgoing_to(heir, delivery->msg);
	outgoing.is_cacheable = false;
	mt_deliver(core, heir->session, &outgoing,
		   mt_list_is_linked(&delivery->hold) ? delivery->hold.next : NULL);
}

/* [MQTT-4.8.2-5]: what a client of QoS 2 may have received goes to nobody else; of QoS 1 it is sent
 * once more at worst. */
static bool may_pass_on(const struct mt_delivery *delivery)
{
	return delivery->group != 0 && delivery->msg &&
	       (delivery->qos == 1 || delivery->state == MT_DELIVERY_WAITING);
}

void mt_share_inherit(struct mt_core *core, struct mt_session *leaver)
{
	struct mt_list *const queues[] = {&leaver->out.inflight, &leaver->out.waiting};
	for (size_t i = 0; i < MT_COUNT_OF(queues); i++)
		for (struct mt_list *link = queues[i]->next; link != queues[i]; link = link->next) {
			const struct mt_delivery *delivery =
				MT_LIST_ITEM(link, struct mt_delivery, link);
			if (may_pass_on(delivery))
				pass_on(core, leaver, delivery);
		}
}
