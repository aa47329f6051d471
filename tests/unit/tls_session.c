/* Two sessions joined in memory: what passes, what is refused, what hostile peers cause. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tls_world.h"

#include <malloc.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

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

static void join(const char *host, struct end **client, struct end **server, size_t piece)
{
	*client = end_of(mt_tls_session_create_client(world.client, host));
	*server = end_of(mt_tls_session_create_server(world.server));
	settle(*client, *server, piece);
}

static void part(struct end *client, struct end *server)
{
	end_free(client);
	end_free(server);
	assert_int_equal(ERR_peek_error(), 0);
}

static void send_text(struct end *from, struct end *to, const char *text)
{
	size_t before = to->plain_len;

	assert_int_equal(mt_tls_session_write(from->session, mt_bytes_str(text), &from->out),
			 MT_OK);
	carry(from, to, SIZE_MAX);
	assert_int_equal(to->plain_len - before, strlen(text));
	assert_memory_equal(to->plain + before, text, strlen(text));
}

static void passes_bytes_both_ways(void **state)
{
	static const char *const hosts[] = {
		"localhost", "broker.example.org", "broker.example.org.", "LOCALHOST", "127.0.0.1",
		"::1",	     "203.0.113.7"};
	struct end *client, *server;

	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(hosts); i++) {
		join(hosts[i], &client, &server, SIZE_MAX);
		assert_string_equal(mt_tls_session_fault(client->session), "");
		assert_true(mt_tls_session_is_open(client->session));
		assert_true(mt_tls_session_is_open(server->session));
		send_text(client, server, "hello");
		send_text(server, client, "welcome");
		assert_string_equal(mt_tls_session_summary(client->session),
				    "TLSv1.3 TLS_AES_128_GCM_SHA256");
		assert_string_equal(mt_tls_session_summary(server->session),
				    mt_tls_session_summary(client->session));
		part(client, server);
	}
}

/* What a login is bound to: the same at both ends, and at no two connections. */
static void both_ends_export_the_same(void **state)
{
	uint8_t former[MT_TLS_EXPORT_BYTES] = {0};
	struct end *client = end_of(mt_tls_session_create_client(world.client, "localhost")),
		   *server;
	uint8_t out[MT_TLS_EXPORT_BYTES];
	(void)state;
	assert_false(mt_tls_session_export(client->session, out)); /* no handshake yet */
	end_free(client);
	for (int i = 0; i < 2; i++) {
		uint8_t at_client[MT_TLS_EXPORT_BYTES], at_server[MT_TLS_EXPORT_BYTES];
		join("localhost", &client, &server, SIZE_MAX);
		assert_true(mt_tls_session_export(client->session, at_client));
		assert_true(mt_tls_session_export(server->session, at_server));
		assert_memory_equal(at_client, at_server, sizeof(at_client));
		assert_memory_not_equal(at_client, former, sizeof(former));
		memcpy(former, at_client, sizeof(former));
		part(client, server);
	}
}

static void knows_the_name_of_the_peer(void **state)
{
	struct end *client, *server;
	char cn[65] = "untouched";

	(void)state;
	client = end_of(mt_tls_session_create_client(world.client, "localhost"));
	assert_string_equal(mt_tls_session_summary(client->session), "");
	assert_false(mt_tls_session_peer_cn(client->session, cn, sizeof(cn)));
	end_free(client);
	join("localhost", &client, &server, SIZE_MAX);
	assert_false(mt_tls_session_peer_cn(server->session, cn, sizeof(cn)));
	assert_false(mt_tls_session_peer_cn(client->session, cn, strlen("localhost")));
	assert_string_equal(cn, "untouched");
	assert_true(mt_tls_session_peer_cn(client->session, cn, strlen("localhost") + 1));
	assert_string_equal(cn, "localhost");
	part(client, server);
}

static void byte_by_byte(void **state)
{
	struct end *client, *server;

	(void)state;
	join("localhost", &client, &server, 1);
	assert_true(mt_tls_session_is_open(client->session));
	assert_true(mt_tls_session_is_open(server->session));
	assert_int_equal(mt_tls_session_write(client->session, mt_bytes_str("slow"), &client->out),
			 MT_OK);
	carry(client, server, 1);
	assert_int_equal(server->plain_len, 4);
	assert_memory_equal(server->plain, "slow", 4);
	part(client, server);
}

