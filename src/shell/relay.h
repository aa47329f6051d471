/*
 * HTTPS of the admin API: our own TLS in front of the HTTP server that serves the Unix socket too.
 *
 *   listen -> limits by address -> TLS handshake -> socketpair -> mt_admin_server_adopt
 *
 * The contexts are those of shell/transport.c, so that certificates, suites and reloading are the
 * listeners'; nothing is resumed. A thread of its own does all of it, and the loop of the broker
 * notices nothing. When there are as many connections as there may be, the oldest makes way. There
 * is no HTTP without TLS.
 */
#pragma once

#include "admin/server.h"
#include "shell/settings.h"
#include "shell/transport.h"

struct mt_relay;

/* Listens where settings->https says, and serves from now on. MT_INVALID, MT_SYSTEM ...: *fault is
 * a sentence with a remedy. Settings and server outlive it. */
MT_MUST_USE enum mt_status mt_relay_open(const struct mt_settings *settings,
					 struct mt_admin_server *server, struct mt_relay **out,
					 char *fault, size_t cap);
/* Ends all connections, before the server is closed; what may be asked of it can still be asked.
 * NULL does nothing. */
void mt_relay_stop(struct mt_relay *relay);
/* Stops it if it was not. */
void mt_relay_close(struct mt_relay **relay);
/* Looks at the files of its certificates now. Any thread; NULL does nothing. */
void mt_relay_look(struct mt_relay *relay);
/* "https=127.0.0.1:8443" */
const char *mt_relay_text(const struct mt_relay *relay);

struct mt_relay_counts {
	uint64_t connections; /* open now */
	uint64_t accepted;
	uint64_t refused; /* by a limit of the address */
	uint64_t evicted; /* made way for others */
};
/* Any thread. */
struct mt_relay_counts mt_relay_counts(const struct mt_relay *relay);
/* Its counts and facts may be read by any thread; index 0. */
const struct mt_transport *mt_relay_transport(const struct mt_relay *relay);
