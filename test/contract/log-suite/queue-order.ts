/**
 * Queues under everything at once: members that come, leave and are lost, acknowledge, refuse, extend or say nothing,
 * clocks that move, appends, crashes. At every hand-out the record must be the oldest of its key that is not done, and
 * out nowhere else; in the end each is done exactly once. SLUICE_SEED, printed at the start, repeats a run.
 */
import { describe, expect, it } from 'vitest';
import { seed, seededRandom, waitFor } from '#kit';
import type { LogFixture } from './fixture.ts';
import { type Handed, pass, QueueScene, settled, type Worker } from './queue-workers.ts';
import { deadLetters } from './queues.ts';

const STEPS = 400;
const KEYS = 6;
const PARTITIONS = 2;
const MAX_ATTEMPTS = 4;
/** Small batches in small segments, little memory: what was read ahead is often read again. */
const LIMITS = { batchBytesMax: 4_096, recordBytesMax: 4_000, segmentBytes: 16_384, queueWindowBytesMax: 2_000 };

interface Out {
  readonly worker: Worker;
  readonly handed: Handed;
}

class Run {
  readonly queue: QueueScene;
  readonly random: () => number;
  readonly workers: Worker[] = [];
  /** `partition/offset` → with whom it is, as far as the test knows. */
  readonly out = new Map<string, Out>();
  /** Acknowledged at some time. */
  readonly done = new Set<string>();
  /** Acknowledged since the last crash. */
  readonly said = new Set<string>();
  /** Acknowledged, and known to be durable. */
  readonly durable = new Set<string>();
  /** Of a partition and key, the furthest offset handed out since the last crash. */
  readonly furthest = new Map<string, number>();
  /** Partition → records in it. */
  readonly appended = new Map<number, number>();
  /** What must not be. */
  readonly problems: string[] = [];
  handedOut = 0;

  constructor(queue: QueueScene, random: () => number) {
    this.queue = queue;
    this.random = random;
  }

  below(end: number): number {
    return Math.floor(this.random() * end);
  }

  join(): Worker {
    const worker = this.queue.join({
      permits: 1 + this.below(30),
      maxAttempts: MAX_ATTEMPTS,
      visibilityMs: 500 + this.below(2_000),
      backoffMs: 100,
      backoffMaxMs: 1_000,
    });
    worker.react = (handed) => this.take(worker, handed);
    this.workers.push(worker);
    return worker;
  }

  take(worker: Worker, handed: Handed): void {
    const { partition, offset, key } = handed;
    const place = `${partition}/${offset}`;
    this.handedOut++;
    const before = this.out.get(place);
    if (before !== undefined && before.handed.attempt >= handed.attempt) this.problems.push(`${place} is out twice`);
    if (this.durable.has(place)) this.problems.push(`${place} was done and came again`);
    if (key !== null) {
      const lane = `${partition}/${key}`;
      const furthest = this.furthest.get(lane) ?? -1;
      if (furthest > offset) this.problems.push(`${place} came after ${furthest} of its key ${key}`);
      if (furthest < offset && furthest >= 0 && !this.isDone(`${partition}/${furthest}`)) {
        this.problems.push(`${place} came while ${furthest} of its key ${key} was not done`);
      }
      this.furthest.set(lane, Math.max(furthest, offset));
    }
    this.out.set(place, { worker, handed });
  }

  isDone(place: string): boolean {
    return this.done.has(place) || this.dead().has(place);
  }

  dead(): Set<string> {
    if (this.queue.log.findTopic('sys.dead.t') === undefined) return new Set();
    return new Set(deadLetters(this.queue).map(({ partition, offset }) => `${partition}/${offset}`));
  }

  async append(): Promise<void> {
    const partition = this.below(PARTITIONS);
    const texts = Array.from({ length: 1 + this.below(5) }, () =>
      this.random() < 0.15 ? 'none' : `k${this.below(KEYS)}:some`,
    );
    this.appended.set(partition, (this.appended.get(partition) ?? 0) + texts.length);
    await this.queue.append(texts, partition);
  }

  /** Says something about a record that some member has, or had. */
  react(): void {
    const all = [...this.out];
    const chosen = all[this.below(all.length)];
    if (chosen === undefined) return;
    const [place, { worker, handed }] = chosen;
    const { partition, offset } = handed;
    const dice = this.random();
    try {
      if (dice < 0.6) {
        worker.member.ack(partition, offset);
        this.done.add(place);
        this.said.add(place);
        this.out.delete(place);
      } else if (dice < 0.8)
        worker.member.nack(partition, offset, this.random() < 0.3 ? { delayMs: this.below(900) } : {});
      else if (dice < 0.85) worker.member.extend(partition, offset);
      else worker.member.permit(this.below(10));
    } catch (error) {
      // It has come back and is with someone else; that one is noted.
      expect(error).toMatchObject({ code: 'MEMBER_FENCED' });
    }
  }

  async leave(lost: boolean): Promise<void> {
    const [worker] = this.workers.splice(this.below(this.workers.length), 1);
    if (worker === undefined) return;
    for (const [place, out] of this.out) if (out.worker === worker) this.out.delete(place);
    await worker.member.leave(lost);
  }

  async written(): Promise<void> {
    const said = [...this.said];
    await Promise.all(this.workers.map(({ member }) => member.written()));
    if (this.workers.length > 0) for (const place of said) this.durable.add(place);
  }

  /** What was acknowledged and is not durable may come again. */
  async crash(): Promise<void> {
    for (const worker of this.workers.splice(0)) worker.react = () => undefined;
    this.out.clear();
    this.said.clear();
    this.furthest.clear();
    await this.queue.crash();
  }

  async step(): Promise<void> {
    const dice = this.random();
    if (dice < 0.15) await this.append();
    else if (dice < 0.2 && this.workers.length < 5) this.join();
    else if (dice < 0.24) await this.leave(this.random() < 0.6);
    else if (dice < 0.85) this.react();
    else if (dice < 0.93) await pass(this.queue, this.below(400), ...this.workers);
    else if (dice < 0.985) await this.written();
    else await this.crash();
  }
}

export function describeQueueOrder(fixture: LogFixture): void {
  describe('a queue under random members', () => {
    it.each([0, 1, 2])('keeps each key in order and every record until it is done (seed + %i)', async (more) => {
      process.stderr.write(`${fixture.name}: SLUICE_SEED=${seed()}\n`);
      const run = new Run(await QueueScene.open(fixture, PARTITIONS, LIMITS), seededRandom(seed() + more));
      run.join();
      for (let step = 0; step < STEPS; step++) await run.step();
      await settled();
      while (run.workers.length > 0) await run.leave(false);
      const last = run.join();
      last.member.permit(1_000_000);
      last.react = (handed) => {
        run.take(last, handed);
        run.done.add(`${handed.partition}/${handed.offset}`);
        last.member.ack(handed.partition, handed.offset);
      };
      const allDone = () => [...run.appended].every(([partition, count]) => run.queue.committed(partition) === count);
      await waitFor(() => pass(run.queue, 500, last).then(allDone), { what: 'every record to be done' });
      expect(run.problems).toEqual([]);
      const dead = run.dead();
      for (const [partition, count] of run.appended) {
        const places = Array.from({ length: count }, (_, offset) => `${partition}/${offset}`);
        expect(places.filter((place) => !run.done.has(place) && !dead.has(place))).toEqual([]);
      }
      expect(dead.size === 0 ? 0 : deadLetters(run.queue).length, 'dead letters are not doubled').toBe(dead.size);
      expect(run.handedOut).toBeGreaterThan(50);
    });
  });
}
