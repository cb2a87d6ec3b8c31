/*
 * ingest.c - the ceiling of the whole path: WebSocket frames over loopback TCP, unmasked,
 * CRC checked, group-committed into rolling LMDB segments, acknowledged when durable.
 *
 * Promises: binds 127.0.0.1 on a free port, runs for --seconds after a second of warm-up
 * and stops by itself; batches count when the client has read their acknowledgement; the
 * last line of stdout is one JSON object, the table for people goes to stderr.
 * Run by: a developer or bench/ingest.ts, `bin/ingest [options]`; see --help.
 */
#include "ingest.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const help =
	"usage: ingest [options]\n"
	"Ingest record batches over WebSocket into rolling LMDB segments, fsynced.\n"
	"  --batch-bytes N     bytes a batch, one batch a frame (default 64k)\n"
	"  --connections N     WebSocket connections (default 8)\n"
	"  --in-flight N       unacknowledged frames a connection (default 32)\n"
	"  --seconds N         measured time after 1 s of warm-up (default 5)\n"
	"  --segment-bytes N   a new environment after this many (default 1g)\n"
	"  --memory N          receive buffers in all (default 64m)\n"
	"  --file MODE         growing (default), allocated, prewritten, ahead or recycled\n"
	"  --prepared N        segments made ready beforehand for prewritten (default 8)\n"
	"  --verify            read the last segments back after closing and opening them\n"
	"  --dir FOLDER        temp data goes below it (default .data-native-bench)\n";

static ingest_options parse_options(int count, char **words)
{
	static const struct option known[] = {
		{ "batch-bytes", required_argument, NULL, 'b' },
		{ "connections", required_argument, NULL, 'c' },
		{ "in-flight", required_argument, NULL, 'w' },
		{ "seconds", required_argument, NULL, 't' },
		{ "segment-bytes", required_argument, NULL, 's' },
		{ "memory", required_argument, NULL, 'm' },
		{ "file", required_argument, NULL, 'f' },
		{ "prepared", required_argument, NULL, 'p' },
		{ "verify", no_argument, NULL, 'v' },
		{ "dir", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	ingest_options chosen = {
		.batch_bytes = 65536, .connections = 8, .in_flight = 32, .seconds = 5,
		.warmup_seconds = 1, .segment_bytes = 1ull << 30, .memory_bytes = 64u << 20,
		.mode = FILE_GROWING, .prepared = 8,
	};
	for (int option; (option = getopt_long(count, words, "", known, NULL)) != -1;) {
		switch (option) {
		case 'b': chosen.batch_bytes = parse_size("batch-bytes", optarg, BATCH_MIN,
				SLAB_BYTES - FRAME_HEADER_MAX - PAYLOAD_HEADER); break;
		case 'c': chosen.connections = (unsigned)parse_size("connections", optarg, 1, CONNECTIONS_MAX); break;
		case 'w': chosen.in_flight = (unsigned)parse_size("in-flight", optarg, 1, 1 << 16); break;
		case 't': chosen.seconds = strtod(optarg, NULL); break;
		case 's': chosen.segment_bytes = parse_size("segment-bytes", optarg, 1 << 20, 1ull << 36); break;
		case 'm': chosen.memory_bytes = parse_size("memory", optarg, 1 << 20, 1ull << 33); break;
		case 'f': chosen.mode = parse_file_mode(optarg); break;
		case 'p': chosen.prepared = (unsigned)parse_size("prepared", optarg, 1, 64); break;
		case 'v': chosen.verify = true; break;
		case 'd': chosen.folder = optarg; break;
		case 'h': fputs(help, stdout); exit(0);
		default: fputs(help, stderr); exit(2);
		}
	}
	if (optind != count)
		die("\"%s\" is not an option; see --help", words[optind]);
	if (!(chosen.seconds > 0 && chosen.seconds <= 600))
		die("--seconds wants a number above 0 and up to 600");
	return chosen;
}

static int listen_on_loopback(uint16_t *port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t length = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address)
			|| listen(fd, CONNECTIONS_MAX)
			|| getsockname(fd, (struct sockaddr *)&address, &length))
		die_errno("listening on loopback");
	*port = ntohs(address.sin_port);
	return fd;
}

/* The child waits for a byte on `go`, because preparing files can take longer than the
 * whole measurement, and reports through `results`. */
