/* The admin API's place, and what a person hears when it cannot be reached. */
#include "cli/remote.h"

#include "base/bytes.h"
#include "cli/verbs.h"
#include "io/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>

#define TOKEN_FILE_BYTES_MAX 1024u
#define HEADER "Authorization: Bearer "

static const char *value_or(const struct mt_options *options, const char *name,
			    const char *variable)
{
	const char *value = mt_options_value(options, name);
	if (!value)
		value = getenv(variable);
	return value && *value ? value : NULL;
}

/* ---- over the network ---- */

/* Scheme, host and port alone: what else a URL can hold would be ignored, or sent elsewhere. */
static int take_url(const char *url, struct mt_cli_target *out)
{
	static const char scheme[] = "https://";
	size_t len = strlen(url);
	if (len > 0 && url[len - 1] == '/')
		len--;
	if (len <= sizeof(scheme) - 1 || len >= sizeof(out->place) ||
	    memcmp(url, scheme, sizeof(scheme) - 1) != 0 ||
	    strcspn(url + sizeof(scheme) - 1, "/@?# \\") != len - (sizeof(scheme) - 1))
		return mt_cli_fail(2, "--url %.200s: expected https://HOST:PORT", url);
	memcpy(out->place, url, len);
	out->place[len] = '\0';
	out->is_remote = true;
	return 0;
}

static int fail_token(const char *path, enum mt_status status)
{
	switch ((int)status) {
	case MT_NOT_FOUND:
		return mt_cli_fail(2,
				   "token file %s: there is no such file; make one with: mortise "
				   "api-token new NAME --out FILE",
				   path);
	case MT_DENIED:
		return mt_cli_fail(4,
				   "token file %s: others may read it, or it is not yours; "
				   "chmod 600 it, and revoke the token if they did",
				   path);
	case MT_SYSTEM:
		return mt_cli_fail(2, "token file %s: %s", path, strerror(errno));
	default:
		return mt_cli_fail(2,
				   "token file %s: expected one line with a token, as mortise "
				   "api-token new --out writes it",
				   path);
	}
}

static bool is_token(struct mt_bytes text)
{
	if (!mt_bytes_starts(text, mt_bytes_str("mta1.")) ||
	    text.len >= MT_CLI_HEADER_BYTES - sizeof(HEADER))
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] <= ' ' || text.data[i] >= 127)
			return false;
	return true;
}

static int take_token(const char *path, struct mt_cli_target *out)
{
	uint8_t *data = NULL;
	size_t len = 0;
	size_t end;
	enum mt_status status = mt_file_read_secret(path, TOKEN_FILE_BYTES_MAX, &data, &len);
	if (status != MT_OK)
		return fail_token(path, status);
	end = len > 0 && data[len - 1] == '\n' ? len - 1 : len;
	if (is_token(mt_bytes_of(data, end)))
		snprintf(out->authorization, sizeof(out->authorization), HEADER "%.*s", (int)end,
			 (const char *)data);
	else
		status = MT_INVALID;
	mt_bytes_wipe(data, len);
	free(data);
	return status == MT_OK ? 0 : fail_token(path, status);
}

/* As all verbs understand a pin: a key in the server's chain. */
static int take_pin(const struct mt_options *options, struct mt_cli_target *out)
{
	struct mt_tls_client_settings settings = {.ca_path = out->ca_path,
						  .pin = mt_options_value(options, "pin")};
	char fault[384] = "";
	if (!settings.pin ||
	    mt_tls_context_create_client(&settings, &out->pin, fault, sizeof(fault)) == MT_OK)
		return 0;
	return mt_cli_fail(2, "%s", fault);
}

static int find_remote(const struct mt_options *options, const char *url, struct mt_cli_target *out)
{
	const char *token = value_or(options, "token-file", "MORTISE_TOKEN_FILE");
	int failed = take_url(url, out);
	if (failed)
		return failed;
	if (!token)
		return mt_cli_fail(2, "--url needs a token: name its file with --token-file; an "
				      "administrator makes one with: mortise api-token new");
	out->ca_path = value_or(options, "cafile", "MORTISE_CAFILE");
	failed = take_pin(options, out);
	return failed ? failed : take_token(token, out);
}

/* ---- on this machine ---- */

static int fail_to_reach(const char *socket_path, int error)
{
	const char *slash = strrchr(socket_path, '/');
	int len = slash ? (int)(slash - socket_path) : 0;
	if (error == EACCES || error == EPERM)
		return mt_cli_fail(
			4, "%s: not permitted; be root, the broker's user or in the group mortise",
			socket_path);
	return mt_cli_fail(3,
			   "nobody answers at %s: %s; start the broker with: mortise broker "
			   "--state %.*s (or name its "
			   "directory with --state)",
			   socket_path, strerror(error), len, socket_path);
}

