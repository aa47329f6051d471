/* Small files: whole or not at all, modes, symlinks, locks, folders. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/mortise-test-XXXXXX";
static char home[PATH_MAX];

static int enter_folder(void **state)
{
	(void)state;
	memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
	return !getcwd(home, sizeof(home)) || !mkdtemp(folder) || chdir(folder) != 0;
}

static int leave_folder(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return chdir(home) != 0 || system(command) != 0;
}

static mode_t mode_of(const char *path)
{
	struct stat facts;

	assert_int_equal(lstat(path, &facts), 0);
	return facts.st_mode & 07777;
}

static void expect_content(const char *path, const char *expected)
{
	uint8_t *data;
	size_t len;

	assert_int_equal(mt_file_read(path, 1000, &data, &len), MT_OK);
	assert_int_equal(len, strlen(expected));
	assert_string_equal((const char *)data, expected);
	free(data);
}

static void written_is_read(void **state)
{
	char path[128];
	mode_t umask_kept = umask(0077);

	(void)state;
	assert_int_equal(mt_file_write("a", mt_bytes_str("one"), 0644), MT_OK);
	umask(umask_kept);
	expect_content("a", "one");
	assert_int_equal(mode_of("a"), 0644);
	snprintf(path, sizeof(path), "%s/a", folder);
	assert_int_equal(mt_file_write(path, mt_bytes_str("second"), 0600), MT_OK);
	expect_content("./a", "second");
	assert_int_equal(mode_of("a"), 0600);
	assert_int_equal(mt_file_write("a", mt_bytes_of(NULL, 0), 0600), MT_OK);
	expect_content("a", "");
	assert_int_equal(access("a.tmp", F_OK), -1);
}

static void reading_has_a_limit(void **state)
{
	uint8_t *data = NULL;
	size_t len = 77;

	(void)state;
	assert_int_equal(mt_file_write("a", mt_bytes_str("12345"), 0600), MT_OK);
	assert_int_equal(mt_file_read("a", 4, &data, &len), MT_LIMIT);
	assert_null(data);
	assert_int_equal(len, 77);
	assert_int_equal(mt_file_read("a", 5, &data, &len), MT_OK);
	assert_int_equal(len, 5);
	free(data);
	/* A file that shows its size only when it is read. */
	assert_int_equal(mt_file_read("/proc/self/stat", 10, &data, &len), MT_LIMIT);
	assert_int_equal(mt_file_read("/proc/self/stat", 100000, &data, &len), MT_OK);
	assert_true(len > 10);
	assert_int_equal(data[len], 0);
	free(data);
}

static void only_files_are_read(void **state)
{
	uint8_t *data;
	size_t len;

	(void)state;
	assert_int_equal(mt_file_read("none", 10, &data, &len), MT_NOT_FOUND);
	assert_int_equal(mt_file_read("none/none", 10, &data, &len), MT_NOT_FOUND);
	assert_int_equal(mt_file_read(".", 10, &data, &len), MT_SYSTEM);
	assert_int_equal(errno, EISDIR);
	assert_int_equal(mkfifo("pipe", 0600), 0);
	assert_int_equal(mt_file_read("pipe", 10, &data, &len), MT_SYSTEM);
	assert_int_equal(mt_file_write("a", mt_bytes_str("x"), 0600), MT_OK);
	assert_int_equal(symlink("a", "link"), 0);
	assert_int_equal(mt_file_read("link", 10, &data, &len), MT_SYSTEM);
	assert_int_equal(errno, ELOOP);
}

static void symlinks_are_not_followed(void **state)
{
	(void)state;
	assert_int_equal(mt_file_write("victim", mt_bytes_str("precious"), 0600), MT_OK);
	assert_int_equal(symlink("victim", "a.tmp"), 0);
	assert_int_equal(mt_file_write("a", mt_bytes_str("x"), 0600), MT_DENIED);
	expect_content("victim", "precious");
	/* A symlink at the name itself is replaced, not written through. */
	assert_int_equal(symlink("victim", "b"), 0);
	assert_int_equal(mt_file_write("b", mt_bytes_str("x"), 0600), MT_OK);
	expect_content("victim", "precious");
	expect_content("b", "x");
	assert_int_equal(mt_file_write("target.lock", mt_bytes_str(""), 0600), MT_OK);
	assert_int_equal(symlink("target.lock", "lock"), 0);
	assert_int_equal(mt_file_lock("lock", &(int){0}), MT_SYSTEM);
}

/* A crash leaves a temporary file; another name of it must not receive the content. */
static void leftovers_are_replaced(void **state)
{
	(void)state;
	assert_int_equal(mt_file_write("old", mt_bytes_str("old"), 0644), MT_OK);
	assert_int_equal(link("old", "a.tmp"), 0);
	assert_int_equal(mt_file_write("a", mt_bytes_str("secret"), 0600), MT_OK);
	expect_content("old", "old");
	expect_content("a", "secret");
}

