/* The connection options of pub and sub. */
#include "cli/connection.h"

#include "cli/verbs.h"
#include "io/file.h"
#include "io/listen.h"
#include "wire/packet.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define PORT_TLS 8883
#define PORT_PLAIN 1883
#define PASSWORD_FILE_BYTES_MAX 65536u

MT_FORMAT(2, 0)
static void print(const char *prefix, const char *format, va_list args)
{
	char text[1024];
	vsnprintf(text, sizeof(text), format, args);
	fprintf(stderr, "mortise: %s%s\n", prefix, text);
}

void mt_cli_connection_warn(const struct mt_cli_connection *connection, const char *format, ...)
{
	va_list args;
	if (connection->is_quiet)
		return;
	va_start(args, format);
	print("warning: ", format, args);
	va_end(args);
}

void mt_cli_connection_trace(const struct mt_cli_connection *connection, const char *format, ...)
{
	va_list args;
	if (!connection->is_debug)
		return;
	va_start(args, format);
	print("", format, args);
	va_end(args);
}

static bool is_permission(uint8_t reason)
{
	return reason == MT_REASON_NOT_AUTHORIZED ||
	       reason == MT_REASON_BAD_USER_NAME_OR_PASSWORD || reason == MT_REASON_BANNED ||
	       reason == MT_REASON_CLIENT_IDENTIFIER_NOT_VALID ||
	       reason == MT_REASON_BAD_AUTHENTICATION_METHOD;
}

int mt_cli_connection_exit(int status, uint8_t reason)
{
	if (status == MORTISE_OK)
		return 0;
	if (is_permission(reason))
		return 4;
	switch (status) {
	case MORTISE_INVALID:
	case MORTISE_NOT_FOUND:
		return 2;
	case MORTISE_DENIED: /* without a reason of the server: a file that others may read */
		return reason == 0 ? 2 : 1;
	case MORTISE_CLOSED:
	case MORTISE_TIMEOUT:
	case MORTISE_UNREACHABLE:
		return 3;
	case MORTISE_TLS:
	case MORTISE_UNPROVEN:
		return 5;
	default:
		return 1;
	}
}

static const char *remedy_of(int status, uint8_t reason, const char *fault)
{
	if (reason == MT_REASON_BAD_USER_NAME_OR_PASSWORD)
		return "check -u and the password";
	if (reason == MT_REASON_NOT_AUTHORIZED)
		return "ask the broker's administrator for a rule (mortise role allow)";
	if (reason == MT_REASON_CLIENT_IDENTIFIER_NOT_VALID)
		return "use another -i";
	if (status == MORTISE_UNPROVEN)
		return "it may be another server: check -h, and give --cafile or --pin";
	if (status == MORTISE_UNREACHABLE || status == MORTISE_TIMEOUT)
		return "check -h and -p, and that the broker runs";
	if (status == MORTISE_TLS && strstr(fault, "refused with an alert"))
		return "the broker's log says why it does not take this client: its certificate, "
		       "or that it shows none";
	if (status == MORTISE_TLS)
		return "check that --cafile is the broker's CA and -h the name in its certificate";
	return NULL;
}

int mt_cli_connection_fail(const struct mt_cli_connection *connection, const char *what, int status)
{
	uint8_t reason = mortise_client_reason(connection->client);
	const char *fault = mortise_client_fault(connection->client);
	const char *remedy = remedy_of(status, reason, fault);
	int code = mt_cli_connection_exit(status, reason);
	if (connection->is_quiet)
		return code;
	return mt_cli_fail(code, "%s: %s%s%s", what, fault, remedy ? "; " : "",
			   remedy ? remedy : "");
}

static bool has(const struct mt_options *options, const char *name)
{
	return mt_options_has(options, name);
}

static int take_number(const struct mt_options *options, const char *name, uint64_t high,
		       uint64_t fallback, uint64_t *out)
{
	char fault[256];
	if (mt_options_number(options, name, 0, high, fallback, out, fault, sizeof(fault)) == MT_OK)
		return 0;
	return mt_cli_fail(2, "%s", fault);
}

