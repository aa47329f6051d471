/* The verbs' way to the broker: paths, and what its answers become. The broker is an admin server
 * of the test's own. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "admin/server.h"
#include "cli/api.h"

#include "cli_line.h"
#include "folder.h"

#include <sys/socket.h>
#include <sys/un.h>

struct world {
	const char *folder;
	char socket_path[PATH_MAX];
	struct mt_admin_server *server;
	int http_status;
	const char *text;
	char path[512];
	char body[256];
};

static struct world world;
static struct mt_options options;

static void handle(void *context, const struct mt_admin_request *request,
		   struct mt_admin_answer *answer)
{
	(void)context;
	snprintf(world.path, sizeof(world.path), "%s", request->path);
	snprintf(world.body, sizeof(world.body), "%.*s", (int)request->body.len,
		 (const char *)request->body.data);
	answer->http_status = world.http_status;
	answer->body = world.text ? strdup(world.text) : NULL;
}

static bool admit(void *context, const struct mt_admin_request *request,
		  struct mt_admin_answer *answer)
{
	(void)context;
	(void)request;
	answer->http_status = 500;
	return false;
}

static const struct mt_admin_uses uses = {handle, admit, NULL};

static int setup(void **state)
{
	char fault[256];
	(void)state;
	memset(&world, 0, sizeof(world));
	world.folder = folder_make();
	snprintf(world.socket_path, sizeof(world.socket_path), "%s/admin.sock", world.folder);
	assert_int_equal(
		mt_admin_server_open(world.socket_path, &uses, &world.server, fault, sizeof(fault)),
		MT_OK);
	CLI_LINE(&options, "status", "--state", world.folder);
	/* A proxy of the environment must not see the request. */
	setenv("http_proxy", "http://127.0.0.1:9", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:9", 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mt_admin_server_close(&world.server);
	folder_remove(world.folder);
	return 0;
}

static int ask(int http_status, const char *text)
{
	json_t *answer = NULL;
	int failed;
	world.http_status = http_status;
	world.text = text;
	failed = mt_cli_api_request(&options, "GET", "status", NULL, &answer);
	assert_int_equal(failed == 0, answer != NULL);
	json_decref(answer);
	return failed;
}

static void test_exit_codes_follow_the_answer(void **state)
{
	static const int pairs[][2] = {
		{200, 0}, {400, 2}, {413, 2}, {401, 4}, {403, 4}, {404, 1},
		{405, 1}, {409, 1}, {500, 1}, {503, 3}, {302, 1}, {201, 1},
	};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(pairs); i++)
		assert_int_equal(ask(pairs[i][0], "{\"error\":\"x\"}"), pairs[i][1]);
}

static void test_success_without_an_object_is_a_failure(void **state)
{
	(void)state;
	assert_int_equal(ask(200, "{}"), 0);
	assert_int_equal(ask(200, "[]"), 1);
	assert_int_equal(ask(200, "{"), 1);
	assert_int_equal(ask(200, NULL), 1);
	assert_int_equal(ask(404, NULL), 1);
}

static void test_body_and_path_arrive_whole(void **state)
{
	char path[MT_CLI_URL_BYTES];
	json_t *answer;
	(void)state;
	world.http_status = 200;
	world.text = "{\"n\":1}";
	assert_int_equal(mt_cli_api_path(path, "users/%s/roles/%s", "../a b?#%", "\xc3\xa4"), 0);
	assert_int_equal(
		mt_cli_api_request(&options, "PUT", path, json_pack("{s:s}", "k", "v"), &answer),
		0);
	assert_string_equal(world.path, "/api/users/..%2Fa%20b%3F%23%25/roles/%C3%A4");
	assert_string_equal(world.body, "{\"k\":\"v\"}");
	assert_int_equal(json_integer_value(json_object_get(answer, "n")), 1);
	json_decref(answer);
	/* Dots are a name like any other. */
	assert_int_equal(mt_cli_api_path(path, "users/%s", "..", NULL), 0);
	assert_int_equal(mt_cli_api_request(&options, "DELETE", path, NULL, &answer), 0);
	assert_string_equal(world.path, "/api/users/..");
	json_decref(answer);
}

static void test_names_without_a_path(void **state)
{
	char path[MT_CLI_URL_BYTES];
	char huge[MT_CLI_URL_BYTES];
	(void)state;
	memset(huge, ' ', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	assert_int_equal(mt_cli_api_path(path, "users/%s", "", NULL), 2);
	assert_int_equal(mt_cli_api_path(path, "users/%s", huge, NULL), 2);
}

static void test_nobody_there(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	json_t *answer;
	int fd;
	(void)state;
	mt_admin_server_close(&world.server);
	assert_int_equal(mt_cli_api_request(&options, "GET", "status", NULL, &answer), 3);
	/* A socket left by a crash. */
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", world.socket_path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_int_equal(mt_cli_api_request(&options, "GET", "status", NULL, &answer), 3);
}

static void test_too_long_a_socket_path(void **state)
{
	char path[200];
	json_t *answer;
	(void)state;
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	CLI_LINE(&options, "status", "--state", path);
	assert_int_equal(mt_cli_api_request(&options, "GET", "status", NULL, &answer), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_exit_codes_follow_the_answer),
		TEST(test_success_without_an_object_is_a_failure),
		TEST(test_body_and_path_arrive_whole),
		TEST(test_names_without_a_path),
		TEST(test_nobody_there),
		TEST(test_too_long_a_socket_path),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
