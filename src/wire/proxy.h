/*
 * The header of the PROXY protocol, versions 1 and 2: whom a proxy in front of us speaks for.
 *
 *   1: PROXY TCP4 198.51.100.7 203.0.113.1 51234 8883 CR LF
 *   2: | signature 12 | version 4 command 4 | family 4 transport 4 | length 2 | addresses | TLVs |
 *
 * TLVs are skipped.
 */
#pragma once

#include "base/bytes.h"
#include "base/status.h"

#define MT_PROXY_TEXT_BYTES_MAX 107u	 /* version 1, with CR LF */
#define MT_PROXY_BYTES_MAX (16u + 2048u) /* version 2, with TLVs */

struct mt_proxy {
	bool has_source;     /* false: the proxy speaks for itself, or does not say for whom */
	uint8_t address[16]; /* IPv6, or IPv4 mapped to ::ffff:0:0/96; never :: */
	uint16_t port;
	size_t bytes; /* of the header */
};

/* A header at the start of `in`. MT_AGAIN: it is not whole. MT_VIOLATION: *why (static text), as
 * soon as the first bytes show it. Reads at most MT_PROXY_BYTES_MAX. */
MT_MUST_USE enum mt_status mt_proxy_read(struct mt_bytes in, struct mt_proxy *out,
					 const char **why);
