/**
 * Ids of runs: in the order they were given out, different in every process, and with the partition in them, so that whoever
 * has one knows where everything about it is.
 *
 *   kqv2w8fz-00f-8d1c-0      milliseconds (base 36, in order) · count within one · of this process · partition
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '#kernel';

const RADIX = 36;
const TIME_CHARS = 9;
const COUNT_CHARS = 4;
const PROCESS_BYTES = 4;
const PATTERN = /^[0-9a-z]{9}-[0-9a-z]{4,}-[0-9a-f]{8}-([0-9a-z]+)$/;

export class RunIds {
  readonly #clock: Clock;
  readonly #suffix: string;
  #at = 0;
  #count = 0;

  constructor(clock: Clock, partition: number) {
    this.#clock = clock;
    this.#suffix = `${randomBytes(PROCESS_BYTES).toString('hex')}-${partition.toString(RADIX)}`;
  }

  next(): string {
    const now = this.#clock.now();
    if (now > this.#at) {
      this.#at = now;
      this.#count = 0;
    }
    const time = this.#at.toString(RADIX).padStart(TIME_CHARS, '0');
    return `${time}-${(this.#count++).toString(RADIX).padStart(COUNT_CHARS, '0')}-${this.#suffix}`;
  }
}

/** Undefined: it is not an id of a run. */
export function partitionOfId(id: string): number | undefined {
  const found = PATTERN.exec(id)?.[1];
  return found === undefined ? undefined : Number.parseInt(found, RADIX);
}
