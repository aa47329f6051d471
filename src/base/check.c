/* How an assertion fails: one line, a backtrace, abort. */
#include "base/check.h"

#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>

_Noreturn void mt_check_fail(const char *file, int line, const char *what)
{
	void *frames[32];
	fprintf(stderr, "mortise: bug at %s:%d: %s does not hold\n", file, line, what);
	backtrace_symbols_fd(frames, backtrace(frames, 32), 2);
	abort();
}
