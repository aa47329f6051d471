/*
 * The ways to prove who one is, one of which every login was decided by; and why one was refused
 * (spec/mechanisms.tbl).
 *
 * Where CONNECT brings a secret, that decides; what TLS proved must agree. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "spec/mechanisms.h"

enum mt_mechanism {
	MT_MECHANISM_NONE, /* nothing was shown yet, or nothing that says who it is */
#define X(id, name, meaning) MT_MECHANISM_##id,
	MT_TABLE_MECHANISMS(X)
#undef X
		MT_MECHANISM_COUNT
};

enum mt_refusal {
#define X(id, what) MT_REFUSAL_##id,
	MT_TABLE_LOGIN_REFUSALS(X)
#undef X
		MT_REFUSAL_COUNT
};

/* A set of them: a bit each; 0: all. */
typedef uint32_t mt_mechanisms;
_Static_assert(MT_MECHANISM_COUNT <= 32, "each has a bit");

/* "password"; "none". */
const char *mt_mechanism_name(enum mt_mechanism mechanism);
bool mt_mechanism_is_of(enum mt_mechanism mechanism, mt_mechanisms set);
mt_mechanisms mt_mechanism_bit(enum mt_mechanism mechanism);
/* Of a list such as "password,jwt"; "any" is all. Words that are none count for nothing. */
mt_mechanisms mt_mechanism_read(const char *list);
/* One sentence for the log: a listener does not accept it. Static. */
const char *mt_mechanism_unaccepted(enum mt_mechanism mechanism);
/* "wrong user name or password"; static. */
const char *mt_refusal_text(enum mt_refusal refusal);
