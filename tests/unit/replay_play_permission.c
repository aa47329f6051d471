/* Each test of core_permission.c again, recorded and played. */
#include "taped.h"

#include "core_permission.c"
