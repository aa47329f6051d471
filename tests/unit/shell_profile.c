/* Profiles: what is written is read, and everything else is refused with its line. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shell/profile.h"

#include "folder.h"

static const char pin[] = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
static const char sample[] = "address: broker.example:8883\n"
			     "ca_pin: 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
			     "user: th-17\n"
			     "password: \"a: b # c \\\" \\\\\"\n"
			     "client_id: th-17\n"
			     "ca: |\n"
			     "  -----BEGIN CERTIFICATE-----\n"
			     "  MIIB\n"
			     "certificate: |\n"
			     "  -----BEGIN CERTIFICATE-----\n"
			     "key: |\n"
			     "  -----BEGIN PRIVATE KEY-----\n";

static char fault[256];

static enum mt_status parse(const char *text, struct mt_profile *out)
{
	fault[0] = '\0';
	return mt_profile_parse(mt_bytes_str(text), out, fault, sizeof(fault));
}

/* Refused, and the sentence says where and what. */
static void assert_fault(const char *text, const char *where, const char *what)
{
	struct mt_profile profile;
	assert_int_equal(parse(text, &profile), MT_INVALID);
	if (strncmp(fault, where, strlen(where)) != 0 || !strstr(fault, what))
		fail_msg("\"%s\" does not say \"%s\" and \"%s\"", fault, where, what);
}

static void every_key_is_read(void **state)
{
	struct mt_profile profile;
	(void)state;
	assert_int_equal(parse(sample, &profile), MT_OK);
	assert_string_equal(profile.host, "broker.example");
	assert_int_equal(profile.port, 8883);
	assert_string_equal(profile.ca_pin, pin);
	assert_string_equal(profile.user, "th-17");
	assert_string_equal(profile.password, "a: b # c \" \\");
	assert_string_equal(profile.client_id, "th-17");
	assert_string_equal(profile.ca_pem, "-----BEGIN CERTIFICATE-----\nMIIB\n");
	assert_string_equal(profile.certificate_pem, "-----BEGIN CERTIFICATE-----\n");
	assert_string_equal(profile.key_pem, "-----BEGIN PRIVATE KEY-----\n");
	mt_profile_finish(&profile);
	assert_null(profile.key_pem);
	assert_string_equal(profile.password, "");
}

static void address_alone_is_enough(void **state)
{
	struct mt_profile profile;
	(void)state;
	assert_int_equal(parse("address: '[fe80::1]:1'", &profile), MT_OK);
	assert_string_equal(profile.host, "fe80::1");
	assert_int_equal(profile.port, 1);
	assert_null(profile.ca_pem);
	assert_string_equal(profile.user, "");
	mt_profile_finish(&profile);
}

static void faults_name_the_line(void **state)
{
	(void)state;
	assert_fault("", "line 1: ", "empty");
	assert_fault("address: a:1\nuser: x\naddress: a:1\n", "line 3: ", "twice");
	assert_fault("address: a:1\nusr: x\n", "line 2: ", "usr is no key");
	assert_fault("\nuser: x\n", "line 3: ", "address is missing");
	assert_fault("user: x\naddress: a\n", "line 2: ", "HOST:PORT");
	assert_fault("address: :1883\n", "line 1: ", "host is missing");
	assert_fault("address: a:0\n", "line 1: ", "port is missing");
	assert_fault("address: 'a:'\n", "line 1: ", "port");
	assert_fault("address: a:65536\n", "line 1: ", "port");
	assert_fault("address: a b:1\n", "line 1: ", "name or an address");
	assert_fault("address: a:1\nca: hello\n", "line 2: ", "PEM");
	assert_fault("address: a:1\nca_pin: hello\n", "line 2: ", "44 characters");
	assert_fault("address: a:1\nkey: |\n -----BEGIN K\n", "line 4: ", "certificate is missing");
	assert_fault("address: a:1\ncertificate: |\n -----BEGIN K\n", "line 4: ", "key is missing");
}

static void only_plain_text_is_a_value(void **state)
{
	(void)state;
	assert_fault("address: a:1\nuser: [x]\n", "line 2: ", "no plain text");
	assert_fault("address: a:1\nuser: {x: y}\n", "line 2: ", "no plain text");
	assert_fault("address: a:1\nuser: !!binary eA==\n", "line 2: ", "no plain text");
	assert_fault("address: a:1\nuser: &anchor x\n", "line 2: ", "no plain text");
	assert_fault("address: a:1\nuser: *anchor\n", "line 2: ", "no plain text");
	assert_fault("address: a:1\nuser: \"a\\0b\"\n", "line 2: ", "control");
	assert_fault("address: a:1\nuser: \"a\\nb\"\n", "line 2: ", "control");
	assert_fault("address: a:1\nuser: \"a\\x9bb\"\n", "line 2: ", "control");
	assert_fault("address: a:1\n\"a\\eb\": x\n", "line 2: ", "this is no key");
	assert_fault("- address: a:1\n", "line 1: ", "key: value");
	assert_fault("address: a:1\n? [x]\n: y\n", "line 2: ", "expected a key");
	assert_fault("address: a:1\n---\naddress: a:1\n", "line 2: ", "end of the file");
	assert_fault("address: a:1\n\tuser: x\n", "line 2: ", "");
	assert_fault("address: a:1\nuser: \xff\n", "line ", "");
}

