/*
 * A log played into a new core, call by call, and compared: the same requests, the same bytes, or
 * where it first went another way. Nothing is sent anywhere. Pure; one thread.
 */
#pragma once

#include "base/bytes.h"
#include "base/status.h"
#include "base/time.h"

enum mt_play_state {
	MT_PLAY_ON,	 /* a call was played, and came out the same */
	MT_PLAY_END,	 /* the log says that it ends here */
	MT_PLAY_CUT,	 /* it breaks off: its writer did */
	MT_PLAY_DIFFERS, /* what came out is not what was recorded */
	MT_PLAY_CORRUPT, /* a check of the log fails */
	MT_PLAY_INVALID, /* a record that no core could have been called with */
	MT_PLAY_MEMORY,
};

/* The last record; texts are static, `text` is valid until the next step. */
struct mt_play_event {
	const char *name; /* "input" */
	const char *what; /* DIFFERS, INVALID: a sentence */
	uint64_t number;  /* of the record, from 0 */
	uint64_t conn;	  /* 0: none */
	uint64_t amount;  /* bytes, requests, a ticket */
	struct mt_now now;
	struct mt_bytes text; /* END: why */
};

struct mt_play_facts {
	uint64_t records;
	uint64_t inputs, input_bytes, output_bytes, requests;
	uint64_t connections, publishes_received, publishes_sent;
	uint64_t connects_refused, publishes_denied, subscribes_denied, violations;
	mt_time first_ns, last_ns; /* monotonic */
	mt_time first_wall_ns;
	size_t unread_bytes;	 /* CUT: of a record that is not whole */
	struct mt_bytes release; /* of the broker that was recorded */
};

struct mt_play;

/* The log is borrowed. MT_INVALID: it is none. */
MT_MUST_USE enum mt_status mt_play_open(struct mt_bytes log, struct mt_play **out);
/* After anything but MT_PLAY_ON there is no further step. */
enum mt_play_state mt_play_step(struct mt_play *play, struct mt_play_event *out);
struct mt_play_facts mt_play_facts(const struct mt_play *play);
/* Of all requests and output so far. */
uint64_t mt_play_digest(const struct mt_play *play);
void mt_play_close(struct mt_play **play);
