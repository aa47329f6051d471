/* Hierarchical timer wheel. */
#include "base/wheel.h"

#define TICK_SHIFT 26
#define LEVEL_SHIFT 6

void mt_wheel_init(struct mt_wheel *wheel, mt_time now_ns)
{
	*wheel = (struct mt_wheel){.tick = (uint64_t)now_ns >> TICK_SHIFT};
	for (int level = 0; level < MT_WHEEL_LEVELS; level++)
		for (int slot = 0; slot < MT_WHEEL_SLOTS; slot++)
			mt_list_init(&wheel->slots[level][slot]);
	mt_list_init(&wheel->fired);
}

/* The tick at whose start the timer is certainly due. */
static uint64_t due_tick(const struct mt_timer *timer)
{
	uint64_t due = timer->due_ns > 0 ? (uint64_t)timer->due_ns : 0;
	return (due >> TICK_SHIFT) + ((due & ((1u << TICK_SHIFT) - 1)) != 0);
}

static void place(struct mt_wheel *wheel, struct mt_timer *timer)
{
	uint64_t due = due_tick(timer);
	uint64_t away;
	unsigned level = 0;
	unsigned slot;
	if (due < wheel->tick)
		due = wheel->tick;
	away = due - wheel->tick;
	while (level < MT_WHEEL_LEVELS - 1 && away >> (LEVEL_SHIFT * (level + 1)) != 0)
		level++;
	if (away >> (LEVEL_SHIFT * MT_WHEEL_LEVELS) != 0)
		due = wheel->tick + (1ULL << (LEVEL_SHIFT * MT_WHEEL_LEVELS)) - 1;
	slot = (unsigned)(due >> (LEVEL_SHIFT * level)) % MT_WHEEL_SLOTS;
	mt_list_push_back(&wheel->slots[level][slot], &timer->link);
	wheel->occupied[level] |= 1ULL << slot;
}

void mt_wheel_arm(struct mt_wheel *wheel, struct mt_timer *timer, mt_time due_ns)
{
	mt_list_remove(&timer->link);
	timer->due_ns = due_ns;
	place(wheel, timer);
}

void mt_wheel_disarm(struct mt_timer *timer)
{
	mt_list_remove(&timer->link);
}

/* Empties a slot into a lower level, or into the fired list at level 0. */
static void empty_slot(struct mt_wheel *wheel, unsigned level, unsigned slot)
{
	struct mt_list *head = &wheel->slots[level][slot];
	struct mt_list pending;
	struct mt_list *node;
	if (!(wheel->occupied[level] >> slot & 1))
		return;
	wheel->occupied[level] &= ~(1ULL << slot);
	mt_list_init(&pending);
	while ((node = mt_list_first(head))) {
		mt_list_remove(node);
		mt_list_push_back(&pending, node);
	}
	while ((node = mt_list_first(&pending))) {
		struct mt_timer *timer = MT_LIST_ITEM(node, struct mt_timer, link);
		mt_list_remove(node);
		if (due_tick(timer) <= wheel->tick)
			mt_list_push_back(&wheel->fired, node);
		else
			place(wheel, timer);
	}
}

static void turn_to(struct mt_wheel *wheel, uint64_t tick)
{
	wheel->tick = tick;
	for (unsigned level = MT_WHEEL_LEVELS - 1; level > 0; level--)
		if (tick % (1ULL << (LEVEL_SHIFT * level)) == 0)
			empty_slot(wheel, level,
				   (unsigned)(tick >> (LEVEL_SHIFT * level)) % MT_WHEEL_SLOTS);
	empty_slot(wheel, 0, (unsigned)tick % MT_WHEEL_SLOTS);
}

/* The next tick after the present one at which some slot must be emptied; UINT64_MAX when all are
 * empty. */
static uint64_t next_tick(const struct mt_wheel *wheel)
{
	uint64_t next = UINT64_MAX;
	for (unsigned level = 0; level < MT_WHEEL_LEVELS; level++) {
		unsigned shift = LEVEL_SHIFT * level;
		uint64_t at = wheel->tick >> shift;
		uint64_t bits = wheel->occupied[level];
		unsigned turn = (unsigned)(at + 1) % MT_WHEEL_SLOTS;
		uint64_t candidate;
		if (bits == 0)
			continue;
		bits = turn == 0 ? bits : bits >> turn | bits << (MT_WHEEL_SLOTS - turn);
		candidate = (at + 1 + (uint64_t)__builtin_ctzll(bits)) << shift;
		if (candidate < next)
			next = candidate;
	}
	return next;
}

struct mt_timer *mt_wheel_expire(struct mt_wheel *wheel, mt_time now_ns)
{
	uint64_t target = (uint64_t)now_ns >> TICK_SHIFT;
	struct mt_list *node;
	if (mt_list_is_empty(&wheel->fired))
		empty_slot(wheel, 0, (unsigned)wheel->tick % MT_WHEEL_SLOTS);
	while (mt_list_is_empty(&wheel->fired) && wheel->tick < target) {
		uint64_t next = next_tick(wheel);
		turn_to(wheel, next < target ? next : target);
	}
	node = mt_list_first(&wheel->fired);
	if (!node)
		return NULL;
	mt_list_remove(node);
	return MT_LIST_ITEM(node, struct mt_timer, link);
}

mt_time mt_wheel_deadline(const struct mt_wheel *wheel)
{
	uint64_t next;
	if (!mt_list_is_empty(&wheel->fired) ||
	    (wheel->occupied[0] >> (wheel->tick % MT_WHEEL_SLOTS) & 1))
		return (mt_time)(wheel->tick << TICK_SHIFT);
	next = next_tick(wheel);
	return next == UINT64_MAX ? MT_TIME_NEVER : (mt_time)(next << TICK_SHIFT);
}
