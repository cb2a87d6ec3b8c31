/**
 * The raw form: the user's function gets whole chunks and says itself what to give and keep. It may be asynchronous;
 * a chunk stays in place until it is done.
 */
import { encodeUtf8, SluiceError } from '#kernel';
import { asBuffer, type DeadLetter } from '#log';
import { type Header, iterateBatches, RecordCursor } from '#record';
import type { Definition, EmittedRecord, RawBatch, RawContext, RawState } from './define.ts';
import { Flow } from './flow.ts';
import { end, type Graves, type Meter, type RunInput } from './reader.ts';
import type { Run } from './run.ts';
import type { Serde } from './serdes.ts';
import type { Store } from './state/store.ts';
import type { StreamRecord } from './stream.ts';
import type { TaskInput } from './task.ts';
import { type Graph, invalid } from './topology/graph.ts';

const STATE = 'raw';
const NO_HEADERS: readonly Header[] = [];

/** One input of a run, chunk by chunk. */
export class RawInput implements RunInput {
  readonly index: number;
  readonly topic: string;
  readonly partition: number;
  readonly until: number;
  next: number;
  readonly dead: DeadLetter[] = [];
  readonly #serde: Serde<unknown>;
  readonly #graves: Graves;
  readonly #meter: Meter;
  readonly #chunks: Iterator<Uint8Array>;
  #opened = false;
  #end = 0;

  constructor(index: number, input: TaskInput, serde: Serde<unknown>, graves: Graves, meter: Meter) {
    this.index = index;
    this.topic = input.topic;
    this.partition = input.partition;
    this.until = input.until ?? Number.POSITIVE_INFINITY;
    this.next = input.from;
    this.#serde = serde;
    this.#graves = graves;
    this.#meter = meter;
    this.#chunks = input.chunks[Symbol.iterator]();
  }

  /** The next chunk, without the batches that hold nothing to process; null at the end or when there is no room. */
  open(): Uint8Array | null {
    while (this.next < this.until) {
      if (this.#opened && this.#meter.bytesIn >= this.#meter.maxBytes) return null;
      const step = this.#chunks.next();
      if (step.done === true) return null;
      const bytes = this.#trim(step.value);
      if (bytes.length === 0) continue;
      this.#opened = true;
      this.#meter.bytesIn += bytes.length;
      if (this.#graves.notices.size > 0) this.#bury(bytes);
      return bytes;
    }
    return null;
  }

  #trim(chunk: Uint8Array): Uint8Array {
    let from = 0;
    let to = 0;
    for (const { header, at } of iterateBatches(chunk)) {
      if (end(header) <= this.next) from = at + header.byteLength;
      if (header.baseOffset >= this.until) break;
      to = at + header.byteLength;
      this.#end = end(header);
    }
    return chunk.subarray(from, Math.max(from, to));
  }

  #bury(bytes: Uint8Array): void {
    for (const flow of this.#walk(bytes)) {
      const notice = this.#graves.notices.get(flow.offset);
      if (notice !== undefined) this.dead.push(this.#graves.bury(flow, notice));
    }
  }

  /** The chunk is done. */
  consume(): void {
    this.next = Math.max(this.next, Math.min(this.until, this.#end));
  }

  /** The records of the opened chunk that are to be processed. */
  *records(bytes: Uint8Array): Iterable<Flow> {
    for (const flow of this.#walk(bytes)) if (!this.#graves.notices.has(flow.offset)) yield flow;
  }

  *#walk(bytes: Uint8Array): Iterable<Flow> {
    const { next, until } = this;
    const buffer = asBuffer(bytes);
    const cursor = new RecordCursor();
    for (let at = 0; at < buffer.length; ) {
      at += cursor.open(buffer, at).byteLength;
      cursor.bytes = asBuffer(cursor.bytes);
      while (cursor.next()) {
        if (cursor.offset < next || cursor.offset >= until) continue;
        const flow = new Flow();
        flow.topic = this.topic;
        flow.partition = this.partition;
        flow.serde = this.#serde;
        flow.read(cursor);
        yield flow;
      }
    }
  }

  close(): void {
    this.#chunks.return?.();
  }
}

export class RawRunner {
  readonly #run: Run;
  readonly #graph: Graph;
  readonly #call: NonNullable<Definition['batch']>;
  readonly #store: Store;
  readonly #context: RawContext;
  readonly #inputs = new Map<string, number>();

  constructor(run: Run, graph: Graph, call: NonNullable<Definition['batch']>) {
    this.#run = run;
    this.#graph = graph;
    this.#call = call;
    this.#store = run.state.store(graph.name(STATE, STATE));
    this.#context = this.#makeContext();
  }

  /** One input after the other, chunk by chunk, while there is room; at least one chunk of each. */
  async run(inputs: readonly RawInput[]): Promise<{ records: number; more: boolean }> {
    let records = 0;
    for (const input of inputs) {
      for (let bytes = input.open(); bytes !== null; bytes = input.open()) {
        records += await this.#runChunk(input, bytes);
        if (this.#run.full) return { records, more: true };
      }
    }
    return { records, more: false };
  }

  /** Answers how many records were taken. */
  async #runChunk(input: RawInput, bytes: Uint8Array): Promise<number> {
    const run = this.#run;
    let taken = 0;
    const records = {
      *[Symbol.iterator](): Iterator<StreamRecord> {
        taken = 0;
        for (const record of input.records(bytes)) {
          taken++;
          run.blame(input.index, record.offset);
          yield record;
        }
      },
    };
    run.blameNone();
    this.#inputs.set(input.topic, input.index);
    const { topic, partition, next: from, until } = input;
    await this.#call({ topic, partition, bytes, from, until, records } as RawBatch, this.#context);
    input.consume();
    return taken;
  }

  #makeContext(): RawContext {
    const run = this.#run;
    const store = this.#store;
    const state: RawState = {
      get: (key) => store.find(key)?.value,
      set: (key, value) => {
        const slot = store.get(key);
        store.change(slot, value);
        slot.input = run.input;
        slot.offset = run.offset;
      },
      delete: (key) => {
        const slot = store.find(key);
        if (slot !== undefined) store.change(slot, undefined);
      },
    };
    return {
      get now() {
        return run.now;
      },
      state,
      at: ({ topic, offset }) => run.blame(this.#inputs.get(topic) ?? -1, offset),
      emit: (topic, record) => this.#emit(topic, record),
      row: (table, key) => this.#graph.table({ topic: table }).get(key) as never,
    };
  }

  #emit(topic: string, { key = null, value, headers = NO_HEADERS, timestamp, partition = -1 }: EmittedRecord<unknown>) {
    const output = this.#graph.outputs.get(topic);
    if (output === undefined) throw invalid(`${topic} is not among the outputs`);
    if (!Number.isInteger(partition)) throw new SluiceError('PARTITION_UNKNOWN', `${partition} is not a partition`);
    const keyBytes = typeof key === 'string' ? encodeUtf8(key) : key;
    const valueBytes = value === null ? null : output.serde.encode(value);
    this.#run.outputs.add(output, keyBytes, valueBytes, headers, timestamp ?? this.#run.now, partition);
  }
}
