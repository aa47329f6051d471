/* What a client proves: its certificate's names, whom they stand for, and what ends that. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tls_world.h"

#include "tls/certificate.h"
#include "tls/parts.h"

#define ANN 7
#define HOUR_S 3600

static struct world world;
static int64_t ahead_s; /* of the clock that OpenSSL asks */
static char pair_path[2][96];
static struct mt_certificate facts, ca_facts;
static struct mt_tls_cache *cache;
static struct mt_tls_tickets *tickets;

/* Takes the place of the C library's, for OpenSSL too. */
__attribute__((visibility("default"))) time_t time(time_t *out)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec += ahead_s;
	if (out)
		*out = now.tv_sec;
	return now.tv_sec;
}

static void issue(const char *cn, const char *uri)
{
	struct mt_pem certificate, key;
	assert_int_equal(mt_authority_client(&world.ca, &world.ca_key, cn, uri, time(NULL), 2,
					     &certificate, &key),
			 MT_OK);
	assert_int_equal(mt_certificate_read(&certificate, &facts), MT_OK);
	assert_int_equal(mt_certificate_read(&world.ca, &ca_facts), MT_OK);
	world_file(pair_path[0], &certificate, 0644);
	world_file(pair_path[1], &key, 0600);
	mt_pem_finish(&certificate);
	mt_pem_finish(&key);
}

static int setup(void **state)
{
	(void)state;
	ahead_s = 0;
	world_open(&world);
	snprintf(pair_path[0], sizeof(pair_path[0]), "%s/client.pem", world.folder);
	snprintf(pair_path[1], sizeof(pair_path[1]), "%s/client.key", world.folder);
	issue("ann's door", "mortise:ann");
	assert_int_equal(mt_tls_cache_create(1 << 20, (struct mt_seed){{1, 2}}, &cache), MT_OK);
	assert_int_equal(mt_tls_tickets_create(time(NULL), HOUR_S, &tickets), MT_OK);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(pair_path[0]);
	unlink(pair_path[1]);
	world_close(&world);
	mt_tls_cache_destroy(&cache);
	mt_tls_tickets_destroy(&tickets);
	return 0;
}

/* The server asks for certificates, the client has one; sessions by id, or by ticket. */
static void demand(enum mt_tls_demand demand, const char *identity, const char *ca_path,
		   bool has_ids)
{
	struct mt_tls_server_settings server = {.certificate_path = world.chain_path,
						.key_path = world.key_path,
						.demand = demand,
						.ca_path = ca_path,
						.identity = identity};
	struct mt_tls_client_settings client = {.ca_path = world.ca_path,
						.certificate_path = pair_path[0],
						.key_path = pair_path[1]};
	struct mt_tls_resumption how = {has_ids ? cache : NULL, has_ids ? NULL : tickets, "a",
					HOUR_S};
	char fault[256] = "";
	mt_tls_context_destroy(&world.server);
	mt_tls_context_destroy(&world.client);
	if (mt_tls_context_create_server(&server, &world.server, fault, sizeof(fault)) != MT_OK ||
	    mt_tls_context_create_client(&client, &world.client, fault, sizeof(fault)) != MT_OK)
		fail_msg("%s", fault);
	assert_int_equal(mt_tls_context_resume(world.server, &how), MT_OK);
}

/* ann by this name; from when on, 0: always. */
static struct mt_book *book_of(uint64_t user_id, const char *name, int64_t user_s,
			       int64_t certificate_s)
{
	struct mt_book *book = mt_book_create((struct mt_seed){{1, 2}});
	assert_non_null(book);
	if (name)
		assert_int_equal(mt_book_add_certificate(book, user_id, mt_bytes_str(name),
							 ca_facts.key_fingerprint),
				 MT_OK);
	if (user_s != 0)
		assert_int_equal(mt_book_end_user(book, user_id, user_s), MT_OK);
	if (certificate_s != 0)
		assert_int_equal(mt_book_end_certificate(book, facts.fingerprint, certificate_s),
				 MT_OK);
	return book;
}

static void use_book(struct mt_book *book)
{
	mt_tls_context_set_book(world.server, book);
	mt_book_unref(&book);
}

/* Both ends of a handshake that went well, with a word so that tickets arrive. */
static void shake(int version, struct end **client, struct end **server)
{
	SSL_CTX_set_max_proto_version(world.server->ctx, version);
	*client = end_of(mt_tls_session_create_client(world.client, "localhost"));
	*server = end_of(mt_tls_session_create_server(world.server));
	settle(*client, *server, SIZE_MAX);
}

