/* Snapshots written and read again by way of the builder. */
#include "policy/image.h"

#include "policy/snapshot.h"

#define RULE_BYTES (4 + 1 + 1 + 1 + 1 + 1 + 16 + 1 + 8 + 8 + 2 + 2 + 2)
#define HEAD_BYTES (8 + 4 + 4)

static void put_text(struct mt_buf *out, struct mt_bytes text)
{
	mt_buf_put_u16(out, (uint16_t)text.len);
	mt_buf_put(out, text);
}

static struct mt_bytes take_text(struct mt_reader *in)
{
	return mt_reader_take(in, mt_reader_u16(in));
}

static void put_rule(struct mt_buf *out, const struct mt_rule *rule)
{
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

static size_t role_bytes(const struct mt_role *role)
{
	size_t bytes = 2 + role->name.len + 1 + 4;
	for (const struct mt_trie_rule *rule = role->first; rule; rule = rule->later)
		bytes += RULE_BYTES + rule->rule.filter.len + rule->rule.share.len +
			 rule->rule.listener.len;
	return bytes;
}

static void put_role(struct mt_buf *out, const struct mt_role *role)
{
	uint32_t count = 0;
	for (const struct mt_trie_rule *rule = role->first; rule; rule = rule->later)
		count++;
	put_text(out, role->name);
	mt_buf_put_u8(out, role->is_filtering);
	mt_buf_put_u32(out, count);
	for (const struct mt_trie_rule *rule = role->first; rule; rule = rule->later)
		put_rule(out, &rule->rule);
}

/* What the visits of users gather. */
struct writing {
	const struct mt_policy *policy;
	struct mt_buf *out;
	size_t bytes;
};

/* A role that is gone leaves an empty name, which no snapshot takes: who has it may do nothing,
 * and no builder makes such users. */
static struct mt_bytes role_name(const struct mt_policy *policy, uint32_t id)
{
	return policy->roles[id] ? policy->roles[id]->name : mt_bytes_of(NULL, 0);
}

static bool count_user(void *context, const void *value)
{
	struct writing *writing = context;
	const struct mt_user *user = value;
	writing->bytes += 8 + 1 + 2 + user->name.len + 2 + user->client_id_rule.len + 4;
	for (uint32_t i = 0; i < user->role_count; i++)
		writing->bytes += 2 + role_name(writing->policy, user->roles[i]).len;
	return true;
}

static bool put_user(void *context, const void *value)
{
	const struct writing *writing = context;
	const struct mt_user *user = value;
	mt_buf_put_u64(writing->out, user->id);
	mt_buf_put_u8(writing->out, user->is_enabled);
	put_text(writing->out, user->name);
	put_text(writing->out, user->client_id_rule);
	mt_buf_put_u32(writing->out, user->role_count);
	for (uint32_t i = 0; i < user->role_count; i++)
		put_text(writing->out, role_name(writing->policy, user->roles[i]));
	return true;
}

size_t mt_policy_image_bytes(const struct mt_policy *policy)
{
	struct writing writing = {.policy = policy, .bytes = HEAD_BYTES};
	for (uint32_t i = MT_BUILT_IN_ROLES; i < policy->role_count; i++)
		writing.bytes += policy->roles[i] ? role_bytes(policy->roles[i]) : 0;
	(void)mt_hamt_each(&policy->users_by_id, count_user, &writing);
	return writing.bytes;
}

void mt_policy_encode(const struct mt_policy *policy, struct mt_buf *out)
{
	struct writing writing = {.policy = policy, .out = out};
	mt_buf_put_u64(out, policy->revision);
	mt_buf_put_u32(out, (uint32_t)policy->roles_by_name.count - MT_BUILT_IN_ROLES);
	for (uint32_t i = MT_BUILT_IN_ROLES; i < policy->role_count; i++)
		if (policy->roles[i])
			put_role(out, policy->roles[i]);
	mt_buf_put_u32(out, (uint32_t)policy->users_by_id.count);
	(void)mt_hamt_each(&policy->users_by_id, put_user, &writing);
}

static enum mt_status take_flag(struct mt_reader *in, bool *out)
{
	uint8_t value = mt_reader_u8(in);
	*out = value == 1;
	return value <= 1 ? MT_OK : MT_INVALID;
}

static enum mt_status read_rule(struct mt_policy_builder *builder, uint32_t role,
				struct mt_reader *in)
{
	struct mt_rule rule = {.id = mt_reader_u32(in)};
	struct mt_bytes address;
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

static enum mt_status read_role(struct mt_policy_builder *builder, struct mt_reader *in)
{
	struct mt_bytes name = take_text(in);
	bool is_filtering;
	uint32_t id, count;
	MT_TRY(take_flag(in, &is_filtering));
	count = mt_reader_u32(in);
	if (in->is_short)
		return MT_INVALID;
	MT_TRY(mt_policy_builder_role(builder, name, &id));
	if (is_filtering)
		MT_TRY(mt_policy_builder_filter(builder, id));
	for (uint32_t i = 0; i < count; i++)
		MT_TRY(read_rule(builder, id, in));
	return MT_OK;
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
	for (uint32_t i = 0; i < count; i++)
		names[i] = take_text(in);
	return in->is_short ? MT_INVALID : mt_policy_builder_user(builder, &user, names, count);
}

static enum mt_status read_all(struct mt_policy_builder *builder, struct mt_reader *in)
{
	uint32_t count = mt_reader_u32(in);
	for (uint32_t i = 0; i < count; i++)
		MT_TRY(read_role(builder, in));
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
