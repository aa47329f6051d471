/* The thread that waits for confirmations which do not come. */
#include "shell/clerk.h"

#include "base/log.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LONGEST_S 3600 /* the wall clock may be set */

struct mt_clerk {
	pthread_t thread;
	struct mt_api *api;
	pthread_mutex_t *lock; /* of the API */
	int64_t (*settle)(struct mt_api *);
	int64_t first_s;
	pthread_mutex_t mutex;
	pthread_cond_t woken;
	bool is_woken, is_over;
};

/* Until woken or over, or `seconds` have passed; 0: for as long as it takes. False: over. */
static bool sleep_for(struct mt_clerk *clerk, int64_t seconds)
{
	struct timespec until;
	bool is_over;
	int error = 0;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += seconds > 0 && seconds < LONGEST_S ? seconds : LONGEST_S;
	pthread_mutex_lock(&clerk->mutex);
	while (!clerk->is_woken && !clerk->is_over && error == 0)
		error = pthread_cond_timedwait(&clerk->woken, &clerk->mutex, &until);
	clerk->is_woken = false;
	is_over = clerk->is_over;
	pthread_mutex_unlock(&clerk->mutex);
	return !is_over;
}

static void *run(void *argument)
{
	struct mt_clerk *clerk = argument;
	int64_t seconds = clerk->first_s;
	while (sleep_for(clerk, seconds)) {
		pthread_mutex_lock(clerk->lock);
		seconds = clerk->settle(clerk->api);
		pthread_mutex_unlock(clerk->lock);
	}
	return NULL;
}

static bool start(struct mt_clerk *clerk)
{
	sigset_t all, before;
	bool is_started;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	is_started = pthread_create(&clerk->thread, NULL, run, clerk) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return is_started;
}

struct mt_clerk *mt_clerk_open(struct mt_api *api, void *lock, int64_t (*settle)(struct mt_api *),
			       int64_t first_s)
{
	struct mt_clerk *clerk = calloc(1, sizeof(*clerk));
	pthread_condattr_t monotonic;
	if (!clerk)
		return NULL;
	clerk->api = api;
	clerk->lock = lock;
	clerk->settle = settle;
	clerk->first_s = first_s;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&clerk->mutex, NULL);
	pthread_cond_init(&clerk->woken, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (start(clerk))
		return clerk;
	pthread_cond_destroy(&clerk->woken);
	pthread_mutex_destroy(&clerk->mutex);
	free(clerk);
	return NULL;
}

void mt_clerk_wake(struct mt_clerk *clerk)
{
	pthread_mutex_lock(&clerk->mutex);
	clerk->is_woken = true;
	pthread_cond_signal(&clerk->woken);
	pthread_mutex_unlock(&clerk->mutex);
}

void mt_clerk_close(struct mt_clerk **clerk)
{
	struct mt_clerk *old = *clerk;
	if (!old)
		return;
	pthread_mutex_lock(&old->mutex);
	old->is_over = true;
	pthread_cond_signal(&old->woken);
	pthread_mutex_unlock(&old->mutex);
	pthread_join(old->thread, NULL);
	pthread_cond_destroy(&old->woken);
	pthread_mutex_destroy(&old->mutex);
	free(old);
	*clerk = NULL;
}

enum mt_status mt_clerk_undo(struct mt_state *state, const struct mt_state_confirmation *waits,
			     int64_t now_s)
{
	MT_TRY(mt_state_undo(state, waits->back_to, now_s));
	return mt_state_confirmation_end(state);
}

enum mt_status mt_clerk_settle_at_start(struct mt_state *state, int64_t now_s)
{
	struct mt_state_confirmation waits;
	enum mt_status status = mt_state_confirmation(state, &waits);
	char what[96];
	if (status == MT_NOT_FOUND || (status == MT_OK && waits.due_s > now_s))
		return MT_OK;
	MT_TRY(status);
	snprintf(what, sizeof(what), "policy rollback %llu", (unsigned long long)waits.back_to);
	MT_TRY(mt_state_begin(state, MT_CLERK_AUTHOR, what, now_s));
	status = mt_clerk_undo(state, &waits, now_s);
	if (status == MT_OK)
		status = mt_state_commit(state);
	else
		mt_state_rollback(state);
	if (status == MT_OK)
		mt_log(MT_LOG_WARNING, "admin", "undone: nobody confirmed it in time",
		       MT_U64("revision", waits.revision), MT_U64("back_to", waits.back_to));
	return status;
}
