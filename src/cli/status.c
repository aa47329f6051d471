/* mortise status: what the running broker does. */
#include "cli/api.h"
#include "cli/print.h"
#include "cli/verbs.h"

int mt_cli_status(const struct mt_options *options)
{
	json_t *answer;
	int failed = mt_cli_api_request(options, "GET", "status", NULL, &answer);
	if (failed)
		return failed;
	if (mt_options_has(options, "json"))
		mt_cli_print_json(stdout, answer);
	else
		mt_cli_print_object(stdout, answer);
	json_decref(answer);
	return 0;
}
