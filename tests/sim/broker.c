/* The shell around the core of the simulator: requests, late answers, output. */
#include "sim.h"

#include "core/state.h" /* for the failing of its memory alone */

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
	if (sim_chance(sim, 30))
		settings.shared_strategy = MT_SHARED_STICKY;
	if (!sim->is_tight)
		return settings;
	settings.limits.queue_messages = 20 + sim_below(sim, 20);
	settings.limits.queue_bytes = 1024 + sim_below(sim, 4096);
	settings.limits.output_bytes = 4096;
	settings.limits.sessions = 2 * DEVICES;
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
	sim->limits = settings.limits;
	settings.core_count = sim->core_count;
	settings.link_seed = (struct mt_seed){{sim->seed, 11}};
	for (uint32_t i = 0; i < sim->core_count; i++) {
		settings.core_index = i;
		settings.seed.word[1] = 20 + i;
		sim->cores[i] = mt_core_create(&settings, policy, sim->now);
		MT_CHECK(sim->cores[i] != NULL);
	}
	mt_policy_unref(&policy);
}

void broker_close(struct sim *sim)
{
	for (uint32_t from = 0; from < sim->core_count; from++)
		for (uint32_t to = 0; to < sim->core_count; to++) {
			struct core_link *link = &sim->links[from][to];
			for (; link->count > 0; link->count--)
				mt_link_message_free(
					&link->messages[link->first++ % LINK_MESSAGES]);
		}
	for (uint32_t i = 0; i < sim->core_count; i++)
		mt_core_empty(sim->cores[i]);
	for (uint32_t i = 0; i < sim->core_count; i++)
		mt_core_destroy(&sim->cores[i]);
}

static void check_limits(struct sim *sim, const struct mt_core *core)
{
	const struct mt_core_limits *limits = &sim->limits;
	struct mt_core_counts counts = mt_core_counts(core);
	if (counts.queued_messages > (uint64_t)counts.sessions * limits->queue_messages ||
	    counts.queued_bytes > counts.sessions * limits->queue_bytes ||
	    counts.sessions > limits->sessions || counts.connections > limits->connections ||
	    counts.subscriptions > counts.sessions * limits->filters_per_session ||
	    counts.retained_count > limits->retained_count ||
	    counts.retained_bytes > limits->retained_bytes)
		sim_fail(sim, "a limit does not hold");
}

void broker_tick(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->core_count; i++)
		check_limits(sim, sim->cores[i]);
	for (uint32_t i = 0; i < sim->core_count; i++)
		mt_core_tick(sim->cores[i], sim->now);
	broker_serve(sim);
}

void broker_starve(struct sim *sim, uint32_t count)
{
	for (uint32_t i = 0; i < sim->core_count; i++)
		sim->cores[i]->mem.fail_in = count > 0 ? 1 + sim_below(sim, count) : 0;
}

struct mt_core_counts broker_counts(const struct sim *sim)
{
	struct mt_core_counts sum = {0};
	for (uint32_t i = 0; i < sim->core_count; i++) {
		struct mt_core_counts counts = mt_core_counts(sim->cores[i]);
		sum.connections += counts.connections;
		sum.sessions += counts.sessions;
		sum.subscriptions += counts.subscriptions;
		sum.queued_messages += counts.queued_messages;
	}
	return sum;
}

bool broker_is_calm(const struct sim *sim)
{
	for (uint32_t i = 0; i < sim->core_count; i++) {
		if (sim->stores[i].count > 0)
			return false;
		for (uint32_t j = 0; j < sim->core_count; j++)
			if (sim->links[i][j].count > 0)
				return false;
	}
	return broker_counts(sim).queued_messages == 0;
}

static struct mt_core *core_of(struct sim *sim, const struct device *device)
{
	return sim->cores[device->core];
}

static struct stranger *stranger_of(struct sim *sim, uint32_t core, mt_conn conn)
{
	if (sim->rogue.core == core && sim->rogue.conn == conn)
		return &sim->rogue;
	for (uint32_t i = 0; i < CORES; i++)
		if (sim->inspectors[i].core == core && sim->inspectors[i].conn == conn)
			return &sim->inspectors[i];
	return NULL;
}

static struct device *device_of(struct sim *sim, uint32_t core, mt_conn conn)
{
	for (uint32_t i = 0; i < DEVICES; i++)
		if (sim->devices[i].core == core && sim->devices[i].conn == conn)
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
	while ((count = mt_core_output(core_of(sim, device), device->conn, list,
				       MT_COUNT_OF(list))) > 0) {
		size_t bytes = 0;
		for (size_t i = 0; i < count; i++) {
			if (device->link == LINK_UP)
				pipe_put(&device->down, list[i], device->output_since,
					 sim->core_epochs[device->core]);
			bytes += list[i].len;
		}
		mt_core_sent(core_of(sim, device), sim->now, device->conn, bytes);
	}
	device->has_output = false;
	device->output_since = sim->core_epochs[device->core];
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
	mt_core_closed(core_of(sim, device), sim->now, conn);
	broker_serve(sim);
}

static void close_for_core(struct sim *sim, struct device *device)
{
	sim_say(sim, "broker: closes %s", device->id);
	broker_pull(sim, device);
	device->down.is_ended = true;
	broker_closed(sim, device);
}

static void move(struct sim *sim, struct device *device, struct mt_request *request)
{
	if (device) {
		sim_say(sim, "broker: %s moves to core %u", device->id, request->to);
		device->core = request->to;
		if (device->output_since > sim->core_epochs[request->to])
			device->output_since = sim->core_epochs[request->to];
		device->is_paused = false;
		device->conn = MT_HANDLE_NONE;
		if (mt_core_adopt(sim->cores[request->to], sim->now, request->adoption,
				  &device->conn) != MT_OK)
			device->down.is_ended = true;
	}
	mt_adoption_free(&request->adoption);
}

