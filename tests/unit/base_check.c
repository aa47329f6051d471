/* Assertions: one that holds costs nothing, one that fails says where and ends the process by
 * SIGABRT. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/bytes.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int limit = 3;

static void hold(void)
{
	MT_CHECK(limit == 3);
}

static void break_one(void)
{
	MT_CHECK(limit == 4);
}

static void read_past_a_view(void)
{
	(void)mt_bytes_from(mt_bytes_str("ab"), 3);
}

/* The wait status of a child that runs `act`; what it printed goes into `said`. */
static int run(void (*act)(void), char *said, size_t cap)
{
	int ends[2];
	int status = 0;
	size_t len = 0;
	ssize_t count;
	pid_t child;
	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct rlimit none = {0, 0};
		signal(SIGABRT, SIG_DFL);
		setrlimit(RLIMIT_CORE, &none);
		dup2(ends[1], STDERR_FILENO);
		act();
		_exit(0);
	}
	close(ends[1]);
	while (len < cap - 1 && (count = read(ends[0], said + len, cap - 1 - len)) > 0)
		len += (size_t)count;
	said[len] = '\0';
	assert_int_equal(waitpid(child, &status, 0), child);
	close(ends[0]);
	return status;
}

static void a_check_that_holds_is_silent(void **state)
{
	char said[65536];
	int status = run(hold, said, sizeof(said));
	(void)state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_string_equal(said, "");
}

static void a_failing_check_aborts(void **state)
{
	char said[65536];
	int status = run(break_one, said, sizeof(said));
	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_non_null(strstr(said, "limit == 4"));
	assert_non_null(strstr(said, "base_check.c:"));
}

static void checks_are_on_in_every_build(void **state)
{
	char said[65536];
	int status = run(read_past_a_view, said, sizeof(said));
	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_non_null(strstr(said, "bytes.h:"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_check_that_holds_is_silent),
		cmocka_unit_test(a_failing_check_aborts),
		cmocka_unit_test(checks_are_on_in_every_build),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
