/* SCRAM-SHA-256: the example of RFC 7677 section 3, both sides against each other, and what is
 * refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "crypto/digest.h"
#include "crypto/scram.h"

#include <stdio.h>

/* RFC 7677 section 3 */
#define RFC_NONCE "rOprNGfwEbeRWgbNEkqO"
#define RFC_FIRST "n,,n=user,r=" RFC_NONCE
#define RFC_SERVER_NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define RFC_CHALLENGE "r=" RFC_NONCE RFC_SERVER_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
#define RFC_WITHOUT "c=biws,r=" RFC_NONCE RFC_SERVER_NONCE
#define RFC_FINAL RFC_WITHOUT ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define RFC_SIGNATURE "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

static const uint8_t channel[MT_SCRAM_BINDING_BYTES] = "what both ends of it export....";
static const uint8_t other_channel[MT_SCRAM_BINDING_BYTES] = "what both ends of that export..";

struct side {
	uint8_t bytes[MT_SCRAM_MESSAGE_BYTES_MAX];
	struct mt_buf buf;
};

static struct mt_buf *fresh(struct side *side)
{
	side->buf = mt_buf_of(side->bytes, sizeof(side->bytes));
	return &side->buf;
}

static void holds(const struct side *side, const char *text)
{
	struct mt_bytes view = mt_buf_view(&side->buf);
	assert_int_equal(view.len, strlen(text));
	assert_memory_equal(view.data, text, view.len);
}

static struct mt_scram_verifier verifier_of(const char *password)
{
	struct mt_scram_verifier verifier;
	uint8_t salt[MT_SCRAM_SALT_BYTES];
	size_t len;
	assert_true(mt_digest_base64_read(mt_bytes_str("W22ZaJ0SNY7soEsUEjb6gQ=="), salt,
					  sizeof(salt), &len));
	assert_int_equal(mt_scram_verifier_make(mt_bytes_str(password), salt, 4096, &verifier),
			 MT_OK);
	return verifier;
}

static enum mt_status begin(struct mt_scram_server *server, bool is_plus, const uint8_t *binding,
			    const char *message)
{
	return mt_scram_server_begin(server, is_plus, binding, mt_bytes_str(message));
}

/* The server of the example, at the client's final message. */
static enum mt_status finish_rfc(struct mt_bytes final, struct side *out)
{
	struct mt_scram_verifier verifier = verifier_of("pencil");
	struct mt_scram_server server;
	struct side first;
	assert_int_equal(begin(&server, false, NULL, RFC_FIRST), MT_OK);
	assert_string_equal(server.user, "user");
	mt_scram_server_challenge(&server, &verifier, RFC_SERVER_NONCE, fresh(&first));
	holds(&first, RFC_CHALLENGE);
	return mt_scram_server_finish(&server, final, fresh(out));
}

static void the_server_of_the_rfc_speaks_as_it_says(void **state)
{
	struct side out;
	(void)state;
	assert_int_equal(finish_rfc(mt_bytes_str(RFC_FINAL), &out), MT_OK);
	holds(&out, RFC_SIGNATURE);
}

static void the_client_of_the_rfc_speaks_as_it_says(void **state)
{
	struct mt_scram_client client;
	struct mt_scram_keys keys = {0};
	struct side out;
	(void)state;
	for (int i = 0; i < 2; i++) { /* the second time without a password: the keys are kept */
		struct mt_bytes password = mt_bytes_str(i == 0 ? "pencil" : "");
		assert_int_equal(mt_scram_client_begin(&client, false, mt_bytes_str("user"),
						       RFC_NONCE, fresh(&out)),
				 MT_OK);
		holds(&out, RFC_FIRST);
		assert_int_equal(mt_scram_client_prove(&client, NULL, password, &keys,
						       mt_bytes_str(RFC_CHALLENGE), fresh(&out)),
				 MT_OK);
		holds(&out, RFC_FINAL);
		assert_int_equal(mt_scram_client_verify(&client, mt_bytes_str(RFC_SIGNATURE)),
				 MT_OK);
	}
}

