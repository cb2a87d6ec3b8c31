/**
 * One change as it stands in the topic of a job. The key is JSON, `["public.orders",42]`: the stream and what identifies the
 * record there; null where nothing does. The value is a MessagePack map in which every value of the contract keeps its type
 * (an int64 is an int64, bytes are bytes), so that no schema is needed to read it:
 *
 *   { stream, op, after?, before?, unchanged?, at?, position?, origin?, run? }
 *
 * Written by the source thread, read by the target thread and by whoever looks back: reconciling, undoing, two-way sync.
 */
import { Packr, Unpackr } from 'msgpackr';
import { type Change, type Row, SluiceError, type Value } from '#connector';

export interface ChangeRecord {
  readonly stream: string;
  readonly op: Change['op'];
  readonly after?: Row;
  readonly before?: Row;
  /** Fields that are not in `after` since they did not change: never null, only not said. */
  readonly unchanged?: readonly string[];
  /** When it was committed, as `timestamp`. */
  readonly at?: string;
  readonly position?: string;
  readonly origin?: string;
  /** The run that read it. */
  readonly run?: number;
}

const packr = new Packr({ useRecords: false, variableMapSize: true, int64AsType: 'bigint' });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'bigint' });

/** Valid until the next call. */
export function encodeChange(change: ChangeRecord): Uint8Array {
  return packr.pack(change);
}

/** @throws VALUE_MALFORMED for what is none */
export function decodeChange(bytes: Uint8Array, from = 0, to: number = bytes.length): ChangeRecord {
  let value: unknown;
  try {
    value = unpackr.unpack(bytes as Buffer, { start: from, end: to });
  } catch (error) {
    throw new SluiceError('VALUE_MALFORMED', `it is no change of a sync job: ${String(error)}`);
  }
  const { stream, op } = (value ?? {}) as Partial<ChangeRecord>;
  if (typeof stream !== 'string' || typeof op !== 'string') {
    throw new SluiceError('VALUE_MALFORMED', 'it is no change of a sync job');
  }
  return value as ChangeRecord;
}

/** The text of a record's key; null where one of the fields is missing. */
export function keyText(stream: string, keys: readonly string[], row: Row): string | null {
  if (keys.length === 0) return null;
  let text = `[${JSON.stringify(stream)}`;
  for (const name of keys) {
    const value = row[name];
    if (value === undefined) return null;
    text += `,${keyPart(value)}`;
  }
  return `${text}]`;
}

/** One value in a key: what is equal has equal text. */
export function keyPart(value: Value): string {
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  if (value instanceof Uint8Array) return `"${Buffer.from(value).toString('base64')}"`;
  if (Array.isArray(value)) return `[${value.map((one) => keyPart(one as Value)).join(',')}]`;
  return JSON.stringify(value);
}
