/*
 * TLS resumption of the whole broker: the ticket keys, kept in STATE/tls/tickets.key, and the
 * sessions that are resumed by id.
 *
 * Threading: the loop's thread, but for reading counts.
 */
#pragma once

#include "base/time.h"
#include "shell/settings.h"
#include "tls/cache.h"
#include "tls/context.h"
#include "tls/tickets.h"

struct mt_resumption {
	struct mt_tls_tickets *tickets; /* NULL: no listener speaks TLS */
	struct mt_tls_cache *cache;
	int64_t session_age_s;
	mt_time due_ns; /* of the next tick; 0: at once */
	char path[MT_PATH_BYTES + 32];
};

/* Does nothing without a listener of TLS. A key file that is damaged, or that others may read, is
 * replaced by fresh keys, and the log says so. MT_MEMORY, MT_TLS, MT_SYSTEM: *fault says why. */
MT_MUST_USE enum mt_status mt_resumption_open(struct mt_resumption *resumption,
					      const struct mt_settings *settings, struct mt_now now,
					      struct mt_seed seed, char *fault, size_t cap);
/* After every context that uses it. */
void mt_resumption_close(struct mt_resumption *resumption);
/* As the listener's settings have it. MT_TLS. */
MT_MUST_USE enum mt_status mt_resumption_offer(const struct mt_resumption *resumption,
					       const struct mt_listener_settings *listener,
					       struct mt_tls_context *context);
/* One rotation now; is_drop: every former key is gone, and no ticket of before resumes. False:
 * there are no keys, or no random numbers. */
MT_MUST_USE bool mt_resumption_rotate(struct mt_resumption *resumption, struct mt_now now,
				      bool is_drop);
/* Rotates and keeps keys, forgets sessions that are too old. */
void mt_resumption_tick(struct mt_resumption *resumption, struct mt_now now);
