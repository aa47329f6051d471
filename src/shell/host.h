/* The names and addresses of this machine, as they stand in its server certificate. */
#pragma once

#include "tls/authority.h"

#include <netinet/in.h>

#define MT_HOST_ADDRESSES_MAX 48u
#define MT_HOST_NAME_BYTES 256u

/* Holds pointers into itself: not to be copied. */
struct mt_host {
	char name[MT_HOST_NAME_BYTES]; /* first label of the host name; "localhost" when the system
					  has none */
	char full_name[MT_HOST_NAME_BYTES]; /* "": the host name has no dot */
	char addresses[MT_HOST_ADDRESSES_MAX][INET6_ADDRSTRLEN];
	const char *dns_list[3];
	const char *address_list[MT_HOST_ADDRESSES_MAX];
	struct mt_server_names names; /* localhost, name, full_name; 127.0.0.1, ::1, then those of
					 the interfaces */
};

/* What the system does not tell, or tells in no valid form, is left out. Each name and address
 * once. */
void mt_host_ask(struct mt_host *out);
