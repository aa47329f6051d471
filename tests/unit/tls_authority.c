/* The local authority: chains for its names and no others, extensions, validity, pins. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tls/authority.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#define NOW_S ((int64_t)1800000000)
#define DAY_S ((int64_t)86400)

static const char *const dns[] = {"localhost", "broker.example.org", "th.home", "site.co.uk"};
static const char *const addresses[] = {"127.0.0.1", "::1", "203.0.113.7", "2001:db8::7"};
static const struct mt_server_names names = {dns, 4, addresses, 4};
static struct mt_pem ca, ca_key, issuer, issuer_key, chain, key;

static int open_authority(void **state)
{
	(void)state;
	assert_int_equal(mt_authority_create("Test CA", NOW_S, 3650, &ca, &ca_key), MT_OK);
	assert_int_equal(
		mt_authority_intermediate(&ca, &ca_key, &names, NOW_S, 1000, &issuer, &issuer_key),
		MT_OK);
	assert_int_equal(
		mt_authority_server(&issuer, &issuer_key, &names, NOW_S, 100, &chain, &key), MT_OK);
	return 0;
}

static int close_authority(void **state)
{
	struct mt_pem *all[] = {&ca, &ca_key, &issuer, &issuer_key, &chain, &key};

	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(all); i++) {
		mt_pem_finish(all[i]);
		assert_null(all[i]->text);
		mt_pem_finish(all[i]);
	}
	mt_pem_finish(NULL);
	return 0;
}

/* The index-th certificate of a PEM text, or NULL. */
static X509 *certificate_of(const struct mt_pem *pem, int index)
{
	BIO *bio = BIO_new_mem_buf(pem->text, (int)pem->len);
	X509 *found = NULL;

	for (int i = 0; i <= index; i++) {
		X509_free(found);
		found = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	}
	BIO_free(bio);
	ERR_clear_error();
	return found;
}

/* What a client finds that trusts only the root, is strict and looks at the given moment. */
static int verify(const struct mt_pem *server_chain, const char *host, const char *address,
		  int64_t at_s, int purpose)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509 *root = certificate_of(&ca, 0), *leaf = certificate_of(server_chain, 0);
	X509 *middle = certificate_of(server_chain, 1);
	STACK_OF(X509) *untrusted = sk_X509_new_null();
	X509_VERIFY_PARAM *param;
	int verdict;

	assert_non_null(leaf);
	if (middle)
		sk_X509_push(untrusted, middle);
	X509_STORE_add_cert(store, root);
	assert_int_equal(X509_STORE_CTX_init(ctx, store, leaf, untrusted), 1);
	param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
	X509_VERIFY_PARAM_set_purpose(param, purpose);
	X509_VERIFY_PARAM_set_time(param, (time_t)at_s);
	if (host)
		X509_VERIFY_PARAM_set1_host(param, host, 0);
	if (address)
		X509_VERIFY_PARAM_set1_ip_asc(param, address);
	(void)X509_verify_cert(ctx);
	verdict = X509_STORE_CTX_get_error(ctx);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	sk_X509_pop_free(untrusted, X509_free);
	X509_free(leaf);
	X509_free(root);
	ERR_clear_error();
	return verdict;
}

static void chains_verify_for_their_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(dns); i++)
		assert_int_equal(verify(&chain, dns[i], NULL, NOW_S, X509_PURPOSE_SSL_SERVER),
				 X509_V_OK);
	for (size_t i = 0; i < MT_COUNT_OF(addresses); i++)
		assert_int_equal(verify(&chain, NULL, addresses[i], NOW_S, X509_PURPOSE_SSL_SERVER),
				 X509_V_OK);
	assert_int_equal(verify(&chain, "example.org", NULL, NOW_S, X509_PURPOSE_SSL_SERVER),
			 X509_V_ERR_HOSTNAME_MISMATCH);
	assert_int_equal(verify(&chain, NULL, "127.0.0.2", NOW_S, X509_PURPOSE_SSL_SERVER),
			 X509_V_ERR_IP_ADDRESS_MISMATCH);
}

static void a_server_is_no_client(void **state)
{
	(void)state;
	assert_int_equal(verify(&chain, NULL, NULL, NOW_S, X509_PURPOSE_SSL_CLIENT),
			 X509_V_ERR_INVALID_PURPOSE);
}

