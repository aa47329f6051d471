/* How connections and sessions end: wills (section 3.1.2.5), session expiry (3.1.2.11.2). */
#include "core/state.h"

#include "wire/control.h"

/* The will as a message of now: its expiry begins at publication ([MQTT-3.1.3-9] and
 * section 3.1.3.2.4). */
static struct mt_msg *dated_will(struct mt_core *core, const struct mt_session *session)
{
	const struct mt_msg *will = session->will.msg;
	struct mt_msg_facts facts = {.topic = mt_msg_topic(will),
				     .props = mt_msg_props(will),
				     .payload = mt_msg_payload(will),
				     .expires_ns = MT_TIME_NEVER,
				     .author_id = will->author_id,
				     .qos = will->qos,
				     .is_retain = will->is_retain};
	if (will->expires_ns != MT_TIME_NEVER)
		facts.expires_ns = core->now.mono_ns + will->expires_ns;
	return mt_msg_authored(core, &session->subject, &facts);
}

static void fire_will(struct mt_core *core, struct mt_session *session)
{
	struct mt_msg *will = session->will.msg;
	struct mt_msg *msg;
	struct mt_verdict verdict;
	if (!will)
		return;
	verdict = mt_decide_publish(core->policy, &session->subject, mt_msg_topic(will), will->qos,
				    will->is_retain, mt_core_wall_s(core));
	msg = verdict.is_allowed ? dated_will(core, session) : NULL;
	session->will.msg = NULL;
	if (msg)
		mt_stage_release(core, msg);
	else
		core->counts.publishes_denied++;
	mt_msg_unref(&msg);
	mt_msg_unref(&will);
}

static mt_time will_due(const struct mt_session *session)
{
	return session->will.msg ? session->away_ns + session->will.delay_s * MT_SECOND
				 : MT_TIME_NEVER;
}

static mt_time expiry_due(const struct mt_session *session)
{
	return session->expiry_s == UINT32_MAX ? MT_TIME_NEVER
					       : session->away_ns + session->expiry_s * MT_SECOND;
}

static void arm(struct mt_core *core, struct mt_session *session)
{
	mt_time will = will_due(session), expiry = expiry_due(session);
	mt_time due = will < expiry ? will : expiry;
	if (due != MT_TIME_NEVER)
		mt_wheel_arm(&core->session_wheel, &session->timer, due);
}

void mt_depart(struct mt_core *core, struct mt_peer *peer, bool is_will_due)
{
	struct mt_session *session = peer->session;
	mt_throttle_release_all(core, session);
	session->is_slow = false;
	mt_backlog_finish(core, peer, session->expiry_s > 0 ? session : NULL);
	peer->session = NULL;
	session->conn = MT_HANDLE_NONE;
	if (core->links)
		mt_interest_presence(core, session);
	session->away_ns = core->now.mono_ns;
	core->connected_count--;
	core->departure_count++;
	if (!is_will_due)
		mt_msg_unref(&session->will.msg);
	if (session->expiry_s == 0) {
		mt_session_end(core, session);
		return;
	}
	if (session->will.delay_s == 0)
		fire_will(core, session);
	arm(core, session);
}

void mt_session_end(struct mt_core *core, struct mt_session *session)
{
	MT_CHECK(session->conn == MT_HANDLE_NONE);
	mt_wheel_disarm(&session->timer);
	if (core->links)
		mt_interest_end_all(core, session);
	mt_subscriptions_remove_all(&core->subscriptions, session);
	mt_share_inherit(core, session);
	fire_will(core, session);
	core->queued_count -= mt_flow_out_count(&session->out);
	core->queued_bytes -= session->out.bytes;
	mt_sessions_destroy(&core->sessions, &session);
}

void mt_session_timer_fired(struct mt_core *core, struct mt_session *session)
{
	MT_CHECK(session->conn == MT_HANDLE_NONE);
	if (expiry_due(session) <= core->now.mono_ns) {
		core->counts.sessions_expired++;
		mt_session_end(core, session);
		return;
	}
	if (will_due(session) <= core->now.mono_ns)
		fire_will(core, session);
	arm(core, session);
}

void mt_depart_asked(struct mt_core *core, struct mt_peer *peer, const struct mt_frame *frame)
{
	struct mt_control control;
	struct mt_violation why;
	if (mt_control_decode(frame, peer->version, MT_SIDE_CLIENT, &control, &why) != MT_OK) {
		mt_peer_violated(core, peer, &why);
		return;
	}
	if (control.props.present & MT_PROP_BIT(SESSION_EXPIRY_INTERVAL)) {
		uint32_t most = peer->facts.limits->session_expiry_s;
		uint32_t asked = control.props.session_expiry_s;
		if (peer->session->expiry_s == 0 && asked != 0) {
			why = (struct mt_violation){"section 3.14.2.2.2", MT_REASON_PROTOCOL_ERROR,
						    0};
			mt_peer_violated(core, peer, &why);
			return;
		}
		peer->session->expiry_s = asked < most ? asked : most;
	}
	mt_peer_close(core, peer, 0, control.reason != MT_REASON_SUCCESS, "by the client");
}
