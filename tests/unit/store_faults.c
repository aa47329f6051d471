/*
 * The state database while memory or the disk fails: the n-th allocation of SQLite, or its n-th
 * read, write, sync or opening of a file, is refused, for n = 1, 2 ... until none is. A change is
 * there whole or not at all, its revision with it; nothing but a database is ever left at the path,
 * and the next try succeeds.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "store/state.h"

#include "folder.h"

#include <sqlite3.h>

enum kind { NO_FAULT, MEMORY, DISK };

static enum kind failing;
static uint64_t fail_in; /* the n-th from now */
static bool has_failed;
static const char *folder;
static char path[600], fault[512];

static bool is_refused(enum kind kind)
{
	if (failing != kind || fail_in == 0 || --fail_in > 0)
		return false;
	has_failed = true;
	return true;
}

/* ---- memory of SQLite ---- */
static sqlite3_mem_methods system_memory;

static void *take(int bytes)
{
	return is_refused(MEMORY) ? NULL : system_memory.xMalloc(bytes);
}

static void *resize(void *at, int bytes)
{
	return is_refused(MEMORY) ? NULL : system_memory.xRealloc(at, bytes);
}

/* ---- files of SQLite: a layer on the system's ---- */
struct file {
	sqlite3_file base;
	sqlite3_file *system;
};

static sqlite3_vfs layer;
static sqlite3_vfs *system_vfs;

/* The system's file sits behind ours; SQLite gave room for both. */
static struct file *file_of(sqlite3_file *file)
{
	return (struct file *)(void *)file;
}

static int close_file(sqlite3_file *file)
{
	sqlite3_file *below = file_of(file)->system;
	return below->pMethods->xClose(below);
}

static int read_file(sqlite3_file *file, void *to, int bytes, sqlite3_int64 at)
{
	sqlite3_file *below = file_of(file)->system;
	return is_refused(DISK) ? SQLITE_IOERR_READ : below->pMethods->xRead(below, to, bytes, at);
}

static int write_file(sqlite3_file *file, const void *from, int bytes, sqlite3_int64 at)
{
	sqlite3_file *below = file_of(file)->system;
	if (!is_refused(DISK))
		return below->pMethods->xWrite(below, from, bytes, at);
	/* A full disk takes a part. */
	(void)below->pMethods->xWrite(below, from, bytes / 2, at);
	return SQLITE_FULL;
}

static int cut_file(sqlite3_file *file, sqlite3_int64 bytes)
{
	sqlite3_file *below = file_of(file)->system;
	return is_refused(DISK) ? SQLITE_IOERR_TRUNCATE : below->pMethods->xTruncate(below, bytes);
}

static int sync_file(sqlite3_file *file, int flags)
{
	sqlite3_file *below = file_of(file)->system;
	return is_refused(DISK) ? SQLITE_IOERR_FSYNC : below->pMethods->xSync(below, flags);
}

static int size_file(sqlite3_file *file, sqlite3_int64 *bytes)
{
	sqlite3_file *below = file_of(file)->system;
	return below->pMethods->xFileSize(below, bytes);
}

static int lock_file(sqlite3_file *file, int level)
{
	sqlite3_file *below = file_of(file)->system;
	return below->pMethods->xLock(below, level);
}

static int unlock_file(sqlite3_file *file, int level)
{
	sqlite3_file *below = file_of(file)->system;
	return below->pMethods->xUnlock(below, level);
}

static int look_for_lock(sqlite3_file *file, int *is_reserved)
{
	sqlite3_file *below = file_of(file)->system;
	return below->pMethods->xCheckReservedLock(below, is_reserved);
}

static int control_file(sqlite3_file *file, int what, void *with)
{
	sqlite3_file *below = file_of(file)->system;
	return below->pMethods->xFileControl(below, what, with);
}

static int sector_of_file(sqlite3_file *file)
{
	sqlite3_file *below = file_of(file)->system;
	return below->pMethods->xSectorSize(below);
}

static int traits_of_file(sqlite3_file *file)
{
	sqlite3_file *below = file_of(file)->system;
	return below->pMethods->xDeviceCharacteristics(below);
}

/* Version 1: without shared memory, which an exclusive lock does without. */
static const sqlite3_io_methods methods = {
	.iVersion = 1,
	.xClose = close_file,
	.xRead = read_file,
	.xWrite = write_file,
	.xTruncate = cut_file,
	.xSync = sync_file,
	.xFileSize = size_file,
	.xLock = lock_file,
	.xUnlock = unlock_file,
	.xCheckReservedLock = look_for_lock,
	.xFileControl = control_file,
	.xSectorSize = sector_of_file,
	.xDeviceCharacteristics = traits_of_file,
};

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *given)
{
	struct file *made = file_of(file);
	int code;
	(void)vfs;
	made->base.pMethods = NULL;
	made->system = (sqlite3_file *)(made + 1);
	if (is_refused(DISK))
		return SQLITE_CANTOPEN;
	code = system_vfs->xOpen(system_vfs, name, made->system, flags, given);
	made->base.pMethods = made->system->pMethods ? &methods : NULL;
	return code;
}

/* ---- scenarios ---- */
static int setup(void **context)
{
	(void)context;
	folder = folder_make();
	snprintf(path, sizeof(path), "%s/mortise.db", folder);
	return 0;
}

