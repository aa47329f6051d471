/* The broker put together and taken apart. */
#include "shell/broker.h"

#include "io/clock.h"
#include "io/file.h"
#include "io/local.h"
#include "mortise/version.h"
#include "shell/api.h"
#include "shell/ceiling.h"
#include "shell/clerk.h"
#include "shell/directory.h"
#include "shell/provision.h"
#include "shell/pump.h"
#include "shell/audit_log.h"
#include "shell/login_cache.h"
#include "shell/recorder.h"
#include "shell/relay.h"
#include "topic/retained.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

struct mt_broker {
	struct mt_settings settings;
	int lock_fd;
	struct mt_state *state;
	struct mt_policy *policy; /* only until the core has it */
	struct mt_book *book;	  /* only until the transport has it */
	struct mt_hub hub;
	bool is_hub_open;
	bool is_pump_open;
	struct mt_api *api;
	struct mt_admin_server *admin;
	_Atomic(struct mt_relay *) relay; /* NULL: the admin API has no HTTPS */
	char admin_path[4096 + 16];
	struct mt_retained_subtree subtrees[MT_SUBTREES_MAX];
	struct mt_offer offers[MT_LISTENERS_MAX];
	struct mt_core_limits limits[MT_LISTENERS_MAX];
	mt_time started_ns;
	struct mt_recorder *recorder; /* NULL: nothing is recorded */
	struct mt_login_cache *login_cache;
	struct mt_pump pump;
};

/* Where a failure is told: a sentence and an exit code. */
struct trouble {
	char *fault;
	size_t cap;
	int *exit_code;
};

static enum mt_status fail(const struct trouble *trouble, enum mt_status status, const char *text)
{
	if (text)
		snprintf(trouble->fault, trouble->cap, "%s", text);
	*trouble->exit_code = mt_status_exit(status);
	return status;
}

static enum mt_status join_path(const struct mt_broker *broker, const char *name, char *out,
				size_t cap)
{
	int len = snprintf(out, cap, "%s/%s", broker->settings.state_path, name);
	return len > 0 && (size_t)len < cap ? MT_OK : MT_LIMIT;
}

/* What came due while nobody ran is undone before anybody is let in by it. */
static enum mt_status settle_history(struct mt_broker *broker, const struct trouble *trouble)
{
	enum mt_status status;
	mt_state_history_limit(broker->state, broker->settings.policy_history,
			       broker->settings.policy_history_bytes);
	status = mt_clerk_settle_at_start(broker->state, mt_clock_now().wall_ns / MT_SECOND);
	if (status != MT_OK)
		snprintf(trouble->fault, trouble->cap,
			 "state database: a change that nobody confirmed cannot be undone: %.300s",
			 mt_state_fault(broker->state));
	return status;
}

static enum mt_status open_state(struct mt_broker *broker, const struct trouble *trouble)
{
	char path[4096 + 16];
	bool is_first = false;
	enum mt_status status =
		mt_provision_claim(broker->settings.state_path, trouble->fault, trouble->cap);
	if (status != MT_OK)
		return fail(trouble, status, NULL);
	if (join_path(broker, "lock", path, sizeof(path)) != MT_OK)
		return fail(trouble, MT_INVALID, "the path of the state directory is too long");
	status = mt_file_lock(path, &broker->lock_fd);
	if (status != MT_OK) {
		snprintf(trouble->fault, trouble->cap, "state directory %s: %s; %s",
			 broker->settings.state_path,
			 status == MT_EXISTS ? "another broker uses it" : strerror(errno),
			 status == MT_EXISTS ? "stop that one or choose another --state"
					     : "see to its permissions");
		return fail(trouble, status, NULL);
	}
	MT_CHECK(join_path(broker, "mortise.db", path, sizeof(path)) == MT_OK);
	status = mt_scram_desk_open(&broker->pump.scram, broker->settings.state_path,
				    trouble->fault, trouble->cap);
	if (status != MT_OK)
		return fail(trouble, status, NULL);
	status = mt_state_open(path, true, &broker->state, trouble->fault, trouble->cap);
	if (status == MT_OK)
		status = mt_provision(&broker->settings, broker->state, &is_first, trouble->fault,
				      trouble->cap);
	if (status == MT_OK)
		status = settle_history(broker, trouble);
	if (status == MT_OK)
		status = mt_directory_load(broker->state, &broker->policy, trouble->fault,
					   trouble->cap);
	if (status == MT_OK)
		status = mt_directory_load_book(broker->state, &broker->book, trouble->fault,
						trouble->cap);
	if (status != MT_OK)
		return fail(trouble, status, NULL);
	if (is_first)
		mt_log(MT_LOG_NOTICE, "broker",
		       "first start: CA, certificate and administrator were made",
		       MT_STR("profile", "profiles/admin.mortise"));
	return MT_OK;
}

