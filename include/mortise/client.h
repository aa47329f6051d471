/*
 * libmortise: an MQTT client (5.0 and 3.1.1) that verifies whom it talks to.
 *
 *   mortise_client *client = mortise_client_create("broker.example", 0);       port 0: 8883 with
 * TLS, 1883 without mortise_client_set_tls(client, "ca.pem", NULL, NULL); if
 * (mortise_client_connect(client, 10000) != MORTISE_OK) fprintf(stderr, "%s\n",
 * mortise_client_fault(client));
 *
 * Two faces of one object:
 *   blocking     connect, publish, subscribe, receive, disconnect: each with a time-out in
 * milliseconds (-1: none) event loop   start, then whenever fd, events or deadline_ms say so:
 * process, and next until it returns MORTISE_AGAIN
 *
 * TLS always checks certificate and name; there is no switch against it. A password never travels
 * in the clear, except to a loopback address, unless mortise_client_set_plain_allowed says so.
 *
 * Strings given are copied. Views that come out (messages, events, faults) are valid until the next
 * call with this client. Nothing is printed and no thread is started; one thread at a time may use
 * a client. A program that uses the blocking face calls one of its functions at least once per keep
 * alive interval, or the server takes it for dead. Functions that return int return enum
 * mortise_status; unless it is MORTISE_OK, mortise_client_fault says more.
 */
#ifndef MORTISE_CLIENT_H
#define MORTISE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

enum mortise_status {
	MORTISE_OK = 0,
	MORTISE_AGAIN = 1, /* nothing yet; or a queue is full: process, then try again */
	MORTISE_MEMORY = 2,
	MORTISE_LIMIT = 3,     /* the server does not take it, or a limit of ours was reached */
	MORTISE_VIOLATION = 4, /* the server broke the protocol; the connection is closed */
	MORTISE_INVALID = 5,   /* what was asked for is not legal MQTT, or not in this state */
	MORTISE_NOT_FOUND = 6, /* a file */
	MORTISE_DENIED = 7,    /* the server refused it: see mortise_client_reason; or we did, to
				  protect a secret */
	MORTISE_CLOSED = 8,    /* there is no connection (any more) */
	MORTISE_TIMEOUT = 9,
	MORTISE_SYSTEM = 10,	  /* the operating system refused */
	MORTISE_TLS = 11,	  /* handshake or certificate */
	MORTISE_UNREACHABLE = 12, /* nobody answers */
	MORTISE_UNPROVEN = 13	  /* the server does not show that it knows the user (SCRAM) */
};

typedef struct mortise_client mortise_client;

/* NULL without memory or when the host is empty or longer than 253 characters. */
mortise_client *mortise_client_create(const char *host, uint16_t port);
/* Closes without a farewell (the will fires), wipes secrets. *client may be NULL; it is NULL
 * afterwards. */
void mortise_client_destroy(mortise_client **client);

/* Why the last call did not return MORTISE_OK, one sentence; "" when nothing failed. Bytes of the
 * server are escaped. */
const char *mortise_client_fault(const mortise_client *client);
/* The reason code of the server's last refusal (0x80 and above), 0: none. */
uint8_t mortise_client_reason(const mortise_client *client);
/* Text of a reason code of MQTT 5, "unknown" for others. */
const char *mortise_reason_text(uint8_t reason);

/* ---- options: before the first connect or start (later: MORTISE_INVALID) ---- */

/* 5 (default) or 4 for 3.1.1. */
int mortise_client_set_version(mortise_client *client, int version);
/* "" (default): the server assigns one. */
int mortise_client_set_client_id(mortise_client *client, const char *id);
/* NULL password: none. The password may hold any bytes. */
int mortise_client_set_credentials(mortise_client *client, const char *user, const void *password,
				   size_t password_bytes);
