/*
 * TLS while memory fails: in each scenario the n-th allocation inside OpenSSL is refused, for n =
 * 1, 2 ... until none is. Every call ends with a status and leaves no error in the thread's queue,
 * nothing is written on failure, and the next try, with memory, succeeds.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tls_world.h"

#include "tls/cache.h"
#include "tls/certificate.h"
#include "tls/names.h"
#include "tls/tickets.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

static struct world world;
static uint64_t fail_in; /* 0: off; n: the n-th allocation from now fails */
static bool has_failed;

static bool is_refused(void)
{
	if (fail_in == 0 || --fail_in > 0)
		return false;
	has_failed = true;
	return true;
}

static void *take(size_t bytes, const char *file, int line)
{
	(void)file;
	(void)line;
	return is_refused() ? NULL : malloc(bytes);
}

static void *resize(void *at, size_t bytes, const char *file, int line)
{
	(void)file;
	(void)line;
	return is_refused() ? NULL : realloc(at, bytes);
}

static void give(void *at, const char *file, int line)
{
	(void)file;
	(void)line;
	free(at);
}

static int open_world(void **state)
{
	(void)state;
	world_open(&world);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	fail_in = 0;
	world_close(&world);
	return 0;
}

/* Runs the scenario with ever later failures, `stride` apart, until one run has none. */
static void sweep(void (*scenario)(void), uint64_t stride)
{
	uint64_t failures = 0;
	scenario();
	for (uint64_t n = 1;; n += stride) {
		fail_in = n;
		has_failed = false;
		scenario();
		fail_in = 0;
		assert_int_equal(ERR_peek_error(), 0);
		if (!has_failed)
			break;
		failures++;
	}
	assert_true(failures > 10);
	scenario();
}

/* A pair that was made is whole; one that was not, is not there. With memory it must be made. */
static bool is_pair(enum mt_status status, struct mt_pem *first, struct mt_pem *second)
{
	bool is_made = status == MT_OK;
	if (!has_failed)
		assert_int_equal(status, MT_OK);
	assert_int_equal(first->text != NULL, is_made);
	assert_int_equal(second->text != NULL, is_made);
	if (is_made) {
		assert_int_equal(strlen(first->text), first->len);
		assert_non_null(strstr(first->text, "-----END CERTIFICATE-----\n"));
		assert_non_null(strstr(second->text, "-----END PRIVATE KEY-----\n"));
	}
	mt_pem_finish(first);
	mt_pem_finish(second);
	return is_made;
}

static void make_root(void)
{
	struct mt_pem a = {NULL, 0}, b = {NULL, 0};
	is_pair(mt_authority_create("Test CA", time(NULL), 10, &a, &b), &a, &b);
}

static void make_intermediate(void)
{
	struct mt_pem a = {NULL, 0}, b = {NULL, 0};
	is_pair(mt_authority_intermediate(&world.ca, &world.ca_key, &world_names, time(NULL), 10,
					  &a, &b),
		&a, &b);
}

static void make_server(void)
{
	struct mt_pem a = {NULL, 0}, b = {NULL, 0};
	is_pair(mt_authority_server(&world.issuer, &world.issuer_key, &world_names, time(NULL), 10,
				    &a, &b),
		&a, &b);
}

static void make_pin(void)
{
	char pin[45] = "untouched";
	enum mt_status status = mt_authority_pin(&world.ca, pin);
	if (!has_failed)
		assert_int_equal(status, MT_OK);
	assert_int_equal(strlen(pin), status == MT_OK ? 44 : strlen("untouched"));
}

static void make_names(void)
{
	GENERAL_NAMES *san = mt_names_make_san(&world_names);
	NAME_CONSTRAINTS *constraints = mt_names_make_constraints(&world_names);
	assert_true(has_failed || (san && constraints));
	if (san)
		assert_int_equal(sk_GENERAL_NAME_num(san), 5);
	GENERAL_NAMES_free(san);
	NAME_CONSTRAINTS_free(constraints);
	ERR_clear_error();
}

static void make_server_context(void)
{
	struct mt_tls_server_settings settings = {.certificate_path = world.chain_path,
						  .key_path = world.key_path};
	struct mt_tls_context *context = NULL;
	char fault[256] = "";
	enum mt_status status =
		mt_tls_context_create_server(&settings, &context, fault, sizeof(fault));
	assert_true(status == MT_OK || has_failed);
	assert_int_equal(context != NULL, status == MT_OK);
	assert_int_equal(fault[0] != '\0', status != MT_OK);
	mt_tls_context_destroy(&context);
}

