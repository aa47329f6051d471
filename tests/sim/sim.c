/*
 * Runs the simulator:  sim [--count N] [--from SEED] [--steps N] [--cores 1|2] [--verbose]
 *
 * Each seed is a run of its own: faults for so many steps, then peace, in which everybody must get
 * what is owed; then all leave, and nothing may be left. A failing seed shows its last events and
 * how to run it again.
 */
#include "sim.h"

#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINES 60u
#define LINE_BYTES 160u
#define CALM_STEPS 30000u

static char lines[LINES][LINE_BYTES];
static uint32_t line_count;
static struct sim *running;
static uint32_t core_count = 1;

void sim_say(struct sim *sim, const char *format, ...)
{
	char *line = lines[line_count++ % LINES];
	va_list list;
	int used = snprintf(line, LINE_BYTES, "%6u %8.2f s  ", sim->step,
			    (double)sim->now.mono_ns / (double)MT_SECOND);
	va_start(list, format);
	vsnprintf(line + used, LINE_BYTES - (size_t)used, format, list);
	va_end(list);
	for (const char *at = line; *at; at++)
		sim->digest = (sim->digest ^ (uint8_t)*at) * UINT64_C(0x100000001B3);
	if (sim->is_verbose)
		puts(line);
}

static void show_end(void)
{
	if (!running->is_verbose)
		for (uint32_t i = line_count > LINES ? line_count - LINES : 0; i < line_count; i++)
			puts(lines[i % LINES]);
	printf("not ok sim: seed %llu; again: make sim SEED=%llu CORES=%u\n",
	       (unsigned long long)running->seed, (unsigned long long)running->seed, core_count);
	fflush(stdout);
}

void sim_fail(struct sim *sim, const char *format, ...)
{
	va_list list;
	(void)sim;
	va_start(list, format);
	show_end();
	vprintf(format, list);
	puts("");
	va_end(list);
	fflush(stdout);
	_exit(1);
}

static void aborted(int signal)
{
	(void)signal;
	show_end();
	_exit(1);
}

uint32_t sim_below(struct sim *sim, uint32_t bound)
{
	return (uint32_t)mt_rng_below(&sim->rng, bound);
}

bool sim_chance(struct sim *sim, uint32_t percent)
{
	return sim_below(sim, 100) < percent;
}

uint32_t sim_pick(struct sim *sim, uint32_t set, uint32_t count)
{
	uint32_t at = sim_below(sim, count);
	MT_CHECK((set & ((1u << count) - 1)) != 0);
	while (!(set >> at & 1))
		at = (at + 1) % count;
	return at;
}

/* Everybody shares one subscription. */
static void choose_sharing(struct sim *sim)
{
	sim->topics = 3u << SHARED_TOPIC;
	sim->filters = 1u << SHARED_FILTER;
	sim->qos_least = 1;
	sim->has_fixed_rules = true;
}

/* Most runs use a few topics and filters, where more happens to each. */
static void choose_theme(struct sim *sim)
{
	sim->topics = (1u << TOPICS) - 1;
	sim->filters = (1u << FILTERS) - 1;
	if (sim_chance(sim, 10)) {
		choose_sharing(sim);
		return;
	}
	if (sim_chance(sim, 40))
		return;
	sim->topics = 1 + sim_below(sim, sim->topics);
	sim->filters = 1 + sim_below(sim, sim->filters);
	sim->qos_least = (uint8_t)sim_below(sim, 3);
}

/* Somebody sets it, by up to a month either way: nothing here depends on it. */
static void step_wall_clock(struct sim *sim)
{
	uint32_t hours = 1 + sim_below(sim, 720);
	bool is_forward = sim_chance(sim, 50);
	sim_say(sim, "clock: set by %s%u h", is_forward ? "" : "-", hours);
	sim->now.wall_ns += (is_forward ? 1 : -1) * (mt_time)hours * 3600 * MT_SECOND;
}

