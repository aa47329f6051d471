/*
 * Client-id rules of users: which ids an identity may connect with.
 *
 *   ""        any id
 *   "th-17"   exactly this
 *   "%u"      the user name; "%u-gw" with a suffix
 *   "line-*"  '*' stands for any run of characters
 */
#pragma once

#include "base/bytes.h"

/* True when `client_id` of user `user` keeps the rule. Time O(rule x id). */
bool mt_client_id_keeps(struct mt_bytes rule, struct mt_bytes user, struct mt_bytes client_id);
/* Writes an assigned id, "mortise-" and 22 random characters from two words, into out[31]; returns
 * it as a view. */
struct mt_bytes mt_client_id_assign(uint64_t high, uint64_t low, uint8_t out[31]);
