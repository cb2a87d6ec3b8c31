/**
 * Writes a group's acknowledgements: one commit on its way at most, and what arrives meanwhile goes into the
 * next, only the furthest offset of each partition. An offset never moves back this way.
 */
import type { Log, Partition } from './contract.ts';

type Positions = ReadonlyMap<Partition, number>;

const NOTHING: Positions = new Map();

export class AckWriter {
  readonly #log: Log;
  readonly #group: string;
  #waiting = new Map<Partition, number>();
  #sent = NOTHING;
  #writing: Promise<void> | undefined;

  constructor(log: Log, group: string) {
    this.#log = log;
    this.#group = group;
  }

  /** Where the next owner of the partition begins; undefined when nothing was acknowledged. */
  position(partition: Partition): number | undefined {
    const committed = () => this.#log.committedOffset(this.#group, partition.topic.name, partition.index);
    return this.#waiting.get(partition) ?? this.#sent.get(partition) ?? committed();
  }

  /** True when everything acknowledged is durable. */
  get idle(): boolean {
    return this.#writing === undefined && this.#waiting.size === 0;
  }

  add(partition: Partition, nextOffset: number): void {
    if (nextOffset <= (this.position(partition) ?? -1)) return;
    this.#waiting.set(partition, nextOffset);
    this.writeSoon();
  }

  /** Writes what waits, if anything does. A failure leaves it waiting, for the next call or for who flushes. */
  writeSoon(): void {
    if (this.#waiting.size > 0) this.#write().catch(() => undefined);
  }

  /** Resolves when nothing waits. @throws what the log could not write it for */
  async flush(): Promise<void> {
    while (!this.idle) await this.#write();
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
    const sent = this.#waiting;
    this.#sent = sent;
    this.#waiting = new Map();
    const offsets = Array.from(sent, ([{ topic, index }, offset]) => {
      return { group: this.#group, topic: topic.name, partition: index, offset };
    });
    // A topic that was deleted takes its acknowledgements along, also when there is another of its name.
    const live = [...sent.keys()].map(({ topic }) => this.#log.findTopic(topic.name) === topic);
    try {
      await this.#log.commit({ offsets: offsets.filter((_, i) => live[i]) });
    } catch (error) {
      this.#waiting = new Map([...sent, ...this.#waiting]);
      throw error;
    } finally {
      this.#sent = NOTHING;
    }
    if (this.#waiting.size > 0) setImmediate(() => this.writeSoon());
  }
}
