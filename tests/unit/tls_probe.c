/* The examination of a server: each fact is found where it is so, and not where it is not. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "probe_world.h"

#include <fcntl.h>
#include <sys/stat.h>

static struct identity ca, leaf;
static char *ca_pem;
static struct server server;
static struct mt_probe_facts facts;
static char fault[256];
static struct mt_tls_client_settings trust;

static int open_world(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	ca = identity_make((struct wish){.subject = "Test CA", .is_ca = true});
	leaf = identity_make((struct wish){
		.subject = "leaf", .names = "DNS:localhost,IP:127.0.0.1", .issuer = &ca});
	ca_pem = identity_pem(&ca, false);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	identity_free(&ca);
	identity_free(&leaf);
	free(ca_pem);
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	server = (struct server){.ctx = server_context(&leaf)};
	trust = (struct mt_tls_client_settings){.ca_pem = mt_bytes_str(ca_pem)};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	server_rest(&server);
	SSL_CTX_free(server.ctx);
	server.ctx = NULL;
	return 0;
}

static enum mt_status run_for(const char *name, uint32_t timeout_ms)
{
	struct mt_probe_settings settings = {.dial = server_dial,
					     .context = &server,
					     .name = name,
					     .trust = trust,
					     .timeout_ms = timeout_ms,
					     .now_s = (int64_t)time(NULL)};
	enum mt_status status;
	memset(&facts, 0xff, sizeof(facts));
	memset(fault, 0, sizeof(fault));
	status = mt_probe_run(&settings, &facts, fault, sizeof(fault));
	server_rest(&server);
	assert_int_equal(ERR_peek_error(), 0);
	assert_int_equal(status == MT_OK, *fault == '\0');
	return status;
}

static void run(void)
{
	assert_int_equal(run_for("localhost", 20000), MT_OK);
	assert_string_equal(facts.stopped, "");
}

static bool has_suite(const struct mt_probe_suites *suites, const char *name)
{
	for (uint32_t i = 0; i < suites->count; i++)
		if (strcmp(suites->items[i].name, name) == 0)
			return true;
	return false;
}

static void only_version(int version)
{
	SSL_CTX_set_min_proto_version(server.ctx, version);
	SSL_CTX_set_max_proto_version(server.ctx, version);
}

static void versions_that_are_accepted(void **state)
{
	(void)state;
	SSL_CTX_set_num_tickets(server.ctx, 0);
	SSL_CTX_set_options(server.ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_session_cache_mode(server.ctx, SSL_SESS_CACHE_OFF);
	run();
	assert_int_equal(facts.versions[MT_PROBE_SSL_30], MT_PROBE_NO);
	for (int i = MT_PROBE_TLS_10; i <= MT_PROBE_TLS_13; i++)
		assert_int_equal(facts.versions[i], MT_PROBE_YES);
	for (int only = MT_PROBE_TLS_10; only <= MT_PROBE_TLS_13; only++) {
		only_version(TLS1_VERSION + only - MT_PROBE_TLS_10);
		run();
		for (int i = MT_PROBE_TLS_10; i <= MT_PROBE_TLS_13; i++)
			assert_int_equal(facts.versions[i], i == only ? MT_PROBE_YES : MT_PROBE_NO);
		assert_int_equal(facts.chain_count, 1);
		assert_int_equal(facts.is_trusted, MT_PROBE_YES);
	}
}

static void suites_by_elimination(void **state)
{
	(void)state;
	SSL_CTX_set_options(server.ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_cipher_list(
		server.ctx, "ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-GCM-SHA384:AECDH-NULL-SHA:"
			    "ECDHE-ECDSA-NULL-SHA");
	SSL_CTX_set_ciphersuites(server.ctx, "TLS_AES_128_CCM_SHA256:TLS_AES_128_GCM_SHA256");
	run();
	assert_int_equal(facts.suites_12.count, 4);
	assert_string_equal(facts.suites_12.items[0].name, "ECDHE-ECDSA-AES128-SHA");
	assert_int_equal(facts.suites_12.items[0].id, 0xc009);
	assert_true(facts.suites_12.items[0].is_forward_secret);
	assert_false(facts.suites_12.items[0].is_aead || facts.suites_12.items[0].is_broken);
	assert_true(facts.suites_12.items[1].is_aead);
	assert_true(facts.suites_12.items[2].is_broken && facts.suites_12.items[3].is_broken);
	assert_int_equal(facts.suites_12.order, MT_PROBE_ORDER_SERVER);
	assert_int_equal(facts.suites_13.count, 2);
	assert_string_equal(facts.suites_13.items[0].name, "TLS_AES_128_CCM_SHA256");
	assert_int_equal(facts.suites_13.order, MT_PROBE_ORDER_SERVER);
	assert_int_equal(facts.has_old_suites, MT_PROBE_NO);
	SSL_CTX_clear_options(server.ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
	run();
	assert_int_equal(facts.suites_12.count, 4);
	assert_int_equal(facts.suites_12.order, MT_PROBE_ORDER_CLIENT);
	assert_int_equal(facts.suites_13.order, MT_PROBE_ORDER_CLIENT);
}

static void one_suite_has_no_order(void **state)
{
	(void)state;
	only_version(TLS1_2_VERSION);
	SSL_CTX_set_cipher_list(server.ctx, "ECDHE-ECDSA-CHACHA20-POLY1305");
	run();
	assert_int_equal(facts.suites_12.count, 1);
	assert_int_equal(facts.suites_12.order, MT_PROBE_ORDER_UNKNOWN);
	assert_int_equal(facts.suites_13.count, 0);
}

/* Static RSA, and a field of Diffie-Hellman that is too small. */
static void weak_exchanges(void **state)
{
	struct identity rsa = identity_make((struct wish){.subject = "rsa",
							  .names = "DNS:localhost",
							  .issuer = &ca,
							  .key = EVP_RSA_gen(1024)});
	(void)state;
	SSL_CTX_free(server.ctx);
	server.ctx = server_context(&rsa);
	only_version(TLS1_2_VERSION);
	SSL_CTX_set_cipher_list(server.ctx, "AES128-SHA:DHE-RSA-AES128-GCM-SHA256");
	SSL_CTX_set_dh_auto(server.ctx, 1);
	run();
	assert_true(has_suite(&facts.suites_12, "AES128-SHA"));
	for (int i = 0; i < 2; i++) {
		bool is_static = strcmp(facts.suites_12.items[i].name, "AES128-SHA") == 0;
		assert_int_equal(facts.suites_12.items[i].is_forward_secret, !is_static);
		assert_int_equal(facts.suites_12.items[i].dh_bits, is_static ? 0 : 1024);
	}
	assert_string_equal(facts.chain[0].key, "RSA");
	assert_int_equal(facts.chain[0].key_bits, 1024);
	assert_int_equal(facts.is_trusted, MT_PROBE_NO);
	assert_non_null(strstr(facts.distrust, "key too weak"));
	assert_non_null(strstr(facts.refusal, "dh key too small"));
	identity_free(&rsa);
}

