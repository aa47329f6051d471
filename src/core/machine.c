/* The table of phases and packet types at work. Pure. */
#include "core/machine.h"

#define PHASE_COUNT (MT_PHASE_CLOSING + 1)

typedef void handler(struct mt_core *core, struct mt_peer *peer, const struct mt_frame *frame);

struct refusal {
	const char *statement_3, *statement_5;
	uint8_t reason;
};

/* The phases stand in the table in the order of their numbers. */
#define X(name, text) MT_TEXT_OF_PHASE_##name,
enum { MT_TABLE_PHASES(X) PHASE_TEXT_COUNT };
#undef X
#define X(name, text) _Static_assert((int)MT_TEXT_OF_PHASE_##name == (int)MT_PHASE_##name, text);
MT_TABLE_PHASES(X)
#undef X
_Static_assert((int)PHASE_TEXT_COUNT == (int)PHASE_COUNT, "each phase has a row");

static const uint8_t cells[PHASE_COUNT][16] = {
#define X(code, packet, connect, authenticate, challenge, open, closing) \
	[MT_PHASE_CONNECT][code] = MT_ACTION_##connect, \
	[MT_PHASE_AUTHENTICATE][code] = MT_ACTION_##authenticate, \
	[MT_PHASE_CHALLENGE][code] = MT_ACTION_##challenge, \
	[MT_PHASE_OPEN][code] = MT_ACTION_##open, [MT_PHASE_CLOSING][code] = MT_ACTION_##closing,
	MT_TABLE_MACHINE(X)
#undef X
};

/* Nothing is read in such a phase, so this is where no packet ever comes. */
static void nothing(struct mt_core *core, struct mt_peer *peer, const struct mt_frame *frame)
{
	(void)core;
	(void)peer;
	(void)frame;
}

static handler *const handlers[MT_ACTION_COUNT] = {
#define X(name, handler, text) [MT_ACTION_##name] = handler,
	MT_TABLE_ACTIONS(X)
#undef X
};

static const struct refusal refusals[MT_ACTION_COUNT] = {
#define X(name, statement_3, statement_5, reason, text) \
	[MT_ACTION_##name] = {statement_3, statement_5, MT_REASON_##reason},
	MT_TABLE_REFUSALS(X)
#undef X
};

static void refuse(struct mt_core *core, struct mt_peer *peer, const struct refusal *refusal)
{
	bool is_new = peer->version == MT_VERSION_5;
	struct mt_violation why = {is_new ? refusal->statement_5 : refusal->statement_3,
				   refusal->reason, 0};
	mt_peer_violated(core, peer, &why);
}

enum mt_action mt_machine_action(enum mt_phase phase, uint8_t type)
{
	return (enum mt_action)cells[phase][type & 15];
}

void mt_machine_dispatch(struct mt_core *core, struct mt_peer *peer, const struct mt_frame *frame)
{
	enum mt_action action = mt_machine_action(peer->phase, frame->type);
	handler *handle = handlers[action];
	if (MT_LIKELY(handle))
		handle(core, peer, frame);
	else
		refuse(core, peer, &refusals[action]);
}
