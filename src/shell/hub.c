/*
 * Calls from other threads, run on the loop's.
 *
 * A caller posts under the lock, after a look at is_closed: once close has set it, nothing can be
 * posted any more, and what waits is answered. The lock is never destroyed: callers that close has
 * answered may still be on their way out of it.
 */
#include "shell/hub.h"

struct call {
	struct mt_letter letter;
	mt_hub_call_fn *run;
	void *argument;
	enum mt_status status;
	bool is_done;
};

enum mt_status mt_hub_open(struct mt_hub *hub)
{
	MT_TRY(mt_mailbox_open(&hub->box));
	MT_CHECK(pthread_mutex_init(&hub->lock, NULL) == 0);
	MT_CHECK(pthread_cond_init(&hub->answered, NULL) == 0);
	hub->is_closed = false;
	return MT_OK;
}

static void answer(struct mt_hub *hub, struct call *call, enum mt_status status)
{
	MT_CHECK(pthread_mutex_lock(&hub->lock) == 0);
	call->status = status;
	call->is_done = true; /* from here on the caller's stack may vanish */
	MT_CHECK(pthread_cond_broadcast(&hub->answered) == 0);
	MT_CHECK(pthread_mutex_unlock(&hub->lock) == 0);
}

static struct call *take(struct mt_hub *hub)
{
	struct mt_letter *letter = mt_mailbox_take(&hub->box);
	return letter ? MT_LIST_ITEM(letter, struct call, letter) : NULL;
}

void mt_hub_close(struct mt_hub *hub)
{
	struct call *call;
	MT_CHECK(pthread_mutex_lock(&hub->lock) == 0);
	MT_CHECK(!hub->is_closed);
	hub->is_closed = true;
	MT_CHECK(pthread_mutex_unlock(&hub->lock) == 0);
	while ((call = take(hub)) != NULL)
		answer(hub, call, MT_CLOSED);
	mt_mailbox_close(&hub->box);
}

enum mt_status mt_hub_call(struct mt_hub *hub, mt_hub_call_fn *run, void *argument)
{
	struct call call = {.run = run, .argument = argument, .status = MT_CLOSED};
	MT_CHECK(pthread_mutex_lock(&hub->lock) == 0);
	if (!hub->is_closed) {
		mt_mailbox_post(&hub->box, &call.letter);
		while (!call.is_done)
			MT_CHECK(pthread_cond_wait(&hub->answered, &hub->lock) == 0);
	}
	MT_CHECK(pthread_mutex_unlock(&hub->lock) == 0);
	return call.status;
}

void mt_hub_serve(struct mt_hub *hub, struct mt_broker *broker)
{
	struct call *call;
	while ((call = take(hub)) != NULL) {
		call->run(broker, call->argument);
		answer(hub, call, MT_OK);
	}
}
