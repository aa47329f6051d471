/* Lingering close: bounded in connections, bytes and time. */
#include "shell/linger.h"

#include "io/stream.h"

#include <unistd.h>

#define PATIENCE MT_SECOND
#define INTERVAL (20 * MT_MS)

void mt_linger_init(struct mt_linger *linger)
{
	linger->count = 0;
	linger->next_ns = MT_TIME_NEVER;
}

static void drop(struct mt_linger *linger, uint32_t index)
{
	close(linger->items[index].fd);
	linger->count--;
	memmove(&linger->items[index], &linger->items[index + 1],
		(linger->count - index) * sizeof(linger->items[0]));
}

void mt_linger_add(struct mt_linger *linger, mt_time now, int fd)
{
	if (linger->count == MT_LINGER_COUNT_MAX)
		drop(linger, 0);
	linger->items[linger->count++] = (struct mt_lingering){fd, 0, now + PATIENCE};
	if (linger->next_ns == MT_TIME_NEVER)
		linger->next_ns = now + INTERVAL;
}

/* False: it is over. */
static bool drain(struct mt_lingering *item, struct mt_scratch *scratch)
{
	enum mt_status status = MT_OK;
	while (status == MT_OK && item->bytes < MT_LINGER_BYTES_MAX) {
		size_t len = 0;
		bool is_drained;
		status = mt_stream_read(item->fd, scratch->received, sizeof(scratch->received),
					&len, &is_drained);
		item->bytes += (uint32_t)len;
	}
	return status == MT_AGAIN;
}

void mt_linger_serve(struct mt_linger *linger, mt_time now, struct mt_scratch *scratch)
{
	if (MT_LIKELY(now < linger->next_ns))
		return;
	for (uint32_t i = 0; i < linger->count;) {
		bool is_alive = drain(&linger->items[i], scratch);
		if (is_alive && now < linger->items[i].due_ns)
			i++;
		else
			drop(linger, i);
	}
	linger->next_ns = linger->count > 0 ? now + INTERVAL : MT_TIME_NEVER;
}

void mt_linger_finish(struct mt_linger *linger)
{
	while (linger->count > 0)
		drop(linger, linger->count - 1);
	linger->next_ns = MT_TIME_NEVER;
}
