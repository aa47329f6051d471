/*
 * CONNECT (MQTT 5.0 and 3.1.1, section 3.1): who is it, may it, which session; then CONNACK.
 *
 *   decode -> what TLS proved -> secrets safe? -> anonymous role, or AUTHENTICATE and wait ->
 * client id -> policy admits -> will permitted
 *   -> takeover of the same (identity, client id) -> session -> CONNACK -> what was in flight, what
 * waited
 */
#include "core/state.h"

#include "identity/client_id.h"
#include "topic/name.h"

/* What admission works out before anything changes. */
struct admission {
	struct mt_connect connect;
	struct mt_session_identity who;
	bool is_id_assigned;
	uint8_t assigned[31];
};

/* A CONNACK that says no ([MQTT-3.1.4-2]), an audit line, the end. */
static void refuse(struct mt_core *core, struct mt_peer *peer, const struct mt_connect *connect,
		   uint8_t reason, const char *what)
{
	const struct mt_user *proven = mt_policy_user_by_id(core->policy, mt_proof_user(peer));
	core->counts.connects_refused++;
	mt_audit(core, peer,
		 &(struct mt_audit_facts){.event = MT_AUDIT_REFUSE,
					  .what = what,
					  .reason = reason,
					  .user = connect->has_user || !proven ? connect->user
									       : proven->name,
					  .client_id = connect->client_id});
	mt_welcome_refuse(core, peer, reason, what);
	mt_peer_close(core, peer, 0, false, what);
}

/* A malformed CONNECT is answered only where the standard gives an answer: 3.1.1 knows 1 (version)
 * and 2 (client id). */
static void refuse_violation(struct mt_core *core, struct mt_peer *peer,
			     const struct mt_violation *why)
{
	bool is_answered = peer->version == MT_VERSION_5 ||
			   why->reason == MT_REASON_UNSUPPORTED_PROTOCOL_VERSION ||
			   why->reason == MT_REASON_CLIENT_IDENTIFIER_NOT_VALID;
	if (is_answered)
		mt_welcome_refuse(core, peer, why->reason, why->statement);
	mt_peer_violated(core, peer, why);
}

static enum mt_status keep_hello(struct mt_core *core, struct mt_peer *peer,
				 const struct mt_frame *frame)
{
	/* The frame's packet begins right before its body. */
	size_t head_bytes = frame->bytes - frame->body.len;
	peer->hello = mt_mem_take(&core->mem, frame->bytes);
	if (!peer->hello)
		return MT_MEMORY;
	memcpy(peer->hello, frame->body.data - head_bytes, frame->bytes);
	peer->hello_bytes = frame->bytes;
	return MT_OK;
}

void mt_connect_ask(struct mt_core *core, struct mt_peer *peer)
{
	struct mt_request request = {.type = MT_REQUEST_AUTHENTICATE, .conn = peer->self};
	/* The index finds the peer again, the count tells a stale answer. */
	core->next_ticket++;
	peer->ticket = core->next_ticket << 32 | mt_handle_index(peer->self);
	request.ticket = peer->ticket;
	mt_request_push(core, &request);
	if (peer->phase == MT_PHASE_OPEN)
		return;
	peer->phase = MT_PHASE_AUTHENTICATE;
	mt_peer_pause(core, peer, MT_PAUSE_AUTHENTICATE);
}

static void ask_for_verdict(struct mt_core *core, struct mt_peer *peer,
			    const struct mt_connect *connect, const struct mt_frame *frame)
{
	bool has_method = connect->props.present & MT_PROP_BIT(AUTHENTICATION_METHOD);
	if (keep_hello(core, peer, frame) != MT_OK ||
	    (has_method && mt_challenge_begin(core, peer, connect) != MT_OK)) {
		refuse(core, peer, connect, MT_REASON_SERVER_BUSY, "out of memory");
		return;
	}
	mt_connect_ask(core, peer);
}

static struct mt_bytes role_of(const struct mt_peer *peer)
{
	return mt_bytes_str(peer->facts.anonymous_role);
}

/* The will must be something its author may publish now ([MQTT-3.1.2-9]); it is asked again when it
 * fires. */
static bool is_will_permitted(const struct mt_core *core, const struct admission *admission)
{
	const struct mt_connect *connect = &admission->connect;
	return mt_decide_publish(core->policy, &admission->who.subject, connect->will_topic,
				 connect->will_qos, connect->is_will_retain, mt_core_wall_s(core))
		.is_allowed;
}

