/* Password hashes and tokens: vectors of an independent Argon2, one hash per case, every damaged
 * hash. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "crypto/password.h"

#include <stdlib.h>

static const uint8_t counting[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

/* Made with the Argon2id of OpenSSL 3.5 (Python's cryptography), not with libsodium. */
static void hash_equals_an_independent_implementation(void **state)
{
	char out[MT_PASSWORD_HASH_BYTES];
	uint8_t ones[16];
	(void)state;
	memset(ones, 0xff, sizeof(ones));
	assert_int_equal(
		mt_password_hash(mt_bytes_str("correct horse battery staple"), counting, out),
		MT_OK);
	assert_string_equal(out, "$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgcICQoLDA0ODw"
				 "$gYJZtjEAJqjg26xdLmknq8/bB7MiWPrE9hsYuA+SkIU");
	assert_int_equal(mt_password_hash(mt_bytes_of(NULL, 0), ones, out), MT_OK);
	assert_string_equal(out, "$argon2id$v=19$m=19456,t=2,p=1$/////////////////////w"
				 "$O2I8yLbsBOkLxd93rrqHaacD89NoIb+1enDxMRHxW5Y");
}

static void verify_tells_right_from_wrong(void **state)
{
	char out[MT_PASSWORD_HASH_BYTES];
	struct mt_bytes hash;
	(void)state;
	assert_int_equal(mt_password_hash(mt_bytes_of("a\0b", 3), counting, out), MT_OK);
	hash = mt_bytes_str(out);
	assert_int_equal(mt_password_verify(mt_bytes_of("a\0b", 3), hash), MT_OK);
	assert_int_equal(mt_password_verify(mt_bytes_of("a\0c", 3), hash), MT_DENIED);
	assert_int_equal(mt_password_verify(mt_bytes_of("a", 1), hash), MT_DENIED);
	assert_int_equal(mt_password_verify(mt_bytes_of(NULL, 0), hash), MT_DENIED);
}

static void empty_password_is_a_password(void **state)
{
	char out[MT_PASSWORD_HASH_BYTES];
	(void)state;
	assert_int_equal(mt_password_hash(mt_bytes_str(""), counting, out), MT_OK);
	assert_int_equal(mt_password_verify(mt_bytes_str(""), mt_bytes_str(out)), MT_OK);
	assert_int_equal(mt_password_verify(mt_bytes_str("x"), mt_bytes_str(out)), MT_DENIED);
}

static void lengths_are_limited(void **state)
{
	char out[MT_PASSWORD_HASH_BYTES];
	uint8_t *data = calloc(1, MT_PASSWORD_BYTES_MAX + 1);
	(void)state;
	assert_non_null(data);
	assert_int_equal(
		mt_password_hash(mt_bytes_of(data, MT_PASSWORD_BYTES_MAX + 1), counting, out),
		MT_LIMIT);
	assert_int_equal(mt_password_hash(mt_bytes_of(data, MT_PASSWORD_BYTES_MAX), counting, out),
			 MT_OK);
	assert_int_equal(
		mt_password_verify(mt_bytes_of(data, MT_PASSWORD_BYTES_MAX), mt_bytes_str(out)),
		MT_OK);
	/* A longer one is not the one it begins with. */
	assert_int_equal(
		mt_password_verify(mt_bytes_of(data, MT_PASSWORD_BYTES_MAX + 1), mt_bytes_str(out)),
		MT_DENIED);
	free(data);
}

/* What an attacker could tell apart by time, told apart by count: it is 1 in each case. */
static void every_verification_costs_one_hash(void **state)
{
	char good[MT_PASSWORD_HASH_BYTES];
	uint8_t long_password[MT_PASSWORD_BYTES_MAX + 1] = {0};
	uint64_t before;
	struct mt_bytes secret = mt_bytes_str("secret");
	(void)state;
	assert_int_equal(mt_password_hash(secret, counting, good), MT_OK);
	const struct {
		struct mt_bytes password, hash;
		enum mt_status expected;
	} cases[] = {
		{secret, mt_bytes_str(good), MT_OK},
		{mt_bytes_str("other"), mt_bytes_str(good), MT_DENIED},
		{secret, mt_bytes_of(NULL, 0), MT_DENIED},
		{secret, mt_bytes_str("plain"), MT_DENIED},
		{secret,
		 mt_bytes_str("$argon2id$v=19$m=1048576,t=9,p=1$AAECAwQFBgcICQoLDA0ODw"
			      "$gYJZtjEAJqjg26xdLmknq8/bB7MiWPrE9hsYuA+SkIU"),
		 MT_DENIED},
		{secret, mt_bytes_of(good, strlen(good) + 1), MT_DENIED},
		{mt_bytes_of(long_password, sizeof(long_password)), mt_bytes_str(good), MT_DENIED},
		{mt_bytes_of(long_password, sizeof(long_password)), mt_bytes_of(NULL, 0),
		 MT_DENIED},
	};
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		before = mt_password_hash_count();
		assert_int_equal(mt_password_verify(cases[i].password, cases[i].hash),
				 cases[i].expected);
		assert_int_equal(mt_password_hash_count(), before + 1);
	}
}

