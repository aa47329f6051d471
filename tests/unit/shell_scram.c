/* The secret behind feigned salts: kept, and made anew when it cannot be trusted. Exchanges are in
 * tests/interop/scram.py. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shell/scram.h"

#include "folder.h"

#include <errno.h>

static const char *folder;
static char path[600], fault[256];

static int setup(void **state)
{
	(void)state;
	folder = folder_make();
	snprintf(path, sizeof(path), "%s/scram.key", folder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	folder_remove(folder);
	return 0;
}

static struct mt_scram_desk start(void)
{
	struct mt_scram_desk desk = {{0}};
	struct stat facts;
	assert_int_equal(mt_scram_desk_open(&desk, folder, fault, sizeof(fault)), MT_OK);
	assert_int_equal(stat(path, &facts), 0);
	assert_int_equal(facts.st_mode & 0777, 0600);
	assert_int_equal(facts.st_size, MT_SCRAM_KEY_BYTES);
	return desk;
}

static void the_secret_is_kept(void **state)
{
	struct mt_scram_desk first = start(), again = start();
	static const struct mt_scram_desk none;
	(void)state;
	assert_memory_equal(&first, &again, sizeof(first));
	assert_memory_not_equal(&first, &none, sizeof(first));
}

static void one_that_others_could_read_is_made_anew(void **state)
{
	struct mt_scram_desk first = start(), again;
	(void)state;
	assert_int_equal(chmod(path, 0644), 0);
	again = start();
	assert_memory_not_equal(&first, &again, sizeof(first));
}

static void a_damaged_one_is_made_anew(void **state)
{
	static const off_t lengths[] = {0, 1, MT_SCRAM_KEY_BYTES - 1, MT_SCRAM_KEY_BYTES + 1};
	struct mt_scram_desk first = start(), again;
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(lengths); i++) {
		assert_int_equal(truncate(path, lengths[i]), 0);
		again = start();
		assert_memory_not_equal(&first, &again, sizeof(first));
		first = again;
	}
}

static void without_a_folder_it_says_so(void **state)
{
	struct mt_scram_desk desk;
	char missing[600];
	(void)state;
	snprintf(missing, sizeof(missing), "%s/missing", folder);
	assert_int_not_equal(mt_scram_desk_open(&desk, missing, fault, sizeof(fault)), MT_OK);
	assert_non_null(strstr(fault, "scram.key"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_secret_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_others_could_read_is_made_anew, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_damaged_one_is_made_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(without_a_folder_it_says_so, setup, teardown),
	};
	return cmocka_run_group_tests_name("shell_scram", tests, NULL, NULL);
}