static uint64_t owner_of(struct mt_core *core, const struct mt_peer *peer, uint64_t user_id)
{
	if (user_id != 0)
		return user_id;
	if (peer->facts.has_anonymous_sessions)
		return MT_OWNER_ANONYMOUS;
	return MT_OWNER_UNIQUE_BIT | ++core->next_owner;
}

/* One that belongs to this core: then the client finds its session again. Each try hits with
 * 1/count, so that all of them miss once in 10^6 at 64 cores. */
static void assign_id(struct mt_core *core, uint64_t user_id, struct admission *admission)
{
	for (int tries = 0; tries < 1024; tries++) {
		uint64_t high = mt_rng_next(&core->rng);
		struct mt_bytes id =
			mt_client_id_assign(high, mt_rng_next(&core->rng), admission->assigned);
		admission->connect.client_id = id;
		if (!core->links || mt_move_home(core, user_id, id) == core->settings.core_index)
			return;
	}
}

static void identify(struct mt_core *core, const struct mt_peer *peer, uint64_t user_id,
		     struct admission *admission)
{
	struct mt_connect *connect = &admission->connect;
	struct mt_subject *subject = &admission->who.subject;
	const struct mt_user *user = user_id ? mt_policy_user_by_id(core->policy, user_id) : NULL;
	if (connect->client_id.len == 0) {
		assign_id(core, user_id, admission);
		admission->is_id_assigned = true;
	}
	subject->user_id = user_id;
	subject->client_id = connect->client_id;
	subject->address = peer->facts.address;
	subject->listener = mt_bytes_str(peer->facts.listener);
	subject->cn = mt_proof_cn(peer);
	if (user)
		subject->user = user->name;
	else
		subject->anonymous_role = role_of(peer);
	admission->who.owner = owner_of(core, peer, user_id);
}

/* The listener's rule, and the user's. An assigned id is ours: the listener asks nothing of it, but
 * the user's rule says which ids are the user's, whoever chose them. NULL: it keeps both. */
static const char *check_client_id(const struct mt_peer *peer, const struct admission *admission,
				   const struct mt_user *user)
{
	const struct mt_subject *subject = &admission->who.subject;
	struct mt_bytes rule = mt_bytes_str(peer->facts.client_id_rule);
	if (admission->is_id_assigned && peer->facts.is_id_demanded)
		return "client id is empty, and the listener assigns none";
	if (!admission->is_id_assigned &&
	    !mt_client_id_keeps(rule, subject->user, subject->client_id))
		return "client id breaks the listener's rule";
	if (user && !mt_client_id_keeps(user->client_id_rule, user->name, subject->client_id))
		return "client id breaks the user's rule";
	return NULL;
}

/* 0, or the reason why not, with its text. */
static uint8_t check_admission(const struct mt_core *core, const struct mt_peer *peer,
			       const struct admission *admission, const char **what)
{
	const struct mt_subject *subject = &admission->who.subject;
	const struct mt_user *user = mt_policy_user_by_id(core->policy, subject->user_id);
	if (subject->user_id != 0 && (!user || !user->is_enabled)) {
		*what = "user is gone or disabled";
		return MT_REASON_NOT_AUTHORIZED;
	}
	*what = check_client_id(peer, admission, user);
	if (*what)
		return MT_REASON_CLIENT_IDENTIFIER_NOT_VALID;
	if (!mt_policy_admits(core->policy, subject)) {
		*what = user ? "client id or name cannot stand in the user's rules"
			     : "the anonymous role does not admit";
		return user ? MT_REASON_CLIENT_IDENTIFIER_NOT_VALID : MT_REASON_NOT_AUTHORIZED;
	}
	if (admission->connect.has_will && !is_will_permitted(core, admission)) {
		*what = "will is not permitted";
		return MT_REASON_NOT_AUTHORIZED;
	}
	return 0;
}

