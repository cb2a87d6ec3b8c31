/** A log as a trivial thing: arrays and maps. What `random.ts` compares an engine with. */
import type { PlainRecord } from './fixture.ts';

export interface ModelRecord {
  readonly offset: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly timestamp: number;
}

interface SentBatch {
  readonly sequence: number;
  readonly records: readonly PlainRecord[];
  readonly offset: number;
}

export class ModelPartition {
  readonly records: ModelRecord[] = [];
  /** Producer → its batches, oldest first. */
  readonly sent = new Map<number, SentBatch[]>();
  start = 0;

  get tail(): number {
    return (this.records.at(-1)?.offset ?? -1) + 1;
  }

  append(records: readonly PlainRecord[], stamp?: { id: number; sequence: number }): number {
    const base = this.tail;
    records.forEach(({ key = null, value, timestamp = 0 }, i) => {
      this.records.push({ offset: base + i, key, value, timestamp });
    });
    if (stamp !== undefined) this.batches(stamp.id).push({ sequence: stamp.sequence, records, offset: base });
    return base;
  }

  batches(id: number): SentBatch[] {
    const batches = this.sent.get(id) ?? [];
    this.sent.set(id, batches);
    return batches;
  }

  nextSequence(id: number): number {
    const last = this.batches(id).at(-1);
    return last === undefined ? 0 : last.sequence + last.records.length;
  }

  readable(from: number = this.start): ModelRecord[] {
    return this.records.filter(({ offset }) => offset >= Math.max(from, this.start));
  }

  /** What a compaction must leave: the last record of each key, and those without. */
  latest(): ModelRecord[] {
    const last = new Map(this.records.map(({ key, offset }) => [key, offset]));
    return this.readable().filter(({ key, offset }) => key === null || last.get(key) === offset);
  }

  offsetForTime(time: number): number {
    return this.readable().find(({ timestamp }) => timestamp >= time)?.offset ?? this.tail;
  }
}

export interface ModelTopic {
  readonly compact: boolean;
  readonly partitions: ModelPartition[];
}

export class Model {
  readonly topics = new Map<string, ModelTopic>();
  /** `group topic partition` → offset. */
  readonly offsets = new Map<string, number>();
  /** `space key` → value. */
  readonly state = new Map<string, string>();

  deleteTopic(name: string): void {
    this.topics.delete(name);
    for (const place of [...this.offsets.keys()]) if (place.split(' ')[1] === name) this.offsets.delete(place);
  }
}
