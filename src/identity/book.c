/* Maps of entries that hold their own key. */
#include "identity/book.h"

#include "base/map.h"
#include "base/mem.h"

#include <stdatomic.h>

/* An entry's key: issuer (zeros: any) and name; or an identity; or a fingerprint; or a user's id;
 * or, with the number of an issuer of tokens, a subject. */
struct entry {
	struct entry *next; /* of the book */
	size_t bytes;
	uint64_t user_id;
	int64_t not_before_s;
	uint8_t psk_bytes;
	union {
		uint8_t psk[MT_PSK_BYTES_MAX];
		struct mt_scram_verifier scram;
	} secret;
	size_t key_len;
	uint8_t key[];
};

/* Of tokens. The texts are behind it, each with a 0. */
struct issuer {
	struct mt_issuer facts; /* first */
	struct issuer *next;
	uint32_t number; /* in the book */
	size_t bytes;
	uint8_t text[];
};

struct mt_book {
	_Atomic uint32_t ref_count;
	struct mt_mem own; /* of the book itself */
	struct mt_mem mem;
	struct mt_map certificates, psks, subjects, scrams, ended_certificates, ended_users;
	struct mt_map issuers; /* by `iss` */
	struct entry *entries;
	struct issuer *all_issuers;
	uint32_t issuer_count;
};

static struct mt_bytes key_of(const void *value)
{
	const struct entry *entry = value;
	return mt_bytes_of(entry->key, entry->key_len);
}

static struct mt_bytes iss_of(const void *value)
{
	const struct issuer *issuer = value;
	return issuer->facts.issuer;
}

struct mt_book *mt_book_create(struct mt_seed seed)
{
	struct mt_mem mem;
	struct mt_book *book;
	mt_mem_init(&mem, SIZE_MAX);
	book = mt_mem_zero(&mem, sizeof(*book));
	if (!book)
		return NULL;
	book->own = mem;
	mt_mem_init(&book->mem, SIZE_MAX);
	atomic_init(&book->ref_count, 1);
	mt_map_init(&book->certificates, &book->mem, seed, key_of);
	mt_map_init(&book->psks, &book->mem, seed, key_of);
	mt_map_init(&book->subjects, &book->mem, seed, key_of);
	mt_map_init(&book->issuers, &book->mem, seed, iss_of);
	mt_map_init(&book->scrams, &book->mem, seed, key_of);
	mt_map_init(&book->ended_certificates, &book->mem, seed, key_of);
	mt_map_init(&book->ended_users, &book->mem, seed, key_of);
	return book;
}

struct mt_book *mt_book_ref(struct mt_book *book)
{
	atomic_fetch_add_explicit(&book->ref_count, 1, memory_order_relaxed);
	return book;
}

static void destroy(struct mt_book *book)
{
	struct mt_mem mem = book->own;
	mt_map_finish(&book->certificates);
	mt_map_finish(&book->psks);
	mt_map_finish(&book->subjects);
	mt_map_finish(&book->issuers);
	mt_map_finish(&book->scrams);
	mt_map_finish(&book->ended_certificates);
	mt_map_finish(&book->ended_users);
	for (struct entry *entry = book->entries; entry;) {
		struct entry *next = entry->next;
		mt_bytes_wipe(&entry->secret, sizeof(entry->secret));
		mt_mem_give(&book->mem, entry, entry->bytes);
		entry = next;
	}
	for (struct issuer *issuer = book->all_issuers; issuer;) {
		struct issuer *next = issuer->next;
		size_t bytes = issuer->bytes;
		mt_bytes_wipe(issuer, bytes);
		mt_mem_give(&book->mem, issuer, bytes);
		issuer = next;
	}
	mt_mem_give(&mem, book, sizeof(*book));
}

void mt_book_unref(struct mt_book **book)
{
	struct mt_book *old = *book;
	*book = NULL;
	if (old && atomic_fetch_sub_explicit(&old->ref_count, 1, memory_order_acq_rel) == 1)
		destroy(old);
}

/* The key is the two pieces in a row. */
static enum mt_status add(struct mt_book *book, struct mt_map *map, struct mt_bytes first,
			  struct mt_bytes second, struct entry **out)
{
	size_t bytes = sizeof(struct entry) + first.len + second.len;
	struct entry *entry = mt_mem_zero(&book->mem, bytes);
	enum mt_status status = MT_EXISTS;
	if (!entry)
		return MT_MEMORY;
	entry->bytes = bytes;
	entry->key_len = first.len + second.len;
	if (first.len > 0)
		memcpy(entry->key, first.data, first.len);
	memcpy(entry->key + first.len, second.data, second.len);
	if (!mt_map_find(map, key_of(entry)))
		status = mt_map_put(map, entry);
	if (status != MT_OK) {
		mt_mem_give(&book->mem, entry, bytes);
		return status;
	}
	entry->next = book->entries;
	book->entries = entry;
	*out = entry;
	return MT_OK;
}

