/**
 * Checks the bytes of a record's key or value against the newest version of a subject.
 *
 *   0, id of four bytes, …   Confluent's wire format: the id must be a version's; what follows is not read, as by its brokers
 *   anything else            JSON, in the encoding of the schema's language
 */
import type { Mismatch } from './parsed-schema.ts';
import type { SchemaRegistry } from './registry.ts';

const MAGIC = 0;
const WIRE_HEAD_BYTES = 5;
const MESSAGE_MAX = 300;

/** @throws SCHEMA_UNKNOWN when the subject has no version */
export function checkValue(registry: SchemaRegistry, subject: string, bytes: Uint8Array): Mismatch | undefined {
  if (isWireFormat(bytes)) return checkWireId(registry, subject, bytes);
  const parsed = parseText(textOf(bytes));
  return parsed === undefined ? whole('is not JSON') : checkParsed(registry, subject, parsed.value);
}

/** A key is mostly a plain text: it fits when its text does, or the JSON that the text is. */
export function checkKey(registry: SchemaRegistry, subject: string, bytes: Uint8Array): Mismatch | undefined {
  if (isWireFormat(bytes)) return checkWireId(registry, subject, bytes);
  const text = textOf(bytes);
  const asText = checkParsed(registry, subject, text);
  if (asText === undefined) return undefined;
  const parsed = parseText(text);
  return parsed === undefined ? asText : checkParsed(registry, subject, parsed.value);
}

function isWireFormat(bytes: Uint8Array): boolean {
  return bytes[0] === MAGIC && bytes.length >= WIRE_HEAD_BYTES;
}

function checkWireId(registry: SchemaRegistry, subject: string, bytes: Uint8Array): Mismatch | undefined {
  const id = new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(1);
  return registry.hasVersionOf(subject, id)
    ? undefined
    : whole(`is of schema ${id}, which is no version of ${subject}`);
}

function checkParsed(registry: SchemaRegistry, subject: string, value: unknown): Mismatch | undefined {
  const check = registry.valueCheck(subject);
  let mismatch: Mismatch | undefined;
  try {
    mismatch = check(value);
  } catch (error) {
    // A value can be nested more deeply than a recursive schema can be followed.
    if (error instanceof RangeError) return whole('is nested too deeply');
    throw error;
  }
  if (mismatch === undefined || mismatch.message.length <= MESSAGE_MAX) return mismatch;
  return { path: mismatch.path, message: `${mismatch.message.slice(0, MESSAGE_MAX)}…` };
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
}

function parseText(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

function whole(message: string): Mismatch {
  return { path: '', message };
}
