/** How records become one value: count, reduce and aggregate in the form the keyed operators call. */
import { SluiceError } from '#kernel';
import type { Flow } from '../flow.ts';
import { settled } from './stateless.ts';

export interface Fold {
  /** `folded` is undefined before the first record; so is the result when nothing is to be kept. */
  add(folded: unknown, flow: Flow): unknown;
  /** Null where the user gave no way to. */
  readonly merge: ((earlier: unknown, later: unknown) => unknown) | null;
}

export const COUNT: Fold = {
  add: (folded) => (folded === undefined ? 1 : (folded as number) + 1),
  merge: (earlier, later) => (earlier as number) + (later as number),
};

export function reducing(reduce: (reduced: unknown, value: unknown) => unknown): Fold {
  return {
    add: (folded, flow) => (folded === undefined ? flow.value : settled(reduce(folded, flow.value))),
    merge: (earlier, later) => settled(reduce(earlier, later)),
  };
}

export interface AggregationCalls {
  init(): unknown;
  add(aggregate: unknown, value: unknown, record: Flow): unknown;
  merge?(earlier: unknown, later: unknown): unknown;
}

export function aggregating(calls: AggregationCalls): Fold {
  const { merge } = calls;
  return {
    add: (folded, flow) => settled(calls.add(folded === undefined ? calls.init() : folded, flow.value, flow)),
    merge: merge === undefined ? null : (earlier, later) => settled(merge.call(calls, earlier, later)),
  };
}

/** @throws PROCESSOR_FAILED: a record that cannot be counted anywhere must not vanish */
export function keyOf(flow: Flow): string {
  const { key } = flow;
  if (key === null) throw new SluiceError('PROCESSOR_FAILED', 'a record without a key cannot be grouped by key');
  return key;
}
