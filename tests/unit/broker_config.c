/* The configuration: what is accepted, what is refused, and that each fault names file, line, key
 * and remedy. */
#include "broker/config.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct mt_settings settings;
static struct mt_report report;

static enum mt_status parse(const char *text)
{
	return mt_config_parse(mt_bytes_str(text), "f.yaml", NULL, 0, &settings, &report);
}

static enum mt_status parse_set(const char *text, const char *set)
{
	return mt_config_parse(mt_bytes_str(text), "f.yaml", &set, 1, &settings, &report);
}

static void expect_good(enum mt_status status)
{
	if (status != MT_OK)
		print_error("%s", report.text);
	assert_int_equal(status, MT_OK);
	assert_int_equal(report.count, 0);
}

/* Exactly one fault, which begins with `start` and holds `part`. */
static void expect_fault(enum mt_status status, const char *start, const char *part)
{
	assert_int_equal(status, MT_INVALID);
	if (report.count != 1 || strncmp(report.text, start, strlen(start)) != 0 ||
	    !strstr(report.text, part))
		print_error("expected %s ... %s, found:\n%s", start, part, report.text);
	assert_int_equal(report.count, 1);
	assert_memory_equal(report.text, start, strlen(start));
	assert_non_null(strstr(report.text, part));
	assert_int_equal(report.text[report.len - 1], '\n');
}

static void listeners_offer_what_they_are_told(void **state)
{
	(void)state;
	expect_good(parse("listeners:\n  a:\n    address: 127.0.0.1:1\n    tls: no\n"
			  "    maximum_qos: 1\n    retain_available: no\n"
			  "    redirect: other.example:8883\n    redirect_permanent: yes\n"
			  "response_topic: reply/%c\n"));
	assert_int_equal(settings.listeners[0].qos_max, 1);
	assert_false(settings.listeners[0].is_retain_available);
	assert_true(settings.listeners[0].is_shared_available);
	assert_true(settings.listeners[0].is_wildcard_available);
	assert_true(settings.listeners[0].is_subscription_id_available);
	assert_true(settings.listeners[0].is_moved);
	assert_string_equal(settings.listeners[0].server_reference, "other.example:8883");
	assert_string_equal(settings.response_topic, "reply/%c");
	expect_fault(parse("response_topic: reply/#\n"), "response_topic", "topic name");
	expect_fault(parse_set("", "listeners.tls.maximum_qos=3"),
		     "--set listeners.tls.maximum_qos", "0..2");
}

static void admin_api_listens_where_it_is_told(void **state)
{
	(void)state;
	expect_good(parse(""));
	assert_string_equal(settings.https.address, "");
	assert_int_equal(settings.https.connections, 64);
	expect_good(parse_set("admin:\n  https:\n    address: 10.0.0.1:8443\n"
			      "    certificate: out\n    connections_per_address: off\n"
			      "    request_time: 5s\n"
			      "certificates:\n  out:\n    certificate: /c\n    key: /k\n",
			      "admin.https.connections=7"));
	assert_string_equal(settings.https.address, "10.0.0.1:8443");
	assert_string_equal(settings.https.certificate, "out");
	assert_int_equal(settings.https.connections, 7);
	assert_int_equal(settings.https.connections_per_address, 0);
	assert_int_equal(settings.https.request_ns, 5 * MT_SECOND);
	expect_good(parse_set("admin:\n  https:\n    address: 10.0.0.1:8443\n",
			      "admin.https.address=off"));
	assert_string_equal(settings.https.address, "");
	expect_fault(parse_set("", "admin.https.address=8443"), "--set admin.https.address",
		     "HOST:PORT");
	expect_fault(parse_set("", "admin.https.address=unix:/run/x"), "admin.https", "HOST:PORT");
	expect_fault(parse_set("", "admin.https.adress=:8443"), "--set admin.https.adress",
		     "admin.https.address");
	expect_fault(
		parse_set("admin:\n  https:\n    address: :8443\n", "admin.https.certificate=out"),
		"admin.https", "certificate that there is not");
	expect_fault(parse_set("admin:\n  https:\n    address: :8443\n",
			       "listeners.https.address=127.0.0.1:1"),
		     "admin.https", "named https");
	expect_fault(parse_set("", "admin=yes"), "--set admin", "section");
	expect_fault(parse("admin:\n  http:\n    address: :80\n"), "f.yaml:2", "https");
}

