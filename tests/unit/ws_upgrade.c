/* Opening handshakes: taken, refused with the right number, cut and changed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "ws/upgrade.h"

#include "spec.h"
#include "ws_client.h"

#include <stdio.h>
#include <stdlib.h>

static const char sample[] = WS_REQUEST("/mqtt", "");
static struct mt_upgrade_rules rules = {.path = "/mqtt", .origins = "same"};

/* In a block of its exact size. The status of HTTP, or 0: it is not whole. */
static int judge_bytes(struct mt_bytes in, struct mt_upgrade *out, size_t *used)
{
	uint8_t *block = malloc(in.len ? in.len : 1);
	enum mt_status status;
	assert_non_null(block);
	if (in.len)
		memcpy(block, in.data, in.len);
	memset(out, 0, sizeof(*out));
	status = mt_upgrade_read(mt_bytes_of(block, in.len), &rules, used, out);
	free(block);
	if (status == MT_AGAIN)
		return 0;
	assert_int_equal(status == MT_OK, out->status == 101);
	assert_int_equal(status == MT_VIOLATION, out->why != NULL);
	return out->status;
}

static int judge(const char *request)
{
	struct mt_upgrade out;
	size_t used;
	return judge_bytes(mt_bytes_str(request), &out, &used);
}

/* The sample with one line changed, or left out, or added. */
static int judge_with(const char *old, const char *new)
{
	char request[sizeof(sample) + 512];
	const char *at = strstr(sample, old);
	assert_non_null(at);
	snprintf(request, sizeof(request), "%.*s%s%s", (int)(at - sample), sample, new,
		 at + strlen(old));
	return judge(request);
}

static void answer_to(const struct mt_upgrade *upgrade, char *out, size_t cap)
{
	struct mt_buf buf = mt_buf_of(out, cap - 1);
	mt_upgrade_answer(upgrade, &buf);
	assert_false(buf.is_overflown);
	assert_true(buf.pos <= MT_UPGRADE_ANSWER_BYTES);
	out[buf.pos] = '\0';
}

static void test_accepted(void **state)
{
	struct mt_upgrade out;
	char answer[MT_UPGRADE_ANSWER_BYTES + 1];
	size_t used = 0;
	(void)state;
	SPEC(MQTT5, "6.0.0-4");
	assert_int_equal(judge_bytes(mt_bytes_str(sample), &out, &used), 101);
	assert_int_equal(used, strlen(sample));
	answer_to(&out, answer, sizeof(answer));
	/* The example of RFC 6455, section 1.3. */
	assert_string_equal(answer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
				    "Connection: Upgrade\r\n"
				    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
				    "Sec-WebSocket-Protocol: mqtt\r\n\r\n");
}

static void test_frames_behind_the_request_are_left(void **state)
{
	char request[sizeof(sample) + 8];
	struct mt_upgrade out;
	size_t used = 0;
	(void)state;
	snprintf(request, sizeof(request), "%s\r\n\r\nxy", sample);
	assert_int_equal(judge_bytes(mt_bytes_str(request), &out, &used), 101);
	assert_int_equal(used, strlen(sample));
}

static void test_what_may_vary(void **state)
{
	(void)state;
	assert_int_equal(judge_with("GET /mqtt", "GET /mqtt?token=1"), 101);
	assert_int_equal(judge_with("GET /mqtt", "GET http://localhost/mqtt"), 101);
	assert_int_equal(judge_with("GET /mqtt", "GET https://localhost:1/mqtt?x"), 101);
	assert_int_equal(judge_with("Upgrade: websocket", "uPGRADE:h2c,  WebSocket\t"), 101);
	assert_int_equal(judge_with("Connection: Upgrade", "connection: keep-alive, upgrade"), 101);
	assert_int_equal(
		judge_with("Connection: Upgrade", "Connection: keep-alive\r\nConnection:Upgrade"),
		101);
	assert_int_equal(judge_with("Protocol: mqtt", "Protocol: mqttv3.1, mqtt"), 101);
	assert_int_equal(
		judge_with("Protocol: mqtt", "Protocol: mqttv3.1\r\nSec-WebSocket-Protocol: mqtt"),
		101);
	assert_int_equal(judge_with("Host: localhost",
				    "Host: localhost\r\nCookie: a=b\r\nSec-WebSocket-Extensions: "
				    "permessage-deflate; client_max_window_bits"),
			 101);
}

