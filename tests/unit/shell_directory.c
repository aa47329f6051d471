/* From rows to a policy: everything arrives, and one bad row refuses all and is named. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/rng.h"
#include "policy/decide.h"
#include "identity/client_id.h"
#include "shell/directory.h"

#include "folder.h"

struct place {
	const char *folder;
	struct mt_state *state;
	struct mt_policy *policy;
	char fault[256];
};

static int setup(void **context)
{
	static struct place place;
	char path[600];
	memset(&place, 0, sizeof(place));
	place.folder = folder_make();
	snprintf(path, sizeof(path), "%s/mortise.db", place.folder);
	*context = &place;
	return mt_state_open(path, true, &place.state, place.fault, sizeof(place.fault)) == MT_OK
		       ? 0
		       : 1;
}

static int teardown(void **context)
{
	struct place *place = *context;
	if (place->policy)
		mt_policy_unref(&place->policy);
	mt_state_close(&place->state);
	folder_remove(place->folder);
	return 0;
}

static enum mt_status load(struct place *place)
{
	place->fault[0] = '\0';
	return mt_directory_load(place->state, &place->policy, place->fault, sizeof(place->fault));
}

static void begin(struct place *place)
{
	assert_int_equal(mt_state_begin(place->state, "tester", "", 1), MT_OK);
}

static void commit(struct place *place)
{
	assert_int_equal(mt_state_commit(place->state), MT_OK);
}

static uint64_t add_user(struct place *place, const char *name)
{
	struct mt_state_user user = {
		.name = name, .is_enabled = true, .password_hash = "", .client_id_rule = ""};
	uint64_t id = 0;
	assert_int_equal(mt_state_user_add(place->state, &user, &id), MT_OK);
	return id;
}

static uint32_t add_rule(struct place *place, const char *role, const struct mt_state_rule *rule)
{
	uint32_t id = 0;
	assert_int_equal(mt_state_rule_add(place->state, role, rule, &id), MT_OK);
	return id;
}

static struct mt_state_rule allow(const char *filter)
{
	return (struct mt_state_rule){.operation = 3,
				      .qos_mask = 7,
				      .filter = filter,
				      .share = "",
				      .network = "",
				      .listener = ""};
}

static struct mt_subject subject_of(uint64_t id, const char *name)
{
	struct mt_subject subject = {
		.user_id = id, .user = mt_bytes_str(name), .client_id = mt_bytes_str("c")};
	static const uint8_t address[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 7, 1, 1};
	memcpy(subject.address.byte, address, sizeof(address));
	return subject;
}

static bool may_publish(const struct place *place, uint64_t id, const char *name, const char *topic,
			uint8_t qos)
{
	struct mt_subject subject = subject_of(id, name);
	return mt_decide_publish(place->policy, &subject, mt_bytes_str(topic), qos, false, 1000)
		.is_allowed;
}

static void empty_database_is_an_empty_policy(void **context)
{
	struct place *place = *context;
	assert_int_equal(load(place), MT_OK);
	assert_int_equal(mt_policy_revision(place->policy), 0);
	assert_null(mt_policy_user_by_name(place->policy, mt_bytes_str("admin")));
	assert_false(may_publish(place, 1, "admin", "a", 0));
}

static void users_arrive_with_every_field(void **context)
{
	struct place *place = *context;
	uint8_t token[32];
	struct mt_state_user row = {
		.name = "th-17", .password_hash = "$hash", .client_id_rule = "%u-*"};
	const struct mt_user *user;
	memset(token, 7, sizeof(token));
	row.token_hash = mt_bytes_of(token, sizeof(token));
	begin(place);
	assert_int_equal(mt_state_user_add(place->state, &row, &row.id), MT_OK);
	commit(place);
	assert_int_equal(load(place), MT_OK);
	assert_int_equal(mt_policy_revision(place->policy), 1);
	user = mt_policy_user_by_name(place->policy, mt_bytes_str("th-17"));
	assert_non_null(user);
	assert_ptr_equal(user, mt_policy_user_by_id(place->policy, row.id));
	assert_false(user->is_enabled);
	assert_true(mt_bytes_equal(user->password_hash, mt_bytes_str("$hash")));
	assert_true(mt_bytes_equal(user->token_hash, row.token_hash));
	assert_true(mt_bytes_equal(user->client_id_rule, mt_bytes_str("%u-*")));
}

/* From before such a rule was refused: the broker starts, and the user does not come in. */
static void a_client_id_rule_of_old_lets_nobody_in(void **context)
{
	static const char *const ids[] = {"50%", "%{uid}", "", "50%u", "u"};
	struct place *place = *context;
	struct mt_state_user row = {
		.name = "old", .is_enabled = true, .password_hash = "", .client_id_rule = "50%"};
	const struct mt_user *user;
	begin(place);
	assert_int_equal(mt_state_user_add(place->state, &row, &row.id), MT_OK);
	commit(place);
	assert_int_equal(load(place), MT_OK);
	user = mt_policy_user_by_id(place->policy, row.id);
	assert_non_null(user);
	for (size_t i = 0; i < MT_COUNT_OF(ids); i++)
		assert_false(
			mt_client_id_keeps(user->client_id_rule, user->name, mt_bytes_str(ids[i])));
}

