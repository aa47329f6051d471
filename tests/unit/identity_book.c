/* The book of proofs: who stands for whom, and what has ended. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "identity/book.h"

static const uint8_t here[32] = {1}, there[32] = {2};

static struct mt_book *book;

static int setup(void **state)
{
	(void)state;
	book = mt_book_create((struct mt_seed){{1, 2}});
	return book ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	mt_book_unref(&book);
	return 0;
}

static struct mt_bytes text(const char *name)
{
	return mt_bytes_str(name);
}

static void test_issuers_are_told_apart(void **state)
{
	(void)state;
	assert_int_equal(mt_book_add_certificate(book, 7, text("ann"), here), MT_OK);
	assert_int_equal(mt_book_add_certificate(book, 8, text("ann"), there), MT_OK);
	assert_int_equal(mt_book_add_certificate(book, 8, text("ann"), here), MT_EXISTS);
	assert_int_equal(mt_book_certificate(book, text("ann"), here), 7);
	assert_int_equal(mt_book_certificate(book, text("ann"), there), 8);
	assert_int_equal(mt_book_certificate(book, text("an"), here), 0);
	assert_int_equal(mt_book_certificate(book, text(""), here), 0);
}

/* One for any issuer stands behind those for one. */
static void test_any_issuer(void **state)
{
	(void)state;
	assert_int_equal(mt_book_add_certificate(book, 7, text("bob"), NULL), MT_OK);
	assert_int_equal(mt_book_certificate(book, text("bob"), there), 7);
	assert_int_equal(mt_book_add_certificate(book, 8, text("bob"), here), MT_OK);
	assert_int_equal(mt_book_certificate(book, text("bob"), here), 8);
	assert_int_equal(mt_book_certificate(book, text("bob"), there), 7);
}

static void test_lengths(void **state)
{
	static uint8_t name[MT_PROOF_NAME_BYTES_MAX + 1], key[MT_PSK_BYTES_MAX + 1];
	struct mt_bytes found;
	(void)state;
	memset(name, 'n', sizeof(name));
	assert_int_equal(mt_book_add_certificate(book, 7, mt_bytes_of(name, sizeof(name)), here),
			 MT_INVALID);
	assert_int_equal(mt_book_add_certificate(book, 7, text(""), here), MT_INVALID);
	assert_int_equal(mt_book_add_certificate(book, 0, text("a"), here), MT_INVALID);
	assert_int_equal(
		mt_book_add_certificate(book, 7, mt_bytes_of(name, sizeof(name) - 1), here), MT_OK);
	assert_int_equal(mt_book_certificate(book, mt_bytes_of(name, sizeof(name)), here), 0);
	assert_int_equal(mt_book_certificate(book, mt_bytes_of(name, sizeof(name) - 1), here), 7);
	assert_int_equal(mt_book_add_psk(book, 7, text("a"), mt_bytes_of(key, 15)), MT_INVALID);
	assert_int_equal(mt_book_add_psk(book, 7, text("a"), mt_bytes_of(key, 65)), MT_INVALID);
	assert_int_equal(mt_book_add_psk(book, 0, text("a"), mt_bytes_of(key, 16)), MT_INVALID);
	assert_int_equal(mt_book_add_psk(book, 7, text(""), mt_bytes_of(key, 16)), MT_INVALID);
	assert_int_equal(mt_book_add_psk(book, 7, mt_bytes_of(name, 129), mt_bytes_of(key, 16)),
			 MT_INVALID);
	assert_int_equal(mt_book_psk(book, text("a"), &found), 0);
}

static void test_keys(void **state)
{
	static const uint8_t key[16] = {9, 8, 7};
	struct mt_bytes found = {NULL, 0};
	(void)state;
	assert_int_equal(mt_book_add_psk(book, 7, text("ann"), mt_bytes_of(key, 16)), MT_OK);
	assert_int_equal(mt_book_add_psk(book, 8, text("ann"), mt_bytes_of(key, 16)), MT_EXISTS);
	assert_int_equal(mt_book_psk(book, text("ann"), &found), 7);
	assert_true(mt_bytes_equal(found, mt_bytes_of(key, 16)));
	assert_int_equal(mt_book_psk(book, text("bob"), &found), 0);
}

static void test_scram(void **state)
{
	struct mt_scram_verifier verifier = {.iterations = 4096, .salt = {1}, .stored_key = {2}};
	const struct mt_scram_verifier *found;
	(void)state;
	assert_null(mt_book_scram(book, 7));
	assert_int_equal(mt_book_add_scram(book, 7, &verifier), MT_OK);
	assert_int_equal(mt_book_add_scram(book, 7, &verifier), MT_EXISTS);
	assert_int_equal(mt_book_add_scram(book, 0, &verifier), MT_INVALID);
	verifier.iterations = 4095;
	assert_int_equal(mt_book_add_scram(book, 8, &verifier), MT_INVALID);
	verifier.iterations = 10000001;
	assert_int_equal(mt_book_add_scram(book, 8, &verifier), MT_INVALID);
	found = mt_book_scram(book, 7);
	assert_non_null(found);
	assert_int_equal(found->iterations, 4096);
	assert_int_equal(found->stored_key[0], 2);
	assert_null(mt_book_scram(book, 8));
}

