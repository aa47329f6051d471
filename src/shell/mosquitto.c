/* Mosquitto's password file and ACL file, and what all imports share. */
#include "shell/mosquitto.h"

#include "identity/user.h"
#include "policy/rule.h"
#include "shell/directory.h"
#include "shell/mosquitto_parts.h"

#include <stdio.h>
#include <stdlib.h>

#define HASH_BYTES_MAX 1023u
#define LINE_BYTES_MAX 70000u
#define ENTRIES_MAX 1000u /* of report and errors */

bool mt_mosquitto_start(struct mt_mosquitto *import)
{
	*import = (struct mt_mosquitto){{json_object(), json_object()}, json_array(), json_array()};
	if (import->document.roles && import->document.users && import->report && import->errors)
		return true;
	mt_mosquitto_finish(import);
	return false;
}

void mt_mosquitto_finish(struct mt_mosquitto *import)
{
	mt_policy_document_clear(&import->document);
	json_decref(import->report);
	json_decref(import->errors);
	import->report = import->errors = NULL;
}

void mt_mosquitto_note(json_t *list, const char *where, const char *format, ...)
{
	char what[512];
	json_t *text;
	va_list args;
	if (json_array_size(list) >= ENTRIES_MAX)
		return;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	/* A cut may have split a character. */
	for (size_t len = strlen(what); !(text = json_string(what)) && len > 0;)
		what[--len] = '\0';
	json_array_append_new(list, json_pack("{s:s, s:o}", "where", where, "what", text));
}

/* A '%' that Mosquitto takes as it is would be a variable here. *out: the filter with such levels
 * as '+'. */
static bool has_literal_percent(const char *topic, bool is_pattern, char *out)
{
	bool has = false;
	char *level = out;
	for (const char *at = topic;; at++) {
		bool is_variable = is_pattern && *at == '%' && (at[1] == 'c' || at[1] == 'u');
		if (*at == '%' && !is_variable) {
			has = true;
			at += strcspn(at, "/");
			level[0] = '+';
			out = level + 1;
		}
		*out++ = *at;
		if (*at == '/')
			level = out;
		if (*at == '\0')
			return has;
	}
}

/* The same line may stand there twice; a line that is lost might be a denial. */
static void keep_rule(struct mt_mosquitto *import, const char *where, json_t *rules,
		      const struct mt_state_rule *rule)
{
	if (!mt_policy_document_add_rule(rules, rule, 0) &&
	    !mt_policy_document_find_rule(rules, rule))
		mt_mosquitto_note(import->errors, where, "out of memory");
}

void mt_mosquitto_add_rule(struct mt_mosquitto *import, const char *where, json_t *role,
			   const struct mt_state_rule *wanted, bool is_pattern)
{
	struct mt_state_rule row = *wanted;
	struct mt_rule rule;
	char *filter = malloc(strlen(row.filter) + 2);
	const char *fault;
	if (!filter) {
		mt_mosquitto_note(import->errors, where, "out of memory");
		return;
	}
	row.qos_mask = 7;
	row.network = row.listener = "";
	/* Shared subscriptions are like others there. */
	row.share = !row.is_deny && (row.operation & MT_OPERATION_SUBSCRIBE) ? "any" : "";
	if (has_literal_percent(row.filter, is_pattern, filter)) {
		mt_mosquitto_note(import->report, where,
				  row.is_deny ? "%.100s: a level with %% cannot be written here: "
						"+ in its place denies more"
					      : "%.100s: a level with %% cannot be written here: "
						"not allowed; name the topic another way",
				  row.filter);
		if (!row.is_deny) {
			free(filter);
			return;
		}
	}
	row.filter = filter;
	fault = mt_directory_rule(&row, &rule);
	if (fault)
		mt_mosquitto_note(import->errors, where, "%s", fault);
	else
		keep_rule(import, where, json_object_get(role, "rules"), &row);
	free(filter);
}