static enum mt_status make_will(struct mt_core *core, const struct admission *admission,
				struct mt_will *out)
{
	const struct mt_connect *connect = &admission->connect;
	const struct mt_props *props = &connect->will_props;
	struct mt_msg_facts facts = {.topic = connect->will_topic,
				     .payload = connect->will_payload,
				     .expires_ns = MT_TIME_NEVER,
				     .author_id = admission->who.subject.user_id,
				     .qos = connect->will_qos,
				     .is_retain = connect->is_will_retain};
	struct mt_buf forwarded = {0};
	uint8_t *scratch = NULL;
	if (!connect->has_will)
		return MT_OK;
	if (props->raw.len > 0) {
		scratch = mt_mem_take(&core->mem, props->raw.len);
		if (!scratch)
			return MT_MEMORY;
		forwarded = mt_buf_of(scratch, props->raw.len);
		mt_props_forward(props, &forwarded);
		facts.props = mt_buf_view(&forwarded);
	}
	/* A will's expiry counts from its publication; until then the interval itself stands in for
	 * the moment. */
	if (props->present & MT_PROP_BIT(MESSAGE_EXPIRY_INTERVAL))
		facts.expires_ns = (mt_time)props->message_expiry_s * MT_SECOND;
	out->msg = mt_msg_create(&core->mem, &facts);
	out->delay_s = props->will_delay_s;
	mt_mem_give(&core->mem, scratch, props->raw.len);
	return out->msg ? MT_OK : MT_MEMORY;
}

/* The same client connects again: the older connection ends ([MQTT-3.1.4-3]; only within one
 * identity). Its will waits for nothing when the session ends with it (section 3.1.4). */
static void take_over(struct mt_core *core, struct mt_session *session, bool is_clean)
{
	struct mt_peer *older = mt_peer_get(core, session->conn);
	bool is_will_due = is_clean || session->will.delay_s == 0 || session->expiry_s == 0;
	if (older)
		mt_peer_close(core, older, MT_REASON_SESSION_TAKEN_OVER, is_will_due, "taken over");
}

/* It comes from another address perhaps, and rules may ask for that: what was decided for the
 * former connection is decided again. */
static void forget_decisions(struct mt_session *session)
{
	struct mt_list *link;
	for (link = session->subs.next; link != &session->subs; link = link->next)
		MT_LIST_ITEM(link, struct mt_sub, link)->epoch = 0;
	for (link = session->out.waiting.next; link != &session->out.waiting; link = link->next)
		MT_LIST_ITEM(link, struct mt_delivery, link)->epoch = 0;
	for (link = session->out.inflight.next; link != &session->out.inflight; link = link->next)
		MT_LIST_ITEM(link, struct mt_delivery, link)->epoch = 0;
}

/* The session to go on with, or a new one; *is_present tells. NULL: no room. */
static struct mt_session *find_session(struct mt_core *core, const struct admission *admission,
				       bool *is_present)
{
	struct mt_sessions *sessions = &core->sessions;
	const struct mt_session_identity *who = &admission->who;
	struct mt_session *session = mt_sessions_find(sessions, who->owner, who->subject.client_id);
	*is_present = false;
	if (session && session->conn != MT_HANDLE_NONE) {
		take_over(core, session, admission->connect.is_clean);
		session = mt_sessions_find(sessions, who->owner, who->subject.client_id);
	}
	if (session && admission->connect.is_clean) {
		mt_session_end(core, session);
		session = NULL;
	}
	if (!session)
		return mt_sessions_create(sessions, who, core->settings.limits.inflight);
	if (mt_session_refresh(sessions, session, &who->subject) != MT_OK)
		return NULL;
	forget_decisions(session);
	mt_wheel_disarm(&session->timer);
	mt_msg_unref(&session->will.msg);
	*is_present = true;
	return session;
}

/* A session that nobody can resume ends with its connection, whatever the client asks for. */
static uint32_t expiry_of(struct mt_core *core, const struct mt_peer *peer, uint64_t owner,
			  const struct mt_connect *connect)
{
	uint32_t most = peer->facts.limits->session_expiry_s;
	uint32_t asked = connect->is_clean ? 0 : UINT32_MAX;
	if (connect->version == MT_VERSION_5)
		asked = connect->props.session_expiry_s;
	if (owner & MT_OWNER_UNIQUE_BIT)
		return 0;
	if (asked <= most)
		return asked;
	mt_limit_cut(core, MT_LIMIT_SESSION_EXPIRY);
	return most;
}