/* Every truncation, and one wrong byte at each place: never a match, never a crash, never a missing
 * hash. */
static void damaged_hashes_never_match(void **state)
{
	char good[MT_PASSWORD_HASH_BYTES], bad[MT_PASSWORD_HASH_BYTES];
	struct mt_bytes secret = mt_bytes_str("secret");
	uint64_t before;
	size_t len;
	(void)state;
	assert_int_equal(mt_password_hash(secret, counting, good), MT_OK);
	len = strlen(good);
	before = mt_password_hash_count();
	for (size_t i = 0; i < len; i++) {
		memcpy(bad, good, len);
		bad[i] = (char)(bad[i] == 'A' ? 'B' : 'A');
		assert_int_equal(mt_password_verify(secret, mt_bytes_of(bad, len)), MT_DENIED);
		bad[i] = '\0';
		assert_int_equal(mt_password_verify(secret, mt_bytes_of(bad, len)), MT_DENIED);
		assert_int_equal(mt_password_verify(secret, mt_bytes_of(good, i)), MT_DENIED);
	}
	assert_int_equal(mt_password_hash_count(), before + 3 * len);
}

static void the_dummy_has_no_password(void **state)
{
	(void)state;
	assert_int_equal(mt_password_verify(mt_bytes_str(""), mt_bytes_str("")), MT_DENIED);
	assert_int_equal(
		mt_password_verify(
			mt_bytes_str(""),
			mt_bytes_str("$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA"
				     "$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
		MT_DENIED);
}

/* RFC 4648 section 10: "foobar" is MZXW6YTBOI======. */
static void tokens_are_base32(void **state)
{
	uint8_t random[20] = "foobar";
	char token[MT_TOKEN_TEXT_BYTES], made[MT_PASSWORD_MADE_BYTES];
	(void)state;
	mt_token_make(random, token);
	assert_string_equal(token, "mt1.mzxw6ytboiaaaaaaaaaaaaaaaa");
	mt_password_make(random, made);
	assert_string_equal(made, "mzxw6ytboiaaaaaaaaaaaaaaaaaaaaaa");
	memset(random, 0xff, sizeof(random));
	mt_token_make(random, token);
	assert_string_equal(token, "mt1.77777777777777777777777774");
	mt_password_make(random, made);
	assert_string_equal(made, "77777777777777777777777777777777");
}

static void form_of_a_token_is_its_prefix(void **state)
{
	(void)state;
	assert_true(mt_token_has_form(mt_bytes_str("mt1.")));
	assert_true(mt_token_has_form(mt_bytes_str("mt1.abc")));
	assert_false(mt_token_has_form(mt_bytes_str("mt1")));
	assert_false(mt_token_has_form(mt_bytes_str("MT1.abc")));
	assert_false(mt_token_has_form(mt_bytes_of(NULL, 0)));
}

/* FIPS 180-4 examples. */
static void token_hash_is_sha256(void **state)
{
	static const uint8_t abc[4] = {0xba, 0x78, 0x16, 0xbf}, empty[4] = {0xe3, 0xb0, 0xc4, 0x42};
	uint8_t out[32];
	(void)state;
	mt_token_hash(mt_bytes_str("abc"), out);
	assert_memory_equal(out, abc, 4);
	mt_token_hash(mt_bytes_of(NULL, 0), out);
	assert_memory_equal(out, empty, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash_equals_an_independent_implementation),
		cmocka_unit_test(verify_tells_right_from_wrong),
		cmocka_unit_test(empty_password_is_a_password),
		cmocka_unit_test(lengths_are_limited),
		cmocka_unit_test(every_verification_costs_one_hash),
		cmocka_unit_test(damaged_hashes_never_match),
		cmocka_unit_test(the_dummy_has_no_password),
		cmocka_unit_test(tokens_are_base32),
		cmocka_unit_test(form_of_a_token_is_its_prefix),
		cmocka_unit_test(token_hash_is_sha256),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
