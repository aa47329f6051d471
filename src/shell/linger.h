/*
 * Connections that have said their last words: half-closed, and read for a while, because bytes
 * that meet a closed socket make the system send a reset, which may eat those words.
 *
 *   end -> shutdown(SHUT_WR) -> kept here: what comes is thrown away -> the peer closes, or a
 * second, or too many bytes -> close
 */
#pragma once

#include "base/status.h"
#include "base/time.h"
#include "shell/socket.h"

#define MT_LINGER_COUNT_MAX 256u
#define MT_LINGER_BYTES_MAX 1048576u /* thrown away for one connection */

struct mt_lingering {
	int fd;
	uint32_t bytes;
	mt_time due_ns;
};

struct mt_linger {
	struct mt_lingering items[MT_LINGER_COUNT_MAX]; /* oldest first */
	uint32_t count;
	mt_time next_ns; /* when to look again; MT_TIME_NEVER without any */
};

void mt_linger_init(struct mt_linger *linger);
/* Takes the descriptor; when there are too many the oldest is closed. */
void mt_linger_add(struct mt_linger *linger, mt_time now, int fd);
/* Throws away what came, closes what is over. Cheap before next_ns. */
void mt_linger_serve(struct mt_linger *linger, mt_time now, struct mt_scratch *scratch);
/* Closes all. */
void mt_linger_finish(struct mt_linger *linger);
