/*
 * committer.c - group commit: a thread that takes everything queued since its last commit
 * began and makes it the next commit, while the socket thread goes on reading.
 *
 * Promises: batches are committed in the order they were pushed, so a count of durable
 * batches a connection is enough of an acknowledgement; the pool of slabs is the bound on
 * memory, since every queued batch lies in one; the committer never waits to gather more,
 * the disk's own latency does the gathering.
 * Used by: server.c pushes and takes slabs, ingest.c starts and stops it.
 */
#include "ingest.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct work_list {
	work *items;
	size_t count, capacity;
} work_list;

struct committer {
	segments *log;
	bool verify;
	int wake_fd;
	pthread_t thread;
	committer_result result;
	_Atomic uint64_t durable[CONNECTIONS_MAX];

	pthread_mutex_t queue_lock; /* guards `queued` and `stopping` */
	pthread_cond_t queue_filled;
	work_list queued;
	bool stopping;

	pthread_mutex_t pool_lock; /* guards `free_slabs` */
	slab *free_slabs;
	slab *all_slabs;
};

static void list_add(work_list *list, const work *items, size_t count)
{
	if (list->count + count > list->capacity) {
		list->capacity = 2 * (list->count + count);
		list->items = realloc(list->items, list->capacity * sizeof *list->items);
		if (!list->items)
			die("out of memory for the queue");
	}
	memcpy(list->items + list->count, items, count * sizeof *items);
	list->count += count;
}

slab *slab_take(committer *self)
{
	pthread_mutex_lock(&self->pool_lock);
	slab *taken = self->free_slabs;
	if (taken)
		self->free_slabs = taken->next_free;
	pthread_mutex_unlock(&self->pool_lock);
	if (taken)
		atomic_store(&taken->users, 1);
	return taken;
}

void slab_release(committer *self, slab *done)
{
	if (atomic_fetch_sub(&done->users, 1) != 1)
		return;
	/* Last in, first out: the slab that is still in the cache is used next. */
	pthread_mutex_lock(&self->pool_lock);
	done->next_free = self->free_slabs;
	self->free_slabs = done;
	pthread_mutex_unlock(&self->pool_lock);
}

void committer_push(committer *self, const work *items, size_t count)
{
	pthread_mutex_lock(&self->queue_lock);
	list_add(&self->queued, items, count);
	pthread_cond_signal(&self->queue_filled);
	pthread_mutex_unlock(&self->queue_lock);
}

uint64_t committer_durable(const committer *self, uint32_t connection)
{
	return atomic_load(&self->durable[connection]);
}

static void commit(committer *self, const work_list *list)
{
	uint64_t begun = now_ns();
	segments_begin(self->log);
	for (size_t index = 0; index < list->count; index++) {
		const work *item = &list->items[index];
		segments_put(self->log, item->partition, item->batch, item->batch_bytes);
	}
	segments_commit(self->log);
	samples_add(&self->result.commits, (double)(now_ns() - begun) / 1e6);
	self->result.batches += list->count;
	for (size_t index = 0; index < list->count; index++) {
		atomic_fetch_add(&self->durable[list->items[index].connection], 1);
		slab_release(self, list->items[index].home);
	}
	uint64_t one = 1;
	if (write(self->wake_fd, &one, sizeof one) != sizeof one)
		die_errno("write to the eventfd");
}

static void *commit_loop(void *argument)
{
	committer *self = argument;
	work_list taken = { 0 };
	for (;;) {
		pthread_mutex_lock(&self->queue_lock);
		while (!self->queued.count && !self->stopping)
			pthread_cond_wait(&self->queue_filled, &self->queue_lock);
		/* Swap the lists: the socket thread goes on with the array emptied last time. */
		work_list full = self->queued;
		taken.count = 0;
		self->queued = taken;
		taken = full;
		pthread_mutex_unlock(&self->queue_lock);
		if (!taken.count)
			break;
		commit(self, &taken);
	}
	free(taken.items);
	return NULL;
}

committer *committer_start(const ingest_options *options, int wake_fd)
{
	committer *self = calloc(1, sizeof *self);
	size_t slabs = options->memory_bytes / sizeof(slab);
	/* Each connection holds the slab it reads into; without others to spare, nothing
	 * could ever be handed over and the bench would stand still. */
	if (slabs < 2 * options->connections)
		die("--memory must hold at least %u MiB for %u connections",
			2 * options->connections + 1, options->connections);
	if (!self || !(self->all_slabs = malloc(slabs * sizeof(slab))))
		die("out of memory for the slabs");
	for (size_t index = 0; index < slabs; index++) {
		self->all_slabs[index].next_free = self->free_slabs;
		self->free_slabs = &self->all_slabs[index];
	}
	segments_options layout = {
		.folder = options->folder, .mode = options->mode,
		.segment_bytes = options->segment_bytes, .commit_bytes = options->memory_bytes,
		.batch_bytes = options->batch_bytes, .prepared = options->prepared,
	};
	self->log = segments_open(&layout);
	self->verify = options->verify;
	self->wake_fd = wake_fd;
	pthread_mutex_init(&self->queue_lock, NULL);
	pthread_mutex_init(&self->pool_lock, NULL);
	pthread_cond_init(&self->queue_filled, NULL);
	if (pthread_create(&self->thread, NULL, commit_loop, self))
		die("no thread for the committer");
	return self;
}

void committer_stop(committer *self, committer_result *result)
{
	pthread_mutex_lock(&self->queue_lock);
	self->stopping = true;
	pthread_cond_signal(&self->queue_filled);
	pthread_mutex_unlock(&self->queue_lock);
	pthread_join(self->thread, NULL);
	segments_close(self->log, self->verify, &self->result.segments);
	*result = self->result;
	free(self->queued.items);
	free(self->all_slabs);
	free(self);
}
