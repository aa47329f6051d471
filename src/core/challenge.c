/*
 * Enhanced authentication (section 4.12): the flow of AUTH packets between a client and whoever
 * knows the method; and again on an open connection.
 *
 *   CONNECT method data -> AUTHENTICATE request -> verdict: continue data -> AUTH 0x18
 *   AUTH 0x18 data      -> AUTHENTICATE request -> ... -> verdict: accepted, CONNACK; or refused
 *
 * The core knows no method; it keeps order, names and bounds.
 */
#include "core/state.h"

#include "wire/control.h"

#define ROUNDS_MAX 16u /* of one authentication; no method of use takes more than a few */

struct mt_challenge {
	struct mt_bytes method; /* owned */
	struct mt_bytes data;	/* owned: of the client's last packet */
	struct mt_bytes reply;	/* of the verdict that is being told; borrowed */
	uint32_t rounds;
	bool is_running; /* until the verdict is final */
};

static void drop(struct mt_core *core, struct mt_bytes *bytes)
{
	union {
		const uint8_t *view;
		void *owned;
	} at = {bytes->data};
	if (at.owned)
		mt_bytes_wipe(at.owned, bytes->len);
	mt_mem_give(&core->mem, at.owned, bytes->len);
	*bytes = mt_bytes_of(NULL, 0);
}

static enum mt_status copy(struct mt_core *core, struct mt_bytes from, struct mt_bytes *to)
{
	uint8_t *data = from.len > 0 ? mt_mem_take(&core->mem, from.len) : NULL;
	if (from.len > 0 && !data)
		return MT_MEMORY;
	if (from.len > 0)
		memcpy(data, from.data, from.len);
	drop(core, to);
	*to = mt_bytes_of(data, from.len);
	return MT_OK;
}

void mt_challenge_end(struct mt_core *core, struct mt_peer *peer)
{
	if (!peer->challenge)
		return;
	drop(core, &peer->challenge->method);
	drop(core, &peer->challenge->data);
	mt_mem_give(&core->mem, peer->challenge, sizeof(*peer->challenge));
	peer->challenge = NULL;
}

enum mt_status mt_challenge_begin(struct mt_core *core, struct mt_peer *peer,
				  const struct mt_connect *connect)
{
	struct mt_challenge *challenge = mt_mem_zero(&core->mem, sizeof(*challenge));
	if (!challenge)
		return MT_MEMORY;
	peer->challenge = challenge;
	challenge->is_running = true;
	MT_TRY(copy(core, connect->props.auth_method, &challenge->method));
	return copy(core, connect->props.auth_data, &challenge->data);
}

void mt_challenge_describe(const struct mt_peer *peer, struct mt_request *request)
{
	if (!peer->challenge)
		return;
	request->method = peer->challenge->method;
	request->data = peer->challenge->data;
	request->is_again = peer->phase == MT_PHASE_OPEN;
}

bool mt_challenge_reply(const struct mt_peer *peer, struct mt_bytes *reply)
{
	if (peer->challenge)
		*reply = peer->challenge->reply;
	return peer->challenge != NULL;
}

enum mt_status mt_challenge_adopt(struct mt_core *core, struct mt_peer *peer,
				  const struct mt_connect *connect, struct mt_bytes reply)
{
	MT_TRY(mt_challenge_begin(core, peer, connect));
	drop(core, &peer->challenge->data);
	peer->challenge->is_running = false;
	peer->challenge->reply = reply;
	return MT_OK;
}

void mt_challenge_adopted(struct mt_peer *peer)
{
	if (peer->challenge)
		peer->challenge->reply = mt_bytes_of(NULL, 0);
}

void mt_challenge_name(const struct mt_peer *peer, struct mt_props *props)
{
	const struct mt_challenge *challenge = peer->challenge;
	if (!challenge)
		return;
	props->present |= MT_PROP_BIT(AUTHENTICATION_METHOD);
	props->auth_method = challenge->method;
	if (challenge->reply.len == 0)
		return;
	props->present |= MT_PROP_BIT(AUTHENTICATION_DATA);
	props->auth_data = challenge->reply;
}

static void send_auth(struct mt_core *core, struct mt_peer *peer, uint8_t reason)
{
	struct mt_control control = {.type = MT_PACKET_AUTH, .reason = reason};
	struct mt_buf buf;
	uint8_t *data;
	size_t cap;
	mt_challenge_name(peer, &control.props);
	cap = 8 + mt_props_bytes(&control.props);
	data = mt_mem_take(&core->mem, cap);
	if (!data) {
		mt_peer_abandon(core, peer);
		return;
	}
	buf = mt_buf_of(data, cap);
	MT_CHECK(mt_control_encode(&control, MT_VERSION_5, &buf) == MT_OK);
	mt_peer_send(core, peer, mt_buf_view(&buf));
	mt_bytes_wipe(data, cap);
	mt_mem_give(&core->mem, data, cap);
}

/* The next word of the verdict in an AUTH that the client can take. */
static bool fits(const struct mt_peer *peer)
{
	struct mt_props props = {0};
	size_t body;
	mt_challenge_name(peer, &props);
	body = 1 + mt_props_bytes(&props);
	return body <= MT_VARINT_MAX &&
	       1 + mt_varint_bytes((uint32_t)body) + body <= peer->packet_bytes_max;
}

