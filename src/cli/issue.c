/* mortise cert issue, renew: from the answer of the broker to the files of a client. */
#include "cli/api.h"
#include "cli/print.h"
#include "cli/verbs.h"
#include "io/file.h"
#include "io/listen.h"
#include "shell/profile.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#define PATH_BYTES 4096

static const char *text_of(const json_t *answer, const char *key)
{
	const char *text = json_string_value(json_object_get(answer, key));
	return text ? text : "";
}

static int fail_write(const char *path, enum mt_status status)
{
	return mt_cli_fail(status == MT_DENIED || errno == EACCES ? 4 : 1, "%s: %s", path,
			   status == MT_SYSTEM ? strerror(errno) : mt_status_text(status));
}

/* A name is no path: "../x" must not leave the folder. */
static bool is_file_name(const char *name)
{
	return *name && *name != '.' && !strchr(name, '/');
}

/* ---- one profile ---- */

/* --address, or where the broker says that it is. */
static int set_address(const struct mt_options *options, const json_t *answer,
		       struct mt_profile *profile)
{
	const char *given = mt_options_value(options, "address");
	struct mt_endpoint endpoint;
	char text[300];
	const char *why = "";
	profile->port = (uint16_t)json_integer_value(json_object_get(answer, "port"));
	snprintf(profile->host, sizeof(profile->host), "%s", text_of(answer, "host"));
	if (!given && profile->port == 0)
		return mt_cli_fail(2, "the broker has no TLS listener by TCP; give --address "
				      "HOST:PORT");
	if (!given)
		return 0;
	snprintf(text, sizeof(text), "%s%s", given,
		 strrchr(given, ':') && given[strlen(given) - 1] != ']' ? "" : ":8883");
	if (mt_endpoint_parse(mt_bytes_str(text), &endpoint, &why) != MT_OK ||
	    endpoint.host[0] == '\0')
		return mt_cli_fail(2, "--address %s: %s; expected HOST or HOST:PORT", given,
				   *why ? why : "the host is missing");
	snprintf(profile->host, sizeof(profile->host), "%s", endpoint.host);
	profile->port = endpoint.port;
	return 0;
}

static int write_profile(const struct mt_options *options, const json_t *answer, const char *path)
{
	/* Borrowed: the profile is not finished here. */
	struct mt_profile profile = {.ca_pem = (char *)(uintptr_t)text_of(answer, "ca"),
				     .certificate_pem =
					     (char *)(uintptr_t)text_of(answer, "certificate"),
				     .key_pem = (char *)(uintptr_t)text_of(answer, "key")};
	enum mt_status status;
	int failed = set_address(options, answer, &profile);
	if (failed)
		return failed;
	mt_bytes_cut(profile.client_id, sizeof(profile.client_id),
		     mt_bytes_str(text_of(answer, "user")));
	mt_bytes_cut(profile.ca_pin, sizeof(profile.ca_pin),
		     mt_bytes_str(text_of(answer, "ca_pin")));
	status = mt_profile_write(path, &profile);
	if (status != MT_OK)
		return fail_write(path, status);
	if (strcmp(profile.host, "localhost") == 0 && !mt_options_value(options, "address"))
		mt_cli_warn("the profile names localhost; for a client elsewhere give --address "
			    "HOST[:PORT]");
	return 0;
}

/* ---- separate files ---- */

static int write_pem(const char *folder, const char *name, const char *ending, const char *pem,
		     unsigned mode, json_t *files)
{
	char path[PATH_BYTES];
	enum mt_status status;
	if (snprintf(path, sizeof(path), "%s/%s%s", folder, name, ending) >= (int)sizeof(path))
		return mt_cli_fail(2, "--out: the path is too long");
	status = mt_file_write(path, mt_bytes_str(pem), mode);
	if (status != MT_OK)
		return fail_write(path, status);
	json_array_append_new(files, json_string(path));
	return 0;
}

