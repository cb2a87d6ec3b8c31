/*
 * append.c - the ceiling of storing alone: one thread appends record batches to rolling
 * LMDB segments, N batches a commit, each commit on the disk before the next begins.
 *
 * Promises: stops after --total-bytes; the clock covers puts, commits, rolling and
 * unlinking, and leaves out preparing files and reading back; the last line of stdout is
 * one JSON object, the table for people goes to stderr.
 * Run by: a developer or the bench runner, `bin/append [options]`; see --help.
 */
#include "bench.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Distinct batches that are appended in turn: enough that they do not sit in the L1 and
 * L2 caches all the time, as batches that come off a socket would not either. */
#define DISTINCT 64

typedef struct options {
	size_t batch_bytes;
	unsigned per_commit;
	uint64_t total_bytes, segment_bytes;
	file_mode mode;
	bool verify;
	const char *folder;
} options;

static const char *const help =
	"usage: append [options]\n"
	"Append record batches to rolling LMDB segments, fsynced commit by commit.\n"
	"  --batch-bytes N     bytes a batch (default 64k)\n"
	"  --per-commit N      batches a commit (default 16)\n"
	"  --total-bytes N     bytes to append (default 4g)\n"
	"  --segment-bytes N   a new environment after this many (default 1g)\n"
	"  --file MODE         growing (default), allocated, prewritten, ahead or recycled\n"
	"  --verify            read every segment back after closing and opening it again\n"
	"  --dir FOLDER        temp data goes below it (default .data-native-bench)\n";

