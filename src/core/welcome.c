/*
 * CONNACK (section 3.2): what the broker offers on this connection, or why there is none. And what
 * a listener does not offer is refused by the reason that the standard has for it.
 */
#include "core/state.h"

#include "topic/name.h"

#define RESPONSE_INFO_BYTES_MAX 1024u
#define BARE_BYTES 8u /* of a CONNACK without its properties, at most */

const struct mt_offer mt_offer_all = {.qos_max = 2,
				      .is_retain_available = true,
				      .is_wildcard_available = true,
				      .is_shared_available = true,
				      .is_subscription_id_available = true,
				      .server_reference = ""};

static bool is_too_large(const struct mt_peer *peer, const struct mt_connack *connack)
{
	size_t body = 2 + mt_props_bytes(&connack->props);
	return peer->version == MT_VERSION_5 &&
	       (body > MT_VARINT_MAX ||
		1 + mt_varint_bytes((uint32_t)body) + body > peer->packet_bytes_max);
}

/* What only explains goes first when the client takes no packet that large ([MQTT-3.2.2-19]).
 * False: what is left is too large as well. */
static bool cut(const struct mt_peer *peer, struct mt_connack *connack)
{
	if (is_too_large(peer, connack))
		connack->props.present &= ~MT_PROP_BIT(REASON_STRING);
	if (is_too_large(peer, connack))
		connack->props.present &= ~MT_PROP_BIT(RESPONSE_INFORMATION);
	return !is_too_large(peer, connack);
}

static void send(struct mt_core *core, struct mt_peer *peer, const struct mt_connack *connack)
{
	size_t cap = BARE_BYTES + mt_props_bytes(&connack->props);
	uint8_t *data = mt_mem_take(&core->mem, cap);
	struct mt_buf buf = mt_buf_of(data, cap);
	if (!data) {
		mt_peer_abandon(core, peer);
		return;
	}
	MT_CHECK(mt_connack_encode(connack, peer->version, &buf) == MT_OK);
	mt_peer_send(core, peer, mt_buf_view(&buf));
	mt_mem_give(&core->mem, data, cap);
}

void mt_welcome_refuse(struct mt_core *core, struct mt_peer *peer, uint8_t reason, const char *what)
{
	struct mt_connack connack = {.reason = reason};
	struct mt_props *props = &connack.props;
	if (peer->is_problem_info_wanted) {
		props->present |= MT_PROP_BIT(REASON_STRING);
		props->reason_string = mt_bytes_str(what);
	}
	if (reason == MT_REASON_USE_ANOTHER_SERVER || reason == MT_REASON_SERVER_MOVED) {
		props->present |= MT_PROP_BIT(SERVER_REFERENCE);
		props->server_reference = mt_bytes_str(peer->facts.offer->server_reference);
	}
	if (cut(peer, &connack))
		send(core, peer, &connack);
}

/* Puts in the pattern's %c and %u what the client is; false when that is no plain level. */
static bool expand(const struct mt_subject *subject, const char *pattern, struct mt_buf *out)
{
	for (; *pattern; pattern++) {
		struct mt_bytes value = mt_bytes_of(pattern, 1);
		if (pattern[0] == '%' && (pattern[1] == 'c' || pattern[1] == 'u')) {
			value = *++pattern == 'c' ? subject->client_id : subject->user;
			if (value.len == 0 || mt_topic_level_count(value) != 1 ||
			    mt_topic_has_wildcard(value))
				return false;
		}
		mt_buf_put(out, value);
	}
	return !out->is_overflown;
}

/* Whoever may not subscribe below the topic has no use for it (section 4.10.1). */
static bool is_response_permitted(const struct mt_core *core, const struct mt_subject *subject,
				  struct mt_bytes topic)
{
	uint8_t filter[RESPONSE_INFO_BYTES_MAX + 2];
	struct mt_buf buf = mt_buf_of(filter, sizeof(filter));
	struct mt_bytes none = {NULL, 0};
	mt_buf_put(&buf, topic);
	mt_buf_put(&buf, mt_bytes_str("/#"));
	return mt_decide_subscribe(core->policy, subject, mt_buf_view(&buf), none, 0,
				   mt_core_wall_s(core))
		.is_allowed;
}

static void offer_response(const struct mt_core *core, const struct mt_peer *peer,
			   const struct mt_connect *connect, struct mt_props *props,
			   uint8_t room[RESPONSE_INFO_BYTES_MAX])
{
	const struct mt_subject *subject = &peer->session->subject;
	const char *pattern = core->settings.response_topic;
	struct mt_buf buf = mt_buf_of(room, RESPONSE_INFO_BYTES_MAX);
	if (!connect->props.request_response_info || !pattern || pattern[0] == '\0')
		return;
	if (!expand(subject, pattern, &buf) ||
	    !is_response_permitted(core, subject, mt_buf_view(&buf)))
		return;
	props->present |= MT_PROP_BIT(RESPONSE_INFORMATION);
	props->response_info = mt_buf_view(&buf);
}

/* Only what is not offered is said: the absence of a property means yes. */
static void name_absent(const struct mt_offer *offer, struct mt_props *props)
{
	if (offer->qos_max < 2) {
		props->present |= MT_PROP_BIT(MAXIMUM_QOS);
		props->qos_max = offer->qos_max;
	}
	if (!offer->is_retain_available)
		props->present |= MT_PROP_BIT(RETAIN_AVAILABLE);
	if (!offer->is_wildcard_available)
		props->present |= MT_PROP_BIT(WILDCARD_SUBSCRIPTION_AVAILABLE);
	if (!offer->is_shared_available)
		props->present |= MT_PROP_BIT(SHARED_SUBSCRIPTION_AVAILABLE);
	if (!offer->is_subscription_id_available)
		props->present |= MT_PROP_BIT(SUBSCRIPTION_IDENTIFIER_AVAILABLE);
}