/*
 * How user and password are proven. By SCRAM (MQTT 5 only) the password never leaves this process,
 * the server proves that it knows the user, and SCRAM-SHA-256-PLUS proves both for the one TLS
 * connection: who stands between can pass nothing on. MQTT does not tell what a server offers:
 * MORTISE_AUTH_SCRAM is PLUS with TLS and SCRAM-SHA-256 without. The first login of a client takes
 * about 0.1 s of computing, more on small devices, within process and next; later ones of the same
 * client take none.
 */
enum mortise_auth {
	MORTISE_AUTH_PASSWORD = 0, /* default: it travels in CONNECT */
	MORTISE_AUTH_SCRAM = 1,
	MORTISE_AUTH_SCRAM_SHA_256 = 2,
	MORTISE_AUTH_SCRAM_SHA_256_PLUS =
		3 /* TLS only; by TLS 1.2 with the extended master secret */
};
int mortise_client_set_auth(mortise_client *client, enum mortise_auth auth);
/* True (default): begin with an empty session. */
int mortise_client_set_clean(mortise_client *client, bool is_clean);
/* How long the server keeps the session after the connection (5 only); default 0, UINT32_MAX: for
 * ever. */
int mortise_client_set_session_expiry(mortise_client *client, uint32_t seconds);
/* Default 60; 0: off. */
int mortise_client_set_keep_alive(mortise_client *client, uint16_t seconds);
/* Verified TLS. ca_path NULL: the system's CAs; else only those in the file. certificate_path and
 * key_path: both or none. */
int mortise_client_set_tls(mortise_client *client, const char *ca_path,
			   const char *certificate_path, const char *key_path);
/* TLS with a server whose chain holds this public key: base64 of its SHA-256 (SPKI), 44 characters,
 * as `mortise cert show server` prints it. Beside CAs, which then verify the chain too; without any
 * it is all that is trusted. Names and dates are checked in any case. */
int mortise_client_set_pin(mortise_client *client, const char *pin);
/* A file where the TLS session is kept (0600), so that the next client goes on from it instead of a
 * handshake in full. What cannot be read or written is passed over. */
int mortise_client_set_session_file(mortise_client *client, const char *path);
/* Another address than the one of create, or of a profile. */
int mortise_client_set_address(mortise_client *client, const char *host, uint16_t port);
/* Address, CA, credentials and certificate from a file of `mortise cert issue` or of a first start.
 * Turns TLS on. */
int mortise_client_set_profile(mortise_client *client, const char *path);
/* Credentials may travel without TLS to any address. */
int mortise_client_set_plain_allowed(mortise_client *client, bool is_allowed);
/*
 * After a lost connection: again after min_ms, twice as long each time up to max_ms, each wait
 * shortened by a random part of up to one half. The seed makes that part differ between devices; 0:
 * take it from the system. max_ms 0 (default): do not. Subscriptions are made again when the server
 * did not keep the session.
 */
int mortise_client_set_reconnect(mortise_client *client, uint32_t min_ms, uint32_t max_ms,
				 uint64_t seed);

struct mortise_limits {
	size_t packet_bytes;	  /* largest packet taken; default 1 MiB */
	size_t memory_bytes;	  /* ceiling of everything held; default 16 MiB */
	size_t output_bytes;	  /* encoded and unsent; default 256 KiB */
	uint16_t queue_messages;  /* unacknowledged publishes; default 1000 */
	uint16_t window;	  /* of them in flight; default 100 */
	uint16_t receive_max;	  /* QoS 1 and 2 messages in flight from the server; default 100 */
	uint16_t topic_alias_max; /* default 16 */
	uint32_t inbox_messages;  /* received while a blocking call waited for something else;
				     default 1000 */
};
void mortise_limits_default(struct mortise_limits *out);
int mortise_client_set_limits(mortise_client *client, const struct mortise_limits *limits);

/* ---- messages ---- */

/* A property of MQTT 5: its identifier as in section 2.2.2.2; which of the other fields counts
 * follows from it. */
struct mortise_property {
	uint8_t id;
	uint32_t number;
	const void *text; /* string, binary, or name of a user property */
	size_t text_bytes;
	const void *value; /* of a user property */
	size_t value_bytes;
};

