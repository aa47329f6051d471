/*
 * The audit log: who did what, in a chain that shows what was changed or taken out.
 *
 *   any thread: write -> ring -> thread of its own: line with its number and the digest of the line
 * before -> STATE/audit/NUMBER.jsonl, synced each second, and at once for what an administrator did
 *
 * A line is JSON: "seq", "time", "id", "event", "address" come first, so that what peers choose
 * cannot pose as them; "prev", SHA-256 of the former line, comes last. A full file is followed by
 * another, named after its first number; the oldest goes when there are too many. Hourly and at the
 * end the digest of the last line is signed (Ed25519): head.json.
 *
 * Threading: write from any thread, never blocking; the rest by the owner.
 */
#pragma once

#include "base/bytes.h"
#include "base/status.h"
#include "spec/audit.h"

#include <stdint.h>

#define X(word, id, name, by, meaning) MT_AUDIT_EVENT_##word,
enum mt_audit_kind { MT_TABLE_AUDIT_EVENTS(X) MT_AUDIT_EVENT_COUNT };
#undef X

struct mt_audit_entry {
	enum mt_audit_kind kind;
	bool has_address;
	uint8_t address[16];
	uint16_t port;
	uint8_t reason;
	uint32_t rule_id;
	const char *mechanism; /* static; NULL: none */
	uint64_t user_id;      /* 0: none */
	uint64_t revision;     /* 0: none */
	uint64_t count;	       /* 0: none */
	char listener[64];
	char user[128]; /* texts are shown escaped; "": none */
	char client_id[128];
	char topic[128];
	char statement[24];
	char author[264];
	char what[256];
};

struct mt_audit_settings {
	const char *state_path;
	uint64_t file_bytes; /* a file that has so many is full */
	uint32_t files;	     /* at most */
};

struct mt_audit_counts {
	uint64_t written, lost, thinned, seq;
};

struct mt_audit_log;

/* Goes on where the log ends; makes folder and key when there are none. fault: one sentence. */
MT_MUST_USE enum mt_status mt_audit_log_open(const struct mt_audit_settings *settings,
					     struct mt_audit_log **out, char *fault, size_t cap);
/* Writes what waits, signs, ends. NULL is fine. */
void mt_audit_log_close(struct mt_audit_log **log);
/* log NULL: nothing. Counted as lost when the ring is full. */
void mt_audit_log_write(struct mt_audit_log *log, const struct mt_audit_entry *entry);
struct mt_audit_counts mt_audit_log_counts(struct mt_audit_log *log);
