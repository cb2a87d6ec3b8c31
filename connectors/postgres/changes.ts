/**
 * What changes in tables, as it changes: the snapshots of those that are new to the reader, chunk by chunk, between the changes
 * of the stream. The state of a page is exact: after a crash nothing is missing, and nothing is given twice but what was
 * not taken. Called by the connection.
 */
import type pg from 'pg';
import type { Pgoutput } from 'pg-logical-replication';
import {
  type Change,
  ChangeDraft,
  type ChangePage,
  type ChangesRequest,
  changesRows,
  type Json,
  keyText,
  rowForm,
  SluiceError,
  type Stream,
} from '#connector';
import { findTable, publishedStream, type Table } from './discovery.ts';
import { coded } from './errors.ts';
import { changesOf, type Stamp, timestampOf } from './images.ts';
import { completeChanges } from './missing.ts';
import { originOf } from './origins.ts';
import { type Place, readPlace, type TablePlace } from './place.ts';
import { type Relation, relationOf, TypeCatalogue } from './relations.ts';
import { type Arrival, ReplicationStream } from './replication.ts';
import { freeSlot, prepareSlot, type Slot } from './slot.ts';
import { type Chunk, nextTransaction, readChunk, sees } from './snapshot.ts';

/** An empty page comes after so long. */
const IDLE_MS = 2_000;
/** The time for a chunk has not come: looked at again after so long. */
const CHUNK_MS = 10;
/** The catalogue is compared with what was given so often. */
const WATCH_MS = 4_000;
const SLOT_IN_USE = '55006';

interface Transaction {
  readonly commit: string;
  readonly xid: number;
  stamp: Stamp;
  /** Messages of changes so far. */
  changes: number;
}

export async function* readChanges(
  pool: pg.Pool,
  config: pg.ClientConfig,
  request: ChangesRequest,
  open: Set<ReplicationStream>,
): AsyncGenerator<ChangePage> {
  let reader: ChangeReader | undefined;
  try {
    reader = await ChangeReader.open(pool, config, request, open);
    yield reader.firstPage();
    for (;;) yield await reader.nextPage();
  } catch (error) {
    throw coded(error);
  } finally {
    await reader?.close();
  }
}

class ChangeReader {
  readonly #pool: pg.Pool;
  readonly #request: ChangesRequest;
  readonly #system: string;
  readonly #stream: ReplicationStream;
  readonly #types: TypeCatalogue;
  readonly #tables: Map<string, TablePlace>;
  readonly #relations = new Map<Pgoutput.MessageRelation, Relation | null>();
  /** Streams as they were told last. */
  readonly #told = new Map<string, Stream>();
  /** Transactions that were given since the last chunk. */
  readonly #given = new Set<number>();
  /** Chunks are read when every transaction before this has ended; undefined: not asked for yet. */
  #barrier: bigint | undefined;
  readonly #first: Stream[];
  /** Streams whose name another table has now: all records of the old one went with it. */
  readonly #replaced: readonly string[];
  #lsn: string;
  /** What is done already of the first transaction. */
  #skip: Place['cut'];
  #transaction: Transaction | undefined;
  #chunk: Chunk | undefined;
  /** Tables whose snapshot has not ended. */
  #pending: number;
  #marks = 0;
  #watchedAt = performance.now();

