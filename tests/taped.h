/*
 * Every core of the test is recorded; when it ends, its log is played, and must come out the same,
 * twice. To be included before the world that calls the core.
 *
 *   world --mt_core_input--> macro --mt_tape_input--> log ... mt_core_destroy --> mt_play_step
 */
#pragma once

#include "core/core.h"
#include "replay/play.h"
#include "replay/tape.h"

#include <stdio.h>
#include <stdlib.h>

#define TAPED_MAX 8u

struct taped {
	struct mt_core *core; /* NULL: free */
	struct mt_tape tape;
	uint8_t *log;
	size_t len, cap;
};

static struct taped taped[TAPED_MAX];

static inline bool taped_write(void *context, struct mt_bytes bytes, const char *end)
{
	struct taped *at = context;
	(void)end;
	if (at->len + bytes.len > at->cap) {
		at->cap = (at->len + bytes.len) * 2;
		at->log = realloc(at->log, at->cap);
		MT_CHECK(at->log);
	}
	if (bytes.len > 0)
		memcpy(at->log + at->len, bytes.data, bytes.len);
	at->len += bytes.len;
	return true;
}

static inline struct taped *taped_find(const struct mt_core *core)
{
	for (size_t i = 0; i < TAPED_MAX; i++)
		if (taped[i].core == core)
			return &taped[i];
	return NULL;
}

/* NULL: it is not recorded. */
static inline struct mt_tape *tape_of(const struct mt_core *core)
{
	struct taped *at = taped_find(core);
	return at ? &at->tape : NULL;
}

static inline struct mt_core *taped_create(const struct mt_core_settings *settings,
					   struct mt_policy *policy, struct mt_now now)
{
	struct taped *at = taped_find(NULL);
	MT_CHECK(at);
	mt_tape_init(&at->tape, taped_write, at, SIZE_MAX);
	mt_tape_note_create(&at->tape, settings, policy, now);
	at->core = mt_core_create(settings, policy, now);
	if (!at->core)
		mt_tape_finish(&at->tape, NULL, "no core");
	if (!at->core) {
		free(at->log);
		memset(at, 0, sizeof(*at));
	}
	return at->core;
}

static inline uint64_t taped_play(const struct taped *at)
{
	struct mt_play *play;
	struct mt_play_event event;
	enum mt_play_state state;
	uint64_t digest;
	MT_CHECK(mt_play_open(mt_bytes_of(at->log, at->len), &play) == MT_OK);
	while ((state = mt_play_step(play, &event)) == MT_PLAY_ON) {
	}
	if (state != MT_PLAY_END)
		fprintf(stderr, "record %llu, %s: %s\n", (unsigned long long)event.number,
			event.name, event.what);
	MT_CHECK(state == MT_PLAY_END);
	digest = mt_play_digest(play);
	mt_play_close(&play);
	return digest;
}

static inline void taped_end(struct mt_core *core)
{
	struct taped *at = core ? taped_find(core) : NULL;
	uint64_t digest;
	if (!at)
		return;
	digest = at->tape.outcome.digest;
	mt_tape_finish(&at->tape, core, "the test is over");
	MT_CHECK(taped_play(at) == digest);
	MT_CHECK(taped_play(at) == digest);
	free(at->log);
	memset(at, 0, sizeof(*at));
}

static inline void taped_empty(struct mt_core *core)
{
	taped_end(core);
	mt_core_empty(core);
}

static inline void taped_destroy(struct mt_core **core)
{
	taped_end(*core);
	mt_core_destroy(core);
}

#define mt_core_create(settings, policy, now) taped_create(settings, policy, now)
#define mt_core_empty(core) taped_empty(core)
#define mt_core_destroy(core) taped_destroy(core)
#define mt_core_open(core, ...) mt_tape_open(tape_of(core), core, __VA_ARGS__)
#define mt_core_turn_away(core, ...) mt_tape_turn_away(tape_of(core), core, __VA_ARGS__)
#define mt_core_input(core, ...) mt_tape_input(tape_of(core), core, __VA_ARGS__)
#define mt_core_prove(core, ...) mt_tape_prove(tape_of(core), core, __VA_ARGS__)
#define mt_core_expel(core, ...) mt_tape_expel(tape_of(core), core, __VA_ARGS__)
#define mt_core_publish_figure(core, ...) mt_tape_publish_figure(tape_of(core), core, __VA_ARGS__)
#define mt_core_closed(core, ...) mt_tape_closed(tape_of(core), core, __VA_ARGS__)
#define mt_core_authenticated(core, ...) mt_tape_authenticated(tape_of(core), core, __VA_ARGS__)
#define mt_core_stored(core, ...) mt_tape_stored(tape_of(core), core, __VA_ARGS__)
#define mt_core_peer(core, ...) mt_tape_peer(tape_of(core), core, __VA_ARGS__)
#define mt_core_adopt(core, ...) mt_tape_adopt(tape_of(core), core, __VA_ARGS__)
#define mt_core_set_policy(core, ...) mt_tape_set_policy(tape_of(core), core, __VA_ARGS__)
#define mt_core_tick(core, ...) mt_tape_tick(tape_of(core), core, __VA_ARGS__)
#define mt_core_kick(core, ...) mt_tape_kick(tape_of(core), core, __VA_ARGS__)
#define mt_core_shut_down(core, ...) mt_tape_shut_down(tape_of(core), core, __VA_ARGS__)
#define mt_core_sent(core, ...) mt_tape_sent(tape_of(core), core, __VA_ARGS__)
#define mt_core_request(core, ...) mt_tape_request(tape_of(core), core, __VA_ARGS__)