static options parse_options(int count, char **words)
{
	static const struct option known[] = {
		{ "batch-bytes", required_argument, NULL, 'b' },
		{ "per-commit", required_argument, NULL, 'n' },
		{ "total-bytes", required_argument, NULL, 't' },
		{ "segment-bytes", required_argument, NULL, 's' },
		{ "file", required_argument, NULL, 'f' },
		{ "verify", no_argument, NULL, 'v' },
		{ "dir", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	options chosen = {
		.batch_bytes = 65536, .per_commit = 16, .total_bytes = 4ull << 30,
		.segment_bytes = 1ull << 30, .mode = FILE_GROWING,
	};
	for (int option; (option = getopt_long(count, words, "", known, NULL)) != -1;) {
		switch (option) {
		case 'b': chosen.batch_bytes = parse_size("batch-bytes", optarg, BATCH_MIN, 16 << 20); break;
		case 'n': chosen.per_commit = (unsigned)parse_size("per-commit", optarg, 1, 1 << 16); break;
		case 't': chosen.total_bytes = parse_size("total-bytes", optarg, 1, 1ull << 40); break;
		case 's': chosen.segment_bytes = parse_size("segment-bytes", optarg, 1 << 20, 1ull << 36); break;
		case 'f': chosen.mode = parse_file_mode(optarg); break;
		case 'v': chosen.verify = true; break;
		case 'd': chosen.folder = optarg; break;
		case 'h': fputs(help, stdout); exit(0);
		default: fputs(help, stderr); exit(2);
		}
	}
	if (optind != count)
		die("\"%s\" is not an option; see --help", words[optind]);
	return chosen;
}

static uint8_t *build_batches(size_t batch_bytes)
{
	uint8_t *all = malloc(DISTINCT * batch_bytes);
	if (!all)
		die("out of memory for batches");
	for (size_t index = 0; index < DISTINCT; index++)
		batch_build(all + index * batch_bytes, batch_bytes, index);
	return all;
}

/* Segments this run will fill: LMDB rounds a value and its 24-byte header up to pages. */
static unsigned segments_needed(const options *chosen, uint64_t commit_bytes)
{
	uint64_t per_batch = (chosen->batch_bytes + 24 + 4095) / 4096 * 4096;
	uint64_t commits = (chosen->total_bytes + commit_bytes - 1) / commit_bytes;
	return (unsigned)(commits * chosen->per_commit * per_batch / chosen->segment_bytes + 2);
}

static void report(const options *chosen, samples *commits, const segments_statistics *rolled,
	double mb_per_s, double records_per_s, double cores)
{
	double p50 = samples_percentile(commits, 50), p99 = samples_percentile(commits, 99);
	double longest = samples_percentile(commits, 100);
	double prewriting = rolled->prewriting_ns
		? (double)rolled->prewritten_bytes / MIB / ((double)rolled->prewriting_ns / 1e9) : 0;
	const char *mode = file_mode_name(chosen->mode);
	fprintf(stderr,
		"append, file %s, %zu-byte batches of %u records, %u a commit, fsync\n"
		"  throughput   %10.0f records/s  %8.1f MiB/s  %5.2f cores\n"
		"  commit       %10.3f ms p50  %8.3f ms p99  %8.3f ms longest  %zu commits\n"
		"  segments     %10u rolls  %u unprepared  %llu batches read back right\n"
		"  prewriting   %10.1f MiB/s of zeros\n",
		mode, chosen->batch_bytes, batch_records_in(chosen->batch_bytes), chosen->per_commit,
		records_per_s, mb_per_s, cores, p50, p99, longest, commits->count, rolled->rolls,
		rolled->unprepared, (unsigned long long)rolled->verified, prewriting);
	printf("{\"bench\":\"native-append\",\"records_per_s\":%.0f,\"mb_per_s\":%.1f,"
		"\"batch_bytes\":%zu,\"record_bytes\":%d,\"records_per_batch\":%u,"
		"\"batches_per_commit\":%u,\"durability\":\"fsync\",\"file\":\"%s\","
		"\"commits\":%zu,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,"
		"\"rolls\":%u,\"unprepared\":%u,\"verified_batches\":%llu,"
		"\"prewriting_mb_per_s\":%.1f,\"cores\":%.2f}\n",
		records_per_s, mb_per_s, chosen->batch_bytes, RECORD_BYTES,
		batch_records_in(chosen->batch_bytes), chosen->per_commit, mode, commits->count,
		p50, p99, longest, rolled->rolls, rolled->unprepared,
		(unsigned long long)rolled->verified, prewriting, cores);
}

int main(int count, char **words)
{
	options chosen = parse_options(count, words);
	const char *folder = bench_start(chosen.folder);
	uint64_t commit_bytes = (uint64_t)chosen.batch_bytes * chosen.per_commit;
	segments_options layout = {
		.folder = folder, .mode = chosen.mode, .segment_bytes = chosen.segment_bytes,
		.commit_bytes = commit_bytes, .batch_bytes = chosen.batch_bytes,
		.prepared = segments_needed(&chosen, commit_bytes), .verify_each = chosen.verify,
	};
	uint8_t *batches = build_batches(chosen.batch_bytes);
	uint32_t records_a_batch = batch_records_in(chosen.batch_bytes);
	segments *log = segments_open(&layout);

	samples commits = { 0 };
	uint64_t appended = 0, sequence = 0, started = now_ns();
	double cpu = cpu_seconds();
	while (appended < chosen.total_bytes && !bench_interrupted) {
		uint64_t begun = now_ns(), outside = segments_untimed_ns(log);
		segments_begin(log);
		for (unsigned index = 0; index < chosen.per_commit; index++, sequence++)
			segments_put(log, (uint32_t)(sequence % PARTITIONS),
				batches + sequence % DISTINCT * chosen.batch_bytes, chosen.batch_bytes);
		segments_commit(log);
		outside = segments_untimed_ns(log) - outside;
		samples_add(&commits, (double)(now_ns() - begun - outside) / 1e6);
		appended += commit_bytes;
	}
	double seconds = (double)(now_ns() - started - segments_untimed_ns(log)) / 1e9;
	cpu = cpu_seconds() - cpu;
	segments_statistics rolled;
	segments_close(log, chosen.verify, &rolled);
	free(batches);

	report(&chosen, &commits, &rolled, (double)appended / MIB / seconds,
		(double)sequence * records_a_batch / seconds, cpu / seconds);
	return bench_interrupted ? 130 : 0;
}