/* The next word is the client's. */
static void go_on(struct mt_core *core, struct mt_peer *peer)
{
	send_auth(core, peer, MT_REASON_CONTINUE_AUTHENTICATION);
	if (peer->phase != MT_PHASE_AUTHENTICATE)
		return;
	peer->phase = MT_PHASE_CHALLENGE;
	mt_peer_go_on(core, peer, MT_PAUSE_AUTHENTICATE);
	mt_peer_resume_input(core, peer);
}

/* [MQTT-4.12.1-2]; not all reasons of CONNACK stand in a DISCONNECT. */
static void fail_again(struct mt_core *core, struct mt_peer *peer, uint8_t reason)
{
	bool is_legal = mt_reason_is_legal(reason, MT_PACKET_DISCONNECT, MT_SIDE_SERVER) &&
			reason >= MT_REASON_UNSPECIFIED_ERROR;
	mt_peer_close(core, peer, is_legal ? reason : MT_REASON_NOT_AUTHORIZED, true,
		      "authentication failed on the open connection");
}

/* The session belongs to one identity for good. */
static void end_again(struct mt_core *core, struct mt_peer *peer,
		      const struct mt_auth_verdict *verdict)
{
	bool is_same = verdict->user_id == peer->session->subject.user_id;
	if (!verdict->is_accepted || !is_same) {
		fail_again(core, peer,
			   verdict->is_accepted ? MT_REASON_NOT_AUTHORIZED : verdict->reason);
		return;
	}
	peer->challenge->is_running = false;
	mt_audit(
		core, peer,
		&(struct mt_audit_facts){.event = MT_AUDIT_CONNECT, .what = "authenticated again"});
	send_auth(core, peer, MT_REASON_SUCCESS);
}

static void end(struct mt_core *core, struct mt_peer *peer, const struct mt_auth_verdict *verdict)
{
	if (!verdict->is_accepted)
		peer->challenge->reply = mt_bytes_of(NULL, 0);
	if (peer->phase == MT_PHASE_OPEN) {
		end_again(core, peer, verdict);
		return;
	}
	peer->challenge->is_running = false;
	mt_connect_authenticated(core, peer, verdict);
}

void mt_challenge_answered(struct mt_core *core, struct mt_peer *peer,
			   const struct mt_auth_verdict *verdict)
{
	struct mt_challenge *challenge = peer->challenge;
	struct mt_auth_verdict final = *verdict;
	peer->ticket = 0;
	challenge->reply = verdict->data;
	drop(core, &challenge->data);
	if (verdict->is_continued && !fits(peer))
		final = (struct mt_auth_verdict){.reason = MT_REASON_PACKET_TOO_LARGE};
	else if (verdict->is_continued && ++challenge->rounds == ROUNDS_MAX)
		final = (struct mt_auth_verdict){.reason = MT_REASON_NOT_AUTHORIZED};
	if (final.is_continued)
		go_on(core, peer);
	else
		end(core, peer, &final);
	/* The peer stays until the shell has closed it. */
	challenge->reply = mt_bytes_of(NULL, 0);
}

static bool violate(struct mt_core *core, struct mt_peer *peer, const char *statement)
{
	struct mt_violation why = {statement, MT_REASON_PROTOCOL_ERROR, 0};
	mt_peer_violated(core, peer, &why);
	return false;
}

/* Is it the client's turn to send this? False: it was a violation. */
static bool is_due(struct mt_core *core, struct mt_peer *peer, const struct mt_control *control)
{
	struct mt_challenge *challenge = peer->challenge;
	bool is_start = control->reason == MT_REASON_RE_AUTHENTICATE;
	if (!mt_bytes_equal(control->props.auth_method, challenge->method))
		return violate(core, peer, is_start ? "MQTT-4.12.1-1" : "MQTT-4.12.0-5");
	if (peer->ticket != 0 || is_start == challenge->is_running)
		return violate(core, peer, is_start ? "section 4.12.1" : "MQTT-4.12.0-3");
	return true;
}

/* AUTH from the client. */
void mt_challenge_handle(struct mt_core *core, struct mt_peer *peer, const struct mt_frame *frame)
{
	struct mt_control control;
	struct mt_violation why;
	if (!peer->challenge) {
		violate(core, peer,
			peer->version == MT_VERSION_5 ? "MQTT-4.12.0-7" : "section 2.2.1");
		return;
	}
	if (mt_control_decode(frame, peer->version, MT_SIDE_CLIENT, &control, &why) != MT_OK) {
		mt_peer_violated(core, peer, &why);
		return;
	}
	if (!is_due(core, peer, &control))
		return;
	if (!peer->challenge->is_running)
		peer->challenge->rounds = 0;
	peer->challenge->is_running = true;
	if (copy(core, control.props.auth_data, &peer->challenge->data) != MT_OK) {
		mt_peer_close(core, peer, MT_REASON_QUOTA_EXCEEDED, true, "out of memory");
		return;
	}
	mt_connect_ask(core, peer);
}

void mt_challenge_leave(struct mt_core *core, struct mt_peer *peer, const struct mt_frame *frame)
{
	(void)frame;
	core->counts.connects_refused++;
	mt_audit(core, peer,
		 &(struct mt_audit_facts){.event = MT_AUDIT_REFUSE,
					  .what = "the client left while it was authenticated"});
	mt_peer_close(core, peer, 0, false, "by the client");
}