static void validity_has_two_ends(void **state)
{
	(void)state;
	assert_int_equal(verify(&chain, NULL, NULL, NOW_S - 1800, X509_PURPOSE_SSL_SERVER),
			 X509_V_OK);
	assert_int_equal(verify(&chain, NULL, NULL, NOW_S - DAY_S, X509_PURPOSE_SSL_SERVER),
			 X509_V_ERR_CERT_NOT_YET_VALID);
	assert_int_equal(
		verify(&chain, NULL, NULL, NOW_S + 100 * DAY_S - 1, X509_PURPOSE_SSL_SERVER),
		X509_V_OK);
	assert_int_equal(
		verify(&chain, NULL, NULL, NOW_S + 100 * DAY_S + 1, X509_PURPOSE_SSL_SERVER),
		X509_V_ERR_CERT_HAS_EXPIRED);
}

/* A root that is valid beyond 2049 changes the form of its dates. */
static void nothing_outlives_its_issuer(void **state)
{
	struct mt_pem root, root_key, middle, middle_key;
	X509 *a, *b;

	(void)state;
	assert_int_equal(mt_authority_create("Long", NOW_S, 36500, &root, &root_key), MT_OK);
	assert_int_equal(mt_authority_intermediate(&root, &root_key, &names, NOW_S + DAY_S, 36500,
						   &middle, &middle_key),
			 MT_OK);
	a = certificate_of(&root, 0);
	b = certificate_of(&middle, 0);
	assert_int_equal(ASN1_TIME_compare(X509_get0_notAfter(a), X509_get0_notAfter(b)), 0);
	assert_int_equal(
		ASN1_TIME_cmp_time_t(X509_get0_notAfter(a), (time_t)(NOW_S + 36500 * DAY_S)), 0);
	X509_free(a);
	X509_free(b);
	mt_pem_finish(&root);
	mt_pem_finish(&root_key);
	mt_pem_finish(&middle);
	mt_pem_finish(&middle_key);
}

static void extensions_say_what_each_is(void **state)
{
	static const struct {
		const struct mt_pem *pem;
		int critical_count, is_ca;
		uint32_t usage;
		long path;
	} cases[] = {
		{&ca, 2, 1, KU_KEY_CERT_SIGN | KU_CRL_SIGN, 1},
		{&issuer, 2, 1, KU_KEY_CERT_SIGN | KU_CRL_SIGN, 0},
		{&chain, 2, 0, KU_DIGITAL_SIGNATURE, -1},
	};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		X509 *x = certificate_of(cases[i].pem, 0);
		BIGNUM *serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
		int critical = 0;
		for (int at = 0; at < X509_get_ext_count(x); at++)
			critical += X509_EXTENSION_get_critical(X509_get_ext(x, at));
		assert_int_equal(critical, cases[i].critical_count);
		assert_int_equal(X509_check_ca(x), cases[i].is_ca);
		assert_int_equal(X509_get_key_usage(x), cases[i].usage);
		assert_int_equal(X509_get_pathlen(x), cases[i].path);
		assert_non_null(X509_get0_subject_key_id(x));
		assert_non_null(X509_get0_authority_key_id(x));
		assert_int_equal(X509_get_signature_nid(x), NID_ecdsa_with_SHA256);
		/* 2^-63 of an honest 128-bit number to be shorter */
		assert_in_range(BN_num_bits(serial), 65, 128);
		assert_false(BN_is_negative(serial));
		assert_int_equal(X509_get_ext_by_NID(x, NID_name_constraints, -1) >= 0,
				 cases[i].pem == &issuer);
		BN_free(serial);
		X509_free(x);
	}
}

static enum mt_status server_for(const char *name, const char *address, struct mt_pem *out)
{
	const struct mt_server_names wanted = {&name, name ? 1 : 0, &address, address ? 1 : 0};
	struct mt_pem its_key = {NULL, 0};
	enum mt_status status =
		mt_authority_server(&issuer, &issuer_key, &wanted, NOW_S, 100, out, &its_key);

	mt_pem_finish(&its_key);
	return status;
}

