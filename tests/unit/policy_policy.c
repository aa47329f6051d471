/* Building snapshots: names, users, ownership, memory. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy/decide.h"

#include <stdio.h>
#include <stdlib.h>

static const struct mt_seed seed = {{3, 4}};

static struct mt_policy_builder *begin(void)
{
	struct mt_policy_builder *builder = mt_policy_builder_create(42, seed);
	assert_non_null(builder);
	return builder;
}

static struct mt_policy *build(struct mt_policy_builder *builder)
{
	struct mt_policy *policy = NULL;
	assert_int_equal(mt_policy_build(&builder, &policy), MT_OK);
	assert_null(builder);
	return policy;
}

static uint32_t add_role(struct mt_policy_builder *builder, const char *name)
{
	uint32_t role = UINT32_MAX;
	assert_int_equal(mt_policy_builder_role(builder, mt_bytes_str(name), &role), MT_OK);
	return role;
}

static struct mt_rule allow(const char *filter)
{
	return (struct mt_rule){.id = 9,
				.operation = MT_OPERATION_BOTH,
				.qos_mask = 7,
				.filter = mt_bytes_str(filter)};
}

static struct mt_user user(uint64_t id, const char *name)
{
	return (struct mt_user){.id = id, .name = mt_bytes_str(name), .is_enabled = true};
}

static enum mt_status add_user(struct mt_policy_builder *builder, uint64_t id, const char *name,
			       const char *role)
{
	struct mt_user record = user(id, name);
	struct mt_bytes role_name = mt_bytes_str(role);
	return mt_policy_builder_user(builder, &record, &role_name, role ? 1 : 0);
}

static void an_empty_snapshot_has_the_built_in_roles(void **state)
{
	struct mt_policy *policy = build(begin());
	uint32_t role = 77, other = 77;
	(void)state;
	assert_int_equal(mt_policy_revision(policy), 42);
	assert_true(mt_policy_role(policy, mt_bytes_str("open"), &role));
	assert_true(mt_policy_role(policy, mt_bytes_str("admin"), &other));
	assert_int_not_equal(role, other);
	role = 77;
	assert_false(mt_policy_role(policy, mt_bytes_str("none"), &role));
	assert_false(mt_policy_role(policy, mt_bytes_str(""), &role));
	assert_int_equal(role, 77);
	assert_null(mt_policy_user_by_name(policy, mt_bytes_str("admin")));
	assert_null(mt_policy_user_by_id(policy, 0));
	assert_int_equal(mt_policy_next_change_s(policy, 0), INT64_MAX);
	mt_policy_unref(&policy);
	assert_null(policy);
}

static void role_names_are_unique(void **state)
{
	struct mt_policy_builder *builder = begin();
	uint32_t first = add_role(builder, "a"), role = 77, second;
	(void)state;
	assert_int_equal(mt_policy_builder_role(builder, mt_bytes_str("a"), &role), MT_EXISTS);
	assert_int_equal(mt_policy_builder_role(builder, mt_bytes_str("open"), &role), MT_EXISTS);
	assert_int_equal(mt_policy_builder_role(builder, mt_bytes_str("admin"), &role), MT_EXISTS);
	assert_int_equal(mt_policy_builder_role(builder, mt_bytes_str(""), &role), MT_INVALID);
	assert_int_equal(role, 77);
	second = add_role(builder, "b");
	assert_int_equal(second, first + 1);
	mt_policy_builder_destroy(&builder);
	assert_null(builder);
	mt_policy_builder_destroy(&builder);
}

static void rules_need_a_role_of_their_own(void **state)
{
	struct mt_policy_builder *builder = begin();
	struct mt_rule rule = allow("a"), bad = allow("a/%x");
	uint32_t role = add_role(builder, "a"), open = 77;
	struct mt_policy *policy;
	(void)state;
	assert_int_equal(mt_policy_builder_rule(builder, role, &rule), MT_OK);
	assert_int_equal(mt_policy_builder_rule(builder, role, &bad), MT_INVALID);
	assert_int_equal(mt_policy_builder_rule(builder, role + 1, &rule), MT_NOT_FOUND);
	policy = build(builder);
	assert_true(mt_policy_role(policy, mt_bytes_str("open"), &open));
	mt_policy_unref(&policy);
	builder = begin();
	assert_int_equal(mt_policy_builder_rule(builder, open, &rule), MT_NOT_FOUND);
	assert_int_equal(mt_policy_builder_filter(builder, open), MT_NOT_FOUND);
	mt_policy_builder_destroy(&builder);
}

static void users_are_checked(void **state)
{
	struct mt_policy_builder *builder = begin();
	struct mt_user record = user(5, "eve");
	struct mt_bytes many[MT_USER_ROLES_MAX + 1];
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(many); i++)
		many[i] = mt_bytes_str("open");
	assert_int_equal(add_user(builder, 1, "bob", "open"), MT_OK);
	assert_int_equal(add_user(builder, 2, "bob", "open"), MT_EXISTS);
	assert_int_equal(add_user(builder, 1, "ann", "open"), MT_EXISTS);
	assert_int_equal(add_user(builder, 0, "ann", "open"), MT_INVALID);
	assert_int_equal(add_user(builder, 3, "", "open"), MT_INVALID);
	assert_int_equal(add_user(builder, 3, "an\n", "open"), MT_INVALID);
	assert_int_equal(add_user(builder, 3, "ann", "nothing"), MT_NOT_FOUND);
	assert_int_equal(add_user(builder, 3, "ann", NULL), MT_OK);
	assert_int_equal(mt_policy_builder_user(builder, &record, many, MT_COUNT_OF(many)),
			 MT_INVALID);
	assert_int_equal(mt_policy_builder_user(builder, &record, many, MT_USER_ROLES_MAX), MT_OK);
	mt_policy_builder_destroy(&builder);
}

static void users_are_found_by_name_and_id(void **state)
{
	struct mt_policy_builder *builder = begin();
	const struct mt_user *found;
	struct mt_policy *policy;
	char name[16];
	(void)state;
	for (uint64_t i = 1; i <= 300; i++) {
		snprintf(name, sizeof(name), "user%u", (unsigned)i);
		assert_int_equal(add_user(builder, i << 32 | i, name, "open"), MT_OK);
	}
	policy = build(builder);
	for (uint64_t i = 1; i <= 300; i++) {
		snprintf(name, sizeof(name), "user%u", (unsigned)i);
		found = mt_policy_user_by_name(policy, mt_bytes_str(name));
		assert_non_null(found);
		assert_int_equal(found->id, i << 32 | i);
		assert_ptr_equal(mt_policy_user_by_id(policy, i << 32 | i), found);
	}
	assert_null(mt_policy_user_by_name(policy, mt_bytes_str("user")));
	assert_null(mt_policy_user_by_name(policy, mt_bytes_str("user301")));
	assert_null(mt_policy_user_by_id(policy, 1));
	mt_policy_unref(&policy);
}

/* The snapshot owns all it needs: what it was built from is overwritten before it is asked. */
static void everything_is_copied(void **state)
{
	char filter[] = "a/b", share[] = "group", name[] = "bob", hash[] = "$argon2id$",
	     token[32] = "token", ids[] = "bob-*";
	char role_name[] = "role";
	struct mt_policy_builder *builder = begin();
	struct mt_user record = user(1, name);
	struct mt_rule rule = allow(filter);
	struct mt_bytes role_view = mt_bytes_str(role_name);
	struct mt_subject subject = {.user_id = 1, .user = mt_bytes_str("bob")};
	const struct mt_user *found;
	struct mt_policy *policy;
	uint32_t role = add_role(builder, role_name);
	(void)state;
	rule.share = mt_bytes_str(share);
	record.password_hash = mt_bytes_str(hash);
	record.token_hash = mt_bytes_of(token, sizeof(token));
	record.client_id_rule = mt_bytes_str(ids);
	assert_int_equal(mt_policy_builder_rule(builder, role, &rule), MT_OK);
	assert_int_equal(mt_policy_builder_user(builder, &record, &role_view, 1), MT_OK);
	filter[0] = share[0] = name[0] = hash[0] = token[0] = ids[0] = role_name[0] = '?';
	policy = build(builder);
	found = mt_policy_user_by_name(policy, mt_bytes_str("bob"));
	assert_non_null(found);
	assert_true(mt_bytes_equal(found->password_hash, mt_bytes_str("$argon2id$")));
	assert_true(mt_bytes_equal(found->client_id_rule, mt_bytes_str("bob-*")));
	assert_int_equal(found->token_hash.len, 32);
	assert_int_equal(found->token_hash.data[0], 't');
	assert_int_equal(found->role_count, 1);
	assert_int_equal(found->roles[0], role);
	assert_true(mt_policy_role(policy, mt_bytes_str("role"), &role));
	assert_true(
		mt_decide_publish(policy, &subject, mt_bytes_str("a/b"), 0, false, 0).is_allowed);
	assert_true(mt_decide_subscribe(policy, &subject, mt_bytes_str("a/b"),
					mt_bytes_str("group"), 0, 0)
			    .is_allowed);
	mt_policy_unref(&policy);
}