static void test_refused(void **state)
{
	static const struct {
		const char *old, *new;
		int status;
	} cases[] = {
		{"GET", "POST", 405},
		{"GET", "get", 405},
		{"GET", "G T", 400},
		{"GET /mqtt", "GET /", 404},
		{"GET /mqtt", "GET /mqtt/", 404},
		{"GET /mqtt", "GET mqtt", 404},
		{"GET /mqtt", "GET ftp://localhost/mqtt", 404},
		{"HTTP/1.1", "HTTP/1.0", 400},
		{"HTTP/1.1", "HTTP/2", 400},
		{" HTTP/1.1", "", 400},
		{"Host: localhost\r\n", "", 400},
		{"Host: localhost", "Host:", 400},
		{"Host: localhost", "Host: localhost\r\nhost: localhost", 400},
		{"Host: localhost", "Host : localhost", 400},
		{"Host: localhost", "Host: a\r\n localhost", 400},
		{"Host: localhost", "Host: localhost\nX: y", 400},
		{"Host: localhost", "Host: local\x01host", 400},
		{"Host: localhost", "Host localhost", 400},
		{"Host: localhost", ": localhost", 400},
		{"Upgrade: websocket", "Upgrade: websockets", 426},
		{"Connection: Upgrade", "Connection: close", 426},
		{"Version: 13", "Version: 8", 426},
		{"Version: 13", "Version: 13, 8", 426},
		{"Sec-WebSocket-Version: 13\r\n", "", 426},
		{"Key: " WS_KEY, "Key: dGhlIHNhbXBsZSBub25jZQ=", 400},
		{"Key: " WS_KEY, "Key: dGhlIHNhbXBsZSBub25jZR==", 400},
		{"Key: " WS_KEY, "Key: dGhlIHNhbXBsZSBub25j====", 400},
		{"Key: " WS_KEY, "Key: dGhlIHNhbXBsZSBub25-ZQ==", 400},
		{"Sec-WebSocket-Key: " WS_KEY "\r\n", "", 400},
		{"Key: " WS_KEY, "Key: " WS_KEY "\r\nSec-WebSocket-Key: " WS_KEY, 400},
		{"Sec-WebSocket-Protocol: mqtt\r\n", "", 400},
		{"Protocol: mqtt", "Protocol: MQTT", 400},
		{"Protocol: mqtt", "Protocol: mqttv3.1", 400},
		{"Protocol: mqtt", "Protocol: mqtt;q=1", 400},
	};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		int found = judge_with(cases[i].old, cases[i].new);
		if (found != cases[i].status)
			fail_msg("%s -> %s: %d, wanted %d", cases[i].old, cases[i].new, found,
				 cases[i].status);
	}
}

static void test_answers_of_refusals(void **state)
{
	static const uint16_t numbers[] = {400, 403, 404, 405, 426, 431};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(numbers); i++) {
		struct mt_upgrade out = {.status = numbers[i], .why = ""};
		char answer[MT_UPGRADE_ANSWER_BYTES + 1], start[32];
		answer_to(&out, answer, sizeof(answer));
		snprintf(start, sizeof(start), "HTTP/1.1 %u ", numbers[i]);
		assert_memory_equal(answer, start, strlen(start));
		assert_non_null(strstr(answer, "\r\nContent-Length: 0\r\n\r\n"));
		assert_non_null(strstr(answer, "close\r\n"));
		/* Section 4.4: a version that we do not speak learns which one we do. */
		assert_int_equal(numbers[i] == 426,
				 strstr(answer, "\r\nSec-WebSocket-Version: 13\r\n") != NULL);
		assert_int_equal(numbers[i] == 405, strstr(answer, "\r\nAllow: GET\r\n") != NULL);
	}
}

static int judge_origin(const char *origins, bool is_proven, const char *host, const char *origin)
{
	char lines[256];
	int status;
	rules.origins = origins;
	rules.is_host_proven = is_proven;
	snprintf(lines, sizeof(lines), "Host: %s\r\nOrigin: %s\r\n", host, origin);
	status = judge_with("Host: localhost\r\n", lines);
	rules.origins = "same";
	rules.is_host_proven = false;
	return status;
}

static void test_origins(void **state)
{
	static const char list[] = "https://a.example,https://b.example:8443";
	(void)state;
	assert_int_equal(judge_origin(list, false, "x", "https://a.example"), 101);
	assert_int_equal(judge_origin(list, false, "x", "HTTPS://B.example:8443"), 101);
	assert_int_equal(judge_origin(list, false, "x", "https://b.example"), 403);
	assert_int_equal(judge_origin(list, false, "x", "http://a.example"), 403);
	assert_int_equal(judge_origin(list, false, "x", "https://a.example.evil"), 403);
	assert_int_equal(judge_origin(list, true, "x", "https://x"), 403);
	assert_int_equal(judge_origin(list, true, "x", "null"), 403);
	assert_int_equal(judge_origin(list, true, "x", ""), 403);
	assert_int_equal(judge_origin("", true, "x", "https://x"), 403);
	assert_int_equal(judge_origin("any", false, "x", "null"), 101);
	assert_int_equal(judge_origin("https://a.example,same", true, "x", "https://x"), 101);
}

