/* Audit records as log lines: each names the address, none lets a peer write a line of its own. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shell/pump.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static FILE *log_file;
static int real_stderr;
static char text[8192];

static int setup(void **state)
{
	(void)state;
	log_file = tmpfile();
	real_stderr = dup(STDERR_FILENO);
	return log_file && real_stderr >= 0 ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	fclose(log_file);
	close(real_stderr);
	return 0;
}

/* That keeps no audit log. */
static struct mt_pump pump;

/* The line that a record becomes. */
static const char *line_of(const struct mt_audit *audit, bool is_json)
{
	ssize_t len;
	mt_log_configure((struct mt_log_settings){MT_LOG_INFO, is_json});
	assert_int_equal(ftruncate(fileno(log_file), 0), 0);
	assert_int_equal(lseek(fileno(log_file), 0, SEEK_SET), 0);
	fflush(stderr);
	assert_true(dup2(fileno(log_file), STDERR_FILENO) >= 0);
	mt_pump_audit(&pump, audit);
	assert_true(dup2(real_stderr, STDERR_FILENO) >= 0);
	len = pread(fileno(log_file), text, sizeof(text) - 1, 0);
	assert_true(len > 0);
	text[len] = '\0';
	return text;
}

static struct mt_audit record(enum mt_audit_event event)
{
	struct mt_audit audit = {.event = event,
				 .user = "ann",
				 .client_id = "c-1",
				 .address.byte = {[10] = 0xff, 0xff, 192, 0, 2, 7},
				 .port = 4711,
				 .listener = "tls"};
	return audit;
}

static void test_every_event_names_who_and_where(void **state)
{
	static const struct {
		enum mt_audit_event event;
		const char *level;
	} events[] = {
		{MT_AUDIT_CONNECT, "level=info"},    {MT_AUDIT_REFUSE, "level=notice"},
		{MT_AUDIT_DISCONNECT, "level=info"}, {MT_AUDIT_VIOLATION, "level=notice"},
		{MT_AUDIT_DENY, "level=notice"},
	};
	(void)state;
	for (size_t i = 0; i < MT_COUNT_OF(events); i++) {
		struct mt_audit audit = record(events[i].event);
		const char *line = line_of(&audit, false);
		assert_non_null(strstr(line, events[i].level));
		assert_non_null(strstr(line, " address=\"192.0.2.7:4711\""));
		assert_non_null(strstr(line, " user=\"ann\""));
		assert_non_null(strstr(line, " client_id=\"c-1\""));
		assert_non_null(strstr(line, " listener=\"tls\""));
	}
}

static void test_what_is_unknown_is_left_out(void **state)
{
	struct mt_audit audit = record(MT_AUDIT_CONNECT);
	const char *line = line_of(&audit, false);
	(void)state;
	assert_null(strstr(line, "topic="));
	assert_null(strstr(line, "statement="));
	assert_null(strstr(line, "reason="));
	assert_null(strstr(line, "rule="));
	assert_null(strstr(line, "what="));
}

static void test_a_denial_names_topic_and_rule(void **state)
{
	struct mt_audit audit = record(MT_AUDIT_DENY);
	const char *line;
	(void)state;
	strcpy(audit.topic, "a/b");
	audit.what = "publish";
	audit.reason = 0x87;
	line = line_of(&audit, false);
	assert_non_null(strstr(line, " what=\"publish\" topic=\"a/b\""));
	assert_non_null(strstr(line, " reason=135"));
	assert_non_null(strstr(line, " rule=0"));
	audit.rule_id = 12;
	assert_non_null(strstr(line_of(&audit, false), " rule=12"));
}

static void test_a_violation_names_its_statement(void **state)
{
	struct mt_audit audit = record(MT_AUDIT_VIOLATION);
	const char *line;
	(void)state;
	audit.statement = "MQTT-3.1.0-2";
	audit.reason = 0x82;
	line = line_of(&audit, false);
	assert_non_null(strstr(line, " statement=\"MQTT-3.1.0-2\""));
	assert_non_null(strstr(line, " reason=130"));
}

/* Quotes, line ends and control characters of a peer stay inside its field, in both forms. */
static void test_a_peer_cannot_forge_lines(void **state)
{
	static const char hostile[] = "x\"\nlevel=error address=\"1.2.3.4:5\" \x1b[2J\r\\";
	(void)state;
	for (int is_json = 0; is_json < 2; is_json++) {
		struct mt_audit audit = record(MT_AUDIT_REFUSE);
		const char *line;
		memcpy(audit.user, hostile, sizeof(hostile));
		memcpy(audit.client_id, hostile, sizeof(hostile));
		memcpy(audit.topic, hostile, sizeof(hostile));
		line = line_of(&audit, is_json);
		assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
		assert_null(strchr(line, '\x1b'));
		assert_null(strchr(line, '\r'));
		assert_null(strstr(line, " address=\"1.2.3.4"));
	}
}

/* Fields that are full to their last byte. */
static void test_long_fields_fit(void **state)
{
	struct mt_audit audit = record(MT_AUDIT_DENY);
	const char *line;
	(void)state;
	memset(audit.user, 'u', sizeof(audit.user) - 1);
	memset(audit.client_id, 'c', sizeof(audit.client_id) - 1);
	memset(audit.topic, 't', sizeof(audit.topic) - 1);
	audit.what = "publish";
	audit.statement = "MQTT-3.3.1-4";
	audit.reason = 0x87;
	audit.rule_id = UINT32_MAX;
	line = line_of(&audit, false);
	assert_non_null(strstr(line, " rule=4294967295"));
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_event_names_who_and_where),
		cmocka_unit_test(test_what_is_unknown_is_left_out),
		cmocka_unit_test(test_a_denial_names_topic_and_rule),
		cmocka_unit_test(test_a_violation_names_its_statement),
		cmocka_unit_test(test_a_peer_cannot_forge_lines),
		cmocka_unit_test(test_long_fields_fit),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
