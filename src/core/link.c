/*
 * Links to sibling cores: what goes out, what comes in, and how much of it at once.
 *
 *   publisher -> PUBLISH, sent_bytes rises ... the sibling takes it -> CREDIT, sent_bytes falls
 *
 * Above the high mark a publisher is not read until the sibling is below the low mark. A sibling
 * whose receiver is full stops to take, as long as a publisher of its own would have to wait there;
 * what comes meanwhile stays in the inbox, which the window bounds.
 */
#include "core/links.h"

#define WINDOW_BYTES ((size_t)4 << 20)
#define SLICE_MESSAGES 256u

static void init_link(struct mt_core *core, struct mt_link *link, uint32_t index)
{
	mt_list_init(&link->inbox);
	mt_list_init(&link->waiting);
	link->proxy.sibling = (uint8_t)(index + 1);
	link->proxy.phase = MT_PHASE_OPEN;
	link->proxy.facts.listener = "link";
	link->proxy.facts.limits = &core->settings.limits;
	link->proxy.facts.offer = &mt_offer_all;
	mt_acks_init(&link->proxy.acks, &core->mem);
}

enum mt_status mt_links_create(struct mt_core *core)
{
	uint32_t count = core->settings.core_count;
	size_t window = core->settings.link_bytes ? core->settings.link_bytes : WINDOW_BYTES;
	struct mt_links *links;
	if (count <= 1)
		return MT_OK;
	MT_CHECK(count <= MT_CORES_MAX);
	MT_CHECK(core->settings.core_index < count);
	links = mt_mem_zero(&core->mem, sizeof(*links) + count * sizeof(links->link[0]));
	if (!links)
		return MT_MEMORY;
	core->links = links;
	links->count = count;
	links->self = core->settings.core_index;
	links->high_bytes = window / 2;
	links->low_bytes = window / 4 + 1;
	links->batch_bytes = window / 8;
	mt_list_init(&links->waits);
	mt_pool_init(&links->pledges, &core->mem, sizeof(struct mt_pledge), UINT32_MAX - 1);
	mt_pool_init(&links->wait_pool, &core->mem, sizeof(struct mt_wait), UINT32_MAX - 1);
	for (uint32_t i = 0; i < count; i++)
		init_link(core, &links->link[i], i);
	return mt_interests_init(&links->interests, &core->mem, core->settings.seed,
				 core->settings.link_seed, count);
}

static void drop_inbox(struct mt_link *link)
{
	struct mt_list *first;
	while ((first = mt_list_first(&link->inbox))) {
		struct mt_link_message *message = MT_LIST_ITEM(first, struct mt_link_message, link);
		mt_list_remove(first);
		mt_link_message_free(&message);
	}
}

void mt_links_finish(struct mt_core *core)
{
	struct mt_links *links = core->links;
	if (!links)
		return;
	for (uint32_t i = 0; i < links->count; i++) {
		drop_inbox(&links->link[i]);
		mt_wheel_disarm(&links->link[i].proxy.timer);
	}
	mt_interests_finish(&links->interests);
	mt_pool_finish(&links->pledges);
	mt_pool_finish(&links->wait_pool);
	mt_mem_give(&core->mem, links, sizeof(*links) + links->count * sizeof(links->link[0]));
	core->links = NULL;
}

void mt_link_send(struct mt_core *core, uint32_t to, struct mt_link_message *message)
{
	mt_request_push(core, &(struct mt_request){
				      .type = MT_REQUEST_FORWARD, .to = to, .message = message});
}

/* A publisher whose messages the sibling does not take as fast as they come. */
static void wait_for(struct mt_core *core, struct mt_link *link, struct mt_peer *publisher)
{
	if (!publisher || publisher->sibling != 0 || mt_list_is_linked(&publisher->link_wait))
		return;
	mt_list_push_back(&link->waiting, &publisher->link_wait);
	core->counts.throttles++;
	mt_peer_pause(core, publisher, MT_PAUSE_LINK);
	mt_peer_arm(core, publisher);
}

static void forward(struct mt_core *core, uint32_t to, const struct mt_spread *spread)
{
	struct mt_link *link = &core->links->link[to];
	uint32_t group_count = spread->route ? mt_groups_of(spread->route, to, NULL) : 0;
	struct mt_link_message *message = mt_link_message_create(&core->mem, MT_LINK_PUBLISH,
								 mt_bytes_of(NULL, 0), group_count);
	if (!message) {
		if (spread->pledge)
			spread->pledge->reason = MT_REASON_QUOTA_EXCEEDED;
		core->counts.publishes_dropped++;
		return;
	}
	message->msg = mt_msg_ref(spread->msg);
	message->is_wanted = spread->wanted >> to & 1;
	message->is_kept = spread->kept >> to & 1;
	message->count = spread->tried;
	if (group_count > 0) {
		mt_groups_of(spread->route, to, message->heard);
		message->sender = mt_share_sender(core);
	}
	if (spread->pledge) {
		message->number = spread->pledge->self;
		spread->pledge->part_count++;
	}
	link->sent_bytes += mt_link_message_bytes(message);
	mt_link_send(core, to, message);
	if (MT_UNLIKELY(link->sent_bytes >= core->links->high_bytes))
		wait_for(core, link, spread->publisher);
}