static void groups_are_tried_one_by_one(void **state)
{
	(void)state;
	SSL_CTX_set1_groups_list(server.ctx, "P-384:X448:ffdhe2048");
	run();
	assert_int_equal(facts.groups[MT_PROBE_X25519], MT_PROBE_NO);
	assert_int_equal(facts.groups[MT_PROBE_P256], MT_PROBE_NO);
	assert_int_equal(facts.groups[MT_PROBE_P384], MT_PROBE_YES);
	assert_int_equal(facts.groups[MT_PROBE_X448], MT_PROBE_YES);
	assert_int_equal(facts.groups[MT_PROBE_FFDHE2048], MT_PROBE_YES);
	assert_int_equal(facts.group_order, MT_PROBE_ORDER_CLIENT);
	SSL_CTX_set1_groups_list(server.ctx, "P-256");
	run();
	assert_int_equal(facts.groups[MT_PROBE_P256], MT_PROBE_YES);
	assert_int_equal(facts.group, MT_PROBE_P256);
	assert_int_equal(facts.group_order, MT_PROBE_ORDER_UNKNOWN);
}

/* There the list is that of the certificate's curve, too: who prefers it does not say whether it
 * knows the others. */
static void groups_of_tls_12(void **state)
{
	(void)state;
	only_version(TLS1_2_VERSION);
	SSL_CTX_set1_groups_list(server.ctx, "X25519:P-256");
	run();
	assert_int_equal(facts.groups[MT_PROBE_X25519], MT_PROBE_YES);
	assert_int_equal(facts.groups[MT_PROBE_P256], MT_PROBE_YES);
	assert_int_equal(facts.groups[MT_PROBE_P384], MT_PROBE_UNKNOWN);
	assert_int_equal(facts.groups[MT_PROBE_FFDHE2048], MT_PROBE_UNKNOWN);
	assert_int_equal(facts.group, MT_PROBE_X25519);
	SSL_CTX_set_options(server.ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set1_groups_list(server.ctx, "P-256:X25519");
	run();
	assert_int_equal(facts.groups[MT_PROBE_X25519], MT_PROBE_UNKNOWN);
	assert_int_equal(facts.group, MT_PROBE_P256);
}

static int choose(SSL *ssl, const unsigned char **out, unsigned char *out_len,
		  const unsigned char *in, unsigned in_len, void *wanted)
{
	int found = SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_len, wanted, 5, in,
					  in_len);
	(void)ssl;
	return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* One that insists on another protocol is examined all the same. */
static void alpn(void **state)
{
	static unsigned char mqtt[] = {4, 'm', 'q', 't', 't'}, other[] = {4, 'r', 'e', 's', 't'};
	(void)state;
	run();
	assert_int_equal(facts.has_alpn, MT_PROBE_NO);
	SSL_CTX_set_alpn_select_cb(server.ctx, choose, mqtt);
	run();
	assert_int_equal(facts.has_alpn, MT_PROBE_YES);
	SSL_CTX_set_alpn_select_cb(server.ctx, choose, other);
	run();
	assert_int_equal(facts.has_alpn, MT_PROBE_NO);
	assert_int_equal(facts.versions[MT_PROBE_TLS_13], MT_PROBE_YES);
}

static void renegotiation(void **state)
{
	(void)state;
	only_version(TLS1_2_VERSION);
	run();
	assert_int_equal(facts.renegotiates, MT_PROBE_NO);
	assert_int_equal(facts.has_secure_renegotiation, MT_PROBE_YES);
	assert_int_equal(facts.has_extended_master_secret, MT_PROBE_YES);
	assert_int_equal(facts.compresses, MT_PROBE_NO);
	SSL_CTX_set_options(server.ctx,
			    SSL_OP_ALLOW_CLIENT_RENEGOTIATION | SSL_OP_NO_EXTENDED_MASTER_SECRET);
	run();
	assert_int_equal(facts.renegotiates, MT_PROBE_YES);
	assert_int_equal(facts.has_extended_master_secret, MT_PROBE_NO);
	only_version(TLS1_3_VERSION);
	run();
	assert_int_equal(facts.renegotiates, MT_PROBE_UNKNOWN);
	assert_int_equal(facts.has_extended_master_secret, MT_PROBE_UNKNOWN);
}

static void certificates_of_clients(void **state)
{
	(void)state;
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		only_version(version);
		SSL_CTX_set_verify(server.ctx, SSL_VERIFY_NONE, NULL);
		run();
		assert_int_equal(facts.client_certificate, MT_PROBE_NOT_ASKED);
		SSL_CTX_set_verify(server.ctx, SSL_VERIFY_PEER, NULL);
		run();
		assert_int_equal(facts.client_certificate, MT_PROBE_OPTIONAL);
		SSL_CTX_set_verify(server.ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
				   NULL);
		run();
		assert_int_equal(facts.client_certificate, MT_PROBE_REQUIRED);
		assert_int_equal(facts.is_certificate_taken, MT_PROBE_UNKNOWN);
		assert_string_equal(facts.refusal, "");
		assert_int_equal(facts.is_trusted, MT_PROBE_YES);
		for (int i = 0; i < MT_PROBE_WAYS; i++)
			assert_int_equal(facts.ways[i].is_offered, MT_PROBE_UNKNOWN);
		assert_int_equal(facts.renegotiates, MT_PROBE_UNKNOWN);
		if (version == TLS1_2_VERSION)
			assert_int_equal(facts.has_extended_master_secret, MT_PROBE_YES);
	}
}