static void listeners_have_limits_of_their_own(void **state)
{
	(void)state;
	expect_good(parse_set("limits:\n  inflight: 7\n  topic_levels: 9\n"
			      "listeners:\n  a:\n    address: 127.0.0.1:1\n    tls: no\n"
			      "    limits:\n      inflight: 3\n      connect_rate: off\n"
			      "      packet_bytes: 2KiB\n"
			      "  b:\n    address: 127.0.0.1:2\n    tls: no\n",
			      "listeners.b.limits.topic_levels=20"));
	assert_int_equal(settings.limits.inflight, 7);
	assert_int_equal(settings.listeners[0].limits.inflight, 3);
	assert_int_equal(settings.listeners[0].limits.topic_levels, 9);
	assert_int_equal(settings.listeners[0].limits.connect_rate, 0);
	assert_int_equal(settings.listeners[0].limits.packet_bytes, 2048);
	assert_int_equal(settings.listeners[1].limits.inflight, 7);
	assert_int_equal(settings.listeners[1].limits.topic_levels, 20);
	assert_int_equal(settings.listeners[1].limits.packet_bytes, settings.limits.packet_bytes);
	assert_int_equal(settings.listeners[1].limits.connect_ns, settings.limits.connect_ns);
	/* what belongs to the whole broker is none of theirs */
	expect_fault(parse_set("", "listeners.tls.limits.memory_bytes=1GiB"),
		     "--set listeners.tls.limits.memory_bytes", "unknown key");
	expect_fault(parse_set("", "listeners.tls.limits.inflight=0"),
		     "--set listeners.tls.limits.inflight", "1..65535");
}

static void parts_of_the_topics_retain_less(void **state)
{
	(void)state;
	expect_good(parse_set("retained:\n  sensors:\n    filter: sensors/#\n    count: 10\n",
			      "retained.sensors.bytes=2KiB"));
	assert_int_equal(settings.subtree_count, 1);
	assert_string_equal(settings.subtrees[0].filter, "sensors/#");
	assert_int_equal(settings.subtrees[0].count, 10);
	assert_int_equal(settings.subtrees[0].bytes, 2048);
	expect_fault(parse("retained:\n  s:\n    count: 10\n"), "retained.s", "filter");
	expect_fault(parse("retained:\n  s:\n    filter: a/#/b\n    count: 1\n"), "retained.s",
		     "filter");
	expect_fault(parse("retained:\n  s:\n    filter: a/#\n"), "retained.s", "no limit");
}

static void defaults_are_one_tls_listener(void **state)
{
	(void)state;
	expect_good(parse(""));
	assert_int_equal(settings.listener_count, 1);
	assert_string_equal(settings.listeners[0].name, "tls");
	assert_string_equal(settings.listeners[0].address, "[::]:8883");
	assert_true(settings.listeners[0].is_tls);
	assert_false(settings.listeners[0].is_insecure_allowed);
	assert_false(settings.listeners[0].has_anonymous_sessions);
	assert_string_equal(settings.listeners[0].anonymous_role, "");
	assert_string_equal(settings.state_path, "");
	assert_int_equal(settings.log.level, MT_LOG_INFO);
	assert_true(settings.limits.packet_bytes >= settings.limits.connect_bytes);
	assert_true(settings.limits.connections_per_address > 0);
	assert_int_equal(settings.limits.keep_alive_s, 0);
	expect_good(parse("---\n"));
	expect_good(parse("# only a comment\n"));
}

static void every_value_reaches_its_field(void **state)
{
	(void)state;
	expect_good(parse("listeners:\n"
			  "  a:\n"
			  "    address: 127.0.0.1:1883\n"
			  "    tls: false\n"
			  "    anonymous: open\n"
			  "    anonymous_sessions: on\n"
			  "  b:\n"
			  "    address: '[::]:8883'\n"
			  "    certificate: /etc/b.pem\n"
			  "    key: \"/etc/b key.pem\"\n"
			  "on_denied_publish: disconnect\n"
			  "hash_threads: 8\n"
			  "sys_interval: 2m\n"
			  "log: {level: debug, json: yes}\n"
			  "limits:\n"
			  "  packet_bytes: 2MiB\n"
			  "  connect_bytes: 4096\n"
			  "  queue_bytes: 4GiB\n"
			  "  session_expiry: off\n"
			  "  keep_alive: 10m\n"
			  "  connect_time: 250ms\n"
			  "  connections_per_address: off\n"
			  "  memory_bytes: off\n"));
	assert_int_equal(settings.listener_count, 2);
	assert_string_equal(settings.listeners[0].name, "a");
	assert_string_equal(settings.listeners[0].anonymous_role, "open");
	assert_true(settings.listeners[0].has_anonymous_sessions);
	assert_false(settings.listeners[0].is_tls);
	assert_string_equal(settings.listeners[1].address, "[::]:8883");
	assert_true(settings.listeners[1].is_tls);
	assert_string_equal(settings.listeners[1].certificate_path, "/etc/b.pem");
	assert_string_equal(settings.listeners[1].key_path, "/etc/b key.pem");
	assert_true(settings.is_qos0_denial_closing);
	assert_int_equal(settings.hash_threads, 8);
	assert_int_equal(settings.sys_interval_ns, 120 * MT_SECOND);
	assert_int_equal(settings.log.level, MT_LOG_DEBUG);
	assert_true(settings.log.is_json);
	assert_int_equal(settings.limits.packet_bytes, 2u << 20);
	assert_int_equal(settings.limits.connect_bytes, 4096);
	assert_int_equal(settings.limits.queue_bytes, (uint64_t)4 << 30);
	assert_int_equal(settings.limits.session_expiry_s, UINT32_MAX);
	assert_int_equal(settings.limits.keep_alive_s, 600);
	assert_int_equal(settings.limits.connect_ns, 250 * MT_MS);
	assert_int_equal(settings.limits.connections_per_address, 0);
	assert_true(settings.limits.memory_bytes == UINT64_MAX);
}