static void rules_arrive_with_every_axis(void **context)
{
	struct place *place = *context;
	struct mt_state_rule rule = allow("a/#"), deny = allow("a/secret"), near = allow("near"),
			     far = allow("far");
	struct mt_state_rule brief = allow("brief");
	uint64_t id;
	rule.qos_mask = 3;
	deny.is_deny = true;
	near.network = "10.7.0.0/16";
	far.network = "192.0.2.0/24";
	brief.until_s = 999;
	begin(place);
	id = add_user(place, "u");
	assert_int_equal(mt_state_role_add(place->state, "r"), MT_OK);
	assert_int_equal(mt_state_grant(place->state, "u", "r"), MT_OK);
	add_rule(place, "r", &rule);
	add_rule(place, "r", &deny);
	add_rule(place, "r", &near);
	add_rule(place, "r", &far);
	add_rule(place, "r", &brief);
	commit(place);
	assert_int_equal(load(place), MT_OK);
	assert_true(may_publish(place, id, "u", "a/b", 0));
	assert_true(may_publish(place, id, "u", "a/b", 1));
	assert_false(may_publish(place, id, "u", "a/b", 2));
	assert_false(may_publish(place, id, "u", "a/secret", 0));
	assert_true(may_publish(place, id, "u", "near", 0));
	assert_false(may_publish(place, id, "u", "far", 0));
	assert_false(may_publish(place, id, "u", "brief", 0));
	assert_int_equal(mt_policy_next_change_s(place->policy, 500), 999);
}

static void built_in_roles_need_no_row(void **context)
{
	struct place *place = *context;
	uint64_t id;
	begin(place);
	id = add_user(place, "admin");
	assert_int_equal(mt_state_grant(place->state, "admin", "admin"), MT_OK);
	commit(place);
	assert_int_equal(load(place), MT_OK);
	assert_true(may_publish(place, id, "admin", "any/topic", 2));
}

/* Each user gets the roles of its own, and no others'. */
static void roles_do_not_mix(void **context)
{
	struct place *place = *context;
	struct mt_state_rule a = allow("a"), b = allow("b");
	uint64_t first, second, third;
	begin(place);
	assert_int_equal(mt_state_role_add(place->state, "ra"), MT_OK);
	assert_int_equal(mt_state_role_add(place->state, "rb"), MT_OK);
	add_rule(place, "rb", &b);
	add_rule(place, "ra", &a);
	first = add_user(place, "u1");
	second = add_user(place, "u2");
	third = add_user(place, "u3");
	assert_int_equal(mt_state_grant(place->state, "u1", "ra"), MT_OK);
	assert_int_equal(mt_state_grant(place->state, "u2", "rb"), MT_OK);
	commit(place);
	assert_int_equal(load(place), MT_OK);
	assert_true(may_publish(place, first, "u1", "a", 0));
	assert_false(may_publish(place, first, "u1", "b", 0));
	assert_false(may_publish(place, second, "u2", "a", 0));
	assert_true(may_publish(place, second, "u2", "b", 0));
	assert_false(may_publish(place, third, "u3", "a", 0));
}

