/* Small files, written whole or not at all. */
#pragma once

#include "base/bytes.h"
#include "base/status.h"

/* Reads a whole file of at most bytes_max into malloc'ed *data (0-terminated behind *len).
 * MT_NOT_FOUND, MT_LIMIT, MT_SYSTEM (errno). */
MT_MUST_USE enum mt_status mt_file_read(const char *path, size_t bytes_max, uint8_t **data,
					size_t *len);
/* The same of a file that belongs to us and that nobody else has rights to: else MT_DENIED. */
MT_MUST_USE enum mt_status mt_file_read_secret(const char *path, size_t bytes_max, uint8_t **data,
					       size_t *len);
/* Writes path.tmp with `mode`, fsyncs, renames over path, fsyncs the folder. Refuses symlinks at
 * the temporary name. */
MT_MUST_USE enum mt_status mt_file_write(const char *path, struct mt_bytes content, unsigned mode);
/* Makes a folder (and no parents) with `mode`; one that exists must belong to us and be writable by
 * nobody else: else MT_DENIED. */
MT_MUST_USE enum mt_status mt_folder_claim(const char *path, unsigned mode);
/* Takes an exclusive flock on path (made when missing, 0600): *fd holds it. MT_EXISTS: another
 * process has it. */
MT_MUST_USE enum mt_status mt_file_lock(const char *path, int *fd);
/* READY=1, STOPPING=1 ... to the service manager when $NOTIFY_SOCKET is set; nothing otherwise. */
void mt_service_notify(const char *text);
