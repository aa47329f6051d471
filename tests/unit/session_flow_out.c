/* The queue towards a client against an array of what should be in it. */
#include "base/rng.h"
#include "session/flow_out.h"
#include "spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct mt_mem messages = {.max_bytes = SIZE_MAX};

#define TWIN_MAX 64u

/* In order: first those in flight, in the order of their start, then those that wait. */
struct twin {
	struct mt_delivery *items[TWIN_MAX];
	size_t count, inflight;
};

static struct mt_msg *message(const char *payload)
{
	struct mt_msg_facts facts = {.topic = mt_bytes_str("t"),
				     .payload = mt_bytes_str(payload),
				     .expires_ns = MT_TIME_NEVER};
	struct mt_msg *msg = mt_msg_create(&messages, &facts);
	assert_non_null(msg);
	return msg;
}

static void compare(const struct mt_flow_out *flow, const struct twin *twin)
{
	struct mt_delivery *at = mt_flow_out_first_inflight(flow);
	size_t bytes = 0;
	assert_int_equal(flow->inflight_count, twin->inflight);
	assert_int_equal(mt_flow_out_count(flow), twin->count);
	for (size_t i = 0; i < twin->count; i++)
		bytes += sizeof(struct mt_delivery) +
			 (twin->items[i]->msg ? mt_msg_bytes(twin->items[i]->msg) : 0);
	assert_int_equal(flow->bytes, bytes);
	for (size_t i = 0; i < twin->inflight; i++, at = mt_flow_out_next_inflight(flow, at)) {
		assert_ptr_equal(at, twin->items[i]);
		assert_int_not_equal(at->packet_id, 0);
		assert_ptr_equal(mt_flow_out_find(flow, at->packet_id), at);
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(at->packet_id, twin->items[k]->packet_id);
	}
	assert_null(at);
	if (twin->inflight < flow->inflight_max)
		assert_ptr_equal(mt_flow_out_peek(flow),
				 twin->inflight < twin->count ? twin->items[twin->inflight] : NULL);
	else
		assert_null(mt_flow_out_peek(flow));
}

static void twin_remove(struct twin *twin, size_t at)
{
	for (size_t i = at; i + 1 < twin->count; i++)
		twin->items[i] = twin->items[i + 1];
	twin->count--;
	twin->inflight -= at < twin->inflight;
}

/* What PUBREC released goes behind the others in flight. */
static void twin_release(struct twin *twin, size_t at)
{
	struct mt_delivery *released = twin->items[at];
	for (size_t i = at; i + 1 < twin->inflight; i++)
		twin->items[i] = twin->items[i + 1];
	twin->items[twin->inflight - 1] = released;
}

static void act(struct mt_flow_out *flow, struct twin *twin, struct mt_msg *msg, uint64_t roll)
{
	size_t at = twin->count ? (roll >> 8) % twin->count : 0;
	switch (roll % 5) {
	case 0:
	case 1:
		if (twin->count == TWIN_MAX)
			return;
		twin->items[twin->count] =
			mt_flow_out_push(flow, msg, NULL, roll & 64 ? 1 : 2, false, 1);
		assert_non_null(twin->items[twin->count++]);
		return;
	case 2:
		if (!mt_flow_out_peek(flow))
			return;
		assert_int_equal(mt_flow_out_start(flow, mt_flow_out_peek(flow)), MT_OK);
		twin->inflight++;
		return;
	case 3:
		if (at < twin->inflight && twin->items[at]->state == MT_DELIVERY_SENT &&
		    twin->items[at]->qos == 2) {
			mt_flow_out_release(flow, twin->items[at]);
			twin_release(twin, at);
		}
		return;
	default:
		if (twin->count == 0)
			return;
		mt_flow_out_drop(flow, &twin->items[at]);
		assert_null(twin->items[at]);
		twin_remove(twin, at);
	}
}

static void equals_the_naive_twin(void **state)
{
	static const uint16_t windows[] = {1, 3, 20, 65535};
	(void)state;
	SPEC(MQTT5, "2.2.1-4");
	for (size_t w = 0; w < MT_COUNT_OF(windows); w++) {
		struct mt_msg *msg = message("payload");
		struct twin twin = {.count = 0};
		struct mt_mem mem;
		struct mt_flow_out flow;
		struct mt_rng rng;
		mt_mem_init(&mem, SIZE_MAX);
		mt_rng_init(&rng, w + 1);
		mt_flow_out_init(&flow, &mem, windows[w]);
		for (int i = 0; i < 4000; i++) {
			act(&flow, &twin, msg, mt_rng_next(&rng));
			compare(&flow, &twin);
		}
		mt_flow_out_finish(&flow);
		assert_int_equal(mem.used_bytes, 0);
		assert_int_equal(msg->ref_count, 1);
		mt_msg_unref(&msg);
	}
}

/* A delivery that is never acknowledged keeps its id while all others are given out again and
 * again. */