static void the_last_reader_frees(void **state)
{
	struct mt_policy *policy = build(begin()), *other = mt_policy_ref(policy), *none = NULL;
	(void)state;
	mt_policy_unref(&policy);
	assert_null(policy);
	assert_int_equal(mt_policy_revision(other), 42);
	mt_policy_unref(&other);
	mt_policy_unref(&none);
}

static void the_next_change_is_the_earliest_deadline(void **state)
{
	static const int64_t deadlines[] = {500, 100, 0, 300, 100};
	struct mt_policy_builder *builder = begin();
	uint32_t role = add_role(builder, "a");
	struct mt_policy *policy;
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(deadlines); i++) {
		struct mt_rule rule = allow("a");
		rule.until_s = deadlines[i];
		assert_int_equal(mt_policy_builder_rule(builder, role, &rule), MT_OK);
	}
	policy = build(builder);
	assert_int_equal(mt_policy_next_change_s(policy, 0), 100);
	assert_int_equal(mt_policy_next_change_s(policy, 99), 100);
	assert_int_equal(mt_policy_next_change_s(policy, 100), 300);
	assert_int_equal(mt_policy_next_change_s(policy, 499), 500);
	assert_int_equal(mt_policy_next_change_s(policy, 500), INT64_MAX);
	mt_policy_unref(&policy);
}

