/**
 * What a processor's module imports, as `sluice/processing`: `defineProcessor`, formats of values, shapes of windows.
 * A module's default export is a definition; the runtime loads it in a worker thread and makes an instance of it for
 * each partition. A definition is data and functions: making one does nothing.
 */
import { SluiceError } from '#kernel';
import { checkTopicName } from '#log';
import type { Header } from '#record';
import type { ValueOf } from './serdes.ts';
import type { FixedShape, Serdes, SessionShape, Stream, StreamRecord, Table } from './stream.ts';

export { bytes, json, msgpack, type Serde, text, type ValueOf } from './serdes.ts';
export type * from './stream.ts';

const KIND = 'sluice.processor';

/** What `build` is given: the inputs as streams, the tables to join with. */
export interface BuildContext<I extends Serdes, O extends Serdes, T extends Serdes> {
  stream<N extends keyof I & string>(topic: N): Stream<ValueOf<I[N]>, O>;
  table<N extends keyof T & string>(topic: N): Table<ValueOf<T[N]>>;
}

interface Topics<I extends Serdes, O extends Serdes, T extends Serdes> {
  /** Topics by name, each with the format of its values. Inputs are read partition by partition, side by side. */
  readonly inputs: I;
  readonly outputs: O;
  /** Compacted topics to look up rows in. */
  readonly tables?: T;
}

export interface StreamDefinition<I extends Serdes, O extends Serdes, T extends Serdes> extends Topics<I, O, T> {
  build(context: BuildContext<I, O, T>): void;
}

export interface RawDefinition<I extends Serdes, O extends Serdes, T extends Serdes> extends Topics<I, O, T> {
  batch(batch: RawBatch<I>, context: RawContext<O, T>): void | Promise<void>;
}

/** Consecutive batches of one partition of one input. */
export interface RawBatch<I extends Serdes = Serdes> {
  readonly topic: keyof I & string;
  readonly partition: number;
  /**
   * Whole record batches as stored. They may hold records below `from`, at or beyond `until`, or to be left out, all of
   * which `records` has sorted out. A failure is blamed on the record that was taken from there last, or on that of
   * `context.at`; on none when neither was used.
   */
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly until: number;
  readonly records: Iterable<StreamRecord<ValueOf<I[keyof I]>>>;
}

export interface EmittedRecord<V> {
  readonly key?: string | Uint8Array | null;
  readonly value: V | null;
  readonly headers?: readonly Header[];
  /** Epoch milliseconds; default the time of the run. */
  readonly timestamp?: number;
  /** Default by the key. */
  readonly partition?: number;
}

/** State by key, private to this processor and partition; kept with the run that changed it, or not at all. */
export interface RawState {
  get(key: string): unknown;
  set(key: string, value: unknown): void;
  delete(key: string): void;
}

export interface RawContext<O extends Serdes = Serdes, T extends Serdes = Serdes> {
  /** Epoch milliseconds, the same for the whole run. */
  readonly now: number;
  readonly state: RawState;
  /** From here on a failure is this record's; for code that takes the records first and works on them then. */
  at(record: StreamRecord): void;
  emit<N extends keyof O & string>(topic: N, record: EmittedRecord<ValueOf<O[N]>>): void;
  row<N extends keyof T & string>(table: N, key: string): ValueOf<T[N]> | undefined;
}

/** A definition as the runtime sees it. */
export interface Definition {
  readonly kind: typeof KIND;
  readonly inputs: Serdes;
  readonly outputs: Serdes;
  readonly tables: Serdes;
  readonly build: ((context: BuildContext<Serdes, Serdes, Serdes>) => void) | null;
  readonly batch: ((batch: RawBatch, context: RawContext) => void | Promise<void>) | null;
}

/** @throws PROCESSOR_INVALID */
export function defineProcessor<
  const I extends Serdes,
  const O extends Serdes = Record<never, never>,
  const T extends Serdes = Record<never, never>,
>(definition: StreamDefinition<I, O, T> | RawDefinition<I, O, T>): Definition {
  const { inputs, outputs, tables = {} } = definition as Topics<Serdes, Serdes, Serdes>;
  for (const [what, topics] of Object.entries({ inputs, outputs, tables })) checkTopics(what, topics);
  if (Object.keys(inputs).length === 0) throw invalid('a processor has at least one input');
  for (const topic of Object.keys(outputs)) {
    if (topic in inputs) throw invalid(`topic ${topic} cannot be input and output of one processor`);
  }
  const { build = null, batch = null } = definition as Partial<Definition>;
  if ((typeof build === 'function') === (typeof batch === 'function')) {
    throw invalid('a processor has either a function build or a function batch');
  }
  return Object.freeze({ kind: KIND, inputs, outputs, tables, build, batch });
}

/** Whether a module's export is a definition, also one made by another copy of this file. */
export function isDefinition(value: unknown): value is Definition {
  return typeof value === 'object' && value !== null && (value as { kind?: unknown }).kind === KIND;
}

function checkTopics(what: string, topics: unknown): void {
  if (typeof topics !== 'object' || topics === null) throw invalid(`${what} must be an object of topics and formats`);
  for (const [topic, serde] of Object.entries(topics as Serdes)) {
    checkTopicName(topic);
    if (typeof serde?.decode !== 'function' || typeof serde.encode !== 'function') {
      throw invalid(`the format of ${topic} in ${what} needs decode and encode`);
    }
  }
}

/** Windows of `sizeMs` side by side, the first from 1970 on. */
export function tumbling(sizeMs: number): FixedShape {
  return hopping(sizeMs, sizeMs);
}

/** Windows of `sizeMs`, a new one every `everyMs`; a record is in all that overlap there. */
export function hopping(sizeMs: number, everyMs: number): FixedShape {
  checkMs('the size of a window', sizeMs);
  checkMs('the hop of a window', everyMs);
  if (everyMs > sizeMs) throw invalid('windows that hop further than their size would leave records out');
  return { kind: 'fixed', sizeMs, everyMs };
}

/** Windows that last as long as records of a key are less than `gapMs` apart. */
export function session(gapMs: number): SessionShape {
  checkMs('the gap of a session', gapMs);
  return { kind: 'session', gapMs };
}

function checkMs(what: string, ms: number): void {
  if (!Number.isSafeInteger(ms) || ms < 1) throw invalid(`${what} must be a whole number of milliseconds, not ${ms}`);
}

function invalid(message: string): SluiceError {
  return new SluiceError('PROCESSOR_INVALID', message);
}
