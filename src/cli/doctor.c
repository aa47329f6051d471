/* mortise doctor: examines a broker of any make, and says what could be better. */
#include "cli/doctor.h"

#include "base/utf8.h"
#include "cli/print.h"
#include "cli/verbs.h"
#include "io/clock.h"
#include "io/dial.h"
#include "shell/profile.h"

#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define TIMEOUT_S 5u
#define TIMEOUT_S_MAX 300u

/* Where to, and how long to wait; after the first connection always the same address. */
struct target {
	struct mt_doctor_report *report;
	uint64_t timeout_s;
	char fault[128];
};

static enum mt_status take_port(const char *text, uint16_t *port, const char **fault)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long value = digits > 0 && digits < 6 ? strtoul(text, NULL, 10) : 0;
	if (text[digits] != '\0' || value == 0 || value > UINT16_MAX) {
		*fault = "a port is a number from 1 to 65535";
		return MT_INVALID;
	}
	*port = (uint16_t)value;
	return MT_OK;
}

/* After the host: nothing, or a colon and the port. */
static enum mt_status take_rest(const char *rest, uint16_t *port, const char **fault)
{
	*port = MT_DOCTOR_PORT;
	if (*rest == '\0')
		return MT_OK;
	if (*rest == ':')
		return take_port(rest + 1, port, fault);
	*fault = "HOST, HOST:PORT or [IPV6]:PORT was expected";
	return MT_INVALID;
}

enum mt_status mt_doctor_address(const char *text, char host[MT_DOCTOR_HOST_BYTES], uint16_t *port,
				 const char **fault)
{
	bool is_v6 = text[0] == '[';
	const char *begin = text + is_v6, *colon = strchr(begin, ':');
	size_t len = strcspn(begin, is_v6 ? "]" : ":");
	uint16_t found;
	*fault = "an IPv6 address stands in brackets";
	if (!is_v6 && colon && strchr(colon + 1, ':'))
		return MT_INVALID;
	*fault = "HOST, HOST:PORT or [IPV6]:PORT was expected";
	if (len == 0 || (is_v6 && begin[len] != ']'))
		return MT_INVALID;
	if (len >= MT_DOCTOR_HOST_BYTES) {
		*fault = "a host has at most 253 characters";
		return MT_INVALID;
	}
	MT_TRY(take_rest(begin + len + is_v6, &found, fault));
	mt_bytes_cut(host, len + 1, mt_bytes_of(begin, len));
	*port = found;
	return MT_OK;
}

/* The connection is there, or a descriptor that is closed. */
static bool settle(const struct target *target, int fd, const char **reason)
{
	struct pollfd wait = {.fd = fd, .events = POLLOUT};
	enum mt_status status = MT_TIMEOUT;
	*reason = "no answer in time";
	if (poll(&wait, 1, (int)target->timeout_s * 1000) > 0)
		status = mt_dial_finish(fd, reason);
	if (status == MT_OK)
		return true;
	close(fd);
	return false;
}

static void note_address(struct mt_doctor_report *report, int fd)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	if (*report->address == '\0' && getpeername(fd, (struct sockaddr *)&peer, &len) == 0 &&
	    getnameinfo((struct sockaddr *)&peer, len, report->address, sizeof(report->address),
			NULL, 0, NI_NUMERICHOST) != 0)
		report->address[0] = '\0';
}

static int dial(void *context, const char **reason)
{
	struct target *target = context;
	struct mt_doctor_report *report = target->report;
	const char *host = *report->address ? report->address : report->host, *why = "";
	unsigned attempt = 0;
	int fd;
	*target->fault = '\0';
	while (mt_dial_start(host, report->port, &attempt, &fd, &why) == MT_OK) {
		if (settle(target, fd, &why)) {
			note_address(report, fd);
			return fd;
		}
		/* What an address said tells more than that none is left. */
		snprintf(target->fault, sizeof(target->fault), "%s", why);
	}
	*reason = *target->fault ? target->fault : why;
	return -1;
}