/* More of them than a block of the arena holds: one counted too few would lie outside. */
static void many_deadlines_have_room(void **state)
{
	struct mt_policy_builder *builder = begin();
	uint32_t role = add_role(builder, "a");
	struct mt_policy *policy;
	(void)state;
	for (int i = 1; i <= 20000; i++) {
		struct mt_rule rule = allow("a");
		rule.until_s = i;
		assert_int_equal(mt_policy_builder_rule(builder, role, &rule), MT_OK);
	}
	policy = build(builder);
	for (int64_t now_s = 0; now_s < 20000; now_s += 999)
		assert_int_equal(mt_policy_next_change_s(policy, now_s), now_s + 1);
	assert_int_equal(mt_policy_next_change_s(policy, 20000), INT64_MAX);
	mt_policy_unref(&policy);
}

/* ---- one from another ---- */

static struct mt_policy *first(void)
{
	struct mt_policy_builder *builder = begin();
	struct mt_rule rule = allow("a/#");
	for (int i = 0; i < 3; i++) {
		const char *names[] = {"r0", "r1", "r2"};
		uint32_t role = add_role(builder, names[i]);
		assert_int_equal(mt_policy_builder_rule(builder, role, &rule), MT_OK);
		assert_int_equal(add_user(builder, (uint64_t)i + 1, names[i], names[i]), MT_OK);
	}
	return build(builder);
}

static bool may(const struct mt_policy *policy, uint64_t user_id, const char *topic)
{
	struct mt_subject subject = {.user_id = user_id};
	return mt_decide_publish(policy, &subject, mt_bytes_str(topic), 0, false, 1).is_allowed;
}

