/*
 * What Mosquitto was told about users and permissions, as a policy document: its password file, its
 * ACL file, and the file of its dynamic-security plug-in.
 *
 * Mosquitto grants every SUBSCRIBE of an ACL file and filters at delivery: so do the roles made of
 * it (`subscribe: filter`). What has no equal here is denied rather than opened, and reported.
 */
#pragma once

#include "shell/policy_document.h"

struct mt_mosquitto {
	struct mt_policy_document document; /* users bear "hash" */
	json_t *report;			    /* list of {where, what}: not carried over exactly */
	json_t *errors;			    /* the same: cannot be read */
};

/* False: no memory. */
MT_MUST_USE bool mt_mosquitto_start(struct mt_mosquitto *import);
void mt_mosquitto_finish(struct mt_mosquitto *import);
void mt_mosquitto_read_passwords(struct mt_mosquitto *import, const char *text);
/* After the passwords: whoever has none is not made a user. */
void mt_mosquitto_read_acl(struct mt_mosquitto *import, const char *text);
void mt_mosquitto_read_dynsec(struct mt_mosquitto *import, const char *text);
