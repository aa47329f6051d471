/* The load generator alone, called as `load bench ...`: it builds and stays while the brokers
 * change. */
#include "cli/verbs.h"

int main(int argc, char **argv)
{
	static struct mt_options options;
	char fault[200] = "";

	if (mt_options_parse(&options, argc, (const char *const *)argv, fault, sizeof(fault)) !=
	    MT_OK) {
		(void)fprintf(stderr, "load: %s\n", fault);
		return 2;
	}
	if (!options.verb || options.verb->id != MT_VERB_bench ||
	    mt_options_has(&options, "help")) {
		(void)fputs("usage: load bench [pairs|fanout|fanin|sparse] [option]...\n", stderr);
		return 2;
	}
	return mt_cli_bench(&options);
}
