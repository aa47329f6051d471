/* Unsent bytes: many chunks, readers that do not read, memory that runs out between two pieces. */
#include "core/state.h"
#include "core_world.h"
#include "spec.h"

#include <stdio.h>

#define LARGE 3000u

/* More pieces than one gather list holds, taken in bites of any size. */
static void many_chunks_leave_in_any_bites(void **state)
{
	static const size_t bites[] = {1, 7, 4096, 100000};
	struct mt_publish publish = {.topic = mt_bytes_str("t")};
	uint8_t payload[LARGE];
	(void)state;
	for (size_t b = 0; b < MT_COUNT_OF(bites); b++) {
		struct world world;
		struct world_conn *publisher, *a;
		struct mt_bytes list[64];
		world_open(&world);
		publisher = world_client(&world, MT_VERSION_5, "p", true);
		a = world_client(&world, MT_VERSION_5, "a", true);
		world_subscribe(&world, a, "t", 0);
		for (int i = 0; i < 50; i++) {
			uint8_t data[LARGE + 16];
			struct mt_buf buf = mt_buf_of(data, sizeof(data));
			memset(payload, i, sizeof(payload));
			publish.payload = mt_bytes_of(payload, sizeof(payload));
			assert_int_equal(mt_publish_encode(&publish, MT_VERSION_5, &buf), MT_OK);
			mt_core_input(world.core, world.now, publisher->conn, mt_buf_view(&buf));
		}
		assert_int_equal(mt_core_output(world.core, a->conn, list, 64), 64);
		while (mt_core_output(world.core, a->conn, list, 64) > 0) {
			size_t bite = list[0].len < bites[b] ? list[0].len : bites[b];
			memcpy(a->out + a->out_bytes, list[0].data, bite);
			a->out_bytes += bite;
			mt_core_sent(world.core, world.now, a->conn, bite);
		}
		for (int i = 0; i < 50; i++) {
			memset(payload, i, sizeof(payload));
			assert_true(mt_bytes_equal(world_take_publish(a).payload,
						   mt_bytes_of(payload, sizeof(payload))));
		}
		assert_true(world_is_quiet(a));
		world_close(&world);
	}
}

/* Drains requests without sending anything. */
static void look_at_requests(struct world *world, struct world_conn *conn)
{
	struct mt_request request;
	while (mt_core_request(world->core, &request)) {
		if (request.conn != conn->conn)
			continue;
		if (request.type == MT_REQUEST_PAUSE || request.type == MT_REQUEST_RESUME)
			conn->is_paused = request.type == MT_REQUEST_PAUSE;
	}
}

/* One that asks and never reads the answers is not read any more: its memory has an end. It goes on
 * when it reads. */
static void who_does_not_read_is_not_read(void **state)
{
	enum { PINGS = 5000, BATCHES = 100 };
	static uint8_t pings[PINGS * 2];
	struct world world;
	struct world_conn *a;
	size_t batches = 0, answers = 0;
	uint64_t before;
	(void)state;
	for (size_t i = 0; i < sizeof(pings); i += 2)
		pings[i] = 0xc0;
	world_open(&world);
	a = world_client(&world, MT_VERSION_5, "a", true);
	before = mt_core_counts(world.core).memory_bytes;
	for (; !a->is_paused && batches < BATCHES; batches++) {
		mt_core_input(world.core, world.now, a->conn, mt_bytes_of(pings, sizeof(pings)));
		look_at_requests(&world, a);
	}
	assert_true(a->is_paused);
	assert_true(mt_core_counts(world.core).memory_bytes - before <
		    2 * world_settings().limits.output_bytes);
	while (a->is_paused) {
		struct mt_bytes list[1];
		assert_int_equal(mt_core_output(world.core, a->conn, list, 1), 1);
		answers += list[0].len / 2;
		mt_core_sent(world.core, world.now, a->conn, list[0].len);
		look_at_requests(&world, a);
	}
	mt_core_input(world.core, world.now, a->conn, mt_bytes_of(NULL, 0));
	world_pull(&world, a);
	assert_int_equal(answers + (a->out_bytes - a->out_pos) / 2, batches * PINGS);
	world_close(&world);
}

/* What is left for the client: true when it is a whole packet of one of the two payloads, false
 * when it breaks off. */
static bool is_whole_packet(struct world_conn *conn, struct mt_bytes large)
{
	struct mt_bytes left =
		mt_bytes_of(conn->out + conn->out_pos, conn->out_bytes - conn->out_pos);
	struct mt_frame frame;
	struct mt_violation why;
	struct mt_bytes payload;
	if (mt_frame_next(left, SIZE_MAX, &frame, &why) != MT_OK)
		return false;
	payload = world_take_publish(conn).payload;
	assert_true(mt_bytes_equal(payload, mt_bytes_str("small")) ||
		    mt_bytes_equal(payload, large));
	return true;
}

/* Memory fails at every step of a delivery: what the receiver gets is whole packets and at most one
 * that breaks off with the connection; nothing stands behind a broken one. */
static void no_packet_stands_behind_a_broken_one(void **state)
{
	static uint8_t payload[LARGE], data[LARGE * 3];
	struct mt_publish large = {.topic = mt_bytes_str("t"),
				   .payload = mt_bytes_of(payload, sizeof(payload))};
	struct mt_publish small = {.topic = mt_bytes_str("t"), .payload = mt_bytes_str("small")};
	uint32_t broken = 0;
	(void)state;
	memset(payload, 'x', sizeof(payload));
	for (uint8_t qos = 0; qos < 2; qos++)
		for (size_t n = 1; n < 40; n++) {
			struct mt_buf buf = mt_buf_of(data, sizeof(data));
			struct world world;
			struct world_conn *publisher, *a;
			world_open(&world);
			publisher = world_client(&world, MT_VERSION_5, "p", true);
			a = world_client(&world, MT_VERSION_5, "a", true);
			world_subscribe(&world, a, "t", qos);
			large.qos = qos;
			large.packet_id = qos;
			assert_int_equal(mt_publish_encode(&large, MT_VERSION_5, &buf), MT_OK);
			for (int i = 0; i < 500; i++)
				assert_int_equal(mt_publish_encode(&small, MT_VERSION_5, &buf),
						 MT_OK);
			world.core->mem.fail_in = n;
			world_send(&world, publisher, mt_buf_view(&buf));
			while (!world_is_quiet(a) && is_whole_packet(a, large.payload))
				;
			broken += !world_is_quiet(a);
			assert_true(world_is_quiet(a) || a->is_closed);
			world_close(&world);
		}
	assert_int_not_equal(broken, 80);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_chunks_leave_in_any_bites),
		cmocka_unit_test(who_does_not_read_is_not_read),
		cmocka_unit_test(no_packet_stands_behind_a_broken_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
