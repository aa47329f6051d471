/*
 * Where the broker's admin API is: --url with a token, or the Unix socket of a state directory.
 *
 *   --state given                 -> its admin.sock
 *   --url, else $MORTISE_URL      -> https, with --token-file, else $MORTISE_TOKEN_FILE
 *   neither                       -> admin.sock of the state directory that is found
 *
 * Over the network the server's certificate is checked against --cafile, else $MORTISE_CAFILE, else
 * the CAs of the system; --pin demands a key in its chain, and without a CA file trusts that alone.
 */
#pragma once

#include "cli/options.h"
#include "cli/state.h"
#include "tls/context.h"

#include <curl/curl.h>

#define MT_CLI_HEADER_BYTES 128u

struct mt_cli_target {
	char place[MT_STATE_PATH_BYTES]; /* path of the socket, or "https://HOST:PORT" */
	bool is_remote;
	const char *ca_path;			 /* NULL: those of the system */
	struct mt_tls_context *pin;		 /* holds the key that is demanded; NULL: none */
	char authorization[MT_CLI_HEADER_BYTES]; /* the header; a secret */
};

/* Exit code; what is wrong has been told. */
int mt_cli_target_find(const struct mt_options *options, struct mt_cli_target *out);
void mt_cli_target_finish(struct mt_cli_target *target);
MT_MUST_USE bool mt_cli_target_prepare(const struct mt_cli_target *target, CURL *curl);
/* Why nothing came of it; exit code. */
int mt_cli_target_fail(const struct mt_cli_target *target, CURL *curl, CURLcode code);
