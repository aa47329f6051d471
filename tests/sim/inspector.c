/*
 * What is retained at the end: one message a topic, the same on each core, none whose author may
 * not publish it now, and none that another one has replaced: published after it was acknowledged,
 * and acknowledged itself.
 */
#include "sim.h"

#include "wire/connect.h"
#include "wire/publish.h"
#include "wire/subscribe.h"

#define NOTHING UINT32_MAX

static void see(struct sim *sim, struct stranger *inspector, const struct mt_publish *publish)
{
	unsigned index;
	char text[32];
	for (uint32_t topic = 0; topic < TOPICS; topic++) {
		if (!mt_bytes_equal(publish->topic, mt_bytes_str(topic_names[topic])))
			continue;
		mt_bytes_cut(text, sizeof(text), publish->payload);
		if (sscanf(text, "%u", &index) != 1 || index >= sim->message_count)
			sim_fail(sim, "a retained message that nobody published: %s", text);
		if (inspector->retained[topic] != NOTHING)
			sim_fail(sim, "two messages are retained on %s", topic_names[topic]);
		inspector->retained[topic] = index;
	}
}

static void heard(struct sim *sim, struct stranger *inspector, const struct mt_frame *frame)
{
	struct mt_publish publish;
	struct mt_violation why;
	if (frame->type == MT_PACKET_CONNACK && frame->body.data[1] != 0)
		sim_fail(sim, "the inspector is not let in: 0x%02X", frame->body.data[1]);
	inspector->is_answered |= frame->type == MT_PACKET_SUBACK;
	if (frame->type != MT_PACKET_PUBLISH)
		return;
	if (mt_publish_decode(frame, MT_VERSION_5, MT_SIDE_SERVER, &publish, &why) != MT_OK)
		sim_fail(sim, "the broker breaks %s towards the inspector", why.statement);
	see(sim, inspector, &publish);
}

/* CONNECT with an id that the core gives, then SUBSCRIBE to all. */
static void ask(struct sim *sim, struct stranger *inspector)
{
	struct mt_connect connect = {.version = MT_VERSION_5,
				     .is_clean = true,
				     .has_user = true,
				     .has_password = true,
				     .user = mt_bytes_str("inspector"),
				     .password = mt_bytes_str("pw")};
	struct mt_subscribe subscribe = {
		.type = MT_PACKET_SUBSCRIBE, .packet_id = 1, .filter_count = 1};
	uint8_t data[256], items[16];
	struct mt_buf out = mt_buf_of(data, sizeof(data)), list = mt_buf_of(items, sizeof(items));
	MT_CHECK(mt_connect_encode(&connect, &out) == MT_OK);
	mt_subscribe_put(&list, mt_bytes_str("#"), &(struct mt_sub_options){0}, MT_VERSION_5);
	subscribe.list = mt_buf_view(&list);
	stranger_say(sim, inspector, mt_buf_view(&out));
	stranger_let_in(sim, inspector, INSPECTOR_ID);
	out.pos = 0;
	MT_CHECK(mt_subscribe_encode(&subscribe, MT_VERSION_5, &out) == MT_OK);
	stranger_say(sim, inspector, mt_buf_view(&out));
}

static void look(struct sim *sim, struct stranger *inspector, uint32_t core)
{
	if (!stranger_open(sim, inspector, core))
		sim_fail(sim, "the inspector cannot connect");
	inspector->heard = heard;
	for (uint32_t topic = 0; topic < TOPICS; topic++)
		inspector->retained[topic] = NOTHING;
	ask(sim, inspector);
	for (uint32_t round = 0; round < 20; round++) {
		stranger_read(sim, inspector);
		broker_move_links(sim, LINK_MESSAGES);
	}
	if (!inspector->is_answered)
		sim_fail(sim, "the inspector's SUBSCRIBE was not answered");
	stranger_close(sim, inspector);
	broker_move_links(sim, LINK_MESSAGES);
}

/* Acknowledged for certain: what twins are told may be meant for the other one's message. */
static bool is_done(const struct sim *sim, const struct message *message)
{
	return message->qos > 0 && message->state == MESSAGE_DONE &&
	       !sim->devices[message->publisher].is_twin;
}

/* And permitted all the while: in 3.1.1 a denied one is acknowledged, too. */
static bool was_retained(const struct sim *sim, const struct message *message)
{
	uint32_t user = sim->devices[message->publisher].user;
	return message->is_retain && is_done(sim, message) && sim->touched[user] < message->step &&
	       naive_publish(&sim->policies[sim->epoch][user], topic_names[message->topic],
			     message->qos);
}

static bool is_permitted_now(const struct sim *sim, const struct message *message)
{
	uint32_t user = sim->devices[message->publisher].user;
	return naive_publish(&sim->policies[sim->epoch][user], topic_names[message->topic],
			     message->qos);
}

/* Is there one that may have come in its place, and is withheld from all? */
static bool may_be_hidden(const struct sim *sim, const struct message *message)
{
	for (uint32_t i = 0; i < sim->message_count; i++) {
		const struct message *other = &sim->messages[i];
		if (other->topic == message->topic && other->is_retain &&
		    !is_permitted_now(sim, other) &&
		    !(is_done(sim, other) && other->answered < message->step))
			return true;
	}
	return false;
}

/* The message (NULL: that nothing is retained) must have given way to another one. */
static bool is_replaced(const struct sim *sim, uint32_t topic, const struct message *message)
{
	for (uint32_t i = 0; i < sim->message_count; i++) {
		const struct message *other = &sim->messages[i];
		if (other->topic == topic && was_retained(sim, other) &&
		    (message ? (is_done(sim, message) && message->answered < other->step)
			     : !may_be_hidden(sim, other)))
			return true;
	}
	return false;
}

void inspector_look(struct sim *sim)
{
	struct stranger *first = &sim->inspectors[0];
	for (uint32_t core = 0; core < sim->core_count; core++)
		look(sim, &sim->inspectors[core], core);
	for (uint32_t topic = 0; topic < TOPICS; topic++) {
		uint32_t index = first->retained[topic];
		const struct message *message = index == NOTHING ? NULL : &sim->messages[index];
		for (uint32_t core = 1; core < sim->core_count; core++)
			if (sim->inspectors[core].retained[topic] != index)
				sim_fail(sim, "the cores retain messages %d and %d on %s",
					 (int)index, (int)sim->inspectors[core].retained[topic],
					 topic_names[topic]);
		if (is_replaced(sim, topic, message))
			sim_fail(sim, "message %d is retained on %s, and another one ought to be",
				 (int)index, topic_names[topic]);
		if (message && !is_permitted_now(sim, message))
			sim_fail(sim, "message %u is not withheld on %s", (unsigned)index,
				 topic_names[topic]);
		if (message && (!message->is_retain || message->topic != topic))
			sim_fail(sim, "message %u is retained, unasked", (unsigned)index);
	}
}
