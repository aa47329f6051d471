/*
 * The thread of the relay: one poll(2) over its few connections.
 *
 *   poll -> links: serve, hand over, end -> accept -> certificates -> deadlines
 */
#include "shell/relay.h"

#include "io/clock.h"
#include "shell/pump.h"
#include "shell/relay_link.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_PER_TURN 16
#define REST_NS (100 * MT_MS) /* without descriptors */
#define WAIT_NS (60 * MT_SECOND)
#define VOICE_NS MT_SECOND /* between two records of refusals */

enum { POLL_WAKE, POLL_WATCH, POLL_LISTEN, POLL_LINKS };

struct mt_relay {
	const struct mt_settings *settings;
	struct mt_admin_server *server;
	struct mt_listener_settings listener_settings;
	struct mt_listener listener;
	struct mt_resumption resumption; /* none */
	struct mt_transport transport;
	struct mt_sources sources;
	struct mt_list links; /* oldest first */
	uint32_t link_count;
	struct pollfd *polls; /* for two descriptors of each link */
	int wake_fd;
	mt_time accept_due_ns; /* no descriptors are left until then */
	struct mt_bucket voice;
	struct mt_now now;
	_Atomic bool is_over;
	_Atomic uint64_t connections, accepted, refused, evicted;
	bool has_thread;
	pthread_t thread;
	uint8_t scratch[MT_TLS_RECORD_BYTES_MAX];
};

static struct mt_relay_link *link_of(struct mt_list *node)
{
	return MT_LIST_ITEM(node, struct mt_relay_link, link);
}

/* ---- links ---- */

static void end_link(struct mt_relay *relay, struct mt_relay_link *link)
{
	mt_list_remove(&link->link);
	relay->link_count--;
	relay->connections--;
	if (!link->is_met)
		mt_sources_met(&relay->sources, &link->peer);
	mt_sources_leave(&relay->sources, relay->now.mono_ns, &link->peer);
	mt_relay_link_destroy(&link);
}

/* The server's end bears no name, so that it can never be taken for a peer of the Unix socket. */
static bool hand_over(struct mt_relay *relay, struct mt_relay_link *link)
{
	struct mt_admin_address address = {.port = link->peer.port};
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
		return false;
	memcpy(address.byte, link->peer.byte, sizeof(address.byte));
	link->inner_fd = pair[0];
	return mt_admin_server_adopt(relay->server, pair[1], &address);
}

static enum mt_relay_end serve(struct mt_relay *relay, struct mt_relay_link *link, short outer,
			       short inner)
{
	bool was_met = link->is_met;
	mt_time request_ns = relay->settings->https.request_ns;
	enum mt_relay_end end = mt_relay_link_serve(link, outer, inner, request_ns,
						    relay->now.mono_ns, relay->scratch);
	if (link->is_met && !was_met)
		mt_sources_met(&relay->sources, &link->peer);
	if (end == MT_RELAY_GOES_ON && mt_relay_link_wants_server(link)) {
		if (!hand_over(relay, link))
			return MT_RELAY_ENDS;
		end = mt_relay_link_serve(link, 0, 0, request_ns, relay->now.mono_ns,
					  relay->scratch);
	}
	return mt_relay_link_due(link) <= relay->now.mono_ns ? MT_RELAY_ENDS : end;
}

static void serve_links(struct mt_relay *relay)
{
	const struct pollfd *at = relay->polls + POLL_LINKS;
	struct mt_list *next = relay->links.next;
	while (next != &relay->links) {
		struct mt_relay_link *link = link_of(next);
		next = next->next;
		if (serve(relay, link, at[0].revents, at[1].revents) == MT_RELAY_ENDS)
			end_link(relay, link);
		at += 2;
	}
}

/* ---- newcomers ---- */

static void report_refusal(struct mt_relay *relay, const struct mt_peer_address *peer,
			   enum mt_limit_id over)
{
	char address[MT_ENDPOINT_TEXT_BYTES];
	relay->refused++;
	if (!mt_bucket_take(&relay->voice, relay->now.mono_ns, VOICE_NS, VOICE_NS))
		return;
	mt_peer_address_text(peer, address);
	mt_log(MT_LOG_NOTICE, "https", "connection refused", MT_STR("limit", mt_limit_name(over)),
	       MT_STR("address", address), MT_U64("refused", relay->refused));
}

static void make_room(struct mt_relay *relay)
{
	while (relay->link_count >= relay->settings->https.connections) {
		end_link(relay, link_of(mt_list_first(&relay->links)));
		relay->evicted++;
	}
}

