/*
 * The inside of the client machine, shared by the files of this folder.
 *
 *   waiting: publishes to send, in order      flying: sent, not finished      done: finished
 * without an answer of the server slots[id - 1]: the publish or request that holds the packet id
 */
#pragma once

#include "base/list.h"
#include "base/mem.h"
#include "client/client.h"
#include "wire/ack.h"

/* Whose word is next to the authentication method. */
enum mt_client_turn { MT_TURN_NOBODY, MT_TURN_SERVER, MT_TURN_CLIENT };

enum mt_client_phase { MT_CLIENT_IDLE, MT_CLIENT_CONNECTING, MT_CLIENT_OPEN, MT_CLIENT_LEAVING };

enum mt_outgoing_state {
	MT_OUT_WAITING,
	MT_OUT_SENT,
	MT_OUT_RELEASED,
	MT_OUT_DONE,
	MT_OUT_REQUEST
};

/* A publish of QoS 1 or 2 with its encoded packet, or a request that waits for its answer (without
 * packet). */
struct mt_outgoing {
	struct mt_list link;
	enum mt_outgoing_state state;
	uint8_t type; /* MT_PACKET_PUBLISH, MT_PACKET_SUBSCRIBE, MT_PACKET_UNSUBSCRIBE */
	uint8_t qos;
	uint8_t reason; /* of DONE */
	bool is_retain;
	uint16_t id;
	uint32_t filter_count; /* of a request */
	size_t packet_bytes;
	uint8_t packet[];
};

struct mt_alias {
	uint8_t *topic; /* NULL: not set */
	size_t len;
};

struct mt_client {
	struct mt_mem mem;
	struct mt_client_settings settings; /* its strings point into `strings` */
	uint8_t *strings;
	size_t strings_bytes;
	enum mt_client_phase phase;
	enum mt_client_turn turn;
	mt_time auth_by_ns; /* of another authentication; MT_TIME_NEVER: none runs */
	struct mt_client_server server;
	bool has_session; /* the next CONNECT resumes */
	bool is_resuming; /* this one asked to: session present is legal */
	uint8_t *assigned_id;
	size_t assigned_len;

	uint8_t *out; /* [sent | unsent: out_head .. out_tail | free] */
	size_t out_head;
	size_t out_tail;
	size_t out_cap;
	size_t out_largest; /* largest packet put since `out` was empty */

	struct mt_bytes in; /* what is left of the caller's view */
	uint8_t *part;	    /* a packet whose bytes came in several views */
	size_t part_len;
	size_t part_cap;
	bool is_part_used;  /* the last event points into it */
	struct mt_ack owed; /* acknowledgement of the message that the user holds; type 0: none */

	struct mt_outgoing **slots;
	uint32_t slot_count;
	uint32_t slot_next;
	uint32_t request_count;
	uint32_t publish_count;
	uint32_t flying_count;
	struct mt_list waiting;
	struct mt_list flying;
	struct mt_list done;

	uint8_t held[8192];    /* bit per id: QoS 2 messages received and not released */
	uint8_t pending[8192]; /* those received on this connection: they count for the window */
	uint32_t pending_count;
	struct mt_alias *aliases; /* of this connection; topic_alias_max entries */

	mt_time connect_by_ns;
	mt_time sent_ns;
	mt_time received_ns;
	mt_time ping_ns; /* when PINGREQ was queued; MT_TIME_NEVER: none is out */

	bool has_end; /* `end` waits to be told */
	struct mt_client_event end;
	struct mt_props props; /* of the packet behind the last event */
};

/* Room for a packet of at most `bytes` behind the unsent bytes; mt_client_put_end makes it part of
 * them. */
MT_MUST_USE enum mt_status mt_client_put_begin(struct mt_client *client, size_t bytes,
					       struct mt_buf *out);
void mt_client_put_end(struct mt_client *client, const struct mt_buf *buf);
MT_MUST_USE enum mt_status mt_client_put(struct mt_client *client, struct mt_bytes packet);
/* Acknowledgements and PUBREL. Bounded: a server that does not read ends the connection with
 * MT_LIMIT. */
void mt_client_put_ack(struct mt_client *client, const struct mt_ack *ack);
static inline size_t mt_client_unsent(const struct mt_client *client)
{
	return client->out_tail - client->out_head;
}

static inline bool mt_client_has_method(const struct mt_client *client)
{
	return client->settings.connect.props.present & MT_PROP_BIT(AUTHENTICATION_METHOD);
}
/* AUTH of the server: true when *out is the event; what comes out of turn, or by another method,
 * ends the connection. */
MT_MUST_USE bool mt_client_challenged(struct mt_client *client, const struct mt_frame *frame,
				      struct mt_client_event *out);

/* The connection is over: ENDED will say why. Only the first end of a connection counts. */
void mt_client_end(struct mt_client *client, enum mt_status status, uint8_t reason);
void mt_client_end_violation(struct mt_client *client, const struct mt_violation *why);
/* Answers what the user has been shown. */
void mt_client_settle(struct mt_client *client);

/* An entry of a free packet id. MT_AGAIN: there is none. */
MT_MUST_USE enum mt_status mt_outgoing_create(struct mt_client *client, uint8_t type,
					      size_t packet_bytes, struct mt_outgoing **out);
/* Frees the entry and its id; NULL is fine. */
void mt_outgoing_destroy(struct mt_client *client, struct mt_outgoing *entry);
/* NULL when nothing holds the id. */
struct mt_outgoing *mt_outgoing_find(const struct mt_client *client, uint16_t id);
/* Moves publishes from waiting to the output as far as window and buffer allow. */
void mt_outgoing_pump(struct mt_client *client);
/* After CONNACK: resumes or restarts what was in flight, and refuses what this server does not
 * take. */
void mt_outgoing_resume(struct mt_client *client, bool is_session_present);
/* PUBACK, PUBREC, PUBCOMP: true when *out is a PUBLISHED event. */
MT_MUST_USE bool mt_outgoing_acked(struct mt_client *client, const struct mt_ack *ack,
				   struct mt_client_event *out);
/* The oldest of done as an event; false when there is none. */
MT_MUST_USE bool mt_outgoing_next_done(struct mt_client *client, struct mt_client_event *out);
void mt_outgoing_drop_requests(struct mt_client *client);
/* SUBACK, UNSUBACK: true when *out is the event; an answer that fits no request ends the
 * connection. */
MT_MUST_USE bool mt_request_answered(struct mt_client *client, const struct mt_suback *answer,
				     struct mt_client_event *out);