static struct mt_core_limits core_limits_of(const struct mt_limits *limits)
{
	return (struct mt_core_limits){.packet_bytes = limits->packet_bytes,
				       .connect_bytes = limits->connect_bytes,
				       .topic_levels = limits->topic_levels,
				       .topic_bytes = limits->topic_bytes,
				       .user_properties = limits->user_properties,
				       .property_bytes = limits->property_bytes,
				       .filters_per_subscribe = limits->filters_per_subscribe,
				       .filters_per_session = limits->filters_per_session,
				       .subscription_nodes = limits->subscription_nodes,
				       .queue_messages = limits->queue_messages,
				       .queue_bytes = limits->queue_bytes,
				       .output_bytes = limits->output_bytes,
				       .inflight = (uint16_t)limits->inflight,
				       .retained_count = limits->retained_count,
				       .retained_bytes = limits->retained_bytes,
				       .retained_nodes = limits->retained_nodes,
				       .sessions = limits->sessions,
				       .connections = limits->connections,
				       .topic_aliases = (uint16_t)limits->topic_aliases,
				       .client_aliases = (uint16_t)limits->client_aliases,
				       .session_expiry_s = limits->session_expiry_s,
				       .will_delay_s = limits->will_delay_s,
				       .keep_alive_s = (uint16_t)limits->keep_alive_s,
				       .keep_alive_least_s = (uint16_t)limits->keep_alive_least_s,
				       .publish_rate = limits->publish_rate,
				       .publish_byte_rate = limits->publish_byte_rate,
				       .handshake_ns = limits->handshake_ns,
				       .connect_ns = limits->connect_ns};
}

static void fill_subtrees(struct mt_broker *broker, struct mt_core_limits *limits)
{
	const struct mt_settings *settings = &broker->settings;
	for (uint32_t i = 0; i < settings->subtree_count; i++)
		broker->subtrees[i] = (struct mt_retained_subtree){
			.filter = mt_bytes_str(settings->subtrees[i].filter),
			.count_max = settings->subtrees[i].count,
			.bytes_max = settings->subtrees[i].bytes};
	limits->subtrees = broker->subtrees;
	limits->subtree_count = settings->subtree_count;
}

static enum mt_status open_core(struct mt_broker *broker, const struct trouble *trouble)
{
	struct mt_core_settings settings = {
		.limits = core_limits_of(&broker->settings.limits),
		.seed = mt_random_seed(),
		.memory_bytes = broker->settings.limits.memory_bytes,
		.is_revocation_closing = broker->settings.is_revocation_closing,
		.is_denial_closing = broker->settings.is_qos0_denial_closing,
		.sys_interval_ns = broker->settings.sys_interval_ns,
		.release = "mortise " MORTISE_VERSION,
		.shared_strategy = (enum mt_shared_strategy)broker->settings.shared_strategy,
		.is_payload_checked = broker->settings.is_payload_checked,
		.response_topic = broker->settings.response_topic,
	};
	struct mt_now now = mt_clock_now();
	fill_subtrees(broker, &settings.limits);
	if (broker->pump.tape)
		mt_tape_note_create(broker->pump.tape, &settings, broker->policy, now);
	broker->pump.core = mt_core_create(&settings, broker->policy, now);
	mt_policy_unref(&broker->policy);
	return broker->pump.core ? MT_OK
				 : fail(trouble, MT_MEMORY, "out of memory; lower the limits");
}

