/* Any bytes as a configuration file: refused with a report, or settings that hold what the broker
 * relies on. */
#include "broker/config.h"
#include "io/listen.h"
#include "policy/rule.h"
#include "ws/upgrade.h"

#include <stdint.h>

static struct mt_settings settings;
static struct mt_settings again;
static struct mt_report report;

/* What the list became can be read again, item by item. */
static void check_list(struct mt_bytes list, bool is_of_networks)
{
	while (list.len > 0) {
		const uint8_t *comma = memchr(list.data, ',', list.len);
		struct mt_bytes item = list;
		struct mt_network network;
		item.len = comma ? (size_t)(comma - list.data) : list.len;
		MT_CHECK(is_of_networks ? mt_network_parse(item, &network)
					: mt_upgrade_is_origin(item));
		list = mt_bytes_from(list, comma ? item.len + 1 : item.len);
	}
}

static void check_listener(const struct mt_listener_settings *listener)
{
	struct mt_endpoint endpoint;
	const char *fault;
	MT_CHECK(listener->name[0] != '\0');
	MT_CHECK(mt_endpoint_parse_local(mt_bytes_str(listener->address), &endpoint, &fault) ==
		 MT_OK);
	MT_CHECK(listener->is_tls || listener->is_insecure_allowed ||
		 mt_endpoint_is_loopback(&endpoint));
	MT_CHECK(endpoint.is_unix || (listener->owner[0] == '\0' && listener->group[0] == '\0'));
	MT_CHECK(listener->web_path[0] == '/' && listener->mode <= 0777);
	check_list(mt_bytes_str(listener->origins), false);
	check_list(mt_bytes_str(listener->proxies), true);
	MT_CHECK((listener->certificate_path[0] == '\0') == (listener->key_path[0] == '\0'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first line up to a newline is a --set argument, the rest the file. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *newline = size > 0 ? memchr(data, '\n', size) : NULL;
	size_t set_len = newline ? (size_t)(newline - data) : 0;
	char set[256] = "";
	const char *const sets[] = {set};
	struct mt_bytes text = mt_bytes_of(data, size);
	enum mt_status status;
	if (newline && set_len < sizeof(set)) {
		memcpy(set, data, set_len);
		text = mt_bytes_from(text, set_len + 1);
	}
	status = mt_config_parse(text, "f", sets, set[0] ? 1 : 0, &settings, &report);
	MT_CHECK((status == MT_OK) == (report.count == 0));
	if (status != MT_OK)
		return 0;
	MT_CHECK(settings.listener_count >= 1 && settings.listener_count <= MT_LISTENERS_MAX);
	for (uint32_t i = 0; i < settings.listener_count; i++)
		check_listener(&settings.listeners[i]);
	MT_CHECK(settings.hash_threads >= 1 && settings.hash_threads <= 8);
	MT_CHECK(settings.limits.packet_bytes >= 1024 && settings.limits.inflight >= 1);
	MT_CHECK(mt_config_parse(text, "f", sets, set[0] ? 1 : 0, &again, &report) == MT_OK);
	MT_CHECK(memcmp(&settings, &again, sizeof(settings)) == 0);
	return 0;
}