/* *fd goes to the link, or stays the caller's. */
static bool take(struct mt_relay *relay, int fd, const struct mt_peer_address *peer)
{
	const struct mt_limits *limits = &relay->listener_settings.limits;
	mt_time now_ns = relay->now.mono_ns;
	struct mt_relay_link *link;
	enum mt_limit_id over;
	if (!mt_sources_admit(&relay->sources, now_ns, peer, limits, true, &over)) {
		report_refusal(relay, peer, over);
		return false;
	}
	link = mt_relay_link_create(relay->listener.tls, fd, peer, now_ns + limits->handshake_ns,
				    now_ns);
	if (!link) {
		mt_sources_met(&relay->sources, peer);
		mt_sources_leave(&relay->sources, now_ns, peer);
		return false;
	}
	make_room(relay);
	mt_list_push_back(&relay->links, &link->link);
	relay->link_count++;
	relay->connections++;
	relay->accepted++;
	return true;
}

static void accept_some(struct mt_relay *relay)
{
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		struct mt_peer_address peer;
		int fd;
		enum mt_status status = mt_listen_accept(relay->listener.fd, &fd, &peer);
		if (status == MT_LIMIT)
			relay->accept_due_ns = relay->now.mono_ns + REST_NS;
		if (status != MT_OK)
			return;
		if (!take(relay, fd, &peer))
			close(fd);
	}
}

/* ---- the thread ---- */

static struct pollfd wait_for(int fd, short events)
{
	return (struct pollfd){.fd = events ? fd : -1, .events = events};
}

/* How many there are; *due_ns is the earliest deadline. */
static nfds_t prepare(struct mt_relay *relay, mt_time *due_ns)
{
	struct pollfd *at = relay->polls + POLL_LINKS;
	bool is_resting = relay->accept_due_ns > relay->now.mono_ns;
	*due_ns = relay->now.mono_ns + WAIT_NS;
	if (relay->transport.due_ns < *due_ns)
		*due_ns = relay->transport.due_ns;
	if (is_resting && relay->accept_due_ns < *due_ns)
		*due_ns = relay->accept_due_ns;
	relay->polls[POLL_WAKE] = wait_for(relay->wake_fd, POLLIN);
	relay->polls[POLL_WATCH] = wait_for(relay->transport.watch.fd, POLLIN);
	relay->polls[POLL_LISTEN] = wait_for(relay->listener.fd, is_resting ? 0 : POLLIN);
	for (struct mt_list *node = relay->links.next; node != &relay->links; node = node->next) {
		struct mt_relay_link *link = link_of(node);
		mt_time due = mt_relay_link_due(link);
		*at++ = wait_for(link->fd, mt_relay_link_outer_events(link));
		*at++ = wait_for(link->inner_fd, mt_relay_link_inner_events(link));
		if (due < *due_ns)
			*due_ns = due;
	}
	return (nfds_t)(at - relay->polls);
}

/* Somebody asks for it, or for the end. */
static void look(struct mt_relay *relay)
{
	uint64_t count;
	MT_CHECK(read(relay->wake_fd, &count, sizeof(count)) == sizeof(count));
	relay->transport.due_ns = relay->now.mono_ns;
}

static void turn(struct mt_relay *relay)
{
	mt_time due_ns;
	nfds_t count;
	mt_time wait_ns;
	relay->now = mt_clock_now();
	count = prepare(relay, &due_ns);
	wait_ns = due_ns > relay->now.mono_ns ? due_ns - relay->now.mono_ns : 0;
	if (poll(relay->polls, count, (int)(wait_ns / MT_MS) + 1) < 0)
		for (nfds_t i = 0; i < count; i++)
			relay->polls[i].revents = 0;
	relay->now = mt_clock_now();
	serve_links(relay);
	if (relay->polls[POLL_WAKE].revents)
		look(relay);
	if (relay->polls[POLL_WATCH].revents)
		mt_transport_wake(&relay->transport, relay->now);
	(void)mt_transport_tick(&relay->transport, relay->now, &relay->listener, 1);
	if (relay->polls[POLL_LISTEN].revents)
		accept_some(relay);
}

static void *run(void *context)
{
	struct mt_relay *relay = context;
	while (!relay->is_over)
		turn(relay);
	return NULL;
}

/* ---- open and close ---- */

static const struct mt_certificate_settings *find_certificate(const struct mt_settings *settings)
{
	for (uint32_t i = 0; i < settings->certificate_count; i++)
		if (strcmp(settings->certificates[i].name, settings->https.certificate) == 0)
			return &settings->certificates[i];
	return NULL;
}

/* A listener like the others, of HTTP; clients prove nothing by TLS, and nothing is resumed. */
static enum mt_status describe(struct mt_relay *relay)
{
	const struct mt_settings *settings = relay->settings;
	struct mt_listener_settings *listener = &relay->listener_settings;
	const struct mt_certificate_settings *certificate = find_certificate(settings);
	strcpy(listener->name, "https");
	strcpy(listener->address, settings->https.address);
	listener->is_tls = true;
	listener->is_websocket = true;
	listener->client_certificate = MT_CLIENT_CERTIFICATE_NONE;
	listener->limits = settings->limits;
	listener->limits.connections_per_address = settings->https.connections_per_address;
	relay->listener.settings = listener;
	if (settings->https.certificate[0] == '\0')
		return MT_OK;
	if (!certificate)
		return MT_NOT_FOUND;
	strcpy(listener->certificate_path, certificate->certificate_path);
	strcpy(listener->key_path, certificate->key_path);
	strcpy(listener->staple_path, certificate->staple_path);
	return MT_OK;
}

