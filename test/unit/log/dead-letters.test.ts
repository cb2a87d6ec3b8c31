/** Dead letters: nothing of the record is lost on the way there and back, and it always fits. */
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeUtf8, resolveLimits, systemClock } from '#kernel';
import { withSeed } from '#kit';
import {
  type DeadLetter,
  deadLetterBatch,
  deadLetterRecord,
  deadTopicName,
  ensureDeadTopic,
  MemoryLog,
  readDeadLetter,
  topicOfDead,
  valueOmitted,
} from '#log';
import { encodeBatch, iterateRecords, type LogRecord } from '#record';

const limits = resolveLimits();
const letter: DeadLetter = {
  topic: 'orders',
  partition: 3,
  offset: 2 ** 40,
  key: encodeUtf8('k'),
  value: encodeUtf8('v'),
  headers: [{ key: 'h', value: null }],
  timestamp: 5,
  source: 'group:billing',
  attempts: 7,
  code: 'NACKED',
  message: 'no',
  at: 1_700_000_000_000,
};

function only(batch: Uint8Array): LogRecord {
  return [...iterateRecords(batch)][0] as LogRecord;
}

describe('a dead letter', () => {
  it('is read as it was written, whatever it holds', () => {
    const bytes = fc.option(fc.uint8Array({ maxLength: 40 }));
    const headers = fc.array(fc.record({ key: fc.constantFrom('h', 'sluice-dead-topic', ''), value: bytes }));
    const number = fc.nat();
    const dead = fc.record(
      {
        topic: fc.string({ unit: 'grapheme' }),
        partition: number,
        offset: fc.maxSafeNat(),
        key: bytes,
        value: bytes,
        headers,
        timestamp: number,
        source: fc.string(),
        attempts: number,
        code: fc.string({ maxLength: 100 }),
        message: fc.string({ unit: 'grapheme', maxLength: 100 }),
        stack: fc.string(),
        at: number,
      },
      {
        requiredKeys: [
          'topic',
          'partition',
          'offset',
          'key',
          'value',
          'headers',
          'timestamp',
          'source',
          'attempts',
          'code',
          'message',
          'at',
        ],
      },
    );
    fc.assert(
      fc.property(dead, (one) => {
        expect(readDeadLetter(only(encodeBatch([deadLetterRecord(one as DeadLetter)])))).toEqual(one);
      }),
      withSeed(),
    );
  });

  it('of a dead letter carries both sets of facts, and tells the later', () => {
    const first = only(encodeBatch([deadLetterRecord(letter)]));
    const again = { ...letter, topic: 'sys.dead.orders', headers: first.headers };
    expect(readDeadLetter(only(encodeBatch([deadLetterRecord(again)])))).toEqual(again);
  });

  it('has a message and a stack of bounded length, cut between characters', () => {
    const record = deadLetterRecord({ ...letter, message: 'ü'.repeat(5_000), stack: '😀'.repeat(5_000) });
    const read = readDeadLetter(only(encodeBatch([record])));
    expect(read?.message).toMatch(/^ü{1000,}…$/);
    expect(read?.stack).toMatch(/^(😀)+…$/u);
    expect(encodeUtf8(read?.message ?? '').length).toBeLessThanOrEqual(2_048);
    expect(encodeUtf8(read?.stack ?? '').length).toBeLessThanOrEqual(8_192);
  });

  it.each([
    ['as it is', Buffer.from('v'), 'v'],
    ['compressed', Buffer.alloc(limits.batchBytesMax, 'x'), 'x'.repeat(limits.batchBytesMax)],
  ])('fits a batch, %s', (_, value, text) => {
    const batch = deadLetterBatch({ ...letter, value }, limits);
    expect(batch.length).toBeLessThanOrEqual(limits.batchBytesMax);
    expect(valueOmitted(only(batch))).toBe(false);
    expect(Buffer.from(readDeadLetter(only(batch))?.value ?? []).toString() === text).toBe(true);
  });

  it('gives up a value that nothing makes fit, and says so', () => {
    const batch = deadLetterBatch({ ...letter, value: randomBytes(limits.batchBytesMax - 100), stack: 's' }, limits);
    expect(batch.length).toBeLessThanOrEqual(limits.batchBytesMax);
    expect(valueOmitted(only(batch))).toBe(true);
    expect(readDeadLetter(only(batch))).toEqual({ ...letter, key: Buffer.from('k'), value: null });
    const large = deadLetterBatch({ ...letter, key: randomBytes(limits.batchBytesMax - 100) }, limits);
    expect(large.length).toBeLessThanOrEqual(limits.batchBytesMax);
    expect(readDeadLetter(only(large))).toMatchObject({ key: null, value: null, headers: [], offset: letter.offset });
  });

  it('is not read from a record that is none', () => {
    const plain = only(encodeBatch([{ value: encodeUtf8('v') }]));
    const half = only(encodeBatch([{ headers: [{ key: 'sluice-dead-topic', value: encodeUtf8('t') }] }]));
    expect([readDeadLetter(plain), readDeadLetter(half), valueOmitted(plain)]).toEqual([undefined, undefined, false]);
  });
});

describe('a topic of dead letters', () => {
  it('is named after the topic, also where that name is as long as can be', () => {
    expect([deadTopicName('orders'), topicOfDead('sys.dead.orders'), topicOfDead('orders')]).toEqual([
      'sys.dead.orders',
      'orders',
      undefined,
    ]);
    const names = ['a', 'b'].map((last) => deadTopicName('x'.repeat(248) + last));
    expect(names.map((name) => name.length)).toEqual([249, 249]);
    expect(names[0]).not.toBe(names[1]);
    expect(deadTopicName(topicOfDead(names[0] as string) as string)).toBe(names[0]);
  });

  it('is made once, however many need it at the same time', async () => {
    const log = new MemoryLog({ limits, clock: systemClock });
    const partitions = await Promise.all([ensureDeadTopic(log, 't'), ensureDeadTopic(log, 't')]);
    expect(partitions[0]).toBe(partitions[1]);
    expect(await ensureDeadTopic(log, 't')).toBe(log.partition('sys.dead.t', 0));
    expect(log.topics()).toHaveLength(1);
    await log.close();
  });
});
