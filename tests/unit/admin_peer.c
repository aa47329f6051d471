/* Who is heard on the admin socket: decided by what the kernel says of the peer. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "admin/peer.h"

#include <grp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define OWNER 54320
#define STRANGER 54321
#define STRANGERS_GROUP 54322
#define ADMIN_GROUP 54323

struct person {
	uid_t uid;
	gid_t gid;
	gid_t groups[3];
	size_t group_count;
};

/* The verdict on this person, as the broker of OWNER with ADMIN_GROUP gives it; -1: the test could
 * not run. */
static int judge(const struct person *person, bool has_group)
{
	int status = -1;
	pid_t child = fork();
	if (child == 0) {
		int pair[2];
		uint32_t uid = 1;
		if (setgroups(person->group_count, person->groups) != 0 ||
		    setresgid(person->gid, person->gid, person->gid) != 0 ||
		    setresuid(person->uid, person->uid, person->uid) != 0 ||
		    socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
			_exit(9);
		if (!mt_peer_is_permitted(pair[0], OWNER, has_group, ADMIN_GROUP, &uid))
			_exit(0);
		_exit(uid == person->uid ? 1 : 8);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void need_root(void)
{
	if (geteuid() != 0)
		skip();
}

static void test_root_and_the_daemons_user_are_heard(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(judge(&(struct person){.uid = 0, .gid = STRANGERS_GROUP}, false), 1);
	assert_int_equal(judge(&(struct person){.uid = OWNER, .gid = STRANGERS_GROUP}, false), 1);
}

static void test_strangers_are_not(void **state)
{
	const struct person stranger = {.uid = STRANGER,
					.gid = STRANGERS_GROUP,
					.groups = {STRANGERS_GROUP, 54399},
					.group_count = 2};
	(void)state;
	need_root();
	assert_int_equal(judge(&stranger, true), 0);
	assert_int_equal(judge(&stranger, false), 0);
	/* The number of the root group is no membership of the admin group. */
	assert_int_equal(judge(&(struct person){.uid = STRANGER, .gid = 0}, true), 0);
}

static void test_members_by_first_or_further_group_are_heard(void **state)
{
	const struct person first = {.uid = STRANGER, .gid = ADMIN_GROUP};
	const struct person further = {.uid = STRANGER,
				       .gid = STRANGERS_GROUP,
				       .groups = {7, ADMIN_GROUP, 54399},
				       .group_count = 3};
	(void)state;
	need_root();
	assert_int_equal(judge(&first, true), 1);
	assert_int_equal(judge(&further, true), 1);
	assert_int_equal(judge(&first, false), 0);
	assert_int_equal(judge(&further, false), 0);
}

static void test_what_is_no_socket_is_a_no(void **state)
{
	int pair[2];
	uint32_t uid = 77;
	(void)state;
	assert_int_equal(pipe(pair), 0);
	assert_false(mt_peer_is_permitted(pair[0], (uint32_t)geteuid(), true, (uint32_t)getegid(),
					  &uid));
	assert_false(
		mt_peer_is_permitted(-1, (uint32_t)geteuid(), true, (uint32_t)getegid(), &uid));
	assert_int_equal(uid, 77);
	close(pair[0]);
	close(pair[1]);
}

static void test_group_is_what_the_system_says(void **state)
{
	const struct group *known = getgrnam("mortise");
	uint32_t gid = 77;
	(void)state;
	assert_int_equal(mt_peer_group(&gid), known != NULL);
	assert_int_equal(gid, known ? known->gr_gid : 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_root_and_the_daemons_user_are_heard),
		cmocka_unit_test(test_strangers_are_not),
		cmocka_unit_test(test_members_by_first_or_further_group_are_heard),
		cmocka_unit_test(test_what_is_no_socket_is_a_no),
		cmocka_unit_test(test_group_is_what_the_system_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
