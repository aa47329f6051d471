/*
 * What must hold whatever happens. It looks at what clients are given and told, never into the
 * core.
 *
 *   QoS 0 at most once, 2 exactly once; order per publisher, topic and QoS; what was acknowledged
 * reaches every subscription that was there before and stayed; nothing comes that the naive policy
 * denied all the while it was on its way out, to whom it comes or, of what is retained, to whom it
 * came from.
 */
#include "sim.h"

static bool was_permitted_to_receive(const struct sim *sim, const struct device *device,
				     const char *topic, uint32_t first, uint32_t last)
{
	for (uint32_t epoch = first; epoch <= last; epoch++)
		if (naive_receive(&sim->policies[epoch][device->user], topic))
			return true;
	return false;
}

static bool was_permitted_to_publish(const struct sim *sim, const struct message *message,
				     uint32_t first, uint32_t last)
{
	uint32_t user = sim->devices[message->publisher].user;
	for (uint32_t epoch = first; epoch <= last; epoch++)
		if (naive_publish(&sim->policies[epoch][user], topic_names[message->topic],
				  message->qos))
			return true;
	return false;
}

/* Once asked for, and not unsubscribed from before the message was published; message NULL: a will.
 */
static bool is_subscribed(const struct device *device, const char *topic,
			  const struct message *message)
{
	for (uint32_t i = 0; i < FILTERS; i++) {
		const struct subscription *sub = &device->subs[i];
		if (sub->is_wanted && naive_matches(plain_filter(filter_names[i]), topic) &&
		    !(message && sub->ended > 0 && sub->ended < message->step))
			return true;
	}
	return false;
}

static void check_once(struct sim *sim, struct device *device, const struct message *message,
		       uint8_t qos)
{
	bool is_twins = device->is_twin || sim->devices[message->publisher].is_twin;
	bool is_shared = topic_names[message->topic][0] == 's';
	if (is_twins || is_shared || message->is_repeatable ||
	    message->received[device - sim->devices] == 0)
		return;
	if (message->qos == 0 || message->qos == 2)
		if (qos != 1)
			sim_fail(sim, "%s gets message %u of QoS %u again", device->id,
				 (unsigned)(message - sim->messages), message->qos);
}

static void check_order(struct sim *sim, struct device *device, const struct message *message,
			uint8_t qos)
{
	uint32_t index = (uint32_t)(device - sim->devices);
	uint32_t *last =
		&sim->last_first[index][message->publisher][message->topic][message->qos * 3 + qos];
	if (device->is_twin || sim->devices[message->publisher].is_twin ||
	    topic_names[message->topic][0] == 's' || message->received[index] > 0 ||
	    message->is_unordered)
		return;
	if (message->sequence <= *last)
		sim_fail(sim, "%s gets message %u (sequence %u) behind sequence %u", device->id,
			 (unsigned)(message - sim->messages), message->sequence, *last);
	*last = message->sequence;
}

static struct message *find(struct sim *sim, const struct mt_publish *publish)
{
	unsigned index = 0, sequence = 0;
	char text[32];
	mt_bytes_cut(text, sizeof(text), publish->payload);
	if (sscanf(text, "%u %u", &index, &sequence) != 2 || index >= sim->message_count ||
	    sim->messages[index].sequence != sequence)
		sim_fail(sim, "a payload that nobody published: %s", text);
	return &sim->messages[index];
}

void oracle_received(struct sim *sim, struct device *device, const struct mt_publish *publish,
		     uint32_t epoch_first, uint32_t epoch_last)
{
	char topic[64];
	struct message *message;
	mt_bytes_cut(topic, sizeof(topic), publish->topic);
	sim->delivered++;
	if (!was_permitted_to_receive(sim, device, topic, epoch_first, epoch_last))
		sim_fail(sim, "%s gets %s, which it was denied from epoch %u to %u", device->id,
			 topic, epoch_first, epoch_last);
	message =
		mt_bytes_equal(publish->payload, mt_bytes_str("will")) ? NULL : find(sim, publish);
	if (!device->is_twin && !is_subscribed(device, topic, message))
		sim_fail(sim, "%s gets %s without a subscription", device->id, topic);
	if (!message)
		return;
	sim_say(sim, "%s: gets %u on %s, QoS %u%s%s", device->id,
		(unsigned)(message - sim->messages), topic, publish->qos,
		publish->is_retain ? ", retained" : "", publish->is_dup ? ", dup" : "");
	if (strcmp(topic, topic_names[message->topic]) != 0)
		sim_fail(sim, "message published to %s arrives on %s", topic_names[message->topic],
			 topic);
	if (publish->qos > message->qos)
		sim_fail(sim, "QoS %u became %u", message->qos, publish->qos);
	if (publish->is_retain && !was_permitted_to_publish(sim, message, epoch_first, epoch_last))
		sim_fail(sim,
			 "%s gets message %u, retained, which nobody might say from epoch %u to %u",
			 device->id, (unsigned)(message - sim->messages), epoch_first, epoch_last);
	if (!was_permitted_to_publish(sim, message, message->epoch, sim->epoch))
		sim_fail(sim, "message %u was never permitted",
			 (unsigned)(message - sim->messages));
	/* What was retained comes as often as one subscribes. */
	if (publish->is_retain)
		return;
	check_once(sim, device, message, publish->qos);
	check_order(sim, device, message, publish->qos);
	if (message->received[device - sim->devices] < UINT8_MAX)
		message->received[device - sim->devices]++;
}

