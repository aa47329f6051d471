/* The facts of an examination for people: sections of aligned lines. */
#include "cli/doctor.h"

#include "base/buf.h"
#include "cli/print.h"

#include <stdarg.h>
#include <time.h>

#define LABEL_WIDTH 20
#define LINE_WIDTH 100
#define LINE_BYTES 8192u

/* One line of the text, ended at a blank where it is too long; what is left. */
static const char *print_line(FILE *out, const char *text)
{
	char line[LINE_BYTES];
	size_t len = strlen(text), room = LINE_WIDTH - LABEL_WIDTH - 2, end = len;
	if (len > room) {
		for (end = room; end > 0 && text[end] != ' '; end--)
			;
		if (end == 0)
			end = strcspn(text, " "); /* a word that is longer than a line */
	}
	mt_bytes_cut(line, sizeof(line), mt_bytes_of(text, end));
	mt_cli_print_text(out, line);
	fputc('\n', out);
	return text + end + (text[end] == ' ');
}

MT_FORMAT(3, 4)
static void row(FILE *out, const char *label, const char *format, ...)
{
	char text[LINE_BYTES];
	const char *rest = text;
	va_list list;
	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	do {
		fprintf(out, "  %-*s", LABEL_WIDTH, label);
		rest = print_line(out, rest);
		label = "";
	} while (*rest);
}

static void head(FILE *out, const char *title)
{
	fprintf(out, "\n%s\n", title);
}

/* Texts one after the other, which become a row. */
struct list {
	char text[LINE_BYTES];
	size_t len;
};

static void list_add(struct list *list, const char *separator, const char *text, const char *behind)
{
	struct mt_buf out = mt_buf_of(list->text, sizeof(list->text) - 1);
	out.pos = list->len;
	if (list->len > 0)
		mt_buf_put(&out, mt_bytes_str(separator));
	mt_buf_put(&out, mt_bytes_str(text));
	mt_buf_put(&out, mt_bytes_str(behind));
	list->len = out.pos;
	list->text[list->len] = '\0';
}

static const char *word(enum mt_probe_answer answer, const char *yes, const char *no)
{
	return answer == MT_PROBE_UNKNOWN ? "unknown" : answer == MT_PROBE_YES ? yes : no;
}

typedef const char *name_of(int index);

static const char *version_name(int index)
{
	return mt_probe_version_name((enum mt_probe_version)index);
}

static const char *group_name(int index)
{
	return mt_probe_group_name((enum mt_probe_group)index);
}

/* "A, B; not C, D; unknown: E" */
static void print_answers(FILE *out, const char *label, const enum mt_probe_answer *answers,
			  int count, name_of *name)
{
	static const struct {
		enum mt_probe_answer answer;
		const char *between;
	} kinds[] = {{MT_PROBE_YES, ""}, {MT_PROBE_NO, "not "}, {MT_PROBE_UNKNOWN, "unknown: "}};
	struct list list = {.len = 0};
	for (size_t k = 0; k < MT_COUNT_OF(kinds); k++) {
		const char *separator = "; ", *prefix = kinds[k].between;
		for (int i = 0; i < count; i++) {
			if (answers[i] != kinds[k].answer)
				continue;
			list_add(&list, separator, prefix, name(i));
			separator = ", ";
			prefix = "";
		}
	}
	row(out, label, "%s", list.text);
}

static const char *order_text(enum mt_probe_order order)
{
	switch (order) {
	case MT_PROBE_ORDER_UNKNOWN:
		break;
	case MT_PROBE_ORDER_SERVER:
		return "the server's preference decides";
	case MT_PROBE_ORDER_CLIENT:
		return "the client's preference decides";
	}
	return NULL;
}

static void print_suites(FILE *out, const char *label, const struct mt_probe_suites *suites)
{
	struct list list = {.len = 0};
	if (suites->count == 0)
		return;
	for (uint32_t i = 0; i < suites->count; i++)
		list_add(&list, ", ", suites->items[i].name,
			 suites->items[i].is_broken ? " (broken)" : "");
	row(out, label, "%s", list.text);
	if (order_text(suites->order))
		row(out, "", "%s", order_text(suites->order));
}

