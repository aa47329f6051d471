/*
 * The keys of the configuration, from spec/config.tbl and spec/limits.tbl: finding them, storing
 * their values, and saying what would have been right.
 *
 *   "limits.sessions"            a leaf of the broker
 *   "listeners.tls.address"      a leaf of the listener `tls`  (pattern listeners.NAME.address)
 *   "limits", "listeners.tls"    sections
 */
#pragma once

#include "base/status.h"
#include "broker/value.h"
#include "shell/settings.h"

#define MT_KEY_BYTES_MAX 128u
#define MT_EXPECTED_BYTES 512u

enum mt_key_scope { MT_SCOPE_BROKER, MT_SCOPE_LISTENER, MT_SCOPE_SUBTREE, MT_SCOPE_CERTIFICATE };

struct mt_key {
	const char *pattern;
	enum mt_key_scope scope;
	enum mt_value_type type;
	size_t offset; /* in the struct of the scope: mt_settings, mt_listener_settings ... */
	size_t bytes;  /* of the field */
	const char *initial;
	const char *range;
	const char *off; /* what off stores; "": off is no value */
};

enum mt_key_kind { MT_KEY_UNKNOWN, MT_KEY_SECTION, MT_KEY_LEAF };

/* What a dotted path is; *key is written for leaves. */
enum mt_key_kind mt_schema_find(struct mt_bytes path, const struct mt_key **key);
/* The listener's name in a path that starts with `listeners.`; empty otherwise. */
struct mt_bytes mt_schema_listener(struct mt_bytes path);
/* The same behind `retained.` */
struct mt_bytes mt_schema_subtree(struct mt_bytes path);
/* And behind `certificates.` */
struct mt_bytes mt_schema_certificate(struct mt_bytes path);
/* For an unknown path: `did you mean PATH?` or the list of what may stand there. */
void mt_schema_suggest(struct mt_bytes path, char out[MT_EXPECTED_BYTES]);
/*
 * Checks a value and stores it in `object` (the struct of the key's scope). is_text: it was quoted,
 * so it is no number and no boolean. MT_INVALID: *object is unchanged, `expected` says what would
 * have been right.
 */
MT_MUST_USE enum mt_status mt_schema_store(const struct mt_key *key, void *object,
					   struct mt_bytes value, bool is_text,
					   char expected[MT_EXPECTED_BYTES]);
/* Keys whose value is a list: mt_schema_store takes it whole, with commas between the items. Or
 * item by item: clear, then append; as mt_schema_store otherwise. */
bool mt_schema_is_list(const struct mt_key *key);
void mt_schema_clear(const struct mt_key *key, void *object);
MT_MUST_USE enum mt_status mt_schema_append(const struct mt_key *key, void *object,
					    struct mt_bytes item, char expected[MT_EXPECTED_BYTES]);
/* A listener's own limits: remembers that one was given; gives it the broker's for all others.
 * listener NULL: the key is none of a listener. */
void mt_schema_mark(const struct mt_key *key, struct mt_listener_settings *listener);
void mt_schema_inherit(const struct mt_limits *limits, struct mt_listener_settings *listener);
/* What a value of this key must be. */
void mt_schema_expected(const struct mt_key *key, char out[MT_EXPECTED_BYTES]);
/* Every default of the broker (no listeners); a listener with its defaults and `name`. */
void mt_schema_broker_defaults(struct mt_settings *out);
void mt_schema_listener_defaults(struct mt_bytes name, struct mt_listener_settings *out);
void mt_schema_subtree_defaults(struct mt_bytes name, struct mt_subtree_settings *out);
void mt_schema_certificate_defaults(struct mt_bytes name, struct mt_certificate_settings *out);
