/* Topic names and filters, level by level. */
#include "topic/name.h"

bool mt_topic_next_level(struct mt_bytes topic, size_t *pos, struct mt_bytes *level)
{
	const uint8_t *slash;
	size_t from = *pos;
	if (from > topic.len)
		return false;
	slash = from < topic.len ? memchr(topic.data + from, '/', topic.len - from) : NULL;
	*level = slash ? mt_bytes_of(topic.data + from, (size_t)(slash - topic.data) - from)
		       : mt_bytes_from(topic, from);
	*pos = from + level->len + 1;
	return true;
}

uint32_t mt_topic_level_count(struct mt_bytes topic)
{
	uint32_t count = 1;
	for (size_t i = 0; i < topic.len; i++)
		count += topic.data[i] == '/';
	return count;
}

static bool is_sized(struct mt_bytes topic)
{
	return topic.len > 0 && topic.len <= UINT16_MAX &&
	       mt_topic_level_count(topic) <= MT_TOPIC_LEVELS_MAX;
}

bool mt_topic_has_wildcard(struct mt_bytes filter)
{
	for (size_t i = 0; i < filter.len; i++)
		if (filter.data[i] == '+' || filter.data[i] == '#')
			return true;
	return false;
}

bool mt_topic_is_plain_level(struct mt_bytes value)
{
	return value.len > 0 && value.data[0] != '$' && !memchr(value.data, '/', value.len) &&
	       !mt_topic_has_wildcard(value);
}

bool mt_topic_name_is_valid(struct mt_bytes name)
{
	return is_sized(name) && !mt_topic_has_wildcard(name);
}

static bool is_word(struct mt_bytes level, char word)
{
	return level.len == 1 && level.data[0] == (uint8_t)word;
}

bool mt_topic_filter_is_valid(struct mt_bytes filter)
{
	size_t pos = 0;
	struct mt_bytes level;
	if (!is_sized(filter))
		return false;
	while (mt_topic_next_level(filter, &pos, &level)) {
		if (is_word(level, '#') && pos <= filter.len)
			return false;
		if (level.len > 1 && mt_topic_has_wildcard(level))
			return false;
	}
	return true;
}

static bool begins_with_dollar(struct mt_bytes topic)
{
	return topic.len > 0 && topic.data[0] == '$';
}

static bool begins_with_wildcard(struct mt_bytes filter)
{
	return filter.len > 0 && (filter.data[0] == '+' || filter.data[0] == '#');
}

/* Both walk down together; `covers` says whether a level of the outer one covers a level of the
 * inner one. */
static bool contains_levels(struct mt_bytes outer, struct mt_bytes inner)
{
	size_t outer_pos = 0, inner_pos = 0;
	struct mt_bytes a, b;
	while (mt_topic_next_level(outer, &outer_pos, &a)) {
		if (is_word(a, '#'))
			return true;
		if (!mt_topic_next_level(inner, &inner_pos, &b))
			return false;
		if (is_word(b, '#'))
			return false;
		if (!is_word(a, '+') && (is_word(b, '+') || !mt_bytes_equal(a, b)))
			return false;
	}
	return !mt_topic_next_level(inner, &inner_pos, &b);
}

bool mt_topic_contains(struct mt_bytes outer, struct mt_bytes inner)
{
	if (begins_with_wildcard(outer) && begins_with_dollar(inner))
		return false;
	/* Every name has a first level, so both mean the same. */
	if (is_word(inner, '#') && mt_bytes_equal(outer, mt_bytes_str("+/#")))
		return true;
	return contains_levels(outer, inner);
}

bool mt_topic_matches(struct mt_bytes filter, struct mt_bytes name)
{
	return mt_topic_contains(filter, name);
}

/* What is left of a filter after its last level of the shorter one: nothing, or a '#' that matches
 * the parent too. */
static bool is_empty_or_hash(struct mt_bytes filter, size_t pos)
{
	struct mt_bytes level;
	return !mt_topic_next_level(filter, &pos, &level) || is_word(level, '#');
}

bool mt_topic_overlaps(struct mt_bytes a, struct mt_bytes b)
{
	size_t a_pos = 0, b_pos = 0;
	struct mt_bytes left, right;
	if ((begins_with_wildcard(a) && begins_with_dollar(b)) ||
	    (begins_with_wildcard(b) && begins_with_dollar(a)))
		return false;
	for (;;) {
		size_t a_before = a_pos, b_before = b_pos;
		bool has_left = mt_topic_next_level(a, &a_pos, &left);
		bool has_right = mt_topic_next_level(b, &b_pos, &right);
		if (!has_left || !has_right)
			return is_empty_or_hash(a, a_before) && is_empty_or_hash(b, b_before);
		if (is_word(left, '#') || is_word(right, '#'))
			return true;
		if (!is_word(left, '+') && !is_word(right, '+') && !mt_bytes_equal(left, right))
			return false;
	}
}

bool mt_topic_share_split(struct mt_bytes filter, struct mt_bytes *group, struct mt_bytes *rest)
{
	static const char prefix[] = "$share/";
	size_t pos = sizeof(prefix) - 1;
	struct mt_bytes name;
	if (!mt_bytes_starts(filter, mt_bytes_str(prefix)) ||
	    !mt_topic_next_level(filter, &pos, &name))
		return false;
	/* An empty group would pass for "not shared" in a decision: it is no group at all. */
	if (name.len == 0 || mt_topic_has_wildcard(name) || pos >= filter.len)
		return false;
	*group = name;
	*rest = mt_bytes_from(filter, pos);
	return true;
}
