/*
 * The recorder of one core: each call passes here on its way, and is written down first.
 *
 *   shell --mt_tape_input--> record --write--> log
 *                       \--> mt_core_input
 *
 * Without a tape (NULL) a call costs one predicted branch. What the peers sent is written before
 * the core sees it, so that the log of a broker that failed holds the reason. Secrets are
 * overwritten before they come near the log. Pure; the thread of the core.
 */
#pragma once

#include "policy/policy.h"
#include "replay/outcome.h"
#include "replay/record.h"

/* Records, whole. end: NULL, or why these are the last. False: they are lost, and nothing more is
 * written. */
typedef bool mt_tape_write_fn(void *context, struct mt_bytes bytes, const char *end);

struct mt_tape {
	mt_tape_write_fn *write;
	void *context;
	uint64_t bytes_left; /* of the log */
	struct mt_mem mem;
	uint8_t *data; /* not yet written */
	size_t pos, cap;
	uint8_t *copy; /* of an input, for its secrets */
	size_t copy_cap;
	struct mt_records records;
	struct mt_outcome outcome;
	struct mt_conn_facts listeners[MT_CALL_LISTENERS_MAX]; /* what their connections share */
	uint32_t listener_count;
	uint64_t drain_count;	  /* requests pulled since the last record */
	uint32_t unchecked_count; /* records since the last check */
	struct mt_now now;
	bool is_alone; /* the core has no siblings */
	bool is_over;
};

/* bytes_max: of the whole log. */
void mt_tape_init(struct mt_tape *tape, mt_tape_write_fn *write, void *context, uint64_t bytes_max);
/* Ends the log, if it has not ended, and gives the memory back. core NULL: there is none. */
void mt_tape_finish(struct mt_tape *tape, const struct mt_core *core, const char *why);

/* What is written down. */
void mt_tape_note_create(struct mt_tape *tape, const struct mt_core_settings *settings,
			 const struct mt_policy *policy, struct mt_now now);
void mt_tape_note_facts(struct mt_tape *tape, struct mt_now now, enum mt_call_kind kind,
			const struct mt_conn_facts *facts, uint8_t status, mt_conn conn);
void mt_tape_note_proof(struct mt_tape *tape, struct mt_now now, mt_conn conn,
			const struct mt_proof *proof);
void mt_tape_note_input(struct mt_tape *tape, struct mt_now now, mt_conn conn,
			struct mt_bytes bytes);
void mt_tape_note_sent(struct mt_tape *tape, struct mt_now now, const struct mt_core *core,
		       mt_conn conn, size_t bytes);
void mt_tape_note_verdict(struct mt_tape *tape, struct mt_now now, uint64_t ticket,
			  const struct mt_auth_verdict *verdict);
void mt_tape_note_message(struct mt_tape *tape, struct mt_now now, uint32_t from,
			  const struct mt_link_message *message);
void mt_tape_note_adoption(struct mt_tape *tape, struct mt_now now,
			   const struct mt_adoption *adoption, enum mt_status status, mt_conn conn);
void mt_tape_note_policy(struct mt_tape *tape, struct mt_now now, const struct mt_policy *policy);
void mt_tape_note_request(struct mt_tape *tape, const struct mt_request *request);
void mt_tape_note_kick(struct mt_tape *tape, struct mt_now now, struct mt_bytes user,
		       struct mt_bytes client_id, uint32_t count);
void mt_tape_note_figure(struct mt_tape *tape, struct mt_now now, struct mt_bytes name,
			 uint64_t value);
/* CLOSED, EXPEL, STORED, TICK, SHUT_DOWN: what they have of these. */
void mt_tape_note(struct mt_tape *tape, enum mt_call_kind kind, struct mt_now now, mt_conn conn,
		  uint64_t number, enum mt_status status);
/* Now and then, between calls. */
void mt_tape_check(struct mt_tape *tape, const struct mt_core *core);

static inline enum mt_status mt_tape_open(struct mt_tape *tape, struct mt_core *core,
					  struct mt_now now, const struct mt_conn_facts *facts,
					  mt_conn *out)
{
	enum mt_status status = mt_core_open(core, now, facts, out);
	if (MT_UNLIKELY(tape))
		mt_tape_note_facts(tape, now, MT_CALL_OPEN, facts, (uint8_t)status,
				   status == MT_OK ? *out : MT_HANDLE_NONE);
	return status;
}

static inline void mt_tape_turn_away(struct mt_tape *tape, struct mt_core *core, struct mt_now now,
				     const struct mt_conn_facts *facts, enum mt_limit_id limit)
{
	if (MT_UNLIKELY(tape))
		mt_tape_note_facts(tape, now, MT_CALL_TURN_AWAY, facts, (uint8_t)limit,
				   MT_HANDLE_NONE);
	mt_core_turn_away(core, now, facts, limit);
}

static inline void mt_tape_prove(struct mt_tape *tape, struct mt_core *core, struct mt_now now,
				 mt_conn conn, const struct mt_proof *proof)
{
	if (MT_UNLIKELY(tape))
		mt_tape_note_proof(tape, now, conn, proof);
	mt_core_prove(core, now, conn, proof);
}

