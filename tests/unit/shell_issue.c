/* Certificates for users: names, and what is missing when none can be made. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shell/issue.h"
#include "shell/provision_tls.h"

#include "folder.h"

#include <time.h>

static const char *folder;
static char fault[512];
static struct mt_issued issued;

static int setup(void **state)
{
	bool is_made;
	(void)state;
	folder = folder_make();
	return mt_provision_tls(folder, time(NULL), MT_RENEW_WHEN_DUE, &is_made, fault,
				sizeof(fault)) == MT_OK
		       ? 0
		       : -1;
}

static int teardown(void **state)
{
	(void)state;
	folder_remove(folder);
	return 0;
}

static enum mt_status issue(const char *user)
{
	return mt_issue_client(folder, user, time(NULL), 10, &issued, fault, sizeof(fault));
}

static void test_what_is_made(void **state)
{
	struct mt_pem server = {NULL, 0};
	(void)state;
	assert_int_equal(issue("th-17.site/1"), MT_OK);
	assert_string_equal(issued.name, "th-17.site%2F1");
	assert_string_equal(issued.facts.names, "URI:mortise:th-17.site%2F1");
	assert_string_equal(issued.facts.subject, "CN=th-17_site_2F1");
	assert_false(issued.facts.is_ca);
	assert_int_equal(issued.facts.not_after_s - issued.facts.not_before_s, 10 * 86400 + 3600);
	assert_true(mt_certificate_is_of(&issued.certificate, &issued.ca));
	assert_non_null(strstr(issued.key.text, "PRIVATE KEY"));
	assert_int_equal(strlen(issued.ca_pin), 44);
	assert_int_equal(mt_issue_read(folder, "server.pem", &server), MT_OK);
	assert_false(mt_certificate_is_of(&server, &issued.ca)); /* there is an issuer between */
	mt_pem_finish(&server);
	mt_issued_finish(&issued);
	mt_issued_finish(&issued);
}

static void test_names(void **state)
{
	static const char *const cases[][2] = {
		{"th-17", "th-17"}, {"a b", "a%20b"}, {"\xc3\xa4", "%C3%A4"}, {"100%", "100%25"}};
	char out[MT_ISSUE_NAME_BYTES];
	static char name[MT_ISSUE_NAME_BYTES + 1];
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		assert_true(mt_issue_name(cases[i][0], out));
		assert_string_equal(out, cases[i][1]);
	}
	memset(name, 'n', sizeof(name) - 1);
	assert_false(mt_issue_name(name, out));
	assert_int_equal(issue(name), MT_INVALID);
}

static void move_away(const char *name)
{
	char from[700], to[700];
	snprintf(from, sizeof(from), "%s/tls/%s", folder, name);
	snprintf(to, sizeof(to), "%s/tls/%s.away", folder, name);
	assert_int_equal(rename(from, to), 0);
}

static void test_what_is_missing(void **state)
{
	(void)state;
	move_away("ca.key");
	assert_int_equal(issue("ann"), MT_NOT_FOUND);
	assert_non_null(strstr(fault, "ca.key is not there; bring the key back"));
	move_away("ca.pem");
	assert_int_equal(issue("ann"), MT_NOT_FOUND);
	assert_non_null(strstr(fault, "ca.pem is not there; make the authority"));
}

static void test_a_key_of_another(void **state)
{
	char path[700];
	struct mt_pem key;
	(void)state;
	assert_int_equal(mt_issue_read(folder, "server.key", &key), MT_OK);
	snprintf(path, sizeof(path), "%s/tls/ca.key", folder);
	file_put(path, key.text, key.len, 0600);
	mt_pem_finish(&key);
	assert_int_equal(issue("ann"), MT_INVALID);
	assert_null(issued.key.text);
}

/* Under a passphrase and back. */
static void test_the_key_is_locked(void **state)
{
	struct mt_pem key, locked, again, certificate;
	(void)state;
	assert_int_equal(mt_issue_read(folder, "ca.key", &key), MT_OK);
	assert_int_equal(mt_issue_read(folder, "ca.pem", &certificate), MT_OK);
	assert_int_equal(mt_authority_lock(&key, "sesame", &locked), MT_OK);
	assert_non_null(strstr(locked.text, "ENCRYPTED PRIVATE KEY"));
	assert_int_equal(mt_authority_unlock(&locked, "sesam", &again), MT_DENIED);
	assert_int_equal(mt_authority_unlock(&locked, "", &again), MT_DENIED);
	assert_int_equal(mt_authority_unlock(&certificate, "sesame", &again), MT_DENIED);
	assert_int_equal(mt_authority_unlock(&locked, "sesame", &again), MT_OK);
	assert_string_equal(again.text, key.text);
	assert_true(mt_authority_is_pair(&certificate, &again));
	assert_false(mt_authority_is_pair(&certificate, &locked));
	assert_int_equal(mt_authority_lock(&certificate, "sesame", &locked), MT_INVALID);
	mt_pem_finish(&key);
	mt_pem_finish(&locked);
	mt_pem_finish(&again);
	mt_pem_finish(&certificate);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_what_is_made),      TEST(test_names),
		TEST(test_what_is_missing),   TEST(test_a_key_of_another),
		TEST(test_the_key_is_locked),
	};
	return cmocka_run_group_tests_name("shell_issue", tests, NULL, NULL);
}