static void write_file(const char *path, char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	free(text);
}

static void a_certificate_that_is_shown(void **state)
{
	struct identity client = identity_make((struct wish){.subject = "th-17", .issuer = &ca});
	struct identity stranger = identity_make((struct wish){.subject = "nobody"});
	char folder[] = "/tmp/mortise-test-XXXXXX", certificate[64], key[64];
	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(certificate, sizeof(certificate), "%s/c.pem", folder);
	snprintf(key, sizeof(key), "%s/c.key", folder);
	trust.certificate_path = certificate;
	trust.key_path = key;
	X509_STORE_add_cert(SSL_CTX_get_cert_store(server.ctx), ca.certificate);
	SSL_CTX_set_verify(server.ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		only_version(version);
		write_file(certificate, identity_pem(&client, false));
		write_file(key, identity_pem(&client, true));
		run();
		assert_int_equal(facts.client_certificate, MT_PROBE_REQUIRED);
		assert_int_equal(facts.is_certificate_taken, MT_PROBE_YES);
		assert_int_equal(facts.ways[version == TLS1_2_VERSION ? MT_PROBE_TICKET_12
								      : MT_PROBE_TICKET_13]
					 .resumed,
				 MT_PROBE_ROUNDS);
		write_file(certificate, identity_pem(&stranger, false));
		write_file(key, identity_pem(&stranger, true));
		run();
		assert_int_equal(facts.is_certificate_taken, MT_PROBE_NO);
		assert_non_null(strstr(facts.certificate_refusal, "unknown CA"));
	}
	unlink(certificate);
	assert_int_equal(run_for("localhost", 20000), MT_NOT_FOUND);
	unlink(key);
	rmdir(folder);
	identity_free(&client);
	identity_free(&stranger);
}

