/* Snapshots as bytes: they come back as they were, without the hashes, and damaged ones are
 * refused. */
#include "policy/image.h"

#include "policy/decide.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct mt_policy *make(void)
{
	const struct mt_rule rules[] = {
		{.id = 11,
		 .operation = MT_OPERATION_BOTH,
		 .qos_mask = 7,
		 .filter = mt_bytes_str("own/%c/#"),
		 .share = mt_bytes_str("any")},
		{.id = 12,
		 .is_deny = true,
		 .operation = MT_OPERATION_PUBLISH,
		 .qos_mask = 3,
		 .retain = MT_RETAIN_YES,
		 .has_network = true,
		 .network = {.prefix_bits = 104},
		 .since_s = 1700000000,
		 .until_s = 1800000000,
		 .listener = mt_bytes_str("tls"),
		 .filter = mt_bytes_str("own/+/secret")},
	};
	struct mt_policy_builder *builder = mt_policy_builder_create(42, (struct mt_seed){{3, 4}});
	struct mt_user user = {.id = 7,
			       .name = mt_bytes_str("anna"),
			       .is_enabled = true,
			       .password_hash = mt_bytes_str("$argon2id$hash-of-anna"),
			       .client_id_rule = mt_bytes_str("%u")};
	struct mt_user other = {.id = 9, .name = mt_bytes_str("bob")};
	struct mt_bytes names[] = {mt_bytes_str("sensors"), mt_bytes_str("open")};
	struct mt_policy *policy;
	uint32_t role;
	assert_int_equal(mt_policy_builder_role(builder, names[0], &role), MT_OK);
	assert_int_equal(mt_policy_builder_filter(builder, role), MT_OK);
	for (size_t i = 0; i < MT_COUNT_OF(rules); i++)
		assert_int_equal(mt_policy_builder_rule(builder, role, &rules[i]), MT_OK);
	assert_int_equal(mt_policy_builder_user(builder, &user, names, 2), MT_OK);
	assert_int_equal(mt_policy_builder_user(builder, &other, names, 0), MT_OK);
	assert_int_equal(mt_policy_build(&builder, &policy), MT_OK);
	return policy;
}

static struct mt_bytes encode(const struct mt_policy *policy)
{
	size_t bytes = mt_policy_image_bytes(policy);
	struct mt_buf buf = mt_buf_of(malloc(bytes), bytes);
	assert_non_null(buf.data);
	mt_policy_encode(policy, &buf);
	assert_false(buf.is_overflown);
	assert_int_equal(buf.pos, bytes);
	return mt_buf_view(&buf);
}

static void drop(struct mt_bytes image)
{
	free((void *)(uintptr_t)image.data);
}

static void test_round_trip(void **state)
{
	struct mt_policy *policy = make(), *copy;
	struct mt_bytes image = encode(policy), again;
	const struct mt_user *user;
	uint32_t role;
	(void)state;
	assert_int_equal(mt_policy_decode(image, &copy), MT_OK);
	again = encode(copy);
	assert_int_equal(mt_policy_revision(copy), 42);
	assert_true(mt_policy_role(copy, mt_bytes_str("sensors"), &role));
	user = mt_policy_user_by_id(copy, 7);
	assert_non_null(user);
	assert_true(user->is_enabled);
	assert_int_equal(user->role_count, 2);
	assert_int_equal(user->roles[0], role);
	assert_true(mt_bytes_equal(user->client_id_rule, mt_bytes_str("%u")));
	assert_false(mt_policy_user_by_name(copy, mt_bytes_str("bob"))->is_enabled);
	assert_int_equal(mt_policy_next_change_s(copy, 0), 1700000000);
	assert_int_equal(mt_policy_next_change_s(copy, 1700000000), 1800000000);
	assert_true(mt_decide_subscribe(
			    copy,
			    &(struct mt_subject){.user_id = 7, .client_id = mt_bytes_str("c")},
			    mt_bytes_str("other"), mt_bytes_of(NULL, 0), 0, 1)
			    .is_allowed); /* its role filters */
	/* Users stand in the order of a table with a seed, so only the size is the same. */
	assert_int_equal(again.len, image.len);
	mt_policy_unref(&copy);
	mt_policy_unref(&policy);
	drop(image);
	drop(again);
}

static void test_hashes_stay_behind(void **state)
{
	struct mt_policy *policy = make();
	struct mt_bytes image = encode(policy);
	(void)state;
	assert_null(memmem(image.data, image.len, "hash-of-anna", 12));
	assert_null(memmem(image.data, image.len, "argon", 5));
	mt_policy_unref(&policy);
	drop(image);
}

static void test_each_truncation_is_refused(void **state)
{
	struct mt_policy *policy = make(), *copy;
	struct mt_bytes image = encode(policy);
	(void)state;
	for (size_t len = 0; len < image.len; len++)
		assert_int_equal(mt_policy_decode(mt_bytes_of(image.data, len), &copy), MT_INVALID);
	mt_policy_unref(&policy);
	drop(image);
}

static void test_each_change_is_refused_or_decides(void **state)
{
	struct mt_policy *policy = make(), *copy;
	struct mt_bytes image = encode(policy);
	uint8_t *data = malloc(image.len);
	(void)state;
	for (size_t at = 0; at < image.len; at++)
		for (int bit = 0; bit < 8; bit++) {
			memcpy(data, image.data, image.len);
			data[at] ^= (uint8_t)(1 << bit);
			if (mt_policy_decode(mt_bytes_of(data, image.len), &copy) == MT_OK)
				mt_policy_unref(&copy);
		}
	free(data);
	mt_policy_unref(&policy);
	drop(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_hashes_stay_behind),
		cmocka_unit_test(test_each_truncation_is_refused),
		cmocka_unit_test(test_each_change_is_refused_or_decides),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
