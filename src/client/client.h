/*
 * The client side of one MQTT session (3.1.1 and 5.0) as a pure machine: bytes and time in; bytes,
 * events and a deadline out.
 *
 *   network --input--> client --event--> user          user --publish/subscribe/disconnect-->
 * client --output/sent--> network
 *
 * One machine outlives its network connections: publishes of QoS 1 and 2 that are not acknowledged,
 * and the ids of QoS 2 messages received, stay from mt_client_closed to the next mt_client_connect
 * and are resumed when the server kept the session (else unacknowledged publishes are sent anew).
 * Everything the server may lie about ends in ENDED with a violation.
 *
 * Threading: one thread per client. Memory: all of it is accounted and bounded by mt_client_limits.
 */
#pragma once

#include "base/time.h"
#include "wire/connect.h"
#include "wire/control.h"
#include "wire/publish.h"
#include "wire/subscribe.h"

struct mt_client;

struct mt_client_limits {
	size_t packet_bytes;	 /* largest packet taken from the server; announced in 5 */
	size_t memory_bytes;	 /* ceiling of everything the client holds */
	size_t output_bytes;	 /* encoded and unsent; a QoS 0 publish beyond it is refused with
				    MT_AGAIN */
	uint16_t queue_messages; /* QoS 1 and 2 publishes waiting or in flight; at most 60,000 */
	uint16_t requests;	 /* SUBSCRIBE and UNSUBSCRIBE without answer; 1 to 5,000 */
	uint16_t window; /* publishes in flight; the server's receive maximum bounds it too; at
			    least 1 */
	uint16_t
		receive_max; /* QoS 1 and 2 in flight from the server; announced in 5; at least 1 */
	uint16_t topic_alias_max; /* aliases taken from the server; announced in 5 */
};

struct mt_client_settings {
	/* What CONNECT says. Copied. In `props` receive maximum, maximum packet size and topic
	 * alias maximum are taken from the limits; with an authentication method (5) each
	 * connection begins by mt_client_connect_by. is_clean
	 * holds for the first connection; a session that outlives its connection is resumed by the
	 * next. */
	struct mt_connect connect;
	struct mt_client_limits limits;
	mt_time connect_ns; /* from CONNECT to CONNACK */
	mt_time answer_ns;  /* from PINGREQ to the next byte */
};

/* Sensible limits and times, version 5, clean, keep alive 60 s. */
struct mt_client_settings mt_client_defaults(void);

/*
 * MT_INVALID: CONNECT would break the standard; *why says how. MT_LIMIT: a limit is out of its
 * range (then too). MT_MEMORY.
 */
MT_MUST_USE enum mt_status mt_client_create(const struct mt_client_settings *settings,
					    struct mt_client **out, struct mt_violation *why);
/* Wipes the password. NULL and half-built are fine. */
void mt_client_destroy(struct mt_client **client);

/* ---- in ---- */

/* The network is there: queues CONNECT. Only before the first connection or after mt_client_closed
 * (else MT_INVALID). */
MT_MUST_USE enum mt_status mt_client_connect(struct mt_client *client, struct mt_now now);
/* The same with an authentication method, and the first word to it. */
MT_MUST_USE enum mt_status mt_client_connect_by(struct mt_client *client, struct mt_now now,
						struct mt_bytes data);
/* The answer to a CHALLENGE, or when none is due and the connection is open the first word of
 * another authentication (section 4.12.1). MT_INVALID: it is the server's turn, or there is no
 * method. MT_MEMORY, MT_LIMIT (longer than the server takes). The server has connect_ns from now.
 */
MT_MUST_USE enum mt_status mt_client_authenticate(struct mt_client *client, struct mt_now now,
						  struct mt_bytes data);
/* Bytes arrived. The view must stay valid until mt_client_event has returned false; then all of it
 * is consumed. */
void mt_client_input(struct mt_client *client, struct mt_now now, struct mt_bytes bytes);
/* The network is gone. Requests without an answer and unsent QoS 0 publishes die with it, without
 * an event. */
void mt_client_closed(struct mt_client *client);
/* Time has passed: call at the deadline. */
void mt_client_tick(struct mt_client *client, struct mt_now now);

/*
 * Publishes; packet_id and is_dup are ignored, *id is the packet id (0 for QoS 0) that PUBLISHED
 * will name. QoS 1 and 2 are kept until they are acknowledged and may be given while there is no
 * connection. MT_AGAIN: a queue is full; send and take events first. MT_CLOSED: QoS 0 without an
 * open connection. MT_MEMORY. MT_INVALID: it breaks the standard; MT_LIMIT: the server does not
 * take it (quality, retain, size): *why.
 */
