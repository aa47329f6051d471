/* The admin API: what each request changes, that the core has it when the answer comes, and that
 * what is refused changes nothing. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "api_world.h"
#include "folder.h"

#include "crypto/password.h"
#include "wire/packet.h"

#include <jansson.h>

struct world {
	const char *folder;
	struct mt_broker broker;
	struct mt_api *api;
	const char *query_name;
	const char *query_value;
	bool is_local;
	int http_status;
	json_t *answer;
};

static struct world world;

static int setup(void **state)
{
	char path[PATH_MAX];
	memset(&world, 0, sizeof(world));
	world.is_local = true;
	world.folder = folder_make();
	snprintf(path, sizeof(path), "%s/mortise.db", world.folder);
	assert_true(api_world_open(&world.broker, path, &world.api));
	*state = &world;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	json_decref(world.answer);
	api_world_close(&world.broker, &world.api);
	folder_remove(world.folder);
	return 0;
}

static const char *find_query(const struct mt_admin_request *request, const char *name)
{
	(void)request;
	return world.query_name && strcmp(name, world.query_name) == 0 ? world.query_value : NULL;
}

/* One request; its status. The answer stays in the world. */
static int ask(const char *method, const char *path, const char *body)
{
	struct mt_admin_request request = {.method = method,
					   .path = path,
					   .body = mt_bytes_str(body),
					   .is_local = world.is_local,
					   .peer_uid = 4711,
					   .query = find_query};
	struct mt_admin_answer answer = {0};
	json_decref(world.answer);
	mt_api_handle(world.api, &request, &answer);
	world.answer = answer.body ? json_loads(answer.body, 0, NULL) : NULL;
	assert_non_null(world.answer);
	free(answer.body);
	world.http_status = answer.http_status;
	return answer.http_status;
}

static const char *error_text(void)
{
	const char *text = json_string_value(json_object_get(world.answer, "error"));
	return text ? text : "";
}

static void assert_good(const char *method, const char *path, const char *body)
{
	if (ask(method, path, body) != 200)
		fail_msg("%s %s: %d %s", method, path, world.http_status, error_text());
}

static void grab_policy(struct mt_broker *broker, void *out)
{
	*(struct mt_policy **)out = mt_policy_ref(mt_core_policy(broker->core));
}

/* The snapshot by which the core decides now; the caller's reference. */
static struct mt_policy *policy_now(void)
{
	struct mt_policy *policy = NULL;
	assert_int_equal(mt_hub_call(&world.broker.hub, grab_policy, &policy), MT_OK);
	return policy;
}

static bool may_publish(const char *user, const char *client_id, const char *topic, uint8_t qos,
			bool is_retain)
{
	struct mt_policy *policy = policy_now();
	const struct mt_user *found = mt_policy_user_by_name(policy, mt_bytes_str(user));
	struct mt_subject subject = {.client_id = mt_bytes_str(client_id),
				     .user = mt_bytes_str(user)};
	bool is_allowed;
	subject.user_id = found ? found->id : 0;
	is_allowed =
		mt_decide_publish(policy, &subject, mt_bytes_str(topic), qos, is_retain, 1800000000)
			.is_allowed;
	mt_policy_unref(&policy);
	return is_allowed;
}

static bool policy_user(const char *name, struct mt_user *out)
{
	struct mt_policy *policy = policy_now();
	const struct mt_user *found = mt_policy_user_by_name(policy, mt_bytes_str(name));
	if (found) {
		*out = *found;
		out->name = out->password_hash = out->token_hash = out->client_id_rule =
			mt_bytes_of(NULL, 0);
	}
	mt_policy_unref(&policy);
	return found != NULL;
}

