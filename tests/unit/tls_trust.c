/* CRLs: loaded from files and folders, asked in handshakes, resumptions and reviews; staples;
 * several certificates by name. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tls_world.h"

#include "tls/certificate.h"
#include "tls/parts.h"

#include <ftw.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>

#define HOUR_S 3600

static struct world world;
static struct mt_tls_cache *cache;
static struct mt_tls_server_settings settings;
static char pair_path[2][96], crl_path[96], folder_path[96], staple_path[96], fault[512];

static X509 *read_x509(const struct mt_pem *pem)
{
	BIO *bio = BIO_new_mem_buf(pem->text, (int)pem->len);
	X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	assert_non_null(certificate);
	return certificate;
}

static EVP_PKEY *read_pkey(const struct mt_pem *pem)
{
	BIO *bio = BIO_new_mem_buf(pem->text, (int)pem->len);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	BIO_free(bio);
	assert_non_null(key);
	return key;
}

/* A client of the world's authority; its certificate, the caller's. */
static X509 *issue(void)
{
	struct mt_pem certificate, key;
	X509 *made;
	assert_int_equal(mt_authority_client(&world.ca, &world.ca_key, "ann", "mortise:ann",
					     time(NULL), 2, &certificate, &key),
			 MT_OK);
	world_file(pair_path[0], &certificate, 0644);
	world_file(pair_path[1], &key, 0600);
	made = read_x509(&certificate);
	mt_pem_finish(&certificate);
	mt_pem_finish(&key);
	return made;
}

/* A CRL of the authority that names `revoked` (NULL: nobody), good for so long. */
static void write_crl(const char *path, X509 *revoked, int64_t left_s, bool is_der)
{
	X509_CRL *crl = X509_CRL_new();
	X509 *ca = read_x509(&world.ca);
	EVP_PKEY *key = read_pkey(&world.ca_key);
	ASN1_TIME *from = ASN1_TIME_set(NULL, time(NULL) - HOUR_S);
	ASN1_TIME *until = ASN1_TIME_set(NULL, time(NULL) + left_s);
	BIO *out = BIO_new_file(path, "w");
	assert_non_null(out);
	X509_CRL_set_version(crl, X509_CRL_VERSION_2);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca));
	X509_CRL_set1_lastUpdate(crl, from);
	X509_CRL_set1_nextUpdate(crl, until);
	if (revoked) {
		X509_REVOKED *entry = X509_REVOKED_new();
		ASN1_INTEGER *serial = ASN1_INTEGER_dup(X509_get0_serialNumber(revoked));
		X509_REVOKED_set_serialNumber(entry, serial);
		X509_REVOKED_set_revocationDate(entry, from);
		X509_CRL_add0_revoked(crl, entry);
		ASN1_INTEGER_free(serial);
	}
	assert_true(X509_CRL_sign(crl, key, EVP_sha256()) > 0);
	assert_int_equal(is_der ? i2d_X509_CRL_bio(out, crl) : PEM_write_bio_X509_CRL(out, crl), 1);
	BIO_free(out);
	ASN1_TIME_free(from);
	ASN1_TIME_free(until);
	X509_CRL_free(crl);
	X509_free(ca);
	EVP_PKEY_free(key);
}

static int setup(void **state)
{
	(void)state;
	world_open(&world);
	snprintf(pair_path[0], 96, "%s/client.pem", world.folder);
	snprintf(pair_path[1], 96, "%s/client.key", world.folder);
	snprintf(crl_path, 96, "%s/crls/a.pem", world.folder);
	snprintf(folder_path, 96, "%s/crls", world.folder);
	snprintf(staple_path, 96, "%s/staple.der", world.folder);
	assert_int_equal(mkdir(folder_path, 0700), 0);
	assert_int_equal(mt_tls_cache_create(1 << 20, (struct mt_seed){{1, 2}}, &cache), MT_OK);
	settings = (struct mt_tls_server_settings){.certificate_path = world.chain_path,
						   .key_path = world.key_path,
						   .demand = MT_TLS_DEMAND_REQUIRED,
						   .ca_path = world.ca_path,
						   .identity = "%{user}"};
	return 0;
}

static int forget(const char *path, const struct stat *facts, int kind, struct FTW *walk)
{
	(void)facts;
	(void)kind;
	return walk->level == 0 ? 0 : remove(path);
}

