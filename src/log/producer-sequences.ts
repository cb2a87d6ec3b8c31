/**
 * What one partition remembers of its idempotent producers, as Kafka's brokers do: the epoch, the next sequence
 * number, and the last five batches, so that a batch sent again after a lost answer is recognised.
 *
 *   sequence = next expected, same epoch           → new
 *   one of the last five (base sequence, count)    → duplicate, answered with its first offset
 *   older epoch → PRODUCER_FENCED                    newer epoch → must begin at 0
 *   anything else → SEQUENCE_GAP
 *
 * An entry is replaced, never changed, so that an append whose commit failed is undone by putting the
 * entry before it back.
 */
import { type Limits, SluiceError } from '#kernel';

interface StoredBatch {
  readonly sequence: number;
  readonly count: number;
  readonly baseOffset: number;
}

export interface ProducerEntry {
  readonly epoch: number;
  readonly nextSequence: number;
  readonly seenAt: number;
  /** Oldest first, at most five. */
  readonly batches: readonly StoredBatch[];
}

export type ProducerSnapshot = readonly (readonly [producerId: number, entry: ProducerEntry])[];

/** Undoes one `accept`; undos run in the reverse order of their accepts. */
export interface ProducerUndo {
  readonly producerId: number;
  readonly before: ProducerEntry | undefined;
  /** Who was forgotten for it, the longest silent first. */
  readonly forgotten: ProducerSnapshot;
}

const REMEMBERED_BATCHES = 5;
const NOBODY: ProducerSnapshot = [];
const SEQUENCES = 2 ** 31;

export class ProducerSequences {
  /** In order of last use. */
  readonly #entries = new Map<number, ProducerEntry>();
  readonly #limits: Limits;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#entries.size;
  }

  /**
   * The offset a duplicate was stored at the first time, or undefined when the batch is the next one.
   * @throws PRODUCER_FENCED (details: `epoch`), SEQUENCE_GAP (details: `expected`, `received`)
   */
  check(producerId: number, epoch: number, sequence: number, count: number): number | undefined {
    const entry = this.#entries.get(producerId);
    if (entry === undefined || epoch > entry.epoch) {
      if (sequence !== 0) throw gap(0, sequence);
      return undefined;
    }
    if (epoch < entry.epoch) {
      throw new SluiceError('PRODUCER_FENCED', `producer epoch ${epoch} is older than ${entry.epoch}`, {
        epoch: entry.epoch,
      });
    }
    if (sequence === entry.nextSequence) return undefined;
    for (const batch of entry.batches) {
      if (batch.sequence === sequence && batch.count === count) return batch.baseOffset;
    }
    throw gap(entry.nextSequence, sequence);
  }

  /** Remembers a batch that `check` found to be new. */
  accept(
    producerId: number,
    epoch: number,
    sequence: number,
    count: number,
    baseOffset: number,
    now: number,
  ): ProducerUndo {
    const before = this.#entries.get(producerId);
    const kept = before?.epoch === epoch ? before.batches.slice(1 - REMEMBERED_BATCHES) : [];
    this.#put(producerId, {
      epoch,
      nextSequence: (sequence + count) % SEQUENCES,
      seenAt: now,
      batches: [...kept, { sequence, count, baseOffset }],
    });
    return { producerId, before, forgotten: this.#forget(now) };
  }

  undo({ producerId, before, forgotten }: ProducerUndo): void {
    if (before === undefined) this.#entries.delete(producerId);
    else this.#put(producerId, before);
    if (forgotten.length === 0) return;
    const later = [...this.#entries];
    this.#entries.clear();
    for (const [id, entry] of [...forgotten, ...later]) this.#entries.set(id, entry);
  }

  /** Takes in a stored batch at opening; one that a snapshot already counted changes nothing. */
  recover(producerId: number, epoch: number, sequence: number, count: number, baseOffset: number, now: number): void {
    const last = this.#entries.get(producerId)?.batches.at(-1);
    if (last === undefined || last.baseOffset < baseOffset)
      this.accept(producerId, epoch, sequence, count, baseOffset, now);
  }

  restore(producerId: number, entry: ProducerEntry): void {
    this.#put(producerId, entry);
  }

  /** Plain data for storing; `restore` brings it back. */
  snapshot(): ProducerSnapshot {
    return [...this.#entries];
  }

  #put(producerId: number, entry: ProducerEntry): void {
    this.#entries.delete(producerId);
    this.#entries.set(producerId, entry);
  }

  /** Drops who has been silent too long or is one too many, the longest silent first. */
  #forget(now: number): ProducerSnapshot {
    let forgotten: [number, ProducerEntry][] | undefined;
    for (const [id, entry] of this.#entries) {
      const tooMany = this.#entries.size > this.#limits.producersPerPartitionMax;
      if (!tooMany && now - entry.seenAt <= this.#limits.producerIdleMs) break;
      this.#entries.delete(id);
      forgotten ??= [];
      forgotten.push([id, entry]);
    }
    return forgotten ?? NOBODY;
  }
}

function gap(expected: number, received: number): SluiceError {
  return new SluiceError('SEQUENCE_GAP', `sequence ${received} where ${expected} was expected`, { expected, received });
}