static int find_socket(const struct mt_options *options, char out[MT_STATE_PATH_BYTES])
{
	char state[MT_STATE_PATH_BYTES];
	struct stat facts;
	int failed = mt_cli_state_find(options, "admin.sock", state);
	if (!failed)
		failed = mt_cli_state_path(state, "admin.sock", out);
	if (failed)
		return failed;
	if (strlen(out) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return mt_cli_fail(2, "%s: longer than 107 bytes; name a shorter path with --state",
				   out);
	return lstat(out, &facts) == 0 ? 0 : fail_to_reach(out, errno);
}

/* ---- either ---- */

int mt_cli_target_find(const struct mt_options *options, struct mt_cli_target *out)
{
	const char *url = mt_options_value(options, "url");
	memset(out, 0, sizeof(*out));
	if (url && mt_options_has(options, "state"))
		return mt_cli_fail(2, "--url and --state name two brokers; give one of them");
	if (!url && !mt_options_has(options, "state"))
		url = value_or(options, "url", "MORTISE_URL");
	if (url)
		return find_remote(options, url, out);
	/* Whoever names a token means the network. */
	for (size_t i = 0; i < 3; i++) {
		static const char *const names[] = {"token-file", "cafile", "pin"};
		if (mt_options_has(options, names[i]))
			return mt_cli_fail(2, "--%s goes with --url https://HOST:PORT", names[i]);
	}
	return find_socket(options, out->place);
}

void mt_cli_target_finish(struct mt_cli_target *target)
{
	mt_bytes_wipe(target->authorization, sizeof(target->authorization));
	mt_tls_context_destroy(&target->pin);
}

static CURLcode lend_pin(CURL *curl, void *ssl_ctx, void *pin)
{
	(void)curl;
	mt_tls_context_lend_pin(pin, ssl_ctx);
	return CURLE_OK;
}

static bool prepare_trust(const struct mt_cli_target *target, CURL *curl)
{
	if (target->pin &&
	    (curl_easy_setopt(curl, CURLOPT_SSL_CTX_FUNCTION, lend_pin) != CURLE_OK ||
	     curl_easy_setopt(curl, CURLOPT_SSL_CTX_DATA, target->pin) != CURLE_OK))
		return false;
	if (target->ca_path &&
	    (curl_easy_setopt(curl, CURLOPT_CAINFO, target->ca_path) != CURLE_OK ||
	     curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) != CURLE_OK))
		return false;
	return curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) ==
	       CURLE_OK;
}

bool mt_cli_target_prepare(const struct mt_cli_target *target, CURL *curl)
{
	if (!target->is_remote)
		return curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, target->place) == CURLE_OK;
	return curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) ==
		       CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 20L) == CURLE_OK &&
	       prepare_trust(target, curl);
}

static int fail_local(const struct mt_cli_target *target, CURL *curl, CURLcode code)
{
	long error = 0;
	curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &error);
	switch ((int)code) {
	case CURLE_COULDNT_CONNECT:
		return fail_to_reach(target->place, error ? (int)error : ECONNREFUSED);
	case CURLE_OPERATION_TIMEDOUT:
		return mt_cli_fail(3, "%s: no answer in time; look at the broker's log",
				   target->place);
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
		return mt_cli_fail(3,
				   "%s: the broker hung up; it is stopping, or hears only root, "
				   "its own user and the "
				   "group mortise",
				   target->place);
	default:
		return mt_cli_fail(1, "%s: %s", target->place, curl_easy_strerror(code));
	}
}

static int fail_remote(const struct mt_cli_target *target, CURLcode code)
{
	switch ((int)code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_OPERATION_TIMEDOUT:
		return mt_cli_fail(3,
				   "nobody answers at %s: %s; check address and port, and that the "
				   "broker runs with admin.https.address",
				   target->place, curl_easy_strerror(code));
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
		return mt_cli_fail(3, "%s: the broker hung up; it is stopping, or too many ask it",
				   target->place);
	case CURLE_PEER_FAILED_VERIFICATION:
		return mt_cli_fail(5,
				   "%s: its certificate does not verify; name the CA with --cafile "
				   "(STATE/tls/ca.pem of the broker)%s, and ask for a name that "
				   "stands in the certificate",
				   target->place,
				   target->pin ? ", look whether the key of --pin is still its"
					       : "");
	case CURLE_SSL_CONNECT_ERROR:
		return mt_cli_fail(5, "%s: TLS failed; is it the port of admin.https.address?",
				   target->place);
	case CURLE_SSL_CACERT_BADFILE:
		return mt_cli_fail(2, "--cafile %s: it cannot be read, or holds no certificate",
				   target->ca_path ? target->ca_path : "");
	default:
		return mt_cli_fail(1, "%s: %s", target->place, curl_easy_strerror(code));
	}
}

int mt_cli_target_fail(const struct mt_cli_target *target, CURL *curl, CURLcode code)
{
	return target->is_remote ? fail_remote(target, code) : fail_local(target, curl, code);
}
