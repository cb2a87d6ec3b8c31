/**
 * Names to be remembered until a time, durably: a compacted topic in which an entry is followed by its tombstone once its
 * time is over. An entry is on the disk when `add` resolves, and known to `has` at once, so that of two who bring the
 * same name together one is told that it is there. Holds revoked tokens and assertions that were used.
 */
import { type Clock, decodeUtf8, encodeUtf8, SluiceError } from '#kernel';
import type { Log, Partition } from '#log';
import { encodeBatch, iterateBatches, iterateRecords } from '#record';

const SWEEP_MS = 10_000;
const READ_BYTES = 1024 * 1024;
/** Tombstones in one batch; a name is short, so this is far below a batch's limit. */
const TOMBSTONES_MAX = 1_000;

export class ExpiringSet {
  readonly #partition: Partition;
  readonly #clock: Clock;
  readonly #entriesMax: number;
  readonly #entries = new Map<string, number>();
  #sweepAt = 0;
  #added: (name: string, expiresMs: number) => void = () => undefined;

  private constructor(partition: Partition, clock: Clock, entriesMax: number) {
    this.#partition = partition;
    this.#clock = clock;
    this.#entriesMax = entriesMax;
  }

  /** Creates the topic where it is missing, and reads what it holds. */
  static async open(log: Log, topic: string, clock: Clock, entriesMax: number): Promise<ExpiringSet> {
    if (log.findTopic(topic) === undefined) await log.createTopic(topic, { cleanup: 'compact' });
    const partition = log.partition(topic, 0);
    const set = new ExpiringSet(partition, clock, entriesMax);
    const cursor = partition.cursor(partition.start);
    for (let chunk = cursor.next(READ_BYTES); chunk !== null; chunk = cursor.next(READ_BYTES)) {
      for (const { at } of iterateBatches(chunk.bytes)) {
        for (const { key, value } of iterateRecords(chunk.bytes, at)) {
          const name = decodeUtf8(key ?? new Uint8Array());
          if (value === null) set.#entries.delete(name);
          else set.#entries.set(name, (JSON.parse(decodeUtf8(value)) as { expires_at: number }).expires_at);
        }
      }
    }
    return set;
  }

  /** `added` runs after a name was added and is on the disk. */
  watch(added: (name: string, expiresMs: number) => void): void {
    this.#added = added;
  }

  has(name: string): boolean {
    const expiresMs = this.#entries.get(name);
    return expiresMs !== undefined && expiresMs > this.#clock.now();
  }

  /** Names and when they end, in epoch milliseconds. */
  entries(): IterableIterator<[string, number]> {
    return this.#entries.entries();
  }

  /**
   * False when the name is there. @param expiresMs epoch milliseconds
   * @throws LIMIT_EXCEEDED when there is no room, and as `Partition.append`; the name is not added then
   */
  async add(name: string, expiresMs: number): Promise<boolean> {
    if (this.has(name)) return false;
    const now = this.#clock.now();
    if (now >= this.#sweepAt) await this.#sweep(now);
    // Somebody may have brought the same name meanwhile.
    if (this.has(name)) return false;
    if (this.#entries.size >= this.#entriesMax) {
      throw new SluiceError('LIMIT_EXCEEDED', `more than ${this.#entriesMax} names have to be remembered`);
    }
    this.#entries.set(name, expiresMs);
    try {
      const value = encodeUtf8(JSON.stringify({ expires_at: expiresMs }));
      await this.#partition.append(encodeBatch([{ key: encodeUtf8(name), value }], { now }));
    } catch (error) {
      this.#entries.delete(name);
      throw error;
    }
    this.#added(name, expiresMs);
    return true;
  }

  /** Forgets what is over, in memory and in the log. */
  async #sweep(now: number): Promise<void> {
    this.#sweepAt = now + SWEEP_MS;
    const over = [...this.#entries].filter(([, expiresMs]) => expiresMs <= now).map(([name]) => name);
    for (const name of over) this.#entries.delete(name);
    for (let i = 0; i < over.length; i += TOMBSTONES_MAX) {
      const records = over.slice(i, i + TOMBSTONES_MAX).map((name) => ({ key: encodeUtf8(name), value: null }));
      await this.#partition.append(encodeBatch(records, { now }), { durability: 'memory' });
    }
  }
}
