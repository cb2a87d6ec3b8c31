/** An answer as bytes: how long its head is, the head as JSON, the body. Header values that are not ASCII stand as Latin-1. */
import { assert } from '#kernel';
import type { WholeAnswer } from '../policy.ts';

const LENGTH_BYTES = 4;

export function encodeAnswer({ status, headers, body }: WholeAnswer): Uint8Array {
  const texts = headers.map((piece) => (typeof piece === 'string' ? piece : piece.toString('latin1')));
  const head = Buffer.from(JSON.stringify({ status, headers: texts }));
  // Not from the shared pool: it is handed to another thread.
  const bytes = Buffer.alloc(LENGTH_BYTES + head.length + body.length);
  bytes.writeUInt32LE(head.length, 0);
  head.copy(bytes, LENGTH_BYTES);
  body.copy(bytes, LENGTH_BYTES + head.length);
  return bytes;
}

export function decodeAnswer(stored: Uint8Array): WholeAnswer {
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
  const end = LENGTH_BYTES + bytes.readUInt32LE(0);
  assert(end <= bytes.length, 'a stored answer has its head whole');
  const { status, headers } = JSON.parse(bytes.toString('utf8', LENGTH_BYTES, end)) as {
    readonly status: number;
    readonly headers: readonly string[];
  };
  return {
    status,
    headers: headers.map((text) => (isAscii(text) ? text : Buffer.from(text, 'latin1'))),
    body: bytes.subarray(end),
  };
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}