static inline void mt_tape_expel(struct mt_tape *tape, struct mt_core *core, struct mt_now now,
				 mt_conn conn, enum mt_expulsion why)
{
	if (MT_UNLIKELY(tape))
		mt_tape_note(tape, MT_CALL_EXPEL, now, conn, why, MT_OK);
	mt_core_expel(core, now, conn, why);
}

static inline void mt_tape_input(struct mt_tape *tape, struct mt_core *core, struct mt_now now,
				 mt_conn conn, struct mt_bytes bytes)
{
	if (MT_UNLIKELY(tape))
		mt_tape_note_input(tape, now, conn, bytes);
	mt_core_input(core, now, conn, bytes);
}

static inline void mt_tape_closed(struct mt_tape *tape, struct mt_core *core, struct mt_now now,
				  mt_conn conn)
{
	if (MT_UNLIKELY(tape))
		mt_tape_note(tape, MT_CALL_CLOSED, now, conn, 0, MT_OK);
	mt_core_closed(core, now, conn);
}

static inline void mt_tape_authenticated(struct mt_tape *tape, struct mt_core *core,
					 struct mt_now now, uint64_t ticket,
					 const struct mt_auth_verdict *verdict)
{
	if (MT_UNLIKELY(tape))
		mt_tape_note_verdict(tape, now, ticket, verdict);
	mt_core_authenticated(core, now, ticket, verdict);
}

static inline void mt_tape_stored(struct mt_tape *tape, struct mt_core *core, struct mt_now now,
				  uint64_t ticket, enum mt_status status)
{
	if (MT_UNLIKELY(tape))
		mt_tape_note(tape, MT_CALL_STORED, now, MT_HANDLE_NONE, ticket, status);
	mt_core_stored(core, now, ticket, status);
}

static inline void mt_tape_peer(struct mt_tape *tape, struct mt_core *core, struct mt_now now,
				uint32_t from, struct mt_link_message *message)
{
	if (MT_UNLIKELY(tape))
		mt_tape_note_message(tape, now, from, message);
	mt_core_peer(core, now, from, message);
}

static inline enum mt_status mt_tape_adopt(struct mt_tape *tape, struct mt_core *core,
					   struct mt_now now, const struct mt_adoption *adoption,
					   mt_conn *out)
{
	enum mt_status status = mt_core_adopt(core, now, adoption, out);
	if (MT_UNLIKELY(tape))
		mt_tape_note_adoption(tape, now, adoption, status,
				      status == MT_OK ? *out : MT_HANDLE_NONE);
	return status;
}

static inline void mt_tape_set_policy(struct mt_tape *tape, struct mt_core *core, struct mt_now now,
				      struct mt_policy *policy)
{
	if (MT_UNLIKELY(tape))
		mt_tape_note_policy(tape, now, policy);
	mt_core_set_policy(core, now, policy);
}

static inline void mt_tape_tick(struct mt_tape *tape, struct mt_core *core, struct mt_now now)
{
	if (MT_UNLIKELY(tape)) {
		mt_tape_check(tape, core);
		mt_tape_note(tape, MT_CALL_TICK, now, MT_HANDLE_NONE, 0, MT_OK);
	}
	mt_core_tick(core, now);
}

static inline uint32_t mt_tape_kick(struct mt_tape *tape, struct mt_core *core, struct mt_now now,
				    struct mt_bytes user, struct mt_bytes client_id)
{
	uint32_t count = mt_core_kick(core, now, user, client_id);
	if (MT_UNLIKELY(tape))
		mt_tape_note_kick(tape, now, user, client_id, count);
	return count;
}

static inline void mt_tape_publish_figure(struct mt_tape *tape, struct mt_core *core,
					  struct mt_now now, struct mt_bytes name, uint64_t value)
{
	if (MT_UNLIKELY(tape))
		mt_tape_note_figure(tape, now, name, value);
	mt_core_publish_figure(core, now, name, value);
}

static inline void mt_tape_shut_down(struct mt_tape *tape, struct mt_core *core, struct mt_now now)
{
	if (MT_UNLIKELY(tape))
		mt_tape_note(tape, MT_CALL_SHUT_DOWN, now, MT_HANDLE_NONE, 0, MT_OK);
	mt_core_shut_down(core, now);
}

static inline void mt_tape_sent(struct mt_tape *tape, struct mt_core *core, struct mt_now now,
				mt_conn conn, size_t bytes)
{
	if (MT_UNLIKELY(tape))
		mt_tape_note_sent(tape, now, core, conn, bytes);
	mt_core_sent(core, now, conn, bytes);
}

MT_MUST_USE static inline bool mt_tape_request(struct mt_tape *tape, struct mt_core *core,
					       struct mt_request *out)
{
	bool is_there = mt_core_request(core, out);
	if (MT_UNLIKELY(tape))
		mt_tape_note_request(tape, is_there ? out : NULL);
	return is_there;
}