static void test_ends(void **state)
{
	(void)state;
	assert_true(mt_book_not_before(book, here, 7) == INT64_MIN);
	assert_int_equal(mt_book_end_user(book, 7, 100), MT_OK);
	assert_int_equal(mt_book_end_user(book, 7, 90), MT_OK); /* the later one holds */
	assert_int_equal(mt_book_not_before(book, NULL, 7), 100);
	assert_int_equal(mt_book_not_before(book, here, 7), 100);
	assert_true(mt_book_not_before(book, here, 8) == INT64_MIN);
	assert_int_equal(mt_book_end_certificate(book, here, 50), MT_OK);
	assert_int_equal(mt_book_not_before(book, here, 8), 50);
	assert_int_equal(mt_book_not_before(book, here, 7), 100);
	assert_int_equal(mt_book_end_certificate(book, here, INT64_MAX), MT_OK);
	assert_true(mt_book_not_before(book, here, 0) == INT64_MAX);
	assert_true(mt_book_not_before(book, there, 0) == INT64_MIN);
}

static struct mt_issuer issuer_of(const char *name, const char *iss)
{
	return (struct mt_issuer){.name = text(name),
				  .issuer = text(iss),
				  .keys = {text("key"), text("next")},
				  .key_count = 2,
				  .audience = "aud",
				  .claim = "sub",
				  .algorithms = 1,
				  .leeway_s = 5};
}

static void test_issuers_of_tokens(void **state)
{
	static uint8_t subject[MT_PROOF_NAME_BYTES_MAX + 1];
	struct mt_issuer one = issuer_of("one", "https://one"), two = issuer_of("two", "two");
	const struct mt_issuer *found;
	(void)state;
	assert_int_equal(mt_book_add_issuer(book, &one), MT_OK);
	assert_int_equal(mt_book_add_issuer(book, &two), MT_OK);
	one.issuer = text("elsewhere");
	assert_int_equal(mt_book_add_issuer(book, &one), MT_EXISTS);
	two.name = text("three");
	assert_int_equal(mt_book_add_issuer(book, &two), MT_EXISTS);
	two = issuer_of("", "x");
	assert_int_equal(mt_book_add_issuer(book, &two), MT_INVALID);
	assert_int_equal(mt_book_add_subject(book, 7, text("one"), text("ann")), MT_OK);
	assert_int_equal(mt_book_add_subject(book, 8, text("two"), text("ann")), MT_OK);
	assert_int_equal(mt_book_add_subject(book, 9, text("one"), text("ann")), MT_EXISTS);
	assert_int_equal(mt_book_add_subject(book, 9, text("three"), text("ann")), MT_INVALID);
	assert_int_equal(mt_book_add_subject(book, 9, text("one"), text("")), MT_INVALID);
	assert_int_equal(
		mt_book_add_subject(book, 9, text("one"), mt_bytes_of(subject, sizeof(subject))),
		MT_INVALID);
	assert_null(mt_book_issuer(book, text("one")));
	found = mt_book_issuer(book, text("https://one"));
	assert_string_equal(found->audience, "aud");
	assert_true(mt_bytes_equal(found->keys[0], text("key")) &&
		    mt_bytes_equal(found->keys[1], text("next")));
	assert_string_equal(found->claim, "sub");
	assert_int_equal(found->leeway_s, 5);
	assert_int_equal(mt_book_subject(book, found, text("ann")), 7);
	assert_int_equal(mt_book_subject(book, found, text("an")), 0);
	assert_int_equal(mt_book_subject(book, found, text("")), 0);
	assert_int_equal(mt_book_subject(book, found, mt_bytes_of(subject, sizeof(subject))), 0);
	assert_int_equal(mt_book_subject(book, mt_book_issuer(book, text("two")), text("ann")), 8);
}

static void test_it_is_counted(void **state)
{
	struct mt_book *second = mt_book_ref(book);
	(void)state;
	mt_book_unref(&second);
	assert_null(second);
	mt_book_unref(&second);
	assert_int_equal(mt_book_end_user(book, 7, 1), MT_OK);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_issuers_are_told_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_any_issuer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lengths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(test_scram, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_issuers_of_tokens, setup, teardown),
		cmocka_unit_test_setup_teardown(test_it_is_counted, setup, teardown),
	};
	return cmocka_run_group_tests_name("identity_book", tests, NULL, NULL);
}
