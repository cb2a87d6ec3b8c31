/**
 * One stream of a target: what of a change is written there, in the types of its fields, and the writing. A record that the
 * system refuses is tried once more by itself after the others, step by step where it was folded, so that what it stood in the
 * way of (a unique value that moved) is out of the way, and so that its earlier, good versions are not lost.
 */
import type { Connection, Row, Stream, WriteMode, WriteResult } from '#connector';
import { asSluiceError, SluiceError } from '#kernel';
import { type ChangeRecord, keyPart } from '../change-record.ts';
import { type Coerce, coercion } from './coerce.ts';
import { Fold, type Folded, type Kind, type Step } from './folded.ts';
import { type Origin, REJECTING, rejection } from './incoming.ts';
import type { Mapping } from './mapped.ts';
import type { RejectedRecord, TargetInput, TargetStream } from './protocol.ts';
import type { Rules } from './rules.ts';

const WRITE_RECORDS_MAX = 5_000;
/** Where more are refused they have no chance of their own: it is not a matter of order. */
const AGAIN_MAX = 100;

export interface Outcome {
  written: number;
  deleted: number;
  ignoredFields: number;
  readonly rejected: RejectedRecord[];
}

export interface StreamOptions {
  readonly input: TargetInput;
  readonly spec: TargetStream;
  readonly mapping: Mapping | null;
  readonly rules: Rules | null;
}

export class StreamTarget {
  readonly spec: TargetStream;
  readonly #connection: Connection;
  readonly #options: StreamOptions;
  #stream: Stream;
  #coercions: ReadonlyMap<string, Coerce>;
  #keys: readonly string[];
  #fold = new Fold();
  #ignored = 0;

  /** @throws ENDPOINT_UNSUPPORTED, REQUEST_INVALID */
  constructor(connection: Connection, stream: Stream, options: StreamOptions) {
    this.#connection = connection;
    this.#options = options;
    this.spec = options.spec;
    this.#stream = stream;
    this.#coercions = coercionsOf(stream);
    this.#keys = this.spec.keys.length > 0 ? this.spec.keys : stream.primaryKey;
    this.#requireWrites();
  }

  get stream(): Stream {
    return this.#stream;
  }

  get keys(): readonly string[] {
    return this.#keys;
  }

  /** As it is now. */
  describe(stream: Stream): void {
    this.#stream = stream;
    this.#coercions = coercionsOf(stream);
  }

  /** Notes what is to be written of a change. @throws RECORD_REJECTED, TRANSFORM_FAILED, SYNC_FIELD_UNKNOWN */
  add(change: ChangeRecord, origin: Origin): void | Promise<void> {
    const { mapping, rules } = this.#options;
    if (mapping !== null || rules !== null || change.op === 'delete' || change.before !== undefined) {
      return this.#addSlowly(change, origin);
    }
    // Most records: nothing of it waits for anything.
    if (change.after === undefined) throw withoutRecord(change);
    this.#addRow(this.#fit(change.after), isPartial(change), origin);
    return undefined;
  }

