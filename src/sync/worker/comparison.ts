/**
 * Both ends of one stream of a job, compared record by record: what the source has, mapped and in the types of the target, against
 * what the target has. Both are read whole into sums of buckets; where these differ, and only there, records are held against
 * each other. Memory does not depend on how much there is.
 *
 *   read both ─▶ sums ─▶ buckets that differ ─▶ read both again, only those ─▶ differences ─▶ repair ─▶ look once more
 *
 * While the job is at work, a record may be on its way: a difference counts only if it is the same after a while.
 * Called by the thread of a target (`entry.ts`).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Connection, type Field, type Row, requireStream, toJson } from '#connector';
import { SluiceError } from '#kernel';
import { BucketSums, bucketOf } from './bucket-sums.ts';
import { normalKey, normalRow } from './normal-form.ts';
import type { CompareInput, Difference, StreamComparison } from './protocol.ts';
import type { Target } from './target.ts';
import type { StreamTarget } from './target-stream.ts';

/** Of one look at buckets that differ. */
const LOOK_RECORDS = 50_000;
const LOOKS_MAX = 20;
const SAMPLE_MAX = 100;
const REJECTED_MAX = 200_000;
const REPAIR_RECORDS = 1_000;
const SETTLES = 2;

interface Found extends Difference {
  /** As it should be; of what is extra the record that is there. */
  readonly row: Row;
  /** Both sides as they were seen. */
  readonly seen: string;
}

type Visit = (key: string, text: string, row: Row) => void;

export class Comparison {
  readonly #source: Connection;
  readonly #target: Target;
  readonly #stream: StreamTarget;
  readonly #input: CompareInput;
  /** Keys of what is at the source and was rejected: nothing is said of what the target has under them. */
  readonly #rejected = new Set<string>();
  #fields: readonly Field[] = [];
  #keyOf: (row: Row) => string | null = () => null;
  #textOf: (row: Row) => string = () => '';
  #complete = true;

  private constructor(source: Connection, target: Target, stream: StreamTarget, input: CompareInput) {
    this.#source = source;
    this.#target = target;
    this.#stream = stream;
    this.#input = input;
  }

  /** @throws ENDPOINT_UNSUPPORTED where an end cannot be read whole or has no key, and what the systems say */
  static async run(source: Connection, target: Target, input: CompareInput): Promise<StreamComparison> {
    const stream = await target.streamOf(input.stream, 0);
    requireWhole(requireStream(await source.discover(), input.stream).can, input.stream);
    requireWhole(stream.stream.can, stream.stream.name);
    if (stream.keys.length === 0) {
      throw new SluiceError(
        'ENDPOINT_UNSUPPORTED',
        `${stream.stream.name} has no key by which records could be compared`,
      );
    }
    return new Comparison(source, target, stream, input).#run();
  }

  async #run(): Promise<StreamComparison> {
    const [mine, theirs] = [new BucketSums(), new BucketSums()];
    await this.#chooseFields();
    await this.#eachExpected((key, text) => mine.add(key, text));
    await this.#eachThere((key, text) => theirs.add(key, text));
    const counts = { missing: 0, extra: 0, different: 0, repaired: 0 };
    const sample: Difference[] = [];
    const looks = looksAt(mine.differences(theirs));
    if (looks.length > LOOKS_MAX) this.#complete = false;
    for (const buckets of looks.slice(0, LOOKS_MAX)) {
      const found = await this.#settled(buckets);
      const left = this.#input.repair && found.size > 0 ? await this.#repaired(found) : found;
      counts.repaired += found.size - left.size;
      for (const { kind, key, fields } of left.values()) {
        counts[kind]++;
        if (sample.length < SAMPLE_MAX) sample.push({ kind, key, fields });
      }
    }
    const { name } = this.#stream.stream;
    const sides = { source: mine.records, target: theirs.records, rejected: this.#rejected.size };
    return { from: this.#input.stream, to: name, ...sides, ...counts, complete: this.#complete, sample };
  }

  /** Those that the job gives the target: fields that it has beside these are its own matter. */
  async #chooseFields(): Promise<void> {
    const names = new Set<string>();
    for await (const { records } of this.#readSource()) {
      for (const row of records) {
        const expected = await this.#stream.expected(row);
        if (expected !== null && expected !== 'rejected') for (const name of Object.keys(expected)) names.add(name);
      }
      if (names.size > 0) break;
    }
    const { stream, keys } = this.#stream;
    const known = new Map(stream.fields.map((field) => [field.name, field]));
    const fieldOf = (name: string): Field => known.get(name) ?? { name, type: 'string', nullable: true };
    this.#fields = [...names].filter((name) => known.has(name) || stream.open === true).map(fieldOf);
    this.#keyOf = normalKey(keys.map(fieldOf));
    this.#textOf = normalRow(this.#fields);
  }

