/*
 * Logins: from the core's question who somebody is to the verdict.
 *
 *   AUTHENTICATE -> password workers -> verdict -> mt_core_authenticated
 */
#include "shell/pump.h"

void mt_pump_conclude(struct mt_pump *pump, uint64_t ticket, const struct mt_auth_verdict *verdict)
{
	mt_tape_authenticated(pump->tape, pump->core, pump->now, ticket, verdict);
}

static void answer(struct mt_pump *pump, uint64_t ticket, uint8_t reason)
{
	struct mt_auth_verdict verdict = {.reason = reason};
	mt_pump_conclude(pump, ticket, &verdict);
}

static void fill_job(struct mt_auth_job *job, const struct mt_request *request)
{
	job->ticket = request->ticket;
	job->conn = request->conn;
	job->accepted = request->accepted;
	job->is_too_long = request->user.len > sizeof(job->user) ||
			   request->password.len > sizeof(job->secret);
	if (job->is_too_long)
		return;
	job->user_len = request->user.len;
	job->secret_len = request->password.len;
	if (job->user_len > 0)
		memcpy(job->user, request->user.data, job->user_len);
	if (job->secret_len > 0)
		memcpy(job->secret, request->password.data, job->secret_len);
}

void mt_pump_authenticate(struct mt_pump *pump, const struct mt_request *request)
{
	struct mt_auth_job *job;
	if (request->method.len > 0) {
		mt_pump_scram(pump, request);
		return;
	}
	job = mt_auth_job_create();
	if (!job) {
		answer(pump, request->ticket, MT_REASON_SERVER_BUSY);
		return;
	}
	fill_job(job, request);
	job->policy = mt_policy_ref(mt_core_policy(pump->core));
	if (mt_auth_submit(pump->auth, job) != MT_OK) {
		mt_auth_job_destroy(&job);
		answer(pump, request->ticket, MT_REASON_SERVER_BUSY);
	}
}

/* The book may have changed since: what is no longer in it admits nobody. What holds stays with the
 * connection, which ends with it. */
static void bind_grant(struct mt_pump *pump, struct mt_auth_job *job,
		       struct mt_auth_verdict *verdict)
{
	struct mt_socket *socket = mt_pump_socket(pump, job->conn);
	struct mt_book *book = mt_auth_book(pump->auth);
	bool holds = book && mt_jwt_grant_holds(job->grant, book, pump->now.wall_ns / MT_SECOND,
						&verdict->refusal);
	mt_book_unref(&book);
	verdict->is_accepted &= holds && socket;
	if (!verdict->is_accepted)
		return;
	mt_jwt_grant_destroy(&socket->grant);
	socket->grant = job->grant;
	job->grant = NULL;
	mt_pump_note_proof(pump, socket);
}

void mt_pump_serve_logins(struct mt_pump *pump)
{
	struct mt_auth_job *job;
	while ((job = mt_auth_take(pump->auth))) {
		struct mt_auth_verdict verdict = {.is_accepted = job->is_accepted,
						  .user_id = job->user_id,
						  .reason = MT_REASON_BAD_USER_NAME_OR_PASSWORD,
						  .mechanism = job->mechanism,
						  .is_unaccepted = job->is_unaccepted,
						  .refusal = job->refusal};
		if (job->grant)
			bind_grant(pump, job, &verdict);
		mt_pump_conclude(pump, job->ticket, &verdict);
		mt_auth_job_destroy(&job);
	}
}
