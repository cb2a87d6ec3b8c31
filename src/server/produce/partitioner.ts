/** Which partition a record goes to: the one it names, else its key's, else the next in turn, one for each request. */
import { SluiceError } from '#kernel';
import type { Partition, Topic } from '#log';
import { partitionForKey } from '#record';

export class Partitioner {
  #turn = 0;

  /** The index for records of one request that have neither key nor partition. */
  next(topic: Topic): number {
    this.#turn = (this.#turn + 1) % 0x40000000;
    return this.#turn % topic.partitions.length;
  }

  /**
   * @param fallback the index for a record that has neither a key nor a partition
   * @throws PARTITION_UNKNOWN
   */
  choose(topic: Topic, key: Uint8Array | null, named: number | undefined, fallback: number): Partition {
    if (named !== undefined) return partitionAt(topic, named);
    const count = topic.partitions.length;
    return partitionAt(topic, key === null ? fallback : count === 1 ? 0 : partitionForKey(key, count));
  }
}

/** @throws PARTITION_UNKNOWN (details: `partition`) */
export function partitionAt(topic: Topic, index: number): Partition {
  const partition = topic.partitions[index];
  if (partition !== undefined) return partition;
  const count = topic.partitions.length;
  throw new SluiceError('PARTITION_UNKNOWN', `topic ${topic.name} has partitions 0 to ${count - 1}, not ${index}`, {
    topic: topic.name,
    partition: index,
  });
}
