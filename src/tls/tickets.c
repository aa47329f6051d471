/* The ring of ticket keys, and OpenSSL's callback for them. */
#include "tls/tickets.h"

#include "tls/parts.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define KEYS 3
#define NAME_BYTES 16
#define AES_BYTES 32
#define MAC_BYTES 32
#define MAGIC "mortise tickets 1\n"
/* The clock was set back: a key is not kept for years because of that. */
#define AHEAD_MAX_S 60

struct key {
	uint8_t name[NAME_BYTES];
	uint8_t aes[AES_BYTES];
	uint8_t mac[MAC_BYTES];
	int64_t made_s;
};

struct mt_tls_tickets {
	pthread_mutex_t lock;
	int64_t rotation_s;
	uint32_t count;
	struct key keys[KEYS]; /* the current one first */
};

static bool draw(struct key *key, int64_t now_s)
{
	key->made_s = now_s;
	if (RAND_bytes(key->name, NAME_BYTES) == 1 && RAND_priv_bytes(key->aes, AES_BYTES) == 1 &&
	    RAND_priv_bytes(key->mac, MAC_BYTES) == 1)
		return true;
	ERR_clear_error();
	return false;
}

enum mt_status mt_tls_tickets_create(int64_t now_s, int64_t rotation_s, struct mt_tls_tickets **out)
{
	struct mt_tls_tickets *tickets = calloc(1, sizeof(*tickets));
	MT_CHECK(rotation_s > 0);
	if (!tickets)
		return MT_MEMORY;
	pthread_mutex_init(&tickets->lock, NULL);
	tickets->rotation_s = rotation_s;
	tickets->count = 1;
	*out = tickets;
	if (draw(&tickets->keys[0], now_s))
		return MT_OK;
	mt_tls_tickets_destroy(out);
	return MT_TLS;
}

void mt_tls_tickets_destroy(struct mt_tls_tickets **tickets)
{
	if (!*tickets)
		return;
	pthread_mutex_destroy(&(*tickets)->lock);
	mt_bytes_wipe(*tickets, sizeof(**tickets));
	free(*tickets);
	*tickets = NULL;
}

static void put_key(const struct key *key, struct mt_buf *out)
{
	mt_buf_put_u64(out, (uint64_t)key->made_s);
	mt_buf_put(out, mt_bytes_of(key->name, NAME_BYTES));
	mt_buf_put(out, mt_bytes_of(key->aes, AES_BYTES));
	mt_buf_put(out, mt_bytes_of(key->mac, MAC_BYTES));
}

static void take_key(struct mt_reader *from, struct key *key)
{
	key->made_s = (int64_t)mt_reader_u64(from);
	memcpy(key->name, mt_reader_take(from, NAME_BYTES).data, NAME_BYTES);
	memcpy(key->aes, mt_reader_take(from, AES_BYTES).data, AES_BYTES);
	memcpy(key->mac, mt_reader_take(from, MAC_BYTES).data, MAC_BYTES);
}

/* Newest first, and no two alike. */
static bool is_ring(const struct key *keys, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (keys[i].made_s < 0 || (i > 0 && keys[i].made_s > keys[i - 1].made_s))
			return false;
		for (uint32_t j = 0; j < i; j++)
			if (memcmp(keys[i].name, keys[j].name, NAME_BYTES) == 0)
				return false;
	}
	return count > 0;
}

enum mt_status mt_tls_tickets_restore(struct mt_tls_tickets *tickets, struct mt_bytes dump)
{
	size_t head = strlen(MAGIC), each = 8 + NAME_BYTES + AES_BYTES + MAC_BYTES;
	struct key keys[KEYS] = {0};
	uint32_t count = 0;
	struct mt_reader from;
	enum mt_status status = MT_CORRUPT;
	if (dump.len <= head || memcmp(dump.data, MAGIC, head) != 0 ||
	    (dump.len - head) % each != 0 || (dump.len - head) / each > KEYS)
		return MT_CORRUPT;
	from = mt_reader_of(mt_bytes_from(dump, head));
	while (count < (dump.len - head) / each)
		take_key(&from, &keys[count++]);
	if (is_ring(keys, count)) {
		pthread_mutex_lock(&tickets->lock);
		memcpy(tickets->keys, keys, sizeof(keys));
		tickets->count = count;
		pthread_mutex_unlock(&tickets->lock);
		status = MT_OK;
	}
	mt_bytes_wipe(keys, sizeof(keys));
	return status;
}

void mt_tls_tickets_dump(struct mt_tls_tickets *tickets, struct mt_buf *out)
{
	mt_buf_put(out, mt_bytes_str(MAGIC));
	pthread_mutex_lock(&tickets->lock);
	for (uint32_t i = 0; i < tickets->count; i++)
		put_key(&tickets->keys[i], out);
	pthread_mutex_unlock(&tickets->lock);
}

