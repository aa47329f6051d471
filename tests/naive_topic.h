/* Topics as the standard explains them: split into levels, compared by recursion. Slow and obvious;
 * the twin of src/topic. */
#pragma once

#include "base/bytes.h"
#include "base/rng.h"

#include <string.h>

#define NAIVE_LEVELS 8
#define NAIVE_BYTES 64

struct naive_topic {
	char text[NAIVE_BYTES];
	char level[NAIVE_LEVELS][NAIVE_BYTES];
	int count;
};

static inline void naive_add(struct naive_topic *topic, const char *level)
{
	size_t at = strlen(topic->text), bytes = strlen(level) + 1;
	MT_CHECK(topic->count < NAIVE_LEVELS);
	MT_CHECK(at + 1 + bytes <= NAIVE_BYTES);
	memcpy(topic->level[topic->count], level, bytes);
	if (topic->count++ > 0)
		topic->text[at++] = '/';
	memcpy(topic->text + at, level, bytes);
}

static inline struct mt_bytes naive_view(const struct naive_topic *topic)
{
	return mt_bytes_str(topic->text);
}

static inline bool naive_levels_match(const struct naive_topic *filter, int f,
				      const struct naive_topic *name, int n)
{
	if (f == filter->count)
		return n == name->count;
	if (strcmp(filter->level[f], "#") == 0)
		return true;
	if (n == name->count)
		return false;
	if (strcmp(filter->level[f], "+") != 0 && strcmp(filter->level[f], name->level[n]) != 0)
		return false;
	return naive_levels_match(filter, f + 1, name, n + 1);
}

static inline bool naive_matches(const struct naive_topic *filter, const struct naive_topic *name)
{
	bool is_wild = filter->text[0] == '+' || filter->text[0] == '#';
	if (is_wild && name->text[0] == '$')
		return false;
	return naive_levels_match(filter, 0, name, 0);
}

/* A topic of at most NAIVE_LEVELS levels, taken apart. */
static inline struct naive_topic naive_split(struct mt_bytes text)
{
	struct naive_topic topic = {.count = 0};
	char level[NAIVE_BYTES] = "";
	size_t bytes = 0;
	for (size_t i = 0; i <= text.len; i++) {
		if (i < text.len && text.data[i] != '/') {
			MT_CHECK(bytes + 1 < sizeof(level));
			level[bytes++] = (char)text.data[i];
			continue;
		}
		level[bytes] = '\0';
		naive_add(&topic, level);
		bytes = 0;
	}
	return topic;
}

static inline bool naive_is_wild(const struct naive_topic *filter, int at)
{
	return at >= filter->count || strcmp(filter->level[at], "+") == 0 ||
	       strcmp(filter->level[at], "#") == 0;
}

/*
 * The witness of `levels` levels for a filter: its words, and where it has none those of `guide`,
 * or a word that nobody ever names. What is true of this name is true of every name the filter
 * matches.
 */
static inline struct naive_topic naive_witness(const struct naive_topic *filter,
					       const struct naive_topic *guide, int levels)
{
	struct naive_topic name = {.count = 0};
	for (int i = 0; i < levels; i++)
		naive_add(&name, !naive_is_wild(filter, i)	     ? filter->level[i]
				 : guide && !naive_is_wild(guide, i) ? guide->level[i]
								     : "nobody");
	return name;
}

/* Longer names than this tell no more: only a '#' matches beyond the longer filter. */
static inline int naive_levels_of(const struct naive_topic *a, const struct naive_topic *b)
{
	int most = (a->count > b->count ? a->count : b->count) + 1;
	return most < NAIVE_LEVELS ? most : NAIVE_LEVELS;
}

/* Inclusion: no witness of `inner`, of whatever length, escapes `outer`. */
static inline bool naive_contains(const struct naive_topic *outer, const struct naive_topic *inner)
{
	for (int levels = 1; levels <= naive_levels_of(outer, inner); levels++) {
		struct naive_topic name = naive_witness(inner, NULL, levels);
		if (naive_matches(inner, &name) && !naive_matches(outer, &name))
			return false;
	}
	return true;
}

/* A common name, if there is any, is found among those that follow the words of both. */
static inline bool naive_overlaps(const struct naive_topic *a, const struct naive_topic *b)
{
	for (int levels = 1; levels <= naive_levels_of(a, b); levels++) {
		struct naive_topic name = naive_witness(a, b, levels);
		if (naive_matches(a, &name) && naive_matches(b, &name))
			return true;
	}
	return false;
}

/* One of the words, never the empty text as a whole. */
static inline struct naive_topic naive_random_name(struct mt_rng *rng, const char *const *words,
						   size_t word_count, uint64_t levels_max)
{
	struct naive_topic topic;
	do {
		uint64_t levels = 1 + mt_rng_below(rng, levels_max);
		topic = (struct naive_topic){.count = 0};
		for (uint64_t i = 0; i < levels; i++)
			naive_add(&topic, words[mt_rng_below(rng, word_count)]);
	} while (topic.text[0] == '\0');
	return topic;
}

static inline struct naive_topic naive_random_filter(struct mt_rng *rng, const char *const *words,
						     size_t word_count, uint64_t levels_max)
{
	struct naive_topic topic;
	do {
		uint64_t levels = 1 + mt_rng_below(rng, levels_max);
		topic = (struct naive_topic){.count = 0};
		for (uint64_t i = 0; i < levels; i++) {
			uint64_t kind = mt_rng_below(rng, 8);
			bool is_rest = kind == 0 && i + 1 == levels;
			naive_add(&topic, is_rest    ? "#"
					  : kind < 3 ? "+"
						     : words[mt_rng_below(rng, word_count)]);
		}
	} while (topic.text[0] == '\0');
	return topic;
}
