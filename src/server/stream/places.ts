/**
 * Where streams have their records: partitions of the system topics `sys.streams.0`, `sys.streams.1` …, each for one
 * stream at a time. A partition whose stream was erased is trimmed and serves another, so that making and
 * erasing streams makes no topics. What is free follows from what the streams occupy; nothing of it is stored.
 */
import type { Limits, Logger } from '#kernel';
import type { Log, Partition } from '#log';

const GROWTH = 64;
const TOPIC = 'sys.streams.';

export class Places {
  readonly #log: Log;
  readonly #limits: Limits;
  readonly #logger: Logger;
  readonly #free: Partition[] = [];
  #topics = 0;
  #growing: Promise<void> | undefined;

  constructor(log: Log, limits: Limits, logger: Logger) {
    this.#log = log;
    this.#limits = limits;
    this.#logger = logger;
  }

  /** Takes in what is there, at the start. */
  open(occupied: ReadonlySet<Partition>): void {
    for (;;) {
      const topic = this.#log.findTopic(`${TOPIC}${this.#topics}`);
      if (topic === undefined) return;
      this.#topics++;
      this.#free.push(...topic.partitions.filter((partition) => !occupied.has(partition)));
    }
  }

  /** An empty partition. @throws LIMIT_EXCEEDED, DISK_FULL, STORE_FAILED */
  async take(): Promise<Partition> {
    for (;;) {
      const partition = this.#free.pop();
      if (partition !== undefined) {
        await this.#empty(partition);
        return partition;
      }
      this.#growing ??= this.#grow().finally(() => {
        this.#growing = undefined;
      });
      await this.#growing;
    }
  }

  /** Its stream is no more. What is left in it is freed at once if that can be done, else before it is taken again. */
  release(partition: Partition): void {
    this.#free.push(partition);
    this.#trim(partition).catch((error: unknown) => {
      this.#logger.warn({ err: error }, 'the space of a stream could not be freed yet');
    });
  }

  async #empty(partition: Partition): Promise<void> {
    try {
      await this.#trim(partition);
    } catch (error) {
      this.#free.push(partition);
      throw error;
    }
  }

  async #trim(partition: Partition): Promise<void> {
    if (partition.start < partition.durable) await partition.trim(partition.durable);
  }

  /** The last topic gets more partitions, or another one is made. */
  async #grow(): Promise<void> {
    const max = this.#limits.partitionsPerTopicMax;
    const name = `${TOPIC}${this.#topics - 1}`;
    const last = this.#log.findTopic(name);
    const before = last?.partitions.length ?? max;
    if (last === undefined || before >= max) {
      const topic = await this.#log.createTopic(`${TOPIC}${this.#topics}`, { partitions: Math.min(GROWTH, max) });
      this.#topics++;
      this.#free.push(...topic.partitions);
      return;
    }
    const grown = await this.#log.updateTopic(name, { partitions: Math.min(before + GROWTH, max) });
    this.#free.push(...grown.partitions.slice(before));
  }
}
