/*
 * server.c - the socket thread of the ingest bench: epoll, WebSocket upgrade, frames in
 * place, CRC check, hand-over to the committer, acknowledgements.
 *
 * Promises: reads a connection only while there is a slab to read into (a client that is
 * too fast is held back by TCP, not by memory); hands over only batches whose CRC is
 * right; sends an acknowledgement (a binary frame with the count of this connection's
 * batches that are durable, u64 BE) only after their commit; returns when all expected
 * connections have ended.
 * Run by: ingest.c in the parent process.
 */
#define _GNU_SOURCE
#include "ingest.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCHES_A_READ (SLAB_BYTES / BATCH_MIN + 1)
#define LISTENER CONNECTIONS_MAX
#define WAKE (CONNECTIONS_MAX + 1)

typedef struct connection {
	int fd;
	bool upgraded, waiting; /* waiting: for a slab, and out of the epoll set meanwhile */
	slab *slab;
	size_t used, parsed;    /* bytes received into the slab; of these, bytes done with */
	uint64_t acknowledged;
} connection;

typedef struct server {
	committer *store;
	int epoll;
	connection connections[CONNECTIONS_MAX];
	unsigned opened, ended;
	work found[BATCHES_A_READ];
} server;

static void watch(server *self, int operation, int fd, uint32_t events, uint32_t token)
{
	struct epoll_event event = { .events = events, .data.u32 = token };
	if (epoll_ctl(self->epoll, operation, fd, &event))
		die_errno("epoll_ctl");
}