/* Among many good rows. */
static void bad_rule_refuses_all_and_is_named(void **context)
{
	struct place *place = *context;
	struct mt_state_rule good = allow("a"), bad = allow("a/#/b"), astray = allow("a");
	char name[64];
	uint32_t id;
	astray.network = "10.0.0.0/99";
	begin(place);
	assert_int_equal(mt_state_role_add(place->state, "first"), MT_OK);
	assert_int_equal(mt_state_role_add(place->state, "second"), MT_OK);
	add_rule(place, "first", &good);
	id = add_rule(place, "second", &bad);
	commit(place);
	assert_int_equal(load(place), MT_INVALID);
	assert_null(place->policy);
	snprintf(name, sizeof(name), "role second, rule %u: ", id);
	assert_int_equal(strncmp(place->fault, name, strlen(name)), 0);
	begin(place);
	assert_int_equal(mt_state_rule_remove(place->state, "second", id), MT_OK);
	id = add_rule(place, "first", &astray);
	commit(place);
	assert_int_equal(load(place), MT_INVALID);
	snprintf(name, sizeof(name), "role first, rule %u: ", id);
	assert_int_equal(strncmp(place->fault, name, strlen(name)), 0);
	begin(place);
	assert_int_equal(mt_state_rule_remove(place->state, "first", id), MT_OK);
	commit(place);
	assert_int_equal(load(place), MT_OK);
}

static void bad_user_name_is_named(void **context)
{
	struct place *place = *context;
	begin(place);
	add_user(place, "good");
	add_user(place, "new\nline");
	commit(place);
	assert_int_equal(load(place), MT_INVALID);
	assert_int_equal(strncmp(place->fault, "user ", 5), 0);
	assert_null(place->policy);
}

static void roles_of_a_user_are_limited(void **context)
{
	struct place *place = *context;
	char name[16];
	begin(place);
	add_user(place, "u");
	for (unsigned i = 0; i < MT_USER_ROLES_MAX; i++) {
		snprintf(name, sizeof(name), "r%02u", i);
		assert_int_equal(mt_state_role_add(place->state, name), MT_OK);
		assert_int_equal(mt_state_grant(place->state, "u", name), MT_OK);
	}
	commit(place);
	assert_int_equal(load(place), MT_OK);
	assert_int_equal(mt_policy_user_by_name(place->policy, mt_bytes_str("u"))->role_count,
			 MT_USER_ROLES_MAX);
	mt_policy_unref(&place->policy);
	begin(place);
	assert_int_equal(mt_state_grant(place->state, "u", "open"), MT_OK);
	commit(place);
	assert_int_equal(load(place), MT_LIMIT);
	assert_int_equal(strncmp(place->fault, "user u: ", 8), 0);
}

/* ---- a snapshot from the one before, and one from nothing ---- */

#define USERS 8u
#define ROLES 5u

static const char *const some_topics[] = {"a", "b", "a/b"};
static const char *const some_filters[] = {"a/#", "b", "+", "%u/x"};

static void change_at_random(struct place *place, struct mt_rng *rng)
{
	char user[8], role[8];
	struct mt_state_rule rule = allow(some_filters[mt_rng_below(rng, 4)]);
	enum mt_status status = MT_OK;
	rule.is_deny = mt_rng_below(rng, 3) == 0;
	snprintf(user, sizeof(user), "u%d", (int)mt_rng_below(rng, USERS));
	snprintf(role, sizeof(role), "r%d", (int)mt_rng_below(rng, ROLES));
	switch (mt_rng_below(rng, 8)) {
	case 0:
		status = mt_state_user_remove(place->state, user);
		break;
	case 1:
		status = mt_state_user_add(place->state,
					   &(struct mt_state_user){.name = user,
								   .is_enabled = true,
								   .password_hash = "",
								   .client_id_rule = ""},
					   &(uint64_t){0});
		break;
	case 2:
		status = mt_state_role_add(place->state, role);
		break;
	case 3:
		status = mt_state_role_remove(place->state, role);
		break;
	case 4:
		status = mt_state_grant(place->state, user, role);
		break;
	case 5:
		status = mt_state_ungrant(place->state, user, role);
		break;
	case 6:
		status = mt_state_role_update(
			place->state, &(struct mt_state_role){role, mt_rng_below(rng, 2) == 0});
		break;
	default:
		status = mt_state_rule_add(place->state, role, &rule, &(uint32_t){0});
	}
	assert_true(status == MT_OK || status == MT_NOT_FOUND || status == MT_EXISTS ||
		    status == MT_DENIED);
}

