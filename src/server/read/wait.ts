/** Waiting for a partition to grow: long polls and event streams sleep here. */
import type { Partition } from '#log';

/**
 * Resolves when one of the partitions has something durable at or past its offset, after `waitMs`, or when
 * `signal` fires, whichever is first.
 */
export function waitForRecords(
  places: readonly { readonly partition: Partition; readonly offset: number }[],
  waitMs: number,
  signals: readonly AbortSignal[],
): Promise<void> {
  return new Promise((resolve) => {
    const stops: (() => void)[] = [];
    const finish = () => {
      for (const stop of stops) stop();
      clearTimeout(timer);
      for (const signal of signals) signal.removeEventListener('abort', finish);
      resolve();
    };
    const timer = setTimeout(finish, waitMs);
    for (const signal of signals) {
      if (signal.aborted) return finish();
      signal.addEventListener('abort', finish);
    }
    for (const { partition, offset } of places) {
      if (partition.durable > offset) return finish();
      stops.push(
        partition.onDurable(() => {
          if (partition.durable > offset) finish();
        }),
      );
    }
    return undefined;
  });
}