static const uint8_t any_issuer[MT_FINGERPRINT_BYTES];

static struct mt_bytes fingerprint_of(const uint8_t *fingerprint)
{
	return mt_bytes_of(fingerprint, MT_FINGERPRINT_BYTES);
}

enum mt_status mt_book_add_certificate(struct mt_book *book, uint64_t user_id, struct mt_bytes name,
				       const uint8_t *issuer)
{
	struct entry *entry;
	if (user_id == 0 || name.len == 0 || name.len > MT_PROOF_NAME_BYTES_MAX)
		return MT_INVALID;
	MT_TRY(add(book, &book->certificates, fingerprint_of(issuer ? issuer : any_issuer), name,
		   &entry));
	entry->user_id = user_id;
	return MT_OK;
}

enum mt_status mt_book_add_psk(struct mt_book *book, uint64_t user_id, struct mt_bytes identity,
			       struct mt_bytes key)
{
	struct entry *entry;
	if (user_id == 0 || identity.len == 0 || identity.len > MT_PSK_IDENTITY_BYTES_MAX ||
	    key.len < MT_PSK_BYTES_MIN || key.len > MT_PSK_BYTES_MAX)
		return MT_INVALID;
	MT_TRY(add(book, &book->psks, mt_bytes_of(NULL, 0), identity, &entry));
	entry->user_id = user_id;
	entry->psk_bytes = (uint8_t)key.len;
	memcpy(entry->secret.psk, key.data, key.len);
	return MT_OK;
}

enum mt_status mt_book_add_scram(struct mt_book *book, uint64_t user_id,
				 const struct mt_scram_verifier *verifier)
{
	struct entry *entry;
	if (user_id == 0 || verifier->iterations < MT_SCRAM_ITERATIONS_MIN ||
	    verifier->iterations > MT_SCRAM_ITERATIONS_MAX)
		return MT_INVALID;
	MT_TRY(add(book, &book->scrams, mt_bytes_of(NULL, 0),
		   mt_bytes_of(&user_id, sizeof(user_id)), &entry));
	entry->user_id = user_id;
	entry->secret.scram = *verifier;
	return MT_OK;
}

/* A copy with a 0 behind it; *at moves on. */
static struct mt_bytes keep_text(uint8_t **at, struct mt_bytes text)
{
	struct mt_bytes kept = mt_bytes_of(*at, text.len);
	if (text.len > 0)
		memcpy(*at, text.data, text.len);
	(*at)[text.len] = '\0';
	*at += text.len + 1;
	return kept;
}

static struct issuer *find_issuer(const struct mt_book *book, struct mt_bytes name)
{
	struct issuer *issuer = book->all_issuers;
	while (issuer && !mt_bytes_equal(issuer->facts.name, name))
		issuer = issuer->next;
	return issuer;
}

static struct issuer *copy_issuer(struct mt_book *book, const struct mt_issuer *from)
{
	struct mt_bytes audience = mt_bytes_str(from->audience), claim = mt_bytes_str(from->claim);
	size_t bytes = sizeof(struct issuer) + from->name.len + from->issuer.len + audience.len +
		       claim.len + 4;
	struct issuer *issuer;
	uint8_t *at;
	for (uint32_t i = 0; i < from->key_count; i++)
		bytes += from->keys[i].len + 1;
	issuer = mt_mem_zero(&book->mem, bytes);
	if (!issuer)
		return NULL;
	at = issuer->text;
	issuer->bytes = bytes;
	issuer->facts = *from;
	issuer->facts.name = keep_text(&at, from->name);
	issuer->facts.issuer = keep_text(&at, from->issuer);
	for (uint32_t i = 0; i < from->key_count; i++)
		issuer->facts.keys[i] = keep_text(&at, from->keys[i]);
	issuer->facts.audience = (const char *)keep_text(&at, audience).data;
	issuer->facts.claim = (const char *)keep_text(&at, claim).data;
	return issuer;
}

enum mt_status mt_book_add_issuer(struct mt_book *book, const struct mt_issuer *from)
{
	struct issuer *issuer;
	enum mt_status status;
	MT_CHECK(from->key_count <= MT_ISSUER_KEYS_MAX);
	if (from->name.len == 0 || from->issuer.len == 0 || from->key_count == 0 ||
	    from->algorithms == 0 || *from->claim == '\0')
		return MT_INVALID;
	if (find_issuer(book, from->name) || mt_map_find(&book->issuers, from->issuer))
		return MT_EXISTS;
	issuer = copy_issuer(book, from);
	if (!issuer)
		return MT_MEMORY;
	status = mt_map_put(&book->issuers, issuer);
	if (status != MT_OK) {
		mt_mem_give(&book->mem, issuer, issuer->bytes);
		return status;
	}
	issuer->number = ++book->issuer_count;
	issuer->next = book->all_issuers;
	book->all_issuers = issuer;
	return MT_OK;
}

