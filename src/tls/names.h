/* Names and addresses in certificates: as SAN, and as constraints of an issuer. */
#pragma once

#include "tls/authority.h"

#include <openssl/x509v3.h>

/* Between 1 and 64 of them, each a DNS name ("*." may lead) or an address: else MT_INVALID. */
MT_MUST_USE enum mt_status mt_names_check(const struct mt_server_names *names);
/* The names as a SAN; free with GENERAL_NAMES_free. NULL without memory. */
MT_MUST_USE GENERAL_NAMES *mt_names_make_san(const struct mt_server_names *names);
/* What an issuer for these names may sign; free with NAME_CONSTRAINTS_free. NULL without memory. */
MT_MUST_USE NAME_CONSTRAINTS *mt_names_make_constraints(const struct mt_server_names *names);
