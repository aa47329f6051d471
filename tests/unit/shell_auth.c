/* The password pool: one answer and one cost for every refusal, a bounded queue, every ticket
 * answered once. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "crypto/password.h"
#include "shell/auth.h"
#include "shell/login_cache.h"

#include <poll.h>
#include <stdlib.h>

enum { ALICE = 11, BOB, CAROL, DAVE, ERIN };

static char token[MT_TOKEN_TEXT_BYTES];

static void add_user(struct mt_policy_builder *builder, uint64_t id, const char *name,
		     bool is_enabled, const char *password_hash, struct mt_bytes token_hash)
{
	const struct mt_user user = {
		.id = id,
		.name = mt_bytes_str(name),
		.is_enabled = is_enabled,
		.password_hash = mt_bytes_str(password_hash),
		.token_hash = token_hash,
	};
	assert_int_equal(mt_policy_builder_user(builder, &user, NULL, 0), MT_OK);
}

/* alice and bob (disabled) have the password `secret`, carol and dave (disabled) the token, erin
 * nothing. */
static struct mt_policy *make_policy(void)
{
	static const uint8_t salt[16] = "salt";
	char hash[MT_PASSWORD_HASH_BYTES];
	uint8_t token_hash[32];
	struct mt_policy *policy = NULL;
	struct mt_policy_builder *builder = mt_policy_builder_create(1, (struct mt_seed){{1, 2}});
	assert_non_null(builder);
	assert_int_equal(mt_password_hash(mt_bytes_str("secret"), salt, hash), MT_OK);
	mt_token_make(salt, token);
	mt_token_hash(mt_bytes_str(token), token_hash);
	add_user(builder, ALICE, "alice", true, hash, mt_bytes_of(NULL, 0));
	add_user(builder, BOB, "bob", false, hash, mt_bytes_of(NULL, 0));
	add_user(builder, CAROL, "carol", true, "", mt_bytes_of(token_hash, 32));
	add_user(builder, DAVE, "dave", false, "", mt_bytes_of(token_hash, 32));
	add_user(builder, ERIN, "erin", true, "", mt_bytes_of(NULL, 0));
	assert_int_equal(mt_policy_build(&builder, &policy), MT_OK);
	return policy;
}

static struct mt_auth_job *make_job(struct mt_policy *policy, uint64_t ticket, const char *user,
				    const char *secret)
{
	struct mt_auth_job *job = mt_auth_job_create();
	assert_non_null(job);
	job->ticket = ticket;
	job->policy = mt_policy_ref(policy);
	job->user_len = strlen(user);
	memcpy(job->user, user, job->user_len);
	job->secret_len = strlen(secret);
	memcpy(job->secret, secret, job->secret_len);
	return job;
}

/* Waits for the next answer, as a loop would. */
static struct mt_auth_job *await(struct mt_auth *auth)
{
	struct mt_auth_job *job;
	while ((job = mt_auth_take(auth)) == NULL) {
		struct pollfd readable = {.fd = mt_auth_fd(auth), .events = POLLIN};
		assert_true(poll(&readable, 1, 60000) == 1);
	}
	return job;
}

static void assert_wiped(const struct mt_auth_job *job)
{
	for (size_t i = 0; i < sizeof(job->secret); i++)
		assert_int_equal(job->secret[i], 0);
	assert_int_equal(job->secret_len, 0);
}

