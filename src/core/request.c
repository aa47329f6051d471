/* The queue of requests to the shell, and the audit records that travel in it. */
#include "core/state.h"

#define FIRST_CAP 64u

/* Moves into a ring of twice the size. */
static void grow(struct mt_core *core, struct mt_request *ring)
{
	uint32_t cap = core->request_cap ? core->request_cap * 2 : FIRST_CAP;
	for (uint32_t i = 0; i < core->request_count; i++)
		ring[i] = core->requests[(core->request_first + i) & (core->request_cap - 1)];
	mt_requests_finish(core);
	core->requests = ring;
	core->request_cap = cap;
	core->request_first = 0;
}

static size_t next_bytes(const struct mt_core *core)
{
	return (core->request_cap ? core->request_cap * 2 : FIRST_CAP) * sizeof(struct mt_request);
}

void mt_requests_finish(struct mt_core *core)
{
	mt_mem_give(&core->mem, core->requests, core->request_cap * sizeof(*core->requests));
	core->requests = NULL;
}

enum mt_status mt_requests_reserve(struct mt_core *core, uint32_t count)
{
	while (core->request_cap - core->request_count < count) {
		struct mt_request *ring = mt_mem_take(&core->mem, next_bytes(core));
		if (!ring)
			return MT_MEMORY;
		grow(core, ring);
	}
	return MT_OK;
}

void mt_request_push(struct mt_core *core, const struct mt_request *request)
{
	/* What a request tells has happened already: the ceiling cannot refuse it. Its number is
	 * bounded by the connections, for which room was reserved; tickets and audit reserve
	 * theirs. */
	if (MT_UNLIKELY(core->request_count == core->request_cap)) {
		struct mt_request *ring = mt_mem_take_promised(&core->mem, next_bytes(core));
		MT_CHECK(ring != NULL);
		grow(core, ring);
	}
	core->requests[(core->request_first + core->request_count++) & (core->request_cap - 1)] =
		*request;
}

static bool find_mover(struct mt_core *core, struct mt_request *request)
{
	struct mt_peer *peer = mt_peer_get(core, request->conn);
	return peer && mt_move_finish(core, peer, request);
}

/* The views of an AUTHENTICATE are found now: the connection may have gone since it was asked for.
 */
static bool is_current(struct mt_core *core, struct mt_request *request)
{
	const struct mt_peer *peer = mt_peer_get(core, request->conn);
	struct mt_frame frame;
	struct mt_connect connect;
	struct mt_violation why;
	enum mt_version version;
	if (request->type == MT_REQUEST_MOVE)
		return find_mover(core, request);
	if (request->type != MT_REQUEST_AUTHENTICATE)
		return true;
	if (!peer || peer->ticket != request->ticket)
		return false;
	mt_challenge_describe(peer, request);
	if (peer->phase == MT_PHASE_OPEN)
		return true;
	if (mt_frame_next(mt_bytes_of(peer->hello, peer->hello_bytes), SIZE_MAX, &frame, &why) !=
		    MT_OK ||
	    mt_connect_decode(&frame, &connect, &version, &why) != MT_OK)
		return false;
	request->user = connect.user;
	request->password = connect.password;
	request->accepted = peer->facts.accepted;
	return true;
}

bool mt_core_request(struct mt_core *core, struct mt_request *out)
{
	mt_mem_give(&core->mem, core->shown, sizeof(*core->shown));
	core->shown = NULL;
	while (core->request_count > 0) {
		struct mt_request request = core->requests[core->request_first];
		core->request_count--;
		/* From the start again where it can: what is reserved for all connections at once
		 * is not walked through, and takes no memory. */
		core->request_first = core->request_count == 0
					      ? 0
					      : (core->request_first + 1) & (core->request_cap - 1);
		if (!is_current(core, &request))
			continue;
		if (request.type == MT_REQUEST_AUDIT)
			core->shown = request.audit;
		*out = request;
		return true;
	}
	return false;
}

void mt_audit(struct mt_core *core, const struct mt_peer *peer, const struct mt_audit_facts *facts)
{
	struct mt_audit *audit = mt_mem_zero(&core->mem, sizeof(*audit));
	const struct mt_session *session = peer->session;
	if (!audit || mt_requests_reserve(core, 1) != MT_OK) {
		core->counts.audits_lost++;
		mt_mem_give(&core->mem, audit, sizeof(*audit));
		return;
	}
	audit->event = facts->event;
	audit->what = facts->what;
	audit->statement = facts->statement;
	audit->rule_id = facts->rule_id;
	audit->count = facts->count;
	audit->reason = facts->reason;
	audit->mechanism = peer->mechanism;
	audit->user_id = session ? session->subject.user_id : 0;
	mt_bytes_cut(audit->user, sizeof(audit->user),
		     session ? session->subject.user : facts->user);
	mt_bytes_cut(audit->client_id, sizeof(audit->client_id),
		     session ? session->subject.client_id : facts->client_id);
	mt_bytes_cut(audit->topic, sizeof(audit->topic), facts->topic);
	audit->address = peer->facts.address;
	audit->port = peer->facts.port;
	audit->listener = peer->facts.listener;
	mt_request_push(
		core,
		&(struct mt_request){.type = MT_REQUEST_AUDIT, .conn = peer->self, .audit = audit});
}
