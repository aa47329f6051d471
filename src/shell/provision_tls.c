/* CA, issuer and server certificate of a first start. */
#include "shell/provision_tls.h"

#include "io/file.h"
#include "shell/host.h"
#include "tls/certificate.h"

#include <errno.h>
#include <pthread.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CA_DAYS 3650
#define SERVER_DAYS 825 /* what Apple's clients accept at most */
#define RENEW_S ((int64_t)30 * 86400)
/* The issuer's own end must not come sooner than that of most of what it signs. */
#define ISSUER_LEFT_S ((int64_t)SERVER_DAYS * 86400)
#define PEM_BYTES_MAX 65536u
#define COMMON_NAME_BYTES 65   /* X.520: 64 characters */
#define CLOCK_MIN_S 1704067200 /* 2024-01-01: earlier, the clock was never set */

struct making {
	char folder[PATH_MAX];
	int64_t now_s;
	struct mt_host host;
	enum mt_renewal renewal;
	bool is_renewed;
	char *fault;
	size_t cap;
};

struct pair {
	struct mt_pem certificate;
	struct mt_pem key;
};

enum presence { NEITHER, CERTIFICATE_ALONE, KEY_ALONE, BOTH };

static void pair_finish(struct pair *pair)
{
	mt_pem_finish(&pair->certificate);
	mt_pem_finish(&pair->key);
}

MT_FORMAT(3, 4)
static enum mt_status say(struct making *making, enum mt_status status, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(making->fault, making->cap, format, arguments);
	va_end(arguments);
	return status;
}

static enum mt_status path_of(struct making *making, const char *name, const char *ending,
			      char out[PATH_MAX])
{
	int len = snprintf(out, PATH_MAX, "%s/%s%s", making->folder, name, ending);
	if (len < 0 || len >= PATH_MAX)
		return say(making, MT_INVALID, "%s: the path is too long; choose another --state",
			   making->folder);
	return MT_OK;
}

static enum mt_status find_file(struct making *making, const char *name, const char *ending,
				bool *is_there)
{
	char path[PATH_MAX];
	struct stat facts;
	int result;
	MT_TRY(path_of(making, name, ending, path));
	result = lstat(path, &facts);
	if (result != 0 && errno != ENOENT)
		return say(making, MT_SYSTEM, "%s: %s", path, strerror(errno));
	*is_there = result == 0;
	return MT_OK;
}

static enum mt_status find_pair(struct making *making, const char *name, enum presence *out)
{
	bool has_certificate, has_key;
	MT_TRY(find_file(making, name, ".pem", &has_certificate));
	MT_TRY(find_file(making, name, ".key", &has_key));
	*out = has_certificate ? (has_key ? BOTH : CERTIFICATE_ALONE)
			       : (has_key ? KEY_ALONE : NEITHER);
	return MT_OK;
}

static enum mt_status refuse_half(struct making *making, const char *name, enum presence presence)
{
	bool has_key = presence == KEY_ALONE;
	return say(making, MT_INVALID,
		   "%s: %s%s is there and %s%s is not: put it back, or move the first away to "
		   "have both made anew",
		   making->folder, name, has_key ? ".key" : ".pem", name,
		   has_key ? ".pem" : ".key");
}

static enum mt_status read_pem(struct making *making, const char *name, const char *ending,
			       struct mt_pem *out)
{
	char path[PATH_MAX];
	uint8_t *data;
	enum mt_status status;
	MT_TRY(path_of(making, name, ending, path));
	status = mt_file_read(path, PEM_BYTES_MAX, &data, &out->len);
	if (status != MT_OK)
		return say(making, status, "%s: it cannot be read: %s", path,
			   status == MT_SYSTEM ? strerror(errno) : mt_status_text(status));
	out->text = (char *)data;
	return MT_OK;
}

static enum mt_status read_pair(struct making *making, const char *name, struct pair *out)
{
	MT_TRY(read_pem(making, name, ".pem", &out->certificate));
	return read_pem(making, name, ".key", &out->key);
}

static enum mt_status write_pem(struct making *making, const char *name, const char *ending,
				const struct mt_pem *pem, unsigned mode)
{
	char path[PATH_MAX];
	enum mt_status status;
	MT_TRY(path_of(making, name, ending, path));
	status = mt_file_write(path, mt_bytes_of(pem->text, pem->len), mode);
	if (status != MT_OK)
		return say(making, status, "%s: it cannot be written: %s", path,
			   status == MT_SYSTEM ? strerror(errno) : mt_status_text(status));
	return MT_OK;
}

static enum mt_status write_pair(struct making *making, const char *name, const struct pair *pair)
{
	MT_TRY(write_pem(making, name, ".key", &pair->key, 0600));
	return write_pem(making, name, ".pem", &pair->certificate, 0644);
}

