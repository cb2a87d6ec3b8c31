/**
 * One input of a run: steps through its chunks, batches and records to the next one that is to be processed. Its
 * record is always read one ahead, so that inputs can be merged by time.
 */
import { EMPTY } from '#kernel';
import { asBuffer, type DeadLetter } from '#log';
import { type BatchHeader, RecordCursor } from '#record';
import { Flow } from './flow.ts';
import type { Serde } from './serdes.ts';
import type { DeadNotice, TaskInput } from './task.ts';

/** What an instance asks of an input at the end of a run. */
export interface RunInput {
  /** The next offset to process. */
  readonly next: number;
  readonly dead: readonly DeadLetter[];
  /** Lets the iterable go when it was not read to its end. */
  close(): void;
}

/** How records that were given up on are taken out of an input. */
export interface Graves {
  readonly notices: ReadonlyMap<number, DeadNotice>;
  bury(flow: Flow, notice: DeadNotice): DeadLetter;
}

/** What all inputs of a run have read together. */
export interface Meter {
  readonly maxBytes: number;
  bytesIn: number;
}

export class Reader implements RunInput {
  readonly index: number;
  readonly flow = new Flow();
  /** The next offset to process. */
  next: number;
  readonly #until: number;
  /** `flow` is the record at `next`. */
  ready = false;
  /** There was no more room in the run for another batch. */
  paused = false;
  readonly dead: DeadLetter[] = [];
  readonly #graves: Graves;
  readonly #meter: Meter;
  readonly #chunks: Iterator<Uint8Array>;
  readonly #cursor = new RecordCursor();
  #chunk: Uint8Array = EMPTY;
  #at = 0;
  #header: BatchHeader | undefined;
  #opened = false;

  constructor(index: number, input: TaskInput, serde: Serde<unknown>, graves: Graves, meter: Meter) {
    this.index = index;
    this.next = input.from;
    this.#until = input.until ?? Number.POSITIVE_INFINITY;
    this.#graves = graves;
    this.#meter = meter;
    this.#chunks = input.chunks[Symbol.iterator]();
    this.flow.topic = input.topic;
    this.flow.partition = input.partition;
    this.flow.serde = serde;
  }

  /** Goes to the record at `next` or behind it. @throws BATCH_MALFORMED and others where bytes are not batches */
  read(): void {
    this.ready = false;
    while (this.next < this.#until) {
      if (this.#header !== undefined) {
        if (this.#readBatch()) return;
        this.next = Math.min(this.#until, Math.max(this.next, end(this.#header)));
        this.#header = undefined;
      } else if (!this.#open()) return;
    }
  }

  /** The record at `next` is done. */
  consume(): void {
    this.next++;
    this.read();
  }

  #readBatch(): boolean {
    const cursor = this.#cursor;
    while (cursor.next()) {
      const { offset } = cursor;
      if (offset < this.next) continue;
      if (offset >= this.#until) {
        this.next = this.#until;
        return true;
      }
      this.next = offset;
      this.flow.read(cursor);
      const notice = this.#graves.notices.size === 0 ? undefined : this.#graves.notices.get(offset);
      if (notice !== undefined) {
        this.dead.push(this.#graves.bury(this.flow, notice));
        this.next = offset + 1;
        continue;
      }
      this.ready = true;
      return true;
    }
    return false;
  }

  /** Opens the next batch that reaches `next`; false when there is none, or no room for it. */
  #open(): boolean {
    for (;;) {
      if (this.#opened && this.#meter.bytesIn >= this.#meter.maxBytes) {
        this.paused = true;
        return false;
      }
      if (this.#at >= this.#chunk.length) {
        const step = this.#chunks.next();
        if (step.done === true) return false;
        this.#chunk = asBuffer(step.value);
        this.#at = 0;
        continue;
      }
      const header = this.#cursor.open(this.#chunk, this.#at);
      this.#at += header.byteLength;
      if (end(header) <= this.next) continue;
      this.#cursor.bytes = asBuffer(this.#cursor.bytes);
      this.#opened = true;
      this.#meter.bytesIn += header.byteLength;
      this.#header = header;
      return true;
    }
  }

  close(): void {
    this.ready = false;
    this.#chunks.return?.();
  }
}

/** The first offset behind a batch. */
export function end(header: BatchHeader): number {
  return header.baseOffset + header.lastOffsetDelta + 1;
}
