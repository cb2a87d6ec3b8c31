/** Where a reader begins: a word, a time or an offset, resolved against a partition. */
import { SluiceError } from '#kernel';
import type { Partition } from '#log';

export type From = 'earliest' | 'latest' | { readonly time: number } | number;

const OFFSET = /^\d{1,16}$/;
const TIME = /^@(\d{1,16})$/;

/** `earliest`, `latest`, `@<epoch ms>` or an offset. @throws REQUEST_INVALID (details: `field`) */
export function parseFrom(text: string, field: string): From {
  if (text === 'earliest' || text === 'latest') return text;
  const time = TIME.exec(text)?.[1];
  const value = Number(time ?? (OFFSET.test(text) ? text : Number.NaN));
  if (!Number.isSafeInteger(value)) {
    throw new SluiceError('REQUEST_INVALID', `${field} must be earliest, latest, @<epoch ms> or an offset`, { field });
  }
  return time === undefined ? value : { time: value };
}

/** An offset is taken as it is; the cursor checks it. */
export function startOffset(partition: Partition, from: From): number {
  if (from === 'earliest') return partition.start;
  if (from === 'latest') return partition.durable;
  return typeof from === 'number' ? from : partition.offsetForTime(from.time);
}
