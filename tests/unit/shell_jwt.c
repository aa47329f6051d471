/* JSON Web Tokens: their form, the keys and algorithms of issuers, and what a grant is worth later.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "crypto/password.h"
#include "shell/jwt.h"
#include "shell/jwt_form.h"
#include "shell/jwt_key.h"

#include <jwt.h>
#include <stdio.h>
#include <stdlib.h>

enum { ANN = 7 };
#define NOW 1700000000

static const char secret[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static const char other[] = "another89abcdef0123456789abcdef0123456789abcdef0123456789abcdef0";

/* Signed by HS256. payload: JSON. */
static char *sign_with(const char *key, jwt_alg_t algorithm, const char *payload)
{
	jwt_t *jwt = NULL;
	char *text;
	assert_int_equal(jwt_new(&jwt), 0);
	assert_int_equal(jwt_add_grants_json(jwt, payload), 0);
	assert_int_equal(jwt_set_alg(jwt, algorithm, (const unsigned char *)key, (int)strlen(key)),
			 0);
	text = jwt_encode_str(jwt);
	assert_non_null(text);
	jwt_free(jwt);
	return text;
}

static struct mt_book *book_with(const char *key, const char *audience, uint64_t user_id)
{
	struct mt_book *book = mt_book_create((struct mt_seed){{1, 2}});
	struct mt_issuer issuer = {.name = mt_bytes_str("i"),
				   .issuer = mt_bytes_str("iss"),
				   .keys = {mt_bytes_str(key)},
				   .key_count = 1,
				   .audience = audience,
				   .claim = "sub",
				   .algorithms = 1u << MT_JWT_HS256,
				   .leeway_s = 10};
	mt_token_hash(issuer.keys[0], issuer.key_digests[0]);
	assert_int_equal(mt_book_add_issuer(book, &issuer), MT_OK);
	if (user_id != 0)
		assert_int_equal(
			mt_book_add_subject(book, user_id, mt_bytes_str("i"), mt_bytes_str("ann")),
			MT_OK);
	return book;
}

/* MT_REFUSAL_COUNT: it is believed. */
static enum mt_refusal judge(struct mt_book *book, const char *token)
{
	struct mt_jwt_grant *grant = NULL;
	enum mt_refusal why = MT_REFUSAL_COUNT;
	if (mt_jwt_check(book, mt_bytes_str(token), NOW, &grant, &why)) {
		assert_int_equal(mt_jwt_grant_user(grant), ANN);
		mt_jwt_grant_destroy(&grant);
		return MT_REFUSAL_COUNT;
	}
	assert_null(grant);
	return why;
}

