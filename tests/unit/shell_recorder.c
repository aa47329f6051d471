/* The file of a recording: whose it may be, and that no failure of it is the broker's. */
#include "base/log.h"
#include "policy/policy.h"
#include "shell/recorder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "folder.h"

#include <sys/file.h>
#include <sys/resource.h>

static const char *folder;
static char path[1024];
static char fault[512];

static int set_up(void **state)
{
	(void)state;
	folder = folder_make();
	snprintf(path, sizeof(path), "%s/calls", folder);
	mt_log_configure((struct mt_log_settings){.level = MT_LOG_ERROR});
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	folder_remove(folder);
	return 0;
}

static enum mt_status open_it(struct mt_recorder **out)
{
	return mt_recorder_open(path, 1 << 20, out, fault, sizeof(fault));
}

static void record(struct mt_recorder *recorder, int count)
{
	static const uint8_t data[20000];
	struct mt_policy_builder *builder = mt_policy_builder_create(1, (struct mt_seed){{3, 4}});
	struct mt_core_settings settings = {.limits = {.inflight = 1}};
	struct mt_policy *policy;
	assert_int_equal(mt_policy_build(&builder, &policy), MT_OK);
	mt_tape_note_create(&recorder->tape, &settings, policy, (struct mt_now){1, 2});
	for (int i = 0; i < count; i++)
		mt_tape_note_input(&recorder->tape, (struct mt_now){3, 4}, 1,
				   mt_bytes_of(data, sizeof(data)));
	mt_policy_unref(&policy);
}

static off_t size_of(void)
{
	struct stat facts;
	assert_int_equal(stat(path, &facts), 0);
	assert_int_equal(facts.st_mode & 07777, 0600);
	return facts.st_size;
}

static void test_its_owners_alone_and_written_at_once(void **state)
{
	struct mt_recorder *recorder = NULL;
	mode_t mask = umask(0);
	(void)state;
	assert_int_equal(open_it(&recorder), MT_OK);
	umask(mask);
	assert_int_equal(size_of(), 0);
	record(recorder, 2);
	assert_true(size_of() > 40000);
	mt_recorder_close(&recorder, NULL);
	assert_null(recorder);
	mt_recorder_close(&recorder, NULL);
}

static void test_a_recording_is_written_over(void **state)
{
	struct mt_recorder *recorder;
	off_t first;
	(void)state;
	assert_int_equal(open_it(&recorder), MT_OK);
	record(recorder, 3);
	mt_recorder_close(&recorder, NULL);
	first = size_of();
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(open_it(&recorder), MT_OK);
	record(recorder, 1);
	mt_recorder_close(&recorder, NULL);
	assert_true(size_of() < first);
}

static void expect_refusal(const char *why)
{
	struct mt_recorder *recorder = NULL;
	assert_int_equal(open_it(&recorder), MT_INVALID);
	assert_null(recorder);
	assert_non_null(strstr(fault, why));
	assert_non_null(strstr(fault, path));
}

static void test_what_is_not_ours_stays(void **state)
{
	char other[1100];
	struct stat facts;
	(void)state;
	file_put(path, "a text of somebody else", 23, 0600);
	expect_refusal("no recording");
	assert_int_equal(stat(path, &facts), 0);
	assert_int_equal(facts.st_size, 23);
	file_put(path, "", 0, 0600);
	expect_refusal("no recording");
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	expect_refusal("");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_refusal("no file of our own");
	unlink(path);
	snprintf(other, sizeof(other), "%s.other", path);
	assert_int_equal(symlink(other, path), 0);
	expect_refusal("symbolic link");
	assert_int_equal(access(other, F_OK), -1);
	unlink(path);
}

static void test_a_recording_with_two_names_stays(void **state)
{
	struct mt_recorder *recorder;
	char other[1100];
	(void)state;
	assert_int_equal(open_it(&recorder), MT_OK);
	record(recorder, 1);
	mt_recorder_close(&recorder, NULL);
	snprintf(other, sizeof(other), "%s.other", path);
	assert_int_equal(link(path, other), 0);
	expect_refusal("no file of our own");
	assert_true(size_of() > 20000);
}

static void test_two_brokers_do_not_share_it(void **state)
{
	struct mt_recorder *recorder;
	(void)state;
	assert_int_equal(open_it(&recorder), MT_OK);
	record(recorder, 1);
	expect_refusal("another broker");
	mt_recorder_close(&recorder, NULL);
}

static void test_a_full_disk_ends_the_recording(void **state)
{
	struct mt_recorder *recorder;
	struct rlimit old, small;
	(void)state;
	assert_int_equal(open_it(&recorder), MT_OK);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 50000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	record(recorder, 10);
	assert_true(recorder->tape.is_over);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	record(recorder, 10);
	mt_recorder_close(&recorder, NULL);
	assert_int_equal(size_of(), 50000);
}

static void test_a_bound_holds(void **state)
{
	struct mt_recorder *recorder;
	(void)state;
	assert_int_equal(open_it(&recorder), MT_OK);
	record(recorder, 100);
	assert_true(recorder->tape.is_over);
	mt_recorder_close(&recorder, NULL);
	assert_in_range(size_of(), (1 << 20) - 50000, 1 << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_its_owners_alone_and_written_at_once, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_recording_is_written_over, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_not_ours_stays, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_recording_with_two_names_stays, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_two_brokers_do_not_share_it, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_full_disk_ends_the_recording, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_bound_holds, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