static void lists_paths_and_modes(void **state)
{
	(void)state;
	expect_good(parse("listeners:\n"
			  "  web:\n"
			  "    address: 127.0.0.1:8084\n"
			  "    websocket: yes\n"
			  "    path: /broker/mqtt\n"
			  "    origins:\n"
			  "      - https://a.example\n"
			  "      - 'http://[::1]:80'\n"
			  "    proxy: [10.0.0.0/8, '2001:db8::/32', '::/128']\n"
			  "  local:\n"
			  "    address: unix:/run/mortise/mqtt.sock\n"
			  "    tls: no\n"
			  "    owner: mortise\n"
			  "    group: '33'\n"
			  "    mode: 0666\n"
			  "    origins: []\n"
			  "    proxy: 127.0.0.1\n"));
	assert_true(settings.listeners[0].is_websocket);
	assert_string_equal(settings.listeners[0].web_path, "/broker/mqtt");
	assert_string_equal(settings.listeners[0].origins, "https://a.example,http://[::1]:80");
	assert_string_equal(settings.listeners[0].proxies, "10.0.0.0/8,2001:db8::/32,::/128");
	assert_int_equal(settings.listeners[0].mode, 0660);
	assert_false(settings.listeners[1].is_websocket);
	assert_string_equal(settings.listeners[1].web_path, "/mqtt");
	assert_string_equal(settings.listeners[1].address, "unix:/run/mortise/mqtt.sock");
	assert_string_equal(settings.listeners[1].owner, "mortise");
	assert_string_equal(settings.listeners[1].group, "33");
	assert_int_equal(settings.listeners[1].mode, 0666);
	assert_string_equal(settings.listeners[1].origins, "");
	assert_string_equal(settings.listeners[1].proxies, "127.0.0.1");
	expect_good(parse("listeners: {t: {address: ':1', mode: '0600'}}\n"));
	assert_int_equal(settings.listeners[0].mode, 0600);
	assert_string_equal(settings.listeners[0].origins, "same");
}

static void lists_as_arguments(void **state)
{
	static const char text[] = "listeners: {t: {address: ':1', proxy: [10.0.0.1]}}\n";
	char longest[MT_LIST_BYTES + 64];
	size_t len;
	(void)state;
	expect_good(parse_set(text, "listeners.t.origins=any,https://a"));
	assert_string_equal(settings.listeners[0].origins, "any,https://a");
	expect_good(parse_set(text, "listeners.t.proxy=off"));
	assert_string_equal(settings.listeners[0].proxies, "");
	expect_good(parse_set(text, "listeners.t.proxy=::1,10.0.0.0/8"));
	assert_string_equal(settings.listeners[0].proxies, "::1,10.0.0.0/8");
	expect_fault(parse_set(text, "listeners.t.proxy=::1,,::2"),
		     "--set listeners.t.proxy: ", "");
	len = (size_t)snprintf(longest, sizeof(longest), "listeners.t.origins=https://");
	memset(longest + len, 'a', sizeof(longest) - len);
	longest[sizeof(longest) - 1] = '\0';
	expect_fault(parse_set(text, longest), "--set listeners.t.origins: ", "expected fewer");
}

struct bad {
	const char *text;
	const char *start; /* of the only fault */
	const char *part;
};

