/*
 * Retained messages of joined cores: each topic belongs to one core, which keeps the message; a new
 * subscription asks the owners.
 *
 *   ASK -> RETAINED by way of the core that published it, behind all that it has delivered live ->
 * RETAINED_END to the one that asked
 *
 * An answer carries what its owner had heard from each core by then. So what was seen live since
 * the SUBSCRIBE is known to be older or newer, and nobody sees an older one after a newer one.
 */
#include "core/links.h"

#include "topic/name.h"

#define SEEN_MAX 1024u

uint32_t mt_retain_owner(const struct mt_core *core, struct mt_bytes topic)
{
	return mt_link_owner(core->settings.link_seed, topic, core->links->count);
}

bool mt_retain_is_ours(const struct mt_core *core, struct mt_bytes topic)
{
	return !core->links || mt_retain_owner(core, topic) == core->links->self;
}

void mt_retain_stamp(struct mt_core *core, struct mt_msg *msg)
{
	msg->core = (uint8_t)core->links->self;
	msg->stamp = ++core->links->stamp;
}

void mt_retain_heard(struct mt_core *core, const struct mt_msg *msg)
{
	core->links->heard[msg->core] = msg->stamp;
}

/* ---- the one that asks ---- */

static struct mt_seen *seen_at(struct mt_core *core, struct mt_wait *wait)
{
	if (wait->seen_count == wait->seen_cap) {
		uint32_t cap = wait->seen_cap ? wait->seen_cap * 2 : 8;
		struct mt_seen *seen = cap > SEEN_MAX
					       ? NULL
					       : mt_mem_resize(&core->mem, wait->seen,
							       wait->seen_cap * sizeof(*seen),
							       cap * sizeof(*seen));
		if (!seen)
			return NULL;
		wait->seen = seen;
		wait->seen_cap = cap;
	}
	return &wait->seen[wait->seen_count++];
}

static void note(struct mt_core *core, struct mt_wait *wait, const struct mt_msg *msg,
		 uint64_t topic_hash)
{
	struct mt_seen *seen;
	for (uint32_t i = 0; i < wait->seen_count; i++)
		if (wait->seen[i].topic_hash == topic_hash && wait->seen[i].by == msg->core) {
			wait->seen[i].stamp = msg->stamp;
			return;
		}
	seen = seen_at(core, wait);
	if (seen)
		*seen = (struct mt_seen){topic_hash, msg->stamp, msg->core};
	else
		wait->is_overflown = true;
}

void mt_retain_seen(struct mt_core *core, const struct mt_msg *msg)
{
	struct mt_bytes topic = mt_msg_topic(msg);
	struct mt_list *waits = &core->links->waits;
	for (struct mt_list *link = waits->next; link != waits; link = link->next) {
		struct mt_wait *wait = MT_LIST_ITEM(link, struct mt_wait, link);
		const struct mt_sub *sub = mt_pool_get(&core->subscriptions.pool, wait->sub);
		if (wait->is_retained_wanted && sub &&
		    mt_topic_matches(mt_sub_plain_filter(sub), topic))
			note(core, wait, msg, mt_hash_bytes(core->settings.seed, topic));
	}
}

static bool is_superseded(const struct mt_link_message *answer, const struct mt_seen *seen)
{
	if (seen->by == answer->msg->core)
		return seen->stamp >= answer->msg->stamp;
	return seen->stamp > answer->heard[seen->by];
}

bool mt_retain_is_current(const struct mt_core *core, const struct mt_link_message *answer)
{
	const struct mt_wait *wait = mt_pool_get(&core->links->wait_pool, answer->number);
	uint64_t topic_hash = mt_hash_bytes(core->settings.seed, mt_msg_topic(answer->msg));
	if (!wait || wait->is_overflown)
		return false;
	for (uint32_t i = 0; i < wait->seen_count; i++)
		if (wait->seen[i].topic_hash == topic_hash && is_superseded(answer, &wait->seen[i]))
			return false;
	return true;
}

bool mt_retain_was_seen(const struct mt_core *core, const struct mt_wait *wait,
			const struct mt_msg *msg)
{
	uint64_t topic_hash = mt_hash_bytes(core->settings.seed, mt_msg_topic(msg));
	for (uint32_t i = 0; i < wait->seen_count; i++)
		if (wait->seen[i].topic_hash == topic_hash && wait->seen[i].by == msg->core &&
		    wait->seen[i].stamp >= msg->stamp)
			return true;
	return false;
}

void mt_retain_delivered(struct mt_core *core, struct mt_link_message **answer)
{
	struct mt_wait *wait = mt_pool_get(&core->links->wait_pool, (*answer)->number);
	mt_link_message_free(answer);
	if (!wait)
		return;
	wait->item_count--;
	mt_wait_relax(core, wait);
}

