/* Sessions by (identity, client id). */
#include "session/session.h"

#include "base/buf.h"

#define KEY_BYTES_MAX (8u + 65535u)

static struct mt_bytes key_of(const void *value)
{
	const struct mt_session *session = value;
	return mt_bytes_of(session->text, 8 + session->subject.client_id.len);
}

enum mt_status mt_sessions_init(struct mt_sessions *sessions, struct mt_mem *mem,
				struct mt_seed seed, uint32_t count_max)
{
	sessions->mem = mem;
	mt_pool_init(&sessions->pool, mem, sizeof(struct mt_session), count_max);
	sessions->key = mt_mem_take(mem, KEY_BYTES_MAX);
	mt_map_init(&sessions->by_key, mem, seed, key_of);
	return sessions->key ? MT_OK : MT_MEMORY;
}

void mt_sessions_finish(struct mt_sessions *sessions)
{
	uint32_t index = 0;
	mt_handle handle;
	struct mt_session *session;
	while ((session = mt_pool_next(&sessions->pool, &index, &handle)))
		mt_sessions_destroy(sessions, &session);
	mt_map_finish(&sessions->by_key);
	mt_mem_give(sessions->mem, sessions->key, KEY_BYTES_MAX);
	sessions->key = NULL;
	mt_pool_finish(&sessions->pool);
}

struct mt_session *mt_sessions_find(const struct mt_sessions *sessions, uint64_t owner,
				    struct mt_bytes client_id)
{
	struct mt_buf buf = mt_buf_of(sessions->key, KEY_BYTES_MAX);
	mt_buf_put(&buf, mt_bytes_of(&owner, sizeof(owner)));
	mt_buf_put(&buf, client_id);
	return buf.is_overflown ? NULL : mt_map_find(&sessions->by_key, mt_buf_view(&buf));
}

/* owner | client id | user | cn | anonymous role, and the subject's views into them. */
static enum mt_status copy_text(struct mt_sessions *sessions, uint64_t owner,
				const struct mt_subject *subject, uint8_t **text,
				uint32_t *text_bytes, struct mt_subject *copy)
{
	struct mt_bytes *views[] = {&copy->client_id, &copy->user, &copy->cn,
				    &copy->anonymous_role};
	size_t bytes = sizeof(owner) + subject->client_id.len + subject->user.len +
		       subject->cn.len + subject->anonymous_role.len;
	uint8_t *at = mt_mem_take(sessions->mem, bytes);
	struct mt_buf buf = mt_buf_of(at, bytes);
	if (!at)
		return MT_MEMORY;
	*copy = *subject;
	mt_buf_put(&buf, mt_bytes_of(&owner, sizeof(owner)));
	for (size_t i = 0; i < MT_COUNT_OF(views); i++) {
		struct mt_bytes moved = mt_bytes_of(at + buf.pos, views[i]->len);
		mt_buf_put(&buf, *views[i]);
		*views[i] = moved;
	}
	MT_CHECK(!buf.is_overflown && buf.pos == bytes);
	*text = at;
	*text_bytes = (uint32_t)bytes;
	return MT_OK;
}

struct mt_session *mt_sessions_create(struct mt_sessions *sessions,
				      const struct mt_session_identity *who, uint16_t inflight_max)
{
	mt_handle handle;
	struct mt_session *session;
	if (who->subject.client_id.len > UINT16_MAX)
		return NULL;
	session = mt_pool_take(&sessions->pool, &handle);
	if (!session)
		return NULL;
	session->self = handle;
	session->owner = who->owner;
	session->stamp = UINT64_MAX; /* not looked at: no policy has that one */
	mt_list_init(&session->subs);
	mt_list_init(&session->throttled);
	mt_flow_out_init(&session->out, sessions->mem, inflight_max);
	mt_flow_in_init(&session->in, sessions->mem);
	if (copy_text(sessions, who->owner, &who->subject, &session->text, &session->text_bytes,
		      &session->subject) != MT_OK)
		goto fail;
	if (mt_map_put(&sessions->by_key, session) != MT_OK) {
		mt_mem_give(sessions->mem, session->text, session->text_bytes);
		goto fail;
	}
	return session;
fail:
	mt_pool_give(&sessions->pool, handle);
	return NULL;
}

void mt_sessions_destroy(struct mt_sessions *sessions, struct mt_session **session)
{
	struct mt_session *old = *session;
	*session = NULL;
	MT_CHECK(old->sub_count == 0);
	MT_CHECK(mt_list_is_empty(&old->throttled));
	MT_CHECK(!mt_timer_is_armed(&old->timer));
	MT_CHECK(mt_map_remove(&sessions->by_key, key_of(old)) == old);
	mt_flow_out_finish(&old->out);
	mt_flow_in_finish(&old->in);
	mt_msg_unref(&old->will.msg);
	mt_mem_give(sessions->mem, old->text, old->text_bytes);
	mt_pool_give(&sessions->pool, old->self);
}

enum mt_status mt_session_refresh(struct mt_sessions *sessions, struct mt_session *session,
				  const struct mt_subject *subject)
{
	struct mt_subject copy;
	uint8_t *text;
	uint32_t text_bytes;
	MT_CHECK(mt_bytes_equal(session->subject.client_id, subject->client_id));
	MT_TRY(copy_text(sessions, session->owner, subject, &text, &text_bytes, &copy));
	/* The map finds its key through the session: the new text holds the same one. */
	mt_mem_give(sessions->mem, session->text, session->text_bytes);
	session->text = text;
	session->text_bytes = text_bytes;
	session->subject = copy;
	return MT_OK;
}
