/* The keys of session tickets on disk: kept, rotated, and made anew when they cannot be trusted. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shell/resumption.h"

#include "folder.h"

#define KEYS_BYTES (18 + 88) /* of one key, as dumped */

static struct mt_settings settings;
static struct mt_resumption resumption;
static struct mt_now now;
static const char *folder;
static char path[600], fault[256];

static int setup(void **state)
{
	char tls[600];
	(void)state;
	folder = folder_make();
	snprintf(tls, sizeof(tls), "%s/tls", folder);
	snprintf(path, sizeof(path), "%s/tls/tickets.key", folder);
	assert_int_equal(mkdir(tls, 0700), 0);
	memset(&settings, 0, sizeof(settings));
	snprintf(settings.state_path, sizeof(settings.state_path), "%s", folder);
	settings.listener_count = 1;
	settings.listeners[0].is_tls = true;
	settings.ticket_rotation_ns = 3600 * MT_SECOND;
	settings.tls_session_age_s = 86400;
	settings.tls_session_bytes = 65536;
	now = (struct mt_now){1000 * MT_SECOND, 1800000000 * MT_SECOND};
	memset(&resumption, 0, sizeof(resumption));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mt_resumption_close(&resumption);
	folder_remove(folder);
	return 0;
}

static void start(void)
{
	mt_resumption_close(&resumption);
	memset(&resumption, 0, sizeof(resumption));
	assert_int_equal(mt_resumption_open(&resumption, &settings, now, (struct mt_seed){{1, 2}},
					    fault, sizeof(fault)),
			 MT_OK);
}

/* What is kept; its length. */
static size_t kept(uint8_t out[MT_TICKET_KEYS_BYTES_MAX])
{
	struct stat facts;
	size_t len;
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	len = fread(out, 1, MT_TICKET_KEYS_BYTES_MAX, file);
	fclose(file);
	assert_int_equal(stat(path, &facts), 0);
	assert_int_equal(facts.st_mode & 0777, 0600);
	return len;
}

static void keys_are_kept(void **state)
{
	uint8_t first[MT_TICKET_KEYS_BYTES_MAX], again[MT_TICKET_KEYS_BYTES_MAX];
	(void)state;
	start();
	assert_int_equal(kept(first), KEYS_BYTES);
	start();
	assert_int_equal(kept(again), KEYS_BYTES);
	assert_memory_equal(first, again, KEYS_BYTES);
}

static void keys_rotate(void **state)
{
	uint8_t keys[MT_TICKET_KEYS_BYTES_MAX];
	(void)state;
	start();
	mt_resumption_tick(&resumption, now);
	assert_int_equal(kept(keys), KEYS_BYTES);
	now.mono_ns += 30 * MT_SECOND;
	now.wall_ns += 7200 * MT_SECOND;
	mt_resumption_tick(&resumption, now); /* it looks once a minute */
	assert_int_equal(kept(keys), KEYS_BYTES);
	now.mono_ns += 30 * MT_SECOND;
	mt_resumption_tick(&resumption, now);
	assert_int_equal(kept(keys), KEYS_BYTES + 88);
}

/* Whatever it is, the broker starts, and nothing of it is believed. */
static void keys_that_cannot_be_trusted_are_replaced(void **state)
{
	uint8_t first[MT_TICKET_KEYS_BYTES_MAX], again[MT_TICKET_KEYS_BYTES_MAX];
	(void)state;
	start();
	assert_int_equal(kept(first), KEYS_BYTES);
	file_put(path, "rubbish", 7, 0600);
	start();
	assert_int_equal(kept(again), KEYS_BYTES);
	assert_memory_not_equal(first + 26, again + 26, 80);
	file_put(path, first, KEYS_BYTES, 0640);
	start();
	assert_int_equal(kept(again), KEYS_BYTES);
	assert_memory_not_equal(first + 26, again + 26, 80);
	file_put(path, "", 0, 0600);
	start();
	assert_int_equal(kept(again), KEYS_BYTES);
	file_put(path, first, KEYS_BYTES, 0600);
	start();
	assert_int_equal(kept(again), KEYS_BYTES);
	assert_memory_equal(first, again, KEYS_BYTES);
}

/* As with a full disk: tickets work until the restart. */
static void keys_that_cannot_be_kept_are_used(void **state)
{
	(void)state;
	assert_int_equal(mkdir(path, 0700), 0);
	start();
	assert_non_null(resumption.tickets);
	now.mono_ns += 60 * MT_SECOND;
	now.wall_ns += 7200 * MT_SECOND;
	mt_resumption_tick(&resumption, now);
	assert_true(mt_tls_tickets_due_s(resumption.tickets) > now.wall_ns / MT_SECOND);
}

static void without_tls_there_is_nothing(void **state)
{
	struct stat facts;
	(void)state;
	settings.listeners[0].is_tls = false;
	start();
	assert_null(resumption.tickets);
	mt_resumption_tick(&resumption, now);
	assert_int_not_equal(stat(path, &facts), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(keys_are_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(keys_rotate, setup, teardown),
		cmocka_unit_test_setup_teardown(keys_that_cannot_be_trusted_are_replaced, setup,
						teardown),
		cmocka_unit_test_setup_teardown(keys_that_cannot_be_kept_are_used, setup, teardown),
		cmocka_unit_test_setup_teardown(without_tls_there_is_nothing, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
