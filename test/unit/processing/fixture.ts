/**
 * Runs a definition the way a runtime would, and worse: input in batches and chunks of any size that vanish as soon as
 * they are stepped past, runs cut anywhere, faults in the middle of runs, a new instance loaded from what was stored.
 */
import { type Limits, resolveLimits } from '#kernel';
import { type DeadLetter, iterateStateBlock } from '#log';
import {
  type DeadNotice,
  type Definition,
  Instance,
  ProcessingFault,
  type RunResult,
  type TableView,
  type Task,
} from '#processing';
import { encodeBatch, iterateRecords, type RecordInput, stampBaseOffset, verifyBatch } from '#record';

export interface Given {
  readonly key?: string | null;
  readonly value?: unknown;
  readonly timestamp?: number;
  readonly headers?: RecordInput['headers'];
}

export interface Taken {
  readonly topic: string;
  readonly partition: number;
  readonly key: string | null;
  readonly value: unknown;
  readonly timestamp: number;
}

/** Chances from 0 to 1, and what they are drawn from. */
export interface Chaos {
  random(): number;
  readonly fault: number;
  readonly restart: number;
}

export const CALM: Chaos = { random: () => 0.5, fault: 0, restart: 0 };

export function chaos(random: () => number): Chaos {
  return { random, fault: 0.2, restart: 0.2 };
}

/** Batches of one to `most` records whose values are JSON, dense from offset 0. */
export function jsonBatches(records: readonly Given[], most = 7, random: () => number = () => 0.5): Uint8Array[] {
  const encoder = new TextEncoder();
  const inputs = records.map(({ key = null, value = null, timestamp = 0, headers = [] }) => ({
    key: key === null ? null : encoder.encode(key),
    value: value === null ? null : encoder.encode(JSON.stringify(value)),
    timestamp,
    headers,
  }));
  return batches(inputs, most, random);
}

export function batches(records: readonly RecordInput[], most = 7, random: () => number = () => 0.5): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let at = 0; at < records.length; ) {
    const size = 1 + Math.floor(random() * most);
    const compression = random() < 0.1 ? 'gzip' : 'none';
    const batch = encodeBatch(records.slice(at, at + size), { compression }).slice();
    stampBaseOffset(batch, 0, at);
    out.push(batch);
    at += Math.min(size, records.length - at);
  }
  return out;
}

/** The batches from a random place at or before `from`, in chunks that are scribbled over once stepped past. */
function* chunks(all: readonly Uint8Array[], from: number, random: () => number): Iterable<Uint8Array> {
  let at = all.findIndex((batch) => verifyBatch(batch).baseOffset + verifyBatch(batch).count > from);
  if (at < 0) return;
  if (at > 0 && random() < 0.3) at--;
  while (at < all.length) {
    const chunk = Buffer.concat(all.slice(at, at + 1 + Math.floor(random() * 3)));
    at += Math.max(1, countBatches(chunk));
    yield chunk;
    chunk.fill(0xff);
  }
}

function countBatches(chunk: Uint8Array): number {
  let count = 0;
  for (let at = 0; at < chunk.length; count++)
    at += 12 + Buffer.from(chunk.buffer, chunk.byteOffset).readInt32BE(at + 8);
  return count;
}

export interface Setting {
  readonly outputs?: Readonly<Record<string, number>>;
  readonly limits?: Partial<Limits>;
  readonly tables?: Readonly<Record<string, TableView>>;
}

export class Rig {
  readonly #definition: Definition;
  readonly #setting: Setting;
  readonly #inputs: Readonly<Record<string, readonly Uint8Array[]>>;
  readonly #chaos: Chaos;
  instance: Instance;
  /** What the log would hold. */
  readonly state = new Map<string, Uint8Array>();
  readonly next: Record<string, number> = {};
  readonly taken: Taken[] = [];
  readonly dead: DeadLetter[] = [];
  last: RunResult | undefined;
  now = 1_000;
  notices: DeadNotice[] = [];

