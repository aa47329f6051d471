/* Tokens of the admin API: what a role may call, what ends a token, and what guessing brings. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "api_world.h"
#include "folder.h"

#include "crypto/password.h"
#include "shell/api_tokens.h"

#include <jansson.h>
#include <stdio.h>

struct world {
	const char *folder;
	char path[PATH_MAX];
	struct mt_broker broker;
	struct mt_api *api;
	bool is_local;
	const char *authorization;
	struct mt_admin_address address;
	int http_status;
	json_t *answer;
};

static struct world world;

static int setup(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	world.is_local = true;
	world.address = (struct mt_admin_address){.byte = {0x20, 1, 0xd, 0xb8, [15] = 1}};
	world.folder = folder_make();
	snprintf(world.path, sizeof(world.path), "%s/mortise.db", world.folder);
	assert_true(api_world_open(&world.broker, world.path, &world.api));
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

static int ask(const char *method, const char *path, const char *body)
{
	struct mt_admin_request request = {.method = method,
					   .path = path,
					   .body = mt_bytes_str(body),
					   .is_local = world.is_local,
					   .peer_uid = 4711,
					   .address = world.address,
					   .authorization = world.authorization};
	struct mt_admin_answer answer = {0};
	json_decref(world.answer);
	mt_api_handle(world.api, &request, &answer);
	world.answer = answer.body ? json_loads(answer.body, 0, NULL) : NULL;
	free(answer.body);
	world.http_status = answer.http_status;
	return answer.http_status;
}

static const char *text_of(const char *key)
{
	const char *text = json_string_value(json_object_get(world.answer, key));
	return text ? text : "";
}

/* "Bearer TOKEN" of a new one. */
static void make(const char *name, const char *role, const char *more, char out[64])
{
	char body[256];
	bool was_local = world.is_local;
	world.is_local = true;
	snprintf(body, sizeof(body), "{\"name\":\"%s\",\"role\":\"%s\"%s}", name, role, more);
	if (ask("POST", "/api/tokens", body) != 200)
		fail_msg("%d %s", world.http_status, text_of("error"));
	snprintf(out, 64, "Bearer %s", text_of("token"));
	world.is_local = was_local;
}

static void come_with(const char *authorization)
{
	world.is_local = false;
	world.authorization = authorization;
}

static void test_roles_include_those_below(void **state)
{
	char viewer[64], operator[64], admin[64];
	(void)state;
	make("v", "viewer", "", viewer);
	make("o", "operator", "", operator);
	make("a", "admin", "", admin);
	come_with(viewer);
	assert_int_equal(ask("GET", "/api/roles", ""), 200);
	assert_int_equal(ask("DELETE", "/api/clients/x", ""), 403);
	assert_non_null(strstr(text_of("error"), "needs the role operator"));
	assert_int_equal(ask("POST", "/api/roles", "{\"name\":\"r\"}"), 403);
	come_with(operator);
	assert_int_equal(ask("GET", "/api/roles", ""), 200);
	assert_int_equal(ask("DELETE", "/api/clients/x", ""), 404); /* heard: it is not there */
	assert_int_equal(ask("POST", "/api/roles", "{\"name\":\"r\"}"), 403);
	assert_int_equal(ask("POST", "/api/tokens", "{\"name\":\"x\",\"role\":\"admin\"}"), 403);
	come_with(admin);
	assert_int_equal(ask("POST", "/api/roles", "{\"name\":\"r\"}"), 200);
	assert_int_equal(ask("GET", "/api/roles/r", ""), 200);
}

static const char *author_of(const char *name)
{
	size_t i;
	json_t *token;
	assert_int_equal(ask("GET", "/api/tokens", ""), 200);
	json_array_foreach(json_object_get(world.answer, "tokens"), i, token)
	{
		if (strcmp(json_string_value(json_object_get(token, "name")), name) == 0)
			return json_string_value(json_object_get(token, "author"));
	}
	return "";
}

