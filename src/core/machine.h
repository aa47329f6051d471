/* The state machine of a connection: phase x packet type -> action or refusal (spec/machine.tbl).
 */
#pragma once

#include "core/state.h"

#include "spec/machine.h"

enum mt_action {
#define X(name, handler, text) MT_ACTION_##name,
	MT_TABLE_ACTIONS(X)
#undef X
#define X(name, statement_3, statement_5, reason, text) MT_ACTION_##name,
		MT_TABLE_REFUSALS(X)
#undef X
			MT_ACTION_COUNT
};

/* type: 0..15. */
enum mt_action mt_machine_action(enum mt_phase phase, uint8_t type);
/* Does with a whole packet what the table says. */
void mt_machine_dispatch(struct mt_core *core, struct mt_peer *peer, const struct mt_frame *frame);
