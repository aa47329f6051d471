/*
 * Interest: siblings are told which filters have subscribers here; a SUBACK leaves when all of them
 * know.
 *
 *   SUBSCRIBE -> INTEREST to each sibling -> CONFIRM by way of each core that may keep retained
 * messages of the filter, so that what the sibling had published before is there -> ASK -> SUBACK
 *
 * The connection is not read in between, which bounds what waits. Each filter of each SUBSCRIBE has
 * confirmations of its own: one that comes late finds nobody.
 */
#include "core/links.h"

#include "topic/name.h"

/* number: of who waits for the confirmations; MT_HANDLE_NONE: nobody. */
static void tell_all(struct mt_core *core, mt_handle number, struct mt_bytes filter)
{
	struct mt_links *links = core->links;
	const struct mt_interest *interest = mt_interests_find(&links->interests, filter);
	for (uint32_t i = 0; i < links->count; i++) {
		struct mt_link_message *message;
		if (i == links->self)
			continue;
		message = mt_link_message_promised(&core->mem, MT_LINK_INTEREST, filter);
		MT_CHECK(message != NULL);
		message->number = number;
		message->members = interest ? interest->members : (struct mt_members){0};
		mt_link_send(core, i, message);
	}
}

enum mt_status mt_interest_begin(struct mt_core *core, const struct mt_sub *sub)
{
	struct mt_interest *interest =
		mt_interests_add(&core->links->interests, mt_sub_filter(sub));
	if (!interest)
		return MT_MEMORY;
	interest->members.present += sub->session->conn != MT_HANDLE_NONE;
	return MT_OK;
}

void mt_interest_end(struct mt_core *core, const struct mt_sub *sub)
{
	struct mt_interests *interests = &core->links->interests;
	struct mt_interest *interest = mt_interests_find(interests, mt_sub_filter(sub));
	MT_CHECK(interest != NULL);
	interest->members.present -= sub->session->conn != MT_HANDLE_NONE;
	if (mt_interests_drop(interests, interest) || sub->group)
		tell_all(core, MT_HANDLE_NONE, mt_sub_filter(sub));
}

void mt_interest_presence(struct mt_core *core, struct mt_session *session)
{
	bool is_present = session->conn != MT_HANDLE_NONE;
	struct mt_list *link;
	for (link = session->subs.next; link != &session->subs; link = link->next) {
		const struct mt_sub *sub = MT_LIST_ITEM(link, struct mt_sub, link);
		struct mt_interest *interest =
			mt_interests_find(&core->links->interests, mt_sub_filter(sub));
		MT_CHECK(interest != NULL);
		interest->members.present += is_present ? 1 : UINT32_MAX;
		if (sub->group)
			tell_all(core, MT_HANDLE_NONE, mt_sub_filter(sub));
	}
}

void mt_interest_end_all(struct mt_core *core, struct mt_session *session)
{
	for (struct mt_list *link = session->subs.next; link != &session->subs; link = link->next)
		mt_interest_end(core, MT_LIST_ITEM(link, struct mt_sub, link));
}

enum mt_status mt_interest_match(struct mt_core *core, struct mt_bytes topic, uint64_t *out,
				 size_t *group_count)
{
	MT_TRY(mt_interests_match(&core->links->interests, topic, out));
	*group_count = core->links->interests.in_groups.count;
	return MT_OK;
}

/* ---- a SUBACK that waits ---- */

enum mt_status mt_round_begin(struct mt_core *core, struct mt_peer *peer)
{
	MT_CHECK(peer->round == NULL);
	peer->round = mt_mem_zero(&core->mem, sizeof(*peer->round));
	return peer->round ? MT_OK : MT_MEMORY;
}

static uint32_t confirm_count_of(const struct mt_links *links, struct mt_bytes filter)
{
	uint32_t others = links->count - 1;
	return mt_topic_has_wildcard(filter) ? others * others : others;
}

enum mt_status mt_round_add(struct mt_core *core, struct mt_peer *peer, const struct mt_sub *sub,
			    uint32_t index, bool is_retained_wanted)
{
	mt_handle self;
	struct mt_wait *wait = mt_pool_take(&core->links->wait_pool, &self);
	if (!wait)
		return MT_MEMORY;
	wait->self = self;
	wait->sub = sub->self;
	wait->conn = peer->self;
	wait->index = index;
	wait->is_counted = true;
	wait->is_retained_wanted = is_retained_wanted;
	wait->confirm_count = confirm_count_of(core->links, mt_sub_plain_filter(sub));
	peer->round->wait_count++;
	mt_list_push_back(&core->links->waits, &wait->link);
	tell_all(core, self, mt_sub_filter(sub));
	return MT_OK;
}

static void free_wait(struct mt_core *core, struct mt_wait *wait)
{
	mt_list_remove(&wait->link);
	mt_mem_give(&core->mem, wait->seen, wait->seen_cap * sizeof(*wait->seen));
	mt_pool_give(&core->links->wait_pool, wait->self);
}