static void big_writes(void **state)
{
	static uint8_t big[MT_TLS_RECORD_BYTES_MAX];
	struct end *client, *server;

	(void)state;
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 7);
	join("localhost", &client, &server, SIZE_MAX);
	for (int i = 0; i < 4; i++) {
		size_t before = client->out.pos;
		assert_int_equal(mt_tls_session_write(client->session,
						      mt_bytes_of(big, sizeof(big)), &client->out),
				 MT_OK);
		assert_in_range(client->out.pos - before, sizeof(big),
				sizeof(big) + MT_TLS_OVERHEAD_BYTES);
	}
	carry(client, server, 1000);
	assert_int_equal(server->plain_len, 4 * sizeof(big));
	for (size_t i = 0; i < 4; i++)
		assert_memory_equal(server->plain + i * sizeof(big), big, sizeof(big));
	assert_int_equal(mt_tls_session_write(client->session, mt_bytes_of(NULL, 0), &client->out),
			 MT_OK);
	assert_int_equal(client->out.pos, 0);
	part(client, server);
}

static void nothing_is_written_before_the_handshake(void **state)
{
	struct end *client = end_of(mt_tls_session_create_client(world.client, "localhost"));
	struct end *server = end_of(mt_tls_session_create_server(world.server));

	(void)state;
	assert_int_equal(mt_tls_session_write(client->session, mt_bytes_str("early"), &client->out),
			 MT_AGAIN);
	end_feed(client, mt_bytes_of(NULL, 0));
	carry(client, server, SIZE_MAX);
	assert_int_equal(mt_tls_session_write(server->session, mt_bytes_str("early"), &server->out),
			 MT_AGAIN);
	mt_tls_session_close(client->session, &client->out);
	assert_int_equal(client->out.pos, 0);
	part(client, server);
}

static void close_is_seen_by_the_peer(void **state)
{
	struct end *client, *server;

	(void)state;
	join("localhost", &client, &server, SIZE_MAX);
	assert_int_equal(mt_tls_session_write(client->session, mt_bytes_str("last"), &client->out),
			 MT_OK);
	mt_tls_session_close(client->session, &client->out);
	carry(client, server, SIZE_MAX);
	assert_int_equal(server->plain_len, 4);
	assert_int_equal(server->last, MT_CLOSED);
	assert_int_equal(end_feed(server, mt_bytes_str("more")), MT_CLOSED);
	assert_string_equal(mt_tls_session_fault(server->session), "");
	part(client, server);
}

static void abrupt_close_at_every_flight(void **state)
{
	struct end *client, *server;

	(void)state;
	for (int flights = 0; flights < 4; flights++) {
		client = end_of(mt_tls_session_create_client(world.client, "localhost"));
		server = end_of(mt_tls_session_create_server(world.server));
		end_feed(client, mt_bytes_of(NULL, 0));
		for (int i = 0; i < flights; i++)
			carry(i % 2 ? server : client, i % 2 ? client : server, SIZE_MAX);
		part(client, server);
	}
}

static void refused(struct mt_tls_client_settings settings, const char *host, const char *why)
{
	struct mt_tls_context *context;
	struct end *client, *server;
	char fault[256];

	assert_int_equal(mt_tls_context_create_client(&settings, &context, fault, sizeof(fault)),
			 MT_OK);
	client = end_of(mt_tls_session_create_client(context, host));
	server = end_of(mt_tls_session_create_server(world.server));
	settle(client, server, SIZE_MAX);
	assert_int_equal(client->last, MT_TLS);
	assert_false(mt_tls_session_is_open(client->session));
	assert_string_equal(mt_tls_session_fault(client->session), why);
	assert_int_equal(server->last, MT_TLS);
	assert_non_null(
		strstr(mt_tls_session_fault(server->session), "the peer refused with an alert"));
	assert_int_equal(mt_tls_session_write(client->session, mt_bytes_str("x"), &client->out),
			 MT_TLS);
	part(client, server);
	mt_tls_context_destroy(&context);
}