  async #eachExpected(visit: Visit): Promise<void> {
    for await (const { records } of this.#readSource()) {
      for (const row of records) {
        const expected = await this.#stream.expected(row);
        if (expected === null) continue;
        if (expected === 'rejected') await this.#noteRejected(row);
        else {
          const key = this.#keyOf(expected);
          if (key !== null) visit(key, this.#textOf(expected), expected);
        }
      }
    }
  }

  async #noteRejected(row: Row): Promise<void> {
    const keyRow = await this.#stream.keyOf(row);
    const key = keyRow === null ? null : this.#keyOf(keyRow);
    if (key === null || this.#rejected.size >= REJECTED_MAX) this.#complete = false;
    else this.#rejected.add(key);
  }

  async #eachThere(visit: Visit): Promise<void> {
    const request = {
      stream: this.#stream.stream.name,
      mode: 'full' as const,
      pageRecordsMax: this.#input.pageRecords,
    };
    for await (const { records } of this.#target.connection.read?.(request) ?? []) {
      for (const row of records) {
        const key = this.#keyOf(row);
        if (key !== null && !this.#rejected.has(key)) visit(key, this.#textOf(row), row);
      }
    }
  }

  #readSource() {
    const { stream, pageRecords: pageRecordsMax } = this.#input;
    return this.#source.read?.({ stream, mode: 'full', pageRecordsMax }) ?? [];
  }

  /** While the job is at work: what is the same in several looks. */
  async #settled(buckets: ReadonlySet<number>): Promise<Map<string, Found>> {
    let found = await this.#look(buckets);
    for (let i = 0; this.#input.settleMs > 0 && found.size > 0 && i < SETTLES; i++) {
      await sleep(this.#input.settleMs);
      const again = await this.#look(new Set([...found.keys()].map(bucketOf)));
      found = new Map([...found].filter(([key, { seen }]) => again.get(key)?.seen === seen));
    }
    return found;
  }

  async #look(buckets: ReadonlySet<number>): Promise<Map<string, Found>> {
    const mine = new Map<string, { readonly text: string; readonly row: Row }>();
    const found = new Map<string, Found>();
    await this.#eachExpected((key, text, row) => {
      if (buckets.has(bucketOf(key))) mine.set(key, { text, row });
    });
    await this.#eachThere((key, text, row) => {
      if (!buckets.has(bucketOf(key))) return;
      const own = mine.get(key);
      mine.delete(key);
      if (own === undefined) found.set(key, this.#found('extra', row, [], `\0${text}`));
      else if (own.text !== text) {
        const fields = this.#fields.filter((field) => normalRow([field])(own.row) !== normalRow([field])(row));
        const names = fields.map(({ name }) => name);
        found.set(key, this.#found('different', own.row, names, `${own.text}\0${text}`));
      }
    });
    for (const [key, { text, row }] of mine) found.set(key, this.#found('missing', row, [], `${text}\0`));
    return found;
  }

  #found(kind: Found['kind'], row: Row, fields: readonly string[], seen: string): Found {
    const { keys, stream } = this.#stream;
    const key = Object.fromEntries(keys.map((name) => [name, row[name] ?? null]));
    return { kind, key: toJson(key, stream), fields, row, seen };
  }

  /** Writes what is missing or different, and deletes what is extra where the job deletes; answers what is left. */
  async #repaired(found: ReadonlyMap<string, Found>): Promise<Map<string, Found>> {
    const all = [...found.values()];
    const gone = this.#target.input.deletes ? all.filter(({ kind }) => kind === 'extra') : [];
    const wanted = all.filter(({ kind }) => kind !== 'extra');
    for (let from = 0; from < gone.length; from += REPAIR_RECORDS) {
      await this.#stream.remove(gone.slice(from, from + REPAIR_RECORDS).map(({ row }) => row));
    }
    for (let from = 0; from < wanted.length; from += REPAIR_RECORDS) {
      await this.#stream.put(wanted.slice(from, from + REPAIR_RECORDS).map(({ row }) => row));
    }
    return this.#look(new Set([...found.keys()].map(bucketOf)));
  }
}

/** @throws ENDPOINT_UNSUPPORTED */
function requireWhole(can: readonly string[], name: string): void {
  if (!can.includes('full')) throw new SluiceError('ENDPOINT_UNSUPPORTED', `${name} cannot be read whole`);
}

/** Buckets that are looked at together. */
function looksAt(differing: ReadonlyMap<number, number>): Set<number>[] {
  const looks: Set<number>[] = [];
  let records = LOOK_RECORDS;
  for (const [bucket, count] of differing) {
    if (records + count > LOOK_RECORDS) {
      looks.push(new Set());
      records = 0;
    }
    looks.at(-1)?.add(bucket);
    records += count;
  }
  return looks;
}