  private constructor(
    pool: pg.Pool,
    request: ChangesRequest,
    slot: Slot,
    place: Place,
    stream: ReplicationStream,
    replaced: readonly string[],
  ) {
    this.#pool = pool;
    this.#request = request;
    this.#system = slot.system;
    this.#stream = stream;
    this.#types = new TypeCatalogue(pool);
    this.#tables = new Map(Object.entries(place.tables));
    this.#pending = Object.values(place.tables).filter(({ done }) => !done).length;
    this.#lsn = place.lsn;
    this.#skip = place.cut;
    this.#replaced = replaced;
    this.#first = slot.tables.map(publishedStream);
    for (const stream of this.#first) this.#told.set(stream.name, stream);
  }

  static async open(
    pool: pg.Pool,
    config: pg.ClientConfig,
    request: ChangesRequest,
    open: Set<ReplicationStream>,
  ): Promise<ChangeReader> {
    const { state, consumer, streams, snapshot } = request;
    const before = state === undefined || state === null ? undefined : readPlace(state);
    const slot = await prepareSlot(pool, consumer, streams, before);
    const replaced: string[] = [];
    const tables = slot.tables.map(({ stream, oid }): [string, TablePlace] => {
      const known = before?.tables[stream.name];
      if (known?.oid === oid) return [stream.name, known];
      if (known !== undefined) replaced.push(stream.name);
      return [stream.name, { oid, done: !snapshot, after: null, form: null }];
    });
    const place: Place = {
      system: slot.system,
      lsn: slot.lsn,
      cut: before?.cut ?? null,
      tables: Object.fromEntries(tables),
    };
    const stream = await openStream(pool, config, slot, open);
    return new ChangeReader(pool, request, slot, place, stream, replaced);
  }

  firstPage(): ChangePage {
    const at = new Date().toISOString();
    const changes = this.#replaced.map((stream): Change => {
      return { stream, op: 'truncate', before: null, after: null, at, position: this.#lsn };
    });
    return { changes, state: this.#state(), streams: this.#first };
  }

  /** Made when it is asked for, which says that the page before it was taken. */
  async nextPage(): Promise<ChangePage> {
    this.#stream.acknowledge(this.#lsn);
    const draft = new ChangeDraft(this.#request.pageRecordsMax);
    const partial: number[] = [];
    const until = performance.now() + IDLE_MS;
    await this.#watch(draft);
    for (;;) {
      const waits = !(await this.#beginChunk());
      await this.#drain(draft, partial);
      const left = until - performance.now();
      if (!draft.empty || left <= 0) break;
      await this.#stream.readable(waits ? Math.min(left, CHUNK_MS) : left);
    }
    if (partial.length > 0) await completeChanges(this.#pool, draft.changes, partial);
    return draft.page(this.#state());
  }

  close(): Promise<void> {
    return this.#stream.close();
  }

  #state(): Json {
    const { commit, changes } = this.#transaction ?? { commit: '', changes: 0 };
    const done = this.#skip?.commit === commit ? Math.max(changes, this.#skip.changes) : changes;
    const cut = done > 0 ? { commit, changes: done } : this.#skip;
    const place: Place = { system: this.#system, lsn: this.#lsn, cut, tables: Object.fromEntries(this.#tables) };
    return place as unknown as Json;
  }

  /** Reads the next chunk where one is due. False: one is due, and its time has not come. */
  async #beginChunk(): Promise<boolean> {
    if (this.#chunk !== undefined || this.#pending === 0) return true;
    const due = [...this.#tables].find(([, { done }]) => !done);
    if (due === undefined) return true;
    const [name, { oid, after }] = due;
    // Of transactions under way some may be given already, or not in the stream at all, and not to be seen by a chunk yet.
    this.#barrier ??= await nextTransaction(this.#pool);
    this.#chunk = await readChunk(this.#pool, {
      name,
      oid,
      after,
      limit: this.#request.pageRecordsMax,
      mark: `${process.pid}.${this.#barrier}.${++this.#marks}`,
      given: this.#given,
      barrier: this.#barrier,
    });
    if (this.#chunk !== undefined) this.#given.clear();
    return this.#chunk !== undefined;
  }

  async #drain(draft: ChangeDraft, partial: number[]): Promise<void> {
    while (!draft.full) {
      const arrival = this.#stream.shift();
      if (arrival === undefined) return;
      const { message } = arrival;
      if (message?.tag === 'relation') await this.#relate(message, draft);
      else this.#handle(arrival, draft, partial);
    }
  }

  #handle({ message, lsn, bytes }: Arrival, draft: ChangeDraft, partial: number[]): void {
    switch (message?.tag) {
      case undefined:
        if (this.#transaction === undefined && lsn > this.#lsn) this.#lsn = lsn;
        return;
      case 'begin': {
        const position = message.commitLsn ?? '';
        const at = timestampOf(message.commitTime as bigint);
        this.#transaction = { commit: position, xid: message.xid >>> 0, stamp: { at, position }, changes: 0 };
        return;
      }
      case 'origin': {
        const transaction = this.#transaction as Transaction;
        transaction.stamp = { ...transaction.stamp, origin: originOf(message.originName) };
        return;
      }
      case 'commit':
        this.#lsn = message.commitEndLsn ?? this.#lsn;
        this.#transaction = undefined;
        this.#skip = null;
        return;
      case 'message':
        if (message.prefix === 'sluice' && Buffer.from(message.content).toString() === this.#chunk?.mark) {
          this.#endChunk(this.#chunk, draft);
        }
        return;
      case 'insert':
      case 'update':
      case 'delete':
      case 'truncate':
        draft.bytes += bytes;
        if (this.#isNew()) this.#give(message, draft, partial);
    }
  }

  /** Counts a change, and tells whether it was not taken before. */
  #isNew(): boolean {
    const transaction = this.#transaction as Transaction;
    transaction.changes++;
    return !(this.#skip?.commit === transaction.commit && transaction.changes <= this.#skip.changes);
  }

  #give(
    message: Pgoutput.MessageInsert | Pgoutput.MessageUpdate | Pgoutput.MessageDelete | Pgoutput.MessageTruncate,
    draft: ChangeDraft,
    partial: number[],
  ): void {
    const { stamp, xid } = this.#transaction as Transaction;
    if (this.#pending > 0) this.#given.add(xid);
    if (message.tag === 'truncate') {
      for (const one of message.relations) {
        const name = this.#relations.get(one)?.stream.name;
        if (name === undefined) continue;
        draft.changes.push({ stream: name, ...stamp, op: 'truncate', before: null, after: null });
        if (this.#supersedes(name, xid)) this.#chunk?.rows.clear();
      }
      return;
    }
    const relation = this.#relations.get(message.relation) ?? null;
    if (relation === null) return;
    const { name, primaryKey } = relation.stream;
    for (const change of changesOf(message, relation, stamp)) {
      if (this.#supersedes(name, xid)) {
        const row = change.after ?? change.before;
        if (row !== null) this.#chunk?.rows.delete(keyText(row, primaryKey));
      }
      // What the reader does not have cannot stay as it is.
      const fresh = change.op === 'insert' || this.#tables.get(name)?.done !== true;
      if (change.unchanged !== undefined && fresh) partial.push(draft.changes.length);
      draft.changes.push(change);
    }
  }

  /** Whether a transaction came after what the chunk that is held has seen of this stream. */
  #supersedes(name: string, xid: number): boolean {
    return this.#chunk?.stream.name === name && !sees(this.#chunk.moment, xid);
  }

  #endChunk({ stream, table, rows, at, last, final }: Chunk, draft: ChangeDraft): void {
    const { oid, after } = this.#tables.get(stream.name) as TablePlace;
    this.#chunk = undefined;
    if (this.#tell(stream, table, draft)) return;
    const position = this.#transaction?.commit ?? this.#lsn;
    for (const row of rows.values()) {
      draft.changes.push({ stream: stream.name, op: 'read', before: null, after: row, at, position });
    }
    this.#tables.set(stream.name, { oid, done: final, after: last ?? after, form: rowForm(stream) });
    if (final) this.#pending--;
  }

  async #relate(message: Pgoutput.MessageRelation, draft: ChangeDraft): Promise<void> {
    const name = `${message.schema}.${message.name}`;
    const place = this.#tables.get(name);
    if (place === undefined) {
      const known = [...this.#tables].find(([, { oid }]) => oid === String(message.relationOid >>> 0));
      if (known !== undefined) throw streamGone(known[0], `it is called ${name} now`);
      this.#relations.set(message, null);
      return;
    }
    // Of a table that had the name before.
    if (place.oid !== String(message.relationOid >>> 0)) {
      this.#relations.set(message, null);
      return;
    }
    const table = await findTable(this.#pool, name);
    const relation = await relationOf(message, table, this.#types);
    this.#relations.set(message, relation);
    this.#tell(relation.stream, table, draft);
  }

  /** Tells the form of a stream where it is new. True: its rows have to be read again for it. */
  #tell(stream: Stream, { optional }: Table, draft: ChangeDraft): boolean {
    const { name, fields } = stream;
    if (JSON.stringify(this.#told.get(name)?.fields) !== JSON.stringify(fields)) {
      this.#told.set(name, stream);
      draft.streams.set(name, stream);
    }
    const place = this.#tables.get(name) as TablePlace;
    const form = rowForm(stream);
    if (place.form === null) return false;
    if (!changesRows(place.form, form, optional)) {
      this.#tables.set(name, { ...place, form });
      return false;
    }
    if (place.done) this.#pending++;
    this.#barrier = undefined;
    this.#tables.set(name, { ...place, done: false, after: null, form: null });
    if (this.#chunk?.stream.name === name) this.#chunk = undefined;
    return true;
  }

  /** A table may get another form without a change that tells it, and another table its name. */
  async #watch(draft: ChangeDraft): Promise<void> {
    if (performance.now() - this.#watchedAt < WATCH_MS) return;
    this.#watchedAt = performance.now();
    for (const [name, { oid }] of this.#tables) {
      const table = await findTable(this.#pool, name);
      if (table.oid !== oid) throw streamGone(name, 'another table has its name');
      this.#tell(publishedStream(table), table, draft);
    }
  }
}

/** Opened again, a reader finds the other table, or that there is none. */
function streamGone(name: string, why: string): SluiceError {
  return new SluiceError('ENDPOINT_UNREACHABLE', `the table ${name} is not the one it was: ${why}`);
}

/** A slot that a lost reader still holds is waited for. */
async function openStream(
  pool: pg.Pool,
  config: pg.ClientConfig,
  slot: Slot,
  open: Set<ReplicationStream>,
): Promise<ReplicationStream> {
  for (;;) {
    await freeSlot(pool, slot.name);
    try {
      return await ReplicationStream.open(config, slot.name, slot.lsn, open);
    } catch (error) {
      if ((error as { code?: string }).code !== SLOT_IN_USE) throw error;
    }
  }
}