/* With all that one may have: clients' certificates and keys, a second certificate, a staple. */
static struct mt_tls_pair more;
static struct mt_tls_server_settings full_settings(void)
{
	more = (struct mt_tls_pair){world.chain_path, world.key_path, NULL};
	return (struct mt_tls_server_settings){.certificate_path = world.chain_path,
					       .key_path = world.key_path,
					       .staple_path = world.ca_path,
					       .more = &more,
					       .more_count = 1,
					       .demand = MT_TLS_DEMAND_REQUIRED,
					       .ca_path = world.ca_path,
					       .identity = "%{user}",
					       .has_psk = true};
}

static void make_full_context(void)
{
	struct mt_tls_server_settings settings = full_settings();
	struct mt_tls_context *context = NULL;
	char fault[256] = "";
	enum mt_status status =
		mt_tls_context_create_server(&settings, &context, fault, sizeof(fault));
	assert_true(status == MT_OK || has_failed);
	assert_int_equal(context != NULL, status == MT_OK);
	mt_tls_context_destroy(&context);
}

static void make_client(void)
{
	struct mt_pem a = {NULL, 0}, b = {NULL, 0};
	is_pair(mt_authority_client(&world.ca, &world.ca_key, "ann", "mortise:ann", time(NULL), 10,
				    &a, &b),
		&a, &b);
}

static void read_certificate(void)
{
	struct mt_certificate facts;
	bool is_covering = mt_certificate_covers(&world.chain, &world_names);
	bool is_of = mt_certificate_is_of(&world.chain, &world.issuer);
	assert_true(has_failed || (is_covering && is_of));
	assert_true(mt_certificate_read(&world.chain, &facts) == MT_OK || has_failed);
}

static void lock_key(void)
{
	struct mt_pem locked = {NULL, 0}, again = {NULL, 0};
	if (mt_authority_lock(&world.ca_key, "sesame", &locked) == MT_OK &&
	    mt_authority_unlock(&locked, "sesame", &again) == MT_OK)
		assert_string_equal(again.text, world.ca_key.text);
	else
		assert_true(has_failed);
	mt_pem_finish(&locked);
	mt_pem_finish(&again);
}

static void make_client_context(void)
{
	struct mt_tls_client_settings settings = {.ca_pem =
							  mt_bytes_of(world.ca.text, world.ca.len)};
	struct mt_tls_context *context = NULL;
	char fault[256] = "";
	enum mt_status status =
		mt_tls_context_create_client(&settings, &context, fault, sizeof(fault));
	assert_true(status == MT_OK || has_failed);
	assert_int_equal(context != NULL, status == MT_OK);
	assert_int_equal(fault[0] != '\0', status != MT_OK);
	mt_tls_context_destroy(&context);
}

static void say_hello(struct end *client, struct end *server)
{
	if (mt_tls_session_write(client->session, mt_bytes_str("hello"), &client->out) != MT_OK) {
		assert_true(has_failed);
		return;
	}
	carry(client, server, SIZE_MAX);
	if (!has_failed) {
		assert_int_equal(server->plain_len, 5);
		assert_memory_equal(server->plain, "hello", 5);
	}
}

/* Plain bytes pass only when both ends have agreed, whoever lacked memory. */
static void shake_hands(void)
{
	struct mt_tls_session *ends[2] = {mt_tls_session_create_client(world.client, "localhost"),
					  mt_tls_session_create_server(world.server)};
	struct end *client, *server;
	if (!ends[0] || !ends[1]) {
		assert_true(has_failed);
		mt_tls_session_destroy(&ends[0]);
		mt_tls_session_destroy(&ends[1]);
		return;
	}
	client = end_of(ends[0]);
	server = end_of(ends[1]);
	settle(client, server, SIZE_MAX);
	assert_true(has_failed || mt_tls_session_is_open(client->session));
	if (mt_tls_session_is_open(client->session))
		say_hello(client, server);
	mt_tls_session_close(client->session, &client->out);
	end_free(client);
	end_free(server);
}

/* A second handshake goes on from the first, or is in full: nobody is turned away. */
static void resume(void)
{
	for (int i = 0; i < 2; i++)
		shake_hands();
}