static void each_claim_is_looked_at(void **state)
{
	static const struct {
		const char *payload;
		const char *audience;
		enum mt_refusal why;
	} cases[] = {
		{"{\"iss\":\"iss\",\"sub\":\"ann\",\"exp\":1700000001}", "", MT_REFUSAL_COUNT},
		{"{\"iss\":\"iss\",\"sub\":\"ann\",\"exp\":1699999991}", "", MT_REFUSAL_COUNT},
		{"{\"iss\":\"iss\",\"sub\":\"ann\",\"exp\":1699999990}", "",
		 MT_REFUSAL_TOKEN_EXPIRED},
		{"{\"iss\":\"iss\",\"sub\":\"ann\",\"exp\":1800000000,\"nbf\":1700000010}", "",
		 MT_REFUSAL_COUNT},
		{"{\"iss\":\"iss\",\"sub\":\"ann\",\"exp\":1800000000,\"nbf\":1700000011}", "",
		 MT_REFUSAL_TOKEN_EARLY},
		{"{\"iss\":\"iss\",\"sub\":\"ann\",\"exp\":1800000000,\"iat\":1700000011}", "",
		 MT_REFUSAL_TOKEN_EARLY},
		{"{\"iss\":\"is\",\"sub\":\"ann\",\"exp\":1800000000}", "",
		 MT_REFUSAL_TOKEN_ISSUER},
		{"{\"iss\":\"iss\",\"sub\":\"bob\",\"exp\":1800000000}", "",
		 MT_REFUSAL_TOKEN_SUBJECT},
		{"{\"iss\":\"iss\",\"sub\":7,\"exp\":1800000000}", "", MT_REFUSAL_TOKEN_SUBJECT},
		{"{\"iss\":\"iss\",\"exp\":1800000000}", "", MT_REFUSAL_TOKEN_SUBJECT},
		{"{\"iss\":\"iss\",\"sub\":\"ann\"}", "", MT_REFUSAL_TOKEN_FORM},
		{"{\"sub\":\"ann\",\"exp\":1800000000}", "", MT_REFUSAL_TOKEN_FORM},
		{"{\"iss\":\"iss\",\"sub\":\"ann\",\"exp\":1800000000,\"aud\":\"a\"}", "a",
		 MT_REFUSAL_COUNT},
		{"{\"iss\":\"iss\",\"sub\":\"ann\",\"exp\":1800000000,\"aud\":[\"b\",\"a\"]}", "a",
		 MT_REFUSAL_COUNT},
		{"{\"iss\":\"iss\",\"sub\":\"ann\",\"exp\":1800000000,\"aud\":[\"b\"]}", "a",
		 MT_REFUSAL_TOKEN_AUDIENCE},
		{"{\"iss\":\"iss\",\"sub\":\"ann\",\"exp\":1800000000,\"aud\":\"a\"}", "",
		 MT_REFUSAL_TOKEN_AUDIENCE},
		{"{\"iss\":\"iss\",\"sub\":\"ann\",\"exp\":1800000000}", "a",
		 MT_REFUSAL_TOKEN_AUDIENCE},
	};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		struct mt_book *book = book_with(secret, cases[i].audience, ANN);
		char *token = sign_with(secret, JWT_ALG_HS256, cases[i].payload);
		enum mt_refusal why = judge(book, token);
		if (why != cases[i].why)
			print_error("%s: %d\n", cases[i].payload, (int)why);
		assert_int_equal(why, cases[i].why);
		free(token);
		mt_book_unref(&book);
	}
}

#define GOOD "{\"iss\":\"iss\",\"sub\":\"ann\",\"exp\":1800000000,\"iat\":1699999000}"

static void the_algorithm_is_the_issuers(void **state)
{
	struct mt_book *book = book_with(secret, "", ANN);
	char *token;
	(void)state;
	token = sign_with(secret, JWT_ALG_HS512, GOOD);
	assert_int_equal(judge(book, token), MT_REFUSAL_TOKEN_ALGORITHM);
	free(token);
	token = sign_with(other, JWT_ALG_HS256, GOOD);
	assert_int_equal(judge(book, token), MT_REFUSAL_TOKEN_SIGNATURE);
	free(token);
	/* {"alg":"none"} {"iss":"iss","exp":1800000000} */
	assert_int_equal(judge(book, "eyJhbGciOiJub25lIn0."
				     "eyJpc3MiOiJpc3MiLCJleHAiOjE4MDAwMDAwMDB9.AAAA"),
			 MT_REFUSAL_TOKEN_ALGORITHM);
	mt_book_unref(&book);
}

/* A byte that is changed, or cut off, anywhere: none of them is believed. */
static void no_damage_is_believed(void **state)
{
	struct mt_book *book = book_with(secret, "", ANN);
	char *token = sign_with(secret, JWT_ALG_HS256, GOOD);
	size_t len = strlen(token);
	(void)state;
	assert_int_equal(judge(book, token), MT_REFUSAL_COUNT);
	for (size_t i = 0; i < len; i++) {
		char former = token[i];
		token[i] = former == 'A' ? 'B' : 'A';
		assert_int_not_equal(judge(book, token), MT_REFUSAL_COUNT);
		token[i] = '\0';
		assert_int_not_equal(judge(book, token), MT_REFUSAL_COUNT);
		token[i] = former;
	}
	free(token);
	mt_book_unref(&book);
}

static void expect_end(const struct mt_jwt_grant *grant, struct mt_book *book, int64_t now_s,
		       enum mt_refusal wanted)
{
	enum mt_refusal why = MT_REFUSAL_COUNT;
	if (!mt_jwt_grant_holds(grant, book, now_s, &why))
		assert_int_equal(why, wanted);
	else
		assert_int_equal(wanted, MT_REFUSAL_COUNT);
}

