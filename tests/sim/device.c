/* The clients of the simulator: libmortise's machine, and what the people behind it want of it. */
#include "sim.h"

const char *const topic_names[TOPICS] = {"a/b", "a/c", "a/b/c", "b/c", "b/d", "s/x", "s/y", "c"};
const char *const filter_names[FILTERS] = {"a/#", "a/+", "a/b",		 "b/+",		"b/c",
					   "#",	  "c",	 "$share/g/s/#", "$share/h/s/x"};

const char *plain_filter(const char *filter)
{
	return strncmp(filter, "$share/", 7) == 0 ? strchr(filter + 7, '/') + 1 : filter;
}

static void set_will(struct sim *sim, struct mt_client_settings *settings)
{
	struct mt_connect *connect = &settings->connect;
	connect->has_will = true;
	connect->will_qos = (uint8_t)sim_below(sim, 3);
	connect->will_topic = mt_bytes_str(WILL_TOPIC);
	connect->will_payload = mt_bytes_str("will");
	if (connect->version == MT_VERSION_5 && sim_chance(sim, 50)) {
		connect->will_props.present = MT_PROP_BIT(WILL_DELAY_INTERVAL);
		connect->will_props.will_delay_s = sim_below(sim, 60);
	}
}

void device_renew(struct sim *sim, struct device *device)
{
	struct mt_client_settings settings = mt_client_defaults();
	struct mt_connect *connect = &settings.connect;
	struct mt_violation why;
	char user[] = "u0";
	bool is_first = device->client == NULL && !device->is_twin;
	user[1] = (char)('0' + device->user);
	mt_client_destroy(&device->client);
	connect->version = device->version;
	connect->client_id = mt_bytes_str(device->id);
	connect->has_user = connect->has_password = true;
	connect->user = mt_bytes_str(user);
	connect->password = mt_bytes_str("pw");
	connect->keep_alive_s = (uint16_t)(sim_chance(sim, 70) ? 5 + sim_below(sim, 60) : 0);
	connect->is_clean = !is_first;
	if (device->version == MT_VERSION_5) {
		connect->props.present = MT_PROP_BIT(SESSION_EXPIRY_INTERVAL);
		connect->props.session_expiry_s = 600;
	}
	if (sim_chance(sim, 30))
		set_will(sim, &settings);
	settings.limits.receive_max = (uint16_t)(1 + sim_below(sim, 20));
	settings.limits.window = (uint16_t)(1 + sim_below(sim, 20));
	settings.limits.topic_alias_max = (uint16_t)sim_below(sim, 4);
	MT_CHECK(mt_client_create(&settings, &device->client, &why) == MT_OK);
	memset(device->subs, 0, sizeof(device->subs));
}

void device_init(struct sim *sim, uint32_t index)
{
	struct device *device = &sim->devices[index];
	bool is_twin = index >= DEVICES - 2;
	device->conn = MT_HANDLE_NONE;
	device->is_twin = is_twin;
	device->user = is_twin ? USERS - 1 : index % USERS;
	device->version = is_twin || sim_chance(sim, 60) ? MT_VERSION_5 : MT_VERSION_3_1_1;
	snprintf(device->id, sizeof(device->id), "d%u", is_twin ? DEVICES - 2 : index);
	device_renew(sim, device);
}

void device_finish(struct device *device)
{
	pipe_clear(&device->up);
	pipe_clear(&device->down);
	mt_client_destroy(&device->client);
}

void device_connect(struct sim *sim, struct device *device)
{
	if (device->link != LINK_DOWN || device->is_retired || device->conn != MT_HANDLE_NONE)
		return;
	if (device->is_twin)
		device_renew(sim, device);
	if (!broker_accept(sim, device))
		return;
	sim_say(sim, "%s: connects, MQTT %u", device->id, device->version);
	pipe_clear(&device->up);
	pipe_clear(&device->down);
	device->link = LINK_UP;
	MT_CHECK(mt_client_connect(device->client, sim->now) == MT_OK);
}

void device_closed(struct sim *sim, struct device *device)
{
	if (device->link == LINK_DOWN)
		return;
	sim_say(sim, "%s: closed", device->id);
	oracle_disconnected(sim, device);
	device->link = LINK_DOWN;
	device->is_connected = device->is_frozen = false;
	broker_closed(sim, device);
	pipe_clear(&device->up);
	pipe_clear(&device->down);
	for (uint32_t i = 0; i < FILTERS; i++)
		device->subs[i].is_asked = false;
	mt_client_closed(device->client);
}

/* Nothing is under way, nothing is left to acknowledge. */
bool device_is_calm(const struct device *device)
{
	return device->is_retired ||
	       (device->is_connected && mt_client_pending(device->client) == 0 &&
		!device->up.first && !device->down.first && !device->has_output);
}

static void subscribed(struct sim *sim, struct device *device, const struct mt_client_event *event)
{
	for (uint32_t i = 0; i < FILTERS; i++) {
		struct subscription *sub = &device->subs[i];
		if (!sub->is_asked || sub->request != event->id)
			continue;
		sub->is_asked = false;
		if (event->type == MT_CLIENT_SUBSCRIBED && event->reasons.data[0] <= 2) {
			sub->since = sim->step;
			sub->qos = event->reasons.data[0];
		} else if (event->type == MT_CLIENT_UNSUBSCRIBED) {
			sub->ended = sim->step;
		}
		sim_say(sim, "%s: %s answered with 0x%02X", device->id, filter_names[i],
			event->reasons.len > 0 ? event->reasons.data[0] : 0);
		return;
	}
}

