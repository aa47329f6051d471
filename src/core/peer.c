/* One connection: its bytes in, its bytes out, its timer, its end. */
#include "core/machine.h"

#include "wire/control.h"

struct mt_peer *mt_peer_get(const struct mt_core *core, mt_conn conn)
{
	return mt_pool_get(&core->peers, conn);
}

void mt_peer_wake(struct mt_core *core, struct mt_peer *peer)
{
	if (peer->is_dirty)
		return;
	peer->is_dirty = true;
	mt_request_push(core, &(struct mt_request){.type = MT_REQUEST_SEND, .conn = peer->self});
}

void mt_peer_send(struct mt_core *core, struct mt_peer *peer, struct mt_bytes bytes)
{
	uint8_t *at;
	/* [MQTT-3.1.2-24] and [MQTT-3.1.2-25]: what the client cannot take is as good as sent. */
	if (peer->phase == MT_PHASE_CLOSING || peer->is_abandoned ||
	    MT_UNLIKELY(bytes.len > peer->packet_bytes_max))
		return;
	at = mt_output_room(&core->chunks, &peer->out, bytes.len);
	if (!at) {
		mt_peer_abandon(core, peer);
		return;
	}
	memcpy(at, bytes.data, bytes.len);
	core->counts.packets_sent++;
	mt_peer_wake(core, peer);
	if (peer->out.bytes >= peer->facts.limits->output_bytes)
		mt_peer_pause(core, peer, MT_PAUSE_OUTPUT);
}

void mt_peer_abandon(struct mt_core *core, struct mt_peer *peer)
{
	if (peer->is_abandoned || peer->phase == MT_PHASE_CLOSING)
		return;
	peer->is_abandoned = true;
	mt_request_push(core, &(struct mt_request){.type = MT_REQUEST_CLOSE, .conn = peer->self});
}

static void set_pauses(struct mt_core *core, struct mt_peer *peer, uint8_t pauses)
{
	bool was_paused = peer->pauses != 0, is_paused = pauses != 0;
	struct mt_request request = {.type = is_paused ? MT_REQUEST_PAUSE : MT_REQUEST_RESUME,
				     .conn = peer->self};
	peer->pauses = pauses;
	if (MT_UNLIKELY(peer->sibling != 0)) {
		mt_link_paced(core, peer);
		return;
	}
	if (was_paused != is_paused)
		mt_request_push(core, &request);
}

void mt_peer_pause(struct mt_core *core, struct mt_peer *peer, enum mt_pause why)
{
	set_pauses(core, peer, (uint8_t)(peer->pauses | why));
}

void mt_peer_go_on(struct mt_core *core, struct mt_peer *peer, enum mt_pause why)
{
	set_pauses(core, peer, (uint8_t)(peer->pauses & ~(unsigned)why));
}

/* Until there is a session the bytes may hold a password. */
static void drop_input(struct mt_core *core, struct mt_peer *peer)
{
	if (peer->in && !peer->session)
		mt_bytes_wipe(peer->in, peer->in_cap);
	mt_mem_give(&core->mem, peer->in, peer->in_cap);
	peer->in = NULL;
	peer->in_len = peer->in_cap = 0;
}

void mt_peer_hello_done(struct mt_core *core, struct mt_peer *peer)
{
	if (peer->hello)
		mt_bytes_wipe(peer->hello, peer->hello_bytes);
	mt_mem_give(&core->mem, peer->hello, peer->hello_bytes);
	peer->hello = NULL;
	peer->hello_bytes = 0;
}

static void drop_aliases(struct mt_core *core, struct mt_peer *peer)
{
	uint16_t count = peer->facts.limits->topic_aliases;
	if (!peer->aliases)
		return;
	for (uint16_t i = 0; i < count; i++) {
		union {
			const uint8_t *view;
			void *owned;
		} at = {peer->aliases[i].data};
		mt_mem_give(&core->mem, at.owned, peer->aliases[i].len);
	}
	mt_mem_give(&core->mem, peer->aliases, count * sizeof(*peer->aliases));
	peer->aliases = NULL;
}