static void print_groups(FILE *out, const struct mt_probe_facts *facts)
{
	if (facts->versions[MT_PROBE_TLS_12] != MT_PROBE_YES &&
	    facts->versions[MT_PROBE_TLS_13] != MT_PROBE_YES)
		return;
	print_answers(out, "groups", facts->groups, MT_PROBE_GROUPS, group_name);
	if (facts->group != MT_PROBE_GROUPS)
		row(out, "", "%s is chosen%s%s", mt_probe_group_name(facts->group),
		    order_text(facts->group_order) ? "; " : "",
		    order_text(facts->group_order) ? order_text(facts->group_order) : "");
}

static void print_offer(FILE *out, const struct mt_probe_facts *facts)
{
	head(out, "offer");
	print_answers(out, "versions", facts->versions, MT_PROBE_VERSIONS, version_name);
	print_suites(out, "suites of TLS 1.3", &facts->suites_13);
	print_suites(out, "suites of TLS 1.2", &facts->suites_12);
	row(out, "suites of old", "%s", word(facts->has_old_suites, "accepted", "refused"));
	print_groups(out, facts);
	row(out, "ALPN mqtt", "%s", word(facts->has_alpn, "chosen", "not chosen"));
	row(out, "pre-shared keys", "%s", word(facts->has_psk, "yes", "no"));
	row(out, "compression", "%s", word(facts->compresses, "yes", "no"));
	if (facts->versions[MT_PROBE_TLS_12] != MT_PROBE_YES)
		return;
	row(out, "renegotiation", "%s; bound to the connection: %s",
	    word(facts->renegotiates, "accepted", "refused"),
	    word(facts->has_secure_renegotiation, "yes", "no"));
	row(out, "master secret", "extended: %s",
	    word(facts->has_extended_master_secret, "yes", "no"));
}

static void format_day(int64_t time_s, char out[16])
{
	time_t time = (time_t)time_s;
	struct tm parts;
	snprintf(out, 16, "?");
	if (time_s != 0 && gmtime_r(&time, &parts))
		strftime(out, 16, "%Y-%m-%d", &parts);
}

static void print_names(FILE *out, const struct mt_probe_certificate *at)
{
	struct list list = {.len = 0};
	char more[32];
	for (uint32_t i = 0; i < at->name_count && i < MT_PROBE_NAMES_MAX; i++)
		list_add(&list, ", ", at->names[i], "");
	snprintf(more, sizeof(more), "and %u more", at->name_count - MT_PROBE_NAMES_MAX);
	if (at->name_count > MT_PROBE_NAMES_MAX)
		list_add(&list, ", ", more, "");
	if (at->name_count > 0)
		row(out, "  names", "%s", list.text);
}

static void print_certificate(FILE *out, const struct mt_probe_certificate *at, int64_t now_s)
{
	char from[16], to[16];
	long long days = (long long)mt_doctor_days(now_s, at->not_after_s);
	format_day(at->not_before_s, from);
	format_day(at->not_after_s, to);
	row(out, "subject", "%s", at->subject);
	row(out, "  issuer", "%s", at->issuer);
	row(out, "  key", "%s, %u bits; signed with %s", at->key, at->key_bits, at->signature);
	row(out, "  valid", "%s to %s: %lld days %s", from, to, days < 0 ? -days : days,
	    days < 0 ? "over" : "left");
	print_names(out, at);
}

static void print_staple(FILE *out, const struct mt_probe_staple *at)
{
	char until[16];
	format_day(at->next_update_s, until);
	if (at->is_sent != MT_PROBE_YES)
		row(out, "OCSP response", "%s", word(at->is_sent, "", "not sent"));
	else if (*at->fault)
		row(out, "OCSP response", "%s%s%s", at->status, *at->status ? ": " : "", at->fault);
	else
		row(out, "OCSP response", "%s, next update %s", at->status, until);
}

static void print_chain(FILE *out, const struct mt_doctor_report *report)
{
	const struct mt_probe_facts *facts = &report->facts;
	head(out, "certificate");
	if (facts->chain_count == 0)
		row(out, "none", "came");
	for (uint32_t i = 0; i < facts->chain_count; i++)
		print_certificate(out, &facts->chain[i], report->now_s);
	row(out, "bears the name", "%s: %s", report->name, word(facts->is_named, "yes", "no"));
	row(out, "verifies", "%s, by %s%s%s", word(facts->is_trusted, "yes", "no"), report->trust,
	    *facts->distrust ? ": " : "", facts->distrust);
	print_staple(out, &facts->staple);
}

