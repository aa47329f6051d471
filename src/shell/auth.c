/* A pool of threads for password checks, between a bounded queue and a mailbox. */
#include "shell/auth.h"

#include "crypto/imported.h"
#include "crypto/password.h"
#include "io/clock.h"
#include "shell/jwt.h"
#include "shell/jwt_form.h"
#include "shell/login_cache.h"

#include <signal.h>
#include <stdlib.h>

#define THREADS_MAX 8u

struct mt_auth {
	struct mt_mailbox answers;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t is_wanted;
	struct mt_list queue; /* of letters, oldest first */
	uint32_t queue_count;
	bool is_closing;
	struct mt_book *book; /* NULL: none yet */
	/* Constant while the pool is open. */
	uint32_t queue_max;
	struct mt_login_cache *cache; /* NULL: nothing is remembered */
	mt_auth_upgrade_fn *upgrade;
	void *upgrade_context;
	uint32_t thread_count;
	pthread_t threads[THREADS_MAX];
};

static struct mt_auth_job *job_of(struct mt_letter *letter)
{
	return (struct mt_auth_job *)(void *)letter;
}

_Static_assert(offsetof(struct mt_auth_job, letter) == 0 && offsetof(struct mt_letter, link) == 0,
	       "job, letter and link have one address");

void mt_auth_set_book(struct mt_auth *auth, struct mt_book *book)
{
	struct mt_book *former;
	mt_book_ref(book);
	pthread_mutex_lock(&auth->lock);
	former = auth->book;
	auth->book = book;
	pthread_mutex_unlock(&auth->lock);
	mt_book_unref(&former);
}

struct mt_book *mt_auth_book(struct mt_auth *auth)
{
	struct mt_book *book;
	pthread_mutex_lock(&auth->lock);
	book = auth->book ? mt_book_ref(auth->book) : NULL;
	pthread_mutex_unlock(&auth->lock);
	return book;
}

/* A token was drawn at random: its plain hash tells nothing to guess with, and costs next to
 * nothing. */
static bool holds_token(const struct mt_user *user, struct mt_bytes secret)
{
	static const uint8_t nobody[32];
	uint8_t hash[32];
	bool has_token = user && user->token_hash.len == sizeof(hash);
	bool is_equal;
	mt_token_hash(secret, hash);
	is_equal = mt_bytes_equal_secret(mt_bytes_of(hash, sizeof(hash)),
					 has_token ? user->token_hash
						   : mt_bytes_of(nobody, sizeof(nobody)));
	mt_bytes_wipe(hash, sizeof(hash));
	return has_token && is_equal;
}

void mt_auth_use(struct mt_auth *auth, struct mt_login_cache *cache, mt_auth_upgrade_fn *upgrade,
		 void *context)
{
	auth->cache = cache;
	auth->upgrade = upgrade;
	auth->upgrade_context = context;
}

/* A hash of the kind that we make takes the place of one from elsewhere. */
static void replace_hash(const struct mt_auth *auth, const struct mt_user *user,
			 struct mt_bytes secret)
{
	char hash[MT_PASSWORD_HASH_BYTES];
	uint8_t salt[16];
	mt_random_bytes(salt, sizeof(salt));
	if (auth->upgrade && user->is_enabled && mt_password_hash(secret, salt, hash) == MT_OK)
		auth->upgrade(auth->upgrade_context, user->id, user->password_hash, hash);
}

/* One Argon2id whatever the case: no password, no user, no valid hash and one from elsewhere are
 * run against the dummy. */
static bool holds_password(const struct mt_auth *auth, const struct mt_user *user,
			   struct mt_bytes secret)
{
	struct mt_bytes hash = user ? user->password_hash : mt_bytes_of(NULL, 0);
	bool is_imported = mt_imported_has_form(hash);
	bool is_right = is_imported && mt_imported_verify(secret, hash) == MT_OK;
	is_right |= mt_password_verify(secret, hash) == MT_OK;
	if (is_right && is_imported)
		replace_hash(auth, user, secret);
	return is_right;
}

