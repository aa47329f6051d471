/*
 * Somebody with an account and no permission, who sends what the protocol has and what it has not:
 * under the client ids of others, to everybody's topics, with packet ids of his choice. Nobody may
 * notice, and he may learn nothing.
 */
#include "sim.h"

#include "wire/ack.h"
#include "wire/connect.h"
#include "wire/publish.h"
#include "wire/subscribe.h"

static void heard(struct sim *sim, struct stranger *rogue, const struct mt_frame *frame)
{
	(void)rogue;
	if (frame->type == MT_PACKET_PUBLISH)
		sim_fail(sim, "the rogue gets a message");
}

static void put_connect(struct sim *sim, struct stranger *rogue, struct mt_buf *out)
{
	char id[] = "d0";
	struct mt_connect connect = {.version = rogue->version,
				     .is_clean = sim_chance(sim, 50),
				     .has_user = true,
				     .has_password = true,
				     .has_will = sim_chance(sim, 50),
				     .will_topic = mt_bytes_str(WILL_TOPIC),
				     .will_payload = mt_bytes_str("rogue"),
				     .user = mt_bytes_str("rogue"),
				     .password = mt_bytes_str("pw")};
	connect.is_will_retain = connect.has_will && sim_chance(sim, 50);
	id[1] = (char)('0' + sim_below(sim, DEVICES - 1));
	connect.client_id = mt_bytes_str(id);
	if (rogue->version == MT_VERSION_5 && sim_chance(sim, 50)) {
		connect.props.present = MT_PROP_BIT(SESSION_EXPIRY_INTERVAL);
		connect.props.session_expiry_s = sim_below(sim, 100);
	}
	MT_CHECK(mt_connect_encode(&connect, out) == MT_OK);
}

static void put_publish(struct sim *sim, struct stranger *rogue, struct mt_buf *out)
{
	struct mt_publish publish = {.qos = (uint8_t)sim_below(sim, 3),
				     .is_retain = sim_chance(sim, 50),
				     .topic = mt_bytes_str(topic_names[sim_below(sim, TOPICS)]),
				     .payload = mt_bytes_str("rogue")};
	publish.packet_id = (uint16_t)(publish.qos > 0 ? 1 + sim_below(sim, 8) : 0);
	MT_CHECK(mt_publish_encode(&publish, rogue->version, out) == MT_OK);
}

static void put_subscribe(struct sim *sim, struct stranger *rogue, struct mt_buf *out)
{
	struct mt_sub_options options = {.qos = (uint8_t)sim_below(sim, 3)};
	struct mt_subscribe subscribe = {
		.type = MT_PACKET_SUBSCRIBE, .packet_id = 9, .filter_count = 1};
	uint8_t data[64];
	struct mt_buf list = mt_buf_of(data, sizeof(data));
	mt_subscribe_put(&list, mt_bytes_str(filter_names[sim_below(sim, FILTERS)]), &options,
			 rogue->version);
	subscribe.list = mt_buf_view(&list);
	MT_CHECK(mt_subscribe_encode(&subscribe, rogue->version, out) == MT_OK);
}

static void put_ack(struct sim *sim, struct stranger *rogue, struct mt_buf *out)
{
	struct mt_ack ack = {.type = (uint8_t)(MT_PACKET_PUBACK + sim_below(sim, 4)),
			     .packet_id = (uint16_t)(1 + sim_below(sim, 8))};
	MT_CHECK(mt_ack_encode(&ack, rogue->version, out) == MT_OK);
}

static void put_noise(struct sim *sim, struct mt_buf *out)
{
	uint32_t bytes = sim_below(sim, 40);
	mt_buf_put_u8(out, (uint8_t)sim_below(sim, 256));
	mt_buf_put_u8(out, (uint8_t)bytes);
	while (bytes-- > 0)
		mt_buf_put_u8(out, (uint8_t)sim_below(sim, sim_chance(sim, 50) ? 8 : 256));
}

static void put_packet(struct sim *sim, struct stranger *rogue, struct mt_buf *out)
{
	uint32_t what = sim_below(sim, 100);
	if (what < 40)
		put_publish(sim, rogue, out);
	else if (what < 65)
		put_subscribe(sim, rogue, out);
	else if (what < 85)
		put_ack(sim, rogue, out);
	else if (what < 95)
		put_noise(sim, out);
	else
		put_connect(sim, rogue, out);
}

/* One in a while with a byte changed, or not to the end. */
static void speak(struct sim *sim, struct stranger *rogue, bool is_hello)
{
	uint8_t data[512];
	struct mt_buf out = mt_buf_of(data, sizeof(data));
	size_t bytes;
	if (is_hello && sim_chance(sim, 95))
		put_connect(sim, rogue, &out);
	else
		put_packet(sim, rogue, &out);
	bytes = out.pos;
	if (sim_chance(sim, 5))
		data[sim_below(sim, (uint32_t)bytes)] ^= (uint8_t)(1u << sim_below(sim, 8));
	if (sim_chance(sim, 5))
		bytes = sim_below(sim, (uint32_t)bytes);
	stranger_say(sim, rogue, mt_bytes_of(data, bytes));
}

void rogue_act(struct sim *sim)
{
	struct stranger *rogue = &sim->rogue;
	uint32_t what = sim_below(sim, 100);
	if (!sim->has_rogue)
		return;
	if (rogue->conn == MT_HANDLE_NONE) {
		if (!stranger_open(sim, rogue, sim_below(sim, sim->core_count)))
			return;
		sim_say(sim, "rogue: comes");
		rogue->heard = heard;
		rogue->version = sim_chance(sim, 70) ? MT_VERSION_5 : MT_VERSION_3_1_1;
		speak(sim, rogue, true);
	} else if (what < 15) {
		stranger_let_in(sim, rogue, ROGUE_ID);
	} else if (what < 35) {
		stranger_read(sim, rogue);
	} else if (what < 38) {
		sim_say(sim, "rogue: is gone");
		stranger_close(sim, rogue);
	} else {
		speak(sim, rogue, false);
	}
}
