/*
 * batch.c - the unit both benches store: a record batch shaped like Kafka's (a 61-byte
 * header, then records of 100 payload bytes and 7 bytes of overhead).
 *
 * Promises: a batch is filled with as many whole records as fit and its remainder is
 * zeros; the CRC-32C covers everything from the header's byte 20 on; base offset and
 * segment can be stamped afterwards without touching the CRC; records hold pseudo-random
 * bytes, so nothing below can win by compressing or by finding duplicates.
 * Used by: the load generator, the append bench, the server's check and the read-back.
 */
#include "bench.h"

#include <endian.h>
#include <nmmintrin.h>
#include <string.h>

void put_u32_be(uint8_t *to, uint32_t value)
{
	value = htobe32(value);
	memcpy(to, &value, sizeof value);
}

void put_u64_be(uint8_t *to, uint64_t value)
{
	value = htobe64(value);
	memcpy(to, &value, sizeof value);
}

uint32_t get_u32_be(const uint8_t *from)
{
	uint32_t value;
	memcpy(&value, from, sizeof value);
	return be32toh(value);
}

uint64_t get_u64_be(const uint8_t *from)
{
	uint64_t value;
	memcpy(&value, from, sizeof value);
	return be64toh(value);
}

uint32_t crc32c(const uint8_t *data, size_t length)
{
	uint64_t crc = 0xffffffffu;
	for (; length >= 8; data += 8, length -= 8) {
		uint64_t word;
		memcpy(&word, data, sizeof word);
		crc = _mm_crc32_u64(crc, word);
	}
	for (; length; data++, length--)
		crc = _mm_crc32_u8((uint32_t)crc, *data);
	return ~(uint32_t)crc;
}

uint32_t batch_records_in(size_t batch_bytes)
{
	return (uint32_t)((batch_bytes - BATCH_HEADER) / (RECORD_BYTES + RECORD_OVERHEAD));
}

/* splitmix64: one multiply-xor chain a word is enough for bytes that do not repeat. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t value = (*state += 0x9e3779b97f4a7c15u);
	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
	value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
	return value ^ (value >> 31);
}

static void write_record(uint8_t *record, uint32_t index, uint64_t *random)
{
	/* Length as a two-byte varint, attributes, two-byte deltas of time and offset:
	 * seven bytes, what such a record spends when it has no key and no headers. */
	uint32_t length = RECORD_BYTES + RECORD_OVERHEAD - 2;
	record[0] = (uint8_t)(length | 0x80);
	record[1] = (uint8_t)(length >> 7);
	record[2] = 0;
	record[3] = (uint8_t)index;
	record[4] = (uint8_t)(index >> 8);
	record[5] = (uint8_t)index;
	record[6] = (uint8_t)(index >> 8);
	uint8_t *payload = record + RECORD_OVERHEAD;
	for (size_t at = 0; at < RECORD_BYTES; at += 4) {
		uint32_t word = (uint32_t)next_random(random);
		memcpy(payload + at, &word, sizeof word);
	}
}

void batch_build(uint8_t *batch, size_t batch_bytes, uint64_t seed)
{
	uint32_t records = batch_records_in(batch_bytes);
	uint64_t random = seed;
	memset(batch, 0, batch_bytes);
	put_u32_be(batch + 12, records);
	for (uint32_t index = 0; index < records; index++)
		write_record(batch + BATCH_HEADER + (size_t)index * (RECORD_BYTES + RECORD_OVERHEAD),
			index, &random);
	put_u32_be(batch + 16, crc32c(batch + BATCH_CRC_START, batch_bytes - BATCH_CRC_START));
}

bool batch_intact(const uint8_t *batch, size_t batch_bytes)
{
	return get_u32_be(batch + 16)
		== crc32c(batch + BATCH_CRC_START, batch_bytes - BATCH_CRC_START);
}

uint32_t batch_record_count(const uint8_t *batch)
{
	return get_u32_be(batch + 12);
}

uint64_t batch_base_offset(const uint8_t *batch)
{
	return get_u64_be(batch);
}

uint32_t batch_segment(const uint8_t *batch)
{
	return get_u32_be(batch + 8);
}

void batch_stamp(uint8_t *batch, uint64_t base_offset, uint32_t segment)
{
	put_u64_be(batch, base_offset);
	put_u32_be(batch + 8, segment);
}
