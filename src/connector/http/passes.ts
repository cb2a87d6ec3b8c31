/**
 * Reading one stream, or one partition of it: everything once, or what is behind a cursor. After every page there is a state to
 * go on from, on any connection.
 *
 *   incremental:  from ──────────────▶ high          records seen near `high` are remembered, since the next read
 *                 │◀─ look back ─▶│                   begins a little before it and must not give them again
 *
 * The cursor moves page by page where the system sorts by it, and else when the last page was read.
 */
import { createHash } from 'node:crypto';
import { SluiceError } from '#kernel';
import type { Json, Row } from '../contract.ts';
import { type CursorRule, type CursorValue, cursorRule } from './cursors.ts';
import type { HttpRead, Incremental, JsonObject, ReadScope, Token } from './declaration.ts';
import { stringifyExact } from './exact-json.ts';
import type { Pages } from './pages.ts';
import type { Rows } from './rows.ts';

/** Records near the cursor that are remembered; of more the oldest are given again. */
const SEEN_MAX = 1_000;
const HASH_CHARACTERS = 14;
/** A window that ends so long ago gets no more records. */
const SETTLED_MS = 60_000;

export interface Parts {
  readonly read: HttpRead;
  readonly rows: Rows;
  readonly pages: Pages;
  readonly partition: JsonObject;
  readonly pageRecordsMax: number;
}

export interface Step {
  readonly records: readonly Row[];
  readonly state: Json;
  /** It was the last page. */
  readonly ends: boolean;
}

interface FullState {
  readonly page?: Token;
  /** Records of that page that were given. */
  readonly skip?: number;
}

interface CursorState {
  readonly from?: CursorValue;
  /** Of a window. */
  readonly to?: CursorValue;
  readonly high?: CursorValue;
  readonly page?: Token;
  readonly skip?: number;
  /** What the request under way asks from on. */
  readonly at?: CursorValue;
  readonly seen?: Readonly<Record<string, CursorValue>>;
}

export function readPass(parts: Parts, mode: ReadScope['mode'], state: Json | undefined): AsyncGenerator<Step> {
  if (state !== undefined && state !== null && (typeof state !== 'object' || Array.isArray(state))) {
    throw new SluiceError('REQUEST_INVALID', 'this is no state of such a read', { field: 'state' });
  }
  if (mode === 'full') return readFull(parts, (state ?? {}) as FullState);
  const { incremental } = parts.read;
  if (incremental === undefined) throw new SluiceError('REQUEST_INVALID', 'it cannot be read incrementally');
  return new CursorPass(parts, incremental).run((state ?? {}) as CursorState);
}

async function* readFull(parts: Parts, state: FullState): AsyncGenerator<Step> {
  const { pages, partition, pageRecordsMax } = parts;
  let { page, skip = 0 } = state;
  for (;;) {
    const source = await pages.fetch({ mode: 'full', partition }, page);
    const records = rowsOf(parts, source.records);
    for (let from = skip; from < records.length; from += pageRecordsMax) {
      const to = from + pageRecordsMax;
      const last = to >= records.length && source.next === undefined;
      const place = { ...(page === undefined ? {} : { page }), skip: Math.min(to, records.length) };
      const behind = to < records.length || source.next === undefined ? place : { page: source.next };
      yield { records: records.slice(from, to), state: behind as Json, ends: last };
      if (last) return;
    }
    skip = 0;
    if (source.next === undefined) {
      yield {
        records: [],
        state: { ...(page === undefined ? {} : { page }), skip: records.length } as Json,
        ends: true,
      };
      return;
    }
    if (records.length === 0) yield { records: [], state: { page: source.next } as Json, ends: false };
    page = source.next;
  }
}

function rowsOf({ read, rows, partition }: Parts, records: readonly JsonObject[]): Row[] {
  const kept = read.filter === undefined ? records : records.filter(read.filter);
  const map = read.map ?? ((record: JsonObject) => ({ ...partition, ...record }));
  return kept.map((record) => rows.toRow(map(record, partition)));
}

class CursorPass {
  readonly #parts: Parts;
  readonly #declared: Incremental;
  readonly #rule: CursorRule;

  constructor(parts: Parts, declared: Incremental) {
    this.#parts = parts;
    this.#declared = declared;
    this.#rule = cursorRule(declared.kind);
  }

  async *run(state: CursorState): AsyncGenerator<Step> {
    let current = state;
    for (;;) {
      const window = this.#windowOf(current);
      const last = window.to === undefined;
      for await (const { records, state: next, ends } of this.#readWindow(window)) {
        current = next;
        yield { records, state: current as Json, ends: ends && last };
      }
      if (last) return;
    }
  }