static enum mt_status open_audit(struct mt_broker *broker, const struct trouble *trouble)
{
	const struct mt_audit_settings settings = {
		.state_path = broker->settings.state_path,
		.file_bytes = broker->settings.audit.file_bytes,
		.files = broker->settings.audit.files,
	};
	enum mt_status status =
		mt_audit_log_open(&settings, &broker->pump.audit, trouble->fault, trouble->cap);
	return status == MT_OK ? MT_OK : fail(trouble, status, NULL);
}

static enum mt_status open_recorder(struct mt_broker *broker, const struct trouble *trouble)
{
	const struct mt_settings *settings = &broker->settings;
	enum mt_status status;
	if (settings->record_path[0] == '\0')
		return MT_OK;
	status = mt_recorder_open(settings->record_path, settings->record_bytes, &broker->recorder,
				  trouble->fault, trouble->cap);
	if (status != MT_OK)
		return fail(trouble, status, NULL);
	broker->pump.tape = mt_recorder_tape(broker->recorder);
	return MT_OK;
}

static enum mt_status open_tls(struct mt_broker *broker, uint32_t index,
			       const struct trouble *trouble)
{
	struct mt_listener *listener = &broker->pump.listeners[index];
	const struct mt_listener_settings *settings = listener->settings;
	char why[384] = "";
	enum mt_status status =
		mt_transport_make(&broker->pump.transport, index, &listener->tls, why, sizeof(why));
	if (status == MT_OK)
		return MT_OK;
	snprintf(trouble->fault, trouble->cap,
		 "listener %s: %s; see listeners.%s.certificate, key and client_ca", settings->name,
		 why, settings->name);
	return fail(trouble, status, NULL);
}

static enum mt_status bind_at(struct mt_listener *listener, const struct mt_endpoint *endpoint)
{
	const struct mt_listener_settings *settings = listener->settings;
	struct mt_local_settings local = {endpoint->host, settings->owner, settings->group,
					  settings->mode};
	listener->is_unix = endpoint->is_unix;
	return endpoint->is_unix ? mt_local_listen(&local, &listener->fd)
				 : mt_listen_open(endpoint, &listener->fd);
}

static const char *explain_bind(const struct mt_listener *listener, enum mt_status status)
{
	if (status == MT_NOT_FOUND)
		return "there is no such owner or group";
	if (status == MT_EXISTS && listener->is_unix)
		return "something is there that is no socket, or somebody serves it";
	return strerror(errno);
}

static enum mt_status bind_listener(struct mt_listener *listener, const struct trouble *trouble)
{
	const struct mt_listener_settings *settings = listener->settings;
	struct mt_endpoint endpoint;
	const char *why = "";
	char name[MT_ENDPOINT_TEXT_BYTES];
	enum mt_status status;
	if (mt_endpoint_parse_local(mt_bytes_str(settings->address), &endpoint, &why) != MT_OK) {
		snprintf(trouble->fault, trouble->cap, "listener %s: address %s: %s",
			 settings->name, settings->address, why);
		return fail(trouble, MT_INVALID, NULL);
	}
	status = bind_at(listener, &endpoint);
	if (status != MT_OK) {
		snprintf(trouble->fault, trouble->cap,
			 "listener %s: cannot listen on %s: %s; free it or choose another with "
			 "--set listeners.%s.address=...",
			 settings->name, settings->address, explain_bind(listener, status),
			 settings->name);
		return fail(trouble, MT_SYSTEM, NULL);
	}
	mt_listen_name(listener->fd, name);
	snprintf(listener->text, sizeof(listener->text), "%s=%s", settings->name, name);
	return MT_OK;
}

