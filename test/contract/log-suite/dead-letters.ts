/** Boxes of dead letters: looking, sending again, letting go, whatever order it is said in. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { encodeUtf8, ManualClock, resolveLimits, SluiceError } from '#kernel';
import { type DeadLetter, DeadLetterBox, deadLetterBatch, ensureDeadTopic, type Log } from '#log';
import { encodeBatch } from '#record';
import { batchOf, coded, type LogFixture, readAll, valuesOf } from './fixture.ts';

const limits = resolveLimits();
const clock = new ManualClock(1_700_000_000_000);

function boxOf(log: Log): DeadLetterBox {
  return new DeadLetterBox(log, { limits, clock });
}

function letter(n: number, more: Partial<DeadLetter> = {}): DeadLetter {
  return {
    topic: 't',
    partition: n % 2,
    offset: n,
    key: encodeUtf8(`k${n}`),
    value: encodeUtf8(`v${n}`),
    headers: [{ key: 'h', value: encodeUtf8(`${n}`) }],
    timestamp: 1_000 + n,
    source: `group:${n % 3}`,
    attempts: n,
    code: 'NACKED',
    message: 'no',
    at: 2_000 + n,
    ...more,
  };
}

export function describeDeadLetters(fixture: LogFixture): void {
  /** A log with the topic `t` of two partitions, and some dead letters of it. */
  async function withLetters(count: number, more: Partial<DeadLetter> = {}): Promise<Log> {
    const log = await fixture.open({ clock });
    await log.createTopic('t', { partitions: 2 });
    const dead = await ensureDeadTopic(log, 't');
    for (let n = 0; n < count; n++) await dead.append(deadLetterBatch(letter(n, more), limits));
    return log;
  }
  const ids = (box: DeadLetterBox, from = 0, limit = 100, source?: string) =>
    box.page('t', from, limit, { source }).letters.map(({ id }) => id);

  describe('a box of dead letters', () => {
    it('shows what is in it, page by page, by source, and each in full', async () => {
      const box = boxOf(await withLetters(7));
      expect(box.list()).toEqual([{ topic: 't', letters: 7 }]);
      const first = box.page('t', 0, 3);
      expect([first.letters.map(({ id }) => id), first.next]).toEqual([[0, 1, 2], 3]);
      expect([ids(box, 5), box.page('t', 5, 3).next]).toEqual([[5, 6], null]);
      expect(ids(box, 0, 100, 'group:1')).toEqual([1, 4]);
      expect(box.show('t', 4)).toEqual({
        ...letter(4),
        id: 4,
        omitted: false,
        key: expect.anything(),
        value: expect.anything(),
        headers: [{ key: 'h', value: expect.anything() }],
      });
      expect(Buffer.from(box.show('t', 4).value ?? []).toString()).toBe('v4');
      for (const [topic, id] of [
        ['t', 7],
        ['none', 0],
      ] as const) {
        expect(() => box.show(topic, id)).toThrow(coded('DEAD_LETTER_UNKNOWN') as Error);
      }
      expect(box.page('none', 0, 10)).toEqual({ letters: [], next: null });
    });

    it('sends records again where they came from, once, all of those named or none', async () => {
      const log = await withLetters(6);
      const box = boxOf(log);
      expect(await box.retry('t', [4, 2, 3, 2])).toEqual([
        { id: 2, partition: 0, offset: 0 },
        { id: 3, partition: 1, offset: 0 },
        { id: 4, partition: 0, offset: 1 },
      ]);
      expect(readAll(log.partition('t', 0))).toEqual([
        { offset: 0, timestamp: 1_002, key: 'k2', value: 'v2' },
        { offset: 1, timestamp: 1_004, key: 'k4', value: 'v4' },
      ]);
      expect([ids(box), box.list()]).toEqual([[0, 1, 5], [{ topic: 't', letters: 3 }]]);
      await expect(box.retry('t', [5, 4])).rejects.toEqual(coded('DEAD_LETTER_UNKNOWN', { offset: 4 }));
      const twice = await Promise.allSettled([box.retry('t', [5]), box.retry('t', [5])]);
      expect(twice.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
      expect(valuesOf(log.partition('t', 1))).toEqual(['v3', 'v5']);
    });

    it('lets letters go, forgets what is done from the beginning on, and remembers the rest', async () => {
      let log = await withLetters(10);
      let box = boxOf(log);
      await box.drop('t', [7, 0, 1]);
      expect(log.partition('sys.dead.t', 0).start).toBe(2);
      await expect(box.drop('t', [2, 7])).rejects.toEqual(coded('DEAD_LETTER_UNKNOWN', { offset: 7 }));
      if (fixture.reopen !== undefined) log = await fixture.reopen(log);
      box = boxOf(log);
      expect(ids(box)).toEqual([2, 3, 4, 5, 6, 8, 9]);
      expect(await box.dropAll('t', { source: 'group:2' })).toBe(3);
      expect(ids(box)).toEqual([3, 4, 6, 9]);
      expect(await box.dropAll('t')).toBe(4);
      expect([box.list(), log.partition('sys.dead.t', 0).start]).toEqual([[], 10]);
      expect(await box.dropAll('none')).toBe(0);
    });

    it('sends everything again that is there, of one source or of all, in order', async () => {
      const log = await withLetters(150, { partition: 0 });
      const box = boxOf(log);
      expect(await box.retryAll('t', { source: 'group:1' })).toBe(50);
      expect(await box.retryAll('t')).toBe(100);
      expect(await box.retryAll('t')).toBe(0);
      const all = Array.from({ length: 150 }, (_, n) => n);
      const order = [...all.filter((n) => n % 3 === 1), ...all.filter((n) => n % 3 !== 1)];
      expect(valuesOf(log.partition('t', 0))).toEqual(order.map((n) => `v${n}`));
    });

    it('drops what is no letter only with everything', async () => {
      const log = await withLetters(1);
      await log.partition('sys.dead.t', 0).append(batchOf(['stray']));
      const box = boxOf(log);
      expect([box.list(), ids(box)]).toEqual([[{ topic: 't', letters: 2 }], [0]]);
      expect(() => box.show('t', 1)).toThrow(coded('DEAD_LETTER_UNKNOWN') as Error);
      expect(await box.retryAll('t')).toBe(1);
      expect(await box.dropAll('t')).toBe(1);
      expect(box.list()).toEqual([]);
    });

    it('keeps a letter whose record cannot be sent', async () => {
      const log = await withLetters(2);
      const box = boxOf(log);
      await log.deleteTopic('t');
      await expect(box.retry('t', [0])).rejects.toEqual(coded('TOPIC_UNKNOWN'));
      await log.createTopic('t', { partitions: 1 });
      await box.retry('t', [1]);
      expect([ids(box), valuesOf(log.partition('t', 0))]).toEqual([[0], ['v1']]);
    });

    it.skipIf(fixture.failCommits === undefined)('knows a letter again whose commit failed', async () => {
      const log = await withLetters(3);
      const box = boxOf(log);
      fixture.failCommits?.(log, new SluiceError('DISK_FULL'));
      await expect(box.retry('t', [0])).rejects.toEqual(coded('DISK_FULL'));
      await expect(box.dropAll('t')).rejects.toEqual(coded('DISK_FULL'));
      fixture.failCommits?.(log, undefined);
      expect([ids(box), box.list()]).toEqual([[0, 1, 2], [{ topic: 't', letters: 3 }]]);
      expect(await box.retryAll('t')).toBe(3);
      expect([...valuesOf(log.partition('t', 0)), ...valuesOf(log.partition('t', 1))]).toEqual(['v0', 'v2', 'v1']);
    });

    it('knows for good that a letter is done, also where it could not be trimmed away', async () => {
      const log = await withLetters(3);
      const dead = log.partition('sys.dead.t', 0);
      dead.trim = () => Promise.reject(new SluiceError('DISK_FULL'));
      expect(await boxOf(log).retryAll('t')).toBe(3);
      expect([dead.start, ids(boxOf(log)), boxOf(log).list()]).toEqual([0, [], []]);
      const opened = fixture.reopen === undefined ? log : await fixture.reopen(log);
      expect(await boxOf(opened).retryAll('t')).toBe(0);
      await opened.partition('sys.dead.t', 0).append(deadLetterBatch(letter(3), limits));
      await boxOf(opened).dropAll('t');
      expect(ids(boxOf(opened))).toEqual([]);
      if (fixture.reopen !== undefined) expect(opened.partition('sys.dead.t', 0).start).toBe(4);
    });

    it('sends a record with its own time, or with the present where retention would take it at once', async () => {
      const log = await withLetters(1);
      await log.updateTopic('t', { retentionMs: 60_000 });
      const box = boxOf(log);
      const dead = log.partition('sys.dead.t', 0);
      await dead.append(deadLetterBatch(letter(2, { timestamp: clock.now() - 1_000 }), limits));
      await box.retryAll('t');
      const times = readAll(log.partition('t', 0)).map(({ timestamp }) => timestamp);
      expect(times).toEqual([clock.now(), clock.now() - 1_000]);
    });

    it('reads a record that was too large to be kept with it at its place, as long as that is there', async () => {
      const log = await fixture.open({ clock });
      await log.createTopic('t');
      const value = randomBytes(limits.batchBytesMax - 200);
      const partition = log.partition('t', 0);
      await partition.append(encodeBatch([{ value, timestamp: 7 }]));
      const dead = await ensureDeadTopic(log, 't');
      const large = letter(0, { partition: 0, value });
      for (let i = 0; i < 2; i++) await dead.append(deadLetterBatch(large, limits));
      const box = boxOf(log);
      expect(box.show('t', 0)).toMatchObject({ omitted: true, value: null });
      await box.retry('t', [0]);
      const chunk = partition.cursor(1).next(1);
      expect(chunk?.bytes.length).toBeGreaterThan(value.length);
      await partition.trim(1);
      await expect(box.retry('t', [1])).rejects.toEqual(coded('OFFSET_TRIMMED'));
      expect(ids(box)).toEqual([1]);
    });
  });
}
