/*
 * bench.c - process-wide helpers of the native benches: clock, samples, option parsing,
 * the temp folder and its removal.
 *
 * Promises: the temp folder is removed on a normal end, on die() and after SIGINT or
 * SIGTERM (the handler only sets a flag, the loops wind up); only the process that made
 * the folder removes it, so a forked load generator leaves it alone.
 * Used by: append.c and ingest.c through bench.h.
 */
#include "bench.h"

#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

volatile sig_atomic_t bench_interrupted;

static char run_folder[4096];
static char base_folder[4000];
static bool base_is_default;
static pid_t folder_owner;

uint64_t now_ns(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

double cpu_seconds(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec
		+ (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

void die(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fputs("native-bench: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	exit(1);
}

void die_errno(const char *what)
{
	die("%s: %s", what, strerror(errno));
}

uint64_t parse_size(const char *option, const char *text, uint64_t min, uint64_t max)
{
	char *end;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	unsigned shift = 0;
	switch (*end) {
	case 'k': case 'K': shift = 10; end++; break;
	case 'm': case 'M': shift = 20; end++; break;
	case 'g': case 'G': shift = 30; end++; break;
	}
	if (errno || end == text || *end || value > (max >> shift) || (value << shift) < min)
		die("--%s wants a number from %llu to %llu (k, m and g are understood), not \"%s\"",
			option, (unsigned long long)min, (unsigned long long)max, text);
	return (uint64_t)value << shift;
}

static void remove_run_folder(void)
{
	if (getpid() != folder_owner)
		return;
	DIR *folder = opendir(run_folder);
	if (folder) {
		struct dirent *entry;
		while ((entry = readdir(folder)))
			if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
				unlinkat(dirfd(folder), entry->d_name, 0);
		closedir(folder);
	}
	rmdir(run_folder);
	/* Fails, as it should, while another run has its folder in there. A folder that was
	 * named with --dir stays. */
	if (base_is_default)
		rmdir(base_folder);
}

static void note_interrupt(int number)
{
	(void)number;
	bench_interrupted = 1;
}

const char *bench_start(const char *base)
{
	base_is_default = !base;
	if (!base)
		base = ".data-native-bench";
	if (strlen(base) >= sizeof base_folder)
		die("--dir is too long");
	strcpy(base_folder, base);
	if (mkdir(base_folder, 0777) && errno != EEXIST)
		die_errno(base_folder);
	snprintf(run_folder, sizeof run_folder, "%s/run-XXXXXX", base_folder);
	if (!mkdtemp(run_folder))
		die_errno(run_folder);
	folder_owner = getpid();
	atexit(remove_run_folder);

	struct sigaction action = { .sa_handler = note_interrupt };
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	/* A peer that went away shows as EPIPE from send(), which every sender checks. */
	signal(SIGPIPE, SIG_IGN);

	/* LMDB mallocs and frees one buffer per overflow value and commit. With the default
	 * thresholds glibc gives that memory back to the kernel each time and faults it in
	 * again, which would measure page faults instead of the ceiling. */
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	return run_folder;
}

void samples_add(samples *list, double milliseconds)
{
	if (list->count == list->capacity) {
		list->capacity = list->capacity ? list->capacity * 2 : 4096;
		list->values = realloc(list->values, list->capacity * sizeof *list->values);
		if (!list->values)
			die("out of memory for samples");
	}
	list->values[list->count++] = milliseconds;
}

static int compare_doubles(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;
	return (a > b) - (a < b);
}

double samples_percentile(samples *list, double percent)
{
	if (!list->count)
		return 0;
	qsort(list->values, list->count, sizeof *list->values, compare_doubles);
	/* Nearest rank: a value that was measured, never one in between. */
	size_t rank = (size_t)ceil(percent / 100.0 * (double)list->count);
	return list->values[rank ? rank - 1 : 0];
}
