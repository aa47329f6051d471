/* Secrets in streams of packets: found in any pieces, and nothing else is touched. */
#include "replay/secret.h"
#include "wire/connect.h"
#include "wire/control.h"
#include "wire/publish.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECRET "s3cret-Of-anna"
#define DATA "challenge-Response"

struct stream {
	uint8_t data[4096];
	struct mt_buf buf;
};

static void begin(struct stream *stream)
{
	stream->buf = mt_buf_of(stream->data, sizeof(stream->data));
}

static struct mt_connect connect_of(enum mt_version version)
{
	struct mt_connect connect = {.version = version,
				     .is_clean = true,
				     .has_user = true,
				     .has_password = true,
				     .has_will = true,
				     .keep_alive_s = 60,
				     .client_id = mt_bytes_str("a client"),
				     .will_topic = mt_bytes_str("gone"),
				     .will_payload = mt_bytes_str("a will"),
				     .user = mt_bytes_str("anna"),
				     .password = mt_bytes_str(SECRET)};
	if (version == MT_VERSION_5) {
		connect.props.present =
			MT_PROP_BIT(SESSION_EXPIRY_INTERVAL) | MT_PROP_BIT(RECEIVE_MAXIMUM) |
			MT_PROP_BIT(AUTHENTICATION_METHOD) | MT_PROP_BIT(AUTHENTICATION_DATA);
		connect.props.session_expiry_s = 60;
		connect.props.receive_max = 7;
		connect.props.auth_method = mt_bytes_str("SCRAM");
		connect.props.auth_data = mt_bytes_str(DATA);
		connect.will_props.present = MT_PROP_BIT(WILL_DELAY_INTERVAL);
		connect.will_props.will_delay_s = 5;
	}
	return connect;
}

static void put_connect(struct stream *stream, const struct mt_connect *connect)
{
	assert_int_equal(mt_connect_encode(connect, &stream->buf), MT_OK);
}

static void put_publish(struct stream *stream, enum mt_version version, const char *payload)
{
	struct mt_publish publish = {.topic = mt_bytes_str("a/b"),
				     .payload = mt_bytes_str(payload)};
	assert_int_equal(mt_publish_encode(&publish, version, &stream->buf), MT_OK);
}

static void put_auth(struct stream *stream)
{
	struct mt_control auth = {.type = MT_PACKET_AUTH,
				  .reason = MT_REASON_CONTINUE_AUTHENTICATION};
	auth.props.present = MT_PROP_BIT(AUTHENTICATION_METHOD) | MT_PROP_BIT(AUTHENTICATION_DATA);
	auth.props.auth_method = mt_bytes_str("SCRAM");
	auth.props.auth_data = mt_bytes_str(DATA);
	assert_int_equal(mt_control_encode(&auth, MT_VERSION_5, &stream->buf), MT_OK);
}

static size_t find(const uint8_t *data, size_t len, const char *text)
{
	const uint8_t *at = memmem(data, len, text, strlen(text));
	return at ? (size_t)(at - data) : SIZE_MAX;
}

/* The stream with each occurrence of the secrets overwritten: what is expected. */
static void expect(const struct stream *stream, uint8_t *out)
{
	const char *const secrets[] = {SECRET, DATA};
	memcpy(out, stream->data, stream->buf.pos);
	for (size_t i = 0; i < MT_COUNT_OF(secrets); i++) {
		size_t at;
		while ((at = find(out, stream->buf.pos, secrets[i])) != SIZE_MAX)
			memset(out + at, MT_SECRET_TOKEN, strlen(secrets[i]));
	}
}

static void check_pieces(const struct stream *stream, bool is_server)
{
	uint8_t expected[4096], found[4096];
	size_t len = stream->buf.pos;
	expect(stream, expected);
	for (size_t cut = 0; cut <= len; cut++) {
		struct mt_secret secret;
		mt_secret_init(&secret, is_server);
		memcpy(found, stream->data, len);
		mt_secret_hide(&secret, found, cut);
		mt_secret_hide(&secret, found + cut, len - cut);
		assert_memory_equal(found, expected, len);
	}
	struct mt_secret secret;
	mt_secret_init(&secret, is_server);
	memcpy(found, stream->data, len);
	for (size_t i = 0; i < len; i++)
		mt_secret_hide(&secret, found + i, 1);
	assert_memory_equal(found, expected, len);
}