static enum mt_status made(struct making *making, const char *what, enum mt_status status)
{
	if (status == MT_OK)
		return MT_OK;
	return say(making, status, "%s: the %s cannot be made: %s", making->folder, what,
		   mt_status_text(status));
}

static enum mt_status make_ca(struct making *making, struct pair *out)
{
	char name[COMMON_NAME_BYTES];
	int len = snprintf(name, sizeof(name), "Mortise CA %s", making->host.name);
	MT_CHECK(len > 0); /* a long host name is cut */
	MT_TRY(made(
		making, "CA",
		mt_authority_create(name, making->now_s, CA_DAYS, &out->certificate, &out->key)));
	return write_pair(making, "ca", out);
}

/* The CA, to sign with. */
static enum mt_status provide_ca(struct making *making, struct pair *out)
{
	enum presence presence;
	MT_TRY(find_pair(making, "ca", &presence));
	switch (presence) {
	case BOTH:
		return read_pair(making, "ca", out);
	case NEITHER:
		return make_ca(making, out);
	case CERTIFICATE_ALONE:
		return say(making, MT_INVALID,
			   "%s: a certificate is to be made and ca.key is not there: put it back "
			   "for this start",
			   making->folder);
	case KEY_ALONE:
		return refuse_half(making, "ca", presence);
	}
	return MT_INVALID;
}

static enum mt_status make_issuer(struct making *making, struct pair *out)
{
	struct pair ca = {{NULL, 0}, {NULL, 0}};
	enum mt_status status = provide_ca(making, &ca);
	if (status == MT_OK)
		status = made(making, "issuer",
			      mt_authority_intermediate(&ca.certificate, &ca.key,
							&making->host.names, making->now_s, CA_DAYS,
							&out->certificate, &out->key));
	pair_finish(&ca);
	MT_TRY(status);
	return write_pair(making, "issuer", out);
}

static enum mt_status provide_issuer(struct making *making, struct pair *out)
{
	enum presence presence;
	bool has_ca;
	MT_TRY(find_pair(making, "issuer", &presence));
	if (presence == NEITHER)
		return make_issuer(making, out);
	if (presence != BOTH)
		return refuse_half(making, "issuer", presence);
	MT_TRY(find_file(making, "ca", ".pem", &has_ca));
	if (!has_ca)
		return say(making, MT_INVALID,
			   "%s: issuer.pem is there and ca.pem, which clients trust, is not: put "
			   "it back",
			   making->folder);
	return read_pair(making, "issuer", out);
}

static enum mt_status sign_server(struct making *making, const struct pair *issuer)
{
	struct pair server = {{NULL, 0}, {NULL, 0}};
	enum mt_status status =
		mt_authority_server(&issuer->certificate, &issuer->key, &making->host.names,
				    making->now_s, SERVER_DAYS, &server.certificate, &server.key);
	if (status == MT_OK)
		status = write_pair(making, "server", &server);
	else if (status != MT_DENIED)
		status = made(making, "server certificate", status);
	pair_finish(&server);
	return status;
}

/* It ends too soon to sign anything that lasts. */
static bool is_ending(const struct making *making, const struct pair *issuer)
{
	struct mt_certificate facts;
	return mt_certificate_read(&issuer->certificate, &facts) == MT_OK &&
	       facts.not_after_s - making->now_s < ISSUER_LEFT_S;
}

/* With an issuer of new names, where the one there is may not sign for them. */
static enum mt_status make_server(struct making *making)
{
	struct pair issuer = {{NULL, 0}, {NULL, 0}};
	enum mt_status status = provide_issuer(making, &issuer);
	bool is_worn_out = status == MT_OK && is_ending(making, &issuer);
	if (status == MT_OK && !is_worn_out)
		status = sign_server(making, &issuer);
	if (is_worn_out || status == MT_DENIED) {
		pair_finish(&issuer);
		status = make_issuer(making, &issuer);
		if (status == MT_OK)
			status = sign_server(making, &issuer);
	}
	pair_finish(&issuer);
	if (status == MT_DENIED)
		return say(making, status, "%s: the issuer may not sign for a name of this host",
			   making->folder);
	return status;
}

/* Ours, and over soon or without a name that this host has now. */
static bool is_due(struct making *making)
{
	struct pair server = {{NULL, 0}, {NULL, 0}};
	struct mt_pem issuer = {NULL, 0};
	struct mt_certificate facts;
	bool is_ours = read_pem(making, "server", ".pem", &server.certificate) == MT_OK &&
		       read_pem(making, "issuer", ".pem", &issuer) == MT_OK &&
		       mt_certificate_is_of(&server.certificate, &issuer) &&
		       mt_certificate_read(&server.certificate, &facts) == MT_OK;
	bool is_due = is_ours && (making->renewal == MT_RENEW_NOW ||
				  facts.not_after_s - making->now_s < RENEW_S ||
				  !mt_certificate_covers(&server.certificate, &making->host.names));
	pair_finish(&server);
	mt_pem_finish(&issuer);
	making->fault[0] = '\0'; /* what cannot be read is not ours to renew */
	return is_due;
}

