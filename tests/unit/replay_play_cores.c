/* Each test of core_link.c again, recorded and played: joined cores, each by its own log. */
#include "taped.h"

#include "core_link.c"