static void assert_same(const struct mt_policy *one, const struct mt_policy *other, uint64_t id_max)
{
	assert_int_equal(mt_policy_revision(one), mt_policy_revision(other));
	for (uint64_t id = 1; id <= id_max; id++) {
		const struct mt_user *user = mt_policy_user_by_id(one, id);
		struct mt_subject subject = {.user_id = id};
		assert_int_equal(user != NULL, mt_policy_user_by_id(other, id) != NULL);
		if (!user)
			continue;
		subject.user = user->name;
		assert_ptr_equal(mt_policy_user_by_name(one, user->name), user);
		assert_int_equal(mt_policy_user_by_name(other, user->name)->id, id);
		for (size_t i = 0; i < MT_COUNT_OF(some_topics); i++) {
			struct mt_bytes topic = mt_bytes_str(some_topics[i]);
			struct mt_verdict a = mt_decide_publish(one, &subject, topic, 0, false, 1);
			struct mt_verdict b =
				mt_decide_publish(other, &subject, topic, 0, false, 1);
			struct mt_grant c =
				mt_decide_subscribe(one, &subject, topic, mt_bytes_str(""), 1, 1);
			struct mt_grant d =
				mt_decide_subscribe(other, &subject, topic, mt_bytes_str(""), 1, 1);
			assert_int_equal(a.is_allowed, b.is_allowed);
			assert_int_equal(a.why, b.why);
			assert_int_equal(c.is_allowed, d.is_allowed);
			assert_int_equal(c.is_crossed, d.is_crossed);
		}
	}
}

static void updates_equal_loads(void **context)
{
	struct place *place = *context;
	struct mt_rng rng;
	mt_rng_init(&rng, 7);
	assert_int_equal(load(place), MT_OK);
	for (int step = 0; step < 600; step++) {
		struct mt_policy *now = NULL, *whole = NULL;
		uint64_t changes = 1 + mt_rng_below(&rng, 4);
		unsigned touched;
		begin(place);
		while (changes-- > 0)
			change_at_random(place, &rng);
		if (mt_directory_update(place->state, place->policy, &now, &touched, place->fault,
					sizeof(place->fault)) != MT_OK)
			fail_msg("%s", place->fault);
		commit(place);
		assert_int_equal(
			mt_directory_load(place->state, &whole, place->fault, sizeof(place->fault)),
			MT_OK);
		assert_same(now, whole, 600);
		mt_policy_unref(&whole);
		mt_policy_unref(&place->policy);
		place->policy = now;
	}
}

/* A change that touches more than is looked at singly is loaded whole. */
static void a_large_change_is_loaded_whole(void **context)
{
	struct place *place = *context;
	struct mt_policy *now = NULL;
	unsigned touched = 0;
	char name[32];
	assert_int_equal(load(place), MT_OK);
	begin(place);
	for (int i = 0; i < 600; i++) {
		snprintf(name, sizeof(name), "user-%d", i);
		add_user(place, name);
	}
	assert_int_equal(mt_directory_update(place->state, place->policy, &now, &touched,
					     place->fault, sizeof(place->fault)),
			 MT_OK);
	assert_true(touched & MT_TOUCHED_ALL);
	assert_non_null(mt_policy_user_by_name(now, mt_bytes_str("user-599")));
	mt_policy_unref(&now);
	commit(place);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(empty_database_is_an_empty_policy),
		TEST(users_arrive_with_every_field),
		TEST(a_client_id_rule_of_old_lets_nobody_in),
		TEST(rules_arrive_with_every_axis),
		TEST(built_in_roles_need_no_row),
		TEST(roles_do_not_mix),
		TEST(bad_rule_refuses_all_and_is_named),
		TEST(bad_user_name_is_named),
		TEST(roles_of_a_user_are_limited),
		cmocka_unit_test_setup_teardown(updates_equal_loads, setup, teardown),
		cmocka_unit_test_setup_teardown(a_large_change_is_loaded_whole, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
