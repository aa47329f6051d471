/* The tables of STATE/mortise.db: making them in a new file, and checking that a file has exactly
 * them. */
#pragma once

#include "store/state_internal.h"

/* Makes a database at `path`, which must not exist: built beside it and renamed, so that no
 * half-made one is ever found. */
MT_MUST_USE enum mt_status mt_schema_create(const char *path, char *fault, size_t cap);
/* Brings a sound database of an older format to ours, in one transaction; leaves all others alone.
 */
MT_MUST_USE enum mt_status mt_schema_upgrade(struct mt_state *state);
/* MT_OK: the open database is ours, sound, and of this format. Writes nothing. MT_CORRUPT,
 * MT_INVALID (newer), MT_SYSTEM. */
MT_MUST_USE enum mt_status mt_schema_check(struct mt_state *state);
