/* Verifying JSON Web Tokens. */
#include "shell/jwt.h"

#include "shell/jwt_form.h"
#include "shell/jwt_key.h"

#include <jwt.h>
#include <stdlib.h>

struct mt_jwt_grant {
	uint64_t user_id;
	int64_t until_s;
	int64_t issued_s; /* MT_JWT_NO_TIME: the token does not tell */
	uint8_t key_digest[MT_FINGERPRINT_BYTES];
	size_t issuer_len, subject_len;
	uint8_t text[]; /* iss, subject */
};

#define X(id, family, key_bits) JWT_ALG_##id,
static const jwt_alg_t library_names[] = {MT_TABLE_JWT_ALGORITHMS(X)};
#undef X

/* libjwt goes by the header of the token: it has been seen to be one of the issuer's before, and is
 * looked at again behind. */
static bool is_signed_by(struct mt_bytes key, enum mt_jwt_algorithm algorithm,
			 struct mt_bytes token)
{
	char text[MT_JWT_BYTES_MAX + 1];
	jwt_t *jwt = NULL;
	bool is_good;
	memcpy(text, token.data, token.len);
	text[token.len] = '\0';
	is_good = jwt_decode(&jwt, text, key.data, (int)key.len) == 0 && jwt &&
		  jwt_get_alg(jwt) == library_names[algorithm];
	jwt_free(jwt);
	mt_bytes_wipe(text, sizeof(text));
	return is_good;
}

/* By which of the issuer's keys; key_count: by none. */
static uint32_t find_key(const struct mt_issuer *issuer, enum mt_jwt_algorithm algorithm,
			 struct mt_bytes token)
{
	uint32_t i = 0;
	while (i < issuer->key_count && !is_signed_by(issuer->keys[i], algorithm, token))
		i++;
	return i;
}

/* A token that says nothing of when it was issued may be older than anything. */
static bool is_revoked(const struct mt_book *book, uint64_t user_id, int64_t issued_s)
{
	int64_t not_before_s = mt_book_not_before(book, NULL, user_id);
	return not_before_s != INT64_MIN && issued_s <= not_before_s;
}

static bool has_time(const struct mt_jwt_form *form, const struct mt_issuer *issuer, int64_t now_s,
		     enum mt_refusal *why)
{
	int64_t latest_s = now_s + issuer->leeway_s;
	*why = MT_REFUSAL_TOKEN_EXPIRED;
	if (now_s >= form->expires_s + issuer->leeway_s)
		return false;
	*why = MT_REFUSAL_TOKEN_EARLY;
	return form->not_before_s <= latest_s && form->issued_s <= latest_s;
}

static struct mt_jwt_grant *make_grant(const struct mt_jwt_form *form,
				       const struct mt_issuer *issuer, uint32_t key,
				       struct mt_bytes subject, uint64_t user_id)
{
	size_t issuer_len = issuer->issuer.len;
	struct mt_jwt_grant *grant = malloc(sizeof(*grant) + issuer_len + subject.len);
	if (!grant)
		return NULL;
	*grant = (struct mt_jwt_grant){.user_id = user_id,
				       .until_s = form->expires_s + issuer->leeway_s,
				       .issued_s = form->issued_s,
				       .issuer_len = issuer_len,
				       .subject_len = subject.len};
	memcpy(grant->key_digest, issuer->key_digests[key], sizeof(grant->key_digest));
	memcpy(grant->text, issuer->issuer.data, issuer_len);
	memcpy(grant->text + issuer_len, subject.data, subject.len);
	return grant;
}

/* What was signed: is it for us, now, and about whom? */
static bool judge(const struct mt_book *book, const struct mt_jwt_form *form,
		  const struct mt_issuer *issuer, uint32_t key, int64_t now_s,
		  struct mt_jwt_grant **out, enum mt_refusal *why)
{
	struct mt_bytes subject = mt_bytes_str(mt_jwt_form_claim(form, issuer->claim));
	uint64_t user_id = mt_book_subject(book, issuer, subject);
	if (!has_time(form, issuer, now_s, why))
		return false;
	*why = MT_REFUSAL_TOKEN_AUDIENCE;
	if (!mt_jwt_form_is_for(form, issuer->audience))
		return false;
	*why = MT_REFUSAL_TOKEN_SUBJECT;
	if (user_id == 0)
		return false;
	*why = MT_REFUSAL_TOKEN_REVOKED;
	if (is_revoked(book, user_id, form->issued_s))
		return false;
	*why = MT_REFUSAL_WRONG;
	*out = make_grant(form, issuer, key, subject, user_id);
	return *out != NULL;
}

static bool check(const struct mt_book *book, struct mt_bytes token, const struct mt_jwt_form *form,
		  int64_t now_s, struct mt_jwt_grant **out, enum mt_refusal *why)
{
	const struct mt_issuer *issuer = mt_book_issuer(book, mt_bytes_str(form->issuer));
	enum mt_jwt_algorithm algorithm;
	uint32_t key;
	*why = MT_REFUSAL_TOKEN_ISSUER;
	if (!issuer)
		return false;
	*why = MT_REFUSAL_TOKEN_ALGORITHM;
	if (!mt_jwt_algorithm_find(form->algorithm, &algorithm) ||
	    !(issuer->algorithms >> algorithm & 1))
		return false;
	*why = MT_REFUSAL_TOKEN_SIGNATURE;
	key = find_key(issuer, algorithm, token);
	return key < issuer->key_count && judge(book, form, issuer, key, now_s, out, why);
}

bool mt_jwt_check(const struct mt_book *book, struct mt_bytes token, int64_t now_s,
		  struct mt_jwt_grant **out, enum mt_refusal *why)
{
	struct mt_jwt_form form;
	bool is_good;
	*why = MT_REFUSAL_TOKEN_FORM;
	if (mt_jwt_form_read(token, &form) != MT_OK)
		return false;
	is_good = check(book, token, &form, now_s, out, why);
	mt_jwt_form_finish(&form);
	return is_good;
}

void mt_jwt_grant_destroy(struct mt_jwt_grant **grant)
{
	free(*grant);
	*grant = NULL;
}

uint64_t mt_jwt_grant_user(const struct mt_jwt_grant *grant)
{
	return grant->user_id;
}

int64_t mt_jwt_grant_until(const struct mt_jwt_grant *grant)
{
	return grant->until_s;
}

static bool has_key(const struct mt_issuer *issuer, const uint8_t digest[MT_FINGERPRINT_BYTES])
{
	for (uint32_t i = 0; i < issuer->key_count; i++)
		if (memcmp(issuer->key_digests[i], digest, MT_FINGERPRINT_BYTES) == 0)
			return true;
	return false;
}

bool mt_jwt_grant_holds(const struct mt_jwt_grant *grant, const struct mt_book *book, int64_t now_s,
			enum mt_refusal *why)
{
	const struct mt_issuer *issuer =
		mt_book_issuer(book, mt_bytes_of(grant->text, grant->issuer_len));
	struct mt_bytes subject = mt_bytes_of(grant->text + grant->issuer_len, grant->subject_len);
	*why = MT_REFUSAL_TOKEN_EXPIRED;
	if (now_s >= grant->until_s)
		return false;
	*why = MT_REFUSAL_TOKEN_ISSUER;
	if (!issuer || !has_key(issuer, grant->key_digest))
		return false;
	*why = MT_REFUSAL_TOKEN_SUBJECT;
	if (mt_book_subject(book, issuer, subject) != grant->user_id)
		return false;
	*why = MT_REFUSAL_TOKEN_REVOKED;
	return !is_revoked(book, grant->user_id, grant->issued_s);
}
