/*
 * Secrets in a stream of packets, overwritten as it passes: the password of CONNECT, the
 * authentication data of CONNECT, CONNACK and AUTH. Lengths and all other bytes stay, so that a
 * core takes what is left as it took the original.
 *
 *   ... | client id | user | 00 06 s e c r e t |   ->   ... | client id | user | 00 06 * * * * * *
 * |
 *
 * One for each direction of a connection; bytes may come in any pieces. What is not understood is
 * overwritten to the end of its packet, and so is whatever comes before the first CONNECT: the core
 * reads no further either. Pure; one thread.
 */
#pragma once

#include "base/bytes.h"

#define MT_SECRET_TOKEN ((uint8_t)'*')

struct mt_secret {
	uint32_t packet_left; /* bytes of the packet behind what was read */
	uint32_t props_left;  /* of the properties */
	uint32_t skip_left;   /* of a field whose content does not matter */
	uint32_t number;      /* a length, as far as it was read */
	uint8_t number_bytes; /* of it */
	uint8_t step;	      /* what the next byte belongs to */
	uint8_t step_behind;  /* the properties */
	uint8_t type;	      /* of the packet */
	uint8_t version;      /* of the CONNECT */
	uint8_t flags;	      /* its */
	bool is_server;	      /* a broker's words: no CONNECT comes first */
	bool has_connected;   /* a CONNECT was there */
	bool is_in_props;
	bool is_hidden;	    /* the field is a secret */
	uint8_t texts_left; /* of the property */
};

void mt_secret_init(struct mt_secret *secret, bool is_server);
/* Overwrites in place. */
void mt_secret_hide(struct mt_secret *secret, uint8_t *data, size_t len);