json_t *mt_mosquitto_role(struct mt_mosquitto *import, const char *where, const char *name,
			  bool is_filtering)
{
	const char *fault = mt_user_name_fault(mt_bytes_str(name));
	json_t *role = json_object_get(import->document.roles, name);
	if (fault) {
		mt_mosquitto_note(import->errors, where, "role: %s", fault);
		return NULL;
	}
	if (!role)
		role = mt_policy_document_add_role(import->document.roles, name);
	if (role)
		json_object_set_new(role, "filter", json_boolean(is_filtering));
	return role;
}

json_t *mt_mosquitto_user(struct mt_mosquitto *import, const char *where, const char *name,
			  const char *hash)
{
	const char *fault = mt_user_name_fault(mt_bytes_str(name));
	json_t *user;
	if (!fault && json_object_get(import->document.users, name))
		fault = "stands there a second time; expected once";
	if (!fault && *hash && strncmp(hash, "$6$", 3) != 0 && strncmp(hash, "$7$", 3) != 0)
		fault = "expected a hash of mosquitto_passwd, $6$ or $7$; hash the file by "
			"mosquitto_passwd -U";
	if (!fault && strlen(hash) > HASH_BYTES_MAX)
		fault = "the hash is too long";
	if (fault) {
		mt_mosquitto_note(import->errors, where, "user %.64s: %s", name, fault);
		return NULL;
	}
	user = mt_policy_document_add_user(import->document.users, name);
	if (user)
		json_object_set_new(user, "hash", json_string(hash));
	return user;
}

/* ---- lines ---- */

typedef void line_fn(struct mt_mosquitto *import, const char *where, char *line, void *context);

/* Each line without its end, that is neither empty nor a comment. */
static void each_line(struct mt_mosquitto *import, const char *file, const char *text,
		      line_fn *take, void *context)
{
	char where[64];
	for (unsigned number = 1; *text; number++) {
		size_t len = strcspn(text, "\n");
		char *line = len < LINE_BYTES_MAX ? strndup(text, len) : NULL;
		snprintf(where, sizeof(where), "%s:%u", file, number);
		if (line && len > 0 && line[len - 1] == '\r')
			line[len - 1] = '\0';
		if (!line)
			mt_mosquitto_note(import->errors, where, "the line is too long");
		else if (line[strspn(line, " \t")] != '\0' && *line != '#')
			take(import, where, line, context);
		free(line);
		text += len + (text[len] == '\n');
	}
}

static void take_password(struct mt_mosquitto *import, const char *where, char *line, void *context)
{
	char *colon = strchr(line, ':');
	(void)context;
	if (!colon || colon == line || colon[1] == '\0') {
		mt_mosquitto_note(import->errors, where, "expected NAME:HASH");
		return;
	}
	*colon = '\0';
	(void)mt_mosquitto_user(import, where, line, colon + 1);
}

void mt_mosquitto_read_passwords(struct mt_mosquitto *import, const char *text)
{
	each_line(import, "passwords", text, take_password, NULL);
}

/* ---- ACL file ---- */

struct acl {
	json_t *role; /* of the section; NULL: of a user whose name cannot be */
	bool has_pattern_deny, has_user_variable, has_client_variable;
};

static bool take_access(char **rest, struct mt_state_rule *rule)
{
	static const struct {
		const char *word;
		uint8_t operation;
		bool is_deny;
	} words[] = {{"readwrite", 3, false},
		     {"read", 2, false},
		     {"write", 1, false},
		     {"deny", 3, true}};
	size_t len = strcspn(*rest, " ");
	if ((*rest)[len] == '\0') {
		rule->operation = MT_OPERATION_BOTH;
		return true;
	}
	for (size_t i = 0; i < MT_COUNT_OF(words); i++) {
		if (strlen(words[i].word) != len || strncmp(*rest, words[i].word, len) != 0)
			continue;
		rule->operation = words[i].operation;
		rule->is_deny = words[i].is_deny;
		*rest += len;
		*rest += strspn(*rest, " ");
		return true;
	}
	return false;
}