static void test_added_user_can_log_in_when_the_answer_comes(void **state)
{
	struct mt_policy *policy;
	const struct mt_user *user;
	(void)state;
	assert_good("POST", "/api/users",
		    "{\"name\":\"th-17\",\"password\":\"correct "
		    "horse\",\"client_id\":\"th-*\",\"roles\":[\"open\"]}");
	policy = policy_now();
	user = mt_policy_user_by_name(policy, mt_bytes_str("th-17"));
	assert_non_null(user);
	assert_true(user->is_enabled);
	assert_int_equal(mt_password_verify(mt_bytes_str("correct horse"), user->password_hash),
			 MT_OK);
	assert_int_equal(mt_password_verify(mt_bytes_str("correct hors"), user->password_hash),
			 MT_DENIED);
	assert_true(mt_bytes_equal(user->client_id_rule, mt_bytes_str("th-*")));
	mt_policy_unref(&policy);
	assert_true(may_publish("th-17", "th-1", "any/topic", 2, true));
}

static void test_snapshot_bears_the_revision_of_the_database(void **state)
{
	struct mt_policy *policy;
	(void)state;
	assert_good("POST", "/api/roles", "{\"name\":\"r\"}");
	policy = policy_now();
	assert_int_equal(mt_policy_revision(policy), mt_state_revision(world.broker.state));
	mt_policy_unref(&policy);
	assert_good("GET", "/api/status", NULL);
	assert_int_equal(json_integer_value(json_object_get(world.answer, "revision")), 1);
	assert_int_equal(json_integer_value(json_object_get(world.answer, "policy_revision")), 1);
}

static void test_password_is_replaced(void **state)
{
	struct mt_policy *policy;
	const struct mt_user *user;
	(void)state;
	assert_good("POST", "/api/users", "{\"name\":\"a\",\"password\":\"first\"}");
	assert_good("PUT", "/api/users/a/password", "{\"password\":\"second\"}");
	policy = policy_now();
	user = mt_policy_user_by_name(policy, mt_bytes_str("a"));
	assert_int_equal(mt_password_verify(mt_bytes_str("second"), user->password_hash), MT_OK);
	assert_int_equal(mt_password_verify(mt_bytes_str("first"), user->password_hash), MT_DENIED);
	mt_policy_unref(&policy);
	assert_int_equal(ask("PUT", "/api/users/nobody/password", "{\"password\":\"x\"}"), 404);
}

static void test_passwords_that_could_not_work_are_refused(void **state)
{
	char body[MT_PASSWORD_BYTES_MAX + 64];
	char longest[MT_PASSWORD_BYTES_MAX + 2];
	(void)state;
	assert_int_equal(ask("POST", "/api/users", "{\"name\":\"a\",\"password\":\"\"}"), 400);
	assert_int_equal(ask("POST", "/api/users", "{\"name\":\"a\",\"password\":\"mt1.abc\"}"),
			 400);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	snprintf(body, sizeof(body), "{\"name\":\"a\",\"password\":\"%s\"}", longest);
	assert_int_equal(ask("POST", "/api/users", body), 400);
	assert_int_equal(mt_state_revision(world.broker.state), 0);
}

static void test_token_matches_what_is_stored(void **state)
{
	struct mt_policy *policy;
	const struct mt_user *user;
	const char *token;
	uint8_t hash[32];
	(void)state;
	assert_good("POST", "/api/users", "{\"name\":\"a\"}");
	assert_good("POST", "/api/users/a/token", NULL);
	token = json_string_value(json_object_get(world.answer, "token"));
	assert_true(mt_token_has_form(mt_bytes_str(token)));
	mt_token_hash(mt_bytes_str(token), hash);
	policy = policy_now();
	user = mt_policy_user_by_name(policy, mt_bytes_str("a"));
	assert_true(mt_bytes_equal(user->token_hash, mt_bytes_of(hash, sizeof(hash))));
	assert_int_equal(user->password_hash.len, 0);
	mt_policy_unref(&policy);
}

