/*
 * Settings in the making: values arrive one by one from the file and from `--set`, faults are
 * collected, and what only the whole can show (a listener without an address, plain text off
 * loopback) is checked at the end.
 *
 * `where` begins every fault: "FILE:LINE: " or "--set ".
 */
#pragma once

#include "broker/report.h"
#include "broker/schema.h"

#define MT_WHERE_BYTES 300u

struct mt_assembly {
	struct mt_settings *settings;
	struct mt_report *report;
	struct {
		char where[MT_WHERE_BYTES]; /* where it was named; --set once that changed it */
		bool is_faulty;	     /* one of its values was refused: the whole is not judged */
	} origins[MT_LISTENERS_MAX]; /* beside settings->listeners */
};

/* Both are borrowed; settings become the defaults with the one listener of a broker without
 * configuration. */
void mt_assembly_init(struct mt_assembly *assembly, struct mt_settings *settings,
		      struct mt_report *report);
void mt_assembly_clear_listeners(struct mt_assembly *assembly);
/* The listener of this name, made when there is none; NULL (and a fault) when there are too many.
 */
struct mt_listener_settings *mt_assembly_listener(struct mt_assembly *assembly, const char *where,
						  struct mt_bytes name);
/* A leaf key (mt_schema_find says so). is_text: quoted. */
void mt_assembly_put(struct mt_assembly *assembly, const char *where, struct mt_bytes path,
		     const struct mt_key *key, struct mt_bytes value, bool is_text);
/* A list, item by item: emptied, then filled. The item's own `where` begins its fault. */
void mt_assembly_clear(struct mt_assembly *assembly, const char *where, struct mt_bytes path,
		       const struct mt_key *key);
void mt_assembly_append(struct mt_assembly *assembly, const char *where, struct mt_bytes path,
			const struct mt_key *key, struct mt_bytes item);
/* One `--set` argument: KEY=VALUE, or listeners.NAME=off. */
void mt_assembly_set(struct mt_assembly *assembly, const char *argument);
/* What only the whole can show. */
void mt_assembly_check(struct mt_assembly *assembly);
