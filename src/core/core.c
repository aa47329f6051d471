/* The entry points of the core. */
#include "core/state.h"

#include "link/message.h"

#include <stdlib.h>

/* Memory that nobody needs is given back this often, while there is any. */
#define TIDY_NS (10 * MT_SECOND)

static enum mt_status init_tables(struct mt_core *core)
{
	const struct mt_core_limits *limits = &core->settings.limits;
	struct mt_retained_limits retained = {.count_max = limits->retained_count,
					      .bytes_max = limits->retained_bytes,
					      .nodes_max = limits->retained_nodes,
					      .subtrees = limits->subtrees,
					      .subtree_count = limits->subtree_count};
	mt_pool_init(&core->peers, &core->mem, sizeof(struct mt_peer), limits->connections);
	MT_TRY(mt_sessions_init(&core->sessions, &core->mem, core->settings.seed,
				limits->sessions));
	MT_TRY(mt_subscriptions_init(&core->subscriptions, &core->mem, core->settings.seed,
				     core->settings.core_count > 1 ? core->settings.link_seed
								   : core->settings.seed));
	mt_tree_bound(core->subscriptions.tree, limits->subscription_nodes);
	core->retained = mt_retained_create(&core->mem, core->settings.seed, retained);
	MT_TRY(mt_links_create(core));
	core->routes = mt_mem_zero(&core->mem, MT_ROUTE_SLOTS * sizeof(struct mt_route *));
	return core->retained && core->routes ? MT_OK : MT_MEMORY;
}

struct mt_core *mt_core_create(const struct mt_core_settings *settings, struct mt_policy *policy,
			       struct mt_now now)
{
	struct mt_core *core = calloc(1, sizeof(*core));
	if (!core)
		return NULL;
	MT_CHECK(settings->limits.inflight > 0);
	core->settings = *settings;
	core->now = now;
	core->started_ns = core->load_ns = now.mono_ns;
	mt_mem_init(&core->mem, settings->memory_bytes);
	core->chunks.mem = &core->mem;
	mt_throttle_init(core);
	mt_rng_init(&core->rng, settings->seed.word[0] ^ settings->seed.word[1]);
	mt_wheel_init(&core->peer_wheel, now.mono_ns);
	mt_wheel_init(&core->session_wheel, now.mono_ns);
	mt_list_init(&core->tickets);
	core->policy = mt_policy_ref(policy);
	core->epoch = core->sweep.done_epoch = 1;
	core->sys_due_ns = settings->sys_interval_ns > 0 && settings->core_index == 0
				   ? now.mono_ns
				   : MT_TIME_NEVER;
	if (init_tables(core) != MT_OK) {
		mt_core_destroy(&core);
		return NULL;
	}
	mt_sweep_schedule(core);
	return core;
}

static void end_sessions(struct mt_core *core)
{
	uint32_t index = 0;
	mt_handle handle;
	struct mt_session *session;
	struct mt_list *link;
	while ((session = mt_pool_next(&core->sessions.pool, &index, &handle))) {
		mt_wheel_disarm(&session->timer);
		/* Connections are gone; only a link may still wait for it. */
		while ((link = mt_list_first(&session->throttled)))
			mt_list_remove(link);
		if (core->links)
			mt_interest_end_all(core, session);
		mt_subscriptions_remove_all(&core->subscriptions, session);
	}
}

static void drop_tickets(struct mt_core *core)
{
	struct mt_list *link;
	while ((link = mt_list_first(&core->tickets))) {
		struct mt_ticket *ticket = MT_LIST_ITEM(link, struct mt_ticket, link);
		ticket->is_distribution_due = false; /* to nobody any more */
		mt_ticket_settle(core, ticket, true);
	}
}

/* Requests that carry something of their own. */
static void drop_requests(struct mt_core *core)
{
	struct mt_request request;
	while (mt_core_request(core, &request)) {
		if (request.type == MT_REQUEST_FORWARD)
			mt_link_message_free(&request.message);
		else if (request.type == MT_REQUEST_MOVE)
			mt_adoption_free(&request.adoption);
	}
}

