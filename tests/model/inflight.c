/*
 * A client that comes and goes, acknowledges when it likes and announces another window each time:
 * the queue towards it against a list that is searched from its start for every question.
 *
 *   waiting -> sent -> (QoS 2) released -> gone; a new connection makes every sent one due again
 */
#include "base/rng.h"
#include "session/flow_out.h"
#include "spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct mt_mem messages = {.max_bytes = SIZE_MAX};

#define ITEMS_MAX 40u
#define STEPS 20000

enum stage { WAITING, SENT, DUE, RELEASED };

struct item {
	struct mt_delivery *delivery;
	enum stage stage;
	uint8_t qos;
	uint16_t packet_id;
};

/* In the order of the pushes, which is the order of the starts too. */
struct model {
	struct item items[ITEMS_MAX];
	size_t count;
	uint32_t window;
};

static struct item *first_in(struct model *model, enum stage stage)
{
	for (size_t i = 0; i < model->count; i++)
		if (model->items[i].stage == stage)
			return &model->items[i];
	return NULL;
}

/* Those for which the present connection still owes an answer. */
static uint32_t owed(const struct model *model)
{
	uint32_t count = 0;
	for (size_t i = 0; i < model->count; i++)
		count += model->items[i].stage == SENT || model->items[i].stage == RELEASED;
	return count;
}

static const struct mt_delivery *delivery_of(const struct item *item)
{
	return item ? item->delivery : NULL;
}

static void compare(struct mt_flow_out *flow, struct model *model)
{
	bool has_room = owed(model) < model->window;
	struct item *due = first_in(model, DUE);
	struct item *next = due ? NULL : first_in(model, WAITING);
	assert_ptr_equal(mt_flow_out_peek_due(flow), has_room ? delivery_of(due) : NULL);
	assert_ptr_equal(mt_flow_out_peek(flow), has_room ? delivery_of(next) : NULL);
	assert_int_equal(mt_flow_out_count(flow), model->count);
	for (size_t i = 0; i < model->count; i++) {
		const struct item *item = &model->items[i];
		if (item->stage == WAITING)
			continue;
		assert_int_equal(item->delivery->packet_id, item->packet_id);
		assert_ptr_equal(mt_flow_out_find(flow, item->packet_id), item->delivery);
	}
}

static void push(struct mt_flow_out *flow, struct model *model, struct mt_msg *msg, uint8_t qos)
{
	struct item *item = &model->items[model->count];
	if (model->count == ITEMS_MAX)
		return;
	*item = (struct item){.qos = qos};
	item->delivery = mt_flow_out_push(flow, msg, NULL, qos, false, 1);
	assert_non_null(item->delivery);
	model->count++;
}

/* What a connection sends while it may: first what is due, then what waits. */
static void send(struct mt_flow_out *flow, struct model *model)
{
	struct mt_delivery *delivery = mt_flow_out_peek_due(flow);
	struct item *item = first_in(model, delivery ? DUE : WAITING);
	if (delivery) {
		mt_flow_out_repeat(flow, delivery);
		item->stage = SENT;
		return;
	}
	delivery = mt_flow_out_peek(flow);
	if (!delivery)
		return;
	assert_int_equal(mt_flow_out_start(flow, delivery), MT_OK);
	for (size_t i = 0; i < model->count; i++)
		assert_int_not_equal(model->items[i].packet_id, delivery->packet_id);
	item->stage = SENT;
	item->packet_id = delivery->packet_id;
}

static void drop(struct mt_flow_out *flow, struct model *model, size_t at)
{
	mt_flow_out_drop(flow, &model->items[at].delivery);
	model->count--;
	for (size_t i = at; i < model->count; i++)
		model->items[i] = model->items[i + 1];
}

/* An answer to any of them, also one that is not sent again yet. */
static void answer(struct mt_flow_out *flow, struct model *model, size_t at)
{
	struct item *item = &model->items[at];
	if (item->stage == WAITING)
		return;
	if (item->qos == 1 || item->stage == RELEASED) {
		drop(flow, model, at);
		return;
	}
	mt_flow_out_release(flow, item->delivery);
	item->stage = RELEASED;
}

static void reconnect(struct mt_flow_out *flow, struct model *model, uint16_t window)
{
	flow->inflight_max = window;
	mt_flow_out_resume(flow);
	model->window = window;
	for (size_t i = 0; i < model->count; i++)
		if (model->items[i].stage == SENT)
			model->items[i].stage = DUE;
}

static void step(struct mt_flow_out *flow, struct model *model, struct mt_msg *msg, uint64_t roll)
{
	size_t at = model->count ? (roll >> 16) % model->count : 0;
	switch (roll % 16) {
	case 0:
		reconnect(flow, model, (uint16_t)(1 + (roll >> 8) % 12));
		break;
	case 1:
		if (model->count > 0)
			drop(flow, model, at);
		break;
	case 2:
	case 3:
	case 4:
		if (model->count > 0)
			answer(flow, model, at);
		break;
	case 5:
	case 6:
	case 7:
	case 8:
		push(flow, model, msg, roll & 256 ? 1 : 2);
		break;
	default:
		send(flow, model);
		break;
	}
}

static void equals_the_model(void **state)
{
	struct mt_msg_facts facts = {.topic = mt_bytes_str("t"),
				     .payload = mt_bytes_str("m"),
				     .expires_ns = MT_TIME_NEVER};
	(void)state;
	SPEC(MQTT5, "2.2.1-4");
	SPEC(MQTT5, "3.3.4-9");
	SPEC(MQTT5, "4.4.0-1");
	for (uint64_t seed = 1; seed <= 8; seed++) {
		struct mt_msg *msg = mt_msg_create(&messages, &facts);
		struct model model = {.window = 5};
		struct mt_mem mem;
		struct mt_flow_out flow;
		struct mt_rng rng;
		assert_non_null(msg);
		mt_mem_init(&mem, SIZE_MAX);
		mt_rng_init(&rng, seed);
		mt_flow_out_init(&flow, &mem, 5);
		for (int i = 0; i < STEPS; i++) {
			step(&flow, &model, msg, mt_rng_next(&rng));
			compare(&flow, &model);
		}
		mt_flow_out_finish(&flow);
		assert_int_equal(mem.used_bytes, 0);
		assert_int_equal(msg->ref_count, 1);
		mt_msg_unref(&msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equals_the_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