static int take_version(const struct mt_options *options, struct mt_cli_connection *out)
{
	static const char *const names_of_3[] = {"3.1.1", "311", "4", "mqttv311"};
	static const char *const names_of_5[] = {"5", "5.0", "mqttv5"};
	const char *value = mt_options_value(options, "protocol-version");
	out->is_v5 = true;
	for (size_t i = 0; value && i < MT_COUNT_OF(names_of_5); i++)
		if (strcmp(value, names_of_5[i]) == 0)
			return 0;
	for (size_t i = 0; value && i < MT_COUNT_OF(names_of_3); i++)
		if (strcmp(value, names_of_3[i]) == 0) {
			out->is_v5 = false;
			return 0;
		}
	return value ? mt_cli_fail(2, "-V %s: expected 3.1.1 or 5", value) : 0;
}

static bool names_trust(const struct mt_options *options)
{
	return has(options, "tls") || has(options, "cafile") || has(options, "pin");
}

/* Where to, and whether by TLS. */
static int take_address(const struct mt_options *options, struct mt_cli_connection *out)
{
	const char *host = mt_options_value(options, "host");
	uint64_t port;
	int failed = take_number(options, "port", UINT16_MAX, 0, &port);
	if (failed)
		return failed;
	out->is_profile = has(options, "profile");
	out->is_tls = out->is_profile || names_trust(options) || port == PORT_TLS;
	if (!out->is_tls && (has(options, "cert") || has(options, "key")))
		return mt_cli_fail(2, "--cert and --key need TLS; give --cafile or --tls");
	out->port = (uint16_t)port;
	if (out->port == 0 && !(out->is_profile && !host))
		out->port = out->is_tls ? PORT_TLS : PORT_PLAIN;
	if (!host)
		host = "localhost";
	if (strlen(host) >= sizeof(out->host) || !*host)
		return mt_cli_fail(2, "-h: a host has 1 to 253 characters");
	memcpy(out->host, host, strlen(host) + 1);
	return 0;
}

/* The exit code of an option that libmortise took or did not. */
static int judge(const struct mt_cli_connection *connection, const char *option, int status)
{
	if (status == MORTISE_OK)
		return 0;
	return mt_cli_fail(mt_cli_connection_exit(status, 0), "%s: %s", option,
			   mortise_client_fault(connection->client));
}

/* The TLS session is kept in FILE.session: the next command goes on from it. */
static int set_profile(struct mt_cli_connection *connection, const char *profile)
{
	char path[4096];
	int len = snprintf(path, sizeof(path), "%s.session", profile);
	int status = mortise_client_set_profile(connection->client, profile);
	if (status == MORTISE_OK && len > 0 && (size_t)len < sizeof(path))
		status = mortise_client_set_session_file(connection->client, path);
	return judge(connection, "--profile", status);
}

static int set_tls(const struct mt_options *options, struct mt_cli_connection *connection)
{
	bool is_told = !connection->is_profile || has(options, "cafile") || has(options, "cert");
	int failed = 0;
	if (connection->is_tls && is_told)
		failed = judge(connection, "TLS",
			       mortise_client_set_tls(connection->client,
						      mt_options_value(options, "cafile"),
						      mt_options_value(options, "cert"),
						      mt_options_value(options, "key")));
	if (!failed && has(options, "pin"))
		failed = judge(connection, "--pin",
			       mortise_client_set_pin(connection->client,
						      mt_options_value(options, "pin")));
	return failed;
}

static int set_address(const struct mt_options *options, struct mt_cli_connection *connection)
{
	const char *profile = mt_options_value(options, "profile");
	int failed = 0;
	if (profile)
		failed = set_profile(connection, profile);
	if (!failed && profile && (has(options, "host") || has(options, "port")))
		failed = has(options, "host")
				 ? 0
				 : mt_cli_fail(2, "--profile knows the port; give -h with -p");
	if (!failed && profile && has(options, "host"))
		failed = judge(connection, "-h",
			       mortise_client_set_address(connection->client, connection->host,
							  connection->port));
	return failed ? failed : set_tls(options, connection);
}

