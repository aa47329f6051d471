/*
 * Topic names and filters as sets of level sequences (MQTT 5.0 section 4.7, 3.1.1 section 4.7).
 * UTF-8 is checked where the bytes come in (wire); here they are opaque between slashes.
 */
#pragma once

#include "base/bytes.h"

#define MT_TOPIC_LEVELS_MAX 128u

/* Not empty, no '+' or '#', at most 65,535 bytes and MT_TOPIC_LEVELS_MAX levels. */
bool mt_topic_name_is_valid(struct mt_bytes name);
/* Not empty, '#' only alone in the last level, '+' only alone in a level; the same limits. $share
 * is not looked at. */
bool mt_topic_filter_is_valid(struct mt_bytes filter);
bool mt_topic_has_wildcard(struct mt_bytes filter);
/* A value that a variable may have in filters: not empty, no '/', '+' or '#', no '$' in front. */
bool mt_topic_is_plain_level(struct mt_bytes value);
/* Levels of a name or filter: slashes + 1. */
uint32_t mt_topic_level_count(struct mt_bytes topic);

/* Takes one level off the front: false when nothing is left. Start with *pos 0; "" between slashes
 * is a level. */
bool mt_topic_next_level(struct mt_bytes topic, size_t *pos, struct mt_bytes *level);

/* True when the filter matches the name; a leading wildcard never matches a name that begins with
 * '$' ([MQTT-4.7.2-1]). */
bool mt_topic_matches(struct mt_bytes filter, struct mt_bytes name);
/*
 * True when every name that `inner` matches, `outer` matches too (set inclusion). "a/#" contains
 * "a", "a/+", "a/b/#"; "+/b" does not contain "#"; a leading wildcard of outer does not cover an
 * inner that begins with '$'. The empty name counts as one here.
 */
bool mt_topic_contains(struct mt_bytes outer, struct mt_bytes inner);
/* True when some name is matched by both. */
bool mt_topic_overlaps(struct mt_bytes a, struct mt_bytes b);

/* "$share/<group>/<filter>", neither part empty, the group without wildcards: true and the parts;
 * otherwise it is a filter like any other (both untouched). */
bool mt_topic_share_split(struct mt_bytes filter, struct mt_bytes *group, struct mt_bytes *rest);
