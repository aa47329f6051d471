/* Any bytes as a profile: no crash, and what is read can be written and read again to the same
 * values. */
#include "shell/profile.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_same_text(const char *a, const char *b)
{
	return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

static void check_same(const struct mt_profile *a, const struct mt_profile *b)
{
	MT_CHECK(is_same_text(a->host, b->host));
	MT_CHECK(a->port == b->port);
	MT_CHECK(is_same_text(a->user, b->user));
	MT_CHECK(is_same_text(a->password, b->password));
	MT_CHECK(is_same_text(a->client_id, b->client_id));
	MT_CHECK(is_same_text(a->ca_pin, b->ca_pin));
	MT_CHECK(is_same_text(a->ca_pem, b->ca_pem));
	MT_CHECK(is_same_text(a->certificate_pem, b->certificate_pem));
	MT_CHECK(is_same_text(a->key_pem, b->key_pem));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mt_profile first, second;
	char fault[128] = "";
	uint8_t *content = NULL;
	size_t len = 0;
	enum mt_status status =
		mt_profile_parse(mt_bytes_of(data, size), &first, fault, sizeof(fault));
	if (status != MT_OK) {
		MT_CHECK(fault[0] != '\0');
		return 0;
	}
	MT_CHECK(first.host[0] != '\0' && first.port != 0);
	status = mt_profile_print(&first, &content, &len);
	/* Indentation and escapes may make it longer than a file may be. */
	MT_CHECK(status == MT_OK || (status == MT_LIMIT && size > MT_PROFILE_FILE_BYTES_MAX / 8));
	if (status == MT_OK) {
		MT_CHECK(mt_profile_parse(mt_bytes_of(content, len), &second, fault,
					  sizeof(fault)) == MT_OK);
		check_same(&first, &second);
		mt_profile_finish(&second);
	}
	mt_profile_finish(&first);
	free(content);
	return 0;
}