void mt_peer_finish(struct mt_core *core, struct mt_peer *peer)
{
	mt_wheel_disarm(&peer->timer);
	mt_list_remove(&peer->throttle);
	drop_input(core, peer);
	mt_peer_hello_done(core, peer);
	drop_aliases(core, peer);
	mt_alias_finish(core, peer);
	mt_challenge_end(core, peer);
	mt_proof_forget(core, peer);
	mt_adoption_free(&peer->adoption);
	mt_list_remove(&peer->link_wait);
	mt_round_end(core, peer);
	mt_backlog_finish(core, peer, NULL);
	mt_acks_finish(&peer->acks);
	mt_output_clear(&core->chunks, &peer->out);
}

/* why: static text, cut away when the packet would be too large ([MQTT-3.14.2-3]); NULL: none. */
static void send_disconnect(struct mt_core *core, struct mt_peer *peer, uint8_t reason,
			    const char *why)
{
	struct mt_control control = {.type = MT_PACKET_DISCONNECT, .reason = reason};
	uint8_t data[256];
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	if (why && peer->is_problem_info_wanted && strlen(why) + 10 <= peer->packet_bytes_max) {
		control.props.present = MT_PROP_BIT(REASON_STRING);
		control.props.reason_string = mt_bytes_str(why);
	}
	if (mt_control_encode(&control, MT_VERSION_5, &buf) == MT_OK)
		mt_peer_send(core, peer, mt_buf_view(&buf));
}

static void end(struct mt_core *core, struct mt_peer *peer, uint8_t reason, bool is_will_due,
		const char *why)
{
	if (peer->phase == MT_PHASE_OPEN && peer->version == MT_VERSION_5 && reason != 0)
		send_disconnect(core, peer, reason, why);
	/* Input and CONNECT stay until the slot goes: callers may still hold views into them. */
	peer->phase = MT_PHASE_CLOSING;
	mt_wheel_disarm(&peer->timer);
	mt_list_remove(&peer->throttle);
	mt_list_remove(&peer->link_wait);
	if (peer->session)
		mt_depart(core, peer, is_will_due);
	mt_round_end(core, peer);
	if (!peer->is_abandoned)
		mt_request_push(core,
				&(struct mt_request){.type = MT_REQUEST_CLOSE, .conn = peer->self});
}

void mt_peer_close(struct mt_core *core, struct mt_peer *peer, uint8_t reason, bool is_will_due,
		   const char *what)
{
	if (peer->phase == MT_PHASE_CLOSING)
		return;
	if (peer->phase == MT_PHASE_OPEN)
		mt_audit(core, peer,
			 &(struct mt_audit_facts){
				 .event = MT_AUDIT_DISCONNECT, .what = what, .reason = reason});
	end(core, peer, reason, is_will_due, what);
}

void mt_peer_violated(struct mt_core *core, struct mt_peer *peer, const struct mt_violation *why)
{
	core->counts.violations++;
	mt_audit(core, peer,
		 &(struct mt_audit_facts){.event = MT_AUDIT_VIOLATION,
					  .what = mt_reason_text(why->reason),
					  .statement = why->statement,
					  .reason = why->reason});
	if (peer->phase != MT_PHASE_CLOSING)
		end(core, peer, why->reason, true, why->statement);
}

/* Nothing came that is MQTT: handshakes are still going on, or nobody is there. */
static bool has_not_spoken(const struct mt_peer *peer)
{
	return peer->phase == MT_PHASE_CONNECT && peer->in_len == 0;
}

/* When nothing may come any more: the end of the time for CONNECT, or one and a half keep-alive
 * ([MQTT-3.1.2-22]). */
