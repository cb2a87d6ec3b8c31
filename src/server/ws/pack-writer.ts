/**
 * Writes MessagePack straight into a growing buffer: for the frames that are sent so often that building objects
 * for a general encoder would be most of their cost. The bytes are valid until the next `reset`.
 */

const TWO_32 = 2 ** 32;

export class PackWriter {
  #buffer: Buffer;
  #view: DataView;
  length = 0;

  constructor(capacityBytes: number) {
    this.#buffer = Buffer.allocUnsafeSlow(capacityBytes);
    this.#view = new DataView(this.#buffer.buffer);
  }

  reset(): void {
    this.length = 0;
  }

  /** What was written, from `from` on. */
  bytes(from = 0): Buffer {
    return this.#buffer.subarray(from, this.length);
  }

  #reserve(more: number): void {
    if (this.length + more <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.length + more, this.#buffer.length * 2));
    this.#buffer.copy(larger, 0, 0, this.length);
    this.#buffer = larger;
    this.#view = new DataView(larger.buffer);
  }

  /** A part encoded before, as it is. */
  raw(part: Uint8Array): void {
    this.#reserve(part.length);
    this.#buffer.set(part, this.length);
    this.length += part.length;
  }

  mapHead(members: number): void {
    this.#head(0x80, 0xde, members);
  }

  arrayHead(items: number): void {
    this.#head(0x90, 0xdc, items);
  }

  #head(short: number, long: number, count: number): void {
    this.#reserve(5);
    if (count < 16) this.#buffer[this.length++] = short | count;
    else if (count < 65_536) {
      this.#buffer[this.length++] = long;
      this.#view.setUint16(this.length, count);
      this.length += 2;
    } else {
      this.#buffer[this.length++] = long + 1;
      this.#view.setUint32(this.length, count);
      this.length += 4;
    }
  }

  /** A head whose count is filled in by `endArray`; returns the place to give it. */
  beginArray(): number {
    this.#reserve(5);
    this.#buffer[this.length] = 0xdd;
    this.length += 5;
    return this.length - 4;
  }

  endArray(place: number, items: number): void {
    this.#view.setUint32(place, items);
  }

  /** A whole number, 0 or more, exact to 2^53. */
  uint(value: number): void {
    this.#reserve(9);
    const buffer = this.#buffer;
    if (value < 128) buffer[this.length++] = value;
    else if (value < 65_536) {
      buffer[this.length++] = 0xcd;
      this.#view.setUint16(this.length, value);
      this.length += 2;
    } else if (value < TWO_32) {
      buffer[this.length++] = 0xce;
      this.#view.setUint32(this.length, value);
      this.length += 4;
    } else {
      buffer[this.length++] = 0xcf;
      this.#view.setUint32(this.length, Math.floor(value / TWO_32));
      this.#view.setUint32(this.length + 4, value % TWO_32);
      this.length += 8;
    }
  }

  nil(): void {
    this.#reserve(1);
    this.#buffer[this.length++] = 0xc0;
  }

  text(value: string): void {
    const bytes = Buffer.from(value);
    this.#reserve(5 + bytes.length);
    if (bytes.length < 32) this.#buffer[this.length++] = 0xa0 | bytes.length;
    else {
      this.#buffer[this.length++] = 0xdb;
      this.#view.setUint32(this.length, bytes.length);
      this.length += 4;
    }
    this.raw(bytes);
  }

  binary(value: Uint8Array | null): void {
    if (value === null) {
      this.nil();
      return;
    }
    const { length } = value;
    this.#reserve(5 + length);
    if (length < 256) {
      this.#buffer[this.length++] = 0xc4;
      this.#buffer[this.length++] = length;
    } else {
      this.#buffer[this.length++] = 0xc6;
      this.#view.setUint32(this.length, length);
      this.length += 4;
    }
    this.#buffer.set(value, this.length);
    this.length += length;
  }
}

/** The bytes of a short text with its head, for `raw`. */
export function packedText(text: string): Buffer {
  const writer = new PackWriter(64);
  writer.text(text);
  return Buffer.from(writer.bytes());
}
