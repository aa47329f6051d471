/* Limits that were met: counters, and a few records for the log however many there are. */
#include "core/state.h"

#include "topic/name.h"

/* Records of one limit: so many at once, then one in so long. */
#define RECORD_COST (10 * MT_SECOND)
#define RECORD_DEPTH (5 * RECORD_COST)

static const char *const names[] = {
#define X(name, id, ...) [MT_LIMIT_##id] = (name),
	MT_TABLE_LIMITS(X)
#undef X
};

const char *mt_limit_name(enum mt_limit_id limit)
{
	MT_CHECK((size_t)limit < MT_COUNT_OF(names));
	return names[limit];
}

/* True: it is to be told, and *count is how often it was met since the last time. */
static bool count(struct mt_core *core, enum mt_limit_id limit, uint64_t *out)
{
	struct mt_limit_voice *voice = &core->limit_voices[limit];
	core->counts.limits[limit]++;
	voice->silent_count++;
	if (MT_LIKELY(
		    !mt_bucket_take(&voice->bucket, core->now.mono_ns, RECORD_COST, RECORD_DEPTH)))
		return false;
	*out = voice->silent_count;
	voice->silent_count = 0;
	return true;
}

static void tell(struct mt_core *core, const struct mt_peer *peer, enum mt_limit_id limit,
		 uint64_t times)
{
	mt_audit(core, peer,
		 &(struct mt_audit_facts){
			 .event = MT_AUDIT_LIMIT, .what = names[limit], .count = times});
}

void mt_limit_meet(struct mt_core *core, const struct mt_peer *peer, enum mt_limit_id limit)
{
	uint64_t times;
	if (count(core, limit, &times))
		tell(core, peer, limit, times);
}

void mt_limit_meet_session(struct mt_core *core, const struct mt_session *session,
			   enum mt_limit_id limit)
{
	uint64_t times;
	struct mt_peer peer;
	if (!count(core, limit, &times))
		return;
	memset(&peer, 0, sizeof(peer));
	peer.self = session->conn;
	peer.facts.address = session->subject.address;
	peer.facts.port = session->port;
	peer.facts.listener = session->listener;
	/* An audit record only reads it. */
	peer.session = mt_pool_get(&core->sessions.pool, session->self);
	tell(core, &peer, limit, times);
}

void mt_core_turn_away(struct mt_core *core, struct mt_now now, const struct mt_conn_facts *facts,
		       enum mt_limit_id limit)
{
	uint64_t times;
	struct mt_peer peer;
	core->now = now;
	if (!count(core, limit, &times))
		return;
	memset(&peer, 0, sizeof(peer));
	peer.facts = *facts;
	tell(core, &peer, limit, times);
}

bool mt_limit_takes_props(struct mt_core *core, const struct mt_peer *peer,
			  const struct mt_props *props)
{
	const struct mt_core_limits *limits = peer->facts.limits;
	if (limits->property_bytes > 0 && props->raw.len > limits->property_bytes)
		mt_limit_meet(core, peer, MT_LIMIT_PROPERTY_BYTES);
	else if (limits->user_properties > 0 &&
		 props->user_property_count > limits->user_properties)
		mt_limit_meet(core, peer, MT_LIMIT_USER_PROPERTIES);
	else
		return true;
	return false;
}

static bool is_too_long(const struct mt_core_limits *limits, struct mt_bytes topic)
{
	return limits->topic_bytes > 0 && topic.len > limits->topic_bytes;
}

bool mt_limit_fits_topic(const struct mt_core_limits *limits, struct mt_bytes topic)
{
	return !is_too_long(limits, topic) && mt_topic_level_count(topic) <= limits->topic_levels;
}

bool mt_limit_takes_topic(struct mt_core *core, const struct mt_peer *peer, struct mt_bytes topic)
{
	if (mt_limit_fits_topic(peer->facts.limits, topic))
		return true;
	mt_limit_meet(core, peer,
		      is_too_long(peer->facts.limits, topic) ? MT_LIMIT_TOPIC_BYTES
							     : MT_LIMIT_TOPIC_LEVELS);
	return false;
}
