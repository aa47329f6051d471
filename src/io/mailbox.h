/*
 * Mailbox: letters from other threads to the thread of a loop, with one wake-up for many letters.
 *
 *   sender: post -> eventfd (only when the box was empty)      owner: readable -> take until NULL
 */
#pragma once

#include "base/list.h"
#include "base/status.h"

#include <pthread.h>

/* Embedded in what is sent; owned by the receiver from post to take. */
struct mt_letter {
	struct mt_list link;
};

struct mt_mailbox {
	int event_fd; /* add it to the loop with mt_loop_add_level */
	pthread_mutex_t lock;
	struct mt_list letters; /* under the lock */
	struct mt_list taken;	/* the owner's: fetched at once, handed out one by one */
	bool is_quiet;		/* the owner's: the event was quieted in this turn */
};

MT_MUST_USE enum mt_status mt_mailbox_open(struct mt_mailbox *box);
void mt_mailbox_close(struct mt_mailbox *box); /* must be empty */
/* Any thread. */
void mt_mailbox_post(struct mt_mailbox *box, struct mt_letter *letter);
/* Owner only: the oldest letter, or NULL; the first call of a turn also quiets the event. */
struct mt_letter *mt_mailbox_take(struct mt_mailbox *box);
