/*
 * One TLS connection of the probe: handshake, what follows it, and the end.
 *
 *   ClientHello -> ... -> Finished | tickets, or an alert | close_notify -> close
 *                                  ^ of TLS 1.3: only who reads on learns of them
 *
 * After close_notify it is read until the server closes: then all that it had to say has come, and
 * it has dealt with the end before the next connection begins.
 */
#include "tls/parts.h"
#include "tls/probe_parts.h"

#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#define LINGER_MS_FIRST 2000
#define LINGER_MS_LATER 500	     /* with a server that does not close */
#define LATE_BYTES_MAX (256u * 1024) /* after the handshake */
#define SILENCES_MAX 3u
#define RECOVERIES_MAX 3
#define ALERT_USER_CANCELED 90

const struct mt_probe_how mt_probe_anything = {
	.least = TLS1_VERSION,
	.most = TLS1_3_VERSION,
	.level = 0,
	.suites = MT_PROBE_ALL_SUITES,
	.suites_13 = MT_PROBE_ALL_SUITES_13,
	.groups = "X25519:P-256:P-384:P-521:X448:ffdhe2048",
};

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static int bio_take(BIO *bio, char *to, int cap)
{
	BIO_clear_retry_flags(bio);
	return cap > 0 ? mt_probe_wire_receive(BIO_get_data(bio), to, (size_t)cap) : 0;
}

static int bio_give(BIO *bio, const char *from, int len)
{
	struct mt_probe_wire *wire = BIO_get_data(bio);
	int sent = 0;
	BIO_clear_retry_flags(bio);
	while (sent < len) {
		int taken = mt_probe_wire_send(wire, from + sent, (size_t)(len - sent));
		if (taken <= 0)
			return -1;
		sent += taken;
	}
	return sent;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static void make_method(void)
{
	BIO_METHOD *made =
		BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "mortise probe");
	if (made && BIO_meth_set_read(made, bio_take) == 1 &&
	    BIO_meth_set_write(made, bio_give) == 1 && BIO_meth_set_ctrl(made, bio_control) == 1)
		method = made;
	else
		BIO_meth_free(made);
}

BIO *mt_probe_bio(struct mt_probe_wire *wire)
{
	BIO *bio;
	if (pthread_once(&method_once, make_method) != 0 || !method)
		return NULL;
	bio = BIO_new(method);
	if (!bio)
		return NULL;
	BIO_set_data(bio, wire);
	BIO_set_init(bio, 1);
	return bio;
}

static void hear_handshake(struct mt_probe_link *link, const uint8_t *message, size_t len)
{
	struct mt_probe_hello hello;
	if (message[0] == SSL3_MT_SERVER_HELLO && len > 4 &&
	    mt_probe_hello_read(mt_bytes_of(message + 4, len - 4), &hello) && !hello.is_retry) {
		link->hello = hello;
		link->has_hello = true;
		link->hellos++;
	}
	link->is_demanding |= message[0] == SSL3_MT_CERTIFICATE_REQUEST;
	if (message[0] != SSL3_MT_NEWSESSION_TICKET)
		return;
	link->tickets++;
	link->received_bytes = link->wire.received_bytes;
}

/* Each message, in clear, before the library judges it. */
static void hear(int is_ours, int version, int type, const void *data, size_t len, SSL *ssl,
		 void *arg)
{
	struct mt_probe_link *link = arg;
	const uint8_t *message = data;
	(void)version;
	(void)ssl;
	if (is_ours || len == 0)
		return;
	if (type == SSL3_RT_HANDSHAKE)
		hear_handshake(link, message, len);
	else if (type == SSL3_RT_ALERT && len >= 2 && message[1] != SSL_AD_CLOSE_NOTIFY &&
		 message[1] != ALERT_USER_CANCELED)
		link->alert = message[1];
}

static bool name_server(struct mt_probe *probe, SSL *ssl)
{
	static const uint8_t offer[] = {4, 'm', 'q', 't', 't'};
	/* Zero is success here, unlike everywhere else in the library. */
	if (probe->offers_alpn && SSL_set_alpn_protos(ssl, offer, sizeof(offer)) != 0)
		return false;
	return probe->is_address || SSL_set_tlsext_host_name(ssl, probe->name) == 1;
}

/* The library's argument has no const; it is only read. */
static bool set_groups(SSL *ssl, const char *groups)
{
	return !groups || SSL_set1_groups_list(ssl, (char *)(uintptr_t)groups) == 1;
}