static void test_disable_enable_remove(void **state)
{
	struct mt_user user;
	uint64_t first_id;
	(void)state;
	assert_good("POST", "/api/users", "{\"name\":\"a\",\"password\":\"secret\"}");
	assert_good("POST", "/api/users/a/disable", NULL);
	assert_true(policy_user("a", &user));
	assert_false(user.is_enabled);
	first_id = user.id;
	assert_good("POST", "/api/users/a/enable", NULL);
	assert_true(policy_user("a", &user));
	assert_true(user.is_enabled);
	assert_good("DELETE", "/api/users/a", NULL);
	assert_false(policy_user("a", &user));
	assert_good("POST", "/api/users", "{\"name\":\"a\"}");
	assert_true(policy_user("a", &user));
	assert_int_not_equal(user.id, first_id);
	assert_int_equal(ask("DELETE", "/api/users/b", NULL), 404);
	assert_int_equal(ask("POST", "/api/users/b/disable", NULL), 404);
}

static void test_last_administrator_may_go_with_a_warning(void **state)
{
	(void)state;
	assert_good("POST", "/api/users", "{\"name\":\"one\",\"roles\":[\"admin\"]}");
	assert_good("POST", "/api/users", "{\"name\":\"two\",\"roles\":[\"admin\"]}");
	assert_good("POST", "/api/users/one/disable", NULL);
	assert_null(json_object_get(world.answer, "warning"));
	assert_good("DELETE", "/api/users/two/roles/admin", NULL);
	assert_non_null(json_object_get(world.answer, "warning"));
	assert_good("POST", "/api/users/one/enable", NULL);
	assert_good("DELETE", "/api/users/two", NULL);
	assert_null(json_object_get(world.answer, "warning"));
	assert_good("DELETE", "/api/users/one", NULL);
	assert_non_null(json_object_get(world.answer, "warning"));
}

static void test_rules_decide_at_once(void **state)
{
	json_int_t rule;
	char path[64];
	(void)state;
	assert_good("POST", "/api/roles", "{\"name\":\"therm\"}");
	assert_good("POST", "/api/users", "{\"name\":\"a\",\"roles\":[\"therm\"]}");
	assert_false(may_publish("a", "c1", "site/c1/t", 0, false));
	assert_good(
		"POST", "/api/roles/therm/rules",
		"{\"allow\":\"publish\",\"topic\":\"site/%c/#\",\"qos\":[0,1],\"retain\":false}");
	assert_true(may_publish("a", "c1", "site/c1/t", 1, false));
	assert_false(may_publish("a", "c1", "site/c1/t", 2, false));
	assert_false(may_publish("a", "c1", "site/c1/t", 1, true));
	assert_false(may_publish("a", "c1", "site/c2/t", 1, false));
	assert_good("POST", "/api/roles/therm/rules",
		    "{\"deny\":\"both\",\"topic\":\"site/+/secret\",\"qos\":\"any\"}");
	rule = json_integer_value(json_object_get(world.answer, "rule"));
	assert_false(may_publish("a", "c1", "site/c1/secret", 0, false));
	snprintf(path, sizeof(path), "/api/roles/therm/rules/%lld", (long long)rule);
	assert_good("DELETE", path, NULL);
	assert_true(may_publish("a", "c1", "site/c1/secret", 0, false));
	assert_int_equal(ask("DELETE", path, NULL), 404);
	assert_good("DELETE", "/api/users/a/roles/therm", NULL);
	assert_false(may_publish("a", "c1", "site/c1/t", 1, false));
	assert_good("PUT", "/api/users/a/roles/therm", NULL);
	assert_true(may_publish("a", "c1", "site/c1/t", 1, false));
}

