/* PEM files: read whole or refused with the path, whatever stands at the path. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tls/parts.h"

#include "folder.h"

#define BYTES_MAX (1024u * 1024)

static const char *folder;
static char path[600];
static char fault[700];

static int setup(void **state)
{
	(void)state;
	folder = folder_make();
	snprintf(path, sizeof(path), "%s/file.pem", folder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	folder_remove(folder);
	return 0;
}

static void refused(bool is_secret, enum mt_status expected, const char *why)
{
	BIO *bio = NULL;
	fault[0] = '\0';
	assert_int_equal(mt_tls_pem_read(path, is_secret, &bio, fault, sizeof(fault)), expected);
	assert_null(bio);
	if (!strstr(fault, path) || !strstr(fault, why))
		fail_msg("said: %s", fault);
}

static void test_content_comes_whole(void **state)
{
	uint8_t *data = malloc(BYTES_MAX + 1);
	char *seen;
	BIO *bio;
	(void)state;
	for (size_t i = 0; i < BYTES_MAX + 1; i++)
		data[i] = (uint8_t)(i * 31 >> 3);
	file_put(path, data, BYTES_MAX, 0600);
	assert_int_equal(mt_tls_pem_read(path, true, &bio, fault, sizeof(fault)), MT_OK);
	assert_int_equal(BIO_get_mem_data(bio, &seen), BYTES_MAX);
	assert_memory_equal(seen, data, BYTES_MAX);
	BIO_free(bio);
	file_put(path, data, BYTES_MAX + 1, 0600);
	refused(false, MT_LIMIT, "1 MiB");
	file_put(path, data, 0, 0600);
	assert_int_equal(mt_tls_pem_read(path, false, &bio, fault, sizeof(fault)), MT_OK);
	assert_int_equal(BIO_get_mem_data(bio, &seen), 0);
	BIO_free(bio);
	free(data);
}

static void test_secrets_belong_to_their_owner_alone(void **state)
{
	BIO *bio;
	(void)state;
	for (mode_t mode = 0400; mode <= 0677; mode++) {
		bool is_open = (mode & 077) != 0;
		if (!(mode & 0400))
			continue;
		file_put(path, "x", 1, mode);
		assert_int_equal(mt_tls_pem_read(path, false, &bio, fault, sizeof(fault)), MT_OK);
		BIO_free(bio);
		if (is_open) {
			refused(true, MT_DENIED, "chmod 600");
			continue;
		}
		assert_int_equal(mt_tls_pem_read(path, true, &bio, fault, sizeof(fault)), MT_OK);
		BIO_free(bio);
	}
}

/* Neither a folder nor a pipe that nobody writes to (it would wait for ever). */
static void test_what_is_no_file(void **state)
{
	(void)state;
	refused(false, MT_NOT_FOUND, "cannot open");
	assert_int_equal(mkdir(path, 0700), 0);
	refused(false, MT_INVALID, "not a file");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	refused(true, MT_INVALID, "not a file");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink(path, path), 0);
	refused(false, MT_SYSTEM, "cannot open");
}

/* Links are followed; what they lead to is what counts. */
static void test_links(void **state)
{
	char target[600];
	BIO *bio;
	(void)state;
	snprintf(target, sizeof(target), "%s/target", folder);
	file_put(target, "x", 1, 0600);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(mt_tls_pem_read(path, true, &bio, fault, sizeof(fault)), MT_OK);
	BIO_free(bio);
	assert_int_equal(chmod(target, 0640), 0);
	refused(true, MT_DENIED, "chmod 600");
}

static void test_nobody_is_asked_for_a_passphrase(void **state)
{
	char buffer[16] = "unchanged";
	(void)state;
	assert_int_equal(mt_tls_pem_no_passphrase(buffer, sizeof(buffer), 0, NULL), -1);
	assert_string_equal(buffer, "unchanged");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_content_comes_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_secrets_belong_to_their_owner_alone, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_what_is_no_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links, setup, teardown),
		cmocka_unit_test(test_nobody_is_asked_for_a_passphrase),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
