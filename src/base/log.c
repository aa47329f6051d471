/* Formatting and writing of log records. The settings are the one piece of state of the process's
 * standard error. */
#include "base/log.h"

#include "base/buf.h"

#include <stdio.h>
#include <unistd.h>

#define LINE_BYTES 2048u
#define TEXT_CHARS_MAX 128u

static struct mt_log_settings active = {.level = MT_LOG_INFO};

static const char *const level_names[] = {"error", "warning", "notice", "info", "debug"};

void mt_log_configure(struct mt_log_settings settings)
{
	active = settings;
}

static void put_text(struct mt_buf *out, const char *text)
{
	mt_buf_put(out, mt_bytes_str(text));
}

/* Quoted, with everything outside printable ASCII as \u00XX, so that a line stays a line. */
static void put_quoted(struct mt_buf *out, struct mt_bytes text)
{
	size_t count = text.len < TEXT_CHARS_MAX ? text.len : TEXT_CHARS_MAX;
	mt_buf_put_u8(out, '"');
	for (size_t i = 0; i < count; i++) {
		uint8_t c = text.data[i];
		char escaped[8];
		if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
			mt_buf_put_u8(out, c);
			continue;
		}
		snprintf(escaped, sizeof(escaped), "\\u%04x", c);
		put_text(out, escaped);
	}
	if (text.len > count)
		put_text(out, "...");
	mt_buf_put_u8(out, '"');
}

/* All of the pair, or nothing when the line is full. */
static void put_pair(struct mt_buf *out, bool is_json, const struct mt_log_field *field)
{
	size_t start = out->pos;
	char number[24];
	put_text(out, is_json ? ",\"" : " ");
	put_text(out, field->key);
	put_text(out, is_json ? "\":" : "=");
	if (field->is_number) {
		snprintf(number, sizeof(number), "%lld", (long long)field->number);
		put_text(out, number);
	} else {
		put_quoted(out, field->text);
	}
	if (out->is_overflown)
		out->pos = start;
}

size_t mt_log_format(struct mt_log_settings settings, enum mt_log_level level, const char *subject,
		     const char *text, const struct mt_log_field *fields, size_t field_count,
		     char *out, size_t cap)
{
	struct mt_buf line = mt_buf_of(out, cap - 2);
	struct mt_log_field subject_field = MT_STR("subject", subject);
	struct mt_log_field text_field = MT_STR("msg", text);
	MT_CHECK(cap > 2);
	put_text(&line, settings.is_json ? "{\"level\":\"" : "level=");
	put_text(&line, level_names[level]);
	put_text(&line, settings.is_json ? "\"" : "");
	put_pair(&line, settings.is_json, &subject_field);
	put_pair(&line, settings.is_json, &text_field);
	for (size_t i = 0; i < field_count && !line.is_overflown; i++)
		put_pair(&line, settings.is_json, &fields[i]);
	if (settings.is_json)
		out[line.pos++] = '}';
	out[line.pos++] = '\n';
	return line.pos;
}

void mt_log_write(enum mt_log_level level, const char *subject, const char *text,
		  const struct mt_log_field *fields, size_t field_count)
{
	char line[LINE_BYTES];
	size_t bytes;
	ssize_t written;
	if (level > active.level)
		return;
	bytes = mt_log_format(active, level, subject, text, fields, field_count, line,
			      sizeof(line));
	written = write(STDERR_FILENO, line, bytes);
	(void)written; /* nowhere left to report it */
}
