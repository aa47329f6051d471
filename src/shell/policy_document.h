/*
 * The policy as a document (docs/reference/policy-document.md): roles with their permissions, and
 * users with what they hold. Never a secret.
 *
 *   YAML --read--> document <--load-- state database
 *                     |  print, diff, apply
 *
 * In memory it is JSON: a role is {filter, rules: {TEXT: rule}}, where TEXT is the rule as the
 * document writes it, one text for one meaning; a user is {enabled, client_id, roles: {NAME:
 * true}}. A section that is NULL is absent: it is left alone.
 */
#pragma once

#include "base/bytes.h"
#include "store/state.h"

#include <jansson.h>

#define MT_POLICY_DOCUMENT_BYTES_MAX 1048576u
#define MT_POLICY_DOCUMENT_NODES_MAX 500000u
#define MT_POLICY_DOCUMENT_DEPTH_MAX 8u
#define MT_POLICY_DOCUMENT_ERRORS_MAX 100u

struct mt_policy_document {
	json_t *roles, *users;
};
void mt_policy_document_clear(struct mt_policy_document *document);

/* What a document may name without saying what it is. */
struct mt_policy_known {
	const struct mt_policy_document *current; /* NULL: nothing */
	bool (*listener)(const void *context, const char *name);
	const void *context;
};

/*
 * MT_INVALID: *errors is a list of {line, what}, all that is wrong, at most
 * MT_POLICY_DOCUMENT_ERRORS_MAX, the caller's. MT_MEMORY. No anchors, aliases, tags or second
 * document, no key, rule or user twice.
 */
MT_MUST_USE enum mt_status mt_policy_document_read(struct mt_bytes text,
						   const struct mt_policy_known *known,
						   struct mt_policy_document *out, json_t **errors);
/* Everything in the database, both sections. */
MT_MUST_USE enum mt_status mt_policy_document_load(struct mt_state *state,
						   struct mt_policy_document *out);
/* YAML in canonical order, which reads back as the same; malloc'ed, NULL without memory. */
char *mt_policy_document_print(const struct mt_policy_document *document);

/* A rule as JSON, and the key that it has among the rules of its role. False: no memory, or such a
 * rule is there already. */
MT_MUST_USE bool mt_policy_document_add_rule(json_t *rules, const struct mt_state_rule *rule,
					     json_int_t line);
/* Such a rule among `rules`; NULL: none, or no memory. Borrowed. */
json_t *mt_policy_document_find_rule(const json_t *rules, const struct mt_state_rule *rule);
/* The rule again; its texts are borrowed from the JSON. */
void mt_policy_document_rule(const json_t *json, struct mt_state_rule *out);
/* An empty role in `roles`; NULL without memory. Borrowed. */
json_t *mt_policy_document_add_role(json_t *roles, const char *name);
/* A user in `users`, enabled, without roles; NULL without memory. Borrowed. */
json_t *mt_policy_document_add_user(json_t *users, const char *name);