static void test_rule_comes_back_as_it_was_given(void **state)
{
	json_t *rule;
	json_t *expected =
		json_loads("{\"deny\":\"subscribe\",\"topic\":\"a/"
			   "#\",\"qos\":[2],\"retain\":true,\"share\":\"any\","
			   "\"from\":\"10.7.0.0/16\",\"listener\":\"tls\","
			   "\"since\":\"2027-01-01T00:00:00Z\",\"until\":\"2399-02-28T23:59:59Z\"}",
			   0, NULL);
	char *text = json_dumps(expected, 0);
	(void)state;
	world.broker.settings.listener_count = 1;
	strcpy(world.broker.settings.listeners[0].name, "tls");
	assert_good("POST", "/api/roles", "{\"name\":\"r\"}");
	assert_good("POST", "/api/roles/r/rules", text);
	assert_good("GET", "/api/roles/r", NULL);
	rule = json_array_get(json_object_get(world.answer, "rules"), 0);
	assert_int_equal(json_object_del(rule, "id"), 0);
	assert_true(json_equal(rule, expected));
	free(text);
	json_decref(expected);
}

static void test_faulty_rules_change_nothing(void **state)
{
	static const char *const bodies[] = {
		"{\"topic\":\"a\"}",
		"{\"allow\":\"publish\"}",
		"{\"allow\":\"publish\",\"deny\":\"publish\",\"topic\":\"a\"}",
		"{\"allow\":\"fly\",\"topic\":\"a\"}",
		"{\"allow\":\"\",\"topic\":\"a\"}",
		"{\"allow\":\"both\",\"topic\":\"\"}",
		"{\"allow\":\"both\",\"topic\":\"a/#/b\"}",
		"{\"allow\":\"both\",\"topic\":\"a/%x\"}",
		"{\"allow\":\"both\",\"topic\":\"$share/g/a\"}",
		"{\"allow\":\"both\",\"topic\":\"a\",\"qos\":3}",
		"{\"allow\":\"both\",\"topic\":\"a\",\"qos\":[]}",
		"{\"allow\":\"both\",\"topic\":\"a\",\"qos\":[0,4294967297]}",
		"{\"allow\":\"both\",\"topic\":\"a\",\"qos\":\"all\"}",
		"{\"allow\":\"both\",\"topic\":\"a\",\"qos\":null}",
		"{\"allow\":\"both\",\"topic\":\"a\",\"retain\":\"yes\"}",
		"{\"allow\":\"both\",\"topic\":\"a\",\"share\":\"\"}",
		"{\"allow\":\"both\",\"topic\":\"a\",\"share\":\"g/h\"}",
		"{\"allow\":\"both\",\"topic\":\"a\",\"from\":\"\"}",
		"{\"allow\":\"both\",\"topic\":\"a\",\"from\":\"10.0.0.0/33\"}",
		"{\"allow\":\"both\",\"topic\":\"a\",\"from\":\"example.org\"}",
		"{\"allow\":\"both\",\"topic\":\"a\",\"until\":\"2399-02-31T00:00:00Z\"}",
		"{\"allow\":\"both\",\"topic\":\"a\",\"until\":\"2399-01-01T24:00:00Z\"}",
		"{\"allow\":\"both\",\"topic\":\"a\",\"until\":\"2399-01-01\"}",
		"{\"allow\":\"both\",\"topic\":\"a\",\"until\":\"2001-01-01T00:00:00Z\"}",
		"{\"allow\":\"both\",\"topic\":\"a\",\"listener\":\"none\"}",
		"{\"allow\":\"both\",\"topic\":\"a\",\"listener\":\"\"}",
		"{\"allow\":\"both\",\"topic\":\"a\",\"since\":\"tomorrow\"}",
		"{\"allow\":\"both\",\"topic\":\"a\",\"since\":\"2399-01-02T00:00:00Z\","
		"\"until\":\"2399-01-01T00:00:00Z\"}",
		"{\"allow\":\"both\",\"topic\":\"a\",\"subscribe\":\"filter\"}",
	};
	(void)state;
	assert_good("POST", "/api/roles", "{\"name\":\"r\"}");
	for (size_t i = 0; i < MT_COUNT_OF(bodies); i++) {
		if (ask("POST", "/api/roles/r/rules", bodies[i]) != 400)
			fail_msg("%s: %d", bodies[i], world.http_status);
		assert_true(strlen(error_text()) > 0);
	}
	assert_int_equal(
		ask("POST", "/api/roles/none/rules", "{\"allow\":\"both\",\"topic\":\"a\"}"), 404);
	assert_int_equal(
		ask("POST", "/api/roles/admin/rules", "{\"allow\":\"both\",\"topic\":\"a\"}"), 409);
	assert_int_equal(mt_state_revision(world.broker.state), 1);
	assert_int_equal(world.broker.adopted_count, 1);
}

