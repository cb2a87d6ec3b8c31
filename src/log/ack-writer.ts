/**
 * Writes a group's acknowledgements: one commit on its way at most, and what arrives meanwhile goes into the
 * next, only the furthest offset of each partition. An offset never moves back this way.
 */
import type { Log, OffsetCommit } from './contract.ts';

export class AckWriter {
  readonly #log: Log;
  readonly #group: string;
  #waiting = new Map<string, OffsetCommit>();
  /** Acknowledged and maybe not durable yet. */
  readonly #positions = new Map<string, number>();
  #writing: Promise<void> | undefined;

  constructor(log: Log, group: string) {
    this.#log = log;
    this.#group = group;
  }

  /** Where the next owner of the partition begins; undefined when nothing was acknowledged. */
  position(topic: string, partition: number): number | undefined {
    return this.#positions.get(`${topic}/${partition}`) ?? this.#log.committedOffset(this.#group, topic, partition);
  }

  add(topic: string, partition: number, nextOffset: number): void {
    if (nextOffset <= (this.position(topic, partition) ?? -1)) return;
    const place = `${topic}/${partition}`;
    this.#positions.set(place, nextOffset);
    this.#waiting.set(place, { group: this.#group, topic, partition, offset: nextOffset });
    // A failure stays for the one who flushes; the offsets are kept and written with the next acknowledgement.
    this.#write().catch(() => undefined);
  }

  async flush(): Promise<void> {
    while (this.#writing !== undefined || this.#waiting.size > 0) await this.#write();
  }

  #write(): Promise<void> {
    this.#writing ??= this.#writeOnce().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #writeOnce(): Promise<void> {
    // Acknowledgements of the same turn share a commit.
    await Promise.resolve();
    const taken = this.#waiting;
    this.#waiting = new Map();
    const offsets = [...taken.values()].filter(({ topic }) => this.#log.findTopic(topic) !== undefined);
    if (offsets.length === 0) return;
    try {
      await this.#log.commit({ offsets });
    } catch (error) {
      for (const [place, offset] of taken) if (!this.#waiting.has(place)) this.#waiting.set(place, offset);
      throw error;
    }
    if (this.#waiting.size > 0) setImmediate(() => this.#write().catch(() => undefined));
  }
}