static enum mt_status bind_socket(struct mt_relay *relay, char *why, size_t cap)
{
	struct mt_endpoint endpoint;
	const char *fault = "";
	char name[MT_ENDPOINT_TEXT_BYTES];
	if (mt_endpoint_parse(mt_bytes_str(relay->settings->https.address), &endpoint, &fault) !=
	    MT_OK) {
		snprintf(why, cap, "%s", fault);
		return MT_INVALID;
	}
	if (mt_listen_open(&endpoint, &relay->listener.fd) != MT_OK) {
		snprintf(why, cap, "cannot listen on it: %s; free it or choose another",
			 strerror(errno));
		return MT_SYSTEM;
	}
	mt_listen_name(relay->listener.fd, name);
	snprintf(relay->listener.text, sizeof(relay->listener.text), "https=%s", name);
	return MT_OK;
}

static enum mt_status make_room_for_all(struct mt_relay *relay, char *why, size_t cap)
{
	relay->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	relay->polls = calloc(POLL_LINKS + 2 * (size_t)relay->settings->https.connections,
			      sizeof(*relay->polls));
	if (relay->polls && relay->wake_fd >= 0)
		return MT_OK;
	snprintf(why, cap, "%s", relay->polls ? strerror(errno) : "out of memory");
	return relay->polls ? MT_SYSTEM : MT_MEMORY;
}

static enum mt_status open_all(struct mt_relay *relay, char *why, size_t cap)
{
	enum mt_status status = describe(relay);
	if (status != MT_OK) {
		snprintf(why, cap, "there is no certificates.%s",
			 relay->settings->https.certificate);
		return status;
	}
	relay->now = mt_clock_now();
	mt_transport_open_for(&relay->transport, relay->settings, &relay->listener_settings, 1,
			      &relay->resumption, NULL, relay->now);
	MT_TRY(mt_transport_make(&relay->transport, 0, &relay->listener.tls, why, cap));
	MT_TRY(bind_socket(relay, why, cap));
	MT_TRY(make_room_for_all(relay, why, cap));
	relay->has_thread = pthread_create(&relay->thread, NULL, run, relay) == 0;
	if (relay->has_thread)
		return MT_OK;
	snprintf(why, cap, "no thread: look at the limits of the system");
	return MT_SYSTEM;
}

enum mt_status mt_relay_open(const struct mt_settings *settings, struct mt_admin_server *server,
			     struct mt_relay **out, char *fault, size_t cap)
{
	char why[384] = "";
	struct mt_relay *relay = calloc(1, sizeof(*relay));
	enum mt_status status;
	if (!relay) {
		snprintf(fault, cap, "out of memory");
		return MT_MEMORY;
	}
	relay->settings = settings;
	relay->server = server;
	relay->listener.fd = relay->wake_fd = -1;
	relay->transport.watch.fd = -1;
	mt_list_init(&relay->links);
	mt_sources_init(&relay->sources, mt_random_seed());
	status = open_all(relay, why, sizeof(why));
	if (status == MT_OK) {
		*out = relay;
		return MT_OK;
	}
	snprintf(fault, cap, "admin.https.address %s: %s", settings->https.address, why);
	mt_relay_close(&relay);
	return status;
}

static void wake(const struct mt_relay *relay)
{
	const uint64_t one = 1;
	MT_CHECK(write(relay->wake_fd, &one, sizeof(one)) == sizeof(one));
}

void mt_relay_look(struct mt_relay *relay)
{
	if (relay)
		wake(relay);
}

void mt_relay_stop(struct mt_relay *relay)
{
	struct mt_list *node;
	if (!relay)
		return;
	relay->is_over = true;
	if (relay->has_thread) {
		wake(relay);
		MT_CHECK(pthread_join(relay->thread, NULL) == 0);
		relay->has_thread = false;
	}
	while ((node = mt_list_first(&relay->links)) != NULL)
		end_link(relay, link_of(node));
	if (relay->listener.fd >= 0)
		close(relay->listener.fd);
	relay->listener.fd = -1;
}

void mt_relay_close(struct mt_relay **relay)
{
	struct mt_relay *old = *relay;
	*relay = NULL;
	if (!old)
		return;
	mt_relay_stop(old);
	mt_sources_finish(&old->sources);
	if (old->wake_fd >= 0)
		close(old->wake_fd);
	mt_tls_context_destroy(&old->listener.tls);
	mt_transport_close(&old->transport);
	free(old->polls);
	free(old);
}

const char *mt_relay_text(const struct mt_relay *relay)
{
	return relay->listener.text;
}

struct mt_relay_counts mt_relay_counts(const struct mt_relay *relay)
{
	return (struct mt_relay_counts){relay->connections, relay->accepted, relay->refused,
					relay->evicted};
}

const struct mt_transport *mt_relay_transport(const struct mt_relay *relay)
{
	return &relay->transport;
}
