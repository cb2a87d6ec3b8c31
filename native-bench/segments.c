/*
 * segments.c - a log as a sequence of LMDB environments: appends go to the newest, a
 * segment past its byte limit is closed and a new one opened, the oldest goes (or, in
 * recycled mode, comes back as a new one).
 *
 * Promises: a commit is on the disk when segments_commit returns (LMDB's default sync, and
 * an fsync of the folder for each new file); at most SEGMENTS_KEPT segments hold data, with
 * the prepared files of the prewritten and ahead modes on top; what was put is read back
 * from a newly opened environment and compared when the caller asks for it.
 * Used by: the append bench's main thread, the ingest bench's committer thread.
 */
#include "bench.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Above the limit a segment needs room for the commit that crosses it, in LMDB's pages
 * (a small batch can take nearly twice its bytes), and for the tree's own pages. */
#define MAP_SLACK (16u << 20)

typedef struct segment {
	uint32_t number;
	uint64_t entries;
	uint64_t first[PARTITIONS], next[PARTITIONS]; /* the offsets it spans */
} segment;

struct segments {
	segments_options options;
	spares *ready;
	uint64_t map_bytes;
	int folder;
	segment live[SEGMENTS_KEPT]; /* oldest first; the last is the open one */
	unsigned live_count;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	uint64_t untimed_ns;
	segments_statistics statistics;
};

static void path_of(const segments *list, char *path, uint32_t number)
{
	snprintf(path, PATH_BYTES, "%s/segment-%06u.mdb", list->options.folder, number);
}

static segment *current(segments *list)
{
	return &list->live[list->live_count - 1];
}

static void open_next(segments *list)
{
	char path[PATH_BYTES];
	segment *next = &list->live[list->live_count];
	if (list->live_count) {
		*next = list->live[list->live_count - 1];
		next->number++;
	} else {
		memset(next, 0, sizeof *next);
	}
	memcpy(next->first, next->next, sizeof next->first);
	next->entries = 0;
	list->live_count++;

	path_of(list, path, next->number);
	if (list->options.mode == FILE_ALLOCATED)
		file_allocate(path, list->map_bytes);
	else if (list->options.mode != FILE_GROWING && !spares_take(list->ready, path))
		list->statistics.unprepared++;
	list->env = environment_open(path, list->map_bytes, 0);
	/* A file's own fsync does not make its name durable; its folder's does. */
	if (fsync(list->folder))
		die_errno("fsync of the folder");
}

/* Open a closed segment again and compare each entry with what must be there. */
static void read_back(segments *list, const segment *was)
{
	uint64_t start = now_ns();
	char path[PATH_BYTES];
	path_of(list, path, was->number);
	MDB_env *env = environment_open(path, list->map_bytes, MDB_RDONLY);
	MDB_txn *txn;
	MDB_dbi dbi;
	MDB_cursor *cursor;
	lmdb_check(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), "mdb_txn_begin");
	lmdb_check(mdb_dbi_open(txn, NULL, 0, &dbi), "mdb_dbi_open");
	lmdb_check(mdb_cursor_open(txn, dbi, &cursor), "mdb_cursor_open");
	uint64_t expected[PARTITIONS], entries = 0;
	memcpy(expected, was->first, sizeof expected);
	MDB_val key, value;
	int rc;
	while (!(rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))) {
		const uint8_t *name = key.mv_data, *batch = value.mv_data;
		if (key.mv_size != KEY_BYTES || value.mv_size < BATCH_MIN)
			die("%s: an entry of the wrong size", path);
		uint32_t partition = get_u32_be(name);
		uint64_t offset = get_u64_be(name + 4);
		if (partition >= PARTITIONS || offset != expected[partition]
				|| batch_base_offset(batch) != offset || batch_segment(batch) != was->number)
			die("%s: partition %u has an entry out of place at offset %llu", path,
				partition, (unsigned long long)offset);
		if (!batch_intact(batch, value.mv_size))
			die("%s: a batch does not match its CRC", path);
		expected[partition] += batch_record_count(batch);
		entries++;
	}
	if (rc != MDB_NOTFOUND)
		lmdb_check(rc, "mdb_cursor_get");
	if (entries != was->entries || memcmp(expected, was->next, sizeof expected))
		die("%s: %llu entries where %llu were committed", path,
			(unsigned long long)entries, (unsigned long long)was->entries);
	mdb_cursor_close(cursor);
	mdb_txn_abort(txn);
	mdb_env_close(env);
	list->statistics.verified += entries;
	list->untimed_ns += now_ns() - start;
}

static void expire_oldest(segments *list)
{
	char path[PATH_BYTES], lock[PATH_BYTES + 8];
	path_of(list, path, list->live[0].number);
	snprintf(lock, sizeof lock, "%s-lock", path);
	file_remove(lock);
	if (list->options.mode == FILE_RECYCLED)
		spares_give(list->ready, path);
	else
		file_remove(path);
	memmove(list->live, list->live + 1, --list->live_count * sizeof *list->live);
}

static void roll(segments *list)
{
	mdb_env_close(list->env);
	list->statistics.rolls++;
	if (list->options.verify_each)
		read_back(list, current(list));
	if (list->live_count == SEGMENTS_KEPT)
		expire_oldest(list);
	open_next(list);
}

segments *segments_open(const segments_options *options)
{
	segments *list = calloc(1, sizeof *list);
	if (!list)
		die("out of memory for the segments");
	list->options = *options;
	list->map_bytes = options->segment_bytes + 2 * options->commit_bytes + MAP_SLACK;
	list->folder = open(options->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (list->folder < 0)
		die_errno(options->folder);
	list->ready = spares_open(options, list->map_bytes);
	open_next(list);
	return list;
}

void segments_begin(segments *list)
{
	lmdb_check(mdb_txn_begin(list->env, NULL, 0, &list->txn), "mdb_txn_begin");
	lmdb_check(mdb_dbi_open(list->txn, NULL, 0, &list->dbi), "mdb_dbi_open");
}

void segments_put(segments *list, uint32_t partition, uint8_t *batch, size_t batch_bytes)
{
	segment *now = current(list);
	uint8_t name[KEY_BYTES];
	batch_stamp(batch, now->next[partition], now->number);
	put_u32_be(name, partition);
	put_u64_be(name + 4, now->next[partition]);
	MDB_val key = { sizeof name, name }, value = { batch_bytes, batch };
	lmdb_check(mdb_put(list->txn, list->dbi, &key, &value, 0), "mdb_put");
	now->next[partition] += batch_record_count(batch);
	now->entries++;
}

void segments_commit(segments *list)
{
	lmdb_check(mdb_txn_commit(list->txn), "mdb_txn_commit");
	if (environment_bytes(list->env) >= list->options.segment_bytes)
		roll(list);
}

uint64_t segments_untimed_ns(const segments *list)
{
	return list->untimed_ns;
}

void segments_close(segments *list, bool verify, segments_statistics *statistics)
{
	mdb_env_close(list->env);
	/* The older ones have been read already where that is done at each roll. */
	if (verify)
		for (unsigned index = list->options.verify_each ? list->live_count - 1 : 0;
				index < list->live_count; index++)
			read_back(list, &list->live[index]);
	spares_close(list->ready, &list->statistics);
	close(list->folder);
	*statistics = list->statistics;
	free(list);
}
