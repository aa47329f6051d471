/* Who is at the other end of a Unix socket, and whether the admin API hears them. */
#pragma once

#include "base/check.h"

#define MT_PEER_GROUPS_MAX 1024u

/* The group whose members administer; false when the system has none of that name. */
bool mt_peer_group(uint32_t *gid);
/*
 * SO_PEERCRED and SO_PEERGROUPS: the kernel's word from the moment of connect. True for root, for
 * own_uid, and for members of `gid` when has_group. What the kernel does not tell is a no. *uid is
 * written in any case where it is known.
 */
MT_MUST_USE bool mt_peer_is_permitted(int fd, uint32_t own_uid, bool has_group, uint32_t gid,
				      uint32_t *uid);