static void test_a_role_may_filter(void **state)
{
	(void)state;
	assert_good("POST", "/api/roles", "{\"name\":\"r\",\"subscribe\":\"filter\"}");
	assert_good("GET", "/api/roles/r", NULL);
	assert_string_equal(json_string_value(json_object_get(world.answer, "subscribe")),
			    "filter");
	assert_good("PUT", "/api/roles/r", "{\"subscribe\":\"refuse\"}");
	assert_good("GET", "/api/roles/r", NULL);
	assert_string_equal(json_string_value(json_object_get(world.answer, "subscribe")),
			    "refuse");
	assert_int_equal(ask("PUT", "/api/roles/r", "{\"subscribe\":\"maybe\"}"), 400);
	assert_int_equal(ask("PUT", "/api/roles/none", "{\"subscribe\":\"filter\"}"), 404);
	assert_int_equal(ask("PUT", "/api/roles/open", "{\"subscribe\":\"filter\"}"), 409);
	assert_int_equal(ask("POST", "/api/roles", "{\"name\":\"s\",\"subscribe\":\"\"}"), 400);
}

static void test_roles_in_use_and_built_in_stay(void **state)
{
	(void)state;
	assert_good("POST", "/api/roles", "{\"name\":\"r\"}");
	assert_int_equal(ask("POST", "/api/roles", "{\"name\":\"r\"}"), 409);
	assert_int_equal(ask("POST", "/api/roles", "{\"name\":\"admin\"}"), 409);
	assert_int_equal(ask("POST", "/api/roles", "{\"name\":\"a\\u0001\"}"), 400);
	assert_good("POST", "/api/users", "{\"name\":\"a\",\"roles\":[\"r\"]}");
	assert_int_equal(ask("DELETE", "/api/roles/r", NULL), 409);
	assert_good("DELETE", "/api/users/a/roles/r", NULL);
	assert_good("DELETE", "/api/roles/r", NULL);
	assert_int_equal(ask("DELETE", "/api/roles/r", NULL), 404);
	assert_int_equal(ask("DELETE", "/api/roles/open", NULL), 409);
	assert_good("GET", "/api/roles", NULL);
	assert_int_equal(json_array_size(json_object_get(world.answer, "roles")), 2);
	assert_int_equal(ask("GET", "/api/roles/r", NULL), 404);
	assert_good("GET", "/api/roles/admin", NULL);
}

/* A user is added with all roles or not at all. */
static void test_half_a_change_is_none(void **state)
{
	struct mt_user user;
	(void)state;
	assert_int_equal(
		ask("POST", "/api/users", "{\"name\":\"a\",\"roles\":[\"open\",\"none\"]}"), 404);
	assert_false(policy_user("a", &user));
	assert_int_equal(ask("GET", "/api/users/a", NULL), 404);
	assert_int_equal(mt_state_revision(world.broker.state), 0);
	assert_good("POST", "/api/users", "{\"name\":\"a\",\"roles\":[\"open\"]}");
	assert_int_equal(ask("POST", "/api/users", "{\"name\":\"a\"}"), 409);
	assert_null(strstr(error_text(), "constraint"));
}

/* What no policy can hold (here: more roles than a user may have) is undone although the database
 * took it. */