void oracle_published(struct sim *sim, struct device *device, uint16_t packet_id, uint8_t reason)
{
	uint8_t publisher = (uint8_t)(device - sim->devices);
	for (uint32_t i = 0; i < sim->message_count; i++) {
		struct message *message = &sim->messages[i];
		if (message->publisher != publisher || message->qos == 0 ||
		    message->packet_id != packet_id || message->state != MESSAGE_PENDING)
			continue;
		message->state = reason < 0x80 ? MESSAGE_DONE : MESSAGE_REFUSED;
		message->answered = sim->step;
		sim_say(sim, "%s: message %u answered with 0x%02X", device->id, i, reason);
		return;
	}
}

/* A session that the server no longer had: subscriptions are gone, and what was not acknowledged is
 * published anew. */
void oracle_session(struct sim *sim, struct device *device, bool is_present)
{
	uint8_t publisher = (uint8_t)(device - sim->devices);
	if (is_present)
		return;
	for (uint32_t i = 0; i < FILTERS; i++) {
		device->has_lost_session |= device->has_asked[i];
		device->subs[i].since = 0;
	}
	for (uint32_t i = 0; i < sim->message_count; i++)
		if (sim->messages[i].publisher == publisher &&
		    sim->messages[i].state == MESSAGE_PENDING)
			sim->messages[i].is_repeatable = sim->messages[i].is_unordered = true;
}

static void forgive_order(struct sim *sim, const struct device *device, uint8_t qos_max)
{
	uint8_t publisher = (uint8_t)(device - sim->devices);
	for (uint32_t i = 0; i < sim->message_count; i++)
		if (sim->messages[i].publisher == publisher && sim->messages[i].qos <= qos_max &&
		    sim->messages[i].state == MESSAGE_PENDING)
			sim->messages[i].is_unordered = true;
}

/* One core has stored and handed over what another could not store. */
static void forgive_repetition(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->message_count && sim->core_count > 1; i++)
		if (sim->messages[i].state == MESSAGE_PENDING)
			sim->messages[i].is_repeatable = true;
}

void oracle_refused(struct sim *sim, uint32_t user)
{
	if (user == USERS)
		forgive_repetition(sim);
	for (uint32_t i = 0; i < DEVICES; i++)
		if (user == USERS || sim->devices[i].user == user)
			forgive_order(sim, &sim->devices[i], 2);
}

void oracle_disconnected(struct sim *sim, struct device *device)
{
	forgive_order(sim, device, 1);
}

/* It had this subscription before the message was published, has it still, and nobody touched the
 * rules of either. */
static bool is_owed(const struct sim *sim, const struct device *device,
		    const struct message *message)
{
	const struct device *publisher = &sim->devices[message->publisher];
	const char *topic = topic_names[message->topic];
	if (message->state != MESSAGE_DONE || message->qos == 0 || publisher->is_twin ||
	    sim->touched[publisher->user] >= message->step ||
	    !naive_publish(&sim->policies[sim->epoch][publisher->user], topic, message->qos) ||
	    !naive_receive(&sim->policies[sim->epoch][device->user], topic))
		return false;
	for (uint32_t i = 0; i < FILTERS; i++) {
		const struct subscription *sub = &device->subs[i];
		if (filter_names[i][0] != '$' && sub->since > 0 && sub->since < message->step &&
		    sub->qos > 0 && sim->touched[device->user] < sub->asked &&
		    naive_matches(filter_names[i], topic))
			return true;
	}
	return false;
}

