/* Ticket keys on disk, the session cache in memory. */
#include "shell/resumption.h"

#include "base/log.h"
#include "io/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_NS (60 * MT_SECOND)

static bool has_tls(const struct mt_settings *settings)
{
	for (uint32_t i = 0; i < settings->listener_count; i++)
		if (settings->listeners[i].is_tls)
			return true;
	return false;
}

static void save(const struct mt_resumption *resumption)
{
	uint8_t data[MT_TICKET_KEYS_BYTES_MAX];
	struct mt_buf dump = mt_buf_of(data, sizeof(data));
	mt_tls_tickets_dump(resumption->tickets, &dump);
	if (mt_file_write(resumption->path, mt_buf_view(&dump), 0600) != MT_OK)
		mt_log(MT_LOG_WARNING, "tls",
		       "the keys of session tickets cannot be kept: after a restart no ticket "
		       "resumes",
		       MT_STR("file", resumption->path), MT_STR("why", strerror(errno)));
	mt_bytes_wipe(data, sizeof(data));
}

/* Why the keys of the file are not used, "" when there are none; NULL: they are. */
static const char *restore(struct mt_resumption *resumption)
{
	uint8_t *data = NULL;
	size_t len = 0;
	const char *why = NULL;
	enum mt_status status =
		mt_file_read_secret(resumption->path, MT_TICKET_KEYS_BYTES_MAX, &data, &len);
	if (status == MT_NOT_FOUND)
		return "";
	if (status == MT_DENIED)
		return "others could read or change them";
	if (status != MT_OK)
		return status == MT_SYSTEM ? strerror(errno) : mt_status_text(status);
	if (mt_tls_tickets_restore(resumption->tickets, mt_bytes_of(data, len)) != MT_OK)
		why = "the file is damaged";
	mt_bytes_wipe(data, len);
	free(data);
	return why;
}

static void restore_or_begin(struct mt_resumption *resumption)
{
	const char *why = restore(resumption);
	if (!why)
		return;
	if (*why)
		mt_log(MT_LOG_WARNING, "tls",
		       "the keys of session tickets are made anew: no ticket of before resumes",
		       MT_STR("file", resumption->path), MT_STR("why", why));
	save(resumption);
}

enum mt_status mt_resumption_open(struct mt_resumption *resumption,
				  const struct mt_settings *settings, struct mt_now now,
				  struct mt_seed seed, char *fault, size_t cap)
{
	enum mt_status status;
	if (!has_tls(settings))
		return MT_OK;
	snprintf(resumption->path, sizeof(resumption->path), "%s/tls/tickets.key",
		 settings->state_path);
	resumption->session_age_s = settings->tls_session_age_s;
	status = mt_tls_tickets_create(now.wall_ns / MT_SECOND,
				       settings->ticket_rotation_ns / MT_SECOND,
				       &resumption->tickets);
	if (status == MT_OK)
		status = mt_tls_cache_create(settings->tls_session_bytes, seed, &resumption->cache);
	if (status != MT_OK) {
		snprintf(fault, cap, "no TLS resumption: %s", mt_status_text(status));
		mt_resumption_close(resumption);
		return status;
	}
	restore_or_begin(resumption);
	return MT_OK;
}

void mt_resumption_close(struct mt_resumption *resumption)
{
	mt_tls_tickets_destroy(&resumption->tickets);
	mt_tls_cache_destroy(&resumption->cache);
}

static bool has_word(const char *list, const char *word)
{
	struct mt_bytes left = mt_bytes_str(list);
	while (left.len > 0) {
		const uint8_t *comma = memchr(left.data, ',', left.len);
		size_t len = comma ? (size_t)(comma - left.data) : left.len;
		if (mt_bytes_equal(mt_bytes_of(left.data, len), mt_bytes_str(word)))
			return true;
		left = mt_bytes_from(left, comma ? len + 1 : len);
	}
	return false;
}

enum mt_status mt_resumption_offer(const struct mt_resumption *resumption,
				   const struct mt_listener_settings *listener,
				   struct mt_tls_context *context)
{
	char scope[MT_LISTENER_NAME_BYTES + 64];
	struct mt_tls_resumption how = {
		.cache = has_word(listener->resumption, "ids") ? resumption->cache : NULL,
		.tickets = has_word(listener->resumption, "tickets") ? resumption->tickets : NULL,
		.scope = scope,
		.age_s = resumption->session_age_s};
	snprintf(scope, sizeof(scope), "mortise 1 listener %s", listener->name);
	return mt_tls_context_resume(context, &how);
}

void mt_resumption_tick(struct mt_resumption *resumption, struct mt_now now)
{
	int64_t now_s = now.wall_ns / MT_SECOND;
	if (!resumption->tickets || now.mono_ns < resumption->due_ns)
		return;
	resumption->due_ns = now.mono_ns + TICK_NS;
	mt_tls_cache_tick(resumption->cache, now_s);
	if (mt_tls_tickets_tick(resumption->tickets, now_s))
		save(resumption);
}

bool mt_resumption_rotate(struct mt_resumption *resumption, struct mt_now now, bool is_drop)
{
	int64_t now_s = now.wall_ns / MT_SECOND;
	bool is_done = resumption->tickets &&
		       (is_drop ? mt_tls_tickets_drop(resumption->tickets, now_s)
				: mt_tls_tickets_rotate(resumption->tickets, now_s));
	if (is_done)
		save(resumption);
	return is_done;
}