/* Of OpenSSL's servers it is known: ids are lost by an abrupt end, tickets are not. */
static void resumption_of_openssl(void **state)
{
	const struct mt_probe_resumption *way = &facts.ways[MT_PROBE_TICKET_13];
	(void)state;
	SSL_CTX_set_num_tickets(server.ctx, 3);
	SSL_CTX_set_timeout(server.ctx, 1234);
	run();
	assert_int_equal(way->is_offered, MT_PROBE_YES);
	assert_int_equal(way->tickets, 3);
	assert_int_equal(way->tickets_again, 1);
	assert_int_equal(way->lifetime_s, 1234);
	assert_int_equal(way->early_bytes, 0);
	assert_int_equal(way->resumed, MT_PROBE_ROUNDS);
	assert_int_equal(way->cuts_resumed, MT_PROBE_CUTS);
	assert_true(way->ticket_bytes > 32);
	assert_int_equal(way->full_cost.count, MT_PROBE_ROUNDS);
	assert_true(way->full_cost.received_bytes > way->resumed_cost.received_bytes);
	assert_true(way->full_cost.ns > 0 && way->resumed_cost.ns > 0);
	way = &facts.ways[MT_PROBE_ID_12];
	assert_int_equal(way->resumed, MT_PROBE_ROUNDS);
	assert_int_equal(way->cuts, MT_PROBE_CUTS);
	assert_int_equal(way->cuts_resumed, 0);
	way = &facts.ways[MT_PROBE_TICKET_12];
	assert_int_equal(way->resumed, MT_PROBE_ROUNDS);
	assert_int_equal(way->cuts_resumed, MT_PROBE_CUTS);
}

static void early_data_is_noticed(void **state)
{
	(void)state;
	SSL_CTX_set_max_early_data(server.ctx, 5000);
	run();
	assert_int_equal(facts.ways[MT_PROBE_TICKET_13].early_bytes, 5000);
}