static uint16_t keep_alive_of(struct mt_core *core, const struct mt_peer *peer,
			      const struct mt_connect *connect)
{
	const struct mt_core_limits *limits = peer->facts.limits;
	uint16_t most = limits->keep_alive_s, asked = connect->keep_alive_s;
	bool is_bounded = most > 0 && connect->version == MT_VERSION_5;
	if (is_bounded && (asked == 0 || asked > most)) {
		mt_limit_cut(core, MT_LIMIT_KEEP_ALIVE);
		return most;
	}
	if (asked == 0 || asked >= limits->keep_alive_least_s)
		return asked;
	mt_limit_cut(core, MT_LIMIT_KEEP_ALIVE_LEAST);
	return limits->keep_alive_least_s;
}

static void cut_will_delay(struct mt_core *core, const struct mt_peer *peer, struct mt_will *will)
{
	uint32_t most = peer->facts.limits->will_delay_s;
	if (!will->msg || most == 0 || will->delay_s <= most)
		return;
	mt_limit_cut(core, MT_LIMIT_WILL_DELAY);
	will->delay_s = most;
}

static void join(struct mt_core *core, struct mt_peer *peer, struct mt_session *session,
		 const struct mt_connect *connect)
{
	const struct mt_props *props = &connect->props;
	uint16_t inflight = peer->facts.limits->inflight;
	if (props->present & MT_PROP_BIT(RECEIVE_MAXIMUM) && props->receive_max < inflight)
		inflight = props->receive_max;
	session->out.inflight_max = inflight;
	session->conn = peer->self;
	if (core->links)
		mt_interest_presence(core, session);
	session->expiry_s = expiry_of(core, peer, session->owner, connect);
	session->version = (uint8_t)peer->version;
	session->mechanism = peer->mechanism;
	session->connected_ns = core->now.mono_ns;
	session->listener = peer->facts.listener;
	session->port = peer->facts.port;
	session->keep_alive_s = peer->keep_alive_s = keep_alive_of(core, peer, connect);
	if (connect->version == MT_VERSION_5)
		mt_alias_open(peer, props->topic_alias_max);
	peer->is_plain = peer->alias_slots == 0 && peer->packet_bytes_max == UINT32_MAX;
	peer->session = session;
	peer->phase = MT_PHASE_OPEN;
	peer->input_ns = core->now.mono_ns; /* the wait for the verdict was ours */
	core->connected_count++;
	if (core->connected_count > core->counts.sessions_connected_most)
		core->counts.sessions_connected_most = core->connected_count;
	core->subscriptions.generation++; /* routes know which receivers persist */
}

static void count_login(struct mt_core *core, enum mt_mechanism mechanism)
{
	switch (mechanism) {
#define X(id, name, meaning) \
	case MT_MECHANISM_##id: \
		core->counts.logins_##id++; \
		break;
		MT_TABLE_MECHANISMS(X)
#undef X
	case MT_MECHANISM_NONE:
	case MT_MECHANISM_COUNT:
		break;
	}
}

static void admit(struct mt_core *core, struct mt_peer *peer, struct admission *admission)
{
	const struct mt_connect *connect = &admission->connect;
	struct mt_will will = {0};
	struct mt_session *session;
	bool is_present;
	if (make_will(core, admission, &will) != MT_OK) {
		refuse(core, peer, connect, MT_REASON_QUOTA_EXCEEDED, "out of memory");
		return;
	}
	session = find_session(core, admission, &is_present);
	if (!session) {
		mt_msg_unref(&will.msg);
		if (core->sessions.pool.used_count >= core->settings.limits.sessions)
			mt_limit_meet(core, peer, MT_LIMIT_SESSIONS);
		refuse(core, peer, connect, MT_REASON_QUOTA_EXCEEDED,
		       "no room for another session");
		return;
	}
	cut_will_delay(core, peer, &will);
	session->will = will;
	join(core, peer, session, connect);
	mt_peer_arm(core, peer);
	core->counts.connects_accepted++;
	count_login(core, peer->mechanism);
	mt_audit(core, peer,
		 &(struct mt_audit_facts){.event = MT_AUDIT_CONNECT,
					  .what = is_present ? "session resumed" : "new session"});
	mt_welcome(core, peer,
		   &(struct mt_welcome){.connect = connect,
					.is_session_present = is_present,
					.is_id_assigned = admission->is_id_assigned});
	if (is_present && peer->phase == MT_PHASE_OPEN)
		mt_deliver_resume(core, session);
}

