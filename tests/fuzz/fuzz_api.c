/*
 * Any request to the admin API: method (first byte), path (to the newline), body (the rest),
 * against a real database and core.
 *
 * Whatever comes, there is one answer: an object, with "error" exactly when the status is not 200;
 * the database still makes a policy; and the core decides by its latest revision.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "api_world.h"

#include <jansson.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define REVISIONS_MAX 300

static struct mt_broker broker;
static struct mt_api *api;
static char folder[] = "/tmp/mortise-fuzz-XXXXXX";
static char path[64];
static const char *query_value;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void clean_up(void)
{
	char log_path[80];
	api_world_close(&broker, &api);
	unlink(path);
	snprintf(log_path, sizeof(log_path), "%s-wal", path);
	unlink(log_path);
	rmdir(folder);
}

static void prepare(void)
{
	if (api && mt_state_revision(broker.state) < REVISIONS_MAX)
		return;
	if (api) {
		api_world_close(&broker, &api);
		unlink(path);
	} else {
		MT_CHECK(mkdtemp(folder) != NULL);
		snprintf(path, sizeof(path), "%s/mortise.db", folder);
		mt_log_configure((struct mt_log_settings){.level = MT_LOG_ERROR});
		MT_CHECK(atexit(clean_up) == 0);
	}
	MT_CHECK(api_world_open(&broker, path, &api));
}

static const char *find_query(const struct mt_admin_request *request, const char *name)
{
	(void)request;
	(void)name;
	return query_value;
}

static void check_answer(struct mt_admin_answer *answer)
{
	json_t *object;
	MT_CHECK(answer->body != NULL);
	if (answer->is_page) {
		MT_CHECK(answer->http_status == 200);
		free(answer->body);
		return;
	}
	object = json_loads(answer->body, 0, NULL);
	MT_CHECK(json_is_object(object));
	MT_CHECK((answer->http_status == 200) == (json_object_get(object, "error") == NULL));
	MT_CHECK(answer->http_status == 200 ||
		 (answer->http_status >= 400 && answer->http_status < 500));
	json_decref(object);
	free(answer->body);
}

static void read_revision(struct mt_broker *of, void *out)
{
	*(uint64_t *)out = mt_policy_revision(mt_core_policy(of->core));
}

/* A database that has not changed makes the policy that it made before. */
static void check_state(void)
{
	static uint64_t loaded;
	struct mt_policy *policy = NULL;
	char fault[256];
	uint64_t revision = 0;
	if (loaded != mt_state_revision(broker.state)) {
		loaded = mt_state_revision(broker.state);
		MT_CHECK(mt_directory_load(broker.state, &policy, fault, sizeof(fault)) == MT_OK);
		mt_policy_unref(&policy);
	}
	MT_CHECK(mt_hub_call(&broker.hub, read_revision, &revision) == MT_OK);
	MT_CHECK(revision == mt_state_revision(broker.state));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const methods[] = {"GET", "POST", "PUT", "DELETE", "PATCH"};
	char line[10000];
	size_t end = 1;
	char *query;
	struct mt_admin_answer answer = {0};
	struct mt_admin_request request = {
		.is_local = len > 0 && data[0] < 0x80, .peer_uid = 1, .query = find_query};
	if (len < 1)
		return 0;
	prepare();
	while (end < len && data[end] != '\n')
		end++;
	snprintf(line, sizeof(line), "%.*s", (int)(end - 1), (const char *)data + 1);
	query = strchr(line, '?');
	query_value = query ? query + 1 : NULL;
	if (query)
		*query = '\0';
	request.authorization = request.is_local ? NULL : query_value;
	request.method = methods[data[0] % MT_COUNT_OF(methods)];
	request.path = line;
	request.body =
		end < len ? mt_bytes_of(data + end + 1, len - end - 1) : mt_bytes_of(NULL, 0);
	mt_api_handle(api, &request, &answer);
	check_answer(&answer);
	check_state();
	return 0;
}