  /** Where a read that is under way goes on, or the next window begins. */
  #windowOf(state: CursorState): CursorState {
    const { start, slice } = this.#declared;
    const from = state.from ?? start;
    const begun = from === undefined ? state : { ...state, from };
    if (slice === undefined || from === undefined || state.at !== undefined) return begun;
    const { to: _, ...rest } = begun;
    const to = this.#rule.moved(from, slice);
    return this.#rule.compare(to, this.#rule.now(Date.now() - SETTLED_MS)) < 0 ? { ...rest, to } : rest;
  }

  async *#readWindow(begun: CursorState): AsyncGenerator<{ records: Row[]; state: CursorState; ends: boolean }> {
    const { pageRecordsMax, pages, partition } = this.#parts;
    let state = begun;
    for (;;) {
      const lower = state.at ?? this.#lowerOf(state);
      if (lower !== undefined) state = { ...state, at: lower };
      const bounds = {
        ...(lower === undefined ? {} : { from: lower }),
        ...(state.to === undefined ? {} : { to: state.to }),
      };
      const source = await pages.fetch({ mode: 'incremental', partition, ...bounds }, state.page);
      const all = rowsOf(this.#parts, source.records);
      const tooOld = this.#declared.order === 'newest first' && all.some((row) => this.#isBefore(row, lower));
      const next = tooOld ? undefined : source.next;
      let given = state.skip ?? 0;
      let seen = state.seen ?? {};
      let { high } = state;
      do {
        const part = all.slice(given, given + pageRecordsMax);
        given += part.length;
        const fresh = part.filter((row) => !this.#isBefore(row, lower) && !this.#isSeen(row, seen));
        seen = this.#noted(fresh, seen);
        high = this.#highest(part, high);
        const ends = given >= all.length && next === undefined;
        const behind = { ...state, seen, ...(high === undefined ? {} : { high }) };
        state = ends
          ? this.#done(behind)
          : given < all.length
            ? { ...behind, skip: given }
            : this.#moved(behind, next as Token);
        if (fresh.length > 0 || ends || given >= all.length) yield { records: fresh, state, ends };
        if (ends) return;
      } while (given < all.length);
    }
  }

  #lowerOf({ from }: CursorState): CursorValue | undefined {
    const { lookBack = 0 } = this.#declared;
    return from === undefined || lookBack === 0 ? from : this.#rule.moved(from, -lookBack);
  }

  /** The next page: behind the last record where the system sorts by the cursor, else where the system says. */
  #moved(state: CursorState, next: Token): CursorState {
    const { skip: _, page: __, ...rest } = state;
    const { at, high } = state;
    const grew = high !== undefined && (at === undefined || this.#rule.compare(high, at) > 0);
    return this.#declared.order === 'ascending' && grew ? { ...rest, at: high } : { ...rest, page: next };
  }

  #done({ from, to, high, seen = {} }: CursorState): CursorState {
    const known = [from, to, high].filter((one) => one !== undefined);
    const end = known.sort(this.#rule.compare).at(-1);
    if (end === undefined) return {};
    const near = this.#rule.moved(end, -(this.#declared.lookBack ?? 0));
    const kept = Object.entries(seen).filter(([, cursor]) => this.#rule.compare(cursor, near) >= 0);
    return { from: end, seen: Object.fromEntries(kept) };
  }

  #isBefore(row: Row, lower: CursorValue | undefined): boolean {
    const cursor = this.#cursorOf(row);
    return cursor === undefined || (lower !== undefined && this.#rule.compare(cursor, lower) < 0);
  }

  #isSeen(row: Row, seen: Readonly<Record<string, CursorValue>>): boolean {
    return Object.hasOwn(seen, this.#print(row));
  }

  #highest(rows: readonly Row[], before: CursorValue | undefined): CursorValue | undefined {
    const all = [before, ...rows.map((row) => this.#cursorOf(row))].filter((one) => one !== undefined);
    return all.sort(this.#rule.compare).at(-1);
  }

  #noted(fresh: readonly Row[], before: Readonly<Record<string, CursorValue>>): Record<string, CursorValue> {
    const seen = { ...before };
    for (const row of fresh) {
      const cursor = this.#cursorOf(row);
      if (cursor !== undefined) seen[this.#print(row)] = cursor;
    }
    const entries = Object.entries(seen);
    if (entries.length <= SEEN_MAX) return seen;
    entries.sort(([, a], [, b]) => this.#rule.compare(b, a));
    return Object.fromEntries(entries.slice(0, SEEN_MAX));
  }

  #cursorOf(row: Row): CursorValue | undefined {
    return this.#rule.of(row[this.#declared.cursor]);
  }

  #print(row: Row): string {
    const { primaryKey } = this.#parts.rows.stream;
    const identity = primaryKey.length === 0 ? row : primaryKey.map((name) => row[name]);
    const text = stringifyExact([identity, row[this.#declared.cursor]].flat().map(String));
    return createHash('sha256')
      .update(primaryKey.length === 0 ? stringify(row) : text)
      .digest('base64url')
      .slice(0, HASH_CHARACTERS);
  }
}

function stringify(row: Row): string {
  return JSON.stringify(row, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value));
}
