/**
 * Many changes of state in one piece of bytes: what a run of a processor changed, as it goes from a worker to the
 * engine in one transfer and into the journal as one value. Written by `#processing`, walked by the engines.
 *
 *   u8 version = 1 │ u32 count │ count × ( u16 keyLength │ key, UTF-8 │ i32 valueLength, -1 = deleted │ value )
 *
 * All integers big endian. There is no checksum of its own: the batch or commit it travels in has one.
 */
import { assert, SluiceError } from '#kernel';
import { STATE_KEY_BYTES_MAX } from './append-rules.ts';
import { asBuffer, readUtf8 } from './utf8.ts';

const VERSION = 1;
const HEADER_BYTES = 5;
const COUNT_AT = 1;
const FRAME_BYTES = 6;
const DELETED = -1;
const INITIAL_BYTES = 4096;
/** Bytes of a key in a block: what `STATE_KEY_BYTES_MAX` leaves when the space has 256. */
export const STATE_BLOCK_KEY_BYTES_MAX: number = STATE_KEY_BYTES_MAX - 256;

export type StateBlockEntry = readonly [key: string, value: Uint8Array | null];

/**
 * Writes a block entry by entry without a copy in between: `key` first, then its `value`, `latin1` value or `remove`.
 * Keys are ordered as they are written; of two entries of one key the later one holds.
 */
export class StateBlockBuilder {
  #bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  #at = HEADER_BYTES;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#at;
  }

  /** Begins an entry; its key is `prefix` and then `key`. @throws REQUEST_INVALID over STATE_BLOCK_KEY_BYTES_MAX */
  key(prefix: Uint8Array, key: string): void {
    this.#reserve(FRAME_BYTES + prefix.length + key.length * 3);
    const start = this.#at + 2;
    this.#bytes.set(prefix, start);
    const length = prefix.length + this.#bytes.write(key, start + prefix.length, 'utf8');
    if (length > STATE_BLOCK_KEY_BYTES_MAX) {
      throw new SluiceError(
        'REQUEST_INVALID',
        `a state key may have ${STATE_BLOCK_KEY_BYTES_MAX} bytes, not ${length}`,
      );
    }
    this.#bytes[this.#at] = length >> 8;
    this.#bytes[this.#at + 1] = length;
    this.#at = start + length;
    this.#count++;
  }

  value(value: Uint8Array): void {
    this.#reserve(4 + value.length);
    this.#bytes.writeInt32BE(value.length, this.#at);
    this.#bytes.set(value, this.#at + 4);
    this.#at += 4 + value.length;
  }

  /** A value whose bytes are the characters of `text`. */
  latin1(text: string): void {
    this.#reserve(4 + text.length);
    this.#bytes.writeInt32BE(text.length, this.#at);
    this.#bytes.write(text, this.#at + 4, 'latin1');
    this.#at += 4 + text.length;
  }

  remove(): void {
    this.#bytes.writeInt32BE(DELETED, this.#at);
    this.#at += 4;
  }

  /** The block, alone in its ArrayBuffer; the builder is empty again. */
  finish(): Uint8Array {
    this.#bytes[0] = VERSION;
    this.#bytes.writeUInt32BE(this.#count, COUNT_AT);
    const block = new Uint8Array(this.#at);
    block.set(this.#bytes.subarray(0, this.#at));
    this.reset();
    return block;
  }

  reset(): void {
    this.#at = HEADER_BYTES;
    this.#count = 0;
  }

  #reserve(more: number): void {
    const needed = this.#at + more + 4;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }
}

const NO_PREFIX = new Uint8Array(0);

/** A block of these changes, null deletes. @throws REQUEST_INVALID over STATE_BLOCK_KEY_BYTES_MAX */
export function encodeStateBlock(changes: Iterable<StateBlockEntry>): Uint8Array {
  const builder = new StateBlockBuilder();
  for (const [key, value] of changes) {
    builder.key(NO_PREFIX, key);
    if (value === null) builder.remove();
    else builder.value(value);
  }
  return builder.finish();
}

/**
 * The changes of a block in their order; a value is a view into it.
 * @throws REQUEST_INVALID at the first place where the bytes are not a block
 */
export function* iterateStateBlock(block: Uint8Array): Iterable<StateBlockEntry> {
  const bytes = asBuffer(block);
  if (bytes.length < HEADER_BYTES) throw malformed('it is shorter than its head');
  if (bytes[0] !== VERSION) throw malformed(`version ${bytes[0]} is not known`);
  const count = bytes.readUInt32BE(COUNT_AT);
  let at = HEADER_BYTES;
  for (let i = 0; i < count; i++) {
    if (at + FRAME_BYTES > bytes.length) throw malformed('it ends inside an entry');
    const keyLength = bytes.readUInt16BE(at);
    const keyAt = at + 2;
    const valueAt = keyAt + keyLength + 4;
    if (keyLength > STATE_BLOCK_KEY_BYTES_MAX || valueAt > bytes.length) throw malformed('a key does not fit');
    const valueLength = bytes.readInt32BE(valueAt - 4);
    if (valueLength < DELETED || valueLength > bytes.length - valueAt) throw malformed('a value does not fit');
    const key = readKey(bytes, keyAt, keyAt + keyLength);
    at = valueAt + Math.max(valueLength, 0);
    yield [key, valueLength === DELETED ? null : block.subarray(valueAt, at)];
  }
  assert(at <= bytes.length, 'no entry was read beyond its block');
  if (at !== bytes.length) throw malformed('bytes are left behind its entries');
}

function readKey(bytes: Buffer, from: number, to: number): string {
  try {
    return readUtf8(bytes, from, to, 'a state key');
  } catch (error) {
    throw malformed('a key is not valid UTF-8', error);
  }
}

function malformed(why: string, cause?: unknown): SluiceError {
  return new SluiceError('REQUEST_INVALID', `a state block is not well formed: ${why}`, {}, cause);
}