static void long_values_are_refused(void **state)
{
	char text[400];
	struct mt_profile profile;
	uint8_t *big = malloc(MT_PROFILE_FILE_BYTES_MAX + 1);
	(void)state;
	snprintf(text, sizeof(text), "address: a:1\nuser: %0255d\n", 0);
	assert_int_equal(parse(text, &profile), MT_OK);
	mt_profile_finish(&profile);
	snprintf(text, sizeof(text), "address: a:1\nuser: %0256d\n", 0);
	assert_fault(text, "line 2: ", "255");
	assert_non_null(big);
	memset(big, ' ', MT_PROFILE_FILE_BYTES_MAX + 1);
	assert_int_equal(mt_profile_parse(mt_bytes_of(big, MT_PROFILE_FILE_BYTES_MAX + 1), &profile,
					  fault, sizeof(fault)),
			 MT_INVALID);
	assert_non_null(strstr(fault, "too long"));
	free(big);
}

/* No truncation and no change of a byte may do more than be refused. */
static void sweep_of_the_sample(void **state)
{
	struct mt_profile profile;
	char text[sizeof(sample)];
	(void)state;
	for (size_t i = 0; i < sizeof(sample); i++) {
		if (mt_profile_parse(mt_bytes_of(sample, i), &profile, fault, sizeof(fault)) ==
		    MT_OK)
			mt_profile_finish(&profile);
		for (int change = 1; change < 256; change += 50) {
			memcpy(text, sample, sizeof(sample));
			text[i] = (char)(text[i] ^ change);
			if (mt_profile_parse(mt_bytes_of(text, sizeof(sample) - 1), &profile, fault,
					     sizeof(fault)) == MT_OK)
				mt_profile_finish(&profile);
		}
	}
}

static void written_profiles_read_the_same(void **state)
{
	const char *folder = folder_make();
	char path[600], ca[] = "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n";
	struct mt_profile out = {
		.host = "::1",
		.port = 8883,
		.user = "an\xc3\xa4 \"x\": - #",
		.password = "\xe2\x80\xa8 \\ 'y' ",
		.ca_pem = ca,
	};
	struct mt_profile in;
	struct stat facts;
	(void)state;
	memcpy(out.ca_pin, pin, sizeof(pin));
	snprintf(path, sizeof(path), "%s/a.mortise", folder);
	assert_int_equal(mt_profile_write(path, &out), MT_OK);
	assert_int_equal(stat(path, &facts), 0);
	assert_int_equal(facts.st_mode & 0777, 0600);
	assert_int_equal(mt_profile_read(path, &in, fault, sizeof(fault)), MT_OK);
	assert_string_equal(in.host, out.host);
	assert_int_equal(in.port, out.port);
	assert_string_equal(in.user, out.user);
	assert_string_equal(in.password, out.password);
	assert_string_equal(in.client_id, "");
	assert_string_equal(in.ca_pem, ca);
	assert_string_equal(in.ca_pin, pin);
	mt_profile_finish(&in);
	folder_remove(folder);
}

static void unreadable_profiles_are_not_written(void **state)
{
	const char *folder = folder_make();
	char path[600], pem[] = "no pem", *long_pem = calloc(1, MT_PROFILE_FILE_BYTES_MAX + 1);
	(void)state;
	snprintf(path, sizeof(path), "%s/a.mortise", folder);
	const struct mt_profile wrong[] = {
		{.host = "a"},
		{.port = 1},
		{.host = "a", .port = 1, .user = "a\nb"},
		{.host = "a", .port = 1, .user = "\xff"},
		{.host = "a", .port = 1, .ca_pem = pem},
	};
	for (size_t i = 0; i < MT_COUNT_OF(wrong); i++)
		assert_int_equal(mt_profile_write(path, &wrong[i]), MT_INVALID);
	assert_non_null(long_pem);
	memset(long_pem, '-', MT_PROFILE_FILE_BYTES_MAX);
	memcpy(long_pem, "-----BEGIN ", 11);
	const struct mt_profile too_long = {.host = "a", .port = 1, .ca_pem = long_pem};
	assert_int_equal(mt_profile_write(path, &too_long), MT_LIMIT);
	free(long_pem);
	assert_false(file_is_there(path));
	folder_remove(folder);
}

static void files_of_others_are_refused(void **state)
{
	const char *folder = folder_make();
	static const mode_t modes[] = {0644, 0640, 0604, 0660, 0601};
	struct mt_profile profile;
	char path[600];
	(void)state;
	snprintf(path, sizeof(path), "%s/a.mortise", folder);
	assert_int_equal(mt_profile_read(path, &profile, fault, sizeof(fault)), MT_NOT_FOUND);
	for (size_t i = 0; i < MT_COUNT_OF(modes); i++) {
		file_put(path, sample, strlen(sample), modes[i]);
		assert_int_equal(mt_profile_read(path, &profile, fault, sizeof(fault)), MT_DENIED);
	}
	file_put(path, sample, strlen(sample), 0400);
	assert_int_equal(mt_profile_read(path, &profile, fault, sizeof(fault)), MT_OK);
	mt_profile_finish(&profile);
	assert_int_equal(mt_profile_read(folder, &profile, fault, sizeof(fault)), MT_INVALID);
	folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_is_read),
		cmocka_unit_test(address_alone_is_enough),
		cmocka_unit_test(faults_name_the_line),
		cmocka_unit_test(only_plain_text_is_a_value),
		cmocka_unit_test(long_values_are_refused),
		cmocka_unit_test(sweep_of_the_sample),
		cmocka_unit_test(written_profiles_read_the_same),
		cmocka_unit_test(unreadable_profiles_are_not_written),
		cmocka_unit_test(files_of_others_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
