/* mortise cert: certificates of the broker's own authority. */
#include "cli/api.h"
#include "cli/print.h"
#include "cli/secret.h"
#include "cli/state.h"
#include "cli/verbs.h"
#include "io/clock.h"
#include "io/file.h"
#include "shell/provision_tls.h"
#include "tls/authority.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEM_BYTES_MAX (1u << 20)

/* Copies STATE/tls/NAME to DIR/NAME. The two named here are public; the keys beside them are never
 * touched. Exit code. */
static int copy_out(const char *state, const char *name, const char *folder)
{
	char from[MT_STATE_PATH_BYTES];
	char to[MT_STATE_PATH_BYTES];
	char place[64];
	uint8_t *data = NULL;
	size_t len = 0;
	enum mt_status status;
	int failed;
	snprintf(place, sizeof(place), "tls/%s", name);
	failed = mt_cli_state_path(state, place, from);
	if (!failed)
		failed = mt_cli_state_path(folder, name, to);
	if (failed)
		return failed;
	status = mt_file_read(from, PEM_BYTES_MAX, &data, &len);
	if (status != MT_OK)
		return mt_cli_fail(errno == EACCES ? 4 : 1,
				   "%s: %s; name the broker's directory with --state", from,
				   status == MT_SYSTEM ? strerror(errno) : mt_status_text(status));
	status = mt_file_write(to, mt_bytes_of(data, len), 0644);
	free(data);
	if (status != MT_OK)
		return mt_cli_fail(status == MT_DENIED || errno == EACCES ? 4 : 1, "%s: %s", to,
				   status == MT_SYSTEM ? strerror(errno) : mt_status_text(status));
	return 0;
}

int mt_cli_cert_export(const struct mt_options *options)
{
	const char *folder = mt_options_value(options, "out");
	char state[MT_STATE_PATH_BYTES];
	int failed;
	if (!folder || !*folder)
		return mt_cli_fail(
			2,
			"cert export: where to? give --out DIR; see: mortise cert export --help");
	failed = mt_cli_state_find(options, "tls/ca.pem", state);
	if (failed)
		return failed;
	if (mkdir(folder, 0755) != 0 && errno != EEXIST)
		return mt_cli_fail(errno == EACCES ? 4 : 1, "%s: %s", folder, strerror(errno));
	failed = copy_out(state, "ca.pem", folder);
	if (!failed)
		failed = copy_out(state, "server.pem", folder);
	if (failed)
		return failed;
	if (mt_options_has(options, "json")) {
		json_t *answer = json_pack("{s:s, s:[s, s]}", "folder", folder, "files", "ca.pem",
					   "server.pem");
		mt_cli_print_json(stdout, answer);
		json_decref(answer);
		return 0;
	}
	mt_cli_print_text(stdout, folder);
	printf("/ca.pem\n");
	mt_cli_print_text(stdout, folder);
	printf("/server.pem\n");
	return 0;
}

/* ---- the authority ---- */

int mt_cli_cert_init(const struct mt_options *options)
{
	char state[MT_STATE_PATH_BYTES], fault[384] = "";
	bool is_made = false;
	enum mt_status status;
	int failed = mt_cli_state_find(options, "mortise.db", state);
	if (failed)
		return failed;
	status = mt_folder_claim(state, 0700);
	if (status != MT_OK)
		return mt_cli_fail(mt_status_exit(status),
				   "%s: %s; expected a folder of yours alone", state,
				   status == MT_SYSTEM ? strerror(errno) : mt_status_text(status));
	status = mt_provision_tls(state, mt_clock_now().wall_ns / MT_SECOND, MT_RENEW_WHEN_DUE,
				  &is_made, fault, sizeof(fault));
	if (status != MT_OK)
		return mt_cli_fail(mt_status_exit(status), "%s", fault);
	if (mt_options_has(options, "json")) {
		json_t *answer = json_pack("{s:s, s:b}", "state", state, "made", is_made);
		mt_cli_print_json(stdout, answer);
		json_decref(answer);
		return 0;
	}
	printf(is_made ? "authority and server certificate are in " : "nothing is missing in ");
	mt_cli_print_text(stdout, state);
	printf("/tls\n");
	return 0;
}

/* ---- what was issued ---- */

static json_t *row_of(const json_t *certificate)
{
	char days[24];
	snprintf(days, sizeof(days), "%" JSON_INTEGER_FORMAT,
		 json_integer_value(json_object_get(certificate, "days_left")));
	return json_pack("[O, O, O, O, s]", json_object_get(certificate, "user"),
			 json_object_get(certificate, "serial"),
			 json_object_get(certificate, "state"),
			 json_object_get(certificate, "not_after"), days);
}

