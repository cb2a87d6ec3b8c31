/** The cursor sees what `iterateRecords` sees, and pieces put together are what records put together are. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SluiceError } from '#kernel';
import { withSeed } from '#kit';
import {
  BatchBuilder,
  encodeBatch,
  iterateRecords,
  RecordCursor,
  readHeaders,
  stampBaseOffset,
  verifyBatch,
} from '#record';

const bytes = fc.uint8Array({ maxLength: 200 });
const records = fc.array(
  fc.record({
    key: fc.option(bytes),
    value: fc.option(bytes),
    headers: fc.array(fc.record({ key: fc.string({ maxLength: 9 }), value: fc.option(bytes) }), { maxLength: 3 }),
    timestamp: fc.integer({ min: 0, max: 4_000_000_000_000 }),
  }),
  { minLength: 1, maxLength: 30 },
);
const compression = fc.constantFrom('none' as const, 'gzip' as const, 'snappy' as const);
const own = (view: Uint8Array | null) => view && Uint8Array.from(view);

function walk(batch: Uint8Array, at: number): unknown[] {
  const cursor = new RecordCursor();
  cursor.open(batch, at);
  const found: unknown[] = [];
  const piece = (from: number, length: number) =>
    length < 0 ? null : Uint8Array.from(cursor.bytes.subarray(from, from + length));
  while (cursor.next()) {
    found.push({
      offset: cursor.offset,
      timestamp: cursor.timestamp,
      key: piece(cursor.keyAt, cursor.keyLength),
      value: piece(cursor.valueAt, cursor.valueLength),
      headers: readHeaders(cursor.bytes, cursor.headersAt, cursor.headersEnd).map(({ key, value }) => ({
        key,
        value: own(value),
      })),
    });
  }
  return found;
}

function expected(batch: Uint8Array): unknown[] {
  return Array.from(iterateRecords(batch), ({ offset, timestamp, key, value, headers }) => ({
    offset,
    timestamp,
    key: own(key),
    value: own(value),
    headers: headers.map((header) => ({ key: header.key, value: own(header.value) })),
  }));
}

describe('a record cursor', () => {
  it('finds every record where it is', () => {
    fc.assert(
      fc.property(records, compression, fc.nat({ max: 20 }), (list, codec, before) => {
        const batch = encodeBatch(list, { compression: codec }).slice();
        stampBaseOffset(batch, 0, 2 ** 40);
        expect(walk(Buffer.concat([new Uint8Array(before), batch]), before)).toEqual(expected(batch));
      }),
      withSeed({ numRuns: 300 }),
    );
  });

  it('is stopped, by an error with a code, wherever bytes are not as they should be', () => {
    fc.assert(
      fc.property(
        records,
        fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 }),
        (list, flips) => {
          const batch = encodeBatch(list).slice();
          for (const [at, byte] of flips) batch[61 + (at % (batch.length - 61))] = byte;
          try {
            walk(batch, 0);
          } catch (error) {
            expect(error).toBeInstanceOf(SluiceError);
          }
        },
      ),
      withSeed({ numRuns: 500 }),
    );
  });
});

describe('pieces of a batch', () => {
  it('make the same bytes as the records they are of', () => {
    fc.assert(
      fc.property(records, (list) => {
        const batch = encodeBatch(list).slice();
        const cursor = new RecordCursor();
        cursor.open(batch, 0);
        const builder = new BatchBuilder(64);
        while (cursor.next()) {
          const { bytes: from, keyAt, keyLength, valueAt, valueLength, headersAt, headersEnd, timestamp } = cursor;
          const headers = headersEnd - headersAt > 1 ? from : null;
          builder.addPieces(
            from,
            keyAt,
            keyLength,
            from,
            valueAt,
            valueLength,
            headers,
            headersAt,
            headersEnd,
            timestamp,
          );
        }
        const copy = builder.finish();
        expect(verifyBatch(copy).count).toBe(list.length);
        expect(Buffer.from(copy).equals(batch)).toBe(true);
      }),
      withSeed({ numRuns: 300 }),
    );
  });
});