static void check_end(struct mt_core *core, struct mt_wait *wait)
{
	if (wait->is_counted && wait->end_count == 0 && wait->answer_count == wait->answers_due)
		mt_wait_done(core, wait);
}

static void ask(struct mt_core *core, struct mt_wait *wait, uint32_t owner, struct mt_bytes filter)
{
	struct mt_link_message *message = mt_link_message_promised(&core->mem, MT_LINK_ASK, filter);
	MT_CHECK(message != NULL);
	message->number = wait->self;
	wait->end_count++;
	mt_link_send(core, owner, message);
}

void mt_retain_ask(struct mt_core *core, struct mt_wait *wait)
{
	struct mt_sub *sub = mt_pool_get(&core->subscriptions.pool, wait->sub);
	struct mt_links *links = core->links;
	struct mt_bytes filter;
	if (!sub) {
		mt_wait_done(core, wait);
		return;
	}
	filter = mt_sub_plain_filter(sub);
	if (mt_subscribe_gather(core, mt_peer_get(core, wait->conn), sub, wait) != MT_OK)
		wait->reason = MT_REASON_QUOTA_EXCEEDED;
	else if (mt_topic_has_wildcard(filter)) {
		for (uint32_t i = 0; i < links->count; i++)
			if (i != links->self)
				ask(core, wait, i, filter);
	} else if (!mt_retain_is_ours(core, filter)) {
		ask(core, wait, mt_retain_owner(core, filter), filter);
	}
	check_end(core, wait);
}

static enum mt_status push(struct mt_core *core, struct mt_wait *wait,
			   struct mt_link_message *message)
{
	struct mt_peer *peer = mt_peer_get(core, wait->conn);
	struct mt_sub *sub = mt_pool_get(&core->subscriptions.pool, wait->sub);
	MT_CHECK(peer != NULL);
	if (!sub || !mt_sub_delivers(core, sub, mt_msg_topic(message->msg)))
		return MT_DENIED;
	MT_TRY(mt_subscribe_push(core, peer, sub, message));
	wait->item_count++;
	return MT_OK;
}

void mt_retain_answered(struct mt_core *core, struct mt_link_message *message)
{
	struct mt_wait *wait = mt_pool_get(&core->links->wait_pool, message->number);
	enum mt_status status;
	if (!wait) {
		mt_link_message_free(&message);
		return;
	}
	wait->answer_count++;
	status = push(core, wait, message);
	if (status != MT_OK)
		mt_link_message_free(&message);
	if (status == MT_MEMORY || status == MT_LIMIT)
		wait->reason = MT_REASON_QUOTA_EXCEEDED;
	check_end(core, wait);
}

void mt_retain_ended(struct mt_core *core, const struct mt_link_message *message)
{
	struct mt_wait *wait = mt_pool_get(&core->links->wait_pool, message->number);
	if (!wait)
		return;
	wait->end_count--;
	wait->answers_due += message->count;
	if (message->reason != 0)
		wait->reason = message->reason;
	check_end(core, wait);
}

/* ---- the owner ---- */

static enum mt_status answer(struct mt_core *core, uint32_t to, uint64_t number, struct mt_msg *msg)
{
	struct mt_links *links = core->links;
	bool is_direct = msg->core == links->self || msg->core == to;
	struct mt_link_message *message = mt_link_message_create(
		&core->mem, MT_LINK_RETAINED, mt_bytes_of(NULL, 0), links->count);
	if (!message)
		return MT_MEMORY;
	message->to = (uint8_t)to;
	message->number = number;
	message->msg = mt_msg_ref(msg);
	memcpy(message->heard, links->heard, links->count * sizeof(links->heard[0]));
	mt_link_send(core, is_direct ? to : msg->core, message);
	return MT_OK;
}

void mt_retain_asked(struct mt_core *core, uint32_t from, const struct mt_link_message *message)
{
	struct mt_msg_list found = {.mem = &core->mem};
	struct mt_link_message *end =
		mt_link_message_promised(&core->mem, MT_LINK_RETAINED_END, mt_bytes_of(NULL, 0));
	enum mt_status status =
		mt_retained_match(core->retained, mt_link_message_text(message), &found);
	MT_CHECK(end != NULL);
	for (size_t i = 0; i < found.count && status == MT_OK; i++) {
		if (mt_is_expired(core, found.items[i]))
			continue;
		status = answer(core, from, message->number, found.items[i]);
		end->count += status == MT_OK;
	}
	mt_msg_list_finish(&found);
	end->number = message->number;
	end->reason = status == MT_OK ? 0 : MT_REASON_QUOTA_EXCEEDED;
	mt_link_send(core, from, end);
}