static uint64_t stamp(const struct mt_policy *policy, uint64_t user_id)
{
	return mt_policy_stamp(policy, &(struct mt_subject){.user_id = user_id});
}

static void what_changes_is_new_and_the_rest_shared(void **state)
{
	struct mt_policy *old = first(), *now;
	struct mt_policy_builder *builder = mt_policy_builder_from(old, 50);
	struct mt_rule rule = allow("b/#");
	uint32_t former, role;
	(void)state;
	assert_true(mt_policy_role(old, mt_bytes_str("r1"), &former));
	assert_int_equal(mt_policy_builder_role(builder, mt_bytes_str("r1"), &role), MT_OK);
	assert_int_equal(role, former);
	assert_int_equal(mt_policy_builder_role(builder, mt_bytes_str("r1"), &role), MT_EXISTS);
	assert_int_equal(mt_policy_builder_rule(builder, role, &rule), MT_OK);
	assert_int_equal(mt_policy_builder_drop_user(builder, 3), MT_OK);
	assert_int_equal(mt_policy_builder_drop_user(builder, 3), MT_NOT_FOUND);
	assert_int_equal(add_user(builder, 1, "other", "r0"), MT_EXISTS);
	assert_int_equal(mt_policy_build(&builder, &now), MT_OK);
	assert_true(may(old, 2, "a/x") && !may(old, 2, "b/x") && may(old, 3, "a/x"));
	assert_true(!may(now, 2, "a/x") && may(now, 2, "b/x") && !may(now, 3, "a/x"));
	assert_true(may(now, 1, "a/x"));
	assert_int_equal(mt_policy_revision(now), 50);
	assert_int_equal(stamp(now, 1), stamp(old, 1));
	assert_int_equal(stamp(now, 2), 50);
	assert_true(stamp(old, 3) != 0);
	assert_int_equal(stamp(now, 3), 0);
	assert_ptr_equal(mt_policy_user_by_id(old, 1), mt_policy_user_by_id(now, 1));
	mt_policy_unref(&old);
	assert_true(may(now, 1, "a/x"));
	mt_policy_unref(&now);
}

/* Nobody inherits what a removed role left behind. */
static void who_holds_a_dropped_role_may_nothing(void **state)
{
	struct mt_policy *old = first(), *now, *later;
	struct mt_policy_builder *builder = mt_policy_builder_from(old, 50);
	uint32_t role, next;
	(void)state;
	assert_true(mt_policy_role(old, mt_bytes_str("r2"), &role));
	assert_int_equal(mt_policy_builder_drop_role(builder, mt_bytes_str("r2")), MT_OK);
	assert_int_equal(mt_policy_builder_drop_role(builder, mt_bytes_str("r2")), MT_NOT_FOUND);
	assert_int_equal(mt_policy_builder_drop_role(builder, mt_bytes_str("open")), MT_NOT_FOUND);
	assert_int_equal(mt_policy_build(&builder, &now), MT_OK);
	assert_false(may(now, 3, "a/x"));
	assert_false(mt_policy_admits(now, &(struct mt_subject){.user_id = 3}));
	assert_int_equal(stamp(now, 3), 0);
	builder = mt_policy_builder_from(now, 51);
	assert_int_equal(mt_policy_builder_role(builder, mt_bytes_str("r3"), &next), MT_OK);
	assert_int_equal(next, role + 1);
	assert_int_equal(mt_policy_build(&builder, &later), MT_OK);
	assert_false(may(later, 3, "a/x"));
	mt_policy_unref(&old);
	mt_policy_unref(&now);
	mt_policy_unref(&later);
}