/* Where clients on this machine reach the listener; false: by no TCP. */
static bool reach(const struct mt_listener *listener, char host[256], uint16_t *port)
{
	struct mt_endpoint asked, real;
	const char *why;
	char name[MT_ENDPOINT_TEXT_BYTES];
	if (listener->settings->is_websocket || listener->is_unix || listener->fd < 0)
		return false;
	mt_listen_name(listener->fd, name);
	if (mt_endpoint_parse(mt_bytes_str(listener->settings->address), &asked, &why) != MT_OK ||
	    mt_endpoint_parse(mt_bytes_str(name), &real, &why) != MT_OK)
		return false;
	if (asked.host[0] == '\0' || strcmp(asked.host, "::") == 0 ||
	    strcmp(asked.host, "0.0.0.0") == 0)
		strcpy(asked.host, "localhost");
	snprintf(host, 256, "%s", asked.host);
	*port = real.port;
	return true;
}

/* The profile of the administrator follows the first TLS listener with our own certificate. */
static enum mt_status tell_address(struct mt_broker *broker, const struct mt_listener *listener)
{
	const struct mt_listener_settings *settings = listener->settings;
	char host[256];
	uint16_t port;
	if (!settings->is_tls || settings->certificate_path[0] != '\0' ||
	    !reach(listener, host, &port))
		return MT_NOT_FOUND;
	return mt_provision_address(&broker->settings, host, port);
}

bool mt_broker_address(const struct mt_broker *broker, char *host, uint16_t *port)
{
	for (int is_own = 1; is_own >= 0; is_own--) {
		for (uint32_t i = 0; i < broker->pump.listener_count; i++) {
			const struct mt_listener *listener = &broker->pump.listeners[i];
			if (listener->settings->is_tls &&
			    (!is_own || listener->settings->certificate_path[0] == '\0') &&
			    reach(listener, host, port))
				return true;
		}
	}
	return false;
}

static struct mt_offer offer_of(const struct mt_listener_settings *settings)
{
	return (struct mt_offer){.qos_max = (uint8_t)settings->qos_max,
				 .is_retain_available = settings->is_retain_available,
				 .is_wildcard_available = settings->is_wildcard_available,
				 .is_shared_available = settings->is_shared_available,
				 .is_subscription_id_available =
					 settings->is_subscription_id_available,
				 .is_moved = settings->is_moved,
				 .server_reference = settings->server_reference};
}

static enum mt_status open_listeners(struct mt_broker *broker, const struct trouble *trouble)
{
	bool is_told = false;
	enum mt_status status =
		mt_resumption_open(&broker->pump.resumption, &broker->settings, mt_clock_now(),
				   mt_random_seed(), trouble->fault, trouble->cap);
	if (status != MT_OK)
		return fail(trouble, status, NULL);
	mt_transport_open(&broker->pump.transport, &broker->settings, &broker->pump.resumption,
			  broker->book, mt_clock_now());
	mt_book_unref(&broker->book);
	for (uint32_t i = 0; i < broker->settings.listener_count; i++) {
		struct mt_listener *listener = &broker->pump.listeners[i];
		listener->settings = &broker->settings.listeners[i];
		listener->fd = -1;
		listener->web = (struct mt_upgrade_rules){listener->settings->web_path,
							  listener->settings->origins,
							  listener->settings->is_tls};
		broker->offers[i] = offer_of(listener->settings);
		listener->offer = &broker->offers[i];
		broker->limits[i] = core_limits_of(&listener->settings->limits);
		listener->limits = &broker->limits[i];
		broker->pump.listener_count++;
		if (listener->settings->is_tls)
			MT_TRY(open_tls(broker, i, trouble));
		MT_TRY(bind_listener(listener, trouble));
		if (!is_told)
			is_told = tell_address(broker, listener) == MT_OK;
	}
	return MT_OK;
}