static int use_password(const struct mt_options *options, struct mt_cli_connection *connection,
			const char *user, const void *password, size_t bytes)
{
	struct mt_endpoint endpoint = {.port = connection->port};
	memcpy(endpoint.host, connection->host, sizeof(endpoint.host));
	if (!connection->is_tls && !mt_endpoint_is_loopback(&endpoint) &&
	    !has(options, "allow-plain"))
		return mt_cli_fail(2,
				   "the password would travel to %s in the clear: there is no TLS; "
				   "give --cafile or "
				   "--tls, or --allow-plain if it must be",
				   connection->host);
	return judge(connection, "-u",
		     mortise_client_set_credentials(connection->client, user, password, bytes));
}

/* One newline at the end is not part of the password. */
static int read_password(const struct mt_options *options, struct mt_cli_connection *connection,
			 const char *user)
{
	const char *path = mt_options_value(options, "password-file");
	uint8_t *data = NULL;
	size_t bytes = 0;
	enum mt_status status = mt_file_read(path, PASSWORD_FILE_BYTES_MAX, &data, &bytes);
	int failed;
	if (status != MT_OK)
		return mt_cli_fail(2, "--password-file %s: %s", path, mt_status_text(status));
	failed = use_password(options, connection, user, data,
			      bytes - (bytes > 0 && data[bytes - 1] == '\n'));
	mt_bytes_wipe(data, bytes);
	free(data);
	return failed;
}

static int set_credentials(const struct mt_options *options, struct mt_cli_connection *connection)
{
	const char *user = mt_options_value(options, "username");
	const char *password = mt_options_value(options, "pw");
	if (password && has(options, "password-file"))
		return mt_cli_fail(2, "-P and --password-file: one of them");
	if (!user && (password || has(options, "password-file")))
		return mt_cli_fail(2, "a password needs a user: give -u");
	if (has(options, "password-file"))
		return read_password(options, connection, user);
	if (password)
		mt_cli_connection_warn(
			connection,
			"-P: others on this machine can read a password on the command line; "
			"use --password-file");
	if (password)
		return use_password(options, connection, user, password, strlen(password));
	return user ? judge(connection, "-u",
			    mortise_client_set_credentials(connection->client, user, NULL, 0))
		    : 0;
}

static int set_auth(const struct mt_options *options, struct mt_cli_connection *connection)
{
	static const char *const names[] = {"password", "scram", "scram-sha-256",
					    "scram-sha-256-plus"};
	const char *value = mt_options_value(options, "auth");
	if (!value)
		return 0;
	for (unsigned i = 0; i < MT_COUNT_OF(names); i++)
		if (strcmp(value, names[i]) == 0)
			return judge(
				connection, "--auth",
				mortise_client_set_auth(connection->client, (enum mortise_auth)i));
	return mt_cli_fail(2,
			   "--auth %s: expected password, scram, scram-sha-256 or "
			   "scram-sha-256-plus",
			   value);
}

static int set_session(const struct mt_options *options, struct mt_cli_connection *connection)
{
	mortise_client *client = connection->client;
	uint64_t keep_alive;
	uint64_t expiry;
	int failed = take_number(options, "keepalive", UINT16_MAX, 60, &keep_alive);
	if (!failed)
		failed = take_number(options, "session-expiry-interval", UINT32_MAX, 0, &expiry);
	if (!failed)
		failed = judge(connection, "-k",
			       mortise_client_set_keep_alive(client, (uint16_t)keep_alive));
	if (!failed && has(options, "session-expiry-interval"))
		failed = judge(connection, "-x",
			       mortise_client_set_session_expiry(client, (uint32_t)expiry));
	if (!failed && has(options, "id"))
		failed = judge(
			connection, "-i",
			mortise_client_set_client_id(client, mt_options_value(options, "id")));
	if (!failed && has(options, "disable-clean-session")) {
		if (!has(options, "id") && !connection->is_profile)
			return mt_cli_fail(2,
					   "-c: a session that is kept needs a client id; give -i");
		failed = judge(connection, "-c", mortise_client_set_clean(client, false));
	}
	return failed;
}