enum mortise_property_id {
	MORTISE_PAYLOAD_FORMAT_INDICATOR = 0x01,
	MORTISE_MESSAGE_EXPIRY_INTERVAL = 0x02,
	MORTISE_CONTENT_TYPE = 0x03,
	MORTISE_RESPONSE_TOPIC = 0x08,
	MORTISE_CORRELATION_DATA = 0x09,
	MORTISE_SUBSCRIPTION_IDENTIFIER = 0x0b,
	MORTISE_SESSION_EXPIRY_INTERVAL = 0x11,
	MORTISE_REQUEST_PROBLEM_INFORMATION = 0x17,
	MORTISE_WILL_DELAY_INTERVAL = 0x18,
	MORTISE_REQUEST_RESPONSE_INFORMATION = 0x19,
	MORTISE_REASON_STRING = 0x1f,
	MORTISE_USER_PROPERTY = 0x26
};

struct mortise_message {
	const char *topic; /* 0-terminated when it came from the server; topic_bytes 0: its length
			      is taken by strlen */
	size_t topic_bytes;
	const void *payload;
	size_t payload_bytes;
	uint8_t qos;
	bool is_retain;
	bool is_dup;				   /* received only */
	uint16_t packet_id;			   /* received only; 0 for QoS 0 */
	const struct mortise_property *properties; /* to send */
	size_t property_count;
	const void *raw; /* received properties: read them with mortise_message_property */
	size_t raw_bytes;
};

/* Next property of a received message from *pos (start with 0); false at the end. */
bool mortise_message_property(const struct mortise_message *message, size_t *pos,
			      struct mortise_property *out);

/* The will. is_dup, packet_id are ignored. */
int mortise_client_set_will(mortise_client *client, const struct mortise_message *will);
/* More properties of CONNECT (receive maximum 0x21, topic alias maximum 0x22 and maximum packet
 * size 0x27 set the limits) and of DISCONNECT. */
int mortise_client_set_connect_properties(mortise_client *client,
					  const struct mortise_property *properties, size_t count);
int mortise_client_set_disconnect_properties(mortise_client *client,
					     const struct mortise_property *properties,
					     size_t count);

struct mortise_subscription {
	const char *filter;
	uint8_t qos;
	bool is_no_local; /* these three in 5 only */
	bool is_retain_as_published;
	uint8_t retain_handling; /* 0 send retained messages, 1 when the subscription is new, 2
				    never */
};

/* ---- the blocking face ---- */

/* Until the server has accepted us. MORTISE_DENIED: it refused (see mortise_client_reason). Names
 * are resolved without regard to the time-out. */
int mortise_client_connect(mortise_client *client, int timeout_ms);
bool mortise_client_is_connected(const mortise_client *client);
/* After connect: the server had kept our session. */
bool mortise_client_is_session_present(const mortise_client *client);
/* "TLSv1.3 TLS_AES_128_GCM_SHA256", with ", resumed" behind it; "" without TLS. Valid until the
 * next call. */
const char *mortise_client_tls(const mortise_client *client);
/* The id in use, as given or assigned. */
const char *mortise_client_id(const mortise_client *client);

/* Until QoS 0 is handed to the network, QoS 1 and 2 are acknowledged. MORTISE_DENIED: see
 * mortise_client_reason. After MORTISE_TIMEOUT a message of QoS 1 or 2 stays queued. */
int mortise_client_publish(mortise_client *client, const struct mortise_message *message,
			   int timeout_ms);
/* Queues it and returns at once. *id (may be NULL): of the PUBLISHED event. MORTISE_AGAIN: the
 * queue is full. */
int mortise_client_post(mortise_client *client, const struct mortise_message *message,
			uint16_t *id);
/* Until at most `pending` publishes of QoS 1 and 2 are unfinished and all output is handed to the
 * network. MORTISE_DENIED: the server refused at least one posted message since the last settle. */
