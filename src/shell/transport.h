/*
 * TLS of the listeners: contexts made from settings and files, and made anew when a file changes.
 *
 *   settings + files -> context; folder changes, or a minute passes -> other files? -> a new
 * context whole -> in place of the old one, which its connections keep
 *
 * What cannot be loaded leaves everything as it is, and the log says why, once. Once an hour the
 * dates are looked at: our own certificate is renewed in time, of others the log warns. Threading:
 * one thread each, but for reading counts and facts.
 */
#pragma once

#include "io/watch.h"
#include "shell/resumption.h"

struct mt_listener;

/* What is told about the certificate of a listener. */
struct mt_transport_facts {
	int64_t not_after_s; /* of the first certificate in the chain that ends; 0: not known */
	uint64_t reloads;
	bool is_stale; /* a change of its files could not be taken over */
};

struct mt_transport {
	const struct mt_settings *settings;
	const struct mt_listener_settings *listeners;
	uint32_t listener_count;
	const struct mt_resumption *resumption;
	struct mt_book *book;
	struct mt_watch watch;
	mt_time due_ns;	      /* of the next look at the files */
	mt_time renew_due_ns; /* of the next look at their dates */
	struct {
		uint64_t signature; /* of its files, as far as they were looked at */
		struct mt_tls_counts counts;
		_Atomic int64_t not_after_s;
		_Atomic uint64_t reloads;
		_Atomic bool is_stale;
	} of[MT_LISTENERS_MAX];
};

/* settings and resumption outlive it. book: a reference is taken. */
void mt_transport_open(struct mt_transport *transport, const struct mt_settings *settings,
		       const struct mt_resumption *resumption, struct mt_book *book,
		       struct mt_now now);
/* The same for other listeners than those of the settings. book: NULL where no client proves who it
 * is by TLS. */
void mt_transport_open_for(struct mt_transport *transport, const struct mt_settings *settings,
			   const struct mt_listener_settings *listeners, uint32_t listener_count,
			   const struct mt_resumption *resumption, struct mt_book *book,
			   struct mt_now now);
void mt_transport_close(struct mt_transport *transport);
/* The context of a listener. *fault: one sentence that names the file. */
MT_MUST_USE enum mt_status mt_transport_make(struct mt_transport *transport, uint32_t index,
					     struct mt_tls_context **out, char *fault, size_t cap);
/* Something in a watched folder changed: the files are looked at soon, when the writer has had time
 * to finish. */
void mt_transport_wake(struct mt_transport *transport, struct mt_now now);
/* Looks when that is due. Listeners whose context was replaced: a bit each. */
uint32_t mt_transport_tick(struct mt_transport *transport, struct mt_now now,
			   struct mt_listener *listeners, uint32_t count);
/* Whom certificates and keys stand for, from now on. A reference is taken. */
void mt_transport_set_book(struct mt_transport *transport, struct mt_book *book,
			   struct mt_listener *listeners, uint32_t count);
/* Every figure of every TLS listener: "tls/LISTENER/NAME". */
typedef void mt_transport_figure_fn(void *context, const char *name, uint64_t value);
void mt_transport_tell(const struct mt_transport *transport, mt_transport_figure_fn *tell,
		       void *context);
uint64_t mt_transport_counted(const struct mt_transport *transport, uint32_t index,
			      enum mt_tls_outcome outcome);
struct mt_transport_facts mt_transport_facts(const struct mt_transport *transport, uint32_t index);
/* Does the listener ask its clients for certificates? */
enum mt_tls_demand mt_transport_demand(const struct mt_listener_settings *listener);