static void no_resumption(void **state)
{
	(void)state;
	SSL_CTX_set_num_tickets(server.ctx, 0);
	SSL_CTX_set_options(server.ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_session_cache_mode(server.ctx, SSL_SESS_CACHE_OFF);
	run();
	for (int i = 0; i < MT_PROBE_WAYS; i++) {
		assert_int_equal(facts.ways[i].is_offered, MT_PROBE_NO);
		assert_int_equal(facts.ways[i].tries, 0);
		assert_int_equal(facts.ways[i].full_cost.count, 1);
	}
}

/* Given out, and then nothing comes of it. */
static void ids_that_are_worth_nothing(void **state)
{
	(void)state;
	only_version(TLS1_2_VERSION);
	SSL_CTX_set_options(server.ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_session_cache_mode(server.ctx,
				       SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL);
	run();
	assert_int_equal(facts.ways[MT_PROBE_ID_12].is_offered, MT_PROBE_YES);
	assert_int_equal(facts.ways[MT_PROBE_ID_12].tries, MT_PROBE_ROUNDS);
	assert_int_equal(facts.ways[MT_PROBE_ID_12].resumed, 0);
	assert_int_equal(facts.ways[MT_PROBE_ID_12].cuts, 0);
	assert_int_equal(facts.ways[MT_PROBE_TICKET_12].is_offered, MT_PROBE_NO);
}

static unsigned use_psk(SSL *ssl, const char *identity, unsigned char *key, unsigned cap)
{
	(void)ssl;
	(void)identity;
	(void)cap;
	memset(key, 7, 16);
	return 16;
}

/* Which proves our own hello, too: this is the one that a server answers. */
static void servers_of_pre_shared_keys(void **state)
{
	(void)state;
	run();
	assert_int_equal(facts.has_psk, MT_PROBE_NO);
	SSL_CTX_set_psk_server_callback(server.ctx, use_psk);
	run();
	assert_int_equal(facts.has_psk, MT_PROBE_YES);
	assert_int_equal(facts.versions[MT_PROBE_TLS_13], MT_PROBE_YES);
	SSL_CTX_free(server.ctx);
	server.ctx = server_context(NULL);
	SSL_CTX_set_psk_server_callback(server.ctx, use_psk);
	run();
	assert_int_equal(facts.has_psk, MT_PROBE_YES);
	assert_int_equal(facts.versions[MT_PROBE_TLS_12], MT_PROBE_YES);
	assert_int_equal(facts.versions[MT_PROBE_TLS_13], MT_PROBE_UNKNOWN);
	assert_int_equal(facts.chain_count, 0);
	assert_int_equal(facts.is_trusted, MT_PROBE_UNKNOWN);
}

/* Who closes some connections, for too many came, has refused nothing. */
static void connections_that_are_turned_away(void **state)
{
	struct mt_probe_facts before;
	(void)state;
	run();
	before = facts;
	for (uint32_t from = 2; from < before.connections; from += 13) {
		server.count = 0;
		server.away_from = from;
		server.away_count = 1;
		run();
		assert_memory_equal(facts.versions, before.versions, sizeof(facts.versions));
		assert_memory_equal(facts.groups, before.groups, sizeof(facts.groups));
		assert_int_equal(facts.suites_12.count, before.suites_12.count);
		assert_int_equal(facts.suites_13.count, before.suites_13.count);
		assert_int_equal(facts.has_psk, before.has_psk);
		assert_int_equal(facts.renegotiates, before.renegotiates);
	}
}

/* What was found until then stands; the rest is unknown, and it is said why. */
static void a_server_that_goes_away(void **state)
{
	(void)state;
	server.gone_from = 4;
	assert_int_equal(run_for("localhost", 20000), MT_OK);
	assert_int_equal(facts.versions[MT_PROBE_TLS_13], MT_PROBE_YES);
	assert_int_equal(facts.versions[MT_PROBE_TLS_12], MT_PROBE_YES);
	assert_int_equal(facts.versions[MT_PROBE_TLS_11], MT_PROBE_UNKNOWN);
	assert_int_equal(facts.renegotiates, MT_PROBE_UNKNOWN);
	assert_int_equal(facts.ways[MT_PROBE_ID_12].is_offered, MT_PROBE_UNKNOWN);
	assert_int_equal(facts.connections, 3);
	assert_non_null(strstr(facts.stopped, "no longer"));
}

static void other_tongues(void **state)
{
	static const struct {
		const char *words;
		size_t len;
		const char *part;
	} tongues[] = {
		{"\x20\x02\x00\x05", 4, "plain MQTT"},
		{"HTTP/1.1 400 Bad Request\r\n\r\n", 28, "plain HTTP"},
		{"<html>", 6, "plain HTTP"},
		{"SSH-2.0-OpenSSH_9\r\n", 19, "SSH"},
		{"220 ready\r\n", 11, "SMTP"},
		{"AMQP\0\0\x09\x01", 8, "AMQP"},
		{"what?", 5, "is not TLS"},
		{"\x16\x03\x03\x00\x05hello", 10, "no proper TLS"},
	};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(tongues); i++) {
		server.words = mt_bytes_of(tongues[i].words, tongues[i].len);
		assert_int_equal(run_for("localhost", 5000), MT_VIOLATION);
		if (!strstr(fault, tongues[i].part))
			fail_msg("'%s' is not in '%s'", tongues[i].part, fault);
	}
	server.words = mt_bytes_of(NULL, 0);
	server.is_closing = true;
	assert_int_equal(run_for("localhost", 5000), MT_VIOLATION);
	assert_non_null(strstr(fault, "closes the connection"));
}

static void nobody_and_silence(void **state)
{
	(void)state;
	server.gone_from = 1;
	assert_int_equal(run_for("localhost", 5000), MT_UNREACHABLE);
	assert_string_equal(fault, "nobody is there");
	server.gone_from = 0;
	server.is_silent = true;
	assert_int_equal(run_for("localhost", 20), MT_TIMEOUT);
	assert_non_null(strstr(fault, "says nothing"));
}

/* It begins well and goes silent: three times is enough. */
static int fall_silent(SSL *ssl, int *alert, void *context)
{
	(void)ssl;
	(void)alert;
	(void)context;
	if (server.count > 3)
		serve_silence(server.fd);
	return SSL_CLIENT_HELLO_SUCCESS;
}

static void a_server_that_falls_silent(void **state)
{
	(void)state;
	SSL_CTX_set_client_hello_cb(server.ctx, fall_silent, NULL);
	assert_int_equal(run_for("localhost", 1000), MT_OK);
	assert_int_equal(facts.versions[MT_PROBE_TLS_12], MT_PROBE_YES);
	assert_int_equal(facts.versions[MT_PROBE_TLS_10], MT_PROBE_UNKNOWN);
	assert_int_equal(facts.connections, 6);
	assert_non_null(strstr(facts.stopped, "silent"));
}

static void names_that_cannot_be(void **state)
{
	char name[300];
	(void)state;
	memset(name, 'a', sizeof(name));
	name[254] = '\0';
	assert_int_equal(run_for(name, 1000), MT_LIMIT);
	assert_int_equal(run_for("", 1000), MT_LIMIT);
	assert_int_equal(run_for(".", 1000), MT_LIMIT);
}

/* Our own broker: the three settings of resumption. */
static void our_own_server(void **state)
{
	struct mt_tls_server_settings settings = {.certificate_path = NULL};
	char folder[] = "/tmp/mortise-test-XXXXXX", certificate[64], key[64];
	struct mt_tls_tickets *tickets;
	struct mt_tls_cache *cache;
	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(certificate, sizeof(certificate), "%s/s.pem", folder);
	snprintf(key, sizeof(key), "%s/s.key", folder);
	write_file(certificate, identity_pem(&leaf, false));
	write_file(key, identity_pem(&leaf, true));
	settings.certificate_path = certificate;
	settings.key_path = key;
	assert_int_equal(mt_tls_tickets_create(time(NULL), DAY_S, &tickets), MT_OK);
	assert_int_equal(mt_tls_cache_create(1 << 20, (struct mt_seed){{1, 2}}, &cache), MT_OK);
	for (int way = 0; way < 4; way++) {
		struct mt_tls_resumption how = {way & 1 ? cache : NULL, way & 2 ? tickets : NULL,
						"a", 3600};
		int id = way == 1 ? MT_PROBE_ID_12 : MT_PROBE_TICKET_12;
		assert_int_equal(
			mt_tls_context_create_server(&settings, &server.own, fault, sizeof(fault)),
			MT_OK);
		assert_int_equal(mt_tls_context_resume(server.own, &how), MT_OK);
		run();
		assert_int_equal(facts.has_alpn, MT_PROBE_YES);
		assert_int_equal(facts.renegotiates, MT_PROBE_NO);
		assert_int_equal(facts.ways[MT_PROBE_ID_12].cuts_resumed,
				 way & 1 ? MT_PROBE_CUTS : 0);
		assert_int_equal(facts.ways[id].resumed, way ? MT_PROBE_ROUNDS : 0);
		assert_int_equal(facts.ways[MT_PROBE_TICKET_13].resumed, way ? MT_PROBE_ROUNDS : 0);
		assert_int_equal(facts.ways[MT_PROBE_TICKET_13].cuts_resumed,
				 way ? MT_PROBE_CUTS : 0);
		assert_int_equal(facts.ways[MT_PROBE_TICKET_13].tickets, way ? 1 : 0);
		mt_tls_context_destroy(&server.own);
	}
	mt_tls_tickets_destroy(&tickets);
	mt_tls_cache_destroy(&cache);
	unlink(certificate);
	unlink(key);
	rmdir(folder);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(versions_that_are_accepted),
		TEST(suites_by_elimination),
		TEST(one_suite_has_no_order),
		TEST(weak_exchanges),
		TEST(groups_are_tried_one_by_one),
		TEST(groups_of_tls_12),
		TEST(alpn),
		TEST(renegotiation),
		TEST(certificates_of_clients),
		TEST(a_certificate_that_is_shown),
		TEST(resumption_of_openssl),
		TEST(early_data_is_noticed),
		TEST(no_resumption),
		TEST(ids_that_are_worth_nothing),
		TEST(servers_of_pre_shared_keys),
		TEST(connections_that_are_turned_away),
		TEST(a_server_that_goes_away),
		TEST(other_tongues),
		TEST(nobody_and_silence),
		TEST(a_server_that_falls_silent),
		TEST(names_that_cannot_be),
		TEST(our_own_server),
	};
	return cmocka_run_group_tests(tests, open_world, close_world);
}