static void take_topic(struct mt_mosquitto *import, const char *where, char *rest, bool is_pattern,
		       struct acl *acl)
{
	struct mt_state_rule rule = {.operation = 0};
	json_t *role = acl->role;
	if (!take_access(&rest, &rule)) {
		mt_mosquitto_note(import->errors, where,
				  "expected read, write, readwrite or deny, then a topic");
		return;
	}
	if (is_pattern) {
		role = mt_mosquitto_role(import, where, "mosquitto-patterns", true);
		acl->has_pattern_deny |= rule.is_deny;
		acl->has_user_variable |= strstr(rest, "%u") != NULL;
		acl->has_client_variable |= strstr(rest, "%c") != NULL;
	} else if (!role) {
		role = acl->role = mt_mosquitto_role(import, where, "mosquitto-anonymous", true);
	}
	rule.filter = rest;
	if (role)
		mt_mosquitto_add_rule(import, where, role, &rule, is_pattern);
}

static void take_section(struct mt_mosquitto *import, const char *where, const char *name,
			 struct acl *acl)
{
	char role[512];
	json_t *user = json_object_get(import->document.users, name);
	snprintf(role, sizeof(role), "mosquitto-user-%s", name);
	acl->role = mt_mosquitto_role(import, where, role, true);
	if (user && acl->role)
		json_object_set_new(json_object_get(user, "roles"), role, json_true());
	else if (acl->role)
		mt_mosquitto_note(import->report, where,
				  "user %.64s has no password in --passwords: not made; its role "
				  "is: add the user, then grant it %.80s",
				  name, role);
}

static void take_acl_line(struct mt_mosquitto *import, const char *where, char *line, void *context)
{
	struct acl *acl = context;
	size_t len = strcspn(line, " ");
	char *rest = line + len + strspn(line + len, " ");
	bool is_pattern = len == 7 && strncmp(line, "pattern", 7) == 0;
	if (*rest && len == 4 && strncmp(line, "user", 4) == 0)
		take_section(import, where, rest, acl);
	else if (*rest && (is_pattern || (len == 5 && strncmp(line, "topic", 5) == 0)))
		take_topic(import, where, rest, is_pattern, acl);
	else
		mt_mosquitto_note(
			import->errors, where,
			"expected user NAME, topic [ACCESS] TOPIC or pattern [ACCESS] TOPIC");
}

static void tell_patterns(struct mt_mosquitto *import, const struct acl *acl)
{
	const char *name;
	json_t *user;
	if (acl->has_pattern_deny)
		mt_mosquitto_note(import->report, "acl",
				  "a pattern that denies beats what a user is allowed here; there "
				  "the user's own topics come first");
	if (acl->has_client_variable)
		mt_mosquitto_note(import->report, "acl",
				  "%%c: client ids that are empty, begin with $ or hold / + # are "
				  "refused at CONNECT");
	json_object_foreach(import->document.users, name, user)
	{
		json_object_set_new(json_object_get(user, "roles"), "mosquitto-patterns",
				    json_true());
		if (acl->has_user_variable && (strpbrk(name, "/+#") || *name == '$'))
			mt_mosquitto_note(import->report, "acl",
					  "user %.64s: its name is no plain topic level, which %%u "
					  "needs: refused at CONNECT",
					  name);
	}
}

void mt_mosquitto_read_acl(struct mt_mosquitto *import, const char *text)
{
	struct acl acl = {NULL, false, false, false};
	json_t *roles = import->document.roles;
	each_line(import, "acl", text, take_acl_line, &acl);
	if (json_object_get(roles, "mosquitto-patterns"))
		tell_patterns(import, &acl);
	if (json_object_get(roles, "mosquitto-anonymous"))
		mt_mosquitto_note(import->report, "acl",
				  "clients without a user: set listeners.NAME.anonymous to "
				  "mosquitto-anonymous where they may connect; patterns are not in "
				  "that role");
}
