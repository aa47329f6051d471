/* Outcomes that are neither our bug nor the peer's fault; names, texts and remedies stand in
 * spec/errors.tbl. */
#pragma once

#include "base/check.h"
#include "spec/errors.h"

enum mt_status {
#define X(name, exit_code, text, remedy) MT_##name,
	MT_TABLE_ERRORS(X)
#undef X
};

/* What it means, what to do, and the exit code of a program that ends with it. Never NULL. */
const char *mt_status_text(enum mt_status status);
const char *mt_status_remedy(enum mt_status status);
int mt_status_exit(enum mt_status status);
