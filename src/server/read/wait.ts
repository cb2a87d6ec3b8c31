/** Waiting for more to read: long polls and event streams sleep here. */
import type { Partition } from '#log';

/** Has a check called with every change that may matter; the result ends it. */
type Subscription = (check: () => void) => () => void;

/** Resolves when `isReady` holds, after `waitMs`, or when one of the signals fires, whichever is first. */
export function waitUntil(
  isReady: () => boolean,
  subscriptions: readonly Subscription[],
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
    if (isReady()) return finish();
    const check = () => {
      if (isReady()) finish();
    };
    for (const subscribe of subscriptions) stops.push(subscribe(check));
    return undefined;
  });
}

/** As `waitUntil`, for one of the partitions to have something durable at or past its offset. */
export function waitForRecords(
  places: readonly { readonly partition: Partition; readonly offset: number }[],
  waitMs: number,
  signals: readonly AbortSignal[],
): Promise<void> {
  const isReady = () => places.some(({ partition, offset }) => partition.durable > offset);
  const subscriptions = places.map(
    ({ partition }): Subscription =>
      (check) =>
        partition.onDurable(check),
  );
  return waitUntil(isReady, subscriptions, waitMs, signals);
}
