/* Putting settings together, and judging the whole. */
#include "broker/assembly.h"

#include "identity/client_id.h"
#include "identity/mechanism.h"
#include "io/listen.h"
#include "topic/name.h"

#include <stdio.h>

#define DEFAULT_NAME "tls"
#define DEFAULT_ADDRESS "[::]:8883"

void mt_assembly_init(struct mt_assembly *assembly, struct mt_settings *settings,
		      struct mt_report *report)
{
	struct mt_listener_settings *listener;
	memset(assembly, 0, sizeof(*assembly));
	assembly->settings = settings;
	assembly->report = report;
	mt_schema_broker_defaults(settings);
	listener = mt_assembly_listener(assembly, "", mt_bytes_str(DEFAULT_NAME));
	memcpy(listener->address, DEFAULT_ADDRESS, sizeof(DEFAULT_ADDRESS));
}

void mt_assembly_clear_listeners(struct mt_assembly *assembly)
{
	assembly->settings->listener_count = 0;
}

/* Index of the listener, or listener_count. */
static uint32_t find_listener(const struct mt_settings *settings, struct mt_bytes name)
{
	uint32_t i = 0;
	while (i < settings->listener_count &&
	       !mt_bytes_equal(mt_bytes_str(settings->listeners[i].name), name))
		i++;
	return i;
}

static void set_origin(struct mt_assembly *assembly, uint32_t index, const char *where)
{
	snprintf(assembly->origins[index].where, MT_WHERE_BYTES, "%s", where);
}

struct mt_listener_settings *mt_assembly_listener(struct mt_assembly *assembly, const char *where,
						  struct mt_bytes name)
{
	struct mt_settings *settings = assembly->settings;
	uint32_t i = find_listener(settings, name);
	if (i == MT_LISTENERS_MAX) {
		mt_report_add(assembly->report,
			      "%slisteners.%.*s: one more than %u listeners; expected fewer", where,
			      (int)name.len, (const char *)name.data, MT_LISTENERS_MAX);
		return NULL;
	}
	if (i == settings->listener_count) {
		mt_schema_listener_defaults(name, &settings->listeners[i]);
		assembly->origins[i].is_faulty = false;
		settings->listener_count++;
		set_origin(assembly, i, where);
	}
	return &settings->listeners[i];
}

static void remove_listener(struct mt_assembly *assembly, const char *where, struct mt_bytes name)
{
	struct mt_settings *settings = assembly->settings;
	uint32_t i = find_listener(settings, name);
	/* A typing error here would leave a door open that somebody believes closed. */
	if (i == settings->listener_count) {
		mt_report_add(assembly->report,
			      "%slisteners.%.*s: there is no such listener to switch off", where,
			      (int)name.len, (const char *)name.data);
		return;
	}
	settings->listener_count--;
	for (; i < settings->listener_count; i++) {
		settings->listeners[i] = settings->listeners[i + 1];
		assembly->origins[i] = assembly->origins[i + 1];
	}
}

static struct mt_subtree_settings *subtree_of(struct mt_assembly *assembly, const char *where,
					      struct mt_bytes name)
{
	struct mt_settings *settings = assembly->settings;
	uint32_t i = 0;
	while (i < settings->subtree_count &&
	       !mt_bytes_equal(mt_bytes_str(settings->subtrees[i].name), name))
		i++;
	if (i == MT_SUBTREES_MAX) {
		mt_report_add(assembly->report,
			      "%sretained.%.*s: one more than %d subtrees; expected fewer", where,
			      (int)name.len, (const char *)name.data, MT_SUBTREES_MAX);
		return NULL;
	}
	if (i == settings->subtree_count) {
		mt_schema_subtree_defaults(name, &settings->subtrees[i]);
		settings->subtree_count++;
	}
	return &settings->subtrees[i];
}

static struct mt_certificate_settings *certificate_of(struct mt_assembly *assembly,
						      const char *where, struct mt_bytes name)
{
	struct mt_settings *settings = assembly->settings;
	uint32_t i = 0;
	while (i < settings->certificate_count &&
	       !mt_bytes_equal(mt_bytes_str(settings->certificates[i].name), name))
		i++;
	if (i == MT_CERTIFICATES_MAX) {
		mt_report_add(assembly->report,
			      "%scertificates.%.*s: one more than %d; expected fewer", where,
			      (int)name.len, (const char *)name.data, MT_CERTIFICATES_MAX);
		return NULL;
	}
	if (i == settings->certificate_count) {
		mt_schema_certificate_defaults(name, &settings->certificates[i]);
		settings->certificate_count++;
	}
	return &settings->certificates[i];
}

