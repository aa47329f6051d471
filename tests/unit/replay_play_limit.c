/* Each test of core_limit.c again, recorded and played. */
#include "taped.h"

#include "core_limit.c"
