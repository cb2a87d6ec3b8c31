/**
 * Random operations on an engine and on the model, one after the other and in bursts; after every few the two must
 * hold the same. SLUICE_SEED, printed at the start, repeats a run.
 */
import { describe, expect, it } from 'vitest';
import { decodeUtf8, encodeUtf8 } from '#kernel';
import { seed, seededRandom } from '#kit';
import type { Appended, Log, Partition } from '#log';
import { batchOf, coded, type LogFixture, type PlainRecord, readAll } from './fixture.ts';
import { Model, ModelPartition, type ModelRecord, type ModelTopic } from './model.ts';

const STEPS = 220;
/** Small segments, so that an engine that has some goes through many. */
const LIMITS = { batchBytesMax: 4_096, recordBytesMax: 4_000, segmentBytes: 16_384 };
const PRODUCERS = 3;
/** The records of this test are from 1970. */
const FOR_EVER = 10 ** 15;
const TOPICS = ['a', 'b', 'c'];

class Run {
  log: Log;
  readonly model = new Model();
  readonly fixture: LogFixture;
  readonly random: () => number;
  #time = 1_000_000;

  constructor(log: Log, fixture: LogFixture, random: () => number) {
    this.log = log;
    this.fixture = fixture;
    this.random = random;
  }

  below(end: number): number {
    return Math.floor(this.random() * end);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  records(): PlainRecord[] {
    return Array.from({ length: 1 + this.below(4) }, () => {
      this.#time += this.below(20) - 5;
      return {
        key: this.random() < 0.3 ? null : this.pick(['k', 'l', 'm', 'n']),
        value: this.random() < 0.1 ? null : `${this.below(1e6)}`.padEnd(this.below(400), '.'),
        timestamp: this.#time,
      };
    });
  }

  /** Some partition of some topic, in the engine and in the model; undefined when there is none. */
  place(): { name: string; topic: ModelTopic; index: number; real: Partition; model: ModelPartition } | undefined {
    const names = [...this.model.topics.keys()];
    if (names.length === 0) return undefined;
    const name = this.pick(names);
    const topic = this.model.topics.get(name) as ModelTopic;
    const index = this.below(topic.partitions.length);
    return {
      name,
      topic,
      index,
      real: this.log.partition(name, index),
      model: topic.partitions[index] as ModelPartition,
    };
  }

  /** One append, of any kind; what it must come to is known before it is answered. */
  append(): Promise<unknown> {
    const place = this.place();
    if (place === undefined) return Promise.resolve();
    const { real, model } = place;
    const durability = this.random() < 0.3 ? 'memory' : 'fsync';
    const kind = this.below(10);
    const id = 1 + this.below(PRODUCERS);
    if (kind === 0) {
      const wrong = real.append(batchOf(this.records()), { expectedOffset: model.tail + 1 });
      return expect(wrong).rejects.toEqual(coded('OFFSET_CONFLICT', { tail: model.tail }));
    }
    if (kind === 1) {
      const sequence = model.nextSequence(id) + 1;
      const wrong = real.append(batchOf(this.records(), { producer: { id, epoch: 0, sequence } }));
      return expect(wrong).rejects.toEqual(coded('SEQUENCE_GAP', { expected: sequence - 1 }));
    }
    if (kind === 2 && model.batches(id).length > 0) {
      const { records, sequence, offset } = this.pick(model.batches(id).slice(-5));
      const again = real.append(batchOf(records, { producer: { id, epoch: 0, sequence } }), { durability });
      return expect(again).resolves.toEqual({ baseOffset: offset, duplicate: true });
    }
    const records = this.records();
    const stamp = kind < 6 ? { id, sequence: model.nextSequence(id) } : undefined;
    const compression = this.pick(['none', 'none', 'gzip', 'snappy'] as const);
    const batch = batchOf(records, {
      compression,
      ...(stamp === undefined ? {} : { producer: { ...stamp, epoch: 0 } }),
    });
    const expectedOffset = kind === 9 ? { expectedOffset: model.tail } : {};
    const baseOffset = model.append(records, stamp);
    return expect(real.append(batch, { durability, ...expectedOffset })).resolves.toEqual({
      baseOffset,
      duplicate: false,
    });
  }

  async commit(): Promise<void> {
    const places = Array.from({ length: 1 + this.below(3) }, () => this.place());
    const inputs = places.filter((place) => place !== undefined);
    const refused = this.random() < 0.3 && inputs.length > 0;
    const batches = inputs.map(() => this.records());
    const offsets = inputs.map(({ name, index, real }) => ({
      group: this.pick(['g', 'h']),
      topic: name,
      partition: index,
      offset: this.below(real.durable + 1),
    }));
    const state = [{ space: 's', key: this.pick(['x', 'y', 'z']), value: this.pick([null, 'v', 'w']) }];
    const done: Promise<Appended[]> = this.log.commit({
      appends: inputs.map(({ real }, i) => ({
        partition: real,
        batch: batchOf(batches[i] as PlainRecord[]),
        ...(refused && i === inputs.length - 1 ? { expectedOffset: 1e9 } : {}),
      })),
      offsets,
      state: state.map(({ space, key, value }) => ({ space, key, value: value === null ? null : encodeUtf8(value) })),
    });
    if (refused) return expect(done).rejects.toEqual(coded('OFFSET_CONFLICT'));
    const expected = inputs.map(({ model }, i) => ({
      baseOffset: model.append(batches[i] as PlainRecord[]),
      duplicate: false,
    }));
    for (const { group, topic, partition, offset } of offsets) {
      this.model.offsets.set(`${group} ${topic} ${partition}`, offset);
    }
    for (const { space, key, value } of state) {
      if (value === null) this.model.state.delete(`${space} ${key}`);
      else this.model.state.set(`${space} ${key}`, value);
    }
    await expect(done).resolves.toEqual(expected);
  }

  async trim(): Promise<void> {
    const place = this.place();
    if (place === undefined) return;
    const { real, model } = place;
    const offset = this.below(real.durable + 1);
    await real.trim(offset);
    model.start = Math.max(model.start, offset);
  }

  async changeTopics(): Promise<void> {
    const name = this.pick(TOPICS);
    const topic = this.model.topics.get(name);
    if (topic === undefined) {
      const compact = this.random() < 0.5;
      const partitions = 1 + this.below(3);
      await this.log.createTopic(name, { partitions, cleanup: compact ? 'compact' : 'delete', tombstoneMs: FOR_EVER });
      this.model.topics.set(name, {
        compact,
        partitions: Array.from({ length: partitions }, () => new ModelPartition()),
      });
    } else if (this.random() < 0.3) {
      await this.log.deleteTopic(name);
      this.model.deleteTopic(name);
    } else if (topic.partitions.length < 5) {
      await this.log.updateTopic(name, { partitions: topic.partitions.length + 1 });
      topic.partitions.push(new ModelPartition());
    }
  }

  async step(): Promise<void> {
    const dice = this.random();
    if (dice < 0.45) await this.append();
    else if (dice < 0.6) await Promise.all(Array.from({ length: 2 + this.below(20) }, () => this.append()));
    else if (dice < 0.75) await this.commit();
    else if (dice < 0.81) await this.trim();
    else if (dice < 0.9) await this.changeTopics();
    else if (dice < 0.96) await this.log.maintain();
    else if (this.fixture.reopen !== undefined) this.log = await this.fixture.reopen(this.log);
  }

  compare(): void {
    expect(new Set(this.log.topics().map(({ name }) => name))).toEqual(new Set(this.model.topics.keys()));
    for (const [name, { compact, partitions }] of this.model.topics) {
      partitions.forEach((model, index) => {
        this.#comparePartition(this.log.partition(name, index), model, compact);
      });
    }
    const offsets = this.log.groups().flatMap((group) =>
      this.log.committedOffsets(group).map(({ topic, partition, offset }) => {
        return [`${group} ${topic} ${partition}`, offset] as const;
      }),
    );
    expect(new Map(offsets)).toEqual(this.model.offsets);
    const state = this.log.scanState('s', '', 99).map(([key, value]) => [`s ${key}`, decodeUtf8(value)] as const);
    expect(new Map(state)).toEqual(this.model.state);
    expect(this.log.damaged()).toEqual([]);
  }

  #comparePartition(real: Partition, model: ModelPartition, compact: boolean): void {
    expect([real.start, real.tail]).toEqual([model.start, model.tail]);
    const from = model.start + this.below(real.durable - model.start + 1);
    const records = readAll(real, from, 1 + this.below(6_000));
    const expected = model.readable(from).filter(({ offset }) => offset < real.durable);
    if (compact) {
      const must = model.latest().filter(({ offset }) => offset >= from && offset < real.durable);
      const known = new Set(expected.map(lineOf));
      expect(records.map(lineOf).filter((line) => !known.has(line))).toEqual([]);
      const present = new Set(records.map(({ offset }) => offset));
      expect(must.filter(({ offset }) => !present.has(offset))).toEqual([]);
    } else {
      expect(records).toEqual(expected);
      const time = this.#time - this.below(1_000);
      if (real.durable === real.tail) expect(real.offsetForTime(time)).toBe(model.offsetForTime(time));
    }
  }
}

function lineOf({ offset, key, value, timestamp }: ModelRecord): string {
  return JSON.stringify([offset, key, value, timestamp]);
}

export function describeRandomly(fixture: LogFixture): void {
  describe('any sequence of operations', () => {
    it.each([0, 1, 2])('leaves the engine as it leaves the model (seed + %d)', async (more) => {
      const random = seededRandom(seed() + more);
      const run = new Run(await fixture.open({ limits: LIMITS }), fixture, random);
      await run.changeTopics();
      for (let step = 0; step < STEPS; step++) {
        await run.step();
        if (step % 5 === 0) run.compare();
      }
      await run.log.maintain();
      if (fixture.reopen !== undefined) run.log = await fixture.reopen(run.log);
      run.compare();
    });
  });
}
