/*
 * The configuration of mortised: defaults, then the file, then `--set`, then the checks of the
 * whole.
 *
 * Keys stand in spec/config.tbl and spec/limits.tbl (docs/reference/configuration.md). All faults
 * are reported at once.
 */
#pragma once

#include "base/status.h"
#include "broker/report.h"
#include "shell/settings.h"

/*
 * `path` may be NULL: no file. `sets` are the arguments of --set in their order. state_path of the
 * result is empty. MT_INVALID, MT_MEMORY: *out is unchanged and the report says why.
 */
MT_MUST_USE enum mt_status mt_config_load(const char *path, const char *const *sets,
					  size_t set_count, struct mt_settings *out,
					  struct mt_report *report);
/* The same from the text of a file, `name` in its faults. */
MT_MUST_USE enum mt_status mt_config_parse(struct mt_bytes text, const char *name,
					   const char *const *sets, size_t set_count,
					   struct mt_settings *out, struct mt_report *report);
