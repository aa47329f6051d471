/* From a configuration file and arguments to settings. */
#include "broker/config.h"

#include "broker/document.h"
#include "io/file.h"

#include <errno.h>
#include <stdlib.h>

/* Big things that are needed only here, off the stack. */
struct workshop {
	struct mt_settings settings;
	struct mt_assembly assembly;
};

enum mt_status mt_config_parse(struct mt_bytes text, const char *name, const char *const *sets,
			       size_t set_count, struct mt_settings *out, struct mt_report *report)
{
	struct workshop *shop = calloc(1, sizeof(*shop));
	enum mt_status status = shop ? MT_OK : MT_MEMORY;
	memset(report, 0, sizeof(*report));
	if (shop) {
		mt_assembly_init(&shop->assembly, &shop->settings, report);
		status = mt_document_read(text, name, &shop->assembly);
	}
	if (status == MT_OK) {
		for (size_t i = 0; i < set_count; i++)
			mt_assembly_set(&shop->assembly, sets[i]);
		mt_assembly_check(&shop->assembly);
		if (report->count > 0)
			status = MT_INVALID;
		else
			*out = shop->settings;
	} else {
		mt_report_add(report, "%s: %s", name, mt_status_text(status));
	}
	free(shop);
	return status;
}

static void explain(enum mt_status status, const char *path, struct mt_report *report)
{
	int reason = errno;
	memset(report, 0, sizeof(*report));
	if (status == MT_LIMIT)
		mt_report_add(report, "%s: found more than %u bytes; expected a configuration file",
			      path, MT_DOCUMENT_BYTES_MAX);
	else if (status == MT_SYSTEM)
		mt_report_add(report, "%s: cannot be read: %s", path, strerror(reason));
	else
		mt_report_add(report, "%s: %s; expected a configuration file", path,
			      mt_status_text(status));
}

enum mt_status mt_config_load(const char *path, const char *const *sets, size_t set_count,
			      struct mt_settings *out, struct mt_report *report)
{
	uint8_t *data = NULL;
	size_t len = 0;
	enum mt_status status;
	if (!path)
		return mt_config_parse(mt_bytes_of(NULL, 0), "defaults", sets, set_count, out,
				       report);
	status = mt_file_read(path, MT_DOCUMENT_BYTES_MAX, &data, &len);
	if (status != MT_OK) {
		explain(status, path, report);
		return status == MT_MEMORY ? MT_MEMORY : MT_INVALID;
	}
	status = mt_config_parse(mt_bytes_of(data, len), path, sets, set_count, out, report);
	free(data);
	return status;
}