static void a_grant_ends(void **state)
{
	struct mt_book *book = book_with(secret, "", ANN), *next;
	char *token = sign_with(secret, JWT_ALG_HS256, GOOD);
	struct mt_jwt_grant *grant = NULL;
	enum mt_refusal why;
	(void)state;
	assert_true(mt_jwt_check(book, mt_bytes_str(token), NOW, &grant, &why));
	assert_int_equal(mt_jwt_grant_until(grant), 1800000010);
	expect_end(grant, book, 1800000009, MT_REFUSAL_COUNT);
	expect_end(grant, book, 1800000010, MT_REFUSAL_TOKEN_EXPIRED);
	next = book_with(other, "", ANN);
	expect_end(grant, next, NOW, MT_REFUSAL_TOKEN_ISSUER);
	mt_book_unref(&next);
	next = book_with(secret, "", 0);
	expect_end(grant, next, NOW, MT_REFUSAL_TOKEN_SUBJECT);
	mt_book_unref(&next);
	next = book_with(secret, "", 8);
	expect_end(grant, next, NOW, MT_REFUSAL_TOKEN_SUBJECT);
	mt_book_unref(&next);
	next = mt_book_create((struct mt_seed){{1, 2}});
	expect_end(grant, next, NOW, MT_REFUSAL_TOKEN_ISSUER);
	mt_book_unref(&next);
	assert_int_equal(mt_book_end_user(book, ANN, 1699998999), MT_OK);
	expect_end(grant, book, NOW, MT_REFUSAL_COUNT);
	assert_int_equal(mt_book_end_user(book, ANN, 1699999000), MT_OK);
	expect_end(grant, book, NOW, MT_REFUSAL_TOKEN_REVOKED);
	assert_int_equal(judge(book, token), MT_REFUSAL_TOKEN_REVOKED);
	mt_jwt_grant_destroy(&grant);
	mt_jwt_grant_destroy(&grant);
	free(token);
	mt_book_unref(&book);
}

static void forms(void **state)
{
	static const char *const none[] = {"",	      "eyJ",	   "eyJ.a",	 "a.b.c",
					   "eyj.a.b", "eyJ.a.b.c", "mt1.abcdef", "eyJabc"};
	(void)state;
	assert_true(mt_jwt_has_form(mt_bytes_str("eyJ.a.b")));
	assert_true(mt_jwt_has_form(mt_bytes_str("eyJ..")));
	for (size_t i = 0; i < MT_COUNT_OF(none); i++)
		assert_false(mt_jwt_has_form(mt_bytes_str(none[i])));
}

/* Found by fuzz_jwt: bytes above 127 are no digits of base64. */
static void only_its_letters_count(void **state)
{
	struct mt_book *book = book_with(secret, "", ANN);
	char *token = sign_with(secret, JWT_ALG_HS256, GOOD);
	struct mt_jwt_form form;
	(void)state;
	for (size_t i = 3; token[i]; i++) {
		char former = token[i];
		for (unsigned c = 1; c < 256; c++) {
			bool is_letter = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
					 (c >= 'a' && c <= 'z') || c == '-' || c == '_' || c == '.';
			token[i] = (char)c;
			if (!is_letter)
				assert_int_equal(mt_jwt_form_read(mt_bytes_str(token), &form),
						 MT_INVALID);
		}
		token[i] = former;
	}
	free(token);
	mt_book_unref(&book);
}

/* One longer than what is read is none, and is not looked at. */
static void sizes(void **state)
{
	static char text[MT_JWT_BYTES_MAX + 2];
	struct mt_jwt_form form;
	(void)state;
	memset(text, 'A', sizeof(text) - 1);
	memcpy(text, "eyJ", 3);
	text[100] = text[200] = '.';
	assert_int_equal(mt_jwt_form_read(mt_bytes_str(text), &form), MT_INVALID);
	text[MT_JWT_BYTES_MAX] = '\0';
	assert_int_equal(mt_jwt_form_read(mt_bytes_str(text), &form), MT_INVALID);
}