static void test_change_that_makes_no_policy_is_undone(void **state)
{
	char body[128];
	char path[64];
	uint64_t revision;
	(void)state;
	assert_good("POST", "/api/users", "{\"name\":\"a\"}");
	for (uint32_t i = 0; i <= MT_USER_ROLES_MAX; i++) {
		snprintf(body, sizeof(body), "{\"name\":\"r%u\"}", i);
		assert_good("POST", "/api/roles", body);
		snprintf(path, sizeof(path), "/api/users/a/roles/r%u", i);
		revision = mt_state_revision(world.broker.state);
		if (i < MT_USER_ROLES_MAX) {
			assert_good("PUT", path, NULL);
			continue;
		}
		assert_int_equal(ask("PUT", path, NULL), 400);
		assert_non_null(strstr(error_text(), "nothing was changed"));
		assert_int_equal(mt_state_revision(world.broker.state), revision);
	}
	assert_good("GET", "/api/users/a", NULL);
	assert_int_equal(json_array_size(json_object_get(world.answer, "roles")),
			 MT_USER_ROLES_MAX);
}

static void test_names_travel_percent_encoded(void **state)
{
	struct mt_user user;
	(void)state;
	assert_good("POST", "/api/users", "{\"name\":\"a/b %\\u00e4\"}");
	assert_good("GET", "/api/users/a%2Fb%20%25%c3%A4", NULL);
	assert_string_equal(json_string_value(json_object_get(world.answer, "name")),
			    "a/b %\xc3\xa4");
	assert_good("DELETE", "/api/users/a%2Fb%20%25%C3%A4", NULL);
	assert_false(policy_user("a/b %\xc3\xa4", &user));
}

static void test_paths_that_lead_nowhere(void **state)
{
	static const char *const paths[] = {"",
					    "/api",
					    "/api/",
					    "/api//",
					    "/api/users/",
					    "/api/users//token",
					    "/api/users/a%",
					    "/api/users/a%2",
					    "/api/users/a%zz",
					    "/api/users/a%00b",
					    "/api/users/%ff",
					    "/API/users",
					    "/api/users/a/b/c/d/e/f/g",
					    "/api/nothing",
					    "/api/user"};
	char huge[20000];
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(paths); i++)
		assert_int_equal(ask("GET", paths[i], NULL), 404);
	snprintf(huge, sizeof(huge), "/api/users/%019900d", 1);
	assert_int_equal(ask("GET", huge, NULL), 404);
	assert_int_equal(ask("PUT", "/api/users", NULL), 405);
	assert_int_equal(ask("get", "/api/users", NULL), 405);
	assert_int_equal(ask("DELETE", "/api/status", NULL), 405);
}

static void test_bodies_that_are_refused(void **state)
{
	static const char *const bodies[] = {
		NULL,
		"",
		"null",
		"[]",
		"\"name\"",
		"{",
		"{\"name\":\"a\"",
		"{\"name\":\"a\"} x",
		"{\"name\":1}",
		"{\"name\":null}",
		"{}",
		"{\"name\":\"a\",\"name\":\"b\"}",
		"{\"name\":\"a\",\"nam\":\"b\"}",
		"{\"name\":\"a\",\"roles\":\"open\"}",
		"{\"name\":\"a\",\"roles\":[1]}",
		"{\"name\":\"a\\u0000b\"}",
		"{\"name\":\"\"}",
		"{\"name\":\"a\",\"roles\":[[[[[[[[[[]]]]]]]]]]}",
		"{\"name\":\"\xff\"}",
	};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(bodies); i++) {
		if (ask("POST", "/api/users", bodies[i]) != 400)
			fail_msg("%s: %d", bodies[i] ? bodies[i] : "(none)", world.http_status);
	}
	assert_int_equal(ask("POST", "/api/users", "{\"name\":\"a\",\"admin\":true}"), 400);
	assert_non_null(strstr(error_text(),
			       "admin: there is no such key; expected name, password (optional)"));
	assert_int_equal(ask("DELETE", "/api/users/a", "{\"x\":1}"), 400);
	assert_int_equal(mt_state_revision(world.broker.state), 0);
}

