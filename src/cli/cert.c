/* mortise cert: certificates of the broker's own authority. */
#include "cli/print.h"
#include "cli/state.h"
#include "cli/verbs.h"
#include "io/file.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

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