static const char *demand_text(enum mt_probe_demand demand)
{
	switch (demand) {
	case MT_PROBE_DEMAND_UNKNOWN:
		break;
	case MT_PROBE_NOT_ASKED:
		return "not asked for";
	case MT_PROBE_OPTIONAL:
		return "asked for, and optional";
	case MT_PROBE_REQUIRED:
		return "required";
	}
	return "unknown";
}

static void print_client(FILE *out, const struct mt_probe_facts *facts)
{
	head(out, "client certificate");
	row(out, "demand", "%s", demand_text(facts->client_certificate));
	if (facts->is_certificate_taken != MT_PROBE_UNKNOWN)
		row(out, "ours", "%s%s%s", word(facts->is_certificate_taken, "accepted", "refused"),
		    *facts->certificate_refusal ? ": " : "", facts->certificate_refusal);
}

static json_t *ratio(uint32_t part, uint32_t whole)
{
	return whole == 0 ? json_string("-") : json_sprintf("%u/%u", part, whole);
}

static json_t *cost(const struct mt_probe_cost *at)
{
	if (at->count == 0)
		return json_string("-");
	return json_sprintf("%.2f ms, %u + %u B", (double)at->ns / 1e6, at->sent_bytes,
			    at->received_bytes);
}

static void add_way(json_t *rows, const char *name, const struct mt_probe_resumption *at)
{
	json_array_append_new(
		rows, json_pack("[s, s, o, o, o, o]", name, word(at->is_offered, "yes", "no"),
				ratio(at->resumed, at->tries), ratio(at->cuts_resumed, at->cuts),
				cost(&at->full_cost), cost(&at->resumed_cost)));
}

static void print_tickets(FILE *out, const char *label, const struct mt_probe_resumption *at)
{
	if (at->is_offered != MT_PROBE_YES)
		return;
	row(out, label, "%u, and %u when resumed; of %u bytes, for %u s%s", at->tickets,
	    at->tickets_again, at->ticket_bytes, at->lifetime_s,
	    at->early_bytes > 0 ? ", with 0-RTT" : "");
}

static void print_resumption(FILE *out, const struct mt_probe_facts *facts)
{
	const struct mt_probe_resumption *ways = facts->ways;
	json_t *rows = json_array();
	add_way(rows, "  session id, TLS 1.2", &ways[MT_PROBE_ID_12]);
	add_way(rows, "  ticket, TLS 1.2", &ways[MT_PROBE_TICKET_12]);
	add_way(rows, "  ticket, TLS 1.3", &ways[MT_PROBE_TICKET_13]);
	head(out, "resumption (after a proper end, after an abrupt one; median time, bytes sent + "
		  "received)");
	mt_cli_print_table(out, "  OFFERED RESUMED ABRUPT FULL SHORT", rows);
	json_decref(rows);
	print_tickets(out, "tickets, TLS 1.2", &ways[MT_PROBE_TICKET_12]);
	print_tickets(out, "tickets, TLS 1.3", &ways[MT_PROBE_TICKET_13]);
}

static void print_advice(FILE *out, const struct mt_doctor_report *report)
{
	head(out, "advice");
	for (uint32_t i = 0; i < report->advice_count; i++)
		row(out, mt_doctor_grade_name(report->advice[i].grade), "%s",
		    report->advice[i].text);
}

void mt_doctor_print(FILE *out, const struct mt_doctor_report *report)
{
	const struct mt_probe_facts *facts = &report->facts;
	bool is_v6 = strchr(report->host, ':') != NULL;
	fputs(is_v6 ? "[" : "", out);
	mt_cli_print_text(out, report->host);
	fprintf(out, "%s:%u (%s), asked for as ", is_v6 ? "]" : "", report->port, report->address);
	mt_cli_print_text(out, report->name);
	fprintf(out, ", %u connections\n", facts->connections);
	if (*facts->stopped)
		row(out, "not finished", "%s", facts->stopped);
	print_offer(out, facts);
	print_chain(out, report);
	print_client(out, facts);
	print_resumption(out, facts);
	print_advice(out, report);
}
