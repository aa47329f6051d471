/*
 * From the options that pub and sub share to a client of libmortise: address, TLS, secrets, will,
 * properties.
 *
 * TLS when --tls, --cafile, --profile or port 8883 is given, else plain: with a warning off
 * loopback, and never with a password there unless --allow-plain.
 */
#pragma once

#include "cli/options.h"
#include "mortise/client.h"

#define MT_PROPERTIES_MAX 64u
#define MT_PROPERTY_NAME_BYTES 48u

/* Properties given with -D for one packet; the texts point into argv. */
struct mt_cli_properties {
	struct mortise_property items[MT_PROPERTIES_MAX];
	size_t count;
};

struct mt_cli_connection {
	mortise_client *client;
	uint8_t qos;
	bool is_v5;
	bool is_quiet;
	bool is_debug;
	bool is_profile;
	bool is_tls;
	char host[256]; /* for messages; "" from a profile */
	uint16_t port;
};

/* A client that is ready to connect: exit code, 0 when *out is filled. limits NULL: the library's.
 * Errors are told. */
int mt_cli_connection_make(const struct mt_options *options, const struct mortise_limits *limits,
			   struct mt_cli_connection *out);
void mt_cli_connection_finish(struct mt_cli_connection *connection);
/* The name of a property, with '-' for spaces: "content-type"; of an unknown one its number. */
void mt_cli_property_name(uint8_t id, char out[MT_PROPERTY_NAME_BYTES]);
/* What -D names is a packet of this verb, a property of that packet, and a value of its kind: exit
 * code. sent: "connect will publish disconnect". */
int mt_cli_connection_check(const struct mt_options *options, const char *sent);
/* Properties of -D for "publish", "subscribe" ...: exit code, 0 when *out is filled. */
int mt_cli_connection_properties(const struct mt_options *options, const char *packet,
				 struct mt_cli_properties *out);

/* Tells why `what` failed (unless --quiet) and returns the exit code. */
int mt_cli_connection_fail(const struct mt_cli_connection *connection, const char *what,
			   int status);
/* The exit code alone. */
int mt_cli_connection_exit(int status, uint8_t reason);
/* "mortise: warning: ...", unless --quiet. */
MT_FORMAT(2, 3)
void mt_cli_connection_warn(const struct mt_cli_connection *connection, const char *format, ...);
/* With --debug: what happens, on standard error. */
MT_FORMAT(2, 3)
void mt_cli_connection_trace(const struct mt_cli_connection *connection, const char *format, ...);