static void wrong_names_are_refused(void **state)
{
	struct mt_tls_client_settings settings = {.ca_path = world.ca_path};

	(void)state;
	refused(settings, "example.org", "certificate verify failed: hostname mismatch");
	refused(settings, "127.0.0.2", "certificate verify failed: IP address mismatch");
	refused(settings, "fe80::1", "certificate verify failed: IP address mismatch");
	assert_null(mt_tls_session_create_client(world.client, ""));
	assert_null(mt_tls_session_create_client(world.client, "."));
}

static void wrong_authorities_are_refused(void **state)
{
	struct mt_tls_client_settings other = {.ca_path = world.other_ca_path};
	struct mt_tls_client_settings other_memory = {
		.ca_pem = mt_bytes_of(world.other.text, world.other.len)};
	struct mt_tls_client_settings system = {.ca_path = NULL};
	/* An intermediate alone is no anchor. */
	struct mt_tls_client_settings partial = {
		.ca_pem = mt_bytes_of(world.issuer.text, world.issuer.len)};

	(void)state;
	/* The other CA bears the same name; only the key differs. */
	refused(other, "localhost",
		"certificate verify failed: unable to get local issuer certificate");
	refused(other_memory, "localhost",
		"certificate verify failed: unable to get local issuer certificate");
	refused(system, "localhost",
		"certificate verify failed: unable to get local issuer certificate");
	refused(partial, "localhost",
		"certificate verify failed: unable to get issuer certificate");
}

static void speaks_tls_1_2_too(void **state)
{
	static const char *const suites[] = {"ECDHE-ECDSA-AES128-GCM-SHA256",
					     "ECDHE-ECDSA-CHACHA20-POLY1305", "AES128-GCM-SHA256",
					     "ECDHE-ECDSA-AES128-SHA256"};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(suites); i++) {
		SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
		struct end *server = end_of(mt_tls_session_create_server(world.server));
		BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
		bool is_good = i < 2;
		char *data;
		SSL *ssl;

		SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
		assert_int_equal(SSL_CTX_set_cipher_list(ctx, suites[i]), 1);
		ssl = SSL_new(ctx);
		SSL_set_bio(ssl, in, out);
		for (int turn = 0; turn < 3; turn++) {
			int done = SSL_connect(ssl);
			long len = BIO_get_mem_data(out, &data);
			if (len > 0)
				end_feed(server, mt_bytes_of(data, (size_t)len));
			BIO_reset(out);
			BIO_write(in, server->wire, (int)server->out.pos);
			server->out.pos = 0;
			if (done == 1)
				break;
		}
		ERR_clear_error();
		assert_int_equal(mt_tls_session_is_open(server->session), is_good);
		if (is_good) {
			char summary[64];
			snprintf(summary, sizeof(summary), "TLSv1.2 %s", suites[i]);
			assert_string_equal(mt_tls_session_summary(server->session), summary);
		} else {
			assert_int_equal(server->last, MT_TLS);
			assert_non_null(
				strstr(mt_tls_session_fault(server->session), "forward secrecy"));
		}
		SSL_free(ssl);
		SSL_CTX_free(ctx);
		end_free(server);
	}
}

static void expect_protocol(struct mt_tls_context *context, const char *wire, const char *wanted)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct end *server = end_of(mt_tls_session_create_server(context));
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	const unsigned char *selected;
	unsigned selected_len;
	char *data;
	SSL *ssl = SSL_new(ctx);

	if (wire[0])
		assert_int_equal(SSL_set_alpn_protos(ssl, (const unsigned char *)wire,
						     (unsigned)strlen(wire)),
				 0);
	SSL_set_bio(ssl, in, out);
	for (int turn = 0; turn < 2; turn++) {
		long len;
		(void)SSL_connect(ssl);
		len = BIO_get_mem_data(out, &data);
		end_feed(server, mt_bytes_of(data, (size_t)len));
		BIO_reset(out);
		BIO_write(in, server->wire, (int)server->out.pos);
		server->out.pos = 0;
	}
	ERR_clear_error();
	assert_true(mt_tls_session_is_open(server->session));
	SSL_get0_alpn_selected(ssl, &selected, &selected_len);
	assert_int_equal(selected_len, strlen(wanted));
	if (selected_len > 0)
		assert_memory_equal(selected, wanted, selected_len);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	end_free(server);
}