/* A new snapshot for the core, handed over on the loop's thread. */
struct adoption {
	struct mt_policy *policy;
	struct mt_book *book; /* NULL: as before */
	struct mt_core_counts before, now;
	bool is_swept;
};

#define SWEEP_WAIT (10 * MT_SECOND) /* then the answer leaves while it goes on */
#define SLICES_AT_ONCE 8

static void look_on_loop(struct mt_broker *broker, void *argument)
{
	struct adoption *adoption = argument;
	adoption->now = mt_core_counts(broker->pump.core);
	adoption->is_swept = mt_core_is_swept(broker->pump.core) && !broker->pump.review.is_running;
}

/* A sweep of a few thousand sessions is done at once: it takes less than asking for its end. */
static void adopt_on_loop(struct mt_broker *broker, void *argument)
{
	struct adoption *adoption = argument;
	struct mt_pump *pump = &broker->pump;
	adoption->before = mt_core_counts(pump->core);
	mt_tape_set_policy(pump->tape, pump->core, pump->now, adoption->policy);
	for (int i = 0; i < SLICES_AT_ONCE && !mt_core_is_swept(pump->core); i++)
		mt_tape_tick(pump->tape, pump->core, pump->now);
	if (adoption->book) {
		mt_auth_set_book(pump->auth, adoption->book);
		mt_transport_set_book(&pump->transport, adoption->book, pump->listeners,
				      pump->listener_count);
		mt_pump_review(pump, 0);
	}
	look_on_loop(broker, argument);
}

static struct mt_revoked revoked_by(const struct adoption *adoption, mt_time took_ns)
{
	const struct mt_core_counts *before = &adoption->before, *now = &adoption->now;
	return (struct mt_revoked){.sessions = now->revoked_sessions - before->revoked_sessions,
				   .subscriptions = now->revoked_subscriptions -
						    before->revoked_subscriptions,
				   .queued = now->revoked_queued - before->revoked_queued,
				   .wills = now->revoked_wills - before->revoked_wills,
				   .retained = now->revoked_retained - before->revoked_retained,
				   .took_ns = took_ns,
				   .is_complete = adoption->is_swept};
}

static enum mt_status adopt(void *context, struct mt_policy *policy, struct mt_book *book,
			    struct mt_revoked *out)
{
	struct mt_broker *broker = context;
	struct adoption adoption = {.policy = policy, .book = book};
	mt_time began_ns = mt_clock_now().mono_ns, took_ns;
	MT_TRY(mt_hub_call(&broker->hub, adopt_on_loop, &adoption));
	took_ns = mt_clock_now().mono_ns - began_ns;
	while (!adoption.is_swept && took_ns < SWEEP_WAIT) {
		MT_TRY(mt_hub_call(&broker->hub, look_on_loop, &adoption));
		took_ns = mt_clock_now().mono_ns - began_ns;
	}
	*out = revoked_by(&adoption, took_ns);
	return MT_OK;
}

/* The admin thread runs already, and may be asked for its status. */
static enum mt_status open_relay(struct mt_broker *broker, const struct trouble *trouble)
{
	struct mt_relay *relay = NULL;
	MT_TRY(mt_relay_open(&broker->settings, broker->admin, &relay, trouble->fault,
			     trouble->cap));
	broker->relay = relay;
	return MT_OK;
}

