/* The memory ceiling of the broker: a sum of limits, what each part may take at most. */
#pragma once

#include "shell/settings.h"

/* Told to the log when the broker starts. */
void mt_ceiling_report(const struct mt_settings *settings);