static void free_round(struct mt_core *core, struct mt_peer *peer)
{
	struct mt_round *round = peer->round;
	peer->round = NULL;
	mt_mem_give(&core->mem, round->reasons.data, round->reasons.cap);
	mt_mem_give(&core->mem, round, sizeof(*round));
}

bool mt_round_holds(struct mt_core *core, struct mt_peer *peer, uint16_t packet_id,
		    struct mt_buf reasons)
{
	struct mt_round *round = peer->round;
	if (round->wait_count == 0) {
		round->reasons = mt_buf_of(NULL, 0);
		free_round(core, peer);
		return false;
	}
	round->packet_id = packet_id;
	round->reasons = reasons;
	mt_peer_pause(core, peer, MT_PAUSE_SUBACK);
	mt_peer_arm(core, peer);
	return true;
}

static void finish_round(struct mt_core *core, struct mt_peer *peer)
{
	struct mt_round *round = peer->round;
	mt_subscribe_answer(core, peer, round->packet_id, &round->reasons);
	free_round(core, peer);
	peer->input_ns = core->now.mono_ns;
	mt_peer_go_on(core, peer, MT_PAUSE_SUBACK);
	if (peer->phase != MT_PHASE_OPEN)
		return;
	mt_peer_arm(core, peer);
	mt_deliver_pump(core, peer->session);
}

/* A sibling could not take it, or its retained messages could not be had: there is no such
 * subscription. */
static void fail(struct mt_core *core, struct mt_peer *peer, struct mt_wait *wait)
{
	struct mt_sub *sub = mt_pool_get(&core->subscriptions.pool, wait->sub);
	peer->round->reasons.data[wait->index] =
		peer->version == MT_VERSION_5 ? wait->reason : MT_REASON_UNSPECIFIED_ERROR;
	if (sub)
		mt_subscribe_drop(core, &sub);
}

void mt_wait_relax(struct mt_core *core, struct mt_wait *wait)
{
	if (!wait->is_counted && wait->item_count == 0)
		free_wait(core, wait);
}

void mt_wait_done(struct mt_core *core, struct mt_wait *wait)
{
	struct mt_peer *peer = mt_peer_get(core, wait->conn);
	MT_CHECK(peer != NULL);
	MT_CHECK(peer->round != NULL);
	wait->is_counted = false;
	if (wait->reason != 0)
		fail(core, peer, wait);
	mt_wait_relax(core, wait);
	if (--peer->round->wait_count == 0)
		finish_round(core, peer);
}

void mt_round_end(struct mt_core *core, struct mt_peer *peer)
{
	struct mt_list *link, *next;
	if (!core->links)
		return;
	for (link = core->links->waits.next; link != &core->links->waits; link = next) {
		struct mt_wait *wait = MT_LIST_ITEM(link, struct mt_wait, link);
		next = link->next;
		if (wait->conn == peer->self)
			free_wait(core, wait);
	}
	if (peer->round)
		free_round(core, peer);
}

/* ---- messages ---- */

static void confirm(struct mt_core *core, uint32_t to, uint32_t by_way_of,
		    const struct mt_link_message *interest, uint8_t reason)
{
	struct mt_link_message *message =
		mt_link_message_promised(&core->mem, MT_LINK_CONFIRM, mt_bytes_of(NULL, 0));
	MT_CHECK(message != NULL);
	message->to = (uint8_t)to;
	message->number = interest->number;
	message->reason = reason;
	mt_link_send(core, by_way_of, message);
}

static void confirm_all_ways(struct mt_core *core, uint32_t to,
			     const struct mt_link_message *interest, uint8_t reason)
{
	struct mt_bytes name, filter = mt_link_message_text(interest);
	struct mt_links *links = core->links;
	bool is_shared = mt_topic_share_split(filter, &name, &filter);
	uint32_t owner = is_shared ? links->self : mt_retain_owner(core, filter);
	if (!mt_topic_has_wildcard(filter)) {
		confirm(core, to, owner == links->self ? to : owner, interest, reason);
		return;
	}
	for (uint32_t i = 0; i < links->count; i++)
		if (i != links->self)
			confirm(core, to, i, interest, reason);
}

void mt_interest_noted(struct mt_core *core, uint32_t from, struct mt_link_message *message)
{
	struct mt_bytes filter = mt_link_message_text(message);
	enum mt_status status =
		mt_interests_note(&core->links->interests, from, filter, message->members);
	core->subscriptions.generation++;
	if (message->number != MT_HANDLE_NONE)
		confirm_all_ways(core, from, message,
				 status == MT_OK ? 0 : MT_REASON_QUOTA_EXCEEDED);
}

void mt_interest_confirmed(struct mt_core *core, struct mt_link_message *message)
{
	struct mt_wait *wait = mt_pool_get(&core->links->wait_pool, message->number);
	if (!wait)
		return;
	if (message->reason != 0)
		wait->reason = message->reason;
	if (--wait->confirm_count > 0)
		return;
	if (wait->reason == 0 && wait->is_retained_wanted)
		mt_retain_ask(core, wait);
	else
		mt_wait_done(core, wait);
}
