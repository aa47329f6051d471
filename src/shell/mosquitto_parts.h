/* What the readers of Mosquitto's files share. */
#pragma once

#include "shell/mosquitto.h"

/* {where, what} at the end of a list, which is bounded. */
void mt_mosquitto_note(json_t *list, const char *where, const char *format, ...) MT_FORMAT(3, 4);
/* The role of that name, made when it is not there; NULL: noted. */
json_t *mt_mosquitto_role(struct mt_mosquitto *import, const char *where, const char *name,
			  bool is_filtering);
/* A new user; hash may be "". NULL: noted. */
json_t *mt_mosquitto_user(struct mt_mosquitto *import, const char *where, const char *name,
			  const char *hash);
/* filter, operation and is_deny of `wanted`. is_pattern: %c and %u in it are variables there. */
void mt_mosquitto_add_rule(struct mt_mosquitto *import, const char *where, json_t *role,
			   const struct mt_state_rule *wanted, bool is_pattern);