static void every_case_has_its_answer_and_its_cost(void **state)
{
	struct mt_policy *policy = make_policy();
	const struct {
		const char *user, *secret;
		bool is_too_long;
		uint64_t accepted; /* user id, 0: refused */
		uint64_t hashes;
	} cases[] = {
		{"alice", "secret", false, ALICE, 1},
		{"alice", "wrong", false, 0, 1},
		{"alice", "", false, 0, 1},
		{"nobody", "secret", false, 0, 1},
		{"", "secret", false, 0, 1},
		{"bob", "secret", false, 0, 1},
		{"bob", "wrong", false, 0, 1},
		{"erin", "", false, 0, 1},
		{"erin", "secret", false, 0, 1},
		{"carol", "secret", false, 0, 1},
		{"alice", "secret", true, 0, 1},
		{"carol", token, true, 0, 1},
		{"carol", token, false, CAROL, 0},
		{"dave", token, false, 0, 0},
		{"alice", token, false, 0, 0},
		{"nobody", token, false, 0, 0},
		{"carol", "mt1.", false, 0, 0},
		{"erin", "mt1.aaaaaaaaaaaaaaaaaaaaaaaaaa", false, 0, 0},
	};
	struct mt_auth *auth = NULL;
	(void)state;
	assert_int_equal(mt_auth_open(1, 4, &auth), MT_OK);
	for (size_t i = 0; i < MT_COUNT_OF(cases); i++) {
		uint64_t before = mt_password_hash_count();
		struct mt_auth_job *job = make_job(policy, i, cases[i].user, cases[i].secret);
		job->is_too_long = cases[i].is_too_long;
		assert_int_equal(mt_auth_submit(auth, job), MT_OK);
		job = await(auth);
		assert_int_equal(job->ticket, i);
		assert_int_equal(job->is_accepted, cases[i].accepted != 0);
		assert_int_equal(job->user_id, cases[i].accepted);
		assert_int_equal(mt_password_hash_count() - before, cases[i].hashes);
		assert_wiped(job);
		mt_auth_job_destroy(&job);
		assert_null(job);
	}
	mt_auth_close(&auth);
	assert_null(auth);
	mt_policy_unref(&policy);
}

/* Answered by a pool that has a cache; its job stays the caller's. */
static struct mt_auth_job *ask(struct mt_auth *auth, struct mt_policy *policy, const char *secret,
			       mt_mechanisms accepted)
{
	struct mt_auth_job *job = make_job(policy, 1, "alice", secret);
	job->accepted = accepted;
	assert_int_equal(mt_auth_submit(auth, job), MT_OK);
	return await(auth);
}

/* Right or wrong, remembered or not: one hash, one answer, and the true reason in it. */
static void what_a_listener_does_not_accept_is_wrong(void **state)
{
	static const char *const secrets[] = {"secret", "wrong", "secret"};
	struct mt_login_cache *cache = mt_login_cache_create(600 * MT_SECOND);
	mt_mechanisms tokens = mt_mechanism_bit(MT_MECHANISM_TOKEN);
	struct mt_policy *policy = make_policy();
	struct mt_auth *auth = NULL;
	struct mt_auth_job *job;
	(void)state;
	assert_non_null(cache);
	assert_int_equal(mt_auth_open(1, 4, &auth), MT_OK);
	mt_auth_use(auth, cache, NULL, NULL);
	job = ask(auth, policy, "secret", 0);
	assert_true(job->is_accepted && !job->is_unaccepted);
	assert_int_equal(job->mechanism, MT_MECHANISM_PASSWORD);
	mt_auth_job_destroy(&job);
	for (size_t i = 0; i < MT_COUNT_OF(secrets); i++) {
		uint64_t before = mt_password_hash_count();
		job = ask(auth, policy, secrets[i], tokens);
		assert_true(!job->is_accepted && job->is_unaccepted && job->user_id == 0);
		assert_int_equal(job->mechanism, MT_MECHANISM_PASSWORD);
		assert_int_equal(mt_password_hash_count() - before, 1);
		mt_auth_job_destroy(&job);
	}
	mt_auth_close(&auth);
	mt_login_cache_destroy(&cache);
	mt_policy_unref(&policy);
}

/* Without a book there is no issuer: no answer is a denial, and costs no hash. */
static void a_json_web_token_is_one_by_its_form(void **state)
{
	struct mt_book *book = mt_book_create((struct mt_seed){{1, 2}});
	struct mt_policy *policy = make_policy();
	struct mt_auth *auth = NULL;
	(void)state;
	assert_int_equal(mt_auth_open(1, 4, &auth), MT_OK);
	assert_null(mt_auth_book(auth));
	for (int i = 0; i < 2; i++) {
		uint64_t before = mt_password_hash_count();
		/* {"alg":"none"} {"iss":"i","exp":4000000000} */
		struct mt_auth_job *job =
			ask(auth, policy,
			    "eyJhbGciOiJub25lIn0.eyJpc3MiOiJpIiwiZXhwIjo0MDAwMDAwMDAwfQ.AAAA", 0);
		assert_int_equal(job->mechanism, MT_MECHANISM_JWT);
		assert_int_equal(job->refusal, MT_REFUSAL_TOKEN_ISSUER);
		assert_true(!job->is_accepted && !job->is_unaccepted && !job->grant);
		assert_int_equal(mt_password_hash_count(), before);
		assert_wiped(job);
		mt_auth_job_destroy(&job);
		mt_auth_set_book(auth, book);
	}
	mt_auth_close(&auth);
	mt_book_unref(&book);
	mt_policy_unref(&policy);
}