/* What holds the key's field; *listener is NULL for a key of the broker. NULL, and a fault: there
 * are too many listeners, or subtrees. */
static void *object_of(struct mt_assembly *assembly, const char *where, struct mt_bytes path,
		       const struct mt_key *key, struct mt_listener_settings **listener)
{
	*listener = NULL;
	if (key->scope == MT_SCOPE_SUBTREE)
		return subtree_of(assembly, where, mt_schema_subtree(path));
	if (key->scope == MT_SCOPE_CERTIFICATE)
		return certificate_of(assembly, where, mt_schema_certificate(path));
	if (key->scope != MT_SCOPE_LISTENER)
		return assembly->settings;
	*listener = mt_assembly_listener(assembly, where, mt_schema_listener(path));
	return *listener;
}

/* A value that was not taken. */
struct refusal {
	const char *where;
	struct mt_bytes path;
	struct mt_bytes value;
	const char *kind;
	const char *expected;
};

static void refuse(struct mt_assembly *assembly, const struct refusal *refusal,
		   const struct mt_listener_settings *listener)
{
	char found[MT_REPORT_QUOTE_BYTES];
	if (listener)
		assembly->origins[listener - assembly->settings->listeners].is_faulty = true;
	mt_report_add(assembly->report, "%s%.*s: found %s\"%s\"; %s", refusal->where,
		      (int)refusal->path.len, (const char *)refusal->path.data, refusal->kind,
		      mt_report_quote(refusal->value, found), refusal->expected);
}

void mt_assembly_put(struct mt_assembly *assembly, const char *where, struct mt_bytes path,
		     const struct mt_key *key, struct mt_bytes value, bool is_text)
{
	char expected[MT_EXPECTED_BYTES];
	struct mt_listener_settings *listener;
	void *object = object_of(assembly, where, path, key, &listener);
	if (!object)
		return;
	if (mt_schema_store(key, object, value, is_text, expected) == MT_OK)
		mt_schema_mark(key, listener);
	else
		refuse(assembly,
		       &(struct refusal){where, path, value, is_text ? "the text " : "", expected},
		       listener);
}

void mt_assembly_clear(struct mt_assembly *assembly, const char *where, struct mt_bytes path,
		       const struct mt_key *key)
{
	struct mt_listener_settings *listener;
	void *object = object_of(assembly, where, path, key, &listener);
	if (object)
		mt_schema_clear(key, object);
}

void mt_assembly_append(struct mt_assembly *assembly, const char *where, struct mt_bytes path,
			const struct mt_key *key, struct mt_bytes item)
{
	char expected[MT_EXPECTED_BYTES];
	struct mt_listener_settings *listener;
	void *object = object_of(assembly, where, path, key, &listener);
	if (object && mt_schema_append(key, object, item, expected) != MT_OK)
		refuse(assembly, &(struct refusal){where, path, item, "", expected}, listener);
}

static void refuse_set(struct mt_assembly *assembly, struct mt_bytes path, enum mt_key_kind kind)
{
	char expected[MT_EXPECTED_BYTES];
	char found[MT_REPORT_QUOTE_BYTES];
	mt_report_quote(path, found);
	if (kind == MT_KEY_SECTION) {
		mt_report_add(assembly->report,
			      "--set %s: is a section; expected a key in it, as %s.KEY=VALUE",
			      found, found);
		return;
	}
	mt_schema_suggest(path, expected);
	mt_report_add(assembly->report, "--set %s: unknown key; %s", found, expected);
}

/* From now on the argument answers for the listener, not the line of the file. */
static void put_set(struct mt_assembly *assembly, struct mt_bytes path, const struct mt_key *key,
		    struct mt_bytes value)
{
	uint32_t index;
	mt_assembly_put(assembly, "--set ", path, key, value, false);
	index = find_listener(assembly->settings, mt_schema_listener(path));
	if (index < assembly->settings->listener_count)
		set_origin(assembly, index, "--set ");
}

