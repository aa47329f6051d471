/*
 * SCRAM of the broker: the exchange that a connection is at, and the secret behind what names
 * without SCRAM are answered.
 *
 *   AUTHENTICATE method, client-first -> verifier of the user, or a feigned one -> AUTH
 * server-first AUTHENTICATE method, client-final -> verdict, server-final -> CONNACK or AUTH
 *
 * An unknown user, one without SCRAM, a disabled one and a wrong password get as many answers, of
 * the same form, at the same cost. Nothing here is slow: the client has the work.
 */
#pragma once

#include "crypto/scram.h"

/* Between the client's first message and its last: at most one a connection. */
struct mt_scram_exchange;
#define MT_SCRAM_EXCHANGE_BYTES (sizeof(struct mt_scram_server) + 64u)
/* Wipes and frees; NULL is fine. */
void mt_scram_exchange_destroy(struct mt_scram_exchange **exchange);

struct mt_scram_desk {
	uint8_t secret[MT_SCRAM_KEY_BYTES]; /* of feigned verifiers, in STATE/scram.key */
};

/* Reads the secret, or makes it. One that is damaged, or that others may read, is made anew, and
 * the log says so. MT_INVALID, MT_SYSTEM: *fault says why. */
MT_MUST_USE enum mt_status mt_scram_desk_open(struct mt_scram_desk *desk, const char *state_path,
					      char *fault, size_t cap);
