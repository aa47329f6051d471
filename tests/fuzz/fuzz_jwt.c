/* The form of a JSON Web Token: what is read twice is read alike, what has more than three parts or
 * other bytes than base64url and dots is none, and each claim that is told was there. */
#include "shell/jwt_form.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_form(struct mt_bytes token, const struct mt_jwt_form *form)
{
	struct mt_jwt_form again;
	size_t dots = 0;
	MT_CHECK(token.len <= MT_JWT_BYTES_MAX && mt_jwt_has_form(token));
	for (size_t i = 0; i < token.len; i++) {
		uint8_t c = token.data[i];
		dots += c == '.';
		MT_CHECK(c == '.' || c == '-' || c == '_' || (c >= '0' && c <= '9') ||
			 (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'));
	}
	MT_CHECK(dots == 2);
	MT_CHECK(form->expires_s >= 0 && form->algorithm && form->issuer);
	MT_CHECK(form->not_before_s >= 0 || form->not_before_s == MT_JWT_NO_TIME);
	MT_CHECK(form->issued_s >= 0 || form->issued_s == MT_JWT_NO_TIME);
	MT_CHECK(mt_jwt_form_is_for(form, "") == (form->audience == NULL));
	MT_CHECK(strcmp(mt_jwt_form_claim(form, "iss"), form->issuer) == 0);
	MT_CHECK(mt_jwt_form_read(token, &again) == MT_OK);
	MT_CHECK(json_equal(form->header, again.header) &&
		 json_equal(form->payload, again.payload));
	mt_jwt_form_finish(&again);
}

/* Each shorter one is none, or says the same, for only the signature was cut. */
static void check_cuts(struct mt_bytes token, const struct mt_jwt_form *form)
{
	const uint8_t *last = memchr(token.data, '.', token.len);
	size_t signature;
	last = memchr(last + 1, '.', (size_t)(token.data + token.len - last - 1));
	signature = (size_t)(last - token.data) + 1;
	for (size_t len = token.len - 1; len > 0 && token.len - len < 64; len--) {
		struct mt_jwt_form cut;
		if (mt_jwt_form_read(mt_bytes_of(token.data, len), &cut) != MT_OK)
			continue;
		MT_CHECK(len > signature && json_equal(cut.payload, form->payload));
		mt_jwt_form_finish(&cut);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *block = malloc(size ? size : 1);
	struct mt_bytes token = mt_bytes_of(block, size);
	struct mt_jwt_form form;
	MT_CHECK(block != NULL);
	if (size)
		memcpy(block, data, size);
	if (mt_jwt_form_read(token, &form) == MT_OK) {
		check_form(token, &form);
		check_cuts(token, &form);
		mt_jwt_form_finish(&form);
	}
	free(block);
	return 0;
}