static void ids_go_round_without_meeting(void **state)
{
	struct mt_msg *msg = message("m");
	struct mt_mem mem;
	struct mt_flow_out flow;
	struct mt_delivery *stuck;
	(void)state;
	SPEC(MQTT5, "2.2.1-4");
	mt_mem_init(&mem, SIZE_MAX);
	mt_flow_out_init(&flow, &mem, 4);
	stuck = mt_flow_out_push(&flow, msg, NULL, 1, false, 1);
	assert_int_equal(mt_flow_out_start(&flow, stuck), MT_OK);
	for (int i = 0; i < 140000; i++) {
		struct mt_delivery *delivery = mt_flow_out_push(&flow, msg, NULL, 1, false, 1);
		assert_int_equal(mt_flow_out_start(&flow, delivery), MT_OK);
		assert_int_not_equal(delivery->packet_id, 0);
		assert_int_not_equal(delivery->packet_id, stuck->packet_id);
		mt_flow_out_drop(&flow, &delivery);
	}
	assert_ptr_equal(mt_flow_out_find(&flow, stuck->packet_id), stuck);
	mt_flow_out_finish(&flow);
	assert_int_equal(mem.used_bytes, 0);
	mt_msg_unref(&msg);
}

static void the_whole_range_can_be_in_flight(void **state)
{
	static bool is_seen[65536];
	struct mt_msg *msg = message("m");
	struct mt_mem mem;
	struct mt_flow_out flow;
	(void)state;
	mt_mem_init(&mem, SIZE_MAX);
	mt_flow_out_init(&flow, &mem, 65535);
	for (uint32_t i = 0; i < 65535; i++) {
		struct mt_delivery *delivery = mt_flow_out_push(&flow, msg, NULL, 2, false, 1);
		assert_int_equal(mt_flow_out_start(&flow, delivery), MT_OK);
		assert_int_not_equal(delivery->packet_id, 0);
		assert_false(is_seen[delivery->packet_id]);
		is_seen[delivery->packet_id] = true;
	}
	mt_flow_out_finish(&flow);
	assert_int_equal(mem.used_bytes, 0);
	mt_msg_unref(&msg);
}

static void identifiers_are_shared_and_given_back(void **state)
{
	struct mt_msg *msg = message("m");
	struct mt_mem mem;
	struct mt_flow_out flow;
	struct mt_sub_ids *ids;
	struct mt_delivery *first;
	(void)state;
	mt_mem_init(&mem, SIZE_MAX);
	mt_flow_out_init(&flow, &mem, 4);
	ids = mt_mem_take(&mem, sizeof(*ids) + 2 * sizeof(uint32_t));
	assert_non_null(ids);
	*ids = (struct mt_sub_ids){.ref_count = 1, .count = 2};
	first = mt_flow_out_push(&flow, msg, ids, 1, true, 9);
	assert_non_null(first);
	assert_true(first->is_retain);
	assert_int_equal(first->epoch, 9);
	assert_non_null(mt_flow_out_push(&flow, msg, ids, 1, false, 9));
	assert_int_equal(ids->ref_count, 3);
	mt_flow_out_drop(&flow, &first);
	assert_int_equal(ids->ref_count, 2);
	mt_sub_ids_unref(&mem, &ids);
	assert_null(ids);
	mt_sub_ids_unref(&mem, &ids);
	mt_flow_out_finish(&flow);
	assert_int_equal(mem.used_bytes, 0);
	assert_int_equal(msg->ref_count, 1);
	mt_msg_unref(&msg);
}

static void keeps_its_content_without_memory(void **state)
{
	struct mt_msg *msg = message("m");
	(void)state;
	for (uint64_t fail_in = 1; fail_in < 80; fail_in++) {
		struct mt_mem mem;
		struct mt_flow_out flow;
		uint32_t pushed = 0, started = 0;
		mt_mem_init(&mem, SIZE_MAX);
		mt_flow_out_init(&flow, &mem, 40);
		mem.fail_in = fail_in;
		for (int i = 0; i < 40; i++) {
			struct mt_delivery *delivery =
				mt_flow_out_push(&flow, msg, NULL, 1, false, 1);
			pushed += delivery != NULL;
			delivery = mt_flow_out_peek(&flow);
			if (delivery && mt_flow_out_start(&flow, delivery) == MT_OK)
				started++;
			else if (delivery)
				assert_int_equal(delivery->state, MT_DELIVERY_WAITING);
			assert_int_equal(flow.inflight_count, started);
			assert_int_equal(mt_flow_out_count(&flow), pushed);
		}
		mt_flow_out_finish(&flow);
		assert_int_equal(mem.used_bytes, 0);
		assert_int_equal(msg->ref_count, 1);
	}
	mt_msg_unref(&msg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equals_the_naive_twin),
		cmocka_unit_test(ids_go_round_without_meeting),
		cmocka_unit_test(the_whole_range_can_be_in_flight),
		cmocka_unit_test(identifiers_are_shared_and_given_back),
		cmocka_unit_test(keeps_its_content_without_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
