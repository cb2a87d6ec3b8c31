/** Redis's bytes to values and back: text where it is UTF-8, else bytes. */
import type { Field, Row, Value } from '#connector';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function fromBytes(bytes: Buffer): Value {
  try {
    return utf8.decode(bytes);
  } catch {
    return new Uint8Array(bytes);
  }
}

export function toBytes(value: Value): Buffer {
  return value instanceof Uint8Array ? Buffer.from(value) : Buffer.from(String(value));
}

/** `field, value, field, value …` as Redis answers it. */
export function rowOf(name: string, key: Value, pairs: readonly Buffer[]): Row {
  const row: Record<string, Value> = Object.create(null);
  row[name] = key;
  for (let i = 0; i + 1 < pairs.length; i += 2) {
    row[String(pairs[i])] = fromBytes(pairs[i + 1] as Buffer);
  }
  return row;
}

/** The fields that some records have; all but the first may be missing in others. */
export function fieldsOf(name: string, rows: readonly Row[]): Field[] {
  const names = new Set(rows.flatMap((row) => Object.keys(row)));
  names.delete(name);
  const others = [...names].sort().map((one): Field => ({ name: one, type: 'string', nullable: true }));
  return [{ name, type: 'string', nullable: false }, ...others];
}