static void offers_of_protocols(void **state)
{
	/* none, foreign only, mqtt among others: all are served, and only ours is selected */
	static const struct {
		const char *wire;
		const char *mqtt; /* selected on a listener of MQTT, */
		const char *http; /* and of WebSocket */
	} cases[] = {{"", "", ""},
		     {"\x02h2", "", ""},
		     {"\x08http/1.1\x04mqtt", "mqtt", "http/1.1"},
		     {"\x04MQTT", "", ""},
		     {"\x02h2\x08http/1.1", "", "http/1.1"}};
	const struct mt_tls_server_settings settings = {
		.certificate_path = world.chain_path, .key_path = world.key_path, .is_http = true};
	struct mt_tls_context *http;
	char fault[256];

	(void)state;
	assert_int_equal(mt_tls_context_create_server(&settings, &http, fault, sizeof(fault)),
			 MT_OK);
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		expect_protocol(world.server, cases[i].wire, cases[i].mqtt);
		expect_protocol(http, cases[i].wire, cases[i].http);
	}
	mt_tls_context_destroy(&http);
}

static void what_is_no_tls_is_named(void **state)
{
	static const struct {
		struct mt_bytes sent;
		const char *fault;
	} cases[] = {
		{{(const uint8_t *)"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27},
		 "the peer speaks plain HTTP, not TLS"},
		{{(const uint8_t *)"\x10\x10\0\x04MQTT\x05\x02\0\x3c\0\0\x04test", 18},
		 "the peer speaks plain MQTT, not TLS"},
		{{(const uint8_t *)"SSH-2.0-OpenSSH_9.2\r\n", 21},
		 "what the peer sends is not TLS"},
	};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		struct end *server = end_of(mt_tls_session_create_server(world.server));
		assert_int_equal(end_feed(server, cases[i].sent), MT_TLS);
		assert_string_equal(mt_tls_session_fault(server->session), cases[i].fault);
		assert_int_equal(end_feed(server, cases[i].sent), MT_TLS);
		end_free(server);
		assert_int_equal(ERR_peek_error(), 0);
	}
}

/* Every truncation and every one-byte change of a ClientHello: an outcome, never a crash. */
static void damaged_hellos(void **state)
{
	struct end *client = end_of(mt_tls_session_create_client(world.client, "localhost"));
	uint8_t hello[1024];
	size_t len;

	(void)state;
	end_feed(client, mt_bytes_of(NULL, 0));
	len = client->out.pos;
	assert_in_range(len, 100, sizeof(hello));
	memcpy(hello, client->wire, len);
	end_free(client);
	for (size_t i = 0; i < len; i++) {
		struct end *server = end_of(mt_tls_session_create_server(world.server));
		assert_int_equal(end_feed(server, mt_bytes_of(hello, i)), MT_AGAIN);
		end_free(server);
		server = end_of(mt_tls_session_create_server(world.server));
		hello[i] ^= 0x41;
		(void)end_feed(server, mt_bytes_of(hello, len));
		hello[i] ^= 0x41;
		assert_false(mt_tls_session_is_open(server->session));
		assert_int_equal(server->last == MT_TLS,
				 mt_tls_session_fault(server->session)[0] != '\0');
		end_free(server);
		assert_int_equal(ERR_peek_error(), 0);
	}
}

static void forged_records_are_refused(void **state)
{
	struct end *client, *server;

	(void)state;
	join("localhost", &client, &server, SIZE_MAX);
	assert_int_equal(
		mt_tls_session_write(client->session, mt_bytes_str("pay 10"), &client->out), MT_OK);
	client->wire[client->out.pos - 1] ^= 1;
	carry(client, server, SIZE_MAX);
	assert_int_equal(server->last, MT_TLS);
	assert_int_equal(server->plain_len, 0);
	assert_string_equal(mt_tls_session_fault(server->session),
			    "a record of the peer is damaged or forged");
	part(client, server);
}