void mt_assembly_set(struct mt_assembly *assembly, const char *argument)
{
	const char *equals = strchr(argument, '=');
	const struct mt_key *key = NULL;
	struct mt_bytes path;
	struct mt_bytes value;
	enum mt_key_kind kind;
	char found[MT_REPORT_QUOTE_BYTES];
	if (!equals) {
		mt_report_quote(mt_bytes_str(argument), found);
		mt_report_add(assembly->report, "--set %s: found no '='; expected KEY=VALUE",
			      found);
		return;
	}
	path = mt_bytes_of(argument, (size_t)(equals - argument));
	value = mt_bytes_str(equals + 1);
	kind = mt_schema_find(path, &key);
	if (kind == MT_KEY_LEAF)
		put_set(assembly, path, key, value);
	else if (kind == MT_KEY_SECTION && mt_schema_listener(path).len > 0 &&
		 mt_bytes_equal(value, mt_bytes_str("off")))
		remove_listener(assembly, "--set ", mt_schema_listener(path));
	else
		refuse_set(assembly, path, kind);
}

static bool asks_for_certificates(const struct mt_listener_settings *listener)
{
	return listener->is_tls && listener->client_certificate != MT_CLIENT_CERTIFICATE_NONE &&
	       (listener->client_certificate != MT_CLIENT_CERTIFICATE_AUTO ||
		!listener->is_websocket);
}

/* Clients without a name cannot keep a rule that asks for it. */
static const char *judge_anonymous(const struct mt_listener_settings *listener)
{
	if (listener->anonymous_role[0] != '\0' &&
	    mt_client_id_rule_has_user(mt_bytes_str(listener->client_id_rule)))
		return "found %u in client_id where clients are anonymous: none of them has a user "
		       "name, and all would be refused; expected `anonymous: off`, or a rule "
		       "without %u";
	return NULL;
}

/* What is required must be something that clients can show, and nothing else stands open. */
static const char *judge_require(const struct mt_listener_settings *listener)
{
	mt_mechanisms set = mt_mechanism_read(listener->require);
	bool has_any = strstr(listener->require, "any") != NULL;
	if (!has_any && set == 0)
		return "found nothing in `require`, by which nobody could connect; expected what "
		       "is accepted, such as `require: [certificate, password]`, or any";
	if (has_any && set != 0)
		return "found any and other words in `require`; expected any alone, or the others";
	if (has_any)
		return NULL;
	if (listener->anonymous_role[0] != '\0')
		return "found `anonymous` where `require` demands credentials; expected "
		       "`anonymous: off`, or no `require`";
	if (mt_mechanism_is_of(MT_MECHANISM_PSK, set) != listener->has_psk)
		return listener->has_psk ? "found `psk: yes` where `require` does not accept psk; "
					   "expected both or none"
					 : "found psk in `require` where no client can show a "
					   "key; expected `psk: yes` too";
	if (mt_mechanism_is_of(MT_MECHANISM_CERTIFICATE, set) && !asks_for_certificates(listener))
		return "found certificate in `require` where none is asked for; expected `tls: "
		       "yes` "
		       "and `client_certificate: required` or `optional`";
	return NULL;
}

static const char *judge_tls(const struct mt_listener_settings *listener)
{
	if (listener->crl_path[0] != '\0' && !asks_for_certificates(listener))
		return "found a CRL where no client shows a certificate; expected "
		       "`client_certificate: required` or `optional`";
	if (listener->staple_path[0] != '\0' && listener->certificate_path[0] == '\0')
		return "found a staple for the broker's own certificate, which no OCSP responder "
		       "knows; expected none";
	return NULL;
}

/* What is wrong with a listener as a whole, or NULL. */
static const char *judge(const struct mt_listener_settings *listener)
{
	bool has_certificate = listener->certificate_path[0] != '\0';
	bool has_key = listener->key_path[0] != '\0';
	struct mt_endpoint endpoint;
	const char *fault;
	if (listener->address[0] == '\0')
		return "found no address; expected one, such as `address: 127.0.0.1:1883`";
	if (has_certificate != has_key)
		return "found only one of certificate and key; expected both or none";
	if (mt_endpoint_parse_local(mt_bytes_str(listener->address), &endpoint, &fault) != MT_OK)
		return fault;
	if (!endpoint.is_unix && (listener->owner[0] != '\0' || listener->group[0] != '\0'))
		return "found an owner or a group without a Unix socket; expected an address such "
		       "as unix:/run/mortise/mqtt.sock";
	fault = judge_anonymous(listener);
	if (!fault)
		fault = judge_require(listener);
	if (fault)
		return fault;
	if (listener->is_tls)
		return judge_tls(listener);
	if (listener->client_certificate == MT_CLIENT_CERTIFICATE_REQUIRED || listener->has_psk)
		return "found certificates or keys of clients without TLS; expected `tls: yes`";
	if (has_certificate)
		return "found a certificate without TLS; expected `tls: yes`, or no certificate "
		       "and key";
	if (!mt_endpoint_is_loopback(&endpoint) && !listener->is_insecure_allowed)
		return "found a listener without TLS that others can reach; expected `tls: yes`, a "
		       "loopback address "
		       "such as 127.0.0.1:1883, or `insecure: yes` where plain text on the network "
		       "is wanted";
	return NULL;
}

