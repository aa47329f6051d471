/* Peer credentials of Unix sockets. */
#include "admin/peer.h"

#include <grp.h>
#include <stdlib.h>
#include <sys/socket.h>

#define GROUP_NAME "mortise"
#define GROUP_ENTRY_BYTES 65536u

bool mt_peer_group(uint32_t *gid)
{
	struct group entry;
	struct group *found = NULL;
	char *room = malloc(GROUP_ENTRY_BYTES);
	bool is_there = room &&
			getgrnam_r(GROUP_NAME, &entry, room, GROUP_ENTRY_BYTES, &found) == 0 &&
			found;
	if (is_there)
		*gid = entry.gr_gid;
	free(room);
	return is_there;
}

static bool holds_group(int fd, gid_t gid)
{
	gid_t groups[MT_PEER_GROUPS_MAX];
	socklen_t bytes = sizeof(groups);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &bytes) != 0)
		return false;
	for (size_t i = 0; i < bytes / sizeof(groups[0]); i++)
		if (groups[i] == gid)
			return true;
	return false;
}

bool mt_peer_is_permitted(int fd, uint32_t own_uid, bool has_group, uint32_t gid, uint32_t *uid)
{
	struct ucred peer;
	socklen_t bytes = sizeof(peer);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0 || bytes != sizeof(peer) ||
	    peer.uid == (uid_t)-1)
		return false;
	*uid = peer.uid;
	return peer.uid == 0 || peer.uid == own_uid ||
	       (has_group && (peer.gid == gid || holds_group(fd, gid)));
}