static int teardown(void **state)
{
	(void)state;
	nftw(world.folder, forget, 8, FTW_DEPTH | FTW_PHYS);
	world_close(&world);
	mt_tls_cache_destroy(&cache);
	return 0;
}

static enum mt_status make_server(void)
{
	struct mt_tls_resumption how = {cache, NULL, "a", HOUR_S};
	enum mt_status status;
	fault[0] = '\0';
	mt_tls_context_destroy(&world.server);
	status = mt_tls_context_create_server(&settings, &world.server, fault, sizeof(fault));
	if (status == MT_OK) {
		struct mt_book *book = mt_book_create((struct mt_seed){{1, 2}});
		assert_int_equal(mt_book_add_certificate(book, 7, mt_bytes_str("ann"), NULL),
				 MT_OK);
		mt_tls_context_set_book(world.server, book);
		mt_book_unref(&book);
		status = mt_tls_context_resume(world.server, &how);
	}
	assert_int_equal(ERR_peek_error(), 0);
	return status;
}

static void make_client(void)
{
	struct mt_tls_client_settings client = {.ca_path = world.ca_path,
						.certificate_path = pair_path[0],
						.key_path = pair_path[1]};
	mt_tls_context_destroy(&world.client);
	if (mt_tls_context_create_client(&client, &world.client, fault, sizeof(fault)) != MT_OK)
		fail_msg("%s", fault);
}

/* "" when it went well, else why not. */
static const char *shake(bool *is_resumed)
{
	static char why[256];
	struct end *client = end_of(mt_tls_session_create_client(world.client, "localhost"));
	struct end *server = end_of(mt_tls_session_create_server(world.server));
	settle(client, server, SIZE_MAX);
	*is_resumed = mt_tls_session_is_resumed(server->session);
	snprintf(why, sizeof(why), "%s",
		 mt_tls_session_is_open(server->session) ? ""
							 : mt_tls_session_fault(server->session));
	end_free(client);
	end_free(server);
	return why;
}

static void test_a_crl_is_asked(void **state)
{
	X509 *ann = issue();
	bool is_resumed;
	(void)state;
	write_crl(crl_path, NULL, HOUR_S, false);
	settings.crl_path = crl_path;
	assert_int_equal(make_server(), MT_OK);
	make_client();
	assert_string_equal(shake(&is_resumed), "");
	assert_string_equal(shake(&is_resumed), "");
	assert_true(is_resumed);
	write_crl(crl_path, ann, HOUR_S, false);
	assert_int_equal(make_server(), MT_OK);
	assert_non_null(strstr(shake(&is_resumed), "certificate revoked: its issuer took it back"));
	assert_int_equal(mt_tls_context_counted(world.server, MT_TLS_VOID), 1);
	X509_free(ann);
}

/* A folder of them, of any form. */
static void test_folders_and_forms(void **state)
{
	X509 *ann = issue();
	char der[128], hidden[128];
	bool is_resumed;
	(void)state;
	snprintf(der, sizeof(der), "%s/b.crl", folder_path);
	snprintf(hidden, sizeof(hidden), "%s/.swp", folder_path);
	write_crl(der, ann, HOUR_S, true);
	world_file(hidden, &world.ca, 0644);
	settings.crl_path = folder_path;
	assert_int_equal(make_server(), MT_OK);
	make_client();
	assert_non_null(strstr(shake(&is_resumed), "revoked"));
	settings.crl_path = der;
	assert_int_equal(make_server(), MT_OK);
	assert_non_null(strstr(shake(&is_resumed), "revoked"));
	X509_free(ann);
}

static void test_one_out_of_date(void **state)
{
	X509 *ann = issue();
	bool is_resumed;
	(void)state;
	write_crl(crl_path, NULL, HOUR_S, false);
	settings.crl_path = crl_path;
	assert_int_equal(make_server(), MT_OK);
	make_client();
	assert_string_equal(shake(&is_resumed), "");
	write_crl(crl_path, NULL, -60, false);
	assert_int_equal(make_server(), MT_OK);
	assert_non_null(strstr(shake(&is_resumed), "put a newer CRL"));
	settings.is_old_crl_accepted = true;
	assert_int_equal(make_server(), MT_OK);
	assert_string_equal(shake(&is_resumed), "");
	assert_string_equal(shake(&is_resumed), "");
	assert_true(is_resumed);
	/* It still says who was revoked. */
	write_crl(crl_path, ann, -60, false);
	assert_int_equal(make_server(), MT_OK);
	assert_non_null(strstr(shake(&is_resumed), "revoked"));
	X509_free(ann);
}