static void end_both(struct end *client, struct end *server)
{
	end_free(client);
	end_free(server);
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static void test_a_certificate_stands_for_a_user(void **state)
{
	(void)state;
	demand(MT_TLS_DEMAND_REQUIRED, "%{user}", world.ca_path, true);
	use_book(book_of(ANN, "ann", 0, 0));
	for (size_t i = 0; i < 4; i++) {
		struct end *client, *server;
		struct mt_tls_peer peer;
		shake(versions[i / 2], &client, &server);
		assert_true(mt_tls_session_is_open(server->session));
		assert_int_equal(mt_tls_session_is_resumed(server->session), i % 2);
		assert_true(mt_tls_session_peer(server->session, &peer));
		assert_false(peer.is_key);
		assert_int_equal(peer.user_id, ANN);
		assert_string_equal(peer.name, "ann");
		assert_string_equal(peer.cn, "ann's door");
		assert_string_equal(peer.serial, facts.serial);
		assert_int_equal(peer.not_after_s, facts.not_after_s);
		assert_false(mt_tls_session_peer(client->session, &peer));
		end_both(client, server);
	}
	assert_int_equal(mt_tls_context_counted(world.server, MT_TLS_BY_ID), 2);
}

static void test_nobody(void **state)
{
	static const struct {
		const char *identity, *name;
	} cases[] = {{"%{user}", "bob"}, {"%{user}", NULL}, {"%{email}", "ann"}, {"%{dns}", "ann"}};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		struct end *client, *server;
		struct mt_tls_peer peer;
		demand(MT_TLS_DEMAND_REQUIRED, cases[i].identity, world.ca_path, true);
		if (cases[i].name)
			use_book(book_of(ANN, cases[i].name, 0, 0));
		shake(TLS1_3_VERSION, &client, &server);
		assert_true(mt_tls_session_peer(server->session, &peer));
		assert_int_equal(peer.user_id, 0);
		end_both(client, server);
	}
}

static void test_names_of_a_certificate(void **state)
{
	static const struct {
		const char *cn, *uri, *identity, *wanted;
	} cases[] = {
		{"a", "mortise:x%20y", "%{user}", "x%20y"},
		{"a", "urn:x", "%{uri}", "urn:x"},
		{"a", "urn:x", "%{user}", ""},
		{"a", "mortise:x", "%{uri}", ""},
		{"a b", "urn:x", "<%{cn}>", "<a b>"},
		{"a", "mortise:", "%{user}", ""},
	};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		struct end *client, *server;
		struct mt_tls_peer peer;
		issue(cases[i].cn, cases[i].uri);
		demand(MT_TLS_DEMAND_REQUIRED, cases[i].identity, world.ca_path, true);
		shake(TLS1_3_VERSION, &client, &server);
		assert_true(mt_tls_session_peer(server->session, &peer));
		assert_string_equal(peer.name, cases[i].wanted);
		end_both(client, server);
	}
}

static void test_refused(void **state)
{
	struct end *client, *server;
	(void)state;
	/* Of another authority with the same name. */
	demand(MT_TLS_DEMAND_OPTIONAL, "%{user}", world.other_ca_path, true);
	shake(TLS1_3_VERSION, &client, &server);
	assert_false(mt_tls_session_is_open(server->session));
	assert_non_null(strstr(mt_tls_session_fault(server->session),
			       "the client's certificate CN = ann's door: "));
	end_both(client, server);
	/* Of a time that has not come, or is over. */
	demand(MT_TLS_DEMAND_OPTIONAL, "%{user}", world.ca_path, true);
	ahead_s = 3 * 86400;
	shake(TLS1_3_VERSION, &client, &server);
	assert_non_null(strstr(mt_tls_session_fault(server->session), "expired"));
	end_both(client, server);
	assert_int_equal(mt_tls_context_counted(world.server, MT_TLS_FAILED), 1);
}

static void test_revoked_here(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct end *client, *server;
		demand(MT_TLS_DEMAND_REQUIRED, "%{user}", world.ca_path, i == 0);
		use_book(book_of(ANN, "ann", 0, 0));
		shake(TLS1_3_VERSION, &client, &server);
		assert_true(mt_tls_session_is_open(server->session));
		use_book(book_of(ANN, "ann", 0, INT64_MAX));
		assert_int_equal(
			mt_tls_session_review(server->session, world.server, time(NULL), false),
			MT_TLS_REVOKED);
		end_both(client, server);
		shake(TLS1_3_VERSION, &client, &server);
		assert_int_equal(mt_tls_context_counted(world.server, MT_TLS_VOID), 1);
		assert_false(mt_tls_session_is_open(server->session));
		assert_non_null(strstr(mt_tls_session_fault(server->session), "revoked"));
		end_both(client, server);
	}
}

