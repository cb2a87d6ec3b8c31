/** Shapes of what paths and queries carry: text that stands for numbers, names and places. */
import { z } from 'zod';

const DIGITS_MAX = 16;

/** Digits that stand for a whole number from 0 to `max`. */
export function wholeNumber(max = Number.MAX_SAFE_INTEGER) {
  return z
    .string()
    .regex(new RegExp(`^\\d{1,${DIGITS_MAX}}$`), 'must be a whole number, 0 or more')
    .transform(Number)
    .pipe(z.number().int().min(0).max(max));
}

/** `true` or `false`; empty is true, so that `?dry_run` works. */
export const flag = z
  .enum(['true', 'false', ''])
  .transform((text) => text !== 'false')
  .pipe(z.boolean());

export const topicName = z.string().describe('Name of a topic: 1 to 249 of A-Z a-z 0-9 . _ -');
export const partitionIndex = wholeNumber(2 ** 31 - 1).describe('Index of a partition, from 0');