static mt_time deadline_of(const struct mt_peer *peer)
{
	const struct mt_core_limits *limits = peer->facts.limits;
	mt_time due = MT_TIME_NEVER;
	if (has_not_spoken(peer) && limits->handshake_ns > 0 &&
	    limits->handshake_ns < limits->connect_ns)
		return peer->opened_ns + limits->handshake_ns;
	if (peer->phase < MT_PHASE_OPEN)
		return peer->opened_ns + limits->connect_ns;
	if (peer->pauses & MT_PAUSE_RATE)
		due = peer->rate_due_ns;
	if (mt_list_is_linked(&peer->throttle) && mt_throttle_due(peer) < due)
		due = mt_throttle_due(peer);
	if (due != MT_TIME_NEVER)
		return due;
	/* What is not read cannot be late. */
	if (peer->keep_alive_s == 0 ||
	    peer->pauses & (MT_PAUSE_STORE | MT_PAUSE_LINK | MT_PAUSE_SUBACK))
		return MT_TIME_NEVER;
	return peer->input_ns + peer->keep_alive_s * (MT_SECOND * 3 / 2);
}

void mt_peer_arm(struct mt_core *core, struct mt_peer *peer)
{
	mt_time due = deadline_of(peer);
	if (due == MT_TIME_NEVER)
		mt_wheel_disarm(&peer->timer);
	else
		mt_wheel_arm(&core->peer_wheel, &peer->timer, due);
}

void mt_peer_timer_fired(struct mt_core *core, struct mt_peer *peer)
{
	if (peer->phase == MT_PHASE_CLOSING)
		return;
	if (deadline_of(peer) > core->now.mono_ns) {
		mt_peer_arm(core, peer);
		return;
	}
	if (peer->pauses & MT_PAUSE_RATE && peer->rate_due_ns <= core->now.mono_ns)
		mt_throttle_rate_end(core, peer);
	else if (mt_list_is_linked(&peer->throttle))
		mt_throttle_expire(core, peer);
	else if (peer->phase == MT_PHASE_OPEN)
		mt_peer_close(core, peer, MT_REASON_KEEP_ALIVE_TIMEOUT, true, "keep-alive ran out");
	else {
		core->counts.connects_refused++;
		mt_limit_meet(core, peer,
			      has_not_spoken(peer) ? MT_LIMIT_HANDSHAKE_TIME
						   : MT_LIMIT_CONNECT_TIME);
		mt_audit(core, peer,
			 &(struct mt_audit_facts){.event = MT_AUDIT_REFUSE,
						  .what = "no CONNECT in time"});
		mt_peer_close(core, peer, 0, false, "no CONNECT in time");
	}
}

static size_t packet_bytes_max(const struct mt_peer *peer)
{
	return peer->phase < MT_PHASE_OPEN ? peer->facts.limits->connect_bytes
					   : peer->facts.limits->packet_bytes;
}

static bool is_reading(const struct mt_peer *peer)
{
	return !peer->is_abandoned && peer->pauses == 0 &&
	       (peer->phase == MT_PHASE_OPEN || peer->phase == MT_PHASE_CONNECT ||
		peer->phase == MT_PHASE_CHALLENGE);
}

/* Handles every whole packet at the start of `bytes`; returns how many bytes that was. */
static size_t consume(struct mt_core *core, struct mt_peer *peer, struct mt_bytes bytes)
{
	size_t pos = 0;
	while (pos < bytes.len && is_reading(peer)) {
		struct mt_frame frame;
		struct mt_violation why;
		enum mt_status status = mt_frame_next(mt_bytes_from(bytes, pos),
						      packet_bytes_max(peer), &frame, &why);
		if (status == MT_AGAIN)
			break;
		if (status != MT_OK) {
			if (why.reason == MT_REASON_PACKET_TOO_LARGE)
				mt_limit_meet(core, peer,
					      peer->phase == MT_PHASE_CONNECT
						      ? MT_LIMIT_CONNECT_BYTES
						      : MT_LIMIT_PACKET_BYTES);
			if (peer->phase == MT_PHASE_OPEN)
				why.statement = mt_frame_statement(&why, peer->version);
			mt_peer_violated(core, peer, &why);
			break;
		}
		pos += frame.bytes;
		peer->input_ns = core->now.mono_ns;
		core->counts.packets_received++;
		mt_machine_dispatch(core, peer, &frame);
	}
	return pos;
}