static const struct bad bads[] = {
	/* unknown keys */
	{"lisseners:\n  a: 1\n", "f.yaml:1: lisseners: unknown key; ", "did you mean listeners?"},
	{"log:\n  levl: info\n", "f.yaml:2: log.levl: ", "did you mean log.level?"},
	{"log:\n  colour: red\n", "f.yaml:2: log.colour: ", "expected one of level, json"},
	{"\n\nlistener:\n  tls: {address: ':1'}\n",
	 "f.yaml:3: listener: ", "did you mean listeners?"},
	{"listeners:\n  tls:\n    address: :1\n    adress: :1\n",
	 "f.yaml:4: listeners.tls.adress: ", "did you mean listeners.tls.address?"},
	{"threads: 4\n", "f.yaml:1: threads: unknown key", ""},
	{"listeners:\n  t: {address: ':1', webhook: yes}\n",
	 "f.yaml:2: listeners.t.webhook: unknown key", ""},
	{"limits.sessions: 5\n", "f.yaml:1: found the key \"limits.sessions\"", "without dots"},
	{"limits:\n  sessions:\n    x: 5\n", "f.yaml:2: limits.sessions: found keys and values",
	 "a whole number"},
	{"completely_other: 1\n", "f.yaml:1: completely_other: ", "listeners, on_denied_publish"},
	/* types */
	{"hash_threads: many\n", "f.yaml:1: hash_threads: found \"many\"; ",
	 "a whole number from 1..8"},
	{"hash_threads: \"2\"\n", "f.yaml:1: hash_threads: found the text \"2\"", "a whole number"},
	{"hash_threads: [2]\n", "f.yaml:1: hash_threads: found a list", "a whole number"},
	{"hash_threads:\n", "f.yaml:1: hash_threads: found nothing", "a whole number"},
	{"hash_threads: -1\n", "f.yaml:1: hash_threads: found \"-1\"", ""},
	{"hash_threads: 0x2\n", "f.yaml:1: hash_threads: ", ""},
	{"hash_threads: 2.0\n", "f.yaml:1: hash_threads: ", ""},
	{"hash_threads: 99999999999999999999999\n", "f.yaml:1: hash_threads: ", ""},
	{"log: {json: maybe}\n", "f.yaml:1: log.json: found \"maybe\"", "yes or no"},
	{"log: {json: Yes}\n", "f.yaml:1: log.json: ", "yes or no"},
	{"log: {json: 'yes'}\n", "f.yaml:1: log.json: found the text", "yes or no"},
	{"log: {level: loud}\n", "f.yaml:1: log.level: ", "one of error warning notice info debug"},
	{"log: info\n", "f.yaml:1: log: found info", "keys and values"},
	{"limits:\n", "f.yaml:1: limits: found nothing", "keys and values"},
	{"limits: []\n", "f.yaml:1: limits: found a list", "keys and values"},
	{"sys_interval: 5\n", "f.yaml:1: sys_interval: found \"5\"", "5s"},
	{"sys_interval: 5 s\n", "f.yaml:1: sys_interval: ", ""},
	{"sys_interval: 999999999999d\n", "f.yaml:1: sys_interval: ", ""},
	{"limits: {packet_bytes: 1MB}\n", "f.yaml:1: limits.packet_bytes: found \"1MB\"", "1MiB"},
	{"limits: {keep_alive: 5500ms}\n", "f.yaml:1: limits.keep_alive: ", "whole seconds"},
	{"listeners: {t: {address: ':1', anonymous: yes}}\n",
	 "f.yaml:1: listeners.t.anonymous: ", "role"},
	{"listeners: {t: {address: ':1', anonymous: no}}\n",
	 "f.yaml:1: listeners.t.anonymous: ", "role"},
	{"listeners: {t: {address: ':1', anonymous: a/b}}\n",
	 "f.yaml:1: listeners.t.anonymous: ", "role"},
	{"listeners: {t: {address: nowhere}}\n", "f.yaml:1: listeners.t.address: found \"nowhere\"",
	 ""},
	{"listeners: {t: {address: '::1:99999'}}\n", "f.yaml:1: listeners.t.address: ", ""},
	{"listeners: {t: {address: ':1', certificate: \"a\\nb\", key: c}}\n",
	 "f.yaml:1: listeners.t.certificate: ", ""},
	/* lists, modes, paths of the web and of Unix sockets */
	{"listeners:\n  t:\n    address: ':1'\n    origins:\n      - same\n      - nowhere\n",
	 "f.yaml:6: listeners.t.origins: found \"nowhere\"", "https://site.example"},
	{"listeners: {t: {address: ':1', origins: [same, [any]]}}\n",
	 "f.yaml:1: listeners.t.origins: found a list", "origins such as"},
	{"listeners: {t: {address: ':1', origins: 'same,'}}\n",
	 "f.yaml:1: listeners.t.origins: found", ""},
	{"listeners: {t: {address: ':1', origins: ['same,any']}}\n",
	 "f.yaml:1: listeners.t.origins: found \"same,any\"", ""},
	{"listeners:\n  t:\n    address: ':1'\n    proxy: [10.0.0.0/8,\n      10.0.0.0/33]\n",
	 "f.yaml:5: listeners.t.proxy: found \"10.0.0.0/33\"", "networks such as 10.0.0.0/8"},
	{"listeners: {t: {address: ':1', proxy: {a: b}}}\n",
	 "f.yaml:1: listeners.t.proxy: found keys and values", "networks"},
	{"listeners: {t: {address: ':1', mode: 660}}\n",
	 "f.yaml:1: listeners.t.mode: found \"660\"",
	 "four octal digits, such as 0660, from 0000..0777"},
	{"listeners: {t: {address: ':1', mode: '1777'}}\n",
	 "f.yaml:1: listeners.t.mode: ", "octal"},
	{"listeners: {t: {address: ':1', mode: 0680}}\n", "f.yaml:1: listeners.t.mode: ", "octal"},
	{"listeners: {t: {address: ':1', path: mqtt}}\n",
	 "f.yaml:1: listeners.t.path: found \"mqtt\"", "a path such as /mqtt"},
	{"listeners: {t: {address: ':1', path: '/a?b'}}\n", "f.yaml:1: listeners.t.path: ", ""},
	{"listeners: {t: {address: 'unix:mqtt.sock'}}\n", "f.yaml:1: listeners.t.address: found",
	 "an absolute path behind unix:"},
	{"listeners:\n  t: {address: ':1', owner: root}\n",
	 "f.yaml:2: listeners.t: found an owner or a group without a Unix socket", "unix:/run"},
	/* ranges, and `off` where it is no value */
	{"hash_threads: 0\n", "f.yaml:1: hash_threads: found \"0\"", "1..8"},
	{"hash_threads: 9\n", "f.yaml:1: hash_threads: found \"9\"", "1..8"},
	{"sys_interval: 999ms\n", "f.yaml:1: sys_interval: ", "1s..1h, or off"},
	{"limits: {inflight: 65536}\n", "f.yaml:1: limits.inflight: ", "1..65535"},
	{"limits:\n  queue_messages: off\n", "f.yaml:2: limits.queue_messages: found \"off\"",
	 "1..1000000"},
	{"limits:\n  packet_bytes: 257MiB\n", "f.yaml:2: limits.packet_bytes: ", "1KiB..256MiB"},
	/* twice */
	{"hash_threads: 2\nlog: {}\nhash_threads: 3\n",
	 "f.yaml:3: hash_threads: found a second time", "first in line 1"},
	{"log: {}\nlog: {}\n", "f.yaml:2: log: found a second time", "first in line 1"},
	{"log:\n  json: no\n  json: no\n", "f.yaml:3: log.json: found a second time",
	 "first in line 2"},
	/* YAML that is more than keys and values */
	{"log: &a {json: no}\n", "f.yaml:1: found an anchor", ""},
	{"hash_threads: *a\n", "f.yaml:1: found an alias", ""},
	{"hash_threads: !!int 2\n", "f.yaml:1: found a tag", ""},
	{"hash_threads: 2\n---\nhash_threads: 3\n", "f.yaml:2: found a second document",
	 "expected one"},
	{"- 1\n- 2\n", "f.yaml:1: found a list", "keys and values"},
	{"hello\n", "f.yaml:1: found hello", "keys and values"},
	{"? [a, b]\n: 2\n", "f.yaml:1: found a list; expected a key", ""},
	{"log: {json: no\n", "f.yaml:2: found no valid YAML", ""},
	{"log:\n\tjson: no\n", "f.yaml:2: found no valid YAML", ""},
	{"hash_threads: 2\nlog: \"\xff\"\n", "f.yaml:2: found no valid YAML", ""},
	/* the whole */
	{"listeners: {}\n", "listeners: found none", "at least one"},
	{"log: {}\nlisteners:\n  t: {}\n", "f.yaml:3: listeners.t: found no address",
	 "address: 127.0.0.1:1883"},
	{"listeners:\n  t: {address: ':1', key: /k}\n",
	 "f.yaml:2: listeners.t: ", "expected both or none"},
	{"listeners:\n  t: {address: ':1', certificate: /k}\n",
	 "f.yaml:2: listeners.t: ", "expected both or none"},
	{"listeners:\n  t: {address: '127.0.0.1:1', tls: no, certificate: /c, key: /k}\n",
	 "f.yaml:2: listeners.t: ", "without TLS"},
	{"listeners:\n  9t: {address: ':1'}\n", "f.yaml:2: listeners.9t: unknown key",
	 "a name of letters"},
	{"listeners:\n  off: {address: ':1'}\n", "f.yaml:2: listeners.off: unknown key",
	 "a name of letters"},
};

