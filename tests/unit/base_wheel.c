/* Timer wheel against an array that is searched whole: random arming, steps and jumps. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/rng.h"
#include "base/wheel.h"

#include <string.h>

#define TICK ((mt_time)1 << 26)
#define DAY (86400 * MT_SECOND)
#define TIMER_COUNT 120u

struct world {
	struct mt_wheel wheel;
	struct mt_timer timers[TIMER_COUNT];
	mt_time due_ns[TIMER_COUNT]; /* MT_TIME_NEVER: not armed */
	mt_time now_ns;
	struct mt_rng rng;
};

static struct world world;

static void begin(uint64_t seed, mt_time now_ns)
{
	memset(world.timers, 0, sizeof(world.timers));
	for (size_t i = 0; i < TIMER_COUNT; i++)
		world.due_ns[i] = MT_TIME_NEVER;
	world.now_ns = now_ns;
	mt_rng_init(&world.rng, seed);
	mt_wheel_init(&world.wheel, now_ns);
}

static void arm(size_t i, mt_time due_ns)
{
	mt_wheel_arm(&world.wheel, &world.timers[i], due_ns);
	world.due_ns[i] = due_ns;
	assert_true(mt_timer_is_armed(&world.timers[i]));
}

static void disarm(size_t i)
{
	mt_wheel_disarm(&world.timers[i]);
	world.due_ns[i] = MT_TIME_NEVER;
	assert_false(mt_timer_is_armed(&world.timers[i]));
}

static mt_time earliest(void)
{
	mt_time first = MT_TIME_NEVER;
	for (size_t i = 0; i < TIMER_COUNT; i++)
		if (world.due_ns[i] < first)
			first = world.due_ns[i];
	return first;
}

/* Sleeping until the deadline must not let the earliest timer wait longer than a tick. */
static void check_deadline(void)
{
	mt_time first = earliest();
	mt_time deadline = mt_wheel_deadline(&world.wheel);
	if (first == MT_TIME_NEVER)
		return;
	assert_true(deadline <= (first + TICK > world.now_ns ? first + TICK : world.now_ns));
}

/* Returns how many fired. */
static size_t advance(mt_time now_ns)
{
	struct mt_timer *timer;
	size_t count = 0;
	world.now_ns = now_ns;
	while ((timer = mt_wheel_expire(&world.wheel, now_ns))) {
		size_t i = (size_t)(timer - world.timers);
		assert_true(i < TIMER_COUNT);
		assert_true(world.due_ns[i] != MT_TIME_NEVER);
		assert_true(world.due_ns[i] <= now_ns);
		assert_int_equal(timer->due_ns, world.due_ns[i]);
		assert_false(mt_timer_is_armed(timer));
		world.due_ns[i] = MT_TIME_NEVER;
		count++;
	}
	assert_true(earliest() > now_ns - TICK);
	return count;
}

/* Of all magnitudes alike: from nanoseconds to about a hundred days. */
static mt_time random_span(void)
{
	unsigned bits = (unsigned)mt_rng_below(&world.rng, 53);
	return (mt_time)mt_rng_below(&world.rng, 2ULL << bits);
}

static mt_time random_due(void)
{
	mt_time span = random_span();
	switch (mt_rng_below(&world.rng, 8)) {
	case 0:
		return span < world.now_ns ? world.now_ns - span : 0;
	case 1:
		return (world.now_ns + span) / TICK * TICK;
	default:
		return world.now_ns + span;
	}
}

static void random_step(void)
{
	size_t i = mt_rng_below(&world.rng, TIMER_COUNT);
	mt_time deadline = mt_wheel_deadline(&world.wheel);
	switch (mt_rng_below(&world.rng, 10)) {
	case 0:
		disarm(i);
		break;
	case 1:
		advance(world.now_ns + random_span());
		break;
	case 2:
	case 3:
		if (deadline != MT_TIME_NEVER && deadline > world.now_ns)
			advance(deadline);
		break;
	case 4:
		advance(world.now_ns + (mt_time)mt_rng_below(&world.rng, 4 * (uint64_t)TICK));
		break;
	default:
		arm(i, random_due());
	}
	check_deadline();
}

static void random_operations_agree(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 40; seed++) {
		begin(seed, seed == 0 ? 0 : (mt_time)(seed * 0x123456789abcULL));
		for (int step = 0; step < 3000; step++)
			random_step();
		advance(world.now_ns + 200 * DAY);
		assert_true(earliest() == MT_TIME_NEVER);
	}
}