static pid_t fork_load(uint16_t port, const ingest_options *options, int *go, int *results)
{
	int go_pipe[2], result_pipe[2];
	if (pipe(go_pipe) || pipe(result_pipe))
		die_errno("pipe");
	pid_t parent = getpid(), child = fork();
	if (child < 0)
		die_errno("fork");
	if (!child) {
		/* A parent that dies early must not leave a generator behind. */
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		close(go_pipe[1]);
		close(result_pipe[0]);
		char byte;
		if (getppid() != parent || read(go_pipe[0], &byte, 1) != 1)
			exit(1);
		load_result result = load_run(port, options);
		exit(write(result_pipe[1], &result, sizeof result) == sizeof result ? 0 : 1);
	}
	close(go_pipe[0]);
	close(result_pipe[1]);
	*go = go_pipe[1];
	*results = result_pipe[0];
	return child;
}

static void report(const ingest_options *options, const load_result *load,
	committer_result *stored, double cores)
{
	double records_per_s = load->batches_per_s * batch_records_in(options->batch_bytes);
	double mb_per_s = load->batches_per_s * (double)options->batch_bytes / MIB;
	double commit_p50 = samples_percentile(&stored->commits, 50);
	double commit_p99 = samples_percentile(&stored->commits, 99);
	double commit_max = samples_percentile(&stored->commits, 100);
	const segments_statistics *rolled = &stored->segments;
	const char *mode = file_mode_name(options->mode);
	size_t commits = stored->commits.count;
	double batches_a_commit = commits ? (double)stored->batches / (double)commits : 0;
	fprintf(stderr,
		"ingest, file %s, %zu-byte batches of %u records, %u connections x %u in flight, fsync\n"
		"  throughput       %10.0f records/s  %8.1f MiB/s\n"
		"  acknowledgement  %10.3f ms p50  %8.3f ms p99  %8.3f ms longest\n"
		"  commit           %10.3f ms p50  %8.3f ms p99  %8.3f ms longest  %zu commits of %.1f batches\n"
		"  cores            %10.2f server  %8.2f load generator\n"
		"  segments         %10u rolls  %u unprepared  %llu batches read back right\n",
		mode, options->batch_bytes, batch_records_in(options->batch_bytes),
		options->connections, options->in_flight, records_per_s, mb_per_s, load->p50_ms,
		load->p99_ms, load->max_ms, commit_p50, commit_p99, commit_max, commits,
		batches_a_commit, cores, load->cores, rolled->rolls, rolled->unprepared,
		(unsigned long long)rolled->verified);
	printf("{\"bench\":\"native-ingest\",\"records_per_s\":%.0f,\"mb_per_s\":%.1f,"
		"\"batch_bytes\":%zu,\"record_bytes\":%d,\"records_per_batch\":%u,"
		"\"connections\":%u,\"in_flight\":%u,\"durability\":\"fsync\",\"file\":\"%s\","
		"\"commits\":%zu,\"batches_per_commit\":%.1f,"
		"\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,"
		"\"commit_p50_ms\":%.3f,\"commit_p99_ms\":%.3f,\"commit_max_ms\":%.3f,"
		"\"rolls\":%u,\"unprepared\":%u,\"verified_batches\":%llu,"
		"\"server_cores\":%.2f,\"load_cores\":%.2f}\n",
		records_per_s, mb_per_s, options->batch_bytes, RECORD_BYTES,
		batch_records_in(options->batch_bytes), options->connections, options->in_flight,
		mode, commits, batches_a_commit, load->p50_ms, load->p99_ms, load->max_ms,
		commit_p50, commit_p99, commit_max, rolled->rolls, rolled->unprepared,
		(unsigned long long)rolled->verified, cores, load->cores);
}

int main(int count, char **words)
{
	ingest_options options = parse_options(count, words);
	options.folder = bench_start(options.folder);
	uint16_t port;
	int listener = listen_on_loopback(&port), go, results;
	/* Before any thread exists, since a fork takes only the calling thread along. */
	pid_t child = fork_load(port, &options, &go, &results);

	int wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (wake_fd < 0)
		die_errno("eventfd");
	committer *store = committer_start(&options, wake_fd);
	uint64_t start = now_ns();
	double cpu = cpu_seconds();
	/* Interrupted while files were prepared: the generator has been too, and is gone. */
	if (!bench_interrupted) {
		if (write(go, "g", 1) != 1)
			die_errno("write to the load generator");
		server_run(listener, &options, store, wake_fd);
	}
	cpu = (cpu_seconds() - cpu) / ((double)(now_ns() - start) / 1e9);
	committer_result stored;
	committer_stop(store, &stored);

	load_result load;
	ssize_t got = read(results, &load, sizeof load);
	waitpid(child, NULL, 0);
	if (bench_interrupted)
		return 130;
	if (got != sizeof load || !load.complete)
		die("the load generator did not finish");
	report(&options, &load, &stored, cpu);
	return 0;
}
