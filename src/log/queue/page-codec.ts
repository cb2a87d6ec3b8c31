/**
 * A page of `DonePages` as bytes, in the shortest of three forms, and behind it the failures of records not yet done.
 *
 *   u8 form │ 0: bitmap, 512 bytes           │ u16 count │ per failure:
 *           │ 1: u16 n, n × u16 done         │           │ u16 index, u16 failures, f64 due (epoch ms)
 *           │ 2: u16 n, n × u16 not done     │           │
 */
import { SluiceError } from '#kernel';

/** How often a record came back, and when it may go out again (epoch ms). */
export interface Failure {
  readonly failures: number;
  readonly due: number;
}

export interface PageContent {
  /** A bit an offset, the lowest bit of the first word first. */
  readonly bits: Int32Array;
  readonly failures: Map<number, Failure>;
}

export const PAGE_OFFSETS = 4_096;
export const WORDS = PAGE_OFFSETS / 32;
const BITMAP_BYTES = PAGE_OFFSETS / 8;
const FAILURE_BYTES = 12;
const FAILURES_MAX = 0xffff;
const BITMAP = 0;
const DONE = 1;
const OPEN = 2;

export function encodePage({ bits, failures }: PageContent): Uint8Array {
  const done = countBits(bits);
  const listed = Math.min(done, PAGE_OFFSETS - done);
  const form = 2 + 2 * listed >= BITMAP_BYTES ? BITMAP : done === listed ? DONE : OPEN;
  const head = 1 + (form === BITMAP ? BITMAP_BYTES : 2 + 2 * listed);
  const bytes = new Uint8Array(head + 2 + FAILURE_BYTES * failures.size);
  const view = new DataView(bytes.buffer);
  bytes[0] = form;
  if (form === BITMAP) for (let word = 0; word < WORDS; word++) view.setInt32(1 + 4 * word, bits[word] as number);
  else writeList(view, bits, form === DONE, listed);
  view.setUint16(head, failures.size);
  let at = head + 2;
  for (const [index, failure] of failures) {
    view.setUint16(at, index);
    view.setUint16(at + 2, Math.min(failure.failures, FAILURES_MAX));
    view.setFloat64(at + 4, failure.due);
    at += FAILURE_BYTES;
  }
  return bytes;
}

function writeList(view: DataView, bits: Int32Array, done: boolean, listed: number): void {
  view.setUint16(1, listed);
  let at = 3;
  for (let index = 0; index < PAGE_OFFSETS; index++) {
    if (isSet(bits, index) !== done) continue;
    view.setUint16(at, index);
    at += 2;
  }
}

/** @throws STORE_CORRUPT */
export function decodePage(bytes: Uint8Array): PageContent {
  try {
    return decode(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    throw new SluiceError('STORE_CORRUPT', 'the state of a queue cannot be read', {}, error);
  }
}

/** Reading behind the end throws a RangeError. */
function decode(view: DataView): PageContent {
  const form = view.getUint8(0);
  if (form > OPEN) throw new SluiceError('STORE_NEWER', `the state of a queue has an unknown form, ${form}`);
  const bits = new Int32Array(WORDS);
  let at = 1 + BITMAP_BYTES;
  if (form === BITMAP) for (let word = 0; word < WORDS; word++) bits[word] = view.getInt32(1 + 4 * word);
  else {
    if (form === OPEN) bits.fill(-1);
    const listed = view.getUint16(1);
    for (let i = 0; i < listed; i++) {
      const index = view.getUint16(3 + 2 * i);
      bits[index >> 5] = (bits[index >> 5] as number) ^ (1 << (index & 31));
    }
    at = 3 + 2 * listed;
  }
  const failures = new Map<number, Failure>();
  const count = view.getUint16(at);
  for (let i = 0; i < count; i++) {
    const place = at + 2 + FAILURE_BYTES * i;
    failures.set(view.getUint16(place), { failures: view.getUint16(place + 2), due: view.getFloat64(place + 4) });
  }
  return { bits, failures };
}

function isSet(bits: Int32Array, index: number): boolean {
  return ((bits[index >> 5] as number) & (1 << (index & 31))) !== 0;
}

/** How many are set. */
export function countBits(bits: Int32Array): number {
  let count = 0;
  for (let word = 0; word < WORDS; word++) {
    let rest = bits[word] as number;
    while (rest !== 0) {
      rest &= rest - 1;
      count++;
    }
  }
  return count;
}
