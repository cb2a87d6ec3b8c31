/*
 * bench.h - what the native benches share: clock, samples, options, temp folder,
 * the record batch, and the rolling LMDB segments.
 *
 * Promises: every function either does what its comment says or ends the program
 * through die(), which removes the temp folder; a bench has no partial results.
 * Used by: append.c and the ingest programs' files. Not installed, not linked by Node.
 */
#ifndef NATIVE_BENCH_H
#define NATIVE_BENCH_H

#include <lmdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- bench.c: process-wide helpers ---- */

#define MIB (1024.0 * 1024.0)

/* Set by SIGINT and SIGTERM; every loop that can last looks at it and winds up. */
extern volatile sig_atomic_t bench_interrupted;

/* Monotonic clock in nanoseconds. */
uint64_t now_ns(void);

/* CPU seconds (user + system) this process has used so far. */
double cpu_seconds(void);

/* Print a message on stderr and exit(1); the temp folder is removed on the way. */
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* As die(), with errno's text behind the message. */
void die_errno(const char *what) __attribute__((noreturn));

/* "64k", "4m", "1g" or a plain number, within [min, max]; dies with the option's name. */
uint64_t parse_size(const char *option, const char *text, uint64_t min, uint64_t max);

/* Install the signal handlers, tune malloc, and make a fresh folder below `base` (created
 * if absent; NULL for the default, .data-native-bench). The folder goes at exit, and so does
 * the default base once it is empty. */
const char *bench_start(const char *base);

/* A growing list of durations in milliseconds; percentile() sorts it in place. */
typedef struct samples {
	double *values;
	size_t count, capacity;
} samples;

void samples_add(samples *list, double milliseconds);
double samples_percentile(samples *list, double percent);

/* ---- batch.c: one Kafka-like record batch ---- */

#define RECORD_BYTES 100
#define PARTITIONS 8

/* Bytes a record spends beside its 100 payload bytes (varint length, attributes, deltas). */
#define RECORD_OVERHEAD 7

/* Batch header: base offset u64 BE, segment u32 BE, record count u32 BE, CRC-32C u32 BE,
 * then 41 bytes for what a Kafka batch header also carries. As in Kafka, the part the
 * server stamps lies before the CRC, so stamping does not break it. */
#define BATCH_HEADER 61
#define BATCH_CRC_START 20
#define BATCH_MIN (BATCH_HEADER + RECORD_BYTES + RECORD_OVERHEAD)

/* CRC-32C (Castagnoli) with the SSE4.2 instruction. */
uint32_t crc32c(const uint8_t *data, size_t length);

uint32_t batch_records_in(size_t batch_bytes);

/* Fill `batch` with as many records as fit, pseudo-random from `seed`, CRC included. */
void batch_build(uint8_t *batch, size_t batch_bytes, uint64_t seed);

/* Does the stored CRC match the content? */
bool batch_intact(const uint8_t *batch, size_t batch_bytes);

uint32_t batch_record_count(const uint8_t *batch);
uint64_t batch_base_offset(const uint8_t *batch);
uint32_t batch_segment(const uint8_t *batch);
void batch_stamp(uint8_t *batch, uint64_t base_offset, uint32_t segment);

void put_u32_be(uint8_t *to, uint32_t value);
void put_u64_be(uint8_t *to, uint64_t value);
uint32_t get_u32_be(const uint8_t *from);
uint64_t get_u64_be(const uint8_t *from);

/* ---- segment-file.c: what a segment's file is before LMDB appends to it ---- */

typedef enum file_mode {
	FILE_GROWING,    /* a new file, blocks are allocated as commits reach them */
	FILE_ALLOCATED,  /* a new file, blocks reserved by fallocate (unwritten extents) */
	FILE_PREWRITTEN, /* an empty environment, the blocks behind it zeroed before the clock */
	FILE_AHEAD,      /* as prewritten, but a thread does it while the bench appends */
	FILE_RECYCLED,   /* an expired segment's file with its meta pages replaced */
} file_mode;

file_mode parse_file_mode(const char *text);
const char *file_mode_name(file_mode mode);

/* Die with LMDB's text unless rc is 0. */
void lmdb_check(int rc, const char *what);

/* Open (or create: two meta pages, nothing more) the environment that is the file `path`. */
MDB_env *environment_open(const char *path, uint64_t map_bytes, unsigned flags);

/* Bytes of the file that LMDB's last commit reaches. */
uint64_t environment_bytes(MDB_env *env);

/* Make an empty environment and reserve, or zero and fsync, its file up to `bytes`. */
void file_allocate(const char *path, uint64_t bytes);
void file_prewrite(const char *path, uint64_t bytes);

/* Turn an expired segment's file into an empty environment, its data blocks untouched. */
void file_recycle(const char *path, uint64_t map_bytes);

void file_remove(const char *path);
void file_rename(const char *from, const char *to);

/* ---- segments.c and spares.c: a sequence of LMDB environments with a byte limit each ---- */

#define SEGMENTS_KEPT 2 /* the one being appended to, and the one before it */
#define PATH_BYTES 4200
#define KEY_BYTES 12 /* partition u32 BE, base offset u64 BE */

typedef struct segments_options {
	const char *folder;
	file_mode mode;
	uint64_t segment_bytes;
	uint64_t commit_bytes; /* the most one commit may bring: slack above the limit */
	size_t batch_bytes;    /* what a priming life of a recycled file is made of */
	unsigned prepared;     /* prewritten: how many files to make ready beforehand */
	bool verify_each;      /* read a segment back when it is closed, outside the clock */
} segments_options;

typedef struct segments_statistics {
	unsigned rolls;
	unsigned unprepared; /* segments that found no prepared file and grew one instead */
	uint64_t verified;   /* batches read back and found right */
	uint64_t prewritten_bytes, prewriting_ns;
} segments_statistics;

typedef struct segments segments;
typedef struct spares spares;

/* Files made ready for the segments to come: all of them before the clock (prewritten),
 * one ahead by a thread (ahead), SEGMENTS_KEPT with a life behind them (recycled). */
spares *spares_open(const segments_options *options, uint64_t map_bytes);

/* Rename a ready file to `path`, as an empty environment. False: none is ready. */
bool spares_take(spares *list, const char *path);

/* Recycled: an expired segment's file comes back. */
void spares_give(spares *list, const char *path);
void spares_close(spares *list, segments_statistics *statistics);

/* Prepare files as the mode asks (this is the untimed part) and open the first segment. */
segments *segments_open(const segments_options *options);

/* One commit: begin, put any number of batches (each is stamped in place), commit.
 * When segments_commit returns, the batches are on the disk (fdatasync + O_DSYNC meta). */
void segments_begin(segments *list);
void segments_put(segments *list, uint32_t partition, uint8_t *batch, size_t batch_bytes);
void segments_commit(segments *list);

/* Time spent so far on reading back, which a caller takes off its clock. */
uint64_t segments_untimed_ns(const segments *list);

/* Close everything; with `verify` first read back each segment still on disk. */
void segments_close(segments *list, bool verify, segments_statistics *statistics);

#endif