/* What live connections have to do with it. */
static void test_live_connections(void **state)
{
	X509 *ann = issue();
	struct end *client, *server;
	(void)state;
	settings.crl_path = crl_path;
	write_crl(crl_path, NULL, HOUR_S, false);
	assert_int_equal(make_server(), MT_OK);
	make_client();
	client = end_of(mt_tls_session_create_client(world.client, "localhost"));
	server = end_of(mt_tls_session_create_server(world.server));
	settle(client, server, SIZE_MAX);
#define REVIEW() mt_tls_session_review(server->session, world.server, time(NULL), true)
	assert_int_equal(REVIEW(), MT_TLS_HOLDS);
	write_crl(crl_path, NULL, -60, false);
	assert_int_equal(make_server(), MT_OK);
	assert_int_equal(REVIEW(), MT_TLS_HOLDS); /* no news is no bad news */
	write_crl(crl_path, ann, HOUR_S, false);
	assert_int_equal(make_server(), MT_OK);
	assert_int_equal(REVIEW(), MT_TLS_REVOKED);
#undef REVIEW
	end_free(client);
	end_free(server);
	X509_free(ann);
}

static void test_what_is_no_crl(void **state)
{
	struct mt_pem text = {(char *)(uintptr_t) "no CRL", 6};
	(void)state;
	settings.crl_path = crl_path;
	assert_int_equal(make_server(), MT_NOT_FOUND);
	world_file(crl_path, &text, 0644);
	assert_int_equal(make_server(), MT_INVALID);
	assert_non_null(strstr(fault, "a.pem is no CRL"));
	world_file(crl_path, &world.ca, 0644);
	assert_int_equal(make_server(), MT_INVALID);
	settings.crl_path = folder_path;
	assert_int_equal(make_server(), MT_INVALID);
	unlink(crl_path);
	assert_int_equal(make_server(), MT_INVALID);
	assert_non_null(strstr(fault, "holds no CRL"));
	/* One that ends in the middle. */
	settings.crl_path = crl_path;
	write_crl(crl_path, NULL, HOUR_S, false);
	assert_int_equal(truncate(crl_path, 200), 0);
	assert_int_equal(make_server(), MT_INVALID);
}

static void test_what_is_no_ca(void **state)
{
	(void)state;
	settings.ca_path = world.key_path;
	assert_int_equal(make_server(), MT_INVALID);
	assert_non_null(strstr(fault, "cannot use the CA of clients"));
	settings.ca_path = crl_path;
	assert_int_equal(make_server(), MT_NOT_FOUND);
}

/* ---- staples ---- */

/* An OCSP response of the issuer about the server's certificate. */
static void write_staple(int status, int64_t left_s, bool is_other)
{
	X509 *leaf = read_x509(&world.chain), *issuer = read_x509(&world.issuer);
	X509 *other = read_x509(&world.ca);
	EVP_PKEY *key = read_pkey(&world.issuer_key);
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), is_other ? other : leaf, issuer);
	ASN1_TIME *from = ASN1_TIME_set(NULL, time(NULL) - 7200);
	ASN1_TIME *until = left_s != 0 ? ASN1_TIME_set(NULL, time(NULL) + left_s) : NULL;
	OCSP_RESPONSE *response;
	unsigned char *der = NULL;
	int len;
	BIO *out = BIO_new_file(staple_path, "w");
	assert_non_null(OCSP_basic_add1_status(basic, id, status, 0, from, from, until));
	assert_int_equal(OCSP_basic_sign(basic, issuer, key, EVP_sha256(), NULL, 0), 1);
	response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	len = i2d_OCSP_RESPONSE(response, &der);
	assert_true(len > 0);
	assert_int_equal(BIO_write(out, der, len), len);
	OPENSSL_free(der);
	BIO_free(out);
	OCSP_RESPONSE_free(response);
	OCSP_BASICRESP_free(basic);
	OCSP_CERTID_free(id);
	ASN1_TIME_free(from);
	ASN1_TIME_free(until);
	EVP_PKEY_free(key);
	X509_free(leaf);
	X509_free(other);
	X509_free(issuer);
}