static void put_on_link(struct sim *sim, uint32_t from, const struct mt_request *request)
{
	struct core_link *link = &sim->links[from][request->to];
	MT_CHECK(link->count < LINK_MESSAGES);
	link->messages[(link->first + link->count++) % LINK_MESSAGES] = request->message;
}

void broker_move_links(struct sim *sim, uint32_t count)
{
	for (uint32_t from = 0; from < sim->core_count; from++)
		for (uint32_t to = 0; to < sim->core_count; to++) {
			struct core_link *link = &sim->links[from][to];
			for (uint32_t i = 0; i < count && link->count > 0; i++) {
				struct mt_link_message *message = link->messages[link->first];
				link->first = (link->first + 1) % LINK_MESSAGES;
				link->count--;
				mt_core_peer(sim->cores[to], sim->now, from, message);
				broker_serve(sim);
			}
		}
}

static void pause_or_resume(struct sim *sim, struct device *device, bool is_paused)
{
	device->is_paused = is_paused;
	if (!is_paused)
		mt_core_input(core_of(sim, device), sim->now, device->conn, mt_bytes_of(NULL, 0));
}

static void listen_to_audit(struct sim *sim, struct device *device, const struct mt_audit *audit)
{
	sim_say(sim, "audit: %s %s %s: %s", audit->user, audit->client_id,
		audit->statement ? audit->statement : "", audit->what);
	/* The client may never hear of it, and take the session after it for its own. */
	if (device && strcmp(audit->what, "new session") == 0)
		oracle_session(sim, device, false);
}

static void ask_store(struct sim *sim, uint32_t core, uint64_t ticket)
{
	struct store_queue *store = &sim->stores[core];
	MT_CHECK(store->count < TICKETS);
	store->tickets[(store->first + store->count++) % TICKETS] = ticket;
}

static void serve(struct sim *sim, uint32_t core, struct mt_request *request)
{
	struct device *device = device_of(sim, core, request->conn);
	struct stranger *stranger = device ? NULL : stranger_of(sim, core, request->conn);
	if (stranger && request->conn != MT_HANDLE_NONE && request->type != MT_REQUEST_AUDIT &&
	    request->type != MT_REQUEST_STORE && request->type != MT_REQUEST_FORWARD) {
		stranger_serve(sim, stranger, request);
		return;
	}
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
		if (device)
			pause_or_resume(sim, device, request->type == MT_REQUEST_PAUSE);
		break;
	case MT_REQUEST_AUTHENTICATE:
		if (device)
			device->ticket = request->ticket;
		break;
	case MT_REQUEST_STORE:
		ask_store(sim, core, request->ticket);
		break;
	case MT_REQUEST_FORWARD:
		put_on_link(sim, core, request);
		break;
	case MT_REQUEST_MOVE:
		move(sim, device, request);
		break;
	case MT_REQUEST_AUDIT:
		listen_to_audit(sim, device, request->audit);
		break;
	}
}

/* An allocation failed: for the publisher that is as if the store had. */
static void look_at_memory(struct sim *sim)
{
	uint64_t refused = 0;
	for (uint32_t i = 0; i < sim->core_count; i++)
		refused += sim->cores[i]->mem.refused_count;
	if (refused != sim->refused_allocations)
		oracle_refused(sim, USERS);
	sim->refused_allocations = refused;
}

/* Until no core asks for anything: a move makes another one ask. */
void broker_serve(struct sim *sim)
{
	struct mt_request request;
	bool is_done = false;
	look_at_memory(sim);
	while (!is_done) {
		is_done = true;
		for (uint32_t core = 0; core < sim->core_count; core++)
			while (mt_core_request(sim->cores[core], &request)) {
				serve(sim, core, &request);
				is_done = false;
			}
	}
}

static void answer_store(struct sim *sim, uint32_t core)
{
	struct store_queue *store = &sim->stores[core];
	uint64_t ticket = store->tickets[store->first];
	bool is_failing = sim->is_faulty && sim_chance(sim, 2);
	store->first = (store->first + 1) % TICKETS;
	store->count--;
	if (is_failing) {
		sim_say(sim, "store: a message could not be kept");
		oracle_refused(sim, USERS);
	}
	mt_core_stored(sim->cores[core], sim->now, ticket, is_failing ? MT_LIMIT : MT_OK);
	broker_serve(sim);
}

/* In order; one in a while fails. */
void broker_answer_store(struct sim *sim, uint32_t count)
{
	for (uint32_t core = 0; core < sim->core_count; core++)
		for (uint32_t i = 0; i < count && sim->stores[core].count > 0; i++)
			answer_store(sim, core);
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
	mt_core_authenticated(core_of(sim, device), sim->now, ticket, &verdict);
	broker_serve(sim);
}

bool broker_accept(struct sim *sim, struct device *device)
{
	struct mt_conn_facts facts = {
		.listener = "sim", .anonymous_role = "", .is_secret_safe = true};
	facts.address.byte[15] = (uint8_t)(1 + (device - sim->devices));
	device->core = sim_below(sim, sim->core_count);
	if (mt_core_open(core_of(sim, device), sim->now, &facts, &device->conn) != MT_OK)
		return false;
	device->output_since = sim->core_epochs[device->core];
	device->has_output = device->is_paused = device->is_frozen = false;
	return true;
}
