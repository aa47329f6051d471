/*
 * Shared subscriptions of joined cores: whose members get a message.
 *
 *   publisher's core: assign, by the members that each core has -> PUBLISH with the numbers of
 * those shared subscriptions -> the chosen core: one of its own members (share.c)
 *
 * A core that has none any more when the message comes passes it on to one that was not tried. A
 * shared subscription is called by its number, the keyed hash of its filter, everywhere.
 */
#include "core/links.h"

#include <stdlib.h>

#define STICKY_MEMBERS_MAX 64u /* of one core: more of them give it no larger part */

static int compare(const void *left, const void *right)
{
	const struct mt_route_share *a = left, *b = right;
	return (a->number > b->number) - (a->number < b->number);
}

static struct mt_route_share *find(const struct mt_route *route, uint32_t count, uint64_t number)
{
	struct mt_route_share key = {.number = number};
	return bsearch(&key, route->shares, count, sizeof(key), compare);
}

/* Receivers stand by the numbers of their groups already. */
static void list_own(struct mt_core *core, struct mt_route *route)
{
	for (uint32_t i = 0; i < route->receiver_count; i++) {
		const struct mt_group *group = route->receivers[i].group;
		uint32_t count = route->share_count;
		if (!group)
			continue;
		if (count > 0 && route->shares[count - 1].number == group->number) {
			route->shares[count - 1].count++;
			continue;
		}
		route->shares[route->share_count++] = (struct mt_route_share){
			.number = group->number,
			.first = i,
			.count = 1,
			.own = mt_interests_find(&core->links->interests,
						 mt_bytes_of(group->key, group->key_len))};
	}
}

static void add_remote(struct mt_route *route, uint32_t own_count, uint32_t core_count,
		       struct mt_remote_group *group)
{
	struct mt_route_share *share = find(route, own_count, group->number);
	if (!share) {
		share = &route->shares[route->share_count++];
		*share = (struct mt_route_share){.number = group->number};
	}
	share->remote = group;
	for (uint32_t i = 0; i < core_count; i++)
		route->reach |= (uint64_t)(group->at[i].count > 0) << i;
}

void mt_groups_list(struct mt_core *core, struct mt_route *route)
{
	const struct mt_interests *interests = &core->links->interests;
	uint32_t own_count;
	list_own(core, route);
	own_count = route->share_count;
	for (size_t i = 0; i < interests->in_groups.count; i++)
		add_remote(route, own_count, core->links->count, mt_interests_group(interests, i));
	if (route->share_count > 1)
		qsort(route->shares, route->share_count, sizeof(route->shares[0]), compare);
}

/* ---- whose turn is it ---- */

static struct mt_members members_of(const struct mt_core *core, const struct mt_route_share *share,
				    uint32_t at, uint64_t tried)
{
	if (tried >> at & 1)
		return (struct mt_members){0};
	if (at == core->links->self)
		return share->count > 0 && share->own ? share->own->members
						      : (struct mt_members){0};
	return share->remote ? share->remote->at[at] : (struct mt_members){0};
}

/* Members that are away get something only when nobody is there. */
static uint32_t weight_of(const struct mt_core *core, const struct mt_route_share *share,
			  uint32_t at, uint64_t tried, bool is_away)
{
	struct mt_members members = members_of(core, share, at, tried);
	return is_away ? members.count : members.present;
}

static uint32_t in_turn(const struct mt_core *core, const struct mt_route_share *share,
			uint64_t tried, bool is_away, uint64_t sum)
{
	uint64_t turn = share->remote ? share->remote->turn++ % sum : 0;
	for (uint32_t at = 0; at < core->links->count; at++) {
		uint32_t weight = weight_of(core, share, at, tried, is_away);
		if (turn < weight)
			return at;
		turn -= weight;
	}
	return MT_CORES_MAX;
}

/* The highest of hash(sender, core, member). */
static uint32_t by_sender(const struct mt_core *core, const struct mt_route_share *share,
			  uint64_t tried, bool is_away)
{
	uint64_t sender = mt_hash_u64(mt_share_sender(core)), most = 0;
	uint32_t best = MT_CORES_MAX;
	for (uint32_t at = 0; at < core->links->count; at++) {
		uint32_t weight = weight_of(core, share, at, tried, is_away);
		if (weight > STICKY_MEMBERS_MAX)
			weight = STICKY_MEMBERS_MAX;
		for (uint32_t i = 0; i < weight; i++) {
			uint64_t hash = mt_hash_u64(sender ^ ((uint64_t)at << 32 | i));
			if (best < MT_CORES_MAX && hash <= most)
				continue;
			best = at;
			most = hash;
		}
	}
	return best;
}

/* MT_CORES_MAX: nobody is left. */
static uint32_t choose(const struct mt_core *core, const struct mt_route_share *share,
		       uint64_t tried)
{
	uint64_t present = 0, count = 0;
	for (uint32_t at = 0; at < core->links->count; at++) {
		struct mt_members members = members_of(core, share, at, tried);
		present += members.present;
		count += members.count;
	}
	if (count == 0)
		return MT_CORES_MAX;
	if (core->settings.shared_strategy == MT_SHARED_STICKY)
		return by_sender(core, share, tried, present == 0);
	return in_turn(core, share, tried, present == 0, present > 0 ? present : count);
}

void mt_groups_assign(struct mt_core *core, struct mt_route *route,
		      const struct mt_link_message *message)
{
	uint64_t self = UINT64_C(1) << core->links->self;
	uint32_t at = 0;
	for (uint32_t i = 0; i < route->share_count; i++) {
		struct mt_route_share *share = &route->shares[i];
		if (!message) {
			share->core = choose(core, share, 0);
			continue;
		}
		while (at < message->heard_count && message->heard[at] < share->number)
			at++;
		if (at == message->heard_count || message->heard[at] != share->number)
			share->core = MT_CORES_MAX;
		else if (share->count > 0)
			share->core = core->links->self;
		else
			share->core = choose(core, share, message->count | self);
	}
}

bool mt_groups_bequeath(struct mt_core *core, struct mt_route *route, uint64_t number)
{
	struct mt_route_share *heir = find(route, route->share_count, number);
	for (uint32_t i = 0; i < route->share_count; i++)
		route->shares[i].core = MT_CORES_MAX;
	if (heir)
		heir->core = choose(core, heir, UINT64_C(1) << core->links->self);
	return heir && heir->core < MT_CORES_MAX;
}

uint64_t mt_groups_cores(const struct mt_route *route)
{
	uint64_t cores = 0;
	for (uint32_t i = 0; i < route->share_count; i++)
		if (route->shares[i].core < MT_CORES_MAX)
			cores |= UINT64_C(1) << route->shares[i].core;
	return cores;
}

uint32_t mt_groups_of(const struct mt_route *route, uint32_t core, uint64_t *numbers)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < route->share_count; i++) {
		if (route->shares[i].core != core)
			continue;
		if (numbers)
			numbers[count] = route->shares[i].number;
		count++;
	}
	return count;
}