static enum mt_status open_admin(struct mt_broker *broker, const struct trouble *trouble)
{
	struct mt_admin_uses uses;
	enum mt_status status;
	if (join_path(broker, "admin.sock", broker->admin_path, sizeof(broker->admin_path)) !=
	    MT_OK)
		return fail(trouble, MT_INVALID, "the path of the state directory is too long");
	status = mt_api_open(broker, adopt, &broker->api);
	if (status != MT_OK)
		return fail(trouble, status, "out of memory");
	broker->login_cache = mt_login_cache_create(broker->settings.login_cache_ns);
	if (!broker->login_cache)
		return fail(trouble, MT_MEMORY, "out of memory");
	mt_auth_use(broker->pump.auth, broker->login_cache, mt_api_replace_hash, broker->api);
	uses = (struct mt_admin_uses){mt_api_handle, mt_api_admit, broker->api};
	status = mt_admin_server_open(broker->admin_path, &uses, &broker->admin, trouble->fault,
				      trouble->cap);
	if (status == MT_OK && broker->settings.https.address[0] != '\0')
		status = open_relay(broker, trouble);
	return status == MT_OK ? MT_OK : fail(trouble, status, NULL);
}

static enum mt_status open_pump(struct mt_broker *broker, const struct trouble *trouble)
{
	struct mt_pump *pump = &broker->pump;
	enum mt_status status = mt_hub_open(&broker->hub);
	broker->is_hub_open = status == MT_OK;
	pump->broker = broker;
	pump->settings = &broker->settings;
	pump->hub = &broker->hub;
	pump->store = mt_store_open_memory();
	if (status == MT_OK && !pump->store)
		status = MT_MEMORY;
	if (status == MT_OK)
		status =
			mt_auth_open(broker->settings.hash_threads, MT_AUTH_QUEUE_MAX, &pump->auth);
	if (status == MT_OK)
		mt_auth_set_book(pump->auth, pump->transport.book);
	if (status == MT_OK)
		status = mt_pump_open(pump);
	broker->is_pump_open = status == MT_OK;
	return status == MT_OK ? MT_OK
			       : fail(trouble, status,
				      "the operating system gave no epoll, eventfd or threads");
}

/* As many descriptors as the system lets us have, and no giving back of memory in small change (it
 * would be taken again at once). */
static void claim_resources(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &files) != 0)
			mt_log(MT_LOG_WARNING, "broker", "the limit of open files stays",
			       MT_STR("why", strerror(errno)));
	}
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
}

static enum mt_status open_all(struct mt_broker *broker, const struct trouble *trouble)
{
	claim_resources();
	broker->pump.signal_fd = mt_pump_open_signals();
	MT_TRY(open_state(broker, trouble));
	MT_TRY(open_audit(broker, trouble));
	MT_TRY(open_recorder(broker, trouble));
	MT_TRY(open_core(broker, trouble));
	MT_TRY(open_listeners(broker, trouble));
	MT_TRY(open_pump(broker, trouble));
	return open_admin(broker, trouble);
}

enum mt_status mt_broker_open(const struct mt_settings *settings, struct mt_broker **out,
			      char *fault, size_t cap, int *exit_code)
{
	struct trouble trouble = {fault, cap, exit_code};
	struct mt_broker *broker = calloc(1, sizeof(*broker));
	enum mt_status status;
	if (!broker)
		return fail(&trouble, MT_MEMORY, "out of memory");
	broker->settings = *settings;
	broker->lock_fd = -1;
	broker->started_ns = mt_clock_now().mono_ns;
	status = open_all(broker, &trouble);
	if (status != MT_OK) {
		mt_broker_close(&broker);
		return status;
	}
	*out = broker;
	return MT_OK;
}

/* One line on standard error when it serves; scripts wait for it. */
static void say_ready(const struct mt_broker *broker)
{
	const struct mt_relay *relay = broker->relay;
	char line[4096 * 2] = "ready";
	size_t len = strlen(line);
	for (uint32_t i = 0; i < broker->pump.listener_count; i++)
		len += (size_t)snprintf(line + len, sizeof(line) - len, " %s",
					broker->pump.listeners[i].text);
	fprintf(stderr, "%s%s%s admin=%s\n", line, relay ? " " : "",
		relay ? mt_relay_text(relay) : "", broker->admin_path);
	mt_service_notify("READY=1");
}

