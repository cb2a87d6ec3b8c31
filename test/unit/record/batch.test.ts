/** The record batch against itself and against Kafka's format as another library writes and reads it. */
import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SluiceError } from '#kernel';
import {
  type Compression,
  encodeBatch,
  iterateBatches,
  iterateRecords,
  type RecordInput,
  rewriteBatch,
  stampBaseOffset,
  verifyBatch,
} from '#record';

const require = createRequire(import.meta.url);
const seed = Number(process.env['SLUICE_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
process.stderr.write(`record properties: SLUICE_SEED=${seed}\n`);

const bytes = fc.uint8Array({ maxLength: 300 });
const record = fc.record({
  key: fc.option(bytes),
  value: fc.option(bytes),
  headers: fc.array(fc.record({ key: fc.string({ maxLength: 12, unit: 'grapheme' }), value: fc.option(bytes) }), {
    maxLength: 3,
  }),
  timestamp: fc.integer({ min: 0, max: 4_000_000_000_000 }),
});
const records = fc.array(record, { minLength: 1, maxLength: 40 });
const compression = fc.constantFrom<Compression>('none', 'gzip', 'snappy');
const producer = fc.option(
  fc.record({
    id: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    epoch: fc.integer({ min: 0, max: 32767 }),
    sequence: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  }),
  { nil: undefined },
);

function plain(batch: Uint8Array): unknown[] {
  return Array.from(iterateRecords(batch), ({ key, value, headers, timestamp }) => ({
    key: key && Uint8Array.from(key),
    value: value && Uint8Array.from(value),
    headers: headers.map((header) => ({ key: header.key, value: header.value && Uint8Array.from(header.value) })),
    timestamp,
  }));
}

describe('a record batch', () => {
  it('gives back the records it was made of', () => {
    fc.assert(
      fc.property(records, compression, producer, (input, codec, stamp) => {
        const batch = encodeBatch(input, { compression: codec, ...(stamp === undefined ? {} : { producer: stamp }) });
        const header = verifyBatch(batch);
        expect(header.count).toBe(input.length);
        expect([header.producerId, header.producerEpoch, header.baseSequence]).toEqual(
          stamp === undefined ? [-1, -1, -1] : [stamp.id, stamp.epoch, stamp.sequence],
        );
        expect(header.maxTimestamp).toBe(Math.max(...input.map(({ timestamp }) => timestamp)));
        expect(plain(batch)).toEqual(input);
      }),
      { seed, numRuns: 300 },
    );
  });

  it('keeps offsets up to 2^53 through stamping, without touching the checksum', () => {
    fc.assert(
      fc.property(records, fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 100 }), (input, offset) => {
        const batch = encodeBatch(input);
        stampBaseOffset(batch, 0, offset);
        expect(verifyBatch(batch).baseOffset).toBe(offset);
        expect(Array.from(iterateRecords(batch), (r) => r.offset)).toEqual(input.map((_, i) => offset + i));
      }),
      { seed, numRuns: 100 },
    );
  });

  it('is refused when any covered bit is flipped', () => {
    fc.assert(
      fc.property(records, compression, fc.nat(), fc.integer({ min: 0, max: 7 }), (input, codec, place, bit) => {
        const batch = encodeBatch(input, { compression: codec });
        // The base offset and leader epoch are stamped by the log, which checks them against the place they are read from.
        const covered = [8, 9, 10, 11, ...Array.from({ length: batch.length - 16 }, (_, i) => i + 16)];
        const at = covered[place % covered.length] as number;
        batch[at] = (batch[at] as number) ^ (1 << bit);
        expect(() => verifyBatch(batch)).toThrow(SluiceError);
      }),
      { seed, numRuns: 500 },
    );
  });

  it('is refused when it is cut short anywhere', () => {
    const batch = encodeBatch([{ key: Buffer.from('k'), value: Buffer.from('value') }, { value: Buffer.alloc(40) }]);
    for (let length = 0; length < batch.length; length++) {
      expect(() => verifyBatch(batch.subarray(0, length)), `cut to ${length}`).toThrow(SluiceError);
    }
  });

  it('answers hostile bytes with a coded error, whatever they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), records, fc.nat(), (noise, input, place) => {
        const batch = encodeBatch(input);
        // Past the checksum on purpose: the walk itself must hold.
        const start = 61 + (place % (batch.length - 61));
        batch.set(noise.subarray(0, batch.length - start), start);
        try {
          for (const { at } of iterateBatches(batch)) for (const one of iterateRecords(batch, at)) void one;
        } catch (error) {
          expect(error).toBeInstanceOf(SluiceError);
        }
      }),
      { seed, numRuns: 500 },
    );
  });

  it('refuses a decompression bomb before it is unpacked', () => {
    const bomb = encodeBatch([{ value: new Uint8Array(65 * 1024 * 1024) }], { compression: 'gzip' });
    expect(() => [...iterateRecords(bomb)]).toThrow(expect.objectContaining({ code: 'BATCH_TOO_LARGE' }));
  });

  it('refuses what it does not support by code', () => {
    const batch = encodeBatch([{ value: Buffer.from('x') }]);
    batch[22] = 4;
    expect(() => verifyBatch(batch)).toThrow(expect.objectContaining({ code: 'BATCH_UNSUPPORTED' }));
    batch[22] = 0x10;
    expect(() => verifyBatch(batch)).toThrow(expect.objectContaining({ code: 'BATCH_UNSUPPORTED' }));
    batch[16] = 1;
    expect(() => verifyBatch(batch)).toThrow(expect.objectContaining({ code: 'BATCH_UNSUPPORTED' }));
  });

  it('keeps offsets and range when records are taken out', () => {
    const input: RecordInput[] = ['a', 'b', 'c', 'd'].map((key) => ({ key: Buffer.from(key), timestamp: 5 }));
    const batch = encodeBatch(input, { baseOffset: 10 });
    const rewritten = rewriteBatch(batch, 0, (one) => one.offset % 2 === 1) as Uint8Array;
    expect(Array.from(iterateRecords(rewritten), (one) => one.offset)).toEqual([11, 13]);
    expect([...iterateBatches(rewritten)][0]?.header).toMatchObject({ baseOffset: 10, lastOffsetDelta: 3, count: 2 });
    expect(rewriteBatch(batch, 0, () => false)).toBeNull();
  });
});

