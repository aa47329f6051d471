/*
 * Routes: for one publisher and one topic, what it may publish and who receives it; worked out
 * once, kept until subscriptions or policy change.
 *
 *   slot = hash(publisher, topic) mod 4096 -> [route | receivers ... | topic]
 */
#include "core/state.h"

#include "topic/name.h"

#include <stdlib.h>

static void free_route(struct mt_core *core, struct mt_route *route)
{
	if (!route)
		return;
	for (uint32_t i = 0; i < route->receiver_count; i++)
		mt_sub_ids_unref(&core->mem, &route->receivers[i].ids);
	mt_mem_give(&core->mem, route, route->bytes);
}

void mt_sub_redecide(struct mt_core *core, struct mt_sub *sub)
{
	struct mt_grant grant;
	if (sub->epoch >= mt_session_decided(core, sub->session))
		return;
	grant = mt_decide_subscribe(core->policy, &sub->session->subject, mt_sub_plain_filter(sub),
				    sub->group ? sub->group->name : mt_bytes_of(NULL, 0),
				    sub->options.qos, mt_core_wall_s(core));
	sub->epoch = core->epoch;
	sub->is_allowed = grant.is_allowed;
	sub->is_crossed = grant.is_crossed;
	sub->qos = grant.qos;
}

bool mt_sub_delivers(struct mt_core *core, struct mt_sub *sub, struct mt_bytes topic)
{
	mt_sub_redecide(core, sub);
	if (!sub->is_allowed || !sub->is_crossed)
		return sub->is_allowed;
	return mt_decide_deliver(core->policy, &sub->session->subject, topic,
				 sub->group ? sub->group->name : mt_bytes_of(NULL, 0),
				 mt_core_wall_s(core))
		.is_allowed;
}

/* While candidates are gathered `ids` is unused and a receiver's identifier stands beside it. */
struct candidate {
	struct mt_receiver receiver;
	uint32_t identifier;
};

static int compare(uint64_t left, uint64_t right)
{
	return (left > right) - (left < right);
}

static uint64_t group_number(const struct candidate *candidate)
{
	return candidate->receiver.group ? candidate->receiver.group->number : 0;
}

/* By numbers, never by addresses: a log of calls replays the same order. */
static int by_group_and_session(const void *left, const void *right)
{
	const struct candidate *a = left, *b = right;
	int order = compare(group_number(a), group_number(b));
	if (order == 0)
		order = compare(a->receiver.session->self, b->receiver.session->self);
	return order != 0 ? order : compare(a->identifier, b->identifier);
}

static bool is_same_receiver(const struct candidate *a, const struct candidate *b)
{
	return a->receiver.group == b->receiver.group && a->receiver.session == b->receiver.session;
}

static struct candidate *candidate_at(struct mt_core *core, size_t index)
{
	if (index == core->candidate_cap) {
		size_t cap = core->candidate_cap ? core->candidate_cap * 2 : 64;
		void *grown = mt_mem_resize(&core->mem, core->candidates,
					    core->candidate_cap * sizeof(struct candidate),
					    cap * sizeof(struct candidate));
		if (!grown)
			return NULL;
		core->candidates = grown;
		core->candidate_cap = cap;
	}
	return &((struct candidate *)core->candidates)[index];
}

static bool is_wanted(struct mt_core *core, const struct mt_peer *peer, struct mt_sub *sub,
		      struct mt_bytes topic)
{
	if (sub->options.is_no_local && peer && sub->session->conn == peer->self)
		return false;
	return mt_sub_delivers(core, sub, topic);
}

static enum mt_status gather(struct mt_core *core, const struct mt_peer *peer,
			     struct mt_bytes topic, size_t *count)
{
	struct mt_sub_cursor cursor = {0};
	struct mt_sub *sub;
	*count = 0;
	MT_TRY(mt_subscriptions_match(&core->subscriptions, topic));
	while ((sub = mt_subscriptions_next(&core->subscriptions, &cursor))) {
		struct candidate *candidate;
		if (!is_wanted(core, peer, sub, topic))
			continue;
		candidate = candidate_at(core, *count);
		if (!candidate)
			return MT_MEMORY;
		candidate->identifier = sub->identifier;
		candidate->receiver = (struct mt_receiver){
			.session = sub->session,
			.qos = sub->qos,
			.is_retain_as_published = sub->options.is_retain_as_published,
			.group = sub->group};
		(*count)++;
	}
	if (*count > 1)
		qsort(core->candidates, *count, sizeof(struct candidate), by_group_and_session);
	return MT_OK;
}

/* Overlapping subscriptions of one session become one delivery: highest QoS, all identifiers
 * ([MQTT-3.3.4-2..4]). */
static enum mt_status merge_run(struct mt_core *core, const struct candidate *run, size_t count,
				struct mt_receiver *out)
{
	size_t id_count = 0;
	*out = run[0].receiver;
	for (size_t i = 0; i < count; i++) {
		id_count += run[i].identifier != 0;
		if (run[i].receiver.qos > out->qos)
			out->qos = run[i].receiver.qos;
		out->is_retain_as_published |= run[i].receiver.is_retain_as_published;
	}
	if (id_count == 0)
		return MT_OK;
	out->ids = mt_mem_take(&core->mem, sizeof(*out->ids) + id_count * sizeof(uint32_t));
	if (!out->ids)
		return MT_MEMORY;
	out->ids->ref_count = 1;
	out->ids->count = 0;
	for (size_t i = 0; i < count; i++)
		if (run[i].identifier != 0)
			out->ids->ids[out->ids->count++] = run[i].identifier;
	return MT_OK;
}

