/** A log with a topic and its groups, and members that note what they are told, for the tests of groups. */
import { onTestFinished } from 'vitest';
import { encodeUtf8, resolveLimits, systemClock } from '#kernel';
import { type AssignedPartition, GroupCoordinator, type Member, MemoryLog, type TopicPartition } from '#log';
import { encodeBatch } from '#record';

export const RECORDS = 100;

export interface Scene {
  readonly log: MemoryLog;
  readonly groups: GroupCoordinator;
}

/** A topic `t` whose partitions hold `RECORDS` records each. */
export async function scene(partitions: number, drainMs = 60_000): Promise<Scene> {
  const limits = resolveLimits({ rebalanceDrainMs: drainMs });
  const log = new MemoryLog({ limits, clock: systemClock });
  const groups = new GroupCoordinator(log, { limits, clock: systemClock });
  onTestFinished(async () => {
    await groups.close();
    await log.close();
  });
  await log.createTopic('t', { partitions });
  await fill(log);
  return { log, groups };
}

/** Gives each empty partition of `t` its records. */
export async function fill(log: MemoryLog): Promise<void> {
  const batch = encodeBatch(Array.from({ length: RECORDS }, (_, i) => ({ value: encodeUtf8(`${i}`) })));
  await Promise.all(log.topic('t').partitions.map((partition) => (partition.tail === 0 ? partition.append(batch) : 0)));
}

/** A member, and which partitions of `t` it believes to own from what it was told. */
export class Listening {
  readonly member: Member;
  readonly owned = new Map<number, number | undefined>();
  readonly told: string[] = [];
  /** Whether it gives up at once what is revoked. */
  prompt = true;

  constructor(groups: GroupCoordinator, group = 'g', topics: readonly string[] = ['t']) {
    const listener = {
      assigned: (partitions: readonly AssignedPartition[]) => {
        for (const { partition, offset } of partitions) this.owned.set(partition, offset);
        this.told.push(`+${numbers(partitions)}`);
      },
      revoked: (partitions: readonly TopicPartition[]) => {
        this.told.push(`-${numbers(partitions)}`);
        if (this.prompt) for (const { topic, partition } of partitions) this.release(partition, topic);
      },
    };
    this.member = groups.join(group, { topics, listener, client: 'test' });
  }

  release(partition: number, topic = 't'): void {
    this.owned.delete(partition);
    this.member.released(topic, partition);
  }

  get partitions(): number[] {
    return [...this.owned.keys()].sort((a, b) => a - b);
  }
}

function numbers(partitions: readonly TopicPartition[]): string {
  return partitions.map(({ partition }) => partition).join();
}

/** Lets every microtask run. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
