/* The running broker's admin API, over STATE/admin.sock or HTTPS (cli/remote.h). */
#pragma once

#include "cli/options.h"

#include <jansson.h>

#define MT_CLI_URL_BYTES 16384u

/*
 * "users/%s/roles/%s": each %s is percent-encoded. The path of one request: exit code, 0 when *out
 * is filled.
 */
int mt_cli_api_path(char out[MT_CLI_URL_BYTES], const char *form, const char *first,
		    const char *second);
/*
 * One request; body may be NULL and is taken over. Exit code: 0 and *out is the answer (an object,
 * the caller's), or what went wrong, which has been told on standard error. A warning in the answer
 * is told too.
 */
int mt_cli_api_request(const struct mt_options *options, const char *method, const char *path,
		       json_t *body, json_t **out);
/* "2 sessions, 5 subscriptions, 41 queued, 2 retained, 0.4 ms": what a change took away from live
 * sessions. False: nothing, and nothing was printed. */
bool mt_cli_print_revoked(const json_t *revoked);
/* A request whose answer is no more than "done": prints it as JSON, or `format` with its arguments
 * for people. Exit code. */
int mt_cli_api_do(const struct mt_options *options, const char *method, const char *path,
		  json_t *body, const char *format, ...) MT_FORMAT(5, 6);