static void test_author_of_a_change_is_the_token(void **state)
{
	char admin[64];
	(void)state;
	make("deploy", "admin", "", admin);
	assert_string_equal(author_of("deploy"), "uid 4711");
	come_with(admin);
	assert_int_equal(ask("POST", "/api/tokens", "{\"name\":\"x\",\"role\":\"viewer\"}"), 200);
	assert_string_equal(author_of("x"), "token:deploy");
}

static void test_token_is_not_kept(void **state)
{
	char admin[64], text[4096];
	FILE *file;
	size_t len;
	(void)state;
	make("a", "admin", "", admin);
	assert_memory_equal(admin, "Bearer mta1.", 12);
	assert_int_equal(strlen(admin + 12), 26); /* 128 bits in base32 */
	assert_int_equal(ask("GET", "/api/tokens", ""), 200);
	assert_null(json_object_get(json_array_get(json_object_get(world.answer, "tokens"), 0),
				    "token"));
	file = fopen(world.path, "rb");
	assert_non_null(file);
	while ((len = fread(text, 1, sizeof(text), file)) > 0)
		assert_null(memmem(text, len, admin + 12, 26));
	fclose(file);
}

static void test_revoked_token_is_not_heard(void **state)
{
	char viewer[64];
	(void)state;
	make("v", "viewer", "", viewer);
	come_with(viewer);
	assert_int_equal(ask("GET", "/api/roles", ""), 200);
	world.is_local = true;
	assert_int_equal(ask("DELETE", "/api/tokens/v", ""), 200);
	come_with(viewer);
	assert_int_equal(ask("GET", "/api/roles", ""), 401);
	world.is_local = true;
	assert_int_equal(ask("DELETE", "/api/tokens/v", ""), 404);
	/* A new one of the name is another one. */
	make("v", "viewer", "", (char[64]){0});
	come_with(viewer);
	assert_int_equal(ask("GET", "/api/roles", ""), 401);
}

static void put_token(const char *name, const char *text, uint8_t role, int64_t expires_s)
{
	uint8_t hash[32];
	struct mt_state_api_token row = {.name = name,
					 .hash = {hash, 32},
					 .role = role,
					 .expires_s = expires_s,
					 .author = "t"};
	mt_token_hash(mt_bytes_str(text), hash);
	assert_int_equal(mt_state_begin(world.broker.state, "tester", "token", 1700000000), MT_OK);
	assert_int_equal(mt_state_api_token_add(world.broker.state, &row), MT_OK);
	assert_int_equal(mt_state_commit(world.broker.state), MT_OK);
}

static void test_expired_token_is_not_heard(void **state)
{
	(void)state;
	put_token("past", "mta1.past", 3, 1700000000);
	put_token("future", "mta1.future", 3, 32503680000);
	come_with("Bearer mta1.past");
	assert_int_equal(ask("GET", "/api/roles", ""), 401);
	come_with("bearer   mta1.future");
	assert_int_equal(ask("GET", "/api/tokens", ""), 200);
	assert_true(json_is_true(json_object_get(
		json_array_get(json_object_get(world.answer, "tokens"), 1), "expired")));
	assert_true(json_is_false(json_object_get(
		json_array_get(json_object_get(world.answer, "tokens"), 0), "expired")));
}

static void test_what_is_no_token(void **state)
{
	static const char *const texts[] = {"",
					    "Bearer",
					    "Bearer ",
					    "Basic YTpi",
					    "mta1.AAAAAAAAAAAAAAAAAAAAAAAAAA",
					    "Bearer mta1.",
					    "Bearer mta1.AAAAAAAAAAAAAAAAAAAAAAAAAA"};
	(void)state;
	come_with(NULL);
	assert_int_equal(ask("GET", "/api/status", ""), 401);
	for (size_t i = 0; i < MT_COUNT_OF(texts); i++) {
		come_with(texts[i]);
		assert_int_equal(ask("GET", "/api/roles", ""), 401);
	}
}

