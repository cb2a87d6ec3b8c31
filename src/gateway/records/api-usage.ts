/**
 * Who still calls which version of an API, and which deprecated field: read from the records of requests, where the policy
 * of versions noted `api`, `version` and `deprecated_fields` (names with spaces between).
 *
 * It reads every record since the time asked for, a hundred thousand a second or more, in slices between which the log
 * has its turn.
 * Bounded: by records (`usageRecordsMax`), by rows (`usageRowsMax`), and to one at a time. Called by the gateway.
 */
import { setImmediate } from 'node:timers/promises';
import { decodeUtf8, type Limits, SluiceError } from '#kernel';
import type { Chunk, Cursor, Log } from '#log';
import { iterateBatches, iterateRecords } from '#record';
import { REQUEST_TOPIC } from './request-topic.ts';

export interface UsageQuestion {
  /** Undefined: all. */
  readonly api: string | undefined;
  /** Epoch milliseconds. */
  readonly since: number;
}

export interface UsageRow {
  readonly api: string;
  readonly version: string;
  /** Null: nobody who is known. */
  readonly client: string | null;
  /** Where a route records a share only, what that share stands for. */
  requests: number;
  /** Epoch milliseconds of the last one. */
  last_at: number;
  /** How many of the requests used a deprecated field, by its name. */
  readonly deprecated_fields: Record<string, number>;
}

export interface UsageAnswer {
  readonly rows: readonly UsageRow[];
  /** Records that were looked at. */
  readonly records: number;
  /** Records that could not be kept, so nobody knows what was in them. */
  readonly lost: number;
  /** False: there were more records or rows than are looked at, and the rows tell of the first ones only. */
  readonly complete: boolean;
}

interface Noted {
  readonly client?: string;
  readonly share?: number;
  readonly notes?: { readonly api?: unknown; readonly version?: unknown; readonly deprecated_fields?: unknown };
}

const SLICE_BYTES = 256 * 1024;
const NOTES = Buffer.from('"notes":{');
const LOST = Buffer.from('"lost":');
const FIELDS_MAX = 1_000;

export class ApiUsage {
  readonly #log: Log;
  readonly #limits: Limits;
  #busy = false;

  constructor({ log, limits }: { readonly log: Log; readonly limits: Limits }) {
    this.#log = log;
    this.#limits = limits;
  }

  /** @throws LIMIT_EXCEEDED while another one is being answered */
  async read(question: UsageQuestion): Promise<UsageAnswer> {
    if (this.#busy) throw new SluiceError('LIMIT_EXCEEDED', 'another question of usage is being answered');
    this.#busy = true;
    try {
      return await this.#read(question);
    } finally {
      this.#busy = false;
    }
  }

  async #read({ api, since }: UsageQuestion): Promise<UsageAnswer> {
    const rows = new Map<string, UsageRow>();
    const count = { records: 0, lost: 0, complete: true };
    const partition = this.#log.findTopic(REQUEST_TOPIC)?.partitions[0];
    if (partition === undefined) return { rows: [], ...count };
    const cursor = partition.cursor(Math.max(partition.start, partition.offsetForTime(since)));
    const end = partition.durable;
    while (count.complete && cursor.position < end) {
      const chunk = nextOf(cursor, () => partition.start);
      if (chunk === null) break;
      this.#add(chunk, rows, count, api, since);
      await setImmediate();
    }
    const order = (row: UsageRow) => [row.api, row.version, row.client ?? ''].join('\n');
    return { rows: [...rows.values()].sort((a, b) => (order(a) < order(b) ? -1 : 1)), ...count };
  }

  #add(
    { bytes }: Chunk,
    rows: Map<string, UsageRow>,
    count: { records: number; lost: number; complete: boolean },
    api: string | undefined,
    since: number,
  ): void {
    for (const { at } of iterateBatches(bytes)) {
      for (const { value, timestamp } of iterateRecords(bytes, at)) {
        if (value === null || timestamp < since) continue;
        if (++count.records > this.#limits.usageRecordsMax) {
          count.records--;
          count.complete = false;
          return;
        }
        const text = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
        if (text.includes(NOTES)) this.#note(JSON.parse(decodeUtf8(value)) as Noted, timestamp, rows, count, api);
        else if (text.length < 100 && text.includes(LOST)) {
          count.lost += (JSON.parse(decodeUtf8(value)) as { lost: number }).lost;
        }
      }
    }
  }

  #note(
    { client = null, share = 1, notes = {} }: Omit<Noted, 'client'> & { client?: string | null },
    at: number,
    rows: Map<string, UsageRow>,
    count: { complete: boolean },
    wanted: string | undefined,
  ): void {
    const { api, version, deprecated_fields: fields } = notes;
    if (api === undefined || version === undefined || (wanted !== undefined && api !== wanted)) return;
    const key = JSON.stringify([api, version, client]);
    let row = rows.get(key);
    if (row === undefined) {
      if (rows.size === this.#limits.usageRowsMax) {
        count.complete = false;
        return;
      }
      // Callers choose names of fields, so nothing may be inherited.
      const none = Object.create(null) as Record<string, number>;
      row = { api: String(api), version: String(version), client, requests: 0, last_at: 0, deprecated_fields: none };
      rows.set(key, row);
    }
    // A share of nothing is of failures alone, which are all there.
    const weight = share > 0 ? 1 / share : 1;
    row.requests += weight;
    row.last_at = Math.max(row.last_at, at);
    if (typeof fields !== 'string') return;
    for (const field of fields.split(' ')) {
      const known = row.deprecated_fields[field];
      if (known === undefined && Object.keys(row.deprecated_fields).length === FIELDS_MAX) continue;
      row.deprecated_fields[field] = (known ?? 0) + weight;
    }
  }
}

/** The next slice, past what is damaged and what retention took meanwhile. */
function nextOf(cursor: Cursor, start: () => number): Chunk | null {
  for (;;) {
    try {
      return cursor.next(SLICE_BYTES);
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
      if (error.code === 'BATCH_QUARANTINED') cursor.seek(Number(error.details['next']));
      else if (error.code === 'OFFSET_TRIMMED') cursor.seek(start());
      else throw error;
    }
  }
}
