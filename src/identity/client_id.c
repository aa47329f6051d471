/* Client-id rules: a pattern with '*' and %u, matched without backtracking over more than one star.
 */
#include "identity/client_id.h"

/* One element of a rule: '*', %u, or a literal byte. */
struct element {
	struct mt_bytes text; /* what must stand there; empty for a star */
	size_t rule_bytes;
	bool is_star;
};

static struct element next_element(struct mt_bytes rule, size_t pos, struct mt_bytes user)
{
	if (rule.data[pos] == '*')
		return (struct element){.rule_bytes = 1, .is_star = true};
	if (rule.data[pos] == '%' && pos + 1 < rule.len && rule.data[pos + 1] == 'u')
		return (struct element){.text = user, .rule_bytes = 2};
	return (struct element){.text = mt_bytes_of(rule.data + pos, 1), .rule_bytes = 1};
}

/* The usual glob: on a mismatch the last star takes one byte more, so the time is at most rule x
 * id. */
bool mt_client_id_keeps(struct mt_bytes rule, struct mt_bytes user, struct mt_bytes client_id)
{
	size_t at = 0, pos = 0, star_at = 0, star_pos = SIZE_MAX;
	if (rule.len == 0)
		return true;
	while (at < client_id.len || pos < rule.len) {
		if (pos < rule.len) {
			struct element element = next_element(rule, pos, user);
			if (element.is_star) {
				star_at = at;
				star_pos = pos++;
				continue;
			}
			if (mt_bytes_starts(mt_bytes_from(client_id, at), element.text)) {
				at += element.text.len;
				pos += element.rule_bytes;
				continue;
			}
		}
		if (star_pos == SIZE_MAX || star_at >= client_id.len)
			return false;
		at = ++star_at;
		pos = star_pos + 1;
	}
	return true;
}

struct mt_bytes mt_client_id_assign(uint64_t high, uint64_t low, uint8_t out[31])
{
	static const char prefix[] = "mortise-";
	static const char digits[] =
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t at = sizeof(prefix) - 1;
	memcpy(out, prefix, at);
	for (int i = 0; i < 11; i++, high /= 62)
		out[at++] = (uint8_t)digits[high % 62];
	for (int i = 0; i < 11; i++, low /= 62)
		out[at++] = (uint8_t)digits[low % 62];
	out[at] = '\0';
	return mt_bytes_of(out, at);
}
