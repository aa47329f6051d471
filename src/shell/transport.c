/* Contexts from settings, and the watch over their files. */
#include "shell/transport.h"

#include "base/log.h"
#include "io/clock.h"
#include "shell/provision_tls.h"
#include "shell/pump.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#define LOOK_NS (60 * MT_SECOND)
#define SETTLE_NS (200 * MT_MS)
#define DATES_NS (3600 * MT_SECOND)
#define WARN_S ((int64_t)30 * 86400)
#define PATH_BYTES (MT_PATH_BYTES + 320)

_Static_assert(MT_LISTENERS_MAX <= 32, "a bit for each listener");
_Static_assert(MT_CERTIFICATES_MAX < MT_TLS_PAIRS_MAX, "room for every certificate and the first");

/* All that the context of a listener is made from; the paths of the state directory are here. */
struct recipe {
	struct mt_tls_server_settings tls;
	struct mt_tls_pair more[MT_CERTIFICATES_MAX];
	char certificate[PATH_BYTES], key[PATH_BYTES], ca[PATH_BYTES];
};

enum mt_tls_demand mt_transport_demand(const struct mt_listener_settings *listener)
{
	switch ((enum mt_client_certificate)listener->client_certificate) {
	case MT_CLIENT_CERTIFICATE_REQUIRED:
		return MT_TLS_DEMAND_REQUIRED;
	case MT_CLIENT_CERTIFICATE_OPTIONAL:
		return MT_TLS_DEMAND_OPTIONAL;
	case MT_CLIENT_CERTIFICATE_NONE:
		return MT_TLS_DEMAND_NONE;
	case MT_CLIENT_CERTIFICATE_AUTO:
		return listener->is_websocket ? MT_TLS_DEMAND_NONE : MT_TLS_DEMAND_OPTIONAL;
	}
	return MT_TLS_DEMAND_REQUIRED;
}

static bool has_ca(const char *path)
{
	struct stat facts;
	return stat(path, &facts) == 0;
}

static const char *own_path(const struct mt_settings *settings, const char *name,
			    char out[PATH_BYTES])
{
	snprintf(out, PATH_BYTES, "%s/tls/%s", settings->state_path, name);
	return out;
}

static void add_certificates(const struct mt_settings *settings,
			     const struct mt_listener_settings *listener, struct recipe *recipe)
{
	for (uint32_t i = 0; i < settings->certificate_count; i++) {
		const struct mt_certificate_settings *one = &settings->certificates[i];
		if (one->listener[0] != '\0' && strcmp(one->listener, listener->name) != 0)
			continue;
		recipe->more[recipe->tls.more_count++] = (struct mt_tls_pair){
			one->certificate_path, one->key_path, one->staple_path};
	}
	recipe->tls.more = recipe->more;
}

static void write_recipe(const struct mt_transport *transport, uint32_t index,
			 struct recipe *recipe)
{
	const struct mt_settings *settings = transport->settings;
	const struct mt_listener_settings *listener = &transport->listeners[index];
	bool is_own = listener->certificate_path[0] == '\0';
	memset(recipe, 0, sizeof(*recipe));
	own_path(settings, "server.pem", recipe->certificate);
	own_path(settings, "server.key", recipe->key);
	own_path(settings, "ca.pem", recipe->ca);
	recipe->tls = (struct mt_tls_server_settings){
		.certificate_path = is_own ? recipe->certificate : listener->certificate_path,
		.key_path = is_own ? recipe->key : listener->key_path,
		.is_http = listener->is_websocket,
		.staple_path = listener->staple_path,
		.demand = mt_transport_demand(listener),
		.ca_path = listener->client_ca_path[0] ? listener->client_ca_path : recipe->ca,
		.crl_path = listener->crl_path,
		.is_old_crl_accepted = listener->expired_crl != 0,
		.identity = listener->identity,
		.has_psk = listener->has_psk};
	/* With a certificate from elsewhere there may be no authority of ours: then there are no
	 * clients of it either. */
	if (listener->client_certificate == MT_CLIENT_CERTIFICATE_AUTO &&
	    !has_ca(recipe->tls.ca_path))
		recipe->tls.demand = MT_TLS_DEMAND_NONE;
	add_certificates(settings, listener, recipe);
}

