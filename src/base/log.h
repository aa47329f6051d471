/*
 * Log records: level, subject, message, typed fields -> one logfmt (or JSON) line on standard
 * error.
 *
 *   mt_log(MT_LOG_NOTICE, "auth", "login refused", MT_STR("user", name), MT_U64("port", 8883));
 *
 * Bytes from a peer are escaped and cut at 128 characters. Only shell and programs log; pure layers
 * never do. Threading: any thread; a record is one write.
 */
#pragma once

#include "base/bytes.h"

enum mt_log_level { MT_LOG_ERROR, MT_LOG_WARNING, MT_LOG_NOTICE, MT_LOG_INFO, MT_LOG_DEBUG };

struct mt_log_field {
	const char *key;
	struct mt_bytes text; /* used when is_number is false */
	int64_t number;
	bool is_number;
};

#define MT_STR(key, cstring) ((struct mt_log_field){(key), mt_bytes_str(cstring), 0, false})
#define MT_RAW(key, bytes) ((struct mt_log_field){(key), (bytes), 0, false})
#define MT_U64(key, value) ((struct mt_log_field){(key), {NULL, 0}, (int64_t)(value), true})

struct mt_log_settings {
	enum mt_log_level level; /* records above it are dropped */
	bool is_json;
};

/* Settings of the process; call before threads start. */
void mt_log_configure(struct mt_log_settings settings);
void mt_log_write(enum mt_log_level level, const char *subject, const char *text,
		  const struct mt_log_field *fields, size_t field_count);
/* One line of `cap` bytes at most, newline included, into `out`; returns its length. Pure; what
 * mt_log_write prints. */
size_t mt_log_format(struct mt_log_settings settings, enum mt_log_level level, const char *subject,
		     const char *text, const struct mt_log_field *fields, size_t field_count,
		     char *out, size_t cap);

#define mt_log(level, subject, text, ...) \
	mt_log_write((level), (subject), (text), (const struct mt_log_field[]){__VA_ARGS__}, \
		     sizeof((const struct mt_log_field[]){__VA_ARGS__}) / \
			     sizeof(struct mt_log_field))
