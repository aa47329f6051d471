/* Watched folders: what is told of a change, and what is not. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "io/watch.h"

#include "folder.h"

#include <poll.h>

static struct mt_watch watch;
static const char *folder;
static char file[600];

static int setup(void **state)
{
	(void)state;
	folder = folder_make();
	snprintf(file, sizeof(file), "%s/a.pem", folder);
	file_put(file, "one", 3, 0600);
	return mt_watch_open(&watch) == MT_OK ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	mt_watch_close(&watch);
	mt_watch_close(&watch);
	folder_remove(folder);
	return 0;
}

/* What happened before is there at once: no waiting. */
static bool is_told(void)
{
	struct pollfd wait = {.fd = watch.fd, .events = POLLIN};
	bool is_ready = poll(&wait, 1, 1000) == 1;
	bool has_events = mt_watch_drain(&watch);
	assert_int_equal(is_ready, has_events);
	assert_false(mt_watch_drain(&watch));
	return has_events;
}

static void test_a_file_is_replaced(void **state)
{
	char fresh[700];
	(void)state;
	assert_true(mt_watch_file(&watch, file));
	assert_true(mt_watch_file(&watch, file));
	assert_false(mt_watch_drain(&watch));
	snprintf(fresh, sizeof(fresh), "%s.new", file);
	file_put(fresh, "two", 3, 0600);
	assert_true(is_told());
	assert_int_equal(rename(fresh, file), 0);
	assert_true(is_told());
	assert_int_equal(chmod(file, 0644), 0);
	assert_true(is_told());
	assert_int_equal(unlink(file), 0);
	assert_true(is_told());
}

/* As renewal tools do it: the name is a link into an archive. */
static void test_behind_a_link(void **state)
{
	char archive[600], target[700], name[700];
	(void)state;
	snprintf(archive, sizeof(archive), "%s/archive", folder);
	snprintf(target, sizeof(target), "%s/a1.pem", archive);
	snprintf(name, sizeof(name), "%s/live.pem", folder);
	assert_int_equal(mkdir(archive, 0700), 0);
	file_put(target, "one", 3, 0600);
	assert_int_equal(symlink(target, name), 0);
	assert_true(mt_watch_file(&watch, name));
	file_put(target, "two", 3, 0600);
	assert_true(is_told());
}

static void test_what_cannot_be_watched(void **state)
{
	struct mt_watch none = {.fd = -1};
	char name[700];
	(void)state;
	snprintf(name, sizeof(name), "%s/nowhere/a.pem", folder);
	assert_false(mt_watch_file(&watch, name));
	assert_false(mt_watch_folder(&watch, file));
	assert_false(mt_watch_file(&none, file));
	assert_false(mt_watch_drain(&none));
	assert_true(mt_watch_file(&watch, "relative"));
	assert_true(mt_watch_file(&watch, "/x"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_file_is_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(test_behind_a_link, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_cannot_be_watched, setup, teardown),
	};
	return cmocka_run_group_tests_name("io_watch", tests, NULL, NULL);
}