static bool is_member(const struct sim *sim, const struct device *device, uint32_t filter,
		      const struct message *message)
{
	const struct subscription *sub = &device->subs[filter];
	const char *topic = topic_names[message->topic];
	return !device->is_twin && sub->since > 0 && sub->since < message->step && sub->qos > 0 &&
	       sim->touched[device->user] < sub->asked &&
	       naive_matches(plain_filter(filter_names[filter]), topic) &&
	       naive_receive(&sim->policies[sim->epoch][device->user], topic);
}

/*
 * While nobody's rules changed: somebody gets it, if nobody ever took QoS 0 and one is a member
 * throughout, for that one inherits what others leave behind. Of QoS 2 only what was not yet sent
 * is inherited: all must be members throughout. Other ways for the message would hide it.
 */
static bool has_asked_otherwise(const struct device *device, uint32_t filter, const char *topic)
{
	for (uint32_t f = 0; f < FILTERS; f++)
		if (f != filter && device->has_asked[f] &&
		    naive_matches(plain_filter(filter_names[f]), topic))
			return true;
	return false;
}

static void check_shared(struct sim *sim, const struct message *message, uint32_t filter)
{
	uint32_t asked = 0, steady = 0, received = 0;
	for (uint32_t u = 0; u < USERS; u++)
		if (sim->touched[u] >= message->step)
			return;
	for (uint32_t d = 0; d < DEVICES; d++) {
		const struct device *device = &sim->devices[d];
		received += message->received[d] > 0;
		asked += device->has_asked[filter];
		if (has_asked_otherwise(device, filter, topic_names[message->topic]))
			return;
		steady += is_member(sim, device, filter, message);
		if (device->has_asked_qos_0[filter])
			return;
	}
	if (received == 0 && steady > 0 && (message->qos == 1 || steady == asked))
		sim_fail(sim, "no member of %s got message %u, which was acknowledged",
			 filter_names[filter], (unsigned)(message - sim->messages));
}

/* While no session of a member ends, one of them gets it, and no other. */
static void check_alone(struct sim *sim, const struct message *message)
{
	const char *topic = topic_names[message->topic];
	uint32_t receivers = 0, groups = 0;
	for (uint32_t f = 0; f < FILTERS; f++)
		groups += filter_names[f][0] == '$' &&
			  naive_matches(plain_filter(filter_names[f]), topic);
	for (uint32_t d = 0; d < DEVICES; d++) {
		const struct device *device = &sim->devices[d];
		bool is_plain = false, is_member = false;
		for (uint32_t f = 0; f < FILTERS; f++) {
			bool is_asked = device->has_asked[f] &&
					naive_matches(plain_filter(filter_names[f]), topic);
			is_member |= is_asked && filter_names[f][0] == '$';
			is_plain |= is_asked && filter_names[f][0] != '$';
		}
		if (is_member && (device->is_twin || device->has_lost_session))
			return;
		receivers += !is_plain && message->received[d] > 0;
	}
	if (receivers > groups)
		sim_fail(sim, "message %u went to %u members of %u shared subscriptions",
			 (unsigned)(message - sim->messages), receivers, groups);
}

static void check_all_shared(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->message_count; i++)
		if (!sim->messages[i].is_repeatable && !sim->messages[i].is_unordered &&
		    topic_names[sim->messages[i].topic][0] == 's')
			check_alone(sim, &sim->messages[i]);
	for (uint32_t i = 0; i < sim->message_count; i++) {
		const struct message *message = &sim->messages[i];
		const struct device *publisher = &sim->devices[message->publisher];
		const char *topic = topic_names[message->topic];
		if (message->state != MESSAGE_DONE || message->qos == 0 || publisher->is_twin ||
		    !naive_publish(&sim->policies[sim->epoch][publisher->user], topic,
				   message->qos))
			continue;
		for (uint32_t f = 0; f < FILTERS; f++)
			if (filter_names[f][0] == '$')
				check_shared(sim, message, f);
	}
}

void oracle_end(struct sim *sim)
{
	check_all_shared(sim);
	inspector_look(sim);
	for (uint32_t d = 0; d < DEVICES; d++) {
		struct device *device = &sim->devices[d];
		for (uint32_t i = 0; i < sim->message_count && !device->is_twin; i++)
			if (sim->messages[i].received[d] == 0 &&
			    is_owed(sim, device, &sim->messages[i]))
				sim_fail(sim, "%s never got message %u, which was acknowledged",
					 device->id, i);
	}
}