/* Bytes of the staple that a client gets. */
static long stapled(void)
{
	struct mt_tls_session *asking;
	struct end *client, *server;
	const unsigned char *data;
	long len;
	mt_tls_context_forget(world.client);
	asking = mt_tls_session_create_client(world.client, "localhost");
	SSL_set_tlsext_status_type(mt_tls_session_ssl(asking), TLSEXT_STATUSTYPE_ocsp);
	client = end_of(asking);
	server = end_of(mt_tls_session_create_server(world.server));
	settle(client, server, SIZE_MAX);
	assert_true(mt_tls_session_is_open(client->session));
	len = SSL_get_tlsext_status_ocsp_resp(mt_tls_session_ssl(asking), &data);
	end_free(client);
	end_free(server);
	return len;
}

static void test_staples(void **state)
{
	static const struct {
		int status;
		int64_t left_s;
		bool is_other;
		const char *why;
	} cases[] = {
		{V_OCSP_CERTSTATUS_GOOD, HOUR_S, false, NULL},
		{V_OCSP_CERTSTATUS_GOOD, 0, false, NULL},
		{V_OCSP_CERTSTATUS_GOOD, -HOUR_S, false, "it is out of date"},
		{V_OCSP_CERTSTATUS_REVOKED, HOUR_S, false, "the certificate is revoked"},
		{V_OCSP_CERTSTATUS_UNKNOWN, HOUR_S, false, "does not know the certificate"},
		{V_OCSP_CERTSTATUS_GOOD, HOUR_S, true, "about another certificate"},
	};
	(void)state;
	settings.demand = MT_TLS_DEMAND_NONE;
	settings.staple_path = staple_path;
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		write_staple(cases[i].status, cases[i].left_s, cases[i].is_other);
		assert_int_equal(make_server(), MT_OK);
		if (cases[i].why)
			assert_non_null(strstr(mt_tls_context_warning(world.server), cases[i].why));
		else
			assert_string_equal(mt_tls_context_warning(world.server), "");
		assert_int_equal(stapled() > 100, cases[i].why == NULL);
	}
}

static void test_what_is_no_staple(void **state)
{
	(void)state;
	settings.demand = MT_TLS_DEMAND_NONE;
	settings.staple_path = staple_path;
	assert_int_equal(make_server(), MT_OK);
	assert_non_null(strstr(mt_tls_context_warning(world.server), "cannot open"));
	world_file(staple_path, &world.ca, 0644);
	assert_int_equal(make_server(), MT_OK);
	assert_non_null(strstr(mt_tls_context_warning(world.server), "no OCSP response in DER"));
	assert_true(stapled() <= 0);
}

/* ---- names ---- */

static const char *const other_dns[] = {"other.example", "*.deep.example"};