  async #addSlowly(change: ChangeRecord, origin: Origin): Promise<void> {
    const { deletes } = this.#options.input;
    if (change.op === 'delete') {
      if (deletes) this.#addDelete(await this.#keyRow(change.before ?? {}), origin);
      return;
    }
    const { after } = change;
    if (after === undefined) throw withoutRecord(change);
    const { mapping, rules } = this.#options;
    const mapped = mapping === null ? after : await mapping.apply(after);
    if (mapped === null) {
      // What a filter no longer lets through is not to be at a target that mirrors.
      if (deletes && change.op !== 'read') this.#addDelete(await this.#keyRow(after), origin);
      return;
    }
    const row = this.#fit(mapped);
    await rules?.check(row, isPartial(change));
    if (change.before !== undefined) await this.#addMoved(change.before, row, origin);
    this.#addRow(row, isPartial(change), origin);
  }

  #addRow(row: Row, partial: boolean, origin: Origin): void {
    const { write } = this.#options.input;
    if (write === 'append' && this.#writesBlindly) {
      this.#fold.add(undefined, { kind: 'upsert', row, origin, steps: null });
      return;
    }
    const key = foldKey(this.#keys, row);
    if (key === undefined)
      throw new SluiceError('RECORD_REJECTED', `it has not all of its key, ${this.#keys.join(', ')}`);
    this.#fold.add(key, { kind: partial ? 'update' : 'upsert', row, origin, steps: null });
  }

  /** Writes what was noted. @throws what the system says when it is not about records */
  async flush(outcome: Outcome): Promise<void> {
    const fold = this.#fold;
    this.#fold = new Fold();
    outcome.ignoredFields += this.#ignored;
    this.#ignored = 0;
    const refused: { readonly one: Folded; readonly reason: string }[] = [];
    for (const group of fold.groups()) {
      const looking = { connection: this.#connection, stream: this.#stream.name, keys: this.#keys };
      const passed = (await this.#options.rules?.look(looking, group, outcome.rejected)) ?? group;
      for (let from = 0; from < passed.length; from += WRITE_RECORDS_MAX) {
        const some = passed.slice(from, from + WRITE_RECORDS_MAX);
        const results = await this.#write(some[0]?.kind ?? 'upsert', some);
        results.forEach((result, i) => {
          const one = some[i] as Folded;
          if (result.ok) count(outcome, one.kind);
          else refused.push({ one, reason: result.reason });
        });
      }
    }
    await this.#again(refused, outcome);
  }

  /**
   * What of a record of the source is to be here; null where a filter lets it not through, or what it is rejected for.
   * @throws SYNC_FIELD_UNKNOWN, and what is not about the record
   */
  async expected(after: Row): Promise<Row | null | 'rejected'> {
    const { mapping, rules } = this.#options;
    try {
      const mapped = mapping === null ? after : await mapping.apply(after);
      if (mapped === null) return null;
      const row = this.#fit(mapped);
      await rules?.check(row, false);
      return row;
    } catch (error) {
      if (REJECTING.has(asSluiceError(error).code)) return 'rejected';
      throw error;
    }
  }

  /** Writes records that are as `expected` says. @throws what the system says; of one record that it refuses: RECORD_REJECTED */
  async put(rows: readonly Row[]): Promise<void> {
    const origin = {
      offset: 0,
      timestamp: 0,
      bytes: new Uint8Array(),
      keyAt: 0,
      keyLength: -1,
      valueAt: 0,
      valueLength: -1,
    };
    const results = await this.#write(
      'upsert',
      rows.map((row) => ({ kind: 'upsert', row, origin })),
    );
    const refused = results.find(({ ok }) => !ok);
    if (refused !== undefined && !refused.ok) throw new SluiceError('RECORD_REJECTED', refused.reason);
  }

  /** The key of a record of the source at the target; null where a filter lets it not through, or it is none. */
  async keyOf(row: Row): Promise<Row | null> {
    const { mapping } = this.#options;
    try {
      const mapped = mapping === null ? row : await mapping.apply(row);
      return mapped === null ? null : this.#keyFields(mapped);
    } catch {
      // It was rejected, and yet it is at the source: what the target has under its key stays.
      return this.#keyRow(row).catch(() => null);
    }
  }

  /** Deletes records as they were read here. @throws what the system says, also of one of them */
  async remove(rows: readonly Row[]): Promise<number> {
    const { write } = this.#connection;
    const request = { stream: this.#stream.name, mode: 'delete' as const, keys: this.#keys };
    const results =
      (await write?.call(this.#connection, { ...request, origin: this.#options.input.origin }, rows)) ?? [];
    const refused = results.find(({ ok }) => !ok);
    if (refused !== undefined && !refused.ok) throw new SluiceError('ENDPOINT_FAILED', refused.reason);
    return rows.length;
  }

  /** The fields of the target's key as a change at the source names them, also where that is all there is. */
  async #keyRow(image: Row): Promise<Row> {
    const { mapping } = this.#options;
    let mapped: Row | null = null;
    try {
      mapped = mapping === null ? image : await mapping.apply(image);
    } catch {
      // It may lack what the transformations work on.
    }
    return this.#keyFields(mapped ?? mapping?.names(image) ?? image);
  }

  /** @throws RECORD_REJECTED */
  #keyFields(row: Row): Row {
    const key: Record<string, Row[string]> = {};
    for (const name of this.#keys) {
      const value = row[name];
      if (value === undefined) {
        throw new SluiceError('RECORD_REJECTED', `the change does not say ${name}, which identifies the record`);
      }
      key[name] = this.#coercions.get(name)?.(value) ?? value;
    }
    return key;
  }

  #addDelete(row: Row, origin: Origin): void {
    this.#fold.add(foldKey(this.#keys, row), { kind: 'delete', row, origin, steps: null });
  }

  /** Where the target's key is another than the source's, a change may move a record: it leaves its old place. */
  async #addMoved(before: Row, row: Row, origin: Origin): Promise<void> {
    if (this.spec.keys.length === 0 || !this.#options.input.deletes) return;
    const old = await this.#keyRow(before).catch(() => undefined);
    if (old !== undefined && foldKey(this.#keys, old) !== foldKey(this.#keys, row)) this.#addDelete(old, origin);
  }

  /** In place, where that can be: the record was decoded for this. */
  #fit(row: Row): Row {
    const fitted = row as Record<string, Row[string]>;
    const coercions = this.#coercions;
    let unknown = false;
    for (const name in fitted) {
      const coerce = coercions.get(name);
      if (coerce !== undefined) {
        const value = fitted[name] as Row[string];
        const turned = coerce(value);
        if (turned !== value) fitted[name] = turned;
      } else if (this.#stream.open !== true) {
        this.#unknown(name);
        unknown = true;
      }
    }
    return unknown ? Object.fromEntries(Object.entries(fitted).filter(([name]) => coercions.has(name))) : fitted;
  }

  /** @throws unless it is to be left out */
  #unknown(name: string): void {
    const { onNewField } = this.#options.input;
    const message = `${this.#stream.name} has no field ${name}`;
    if (onNewField === 'stop') throw new SluiceError('SYNC_FIELD_UNKNOWN', message, { field: name });
    if (onNewField === 'reject') throw new SluiceError('RECORD_REJECTED', message, { field: name });
    this.#ignored++;
  }

  async #write(kind: Kind, group: readonly Step[]): Promise<WriteResult[]> {
    const { write } = this.#connection;
    if (write === undefined) throw new SluiceError('ENDPOINT_UNSUPPORTED', 'the target cannot be written to');
    const mode = kind === 'upsert' ? this.#upsertMode : kind;
    const request = { stream: this.#stream.name, mode, keys: this.#keys, origin: this.#options.input.origin };
    const rows = group.map(({ row }) => row);
    const results = await write.call(this.#connection, request, rows);
    const again = results.find((result) => !result.ok && result.retryable);
    // Doing the whole of it once more changes nothing for those that were written.
    if (again !== undefined && !again.ok) throw new SluiceError('ENDPOINT_RATE_LIMITED', again.reason);
    return results;
  }

  async #again(refused: readonly { readonly one: Folded; readonly reason: string }[], outcome: Outcome): Promise<void> {
    const many = refused.length > AGAIN_MAX;
    for (const { one, reason } of refused) {
      if (many && one.steps === null) {
        outcome.rejected.push(rejection(one.origin, 'RECORD_REJECTED', reason));
        continue;
      }
      for (const step of one.steps ?? [one]) {
        const [result] = await this.#write(step.kind, [step]);
        if (result?.ok === true) count(outcome, step.kind);
        else outcome.rejected.push(rejection(step.origin, 'RECORD_REJECTED', result?.reason ?? reason));
      }
    }
  }

  get #writesBlindly(): boolean {
    return this.#stream.can.includes('append') || this.#keys.length === 0;
  }

  get #upsertMode(): WriteMode {
    if (this.#options.input.write === 'upsert' || !this.#writesBlindly) return 'upsert';
    return this.#stream.can.includes('append') ? 'append' : 'insert';
  }

  #requireWrites(): void {
    const { can, name } = this.#stream;
    const wanted: WriteMode[] = [this.#upsertMode, ...(this.#options.input.deletes ? (['delete'] as const) : [])];
    const lacking = wanted.filter((mode) => !can.includes(mode));
    if (lacking.length > 0) {
      throw new SluiceError('ENDPOINT_UNSUPPORTED', `${name} can ${can.join(', ')}, not ${lacking.join(', ')}`);
    }
    if (this.#upsertMode === 'upsert' && this.#keys.length === 0) {
      throw new SluiceError('ENDPOINT_UNSUPPORTED', `${name} has no primary key: name the keys of the stream`);
    }
  }
}

function isPartial({ unchanged }: ChangeRecord): boolean {
  return unchanged !== undefined && unchanged.length > 0;
}

function withoutRecord({ op }: ChangeRecord): SluiceError {
  return new SluiceError('RECORD_REJECTED', `a change of kind ${op} has no record`);
}

/** What is equal for records of one key; undefined where one of its fields is missing. */
function foldKey(keys: readonly string[], row: Row): string | undefined {
  const [first, ...others] = keys;
  if (first === undefined || row[first] === undefined) return undefined;
  let text = keyPart(row[first] as Row[string]);
  for (const name of others) {
    const value = row[name];
    if (value === undefined) return undefined;
    text += `,${keyPart(value)}`;
  }
  return text;
}

function count(outcome: Outcome, kind: Kind): void {
  if (kind === 'delete') outcome.deleted++;
  else outcome.written++;
}

function coercionsOf({ fields }: Stream): ReadonlyMap<string, Coerce> {
  return new Map(fields.map(({ name, type }) => [name, coercion(name, type)]));
}
