/**
 * Reading what is written of runs: the records of one, along the chain that each group of records has to the one before; and
 * the rows of those that are over. On the thread of the log; called by `workflows.ts`.
 */
import { decodeUtf8, SluiceError } from '#kernel';
import type { Partition } from '#log';
import { iterateBatches, iterateRecords, type LogRecord } from '#record';

const READ_BYTES = 256 * 1024;
/** Rows read in one step back. */
const STEP = 256;
/** Rows looked at for one page. */
const LOOKED_MAX = 20_000;

export type HistoryRecord = Readonly<Record<string, unknown>> & { readonly offset: number };

export interface HistoryPage {
  /** Oldest first. */
  readonly records: readonly HistoryRecord[];
  /** Where what is older goes on; null: there is nothing older. */
  readonly before: number | null;
}

/** The newest records at and before the group at `head`, whole groups, about `limit` of them. */
export function readHistory(events: Partition, id: string, head: number, limit: number): HistoryPage {
  const groups: HistoryRecord[][] = [];
  let count = 0;
  let at = head;
  const reader = new GroupReader(events);
  while (at >= 0 && count < limit) {
    if (at < events.start) break;
    const group = reader.read(at);
    const [first] = group;
    if (first === undefined || first['run'] !== id) {
      throw new SluiceError('STORE_CORRUPT', `the history of ${id} is broken at offset ${at}`);
    }
    groups.push(group);
    count += group.length;
    at = Number(first['prev']);
  }
  const records = groups.toReversed().flat();
  return { records: records.map(({ run: _, ...record }) => record as HistoryRecord), before: at >= 0 ? at : null };
}

/** Keeps the records of the last place it has read, since neighbours are asked for next. */
class GroupReader {
  readonly #events: Partition;
  #from = 0;
  #records: LogRecord[] = [];

  constructor(events: Partition) {
    this.#events = events;
  }

  /** A command and what came of it. */
  read(offset: number): HistoryRecord[] {
    const group: HistoryRecord[] = [];
    let left = 1;
    for (let at = offset; left > 0; at++) {
      const record = this.#record(at);
      if (record === undefined) break;
      const value = JSON.parse(decodeUtf8(record.value ?? new Uint8Array())) as Record<string, unknown>;
      left = at === offset ? Number(value['count']) : left - 1;
      group.push({ ...value, run: decodeUtf8(record.key ?? new Uint8Array()), offset: at });
    }
    return group;
  }

  #record(offset: number): LogRecord | undefined {
    const index = offset - this.#from;
    if (index >= 0 && index < this.#records.length) return this.#records[index];
    this.#records = readFrom(this.#events, offset);
    this.#from = this.#records[0]?.offset ?? 0;
    return this.#records[offset - this.#from];
  }
}

/** Every record of the batches there, copied. */
function readFrom(partition: Partition, offset: number): LogRecord[] {
  const chunk = partition.cursor(offset).next(READ_BYTES);
  if (chunk === null) return [];
  const records: LogRecord[] = [];
  for (const { at } of iterateBatches(chunk.bytes)) {
    for (const record of iterateRecords(chunk.bytes, at)) {
      records.push({ ...record, key: record.key?.slice() ?? null, value: record.value?.slice() ?? null });
    }
  }
  return records;
}

export interface EndedRow {
  readonly id: string;
  readonly workflow: string;
  readonly version: number;
  readonly status: string;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly steps: number;
  readonly labels: Readonly<Record<string, string>> | null;
  readonly error: unknown;
  readonly output: unknown;
  readonly outputOmitted: boolean;
  readonly head: number;
  /** Where the row stands. */
  readonly offset: number;
  readonly parent: unknown;
}

export function readEnded(ended: Partition, offset: number): EndedRow | undefined {
  if (offset < ended.start || offset >= ended.durable) return undefined;
  return readFrom(ended, offset)
    .filter((record) => record.offset === offset)
    .map(rowOf)[0];
}

/** Newest first, from before `before` on; `next` where more may be found. */
export function listEnded(
  ended: Partition,
  before: number | null,
  limit: number,
  wanted: (row: EndedRow) => boolean,
): { readonly rows: readonly EndedRow[]; readonly next: number | null } {
  const rows: EndedRow[] = [];
  let to = Math.min(before ?? ended.durable, ended.durable);
  for (let looked = 0; to > ended.start && looked < LOOKED_MAX; ) {
    const from = Math.max(ended.start, to - STEP);
    const page: EndedRow[] = [];
    const offsets: number[] = [];
    for (let at = from; at < to; ) {
      const records = readFrom(ended, at);
      for (const record of records) {
        if (record.offset < at || record.offset >= to) continue;
        page.push(rowOf(record));
        offsets.push(record.offset);
      }
      at = (records.at(-1)?.offset ?? to) + 1;
    }
    for (let i = page.length - 1; i >= 0; i--) {
      const row = page[i] as EndedRow;
      if (!wanted(row)) continue;
      rows.push(row);
      if (rows.length === limit) return { rows, next: offsets[i] as number };
    }
    looked += page.length;
    to = from;
  }
  return { rows, next: to > ended.start ? to : null };
}

function rowOf(record: LogRecord): EndedRow {
  return { ...(JSON.parse(decodeUtf8(record.value ?? new Uint8Array())) as EndedRow), offset: record.offset };
}