static void pass(struct sim *sim, mt_time ns)
{
	sim->now.mono_ns += ns;
	sim->now.wall_ns += ns;
	if (sim->is_faulty && sim_chance(sim, 3))
		step_wall_clock(sim);
	broker_tick(sim);
	for (uint32_t i = 0; i < DEVICES; i++) {
		struct device *device = &sim->devices[i];
		if (device->link == LINK_DOWN)
			continue;
		mt_client_tick(device->client, sim->now);
		device_take_events(sim, device, sim->epoch, sim->epoch);
	}
}

/* Mostly moments, now and then long enough for keep-alives and expiries. */
static mt_time pause_of(struct sim *sim)
{
	uint32_t what = sim_below(sim, 1000);
	if (what < 950)
		return sim_below(sim, 50) * MT_MS;
	return what < 995 ? sim_below(sim, 20) * MT_SECOND : sim_below(sim, 900) * MT_SECOND;
}

static void one_step(struct sim *sim)
{
	struct device *device = &sim->devices[sim_below(sim, DEVICES)];
	uint32_t what = sim_below(sim, 1000);
	sim->step++;
	if (sim_chance(sim, 4))
		rogue_act(sim);
	if (sim->is_starved && sim_chance(sim, 2))
		broker_starve(sim, 30);
	if (what < 300)
		device_act(sim, device);
	else if (what < 880)
		network_move(sim, device);
	else if (what < 900)
		broker_answer_store(sim, 1 + sim_below(sim, 8));
	else if (what < 920)
		broker_move_links(sim, 1 + sim_below(sim, 8));
	else if (what < 960)
		broker_answer_login(sim, device);
	else if (what < 975)
		network_fault(sim, device);
	else if (what < 980)
		people_act(sim);
	else if (what < 982)
		people_spread(sim);
	else
		pass(sim, pause_of(sim));
}

/* Faults end: who is cut off learns it, who stood still goes on, twins stop their quarrel. */
static void make_peace(struct sim *sim)
{
	sim_say(sim, "peace");
	sim->is_faulty = false;
	stranger_close(sim, &sim->rogue);
	broker_starve(sim, 0);
	people_relent(sim);
	for (uint32_t i = 0; i < DEVICES; i++) {
		struct device *device = &sim->devices[i];
		device->is_frozen = false;
		device->is_retired = i == DEVICES - 1;
		if (device->link == LINK_CUT || device->is_retired) {
			broker_closed(sim, device);
			device_closed(sim, device);
		}
	}
}

static bool is_calm(struct sim *sim)
{
	for (uint32_t i = 0; i < DEVICES; i++)
		if (!device_is_calm(&sim->devices[i]))
			return false;
	return broker_is_calm(sim);
}

static void calm_down(struct sim *sim)
{
	uint32_t rounds = 0;
	while (!is_calm(sim)) {
		sim->step++;
		if (++rounds > CALM_STEPS)
			sim_fail(sim, "somebody starves: %llu messages wait in queues",
				 (unsigned long long)broker_counts(sim).queued_messages);
		for (uint32_t i = 0; i < DEVICES; i++) {
			device_connect(sim, &sim->devices[i]);
			broker_answer_login(sim, &sim->devices[i]);
			network_move(sim, &sim->devices[i]);
		}
		broker_move_links(sim, LINK_MESSAGES);
		broker_answer_store(sim, TICKETS);
		pass(sim, 20 * MT_MS);
	}
}

static void all_leave(struct sim *sim)
{
	struct mt_core_counts counts;
	for (uint32_t i = 0; i < DEVICES; i++) {
		sim->devices[i].is_retired = true;
		device_leave(sim, &sim->devices[i]);
	}
	for (uint32_t round = 0; round < 1000; round++)
		for (uint32_t i = 0; i < DEVICES; i++)
			network_move(sim, &sim->devices[i]);
	pass(sim, 8000 * MT_SECOND);
	for (uint32_t round = 0; round < 10; round++) {
		broker_move_links(sim, LINK_MESSAGES);
		broker_answer_store(sim, TICKETS);
	}
	counts = broker_counts(sim);
	if (counts.connections > 0 || counts.sessions > 0 || counts.subscriptions > 0 ||
	    counts.queued_messages > 0)
		sim_fail(sim,
			 "all have left, but %u connections, %u sessions, %u subscriptions, "
			 "%llu messages have not",
			 counts.connections, counts.sessions, counts.subscriptions,
			 (unsigned long long)counts.queued_messages);
}