static enum mt_status renew_server(struct making *making)
{
	enum mt_status status;
	mt_host_ask(&making->host);
	if (making->now_s < CLOCK_MIN_S || !is_due(making))
		return making->renewal == MT_RENEW_NOW ? say(making, MT_DENIED,
							     "%s: server.pem was not issued by "
							     "issuer.pem: renew it where it "
							     "came from",
							     making->folder)
						       : MT_OK;
	status = make_server(making);
	making->is_renewed = status == MT_OK;
	return making->renewal == MT_RENEW_NOW ? status : MT_OK;
}

static enum mt_status provide_server(struct making *making)
{
	enum presence presence;
	MT_TRY(find_pair(making, "server", &presence));
	if (presence == BOTH)
		return renew_server(making);
	if (presence != NEITHER)
		return refuse_half(making, "server", presence);
	if (making->now_s < CLOCK_MIN_S)
		return say(making, MT_INVALID,
			   "the clock of the system was never set: certificates would be dated by "
			   "it; set it");
	mt_host_ask(&making->host);
	making->is_renewed = true;
	return make_server(making);
}

static enum mt_status claim(struct making *making)
{
	enum mt_status status = mt_folder_claim(making->folder, 0700);
	if (status == MT_DENIED)
		return say(making, status,
			   "%s: it is no folder of this user alone; chown it to the user of the "
			   "broker and "
			   "chmod 700 it",
			   making->folder);
	if (status != MT_OK)
		return say(making, status, "%s: it cannot be made: %s", making->folder,
			   strerror(errno));
	return MT_OK;
}

static bool sync_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool is_synced = fd >= 0 && fsync(fd) == 0;
	if (fd >= 0)
		close(fd);
	return is_synced;
}

/* What an earlier start, cut short, left in the draft. */
static enum mt_status clear(struct making *making)
{
	static const char *const names[] = {"ca", "issuer", "server"};
	static const char *const endings[] = {".pem", ".key"};
	char path[PATH_MAX];
	for (size_t i = 0; i < MT_COUNT_OF(names) * MT_COUNT_OF(endings); i++) {
		MT_TRY(path_of(making, names[i / 2], endings[i % 2], path));
		if (unlink(path) != 0 && errno != ENOENT)
			return say(making, MT_SYSTEM, "%s: it cannot be removed: %s", path,
				   strerror(errno));
	}
	return MT_OK;
}

/* Everything is made in a folder beside, which then takes the name: a crash leaves no half. */
static enum mt_status make_whole(struct making *making, const char *state_path, const char *path)
{
	MT_TRY(claim(making));
	MT_TRY(clear(making));
	MT_TRY(provide_server(making));
	if (rename(making->folder, path) != 0 || !sync_folder(state_path))
		return say(making, MT_SYSTEM, "%s: it cannot be put in place: %s", path,
			   strerror(errno));
	return MT_OK;
}

static enum mt_status provide(struct making *making, const char *state_path)
{
	char path[PATH_MAX];
	struct stat facts;
	int len = snprintf(making->folder, sizeof(making->folder), "%s", state_path);
	MT_CHECK(len > 0 && (size_t)len < sizeof(making->folder));
	MT_TRY(path_of(making, "tls", "", path));
	if (lstat(path, &facts) != 0 && errno == ENOENT) {
		char draft[PATH_MAX];
		MT_TRY(path_of(making, "tls", ".new", draft));
		memcpy(making->folder, draft, sizeof(draft));
		return make_whole(making, state_path, path);
	}
	memcpy(making->folder, path, sizeof(path));
	MT_TRY(claim(making));
	return provide_server(making);
}

enum mt_status mt_provision_tls(const char *state_path, int64_t now_s, enum mt_renewal renewal,
				bool *is_renewed, char *fault, size_t cap)
{
	/* The loop, the relay of the admin API and an administrator may find it due at one time. */
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct making making = {.now_s = now_s, .renewal = renewal, .fault = fault, .cap = cap};
	enum mt_status status;
	fault[0] = '\0';
	MT_CHECK(pthread_mutex_lock(&lock) == 0);
	status = provide(&making, state_path);
	MT_CHECK(pthread_mutex_unlock(&lock) == 0);
	if (status == MT_OK)
		*is_renewed = making.is_renewed;
	return status;
}