static void decide(struct mt_core *core, struct mt_peer *peer, const struct mt_connect *connect,
		   uint64_t user_id)
{
	struct admission admission = {.connect = *connect};
	const char *what = NULL;
	uint8_t reason;
	identify(core, peer, user_id, &admission);
	reason = check_admission(core, peer, &admission, &what);
	if (reason != 0)
		refuse(core, peer, connect, reason, what);
	else
		admit(core, peer, &admission);
}

/* The core whose session it is; itself when nobody can ask for the session again. An assigned id is
 * chosen so that it belongs where it is. */
static uint32_t home_of(struct mt_core *core, const struct mt_peer *peer, uint64_t user_id,
			struct mt_bytes client_id)
{
	bool is_unique = user_id == 0 && !peer->facts.has_anonymous_sessions;
	if (is_unique || client_id.len == 0)
		return core->settings.core_index;
	return mt_move_home(core, user_id != 0 ? user_id : MT_OWNER_ANONYMOUS, client_id);
}

/* Who it is, is known: here or elsewhere? frame NULL: the CONNECT is kept already. */
static void settle(struct mt_core *core, struct mt_peer *peer, const struct mt_connect *connect,
		   uint64_t user_id, const struct mt_frame *frame)
{
	uint32_t home = core->links ? home_of(core, peer, user_id, connect->client_id)
				    : core->settings.core_index;
	if (home == core->settings.core_index) {
		decide(core, peer, connect, user_id);
		return;
	}
	if ((frame && keep_hello(core, peer, frame) != MT_OK) ||
	    mt_move_begin(core, peer, home, user_id) != MT_OK)
		refuse(core, peer, connect, MT_REASON_SERVER_BUSY, "out of memory");
}

/* What holds for every answer from here on. */
static void note_wishes(struct mt_peer *peer, const struct mt_props *props)
{
	peer->is_problem_info_wanted =
		!(props->present & MT_PROP_BIT(REQUEST_PROBLEM_INFORMATION)) ||
		props->request_problem_info;
	if (props->present & MT_PROP_BIT(MAXIMUM_PACKET_SIZE))
		peer->packet_bytes_max = props->packet_bytes_max;
}

/* NULL, or why a CONNECT that is well-formed is refused whoever sends it. */
static const char *check_connect(struct mt_core *core, const struct mt_peer *peer,
				 const struct mt_connect *connect, uint8_t *reason)
{
	if (!mt_limit_takes_props(core, peer, &connect->props) ||
	    !mt_limit_takes_props(core, peer, &connect->will_props)) {
		*reason = MT_REASON_QUOTA_EXCEEDED;
		return "too many properties";
	}
	if (connect->has_will && !mt_limit_takes_topic(core, peer, connect->will_topic)) {
		*reason = MT_REASON_TOPIC_NAME_INVALID;
		return "will topic is too long or has too many levels";
	}
	if (!mt_payload_keeps_format(core, &connect->will_props, connect->will_payload)) {
		*reason = MT_REASON_PAYLOAD_FORMAT_INVALID;
		return "the will is not UTF-8 as its format indicator says";
	}
	return mt_offer_check_connect(peer, connect, reason);
}

/* By what was proven before CONNECT, which perhaps does not count here, or by nothing. */
static void settle_by(struct mt_core *core, struct mt_peer *peer, const struct mt_connect *connect,
		      enum mt_mechanism mechanism, const struct mt_frame *frame)
{
	bool is_anonymous = mechanism == MT_MECHANISM_ANONYMOUS;
	peer->mechanism = mechanism;
	if (mt_mechanism_is_of(mechanism, peer->facts.accepted))
		settle(core, peer, connect, is_anonymous ? 0 : mt_proof_user(peer), frame);
	else
		refuse(core, peer, connect, MT_REASON_NOT_AUTHORIZED,
		       mt_mechanism_unaccepted(mechanism));
}

/* By the credentials it brings, or by none. */
static void judge(struct mt_core *core, struct mt_peer *peer, const struct mt_connect *connect,
		  const struct mt_frame *frame)
{
	bool has_method = connect->props.present & MT_PROP_BIT(AUTHENTICATION_METHOD);
	bool has_secret = connect->has_password || has_method;
	bool has_credentials = connect->has_user || has_secret;
	uint64_t proven = mt_proof_user(peer);
	uint8_t reason;
	const char *what = mt_proof_check(core, peer, connect, &reason);
	if (what)
		refuse(core, peer, connect, reason, what);
	else if (proven != 0 && !has_secret)
		settle_by(core, peer, connect, mt_proof_mechanism(peer), frame);
	else if (!has_credentials && role_of(peer).len > 0 && !peer->facts.is_certificate_required)
		settle_by(core, peer, connect, MT_MECHANISM_ANONYMOUS, frame);
	else if (!has_credentials)
		refuse(core, peer, connect, MT_REASON_NOT_AUTHORIZED, mt_proof_explain(peer));
	else if (!peer->facts.is_secret_safe)
		refuse(core, peer, connect, MT_REASON_NOT_AUTHORIZED,
		       "credentials on a connection without TLS");
	else
		ask_for_verdict(core, peer, connect, frame);
}