/* ---- files ---- */

static void absorb_file(uint64_t *signature, const char *path)
{
	struct stat facts;
	uint64_t parts[6] = {0};
	if (!path || path[0] == '\0')
		return;
	if (stat(path, &facts) == 0) {
		parts[0] = facts.st_dev;
		parts[1] = facts.st_ino;
		parts[2] = (uint64_t)facts.st_size;
		parts[3] = (uint64_t)facts.st_mtim.tv_sec;
		parts[4] = (uint64_t)facts.st_mtim.tv_nsec;
		parts[5] = facts.st_mode;
	}
	*signature =
		mt_hash_bytes((struct mt_seed){{*signature, 1}}, mt_bytes_of(parts, sizeof(parts)));
}

/* Entries come in no order: what each adds is summed up. */
static void absorb_folder(uint64_t *signature, const char *path)
{
	DIR *folder = path && path[0] ? opendir(path) : NULL;
	const struct dirent *entry;
	uint64_t sum = 0;
	absorb_file(signature, path);
	while (folder && (entry = readdir(folder))) {
		char file[PATH_BYTES];
		uint64_t one = 0;
		if (entry->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		absorb_file(&one, file);
		sum += mt_hash_bytes((struct mt_seed){{one, 2}}, mt_bytes_str(entry->d_name));
	}
	if (folder)
		closedir(folder);
	*signature ^= sum;
}

static uint64_t sign(const struct recipe *recipe)
{
	const struct mt_tls_server_settings *tls = &recipe->tls;
	uint64_t signature = 0;
	absorb_file(&signature, tls->certificate_path);
	absorb_file(&signature, tls->key_path);
	absorb_file(&signature, tls->staple_path);
	absorb_file(&signature, tls->ca_path);
	absorb_folder(&signature, tls->crl_path);
	for (uint32_t i = 0; i < tls->more_count; i++) {
		absorb_file(&signature, tls->more[i].certificate_path);
		absorb_file(&signature, tls->more[i].key_path);
		absorb_file(&signature, tls->more[i].staple_path);
	}
	return signature;
}

static void watch_one(struct mt_transport *transport, const char *path)
{
	if (path && path[0] != '\0')
		mt_watch_file(&transport->watch, path);
}

static void watch(struct mt_transport *transport, const struct recipe *recipe)
{
	const struct mt_tls_server_settings *tls = &recipe->tls;
	watch_one(transport, tls->certificate_path);
	watch_one(transport, tls->key_path);
	watch_one(transport, tls->staple_path);
	watch_one(transport, tls->ca_path);
	watch_one(transport, tls->crl_path);
	if (tls->crl_path[0] != '\0')
		mt_watch_folder(&transport->watch, tls->crl_path);
	for (uint32_t i = 0; i < tls->more_count; i++) {
		watch_one(transport, tls->more[i].certificate_path);
		watch_one(transport, tls->more[i].key_path);
		watch_one(transport, tls->more[i].staple_path);
	}
}

/* ---- contexts ---- */

static enum mt_status make(struct mt_transport *transport, uint32_t index, struct recipe *recipe,
			   struct mt_tls_context **out, char *fault, size_t cap)
{
	struct mt_tls_context *context = NULL;
	enum mt_status status;
	recipe->tls.counts = &transport->of[index].counts;
	status = mt_tls_context_create_server(&recipe->tls, &context, fault, cap);
	if (status != MT_OK)
		return status;
	status = mt_resumption_offer(transport->resumption, &transport->listeners[index], context);
	if (status != MT_OK) {
		snprintf(fault, cap, "no TLS resumption: %s", mt_status_text(status));
		mt_tls_context_destroy(&context);
		return status;
	}
	if (*mt_tls_context_warning(context))
		mt_log(MT_LOG_WARNING, "tls", "served without a staple",
		       MT_STR("listener", transport->listeners[index].name),
		       MT_STR("why", mt_tls_context_warning(context)));
	mt_tls_context_set_book(context, transport->book);
	transport->of[index].not_after_s = mt_tls_context_not_after(context);
	*out = context;
	return MT_OK;
}

enum mt_status mt_transport_make(struct mt_transport *transport, uint32_t index,
				 struct mt_tls_context **out, char *fault, size_t cap)
{
	struct recipe recipe;
	write_recipe(transport, index, &recipe);
	transport->of[index].signature = sign(&recipe);
	watch(transport, &recipe);
	return make(transport, index, &recipe, out, fault, cap);
}

void mt_transport_open(struct mt_transport *transport, const struct mt_settings *settings,
		       const struct mt_resumption *resumption, struct mt_book *book,
		       struct mt_now now)
{
	mt_transport_open_for(transport, settings, settings->listeners, settings->listener_count,
			      resumption, book, now);
}

void mt_transport_open_for(struct mt_transport *transport, const struct mt_settings *settings,
			   const struct mt_listener_settings *listeners, uint32_t listener_count,
			   const struct mt_resumption *resumption, struct mt_book *book,
			   struct mt_now now)
{
	transport->settings = settings;
	transport->listeners = listeners;
	transport->listener_count = listener_count;
	transport->resumption = resumption;
	transport->book = book ? mt_book_ref(book) : NULL;
	transport->due_ns = now.mono_ns + LOOK_NS;
	/* Without it the files are looked at once a minute. */
	if (mt_watch_open(&transport->watch) != MT_OK)
		mt_log_write(MT_LOG_WARNING, "tls", "no folder can be watched", NULL, 0);
}

void mt_transport_close(struct mt_transport *transport)
{
	if (!transport->settings)
		return;
	mt_book_unref(&transport->book);
	mt_watch_close(&transport->watch);
}

void mt_transport_wake(struct mt_transport *transport, struct mt_now now)
{
	if (mt_watch_drain(&transport->watch))
		transport->due_ns = now.mono_ns + SETTLE_NS;
}

/* True: the listener has a new context. */
static bool look(struct mt_transport *transport, uint32_t index, struct mt_listener *listener)
{
	struct mt_tls_context *context = NULL;
	struct recipe recipe;
	char why[384] = "";
	uint64_t signature;
	write_recipe(transport, index, &recipe);
	signature = sign(&recipe);
	if (signature == transport->of[index].signature)
		return false;
	transport->of[index].signature = signature;
	watch(transport, &recipe);
	if (make(transport, index, &recipe, &context, why, sizeof(why)) != MT_OK) {
		transport->of[index].is_stale = true;
		mt_log(MT_LOG_ERROR, "tls",
		       "certificates were not taken over: the listener goes on with the former "
		       "ones",
		       MT_STR("listener", listener->settings->name), MT_STR("why", why));
		return false;
	}
	mt_tls_context_destroy(&listener->tls);
	listener->tls = context;
	transport->of[index].is_stale = false;
	transport->of[index].reloads++;
	mt_log(MT_LOG_NOTICE, "tls", "certificates were read again",
	       MT_STR("listener", listener->settings->name));
	return true;
}

static void warn_of_end(const struct mt_transport *transport, uint32_t index, int64_t left_s)
{
	bool is_own = transport->listeners[index].certificate_path[0] == '\0';
	mt_log(left_s > 0 ? MT_LOG_WARNING : MT_LOG_ERROR, "tls",
	       left_s > 0 ? "a certificate ends soon" : "a certificate has ended",
	       MT_STR("listener", transport->listeners[index].name),
	       MT_U64("days_left", left_s > 0 ? (uint64_t)left_s / 86400 : 0),
	       MT_STR("remedy", is_own ? "mortise cert renew; mortise cert ca import, when its key "
					 "is away"
				       : "renew it where it came from"));
}

/* Whoever reads the files anew, the next look finds them. */
static bool renew(const struct mt_transport *transport, struct mt_now now)
{
	char fault[384] = "";
	bool is_renewed = false;
	enum mt_status status =
		mt_provision_tls(transport->settings->state_path, now.wall_ns / MT_SECOND,
				 MT_RENEW_WHEN_DUE, &is_renewed, fault, sizeof(fault));
	if (fault[0] != '\0')
		mt_log(MT_LOG_WARNING, "tls", "the server certificate was not renewed",
		       MT_STR("why", fault));
	else if (is_renewed)
		mt_log_write(MT_LOG_NOTICE, "tls", "the server certificate was renewed", NULL, 0);
	return status == MT_OK && is_renewed;
}

static void look_at_dates(struct mt_transport *transport, struct mt_now now,
			  const struct mt_listener *listeners, uint32_t count)
{
	bool is_renewed = false;
	if (now.mono_ns < transport->renew_due_ns)
		return;
	transport->renew_due_ns = now.mono_ns + DATES_NS;
	for (uint32_t i = 0; i < count; i++) {
		int64_t left_s = transport->of[i].not_after_s - now.wall_ns / MT_SECOND;
		bool is_own = transport->listeners[i].certificate_path[0] == '\0';
		if (!listeners[i].tls || left_s > WARN_S)
			continue;
		if (is_own && (is_renewed || renew(transport, now)))
			is_renewed = true;
		else
			warn_of_end(transport, i, left_s);
	}
}

uint32_t mt_transport_tick(struct mt_transport *transport, struct mt_now now,
			   struct mt_listener *listeners, uint32_t count)
{
	uint32_t changed = 0;
	if (!transport->settings || now.mono_ns < transport->due_ns)
		return 0;
	transport->due_ns = now.mono_ns + LOOK_NS;
	look_at_dates(transport, now, listeners, count);
	for (uint32_t i = 0; i < count; i++)
		if (listeners[i].tls && look(transport, i, &listeners[i]))
			changed |= UINT32_C(1) << i;
	return changed;
}

void mt_transport_set_book(struct mt_transport *transport, struct mt_book *book,
			   struct mt_listener *listeners, uint32_t count)
{
	mt_book_unref(&transport->book);
	transport->book = mt_book_ref(book);
	for (uint32_t i = 0; i < count; i++)
		if (listeners[i].tls)
			mt_tls_context_set_book(listeners[i].tls, book);
}

uint64_t mt_transport_counted(const struct mt_transport *transport, uint32_t index,
			      enum mt_tls_outcome outcome)
{
	return atomic_load_explicit(&transport->of[index].counts.of[outcome], memory_order_relaxed);
}

struct mt_transport_facts mt_transport_facts(const struct mt_transport *transport, uint32_t index)
{
	return (struct mt_transport_facts){.not_after_s = transport->of[index].not_after_s,
					   .reloads = transport->of[index].reloads,
					   .is_stale = transport->of[index].is_stale};
}

static void tell_one(const struct mt_transport *transport, uint32_t index,
		     mt_transport_figure_fn *tell, void *context)
{
	const char *listener = transport->listeners[index].name;
	int64_t left_s = transport->of[index].not_after_s - mt_clock_now().wall_ns / MT_SECOND;
	char name[MT_LISTENER_NAME_BYTES + 32];
	for (int i = 0; i < MT_TLS_OUTCOMES; i++) {
		enum mt_tls_outcome outcome = (enum mt_tls_outcome)i;
		snprintf(name, sizeof(name), "tls/%s/%s", listener, mt_tls_outcome_name(outcome));
		tell(context, name, mt_transport_counted(transport, index, outcome));
	}
	snprintf(name, sizeof(name), "tls/%s/days_left", listener);
	tell(context, name, left_s > 0 ? (uint64_t)left_s / 86400 : 0);
}

void mt_transport_tell(const struct mt_transport *transport, mt_transport_figure_fn *tell,
		       void *context)
{
	for (uint32_t i = 0; i < transport->listener_count; i++)
		if (transport->listeners[i].is_tls)
			tell_one(transport, i, tell, context);
}