static int64_t due(const struct mt_tls_tickets *tickets)
{
	return tickets->keys[0].made_s + tickets->rotation_s;
}

/* After a sleep of three rotations nothing of before is kept. */
static bool rotate(struct mt_tls_tickets *tickets, int64_t now_s)
{
	struct key fresh;
	bool is_stale = (now_s - tickets->keys[0].made_s) / tickets->rotation_s >= KEYS;
	uint32_t kept = is_stale ? 0 : tickets->count < KEYS ? tickets->count : KEYS - 1;
	if (!draw(&fresh, now_s))
		return false;
	memmove(&tickets->keys[1], &tickets->keys[0], kept * sizeof(fresh));
	tickets->keys[0] = fresh;
	tickets->count = kept + 1;
	mt_bytes_wipe(&tickets->keys[kept + 1], (KEYS - kept - 1) * sizeof(fresh));
	mt_bytes_wipe(&fresh, sizeof(fresh));
	return true;
}

bool mt_tls_tickets_tick(struct mt_tls_tickets *tickets, int64_t now_s)
{
	bool has_changed = false;
	pthread_mutex_lock(&tickets->lock);
	if (now_s >= due(tickets) || tickets->keys[0].made_s > now_s + AHEAD_MAX_S)
		has_changed = rotate(tickets, now_s);
	pthread_mutex_unlock(&tickets->lock);
	return has_changed;
}

bool mt_tls_tickets_rotate(struct mt_tls_tickets *tickets, int64_t now_s)
{
	bool has_changed;
	pthread_mutex_lock(&tickets->lock);
	has_changed = rotate(tickets, now_s);
	pthread_mutex_unlock(&tickets->lock);
	return has_changed;
}

bool mt_tls_tickets_drop(struct mt_tls_tickets *tickets, int64_t now_s)
{
	struct key fresh;
	if (!draw(&fresh, now_s))
		return false;
	pthread_mutex_lock(&tickets->lock);
	mt_bytes_wipe(tickets->keys, sizeof(tickets->keys));
	tickets->keys[0] = fresh;
	tickets->count = 1;
	pthread_mutex_unlock(&tickets->lock);
	mt_bytes_wipe(&fresh, sizeof(fresh));
	return true;
}

int64_t mt_tls_tickets_due_s(struct mt_tls_tickets *tickets)
{
	int64_t due_s;
	pthread_mutex_lock(&tickets->lock);
	due_s = due(tickets);
	pthread_mutex_unlock(&tickets->lock);
	return due_s;
}

/* A copy of the current key, or of the one with that name; its place in the ring, KEYS: none. */
static uint32_t find(struct mt_tls_tickets *tickets, const uint8_t *name, struct key *out)
{
	uint32_t at = 0;
	pthread_mutex_lock(&tickets->lock);
	while (name && at < tickets->count && memcmp(tickets->keys[at].name, name, NAME_BYTES) != 0)
		at++;
	if (at < tickets->count)
		*out = tickets->keys[at];
	else
		at = KEYS;
	pthread_mutex_unlock(&tickets->lock);
	return at;
}

static bool use(const struct key *key, const uint8_t *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
		bool is_encrypting)
{
	OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string(
				       OSSL_MAC_PARAM_KEY, (void *)(uintptr_t)key->mac, MAC_BYTES),
			       OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
								(char *)(uintptr_t) "SHA256", 0),
			       OSSL_PARAM_construct_end()};
	return EVP_MAC_CTX_set_params(mac, params) == 1 &&
	       EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->aes, iv,
				 is_encrypting ? 1 : 0) == 1;
}

/* Without memory or random numbers there is no ticket, and the handshake goes on in full. */
int mt_tls_tickets_protect(struct mt_tls_tickets *tickets, uint8_t *name, uint8_t *iv,
			   EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, bool is_encrypting)
{
	struct key key;
	uint32_t at = find(tickets, is_encrypting ? NULL : name, &key);
	int result = at == KEYS ? 0 : at == 0 ? 1 : 2;
	if (result == 0)
		return 0;
	if (is_encrypting) {
		memcpy(name, key.name, NAME_BYTES);
		if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
			result = 0;
	}
	if (result > 0 && !use(&key, iv, cipher, mac, is_encrypting))
		result = 0;
	mt_bytes_wipe(&key, sizeof(key));
	return result;
}

bool mt_tls_tickets_know(struct mt_tls_tickets *tickets, struct mt_bytes ticket)
{
	struct key key;
	bool is_known = ticket.len > NAME_BYTES && find(tickets, ticket.data, &key) < KEYS;
	mt_bytes_wipe(&key, sizeof(key));
	return is_known;
}
