/*
 * The verbs: one function for each row of spec/commands.tbl, `int mt_cli_<id>(const struct
 * mt_options *)`, which returns the exit code.
 */
#pragma once

#include "cli/options.h"

#define X(id, ...) int mt_cli_##id(const struct mt_options *options);
MT_TABLE_VERBS(X)
#undef X

/* "mortise: WHAT" on standard error; returns exit_code. */
int mt_cli_fail(int exit_code, const char *format, ...) MT_FORMAT(2, 3);
