/* Any bytes as a policy document: refused with errors, or printed as a text that reads as the same.
 */
#include "shell/policy_document.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct mt_policy_known known = {.current = NULL};
	struct mt_policy_document document = {NULL, NULL}, again = {NULL, NULL};
	json_t *errors = NULL;
	char *text, *text_again;
	if (mt_policy_document_read(mt_bytes_of(data, size), &known, &document, &errors) != MT_OK) {
		MT_CHECK(json_array_size(errors) > 0);
		json_decref(errors);
		return 0;
	}
	if (!document.roles && !document.users)
		return 0; /* nothing is said of anything: that is no document when printed */
	text = mt_policy_document_print(&document);
	MT_CHECK(mt_policy_document_read(mt_bytes_str(text), &known, &again, &errors) == MT_OK);
	text_again = mt_policy_document_print(&again);
	MT_CHECK(strcmp(text, text_again) == 0);
	free(text);
	free(text_again);
	mt_policy_document_clear(&document);
	mt_policy_document_clear(&again);
	return 0;
}