  constructor(
    definition: Definition,
    inputs: Readonly<Record<string, readonly Uint8Array[]>>,
    how: Chaos = CALM,
    setting: Setting = {},
  ) {
    this.#definition = definition;
    this.#inputs = inputs;
    this.#chaos = how;
    this.#setting = setting;
    for (const topic of Object.keys(inputs)) this.next[topic] = 0;
    this.instance = this.fresh();
  }

  fresh(): Instance {
    const topics = Object.keys(this.#definition.outputs);
    const instance = new Instance({
      definition: this.#definition,
      name: 'subject',
      partition: 0,
      outputs: new Map(topics.map((topic) => [topic, this.#setting.outputs?.[topic] ?? 1])),
      limits: resolveLimits(this.#setting.limits),
      table: (topic) => this.#setting.tables?.[topic] ?? { get: () => undefined },
    });
    instance.load(this.state);
    return instance;
  }

  task(changes: Partial<Task> = {}): Task {
    const inputs = Object.entries(this.#inputs).map(([topic, all]) => {
      const from = this.next[topic] as number;
      return { topic, partition: 0, from, chunks: chunks(all, from, this.#chaos.random) };
    });
    return { inputs, maxBytes: 1 << 20, now: this.now, dead: this.notices, at: () => {}, fireTimers: true, ...changes };
  }

  /** One run, kept as a runtime keeps it. */
  async run(changes: Partial<Task> = {}): Promise<RunResult> {
    const task = this.task(changes);
    const result = await this.instance.run(task);
    for (const [i, { topic }] of task.inputs.entries()) this.next[topic] = result.next[i] as number;
    for (const { topic, partition, batch } of result.outputs) {
      verifyBatch(batch);
      for (const record of iterateRecords(batch)) this.taken.push(readable(topic, partition, record));
    }
    if (result.state !== null) {
      for (const [key, value] of iterateStateBlock(result.state)) {
        if (value === null) this.state.delete(key);
        else this.state.set(key, Uint8Array.from(value));
      }
    }
    if (result.stateEntries !== this.state.size) throw new Error(`${result.stateEntries} entries, ${this.state.size}`);
    this.dead.push(...result.dead);
    this.last = result;
    return result;
  }

  /** One run whose outputs are not JSON; nothing of it is kept. */
  async runUnread(): Promise<RunResult> {
    return this.instance.run(this.task());
  }

  /** Runs until all input is processed, through everything the chaos brings. */
  async drain(): Promise<this> {
    const { random, fault, restart } = this.#chaos;
    for (;;) {
      if (random() < restart) this.instance = this.fresh();
      let left = random() < fault ? Math.floor(random() * 20) : Number.POSITIVE_INFINITY;
      const at = () => {
        if (left-- <= 0) throw new Error('a fault of the test');
      };
      const before = JSON.stringify(this.next);
      try {
        const result = await this.run({
          at,
          maxBytes: this.#chaos.fault === 0 ? 1 << 20 : 1 + Math.floor(random() * 900),
        });
        if (!result.more && result.records === 0 && JSON.stringify(this.next) === before) return this;
      } catch (error) {
        if (!(error instanceof ProcessingFault) || error.message !== 'a fault of the test') throw error;
      }
    }
  }

  values(topic: string): unknown[] {
    return this.taken.filter((record) => record.topic === topic).map(({ value }) => value);
  }
}

function readable(
  topic: string,
  partition: number,
  record: { key: Uint8Array | null; value: Uint8Array | null; timestamp: number },
): Taken {
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
  return {
    topic,
    partition,
    key: record.key && text(record.key),
    value: record.value && JSON.parse(text(record.value)),
    timestamp: record.timestamp,
  };
}

/** Anything in an order of its own, to compare what has none. */
export function sorted<T>(items: readonly T[]): T[] {
  return items
    .map((item) => [JSON.stringify(item), item] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, item]) => item);
}