static void failures_leave_the_old_file(void **state)
{
	char name[NAME_MAX];

	(void)state;
	assert_int_equal(mt_file_write("a", mt_bytes_str("old"), 0600), MT_OK);
	assert_int_equal(mkdir("b", 0700), 0);
	assert_int_equal(mt_file_write("b", mt_bytes_str("x"), 0600), MT_SYSTEM);
	assert_int_equal(access("b.tmp", F_OK), -1);
	assert_int_equal(mkdir("a.tmp", 0700), 0);
	assert_int_equal(mt_file_write("a", mt_bytes_str("new"), 0600), MT_DENIED);
	expect_content("a", "old");
	assert_int_equal(mt_file_write("none/a", mt_bytes_str("x"), 0600), MT_NOT_FOUND);
	assert_int_equal(mt_file_write("b/", mt_bytes_str("x"), 0600), MT_SYSTEM);
	memset(name, 'n', sizeof(name));
	name[NAME_MAX - 3] = '\0';
	assert_int_equal(mt_file_write(name, mt_bytes_str("x"), 0600), MT_SYSTEM);
	assert_int_equal(errno, ENAMETOOLONG);
	name[NAME_MAX - 4] = '\0';
	assert_int_equal(mt_file_write(name, mt_bytes_str("x"), 0600), MT_OK);
}

static void secrets_are_ours_alone(void **state)
{
	uint8_t *data = NULL;
	size_t len = 0;
	(void)state;
	assert_int_equal(mt_file_read_secret("none", 10, &data, &len), MT_NOT_FOUND);
	assert_int_equal(mt_file_write("s", mt_bytes_str("key"), 0600), MT_OK);
	assert_int_equal(mt_file_read_secret("s", 10, &data, &len), MT_OK);
	assert_int_equal(len, 3);
	free(data);
	for (mode_t bit = 1; bit < 0100; bit <<= 1) {
		assert_int_equal(chmod("s", 0600 | bit), 0);
		assert_int_equal(mt_file_read_secret("s", 10, &data, &len), MT_DENIED);
	}
	assert_int_equal(chmod("s", 0600), 0);
	if (geteuid() != 0)
		return;
	assert_int_equal(chown("s", 65534, (gid_t)-1), 0);
	assert_int_equal(mt_file_read_secret("s", 10, &data, &len), MT_DENIED);
}

static void folders_are_ours_alone(void **state)
{
	mode_t umask_kept = umask(0077);

	(void)state;
	assert_int_equal(mt_folder_claim("f", 0750), MT_OK);
	umask(umask_kept);
	assert_int_equal(mode_of("f"), 0750);
	assert_int_equal(mt_folder_claim("f", 0700), MT_OK);
	assert_int_equal(mode_of("f"), 0750);
	assert_int_equal(chmod("f", 0770), 0);
	assert_int_equal(mt_folder_claim("f", 0700), MT_DENIED);
	assert_int_equal(chmod("f", 0702), 0);
	assert_int_equal(mt_folder_claim("f", 0700), MT_DENIED);
	assert_int_equal(chmod("f", 0700), 0);
	assert_int_equal(symlink("f", "link"), 0);
	assert_int_equal(mt_folder_claim("link", 0700), MT_DENIED);
	assert_int_equal(mt_file_write("file", mt_bytes_str("x"), 0600), MT_OK);
	assert_int_equal(mt_folder_claim("file", 0700), MT_DENIED);
	assert_int_equal(mt_folder_claim("none/f", 0700), MT_NOT_FOUND);
	if (geteuid() == 0) {
		assert_int_equal(chown("f", 12345, 12345), 0);
		assert_int_equal(mt_folder_claim("f", 0700), MT_DENIED);
	}
}

static void locks_have_one_holder(void **state)
{
	int first, second = -2;

	(void)state;
	assert_int_equal(mt_file_lock("lock", &first), MT_OK);
	assert_int_equal(mode_of("lock"), 0600);
	assert_true(fcntl(first, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(mt_file_lock("lock", &second), MT_EXISTS);
	assert_int_equal(second, -2);
	close(first);
	assert_int_equal(mt_file_lock("lock", &second), MT_OK);
	close(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(written_is_read, enter_folder, leave_folder),
		cmocka_unit_test_setup_teardown(reading_has_a_limit, enter_folder, leave_folder),
		cmocka_unit_test_setup_teardown(only_files_are_read, enter_folder, leave_folder),
		cmocka_unit_test_setup_teardown(symlinks_are_not_followed, enter_folder,
						leave_folder),
		cmocka_unit_test_setup_teardown(leftovers_are_replaced, enter_folder, leave_folder),
		cmocka_unit_test_setup_teardown(failures_leave_the_old_file, enter_folder,
						leave_folder),
		cmocka_unit_test_setup_teardown(secrets_are_ours_alone, enter_folder, leave_folder),
		cmocka_unit_test_setup_teardown(folders_are_ours_alone, enter_folder, leave_folder),
		cmocka_unit_test_setup_teardown(locks_have_one_holder, enter_folder, leave_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
