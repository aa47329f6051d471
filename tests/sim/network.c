/* Bytes under way between a device and the broker, and what can befall them. */
#include "sim.h"

void pipe_put(struct pipe *pipe, struct mt_bytes bytes, uint32_t epoch_first, uint32_t epoch_last)
{
	struct chunk *chunk = malloc(sizeof(*chunk) + bytes.len);
	MT_CHECK(chunk != NULL);
	*chunk = (struct chunk){
		.epoch_first = epoch_first, .epoch_last = epoch_last, .bytes = bytes.len};
	memcpy(chunk->data, bytes.data, bytes.len);
	if (pipe->last)
		pipe->last->next = chunk;
	else
		pipe->first = chunk;
	pipe->last = chunk;
}

static void drop_first(struct pipe *pipe)
{
	struct chunk *chunk = pipe->first;
	pipe->first = chunk->next;
	if (!pipe->first)
		pipe->last = NULL;
	free(chunk);
}

void pipe_clear(struct pipe *pipe)
{
	while (pipe->first)
		drop_first(pipe);
	pipe->is_ended = false;
}

/* Some of the first chunk: a part of it, or all. */
static struct mt_bytes take(struct sim *sim, struct pipe *pipe)
{
	struct chunk *chunk = pipe->first;
	size_t bytes = chunk->bytes - chunk->pos;
	struct mt_bytes view;
	if (sim_chance(sim, 40))
		bytes = 1 + sim_below(sim, (uint32_t)bytes);
	view = mt_bytes_of(chunk->data + chunk->pos, bytes);
	chunk->pos += bytes;
	return view;
}

static void move_up(struct sim *sim, struct device *device)
{
	struct mt_bytes view;
	if (device->conn == MT_HANDLE_NONE) {
		pipe_clear(&device->up);
		return;
	}
	if (device->is_paused || !device->up.first)
		return;
	view = take(sim, &device->up);
	mt_core_input(sim->cores[device->core], sim->now, device->conn, view);
	if (device->up.first->pos == device->up.first->bytes)
		drop_first(&device->up);
	broker_serve(sim);
}

static void move_down(struct sim *sim, struct device *device)
{
	if (device->down.first) {
		struct chunk *chunk = device->down.first;
		struct mt_bytes view = take(sim, &device->down);
		mt_client_input(device->client, sim->now, view);
		device_take_events(sim, device, chunk->epoch_first, chunk->epoch_last);
		/* The device may have closed by what it read. */
		if (device->down.first == chunk && chunk->pos == chunk->bytes)
			drop_first(&device->down);
		return;
	}
	if (device->down.is_ended)
		device_closed(sim, device);
}

void network_pull_client(struct sim *sim, struct device *device)
{
	struct mt_bytes list[8];
	size_t count;
	while ((count = mt_client_output(device->client, list, MT_COUNT_OF(list))) > 0) {
		size_t bytes = 0;
		for (size_t i = 0; i < count; i++) {
			pipe_put(&device->up, list[i], 0, 0);
			bytes += list[i].len;
		}
		mt_client_sent(device->client, sim->now, bytes);
	}
}

void network_move(struct sim *sim, struct device *device)
{
	if (device->link == LINK_DOWN)
		return;
	network_pull_client(sim, device);
	if (device->link == LINK_CUT) {
		pipe_clear(&device->up);
		return;
	}
	if (device->is_frozen)
		return;
	if (device->has_output && sim_chance(sim, 70))
		broker_pull(sim, device);
	move_up(sim, device);
	if (device->link == LINK_UP)
		move_down(sim, device);
	if (device->link == LINK_UP && mt_client_is_over(device->client) && !device->up.first)
		device_closed(sim, device);
}

/* One of: the connection is reset, it dies without a word, it stands still for a while. */
void network_fault(struct sim *sim, struct device *device)
{
	uint32_t what = sim_below(sim, 10);
	if (device->link == LINK_DOWN)
		return;
	if (what < 4) {
		sim_say(sim, "network: %s is reset", device->id);
		if (sim_chance(sim, 50))
			pipe_clear(&device->up);
		broker_closed(sim, device);
		device_closed(sim, device);
	} else if (what < 6) {
		sim_say(sim, "network: %s is cut off", device->id);
		device->link = LINK_CUT;
		pipe_clear(&device->up);
		pipe_clear(&device->down);
	} else {
		sim_say(sim, "network: %s stands still", device->id);
		device->is_frozen = !device->is_frozen;
	}
}
