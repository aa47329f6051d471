/*
 * The keys of stateless session tickets (RFC 5077, RFC 8446 section 4.6.1), for all listeners.
 *
 *   current --rotation--> former --rotation--> oldest --rotation--> wiped
 *
 * Each key is fresh random: name, AES-256, HMAC-SHA-256. The current one encrypts; all three
 * decrypt, and what an older one decrypts is renewed. Whoever holds a key can forge sessions until
 * it is rotated out.
 *
 * Threading: any; a lock inside.
 */
#pragma once

#include "base/buf.h"
#include "base/status.h"

#define MT_TICKET_KEYS_BYTES_MAX 512u /* as dumped */

struct mt_tls_tickets;

/* One fresh key. rotation_s: seconds from one key to the next, at least 1. MT_MEMORY, MT_TLS (no
 * random numbers). */
MT_MUST_USE enum mt_status mt_tls_tickets_create(int64_t now_s, int64_t rotation_s,
						 struct mt_tls_tickets **out);
/* Wipes the keys. No context may use them any more. */
void mt_tls_tickets_destroy(struct mt_tls_tickets **tickets);
/* Takes the keys that were dumped instead. MT_CORRUPT: nothing changed. */
MT_MUST_USE enum mt_status mt_tls_tickets_restore(struct mt_tls_tickets *tickets,
						  struct mt_bytes dump);
/* Appends the keys; the bytes are a secret. At most MT_TICKET_KEYS_BYTES_MAX. */
void mt_tls_tickets_dump(struct mt_tls_tickets *tickets, struct mt_buf *out);
/* Rotates when that is due. True when the keys have changed and want to be kept; without random
 * numbers the old ones go on. */
bool mt_tls_tickets_tick(struct mt_tls_tickets *tickets, int64_t now_s);
/* A fresh key now; those before it still open. False without random numbers: nothing changed. */
MT_MUST_USE bool mt_tls_tickets_rotate(struct mt_tls_tickets *tickets, int64_t now_s);
/* Drops every key: no ticket given out so far resumes. False without random numbers: nothing
 * changed. */
MT_MUST_USE bool mt_tls_tickets_drop(struct mt_tls_tickets *tickets, int64_t now_s);
/* When tick is due next, unix time. */
int64_t mt_tls_tickets_due_s(struct mt_tls_tickets *tickets);
