/*
 * load.c - the load generator of the ingest bench: one process, K connections, W frames in
 * flight on each, every frame encoded and masked before the clock starts.
 *
 * Promises: sending costs it no more than the copy into the socket; a batch's latency runs
 * from the moment its first byte is offered to the socket until its acknowledgement is
 * read; what is counted are acknowledgements that arrive inside the measured time; it ends
 * when that is over, whether the server keeps up or not.
 * Run by: ingest.c in a forked child.
 */
#define _GNU_SOURCE
#include "ingest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* All connections send the same ring of frames, small enough to stay in the cache, so that
 * the generator takes as little as possible of the memory bandwidth the server needs. */
#define RING_BYTES (1u << 20)

typedef struct sender {
	int fd;
	uint64_t sent_bytes, acknowledged;
	uint64_t *started; /* by frame number modulo in_flight */
	uint8_t partial[FRAME_HEADER_MAX + 8];
	size_t partial_bytes;
} sender;

typedef struct load {
	const ingest_options *options;
	int epoll;
	uint8_t *ring;
	size_t frame_bytes, ring_bytes;
	sender senders[CONNECTIONS_MAX];
	uint64_t measure_from, measure_until;
	uint64_t counted;
	samples latencies;
	bool broken;
} load;

static void build_ring(load *self)
{
	size_t batch_bytes = self->options->batch_bytes;
	size_t payload_bytes = PAYLOAD_HEADER + batch_bytes;
	uint8_t header[FRAME_HEADER_MAX], mask[4] = { 0x5a, 0xc3, 0x96, 0x0f };
	self->frame_bytes = frame_header(header, payload_bytes, mask) + payload_bytes;
	/* A whole number of turns through the partitions, at least one. */
	size_t turns = RING_BYTES / (self->frame_bytes * PARTITIONS);
	size_t frames = (turns ? turns : 1) * PARTITIONS;
	self->ring_bytes = frames * self->frame_bytes;
	self->ring = malloc(self->ring_bytes);
	if (!self->ring)
		die("out of memory for the frames");
	for (size_t index = 0; index < frames; index++) {
		uint8_t *at = self->ring + index * self->frame_bytes;
		for (size_t byte = 0; byte < sizeof mask; byte++)
			mask[byte] = (uint8_t)(mask[byte] * 29 + index + byte);
		at += frame_header(at, payload_bytes, mask);
		put_u32_be(at, (uint32_t)(index % PARTITIONS));
		batch_build(at + PAYLOAD_HEADER, batch_bytes, index + 1);
		frame_mask(at, payload_bytes, mask);
	}
}

