/* The TLS files of a first start. */
#pragma once

#include "base/status.h"

/*
 * Makes what is missing of STATE/tls/{ca,issuer,server}.{pem,key} for a server certificate, and
 * nothing that is not needed for it. A folder that is new appears whole or not at all. fault: one
 * sentence with a remedy; half a pair is MT_INVALID.
 */
MT_MUST_USE enum mt_status mt_provision_tls(const char *state_path, int64_t now_s, char *fault,
					    size_t cap);