static int write_pems(const json_t *answer, const char *folder, json_t *files)
{
	const char *user = text_of(answer, "user");
	int failed;
	if (mkdir(folder, 0755) != 0 && errno != EEXIST)
		return mt_cli_fail(errno == EACCES ? 4 : 1, "%s: %s", folder, strerror(errno));
	failed = write_pem(folder, user, ".key", text_of(answer, "key"), 0600, files);
	if (!failed)
		failed = write_pem(folder, user, ".crt", text_of(answer, "certificate"), 0644,
				   files);
	if (!failed)
		failed = write_pem(folder, "ca", ".pem", text_of(answer, "ca"), 0644, files);
	return failed;
}

/* ---- the verbs ---- */

static int write_files(const struct mt_options *options, const json_t *answer, bool is_pem,
		       json_t *files)
{
	const char *out = mt_options_value(options, "out");
	char path[PATH_BYTES];
	int failed;
	if (is_pem)
		return write_pems(answer, out ? out : ".", files);
	if (snprintf(path, sizeof(path), "%s.mortise", text_of(answer, "user")) >=
	    (int)sizeof(path))
		return mt_cli_fail(2, "the name is too long for a file; give --out FILE");
	failed = write_profile(options, answer, out ? out : path);
	if (!failed)
		json_array_append_new(files, json_string(out ? out : path));
	return failed;
}

static void tell(const struct mt_options *options, const json_t *answer, json_t *files)
{
	json_t *said = json_pack("{s:O, s:O, s:O, s:O}", "user", json_object_get(answer, "user"),
				 "serial", json_object_get(answer, "serial"), "not_after",
				 json_object_get(answer, "not_after"), "files", files);
	size_t i;
	json_t *file;
	if (mt_options_has(options, "json")) {
		mt_cli_print_json(stdout, said);
	} else {
		printf("certificate of ");
		mt_cli_print_text(stdout, text_of(answer, "user"));
		printf(" until %s:\n", text_of(answer, "not_after"));
		json_array_foreach(files, i, file)
		{
			printf("  ");
			mt_cli_print_text(stdout, json_string_value(file));
			printf("\n");
		}
	}
	json_decref(said);
}

static int read_format(const struct mt_options *options, bool *is_pem)
{
	const char *format = mt_options_value(options, "format");
	*is_pem = format && strcmp(format, "pem") == 0;
	if (format && !*is_pem && strcmp(format, "profile") != 0)
		return mt_cli_fail(2, "--format %s: expected profile or pem", format);
	if (!is_file_name(options->operands[0]) && (*is_pem || !mt_options_value(options, "out")))
		return mt_cli_fail(2, "the user's name is no name of a file; give --out FILE");
	return 0;
}

int mt_cli_cert_issue(const struct mt_options *options)
{
	char fault[128];
	uint64_t days;
	bool is_pem;
	json_t *answer, *files;
	int failed = read_format(options, &is_pem);
	if (failed)
		return failed;
	if (mt_options_number(options, "days", 1, 3650, 365, &days, fault, sizeof(fault)) != MT_OK)
		return mt_cli_fail(2, "%s", fault);
	failed = mt_cli_api_request(
		options, "POST", "certificates",
		json_pack("{s:s, s:I}", "user", options->operands[0], "days", (json_int_t)days),
		&answer);
	if (failed)
		return failed;
	files = json_array();
	failed = write_files(options, answer, is_pem, files);
	if (!failed)
		tell(options, answer, files);
	else
		mt_cli_warn("certificate %s was issued, and its key is lost: revoke it",
			    text_of(answer, "serial"));
	json_decref(files);
	json_decref(answer);
	return failed;
}

int mt_cli_cert_renew(const struct mt_options *options)
{
	if (options->operand_count > 0 && strcmp(options->operands[0], "server") != 0)
		return mt_cli_cert_issue(options);
	return mt_cli_api_do(options, "POST", "certificates/server/renew", NULL,
			     "the server certificate is renewed");
}