static enum mt_status merge(struct mt_core *core, size_t count, struct mt_route *route)
{
	const struct candidate *candidates = (const struct candidate *)core->candidates;
	size_t end;
	for (size_t i = 0; i < count; i = end) {
		for (end = i + 1; end < count && is_same_receiver(&candidates[i], &candidates[end]);
		     end++)
			;
		MT_TRY(merge_run(core, &candidates[i], end - i,
				 &route->receivers[route->receiver_count]));
		route->has_keepers |= candidates[i].receiver.session->expiry_s > 0;
		route->receiver_count++;
	}
	return MT_OK;
}

static struct mt_route *build(struct mt_core *core, const struct mt_peer *peer,
			      struct mt_bytes topic)
{
	size_t count, bytes, share_count = 0;
	uint64_t siblings = 0;
	struct mt_route *route;
	if (gather(core, peer, topic, &count) != MT_OK)
		return NULL;
	if (core->links && mt_interest_match(core, topic, &siblings, &share_count) != MT_OK)
		return NULL;
	if (core->links)
		share_count += count;
	bytes = sizeof(*route) + count * sizeof(struct mt_receiver) +
		share_count * sizeof(struct mt_route_share) + topic.len;
	route = mt_mem_zero(&core->mem, bytes);
	if (!route)
		return NULL;
	route->bytes = bytes;
	route->conn = peer ? peer->self : MT_HANDLE_NONE;
	route->receivers = (struct mt_receiver *)(void *)(route + 1);
	route->shares = (struct mt_route_share *)(void *)(route->receivers + count);
	route->topic = (uint8_t *)(route->shares + share_count);
	route->topic_len = (uint32_t)topic.len;
	memcpy(route->topic, topic.data, topic.len);
	route->generation = mt_core_generation(core);
	route->siblings = route->reach = siblings;
	if (merge(core, count, route) != MT_OK) {
		free_route(core, route);
		return NULL;
	}
	if (share_count > 0)
		mt_groups_list(core, route);
	return route;
}

static bool is_route_of(const struct mt_core *core, const struct mt_route *route, mt_conn conn,
			struct mt_bytes topic)
{
	return route && route->conn == conn && route->generation == mt_core_generation(core) &&
	       mt_bytes_equal(mt_bytes_of(route->topic, route->topic_len), topic);
}

struct mt_route *mt_route_find(struct mt_core *core, struct mt_peer *peer, struct mt_bytes topic)
{
	mt_conn conn = peer ? peer->self : MT_HANDLE_NONE;
	struct mt_route *route = peer ? core->routes[peer->route_slot] : NULL;
	struct mt_route **slot;
	uint64_t hash;
	/* Most publishers use one topic again and again: no hash then. */
	if (MT_LIKELY(is_route_of(core, route, conn, topic)))
		return route;
	hash = mt_hash_bytes(core->settings.seed, topic) ^ mt_hash_u64(conn);
	slot = &core->routes[hash & (MT_ROUTE_SLOTS - 1)];
	if (peer)
		peer->route_slot = (uint32_t)hash & (MT_ROUTE_SLOTS - 1);
	if (MT_LIKELY(is_route_of(core, *slot, conn, topic)))
		return *slot;
	if (!mt_limit_fits_topic(peer ? peer->facts.limits : &core->settings.limits, topic))
		return NULL;
	route = build(core, peer, topic);
	if (!route)
		return NULL;
	free_route(core, *slot);
	*slot = route;
	return route;
}

bool mt_route_permits(struct mt_core *core, const struct mt_peer *peer, struct mt_route *route,
		      uint8_t qos, bool is_retain)
{
	uint8_t bit = (uint8_t)(1u << (qos * 2 + is_retain));
	if (!(route->decided & bit)) {
		struct mt_verdict verdict =
			mt_decide_publish(core->policy, &peer->session->subject,
					  mt_bytes_of(route->topic, route->topic_len), qos,
					  is_retain, mt_core_wall_s(core));
		const struct mt_offer *offer = peer->facts.offer;
		bool is_offered =
			qos <= offer->qos_max && (!is_retain || offer->is_retain_available);
		route->decided |= bit;
		if (verdict.is_allowed && is_offered)
			route->allowed |= bit;
	}
	return route->allowed & bit;
}

/* What any route may have become stale by. */
static uint64_t change_count(const struct mt_core *core)
{
	return mt_core_generation(core) + core->departure_count;
}

static bool is_gone(const struct mt_core *core, const struct mt_route *route)
{
	return route->generation != mt_core_generation(core) ||
	       (route->conn != MT_HANDLE_NONE && !mt_peer_get(core, route->conn));
}

bool mt_routes_are_stale(const struct mt_core *core)
{
	return change_count(core) != core->routes_change_count;
}

void mt_routes_sweep(struct mt_core *core)
{
	for (uint32_t i = 0; i < MT_ROUTE_SLOTS; i++) {
		if (!core->routes[i] || !is_gone(core, core->routes[i]))
			continue;
		free_route(core, core->routes[i]);
		core->routes[i] = NULL;
	}
	core->routes_change_count = change_count(core);
}

void mt_routes_finish(struct mt_core *core)
{
	for (uint32_t i = 0; core->routes && i < MT_ROUTE_SLOTS; i++)
		free_route(core, core->routes[i]);
	mt_mem_give(&core->mem, core->routes, MT_ROUTE_SLOTS * sizeof(struct mt_route *));
	mt_mem_give(&core->mem, core->candidates, core->candidate_cap * sizeof(struct candidate));
	core->routes = NULL;
	core->candidates = NULL;
	core->candidate_cap = 0;
}
