/* Rules: what is wrong with one, and networks as text. */
#include "policy/rule.h"

#include "topic/name.h"

static const char *variable_fault(struct mt_bytes filter)
{
	for (size_t i = 0; i < filter.len; i++) {
		uint8_t next = i + 1 < filter.len ? filter.data[i + 1] : 0;
		if (filter.data[i] == '%' && next != 'c' && next != 'u' && next != 'n')
			return "topic: '%' begins a variable; expected %c (client id), %u (user) "
			       "or %n "
			       "(certificate name)";
	}
	return NULL;
}

static bool is_group(struct mt_bytes share)
{
	return share.len <= 256 && !mt_topic_has_wildcard(share) &&
	       mt_topic_level_count(share) == 1;
}

/* With a group or without: "$share/#" would be a filter that no shared subscription falls under. */
static bool is_share_prefixed(struct mt_bytes filter)
{
	struct mt_bytes level;
	size_t pos = 0;
	return mt_topic_next_level(filter, &pos, &level) &&
	       mt_bytes_equal(level, mt_bytes_str("$share"));
}

static const char *window_fault(const struct mt_rule *rule)
{
	if (rule->since_s < 0 || rule->until_s < 0)
		return "since, until: expected a time after 1970";
	if (rule->until_s != 0 && rule->since_s >= rule->until_s)
		return "since: expected a time before until";
	return NULL;
}

const char *mt_rule_fault(const struct mt_rule *rule)
{
	if (!mt_topic_filter_is_valid(rule->filter))
		return "topic: not a topic filter; '+' stands alone in a level, '#' alone in the "
		       "last one";
	if (is_share_prefixed(rule->filter))
		return "topic: '$share/' does not belong here; give the plain filter and share: "
		       "NAME or any";
	if (rule->operation < MT_OPERATION_PUBLISH || rule->operation > MT_OPERATION_BOTH)
		return "operation: expected publish, subscribe or both";
	if (rule->qos_mask < 1 || rule->qos_mask > 7)
		return "qos: expected at least one of 0, 1, 2";
	if (rule->retain > MT_RETAIN_NO)
		return "retain: expected any, yes or no";
	if (rule->has_network && rule->network.prefix_bits > 128)
		return "from: expected a network such as 10.0.0.0/8";
	if (window_fault(rule))
		return window_fault(rule);
	if (rule->listener.len > MT_LISTENER_NAME_BYTES_MAX)
		return "listener: expected the name of a listener, at most 63 bytes";
	if (!is_group(rule->share))
		return "share: expected a group name without '/', '+' and '#', or any";
	return variable_fault(rule->filter);
}

/* ---- networks ---- */

static bool take_number(struct mt_bytes text, size_t *pos, unsigned base, unsigned digits_max,
			unsigned *out)
{
	unsigned value = 0, digits = 0;
	while (*pos < text.len && digits < digits_max) {
		uint8_t c = text.data[*pos];
		unsigned digit = c >= '0' && c <= '9'			  ? c - '0' + 0u
				 : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10u
									  : 99u;
		if (digit >= base)
			break;
		value = value * base + digit;
		digits++;
		(*pos)++;
	}
	if (digits == 0)
		return false;
	*out = value;
	return true;
}

static bool take_char(struct mt_bytes text, size_t *pos, char c)
{
	if (*pos >= text.len || text.data[*pos] != (uint8_t)c)
		return false;
	(*pos)++;
	return true;
}

/* A decimal number of one way of writing: some read a leading zero as octal, and whose network
 * would it be? */
static bool take_decimal(struct mt_bytes text, size_t *pos, unsigned *out)
{
	size_t from = *pos;
	return take_number(text, pos, 10, 3, out) && (text.data[from] != '0' || *pos - from == 1);
}

static bool take_v4(struct mt_bytes text, size_t *pos, uint8_t out[4])
{
	for (int i = 0; i < 4; i++) {
		unsigned part;
		if (i > 0 && !take_char(text, pos, '.'))
			return false;
		if (!take_decimal(text, pos, &part) || part > 255)
			return false;
		out[i] = (uint8_t)part;
	}
	return true;
}

/* Groups of RFC 4291 section 2.2; *gap is where "::" stood, -1 when nowhere. */
static bool take_groups(struct mt_bytes text, size_t *pos, uint16_t groups[8], int *count, int *gap)
{
	*count = 0;
	*gap = -1;
	if (take_char(text, pos, ':')) {
		if (!take_char(text, pos, ':'))
			return false;
		*gap = 0;
	}
	while (*count < 8 && *pos < text.len && text.data[*pos] != '/') {
		unsigned group;
		if (!take_number(text, pos, 16, 4, &group))
			return false;
		groups[(*count)++] = (uint16_t)group;
		if (!take_char(text, pos, ':'))
			break;
		if (*pos < text.len && text.data[*pos] == ':') {
			if (*gap >= 0)
				return false;
			*gap = *count;
			(*pos)++;
		} else if (*pos >= text.len || text.data[*pos] == '/') {
			return false;
		}
	}
	return *gap >= 0 ? *count < 8 : *count == 8;
}

static bool take_v6(struct mt_bytes text, size_t *pos, uint8_t out[16])
{
	uint16_t groups[8];
	int count, gap;
	if (!take_groups(text, pos, groups, &count, &gap))
		return false;
	memset(out, 0, 16);
	for (int i = 0; i < count; i++) {
		int at = gap >= 0 && i >= gap ? 8 - (count - i) : i;
		out[at * 2] = (uint8_t)(groups[i] >> 8);
		out[at * 2 + 1] = (uint8_t)groups[i];
	}
	return true;
}

bool mt_network_parse(struct mt_bytes text, struct mt_network *out)
{
	struct mt_network network = {.address.byte = {[10] = 0xff, [11] = 0xff}};
	size_t pos = 0;
	bool is_v4 = take_v4(text, &pos, network.address.byte + 12);
	unsigned bits = is_v4 ? 32 : 128;
	if (!is_v4) {
		pos = 0;
		if (!take_v6(text, &pos, network.address.byte))
			return false;
	}
	if (take_char(text, &pos, '/')) {
		unsigned most = bits;
		if (!take_decimal(text, &pos, &bits) || bits > most)
			return false;
	}
	if (pos != text.len)
		return false;
	network.prefix_bits = (uint8_t)(is_v4 ? bits + 96 : bits);
	*out = network;
	return true;
}

bool mt_network_holds(const struct mt_network *network, const struct mt_address *address)
{
	unsigned whole = network->prefix_bits / 8, rest = network->prefix_bits % 8;
	uint8_t mask = (uint8_t)(0xff00u >> rest);
	if (memcmp(network->address.byte, address->byte, whole) != 0)
		return false;
	return rest == 0 || ((network->address.byte[whole] ^ address->byte[whole]) & mask) == 0;
}