static int set_will(const struct mt_options *options, struct mt_cli_connection *connection)
{
	const char *payload = mt_options_value(options, "will-payload");
	struct mt_cli_properties properties;
	struct mortise_message will = {
		.topic = mt_options_value(options, "will-topic"),
		.payload = payload,
		.payload_bytes = payload ? strlen(payload) : 0,
		.is_retain = has(options, "will-retain"),
	};
	uint64_t qos;
	int failed = take_number(options, "will-qos", 2, 0, &qos);
	if (failed)
		return failed;
	if (!will.topic)
		return payload || has(options, "will-qos") || will.is_retain
			       ? mt_cli_fail(2, "a will needs its topic; give --will-topic")
			       : 0;
	failed = mt_cli_connection_properties(options, "will", &properties);
	if (failed)
		return failed;
	will.qos = (uint8_t)qos;
	will.properties = properties.items;
	will.property_count = properties.count;
	return judge(connection, "--will-topic",
		     mortise_client_set_will(connection->client, &will));
}

static int set_properties(const struct mt_options *options, struct mt_cli_connection *connection)
{
	struct mt_cli_properties properties;
	int failed = mt_cli_connection_properties(options, "connect", &properties);
	if (!failed && properties.count > 0)
		failed = judge(connection, "-D connect",
			       mortise_client_set_connect_properties(
				       connection->client, properties.items, properties.count));
	if (!failed)
		failed = mt_cli_connection_properties(options, "disconnect", &properties);
	if (!failed && properties.count > 0)
		failed = judge(connection, "-D disconnect",
			       mortise_client_set_disconnect_properties(
				       connection->client, properties.items, properties.count));
	return failed;
}

static void warn_of_plain(const struct mt_cli_connection *connection)
{
	struct mt_endpoint endpoint = {.port = connection->port};
	memcpy(endpoint.host, connection->host, sizeof(endpoint.host));
	if (!connection->is_tls && !mt_endpoint_is_loopback(&endpoint))
		mt_cli_connection_warn(
			connection,
			"no TLS to %s: everybody on the way can read and change what is sent; "
			"give --cafile or --tls",
			connection->host);
}

static int set_all(const struct mt_options *options, const struct mortise_limits *limits,
		   struct mt_cli_connection *connection)
{
	mortise_client *client = connection->client;
	int failed = judge(connection, "-V",
			   mortise_client_set_version(client, connection->is_v5 ? 5 : 4));
	if (!failed && limits)
		failed = judge(connection, "limits", mortise_client_set_limits(client, limits));
	if (!failed && has(options, "allow-plain"))
		failed = judge(connection, "--allow-plain",
			       mortise_client_set_plain_allowed(client, true));
	if (!failed)
		failed = set_address(options, connection);
	if (!failed)
		failed = set_credentials(options, connection);
	if (!failed)
		failed = set_auth(options, connection);
	if (!failed)
		failed = set_session(options, connection);
	if (!failed)
		failed = set_will(options, connection);
	return failed ? failed : set_properties(options, connection);
}

int mt_cli_connection_make(const struct mt_options *options, const struct mortise_limits *limits,
			   struct mt_cli_connection *out)
{
	struct mt_cli_connection connection = {.is_quiet = has(options, "quiet"),
					       .is_debug = has(options, "debug")};
	uint64_t qos;
	int failed = take_number(options, "qos", 2, 0, &qos);
	if (!failed)
		failed = take_version(options, &connection);
	if (!failed)
		failed = take_address(options, &connection);
	if (failed)
		return failed;
	connection.qos = (uint8_t)qos;
	connection.client = mortise_client_create(connection.host, connection.port);
	if (!connection.client)
		return mt_cli_fail(1, "out of memory");
	failed = set_all(options, limits, &connection);
	if (failed) {
		mt_cli_connection_finish(&connection);
		return failed;
	}
	warn_of_plain(&connection);
	*out = connection;
	return 0;
}

void mt_cli_connection_finish(struct mt_cli_connection *connection)
{
	mortise_client_destroy(&connection->client);
}
