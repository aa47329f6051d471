/*
 * Sets of packets as the tables of spec/ write them: one bit a packet type, two for the types whose
 * rules depend on the sender. The bare names are for the tables alone, so only the two files that
 * read those tables include this one.
 */
#pragma once

#include "wire/props.h"

enum {
	CONNECT = 1 << MT_PACKET_CONNECT,
	CONNACK = 1 << MT_PACKET_CONNACK,
	CLIENT_PUBLISH = 1 << MT_PACKET_PUBLISH,
	RECEIPTS = 1 << MT_PACKET_PUBACK | 1 << MT_PACKET_PUBREC,
	RELEASES = 1 << MT_PACKET_PUBREL | 1 << MT_PACKET_PUBCOMP,
	ACKS = RECEIPTS | RELEASES,
	SUBSCRIBE = 1 << MT_PACKET_SUBSCRIBE,
	SUBACK = 1 << MT_PACKET_SUBACK,
	UNSUBSCRIBE = 1 << MT_PACKET_UNSUBSCRIBE,
	UNSUBACK = 1 << MT_PACKET_UNSUBACK,
	CLIENT_DISCONNECT = 1 << MT_PACKET_DISCONNECT,
	CLIENT_AUTH = 1 << MT_PACKET_AUTH,
	WILL = 1 << MT_PACKET_WILL,
	SERVER_PUBLISH = 1 << 17,
	SERVER_DISCONNECT = 1 << 18,
	SERVER_AUTH = 1 << 19,
	PUBLISH = CLIENT_PUBLISH | SERVER_PUBLISH,
	DISCONNECT = CLIENT_DISCONNECT | SERVER_DISCONNECT,
	AUTH = CLIENT_AUTH | SERVER_AUTH,
	ANY = CONNECT | CONNACK | PUBLISH | ACKS | SUBSCRIBE | SUBACK | UNSUBSCRIBE | UNSUBACK |
	      DISCONNECT | AUTH | WILL,
};

/* The bit of a packet type (1..16) as sent by `side`. */
static inline uint32_t mt_mask_of(uint8_t type, enum mt_side side)
{
	if (side == MT_SIDE_SERVER && type == MT_PACKET_PUBLISH)
		return SERVER_PUBLISH;
	if (side == MT_SIDE_SERVER && type == MT_PACKET_DISCONNECT)
		return SERVER_DISCONNECT;
	if (side == MT_SIDE_SERVER && type == MT_PACKET_AUTH)
		return SERVER_AUTH;
	return UINT32_C(1) << type;
}