static void test_names_choose(void **state)
{
	static const struct {
		const char *host;
		bool is_other, is_good;
	} cases[] = {{"localhost", false, true},	{"other.example", true, true},
		     {"OTHER.example", true, true},	{"a.deep.example", true, true},
		     {"unknown.example", false, false}, {"127.0.0.1", false, true}};
	struct mt_server_names names = {other_dns, 2, NULL, 0};
	char paths[2][128];
	struct mt_tls_pair more = {paths[0], paths[1], NULL};
	struct mt_pem issuer, issuer_key, chain, key;
	struct mt_certificate own, other;
	(void)state;
	snprintf(paths[0], 128, "%s/other.pem", folder_path);
	snprintf(paths[1], 128, "%s/other.key", folder_path);
	assert_int_equal(mt_authority_intermediate(&world.ca, &world.ca_key, &names, time(NULL), 10,
						   &issuer, &issuer_key),
			 MT_OK);
	assert_int_equal(
		mt_authority_server(&issuer, &issuer_key, &names, time(NULL), 5, &chain, &key),
		MT_OK);
	world_file(paths[0], &chain, 0644);
	world_file(paths[1], &key, 0600);
	assert_int_equal(mt_certificate_read(&world.chain, &own), MT_OK);
	assert_int_equal(mt_certificate_read(&chain, &other), MT_OK);
	settings.demand = MT_TLS_DEMAND_NONE;
	settings.more = &more;
	settings.more_count = 1;
	assert_int_equal(make_server(), MT_OK);
	assert_int_equal(mt_tls_context_not_after(world.server), other.not_after_s);
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		struct end *client =
			end_of(mt_tls_session_create_client(world.client, cases[i].host));
		struct end *server = end_of(mt_tls_session_create_server(world.server));
		uint8_t found[32];
		settle(client, server, SIZE_MAX);
		assert_int_equal(mt_tls_session_is_open(client->session), cases[i].is_good);
		if (cases[i].is_good) {
			X509 *shown =
				SSL_get0_peer_certificate(mt_tls_session_ssl(client->session));
			assert_true(mt_tls_fingerprint(shown, found));
			assert_memory_equal(
				found, cases[i].is_other ? other.fingerprint : own.fingerprint, 32);
		}
		end_free(client);
		end_free(server);
	}
	/* A pair that does not belong together. */
	more.key_path = world.key_path;
	assert_int_equal(make_server(), MT_INVALID);
	assert_non_null(strstr(fault, "does not belong to the certificate"));
	mt_pem_finish(&issuer);
	mt_pem_finish(&issuer_key);
	mt_pem_finish(&chain);
	mt_pem_finish(&key);
}

/* ---- what a certificate says ---- */

static void test_facts(void **state)
{
	struct mt_server_names more = {other_dns, 1, NULL, 0};
	struct mt_pem none = {(char *)(uintptr_t) "none", 4};
	struct mt_certificate facts;
	(void)state;
	assert_int_equal(mt_certificate_read(&world.chain, &facts), MT_OK);
	assert_non_null(strstr(facts.names, "DNS:localhost, DNS:broker.example.org"));
	assert_string_equal(facts.key, "ECDSA P-256");
	assert_string_equal(facts.issuer, "CN=Mortise server issuer");
	assert_false(facts.is_ca);
	assert_true(facts.not_after_s > facts.not_before_s);
	assert_int_equal(mt_certificate_read(&world.ca, &facts), MT_OK);
	assert_true(facts.is_ca);
	assert_string_equal(facts.names, "");
	assert_int_equal(mt_certificate_read(&none, &facts), MT_INVALID);
	assert_true(mt_certificate_is_of(&world.chain, &world.issuer));
	assert_false(mt_certificate_is_of(&world.chain, &world.ca));
	assert_false(mt_certificate_is_of(&world.issuer, &world.other)); /* of the same name */
	assert_false(mt_certificate_is_of(&none, &world.ca));
	assert_false(mt_certificate_is_of(&world.ca, &none));
	assert_true(mt_certificate_covers(&world.chain, &world_names));
	assert_false(mt_certificate_covers(&world.chain, &more));
	assert_false(mt_certificate_covers(&none, &more));
}

/* Cached sessions of one certificate. */
static void test_sessions_of_a_certificate(void **state)
{
	X509 *ann = issue();
	uint8_t print[32];
	bool is_resumed;
	(void)state;
	assert_true(mt_tls_fingerprint(ann, print));
	assert_int_equal(make_server(), MT_OK);
	make_client();
	assert_string_equal(shake(&is_resumed), "");
	assert_int_equal(mt_tls_cache_counts(cache).sessions, 1);
	print[0] ^= 1;
	assert_int_equal(mt_tls_cache_forget(cache, print), 0);
	print[0] ^= 1;
	assert_int_equal(mt_tls_cache_forget(cache, print), 1);
	assert_int_equal(mt_tls_cache_counts(cache).sessions, 0);
	assert_string_equal(shake(&is_resumed), "");
	assert_false(is_resumed);
	X509_free(ann);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_a_crl_is_asked),
		TEST(test_folders_and_forms),
		TEST(test_one_out_of_date),
		TEST(test_live_connections),
		TEST(test_what_is_no_crl),
		TEST(test_what_is_no_ca),
		TEST(test_staples),
		TEST(test_what_is_no_staple),
		TEST(test_names_choose),
		TEST(test_facts),
		TEST(test_sessions_of_a_certificate),
	};
	return cmocka_run_group_tests_name("tls_trust", tests, NULL, NULL);
}