/* Each byte changed, each truncation: none is accepted. */
static void a_tampered_final_message_is_refused(void **state)
{
	static const char final[] = RFC_FINAL;
	char text[sizeof(final)];
	struct side out;
	(void)state;
	for (size_t i = 0; i < sizeof(final) - 1; i++) {
		memcpy(text, final, sizeof(final));
		text[i] = text[i] == 'B' ? 'C' : 'B';
		assert_int_not_equal(finish_rfc(mt_bytes_str(text), &out), MT_OK);
		assert_int_equal(out.buf.pos, 0);
		assert_int_not_equal(finish_rfc(mt_bytes_of(final, i), &out), MT_OK);
	}
	assert_int_equal(finish_rfc(mt_bytes_str(RFC_FINAL ","), &out), MT_INVALID);
	assert_int_equal(finish_rfc(mt_bytes_str(RFC_FINAL "\n"), &out), MT_INVALID);
	assert_int_equal(
		finish_rfc(mt_bytes_str(RFC_WITHOUT
					",m=x,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
			   &out),
		MT_INVALID);
	/* An extension that is passed over is signed as all else. */
	assert_int_equal(
		finish_rfc(mt_bytes_str(RFC_WITHOUT
					",x=y,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
			   &out),
		MT_DENIED);
	/* The header of another exchange: "y,,". */
	assert_int_equal(finish_rfc(mt_bytes_str("c=eSws,r=" RFC_NONCE RFC_SERVER_NONCE
						 ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
				    &out),
			 MT_INVALID);
}

/* A whole exchange: the statuses of the server's end and of the client's. */
static enum mt_status exchange(const uint8_t *at_client, const uint8_t *at_server, const char *user,
			       const char *password, const struct mt_scram_verifier *verifier,
			       enum mt_status *client_end)
{
	struct mt_scram_client client;
	struct mt_scram_server server;
	struct mt_scram_keys keys = {0};
	struct side to_server, to_client;
	enum mt_status status;
	assert_int_equal(mt_scram_client_begin(&client, at_client != NULL, mt_bytes_str(user),
					       "ours", fresh(&to_server)),
			 MT_OK);
	MT_TRY(mt_scram_server_begin(&server, at_client != NULL, at_server,
				     mt_buf_view(&to_server.buf)));
	assert_string_equal(server.user, user);
	mt_scram_server_challenge(&server, verifier, "theirs", fresh(&to_client));
	assert_int_equal(mt_scram_client_prove(&client, at_client, mt_bytes_str(password), &keys,
					       mt_buf_view(&to_client.buf), fresh(&to_server)),
			 MT_OK);
	status = mt_scram_server_finish(&server, mt_buf_view(&to_server.buf), fresh(&to_client));
	if (status == MT_OK)
		*client_end = mt_scram_client_verify(&client, mt_buf_view(&to_client.buf));
	return status;
}

static void both_sides_agree(void **state)
{
	struct mt_scram_verifier verifier = verifier_of("p\xc3\xa4ssword, = and more");
	enum mt_status client_end = MT_DENIED;
	(void)state;
	assert_int_equal(exchange(NULL, NULL, "a,b=c,\xc3\xa4", "p\xc3\xa4ssword, = and more",
				  &verifier, &client_end),
			 MT_OK);
	assert_int_equal(client_end, MT_OK);
	client_end = MT_DENIED;
	assert_int_equal(exchange(channel, channel, "u", "p\xc3\xa4ssword, = and more", &verifier,
				  &client_end),
			 MT_OK);
	assert_int_equal(client_end, MT_OK);
	assert_int_equal(exchange(channel, channel, "u", "password", &verifier, &client_end),
			 MT_DENIED);
}

/* Somebody stands between two channels. */
static void another_channel_is_refused(void **state)
{
	struct mt_scram_verifier verifier = verifier_of("pencil");
	enum mt_status client_end;
	(void)state;
	assert_int_equal(exchange(channel, other_channel, "u", "pencil", &verifier, &client_end),
			 MT_INVALID);
}

static void a_server_that_lost_the_keys_is_refused(void **state)
{
	struct mt_scram_verifier verifier = verifier_of("pencil");
	enum mt_status client_end = MT_OK;
	(void)state;
	verifier.server_key[0] ^= 1;
	assert_int_equal(exchange(NULL, NULL, "u", "pencil", &verifier, &client_end), MT_OK);
	assert_int_equal(client_end, MT_DENIED);
}

static void the_header_must_fit_method_and_channel(void **state)
{
	static const struct {
		const char *message;
		bool is_plus, is_offered;
		enum mt_status status;
	} cases[] = {
		{"n,,n=u,r=x", false, false, MT_OK},
		{"n,,n=u,r=x", false, true, MT_OK},
		{"y,,n=u,r=x", false, false, MT_OK},
		{"y,,n=u,r=x", false, true, MT_DENIED}, /* a downgrade */
		{"p=tls-exporter,,n=u,r=x", true, true, MT_OK},
		{"p=tls-exporter,,n=u,r=x", false, true, MT_DENIED},
		{"p=tls-exporter,,n=u,r=x", true, false, MT_DENIED},
		{"p=tls-unique,,n=u,r=x", true, true, MT_DENIED},
		{"p=,,n=u,r=x", true, true, MT_INVALID},
		{"n,,n=u,r=x", true, true, MT_DENIED},
		{"y,,n=u,r=x", true, true, MT_DENIED},
		{"q,,n=u,r=x", false, false, MT_INVALID},
		{"N,,n=u,r=x", false, false, MT_INVALID},
		{"n,a=u,n=u,r=x", false, false, MT_OK},
		{"n,a=v,n=u,r=x", false, false, MT_DENIED},
		{"n,u,n=u,r=x", false, false, MT_INVALID},
		{"n,a=,n=u,r=x", false, false, MT_INVALID},
	};
	struct mt_scram_server server;
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++)
		assert_int_equal(begin(&server, cases[i].is_plus,
				       cases[i].is_offered ? channel : NULL, cases[i].message),
				 cases[i].status);
}

static void first_messages_are_read_strictly(void **state)
{
	static const char *const bad[] = {
		"",
		"n",
		"n,",
		"n,,",
		"n,,n=u",
		"n,,n=u,",
		"n,,n=u,r=",
		"n,,r=x,n=u",
		"n,,n=,r=x",
		"n,,m=1,n=u,r=x",
		"n,,n=u,r=x,m=1",
		"n,,n=u,r=x,",
		"n,,n=u,r=x y",
		"n,,n=a=b,r=x",
		"n,,n=a=2c,r=x",
		"n,,n=a=2,r=x",
		"n,,n=a=,r=x",
		"n,,n=u,r=x,1=y",
		"n,,n=u,r=x,xy",
		"n,,n=u\x01,r=x",
		"n,,n=u\xff,r=x",
		"n,,n=u,r=\xc3\xa4",
		"n,,n=u,r=x,y=",
	};
	struct mt_scram_server server;
	char text[MT_SCRAM_MESSAGE_BYTES_MAX + 1];
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++)
		assert_int_equal(begin(&server, false, NULL, bad[i]), MT_INVALID);
	assert_int_equal(begin(&server, false, NULL, "n,,n=a=2Cb=3Dc,r=x,y=z"), MT_OK);
	assert_string_equal(server.user, "a,b=c");
	snprintf(text, sizeof(text), "n,,n=%0255d,r=%0128d", 1, 1);
	assert_int_equal(begin(&server, false, NULL, text), MT_OK);
	snprintf(text, sizeof(text), "n,,n=%0256d,r=%0128d", 1, 1);
	assert_int_equal(begin(&server, false, NULL, text), MT_INVALID);
	snprintf(text, sizeof(text), "n,,n=%0255d,r=%0129d", 1, 1);
	assert_int_equal(begin(&server, false, NULL, text), MT_INVALID);
	snprintf(text, sizeof(text), "n,,n=u,r=x,y=%02000d", 1);
	assert_int_equal(begin(&server, false, NULL, text), MT_INVALID);
}

/* The largest name, escaped throughout, and the longest nonces find room on both sides. */
static void the_longest_messages_fit(void **state)
{
	struct mt_scram_verifier verifier = verifier_of("pencil");
	struct mt_scram_client client;
	struct mt_scram_server server;
	struct mt_scram_keys keys = {0};
	struct side to_server, to_client;
	char user[MT_SCRAM_USER_BYTES_MAX + 1], nonce[MT_SCRAM_NONCE_BYTES_MAX + 1];
	char text[2 * MT_SCRAM_MESSAGE_BYTES_MAX];
	(void)state;
	memset(user, ',', sizeof(user));
	memset(nonce, 'x', sizeof(nonce));
	user[sizeof(user) - 1] = nonce[sizeof(nonce) - 1] = '\0';
	verifier.iterations = MT_SCRAM_ITERATIONS_MIN;
	assert_int_equal(
		mt_scram_client_begin(&client, true, mt_bytes_str(user), nonce, fresh(&to_server)),
		MT_OK);
	to_server.bytes[to_server.buf.pos] = '\0';
	/* With the name as the one to act for too. */
	snprintf(text, sizeof(text), "p=tls-exporter,a=%.765s,%s",
		 (const char *)to_server.bytes + strlen("p=tls-exporter,,n="),
		 (const char *)to_server.bytes + strlen("p=tls-exporter,,"));
	assert_int_equal(begin(&server, true, channel, text), MT_OK);
	mt_scram_server_challenge(&server, &verifier, nonce, fresh(&to_client));
	assert_int_equal(mt_scram_client_prove(&client, channel, mt_bytes_str("pencil"), &keys,
					       mt_buf_view(&to_client.buf), fresh(&to_server)),
			 MT_OK);
	/* The header differs, so it is refused in the end. */
	assert_int_equal(
		mt_scram_server_finish(&server, mt_buf_view(&to_server.buf), fresh(&to_client)),
		MT_INVALID);
}

static enum mt_status prove(const char *challenge)
{
	struct mt_scram_client client;
	struct mt_scram_keys keys = {0};
	struct side out;
	assert_int_equal(
		mt_scram_client_begin(&client, false, mt_bytes_str("user"), RFC_NONCE, fresh(&out)),
		MT_OK);
	return mt_scram_client_prove(&client, NULL, mt_bytes_str("pencil"), &keys,
				     mt_bytes_str(challenge), fresh(&out));
}

static void a_client_takes_no_weak_or_foreign_challenge(void **state)
{
	static const char *const bad[] = {
		"r=" RFC_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", /* nothing of its own */
		"r=other" RFC_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		"r=" RFC_NONCE "x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4095",
		"r=" RFC_NONCE "x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=10000001",
		"r=" RFC_NONCE "x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4294971392", /* 4096 in 32 bits */
		"r=" RFC_NONCE "x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=04096",
		"r=" RFC_NONCE "x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-4096",
		"r=" RFC_NONCE "x,s=W22ZaJ0SNY7soEsUEjb6gQ==",
		"r=" RFC_NONCE "x,s=,i=4096",
		"r=" RFC_NONCE "x,s=W22ZaJ0SNY7soEsUEjb6gQ,i=4096",
		"m=1,r=" RFC_NONCE "x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		"r=" RFC_NONCE "x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,m=1",
		"",
	};
	(void)state;
	assert_int_equal(prove(RFC_CHALLENGE), MT_OK);
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++)
		assert_int_equal(prove(bad[i]), MT_INVALID);
}

