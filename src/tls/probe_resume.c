/*
 * Resumption, each way of it: by id and by ticket in TLS 1.2, by ticket in TLS 1.3.
 *
 *   full x 5, measured | resumed x 5 in a row, each with the newest session, measured |
 *   full, cut | resumed, cut | resumed, cut ...
 */
#include "tls/probe_parts.h"

#include <stdlib.h>

struct way {
	struct mt_probe *probe;
	struct mt_probe_resumption *facts;
	enum mt_probe_way id;
	SSL_SESSION *newest; /* NULL: none */
	struct mt_probe_how how;
};

static bool is_ticket(enum mt_probe_way id)
{
	return id != MT_PROBE_ID_12;
}

/* What a session is worth that came this way. */
static bool can_resume(const struct way *way, const struct mt_probe_link *link)
{
	unsigned len = 0;
	if (!link->session || SSL_SESSION_is_resumable(link->session) != 1)
		return false;
	if (is_ticket(way->id))
		return SSL_SESSION_has_ticket(link->session) == 1;
	(void)SSL_SESSION_get_id(link->session, &len);
	return len > 0;
}

static void keep_newest(struct way *way, struct mt_probe_link *link)
{
	if (!can_resume(way, link))
		return;
	SSL_SESSION_free(way->newest);
	way->newest = link->session;
	link->session = NULL;
}

static void forget(struct way *way)
{
	SSL_SESSION_free(way->newest);
	way->newest = NULL;
}

static void describe(struct way *way, const struct mt_probe_link *link)
{
	struct mt_probe_resumption *facts = way->facts;
	const unsigned char *ticket = NULL;
	size_t ticket_bytes = 0;
	facts->is_offered = can_resume(way, link) ? MT_PROBE_YES : MT_PROBE_NO;
	facts->tickets = link->tickets;
	if (facts->is_offered == MT_PROBE_NO || !is_ticket(way->id))
		return;
	SSL_SESSION_get0_ticket(link->session, &ticket, &ticket_bytes);
	facts->ticket_bytes = (uint32_t)ticket_bytes;
	facts->lifetime_s = (uint32_t)SSL_SESSION_get_ticket_lifetime_hint(link->session);
	facts->early_bytes = SSL_SESSION_get_max_early_data(link->session);
}

static void note_cost(struct mt_probe_cost *cost, int64_t *times, const struct mt_probe_link *link)
{
	MT_CHECK(cost->count < MT_PROBE_ROUNDS);
	times[cost->count++] = link->ns;
	cost->sent_bytes = link->sent_bytes;
	cost->received_bytes = link->received_bytes;
}

static int compare(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
	return (left > right) - (left < right);
}

static void find_median(struct mt_probe_cost *cost, int64_t *times)
{
	qsort(times, cost->count, sizeof(*times), compare);
	cost->ns = cost->count > 0 ? times[cost->count / 2] : 0;
}

/* Handshakes in full. False when there is nothing to go on from. */
static bool begin_often(struct way *way)
{
	int64_t times[MT_PROBE_ROUNDS];
	for (uint32_t i = 0; i < MT_PROBE_ROUNDS; i++) {
		struct mt_probe_link link;
		mt_probe_link_try(way->probe, &way->how, &link);
		if (i == 0 && link.end == MT_PROBE_OPENED)
			describe(way, &link);
		if (link.end == MT_PROBE_OPENED)
			note_cost(&way->facts->full_cost, times, &link);
		keep_newest(way, &link);
		mt_probe_link_free(&link);
		if (way->facts->is_offered != MT_PROBE_YES)
			break;
	}
	find_median(&way->facts->full_cost, times);
	return way->facts->is_offered == MT_PROBE_YES;
}

/* One that goes on from the newest session; was it resumed? */
static bool go_on(struct way *way, struct mt_probe_link *link)
{
	way->how.session = way->newest;
	mt_probe_link_try(way->probe, &way->how, link);
	way->how.session = NULL;
	keep_newest(way, link);
	return link->end == MT_PROBE_OPENED && link->is_resumed;
}

static void resume_often(struct way *way)
{
	struct mt_probe_resumption *facts = way->facts;
	int64_t times[MT_PROBE_ROUNDS];
	while (facts->tries < MT_PROBE_ROUNDS && !way->probe->is_over) {
		struct mt_probe_link link;
		facts->tries++;
		if (go_on(way, &link)) {
			facts->resumed++;
			facts->tickets_again = link.tickets;
			note_cost(&facts->resumed_cost, times, &link);
		}
		mt_probe_link_free(&link);
	}
	find_median(&facts->resumed_cost, times);
}

/* As a device that loses its radio, again and again. */
static void cut_often(struct way *way)
{
	struct mt_probe_resumption *facts = way->facts;
	struct mt_probe_link link;
	way->how.is_cut = true;
	way->how.tickets = facts->tickets;
	mt_probe_link_try(way->probe, &way->how, &link);
	forget(way);
	keep_newest(way, &link);
	mt_probe_link_free(&link);
	way->how.tickets = facts->tickets_again;
	while (way->newest && facts->cuts < MT_PROBE_CUTS && !way->probe->is_over) {
		facts->cuts++;
		facts->cuts_resumed += go_on(way, &link);
		mt_probe_link_free(&link);
	}
}

static void examine(struct mt_probe *probe, enum mt_probe_way id)
{
	int version = id == MT_PROBE_TICKET_13 ? TLS1_3_VERSION : TLS1_2_VERSION;
	struct way way = {.probe = probe,
			  .facts = &probe->facts->ways[id],
			  .id = id,
			  .how = {.least = version,
				  .most = version,
				  .level = 2,
				  .is_identified = true,
				  .is_ticketless = id == MT_PROBE_ID_12}};
	if (begin_often(&way)) {
		resume_often(&way);
		/* What is never resumed cannot be lost. */
		if (way.facts->resumed > 0)
			cut_often(&way);
	}
	forget(&way);
}

void mt_probe_resumptions(struct mt_probe *probe)
{
	const struct mt_probe_facts *facts = probe->facts;
	if (facts->versions[MT_PROBE_TLS_12] == MT_PROBE_YES) {
		examine(probe, MT_PROBE_ID_12);
		examine(probe, MT_PROBE_TICKET_12);
	}
	if (facts->versions[MT_PROBE_TLS_13] == MT_PROBE_YES)
		examine(probe, MT_PROBE_TICKET_13);
}