static void each_fault_names_its_line_and_remedy(void **state)
{
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(bads); i++) {
		settings.hash_threads = 77;
		expect_fault(parse(bads[i].text), bads[i].start, bads[i].part);
		assert_int_equal(settings.hash_threads, 77); /* untouched on failure */
	}
}

static void all_faults_come_at_once(void **state)
{
	const char *const starts[] = {
		"f.yaml:1: hash_threads: ", "f.yaml:3: log.levl: ", "f.yaml:5: listeners.a.tls: ",
		"f.yaml:6: listeners.b: ", "--set limits.nothing: "};
	const char *line = report.text;
	(void)state;
	assert_int_equal(
		parse_set(
			"hash_threads: 0\nlog:\n  levl: x\nlisteners:\n  a: {tls: what}\n  b: {}\n",
			"limits.nothing=5"),
		MT_INVALID);
	assert_int_equal(report.count, MT_COUNT_OF(starts));
	for (size_t i = 0; i < MT_COUNT_OF(starts); i++)
		assert_non_null(strstr(line, starts[i]));
}

static void a_flood_of_faults_is_counted_and_bounded(void **state)
{
	enum { KEYS = 3000 };
	char *text = malloc(KEYS * 16);
	size_t len = 0;
	(void)state;
	assert_non_null(text);
	for (int i = 0; i < KEYS; i++)
		len += (size_t)snprintf(text + len, 16, "key%d: 1\n", i);
	assert_int_equal(parse(text), MT_INVALID);
	free(text);
	assert_int_equal(report.count, KEYS);
	assert_true(report.lost_count > 0 && report.lost_count < KEYS);
	assert_true(report.len < MT_REPORT_BYTES);
	assert_int_equal(report.text[report.len], '\0');
	assert_int_equal(report.text[report.len - 1], '\n');
}