/* 300,000 brackets would end the stack of a reader that follows them. */
static void test_depth_is_counted_before_it_is_followed(void **state)
{
	static char deep[300001];
	(void)state;
	memset(deep, '[', sizeof(deep) - 1);
	assert_int_equal(ask("POST", "/api/users", deep), 400);
	assert_non_null(strstr(error_text(), "too deep"));
	assert_int_equal(ask("POST", "/api/users", "{\"name\":[[[[[[[[]]]]]]]]}"), 400);
	assert_non_null(strstr(error_text(), "too deep"));
	/* Brackets in a text are text. */
	assert_good("POST", "/api/users", "{\"name\":\"[[[[[[[[[[\\\"{{{{{{{{{{\"}");
}

static void test_error_of_a_body_does_not_quote_it(void **state)
{
	(void)state;
	assert_int_equal(ask("PUT", "/api/users/a/password", "{\"password\":hunter2}"), 400);
	assert_null(strstr(error_text(), "hunter"));
}

static void test_list_and_show_hold_no_hashes(void **state)
{
	char *text;
	json_t *user;
	(void)state;
	assert_good("POST", "/api/users",
		    "{\"name\":\"a\",\"password\":\"secret\",\"roles\":[\"open\"]}");
	assert_good("GET", "/api/users", NULL);
	text = json_dumps(world.answer, 0);
	assert_null(strstr(text, "argon2"));
	assert_null(strstr(text, "secret"));
	free(text);
	user = json_array_get(json_object_get(world.answer, "users"), 0);
	assert_true(json_is_true(json_object_get(user, "password")));
	assert_true(json_is_false(json_object_get(user, "token")));
	assert_string_equal(json_string_value(json_array_get(json_object_get(user, "roles"), 0)),
			    "open");
}

struct connecting {
	uint32_t count;
	uint32_t done;
};

/* MQTT 5 CONNECT of anonymous clients "c0", "c1" ... and one subscription each. */
static void connect_clients(struct mt_broker *broker, void *argument)
{
	struct connecting *wanted = argument;
	const struct mt_conn_facts facts = {
		.listener = "test", .anonymous_role = "open", .is_secret_safe = true};
	for (uint32_t i = 0; i < wanted->count; i++) {
		uint8_t packet[64] = {0x10, 0, 0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 60, 0};
		uint8_t subscribe[] = {0x82, 9, 0, 1, 0, 0, 3, 'a', '/', 'b', 1};
		char id[12];
		mt_conn conn;
		size_t len = (size_t)snprintf(id, sizeof(id), "c%u", i);
		packet[13] = 0;
		packet[14] = (uint8_t)len;
		memcpy(packet + 15, id, len);
		packet[1] = (uint8_t)(13 + len);
		if (mt_core_open(broker->core, mt_broker_now(broker), &facts, &conn) != MT_OK)
			return;
		mt_core_input(broker->core, mt_broker_now(broker), conn,
			      mt_bytes_of(packet, 15 + len));
		mt_core_input(broker->core, mt_broker_now(broker), conn,
			      mt_bytes_of(subscribe, sizeof(subscribe)));
		wanted->done++;
	}
}

static void test_clients_are_listed_in_pages_and_shown(void **state)
{
	struct connecting wanted = {.count = 2500};
	char cursor[16] = "0";
	size_t total = 0;
	uint32_t pages = 0;
	(void)state;
	assert_int_equal(mt_hub_call(&world.broker.hub, connect_clients, &wanted), MT_OK);
	assert_int_equal(wanted.done, wanted.count);
	world.query_name = "cursor";
	do {
		world.query_value = cursor;
		assert_good("GET", "/api/clients", NULL);
		total += json_array_size(json_object_get(world.answer, "clients"));
		snprintf(cursor, sizeof(cursor), "%lld",
			 (long long)json_integer_value(json_object_get(world.answer, "next")));
		assert_true(++pages < 10);
	} while (json_object_get(world.answer, "next"));
	assert_int_equal(total, wanted.count);
	assert_true(pages > 1);
	world.query_name = NULL;
	assert_good("GET", "/api/clients/c17", NULL);
	{
		const json_t *client = json_array_get(json_object_get(world.answer, "clients"), 0);
		const json_t *filter = json_array_get(json_object_get(client, "filters"), 0);
		assert_int_equal(json_array_size(json_object_get(world.answer, "clients")), 1);
		assert_true(json_is_true(json_object_get(client, "connected")));
		assert_string_equal(json_string_value(json_object_get(filter, "filter")), "a/b");
	}
	assert_int_equal(ask("GET", "/api/clients/c2500", NULL), 404);
}