static void a_client_takes_no_other_signature(void **state)
{
	static const char signature[] = RFC_SIGNATURE;
	char text[sizeof(signature)];
	(void)state;
	for (size_t i = 0; i <= sizeof(signature); i++) {
		struct mt_scram_client client;
		struct mt_scram_keys keys = {0};
		struct side out;
		memcpy(text, signature, sizeof(text));
		if (i < sizeof(signature) - 1)
			text[i] = text[i] == 'B' ? 'C' : 'B';
		else
			memcpy(text, i == sizeof(signature) ? "" : "e=no",
			       i == sizeof(signature) ? 1 : 5);
		(void)!mt_scram_client_begin(&client, false, mt_bytes_str("user"), RFC_NONCE,
					     fresh(&out));
		assert_int_equal(mt_scram_client_prove(&client, NULL, mt_bytes_str("pencil"), &keys,
						       mt_bytes_str(RFC_CHALLENGE), fresh(&out)),
				 MT_OK);
		assert_int_not_equal(mt_scram_client_verify(&client, mt_bytes_str(text)), MT_OK);
	}
}

static void a_feigned_verifier_is_stable_and_fits_no_password(void **state)
{
	static const uint8_t secret[MT_SCRAM_KEY_BYTES] = {1}, another[MT_SCRAM_KEY_BYTES] = {2};
	struct mt_scram_verifier a, b;
	enum mt_status client_end;
	(void)state;
	assert_int_equal(mt_scram_verifier_feign(secret, mt_bytes_str("x"), 4096, &a), MT_OK);
	assert_int_equal(mt_scram_verifier_feign(secret, mt_bytes_str("x"), 4096, &b), MT_OK);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(exchange(NULL, NULL, "x", "pencil", &a, &client_end), MT_DENIED);
	assert_int_equal(mt_scram_verifier_feign(secret, mt_bytes_str("y"), 4096, &b), MT_OK);
	assert_memory_not_equal(a.salt, b.salt, sizeof(a.salt));
	assert_int_equal(mt_scram_verifier_feign(another, mt_bytes_str("x"), 4096, &b), MT_OK);
	assert_memory_not_equal(a.salt, b.salt, sizeof(a.salt));
}

