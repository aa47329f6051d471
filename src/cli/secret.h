/* Passwords for the verbs: from standard input, a file, a prompt, or made here; never from an
 * argument. */
#pragma once

#include "cli/options.h"

#define MT_SECRET_BYTES_MAX 1024u

struct mt_cli_secret {
	char text[MT_SECRET_BYTES_MAX + 1];
	bool is_generated; /* then it has to be shown, once */
};

/*
 * --generate, --password-stdin, --password-file, or the terminal, asked twice. One newline at the
 * end is stripped. Exit code, 0 when *out is filled; errors are told, and so is a warning about a
 * short one.
 */
int mt_cli_secret_read(const struct mt_options *options, struct mt_cli_secret *out);
/* --passphrase-file, or the terminal, asked twice. */
int mt_cli_passphrase_read(const struct mt_options *options, struct mt_cli_secret *out);
void mt_cli_secret_finish(struct mt_cli_secret *secret);