enum mt_status mt_broker_run(struct mt_broker *broker)
{
	bool is_over = false;
	mt_ceiling_report(&broker->settings);
	say_ready(broker);
	while (!is_over)
		MT_TRY(mt_pump_turn(&broker->pump, &is_over));
	return MT_OK;
}

static void close_listener(struct mt_listener *listener)
{
	if (listener->fd >= 0 && listener->is_unix)
		mt_local_forget(listener->fd);
	if (listener->fd >= 0)
		close(listener->fd);
	mt_tls_context_destroy(&listener->tls);
}

/* Nobody asks it anything any more. */
static void close_relay(struct mt_broker *broker)
{
	struct mt_relay *relay = broker->relay;
	mt_relay_close(&relay);
	broker->relay = NULL;
}

void mt_broker_close(struct mt_broker **broker)
{
	struct mt_broker *old = *broker;
	*broker = NULL;
	if (!old)
		return;
	/* First those who call from other threads: the hub answers what still waits. */
	if (old->is_hub_open)
		mt_hub_close(&old->hub);
	mt_relay_stop(old->relay);
	mt_admin_server_close(&old->admin);
	close_relay(old);
	mt_auth_close(&old->pump.auth); /* its workers call the API */
	mt_api_close(&old->api);
	mt_login_cache_destroy(&old->login_cache);
	if (old->is_pump_open)
		mt_pump_close(&old->pump);
	if (old->pump.signal_fd >= 0)
		close(old->pump.signal_fd);
	for (uint32_t i = 0; i < old->pump.listener_count; i++) {
		close_listener(&old->pump.listeners[i]);
	}
	mt_transport_close(&old->pump.transport);
	mt_resumption_close(&old->pump.resumption);
	mt_recorder_close(&old->recorder, old->pump.core);
	mt_core_destroy(&old->pump.core);
	mt_store_close(&old->pump.store);
	mt_policy_unref(&old->policy);
	mt_book_unref(&old->book);
	mt_state_close(&old->state);
	mt_audit_log_close(&old->pump.audit);
	if (old->lock_fd >= 0)
		close(old->lock_fd);
	free(old);
}

struct mt_core *mt_broker_core(struct mt_broker *broker)
{
	return broker->pump.core;
}

struct mt_tape *mt_broker_tape(struct mt_broker *broker)
{
	return broker->pump.tape;
}

mt_time mt_broker_started_ns(const struct mt_broker *broker)
{
	return broker->started_ns;
}

struct mt_now mt_broker_now(const struct mt_broker *broker)
{
	return broker->pump.now;
}

const struct mt_settings *mt_broker_settings(const struct mt_broker *broker)
{
	return &broker->settings;
}

const struct mt_listener *mt_broker_listener(const struct mt_broker *broker, uint32_t index)
{
	return index < broker->pump.listener_count ? &broker->pump.listeners[index] : NULL;
}

uint64_t mt_broker_remembered_count(const struct mt_broker *broker)
{
	return mt_login_cache_counts(broker->login_cache).hits;
}

struct mt_audit_log *mt_broker_audit(const struct mt_broker *broker)
{
	return broker->pump.audit;
}

struct mt_pump *mt_broker_pump(struct mt_broker *broker)
{
	return &broker->pump;
}

const struct mt_transport *mt_broker_transport(const struct mt_broker *broker)
{
	return &broker->pump.transport;
}

struct mt_tls_cache *mt_broker_tls_cache(const struct mt_broker *broker)
{
	return broker->pump.resumption.cache;
}

struct mt_relay *mt_broker_relay(const struct mt_broker *broker)
{
	return broker->relay;
}

const char *mt_broker_listener_text(const struct mt_broker *broker, uint32_t index)
{
	return index < broker->pump.listener_count ? broker->pump.listeners[index].text : NULL;
}

struct mt_hub *mt_broker_hub(struct mt_broker *broker)
{
	return &broker->hub;
}

struct mt_state *mt_broker_state(struct mt_broker *broker)
{
	return broker->state;
}
