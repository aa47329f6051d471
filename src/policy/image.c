/* Snapshots written and read again by way of the builder. */
#include "policy/image.h"

#include "policy/snapshot.h"

#define BUILT_IN_COUNT 2u /* roles that every builder brings along */
#define RULE_BYTES (4 + 4 + 1 + 1 + 1 + 1 + 1 + 16 + 1 + 8 + 8 + 2 + 2 + 2)
#define HEAD_BYTES (8 + 4 + 4 + 4)

static void put_text(struct mt_buf *out, struct mt_bytes text)
{
	mt_buf_put_u16(out, (uint16_t)text.len);
	mt_buf_put(out, text);
}

static struct mt_bytes take_text(struct mt_reader *in)
{
	return mt_reader_take(in, mt_reader_u16(in));
}

static bool is_given(const struct mt_pending_rule *rule)
{
	return rule->role >= BUILT_IN_COUNT;
}

static uint32_t rule_count(const struct mt_policy *policy)
{
	uint32_t count = 0;
	for (const struct mt_pending_rule *rule = policy->rules; rule; rule = rule->next)
		count += is_given(rule);
	return count;
}

static size_t rule_bytes(const struct mt_rule *rule)
{
	return RULE_BYTES + rule->filter.len + rule->share.len + rule->listener.len;
}

size_t mt_policy_image_bytes(const struct mt_policy *policy)
{
	size_t bytes = HEAD_BYTES, pos = 0;
	const struct mt_user *user;
	for (uint32_t i = BUILT_IN_COUNT; i < policy->role_count; i++)
		bytes += 2 + policy->roles[i]->name.len + 1;
	for (const struct mt_pending_rule *rule = policy->rules; rule; rule = rule->next)
		bytes += is_given(rule) ? rule_bytes(&rule->rule->rule) : 0;
	while ((user = mt_map_next(&policy->users_by_id, &pos)))
		bytes += 8 + 1 + 2 + user->name.len + 2 + user->client_id_rule.len + 4 +
			 4 * (size_t)user->role_count;
	return bytes;
}

static void put_rule(struct mt_buf *out, const struct mt_pending_rule *pending)
{
	const struct mt_rule *rule = &pending->rule->rule;
	mt_buf_put_u32(out, pending->role);
	mt_buf_put_u32(out, rule->id);
	mt_buf_put_u8(out, rule->is_deny);
	mt_buf_put_u8(out, rule->operation);
	mt_buf_put_u8(out, rule->qos_mask);
	mt_buf_put_u8(out, rule->retain);
	mt_buf_put_u8(out, rule->has_network);
	mt_buf_put(out, mt_bytes_of(rule->network.address.byte, 16));
	mt_buf_put_u8(out, rule->network.prefix_bits);
	mt_buf_put_u64(out, (uint64_t)rule->since_s);
	mt_buf_put_u64(out, (uint64_t)rule->until_s);
	put_text(out, rule->filter);
	put_text(out, rule->share);
	put_text(out, rule->listener);
}

/* The list has the last rule first: the room is filled from its end. */
static void put_rules(struct mt_buf *out, const struct mt_pending_rule *last, uint32_t count)
{
	size_t end = out->pos;
	for (const struct mt_pending_rule *rule = last; rule; rule = rule->next)
		end += is_given(rule) ? rule_bytes(&rule->rule->rule) : 0;
	if (end > out->cap) {
		out->is_overflown = true;
		return;
	}
	out->pos = end;
	for (; last && count > 0; last = last->next) {
		size_t bytes = rule_bytes(&last->rule->rule);
		struct mt_buf room;
		if (!is_given(last))
			continue;
		end -= bytes;
		room = mt_buf_of(out->data + end, bytes);
		put_rule(&room, last);
		count--;
	}
}

static void put_user(struct mt_buf *out, const struct mt_user *user)
{
	mt_buf_put_u64(out, user->id);
	mt_buf_put_u8(out, user->is_enabled);
	put_text(out, user->name);
	put_text(out, user->client_id_rule);
	mt_buf_put_u32(out, user->role_count);
	for (uint32_t i = 0; i < user->role_count; i++)
		mt_buf_put_u32(out, user->roles[i]);
}