static bool knows_password(const struct mt_auth *auth, const struct mt_user *user,
			   struct mt_bytes secret)
{
	mt_time now_ns = mt_clock_now().mono_ns;
	bool is_right;
	if (auth->cache && mt_login_cache_knows(auth->cache, now_ns, user, secret))
		return true;
	is_right = holds_password(auth, user, secret);
	if (is_right && auth->cache)
		mt_login_cache_keep(auth->cache, now_ns, user, secret);
	return is_right;
}

static enum mt_mechanism mechanism_of(const struct mt_auth_job *job, struct mt_bytes secret)
{
	if (job->is_too_long)
		return MT_MECHANISM_PASSWORD;
	if (mt_token_has_form(secret))
		return MT_MECHANISM_TOKEN;
	return mt_jwt_has_form(secret) ? MT_MECHANISM_JWT : MT_MECHANISM_PASSWORD;
}

/* A token says itself who its bearer is; a user name in CONNECT must be the same. */
static const struct mt_user *bearer_of(struct mt_auth *auth, struct mt_auth_job *job,
				       struct mt_bytes token)
{
	struct mt_bytes name = mt_bytes_of(job->user, job->user_len);
	int64_t now_s = mt_clock_now().wall_ns / MT_SECOND;
	struct mt_book *book = mt_auth_book(auth);
	const struct mt_user *user = NULL;
	job->refusal = MT_REFUSAL_TOKEN_ISSUER;
	if (book && mt_jwt_check(book, token, now_s, &job->grant, &job->refusal)) {
		user = mt_policy_user_by_id(job->policy, mt_jwt_grant_user(job->grant));
		job->refusal = MT_REFUSAL_TOKEN_SUBJECT;
	}
	mt_book_unref(&book);
	if (user && name.len > 0 && !mt_bytes_equal(name, user->name)) {
		job->refusal = MT_REFUSAL_TOKEN_USER;
		user = NULL;
	}
	return user;
}

static void check(struct mt_auth *auth, struct mt_auth_job *job)
{
	struct mt_bytes secret = mt_bytes_of(job->secret, job->secret_len);
	const struct mt_user *user = NULL;
	bool is_proven;
	job->mechanism = mechanism_of(job, secret);
	job->is_unaccepted = !mt_mechanism_is_of(job->mechanism, job->accepted);
	if (job->mechanism == MT_MECHANISM_JWT)
		user = bearer_of(auth, job, secret);
	/* Else nobody's secret: it is not found right, or remembered, at another cost. */
	else if (!job->is_too_long && !job->is_unaccepted)
		user = mt_policy_user_by_name(job->policy, mt_bytes_of(job->user, job->user_len));
	if (job->mechanism == MT_MECHANISM_JWT)
		is_proven = user != NULL;
	else if (job->mechanism == MT_MECHANISM_TOKEN)
		is_proven = holds_token(user, secret);
	else
		is_proven = knows_password(auth, user, secret);
	if (user && is_proven && user->is_enabled && !job->is_unaccepted) {
		job->is_accepted = true;
		job->user_id = user->id;
	} else {
		mt_jwt_grant_destroy(&job->grant);
	}
	mt_bytes_wipe(job->secret, sizeof(job->secret));
	job->secret_len = 0;
}

/* The oldest job, waited for; NULL: the pool closes. */
static struct mt_auth_job *next_job(struct mt_auth *auth)
{
	struct mt_list *link = NULL;
	pthread_mutex_lock(&auth->lock);
	while (!auth->is_closing && mt_list_is_empty(&auth->queue))
		pthread_cond_wait(&auth->is_wanted, &auth->lock);
	if (!auth->is_closing) {
		link = mt_list_first(&auth->queue);
		mt_list_remove(link);
		auth->queue_count--;
	}
	pthread_mutex_unlock(&auth->lock);
	return link ? job_of(MT_LIST_ITEM(link, struct mt_letter, link)) : NULL;
}

static void *work(void *context)
{
	struct mt_auth *auth = context;
	struct mt_auth_job *job;
	while ((job = next_job(auth)) != NULL) {
		check(auth, job);
		mt_mailbox_post(&auth->answers, &job->letter);
	}
	return NULL;
}

