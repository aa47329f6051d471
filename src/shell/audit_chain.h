/*
 * The form of the audit log, for who writes and who checks it: lines, files, the signed head.
 */
#pragma once

#include "shell/audit_log.h"

#include <stdio.h>

#define MT_AUDIT_DIGEST_TEXT 65u /* hexadecimal, with its 0 */
#define MT_AUDIT_LINE_BYTES 4096u

/* One line without its end; its length. */
size_t mt_audit_line(const struct mt_audit_entry *entry, uint64_t seq, int64_t wall_ns,
		     const char prev[MT_AUDIT_DIGEST_TEXT], char out[MT_AUDIT_LINE_BYTES]);
void mt_audit_digest(const char *line, size_t len, char out[MT_AUDIT_DIGEST_TEXT]);
/* Number and former digest of a line; false when it is none of ours. */
bool mt_audit_line_parse(const char *line, size_t len, uint64_t *seq,
			 char prev[MT_AUDIT_DIGEST_TEXT]);

/* Numbers of the files in FOLDER, ascending, malloc'ed. */
MT_MUST_USE enum mt_status mt_audit_files(const char *folder, uint64_t **out, size_t *count);

struct mt_audit_head {
	uint64_t seq;
	char digest[MT_AUDIT_DIGEST_TEXT];
	char time[40];
	uint8_t key[32]; /* public */
	uint8_t signature[64];
};
/* What is signed: its length. */
size_t mt_audit_head_text(const struct mt_audit_head *head, char out[256]);
bool mt_audit_head_verifies(const struct mt_audit_head *head);
/* {"seq":...}, and back. */
size_t mt_audit_head_print(const struct mt_audit_head *head, char out[512]);
bool mt_audit_head_parse(const char *text, struct mt_audit_head *out);

struct mt_audit_check {
	uint64_t first_seq, last_seq, count;
	char digest[MT_AUDIT_DIGEST_TEXT]; /* of the last line */
	char fault[512];		   /* of the first that does not fit: file, line, what */
};
/* Walks the chain in `folder`. head: it must lie on the chain (NULL: none). MT_CORRUPT: fault
 * tells; MT_NOT_FOUND: there is no log; MT_SYSTEM. visit: each line that fits (NULL: none). */
typedef void mt_audit_visit_fn(void *context, const char *line, size_t len);
MT_MUST_USE enum mt_status mt_audit_verify(const char *folder, const struct mt_audit_head *head,
					   struct mt_audit_check *out, mt_audit_visit_fn *visit,
					   void *context);