static void sets_of_algorithms(void **state)
{
	char text[MT_JWT_ALGORITHMS_TEXT];
	uint32_t found, both = 1u << MT_JWT_RS256 | 1u << MT_JWT_RS512;
	enum mt_jwt_algorithm one;
	(void)state;
	mt_jwt_algorithms_print(both, text);
	assert_string_equal(text, "RS256,512");
	assert_true(mt_jwt_algorithms_read(text, &found));
	assert_int_equal(found, both);
	assert_true(mt_jwt_algorithms_agree(both));
	assert_false(mt_jwt_algorithms_agree(both | 1u << MT_JWT_HS256));
	assert_false(mt_jwt_algorithms_agree(0));
	assert_false(mt_jwt_algorithms_agree(1u << MT_JWT_ALGORITHM_COUNT));
	for (unsigned i = 0; i < MT_JWT_ALGORITHM_COUNT; i++) {
		assert_true(mt_jwt_algorithm_find(mt_jwt_algorithm_name((enum mt_jwt_algorithm)i),
						  &one));
		assert_int_equal(one, i);
	}
	assert_false(mt_jwt_algorithm_find("none", &one));
	assert_false(mt_jwt_algorithm_find("", &one));
	assert_false(mt_jwt_algorithms_read("RS512,256", &found));
	assert_false(mt_jwt_algorithms_read("", &found));
	assert_false(mt_jwt_algorithms_read("RS256,HS256", &found));
}

static void several_keys(void **state)
{
#define BLOCK "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"
	static const struct {
		const char *text;
		size_t count;
	} cases[] = {
		{BLOCK, 1},
		{BLOCK "\n", 1},
		{BLOCK "\n" BLOCK "\r\n\n", 2},
		{BLOCK "\n" BLOCK "\n" BLOCK "\n" BLOCK "\n", 4},
		{BLOCK "\n" BLOCK "\n" BLOCK "\n" BLOCK "\n" BLOCK "\n", 0},
		{BLOCK " ", 0},
		{" " BLOCK, 0},
		{BLOCK "\nx", 0},
		{"-----BEGIN PUBLIC KEY-----\nAAAA\n", 0},
		{"", 0},
	};
	struct mt_bytes found[MT_ISSUER_KEYS_MAX];
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		size_t count =
			mt_jwt_keys_split(1u << MT_JWT_RS256, mt_bytes_str(cases[i].text), found);
		assert_int_equal(count, cases[i].count);
		for (size_t j = 0; j < count; j++)
			assert_true(mt_bytes_equal(found[j], mt_bytes_str(BLOCK)));
	}
	assert_int_equal(mt_jwt_keys_split(1u << MT_JWT_HS256, mt_bytes_str(BLOCK " "), found), 1);
	assert_int_equal(found[0].len, sizeof(BLOCK));
#undef BLOCK
}

static void keys(void **state)
{
	uint32_t hs = 1u << MT_JWT_HS256, rs = 1u << MT_JWT_RS256;
	(void)state;
	assert_null(mt_jwt_key_fault(hs, mt_bytes_of(secret, 32)));
	assert_non_null(mt_jwt_key_fault(hs, mt_bytes_of(secret, 31)));
	assert_non_null(mt_jwt_key_fault(hs | 1u << MT_JWT_HS512, mt_bytes_of(secret, 63)));
	assert_non_null(mt_jwt_key_fault(hs, mt_bytes_of(NULL, 0)));
	assert_non_null(mt_jwt_key_fault(
		hs, mt_bytes_str("-----BEGIN PUBLIC KEY-----\nAAAAAAAAAAAAAAAAAAAA\n")));
	assert_non_null(mt_jwt_key_fault(rs, mt_bytes_str(secret)));
	assert_non_null(mt_jwt_key_fault(rs, mt_bytes_str("-----BEGIN PUBLIC KEY-----\nAAAA\n"
							  "-----END PUBLIC KEY-----\n")));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_claim_is_looked_at),
		cmocka_unit_test(the_algorithm_is_the_issuers),
		cmocka_unit_test(no_damage_is_believed),
		cmocka_unit_test(a_grant_ends),
		cmocka_unit_test(forms),
		cmocka_unit_test(only_its_letters_count),
		cmocka_unit_test(sizes),
		cmocka_unit_test(sets_of_algorithms),
		cmocka_unit_test(several_keys),
		cmocka_unit_test(keys),
	};
	return cmocka_run_group_tests_name("shell_jwt", tests, NULL, NULL);
}