static void endless_handshakes_are_ended(void **state)
{
	/* A ClientHello that promises 120,000 bytes, in full records. */
	static uint8_t record[5 + 16384] = {22, 3, 1, 0x40, 0, 1, 0x01, 0xd4, 0xc0, 3, 3};
	struct end *server = end_of(mt_tls_session_create_server(world.server));
	int fed = 0;

	(void)state;
	while (server->last == MT_AGAIN && fed++ < 7)
		end_feed(server, mt_bytes_of(record, sizeof(record)));
	assert_int_equal(server->last, MT_TLS);
	assert_string_equal(mt_tls_session_fault(server->session),
			    "the peer's handshake is too large");
	end_free(server);
}

/* What a client sends that asks for new keys so many times. */
static void ask_for_keys(SSL *ssl, struct end *server, int count)
{
	BIO *out = SSL_get_wbio(ssl);
	char *data;
	long len;

	for (int i = 0; i < count; i++) {
		assert_int_equal(SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		assert_int_equal(SSL_do_handshake(ssl), 1);
	}
	len = BIO_get_mem_data(out, &data);
	end_feed(server, mt_bytes_of(data, (size_t)len));
	BIO_reset(out);
}

/* Each costs far more than its 27 bytes: an honest peer has no reason to send many at once. */
static void floods_of_key_updates_are_ended(void **state)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct end *server = end_of(mt_tls_session_create_server(world.server));
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	SSL *ssl = SSL_new(ctx);
	char *data;

	(void)state;
	SSL_set_bio(ssl, in, out);
	for (int turn = 0; turn < 2; turn++) {
		long len;
		(void)SSL_connect(ssl);
		len = BIO_get_mem_data(out, &data);
		end_feed(server, mt_bytes_of(data, (size_t)len));
		BIO_reset(out);
		BIO_write(in, server->wire, (int)server->out.pos);
		server->out.pos = 0;
	}
	assert_true(mt_tls_session_is_open(server->session));
	for (int turn = 0; turn < 100; turn++) {
		ask_for_keys(ssl, server, 16);
		assert_int_equal(server->last, MT_AGAIN);
		assert_true(server->out.pos > 0);
		server->out.pos = 0;
	}
	ask_for_keys(ssl, server, 17);
	assert_int_equal(server->last, MT_TLS);
	assert_string_equal(mt_tls_session_fault(server->session),
			    "the peer changes its keys too often");
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	end_free(server);
}

/* Without room to answer the session fails; nothing is written past the end. */
/* A handshake in full waits while nothing is left of what they share; one that goes on does not. */
static void handshakes_in_full_take_turns(void **state)
{
	struct end *client, *server;
	uint32_t left = 1;
	(void)state;
	for (int i = 0; i < 3; i++) {
		client = end_of(mt_tls_session_create_client(world.client, "localhost"));
		server = end_of(mt_tls_session_create_server(world.server));
		mt_tls_session_share(server->session, &left);
		settle(client, server, i == 2 ? 1 : SIZE_MAX);
		assert_int_equal(mt_tls_session_is_open(server->session), i == 0);
		assert_int_equal(mt_tls_session_is_waiting(server->session), i > 0);
		assert_int_equal(left, 0);
		if (i > 0) {
			/* Asked again, it waits on. */
			assert_int_equal(end_go_on(server), MT_AGAIN);
			assert_true(mt_tls_session_is_waiting(server->session));
			left = 2;
			assert_int_equal(end_go_on(server), MT_AGAIN);
			assert_int_equal(left, 1);
			carry(server, client, SIZE_MAX);
			settle(client, server, SIZE_MAX);
			assert_true(mt_tls_session_is_open(server->session));
			send_text(client, server, "hello");
			left = 0;
		}
		part(client, server);
	}
}