static int take_target(const struct mt_options *options, const struct mt_profile *profile,
		       struct mt_doctor_report *report)
{
	const char *where = options->operand_count > 0 ? options->operands[0] : "localhost";
	const char *name = mt_options_value(options, "servername"), *fault;
	size_t bad;
	bool is_of_profile = options->operand_count == 0 && profile->port != 0;
	if (is_of_profile) {
		mt_bytes_cut(report->host, sizeof(report->host), mt_bytes_str(profile->host));
		report->port = profile->port;
	} else if (mt_doctor_address(where, report->host, &report->port, &fault) != MT_OK) {
		return mt_cli_fail(2, "doctor: %s: %s; see: mortise doctor tls --help", where,
				   fault);
	}
	if (name && (!*name || strlen(name) >= sizeof(report->name)))
		return mt_cli_fail(2, "--servername: a name has 1 to 253 characters");
	if (mt_utf8_check(mt_bytes_str(report->host), &bad) != MT_UTF8_GOOD ||
	    mt_utf8_check(mt_bytes_str(name), &bad) != MT_UTF8_GOOD)
		return mt_cli_fail(2, "doctor: a name that is no UTF-8");
	mt_bytes_cut(report->name, sizeof(report->name), mt_bytes_str(name ? name : report->host));
	return 0;
}

static int take_trust(const struct mt_options *options, const struct mt_profile *profile,
		      struct mt_probe_settings *settings, struct mt_doctor_report *report)
{
	settings->trust = (struct mt_tls_client_settings){
		.ca_path = mt_options_value(options, "cafile"),
		.ca_pem = mt_bytes_str(profile->ca_pem),
		.certificate_path = mt_options_value(options, "cert"),
		.key_path = mt_options_value(options, "key"),
	};
	report->trust = settings->trust.ca_path ? "--cafile"
			: profile->ca_pem	? "--profile"
						: "the system";
	if (settings->trust.key_path && !settings->trust.certificate_path)
		return mt_cli_fail(2, "--key needs --cert");
	if (profile->certificate_pem && !settings->trust.certificate_path)
		mt_cli_warn("the certificate of the profile is not shown to the broker; give "
			    "--cert and --key");
	return 0;
}

static int show(const struct mt_doctor_report *report, bool is_json)
{
	json_t *object;
	if (!is_json) {
		mt_doctor_print(stdout, report);
		return 0;
	}
	object = mt_doctor_json(report);
	if (!object)
		return mt_cli_fail(1, "out of memory");
	mt_cli_print_json(stdout, object);
	json_decref(object);
	return 0;
}

static int exit_of(enum mt_status status)
{
	if (status == MT_NOT_FOUND || status == MT_DENIED || status == MT_LIMIT)
		return 2; /* a file, or the name */
	return status == MT_TIMEOUT ? 3 : mt_status_exit(status);
}

static int refuse(const struct mt_doctor_report *report, enum mt_status status, const char *fault)
{
	const char *remedy = "";
	if (status == MT_VIOLATION)
		remedy = "; name the port of its TLS listener, often 8883";
	if (status == MT_UNREACHABLE || status == MT_TIMEOUT)
		remedy = "; check address and port, and that the broker runs";
	return mt_cli_fail(exit_of(status), "doctor: %s port %u: %s%s", report->host, report->port,
			   fault, remedy);
}

static int examine(const struct mt_options *options, const struct mt_profile *profile,
		   struct mt_doctor_report *report)
{
	struct target target = {.report = report};
	struct mt_probe_settings settings = {
		.dial = dial, .context = &target, .name = report->name};
	char fault[512];
	enum mt_status status;
	int failed = take_target(options, profile, report);
	if (!failed)
		failed = take_trust(options, profile, &settings, report);
	if (failed)
		return failed;
	if (mt_options_number(options, "timeout", 1, TIMEOUT_S_MAX, TIMEOUT_S, &target.timeout_s,
			      fault, sizeof(fault)) != MT_OK)
		return mt_cli_fail(2, "%s", fault);
	settings.timeout_ms = (uint32_t)target.timeout_s * 1000;
	settings.now_s = report->now_s = mt_clock_now().wall_ns / MT_SECOND;
	status = mt_probe_run(&settings, &report->facts, fault, sizeof(fault));
	if (status != MT_OK)
		return refuse(report, status, fault);
	mt_doctor_advise(report);
	return show(report, mt_options_has(options, "json"));
}

int mt_cli_doctor_tls(const struct mt_options *options)
{
	static struct mt_doctor_report report; /* large, and there is one */
	const char *path = mt_options_value(options, "profile");
	struct mt_profile profile = {.port = 0};
	char fault[256] = "";
	enum mt_status status =
		path ? mt_profile_read(path, &profile, fault, sizeof(fault)) : MT_OK;
	int exit_code;
	if (status != MT_OK)
		return mt_cli_fail(2, "--profile %s: %s", path,
				   *fault ? fault : mt_status_text(status));
	exit_code = examine(options, &profile, &report);
	mt_profile_finish(&profile);
	return exit_code;
}
