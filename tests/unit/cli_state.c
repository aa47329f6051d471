/* Where the state directory is looked for, and that nobody can put one in the caller's way. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/state.h"

#include "cli_line.h"
#include "folder.h"

#include <sys/socket.h>
#include <sys/un.h>

static struct mt_options options;
static char found[MT_STATE_PATH_BYTES];
static const char *folder;

static void put_socket(const char *path, mode_t mode)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	unlink(path);
	snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_int_equal(chmod(path, mode), 0);
}

static int setup(void **state)
{
	(void)state;
	folder = folder_make();
	unsetenv("MORTISE_STATE");
	if (chdir(folder) != 0 || mkdir("state", 0700) != 0)
		return -1;
	put_socket("state/admin.sock", 0660);
	CLI_LINE(&options, "status");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(chdir("/"), 0);
	unsetenv("MORTISE_STATE");
	folder_remove(folder);
	return 0;
}

static const char *find(void)
{
	assert_int_equal(mt_cli_state_find(&options, "admin.sock", found), 0);
	return found;
}

#define ELSEWHERE "/var/lib/mortise"

static void test_option_beats_environment_beats_folder(void **state)
{
	(void)state;
	assert_string_equal(find(), "state");
	setenv("MORTISE_STATE", "", 1);
	assert_string_equal(find(), "state");
	setenv("MORTISE_STATE", "/env", 1);
	assert_string_equal(find(), "/env");
	CLI_LINE(&options, "status", "--state", "/option");
	assert_string_equal(find(), "/option");
}

static void test_folder_that_others_can_write_does_not_count(void **state)
{
	(void)state;
	assert_int_equal(chmod("state", 0720), 0);
	assert_string_equal(find(), ELSEWHERE);
	assert_int_equal(chmod("state", 0702), 0);
	assert_string_equal(find(), ELSEWHERE);
	assert_int_equal(chmod("state", 0755), 0);
	assert_string_equal(find(), "state");
}

static void test_folder_or_socket_of_another_does_not_count(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chown("state/admin.sock", 54321, 0), 0);
	assert_string_equal(find(), ELSEWHERE);
	assert_int_equal(chown("state/admin.sock", 0, 0), 0);
	assert_int_equal(chown("state", 54321, 0), 0);
	assert_string_equal(find(), ELSEWHERE);
}

static void test_links_do_not_count(void **state)
{
	(void)state;
	assert_int_equal(rename("state", "real"), 0);
	assert_int_equal(symlink("real", "state"), 0);
	assert_string_equal(find(), ELSEWHERE);
}

static void test_missing_socket_and_one_open_to_all(void **state)
{
	(void)state;
	put_socket("state/admin.sock", 0666);
	assert_string_equal(find(), ELSEWHERE);
	unlink("state/admin.sock");
	assert_string_equal(find(), ELSEWHERE);
	file_put("state/admin.sock", "x", 1, 0660);
	assert_string_equal(find(), ELSEWHERE);
}

static void test_long_paths_are_refused(void **state)
{
	char path[MT_STATE_PATH_BYTES + 1];
	(void)state;
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	CLI_LINE(&options, "status", "--state", path);
	assert_int_equal(mt_cli_state_find(&options, "admin.sock", found), 2);
	path[sizeof(path) - 2] = '\0';
	CLI_LINE(&options, "status", "--state", path);
	assert_string_equal(find(), path);
	assert_int_equal(mt_cli_state_path(path, "x", found), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_option_beats_environment_beats_folder),
		TEST(test_folder_that_others_can_write_does_not_count),
		TEST(test_folder_or_socket_of_another_does_not_count),
		TEST(test_links_do_not_count),
		TEST(test_missing_socket_and_one_open_to_all),
		TEST(test_long_paths_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
