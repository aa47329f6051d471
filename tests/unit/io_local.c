/* Unix sockets: who may connect, what is replaced and what is not, and who is at the other end. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "io/listen.h"
#include "io/local.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[64];
static struct sockaddr_un place = {.sun_family = AF_UNIX};
static struct mt_local_settings settings;

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "%s", "/tmp/mortise-local.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(place.sun_path, sizeof(place.sun_path), "%s/mqtt.sock", folder);
	settings = (struct mt_local_settings){place.sun_path, "", "", 0660};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(place.sun_path);
	assert_int_equal(rmdir(folder), 0);
	return 0;
}

static int listen_here(void)
{
	int fd;
	assert_int_equal(mt_local_listen(&settings, &fd), MT_OK);
	return fd;
}

/* A descriptor, or -1. */
static int dial(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (const struct sockaddr *)&place, sizeof(place)) == 0)
		return fd;
	close(fd);
	return -1;
}

static mode_t mode_of(void)
{
	struct stat info;
	assert_int_equal(lstat(place.sun_path, &info), 0);
	assert_true(S_ISSOCK(info.st_mode));
	return info.st_mode & 0777;
}

static void test_served_and_named(void **state)
{
	struct mt_peer_address peer;
	char name[MT_ENDPOINT_TEXT_BYTES], wanted[MT_ENDPOINT_TEXT_BYTES + 8];
	uint32_t pid, uid;
	int listener = listen_here(), client = dial(), fd;
	(void)state;
	assert_true(client >= 0);
	assert_int_equal(mt_listen_accept(listener, &fd, &peer), MT_OK);
	mt_peer_address_text(&peer, name);
	assert_string_equal(name, "unix");
	mt_listen_name(listener, name);
	snprintf(wanted, sizeof(wanted), "unix:%s", place.sun_path);
	assert_string_equal(name, wanted);
	assert_true(mt_local_peer(fd, &pid, &uid));
	assert_int_equal(pid, getpid());
	assert_int_equal(uid, getuid());
	close(fd);
	close(client);
	close(listener);
}

static void test_mode_and_owner(void **state)
{
	static const uint32_t modes[] = {0600, 0660, 0666, 0777, 0000};
	char number[16];
	struct stat info;
	mode_t mask = umask(022);
	(void)state;
	snprintf(number, sizeof(number), "%u", (unsigned)getuid());
	settings.owner = number;
	for (size_t i = 0; i < MT_COUNT_OF(modes); i++) {
		int fd;
		settings.mode = modes[i];
		fd = listen_here();
		assert_int_equal(mode_of(), modes[i]);
		close(fd);
	}
	/* The mask of the process is what it was. */
	assert_int_equal(umask(mask), 022);
	assert_int_equal(lstat(place.sun_path, &info), 0);
	assert_int_equal(info.st_uid, getuid());
}

static void test_owner_by_name(void **state)
{
	struct stat info;
	int fd;
	(void)state;
	if (getuid() != 0)
		return;
	settings.owner = "root";
	settings.group = "4242";
	fd = listen_here();
	assert_int_equal(lstat(place.sun_path, &info), 0);
	assert_int_equal(info.st_uid, 0);
	assert_int_equal(info.st_gid, 4242);
	close(fd);
}

static void test_unknown_owners(void **state)
{
	static const char *const names[] = {"no-such-user-here", "4294967295", "99999999999999",
					    "1x"};
	int fd = -7;
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(names); i++) {
		settings.owner = names[i];
		settings.group = "";
		assert_int_equal(mt_local_listen(&settings, &fd), MT_NOT_FOUND);
		settings.owner = "";
		settings.group = names[i];
		assert_int_equal(mt_local_listen(&settings, &fd), MT_NOT_FOUND);
	}
	assert_int_equal(fd, -7);
	assert_int_equal(access(place.sun_path, F_OK), -1);
}

static void test_one_that_nobody_serves_is_replaced(void **state)
{
	int fd = listen_here();
	(void)state;
	close(fd);
	assert_int_equal(dial(), -1);
	fd = listen_here();
	assert_true(dial() >= 0);
	close(fd);
}

static void test_one_that_somebody_serves_stays(void **state)
{
	int first = listen_here(), second = -7, client;
	(void)state;
	assert_int_equal(mt_local_listen(&settings, &second), MT_EXISTS);
	assert_int_equal(second, -7);
	client = dial();
	assert_true(client >= 0);
	close(client);
	close(first);
}

static void test_what_is_no_socket_stays(void **state)
{
	FILE *file = fopen(place.sun_path, "w");
	struct stat info;
	int fd;
	(void)state;
	assert_non_null(file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(mt_local_listen(&settings, &fd), MT_EXISTS);
	assert_int_equal(unlink(place.sun_path), 0);
	/* Nor is a link followed to a socket that nobody serves. */
	assert_int_equal(symlink("/nonexistent", place.sun_path), 0);
	assert_int_equal(mt_local_listen(&settings, &fd), MT_EXISTS);
	assert_int_equal(lstat(place.sun_path, &info), 0);
	assert_true(S_ISLNK(info.st_mode));
}

static void test_no_folder(void **state)
{
	int fd;
	(void)state;
	settings.path = "/nonexistent/mqtt.sock";
	assert_int_equal(mt_local_listen(&settings, &fd), MT_SYSTEM);
	assert_int_equal(errno, ENOENT);
}

static void test_forgotten(void **state)
{
	struct mt_endpoint any = {.host = "127.0.0.1"};
	uint32_t pid, uid;
	int fd = listen_here();
	(void)state;
	mt_local_forget(fd);
	assert_int_equal(access(place.sun_path, F_OK), -1);
	close(fd);
	mt_local_forget(-1);
	assert_int_equal(mt_listen_open(&any, &fd), MT_OK);
	mt_local_forget(fd);
	assert_false(mt_local_peer(fd, &pid, &uid));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_served_and_named, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mode_and_owner, setup, teardown),
		cmocka_unit_test_setup_teardown(test_owner_by_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown_owners, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_that_nobody_serves_is_replaced, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_one_that_somebody_serves_stays, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_what_is_no_socket_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_folder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forgotten, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
