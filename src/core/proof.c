/*
 * What TLS proved of a peer, and what it is worth: a client certificate or a pre-shared key that
 * stands for a user.
 *
 *   TLS done -> mt_core_prove ... CONNECT -> by the proof, by a password, or by both, which must
 * then agree revoked, expired -> mt_core_expel
 */
#include "core/state.h"

void mt_proof_forget(struct mt_core *core, struct mt_peer *peer)
{
	mt_mem_give(&core->mem, peer->proven, sizeof(*peer->proven));
	peer->proven = NULL;
}

enum mt_status mt_proof_keep(struct mt_core *core, struct mt_peer *peer,
			     const struct mt_proof *proof)
{
	MT_CHECK(!peer->proven && proof->cn.len <= MT_PROOF_CN_BYTES_MAX);
	peer->proven = mt_mem_zero(&core->mem, sizeof(*peer->proven));
	if (!peer->proven)
		return MT_MEMORY;
	peer->proven->proof = *proof;
	if (proof->cn.len > 0)
		memcpy(peer->proven->cn, proof->cn.data, proof->cn.len);
	peer->proven->proof.cn = mt_bytes_of(peer->proven->cn, proof->cn.len);
	return MT_OK;
}

void mt_core_prove(struct mt_core *core, struct mt_now now, mt_conn conn,
		   const struct mt_proof *proof)
{
	struct mt_peer *peer = mt_peer_get(core, conn);
	core->now = now;
	if (!peer || peer->phase != MT_PHASE_CONNECT || peer->proven)
		return;
	/* Without it the peer would pass for one that proved nothing. */
	if (mt_proof_keep(core, peer, proof) != MT_OK)
		mt_peer_close(core, peer, 0, false, "out of memory");
}

uint64_t mt_proof_user(const struct mt_peer *peer)
{
	return peer->proven ? peer->proven->proof.user_id : 0;
}

enum mt_mechanism mt_proof_mechanism(const struct mt_peer *peer)
{
	if (!peer->proven)
		return MT_MECHANISM_NONE;
	return peer->proven->proof.kind == MT_PROOF_PSK ? MT_MECHANISM_PSK
							: MT_MECHANISM_CERTIFICATE;
}

struct mt_bytes mt_proof_cn(const struct mt_peer *peer)
{
	return peer->proven ? peer->proven->proof.cn : mt_bytes_of(NULL, 0);
}

static bool has_certificate(const struct mt_peer *peer)
{
	return peer->proven && peer->proven->proof.kind == MT_PROOF_CERTIFICATE;
}

const char *mt_proof_check(const struct mt_core *core, const struct mt_peer *peer,
			   const struct mt_connect *connect, uint8_t *reason)
{
	uint64_t user_id = mt_proof_user(peer);
	const struct mt_user *user = user_id ? mt_policy_user_by_id(core->policy, user_id) : NULL;
	*reason = MT_REASON_NOT_AUTHORIZED;
	if (peer->facts.is_certificate_required && !has_certificate(peer))
		return "a client certificate is required";
	if (user_id != 0 && !user)
		return "user is gone or disabled";
	if (user && connect->has_user && !mt_bytes_equal(connect->user, user->name)) {
		*reason = MT_REASON_BAD_USER_NAME_OR_PASSWORD;
		return "the user name is another than that of the certificate or key";
	}
	return NULL;
}

const char *mt_proof_explain(const struct mt_peer *peer)
{
	return has_certificate(peer) ? "the client certificate stands for no user"
				     : "no credentials";
}

void mt_core_expel(struct mt_core *core, struct mt_now now, mt_conn conn, enum mt_expulsion why)
{
	static const char *const texts[] = {
		"the certificate or key was revoked", "the certificate has expired",
		"the certificate or key is no longer trusted", "the JSON Web Token has expired",
		"the JSON Web Token is no longer trusted"};
	struct mt_peer *peer = mt_peer_get(core, conn);
	_Static_assert(MT_COUNT_OF(texts) == MT_EXPULSION_COUNT, "each has a text");
	core->now = now;
	if (peer)
		mt_peer_close(core, peer, MT_REASON_ADMINISTRATIVE_ACTION, true, texts[why]);
}