/* Where the client's wish was not met, it is told what holds. */
static void name_changed(const struct mt_peer *peer, const struct mt_connect *connect,
			 struct mt_props *props)
{
	if (peer->version == MT_VERSION_5 &&
	    peer->session->expiry_s != connect->props.session_expiry_s) {
		props->present |= MT_PROP_BIT(SESSION_EXPIRY_INTERVAL);
		props->session_expiry_s = peer->session->expiry_s;
	}
	if (peer->version == MT_VERSION_5 && peer->keep_alive_s != connect->keep_alive_s) {
		props->present |= MT_PROP_BIT(SERVER_KEEP_ALIVE);
		props->server_keep_alive_s = peer->keep_alive_s;
	}
}

void mt_welcome(struct mt_core *core, struct mt_peer *peer, const struct mt_welcome *welcome)
{
	const struct mt_core_limits *limits = peer->facts.limits;
	struct mt_connack connack = {.is_session_present = welcome->is_session_present};
	struct mt_props *props = &connack.props;
	uint8_t room[RESPONSE_INFO_BYTES_MAX];
	props->present = MT_PROP_BIT(RECEIVE_MAXIMUM) | MT_PROP_BIT(MAXIMUM_PACKET_SIZE) |
			 MT_PROP_BIT(TOPIC_ALIAS_MAXIMUM);
	props->receive_max = limits->inflight;
	props->packet_bytes_max = (uint32_t)limits->packet_bytes;
	props->topic_alias_max = limits->topic_aliases;
	name_absent(peer->facts.offer, props);
	name_changed(peer, welcome->connect, props);
	if (welcome->is_id_assigned) {
		props->present |= MT_PROP_BIT(ASSIGNED_CLIENT_IDENTIFIER);
		props->assigned_client_id = welcome->connect->client_id;
	}
	offer_response(core, peer, welcome->connect, props, room);
	mt_challenge_name(peer, props);
	if (cut(peer, &connack))
		send(core, peer, &connack);
	else
		mt_peer_close(core, peer, 0, true,
			      "the client takes no packet as large as CONNACK");
}

bool mt_offer_takes_publish(struct mt_core *core, struct mt_peer *peer,
			    const struct mt_publish *publish)
{
	const struct mt_offer *offer = peer->facts.offer;
	bool is_qos_too_high = publish->qos > offer->qos_max;
	struct mt_violation why = {
		is_qos_too_high ? "MQTT-3.2.2-11" : "MQTT-3.2.2-14",
		is_qos_too_high ? MT_REASON_QOS_NOT_SUPPORTED : MT_REASON_RETAIN_NOT_SUPPORTED, 0};
	if (!is_qos_too_high && (offer->is_retain_available || !publish->is_retain))
		return true;
	if (peer->version != MT_VERSION_5)
		why.statement = "section 4.8";
	mt_peer_violated(core, peer, &why);
	return false;
}

uint8_t mt_offer_check_filter(const struct mt_offer *offer, struct mt_bytes filter)
{
	struct mt_bytes group, rest;
	if (!offer->is_shared_available && mt_topic_share_split(filter, &group, &rest))
		return MT_REASON_SHARED_SUBSCRIPTIONS_NOT_SUPPORTED;
	if (!offer->is_wildcard_available && mt_topic_has_wildcard(filter))
		return MT_REASON_WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED;
	return MT_REASON_SUCCESS;
}

/* To use what CONNACK said is not there is a protocol error of 5 (sections 3.2.2.3.11 to
 * 3.2.2.3.13). 3.1.1 was told nothing: its SUBACK says no. */
bool mt_offer_takes_subscribe(struct mt_core *core, struct mt_peer *peer,
			      const struct mt_subscribe *packet)
{
	const struct mt_offer *offer = peer->facts.offer;
	struct mt_violation why = {"section 3.2.2.3.11", 0, 0};
	struct mt_bytes filter;
	struct mt_sub_options options;
	size_t pos = 0;
	if (peer->version != MT_VERSION_5)
		return true;
	while (why.reason == 0 && mt_subscribe_next(packet, &pos, &filter, &options))
		why.reason = mt_offer_check_filter(offer, filter);
	if (why.reason == MT_REASON_SHARED_SUBSCRIPTIONS_NOT_SUPPORTED)
		why.statement = "section 3.2.2.3.13";
	if (why.reason == 0 && !offer->is_subscription_id_available &&
	    packet->props.subscription_id != 0) {
		why.statement = "section 3.2.2.3.12";
		why.reason = MT_REASON_SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED;
	}
	if (why.reason == 0)
		return true;
	mt_peer_violated(core, peer, &why);
	return false;
}

const char *mt_offer_check_connect(const struct mt_peer *peer, const struct mt_connect *connect,
				   uint8_t *reason)
{
	const struct mt_offer *offer = peer->facts.offer;
	if (offer->server_reference[0] != '\0') {
		*reason = offer->is_moved ? MT_REASON_SERVER_MOVED : MT_REASON_USE_ANOTHER_SERVER;
		return "clients of this listener go elsewhere";
	}
	if (connect->has_will && connect->will_qos > offer->qos_max) {
		*reason = MT_REASON_QOS_NOT_SUPPORTED;
		return "the QoS of the will is above the maximum";
	}
	if (connect->has_will && connect->is_will_retain && !offer->is_retain_available) {
		*reason = MT_REASON_RETAIN_NOT_SUPPORTED;
		return "the will has the retain flag";
	}
	return NULL;
}
