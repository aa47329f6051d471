/* Where the verbs find the broker: URL, state directory, environment; and the token file. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/remote.h"

#include "cli_line.h"
#include "folder.h"

#include <sys/socket.h>
#include <sys/un.h>

#define TOKEN "mta1.ABCDEFGHIJKLMNOPQRSTUVWXYZ"

static struct mt_options options;
static struct mt_cli_target target;
static const char *folder;
static char file[PATH_MAX];

static int setup(void **state)
{
	(void)state;
	folder = folder_make();
	snprintf(file, sizeof(file), "%s/token", folder);
	file_put(file, TOKEN "\n", sizeof(TOKEN), 0600);
	unsetenv("MORTISE_URL");
	unsetenv("MORTISE_TOKEN_FILE");
	unsetenv("MORTISE_CAFILE");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	folder_remove(folder);
	return 0;
}

static int find_url(const char *url)
{
	CLI_LINE(&options, "--url", url, "status", "--token-file", file);
	return mt_cli_target_find(&options, &target);
}

static void test_url_and_token(void **state)
{
	(void)state;
	assert_int_equal(find_url("https://broker.example:8443"), 0);
	assert_true(target.is_remote);
	assert_string_equal(target.place, "https://broker.example:8443");
	assert_string_equal(target.authorization, "Authorization: Bearer " TOKEN);
	assert_null(target.ca_path);
	assert_int_equal(find_url("https://[::1]:8443/"), 0);
	assert_string_equal(target.place, "https://[::1]:8443");
	mt_cli_target_finish(&target);
	assert_string_equal(target.authorization, "");
}

static void test_what_is_no_url(void **state)
{
	static const char *const urls[] = {"",
					   "https://",
					   "https:///",
					   "http://broker:1",
					   "HTTPS://broker",
					   "broker:8443",
					   "https://u:p@broker",
					   "https://broker/api",
					   "https://broker?x",
					   "https://broker#x",
					   "https://broker //",
					   "https://broker\\x"};
	char huge[MT_STATE_PATH_BYTES + 100];
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(urls); i++)
		assert_int_equal(find_url(urls[i]), 2);
	memset(huge, 'a', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	memcpy(huge, "https://", 8);
	assert_int_equal(find_url(huge), 2);
}

static void test_what_is_no_token_file(void **state)
{
	static const char *const texts[] = {"",
					    "\n",
					    "mta1",
					    "mt1.ABCDEFGHIJKLMNOPQRSTUVWXYZ",
					    TOKEN "\n\n",
					    TOKEN " x",
					    TOKEN "\r\n",
					    " " TOKEN,
					    TOKEN "\n" TOKEN};
	char large[2000];
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(texts); i++) {
		file_put(file, texts[i], strlen(texts[i]), 0600);
		assert_int_equal(find_url("https://x"), 2);
	}
	memset(large, 'a', sizeof(large));
	memcpy(large, "mta1.", 5);
	file_put(file, large, 500, 0600);
	assert_int_equal(find_url("https://x"), 2);
	file_put(file, large, sizeof(large), 0600);
	assert_int_equal(find_url("https://x"), 2);
	unlink(file);
	assert_int_equal(find_url("https://x"), 2);
	file_put(file, TOKEN, sizeof(TOKEN) - 1, 0600);
	assert_int_equal(find_url("https://x"), 0);
}

static void test_token_file_of_everybody(void **state)
{
	static const mode_t modes[] = {0640, 0604, 0660, 0644, 0620};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(modes); i++) {
		assert_int_equal(chmod(file, modes[i]), 0);
		assert_int_equal(find_url("https://x"), 4);
	}
}

static void test_environment(void **state)
{
	(void)state;
	setenv("MORTISE_URL", "https://env:1", 1);
	setenv("MORTISE_TOKEN_FILE", file, 1);
	setenv("MORTISE_CAFILE", "/ca.pem", 1);
	CLI_LINE(&options, "status");
	assert_int_equal(mt_cli_target_find(&options, &target), 0);
	assert_string_equal(target.place, "https://env:1");
	assert_string_equal(target.ca_path, "/ca.pem");
	CLI_LINE(&options, "status", "--url", "https://line:2", "--cafile", "/other.pem");
	assert_int_equal(mt_cli_target_find(&options, &target), 0);
	assert_string_equal(target.place, "https://line:2");
	assert_string_equal(target.ca_path, "/other.pem");
	/* Who names a directory means this machine. */
	CLI_LINE(&options, "status", "--state", folder);
	assert_int_equal(mt_cli_target_find(&options, &target), 3);
}

static void test_two_brokers_are_one_too_many(void **state)
{
	(void)state;
	CLI_LINE(&options, "status", "--state", folder, "--url", "https://x", "--token-file", file);
	assert_int_equal(mt_cli_target_find(&options, &target), 2);
	CLI_LINE(&options, "status", "--token-file", file);
	assert_int_equal(mt_cli_target_find(&options, &target), 2);
	CLI_LINE(&options, "status", "--pin", "x");
	assert_int_equal(mt_cli_target_find(&options, &target), 2);
	CLI_LINE(&options, "status", "--url", "https://x");
	assert_int_equal(mt_cli_target_find(&options, &target), 2);
}

static void test_socket_of_a_state_directory(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)state;
	snprintf(address.sun_path, sizeof(address.sun_path), "%.80s/admin.sock", folder);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	CLI_LINE(&options, "status", "--state", folder);
	assert_int_equal(mt_cli_target_find(&options, &target), 0);
	assert_false(target.is_remote);
	assert_string_equal(target.place, address.sun_path);
	assert_string_equal(target.authorization, "");
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_url_and_token),
		TEST(test_what_is_no_url),
		TEST(test_what_is_no_token_file),
		TEST(test_token_file_of_everybody),
		TEST(test_environment),
		TEST(test_two_brokers_are_one_too_many),
		TEST(test_socket_of_a_state_directory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