void mt_core_empty(struct mt_core *core)
{
	struct mt_peer *peer;
	uint32_t index = 0;
	mt_handle handle;
	drop_tickets(core);
	while ((peer = mt_pool_next(&core->peers, &index, &handle)))
		mt_peer_finish(core, peer);
	end_sessions(core);
	mt_sessions_finish(&core->sessions);
	mt_subscriptions_finish(&core->subscriptions);
	mt_retained_destroy(&core->retained);
	drop_requests(core);
	mt_links_finish(core);
	mt_pool_finish(&core->peers);
	mt_chunk_stock_finish(&core->chunks);
	mt_routes_finish(core);
	mt_policy_unref(&core->policy);
	mt_requests_finish(core);
	core->is_empty = true;
}

void mt_core_destroy(struct mt_core **core)
{
	struct mt_core *old = *core;
	*core = NULL;
	if (!old)
		return;
	if (!old->is_empty)
		mt_core_empty(old);
	MT_CHECK(mt_mem_bytes(&old->mem) == 0);
	free(old);
}

enum mt_status mt_core_open(struct mt_core *core, struct mt_now now,
			    const struct mt_conn_facts *facts, mt_conn *out)
{
	const struct mt_core_limits *limits;
	mt_handle handle;
	struct mt_peer *peer;
	core->now = now;
	/* SEND and CLOSE of every connection find room, whatever else there is. */
	if (mt_requests_reserve(core, 2 * (core->peers.used_count + 1)) != MT_OK)
		return MT_LIMIT;
	peer = mt_pool_take(&core->peers, &handle);
	if (!peer)
		return MT_LIMIT;
	core->counts.sockets_opened++;
	peer->self = handle;
	peer->facts = *facts;
	if (!facts->limits)
		peer->facts.limits = &core->settings.limits;
	limits = peer->facts.limits;
	peer->output_high = limits->output_bytes - limits->output_bytes / 4;
	peer->is_rated = limits->publish_rate > 0 || limits->publish_byte_rate > 0;
	if (!facts->offer)
		peer->facts.offer = &mt_offer_all;
	peer->opened_ns = peer->input_ns = now.mono_ns;
	peer->packet_bytes_max = UINT32_MAX;
	peer->version = MT_VERSION_3_1_1;
	mt_acks_init(&peer->acks, &core->mem);
	mt_peer_arm(core, peer);
	*out = handle;
	return MT_OK;
}

void mt_core_input(struct mt_core *core, struct mt_now now, mt_conn conn, struct mt_bytes bytes)
{
	struct mt_peer *peer = mt_peer_get(core, conn);
	core->now = now;
	if (peer)
		mt_peer_input(core, peer, bytes);
}

void mt_core_closed(struct mt_core *core, struct mt_now now, mt_conn conn)
{
	struct mt_peer *peer = mt_peer_get(core, conn);
	core->now = now;
	if (!peer)
		return;
	if (peer->phase == MT_PHASE_OPEN)
		mt_audit(core, peer,
			 &(struct mt_audit_facts){.event = MT_AUDIT_DISCONNECT,
						  .what = "the connection was lost"});
	if (peer->session)
		mt_depart(core, peer, true);
	mt_peer_finish(core, peer);
	mt_pool_give(&core->peers, conn);
}

static struct mt_peer *peer_of_ticket(const struct mt_core *core, uint64_t ticket)
{
	uint32_t index = (uint32_t)ticket;
	struct mt_peer *peer = mt_pool_at(&core->peers, index);
	/* 0 is nobody's. */
	return peer && ticket != 0 && peer->ticket == ticket ? peer : NULL;
}

void mt_core_authenticated(struct mt_core *core, struct mt_now now, uint64_t ticket,
			   const struct mt_auth_verdict *verdict)
{
	struct mt_peer *peer = peer_of_ticket(core, ticket);
	core->now = now;
	if (!peer || peer->phase == MT_PHASE_CLOSING)
		return;
	if (peer->challenge)
		mt_challenge_answered(core, peer, verdict);
	else
		mt_connect_authenticated(core, peer, verdict);
}

void mt_core_stored(struct mt_core *core, struct mt_now now, uint64_t ticket, enum mt_status status)
{
	struct mt_list *link = mt_list_first(&core->tickets);
	struct mt_ticket *first = link ? MT_LIST_ITEM(link, struct mt_ticket, link) : NULL;
	core->now = now;
	MT_CHECK(first != NULL);
	MT_CHECK(first->number == ticket);
	mt_ticket_settle(core, first, status == MT_OK);
}

void mt_core_set_policy(struct mt_core *core, struct mt_now now, struct mt_policy *policy)
{
	struct mt_policy *old = core->policy;
	bool is_later = mt_policy_revision(policy) > mt_policy_revision(old);
	core->now = now;
	core->policy = mt_policy_ref(policy);
	mt_policy_unref(&old);
	mt_sweep_begin(core, !is_later);
}

