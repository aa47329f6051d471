/* The shell around the core of the simulator: requests, late answers, output. */
#include "sim.h"

static struct mt_core_settings settings_of(struct sim *sim)
{
	struct mt_core_settings settings = {
		.limits = {.packet_bytes = 65536,
			   .connect_bytes = 4096,
			   .topic_levels = 16,
			   .filters_per_subscribe = 16,
			   .filters_per_session = 32,
			   .queue_messages = 5000,
			   .queue_bytes = 1 << 24,
			   .output_bytes = 1 << 20,
			   .inflight = 20,
			   .retained_count = 100,
			   .retained_bytes = 1 << 20,
			   .sessions = 64,
			   .connections = 64,
			   .topic_aliases = 4,
			   .session_expiry_s = 7200,
			   .connect_ns = 10 * MT_SECOND},
		.seed = {{sim->seed, 7}},
		.memory_bytes = SIZE_MAX,
		.sys_interval_ns = sim_chance(sim, 30) ? 10 * MT_SECOND : 0,
		.release = "simulated",
	};
	settings.limits.inflight = (uint16_t)(1 + sim_below(sim, 20));
	if (!sim->is_tight)
		return settings;
	settings.limits.queue_messages = 20 + sim_below(sim, 20);
	settings.limits.queue_bytes = 1024 + sim_below(sim, 4096);
	settings.limits.output_bytes = 4096;
	settings.limits.sessions = DEVICES;
	settings.limits.session_expiry_s = 30;
	return settings;
}

void broker_open(struct sim *sim)
{
	struct mt_core_settings settings = settings_of(sim);
	struct mt_policy_builder *builder =
		mt_policy_builder_create(1, (struct mt_seed){{sim->seed, 9}});
	struct mt_policy *policy;
	MT_CHECK(builder != NULL);
	MT_CHECK(mt_policy_build(&builder, &policy) == MT_OK);
	sim->core = mt_core_create(&settings, policy, sim->now);
	mt_policy_unref(&policy);
	MT_CHECK(sim->core != NULL);
}

static struct device *device_of(struct sim *sim, mt_conn conn)
{
	for (uint32_t i = 0; i < DEVICES; i++)
		if (sim->devices[i].conn == conn)
			return &sim->devices[i];
	return NULL;
}

/* Takes what is there; from here on the core's output is empty. */
void broker_pull(struct sim *sim, struct device *device)
{
	struct mt_bytes list[16];
	size_t count;
	if (device->conn == MT_HANDLE_NONE)
		return;
	while ((count = mt_core_output(sim->core, device->conn, list, MT_COUNT_OF(list))) > 0) {
		size_t bytes = 0;
		for (size_t i = 0; i < count; i++) {
			if (device->link == LINK_UP)
				pipe_put(&device->down, list[i], device->output_since, sim->epoch);
			bytes += list[i].len;
		}
		mt_core_sent(sim->core, sim->now, device->conn, bytes);
	}
	device->has_output = false;
	device->output_since = sim->epoch;
}

void broker_closed(struct sim *sim, struct device *device)
{
	mt_conn conn = device->conn;
	if (conn == MT_HANDLE_NONE)
		return;
	device->conn = MT_HANDLE_NONE;
	device->ticket = 0;
	device->is_paused = false;
	device->has_output = false;
	mt_core_closed(sim->core, sim->now, conn);
	broker_serve(sim);
}

static void close_for_core(struct sim *sim, struct device *device)
{
	sim_say(sim, "broker: closes %s", device->id);
	broker_pull(sim, device);
	device->down.is_ended = true;
	broker_closed(sim, device);
}

static void serve(struct sim *sim, const struct mt_request *request)
{
	struct device *device = device_of(sim, request->conn);
	switch (request->type) {
	case MT_REQUEST_SEND:
		if (device)
			device->has_output = true;
		break;
	case MT_REQUEST_CLOSE:
		if (device)
			close_for_core(sim, device);
		break;
	case MT_REQUEST_PAUSE:
	case MT_REQUEST_RESUME:
		if (!device)
			break;
		device->is_paused = request->type == MT_REQUEST_PAUSE;
		if (!device->is_paused)
			mt_core_input(sim->core, sim->now, device->conn, mt_bytes_of(NULL, 0));
		break;
	case MT_REQUEST_AUTHENTICATE:
		if (device)
			device->ticket = request->ticket;
		break;
	case MT_REQUEST_STORE:
		MT_CHECK(sim->ticket_count < TICKETS);
		sim->tickets[(sim->ticket_first + sim->ticket_count++) % TICKETS] = request->ticket;
		break;
	case MT_REQUEST_AUDIT:
		sim_say(sim, "audit: %s %s %s: %s", request->audit->user, request->audit->client_id,
			request->audit->statement ? request->audit->statement : "",
			request->audit->what);
		/* The client may never hear of it, and take the session after it for its own. */
		if (device && strcmp(request->audit->what, "new session") == 0)
			oracle_session(sim, device, false);
		break;
	}
}

void broker_serve(struct sim *sim)
{
	struct mt_request request;
	while (mt_core_request(sim->core, &request))
		serve(sim, &request);
}

/* In order; one in a while fails. */
void broker_answer_store(struct sim *sim, uint32_t count)
{
	while (count-- > 0 && sim->ticket_count > 0) {
		uint64_t ticket = sim->tickets[sim->ticket_first];
		bool is_failing = sim->is_faulty && sim_chance(sim, 2);
		sim->ticket_first = (sim->ticket_first + 1) % TICKETS;
		sim->ticket_count--;
		if (is_failing) {
			sim_say(sim, "store: a message could not be kept");
			oracle_refused(sim, USERS);
		}
		mt_core_stored(sim->core, sim->now, ticket, is_failing ? MT_LIMIT : MT_OK);
		broker_serve(sim);
	}
}

void broker_answer_login(struct sim *sim, struct device *device)
{
	struct mt_auth_verdict verdict = {.is_accepted = true, .user_id = device->user + 1};
	uint64_t ticket = device->ticket;
	if (ticket == 0)
		return;
	device->ticket = 0;
	if (sim->is_faulty && sim_chance(sim, 5))
		verdict = (struct mt_auth_verdict){.reason = MT_REASON_BAD_USER_NAME_OR_PASSWORD};
	mt_core_authenticated(sim->core, sim->now, ticket, &verdict);
	broker_serve(sim);
}

bool broker_accept(struct sim *sim, struct device *device)
{
	struct mt_conn_facts facts = {
		.listener = "sim", .anonymous_role = "", .is_secret_safe = true};
	facts.address.byte[15] = (uint8_t)(1 + (device - sim->devices));
	if (mt_core_open(sim->core, sim->now, &facts, &device->conn) != MT_OK)
		return false;
	device->output_since = sim->epoch;
	device->has_output = device->is_paused = device->is_frozen = false;
	return true;
}
