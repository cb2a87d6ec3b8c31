/*
 * spares.c - files made ready for the segments to come, and the thread that makes them.
 *
 * Promises: a file taken from here is an empty LMDB environment whose blocks were all
 * written and fsynced before; prewritten and recycled files are made before spares_open
 * returns, ahead's one at a time by a thread from then on; growing and allocated have none.
 * Used by: segments.c. Only the list of ready files is shared between threads.
 */
#include "bench.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READY_MAX 64

/* Batches a commit in a recycled file's earlier life; nothing depends on it. */
#define LIFE_COMMIT 16

struct spares {
	segments_options options;
	uint64_t map_bytes;
	uint32_t made;
	uint64_t prewritten_bytes, prewriting_ns;
	bool threaded;
	pthread_t thread;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t taken;
	uint32_t ready[READY_MAX], ready_count;
	bool closing;
};

static void path_of(const spares *list, char *path, uint32_t number)
{
	snprintf(path, PATH_BYTES, "%s/spare-%06u.mdb", list->options.folder, number);
}

static void add_ready(spares *list, uint32_t number)
{
	pthread_mutex_lock(&list->lock);
	if (list->ready_count == READY_MAX)
		die("more than %d prepared files", READY_MAX);
	list->ready[list->ready_count++] = number;
	pthread_mutex_unlock(&list->lock);
}

static uint32_t prewrite(spares *list)
{
	char path[PATH_BYTES];
	uint32_t number = list->made++;
	path_of(list, path, number);
	uint64_t start = now_ns();
	file_prewrite(path, list->map_bytes);
	list->prewriting_ns += now_ns() - start;
	list->prewritten_bytes += list->map_bytes;
	return number;
}

static void *prewrite_ahead(void *argument)
{
	spares *list = argument;
	for (;;) {
		pthread_mutex_lock(&list->lock);
		while (list->ready_count && !list->closing)
			pthread_cond_wait(&list->taken, &list->lock);
		bool closing = list->closing;
		pthread_mutex_unlock(&list->lock);
		if (closing || bench_interrupted)
			return NULL;
		add_ready(list, prewrite(list));
	}
}

/* A recycled file must have had a life: fill one through LMDB, of other content and with
 * valid pages and higher transaction ids, so that a stale page that came through into the
 * next life would look plausible and only the read-back's comparison would catch it. */
static void live_once(spares *list)
{
	char path[PATH_BYTES];
	/* Zeros first, because a life ends somewhat before the last block. */
	uint32_t number = prewrite(list);
	path_of(list, path, number);
	MDB_env *env = environment_open(path, list->map_bytes, MDB_NOLOCK | MDB_NOSYNC);
	size_t batch_bytes = list->options.batch_bytes;
	uint8_t *batch = malloc(batch_bytes);
	if (!batch)
		die("out of memory for a batch");
	batch_build(batch, batch_bytes, ~(uint64_t)number);
	for (uint64_t done = 0;
			environment_bytes(env) < list->options.segment_bytes && !bench_interrupted;) {
		MDB_txn *txn;
		MDB_dbi dbi;
		lmdb_check(mdb_txn_begin(env, NULL, 0, &txn), "mdb_txn_begin");
		lmdb_check(mdb_dbi_open(txn, NULL, 0, &dbi), "mdb_dbi_open");
		for (unsigned inside = 0; inside < LIFE_COMMIT; inside++, done++) {
			uint8_t name[KEY_BYTES];
			put_u32_be(name, (uint32_t)(done % PARTITIONS));
			put_u64_be(name + 4, done);
			batch_stamp(batch, done, UINT32_MAX);
			MDB_val key = { sizeof name, name }, value = { batch_bytes, batch };
			lmdb_check(mdb_put(txn, dbi, &key, &value, 0), "mdb_put");
		}
		lmdb_check(mdb_txn_commit(txn), "mdb_txn_commit");
	}
	lmdb_check(mdb_env_sync(env, 1), "mdb_env_sync");
	mdb_env_close(env);
	free(batch);
	add_ready(list, number);
}

spares *spares_open(const segments_options *options, uint64_t map_bytes)
{
	spares *list = calloc(1, sizeof *list);
	if (!list)
		die("out of memory for the spare files");
	list->options = *options;
	list->map_bytes = map_bytes;
	pthread_mutex_init(&list->lock, NULL);
	pthread_cond_init(&list->taken, NULL);
	if (options->mode == FILE_PREWRITTEN)
		for (unsigned done = 0; done < options->prepared && !bench_interrupted; done++)
			add_ready(list, prewrite(list));
	if (options->mode == FILE_RECYCLED)
		for (unsigned done = 0; done < SEGMENTS_KEPT && !bench_interrupted; done++)
			live_once(list);
	if (options->mode == FILE_AHEAD) {
		/* The first segment is there before the clock too, as it would be in a server
		 * that has been up for a while. */
		add_ready(list, prewrite(list));
		if (pthread_create(&list->thread, NULL, prewrite_ahead, list))
			die("no thread for writing ahead");
		list->threaded = true;
	}
	return list;
}

bool spares_take(spares *list, const char *path)
{
	pthread_mutex_lock(&list->lock);
	bool found = list->ready_count > 0;
	uint32_t number = list->ready[0];
	if (found) {
		memmove(list->ready, list->ready + 1, --list->ready_count * sizeof *list->ready);
		pthread_cond_signal(&list->taken);
	}
	pthread_mutex_unlock(&list->lock);
	if (!found)
		return false;
	char spare[PATH_BYTES];
	path_of(list, spare, number);
	if (list->options.mode == FILE_RECYCLED)
		file_recycle(spare, list->map_bytes);
	file_rename(spare, path);
	return true;
}

void spares_give(spares *list, const char *path)
{
	char spare[PATH_BYTES];
	uint32_t number = list->made++;
	path_of(list, spare, number);
	file_rename(path, spare);
	add_ready(list, number);
}

void spares_close(spares *list, segments_statistics *statistics)
{
	if (list->threaded) {
		pthread_mutex_lock(&list->lock);
		list->closing = true;
		pthread_cond_signal(&list->taken);
		pthread_mutex_unlock(&list->lock);
		/* At most one file's zeros are still being written. */
		pthread_join(list->thread, NULL);
	}
	statistics->prewritten_bytes = list->prewritten_bytes;
	statistics->prewriting_ns = list->prewriting_ns;
	free(list);
}
