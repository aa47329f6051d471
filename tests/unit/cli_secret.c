/* Passwords: where they may come from, and what is taken from there. The terminal is a
 * pseudo-terminal. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/secret.h"

#include "cli_line.h"
#include "folder.h"

#include <pty.h>
#include <sys/wait.h>
#include <termios.h>

static struct mt_options options;
static struct mt_cli_secret secret;
static const char *folder;
static char file[PATH_MAX];

static int setup(void **state)
{
	(void)state;
	folder = folder_make();
	snprintf(file, sizeof(file), "%s/password", folder);
	CLI_LINE(&options, "user", "add", "x", "--password-file", file);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	folder_remove(folder);
	return 0;
}

static int read_content(const char *content, size_t len)
{
	file_put(file, content, len, 0600);
	return mt_cli_secret_read(&options, &secret);
}

static void test_one_newline_is_stripped(void **state)
{
	(void)state;
	assert_int_equal(read_content("correct horse\n", 14), 0);
	assert_string_equal(secret.text, "correct horse");
	assert_int_equal(read_content("correct horse", 13), 0);
	assert_string_equal(secret.text, "correct horse");
	assert_int_equal(read_content("correct horse\n\n", 15), 0);
	assert_string_equal(secret.text, "correct horse\n");
	assert_int_equal(read_content(" short ", 7), 0);
	assert_string_equal(secret.text, " short ");
	assert_false(secret.is_generated);
}

static void test_what_is_no_password(void **state)
{
	(void)state;
	assert_int_equal(read_content("", 0), 2);
	assert_int_equal(read_content("\n", 1), 2);
	assert_int_equal(read_content("a\0b", 3), 2);
	assert_int_equal(read_content("a\xff", 2), 2);
	unlink(file);
	assert_int_equal(mt_cli_secret_read(&options, &secret), 2);
}

static void test_length_limit_is_exact(void **state)
{
	char content[MT_SECRET_BYTES_MAX + 8];
	(void)state;
	memset(content, 'x', sizeof(content));
	content[MT_SECRET_BYTES_MAX] = '\n';
	assert_int_equal(read_content(content, MT_SECRET_BYTES_MAX), 0);
	assert_int_equal(read_content(content, MT_SECRET_BYTES_MAX + 1), 0);
	assert_int_equal(strlen(secret.text), MT_SECRET_BYTES_MAX);
	assert_int_equal(read_content(content, sizeof(content)), 2);
	content[MT_SECRET_BYTES_MAX] = 'x';
	assert_int_equal(read_content(content, MT_SECRET_BYTES_MAX + 1), 2);
}

static void test_only_one_source(void **state)
{
	(void)state;
	CLI_LINE(&options, "user", "add", "x", "--generate", "--password-stdin");
	assert_int_equal(mt_cli_secret_read(&options, &secret), 2);
	CLI_LINE(&options, "user", "add", "x", "--generate", "--password-file", file);
	assert_int_equal(mt_cli_secret_read(&options, &secret), 2);
}

static void test_generated_ones_are_long_and_differ(void **state)
{
	char first[sizeof(secret.text)];
	(void)state;
	CLI_LINE(&options, "user", "add", "x", "--generate");
	assert_int_equal(mt_cli_secret_read(&options, &secret), 0);
	assert_true(secret.is_generated);
	assert_true(strlen(secret.text) >= 20);
	strcpy(first, secret.text);
	assert_int_equal(mt_cli_secret_read(&options, &secret), 0);
	assert_string_not_equal(first, secret.text);
}

static void test_finish_wipes(void **state)
{
	static const struct mt_cli_secret empty;
	(void)state;
	assert_int_equal(read_content("correct horse\n", 14), 0);
	mt_cli_secret_finish(&secret);
	assert_memory_equal(&secret, &empty, sizeof(secret));
}

/* Reads from the terminal until `wanted` was written there (NULL: to its end); all of it goes to
 * `seen`. */
static void await(int terminal, const char *wanted, char *seen, size_t cap)
{
	size_t len = strlen(seen);
	while (!wanted || !strstr(seen, wanted)) {
		ssize_t got = read(terminal, seen + len, cap - 1 - len);
		if (got <= 0)
			return;
		len += (size_t)got;
		seen[len] = '\0';
	}
}

/* A bare chroot has no terminals to lend. */
static void skip_without_terminals(void)
{
	int terminal = posix_openpt(O_RDWR | O_NOCTTY);
	const char *name = terminal >= 0 ? ptsname(terminal) : NULL;
	bool has_terminals = name && access(name, R_OK | W_OK) == 0;
	if (terminal >= 0)
		close(terminal);
	if (!has_terminals) {
		print_message("skip: no pseudo-terminals here\n");
		skip();
	}
}

/* A person who answers both prompts: exit code of the verb, and what the terminal showed. */
static int ask_person(const char *first, const char *second, const char *expected, char *seen,
		      size_t cap)
{
	int terminal;
	int status = 0;
	pid_t child = forkpty(&terminal, NULL, NULL, NULL);
	if (child == 0) {
		CLI_LINE(&options, "user", "add", "x");
		status = mt_cli_secret_read(&options, &secret);
		_exit(status == 0 && strcmp(secret.text, expected) != 0 ? 99 : status);
	}
	seen[0] = '\0';
	await(terminal, "Password: ", seen, cap);
	assert_true(write(terminal, first, strlen(first)) > 0);
	if (second) {
		await(terminal, "again: ", seen, cap);
		assert_true(write(terminal, second, strlen(second)) > 0);
	}
	await(terminal, NULL, seen, cap);
	close(terminal);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_prompt_asks_twice_without_echo(void **state)
{
	char seen[4096];
	(void)state;
	skip_without_terminals();
	assert_int_equal(ask_person("correct horse\n", "correct horse\n", "correct horse", seen,
				    sizeof(seen)),
			 0);
	assert_null(strstr(seen, "horse"));
	assert_int_equal(ask_person("correct horse\n", "correct house\n", "", seen, sizeof(seen)),
			 1);
	assert_non_null(strstr(seen, "differ"));
	assert_int_equal(ask_person("\n", "\n", "", seen, sizeof(seen)), 2);
}

static void test_control_c_ends_the_prompt(void **state)
{
	char seen[4096];
	(void)state;
	skip_without_terminals();
	assert_int_equal(ask_person("abc\x03", NULL, "", seen, sizeof(seen)), 1);
	assert_non_null(strstr(seen, "no password"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_newline_is_stripped),
		TEST(test_what_is_no_password),
		TEST(test_length_limit_is_exact),
		TEST(test_only_one_source),
		TEST(test_generated_ones_are_long_and_differ),
		TEST(test_finish_wipes),
		TEST(test_prompt_asks_twice_without_echo),
		TEST(test_control_c_ends_the_prompt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
