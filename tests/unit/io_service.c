/* What the service manager is told, at a path and at an abstract name. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "io/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void notify(const char *address)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	char got[16];

	memcpy(at.sun_path, address, strlen(address));
	if (address[0] == '@')
		at.sun_path[0] = '\0';
	assert_int_equal(
		bind(fd, (struct sockaddr *)&at,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(address))),
		0);
	assert_int_equal(setenv("NOTIFY_SOCKET", address, 1), 0);
	mt_service_notify("READY=1");
	assert_int_equal(recv(fd, got, sizeof(got), 0), 7);
	assert_memory_equal(got, "READY=1", 7);
	assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
	mt_service_notify("STOPPING=1");
	assert_int_equal(recv(fd, got, sizeof(got), 0), -1);
	assert_int_equal(errno, EAGAIN);
	close(fd);
}

static void the_manager_is_told(void **state)
{
	char address[64];

	(void)state;
	snprintf(address, sizeof(address), "/tmp/mortise-notify-%d", (int)getpid());
	notify(address);
	unlink(address);
	snprintf(address, sizeof(address), "@mortise-notify-%d", (int)getpid());
	notify(address);
}

static void wrong_addresses_do_no_harm(void **state)
{
	char address[200];

	(void)state;
	memset(address, 'a', sizeof(address));
	address[0] = '/';
	address[sizeof(address) - 1] = '\0';
	assert_int_equal(setenv("NOTIFY_SOCKET", address, 1), 0);
	mt_service_notify("READY=1");
	assert_int_equal(setenv("NOTIFY_SOCKET", "relative", 1), 0);
	mt_service_notify("READY=1");
	assert_int_equal(setenv("NOTIFY_SOCKET", "", 1), 0);
	mt_service_notify("READY=1");
	assert_int_equal(access("relative", F_OK), -1);
	assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_manager_is_told),
		cmocka_unit_test(wrong_addresses_do_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