static void check_subtrees(struct mt_assembly *assembly)
{
	const struct mt_settings *settings = assembly->settings;
	for (uint32_t i = 0; i < settings->subtree_count; i++) {
		const struct mt_subtree_settings *subtree = &settings->subtrees[i];
		if (!mt_topic_filter_is_valid(mt_bytes_str(subtree->filter)))
			mt_report_add(assembly->report,
				      "retained.%s: found no filter of topics; expected one, such "
				      "as `filter: sensors/#`",
				      subtree->name);
		else if (subtree->count == 0 && subtree->bytes == 0)
			mt_report_add(assembly->report,
				      "retained.%s: found no limit; expected count, bytes or both",
				      subtree->name);
	}
}

static const char *judge_certificate(const struct mt_settings *settings,
				     const struct mt_certificate_settings *certificate)
{
	if (certificate->certificate_path[0] == '\0' || certificate->key_path[0] == '\0')
		return "found only one of certificate and key, or none; expected both";
	if (certificate->listener[0] != '\0' &&
	    find_listener(settings, mt_bytes_str(certificate->listener)) ==
		    settings->listener_count)
		return "found a listener that there is not; expected the name of one, or off";
	return NULL;
}

static void check_certificates(struct mt_assembly *assembly)
{
	const struct mt_settings *settings = assembly->settings;
	for (uint32_t i = 0; i < settings->certificate_count; i++) {
		const char *fault = judge_certificate(settings, &settings->certificates[i]);
		if (fault)
			mt_report_add(assembly->report, "certificates.%s: %s",
				      settings->certificates[i].name, fault);
	}
}

static const char *judge_https(const struct mt_settings *settings)
{
	const struct mt_https_settings *https = &settings->https;
	struct mt_endpoint endpoint;
	const char *fault;
	uint32_t i = 0;
	if (https->address[0] == '\0')
		return NULL;
	if (mt_endpoint_parse_local(mt_bytes_str(https->address), &endpoint, &fault) != MT_OK)
		return fault;
	if (endpoint.is_unix)
		return "found a Unix socket as its address; expected HOST:PORT, for "
		       "STATE/admin.sock "
		       "is there already";
	if (find_listener(settings, mt_bytes_str("https")) < settings->listener_count)
		return "found a listener of MQTT named https too; expected another name for that";
	while (i < settings->certificate_count &&
	       strcmp(settings->certificates[i].name, https->certificate) != 0)
		i++;
	if (https->certificate[0] != '\0' && i == settings->certificate_count)
		return "found a certificate that there is not; expected the name of one of "
		       "certificates, or off";
	return NULL;
}

static void check_https(struct mt_assembly *assembly)
{
	const char *fault = judge_https(assembly->settings);
	if (fault)
		mt_report_add(assembly->report, "admin.https: %s", fault);
}

void mt_assembly_check(struct mt_assembly *assembly)
{
	struct mt_settings *settings = assembly->settings;
	for (uint32_t i = 0; i < settings->listener_count; i++)
		mt_schema_inherit(&settings->limits, &settings->listeners[i]);
	for (uint32_t i = 0; i < settings->listener_count; i++) {
		const char *fault =
			assembly->origins[i].is_faulty ? NULL : judge(&settings->listeners[i]);
		if (fault)
			mt_report_add(assembly->report, "%slisteners.%s: %s",
				      assembly->origins[i].where, settings->listeners[i].name,
				      fault);
	}
	if (settings->response_topic[0] != '\0' &&
	    !mt_topic_name_is_valid(mt_bytes_str(settings->response_topic)))
		mt_report_add(assembly->report,
			      "response_topic: found a text that is no topic name; expected one "
			      "without wildcards, such as reply/%%c");
	check_subtrees(assembly);
	check_certificates(assembly);
	check_https(assembly);
	if (settings->listener_count == 0 && assembly->report->count == 0)
		mt_report_add(assembly->report, "listeners: found none; expected at least one");
}
