/* A certificate chain and its key: whole, in order, belonging together, or refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tls/parts.h"

#include "tls_world.h"

#include <openssl/err.h>
#include <string.h>

static struct world world;
static char chain_path[96];

static int setup(void **state)
{
	(void)state;
	world_open(&world);
	snprintf(chain_path, sizeof(chain_path), "%s/chain.pem", world.folder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(chain_path);
	world_close(&world);
	return 0;
}

/* Loads these certificates, one behind the other, with the server's key; *extra_count of them
 * stand behind the leaf. */
static enum mt_status load(const char *const *texts, size_t count, int *extra_count)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	FILE *file = fopen(chain_path, "w");
	STACK_OF(X509) *extra = NULL;
	char fault[256] = "";
	enum mt_status status;
	for (size_t i = 0; i < count; i++)
		fputs(texts[i], file);
	fclose(file);
	status = mt_tls_identity_load(ctx, chain_path, world.key_path, fault, sizeof(fault));
	assert_int_equal(ERR_peek_error(), 0);
	if (status != MT_OK)
		assert_true(strlen(fault) > 0);
	else
		SSL_CTX_get0_chain_certs(ctx, &extra);
	*extra_count = sk_X509_num(extra);
	SSL_CTX_free(ctx);
	return status;
}

static void test_leaf_and_issuers(void **state)
{
	const char *texts[] = {world.chain.text, world.ca.text, world.ca.text, world.ca.text,
			       world.ca.text,	 world.ca.text, world.ca.text, world.ca.text};
	int extra;
	(void)state;
	assert_int_equal(load(texts, 1, &extra), MT_OK);
	assert_int_equal(extra, 1);
	/* Leaf, intermediate and six more are eight: the most. */
	assert_int_equal(load(texts, 7, &extra), MT_OK);
	assert_int_equal(extra, 7);
	assert_int_equal(load(texts, 8, &extra), MT_INVALID);
}

static void test_order_counts(void **state)
{
	const char *texts[] = {world.issuer.text, world.chain.text};
	int extra;
	(void)state;
	assert_int_equal(load(texts, 2, &extra), MT_INVALID);
}

static void test_text_around_is_no_matter(void **state)
{
	const char *texts[] = {"subject: somebody\n", world.chain.text, "the end\n"};
	int extra;
	(void)state;
	assert_int_equal(load(texts, 3, &extra), MT_OK);
	assert_int_equal(extra, 1);
}

/* A damaged second block may not shorten the chain in silence. */
static void test_every_cut_is_seen(void **state)
{
	char *copy = strdup(world.chain.text);
	const char *texts[] = {copy};
	size_t len = strlen(copy);
	size_t begin = (size_t)(strstr(copy, "-----END") - copy) + 26;
	int extra;
	(void)state;
	/* From within the armour of the second certificate to its end. */
	begin = (size_t)(strstr(copy + begin, "-----BEGIN CERTIFICATE-----") - copy) + 28;
	for (size_t cut = begin; cut < len - 2; cut += 7) {
		char kept = copy[cut];
		copy[cut] = '\0';
		assert_int_equal(load(texts, 1, &extra), MT_INVALID);
		copy[cut] = kept;
	}
	assert_int_equal(load(texts, 1, &extra), MT_OK);
	free(copy);
}

static void test_a_key_alone_is_no_certificate(void **state)
{
	const char *texts[] = {world.key.text};
	int extra;
	(void)state;
	assert_int_equal(load(texts, 1, &extra), MT_INVALID);
	texts[0] = "";
	assert_int_equal(load(texts, 1, &extra), MT_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leaf_and_issuers),
		cmocka_unit_test(test_order_counts),
		cmocka_unit_test(test_text_around_is_no_matter),
		cmocka_unit_test(test_every_cut_is_seen),
		cmocka_unit_test(test_a_key_alone_is_no_certificate),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
