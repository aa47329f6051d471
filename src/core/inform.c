/* Questions from outside: counts, clients, subscriptions. */
#include "core/state.h"

struct mt_policy *mt_core_policy(const struct mt_core *core)
{
	return core->policy;
}

bool mt_core_is_swept(const struct mt_core *core)
{
	return !core->sweep.is_running;
}

struct mt_core_counts mt_core_counts(const struct mt_core *core)
{
	struct mt_core_counts counts = core->counts;
	counts.connections = core->peers.used_count;
	counts.sessions = core->sessions.pool.used_count;
	counts.sessions_connected = core->connected_count;
	counts.subscriptions = (uint32_t)core->subscriptions.by_key.count;
	counts.retained_count = mt_retained_count(core->retained);
	counts.retained_bytes = mt_retained_bytes(core->retained);
	counts.sessions_kept = counts.sessions - counts.sessions_connected;
	counts.shared_subscriptions = (uint32_t)core->subscriptions.groups.count;
	counts.queued_messages = core->queued_count;
	counts.queued_bytes = core->queued_bytes;
	counts.limits[MT_LIMIT_MEMORY_BYTES] += core->mem.refused_count;
	counts.memory_bytes = mt_mem_bytes(&core->mem);
	counts.policy_revision = mt_policy_revision(core->policy);
	return counts;
}

bool mt_core_next_client(const struct mt_core *core, uint32_t *cursor, struct mt_client_info *out)
{
	mt_handle handle;
	const struct mt_session *session = mt_pool_next(&core->sessions.pool, cursor, &handle);
	if (!session)
		return false;
	*out = (struct mt_client_info){.address = session->subject.address,
				       .port = session->port,
				       .is_connected = session->conn != MT_HANDLE_NONE,
				       .mechanism = session->mechanism,
				       .version = session->version,
				       .keep_alive_s = session->keep_alive_s,
				       .subscription_count = session->sub_count,
				       .queued_count = mt_flow_out_count(&session->out),
				       .expiry_s = session->expiry_s,
				       .connected_ns = session->connected_ns};
	mt_bytes_cut(out->client_id, sizeof(out->client_id), session->subject.client_id);
	mt_bytes_cut(out->user, sizeof(out->user), session->subject.user);
	mt_bytes_cut(out->listener, sizeof(out->listener), mt_bytes_str(session->listener));
	return true;
}

bool mt_core_client_subscription(const struct mt_core *core, uint32_t cursor, uint32_t index,
				 struct mt_subscription_info *out)
{
	const struct mt_session *session =
		cursor > 0 ? mt_pool_at(&core->sessions.pool, cursor - 1) : NULL;
	struct mt_list *link;
	if (!session)
		return false;
	for (link = session->subs.next; link != &session->subs && index > 0; link = link->next)
		index--;
	if (link == &session->subs)
		return false;
	mt_bytes_cut(out->filter, sizeof(out->filter),
		     mt_sub_filter(MT_LIST_ITEM(link, struct mt_sub, link)));
	out->qos = MT_LIST_ITEM(link, struct mt_sub, link)->qos;
	return true;
}
