/*
 * Templates: which text of a client certificate is its name in the book of proofs.
 *
 *   "%{user}"          the user of a certificate of our own: URI SAN mortise:<user>
 *   "%{cn}@plant-3"    %{cn} %{dns} %{email} %{uri} %{serial}, any text between; %% is one %
 */
#pragma once

#include "base/bytes.h"
#include "base/status.h"

/* Of one certificate. Empty: it has none, or several of which each could be meant. */
struct mt_certificate_names {
	struct mt_bytes user, cn, dns, email, uri, serial;
};

/* Why the text is no template, static; NULL: it is one. */
const char *mt_template_fault(struct mt_bytes text);
/* The name into out[0..cap), not 0-terminated; *len. MT_NOT_FOUND: the certificate lacks what the
 * template names. MT_LIMIT: it does not fit. MT_INVALID: no template. */
MT_MUST_USE enum mt_status mt_template_apply(struct mt_bytes text,
					     const struct mt_certificate_names *names, uint8_t *out,
					     size_t cap, size_t *len);
