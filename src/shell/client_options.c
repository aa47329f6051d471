/* What the user of libmortise asks for before the first connection. */
#include "shell/client_parts.h"

#include "topic/name.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PORT_TLS 8883
#define PORT_PLAIN 1883
#define PROPERTY_RECEIVE_MAXIMUM 0x21
#define PROPERTY_TOPIC_ALIAS_MAXIMUM 0x22
#define PROPERTY_MAXIMUM_PACKET_SIZE 0x27

static int check_early(struct mortise_client *client)
{
	client->fault[0] = 0;
	if (client->core)
		return mt_client_say(client, MORTISE_INVALID,
				     "options are set before the first connection");
	return MORTISE_OK;
}

static int out_of_memory(struct mortise_client *client)
{
	return mt_client_say(client, MORTISE_MEMORY, "out of memory");
}

static int keep(struct mortise_client *client, struct mt_bytes bytes, struct mt_bytes *out)
{
	return mt_arena_copy(&client->arena, bytes, out) == MT_OK ? MORTISE_OK
								  : out_of_memory(client);
}

static int keep_text(struct mortise_client *client, const char *text, const char **out)
{
	struct mt_bytes copy = {NULL, 0};
	int status = text ? keep(client, mt_bytes_str(text), &copy) : MORTISE_OK;
	if (status == MORTISE_OK)
		*out = (const char *)copy.data;
	return status;
}

int mortise_client_set_session_file(mortise_client *client, const char *path)
{
	int status = check_early(client);
	return status == MORTISE_OK ? keep_text(client, path, &client->options.session_path)
				    : status;
}

int mortise_client_set_address(mortise_client *client, const char *host, uint16_t port)
{
	size_t host_bytes = strlen(host);
	int status = check_early(client);
	if (status != MORTISE_OK)
		return status;
	if (host_bytes == 0 || host_bytes > HOST_BYTES_MAX)
		return mt_client_say(client, MORTISE_INVALID, "a host has 1 to %u characters",
				     HOST_BYTES_MAX);
	memcpy(client->options.host, host, host_bytes + 1);
	client->options.port = port;
	return MORTISE_OK;
}

int mortise_client_set_version(mortise_client *client, int version)
{
	int status = check_early(client);
	if (status != MORTISE_OK)
		return status;
	if (version != MT_VERSION_3_1_1 && version != MT_VERSION_5)
		return mt_client_say(client, MORTISE_INVALID,
				     "version %d is neither 4 (3.1.1) nor 5", version);
	client->options.core.connect.version = (enum mt_version)version;
	return MORTISE_OK;
}

int mortise_client_set_client_id(mortise_client *client, const char *id)
{
	int status = check_early(client);
	return status != MORTISE_OK
		       ? status
		       : keep(client, mt_bytes_str(id), &client->options.core.connect.client_id);
}

static void drop_secret(struct client_options *options)
{
	if (options->secret)
		mt_bytes_wipe(options->secret, options->secret_bytes);
	free(options->secret);
	options->secret = NULL;
	options->secret_bytes = 0;
}

int mortise_client_set_credentials(mortise_client *client, const char *user, const void *password,
				   size_t password_bytes)
{
	struct mt_connect *connect = &client->options.core.connect;
	int status = check_early(client);
	if (status == MORTISE_OK && password_bytes > UINT16_MAX)
		status = mt_client_say(client, MORTISE_INVALID,
				       "a password has at most 65535 bytes");
	if (status == MORTISE_OK && user)
		status = keep(client, mt_bytes_str(user), &connect->user);
	if (status != MORTISE_OK)
		return status;
	connect->has_user = user != NULL;
	drop_secret(&client->options);
	connect->has_password = false;
	if (!password)
		return MORTISE_OK;
	client->options.secret = malloc(password_bytes + 1);
	if (!client->options.secret)
		return out_of_memory(client);
	if (password_bytes > 0)
		memcpy(client->options.secret, password, password_bytes);
	client->options.secret_bytes = password_bytes;
	connect->has_password = true;
	return MORTISE_OK;
}

int mortise_client_set_auth(mortise_client *client, enum mortise_auth auth)
{
	int status = check_early(client);
	if (status == MORTISE_OK && ((int)auth < 0 || auth > MORTISE_AUTH_SCRAM_SHA_256_PLUS))
		status = mt_client_say(client, MORTISE_INVALID, "there is no such way to log in");
	if (status == MORTISE_OK)
		client->options.auth = auth;
	return status;
}

