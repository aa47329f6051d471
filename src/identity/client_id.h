/*
 * Client-id rules of users and listeners: which ids may connect.
 *
 *   ""                   any id
 *   "th-17"              exactly this, byte by byte
 *   "%u"                 the user name; "%u-gw" with a suffix
 *   "line-*"             '*' stands for any run of characters
 *   "th-%{uuid}"         %{uuid} %{mac} %{serial:PATTERN} stand for one in that format: see
 *                        identity/id_format.h
 *   "50%% %*"            %% and %* are one % and one *
 *
 * Ids of a format that differ in case are different ids.
 */
#pragma once

#include "base/bytes.h"

#define MT_CLIENT_ID_RULE_BYTES_MAX 1024u

/* True when `client_id` of user `user` keeps the rule. user: empty when there is none; then a rule
 * with %u is kept by nobody, and so is one that is malformed or too long. Time O(rule x id), %u
 * counted with the length of the name. */
bool mt_client_id_keeps(struct mt_bytes rule, struct mt_bytes user, struct mt_bytes client_id);
/* Why a text is no rule, with what mends it; static. NULL: it is one. */
const char *mt_client_id_rule_fault(struct mt_bytes rule);
/* True when it asks for the name of a user. */
bool mt_client_id_rule_has_user(struct mt_bytes rule);
/* Why no client should bear that id, with any rule; static. NULL: it may. */
const char *mt_client_id_fault(struct mt_bytes client_id);
/* Writes an assigned id, "mortise-" and 22 random characters from two words, into out[31]; returns
 * it as a view. */
struct mt_bytes mt_client_id_assign(uint64_t high, uint64_t low, uint8_t out[31]);