static void accept_one(server *self, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
	if (fd < 0)
		die_errno("accept4");
	if (self->opened == CONNECTIONS_MAX)
		die("more than %d connections", CONNECTIONS_MAX);
	/* Acknowledgements are small and must not wait for one another. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	self->connections[self->opened] = (connection){ .fd = fd };
	watch(self, EPOLL_CTL_ADD, fd, EPOLLIN, self->opened++);
}

static void end_connection(server *self, connection *peer)
{
	close(peer->fd);
	peer->fd = -1;
	if (peer->slab)
		slab_release(self->store, peer->slab);
	self->ended++;
}

/* Room behind the bytes received: a first slab, the same one again where nobody else needs
 * it, or a new one that the incomplete frame's beginning is carried over to. */
static bool make_room(server *self, connection *peer)
{
	if (peer->slab && peer->parsed == peer->used && atomic_load(&peer->slab->users) == 1)
		peer->parsed = peer->used = 0;
	if (peer->slab && peer->used < SLAB_BYTES)
		return true;
	slab *fresh = slab_take(self->store);
	if (!fresh)
		return false;
	size_t carried = peer->used - peer->parsed;
	if (carried == SLAB_BYTES)
		die("a frame larger than a slab");
	if (peer->slab) {
		memcpy(fresh->data, peer->slab->data + peer->parsed, carried);
		slab_release(self->store, peer->slab);
	}
	peer->slab = fresh;
	peer->used = carried;
	peer->parsed = 0;
	return true;
}

static void upgrade(connection *peer)
{
	uint8_t *data = peer->slab->data;
	uint8_t *end = memmem(data, peer->used, "\r\n\r\n", 4);
	if (!end)
		return;
	*end = 0;
	static const char name[] = "\nSec-WebSocket-Key:";
	char *key = strcasestr((char *)data, name);
	if (!key)
		die("an upgrade request without Sec-WebSocket-Key");
	key += sizeof name - 1;
	key += strspn(key, " ");
	char accept[ACCEPT_BYTES + 1], answer[256];
	websocket_accept(key, strcspn(key, " \r\n"), accept);
	int length = snprintf(answer, sizeof answer,
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
		"Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
	if (send(peer->fd, answer, (size_t)length, 0) != length)
		die_errno("send of the upgrade");
	peer->parsed = (size_t)(end - data) + 4;
	peer->upgraded = true;
}

static void take_frames(server *self, uint32_t index)
{
	connection *peer = &self->connections[index];
	size_t count = 0;
	frame now;
	for (;;) {
		uint8_t *start = peer->slab->data + peer->parsed;
		size_t available = peer->used - peer->parsed;
		if (!frame_parse(start, available, &now))
			break;
		if (!now.final || !now.masked || now.opcode != 2
				|| now.payload_bytes < PAYLOAD_HEADER + BATCH_MIN
				|| now.payload_bytes > SLAB_BYTES - FRAME_HEADER_MAX)
			die("a frame that is no whole masked batch");
		if (available - now.header_bytes < now.payload_bytes)
			break;
		uint8_t *payload = start + now.header_bytes;
		frame_mask(payload, now.payload_bytes, now.mask);
		work item = {
			.home = peer->slab, .batch = payload + PAYLOAD_HEADER, .connection = index,
			.batch_bytes = (uint32_t)(now.payload_bytes - PAYLOAD_HEADER),
			.partition = get_u32_be(payload),
		};
		if (item.partition >= PARTITIONS || !batch_intact(item.batch, item.batch_bytes))
			die("a batch with a wrong partition or CRC");
		self->found[count++] = item;
		peer->parsed += now.header_bytes + now.payload_bytes;
	}
	if (!count)
		return;
	atomic_fetch_add(&peer->slab->users, (unsigned)count);
	committer_push(self->store, self->found, count);
}

static void read_some(server *self, uint32_t index)
{
	connection *peer = &self->connections[index];
	bool room = make_room(self, peer);
	/* Level-triggered readiness would spin while there is no slab: out of the set, and
	 * back in when a commit has released some. */
	if (room == peer->waiting) {
		peer->waiting = !room;
		watch(self, EPOLL_CTL_MOD, peer->fd, room ? EPOLLIN : 0, index);
	}
	if (!room)
		return;
	ssize_t got = recv(peer->fd, peer->slab->data + peer->used, SLAB_BYTES - peer->used, 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		end_connection(self, peer);
		return;
	}
	peer->used += (size_t)got;
	if (!peer->upgraded)
		upgrade(peer);
	if (peer->upgraded)
		take_frames(self, index);
}

static void after_commit(server *self, int wake_fd)
{
	uint64_t count;
	if (read(wake_fd, &count, sizeof count) < 0 && errno != EAGAIN)
		die_errno("read of the eventfd");
	for (uint32_t index = 0; index < self->opened; index++) {
		connection *peer = &self->connections[index];
		if (peer->fd < 0)
			continue;
		uint64_t durable = committer_durable(self->store, index);
		if (durable != peer->acknowledged) {
			uint8_t answer[FRAME_HEADER_MAX + sizeof durable];
			size_t length = frame_header(answer, sizeof durable, NULL);
			put_u64_be(answer + length, durable);
			length += sizeof durable;
			/* Ten bytes a commit, at most in_flight of them unread: that fits any
			 * socket buffer, so anything but a whole send means the peer is gone,
			 * which the next recv reports. */
			if (send(peer->fd, answer, length, 0) == (ssize_t)length)
				peer->acknowledged = durable;
		}
		if (peer->waiting)
			read_some(self, index);
	}
}

void server_run(int listener, const ingest_options *options, committer *store, int wake_fd)
{
	server *self = calloc(1, sizeof *self);
	if (!self || (self->epoll = epoll_create1(EPOLL_CLOEXEC)) < 0)
		die_errno("epoll_create1");
	self->store = store;
	watch(self, EPOLL_CTL_ADD, listener, EPOLLIN, LISTENER);
	watch(self, EPOLL_CTL_ADD, wake_fd, EPOLLIN, WAKE);
	struct epoll_event events[64];
	while (self->ended < options->connections && !bench_interrupted) {
		int count = epoll_wait(self->epoll, events, 64, 1000);
		if (count < 0 && errno != EINTR)
			die_errno("epoll_wait");
		for (int at = 0; at < count; at++) {
			uint32_t token = events[at].data.u32;
			if (token == LISTENER)
				accept_one(self, listener);
			else if (token == WAKE)
				after_commit(self, wake_fd);
			else
				read_some(self, token);
		}
	}
	for (uint32_t index = 0; index < self->opened; index++)
		if (self->connections[index].fd >= 0)
			end_connection(self, &self->connections[index]);
	close(self->epoll);
	free(self);
}