/* Bounded work: timers that are due, one slice of a sweep, $SYS. */
static mt_time tidy_due(const struct mt_core *core)
{
	return mt_routes_are_stale(core) || core->chunks.free_count > 0 ? core->tidy_due_ns
									: MT_TIME_NEVER;
}

/* What a busy time left behind: stale routes, and chunks that are not used any more. */
static void tidy(struct mt_core *core)
{
	mt_routes_sweep(core);
	mt_chunk_stock_trim(&core->chunks);
	core->tidy_due_ns = core->now.mono_ns + TIDY_NS;
}

void mt_core_tick(struct mt_core *core, struct mt_now now)
{
	struct mt_timer *timer;
	core->now = now;
	while ((timer = mt_wheel_expire(&core->peer_wheel, now.mono_ns)))
		mt_peer_timer_fired(core, MT_LIST_ITEM(timer, struct mt_peer, timer));
	while ((timer = mt_wheel_expire(&core->session_wheel, now.mono_ns)))
		mt_session_timer_fired(core, MT_LIST_ITEM(timer, struct mt_session, timer));
	if (now.mono_ns >= core->policy_due_ns)
		mt_sweep_begin(core, true);
	if (core->sweep.is_running)
		mt_sweep_slice(core);
	if (core->links)
		mt_links_tick(core);
	if (now.mono_ns >= core->sys_due_ns)
		mt_sys_publish(core);
	if (now.mono_ns >= tidy_due(core))
		tidy(core);
}

mt_time mt_core_deadline(const struct mt_core *core)
{
	mt_time peers = mt_wheel_deadline(&core->peer_wheel);
	mt_time sessions = mt_wheel_deadline(&core->session_wheel);
	mt_time due = peers < sessions ? peers : sessions;
	if (core->sweep.is_running || (core->links && mt_links_is_due(core)))
		return core->now.mono_ns;
	due = core->policy_due_ns < due ? core->policy_due_ns : due;
	due = tidy_due(core) < due ? tidy_due(core) : due;
	return core->sys_due_ns < due ? core->sys_due_ns : due;
}

uint32_t mt_core_kick(struct mt_core *core, struct mt_now now, struct mt_bytes user,
		      struct mt_bytes client_id)
{
	uint32_t index = 0, count = 0;
	mt_handle handle;
	struct mt_session *session;
	core->now = now;
	while ((session = mt_pool_next(&core->sessions.pool, &index, &handle))) {
		struct mt_peer *peer = mt_peer_get(core, session->conn);
		if (!peer || !mt_bytes_equal(session->subject.client_id, client_id))
			continue;
		if (user.len > 0 && !mt_bytes_equal(session->subject.user, user))
			continue;
		mt_peer_close(core, peer, MT_REASON_ADMINISTRATIVE_ACTION, true,
			      "ended by an administrator");
		count++;
	}
	return count;
}

void mt_core_shut_down(struct mt_core *core, struct mt_now now)
{
	uint32_t index = 0;
	mt_handle handle;
	struct mt_peer *peer;
	core->now = now;
	while ((peer = mt_pool_next(&core->peers, &index, &handle)))
		mt_peer_close(core, peer, MT_REASON_SERVER_SHUTTING_DOWN, false,
			      "the broker is shutting down");
}

size_t mt_core_output(const struct mt_core *core, mt_conn conn, struct mt_bytes *list,
		      size_t list_max)
{
	const struct mt_peer *peer = mt_peer_get(core, conn);
	/* What was written when memory ran out may break off: nothing may follow it. */
	return peer && !peer->is_abandoned ? mt_output_list(&peer->out, list, list_max) : 0;
}

void mt_core_sent(struct mt_core *core, struct mt_now now, mt_conn conn, size_t bytes)
{
	struct mt_peer *peer = mt_peer_get(core, conn);
	core->now = now;
	if (!peer)
		return;
	core->counts.bytes_sent += bytes;
	mt_output_advance(&core->chunks, &peer->out, bytes);
	if (peer->pauses & MT_PAUSE_OUTPUT)
		mt_throttle_reader(core, peer);
	if (peer->session)
		mt_throttle_relax(core, peer->session);
	if (peer->backlog.count > 0 && peer->session)
		mt_deliver_pump(core, peer->session);
	if (peer->out.bytes == 0)
		peer->is_dirty = false;
}
