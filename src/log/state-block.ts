/**
 * Many changes of one space of state in one piece of bytes, so that they cross threads and lie in the journal without
 * an object for each.
 *
 *   key length u16 │ key, UTF-8 │ value length i32, -1 deletes │ value        … one entry after the other, big endian
 *
 * Packed on worker threads, unpacked by engines when the entries themselves are needed.
 */
import { assert, decodeUtf8, encodeUtf8, SluiceError } from '#kernel';
import { STATE_KEY_BYTES_MAX } from './append-rules.ts';

const LENGTHS_BYTES = 6;
const DELETED = -1;

/** @throws an assertion for a key that no space could hold */
export function encodeStateBlock(entries: Iterable<readonly [key: string, value: Uint8Array | null]>): Uint8Array {
  const parts: { key: Uint8Array; value: Uint8Array | null }[] = [];
  let bytes = 0;
  for (const [name, value] of entries) {
    const key = encodeUtf8(name);
    assert(key.length < STATE_KEY_BYTES_MAX, 'a state key fits');
    parts.push({ key, value });
    bytes += LENGTHS_BYTES + key.length + (value?.length ?? 0);
  }
  const block = new Uint8Array(bytes);
  const view = new DataView(block.buffer);
  let at = 0;
  for (const { key, value } of parts) {
    view.setUint16(at, key.length);
    block.set(key, at + 2);
    at += 2 + key.length;
    view.setInt32(at, value === null ? DELETED : value.length);
    at += 4;
    if (value === null) continue;
    block.set(value, at);
    at += value.length;
  }
  return block;
}

/** The changes in order; values are views into the block. @throws STORE_CORRUPT where the lengths do not add up */
export function* iterateStateBlock(block: Uint8Array): Iterable<readonly [key: string, value: Uint8Array | null]> {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  const room = (at: number, bytes: number): void => {
    if (at + bytes > block.length) throw new SluiceError('STORE_CORRUPT', 'a block of state ends in mid-entry');
  };
  for (let at = 0; at < block.length; ) {
    room(at, 2);
    const keyLength = view.getUint16(at);
    room(at, 2 + keyLength + 4);
    const key = decodeUtf8(block.subarray(at + 2, at + 2 + keyLength));
    const length = view.getInt32(at + 2 + keyLength);
    at += 2 + keyLength + 4;
    if (length === DELETED) {
      yield [key, null];
      continue;
    }
    if (length < 0) throw new SluiceError('STORE_CORRUPT', 'a block of state has a value of no length');
    room(at, length);
    yield [key, block.subarray(at, at + length)];
    at += length;
  }
}