int mortise_client_set_clean(mortise_client *client, bool is_clean)
{
	int status = check_early(client);
	if (status == MORTISE_OK)
		client->options.core.connect.is_clean = is_clean;
	return status;
}

int mortise_client_set_session_expiry(mortise_client *client, uint32_t seconds)
{
	struct mt_props *props = &client->options.core.connect.props;
	int status = check_early(client);
	if (status != MORTISE_OK)
		return status;
	props->present |= MT_PROP_BIT(SESSION_EXPIRY_INTERVAL);
	props->session_expiry_s = seconds;
	return MORTISE_OK;
}

int mortise_client_set_keep_alive(mortise_client *client, uint16_t seconds)
{
	int status = check_early(client);
	if (status == MORTISE_OK)
		client->options.core.connect.keep_alive_s = seconds;
	return status;
}

int mortise_client_set_tls(mortise_client *client, const char *ca_path,
			   const char *certificate_path, const char *key_path)
{
	struct client_options *options = &client->options;
	int status = check_early(client);
	if (status == MORTISE_OK && !certificate_path != !key_path)
		status =
			mt_client_say(client, MORTISE_INVALID, "certificate and key: both or none");
	if (status == MORTISE_OK && ca_path)
		status = keep_text(client, ca_path, &options->ca_path);
	if (status == MORTISE_OK && certificate_path)
		status = keep_text(client, certificate_path, &options->certificate_path);
	if (status == MORTISE_OK && key_path)
		status = keep_text(client, key_path, &options->key_path);
	if (status == MORTISE_OK)
		options->is_tls = true;
	return status;
}

int mortise_client_set_pin(mortise_client *client, const char *pin)
{
	struct client_options *options = &client->options;
	int status = check_early(client);
	if (status == MORTISE_OK)
		status = keep_text(client, pin, &options->pin);
	if (status == MORTISE_OK)
		options->is_tls = true;
	return status;
}

int mortise_client_set_plain_allowed(mortise_client *client, bool is_allowed)
{
	int status = check_early(client);
	if (status == MORTISE_OK)
		client->options.is_plain_allowed = is_allowed;
	return status;
}

int mortise_client_set_reconnect(mortise_client *client, uint32_t min_ms, uint32_t max_ms,
				 uint64_t seed)
{
	int status = check_early(client);
	if (status == MORTISE_OK && (min_ms > max_ms || (max_ms > 0 && min_ms == 0)))
		status = mt_client_say(client, MORTISE_INVALID,
				       "reconnect: 0 < min_ms <= max_ms, or max_ms 0");
	if (status != MORTISE_OK)
		return status;
	client->options.retry_min_ms = min_ms;
	client->options.retry_max_ms = max_ms;
	client->options.retry_seed = seed;
	return MORTISE_OK;
}

void mortise_limits_default(struct mortise_limits *out)
{
	struct mt_client_limits limits = mt_client_defaults().limits;
	*out = (struct mortise_limits){
		.packet_bytes = limits.packet_bytes,
		.memory_bytes = limits.memory_bytes,
		.output_bytes = limits.output_bytes,
		.queue_messages = limits.queue_messages,
		.window = limits.window,
		.receive_max = limits.receive_max,
		.topic_alias_max = limits.topic_alias_max,
		.inbox_messages = 1000,
	};
}

int mortise_client_set_limits(mortise_client *client, const struct mortise_limits *limits)
{
	struct mt_client_limits *core = &client->options.core.limits;
	int status = check_early(client);
	if (status != MORTISE_OK)
		return status;
	core->packet_bytes = limits->packet_bytes;
	core->memory_bytes = limits->memory_bytes;
	core->output_bytes = limits->output_bytes;
	core->queue_messages = limits->queue_messages;
	core->window = limits->window;
	core->receive_max = limits->receive_max;
	core->topic_alias_max = limits->topic_alias_max;
	client->options.inbox_max = limits->inbox_messages;
	client->mem.max_bytes = limits->memory_bytes;
	return MORTISE_OK;
}

