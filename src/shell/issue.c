/* A key and a certificate for a user, signed by the authority. */
#include "shell/issue.h"

#include "io/file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define PEM_BYTES_MAX 65536u
#define CN_BYTES 65 /* X.520: 64 characters */

static bool is_unreserved(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("-._~", c));
}

bool mt_issue_name(const char *user, char out[MT_ISSUE_NAME_BYTES])
{
	static const char digits[] = "0123456789ABCDEF";
	size_t len = 0;
	for (const unsigned char *at = (const unsigned char *)user; *at; at++) {
		if (len + 4 > MT_ISSUE_NAME_BYTES)
			return false;
		if (is_unreserved(*at)) {
			out[len++] = (char)*at;
			continue;
		}
		out[len++] = '%';
		out[len++] = digits[*at >> 4];
		out[len++] = digits[*at & 15];
	}
	out[len] = '\0';
	return true;
}

/* A dot would make a DNS name of it, which constraints of an authority speak about; the others are
 * no part of a topic level. */
static void common_name(const char *name, char out[CN_BYTES])
{
	mt_bytes_cut(out, CN_BYTES, mt_bytes_str(name));
	for (char *at = out; *at; at++)
		if (strchr("./+#%$", *at))
			*at = '_';
}

enum mt_status mt_issue_read(const char *state_path, const char *name, struct mt_pem *out)
{
	char path[PATH_MAX];
	uint8_t *data;
	if (snprintf(path, sizeof(path), "%s/tls/%s", state_path, name) >= (int)sizeof(path))
		return MT_LIMIT;
	MT_TRY(mt_file_read(path, PEM_BYTES_MAX, &data, &out->len));
	out->text = (char *)data;
	return MT_OK;
}

void mt_issued_finish(struct mt_issued *issued)
{
	mt_pem_finish(&issued->certificate);
	mt_pem_finish(&issued->key);
	mt_pem_finish(&issued->ca);
}

static enum mt_status sign(const struct mt_pem *ca_key, const char *user, int64_t now_s, int days,
			   struct mt_issued *out)
{
	char uri[MT_ISSUE_NAME_BYTES + 16], cn[CN_BYTES];
	struct mt_certificate ca;
	if (!mt_issue_name(user, out->name))
		return MT_INVALID;
	snprintf(uri, sizeof(uri), "mortise:%s", out->name);
	common_name(out->name, cn);
	MT_TRY(mt_certificate_read(&out->ca, &ca));
	memcpy(out->issuer, ca.key_fingerprint, sizeof(out->issuer));
	MT_TRY(mt_authority_pin(&out->ca, out->ca_pin));
	MT_TRY(mt_authority_client(&out->ca, ca_key, cn, uri, now_s, days, &out->certificate,
				   &out->key));
	return mt_certificate_read(&out->certificate, &out->facts);
}

enum mt_status mt_issue_client(const char *state_path, const char *user, int64_t now_s, int days,
			       struct mt_issued *out, char *fault, size_t cap)
{
	struct mt_pem ca_key = {NULL, 0};
	const char *missing = "ca.pem";
	enum mt_status status;
	memset(out, 0, sizeof(*out));
	status = mt_issue_read(state_path, "ca.pem", &out->ca);
	if (status == MT_OK) {
		missing = "ca.key";
		status = mt_issue_read(state_path, "ca.key", &ca_key);
	}
	if (status == MT_NOT_FOUND)
		snprintf(fault, cap, "tls/%s is not there; %s", missing,
			 ca_key.text || strcmp(missing, "ca.key") == 0
				 ? "bring the key back: mortise cert ca import FILE"
				 : "make the authority: mortise cert init");
	else if (status != MT_OK)
		snprintf(fault, cap, "tls/%s: %s", missing,
			 status == MT_SYSTEM ? strerror(errno) : mt_status_text(status));
	if (status == MT_OK) {
		status = sign(&ca_key, user, now_s, days, out);
		if (status != MT_OK)
			snprintf(fault, cap, "the certificate cannot be made: %s",
				 mt_status_text(status));
	}
	mt_pem_finish(&ca_key);
	if (status != MT_OK)
		mt_issued_finish(out);
	return status;
}
