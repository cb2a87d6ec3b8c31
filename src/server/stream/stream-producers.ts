/**
 * The idempotent producers of one stream: for each the epoch it is in and the number of its last request. Kept as long
 * as the stream, unless there are too many: then the longest silent is forgotten.
 */
import { type Limits, SluiceError } from '#kernel';
import type { Log, StateChange } from '#log';
import { type ProducerPlace, producerSpace } from './document.ts';

export interface ProducerEntry {
  readonly epoch: number;
  readonly sequence: number;
  /** Epoch milliseconds of its last request. */
  readonly at: number;
}

export class StreamProducers {
  readonly #space: string;
  readonly #max: number;
  /** The longest silent first. */
  readonly #entries = new Map<string, ProducerEntry>();

  /** @param id of the stream, which is new */
  constructor(id: string, limits: Limits) {
    this.#space = producerSpace(id);
    this.#max = limits.producersPerPartitionMax;
  }

  /** Those of a stream that was there before the server started. */
  static load(log: Log, id: string, limits: Limits): StreamProducers {
    const producers = new StreamProducers(id, limits);
    const stored = log.scanState(producers.#space, '', Number.MAX_SAFE_INTEGER);
    const found = stored.map(([name, value]): [string, ProducerEntry] => [
      name,
      JSON.parse(Buffer.from(value).toString()) as ProducerEntry,
    ]);
    for (const [name, entry] of found.sort(([, a], [, b]) => a.at - b.at)) producers.#entries.set(name, entry);
    return producers;
  }

  get(name: string): ProducerEntry | undefined {
    return this.#entries.get(name);
  }

  /** What storing these entries changes, those that are forgotten for them included. */
  changes(entries: ReadonlyMap<string, ProducerEntry>): StateChange[] {
    const stored = Array.from(entries, ([name, entry]) => this.#change(name, entry));
    return [...stored, ...this.#forgotten(entries).map((name) => this.#change(name, null))];
  }

  /** The changes are durable. */
  apply(entries: ReadonlyMap<string, ProducerEntry>): void {
    for (const name of this.#forgotten(entries)) this.#entries.delete(name);
    for (const [name, entry] of entries) {
      this.#entries.delete(name);
      this.#entries.set(name, entry);
    }
  }

  #forgotten(entries: ReadonlyMap<string, ProducerEntry>): string[] {
    let more = this.#entries.size - this.#max;
    for (const name of entries.keys()) if (!this.#entries.has(name)) more++;
    const names: string[] = [];
    for (const name of this.#entries.keys()) {
      if (names.length >= more) break;
      if (!entries.has(name)) names.push(name);
    }
    return names;
  }

  #change(name: string, entry: ProducerEntry | null): StateChange {
    const value = entry === null ? null : Buffer.from(JSON.stringify(entry));
    return { space: this.#space, key: name, value };
  }
}

/**
 * Whether the request is its producer's next (true) or one that was stored before (false).
 * @throws PRODUCER_FENCED (details: `epoch`), SEQUENCE_GAP (details: `expected`, `received`), REQUEST_INVALID
 */
export function isNextRequest({ epoch, sequence }: ProducerPlace, last: ProducerEntry | undefined): boolean {
  if (last !== undefined && epoch < last.epoch) {
    throw new SluiceError('PRODUCER_FENCED', `epoch ${epoch} is older than ${last.epoch}`, { epoch: last.epoch });
  }
  if (last !== undefined && epoch > last.epoch) {
    if (sequence === 0) return true;
    throw new SluiceError('REQUEST_INVALID', 'a new epoch begins with Producer-Seq 0', { field: 'Producer-Seq' });
  }
  if (last !== undefined && sequence <= last.sequence) return false;
  const expected = last === undefined ? 0 : last.sequence + 1;
  if (sequence === expected) return true;
  throw new SluiceError('SEQUENCE_GAP', `Producer-Seq ${expected} comes next, not ${sequence}`, {
    expected,
    received: sequence,
  });
}