static json_t *own_row_of(const char *name, const json_t *own)
{
	char days[24];
	int64_t left = json_integer_value(json_object_get(own, "days_left"));
	snprintf(days, sizeof(days), "%" PRId64, left);
	return json_pack("[s, O, s, O, s]", name, json_object_get(own, "serial"),
			 left >= 0 ? "valid" : "expired", json_object_get(own, "not_after"), days);
}

int mt_cli_cert_list(const struct mt_options *options)
{
	json_t *answer, *rows, *item;
	const char *name;
	size_t i;
	int failed = mt_cli_api_request(options, "GET", "certificates", NULL, &answer);
	if (failed)
		return failed;
	if (mt_options_has(options, "json")) {
		mt_cli_print_json(stdout, answer);
	} else {
		rows = json_array();
		json_object_foreach(json_object_get(answer, "own"), name, item)
			json_array_append_new(rows, own_row_of(name, item));
		json_array_foreach(json_object_get(answer, "certificates"), i, item)
			json_array_append_new(rows, row_of(item));
		mt_cli_print_table(stdout, "NAME SERIAL STATE UNTIL DAYS", rows);
		json_decref(rows);
	}
	json_decref(answer);
	return 0;
}

int mt_cli_cert_show(const struct mt_options *options)
{
	char path[MT_CLI_URL_BYTES];
	json_t *answer, *item;
	size_t i;
	int failed = mt_cli_api_path(path, "certificates/%s", options->operands[0], NULL);
	if (!failed)
		failed = mt_cli_api_request(options, "GET", path, NULL, &answer);
	if (failed)
		return failed;
	if (mt_options_has(options, "json"))
		mt_cli_print_json(stdout, answer);
	else if (!json_object_get(answer, "certificates"))
		mt_cli_print_object(stdout, answer);
	json_array_foreach(json_object_get(answer, "certificates"), i, item)
	{
		if (mt_options_has(options, "json"))
			break;
		if (i > 0)
			printf("\n");
		mt_cli_print_object(stdout, item);
	}
	json_decref(answer);
	return 0;
}

static int64_t count_of(const json_t *answer, const char *key)
{
	return json_integer_value(json_object_get(answer, key));
}

int mt_cli_cert_revoke(const struct mt_options *options)
{
	char path[MT_CLI_URL_BYTES];
	json_t *answer;
	int failed = mt_cli_api_path(path, "certificates/%s", options->operands[0], NULL);
	if (!failed)
		failed = mt_cli_api_request(options, "DELETE", path, NULL, &answer);
	if (failed)
		return failed;
	if (mt_options_has(options, "json"))
		mt_cli_print_json(stdout, answer);
	else
		printf("%" PRId64 " revoked, %" PRId64 " connections closed, %" PRId64
		       " cached sessions removed, tickets before %s void\n",
		       count_of(answer, "certificates"), count_of(answer, "connections_closed"),
		       count_of(answer, "sessions_removed"),
		       json_string_value(json_object_get(answer, "tickets_void_before")));
	json_decref(answer);
	return 0;
}

int mt_cli_cert_tickets(const struct mt_options *options)
{
	bool is_drop = mt_options_has(options, "now");
	if (strcmp(options->operands[0], "rotate") != 0)
		return mt_cli_fail(2, "cert tickets: expected rotate; see: mortise cert tickets "
				      "--help");
	return mt_cli_api_do(options, "POST", "tickets/rotate", json_pack("{s:b}", "now", is_drop),
			     "%s",
			     is_drop ? "the former keys are gone: no TLS session is resumed"
				     : "tickets are made with a fresh key");
}

/* ---- its key, elsewhere ---- */

/* What is written belongs to whom the folder belongs to, whoever runs this. */
static int keep(const char *state, const char *name, struct mt_bytes content)
{
	char path[MT_STATE_PATH_BYTES], folder[MT_STATE_PATH_BYTES];
	struct stat facts;
	enum mt_status status;
	int failed = mt_cli_state_path(state, name, path);
	if (!failed)
		failed = mt_cli_state_path(state, "tls", folder);
	if (failed)
		return failed;
	status = mt_file_write(path, content, 0600);
	if (status != MT_OK)
		return mt_cli_fail(errno == EACCES ? 4 : 1, "%s: %s", path,
				   status == MT_SYSTEM ? strerror(errno) : mt_status_text(status));
	if (geteuid() == 0 && stat(folder, &facts) == 0 && facts.st_uid != 0 &&
	    lchown(path, facts.st_uid, facts.st_gid) != 0)
		return mt_cli_fail(1, "%s: %s", path, strerror(errno));
	return 0;
}

static int read_pem(const char *path, struct mt_pem *out)
{
	uint8_t *data = NULL;
	enum mt_status status = mt_file_read(path, PEM_BYTES_MAX, &data, &out->len);
	if (status != MT_OK)
		return mt_cli_fail(errno == EACCES ? 4 : 2, "%s: %s", path,
				   status == MT_SYSTEM ? strerror(errno) : mt_status_text(status));
	out->text = (char *)data;
	return 0;
}