void mt_connect_handle(struct mt_core *core, struct mt_peer *peer, const struct mt_frame *frame)
{
	struct mt_connect connect;
	struct mt_violation why;
	enum mt_version version = MT_VERSION_3_1_1;
	enum mt_status status = mt_connect_decode(frame, &connect, &version, &why);
	const char *what;
	uint8_t reason;
	peer->version = version;
	if (status != MT_OK) {
		refuse_violation(core, peer, &why);
		return;
	}
	note_wishes(peer, &connect.props);
	what = check_connect(core, peer, &connect, &reason);
	if (what)
		refuse(core, peer, &connect, reason, what);
	else
		judge(core, peer, &connect, frame);
}

static const char *describe_refusal(const struct mt_peer *peer,
				    const struct mt_auth_verdict *verdict)
{
	uint8_t reason = verdict->reason;
	if (verdict->is_unaccepted)
		return mt_mechanism_unaccepted(verdict->mechanism);
	if (reason == MT_REASON_SERVER_BUSY)
		return "too many logins at once";
	if (reason == MT_REASON_BAD_AUTHENTICATION_METHOD)
		return "unknown authentication method";
	if (peer->challenge && verdict->refusal == MT_REFUSAL_WRONG)
		return "authentication failed";
	return mt_refusal_text(verdict->refusal);
}

static void refuse_login(struct mt_core *core, struct mt_peer *peer,
			 const struct mt_connect *connect, const struct mt_auth_verdict *verdict)
{
	struct mt_connect claimed = *connect;
	if (!connect->has_user && verdict->user.len > 0) {
		claimed.has_user = true;
		claimed.user = verdict->user;
	}
	refuse(core, peer, &claimed, verdict->reason, describe_refusal(peer, verdict));
}

void mt_connect_authenticated(struct mt_core *core, struct mt_peer *peer,
			      const struct mt_auth_verdict *verdict)
{
	struct mt_frame frame;
	struct mt_connect connect;
	struct mt_violation why;
	enum mt_version version;
	peer->ticket = 0;
	peer->mechanism = verdict->mechanism;
	/* It was decoded once, so it decodes again. */
	MT_CHECK(mt_frame_next(mt_bytes_of(peer->hello, peer->hello_bytes), SIZE_MAX, &frame,
			       &why) == MT_OK);
	MT_CHECK(mt_connect_decode(&frame, &connect, &version, &why) == MT_OK);
	if (verdict->is_accepted && mt_proof_user(peer) != 0 &&
	    mt_proof_user(peer) != verdict->user_id)
		refuse(core, peer, &connect, MT_REASON_BAD_USER_NAME_OR_PASSWORD,
		       "the user is another than that of the certificate or key");
	else if (verdict->is_accepted)
		settle(core, peer, &connect, verdict->user_id, NULL);
	else
		refuse_login(core, peer, &connect, verdict);
	mt_peer_hello_done(core, peer);
	if (peer->phase != MT_PHASE_OPEN)
		return;
	mt_peer_go_on(core, peer, MT_PAUSE_AUTHENTICATE);
	mt_peer_resume_input(core, peer);
}

void mt_connect_adopted(struct mt_core *core, struct mt_peer *peer, uint64_t user_id)
{
	struct mt_frame frame;
	struct mt_connect connect;
	struct mt_violation why;
	enum mt_version version;
	MT_CHECK(mt_frame_next(mt_bytes_of(peer->hello, peer->hello_bytes), SIZE_MAX, &frame,
			       &why) == MT_OK);
	MT_CHECK(mt_connect_decode(&frame, &connect, &version, &why) == MT_OK);
	peer->version = version;
	note_wishes(peer, &connect.props);
	decide(core, peer, &connect, user_id);
	mt_peer_hello_done(core, peer);
}
