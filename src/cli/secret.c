/* Reading a password from where nobody else sees it. */
#include "cli/secret.h"

#include "base/bytes.h"
#include "base/utf8.h"
#include "cli/print.h"
#include "cli/verbs.h"
#include "io/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define ADVISED_CHARACTERS 12u
#define GENERATED_CHARACTERS 24u /* 5 bit each */
#define CONTROL_C 3

/* Reads to the end, at most the room and one byte, so that too much shows. */
static int read_all(int fd, char *out, size_t cap, size_t *len)
{
	size_t got = 0;
	while (got < cap) {
		ssize_t now = read(fd, out + got, cap - got);
		if (now == 0)
			break;
		if (now < 0 && errno != EINTR)
			return -1;
		if (now > 0)
			got += (size_t)now;
	}
	*len = got;
	return 0;
}

static size_t count_characters(const char *text, size_t len)
{
	size_t count = 0;
	for (size_t i = 0; i < len; i++)
		count += ((unsigned char)text[i] & 0xc0) != 0x80;
	return count;
}

/* `raw` holds len bytes and has room for MT_SECRET_BYTES_MAX + 2. */
static int take(const char *raw, size_t len, const char *source, struct mt_cli_secret *out)
{
	size_t bad;
	if (len > 0 && raw[len - 1] == '\n')
		len--;
	if (len == 0)
		return mt_cli_fail(2, "%s: the password is empty; expected at least one character",
				   source);
	if (len > MT_SECRET_BYTES_MAX)
		return mt_cli_fail(2, "%s: the password is longer than %u bytes", source,
				   MT_SECRET_BYTES_MAX);
	if (mt_utf8_check(mt_bytes_of(raw, len), &bad) != MT_UTF8_GOOD)
		return mt_cli_fail(2, "%s: the password is no UTF-8 text", source);
	memcpy(out->text, raw, len);
	out->text[len] = '\0';
	if (count_characters(raw, len) < ADVISED_CHARACTERS)
		mt_cli_warn(
			"the password has fewer than %u characters; --generate makes a strong one",
			ADVISED_CHARACTERS);
	return 0;
}

static int read_from(int fd, const char *source, struct mt_cli_secret *out)
{
	char raw[MT_SECRET_BYTES_MAX + 2];
	size_t len;
	int failed;
	if (read_all(fd, raw, sizeof(raw), &len) != 0)
		failed = mt_cli_fail(1, "%s: %s", source, strerror(errno));
	else
		failed = take(raw, len, source, out);
	mt_bytes_wipe(raw, sizeof(raw));
	return failed;
}

static int read_file(const char *option, const char *path, struct mt_cli_secret *out)
{
	struct stat facts;
	int failed;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return mt_cli_fail(errno == EACCES ? 4 : 2, "--%s %s: %s", option, path,
				   strerror(errno));
	if (fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) && (facts.st_mode & 077) != 0)
		mt_cli_warn("%s can be read by others; chmod 600 it", path);
	failed = read_from(fd, path, out);
	close(fd);
	return failed;
}

/* ^C ends the line as a newline does, so that echo is always put back. Bytes read, -1 for ^C and
 * errors. */
static ssize_t ask(int terminal, const char *prompt, char *out, size_t cap)
{
	struct termios before;
	struct termios quiet;
	ssize_t got;
	if (tcgetattr(terminal, &before) != 0)
		return -1;
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
	quiet.c_lflag |= ICANON | ECHONL;
	quiet.c_cc[VEOL] = CONTROL_C;
	/* Echo off first: an answer typed at the prompt must neither show nor be flushed. */
	if (tcsetattr(terminal, TCSAFLUSH, &quiet) != 0)
		return -1;
	if (write(terminal, prompt, strlen(prompt)) < 0) {
		tcsetattr(terminal, TCSAFLUSH, &before);
		return -1;
	}
	do
		got = read(terminal, out, cap);
	while (got < 0 && errno == EINTR);
	tcsetattr(terminal, TCSAFLUSH, &before);
	return got > 0 && out[got - 1] == CONTROL_C ? -1 : got;
}

static int prompt_twice(int terminal, struct mt_cli_secret *out)
{
	char first[MT_SECRET_BYTES_MAX + 2];
	char second[MT_SECRET_BYTES_MAX + 2];
	ssize_t first_len = ask(terminal, "Password: ", first, sizeof(first));
	ssize_t second_len =
		first_len < 0 ? -1 : ask(terminal, "The same again: ", second, sizeof(second));
	int failed;
	if (second_len < 0)
		failed = mt_cli_fail(1, "no password was given");
	else if (first_len != second_len || memcmp(first, second, (size_t)first_len) != 0)
		failed = mt_cli_fail(1, "the two passwords differ; try again");
	else
		failed = take(first, (size_t)first_len, "password", out);
	mt_bytes_wipe(first, sizeof(first));
	mt_bytes_wipe(second, sizeof(second));
	return failed;
}

static int prompt(struct mt_cli_secret *out)
{
	int failed;
	int terminal = isatty(STDIN_FILENO) ? open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY) : -1;
	if (terminal < 0)
		return mt_cli_fail(2, "a password is needed and there is no terminal to ask at; "
				      "give --password-stdin, "
				      "--password-file FILE or --generate");
	failed = prompt_twice(terminal, out);
	close(terminal);
	return failed;
}

static void generate(struct mt_cli_secret *out)
{
	static const char alphabet[] = "abcdefghijkmnpqrstuvwxyz23456789";
	uint8_t random[GENERATED_CHARACTERS];
	_Static_assert(sizeof(alphabet) == 33, "five bit a character");
	mt_random_bytes(random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		out->text[i] = alphabet[random[i] % 32];
	out->text[GENERATED_CHARACTERS] = '\0';
	out->is_generated = true;
	mt_bytes_wipe(random, sizeof(random));
}

int mt_cli_secret_read(const struct mt_options *options, struct mt_cli_secret *out)
{
	const char *path = mt_options_value(options, "password-file");
	bool is_stdin = mt_options_has(options, "password-stdin");
	bool is_generated = mt_options_has(options, "generate");
	memset(out, 0, sizeof(*out));
	if (is_stdin + is_generated + (path != NULL) > 1)
		return mt_cli_fail(
			2, "--password-stdin, --password-file and --generate: give one of them");
	if (is_generated) {
		generate(out);
		return 0;
	}
	if (is_stdin)
		return read_from(STDIN_FILENO, "standard input", out);
	return path ? read_file("password-file", path, out) : prompt(out);
}

int mt_cli_passphrase_read(const struct mt_options *options, struct mt_cli_secret *out)
{
	const char *path = mt_options_value(options, "passphrase-file");
	memset(out, 0, sizeof(*out));
	return path ? read_file("passphrase-file", path, out) : prompt(out);
}

void mt_cli_secret_finish(struct mt_cli_secret *secret)
{
	mt_bytes_wipe(secret, sizeof(*secret));
}
