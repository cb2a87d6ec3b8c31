/*
 * websocket.c - as much of RFC 6455 as a one-way stream of binary frames needs: the
 * handshake's accept value, frame headers of all three lengths, masking.
 *
 * Promises: no allocation, no state; a header is only reported when it is whole; masking
 * runs eight bytes at a time, which the compiler turns into vector code.
 * Used by: server.c (parse, unmask) and load.c (build, mask once, before the clock).
 */
#include "ingest.h"

#include <string.h>

static uint32_t rotate(uint32_t value, unsigned bits)
{
	return value << bits | value >> (32 - bits);
}

static void sha1_block(uint32_t state[5], const uint8_t block[64])
{
	uint32_t word[80];
	for (unsigned at = 0; at < 16; at++)
		word[at] = get_u32_be(block + 4 * at);
	for (unsigned at = 16; at < 80; at++)
		word[at] = rotate(word[at - 3] ^ word[at - 8] ^ word[at - 14] ^ word[at - 16], 1);
	uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
	for (unsigned at = 0; at < 80; at++) {
		uint32_t mix, constant;
		if (at < 20) {
			mix = (b & c) | (~b & d);
			constant = 0x5a827999;
		} else if (at < 40) {
			mix = b ^ c ^ d;
			constant = 0x6ed9eba1;
		} else if (at < 60) {
			mix = (b & c) | (b & d) | (c & d);
			constant = 0x8f1bbcdc;
		} else {
			mix = b ^ c ^ d;
			constant = 0xca62c1d6;
		}
		uint32_t next = rotate(a, 5) + mix + e + constant + word[at];
		e = d;
		d = c;
		c = rotate(b, 30);
		b = a;
		a = next;
	}
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
	state[4] += e;
}

static void sha1(const uint8_t *data, size_t length, uint8_t digest[20])
{
	uint32_t state[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 };
	size_t left = length;
	for (; left >= 64; data += 64, left -= 64)
		sha1_block(state, data);
	/* The rest, a one bit, zeros, and the length in bits fill one or two last blocks. */
	uint8_t tail[128] = { 0 };
	size_t tail_bytes = left < 56 ? 64 : 128;
	memcpy(tail, data, left);
	tail[left] = 0x80;
	put_u64_be(tail + tail_bytes - 8, (uint64_t)length * 8);
	for (size_t at = 0; at < tail_bytes; at += 64)
		sha1_block(state, tail + at);
	for (unsigned at = 0; at < 5; at++)
		put_u32_be(digest + 4 * at, state[at]);
}

void websocket_accept(const char *key, size_t key_length, char accept[ACCEPT_BYTES + 1])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint8_t joined[128], digest[21] = { 0 };
	if (key_length + sizeof guid > sizeof joined)
		die("a Sec-WebSocket-Key of %zu bytes", key_length);
	memcpy(joined, key, key_length);
	memcpy(joined + key_length, guid, sizeof guid - 1);
	sha1(joined, key_length + sizeof guid - 1, digest);
	/* 20 bytes are seven groups of three with one zero byte to spare: one "=" at the end. */
	for (unsigned group = 0; group < 7; group++) {
		const uint8_t *from = digest + 3 * group;
		uint32_t bits = (uint32_t)from[0] << 16 | (uint32_t)from[1] << 8 | from[2];
		for (unsigned digit = 0; digit < 4; digit++)
			accept[4 * group + digit] = digits[bits >> (18 - 6 * digit) & 63];
	}
	accept[ACCEPT_BYTES - 1] = '=';
	accept[ACCEPT_BYTES] = 0;
}

bool frame_parse(const uint8_t *data, size_t length, frame *out)
{
	if (length < 2)
		return false;
	out->final = data[0] & 0x80;
	out->opcode = data[0] & 0x0f;
	out->masked = data[1] & 0x80;
	size_t short_length = data[1] & 0x7f;
	size_t extended = short_length == 126 ? 2 : short_length == 127 ? 8 : 0;
	out->header_bytes = 2 + extended + (out->masked ? 4 : 0);
	if (length < out->header_bytes)
		return false;
	if (extended == 2)
		out->payload_bytes = (size_t)data[2] << 8 | data[3];
	else
		out->payload_bytes = extended ? get_u64_be(data + 2) : short_length;
	if (out->masked)
		memcpy(out->mask, data + 2 + extended, 4);
	return true;
}

size_t frame_header(uint8_t *to, size_t payload_bytes, const uint8_t *mask)
{
	size_t at = 2;
	uint8_t mask_bit = mask ? 0x80 : 0;
	to[0] = 0x82;
	if (payload_bytes < 126) {
		to[1] = (uint8_t)(mask_bit | payload_bytes);
	} else if (payload_bytes < 65536) {
		to[1] = mask_bit | 126;
		to[2] = (uint8_t)(payload_bytes >> 8);
		to[3] = (uint8_t)payload_bytes;
		at = 4;
	} else {
		to[1] = mask_bit | 127;
		put_u64_be(to + 2, payload_bytes);
		at = 10;
	}
	if (mask) {
		memcpy(to + at, mask, 4);
		at += 4;
	}
	return at;
}

void frame_mask(uint8_t *payload, size_t length, const uint8_t mask[4])
{
	uint32_t four;
	memcpy(&four, mask, sizeof four);
	uint64_t eight = (uint64_t)four << 32 | four;
	size_t at = 0;
	for (; at + 8 <= length; at += 8) {
		uint64_t word;
		memcpy(&word, payload + at, sizeof word);
		word ^= eight;
		memcpy(payload + at, &word, sizeof word);
	}
	for (; at < length; at++)
		payload[at] ^= mask[at % 4];
}
