/*
 * Thin epoll loop: each descriptor is registered once, edge-triggered, for reading and hang-up, and
 * for writing from the first time on that it blocked; there is no epoll_ctl per message. Events are
 * handed out as an array: no callbacks.
 *
 * Threading: one thread per loop.
 */
#pragma once

#include "base/status.h"

#define MT_EVENT_READ 1u  /* there may be bytes to read (or a connection to accept) */
#define MT_EVENT_WRITE 2u /* writing may go on */
#define MT_EVENT_HANGUP \
	4u /* the peer closed its half, or an error waits to be read: read until the end shows */

struct mt_event {
	uint64_t token; /* as given to mt_loop_add */
	uint32_t flags;
};

struct mt_loop {
	int epoll_fd;
};

MT_MUST_USE enum mt_status mt_loop_open(struct mt_loop *loop);
void mt_loop_close(struct mt_loop *loop);
MT_MUST_USE enum mt_status mt_loop_add(struct mt_loop *loop, int fd, uint64_t token);
/* Writing has blocked: MT_EVENT_WRITE is told from now on. */
MT_MUST_USE enum mt_status mt_loop_await_room(struct mt_loop *loop, int fd, uint64_t token);
/* Another token for a descriptor that mt_loop_add took; what is there to read shows anew. */
MT_MUST_USE enum mt_status mt_loop_change(struct mt_loop *loop, int fd, uint64_t token);
/* Level-triggered, reading only: for listeners and wake-ups, which are not drained in one turn. */
MT_MUST_USE enum mt_status mt_loop_add_level(struct mt_loop *loop, int fd, uint64_t token);
/* Not needed before close(). */
void mt_loop_remove(struct mt_loop *loop, int fd);
/* Waits at most timeout_ms (-1: for ever). *count events, 0 on time-out or a signal. event_max <=
 * 256. */
MT_MUST_USE enum mt_status mt_loop_wait(struct mt_loop *loop, int timeout_ms,
					struct mt_event *events, int event_max, int *count);