MT_MUST_USE enum mt_status mt_client_publish(struct mt_client *client,
					     const struct mt_publish *publish, uint16_t *id,
					     struct mt_violation *why);

struct mt_client_filter {
	struct mt_bytes filter;
	struct mt_sub_options options; /* not used by unsubscribe */
};

/* props: subscription id and user properties (5). Only while open (else MT_CLOSED). The other
 * results as publish. */
MT_MUST_USE enum mt_status mt_client_subscribe(struct mt_client *client,
					       const struct mt_client_filter *filters, size_t count,
					       const struct mt_props *props, uint16_t *id,
					       struct mt_violation *why);
MT_MUST_USE enum mt_status mt_client_unsubscribe(struct mt_client *client,
						 const struct mt_client_filter *filters,
						 size_t count, const struct mt_props *props,
						 uint16_t *id, struct mt_violation *why);
/*
 * Queues DISCONNECT behind what is unsent; nothing follows it ([MQTT-3.14.4-1]). type of `control`
 * is ignored. MT_CLOSED: there is no open connection. MT_INVALID: *why.
 */
MT_MUST_USE enum mt_status mt_client_disconnect(struct mt_client *client,
						const struct mt_control *control,
						struct mt_violation *why);

/* ---- out ---- */

enum mt_client_event_type {
	MT_CLIENT_CONNECTED, /* is_session_present, props; with a method what is last said to it:
				data */
	MT_CLIENT_CHALLENGE, /* data: the server asks the method for more */
	MT_CLIENT_AUTHENTICATED, /* again, on the open connection; data: its last word */
	MT_CLIENT_MESSAGE,	 /* message; acknowledged when the next event is asked for, or at
				    disconnect */
	MT_CLIENT_PUBLISHED,  /* id, reason (0x80 and above: refused), props when the server sent an
				 answer */
	MT_CLIENT_SUBSCRIBED, /* id, reasons: one per filter, in order; props */
	MT_CLIENT_UNSUBSCRIBED, /* id, reasons (empty in 3.1.1), props */
	MT_CLIENT_ENDED, /* status, reason: send what is left, close, then mt_client_closed */
};

struct mt_client_event {
	enum mt_client_event_type type;
	uint16_t id;
	uint8_t reason;
	bool is_session_present;
	/* ENDED: MT_DENIED the server refused CONNECT; MT_CLOSED it said DISCONNECT; MT_VIOLATION
	 * it broke the protocol; MT_TIMEOUT it does not answer; MT_LIMIT it does not read what we
	 * send; MT_MEMORY. */
	enum mt_status status;
	struct mt_violation violation;
	struct mt_bytes reasons;
	struct mt_bytes data;
	struct mt_publish message;    /* the topic is filled in when an alias stood for it */
	const struct mt_props *props; /* never NULL */
};

/* The next event; its views are valid until the next call of any function of this client. False:
 * there is none. */
MT_MUST_USE bool mt_client_event(struct mt_client *client, struct mt_client_event *out);
/* Unsent bytes as a gather list of at most list_max views, valid until the next call; number of
 * views. */
size_t mt_client_output(struct mt_client *client, struct mt_bytes *list, size_t list_max);
/* The network took that many of them. */
void mt_client_sent(struct mt_client *client, struct mt_now now, size_t bytes);
/* When to call tick at the latest (monotonic); MT_TIME_NEVER. */
mt_time mt_client_deadline(const struct mt_client *client);

/* ---- questions ---- */

bool mt_client_is_open(const struct mt_client *client);
/* True when DISCONNECT is queued or the connection ended, and all bytes are sent: close it. */
bool mt_client_is_over(const struct mt_client *client);
/* QoS 1 and 2 publishes that are not finished. */
uint32_t mt_client_pending(const struct mt_client *client);
/* The client id in use: as given, or as the server assigned it. */
struct mt_bytes mt_client_id(const struct mt_client *client);
size_t mt_client_used_bytes(const struct mt_client *client);

/* What the server said in CONNACK, or the defaults of the standard. */
struct mt_client_server {
	uint16_t receive_max;
	uint8_t qos_max;
	bool is_retain_available;
	bool is_wildcard_available;
	bool is_subscription_id_available;
	bool is_shared_available;
	size_t packet_bytes_max;
	uint16_t keep_alive_s;	   /* in force */
	uint32_t session_expiry_s; /* in force */
};
struct mt_client_server mt_client_server(const struct mt_client *client);
