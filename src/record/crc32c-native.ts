/** CRC-32C in Node: the processor's own instruction, through a native module. */
import { crc32c as native } from '@node-rs/crc32';

export function crc32c(bytes: Uint8Array): number {
  return native(bytes as Buffer);
}
