/* The TLS files of a first start. */
#pragma once

#include "base/status.h"

/* What is made anew of what is there: nothing is ever, that our own authority did not issue. */
enum mt_renewal {
	MT_RENEW_WHEN_DUE, /* the server certificate ends within 30 days, or lacks a name or address
			      of this host */
	MT_RENEW_NOW,
};

/*
 * Makes what is missing of STATE/tls/{ca,issuer,server}.{pem,key} for a server certificate, and
 * nothing that is not needed for it, and renews the server certificate, with its issuer where that
 * ends before it or may not sign for its names. A folder that is new appears whole or not at all.
 * *is_renewed: the certificate is another one now. fault: one sentence with a remedy; half a pair
 * is MT_INVALID. A renewal when due that cannot be made leaves what is there, with MT_OK, and
 * *fault says why ("" otherwise).
 */
MT_MUST_USE enum mt_status mt_provision_tls(const char *state_path, int64_t now_s,
					    enum mt_renewal renewal, bool *is_renewed, char *fault,
					    size_t cap);
