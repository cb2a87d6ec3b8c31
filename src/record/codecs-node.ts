/**
 * Compression of the records section of a batch, in Node: gzip, and snappy in the two framings Kafka clients
 * write (raw, and the block framing of the Java client). The decompressed size is bounded before it is allocated.
 */
import { gunzipSync, gzipSync } from 'node:zlib';
import { compress as snappyCompress, uncompress as snappyUncompress } from 'snappyjs';
import { SluiceError } from '#kernel';
import type { Compression } from './layout.ts';

/** "\x82SNAPPY\0", then two version numbers of four bytes, then blocks of length (u32 BE) and raw snappy. */
const JAVA_MAGIC = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0];
const JAVA_HEADER_BYTES = 16;

export function compress(compression: Compression, bytes: Uint8Array): Uint8Array {
  if (compression === 'gzip') return gzipSync(bytes);
  if (compression === 'snappy') return snappyCompress(bytes);
  return bytes;
}

/** @throws BATCH_MALFORMED when the bytes are not of that compression; BATCH_TOO_LARGE over `bytesMax` */
export function decompress(compression: Compression, bytes: Uint8Array, bytesMax: number): Uint8Array {
  try {
    if (compression === 'gzip') return gunzipSync(bytes, { maxOutputLength: bytesMax });
    if (compression === 'snappy') return unsnap(bytes, bytesMax);
    return bytes;
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    if ((error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(bytesMax);
    throw new SluiceError('BATCH_MALFORMED', `the records are not valid ${compression}`, {}, error);
  }
}

function unsnap(bytes: Uint8Array, bytesMax: number): Uint8Array {
  if (!JAVA_MAGIC.every((byte, i) => bytes[i] === byte)) return unsnapBlock(bytes, bytesMax);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const blocks: Uint8Array[] = [];
  let total = 0;
  for (let at = JAVA_HEADER_BYTES; at < bytes.length; ) {
    const length = view.getUint32(at);
    const block = unsnapBlock(bytes.subarray(at + 4, at + 4 + length), bytesMax - total);
    blocks.push(block);
    total += block.length;
    at += 4 + length;
  }
  return Buffer.concat(blocks);
}

function unsnapBlock(bytes: Uint8Array, bytesMax: number): Uint8Array {
  let declared = 0;
  for (let i = 0, shift = 0; i < 5; i++, shift += 7) {
    const byte = bytes[i] ?? 0;
    declared += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) break;
  }
  if (declared > bytesMax) throw tooLarge(bytesMax);
  return snappyUncompress(bytes, bytesMax);
}

function tooLarge(bytesMax: number): SluiceError {
  return new SluiceError('BATCH_TOO_LARGE', `the records are more than ${bytesMax} bytes when decompressed`);
}
