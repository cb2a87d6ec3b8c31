/** Members of a queue that note what they are handed, on a clock of the test's own. */
import { afterEach } from 'vitest';
import { decodeUtf8, encodeUtf8, type Limits, ManualClock, resolveLimits, SluiceError } from '#kernel';
import { waitFor } from '#kit';
import { GroupCoordinator, type HandedRecord, type Log, type QueueMember, type QueueMemberOptions } from '#log';
import { encodeBatch, type RecordInput } from '#record';
import type { LogFixture } from './fixture.ts';

export const START_MS = 1_700_000_000_000;

export interface Handed {
  readonly partition: number;
  readonly offset: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly attempt: number;
}

const open: QueueScene[] = [];

afterEach(async () => {
  // A coordinator whose log was closed under it has nothing left to write to.
  for (const scene of open.splice(0)) await scene.groups.close().catch(() => undefined);
});

/** A log with a topic `t`, its groups, and a clock; half of each backoff is random, and here always nothing of it. */
export class QueueScene {
  readonly clock: ManualClock;
  readonly limits: Limits;
  readonly fixture: LogFixture;
  log: Log;
  groups: GroupCoordinator;
  #endLife: () => void = () => undefined;

  private constructor(fixture: LogFixture, log: Log, clock: ManualClock, limits: Limits) {
    this.fixture = fixture;
    this.log = log;
    this.clock = clock;
    this.limits = limits;
    this.groups = this.#newGroups();
  }

  static async open(fixture: LogFixture, partitions = 1, limits: Partial<Limits> = {}): Promise<QueueScene> {
    const clock = new ManualClock(START_MS);
    const log = await fixture.open({ clock, limits });
    await log.createTopic('t', { partitions });
    return new QueueScene(fixture, log, clock, resolveLimits(limits));
  }

  #newGroups(): GroupCoordinator {
    open.push(this);
    const life = { over: false };
    this.#endLife = () => {
      life.over = true;
    };
    const log = new Proxy(this.log, {
      get: (target, name) => {
        if (name === 'commit' && life.over) return () => Promise.reject(new SluiceError('SHUTTING_DOWN'));
        const member: unknown = Reflect.get(target, name, target);
        return typeof member === 'function' ? member.bind(target) : member;
      },
    });
    return new GroupCoordinator(log, { limits: this.limits, clock: this.clock, random: () => 0 });
  }

  /**
   * As in a crash: the coordinator writes nothing more, what was on its way arrives or does not, and another one begins
   * on the log, opened anew where that can be.
   */
  async crash(): Promise<void> {
    const before = this.groups;
    this.#endLife();
    await settled();
    if (this.fixture.reopen !== undefined) this.log = await this.fixture.reopen(this.log);
    this.groups = this.#newGroups();
    await before.close().catch(() => undefined);
  }

  join(options: Partial<QueueMemberOptions> = {}, group = 'g'): Worker {
    return new Worker(this.groups, group, options);
  }

  /** Appends records, each batch for itself; a text `k:v` has the key `k`, `v` alone has none. */
  async append(texts: readonly string[], partition = 0, more: Partial<RecordInput> = {}): Promise<void> {
    const records = texts.map((text): RecordInput => {
      const colon = text.indexOf(':');
      const key = colon < 0 ? null : encodeUtf8(text.slice(0, colon));
      return { key, value: encodeUtf8(text.slice(colon + 1)), timestamp: this.clock.now(), ...more };
    });
    await this.log.partition('t', partition).append(encodeBatch(records));
  }

  /** A record that must not go out before `atMs`, as a header says. */
  async appendDelayed(text: string, at: number | string): Promise<void> {
    await this.append([text], 0, { headers: [{ key: 'deliver-at', value: encodeUtf8(String(at)) }] });
  }

  committed(partition = 0): number | undefined {
    return this.log.committedOffset('g', 't', partition);
  }
}

export class Worker {
  readonly member: QueueMember;
  /** Everything it was ever handed, in order. */
  readonly handed: Handed[] = [];
  readonly failures: SluiceError[] = [];
  /** Called with each record. */
  react: (handed: Handed) => void = () => undefined;

  constructor(groups: GroupCoordinator, group: string, options: Partial<QueueMemberOptions>) {
    this.member = groups.joinQueue(group, {
      topic: 't',
      permits: 1_000,
      startOf: ({ start }) => start,
      listener: {
        writable: true,
        records: (handed) => {
          for (const one of handed) this.#take(one);
        },
        failed: (error) => this.failures.push(error),
      },
      ...options,
    });
  }

  #take({ partition, attempt, record: { offset, key, value } }: HandedRecord): void {
    const one = { partition, offset, key: key && decodeUtf8(key), value: value && decodeUtf8(value), attempt };
    this.handed.push(one);
    this.react(one);
  }

  get values(): (string | null)[] {
    return this.handed.map(({ value }) => value);
  }

  /** What it was handed once there are so many. */
  async receive(count: number): Promise<Handed[]> {
    await waitFor(() => this.handed.length >= count, { what: `${count} records` });
    return this.handed;
  }

  ack(offset: number, partition = 0): void {
    this.member.ack(partition, offset);
  }

  nack(offset: number, options: Parameters<QueueMember['nack']>[2] = {}): void {
    this.member.nack(0, offset, options);
  }
}

/** Moves the clock and lets what has become due happen. */
export async function pass(scene: QueueScene, ms: number, ...workers: readonly Worker[]): Promise<void> {
  scene.clock.advance(ms);
  for (const { member } of workers) member.wake();
  await settled();
}

/** Lets everything that needs no time happen. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await new Promise((resolve) => setImmediate(resolve));
}