/* The strings of properties move into the arena. */
static int keep_props(struct mortise_client *client, struct mt_props *props)
{
	struct mt_bytes *strings[] = {&props->user, &props->content_type, &props->response_topic,
				      &props->correlation_data, &props->reason_string};
	int status = MORTISE_OK;
	for (size_t i = 0; i < MT_COUNT_OF(strings) && status == MORTISE_OK; i++)
		status = keep(client, *strings[i], strings[i]);
	return status;
}

static int build_kept(struct mortise_client *client, const struct mortise_property *list,
		      size_t count, struct mt_props *out)
{
	struct mt_props props;
	uint8_t *user = NULL;
	int status = mt_client_props_build(client, list, count, &props, &user);
	if (status == MORTISE_OK)
		status = keep_props(client, &props);
	if (status == MORTISE_OK)
		*out = props;
	free(user);
	return status;
}

int mortise_client_set_will(mortise_client *client, const struct mortise_message *will)
{
	struct mt_connect *connect = &client->options.core.connect;
	size_t topic_bytes = will->topic_bytes ? will->topic_bytes : strlen(will->topic);
	int status = check_early(client);
	if (status == MORTISE_OK && (will->qos > 2 || will->payload_bytes > UINT16_MAX))
		status = mt_client_say(client, MORTISE_INVALID,
				       "a will has QoS 0 to 2 and at most 65535 bytes");
	if (status == MORTISE_OK && !mt_topic_name_is_valid(mt_bytes_of(will->topic, topic_bytes)))
		status = mt_client_say(client, MORTISE_INVALID,
				       "the topic of a will is a name without wildcards");
	if (status == MORTISE_OK)
		status = build_kept(client, will->properties, will->property_count,
				    &connect->will_props);
	if (status == MORTISE_OK)
		status = keep(client, mt_bytes_of(will->topic, topic_bytes), &connect->will_topic);
	if (status == MORTISE_OK)
		status = keep(client, mt_bytes_of(will->payload, will->payload_bytes),
			      &connect->will_payload);
	if (status != MORTISE_OK)
		return status;
	connect->has_will = true;
	connect->will_qos = will->qos;
	connect->is_will_retain = will->is_retain;
	return MORTISE_OK;
}

/* Properties that announce a limit set the limit. */
static bool take_limit(struct mt_client_limits *limits, const struct mortise_property *property)
{
	switch (property->id) {
	case PROPERTY_RECEIVE_MAXIMUM:
		limits->receive_max =
			(uint16_t)(property->number > UINT16_MAX ? 0 : property->number);
		return true;
	case PROPERTY_TOPIC_ALIAS_MAXIMUM:
		limits->topic_alias_max =
			(uint16_t)(property->number > UINT16_MAX ? UINT16_MAX : property->number);
		return true;
	case PROPERTY_MAXIMUM_PACKET_SIZE:
		limits->packet_bytes = property->number;
		return true;
	default:
		return false;
	}
}

static void merge(struct mt_props *to, const struct mt_props *from)
{
	struct mt_props before = *to;
	*to = *from;
	to->present |= before.present;
	if (!(from->present & MT_PROP_BIT(SESSION_EXPIRY_INTERVAL)))
		to->session_expiry_s = before.session_expiry_s;
}

int mortise_client_set_connect_properties(mortise_client *client,
					  const struct mortise_property *properties, size_t count)
{
	struct mortise_property *others = calloc(count + 1, sizeof(*others));
	struct mt_props props;
	size_t kept = 0;
	int status = others ? check_early(client) : out_of_memory(client);
	for (size_t i = 0; status == MORTISE_OK && i < count; i++)
		if (!take_limit(&client->options.core.limits, &properties[i]))
			others[kept++] = properties[i];
	if (status == MORTISE_OK)
		status = build_kept(client, others, kept, &props);
	if (status == MORTISE_OK)
		merge(&client->options.core.connect.props, &props);
	free(others);
	return status;
}

int mortise_client_set_disconnect_properties(mortise_client *client,
					     const struct mortise_property *properties,
					     size_t count)
{
	int status = check_early(client);
	return status != MORTISE_OK
		       ? status
		       : build_kept(client, properties, count, &client->options.disconnect);
}