describe('Kafka interoperability (kafkajs)', () => {
  const encodeTheirBatch = require('kafkajs/src/protocol/recordBatch/v0').RecordBatch as (
    o: object,
  ) => Promise<{ buffer: Buffer }>;
  const theirRecord = require('kafkajs/src/protocol/recordBatch/record/v0') as (o: object) => object;
  const decodeTheirs = require('kafkajs/src/protocol/recordBatch/v0/decoder') as (
    d: object,
  ) => Promise<{ records: TheirRecord[] }>;
  const Decoder = require('kafkajs/src/protocol/decoder') as new (b: Buffer) => object;
  interface TheirRecord {
    offset: string;
    key: Buffer | null;
    value: Buffer | null;
    timestamp: string;
    headers: Record<string, Buffer>;
  }

  it.each([
    ['none', 0],
    ['gzip', 1],
  ] as const)('reads what kafkajs writes, %s', async (_, code) => {
    const { buffer } = await encodeTheirBatch({
      compression: code,
      firstTimestamp: 1000,
      maxTimestamp: 1003,
      producerId: 77,
      producerEpoch: 3,
      firstSequence: 12,
      lastOffsetDelta: 2,
      records: [
        theirRecord({ offsetDelta: 0, timestampDelta: 0, key: 'k1', value: 'v1', headers: { h: 'x' } }),
        theirRecord({ offsetDelta: 1, timestampDelta: 3, key: null, value: 'v2' }),
        theirRecord({ offsetDelta: 2, timestampDelta: 1, key: 'k3', value: null }),
      ],
    });
    const header = verifyBatch(buffer);
    expect(header).toMatchObject({ producerId: 77, producerEpoch: 3, baseSequence: 12, count: 3, maxTimestamp: 1003 });
    const text = (field: Uint8Array | null) => field && Buffer.from(field).toString();
    expect(
      Array.from(iterateRecords(buffer), (r) => [text(r.key), text(r.value), r.timestamp, r.headers.length]),
    ).toEqual([
      ['k1', 'v1', 1000, 1],
      [null, 'v2', 1003, 0],
      ['k3', null, 1001, 0],
    ]);
  });

  it.each(['none', 'gzip'] as const)('writes what kafkajs reads, %s', async (codec) => {
    const batch = encodeBatch(
      [
        {
          key: Buffer.from('k1'),
          value: Buffer.from('v1'),
          timestamp: 1000,
          headers: [{ key: 'h', value: Buffer.from('x') }],
        },
        { value: Buffer.alloc(300, 'y'), timestamp: 1200 },
        { key: Buffer.from('k3'), timestamp: 900 },
      ],
      { compression: codec, baseOffset: 5_000_000_000 },
    );
    const { records: theirs } = await decodeTheirs(new Decoder(Buffer.from(batch)));
    expect(theirs.map((r) => [r.offset, r.key?.toString(), r.value?.toString(), r.timestamp])).toEqual([
      ['5000000000', 'k1', 'v1', '1000'],
      ['5000000001', undefined, 'y'.repeat(300), '1200'],
      ['5000000002', 'k3', undefined, '900'],
    ]);
    expect(theirs[0]?.headers['h']?.toString()).toBe('x');
  });
});