static bool apply(struct mt_probe *probe, const struct mt_probe_how *how, SSL *ssl)
{
	SSL_set_security_level(ssl, how->level);
	if (how->is_ticketless)
		SSL_set_options(ssl, SSL_OP_NO_TICKET);
	if (how->is_stapling)
		SSL_set_tlsext_status_type(ssl, TLSEXT_STATUSTYPE_ocsp);
	return name_server(probe, ssl) && SSL_set_min_proto_version(ssl, how->least) == 1 &&
	       SSL_set_max_proto_version(ssl, how->most) == 1 &&
	       (!how->suites || SSL_set_cipher_list(ssl, how->suites) == 1) &&
	       (!how->suites_13 || SSL_set_ciphersuites(ssl, how->suites_13) == 1) &&
	       set_groups(ssl, how->groups) &&
	       (!how->session || SSL_set_session(ssl, how->session) == 1);
}

static bool prepare(struct mt_probe *probe, const struct mt_probe_how *how,
		    struct mt_probe_link *link)
{
	bool is_identified = how->is_identified && probe->identified;
	BIO *bio = mt_probe_bio(&link->wire);
	link->ssl = SSL_new(is_identified ? probe->identified : probe->anonymous);
	if (!bio || !link->ssl) {
		BIO_free(bio);
		return false;
	}
	SSL_set_bio(link->ssl, bio, bio);
	SSL_set_msg_callback(link->ssl, hear);
	SSL_set_msg_callback_arg(link->ssl, link);
	SSL_set_connect_state(link->ssl);
	return apply(probe, how, link->ssl);
}

static enum mt_probe_end judge_failure(const struct mt_probe_link *link)
{
	if (link->alert)
		return MT_PROBE_REFUSED;
	if (link->wire.first_count > 0 && !mt_probe_wire_is_tls(&link->wire))
		return MT_PROBE_FOREIGN;
	if (link->wire.is_late)
		return MT_PROBE_SILENT;
	/* What the library itself refuses it says; then it sends an alert, which may fail. */
	return link->wire.is_closed && ERR_peek_error() == 0 ? MT_PROBE_CLOSED : MT_PROBE_BROKEN;
}

static void fail(struct mt_probe_link *link, enum mt_probe_end end)
{
	link->end = end;
	if (end == MT_PROBE_SILENT)
		mt_tls_fault_say(link->fault, sizeof(link->fault), "no answer in time");
	else if (end == MT_PROBE_CLOSED)
		mt_tls_fault_say(link->fault, sizeof(link->fault),
				 "the connection was closed in the midst of the handshake");
	else
		mt_tls_fault_describe(link->ssl, link->wire.first[0], link->fault,
				      sizeof(link->fault));
}

/* How long to wait for what may never come, by what the handshake took. */
static void hurry(struct mt_probe_link *link)
{
	int64_t now_ms = mt_probe_clock_ns() / 1000000, linger_ms = 4 * link->ns / 1000000;
	int64_t least_ms = link->probe->is_leisurely ? LINGER_MS_LATER : LINGER_MS_FIRST;
	if (linger_ms < least_ms)
		linger_ms = least_ms;
	if (now_ms + linger_ms < link->wire.deadline_ms)
		link->wire.deadline_ms = now_ms + linger_ms;
}

static bool shake(struct mt_probe_link *link)
{
	int64_t begin_ns = mt_probe_clock_ns();
	ERR_clear_error();
	if (SSL_do_handshake(link->ssl) != 1) {
		fail(link, judge_failure(link));
		return false;
	}
	link->ns = mt_probe_clock_ns() - begin_ns;
	link->sent_bytes = link->wire.sent_bytes;
	link->received_bytes = link->wire.received_bytes;
	link->is_open = true;
	link->is_resumed = SSL_session_reused(link->ssl) == 1;
	return true;
}

/* Reads until the server ends, so many tickets have come, or nothing more does. */
static void read_on(struct mt_probe_link *link, uint32_t tickets)
{
	uint32_t begin = link->wire.received_bytes;
	uint8_t data[4096];
	size_t got;
	while (link->tickets < tickets && link->wire.received_bytes - begin < LATE_BYTES_MAX)
		/* It comes back after each ticket, wanting to be called again. */
		if (SSL_read_ex(link->ssl, data, sizeof(data), &got) != 1 &&
		    SSL_get_error(link->ssl, 0) != SSL_ERROR_WANT_READ)
			break;
}

/* Without a word of TLS; and until the server has seen it. */
static void break_off(struct mt_probe_link *link)
{
	uint8_t data[4096];
	shutdown(link->wire.fd, SHUT_WR);
	while (mt_probe_wire_receive(&link->wire, data, sizeof(data)) > 0)
		;
}