static void deep_nesting_is_skipped_without_harm(void **state)
{
	enum { DEPTH = 2000 };
	char *text = malloc(DEPTH * 2 + 64);
	size_t len;
	(void)state;
	assert_non_null(text);
	len = (size_t)sprintf(text, "other: ");
	memset(text + len, '[', DEPTH);
	memset(text + len + DEPTH, ']', DEPTH);
	strcpy(text + len + 2 * (size_t)DEPTH, "\nhash_threads: 0\n");
	assert_int_equal(parse(text), MT_INVALID);
	free(text);
	assert_non_null(strstr(report.text, "f.yaml:1: other: unknown key"));
}

static void plain_off_loopback_needs_consent(void **state)
{
	(void)state;
	expect_fault(parse("listeners:\n  p:\n    address: 0.0.0.0:1883\n    tls: no\n"),
		     "f.yaml:2: listeners.p: ", "insecure: yes");
	expect_fault(parse("listeners:\n  p: {address: ':1883', tls: no}\n"),
		     "f.yaml:2: listeners.p: ", "insecure: yes");
	expect_fault(parse("listeners:\n  p: {address: 'example.org:1883', tls: no}\n"),
		     "f.yaml:2: listeners.p: ", "insecure: yes");
	expect_fault(parse_set("", "listeners.tls.tls=no"),
		     "--set listeners.tls: ", "insecure: yes");
	expect_good(parse("listeners:\n  p: {address: '0.0.0.0:1883', tls: no, insecure: yes}\n"));
	expect_good(parse("listeners:\n  p: {address: '[::1]:1883', tls: no}\n"));
	expect_good(parse("listeners:\n  p: {address: 'localhost:1883', tls: no}\n"));
}

static void listeners_ask_for_client_ids(void **state)
{
	(void)state;
	expect_good(parse(""));
	assert_string_equal(settings.listeners[0].client_id_rule, "");
	assert_true(settings.listeners[0].is_id_assigned);
	expect_good(
		parse("listeners: {a: {address: ':1', client_id: 'th-%{uuid}', assigned_client_id: "
		      "no, anonymous: open}, b: {address: ':2', client_id: '%u-*'}}\n"));
	assert_string_equal(settings.listeners[0].client_id_rule, "th-%{uuid}");
	assert_false(settings.listeners[0].is_id_assigned);
	assert_string_equal(settings.listeners[1].client_id_rule, "%u-*");
	expect_good(parse_set("listeners: {a: {address: ':1', client_id: 'x'}}\n",
			      "listeners.a.client_id=any"));
	assert_string_equal(settings.listeners[0].client_id_rule, "");
	expect_fault(parse("listeners:\n  a:\n    address: ':1'\n    client_id: '%{uid}'\n"),
		     "f.yaml:4: listeners.a.client_id: found ", "expected uuid, mac, or serial:");
	expect_fault(parse_set("", "listeners.tls.client_id=%{mac"),
		     "--set listeners.tls.client_id: ", "without its }");
	expect_fault(parse_set("", "listeners.tls.client_id="),
		     "--set listeners.tls.client_id: found \"\"", "any");
	expect_fault(
		parse("listeners:\n  a: {address: ':1', client_id: '%u-*', anonymous: open}\n"),
		"f.yaml:2: listeners.a: found %u in client_id", "without %u");
}

static void set_overrides_the_file(void **state)
{
	(void)state;
	expect_good(parse_set("hash_threads: 3\n", "hash_threads=5"));
	assert_int_equal(settings.hash_threads, 5);
	expect_good(parse_set("", "listeners.tls.address=[::1]:0"));
	assert_int_equal(settings.listener_count, 1);
	assert_string_equal(settings.listeners[0].address, "[::1]:0");
	expect_good(parse_set("", "listeners.second.address=:9"));
	assert_int_equal(settings.listener_count, 2);
	assert_string_equal(settings.listeners[1].name, "second");
	assert_true(settings.listeners[1].is_tls);
	expect_good(parse_set("listeners: {a: {address: ':1', anonymous: open}}\n",
			      "listeners.a.anonymous=off"));
	assert_string_equal(settings.listeners[0].anonymous_role, "");
	expect_fault(parse_set("", "listeners.tls.certificate="),
		     "--set listeners.tls.certificate: found \"\"", "path");
}