static void many_removed_roles_make_it_sparse(void **state)
{
	struct mt_policy *policy = first();
	(void)state;
	for (uint64_t i = 0; i < 1200; i++) {
		struct mt_policy_builder *builder = mt_policy_builder_from(policy, 50 + i);
		uint32_t role;
		assert_non_null(builder);
		assert_false(mt_policy_is_sparse(policy));
		assert_int_equal(mt_policy_builder_drop_role(builder, mt_bytes_str("x")),
				 i == 0 ? MT_NOT_FOUND : MT_OK);
		assert_int_equal(mt_policy_builder_role(builder, mt_bytes_str("x"), &role), MT_OK);
		mt_policy_unref(&policy);
		assert_int_equal(mt_policy_build(&builder, &policy), MT_OK);
		if (mt_policy_is_sparse(policy))
			break;
	}
	assert_true(mt_policy_is_sparse(policy));
	assert_true(may(policy, 1, "a/x"));
	mt_policy_unref(&policy);
}

/* ---- memory ---- */

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	__has_feature(memory_sanitizer)
#define HAS_SANITIZER
#endif
#endif

#ifndef HAS_SANITIZER
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *old, size_t bytes);

static uint64_t fail_in; /* 0: never */

static bool fails(void)
{
	return fail_in > 0 && --fail_in == 0;
}

void *malloc(size_t bytes)
{
	return fails() ? NULL : __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
	return fails() ? NULL : __libc_calloc(count, bytes);
}

void *realloc(void *old, size_t bytes)
{
	return fails() ? NULL : __libc_realloc(old, bytes);
}

/* A change of everything there is, given up at the first failure. */
static enum mt_status change(const struct mt_policy *former, struct mt_policy **out)
{
	struct mt_policy_builder *builder = mt_policy_builder_from(former, 50);
	struct mt_rule rule = allow("site/%c/+/x/#");
	struct mt_bytes name = mt_bytes_str("r1");
	struct mt_user bob = user(9, "bob");
	enum mt_status status = builder ? MT_OK : MT_MEMORY;
	uint32_t role = 0;
	for (int i = 0; i < 40 && status == MT_OK; i++) {
		char text[16];
		snprintf(text, sizeof(text), "role%d", i);
		status = mt_policy_builder_role(builder, mt_bytes_str(text), &role);
		if (status == MT_OK)
			status = mt_policy_builder_rule(builder, role, &rule);
	}
	if (status == MT_OK)
		status = mt_policy_builder_role(builder, name, &role);
	if (status == MT_OK)
		status = mt_policy_builder_user(builder, &bob, &name, 1);
	if (status == MT_OK)
		status = mt_policy_builder_drop_user(builder, 1);
	if (status == MT_OK)
		status = mt_policy_builder_drop_role(builder, mt_bytes_str("r0"));
	if (status == MT_OK)
		return mt_policy_build(&builder, out);
	mt_policy_builder_destroy(&builder);
	return status;
}

static void every_failed_allocation_is_survived(void **state)
{
	struct mt_policy *old = first(), *now = NULL;
	enum mt_status status;
	uint64_t count = 0;
	(void)state;
	do {
		fail_in = ++count;
		status = change(old, &now);
		fail_in = 0;
		assert_true(status == MT_OK || (status == MT_MEMORY && !now));
		assert_true(may(old, 1, "a/x") && may(old, 2, "a/x") && !may(old, 9, "a/x"));
	} while (status != MT_OK);
	assert_in_range(count, 10, 1000);
	mt_policy_unref(&now);
	mt_policy_unref(&old);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_snapshot_has_the_built_in_roles),
		cmocka_unit_test(role_names_are_unique),
		cmocka_unit_test(rules_need_a_role_of_their_own),
		cmocka_unit_test(users_are_checked),
		cmocka_unit_test(users_are_found_by_name_and_id),
		cmocka_unit_test(everything_is_copied),
		cmocka_unit_test(the_last_reader_frees),
		cmocka_unit_test(the_next_change_is_the_earliest_deadline),
		cmocka_unit_test(many_deadlines_have_room),
		cmocka_unit_test(what_changes_is_new_and_the_rest_shared),
		cmocka_unit_test(who_holds_a_dropped_role_may_nothing),
		cmocka_unit_test(many_removed_roles_make_it_sparse),
#ifndef HAS_SANITIZER
		cmocka_unit_test(every_failed_allocation_is_survived),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