/* What was proven before is void; a handshake in full proves it again. */
static void test_not_before(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct end *client, *server;
		int64_t now_s = time(NULL);
		demand(MT_TLS_DEMAND_REQUIRED, "%{user}", world.ca_path, i < 2);
		use_book(book_of(ANN, "ann", 0, 0));
		shake(versions[i % 2], &client, &server);
		end_both(client, server);
		use_book(book_of(ANN, "ann", i % 2 ? now_s + 5 : 0, i % 2 ? 0 : now_s + 5));
		ahead_s = 10;
		shake(versions[i % 2], &client, &server);
		assert_true(mt_tls_session_is_open(server->session));
		assert_false(mt_tls_session_is_resumed(server->session));
		assert_int_equal(mt_tls_context_counted(world.server, MT_TLS_VOID), 1);
		end_both(client, server);
		shake(versions[i % 2], &client, &server);
		assert_true(mt_tls_session_is_resumed(server->session));
		end_both(client, server);
		ahead_s = 0;
	}
}

static void test_review(void **state)
{
	struct end *client, *server;
	int64_t now_s = time(NULL);
	struct mt_tls_context *first;
	(void)state;
	demand(MT_TLS_DEMAND_REQUIRED, "%{user}", world.ca_path, true);
	use_book(book_of(ANN, "ann", 0, 0));
	shake(TLS1_3_VERSION, &client, &server);
#define REVIEW(is_deep) mt_tls_session_review(server->session, world.server, now_s, is_deep)
	assert_int_equal(REVIEW(false), MT_TLS_HOLDS);
	assert_int_equal(REVIEW(true), MT_TLS_HOLDS);
	use_book(book_of(ANN + 1, "ann", 0, 0));
	assert_int_equal(REVIEW(false), MT_TLS_UNTRUSTED);
	use_book(book_of(ANN, NULL, 0, 0));
	assert_int_equal(REVIEW(false), MT_TLS_UNTRUSTED);
	use_book(book_of(ANN, "ann", now_s + 5, 0));
	assert_int_equal(REVIEW(false), MT_TLS_REVOKED);
	use_book(book_of(ANN, "ann", now_s - 5, now_s - 5));
	assert_int_equal(REVIEW(false), MT_TLS_HOLDS);
	assert_int_equal(
		mt_tls_session_review(server->session, world.server, facts.not_after_s + 1, false),
		MT_TLS_EXPIRED);
	/* By the context that takes the place of its own. */
	first = mt_tls_context_ref(world.server);
	demand(MT_TLS_DEMAND_REQUIRED, "%{user}", world.other_ca_path, true);
	use_book(book_of(ANN, "ann", 0, 0));
	assert_int_equal(REVIEW(false), MT_TLS_HOLDS);
	assert_int_equal(REVIEW(true), MT_TLS_UNTRUSTED);
#undef REVIEW
	mt_tls_context_destroy(&first);
	end_both(client, server);
}

static void test_who_proved_nothing_is_not_reviewed(void **state)
{
	struct end *client, *server;
	struct mt_tls_peer peer;
	(void)state;
	shake(TLS1_3_VERSION, &client, &server);
	assert_false(mt_tls_session_peer(server->session, &peer));
	assert_int_equal(mt_tls_session_review(server->session, world.server, 0, true),
			 MT_TLS_HOLDS);
	end_both(client, server);
}

/* Other CAs, another demand, another listener: nothing of before is gone on from. */
static void test_the_scope(void **state)
{
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(versions); i++) {
		struct end *client, *server;
		struct mt_tls_context *kept;
		demand(MT_TLS_DEMAND_OPTIONAL, "%{user}", world.ca_path, false);
		shake(versions[i], &client, &server);
		end_both(client, server);
		kept = world.client;
		world.client = NULL;
		demand(MT_TLS_DEMAND_REQUIRED, "%{user}", world.ca_path, false);
		mt_tls_context_destroy(&world.client);
		world.client = kept;
		shake(versions[i], &client, &server);
		assert_true(mt_tls_session_is_open(server->session));
		assert_false(mt_tls_session_is_resumed(server->session));
		end_both(client, server);
	}
}

/* ---- keys ---- */

static const uint8_t key[32] = {1, 2, 3};
static const char *shown_identity;
static uint8_t shown_key[32];

static unsigned show_12(SSL *ssl, const char *hint, char *identity, unsigned identity_cap,
			unsigned char *out, unsigned cap)
{
	(void)ssl;
	(void)hint;
	assert_true(cap >= sizeof(shown_key));
	snprintf(identity, identity_cap, "%s", shown_identity);
	memcpy(out, shown_key, sizeof(shown_key));
	return sizeof(shown_key);
}

