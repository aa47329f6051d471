/*
 * The file of `--record`: a log of the calls into the core (replay/record.h), for its owner alone.
 *
 * It never harms the broker: a file that is full or cannot be written ends the recording and is
 * told to the log. Threading: the loop's thread.
 */
#pragma once

#include "replay/tape.h"

struct mt_recorder {
	struct mt_tape tape;
	int fd;
	const char *path;
};

/* Makes the file, or empties one that is a recording of ours already. The path outlives it. fault:
 * why not. */
MT_MUST_USE enum mt_status mt_recorder_open(const char *path, uint64_t bytes_max,
					    struct mt_recorder **out, char *fault, size_t cap);
/* core NULL: it was never made. NULL is fine. */
void mt_recorder_close(struct mt_recorder **recorder, const struct mt_core *core);

static inline struct mt_tape *mt_recorder_tape(struct mt_recorder *recorder)
{
	return recorder ? &recorder->tape : NULL;
}