static void test_same_origin(void **state)
{
	(void)state;
	assert_int_equal(judge_origin("same", true, "b.example:8084", "https://B.example"), 101);
	assert_int_equal(judge_origin("same", true, "b.example", "https://b.example:8443"), 101);
	assert_int_equal(judge_origin("same", true, "b.example", "https://c.example"), 403);
	assert_int_equal(judge_origin("same", true, "b.example", "https://b.example.evil"), 403);
	assert_int_equal(judge_origin("same", true, "b.example", "b.example"), 403);
	assert_int_equal(judge_origin("same", true, ":1", "https://:2"), 403);
	/* A page may give its own name our address: without a certificate a name proves nothing. */
	assert_int_equal(judge_origin("same", false, "b.example", "http://b.example"), 403);
	assert_int_equal(judge_origin("same", false, "127.0.0.1:9", "http://127.0.0.1:1"), 101);
	assert_int_equal(judge_origin("same", false, "LOCALHOST:9", "http://localhost"), 101);
	assert_int_equal(judge_origin("same", false, "[::1]:9", "http://[::1]"), 101);
	assert_int_equal(judge_origin("same", false, "[::1]:9", "http://[::2]"), 403);
	assert_int_equal(judge_origin("same", false, "127.0.0.1.evil", "http://127.0.0.1.evil"),
			 403);
}

static void test_requests_are_bounded(void **state)
{
	static char request[2 * MT_UPGRADE_BYTES_MAX];
	struct mt_upgrade out;
	size_t used, len;
	(void)state;
	len = (size_t)snprintf(request, sizeof(request), "GET /mqtt HTTP/1.1\r\nX: ");
	memset(request + len, 'x', sizeof(request) - len);
	assert_int_equal(judge_bytes(mt_bytes_of(request, MT_UPGRADE_BYTES_MAX), &out, &used), 0);
	assert_int_equal(judge_bytes(mt_bytes_of(request, MT_UPGRADE_BYTES_MAX + 1), &out, &used),
			 431);
	memcpy(request + sizeof(request) - 4, "\r\n\r\n", 4);
	assert_int_equal(judge_bytes(mt_bytes_of(request, sizeof(request)), &out, &used), 431);
	len = (size_t)snprintf(request, sizeof(request), "GET /mqtt HTTP/1.1\r\n");
	for (int i = 0; i < 101; i++)
		len += (size_t)snprintf(request + len, sizeof(request) - len, "X%d: y\r\n", i);
	snprintf(request + len, sizeof(request) - len, "\r\n");
	assert_int_equal(judge(request), 431);
}

static void test_what_is_no_http_is_not_waited_for(void **state)
{
	(void)state;
	assert_int_equal(judge("\x10"), 400);
	assert_int_equal(judge("\x16\x03\x01"), 400);
	assert_int_equal(judge(""), 0);
	assert_int_equal(judge("G"), 0);
	assert_int_equal(judge("\r\n\r\n"), 400);
	assert_int_equal(judge("x\r\n\r\n"), 400);
}

static void test_sweep(void **state)
{
	const size_t len = strlen(sample);
	struct mt_upgrade out;
	size_t used;
	(void)state;
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(judge_bytes(mt_bytes_of(sample, cut), &out, &used), 0);
	for (size_t at = 0; at < len; at++) {
		for (int byte = 0; byte < 256; byte++) {
			char changed[sizeof(sample)];
			memcpy(changed, sample, sizeof(sample));
			changed[at] = (char)byte;
			if (judge_bytes(mt_bytes_of(changed, len), &out, &used) == 101)
				assert_int_equal(used, len);
		}
	}
}

static void test_words_of_the_configuration(void **state)
{
	static const char *const good[] = {"any", "same", "https://a", "http://a.example:80",
					   "https://[::1]:1"};
	static const char *const bad[] = {
		"",	   "*",		  "a.example",	 "https://", "https://a/", "https://a/b",
		"ftp://a", "https://a b", "https://a,b", "null",     "https:/a"};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(good); i++)
		assert_true(mt_upgrade_is_origin(mt_bytes_str(good[i])));
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++)
		if (mt_upgrade_is_origin(mt_bytes_str(bad[i])))
			fail_msg("%s is taken", bad[i]);
	assert_true(mt_upgrade_is_path(mt_bytes_str("/")));
	assert_true(mt_upgrade_is_path(mt_bytes_str("/a/b~1")));
	assert_false(mt_upgrade_is_path(mt_bytes_str("")));
	assert_false(mt_upgrade_is_path(mt_bytes_str("mqtt")));
	assert_false(mt_upgrade_is_path(mt_bytes_str("/a?b")));
	assert_false(mt_upgrade_is_path(mt_bytes_str("/a#b")));
	assert_false(mt_upgrade_is_path(mt_bytes_str("/a b")));
	assert_false(mt_upgrade_is_path(mt_bytes_str("/\xc3\xa4")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_frames_behind_the_request_are_left),
		cmocka_unit_test(test_what_may_vary),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_answers_of_refusals),
		cmocka_unit_test(test_origins),
		cmocka_unit_test(test_same_origin),
		cmocka_unit_test(test_requests_are_bounded),
		cmocka_unit_test(test_what_is_no_http_is_not_waited_for),
		cmocka_unit_test(test_sweep),
		cmocka_unit_test(test_words_of_the_configuration),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