void mt_policy_encode(const struct mt_policy *policy, struct mt_buf *out)
{
	const struct mt_user *user;
	uint32_t count = rule_count(policy);
	size_t pos = 0;
	mt_buf_put_u64(out, policy->revision);
	mt_buf_put_u32(out, policy->role_count - BUILT_IN_COUNT);
	for (uint32_t i = BUILT_IN_COUNT; i < policy->role_count; i++) {
		put_text(out, policy->roles[i]->name);
		mt_buf_put_u8(out, policy->roles[i]->is_filtering);
	}
	mt_buf_put_u32(out, count);
	put_rules(out, policy->rules, count);
	mt_buf_put_u32(out, (uint32_t)policy->users_by_id.count);
	while ((user = mt_map_next(&policy->users_by_id, &pos)))
		put_user(out, user);
}

static enum mt_status take_flag(struct mt_reader *in, bool *out)
{
	uint8_t value = mt_reader_u8(in);
	*out = value == 1;
	return value <= 1 ? MT_OK : MT_INVALID;
}

static enum mt_status read_roles(struct mt_policy_builder *builder, struct mt_reader *in)
{
	uint32_t count = mt_reader_u32(in);
	for (uint32_t i = 0; i < count; i++) {
		struct mt_bytes name = take_text(in);
		bool is_filtering;
		uint32_t id;
		MT_TRY(take_flag(in, &is_filtering));
		if (in->is_short)
			return MT_INVALID;
		MT_TRY(mt_policy_builder_role(builder, name, &id));
		if (is_filtering)
			MT_TRY(mt_policy_builder_filter(builder, id));
	}
	return MT_OK;
}

static enum mt_status read_rule(struct mt_policy_builder *builder, struct mt_reader *in)
{
	struct mt_rule rule = {0};
	uint32_t role = mt_reader_u32(in);
	struct mt_bytes address;
	rule.id = mt_reader_u32(in);
	MT_TRY(take_flag(in, &rule.is_deny));
	rule.operation = mt_reader_u8(in);
	rule.qos_mask = mt_reader_u8(in);
	rule.retain = mt_reader_u8(in);
	MT_TRY(take_flag(in, &rule.has_network));
	address = mt_reader_take(in, 16);
	rule.network.prefix_bits = mt_reader_u8(in);
	rule.since_s = (int64_t)mt_reader_u64(in);
	rule.until_s = (int64_t)mt_reader_u64(in);
	rule.filter = take_text(in);
	rule.share = take_text(in);
	rule.listener = take_text(in);
	if (in->is_short || rule.network.prefix_bits > 128 || rule.retain > MT_RETAIN_NO)
		return MT_INVALID;
	memcpy(rule.network.address.byte, address.data, address.len);
	return mt_policy_builder_rule(builder, role, &rule);
}

static enum mt_status read_user(struct mt_policy_builder *builder, struct mt_reader *in)
{
	struct mt_bytes names[MT_USER_ROLES_MAX];
	struct mt_user user = {.id = mt_reader_u64(in)};
	uint32_t count;
	MT_TRY(take_flag(in, &user.is_enabled));
	user.name = take_text(in);
	user.client_id_rule = take_text(in);
	count = mt_reader_u32(in);
	if (in->is_short || count > MT_USER_ROLES_MAX)
		return MT_INVALID;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t role = mt_reader_u32(in);
		if (in->is_short || role >= builder->policy->role_count)
			return MT_INVALID;
		names[i] = builder->policy->roles[role]->name;
	}
	return mt_policy_builder_user(builder, &user, names, count);
}

static enum mt_status read_all(struct mt_policy_builder *builder, struct mt_reader *in)
{
	uint32_t count;
	MT_TRY(read_roles(builder, in));
	count = mt_reader_u32(in);
	for (uint32_t i = 0; i < count && !in->is_short; i++)
		MT_TRY(read_rule(builder, in));
	count = mt_reader_u32(in);
	for (uint32_t i = 0; i < count && !in->is_short; i++)
		MT_TRY(read_user(builder, in));
	return in->is_short || mt_reader_left(in) > 0 ? MT_INVALID : MT_OK;
}

enum mt_status mt_policy_decode(struct mt_bytes image, struct mt_policy **out)
{
	struct mt_reader in = mt_reader_of(image);
	uint64_t revision = mt_reader_u64(&in);
	/* The seed keeps peers from aiming collisions; here is nobody to aim them. */
	struct mt_policy_builder *builder =
		mt_policy_builder_create(revision, (struct mt_seed){{revision, 0}});
	enum mt_status status;
	if (!builder)
		return MT_MEMORY;
	status = read_all(builder, &in);
	if (status != MT_OK) {
		mt_policy_builder_destroy(&builder);
		return status == MT_MEMORY ? MT_MEMORY : MT_INVALID;
	}
	return mt_policy_build(&builder, out);
}