static enum mt_status grow_input(struct mt_core *core, struct mt_peer *peer, size_t cap)
{
	uint8_t *in = mt_mem_resize(&core->mem, peer->in, peer->in_cap, cap);
	if (!in)
		return MT_MEMORY;
	peer->in = in;
	peer->in_cap = (uint32_t)cap;
	return MT_OK;
}

/* A CONNECT that comes in pieces: its password stays in no block that was given back. */
static enum mt_status grow_secret_input(struct mt_core *core, struct mt_peer *peer, size_t cap)
{
	size_t len = peer->in_len;
	uint8_t *in = mt_mem_take(&core->mem, cap);
	if (!in)
		return MT_MEMORY;
	if (len > 0)
		memcpy(in, peer->in, len);
	drop_input(core, peer);
	peer->in = in;
	peer->in_len = (uint32_t)len;
	peer->in_cap = (uint32_t)cap;
	return MT_OK;
}

/* Keeps bytes for later. Room grows with what has really come, never with what a header promises.
 */
static enum mt_status keep(struct mt_core *core, struct mt_peer *peer, struct mt_bytes bytes)
{
	size_t need = peer->in_len + bytes.len;
	if (bytes.len == 0)
		return MT_OK;
	if (need > UINT32_MAX / 2)
		return MT_LIMIT;
	if (need > peer->in_cap) {
		size_t twice = (size_t)peer->in_cap * 2;
		size_t cap = twice > need ? twice : need;
		MT_TRY(peer->session ? grow_input(core, peer, cap)
				     : grow_secret_input(core, peer, cap));
	}
	memcpy(peer->in + peer->in_len, bytes.data, bytes.len);
	peer->in_len = (uint32_t)need;
	return MT_OK;
}

/* Handles what was kept, then moves the rest to the front or frees the buffer. */
static void consume_kept(struct mt_core *core, struct mt_peer *peer)
{
	bool had_session = peer->session != NULL;
	size_t done = consume(core, peer, mt_bytes_of(peer->in, peer->in_len));
	if (peer->phase == MT_PHASE_CLOSING)
		return;
	peer->in_len -= (uint32_t)done;
	if (done > 0 && peer->in_len > 0)
		memmove(peer->in, peer->in + done, peer->in_len);
	if (done > 0 && !had_session)
		mt_bytes_wipe(peer->in + peer->in_len, done);
	if (peer->in_len == 0)
		drop_input(core, peer);
}

void mt_peer_resume_input(struct mt_core *core, struct mt_peer *peer)
{
	if (peer->in_len > 0)
		consume_kept(core, peer);
}

void mt_peer_input(struct mt_core *core, struct mt_peer *peer, struct mt_bytes bytes)
{
	enum mt_status status;
	if (peer->phase == MT_PHASE_CLOSING || peer->is_abandoned)
		return;
	core->counts.bytes_received += bytes.len;
	if (peer->in_len == 0) {
		size_t done = consume(core, peer, bytes);
		if (peer->phase == MT_PHASE_CLOSING)
			return;
		status = keep(core, peer, mt_bytes_from(bytes, done));
	} else {
		status = keep(core, peer, bytes);
		if (status == MT_OK)
			consume_kept(core, peer);
	}
	if (status != MT_OK)
		mt_peer_close(core, peer, MT_REASON_QUOTA_EXCEEDED, true, "out of memory");
}

void mt_peer_ping(struct mt_core *core, struct mt_peer *peer, const struct mt_frame *frame)
{
	struct mt_violation why;
	uint8_t data[2];
	struct mt_buf buf = mt_buf_of(data, sizeof(data));
	if (mt_ping_decode(frame, &why) != MT_OK) {
		mt_peer_violated(core, peer, &why);
		return;
	}
	mt_ping_encode(MT_PACKET_PINGRESP, &buf);
	mt_peer_send(core, peer, mt_buf_view(&buf));
}
