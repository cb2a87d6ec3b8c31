/**
 * Holds the records of a request against the schemas of their topic, before anything is appended. Records that do not fit
 * are told one by one, and the others are stored; but a request that is idempotent or names the offset it expects is stored
 * whole or not at all, since it counts its records. Null keys and null values (tombstones) pass.
 */
import { type Limits, SluiceError } from '#kernel';
import { checkKey, checkValue, type Mismatch } from '#schema';
import type { ServerContext } from '../context.ts';
import type { Placed } from './append.ts';
import type { ProducedRecord } from './record-shape.ts';

/** What is wrong with one record. */
export interface Rejection extends Mismatch {
  /** Its index in the request. */
  readonly record: number;
  readonly field: 'key' | 'value';
}

/** What is answered for a record that was not stored, in the place of its offset. */
export interface RejectedEntry {
  readonly error: {
    readonly code: 'SCHEMA_MISMATCH';
    readonly field: 'key' | 'value';
    readonly path: string;
    readonly message: string;
  };
}

const NONE: readonly Rejection[] = [];

/** Those that do not fit, in order; for most topics there is nothing to ask. */
export function rejectionsOf(
  context: ServerContext,
  topic: string,
  records: readonly ProducedRecord[],
): readonly Rejection[] {
  const binding = context.bindings.of(topic);
  if (binding === undefined) return NONE;
  const { schemas } = context;
  const found: Rejection[] = [];
  for (let i = 0; i < records.length; i++) {
    const { key, value } = records[i] as ProducedRecord;
    const badKey = binding.key === undefined || key === null ? undefined : checkKey(schemas, binding.key, key);
    if (badKey !== undefined) {
      found.push({ record: i, field: 'key', ...badKey });
      continue;
    }
    const badValue =
      binding.value === undefined || value === null ? undefined : checkValue(schemas, binding.value, value);
    if (badValue !== undefined) found.push({ record: i, field: 'value', ...badValue });
  }
  if (found.length > 0) {
    context.metrics
      .counter(
        'sluice_schema_rejected_records_total',
        'Records refused because they do not fit the schemas of their topic',
      )
      .add(found.length);
  }
  return found;
}

/** @throws SCHEMA_MISMATCH unless all of them fit */
export function requireAll(context: ServerContext, topic: string, records: readonly ProducedRecord[]): void {
  const rejections = rejectionsOf(context, topic, records);
  if (rejections.length > 0) throw mismatch(records.length, rejections, context.limits);
}

/** The records that are left to store. @throws SCHEMA_MISMATCH when there is none, or when it is all or nothing */
export function requireSome(
  records: readonly ProducedRecord[],
  rejections: readonly Rejection[],
  allOrNothing: boolean,
  limits: Limits,
): ProducedRecord[] {
  if (allOrNothing || rejections.length === records.length) throw mismatch(records.length, rejections, limits);
  const rejected = new Set(rejections.map(({ record }) => record));
  return records.filter((_, i) => !rejected.has(i));
}

function mismatch(count: number, rejections: readonly Rejection[], { rejectionsToldMax }: Limits): SluiceError {
  const [first] = rejections as [Rejection];
  const rest = rejections.length === 1 ? '' : `; ${rejections.length} of ${count} records do not fit`;
  const where = `${first.field}${first.path === '' ? '' : ` ${first.path}`}`;
  return new SluiceError('SCHEMA_MISMATCH', `record ${first.record}: ${where} ${first.message}${rest}`, {
    rejected: rejections.length,
    errors: rejections
      .slice(0, rejectionsToldMax)
      .map(({ record, field, path, message }) => ({ record, field, path, message })),
  });
}

/** One entry a record of the request: where it was stored, or why it was not. */
export function entriesOf(
  count: number,
  offsets: readonly Placed[],
  rejections: readonly Rejection[],
): (Placed | RejectedEntry)[] {
  const entries: (Placed | RejectedEntry)[] = [];
  let stored = 0;
  let rejected = 0;
  for (let i = 0; i < count; i++) {
    const rejection = rejections[rejected];
    if (rejection?.record !== i) {
      entries.push(offsets[stored++] as Placed);
      continue;
    }
    const { field, path, message } = rejection;
    entries.push({ error: { code: 'SCHEMA_MISMATCH', field, path, message } });
    rejected++;
  }
  return entries;
}