static void set_removes_a_listener(void **state)
{
	const char *const sets[] = {"listeners.b=off", "listeners.c.tls=yes"};
	(void)state;
	expect_good(mt_config_parse(mt_bytes_str("listeners:\n"
						 "  a: {address: ':1'}\n"
						 "  b: {address: ':2'}\n"
						 "  c: {address: ':3'}\n"),
				    "f.yaml", sets, 2, &settings, &report));
	assert_int_equal(settings.listener_count, 2);
	assert_string_equal(settings.listeners[0].name, "a");
	assert_string_equal(settings.listeners[1].name, "c");
	assert_string_equal(settings.listeners[1].address, ":3");
	expect_fault(parse_set("", "listeners.tsl=off"),
		     "--set listeners.tsl: ", "no such listener");
	expect_fault(parse_set("", "listeners.tls=off"), "listeners: found none", "");
}

static void set_is_checked_like_the_file(void **state)
{
	(void)state;
	expect_fault(parse_set("", "hash_threads=9"), "--set hash_threads: found \"9\"", "1..8");
	expect_fault(parse_set("", "hash_threads"), "--set hash_threads: ", "KEY=VALUE");
	expect_fault(parse_set("", "hash_thread=2"), "--set hash_thread: unknown key",
		     "did you mean hash_threads?");
	expect_fault(parse_set("", "listener.tls.address=:1"),
		     "--set listener.tls.address: unknown key",
		     "did you mean listeners.tls.address?");
	expect_fault(parse_set("", "limits=off"), "--set limits: is a section", "limits.KEY=VALUE");
	expect_fault(parse_set("", "listeners=off"), "--set listeners: is a section", "");
	expect_fault(parse_set("", "listeners.x.tls=yes"), "--set listeners.x: found no address",
		     "");
	expect_fault(parse_set("", "=5"), "--set : unknown key", "");
	expect_fault(parse_set("", "a.b.c.d.e=5"), "--set a.b.c.d.e: unknown key",
		     "configuration.md");
	expect_fault(parse_set("", "listeners.tls.address=\x1b[31m"),
		     "--set listeners.tls.address: found \"?[31m\"", "");
}

static void listeners_are_limited(void **state)
{
	char text[4096] = "listeners:\n";
	(void)state;
	for (int i = 0; i < MT_LISTENERS_MAX; i++)
		sprintf(text + strlen(text), "  l%d: {address: ':1'}\n", i);
	expect_good(parse(text));
	assert_int_equal(settings.listener_count, MT_LISTENERS_MAX);
	expect_fault(parse_set(text, "listeners.more.address=:1"),
		     "--set listeners.more: ", "32 listeners");
	strcat(text, "  more: {address: ':1'}\n");
	expect_fault(parse(text), "f.yaml:34: listeners.more: ", "32 listeners");
}

static void a_missing_file_is_named(void **state)
{
	(void)state;
	assert_int_equal(mt_config_load("/nonexistent/f.yaml", NULL, 0, &settings, &report),
			 MT_INVALID);
	assert_non_null(strstr(report.text, "/nonexistent/f.yaml: not found"));
	assert_int_equal(mt_status_exit(MT_INVALID), 2);
}

static void a_file_is_read_and_named(void **state)
{
	char path[] = "/tmp/mortise-config-XXXXXX";
	char start[64];
	int fd = mkstemp(path);
	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "log: {}\nhash_threads: 0\n", 24), 24);
	assert_int_equal(mt_config_load(path, NULL, 0, &settings, &report), MT_INVALID);
	assert_int_equal(ftruncate(fd, 300000), 0);
	snprintf(start, sizeof(start), "%s:2: hash_threads: ", path);
	assert_memory_equal(report.text, start, strlen(start));
	assert_int_equal(mt_config_load(path, NULL, 0, &settings, &report), MT_INVALID);
	assert_non_null(strstr(report.text, "found more than 262144 bytes"));
	close(fd);
	unlink(path);
}

/* No one-byte change and no truncation of a good file crashes, hangs or writes an unbounded report.
 */
