/* Each test of core_move.c again, recorded and played. */
#include "taped.h"

#include "core_move.c"
