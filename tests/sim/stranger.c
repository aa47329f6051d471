/* Connections without a client behind them: bytes as somebody likes, and a look at what comes. */
#include "sim.h"

#include "wire/frame.h"
#include "wire/publish.h"

bool stranger_open(struct sim *sim, struct stranger *stranger, uint32_t core)
{
	struct mt_conn_facts facts = {
		.listener = "sim", .anonymous_role = "", .is_secret_safe = true};
	facts.address.byte[15] = 99;
	memset(stranger, 0, sizeof(*stranger));
	stranger->core = core;
	if (mt_core_open(sim->cores[core], sim->now, &facts, &stranger->conn) != MT_OK)
		return false;
	broker_serve(sim);
	return stranger->conn != MT_HANDLE_NONE;
}

void stranger_close(struct sim *sim, struct stranger *stranger)
{
	mt_conn conn = stranger->conn;
	stranger->conn = MT_HANDLE_NONE;
	stranger->ticket = 0;
	if (conn != MT_HANDLE_NONE)
		mt_core_closed(sim->cores[stranger->core], sim->now, conn);
	broker_serve(sim);
}

void stranger_say(struct sim *sim, struct stranger *stranger, struct mt_bytes bytes)
{
	if (stranger->conn == MT_HANDLE_NONE || stranger->is_paused)
		return;
	mt_core_input(sim->cores[stranger->core], sim->now, stranger->conn, bytes);
	broker_serve(sim);
}

/* What the broker says must be whole packets, to whomever. */
static void read_packets(struct sim *sim, struct stranger *stranger)
{
	size_t pos = 0;
	for (;;) {
		struct mt_frame frame;
		struct mt_violation why;
		enum mt_status status = mt_frame_next(
			mt_bytes_of(stranger->unread + pos, stranger->unread_bytes - pos),
			MT_VARINT_MAX, &frame, &why);
		if (status == MT_AGAIN)
			break;
		if (status != MT_OK)
			sim_fail(sim, "the broker breaks %s towards a stranger", why.statement);
		pos += frame.bytes;
		if (stranger->heard)
			stranger->heard(sim, stranger, &frame);
	}
	stranger->unread_bytes -= pos;
	memmove(stranger->unread, stranger->unread + pos, stranger->unread_bytes);
}

void stranger_read(struct sim *sim, struct stranger *stranger)
{
	struct mt_core *core = sim->cores[stranger->core];
	struct mt_bytes piece;
	while (stranger->conn != MT_HANDLE_NONE &&
	       mt_core_output(core, stranger->conn, &piece, 1) > 0) {
		size_t room = sizeof(stranger->unread) - stranger->unread_bytes;
		size_t bytes = piece.len < room ? piece.len : room;
		memcpy(stranger->unread + stranger->unread_bytes, piece.data, bytes);
		stranger->unread_bytes += bytes;
		mt_core_sent(core, sim->now, stranger->conn, bytes);
		read_packets(sim, stranger);
	}
}

static void move(struct sim *sim, struct stranger *stranger, struct mt_request *request)
{
	stranger->core = request->to;
	stranger->conn = MT_HANDLE_NONE;
	stranger->is_paused = false;
	if (mt_core_adopt(sim->cores[request->to], sim->now, request->adoption, &stranger->conn) !=
	    MT_OK)
		stranger->conn = MT_HANDLE_NONE;
	mt_adoption_free(&request->adoption);
}

void stranger_serve(struct sim *sim, struct stranger *stranger, struct mt_request *request)
{
	switch (request->type) {
	case MT_REQUEST_CLOSE:
		stranger_read(sim, stranger);
		stranger_close(sim, stranger);
		break;
	case MT_REQUEST_PAUSE:
		stranger->is_paused = true;
		break;
	case MT_REQUEST_RESUME:
		stranger->is_paused = false;
		mt_core_input(sim->cores[stranger->core], sim->now, stranger->conn,
			      mt_bytes_of(NULL, 0));
		break;
	case MT_REQUEST_AUTHENTICATE:
		stranger->ticket = request->ticket;
		break;
	case MT_REQUEST_MOVE:
		move(sim, stranger, request);
		break;
	default:
		break;
	}
}

void stranger_let_in(struct sim *sim, struct stranger *stranger, uint64_t user_id)
{
	struct mt_auth_verdict verdict = {.is_accepted = true, .user_id = user_id};
	uint64_t ticket = stranger->ticket;
	stranger->ticket = 0;
	if (ticket != 0)
		mt_core_authenticated(sim->cores[stranger->core], sim->now, ticket, &verdict);
	broker_serve(sim);
}