static void damage_is_survived(void **state)
{
	static const char good[] =
		"listeners:\n  a: {address: '[::1]:1', tls: no, anonymous: open}\n"
		"limits:\n  packet_bytes: 1MiB\n  session_expiry: off\nlog: {level: info}\n";
	char text[sizeof(good)];
	(void)state;
	expect_good(parse(good));
	for (size_t i = 0; i < sizeof(good) - 1; i++) {
		enum mt_status cut;
		for (unsigned byte = 0; byte < 256; byte++) {
			enum mt_status status;
			memcpy(text, good, sizeof(good));
			text[i] = (char)byte;
			status = mt_config_parse(mt_bytes_of(text, sizeof(good) - 1), "f", NULL, 0,
						 &settings, &report);
			assert_int_equal(status, report.count == 0 ? MT_OK : MT_INVALID);
		}
		cut = mt_config_parse(mt_bytes_of(good, i), "f", NULL, 0, &settings, &report);
		assert_int_equal(cut, report.count == 0 ? MT_OK : MT_INVALID);
	}
}

static void lists_of_words(void **state)
{
	const char *text = "listeners:\n  t:\n    address: 127.0.0.1:1\n    resumption: [ids]\n"
			   "  u:\n    address: 127.0.0.1:2\n";
	(void)state;
	expect_good(parse(text));
	assert_string_equal(settings.listeners[0].resumption, "ids");
	assert_string_equal(settings.listeners[1].resumption, "ids,tickets");
	expect_good(parse_set(text, "listeners.t.resumption=off"));
	assert_string_equal(settings.listeners[0].resumption, "");
	expect_good(parse_set(text, "listeners.t.resumption=tickets,ids"));
	assert_string_equal(settings.listeners[0].resumption, "tickets,ids");
	expect_fault(parse_set(text, "listeners.t.resumption=ids,cookies"),
		     "--set listeners.t.resumption: ", "expected a list of words from ids tickets");
}

static void what_is_required_can_be_shown(void **state)
{
#define LISTENER "listeners:\n  t:\n    address: 127.0.0.1:1\n"
	static const struct {
		const char *more, *fault;
	} bad[] = {
		{"    require: psk\n", "expected `psk: yes` too"},
		{"    require: password\n    psk: yes\n", "expected both or none"},
		{"    require: []\n", "nobody could connect"},
		{"    require: [any, jwt]\n", "expected any alone"},
		{"    require: [jwt]\n    anonymous: open\n", "expected `anonymous: off`"},
		{"    require: certificate\n    tls: no\n", "found certificate in `require`"},
		{"    require: certificate\n    client_certificate: no\n",
		 "found certificate in `require`"},
		{"    require: [password, certificate]\n    websocket: yes\n",
		 "found certificate in `require`"},
		{"    require: anonymous\n", "expected a list of words from any password"},
		{"    require: [password, passwort]\n", "expected a list of words"},
	};
	char text[256];
	(void)state;
	expect_good(parse(LISTENER));
	assert_string_equal(settings.listeners[0].require, "any");
	expect_good(parse(LISTENER "    require: password\n"));
	assert_string_equal(settings.listeners[0].require, "password");
	expect_good(parse(LISTENER "    require: [certificate, psk, jwt]\n    psk: yes\n"));
	assert_string_equal(settings.listeners[0].require, "certificate,psk,jwt");
	expect_good(parse(LISTENER "    require: any\n    anonymous: open\n"));
	expect_good(parse_set(LISTENER, "listeners.t.require=token,scram"));
	for (size_t i = 0; i < MT_COUNT_OF(bad); i++) {
		snprintf(text, sizeof(text), LISTENER "%s", bad[i].more);
		expect_fault(parse(text),
			     strstr(bad[i].fault, "list of words")
				     ? "f.yaml:4: listeners.t.require: "
				     : "f.yaml:2: listeners.t: ",
			     bad[i].fault);
	}
#undef LISTENER
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listeners_offer_what_they_are_told),
		cmocka_unit_test(admin_api_listens_where_it_is_told),
		cmocka_unit_test(listeners_have_limits_of_their_own),
		cmocka_unit_test(parts_of_the_topics_retain_less),
		cmocka_unit_test(defaults_are_one_tls_listener),
		cmocka_unit_test(every_value_reaches_its_field),
		cmocka_unit_test(lists_paths_and_modes),
		cmocka_unit_test(lists_as_arguments),
		cmocka_unit_test(lists_of_words),
		cmocka_unit_test(what_is_required_can_be_shown),
		cmocka_unit_test(each_fault_names_its_line_and_remedy),
		cmocka_unit_test(all_faults_come_at_once),
		cmocka_unit_test(a_flood_of_faults_is_counted_and_bounded),
		cmocka_unit_test(deep_nesting_is_skipped_without_harm),
		cmocka_unit_test(plain_off_loopback_needs_consent),
		cmocka_unit_test(listeners_ask_for_client_ids),
		cmocka_unit_test(set_overrides_the_file),
		cmocka_unit_test(set_removes_a_listener),
		cmocka_unit_test(set_is_checked_like_the_file),
		cmocka_unit_test(listeners_are_limited),
		cmocka_unit_test(a_missing_file_is_named),
		cmocka_unit_test(a_file_is_read_and_named),
		cmocka_unit_test(damage_is_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