static void verifiers_have_bounds(void **state)
{
	static const uint8_t salt[MT_SCRAM_SALT_BYTES];
	char longest[MT_SCRAM_PASSWORD_BYTES_MAX + 1];
	struct mt_scram_verifier out;
	(void)state;
	memset(longest, 'x', sizeof(longest));
	assert_int_equal(mt_scram_verifier_make(mt_bytes_str(""), salt, 4096, &out), MT_INVALID);
	assert_int_equal(mt_scram_verifier_make(mt_bytes_str("x"), salt, 4095, &out), MT_INVALID);
	assert_int_equal(
		mt_scram_verifier_make(mt_bytes_str("x"), salt, MT_SCRAM_ITERATIONS_MAX + 1, &out),
		MT_INVALID);
	assert_int_equal(
		mt_scram_verifier_make(mt_bytes_of(longest, sizeof(longest)), salt, 4096, &out),
		MT_INVALID);
	assert_int_equal(
		mt_scram_verifier_make(mt_bytes_of(longest, sizeof(longest) - 1), salt, 4096, &out),
		MT_OK);
	assert_true(MT_SCRAM_ITERATIONS >= MT_SCRAM_ITERATIONS_MIN &&
		    MT_SCRAM_ITERATIONS <= MT_SCRAM_ITERATIONS_MAX);
}