static struct mt_bytes number_of(const struct issuer *issuer)
{
	return mt_bytes_of(&issuer->number, sizeof(issuer->number));
}

enum mt_status mt_book_add_subject(struct mt_book *book, uint64_t user_id,
				   struct mt_bytes issuer_name, struct mt_bytes subject)
{
	const struct issuer *issuer = find_issuer(book, issuer_name);
	struct entry *entry;
	if (user_id == 0 || !issuer || subject.len == 0 || subject.len > MT_PROOF_NAME_BYTES_MAX)
		return MT_INVALID;
	MT_TRY(add(book, &book->subjects, number_of(issuer), subject, &entry));
	entry->user_id = user_id;
	return MT_OK;
}

const struct mt_issuer *mt_book_issuer(const struct mt_book *book, struct mt_bytes issuer)
{
	const struct issuer *found = mt_map_find(&book->issuers, issuer);
	return found ? &found->facts : NULL;
}

uint64_t mt_book_subject(const struct mt_book *book, const struct mt_issuer *issuer,
			 struct mt_bytes subject)
{
	uint8_t key[sizeof(uint32_t) + MT_PROOF_NAME_BYTES_MAX];
	const struct issuer *of = mt_map_find(&book->issuers, issuer->issuer);
	const struct entry *entry;
	if (!of || subject.len == 0 || subject.len > MT_PROOF_NAME_BYTES_MAX)
		return 0;
	memcpy(key, number_of(of).data, sizeof(of->number));
	memcpy(key + sizeof(of->number), subject.data, subject.len);
	entry = mt_map_find(&book->subjects, mt_bytes_of(key, sizeof(of->number) + subject.len));
	return entry ? entry->user_id : 0;
}

static enum mt_status end(struct mt_book *book, struct mt_map *map, struct mt_bytes key,
			  int64_t not_before_s)
{
	struct entry *entry = mt_map_find(map, key);
	if (!entry) {
		MT_TRY(add(book, map, mt_bytes_of(NULL, 0), key, &entry));
		entry->not_before_s = not_before_s;
	}
	if (not_before_s > entry->not_before_s)
		entry->not_before_s = not_before_s;
	return MT_OK;
}

enum mt_status mt_book_end_certificate(struct mt_book *book, const uint8_t *fingerprint,
				       int64_t not_before_s)
{
	return end(book, &book->ended_certificates, fingerprint_of(fingerprint), not_before_s);
}

enum mt_status mt_book_end_user(struct mt_book *book, uint64_t user_id, int64_t not_before_s)
{
	return end(book, &book->ended_users, mt_bytes_of(&user_id, sizeof(user_id)), not_before_s);
}

static uint64_t find_certificate(const struct mt_book *book, const uint8_t *issuer,
				 struct mt_bytes name)
{
	uint8_t key[MT_FINGERPRINT_BYTES + MT_PROOF_NAME_BYTES_MAX];
	const struct entry *entry;
	memcpy(key, issuer, MT_FINGERPRINT_BYTES);
	memcpy(key + MT_FINGERPRINT_BYTES, name.data, name.len);
	entry = mt_map_find(&book->certificates, mt_bytes_of(key, MT_FINGERPRINT_BYTES + name.len));
	return entry ? entry->user_id : 0;
}

uint64_t mt_book_certificate(const struct mt_book *book, struct mt_bytes name,
			     const uint8_t *issuer)
{
	uint64_t user_id;
	if (name.len == 0 || name.len > MT_PROOF_NAME_BYTES_MAX)
		return 0;
	user_id = find_certificate(book, issuer, name);
	return user_id != 0 ? user_id : find_certificate(book, any_issuer, name);
}

uint64_t mt_book_psk(const struct mt_book *book, struct mt_bytes identity, struct mt_bytes *key)
{
	const struct entry *entry = mt_map_find(&book->psks, identity);
	if (!entry)
		return 0;
	*key = mt_bytes_of(entry->secret.psk, entry->psk_bytes);
	return entry->user_id;
}

const struct mt_scram_verifier *mt_book_scram(const struct mt_book *book, uint64_t user_id)
{
	const struct entry *entry =
		mt_map_find(&book->scrams, mt_bytes_of(&user_id, sizeof(user_id)));
	return entry ? &entry->secret.scram : NULL;
}

static int64_t end_of(const struct mt_map *map, struct mt_bytes key)
{
	const struct entry *entry = mt_map_find(map, key);
	return entry ? entry->not_before_s : INT64_MIN;
}

int64_t mt_book_not_before(const struct mt_book *book, const uint8_t *fingerprint, uint64_t user_id)
{
	int64_t user_s = INT64_MIN, certificate_s = INT64_MIN;
	if (user_id != 0)
		user_s = end_of(&book->ended_users, mt_bytes_of(&user_id, sizeof(user_id)));
	if (fingerprint)
		certificate_s = end_of(&book->ended_certificates, fingerprint_of(fingerprint));
	return user_s > certificate_s ? user_s : certificate_s;
}
