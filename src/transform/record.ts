/**
 * What a transformation works on: one record with its value decoded.
 *
 * Ownership: whoever calls the engine gives the record away until the call ends. The record, its headers and its
 * value are changed in place, so the value must have been decoded for this call, and whoever needs the record as it
 * was keeps its bytes. What the engine puts into a value is never shared: rows of tables and literals are copied.
 */

export interface TransformRecord {
  key: string | null;
  /** As decoded from JSON or MessagePack. `null` is a deletion, which every step that works on the value lets pass. */
  value: unknown;
  headers: Record<string, string>;
  /** Epoch milliseconds. */
  timestamp: number;
}

export type Fields = Record<string, unknown>;

/** An object with fields: not null, not a list. */
export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
