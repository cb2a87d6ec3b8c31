/**
 * Zigzag varints as Kafka's records use them. Reading goes through a `ByteReader` that knows its end, so that no field
 * can lead outside the batch.
 */
import { SluiceError } from '#kernel';

const TWO_31 = 2 ** 31;

/** Bytes that `value` takes. */
export function varintBytes(value: number): number {
  let rest = value >= 0 ? value * 2 : -value * 2 - 1;
  let bytes = 1;
  while (rest >= 128) {
    rest = Math.floor(rest / 128);
    bytes++;
  }
  return bytes;
}

/** Writes `value` at `at`, returns where the next byte goes. */
export function writeVarint(into: Uint8Array, at: number, value: number): number {
  let rest = value >= 0 ? value * 2 : -value * 2 - 1;
  let position = at;
  while (rest >= TWO_31) {
    into[position++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  while (rest >= 128) {
    into[position++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  into[position++] = rest;
  return position;
}

export class ByteReader {
  readonly bytes: Uint8Array;
  at: number;
  readonly end: number;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  /** @throws BATCH_MALFORMED beyond the end or over ten bytes */
  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      if (this.at >= this.end) throw new SluiceError('BATCH_MALFORMED', 'a record ends inside a number');
      const byte = this.bytes[this.at++] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      scale *= 128;
    }
    throw new SluiceError('BATCH_MALFORMED', 'a number in a record is too long');
  }

  /** A view of the next `length` bytes. */
  take(length: number): Uint8Array {
    if (length < 0 || !(length <= this.end - this.at)) {
      throw new SluiceError('BATCH_MALFORMED', `a field of ${length} bytes does not fit in its record`);
    }
    const view = this.bytes.subarray(this.at, this.at + length);
    this.at += length;
    return view;
  }

  /** A field with its length before it; -1 is null. */
  nullable(): Uint8Array | null {
    const length = this.varint();
    return length === -1 ? null : this.take(length);
  }
}
