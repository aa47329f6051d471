/*
 * The bridge between the admin thread and the thread of the core: "run this on the loop, and wait
 * for the answer".
 */
#pragma once

#include "io/mailbox.h"

struct mt_broker;

typedef void mt_hub_call_fn(struct mt_broker *broker, void *argument);

struct mt_hub {
	struct mt_mailbox box;
	pthread_mutex_t lock;
	pthread_cond_t answered;
	bool is_closed;
};

MT_MUST_USE enum mt_status mt_hub_open(struct mt_hub *hub);
/* Loop thread, after the loop's end: answers MT_CLOSED to those who wait and to all who come. Its
 * memory must outlive the callers. */
void mt_hub_close(struct mt_hub *hub);
/* Any thread but the loop's: runs call(broker, argument) on the loop's thread and returns when it
 * is done. MT_CLOSED: the broker is stopping. */
MT_MUST_USE enum mt_status mt_hub_call(struct mt_hub *hub, mt_hub_call_fn *call, void *argument);
/* Loop thread, before close: runs all waiting calls. */
void mt_hub_serve(struct mt_hub *hub, struct mt_broker *broker);