static void free_pem(char **text)
{
	if (*text)
		mt_bytes_wipe(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

void mt_client_options_finish(struct client_options *options)
{
	drop_secret(options);
	free_pem(&options->ca_pem);
	free_pem(&options->certificate_pem);
	free_pem(&options->key_pem);
}

uint16_t mt_client_options_port(const struct client_options *options)
{
	if (options->port != 0)
		return options->port;
	return options->is_tls ? PORT_TLS : PORT_PLAIN;
}

/* A text of the profile as a file that only this process reads, for what takes paths. -1: errno. */
static int hidden_file(const char *text, char path[32])
{
	size_t len = strlen(text);
	int fd = memfd_create("mortise", MFD_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fchmod(fd, S_IRUSR | S_IWUSR) != 0 || write(fd, text, len) != (ssize_t)len) {
		close(fd);
		return -1;
	}
	snprintf(path, 32, "/proc/self/fd/%d", fd);
	return fd;
}

static int create_tls(struct mortise_client *client, const struct mt_tls_client_settings *settings)
{
	char fault[LINK_FAULT_BYTES];
	enum mt_status status =
		mt_tls_context_create_client(settings, &client->tls, fault, sizeof(fault));
	return status == MT_OK ? MORTISE_OK
			       : mt_client_say(client, mt_client_status(status), "%s", fault);
}

static int create_tls_of_profile(struct mortise_client *client,
				 struct mt_tls_client_settings *settings)
{
	struct client_options *options = &client->options;
	char certificate_path[32];
	char key_path[32];
	int certificate = hidden_file(options->certificate_pem, certificate_path);
	int key = hidden_file(options->key_pem, key_path);
	int status;
	if (certificate < 0 || key < 0) {
		status = mt_client_say(client, MORTISE_SYSTEM,
				       "no hidden file for the profile's key");
	} else {
		settings->certificate_path = certificate_path;
		settings->key_path = key_path;
		status = create_tls(client, settings);
		settings->certificate_path = settings->key_path = NULL;
	}
	if (certificate >= 0)
		close(certificate);
	if (key >= 0)
		close(key);
	return status;
}

static int apply_tls(struct mortise_client *client)
{
	struct client_options *options = &client->options;
	struct mt_tls_client_settings settings = {
		.ca_path = options->ca_path,
		.ca_pem = mt_bytes_str(options->ca_pem),
		.certificate_path = options->certificate_path,
		.key_path = options->key_path,
		.pin = options->pin,
	};
	if (!options->is_tls)
		return MORTISE_OK;
	if (!options->certificate_path && options->certificate_pem && options->key_pem)
		return create_tls_of_profile(client, &settings);
	return create_tls(client, &settings);
}

static int apply_core(struct mortise_client *client)
{
	struct client_options *options = &client->options;
	struct mt_client_settings settings = options->core;
	struct mt_violation why = {.statement = "malformed"};
	enum mt_status status;
	int failed;
	settings.connect.password = mt_bytes_of(options->secret, options->secret_bytes);
	/* A session of 3.1.1 that is not clean has no end; in 5 it needs an expiry to mean
	 * anything. */
	if (!settings.connect.is_clean && settings.connect.version == MT_VERSION_5 &&
	    !(settings.connect.props.present & MT_PROP_BIT(SESSION_EXPIRY_INTERVAL))) {
		settings.connect.props.present |= MT_PROP_BIT(SESSION_EXPIRY_INTERVAL);
		settings.connect.props.session_expiry_s = UINT32_MAX;
	}
	if (settings.connect.version != MT_VERSION_5)
		settings.connect.props = settings.connect.will_props = (struct mt_props){0};
	failed = mt_client_auth_apply(client, &settings);
	if (failed != MORTISE_OK)
		return failed;
	status = mt_client_create(&settings, &client->core, &why);
	if (status != MT_OK)
		mt_client_auth_finish(client);
	if (status == MT_INVALID)
		return mt_client_say(client, MORTISE_INVALID, "CONNECT would not be legal: %s (%s)",
				     mt_reason_text(why.reason), why.statement);
	if (status == MT_LIMIT)
		return mt_client_say(client, MORTISE_LIMIT,
				     "a limit of the client is out of its range");
	return status == MT_OK ? MORTISE_OK : out_of_memory(client);
}

int mt_client_options_apply(struct mortise_client *client)
{
	bool is_first = !client->tls;
	int status = is_first ? apply_tls(client) : MORTISE_OK;
	if (is_first && client->tls)
		mt_client_link_recall(client);
	if (status == MORTISE_OK)
		status = apply_core(client);
	if (status == MORTISE_OK)
		mt_client_options_finish(&client->options);
	return status;
}