static void test_changed_token_is_another(void **state)
{
	char viewer[64], changed[64];
	(void)state;
	make("v", "viewer", "", viewer);
	for (size_t i = 0; viewer[7 + i]; i++) {
		memcpy(changed, viewer, sizeof(changed));
		changed[7 + i] ^= 1;
		come_with(changed);
		world.address.byte[7] = (uint8_t)i; /* another site each, so that none waits */
		assert_int_equal(ask("GET", "/api/roles", ""), 401);
	}
	come_with(viewer);
	assert_int_equal(ask("GET", "/api/roles", ""), 200);
}

static void test_guessing_is_slowed_down_by_site(void **state)
{
	char viewer[64];
	int last = 401;
	(void)state;
	make("v", "viewer", "", viewer);
	come_with("Bearer mta1.wrong");
	for (int i = 0; i < 40 && last == 401; i++) {
		world.address.byte[15] = (uint8_t)i; /* of one /64 */
		last = ask("GET", "/api/roles", "");
	}
	assert_int_equal(last, 429);
	/* Others are not meant, and neither is a right token of the same site. */
	world.address.byte[7] = 1;
	assert_int_equal(ask("GET", "/api/roles", ""), 401);
	world.address.byte[7] = 0;
	come_with(viewer);
	assert_int_equal(ask("GET", "/api/roles", ""), 200);
}

static void test_throttle_forgets_the_oldest(void **state)
{
	static struct mt_api_throttle throttle;
	struct mt_admin_address first = {.byte = {1}}, other = {0};
	int count = 0;
	(void)state;
	while (mt_api_throttle_take(&throttle, &first, MT_SECOND))
		count++;
	assert_in_range(count, 1, 100);
	for (int i = 0; i < 2 * (int)MT_API_THROTTLE_ADDRESSES_MAX; i++) {
		other.byte[0] = 2;
		other.byte[1] = (uint8_t)(i >> 8);
		other.byte[2] = (uint8_t)i;
		assert_true(mt_api_throttle_take(&throttle, &other, 2 * MT_SECOND));
	}
	/* The one with the most failures behind it is the last to be forgotten. */
	assert_false(mt_api_throttle_take(&throttle, &first, 2 * MT_SECOND));
	assert_true(mt_api_throttle_take(&throttle, &first, 3600 * MT_SECOND));
}

static void test_faulty_requests_make_none(void **state)
{
	static const char *const bodies[] = {
		"",
		"{\"name\":\"x\"}",
		"{\"role\":\"viewer\"}",
		"{\"name\":\"\",\"role\":\"viewer\"}",
		"{\"name\":\"x\",\"role\":\"root\"}",
		"{\"name\":\"x\",\"role\":\"\"}",
		"{\"name\":\"x\",\"role\":\"viewer\",\"expires\":0}",
		"{\"name\":\"x\",\"role\":\"viewer\",\"expires\":-1}",
		"{\"name\":\"x\",\"role\":\"viewer\",\"expires\":3651}",
		"{\"name\":\"x\",\"role\":\"viewer\",\"expires\":\"never\"}",
		"{\"name\":\"x\",\"role\":\"viewer\",\"expires\":\"2001-01-01T00:00:00Z\"}",
		"{\"name\":\"x\",\"role\":\"viewer\",\"expires\":true}",
		"{\"name\":\"a\\u0007\",\"role\":\"viewer\"}",
	};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(bodies); i++)
		assert_int_equal(ask("POST", "/api/tokens", bodies[i]), 400);
	assert_int_equal(ask("GET", "/api/tokens", ""), 200);
	assert_int_equal(json_array_size(json_object_get(world.answer, "tokens")), 0);
	make("x", "viewer", "", (char[64]){0});
	assert_int_equal(ask("POST", "/api/tokens", "{\"name\":\"x\",\"role\":\"admin\"}"), 409);
}

