/*
 * Who is connected from where: connections and new connections by address.
 *
 *   address (of IPv6 its first 64 bits: one site has them all) -> counts, bucket
 *
 * An address without connections is kept while its bucket fills, the oldest first to go when there
 * are many.
 */
#pragma once

#include "base/bucket.h"
#include "base/list.h"
#include "base/map.h"
#include "core/core.h"
#include "io/listen.h"
#include "shell/settings.h"

#define MT_SOURCES_IDLE_MAX 4096u

struct mt_sources {
	struct mt_mem mem;
	struct mt_map by_address;
	struct mt_list idle; /* oldest first */
	uint32_t idle_count;
};

void mt_sources_init(struct mt_sources *sources, struct mt_seed seed);
/* All connections must have left. */
void mt_sources_finish(struct mt_sources *sources);
/* One more connection, is_shaking: with a TLS handshake before it; false: *over is the limit that
 * it met. */
MT_MUST_USE bool mt_sources_admit(struct mt_sources *sources, mt_time now,
				  const struct mt_peer_address *peer,
				  const struct mt_limits *limits, bool is_shaking,
				  enum mt_limit_id *over);
/* The handshake of one is over. */
void mt_sources_met(struct mt_sources *sources, const struct mt_peer_address *peer);
/* One that was admitted has gone. */
void mt_sources_leave(struct mt_sources *sources, mt_time now, const struct mt_peer_address *peer);
