/*
 * First start: what a state directory must hold before a broker serves.
 *
 *   STATE/            0700   lock, mortise.db, admin.sock
 *   STATE/tls/        0700   ca.pem ca.key  issuer.pem issuer.key  server.pem (leaf + issuer)
 * server.key     keys 0600 STATE/profiles/   0700   admin.mortise (0600): CA, pin, address, user,
 * password
 *
 * Each missing thing is made, nothing that is there is touched (except the address in
 * admin.mortise, which follows the TLS listener, and server.pem, which is renewed when it is due).
 * Written in an order that a crash in between repeats safely: the administrator exists in the
 * database only when its profile was complete. It is made in a database that was never changed, and
 * never again: one that was removed stays removed.
 */
#pragma once

#include "shell/settings.h"
#include "store/state.h"

/* Makes the state directory (0700, no parents), or makes sure that it is ours and that nobody else
 * can write there: before anything in it is opened. fault: one sentence with a remedy. */
MT_MUST_USE enum mt_status mt_provision_claim(const char *state_path, char *fault, size_t cap);
/* state: open database. fault: one sentence on failure. *is_first: an administrator was made now.
 */
MT_MUST_USE enum mt_status mt_provision(const struct mt_settings *settings, struct mt_state *state,
					bool *is_first, char *fault, size_t cap);
/* The profile's address is rewritten once the real port is known: host:port a client on this
 * machine can reach. */
MT_MUST_USE enum mt_status mt_provision_address(const struct mt_settings *settings,
						const char *host, uint16_t port);