static int show_13(SSL *ssl, const EVP_MD *md, const unsigned char **id, size_t *id_len,
		   SSL_SESSION **session)
{
	static const unsigned char suite[] = {0x13, 0x01};
	(void)md;
	*session = SSL_SESSION_new();
	assert_int_equal(SSL_SESSION_set1_master_key(*session, shown_key, sizeof(shown_key)), 1);
	assert_int_equal(SSL_SESSION_set_cipher(*session, SSL_CIPHER_find(ssl, suite)), 1);
	assert_int_equal(SSL_SESSION_set_protocol_version(*session, TLS1_3_VERSION), 1);
	assert_int_equal(SSL_SESSION_set1_id_context(*session, world.client->scope,
						     sizeof(world.client->scope)),
			 1);
	*id = (const unsigned char *)shown_identity;
	*id_len = strlen(shown_identity);
	return 1;
}

static struct mt_book *book_of_keys(uint64_t user_id, int64_t not_before_s)
{
	struct mt_book *book = mt_book_create((struct mt_seed){{1, 2}});
	assert_non_null(book);
	if (user_id != 0)
		assert_int_equal(mt_book_add_psk(book, user_id, mt_bytes_str("ann"),
						 mt_bytes_of(key, sizeof(key))),
				 MT_OK);
	if (not_before_s != 0)
		assert_int_equal(mt_book_end_user(book, user_id, not_before_s), MT_OK);
	return book;
}

static void offer_keys(void)
{
	struct mt_tls_server_settings server = {
		.certificate_path = world.chain_path, .key_path = world.key_path, .has_psk = true};
	struct mt_tls_resumption how = {cache, tickets, "a", HOUR_S};
	char fault[256] = "";
	mt_tls_context_destroy(&world.server);
	if (mt_tls_context_create_server(&server, &world.server, fault, sizeof(fault)) != MT_OK)
		fail_msg("%s", fault);
	assert_int_equal(mt_tls_context_resume(world.server, &how), MT_OK);
	use_book(book_of_keys(ANN, 0));
	mt_tls_context_forget(world.client);
	shown_identity = "ann";
	memcpy(shown_key, key, sizeof(key));
	SSL_CTX_set_psk_client_callback(world.client->ctx, show_12);
	SSL_CTX_set_psk_use_session_callback(world.client->ctx, show_13);
	assert_int_equal(SSL_CTX_set_cipher_list(world.client->ctx, "PSK"), 1);
}

static void test_a_key_stands_for_a_user(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct end *client, *server;
		struct mt_tls_peer peer;
		offer_keys();
		/* Whoever comes again shows it again. */
		for (int again = 0; again < 2; again++) {
			shake(versions[i % 2], &client, &server);
			assert_true(mt_tls_session_is_open(server->session));
			assert_true(mt_tls_session_peer(server->session, &peer));
			assert_true(peer.is_key);
			assert_int_equal(peer.user_id, ANN);
			assert_string_equal(peer.name, "ann");
			assert_string_equal(peer.cn, "");
			assert_true(peer.not_after_s == INT64_MAX);
			if (again == 0)
				end_both(client, server);
		}
		assert_int_equal(mt_tls_context_counted(world.server, MT_TLS_FULL), 2);
		assert_int_equal(mt_tls_session_review(server->session, world.server, 0, true),
				 MT_TLS_HOLDS);
		use_book(book_of_keys(i < 2 ? ANN + 1 : 0, 0));
		assert_int_equal(mt_tls_session_review(server->session, world.server, 0, true),
				 MT_TLS_UNTRUSTED);
		use_book(book_of_keys(ANN, time(NULL) + 1));
		assert_int_equal(mt_tls_session_review(server->session, world.server, 0, true),
				 MT_TLS_REVOKED);
		end_both(client, server);
	}
}

static void test_a_wrong_key(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct end *client, *server;
		struct mt_tls_peer peer;
		offer_keys();
		if (i < 2)
			shown_key[0] ^= 1;
		else
			shown_identity = "bob";
		shake(versions[i % 2], &client, &server);
		/* TLS 1.3: an identity that is not known is none, and the server shows its
		 * certificate. */
		assert_int_equal(mt_tls_session_is_open(server->session), i == 3);
		assert_false(mt_tls_session_peer(server->session, &peer));
		end_both(client, server);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_a_certificate_stands_for_a_user),
		TEST(test_nobody),
		TEST(test_names_of_a_certificate),
		TEST(test_refused),
		TEST(test_revoked_here),
		TEST(test_not_before),
		TEST(test_review),
		TEST(test_who_proved_nothing_is_not_reviewed),
		TEST(test_the_scope),
		TEST(test_a_key_stands_for_a_user),
		TEST(test_a_wrong_key),
	};
	return cmocka_run_group_tests_name("tls_peer", tests, NULL, NULL);
}
