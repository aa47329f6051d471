/* Contexts: which files are taken, and how the others are refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tls_world.h"

#include <openssl/err.h>
#include <openssl/pem.h>

static struct world world;

static int open_world(void **state)
{
	(void)state;
	world_open(&world);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	world_close(&world);
	return 0;
}

static void server_refused(const char *chain, const char *key, enum mt_status expected,
			   const char *part)
{
	struct mt_tls_server_settings settings = {.certificate_path = chain, .key_path = key};
	struct mt_tls_context *context = NULL;
	char fault[256] = "";

	assert_int_equal(mt_tls_context_create_server(&settings, &context, fault, sizeof(fault)),
			 expected);
	assert_null(context);
	if (!strstr(fault, part))
		fail_msg("'%s' is not in '%s'", part, fault);
	assert_int_equal(ERR_peek_error(), 0);
}

static void keys_that_others_may_read_are_refused(void **state)
{
	static const unsigned modes[] = {0640, 0604, 0644, 0660, 0601};

	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(modes); i++) {
		assert_int_equal(chmod(world.key_path, modes[i]), 0);
		server_refused(world.chain_path, world.key_path, MT_DENIED, "chmod 600");
	}
	assert_int_equal(chmod(world.key_path, 0600), 0);
}

static void missing_and_wrong_files_are_named(void **state)
{
	(void)state;
	server_refused("/nonexistent/a.pem", world.key_path, MT_NOT_FOUND, "/nonexistent/a.pem");
	server_refused(world.chain_path, "/nonexistent/a.key", MT_NOT_FOUND, "/nonexistent/a.key");
	server_refused(world.folder, world.key_path, MT_INVALID, "is not a file");
	server_refused("/dev/zero", world.key_path, MT_INVALID, "is not a file");
	server_refused(world.key_path, world.key_path, MT_INVALID, "no certificate in it");
}

static void with_file(const struct mt_pem *pem, bool is_key, enum mt_status expected,
		      const char *part)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/extra.pem", world.folder);
	world_file(path, pem, 0600);
	server_refused(is_key ? world.chain_path : path, is_key ? path : world.key_path, expected,
		       part);
	unlink(path);
}

static void damaged_files_are_refused(void **state)
{
	struct mt_pem text = {strdup(world.chain.text), world.chain.len}, huge;
	char *second;

	(void)state;
	with_file(&world.issuer_key, true, MT_INVALID, "does not belong");
	with_file(&world.chain, true, MT_INVALID, "no private key");
	/* A leaf that is whole and an issuer that is cut. */
	second = strstr(text.text + 10, "-----BEGIN");
	assert_non_null(second);
	text.len = (size_t)(second - text.text) + 200;
	with_file(&text, false, MT_INVALID, "cannot use the certificate");
	memset(text.text, 'x', world.chain.len);
	with_file(&text, false, MT_INVALID, "no certificate in it");
	mt_pem_finish(&text);
	huge.len = 1024 * 1024 + 1;
	huge.text = calloc(1, huge.len);
	with_file(&huge, false, MT_LIMIT, "1 MiB");
	mt_pem_finish(&huge);
}

static void chains_without_end_are_refused(void **state)
{
	struct mt_pem many = {calloc(10, world.chain.len), 0};

	(void)state;
	for (int i = 0; i < 9; i++) {
		memcpy(many.text + many.len, world.chain.text, world.chain.len);
		many.len += world.chain.len;
	}
	with_file(&many, false, MT_INVALID, "more than 8");
	mt_pem_finish(&many);
}

/* It must fail at once: a question on the terminal would hold the service. */
static void encrypted_keys_are_refused(void **state)
{
	BIO *in = BIO_new_mem_buf(world.key.text, (int)world.key.len), *out = BIO_new(BIO_s_mem());
	EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
	unsigned char secret[] = "secret";
	struct mt_pem pem;

	(void)state;
	assert_int_equal(
		PEM_write_bio_PrivateKey(out, key, EVP_aes_128_cbc(), secret, 6, NULL, NULL), 1);
	pem.len = (size_t)BIO_get_mem_data(out, &pem.text);
	with_file(&pem, true, MT_INVALID, "without a passphrase");
	BIO_free(in);
	BIO_free(out);
	EVP_PKEY_free(key);
}

static void client_refused(struct mt_tls_client_settings settings, enum mt_status expected,
			   const char *part)
{
	struct mt_tls_context *context = NULL;
	char fault[256] = "";

	assert_int_equal(mt_tls_context_create_client(&settings, &context, fault, sizeof(fault)),
			 expected);
	assert_null(context);
	if (!strstr(fault, part))
		fail_msg("'%s' is not in '%s'", part, fault);
	assert_int_equal(ERR_peek_error(), 0);
}

static void clients_need_a_real_ca(void **state)
{
	struct mt_tls_client_settings settings = {.ca_path = "/nonexistent/ca.pem"};

	(void)state;
	client_refused(settings, MT_NOT_FOUND, "/nonexistent/ca.pem");
	settings.ca_path = world.key_path;
	client_refused(settings, MT_INVALID, "no certificate in it");
	settings.ca_path = NULL;
	settings.ca_pem = mt_bytes_str("hello");
	client_refused(settings, MT_INVALID, "of the profile");
	settings.ca_pem = mt_bytes_of(world.ca.text, world.ca.len);
	settings.certificate_path = world.chain_path;
	client_refused(settings, MT_INVALID, "needs its key");
	settings.key_path = "/nonexistent/a.key";
	client_refused(settings, MT_NOT_FOUND, "/nonexistent/a.key");
}

static void clients_may_bear_a_certificate(void **state)
{
	struct mt_tls_client_settings settings = {.ca_pem =
							  mt_bytes_of(world.ca.text, world.ca.len),
						  .certificate_path = world.chain_path,
						  .key_path = world.key_path};
	struct mt_tls_context *context;
	struct mt_tls_session *session;
	char fault[256];

	(void)state;
	assert_int_equal(mt_tls_context_create_client(&settings, &context, fault, sizeof(fault)),
			 MT_OK);
	session = mt_tls_session_create_client(context, "localhost");
	/* A session outlives the context it came from. */
	mt_tls_context_destroy(&context);
	assert_null(context);
	mt_tls_context_destroy(&context);
	mt_tls_context_destroy(NULL);
	assert_non_null(session);
	mt_tls_session_destroy(&session);
	mt_tls_session_destroy(&session);
	mt_tls_session_destroy(NULL);
}

/* The sentence is cut to the room there is. */
static void short_faults_are_terminated(void **state)
{
	struct mt_tls_server_settings settings = {.certificate_path = "/nonexistent/a.pem",
						  .key_path = world.key_path};
	struct mt_tls_context *context;
	char fault[9] = "xxxxxxx";

	(void)state;
	fault[8] = 'y';
	assert_int_equal(mt_tls_context_create_server(&settings, &context, fault, 8), MT_NOT_FOUND);
	assert_int_equal(strlen(fault), 7);
	assert_int_equal(fault[8], 'y');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_that_others_may_read_are_refused),
		cmocka_unit_test(missing_and_wrong_files_are_named),
		cmocka_unit_test(damaged_files_are_refused),
		cmocka_unit_test(chains_without_end_are_refused),
		cmocka_unit_test(encrypted_keys_are_refused),
		cmocka_unit_test(clients_need_a_real_ca),
		cmocka_unit_test(clients_may_bear_a_certificate),
		cmocka_unit_test(short_faults_are_terminated),
	};
	return cmocka_run_group_tests(tests, open_world, close_world);
}
