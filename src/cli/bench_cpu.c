/* CPU time of another process, summed over its threads, from /proc. */
#include "cli/bench_cpu.h"

#include <dirent.h>
#include <stdio.h>

#define STAT_USER 11 /* fields between the command name and utime */

static bool take_number(struct mt_bytes text, size_t *pos, uint64_t *out)
{
	uint64_t value = 0;
	size_t from = *pos;

	while (*pos < text.len && text.data[*pos] >= '0' && text.data[*pos] <= '9') {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(text.data[*pos] - '0'), &value))
			return false;
		(*pos)++;
	}
	if (*pos == from)
		return false;
	*out = value;
	return true;
}

bool mt_cpu_parse_schedstat(struct mt_bytes text, uint64_t *run_ns)
{
	size_t pos = 0;

	return take_number(text, &pos, run_ns);
}

bool mt_cpu_parse_stat(struct mt_bytes text, uint64_t *user_ticks, uint64_t *system_ticks)
{
	uint64_t user, system;
	size_t pos = text.len;

	while (pos > 0 && text.data[pos - 1] != ')')
		pos--;
	if (pos == 0)
		return false;
	for (unsigned skipped = 0; skipped <= STAT_USER; pos++) {
		if (pos >= text.len)
			return false;
		skipped += text.data[pos] == ' ';
	}
	if (!take_number(text, &pos, &user) || pos >= text.len || text.data[pos++] != ' ' ||
	    !take_number(text, &pos, &system))
		return false;
	*user_ticks = user;
	*system_ticks = system;
	return true;
}

static struct mt_bytes slurp(const char *path, char *into, size_t cap)
{
	FILE *file = fopen(path, "re");
	size_t got = 0;

	if (file) {
		got = fread(into, 1, cap, file);
		(void)fclose(file);
	}
	return mt_bytes_of(into, got);
}

static bool sum_threads(int32_t pid, uint64_t *run_ns)
{
	char path[320], text[256];
	const struct dirent *entry;
	uint64_t sum = 0, one;
	DIR *tasks;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	if (!tasks)
		return false;
	while ((entry = readdir(tasks))) {
		(void)snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", pid,
			       entry->d_name);
		if (entry->d_name[0] != '.' &&
		    mt_cpu_parse_schedstat(slurp(path, text, sizeof(text)), &one))
			sum += one;
	}
	(void)closedir(tasks);
	*run_ns = sum;
	return true;
}

enum mt_status mt_cpu_read(int32_t pid, struct mt_cpu *out)
{
	char path[64], text[1024];
	struct mt_cpu cpu;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (!mt_cpu_parse_stat(slurp(path, text, sizeof(text)), &cpu.user_ticks,
			       &cpu.system_ticks) ||
	    !sum_threads(pid, &cpu.run_ns))
		return MT_NOT_FOUND;
	*out = cpu;
	return MT_OK;
}