static void every_ticket_is_answered_once(void **state)
{
	enum { COUNT = 64 };
	struct mt_policy *policy = make_policy();
	unsigned answered[COUNT] = {0};
	struct mt_auth *auth = NULL;
	(void)state;
	assert_int_equal(mt_auth_open(4, COUNT, &auth), MT_OK);
	for (uint64_t i = 0; i < COUNT; i++) {
		struct mt_auth_job *job =
			make_job(policy, i, "carol", i % 2 == 0 ? token : "mt1.x");
		assert_int_equal(mt_auth_submit(auth, job), MT_OK);
	}
	for (size_t i = 0; i < COUNT; i++) {
		struct mt_auth_job *job = await(auth);
		assert_true(job->ticket < COUNT);
		answered[job->ticket]++;
		assert_int_equal(job->is_accepted, job->ticket % 2 == 0);
		mt_auth_job_destroy(&job);
	}
	for (size_t i = 0; i < COUNT; i++)
		assert_int_equal(answered[i], 1);
	assert_null(mt_auth_take(auth));
	mt_auth_close(&auth);
	mt_policy_unref(&policy);
}

/* A worker needs far longer for a job than a submission takes: sooner or later there is no room. */
static void full_queue_refuses_at_once(void **state)
{
	struct mt_policy *policy = make_policy();
	struct mt_auth *auth = NULL;
	struct mt_auth_job *job = NULL;
	enum mt_status status = MT_OK;
	uint64_t accepted = 0;
	(void)state;
	assert_int_equal(mt_auth_open(1, 2, &auth), MT_OK);
	for (; accepted < 500 && status == MT_OK; accepted += status == MT_OK) {
		job = make_job(policy, accepted, "alice", "wrong");
		status = mt_auth_submit(auth, job);
	}
	assert_int_equal(status, MT_LIMIT);
	/* Still ours, and as it was. */
	assert_int_equal(job->ticket, accepted);
	assert_memory_equal(job->secret, "wrong", 5);
	/* Jobs are taken in order, and an answer makes room. */
	for (uint64_t i = 0; i < accepted; i++) {
		struct mt_auth_job *done = await(auth);
		assert_int_equal(done->ticket, i);
		mt_auth_job_destroy(&done);
	}
	assert_int_equal(mt_auth_submit(auth, job), MT_OK);
	job = await(auth);
	assert_int_equal(job->ticket, accepted);
	mt_auth_job_destroy(&job);
	mt_auth_close(&auth);
	mt_policy_unref(&policy);
}

/* Waiting, running and answered jobs go with the pool; the sanitizers see what is left. */
static void closing_drops_what_is_not_answered(void **state)
{
	struct mt_policy *policy = make_policy();
	struct mt_auth *auth = NULL;
	uint64_t before;
	(void)state;
	assert_int_equal(mt_auth_open(2, 100, &auth), MT_OK);
	before = mt_password_hash_count();
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(mt_auth_submit(auth, make_job(policy, i, "alice", "secret")),
				 MT_OK);
	mt_auth_close(&auth);
	assert_null(auth);
	assert_true(mt_password_hash_count() - before <= 100);
	mt_auth_close(&auth);
	mt_policy_unref(&policy);
}

/* The job keeps its snapshot alive after everybody else has dropped it. */
static void job_holds_its_policy(void **state)
{
	struct mt_policy *policy = make_policy();
	struct mt_auth *auth = NULL;
	struct mt_auth_job *job = make_job(policy, 1, "alice", "secret");
	(void)state;
	mt_policy_unref(&policy);
	assert_int_equal(mt_auth_open(1, 1, &auth), MT_OK);
	assert_int_equal(mt_auth_submit(auth, job), MT_OK);
	job = await(auth);
	assert_true(job->is_accepted);
	mt_auth_job_destroy(&job);
	mt_auth_close(&auth);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case_has_its_answer_and_its_cost),
		cmocka_unit_test(what_a_listener_does_not_accept_is_wrong),
		cmocka_unit_test(a_json_web_token_is_one_by_its_form),
		cmocka_unit_test(every_ticket_is_answered_once),
		cmocka_unit_test(full_queue_refuses_at_once),
		cmocka_unit_test(closing_drops_what_is_not_answered),
		cmocka_unit_test(job_holds_its_policy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