/* What came behind the hello is kept meanwhile: it was only lent. */
static void what_is_behind_a_hello_waits_too(void **state)
{
	uint8_t bytes[8192];
	struct mt_buf lent = mt_buf_of(bytes, sizeof(bytes));
	static const uint8_t ccs[] = {0x14, 3, 3, 0, 1, 1};
	struct end *client, *server;
	uint32_t left = 0;
	(void)state;
	client = end_of(mt_tls_session_create_client(world.client, "localhost"));
	server = end_of(mt_tls_session_create_server(world.server));
	mt_tls_session_share(server->session, &left);
	end_feed(client, mt_bytes_of(NULL, 0));
	mt_buf_put(&lent, mt_buf_view(&client->out));
	mt_buf_put(&lent, mt_bytes_of(ccs, sizeof(ccs)));
	client->out.pos = 0;
	assert_int_equal(end_feed(server, mt_buf_view(&lent)), MT_AGAIN);
	assert_true(mt_tls_session_is_waiting(server->session));
	memset(bytes, 0xff, sizeof(bytes));
	assert_int_equal(end_go_on(server), MT_AGAIN);
	left = 1;
	assert_int_equal(end_go_on(server), MT_AGAIN);
	assert_false(mt_tls_session_is_waiting(server->session));
	carry(server, client, SIZE_MAX);
	settle(client, server, SIZE_MAX);
	assert_true(mt_tls_session_is_open(server->session));
	part(client, server);
	/* And one that ends while it waits. */
	left = 0;
	client = end_of(mt_tls_session_create_client(world.client, "localhost"));
	server = end_of(mt_tls_session_create_server(world.server));
	mt_tls_session_share(server->session, &left);
	settle(client, server, SIZE_MAX);
	part(client, server);
}

static void a_full_buffer_is_a_failure(void **state)
{
	struct end *client = end_of(mt_tls_session_create_client(world.client, "localhost"));
	struct end *server = end_of(mt_tls_session_create_server(world.server));

	(void)state;
	end_feed(client, mt_bytes_of(NULL, 0));
	server->out = mt_buf_of(server->wire, 100);
	server->wire[100] = 0xa5;
	carry(client, server, SIZE_MAX);
	assert_int_equal(server->last, MT_TLS);
	assert_string_equal(mt_tls_session_fault(server->session),
			    "the peer causes more answers than one turn may hold");
	assert_int_equal(server->wire[100], 0xa5);
	part(client, server);
}

static void an_idle_connection_is_small(void **state)
{
	enum { COUNT = 64 };
	static struct mt_tls_session *kept[COUNT];
	struct end *client, *server;
	size_t before, after;

	(void)state;
	join("localhost", &client, &server, SIZE_MAX);
	part(client, server);
	before = mallinfo2().uordblks;
	for (int i = 0; i < COUNT; i++) {
		join("localhost", &client, &server, SIZE_MAX);
		send_text(client, server, "connect");
		send_text(server, client, "connack");
		kept[i] = server->session;
		server->session = NULL;
		end_free(client);
		free(server);
	}
	after = mallinfo2().uordblks;
	/* Sanitizers have an allocator of their own and report nothing here. */
	if (after > before) {
		print_message("idle connection: %zu bytes\n", (after - before) / COUNT);
		assert_in_range((after - before) / COUNT, 1000, 15000);
	}
	for (int i = 0; i < COUNT; i++)
		mt_tls_session_destroy(&kept[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passes_bytes_both_ways),
		cmocka_unit_test(both_ends_export_the_same),
		cmocka_unit_test(knows_the_name_of_the_peer),
		cmocka_unit_test(byte_by_byte),
		cmocka_unit_test(big_writes),
		cmocka_unit_test(nothing_is_written_before_the_handshake),
		cmocka_unit_test(close_is_seen_by_the_peer),
		cmocka_unit_test(abrupt_close_at_every_flight),
		cmocka_unit_test(wrong_names_are_refused),
		cmocka_unit_test(wrong_authorities_are_refused),
		cmocka_unit_test(speaks_tls_1_2_too),
		cmocka_unit_test(offers_of_protocols),
		cmocka_unit_test(what_is_no_tls_is_named),
		cmocka_unit_test(damaged_hellos),
		cmocka_unit_test(forged_records_are_refused),
		cmocka_unit_test(endless_handshakes_are_ended),
		cmocka_unit_test(floods_of_key_updates_are_ended),
		cmocka_unit_test(handshakes_in_full_take_turns),
		cmocka_unit_test(what_is_behind_a_hello_waits_too),
		cmocka_unit_test(a_full_buffer_is_a_failure),
		cmocka_unit_test(an_idle_connection_is_small),
	};
	return cmocka_run_group_tests(tests, open_world, close_world);
}
