/** Reading ahead behind few keys: little while their records go out, all the way once they do not. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { encodeUtf8, type Limits, Metrics, resolveLimits, systemClock } from '#kernel';
import { MemoryLog, type Partition } from '#log';
import { encodeBatch } from '#record';
import { DonePages } from '../../../../src/log/queue/done-pages.ts';
import { HandOut } from '../../../../src/log/queue/hand-out.ts';
import type { Held, Lane } from '../../../../src/log/queue/lane.ts';
import { QueueMember } from '../../../../src/log/queue/queue-member.ts';
import { queueMetrics } from '../../../../src/log/queue/queue-metrics.ts';
import { QueuePartition } from '../../../../src/log/queue/queue-partition.ts';

const BATCHES = 400;
const RECORDS = 300;
const KEYS = 3;

class Queue {
  readonly partition: QueuePartition;
  readonly member: QueueMember;
  readonly #handOut: HandOut;

  private constructor(partition: Partition, limits: Limits) {
    const listener = { writable: true, records: () => undefined, failed: () => undefined };
    const acts = {} as ConstructorParameters<typeof QueueMember>[2];
    this.member = new QueueMember('m', { topic: 't', permits: 1_000_000, startOf: () => 0, listener }, acts);
    this.#handOut = new HandOut({
      limits,
      metrics: queueMetrics(new Metrics(), 'g', 't'),
      partitions: () => [this.partition],
      members: () => [this.member],
      changed: () => undefined,
    });
    const ready = (lane: Lane) => this.#handOut.ready(lane);
    const { totals } = this.#handOut;
    const parts = { partition, pages: new DonePages(0), totals, ready, report: () => undefined };
    this.partition = new QueuePartition(parts, 0);
  }

  static async open(overrides: Partial<Limits> = {}): Promise<Queue> {
    const limits = resolveLimits(overrides);
    const log = new MemoryLog({ limits, clock: systemClock });
    onTestFinished(() => log.close());
    const partition = (await log.createTopic('t')).partitions[0] as Partition;
    const value = new Uint8Array(100);
    for (let i = 0; i < BATCHES; i++) {
      const batch = Array.from({ length: RECORDS }, (_, n) => ({ key: encodeUtf8(`k${n % KEYS}`), value }));
      await partition.append(encodeBatch(batch));
    }
    return new Queue(partition, limits);
  }

  turn(monotonic: number): number {
    return this.#handOut.turn(0, monotonic);
  }

  rested(): void {
    this.#handOut.rested();
  }

  /** All that is out is done. */
  acknowledge(): number {
    let done = 0;
    for (let held: Held | undefined = this.member.held.first; held !== undefined; held = this.member.held.first) {
      this.member.held.remove(held);
      this.partition.finish(held);
      done++;
    }
    return done;
  }
}

describe('a queue of few keys with much behind them', () => {
  it('is read a little further while records go out', async () => {
    const queue = await Queue.open();
    let done = 0;
    for (let round = 0; round < 1_000; round++) {
      // A turn waits, or has taken all its reads and says that there is more.
      expect(queue.turn(0)).toBeGreaterThan(0);
      done += queue.acknowledge();
    }
    expect(done).toBe(1_000 * KEYS);
    // What brought free keys, and one read that did not.
    expect(queue.partition.waiting + done).toBeLessThanOrEqual((Math.ceil(done / RECORDS) + 1) * RECORDS);
  });

  it('goes on when its pause is over, whatever the clock says', async () => {
    const queue = await Queue.open();
    queue.turn(0);
    const before = queue.partition.waiting;
    expect(queue.turn(0)).toBeLessThanOrEqual(10);
    queue.rested();
    queue.turn(0);
    expect(queue.partition.waiting).toBe(before + RECORDS);
  });

  it('is read to its end when nothing goes out', async () => {
    const queue = await Queue.open();
    queue.turn(0);
    for (let turns = 0; queue.turn(20) === 0; turns++) expect(turns).toBeLessThan(BATCHES);
    expect([queue.partition.waiting, queue.partition.atEnd]).toEqual([BATCHES * RECORDS - KEYS, true]);
  });

  it('gives every record once, within its memory, when what was read ahead had to be let go', async () => {
    const max = 200_000;
    const queue = await Queue.open({ queueWindowBytesMax: max });
    queue.turn(0);
    while (queue.turn(20) === 0);
    let done = queue.acknowledge();
    for (let turns = 1; done < BATCHES * RECORDS; turns++) {
      queue.turn(100 * turns);
      // The batches of one turn that records were read from by themselves, at most.
      expect(queue.partition.blocks.bytes).toBeLessThan(max + 512 * 1024);
      done += queue.acknowledge();
      expect(turns).toBeLessThan(BATCHES * RECORDS);
    }
    expect(queue.partition.pages.base).toBe(BATCHES * RECORDS);
  });
});