static void nonces_are_printable(void **state)
{
	static const uint8_t random[MT_SCRAM_RANDOM_BYTES] = {0xff, 0xfe, 0xfd};
	char text[MT_SCRAM_NONCE_TEXT_BYTES];
	(void)state;
	mt_scram_nonce(random, text);
	assert_int_equal(strlen(text), MT_SCRAM_NONCE_TEXT_BYTES - 1);
	assert_null(strchr(text, ','));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_server_of_the_rfc_speaks_as_it_says),
		cmocka_unit_test(the_client_of_the_rfc_speaks_as_it_says),
		cmocka_unit_test(a_tampered_final_message_is_refused),
		cmocka_unit_test(both_sides_agree),
		cmocka_unit_test(another_channel_is_refused),
		cmocka_unit_test(a_server_that_lost_the_keys_is_refused),
		cmocka_unit_test(the_header_must_fit_method_and_channel),
		cmocka_unit_test(first_messages_are_read_strictly),
		cmocka_unit_test(the_longest_messages_fit),
		cmocka_unit_test(a_client_takes_no_weak_or_foreign_challenge),
		cmocka_unit_test(a_client_takes_no_other_signature),
		cmocka_unit_test(a_feigned_verifier_is_stable_and_fits_no_password),
		cmocka_unit_test(verifiers_have_bounds),
		cmocka_unit_test(nonces_are_printable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