static void test_kick(void **state)
{
	struct connecting wanted = {.count = 3};
	(void)state;
	assert_int_equal(mt_hub_call(&world.broker.hub, connect_clients, &wanted), MT_OK);
	world.query_name = "user";
	world.query_value = "somebody";
	assert_int_equal(ask("DELETE", "/api/clients/c1", NULL), 404);
	world.query_value = "%zz";
	assert_int_equal(ask("DELETE", "/api/clients/c1", NULL), 400);
	world.query_name = NULL;
	assert_good("DELETE", "/api/clients/c1", NULL);
	assert_int_equal(json_integer_value(json_object_get(world.answer, "kicked")), 1);
	assert_int_equal(ask("DELETE", "/api/clients/nobody", NULL), 404);
}

static void test_faulty_cursors(void **state)
{
	static const char *const values[] = {"", "x", "-1", "1x", "9999999999", "%zz"};
	(void)state;
	world.query_name = "cursor";
	for (size_t i = 0; i < MT_COUNT_OF(values); i++) {
		world.query_value = values[i];
		assert_int_equal(ask("GET", "/api/clients", NULL), 400);
	}
}

static void test_broker_that_stops_says_so(void **state)
{
	(void)state;
	api_world_stop(&world.broker);
	assert_int_equal(ask("GET", "/api/status", NULL), 503);
	assert_int_equal(ask("GET", "/api/clients", NULL), 503);
	assert_int_equal(ask("DELETE", "/api/clients/x", NULL), 503);
	assert_int_equal(ask("POST", "/api/roles", "{\"name\":\"r\"}"), 503);
	assert_non_null(strstr(error_text(), "did not adopt"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void test_without_credentials_nothing_is_heard(void **state)
{
	(void)state;
	world.is_local = false;
	assert_int_equal(ask("POST", "/api/roles", "{\"name\":\"sensor\"}"), 401);
	assert_int_equal(ask("GET", "/api/status", ""), 401);
	assert_int_equal(ask("GET", "/api/nothing", ""), 401);
	world.is_local = true;
	assert_int_equal(ask("GET", "/api/roles/sensor", ""), 404);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_without_credentials_nothing_is_heard),
		TEST(test_added_user_can_log_in_when_the_answer_comes),
		TEST(test_snapshot_bears_the_revision_of_the_database),
		TEST(test_password_is_replaced),
		TEST(test_passwords_that_could_not_work_are_refused),
		TEST(test_token_matches_what_is_stored),
		TEST(test_disable_enable_remove),
		TEST(test_last_administrator_may_go_with_a_warning),
		TEST(test_rules_decide_at_once),
		TEST(test_rule_comes_back_as_it_was_given),
		TEST(test_faulty_rules_change_nothing),
		TEST(test_a_role_may_filter),
		TEST(test_roles_in_use_and_built_in_stay),
		TEST(test_half_a_change_is_none),
		TEST(test_change_that_makes_no_policy_is_undone),
		TEST(test_names_travel_percent_encoded),
		TEST(test_paths_that_lead_nowhere),
		TEST(test_bodies_that_are_refused),
		TEST(test_depth_is_counted_before_it_is_followed),
		TEST(test_error_of_a_body_does_not_quote_it),
		TEST(test_list_and_show_hold_no_hashes),
		TEST(test_clients_are_listed_in_pages_and_shown),
		TEST(test_kick),
		TEST(test_faulty_cursors),
		TEST(test_broker_that_stops_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