static void test_connect_in_any_pieces(void **state)
{
	const enum mt_version versions[] = {MT_VERSION_3_1_1, MT_VERSION_5};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(versions); i++) {
		/* Which fields there are, in each combination. */
		for (int fields = 0; fields < 8; fields++) {
			struct mt_connect connect = connect_of(versions[i]);
			struct stream stream;
			connect.has_will = fields & 1;
			connect.has_user = fields & 2 || versions[i] == MT_VERSION_3_1_1;
			connect.has_password = fields & 4;
			begin(&stream);
			put_connect(&stream, &connect);
			put_publish(&stream, versions[i], "what a client says");
			put_publish(&stream, versions[i], "");
			check_pieces(&stream, false);
		}
	}
}

static void test_auth_on_an_open_connection(void **state)
{
	struct mt_connect connect = connect_of(MT_VERSION_5);
	struct stream stream;
	(void)state;
	begin(&stream);
	put_connect(&stream, &connect);
	put_auth(&stream);
	put_publish(&stream, MT_VERSION_5, "between");
	put_auth(&stream);
	put_connect(&stream, &connect); /* a violation that holds a password */
	check_pieces(&stream, false);
}

static void test_words_of_the_broker(void **state)
{
	struct mt_connack connack = {.reason = MT_REASON_SUCCESS};
	struct stream stream;
	(void)state;
	connack.props.present =
		MT_PROP_BIT(AUTHENTICATION_METHOD) | MT_PROP_BIT(AUTHENTICATION_DATA);
	connack.props.auth_method = mt_bytes_str("SCRAM");
	connack.props.auth_data = mt_bytes_str(DATA);
	begin(&stream);
	put_auth(&stream);
	assert_int_equal(mt_connack_encode(&connack, MT_VERSION_5, &stream.buf), MT_OK);
	put_publish(&stream, MT_VERSION_5, "to a client");
	put_auth(&stream);
	check_pieces(&stream, true);
}

/* Whatever is wrong with a CONNECT: a decoder says of it what it said before. */
static void test_each_change_of_a_connect(void **state)
{
	struct mt_connect connect = connect_of(MT_VERSION_5);
	struct stream stream;
	(void)state;
	begin(&stream);
	put_connect(&stream, &connect);
	for (size_t at = 0; at < stream.buf.pos; at++) {
		for (int value = 0; value < 256; value++) {
			uint8_t before[4096], after[4096];
			struct mt_secret secret;
			struct mt_frame frame, masked;
			struct mt_violation why = {0}, why_masked = {0};
			struct mt_connect decoded;
			enum mt_version version;
			enum mt_status status, status_masked;
			memcpy(before, stream.data, stream.buf.pos);
			before[at] = (uint8_t)value;
			memcpy(after, before, stream.buf.pos);
			mt_secret_init(&secret, false);
			mt_secret_hide(&secret, after, stream.buf.pos);
			status = mt_frame_next(mt_bytes_of(before, stream.buf.pos), SIZE_MAX,
					       &frame, &why);
			status_masked = mt_frame_next(mt_bytes_of(after, stream.buf.pos), SIZE_MAX,
						      &masked, &why_masked);
			assert_int_equal(status, status_masked);
			if (status != MT_OK || frame.type != MT_PACKET_CONNECT)
				continue;
			status = mt_connect_decode(&frame, &decoded, &version, &why);
			status_masked = mt_connect_decode(&masked, &decoded, &version, &why_masked);
			assert_int_equal(status, status_masked);
			if (status == MT_VIOLATION) {
				assert_string_equal(why.statement, why_masked.statement);
				assert_int_equal(why.offset, why_masked.offset);
			}
		}
	}
}

static void test_what_comes_before_connect_is_hidden(void **state)
{
	uint8_t data[] = "\x30\x0a"
			 "0123456789"
			 "\xe0\x00"
			 "\x00"
			 "password";
	struct mt_secret secret;
	(void)state;
	mt_secret_init(&secret, false);
	mt_secret_hide(&secret, data, sizeof(data) - 1);
	assert_memory_equal(data,
			    "\x30\x0a"
			    "**********"
			    "\xe0\x00"
			    "\x00"
			    "********",
			    sizeof(data) - 1);
}

static void test_a_length_of_five_bytes_ends_it(void **state)
{
	uint8_t data[] = "\x30\xff\xff\xff\xff\x01"
			 "password";
	struct mt_secret secret;
	(void)state;
	mt_secret_init(&secret, false);
	mt_secret_hide(&secret, data, sizeof(data) - 1);
	assert_memory_equal(data,
			    "\x30\xff\xff\xff\xff"
			    "*********",
			    sizeof(data) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connect_in_any_pieces),
		cmocka_unit_test(test_auth_on_an_open_connection),
		cmocka_unit_test(test_words_of_the_broker),
		cmocka_unit_test(test_each_change_of_a_connect),
		cmocka_unit_test(test_what_comes_before_connect_is_hidden),
		cmocka_unit_test(test_a_length_of_five_bytes_ends_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
