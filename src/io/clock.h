/* The clocks and the random source of the system: for shells and programs only. */
#pragma once

#include "base/hash.h"
#include "base/time.h"

struct mt_now mt_clock_now(void);
/* Fills with getrandom(2); aborts when the system has no randomness (it never blocks after boot).
 */
void mt_random_bytes(void *to, size_t len);
struct mt_seed mt_random_seed(void);