static void ended(struct sim *sim, struct device *device, const struct mt_client_event *event)
{
	sim_say(sim, "%s: ended, status %d, reason 0x%02X", device->id, (int)event->status,
		event->reason);
	if (event->status == MT_VIOLATION && !device->is_twin)
		sim_fail(sim, "the broker breaks %s towards %s", event->violation.statement,
			 device->id);
}

void device_take_events(struct sim *sim, struct device *device, uint32_t epoch_first,
			uint32_t epoch_last)
{
	struct mt_client_event event;
	while (mt_client_event(device->client, &event)) {
		switch (event.type) {
		case MT_CLIENT_CONNECTED:
			sim_say(sim, "%s: connected, session %s", device->id,
				event.is_session_present ? "resumed" : "new");
			device->is_connected = true;
			oracle_session(sim, device, event.is_session_present);
			break;
		case MT_CLIENT_MESSAGE:
			oracle_received(sim, device, &event.message, epoch_first, epoch_last);
			break;
		case MT_CLIENT_PUBLISHED:
			oracle_published(sim, device, event.id, event.reason);
			break;
		case MT_CLIENT_SUBSCRIBED:
		case MT_CLIENT_UNSUBSCRIBED:
			subscribed(sim, device, &event);
			break;
		case MT_CLIENT_CHALLENGE:
		case MT_CLIENT_AUTHENTICATED:
			sim_fail(sim, "AUTH towards %s, which has no method", device->id);
			break;
		case MT_CLIENT_ENDED:
			device->is_connected = false;
			ended(sim, device, &event);
			break;
		}
	}
}

static void publish(struct sim *sim, struct device *device)
{
	struct message *message = &sim->messages[sim->message_count];
	struct mt_publish publish = {.qos = (uint8_t)sim_below(sim, 3)};
	struct mt_violation why;
	char text[700];
	if (sim->message_count == MESSAGES)
		return;
	*message = (struct message){.publisher = (uint8_t)(device - sim->devices),
				    .topic = (uint8_t)sim_pick(sim, sim->topics, TOPICS),
				    .qos = publish.qos,
				    .is_retain = sim_chance(sim, 8),
				    .sequence = ++sim->sequence,
				    .step = sim->step,
				    .epoch = sim->epoch};
	for (uint32_t i = 0; i < sim->core_count; i++)
		if (message->epoch > sim->core_epochs[i])
			message->epoch = sim->core_epochs[i];
	snprintf(text, sizeof(text), "%u %u %*s", sim->message_count, message->sequence,
		 (int)sim_below(sim, 600), ".");
	publish.topic = mt_bytes_str(topic_names[message->topic]);
	publish.is_retain = message->is_retain;
	publish.payload = mt_bytes_str(text);
	if (mt_client_publish(device->client, &publish, &message->packet_id, &why) != MT_OK)
		return;
	sim_say(sim, "%s: publishes %u to %s, QoS %u%s", device->id, sim->message_count,
		topic_names[message->topic], message->qos, message->is_retain ? ", retained" : "");
	sim->message_count++;
}

static void subscribe(struct sim *sim, struct device *device, bool is_ending)
{
	uint32_t which = sim_pick(sim, sim->filters, FILTERS);
	struct subscription *sub = &device->subs[which];
	struct mt_client_filter filter = {
		.filter = mt_bytes_str(filter_names[which]),
		.options = {.qos = (uint8_t)(sim->qos_least + sim_below(sim, 3u - sim->qos_least)),
			    .retain_handling =
				    (uint8_t)(device->version == MT_VERSION_5 ? sim_below(sim, 3)
									      : 0)}};
	struct mt_props props = {0};
	struct mt_violation why;
	enum mt_status status;
	/* $share is a plain topic in 3.1.1. */
	if (sub->is_asked || (device->version != MT_VERSION_5 && filter_names[which][0] == '$'))
		return;
	status = is_ending ? mt_client_unsubscribe(device->client, &filter, 1, &props,
						   &sub->request, &why)
			   : mt_client_subscribe(device->client, &filter, 1, &props, &sub->request,
						 &why);
	if (status != MT_OK)
		return;
	sim_say(sim, "%s: %s %s, QoS %u", device->id, is_ending ? "unsubscribes" : "subscribes",
		filter_names[which], filter.options.qos);
	sub->is_asked = true;
	sub->asked = sim->step;
	device->has_asked[which] |= !is_ending;
	device->has_asked_qos_0[which] |= !is_ending && filter.options.qos == 0;
	sub->is_wanted |= !is_ending;
	sub->since = sub->ended = 0;
}

void device_leave(struct sim *sim, struct device *device)
{
	struct mt_control control = {.reason = MT_REASON_SUCCESS};
	struct mt_violation why;
	if (mt_client_disconnect(device->client, &control, &why) == MT_OK)
		sim_say(sim, "%s: disconnects", device->id);
}

void device_act(struct sim *sim, struct device *device)
{
	uint32_t what = sim_below(sim, 100);
	if (device->link == LINK_DOWN) {
		if (what < 30)
			device_connect(sim, device);
		return;
	}
	if (what < 70)
		publish(sim, device);
	else if (what < 85)
		subscribe(sim, device, false);
	else if (what < 92)
		subscribe(sim, device, true);
	else if (what < 95)
		device_leave(sim, device);
}