/* One timer alone, for every level and the borders between them, woken by the deadline only. */
static void deadlines_alone_lead_to_the_timer(void **state)
{
	static const uint64_t away[] = {0,	  1,	    2,	     62,     63,       64,
					65,	  127,	    128,     4094,   4095,     4096,
					4097,	  262143,   262144,  262145, 16777214, 16777215,
					16777216, 16777217, 50331648};
	(void)state;
	for (uint64_t start = 0; start < 70; start++)
		for (size_t k = 0; k < MT_COUNT_OF(away); k++) {
			mt_time now_ns = (mt_time)(start * 4161) * TICK + 5;
			unsigned wakes = 0;
			begin(0, now_ns);
			arm(0, now_ns + (mt_time)away[k] * TICK);
			while (world.due_ns[0] != MT_TIME_NEVER) {
				mt_time deadline = mt_wheel_deadline(&world.wheel);
				check_deadline();
				assert_true(deadline != MT_TIME_NEVER);
				advance(deadline > world.now_ns ? deadline : world.now_ns + TICK);
				assert_true(++wakes < 20);
			}
		}
}

static void a_timer_beyond_the_span_waits(void **state)
{
	mt_time due_ns = 100 * DAY + 12345;
	(void)state;
	begin(0, 0);
	arm(0, due_ns);
	for (mt_time now_ns = 0; now_ns < due_ns; now_ns += DAY / 2)
		assert_int_equal(advance(now_ns), 0);
	assert_int_equal(advance(due_ns - 1), 0);
	assert_int_equal(advance(due_ns + TICK), 1);
}

static void one_jump_fires_everything_due(void **state)
{
	(void)state;
	begin(3, 77);
	for (size_t i = 0; i < TIMER_COUNT; i++)
		arm(i, world.now_ns + (mt_time)i * DAY / 2);
	assert_int_equal(advance(30 * DAY), 60);
	assert_int_equal(advance(365 * DAY), TIMER_COUNT - 60);
}

static void a_past_timer_fires_at_once(void **state)
{
	(void)state;
	begin(0, 10 * DAY);
	arm(0, 0);
	arm(1, -5 * MT_SECOND);
	arm(2, world.now_ns - TICK);
	check_deadline();
	assert_int_equal(advance(world.now_ns), 3);
}

/* Slots keep their mark when a timer leaves them by itself; the marks must run out. */
static void an_empty_wheel_comes_to_rest(void **state)
{
	unsigned wakes = 0;
	(void)state;
	begin(9, DAY);
	assert_true(mt_wheel_deadline(&world.wheel) == MT_TIME_NEVER);
	for (size_t i = 0; i < TIMER_COUNT; i++)
		arm(i, world.now_ns + random_span());
	for (size_t i = 0; i < TIMER_COUNT; i++)
		disarm(i);
	disarm(0);
	while (mt_wheel_deadline(&world.wheel) != MT_TIME_NEVER) {
		mt_time deadline = mt_wheel_deadline(&world.wheel);
		assert_int_equal(advance(deadline > world.now_ns ? deadline : world.now_ns), 0);
		assert_true(++wakes <= TIMER_COUNT);
	}
}

static void a_timer_may_be_moved_while_others_fire(void **state)
{
	struct mt_timer *first;
	(void)state;
	begin(0, 0);
	for (size_t i = 0; i < 3; i++)
		arm(i, 10 * TICK);
	first = mt_wheel_expire(&world.wheel, 11 * TICK);
	assert_non_null(first);
	world.due_ns[first - world.timers] = MT_TIME_NEVER;
	world.now_ns = 11 * TICK;
	disarm(first == &world.timers[1] ? 0 : 1);
	arm(2, 20 * TICK);
	arm((size_t)(first - world.timers), 20 * TICK);
	assert_true(advance(11 * TICK) <= 1);
	assert_true(advance(20 * TICK) >= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_operations_agree),
		cmocka_unit_test(deadlines_alone_lead_to_the_timer),
		cmocka_unit_test(a_timer_beyond_the_span_waits),
		cmocka_unit_test(one_jump_fires_everything_due),
		cmocka_unit_test(a_past_timer_fires_at_once),
		cmocka_unit_test(an_empty_wheel_comes_to_rest),
		cmocka_unit_test(a_timer_may_be_moved_while_others_fire),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
