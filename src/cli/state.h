/* Where the broker's state directory is: --state, $MORTISE_STATE, ./state when it is safely the
 * caller's own, /var/lib/mortise. */
#pragma once

#include "cli/options.h"

#define MT_STATE_PATH_BYTES 4096u

/*
 * `needed` is the file in it that matters ("admin.sock", "tls/ca.pem"): ./state counts only when
 * both it and that file belong to the caller and nobody else can write there. Exit code, 0 when
 * *out is filled.
 */
int mt_cli_state_find(const struct mt_options *options, const char *needed,
		      char out[MT_STATE_PATH_BYTES]);
/* STATE/NAME. Exit code. */
int mt_cli_state_path(const char *state, const char *name, char out[MT_STATE_PATH_BYTES]);