/* Certificate and locked key, one behind the other. */
static int write_export(const char *file, const struct mt_pem *certificate,
			const struct mt_pem *locked)
{
	size_t len = certificate->len + locked->len;
	char *text = malloc(len + 1);
	enum mt_status status = MT_MEMORY;
	if (text) {
		memcpy(text, certificate->text, certificate->len);
		memcpy(text + certificate->len, locked->text, locked->len);
		status = mt_file_write(file, mt_bytes_of(text, len), 0600);
	}
	free(text);
	if (status != MT_OK)
		return mt_cli_fail(errno == EACCES ? 4 : 1, "%s: %s", file,
				   status == MT_SYSTEM ? strerror(errno) : mt_status_text(status));
	return 0;
}

static int lock_away(const char *file, const struct mt_pem *certificate, const struct mt_pem *key,
		     const struct mt_cli_secret *secret)
{
	struct mt_pem locked = {NULL, 0}, again = {NULL, 0};
	enum mt_status status = mt_authority_lock(key, secret->text, &locked);
	int failed;
	/* What cannot be opened again is no export. */
	if (status == MT_OK)
		status = mt_authority_unlock(&locked, secret->text, &again);
	failed = status == MT_OK
			 ? write_export(file, certificate, &locked)
			 : mt_cli_fail(1, "the key cannot be locked: %s", mt_status_text(status));
	mt_pem_finish(&locked);
	mt_pem_finish(&again);
	return failed;
}

static int export_ca(const char *state, const char *file, const struct mt_cli_secret *secret)
{
	char certificate_path[MT_STATE_PATH_BYTES], key_path[MT_STATE_PATH_BYTES];
	struct mt_pem certificate = {NULL, 0}, key = {NULL, 0};
	int failed = mt_cli_state_path(state, "tls/ca.pem", certificate_path);
	if (!failed)
		failed = mt_cli_state_path(state, "tls/ca.key", key_path);
	if (!failed)
		failed = read_pem(certificate_path, &certificate);
	if (!failed)
		failed = read_pem(key_path, &key);
	if (!failed)
		failed = lock_away(file, &certificate, &key, secret);
	if (!failed && unlink(key_path) != 0)
		failed = mt_cli_fail(1, "%s: %s", key_path, strerror(errno));
	mt_pem_finish(&certificate);
	mt_pem_finish(&key);
	return failed;
}

static int import_ca(const char *state, const char *file, const struct mt_cli_secret *secret)
{
	char certificate_path[MT_STATE_PATH_BYTES];
	struct mt_pem locked = {NULL, 0}, own = {NULL, 0}, key = {NULL, 0};
	int failed = mt_cli_state_path(state, "tls/ca.pem", certificate_path);
	if (!failed)
		failed = read_pem(certificate_path, &own);
	if (!failed)
		failed = read_pem(file, &locked);
	if (!failed && mt_authority_unlock(&locked, secret->text, &key) != MT_OK)
		failed = mt_cli_fail(5, "%s: no key that this passphrase opens", file);
	if (!failed && !mt_authority_is_pair(&own, &key))
		failed = mt_cli_fail(5, "%s: the key is not that of %s", file, certificate_path);
	if (!failed)
		failed = keep(state, "tls/ca.key", mt_bytes_of(key.text, key.len));
	mt_pem_finish(&locked);
	mt_pem_finish(&own);
	mt_pem_finish(&key);
	return failed;
}

int mt_cli_cert_ca(const struct mt_options *options)
{
	const char *what = options->operands[0], *file = options->operands[1];
	bool is_export = strcmp(what, "export") == 0;
	char state[MT_STATE_PATH_BYTES];
	struct mt_cli_secret secret;
	int failed;
	if (!is_export && strcmp(what, "import") != 0)
		return mt_cli_fail(2, "cert ca: expected export or import; see: mortise cert ca "
				      "--help");
	failed = mt_cli_state_find(options, "tls/ca.pem", state);
	if (!failed)
		failed = mt_cli_passphrase_read(options, &secret);
	if (failed)
		return failed;
	failed = is_export ? export_ca(state, file, &secret) : import_ca(state, file, &secret);
	mt_cli_secret_finish(&secret);
	if (failed)
		return failed;
	if (mt_options_has(options, "json")) {
		json_t *answer = json_pack("{s:s}", is_export ? "exported" : "imported", file);
		mt_cli_print_json(stdout, answer);
		json_decref(answer);
	} else if (is_export) {
		printf("the authority's key is in ");
		mt_cli_print_text(stdout, file);
		printf(" and no longer here: keep the file and its passphrase\n");
	} else {
		printf("the authority can issue again\n");
	}
	return 0;
}
