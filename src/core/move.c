/*
 * A connection whose session belongs to another core goes there, with its CONNECT, the verdict and
 * the bytes behind it.
 *
 *   CONNECT accepted -> mt_move_begin: paused, MOVE request ... taken by the shell: the slot is
 * free -> mt_core_adopt there: policy once more, takeover, CONNACK, the unread bytes
 */
#include "core/state.h"

#include "link/message.h"

uint32_t mt_move_home(const struct mt_core *core, uint64_t owner, struct mt_bytes client_id)
{
	uint64_t hash = mt_hash_bytes(core->settings.link_seed, client_id) ^ mt_hash_u64(owner);
	return (uint32_t)(mt_hash_u64(hash) % core->settings.core_count);
}

void mt_adoption_free(struct mt_adoption **adoption)
{
	struct mt_adoption *old = *adoption;
	*adoption = NULL;
	if (!old)
		return;
	if (old->unread)
		mt_bytes_wipe(old->unread, old->unread_bytes);
	mt_mem_give_shared(old->mem, old->unread, old->unread_bytes);
	mt_bytes_wipe(old->data, old->hello_bytes + old->reply_bytes);
	mt_mem_give_shared(old->mem, old, old->bytes);
}

enum mt_status mt_move_begin(struct mt_core *core, struct mt_peer *peer, uint32_t to,
			     uint64_t user_id)
{
	struct mt_bytes reply = {NULL, 0};
	bool has_method = mt_challenge_reply(peer, &reply);
	struct mt_bytes cn = mt_proof_cn(peer);
	size_t bytes = sizeof(struct mt_adoption) + peer->hello_bytes + reply.len + cn.len;
	struct mt_adoption *adoption = mt_mem_take_shared(&core->mem, bytes);
	if (!adoption)
		return MT_MEMORY;
	*adoption = (struct mt_adoption){.mem = &core->mem,
					 .bytes = bytes,
					 .facts = peer->facts,
					 .opened_ns = peer->opened_ns,
					 .user_id = user_id,
					 .hello_bytes = peer->hello_bytes,
					 .reply_bytes = reply.len,
					 .mechanism = peer->mechanism,
					 .has_method = has_method,
					 .cn_bytes = cn.len,
					 .has_proof = peer->proven != NULL};
	if (peer->proven)
		adoption->proof = peer->proven->proof;
	/* The other core has its own. */
	if (adoption->facts.limits == &core->settings.limits)
		adoption->facts.limits = NULL;
	memcpy(adoption->data, peer->hello, peer->hello_bytes);
	if (reply.len > 0)
		memcpy(adoption->data + peer->hello_bytes, reply.data, reply.len);
	if (cn.len > 0)
		memcpy(adoption->data + peer->hello_bytes + reply.len, cn.data, cn.len);
	peer->adoption = adoption;
	peer->phase = MT_PHASE_AUTHENTICATE;
	mt_peer_pause(core, peer, MT_PAUSE_MOVE);
	mt_request_push(
		core, &(struct mt_request){.type = MT_REQUEST_MOVE, .conn = peer->self, .to = to});
	return MT_OK;
}

static bool take_unread(struct mt_core *core, const struct mt_peer *peer,
			struct mt_adoption *adoption)
{
	if (peer->in_len == 0)
		return true;
	adoption->unread = mt_mem_take_shared(&core->mem, peer->in_len);
	if (!adoption->unread)
		return false;
	memcpy(adoption->unread, peer->in, peer->in_len);
	adoption->unread_bytes = peer->in_len;
	return true;
}

bool mt_move_finish(struct mt_core *core, struct mt_peer *peer, struct mt_request *request)
{
	if (peer->phase == MT_PHASE_CLOSING || !peer->adoption)
		return false;
	if (!take_unread(core, peer, peer->adoption)) {
		mt_peer_close(core, peer, 0, false, "out of memory");
		return false;
	}
	request->adoption = peer->adoption;
	peer->adoption = NULL;
	mt_peer_finish(core, peer);
	mt_pool_give(&core->peers, request->conn);
	return true;
}

static enum mt_status take_hello(struct mt_core *core, struct mt_peer *peer,
				 const struct mt_adoption *adoption)
{
	peer->hello = mt_mem_take(&core->mem, adoption->hello_bytes);
	if (!peer->hello)
		return MT_MEMORY;
	peer->hello_bytes = adoption->hello_bytes;
	memcpy(peer->hello, adoption->data, adoption->hello_bytes);
	return MT_OK;
}

static enum mt_status take_proof(struct mt_core *core, struct mt_peer *peer,
				 const struct mt_adoption *adoption)
{
	struct mt_proof proof = adoption->proof;
	if (!adoption->has_proof)
		return MT_OK;
	proof.cn = mt_bytes_of(adoption->data + adoption->hello_bytes + adoption->reply_bytes,
			       adoption->cn_bytes);
	return mt_proof_keep(core, peer, &proof);
}

static enum mt_status take_challenge(struct mt_core *core, struct mt_peer *peer,
				     const struct mt_adoption *adoption)
{
	struct mt_frame frame;
	struct mt_connect connect;
	struct mt_violation why;
	enum mt_version version;
	MT_CHECK(mt_frame_next(mt_bytes_of(peer->hello, peer->hello_bytes), SIZE_MAX, &frame,
			       &why) == MT_OK);
	MT_CHECK(mt_connect_decode(&frame, &connect, &version, &why) == MT_OK);
	if (!adoption->has_method)
		return MT_OK;
	return mt_challenge_adopt(
		core, peer, &connect,
		mt_bytes_of(adoption->data + adoption->hello_bytes, adoption->reply_bytes));
}

enum mt_status mt_core_adopt(struct mt_core *core, struct mt_now now,
			     const struct mt_adoption *adoption, mt_conn *out)
{
	struct mt_peer *peer;
	mt_conn conn;
	MT_TRY(mt_core_open(core, now, &adoption->facts, &conn));
	core->counts.sockets_opened--; /* it was opened once, elsewhere */
	peer = mt_peer_get(core, conn);
	peer->opened_ns = adoption->opened_ns;
	peer->phase = MT_PHASE_AUTHENTICATE;
	if (take_hello(core, peer, adoption) != MT_OK ||
	    take_proof(core, peer, adoption) != MT_OK ||
	    take_challenge(core, peer, adoption) != MT_OK) {
		mt_core_closed(core, now, conn);
		return MT_LIMIT;
	}
	*out = conn;
	peer->mechanism = adoption->mechanism;
	mt_connect_adopted(core, peer, adoption->user_id);
	mt_challenge_adopted(peer);
	if (adoption->unread_bytes > 0)
		mt_peer_input(core, peer, mt_bytes_of(adoption->unread, adoption->unread_bytes));
	return MT_OK;
}