static void test_number_of_tokens_is_bounded(void **state)
{
	char name[32];
	(void)state;
	assert_int_equal(mt_state_begin(world.broker.state, "tester", "many", 1700000000), MT_OK);
	for (unsigned i = 0; i < MT_STATE_API_TOKENS_MAX; i++) {
		uint8_t hash[32] = {(uint8_t)i, (uint8_t)(i >> 8)};
		struct mt_state_api_token row = {
			.name = name, .hash = {hash, 32}, .role = 1, .author = "tester"};
		snprintf(name, sizeof(name), "t%u", i);
		assert_int_equal(mt_state_api_token_add(world.broker.state, &row), MT_OK);
	}
	assert_int_equal(mt_state_commit(world.broker.state), MT_OK);
	assert_int_equal(ask("POST", "/api/tokens", "{\"name\":\"x\",\"role\":\"viewer\"}"), 400);
	assert_non_null(strstr(text_of("error"), "revoke one"));
	assert_int_equal(ask("DELETE", "/api/tokens/t9", ""), 200);
	make("x", "viewer", "", (char[64]){0});
}

static void test_page_needs_no_token_and_nothing_else_is_there(void **state)
{
	struct mt_admin_request request = {.method = "GET", .path = "/"};
	struct mt_admin_answer answer = {0};
	static const char *const paths[] = {"/index.html", "//", "/api", "/apix/", "/?x", "*"};
	(void)state;
	assert_false(mt_api_admit(world.api, &request, &answer));
	assert_int_equal(answer.http_status, 200);
	assert_true(answer.is_page);
	assert_memory_equal(answer.body, "<!DOCTYPE html>", 15);
	assert_null(strstr(answer.body, "<script"));
	assert_null(strstr(answer.body, "http://"));
	free(answer.body);
	request.method = "POST";
	assert_false(mt_api_admit(world.api, &request, &answer));
	assert_int_equal(answer.http_status, 404);
	free(answer.body);
	world.is_local = false;
	for (size_t i = 0; i < MT_COUNT_OF(paths); i++)
		assert_int_equal(ask("GET", paths[i], ""), 404);
}

static void test_gate_lets_through_what_the_handler_does(void **state)
{
	char viewer[64];
	struct mt_admin_request request = {.method = "GET", .path = "/api/roles"};
	struct mt_admin_answer answer = {0};
	(void)state;
	make("v", "viewer", "", viewer);
	request.authorization = viewer;
	assert_true(mt_api_admit(world.api, &request, &answer));
	assert_null(answer.body);
	request.method = "POST";
	assert_false(mt_api_admit(world.api, &request, &answer));
	assert_int_equal(answer.http_status, 403);
	free(answer.body);
	request.path = "/api/nothing";
	assert_false(mt_api_admit(world.api, &request, &answer));
	assert_int_equal(answer.http_status, 404);
	free(answer.body);
}

static void test_every_route_names_a_role(void **state)
{
	size_t i;
	json_t *route;
	(void)state;
	assert_int_equal(ask("GET", "/api/routes", ""), 200);
	assert_true(json_array_size(json_object_get(world.answer, "routes")) > 30);
	json_array_foreach(json_object_get(world.answer, "routes"), i, route)
	{
		const char *least = json_string_value(json_object_get(route, "least"));
		const char *method = json_string_value(json_object_get(route, "method"));
		const char *path = json_string_value(json_object_get(route, "path"));
		assert_string_not_equal(least, "nobody");
		/* A question that needs a body changes nothing. */
		if (strcmp(method, "GET") != 0 && strcmp(path, "policy/explain") != 0 &&
		    strcmp(path, "policy/diff") != 0)
			assert_string_not_equal(least, "viewer");
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_roles_include_those_below),
		TEST(test_author_of_a_change_is_the_token),
		TEST(test_token_is_not_kept),
		TEST(test_revoked_token_is_not_heard),
		TEST(test_expired_token_is_not_heard),
		TEST(test_what_is_no_token),
		TEST(test_changed_token_is_another),
		TEST(test_guessing_is_slowed_down_by_site),
		TEST(test_throttle_forgets_the_oldest),
		TEST(test_faulty_requests_make_none),
		TEST(test_number_of_tokens_is_bounded),
		TEST(test_page_needs_no_token_and_nothing_else_is_there),
		TEST(test_gate_lets_through_what_the_handler_does),
		TEST(test_every_route_names_a_role),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
