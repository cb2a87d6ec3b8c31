/** Stands in for the codecs in browsers, where batches are written and read uncompressed. */
import { SluiceError } from '#kernel';
import type { Compression } from './layout.ts';

export function compress(compression: Compression, bytes: Uint8Array): Uint8Array {
  return decompress(compression, bytes);
}

export function decompress(compression: Compression, bytes: Uint8Array): Uint8Array {
  if (compression === 'none') return bytes;
  throw new SluiceError('BATCH_UNSUPPORTED', `${compression} is not available in a browser`);
}