void mt_link_spread(struct mt_core *core, const struct mt_spread *spread)
{
	uint64_t left = spread->wanted | spread->kept;
	if (spread->route)
		left |= mt_groups_cores(spread->route);
	left &= ~(UINT64_C(1) << core->links->self);
	for (; left != 0; left &= left - 1)
		forward(core, (uint32_t)__builtin_ctzll(left), spread);
}

static void credited(struct mt_core *core, uint32_t from, const struct mt_link_message *message)
{
	struct mt_link *link = &core->links->link[from];
	struct mt_list *first;
	MT_CHECK(link->sent_bytes >= message->taken_bytes);
	link->sent_bytes -= message->taken_bytes;
	if (link->sent_bytes >= core->links->low_bytes)
		return;
	while ((first = mt_list_first(&link->waiting))) {
		struct mt_peer *publisher = MT_LIST_ITEM(first, struct mt_peer, link_wait);
		mt_list_remove(first);
		publisher->input_ns = core->now.mono_ns;
		mt_peer_go_on(core, publisher, MT_PAUSE_LINK);
		if (publisher->phase == MT_PHASE_OPEN)
			mt_peer_arm(core, publisher);
	}
}

static void credit(struct mt_core *core, uint32_t to, size_t bytes)
{
	struct mt_link *link = &core->links->link[to];
	struct mt_link_message *message;
	link->taken_bytes += bytes;
	if (link->taken_bytes < core->links->batch_bytes)
		return;
	message = mt_link_message_promised(&core->mem, MT_LINK_CREDIT, mt_bytes_of(NULL, 0));
	MT_CHECK(message != NULL);
	message->taken_bytes = link->taken_bytes;
	link->taken_bytes = 0;
	mt_link_send(core, to, message);
}

/* Passed on to the core it is for, unless this is the one. */
static bool pass_on(struct mt_core *core, struct mt_link_message *message)
{
	if (message->to == core->links->self)
		return false;
	mt_link_send(core, message->to, message);
	return true;
}

static void take_publish(struct mt_core *core, uint32_t from, struct mt_link_message *message)
{
	struct mt_link *link = &core->links->link[from];
	size_t bytes = mt_link_message_bytes(message);
	mt_stage_forwarded(core, &link->proxy, message);
	credit(core, from, bytes);
}

/* In the order of the link. */
static void take(struct mt_core *core, uint32_t from, struct mt_link_message *message)
{
	switch (message->kind) {
	case MT_LINK_PUBLISH:
		take_publish(core, from, message);
		break;
	case MT_LINK_CONFIRM:
		if (pass_on(core, message))
			return;
		mt_interest_confirmed(core, message);
		break;
	case MT_LINK_ASK:
		mt_retain_asked(core, from, message);
		break;
	case MT_LINK_RETAINED:
		if (!pass_on(core, message))
			mt_retain_answered(core, message);
		return;
	case MT_LINK_RETAINED_END:
		mt_retain_ended(core, message);
		break;
	case MT_LINK_INTEREST:
	case MT_LINK_ANSWER:
	case MT_LINK_CREDIT:
		break;
	}
	mt_link_message_free(&message);
}

/* What need not wait behind publications: then two cores never wait for each other. */
static bool take_at_once(struct mt_core *core, uint32_t from, struct mt_link_message *message)
{
	switch (message->kind) {
	case MT_LINK_INTEREST:
		mt_interest_noted(core, from, message);
		break;
	case MT_LINK_ANSWER:
		mt_pledge_answered(core, message->number, message->reason);
		break;
	case MT_LINK_CREDIT:
		credited(core, from, message);
		break;
	case MT_LINK_CONFIRM:
	case MT_LINK_PUBLISH:
	case MT_LINK_ASK:
	case MT_LINK_RETAINED:
	case MT_LINK_RETAINED_END:
		return false;
	}
	mt_link_message_free(&message);
	return true;
}

void mt_core_peer(struct mt_core *core, struct mt_now now, uint32_t from,
		  struct mt_link_message *message)
{
	struct mt_link *link = &core->links->link[from];
	core->now = now;
	MT_CHECK(from < core->links->count);
	if (take_at_once(core, from, message))
		return;
	if (link->proxy.pauses == 0 && mt_list_is_empty(&link->inbox))
		take(core, from, message);
	else
		mt_list_push_back(&link->inbox, &message->link);
}

void mt_link_paced(struct mt_core *core, const struct mt_peer *proxy)
{
	if (proxy->pauses == 0)
		core->links->is_due = true;
}

static void drain(struct mt_core *core, uint32_t from)
{
	struct mt_link *link = &core->links->link[from];
	struct mt_list *first;
	for (uint32_t i = 0; i < SLICE_MESSAGES; i++) {
		first = mt_list_first(&link->inbox);
		if (!first || link->proxy.pauses != 0)
			return;
		mt_list_remove(first);
		take(core, from, MT_LIST_ITEM(first, struct mt_link_message, link));
	}
	core->links->is_due = true;
}

void mt_links_tick(struct mt_core *core)
{
	if (!core->links->is_due)
		return;
	core->links->is_due = false;
	for (uint32_t i = 0; i < core->links->count; i++)
		drain(core, i);
}

bool mt_links_is_due(const struct mt_core *core)
{
	return core->links->is_due;
}
