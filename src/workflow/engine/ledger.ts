/**
 * What is to be committed next, as it gathers: records of the two topics, rows of runs that are over, what is to be done once
 * it is durable. Knows bytes and offsets, and nothing of what they mean. Filled and emptied by the engine.
 */
import { encodeUtf8 } from '#kernel';
import { StateBlockBuilder } from '#log';
import { type Draft, type Ended, RecordWriter } from './draft.ts';
import type { EffectId } from './effect.ts';
import type { Instance } from './model.ts';
import type { Emission } from './run.ts';

const NO_PREFIX = new Uint8Array(0);
/** A longer output is in the history alone. */
const OUTPUT_CHARS_MAX = 16 * 1024;

/** Where the state of a partition is kept. Instances `i/`, keys of starts `k/`, commands that are owed `o/`. */
export function stateSpace(partition: number): string {
  return `workflow.${partition}`;
}

/** Ids of runs that are over, with the offset of what is said of them. */
export function endedSpace(partition: number): string {
  return `workflow.${partition}.ended`;
}

export class Ledger {
  readonly #partition: number;
  readonly #events = new RecordWriter();
  readonly #ended = new RecordWriter();
  readonly #block = new StateBlockBuilder();
  readonly #endedBlock = new StateBlockBuilder();
  #eventsAt = 0;
  #endedAt = 0;
  #emissions: Emission[] = [];
  #effects: EffectId[] = [];
  #aborted: EffectId[] = [];
  #ends: Ended[] = [];
  /** Tasks begun. */
  steps = 0;
  /** Whether there is anything to commit. */
  touched = false;

  constructor(partition: number) {
    this.#partition = partition;
  }

  /** Where the topics end. */
  begin(eventsNext: number, endedNext: number): void {
    this.#events.next = eventsNext;
    this.#ended.next = endedNext;
    this.#eventsAt = eventsNext;
    this.#endedAt = endedNext;
  }

  /** The offset of the next record. */
  get next(): number {
    return this.#events.next;
  }

  get bytes(): number {
    return this.#events.bytes;
  }

  /** @param command what it was, then `records`, what came of it */
  record(id: string, at: number, prev: number, command: object, records: readonly string[]): void {
    this.touched = true;
    const key = encodeUtf8(id);
    const head = { kind: 'command', at, prev, count: records.length, ...command };
    this.#events.add(key, encodeUtf8(JSON.stringify(head)), at);
    for (const record of records) this.#events.add(key, encodeUtf8(record), at);
  }

  emit(emissions: readonly Emission[]): void {
    for (const emission of emissions) this.#emissions.push(emission);
  }

  effect(id: EffectId): void {
    this.#effects.push(id);
  }

  abort(id: EffectId): void {
    this.#aborted.push(id);
  }

  /** A run that is not over any more. */
  reopen(id: string): void {
    this.#endedBlock.key(NO_PREFIX, id);
    this.#endedBlock.remove();
  }

  /** A run that is over. */
  end(instance: Instance): void {
    const { id, workflow, version, status, startedAt, output, error, labels, steps, head, parent } = instance;
    const endedAt = instance.endedAt ?? startedAt;
    const isSmall = JSON.stringify(output).length <= OUTPUT_CHARS_MAX;
    const row = { id, workflow, version, status, startedAt, endedAt, steps, labels, error, head, parent };
    const text = JSON.stringify({ ...row, output: isSmall ? output : null, outputOmitted: !isSmall });
    this.#endedBlock.key(NO_PREFIX, id);
    this.#endedBlock.latin1(String(this.#ended.next));
    this.#ended.add(encodeUtf8(id), encodeUtf8(text), endedAt);
    this.#ends.push({ id, workflow, version, status, startedAt, endedAt, output, error });
  }

  /** Everything since the last time; null: nothing happened. @param writeState adds the changes of the state */
  take(heard: number | null, writeState: (block: StateBlockBuilder) => void): Draft | null {
    if (!this.touched) return null;
    this.touched = false;
    writeState(this.#block);
    const blocks = [];
    if (this.#block.count > 0) blocks.push({ space: stateSpace(this.#partition), block: this.#block.finish() });
    if (this.#endedBlock.count > 0) {
      blocks.push({ space: endedSpace(this.#partition), block: this.#endedBlock.finish() });
    }
    const draft: Draft = {
      events: this.#events.take(),
      eventsAt: this.#eventsAt,
      ended: this.#ended.take(),
      endedAt: this.#endedAt,
      blocks,
      heard,
      emissions: this.#emissions,
      effects: this.#effects,
      aborted: this.#aborted,
      ends: this.#ends,
      steps: this.steps,
    };
    this.begin(this.#events.next, this.#ended.next);
    this.#emissions = [];
    this.#effects = [];
    this.#aborted = [];
    this.#ends = [];
    this.steps = 0;
    return draft;
  }
}
