/**
 * Text out of the middle of a buffer, strictly: what is not UTF-8 is an error, never a replacement character, so that
 * two different keys stay different. Faster than a `TextDecoder` on the short pieces that keys and values are.
 */
import { SluiceError } from '#kernel';

const REPLACEMENT = '\ufffd';
const REPLACEMENT_BYTES = Buffer.from(REPLACEMENT);

/** The bytes as a `Buffer` over the same memory. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** @throws VALUE_MALFORMED when the bytes are not valid UTF-8; `what` names them in the message */
export function readUtf8(buffer: Buffer, from: number, to: number, what: string): string {
  const text = buffer.toString('utf8', from, to);
  // Where the bytes do not say it themselves, this character stands for a byte that is not text.
  if (text.includes(REPLACEMENT) && !sameText(buffer, from, to, text)) {
    throw new SluiceError('VALUE_MALFORMED', `${what} is not valid UTF-8`);
  }
  return text;
}

function sameText(buffer: Buffer, from: number, to: number, text: string): boolean {
  if (buffer.indexOf(REPLACEMENT_BYTES, from) < 0) return false;
  return Buffer.from(text, 'utf8').equals(buffer.subarray(from, to));
}