/* Workers take no signals: those are for the thread of the loop. */
static enum mt_status start_threads(struct mt_auth *auth, uint32_t count)
{
	sigset_t all, before;
	int error = 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (error == 0 && auth->thread_count < count) {
		error = pthread_create(&auth->threads[auth->thread_count], NULL, work, auth);
		if (error == 0)
			auth->thread_count++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error == 0 ? MT_OK : MT_SYSTEM;
}

enum mt_status mt_auth_open(uint32_t thread_count, uint32_t queue_max, struct mt_auth **out)
{
	struct mt_auth *auth;
	enum mt_status status;
	MT_CHECK(thread_count >= 1 && thread_count <= THREADS_MAX);
	MT_CHECK(queue_max >= 1);
	auth = calloc(1, sizeof(*auth));
	if (!auth)
		return MT_MEMORY;
	status = mt_mailbox_open(&auth->answers);
	if (status != MT_OK) {
		free(auth);
		return status;
	}
	pthread_mutex_init(&auth->lock, NULL);
	pthread_cond_init(&auth->is_wanted, NULL);
	mt_list_init(&auth->queue);
	auth->queue_max = queue_max;
	status = start_threads(auth, thread_count);
	if (status != MT_OK)
		mt_auth_close(&auth);
	else
		*out = auth;
	return status;
}

static void stop_threads(struct mt_auth *auth)
{
	pthread_mutex_lock(&auth->lock);
	auth->is_closing = true;
	pthread_cond_broadcast(&auth->is_wanted);
	pthread_mutex_unlock(&auth->lock);
	for (uint32_t i = 0; i < auth->thread_count; i++)
		MT_CHECK(pthread_join(auth->threads[i], NULL) == 0);
}

void mt_auth_close(struct mt_auth **auth)
{
	struct mt_auth *pool = *auth;
	struct mt_auth_job *job;
	struct mt_list *link;
	if (!pool)
		return;
	*auth = NULL;
	stop_threads(pool);
	while ((link = mt_list_first(&pool->queue)) != NULL) {
		mt_list_remove(link);
		job = job_of(MT_LIST_ITEM(link, struct mt_letter, link));
		mt_auth_job_destroy(&job);
	}
	while ((job = mt_auth_take(pool)) != NULL)
		mt_auth_job_destroy(&job);
	mt_mailbox_close(&pool->answers);
	mt_book_unref(&pool->book);
	pthread_cond_destroy(&pool->is_wanted);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

struct mt_auth_job *mt_auth_job_create(void)
{
	return calloc(1, sizeof(struct mt_auth_job));
}

void mt_auth_job_destroy(struct mt_auth_job **job)
{
	if (!*job)
		return;
	if ((*job)->policy)
		mt_policy_unref(&(*job)->policy);
	mt_jwt_grant_destroy(&(*job)->grant);
	mt_bytes_wipe(*job, sizeof(**job));
	free(*job);
	*job = NULL;
}

enum mt_status mt_auth_submit(struct mt_auth *auth, struct mt_auth_job *job)
{
	bool has_room;
	MT_CHECK(job->policy && job->user_len <= sizeof(job->user) &&
		 job->secret_len <= sizeof(job->secret));
	MT_CHECK(!job->is_accepted && !mt_list_is_linked(&job->letter.link));
	pthread_mutex_lock(&auth->lock);
	has_room = auth->queue_count < auth->queue_max;
	if (has_room) {
		mt_list_push_back(&auth->queue, &job->letter.link);
		auth->queue_count++;
		pthread_cond_signal(&auth->is_wanted);
	}
	pthread_mutex_unlock(&auth->lock);
	return has_room ? MT_OK : MT_LIMIT;
}

int mt_auth_fd(const struct mt_auth *auth)
{
	return auth->answers.event_fd;
}

struct mt_auth_job *mt_auth_take(struct mt_auth *auth)
{
	struct mt_letter *letter = mt_mailbox_take(&auth->answers);
	return letter ? job_of(letter) : NULL;
}