static void constraints_bound_the_intermediate(void **state)
{
	static const struct {
		const char *name;
		const char *address;
		enum mt_status expected;
	} cases[] = {
		{"localhost", NULL, MT_OK},
		{"printer.local", NULL, MT_OK},
		{"broker.example.org", NULL, MT_OK},
		{"other.example.org", NULL, MT_OK},
		{"*.example.org", NULL, MT_OK},
		{"th.home", NULL, MT_OK},
		{"site.co.uk", NULL, MT_OK},
		{"bank.co.uk", NULL, MT_DENIED},
		{"other.home", NULL, MT_DENIED},
		{"example.com", NULL, MT_DENIED},
		{"evilexample.org", NULL, MT_DENIED},
		{"notlocalhost", NULL, MT_DENIED},
		{NULL, "127.255.0.1", MT_OK},
		{NULL, "10.255.255.255", MT_OK},
		{NULL, "11.0.0.0", MT_DENIED},
		{NULL, "172.31.255.255", MT_OK},
		{NULL, "172.32.0.0", MT_DENIED},
		{NULL, "192.168.7.1", MT_OK},
		{NULL, "192.169.0.1", MT_DENIED},
		{NULL, "169.254.1.1", MT_OK},
		{NULL, "203.0.113.7", MT_OK},
		{NULL, "203.0.113.8", MT_DENIED},
		{NULL, "::1", MT_OK},
		{NULL, "::2", MT_DENIED},
		{NULL, "fd12::1", MT_OK},
		{NULL, "fe00::1", MT_DENIED},
		{NULL, "febf::1", MT_OK},
		{NULL, "fec0::1", MT_DENIED},
		{NULL, "2001:db8::7", MT_OK},
		{NULL, "2001:db8::8", MT_DENIED},
	};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		struct mt_pem made = {NULL, 0};
		enum mt_status status = server_for(cases[i].name, cases[i].address, &made);
		if (status != cases[i].expected)
			fail_msg("%s%s: %d", cases[i].name ? cases[i].name : "",
				 cases[i].address ? cases[i].address : "", status);
		if (status == MT_OK)
			assert_int_equal(verify(&made, NULL, NULL, NOW_S, X509_PURPOSE_SSL_SERVER),
					 X509_V_OK);
		else
			assert_null(made.text);
		mt_pem_finish(&made);
	}
}

/* What a stolen intermediate key can sign outside its names is refused by whoever verifies. */
static void verifiers_enforce_the_constraints(void **state)
{
	const char *name = "bank.example";
	const struct mt_server_names wanted = {&name, 1, NULL, 0};
	struct mt_pem middle, middle_key, forged, forged_key, whole = {NULL, 0};
	X509 *leaf, *signer;
	BIO *bio = BIO_new(BIO_s_mem()),
	    *key_bio = BIO_new_mem_buf(issuer_key.text, (int)issuer_key.len);
	EVP_PKEY *signing = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);
	X509_EXTENSION *key_id;
	X509V3_CTX ctx;
	char *data;

	(void)state;
	assert_int_equal(
		mt_authority_intermediate(&ca, &ca_key, &wanted, NOW_S, 100, &middle, &middle_key),
		MT_OK);
	assert_int_equal(mt_authority_server(&middle, &middle_key, &wanted, NOW_S, 100, &forged,
					     &forged_key),
			 MT_OK);
	leaf = certificate_of(&forged, 0);
	signer = certificate_of(&issuer, 0);
	X509_set_issuer_name(leaf, X509_get_subject_name(signer));
	X509_EXTENSION_free(
		X509_delete_ext(leaf, X509_get_ext_by_NID(leaf, NID_authority_key_identifier, -1)));
	X509V3_set_ctx(&ctx, signer, leaf, NULL, NULL, 0);
	key_id = X509V3_EXT_conf_nid(NULL, &ctx, NID_authority_key_identifier, "keyid:always");
	assert_int_equal(X509_add_ext(leaf, key_id, -1), 1);
	X509_EXTENSION_free(key_id);
	assert_true(X509_sign(leaf, signing, EVP_sha256()) > 0);
	PEM_write_bio_X509(bio, leaf);
	PEM_write_bio_X509(bio, signer);
	whole.len = (size_t)BIO_get_mem_data(bio, &data);
	whole.text = malloc(whole.len + 1);
	memcpy(whole.text, data, whole.len);
	whole.text[whole.len] = '\0';
	assert_int_equal(verify(&forged, name, NULL, NOW_S, X509_PURPOSE_SSL_SERVER), X509_V_OK);
	assert_int_equal(verify(&whole, name, NULL, NOW_S, X509_PURPOSE_SSL_SERVER),
			 X509_V_ERR_PERMITTED_VIOLATION);
	X509_free(leaf);
	X509_free(signer);
	EVP_PKEY_free(signing);
	BIO_free(bio);
	BIO_free(key_bio);
	mt_pem_finish(&whole);
	mt_pem_finish(&middle);
	mt_pem_finish(&middle_key);
	mt_pem_finish(&forged);
	mt_pem_finish(&forged_key);
}