/* By tickets, then by ids. */
static void resumptions(void **state)
{
	struct mt_tls_tickets *tickets;
	struct mt_tls_cache *cache;
	(void)state;
	assert_int_equal(mt_tls_tickets_create(time(NULL), 3600, &tickets), MT_OK);
	assert_int_equal(mt_tls_cache_create(65536, (struct mt_seed){{1, 2}}, &cache), MT_OK);
	for (int i = 0; i < 2; i++) {
		struct mt_tls_resumption how = {i ? cache : NULL, i ? NULL : tickets, "a", 3600};
		assert_int_equal(mt_tls_context_resume(world.server, &how), MT_OK);
		sweep(resume, 67);
		mt_tls_context_destroy(&world.server);
		mt_tls_context_destroy(&world.client);
		world_make_contexts(&world);
	}
	mt_tls_tickets_destroy(&tickets);
	mt_tls_cache_destroy(&cache);
}

/* A client with a certificate, and what it proved is looked at again. */
static void prove(void)
{
	struct mt_tls_session *ends[2] = {mt_tls_session_create_client(world.client, "localhost"),
					  mt_tls_session_create_server(world.server)};
	struct end *client, *server;
	if (!ends[0] || !ends[1]) {
		assert_true(has_failed);
		mt_tls_session_destroy(&ends[0]);
		mt_tls_session_destroy(&ends[1]);
		return;
	}
	client = end_of(ends[0]);
	server = end_of(ends[1]);
	settle(client, server, SIZE_MAX);
	if (mt_tls_session_is_open(server->session)) {
		enum mt_tls_review found =
			mt_tls_session_review(server->session, world.server, time(NULL), true);
		assert_true(found == MT_TLS_HOLDS || has_failed);
	} else {
		assert_true(has_failed);
	}
	end_free(client);
	end_free(server);
}

static void proofs(void **state)
{
	struct mt_tls_server_settings settings = full_settings();
	char certificate_path[128], key_path[128], fault[256];
	struct mt_tls_client_settings trusting = {.ca_path = world.ca_path,
						  .certificate_path = certificate_path,
						  .key_path = key_path};
	struct mt_book *book = mt_book_create((struct mt_seed){{1, 2}});
	struct mt_tls_resumption how = {NULL, NULL, "a", 3600};
	struct mt_pem certificate, key;
	(void)state;
	snprintf(certificate_path, sizeof(certificate_path), "%s/client.pem", world.folder);
	snprintf(key_path, sizeof(key_path), "%s/client.key", world.folder);
	assert_int_equal(mt_authority_client(&world.ca, &world.ca_key, "ann", "mortise:ann",
					     time(NULL), 10, &certificate, &key),
			 MT_OK);
	world_file(certificate_path, &certificate, 0644);
	world_file(key_path, &key, 0600);
	mt_tls_context_destroy(&world.server);
	mt_tls_context_destroy(&world.client);
	assert_int_equal(
		mt_tls_context_create_server(&settings, &world.server, fault, sizeof(fault)),
		MT_OK);
	assert_int_equal(
		mt_tls_context_create_client(&trusting, &world.client, fault, sizeof(fault)),
		MT_OK);
	assert_int_equal(mt_book_add_certificate(book, 7, mt_bytes_str("ann"), NULL), MT_OK);
	mt_tls_context_set_book(world.server, book);
	assert_int_equal(mt_tls_context_resume(world.server, &how), MT_OK);
	sweep(prove, 29);
	sweep(make_full_context, 7);
	mt_book_unref(&book);
	mt_pem_finish(&certificate);
	mt_pem_finish(&key);
	unlink(certificate_path);
	unlink(key_path);
	mt_tls_context_destroy(&world.server);
	mt_tls_context_destroy(&world.client);
	world_make_contexts(&world);
}

static void authorities(void **state)
{
	(void)state;
	sweep(make_client, 17);
	sweep(read_certificate, 3);
	sweep(lock_key, 7);
	sweep(make_root, 17);
	sweep(make_intermediate, 17);
	sweep(make_server, 17);
	sweep(make_pin, 1);
}

static void names(void **state)
{
	(void)state;
	sweep(make_names, 1);
}

static void contexts(void **state)
{
	(void)state;
	sweep(make_server_context, 5);
	sweep(make_client_context, 5);
}

static void handshakes(void **state)
{
	(void)state;
	sweep(shake_hands, 31);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(authorities), cmocka_unit_test(names),
		cmocka_unit_test(contexts),    cmocka_unit_test(handshakes),
		cmocka_unit_test(resumptions), cmocka_unit_test(proofs),
	};
	if (CRYPTO_set_mem_functions(take, resize, give) != 1)
		return 1;
	return cmocka_run_group_tests(tests, open_world, close_world);
}