static int teardown(void **context)
{
	(void)context;
	failing = NO_FAULT;
	folder_remove(folder);
	return 0;
}

static struct mt_state *must_open(void)
{
	struct mt_state *state = NULL;
	if (mt_state_open(path, true, &state, fault, sizeof(fault)) != MT_OK)
		fail_msg("%s", fault);
	return state;
}

static bool see_user(void *context, const struct mt_state_user *user)
{
	(void)user;
	++*(unsigned *)context;
	return true;
}

static unsigned count_users(struct mt_state *state)
{
	unsigned count = 0;
	assert_int_equal(mt_state_users(state, see_user, &count), MT_OK);
	return count;
}

static void create(void)
{
	struct mt_state *state = NULL;
	enum mt_status status;
	fault[0] = '\0';
	status = mt_state_open(path, true, &state, fault, sizeof(fault));
	assert_true(status == MT_OK || has_failed);
	assert_int_equal(state != NULL, status == MT_OK);
	assert_true(status == MT_OK || fault[0] != '\0');
	mt_state_close(&state);
	failing = NO_FAULT;
	state = must_open();
	assert_int_equal(count_users(state), 0);
	mt_state_close(&state);
	assert_int_equal(unlink(path), 0);
}

/* A user with a role: three tables and the revision. */
static enum mt_status change(struct mt_state *state, unsigned n)
{
	struct mt_state_user user = {.is_enabled = true, .password_hash = "", .client_id_rule = ""};
	char name[32];
	uint64_t id;
	snprintf(name, sizeof(name), "user%u", n);
	user.name = name;
	MT_TRY(mt_state_begin(state, "tester", "a change", 1700000000));
	if (mt_state_role_add(state, name) != MT_OK ||
	    mt_state_user_add(state, &user, &id) != MT_OK ||
	    mt_state_grant(state, name, name) != MT_OK) {
		mt_state_rollback(state);
		return MT_SYSTEM;
	}
	return mt_state_commit(state);
}

/* What is told done is there after a start; what is not, is there whole or not at all. */
static void change_and_look(void)
{
	static unsigned n;
	struct mt_state *state = NULL;
	enum kind kind = failing;
	unsigned before;
	uint64_t revision;
	enum mt_status status;
	failing = NO_FAULT;
	state = must_open();
	before = count_users(state);
	revision = mt_state_revision(state);
	failing = kind;
	status = change(state, n++);
	assert_true(status == MT_OK || has_failed);
	if (status != MT_OK)
		assert_string_not_equal(mt_state_fault(state), "");
	mt_state_close(&state);
	failing = NO_FAULT;
	state = must_open();
	if (status == MT_OK)
		assert_int_equal(count_users(state), before + 1);
	assert_int_equal(mt_state_revision(state) - revision, count_users(state) - before);
	assert_in_range(mt_state_revision(state) - revision, 0, 1);
	mt_state_close(&state);
}

/* Reading tells the same or fails; it never tells less. */
static void read_back(void)
{
	struct mt_state *state = NULL;
	unsigned count = 0;
	enum mt_status status = mt_state_open(path, false, &state, fault, sizeof(fault));
	assert_true(status == MT_OK || has_failed);
	if (status == MT_OK && mt_state_users(state, see_user, &count) == MT_OK)
		assert_int_equal(count, 1);
	mt_state_close(&state);
}

static void sweep(enum kind kind, void (*scenario)(void), uint64_t stride)
{
	uint64_t failures = 0;
	for (uint64_t n = 1;; n += stride) {
		failing = kind;
		fail_in = n;
		has_failed = false;
		scenario();
		if (!has_failed)
			break;
		failures++;
	}
	assert_true(failures > 3);
}

static void creation(void **context)
{
	(void)context;
	sweep(MEMORY, create, 5);
	sweep(DISK, create, 1);
}

static void changes(void **context)
{
	(void)context;
	sweep(MEMORY, change_and_look, 3);
	sweep(DISK, change_and_look, 1);
}

static void reading(void **context)
{
	struct mt_state *state = must_open();
	(void)context;
	assert_int_equal(change(state, 1), MT_OK);
	mt_state_close(&state);
	sweep(MEMORY, read_back, 5);
	sweep(DISK, read_back, 1);
}

static int put_layers(void)
{
	sqlite3_mem_methods memory;
	if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &system_memory) != SQLITE_OK)
		return 1;
	memory = system_memory;
	memory.xMalloc = take;
	memory.xRealloc = resize;
	if (sqlite3_config(SQLITE_CONFIG_MALLOC, &memory) != SQLITE_OK ||
	    sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) != SQLITE_OK)
		return 1;
	system_vfs = sqlite3_vfs_find(NULL);
	layer = *system_vfs;
	layer.zName = "faulty";
	layer.szOsFile = (int)sizeof(struct file) + system_vfs->szOsFile;
	layer.xOpen = open_file;
	return sqlite3_vfs_register(&layer, 1) != SQLITE_OK;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(creation, setup, teardown),
		cmocka_unit_test_setup_teardown(changes, setup, teardown),
		cmocka_unit_test_setup_teardown(reading, setup, teardown),
	};
	if (put_layers() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