static void wrong_names_and_days_are_refused(void **state)
{
	static const char *const bad[] = {
		"",  ".",     "a..b", ".local", "a.", "a b", "a,IP:1.2.3.4",
		"*", "a.*.b", "a/b",  "ä.de",	"*.", "a\nb"};
	static const char *const bad_addresses[] = {"",	      "1.2.3",	   "1.2.3.4/8",
						    "::1%lo", "localhost", "1.2.3.4 "};
	struct mt_pem a = {NULL, 0}, b = {NULL, 0};
	char label[70];

	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++)
		assert_int_equal(server_for(bad[i], NULL, &a), MT_INVALID);
	for (size_t i = 0; i < MT_COUNT_OF(bad_addresses); i++)
		assert_int_equal(server_for(NULL, bad_addresses[i], &a), MT_INVALID);
	assert_int_equal(server_for(NULL, NULL, &a), MT_INVALID);
	memset(label, 'a', sizeof(label));
	label[64] = '\0';
	assert_int_equal(server_for(label, NULL, &a), MT_INVALID);
	assert_int_equal(mt_authority_create(label, NOW_S, 10, &a, &b), MT_OK);
	mt_pem_finish(&a);
	mt_pem_finish(&b);
	label[64] = 'a';
	label[65] = '\0';
	assert_int_equal(mt_authority_create(label, NOW_S, 10, &a, &b), MT_INVALID);
	assert_int_equal(mt_authority_create("", NOW_S, 10, &a, &b), MT_INVALID);
	assert_int_equal(mt_authority_create("x", NOW_S, 0, &a, &b), MT_INVALID);
	assert_int_equal(mt_authority_create("x", NOW_S, 36501, &a, &b), MT_INVALID);
	assert_int_equal(mt_authority_create("x", 0, 10, &a, &b), MT_INVALID);
	assert_null(a.text);
	assert_null(b.text);
}

static void wrong_issuers_are_refused(void **state)
{
	struct mt_pem a = {NULL, 0}, b = {NULL, 0}, empty = {NULL, 0};
	char garbage[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
	struct mt_pem junk = {garbage, sizeof(garbage) - 1};

	(void)state;
	assert_int_equal(mt_authority_server(&issuer, &ca_key, &names, NOW_S, 9, &a, &b),
			 MT_INVALID);
	assert_int_equal(mt_authority_server(&chain, &key, &names, NOW_S, 9, &a, &b), MT_INVALID);
	assert_int_equal(mt_authority_server(&junk, &issuer_key, &names, NOW_S, 9, &a, &b),
			 MT_INVALID);
	assert_int_equal(mt_authority_server(&issuer, &junk, &names, NOW_S, 9, &a, &b), MT_INVALID);
	assert_int_equal(mt_authority_intermediate(&ca, &issuer_key, &names, NOW_S, 9, &a, &b),
			 MT_INVALID);
	assert_int_equal(mt_authority_intermediate(&empty, &empty, &names, NOW_S, 9, &a, &b),
			 MT_INVALID);
	assert_null(a.text);
	assert_int_equal(ERR_peek_error(), 0);
}

static void pins_belong_to_keys(void **state)
{
	char first[45], again[45], other[45];
	struct mt_pem junk = {first, 0};

	(void)state;
	assert_int_equal(mt_authority_pin(&ca, first), MT_OK);
	assert_int_equal(mt_authority_pin(&ca, again), MT_OK);
	assert_int_equal(mt_authority_pin(&issuer, other), MT_OK);
	assert_int_equal(strlen(first), 44);
	assert_string_equal(first, again);
	assert_string_not_equal(first, other);
	assert_int_equal(mt_authority_pin(&junk, other), MT_INVALID);
}

/* Another implementation's reading of the same files. */
static void the_command_line_tool_agrees(void **state)
{
	char folder[] = "/tmp/mortise-test-XXXXXX", command[512], path[64];
	const struct mt_pem *const files[] = {&ca, &chain};

	(void)state;
	if (system("command -v openssl >/dev/null 2>&1") != 0)
		skip();
	assert_non_null(mkdtemp(folder));
	for (size_t i = 0; i < MT_COUNT_OF(files); i++) {
		FILE *file;
		snprintf(path, sizeof(path), "%s/%zu.pem", folder, i);
		file = fopen(path, "w");
		assert_non_null(file);
		fputs(files[i]->text, file);
		fclose(file);
	}
	snprintf(command, sizeof(command),
		 "cd %s && openssl verify -x509_strict -purpose sslserver -attime %lld -CAfile "
		 "0.pem "
		 "-untrusted 1.pem 1.pem >/dev/null; e=$?; rm -r %s; exit $e",
		 folder, (long long)NOW_S, folder);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chains_verify_for_their_names),
		cmocka_unit_test(a_server_is_no_client),
		cmocka_unit_test(validity_has_two_ends),
		cmocka_unit_test(nothing_outlives_its_issuer),
		cmocka_unit_test(extensions_say_what_each_is),
		cmocka_unit_test(constraints_bound_the_intermediate),
		cmocka_unit_test(verifiers_enforce_the_constraints),
		cmocka_unit_test(wrong_names_and_days_are_refused),
		cmocka_unit_test(wrong_issuers_are_refused),
		cmocka_unit_test(pins_belong_to_keys),
		cmocka_unit_test(the_command_line_tool_agrees),
	};
	return cmocka_run_group_tests(tests, open_authority, close_authority);
}
