/* The load generator alone: `mortise bench` without the rest, so that it can be built and kept while brokers change. */
#include "cli/bench.h"

int main(int argc, char **argv)
{
	return mt_cli_bench(argc, argv);
}
