/*
 * ingest.h - what the parts of the ingest bench share: the wire format, the options, and
 * the hand-over between socket thread, committer thread and load process.
 *
 * Promises: a frame's bytes have one owner at a time (socket thread, then the queue, then
 * the committer) and live in a slab of a bounded pool, so memory stays bounded however
 * fast the load is; an acknowledgement exists only for batches whose commit is on the disk.
 * Used by: ingest.c, server.c, committer.c, load.c, websocket.c.
 */
#ifndef NATIVE_INGEST_H
#define NATIVE_INGEST_H

#include "bench.h"

#include <stdatomic.h>
#include <sys/types.h>

#define CONNECTIONS_MAX 256

typedef struct ingest_options {
	size_t batch_bytes;
	unsigned connections, in_flight; /* in_flight: frames a connection may have unacknowledged */
	double seconds, warmup_seconds;
	uint64_t segment_bytes, memory_bytes;
	file_mode mode;
	unsigned prepared;
	bool verify;
	const char *folder;
} ingest_options;

/* ---- websocket.c: as much of RFC 6455 as a binary stream needs ---- */

/* A client frame's payload: partition u32 BE, then one batch. */
#define PAYLOAD_HEADER 4
#define FRAME_HEADER_MAX 14
#define ACCEPT_BYTES 28

/* Sec-WebSocket-Accept for a Sec-WebSocket-Key. */
void websocket_accept(const char *key, size_t key_length, char accept[ACCEPT_BYTES + 1]);

typedef struct frame {
	uint8_t opcode;
	bool final, masked;
	uint8_t mask[4];
	size_t header_bytes, payload_bytes;
} frame;

/* Parse a frame's header; false while `length` bytes do not hold all of it. */
bool frame_parse(const uint8_t *data, size_t length, frame *out);

/* Write a final binary frame's header; mask NULL as a server sends it. Returns its size. */
size_t frame_header(uint8_t *to, size_t payload_bytes, const uint8_t *mask);

/* XOR in place with the four-byte mask, starting at its first byte; also undoes itself. */
void frame_mask(uint8_t *payload, size_t length, const uint8_t mask[4]);

/* ---- committer.c: the queue, and the thread that empties it into LMDB ---- */

#define SLAB_BYTES (1u << 20)

/* A receive buffer that frames are parsed in and committed from without another copy.
 * `users` counts the connection that reads into it and each queued batch inside it. */
typedef struct slab {
	_Atomic unsigned users;
	struct slab *next_free;
	uint8_t data[SLAB_BYTES];
} slab;

typedef struct work {
	slab *home;
	uint8_t *batch;
	uint32_t batch_bytes, partition, connection;
} work;

typedef struct committer committer;

typedef struct committer_result {
	samples commits;             /* begin to durable, in ms */
	uint64_t batches;
	segments_statistics segments;
} committer_result;

/* `wake_fd` is an eventfd that gets written after each commit. */
committer *committer_start(const ingest_options *options, int wake_fd);

/* A free slab, or NULL while all are in use; a commit wakes whoever waits for one. */
slab *slab_take(committer *self);
void slab_release(committer *self, slab *done);

/* Hand batches over; the array is copied, each batch keeps one use of its slab. */
void committer_push(committer *self, const work *items, size_t count);

/* How many batches of a connection are durable by now. */
uint64_t committer_durable(const committer *self, uint32_t connection);

/* Commit what is queued, end the thread, close the segments. */
void committer_stop(committer *self, committer_result *result);

/* ---- server.c ---- */

/* Accept, read and acknowledge until every expected connection has come and gone. */
void server_run(int listener, const ingest_options *options, committer *store, int wake_fd);

/* ---- load.c: runs in a forked child ---- */

typedef struct load_result {
	bool complete;
	double batches_per_s, p50_ms, p99_ms, max_ms, cores;
} load_result;

load_result load_run(uint16_t port, const ingest_options *options);

#endif