int mortise_client_settle(mortise_client *client, size_t pending, int timeout_ms);

/* reasons[count] (may be NULL): granted QoS, or 0x80 and above. MORTISE_DENIED: at least one was
 * refused; the others hold. */
int mortise_client_subscribe(mortise_client *client, const struct mortise_subscription *list,
			     size_t count, const struct mortise_property *properties,
			     size_t property_count, uint8_t *reasons, int timeout_ms);
int mortise_client_unsubscribe(mortise_client *client, const char *const *filters, size_t count,
			       const struct mortise_property *properties, size_t property_count,
			       int timeout_ms);

/* Proves user and password again on the open connection, with the way of set_auth (not the password
 * in CONNECT: MORTISE_INVALID); messages go on meanwhile. When it fails the connection is lost:
 * MORTISE_DENIED, see mortise_client_reason. */
int mortise_client_authenticate(mortise_client *client, int timeout_ms);

/* The next message. It is acknowledged by the next call of receive, next or disconnect.
 * MORTISE_CLOSED: the connection is lost and will not come back. */
int mortise_client_receive(mortise_client *client, struct mortise_message *out, int timeout_ms);
/* Says farewell and closes: the will is discarded when reason is 0, sent when it is 4 (5 only). */
int mortise_client_disconnect(mortise_client *client, uint8_t reason, int timeout_ms);

/* ---- the event loop's face ---- */

/* Begins to connect; CONNECTED or LOST will tell. Only the name is resolved at once. */
int mortise_client_start(mortise_client *client);
/* To wait on; -1 between connections. It may change with every process. */
int mortise_client_fd(const mortise_client *client);
/* POLLIN, POLLOUT or both. */
short mortise_client_events(const mortise_client *client);
/* Milliseconds until process must be called; -1: only when the descriptor is ready. */
int mortise_client_deadline_ms(const mortise_client *client);
/* Reads, writes, looks at the clock; never waits (but for the name at a reconnect). */
int mortise_client_process(mortise_client *client);
/* As in the blocking face; the answer is SUBSCRIBED or UNSUBSCRIBED with *id. */
int mortise_client_post_subscribe(mortise_client *client, const struct mortise_subscription *list,
				  size_t count, const struct mortise_property *properties,
				  size_t property_count, uint16_t *id);
int mortise_client_post_unsubscribe(mortise_client *client, const char *const *filters,
				    size_t count, const struct mortise_property *properties,
				    size_t property_count, uint16_t *id);
/* As in the blocking face; the answer is AUTHENTICATED or LOST. */
int mortise_client_post_authenticate(mortise_client *client);
/* Queues DISCONNECT; the connection is gone when mortise_client_fd is -1. */
int mortise_client_post_disconnect(mortise_client *client, uint8_t reason);

enum mortise_event_type {
	MORTISE_EVENT_CONNECTED = 1, /* is_session_present */
	MORTISE_EVENT_LOST =
		2, /* status, reason, mortise_client_fault; will_return: a reconnect is planned */
	MORTISE_EVENT_MESSAGE = 3,	/* message; acknowledged by the next call of next */
	MORTISE_EVENT_PUBLISHED = 4,	/* id, reason */
	MORTISE_EVENT_SUBSCRIBED = 5,	/* id, reasons */
	MORTISE_EVENT_UNSUBSCRIBED = 6, /* id, reasons */
	MORTISE_EVENT_CLOSED = 7,	/* after our DISCONNECT */
	MORTISE_EVENT_AUTHENTICATED = 8 /* again */
};

struct mortise_event {
	enum mortise_event_type type;
	enum mortise_status status;
	uint8_t reason;
	uint16_t id;
	bool is_session_present;
	bool will_return;
	const uint8_t *reasons;
	size_t reason_count;
	struct mortise_message message;
};

/* The next event; MORTISE_AGAIN: there is none now. */
int mortise_client_next(mortise_client *client, struct mortise_event *out);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