static void end(struct mt_probe_link *link, const struct mt_probe_how *how)
{
	hurry(link);
	if (how->is_cut) {
		if (SSL_version(link->ssl) == TLS1_3_VERSION)
			read_on(link, how->tickets);
		break_off(link);
		return;
	}
	(void)SSL_shutdown(link->ssl);
	read_on(link, UINT32_MAX);
}

/* A client that wants to begin anew within the connection. */
static bool renegotiate(struct mt_probe_link *link)
{
	hurry(link);
	if (SSL_renegotiate(link->ssl) == 1 && SSL_do_handshake(link->ssl) == 1)
		return true;
	ERR_clear_error();
	return false;
}

static void talk(const struct mt_probe_how *how, struct mt_probe_link *link)
{
	link->end = MT_PROBE_OPENED;
	if (!shake(link))
		return;
	if (how->is_renegotiating && !renegotiate(link))
		return;
	end(link, how);
	link->probe->is_leisurely |= link->wire.is_late;
	if (link->alert) {
		mt_tls_fault_describe(link->ssl, link->wire.first[0], link->fault,
				      sizeof(link->fault));
		link->end = MT_PROBE_REFUSED;
		return;
	}
	ERR_clear_error();
	link->session = SSL_get1_session(link->ssl);
}

void mt_probe_link_once(struct mt_probe *probe, const struct mt_probe_how *how,
			struct mt_probe_link *link)
{
	const char *reason = probe->facts->stopped;
	*link = (struct mt_probe_link){
		.probe = probe, .wire = {.fd = -1}, .end = MT_PROBE_UNREACHED};
	if (probe->is_over || !mt_probe_wire_open(probe, &link->wire, &reason)) {
		mt_tls_fault_say(link->fault, sizeof(link->fault), "%s", reason);
		return;
	}
	ERR_clear_error();
	if (prepare(probe, how, link))
		talk(how, link);
	else
		fail(link, MT_PROBE_BROKEN);
	if (link->ssl)
		mt_probe_chain_keep(probe, link->ssl);
	ERR_clear_error();
}

void mt_probe_link_free(struct mt_probe_link *link)
{
	/* Else the library holds that the session must not be resumed. */
	if (link->ssl && link->is_open)
		SSL_set_shutdown(link->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(link->ssl);
	SSL_SESSION_free(link->session);
	mt_probe_wire_close(&link->wire);
	link->ssl = NULL;
	link->session = NULL;
	ERR_clear_error();
}

enum mt_probe_answer mt_probe_link_answer(const struct mt_probe_link *link, int version)
{
	if (link->has_hello)
		return link->hello.version == version ? MT_PROBE_YES : MT_PROBE_NO;
	if (link->end == MT_PROBE_REFUSED || link->end == MT_PROBE_CLOSED)
		return MT_PROBE_NO;
	return MT_PROBE_UNKNOWN;
}

static void stop(struct mt_probe *probe, const char *why)
{
	probe->is_over = true;
	mt_tls_fault_say(probe->facts->stopped, sizeof(probe->facts->stopped), "%s", why);
}

void mt_probe_note_silence(struct mt_probe *probe)
{
	if (++probe->silences == SILENCES_MAX && !probe->is_over)
		stop(probe, "the server was silent too often");
}

bool mt_probe_recover(struct mt_probe *probe)
{
	for (int i = 0; i < RECOVERIES_MAX && !probe->is_over; i++) {
		struct timespec pause = {.tv_sec = i, .tv_nsec = 200000000};
		struct mt_probe_link link;
		bool is_answered;
		nanosleep(&pause, NULL);
		mt_probe_link_once(probe, &mt_probe_anything, &link);
		is_answered = link.has_hello || link.end == MT_PROBE_REFUSED;
		mt_probe_link_free(&link);
		if (is_answered)
			return true;
	}
	if (!probe->is_over)
		stop(probe, "the server answers no longer; it may limit how often one connects");
	return false;
}

void mt_probe_link_try(struct mt_probe *probe, const struct mt_probe_how *how,
		       struct mt_probe_link *link)
{
	mt_probe_link_once(probe, how, link);
	if (link->end == MT_PROBE_SILENT)
		mt_probe_note_silence(probe);
	if (link->has_hello || probe->is_over ||
	    (link->end != MT_PROBE_CLOSED && link->end != MT_PROBE_UNREACHED))
		return;
	mt_probe_wire_close(&link->wire);
	if (!mt_probe_recover(probe)) {
		link->end = MT_PROBE_UNREACHED;
		return;
	}
	mt_probe_link_free(link);
	mt_probe_link_once(probe, how, link);
}