static uint64_t run(uint64_t seed, uint32_t steps, bool is_verbose)
{
	struct sim *sim = calloc(1, sizeof(*sim));
	uint64_t digest;
	MT_CHECK(sim != NULL);
	running = sim;
	line_count = 0;
	sim->seed = seed;
	sim->is_verbose = is_verbose;
	sim->is_faulty = true;
	sim->now = (struct mt_now){1000 * MT_SECOND, 1700000000 * MT_SECOND};
	mt_rng_init(&sim->rng, seed);
	sim->is_tight = sim_chance(sim, 30);
	sim->is_starved = sim_chance(sim, 10);
	sim->has_rogue = sim_chance(sim, 30);
	sim->has_lag = sim_chance(sim, 30);
	choose_theme(sim);
	sim->core_count = core_count;
	broker_open(sim);
	people_begin(sim);
	for (uint32_t i = 0; i < DEVICES; i++)
		device_init(sim, i);
	while (sim->step < steps)
		one_step(sim);
	make_peace(sim);
	calm_down(sim);
	if (!sim->is_tight && !sim->is_starved)
		oracle_end(sim);
	all_leave(sim);
	for (uint32_t i = 0; i < DEVICES; i++)
		device_finish(&sim->devices[i]);
	broker_close(sim);
	digest = sim->digest;
	if (is_verbose)
		printf("seed %llu: %u messages, %llu deliveries, digest %016llx\n",
		       (unsigned long long)seed, sim->message_count,
		       (unsigned long long)sim->delivered, (unsigned long long)digest);
	running = NULL;
	free(sim);
	return digest;
}

static int run_share(uint64_t from, uint64_t count, uint32_t steps, uint32_t share)
{
	for (uint64_t i = share; i < count; i += 2)
		run(from + i, steps, false);
	return 0;
}

/* Two processes, every other seed each. */
static int run_many(uint64_t from, uint64_t count, uint32_t steps)
{
	int status, worst = 0;
	fflush(stdout);
	for (uint32_t share = 0; share < 2; share++)
		if (fork() == 0)
			_exit(run_share(from, count, steps, share));
	while (wait(&status) > 0) {
		worst |= status;
		if (WIFSIGNALED(status))
			printf("not ok sim: ended by signal %d\n", WTERMSIG(status));
	}
	if (worst == 0)
		printf("ok sim: %llu seeds from %llu, cores: %u\n", (unsigned long long)count,
		       (unsigned long long)from, core_count);
	return worst != 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"count", required_argument, NULL, 'c'}, {"from", required_argument, NULL, 'f'},
		{"steps", required_argument, NULL, 's'}, {"cores", required_argument, NULL, 'n'},
		{"verbose", no_argument, NULL, 'v'},	 {0}};
	uint64_t from = 1, count = 1000;
	uint32_t steps = 2500;
	bool is_verbose = false;
	int option;
	signal(SIGABRT, aborted);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'c')
			count = strtoull(optarg, NULL, 10);
		else if (option == 'f')
			from = strtoull(optarg, NULL, 10);
		else if (option == 's')
			steps = (uint32_t)strtoul(optarg, NULL, 10);
		else if (option == 'n')
			core_count = strtoul(optarg, NULL, 10) == 2 ? 2 : 1;
		else if (option == 'v')
			is_verbose = true;
		else
			return 2;
	}
	if (count > 1)
		return run_many(from, count, steps);
	if (run(from, steps, is_verbose) != run(from, steps, false)) {
		printf("not ok sim: seed %llu runs differently the second time\n",
		       (unsigned long long)from);
		return 1;
	}
	printf("ok sim: seed %llu\n", (unsigned long long)from);
	return 0;
}