static int connect_and_upgrade(uint16_t port)
{
	static const char key[] = "bmF0aXZlLWJlbmNoLWtleQ==";
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address))
		die_errno("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	char request[256], answer[512], expected[ACCEPT_BYTES + 1];
	int length = snprintf(request, sizeof request,
		"GET / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUpgrade: websocket\r\n"
		"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		"Sec-WebSocket-Key: %s\r\n\r\n", port, key);
	if (send(fd, request, (size_t)length, 0) != length)
		die_errno("send of the upgrade request");
	/* The server sends nothing behind its answer before it has got a batch. */
	size_t used = 0;
	do {
		ssize_t got = recv(fd, answer + used, sizeof answer - 1 - used, 0);
		if (got <= 0)
			die("the server closed the connection during the upgrade");
		used += (size_t)got;
		answer[used] = 0;
	} while (!strstr(answer, "\r\n\r\n"));
	websocket_accept(key, sizeof key - 1, expected);
	if (strncmp(answer, "HTTP/1.1 101 ", 13) || !strstr(answer, expected))
		die("the server did not upgrade: %s", answer);
	return fd;
}

static void send_some(load *self, sender *peer)
{
	unsigned window = self->options->in_flight;
	for (;;) {
		uint64_t limit = (peer->acknowledged + window) * self->frame_bytes;
		if (peer->sent_bytes >= limit)
			return;
		size_t at = peer->sent_bytes % self->ring_bytes;
		size_t length = self->ring_bytes - at;
		if (length > limit - peer->sent_bytes)
			length = limit - peer->sent_bytes;
		uint64_t now = now_ns();
		ssize_t sent = send(peer->fd, self->ring + at, length, MSG_DONTWAIT);
		if (sent < 0) {
			if (errno != EAGAIN && errno != EINTR)
				self->broken = true;
			return;
		}
		uint64_t first = (peer->sent_bytes + self->frame_bytes - 1) / self->frame_bytes;
		peer->sent_bytes += (uint64_t)sent;
		for (uint64_t frame = first; frame * self->frame_bytes < peer->sent_bytes; frame++)
			peer->started[frame % window] = now;
	}
}

static void count_acknowledged(load *self, sender *peer, uint64_t durable)
{
	uint64_t now = now_ns();
	bool measured = now >= self->measure_from && now < self->measure_until;
	if (durable * self->frame_bytes > peer->sent_bytes || durable < peer->acknowledged)
		die("the server acknowledged batches that were not sent");
	for (; peer->acknowledged < durable; peer->acknowledged++) {
		if (!measured)
			continue;
		uint64_t started = peer->started[peer->acknowledged % self->options->in_flight];
		samples_add(&self->latencies, (double)(now - started) / 1e6);
		self->counted++;
	}
}

static void read_acknowledgements(load *self, sender *peer)
{
	uint8_t data[4096];
	for (;;) {
		memcpy(data, peer->partial, peer->partial_bytes);
		ssize_t got = recv(peer->fd, data + peer->partial_bytes,
			sizeof data - peer->partial_bytes, MSG_DONTWAIT);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (got <= 0) {
			self->broken = true;
			return;
		}
		size_t used = peer->partial_bytes + (size_t)got, at = 0;
		frame now;
		while (frame_parse(data + at, used - at, &now)
				&& used - at - now.header_bytes >= now.payload_bytes) {
			if (now.opcode != 2 || now.payload_bytes != 8)
				die("an acknowledgement of an unknown form");
			count_acknowledged(self, peer, get_u64_be(data + at + now.header_bytes));
			at += now.header_bytes + now.payload_bytes;
		}
		peer->partial_bytes = used - at;
		memcpy(peer->partial, data + at, peer->partial_bytes);
	}
}

load_result load_run(uint16_t port, const ingest_options *options)
{
	load *self = calloc(1, sizeof *self);
	if (!self || (self->epoll = epoll_create1(EPOLL_CLOEXEC)) < 0)
		die_errno("epoll_create1");
	self->options = options;
	build_ring(self);
	for (uint32_t index = 0; index < options->connections; index++) {
		sender *peer = &self->senders[index];
		peer->fd = connect_and_upgrade(port);
		peer->started = calloc(options->in_flight, sizeof *peer->started);
		/* Edge-triggered, because a window that is full is no reason to wake up. */
		struct epoll_event event = {
			.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.u32 = index,
		};
		if (!peer->started || epoll_ctl(self->epoll, EPOLL_CTL_ADD, peer->fd, &event))
			die_errno("epoll_ctl");
	}
	uint64_t start = now_ns();
	double cpu = cpu_seconds();
	self->measure_from = start + (uint64_t)(options->warmup_seconds * 1e9);
	self->measure_until = self->measure_from + (uint64_t)(options->seconds * 1e9);
	struct epoll_event events[CONNECTIONS_MAX];
	uint64_t now;
	while ((now = now_ns()) < self->measure_until && !bench_interrupted && !self->broken) {
		int wait_ms = (int)((self->measure_until - now) / 1000000 + 1);
		int count = epoll_wait(self->epoll, events, CONNECTIONS_MAX, wait_ms);
		for (int at = 0; at < count; at++) {
			sender *peer = &self->senders[events[at].data.u32];
			read_acknowledgements(self, peer);
			send_some(self, peer);
		}
	}
	double wall = (double)(now - start) / 1e9;
	load_result result = {
		.complete = now >= self->measure_until,
		.batches_per_s = (double)self->counted / options->seconds,
		.p50_ms = samples_percentile(&self->latencies, 50),
		.p99_ms = samples_percentile(&self->latencies, 99),
		.max_ms = samples_percentile(&self->latencies, 100),
		.cores = (cpu_seconds() - cpu) / wall,
	};
	for (uint32_t index = 0; index < options->connections; index++)
		close(self->senders[index].fd);
	return result;
}
