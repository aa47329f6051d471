/* Each test of core_core.c again, recorded and played: a run and its replay are the same. */
#include "taped.h"

#include "core_core.c"
