/*
 * Timer wheel: four levels of 64 slots; a tick is 2^26 ns (67 ms), the whole spans 13 days. A timer
 * farther away waits in the last slot and is put again when that comes round.
 *
 * Arming and disarming are O(1); a timer never fires early and at most one tick late.
 */
#pragma once

#include "base/list.h"
#include "base/time.h"

#define MT_WHEEL_LEVELS 4
#define MT_WHEEL_SLOTS 64

struct mt_timer {
	struct mt_list link;
	mt_time due_ns;
};

struct mt_wheel {
	uint64_t tick;			    /* all slots before this tick are empty */
	uint64_t occupied[MT_WHEEL_LEVELS]; /* a bit per slot that may hold timers */
	struct mt_list slots[MT_WHEEL_LEVELS][MT_WHEEL_SLOTS];
	struct mt_list fired;
};

void mt_wheel_init(struct mt_wheel *wheel, mt_time now_ns);
/* Arms, or moves an armed timer. A due time in the past fires at the next expire. */
void mt_wheel_arm(struct mt_wheel *wheel, struct mt_timer *timer, mt_time due_ns);
/* Does nothing to a timer that is not armed. */
void mt_wheel_disarm(struct mt_timer *timer);
static inline bool mt_timer_is_armed(const struct mt_timer *timer)
{
	return mt_list_is_linked(&timer->link);
}
/* The next timer due at now_ns, disarmed, or NULL. Call until NULL. */
struct mt_timer *mt_wheel_expire(struct mt_wheel *wheel, mt_time now_ns);
/*
 * When to call expire next: at most one tick after the earliest timer. It may be earlier, once for
 * each slot that disarmed timers have left; MT_TIME_NEVER when no slot is marked.
 */
mt_time mt_wheel_deadline(const struct mt_wheel *wheel);
