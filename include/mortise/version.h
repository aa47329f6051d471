/* The version of everything that is built from this tree. */
#pragma once

#define MORTISE_VERSION "0.1.0"
