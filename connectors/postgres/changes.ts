/**
 * What changes in tables, as it changes: the snapshots of those that are new to the reader, chunk by chunk, between the changes
 * of the stream. The state of a page is exact: after a crash nothing is missing, and nothing is given twice but what was
 * not taken. Called by the connection.
 */
import type pg from 'pg';
import type { Pgoutput } from 'pg-logical-replication';
import type { Change, ChangePage, ChangesRequest, Json, Row, Stream, Value } from '#connector';
import { findTable, publishedStream, type Table } from './discovery.ts';
import { coded } from './errors.ts';
import { changesOf, type Stamp, timestampOf } from './images.ts';
import { originOf } from './origins.ts';
import { keyText, type Place, readPlace, type TablePlace } from './place.ts';
import { lookUpRows } from './reading.ts';
import { type Relation, relationOf, TypeCatalogue } from './relations.ts';
import { type Arrival, ReplicationStream } from './replication.ts';
import { freeSlot, prepareSlot, type Slot } from './slot.ts';
import { type Chunk, nextTransaction, readChunk, sees } from './snapshot.ts';

/** An empty page comes after so long. */
const IDLE_MS = 2_000;
/** The time for a chunk has not come: looked at again after so long. */
const CHUNK_MS = 10;
const PAGE_BYTES_MAX = 4 * 1024 * 1024;
const SLOT_IN_USE = '55006';

interface Transaction {
  readonly commit: string;
  readonly xid: number;
  stamp: Stamp;
  /** Messages of changes so far. */
  changes: number;
}

/** A page in the making. */
interface Draft {
  readonly changes: Change[];
  readonly streams: Map<string, Stream>;
  /** Places in `changes` whose missing values have to be found. */
  readonly partial: number[];
  bytes: number;
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
  /** By stream: its fields, as they were told last. */
  readonly #told = new Map<string, string>();
  /** Transactions that were given since the last chunk. */
  readonly #given = new Set<number>();
  readonly #barrier: bigint;
  readonly #first: Stream[];
  #lsn: string;
  /** What is done already of the first transaction. */
  #skip: Place['cut'];
  #transaction: Transaction | undefined;
  #chunk: Chunk | undefined;
  /** Tables whose snapshot has not ended. */
  #pending: number;
  #marks = 0;

  private constructor(
    pool: pg.Pool,
    request: ChangesRequest,
    slot: Slot,
    place: Place,
    stream: ReplicationStream,
    barrier: bigint,
  ) {
    this.#pool = pool;
    this.#request = request;
    this.#system = slot.system;
    this.#stream = stream;
    this.#types = new TypeCatalogue(pool);
    this.#tables = new Map(Object.entries(place.tables));
    this.#pending = Object.values(place.tables).filter(({ done }) => !done).length;
    this.#barrier = barrier;
    this.#lsn = place.lsn;
    this.#skip = place.cut;
    this.#first = slot.tables.map(publishedStream);
    for (const { name, fields } of this.#first) this.#told.set(name, JSON.stringify(fields));
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
    // Of those that have not ended yet, some may not be in the stream and cannot be seen by a chunk either.
    const barrier = await nextTransaction(pool);
    const tables = slot.tables.map(({ stream, oid }): [string, TablePlace] => {
      const known = before?.tables[stream.name];
      if (known?.oid === oid) return [stream.name, known];
      return [stream.name, { oid, done: !snapshot, after: null }];
    });
    const place: Place = {
      system: slot.system,
      lsn: slot.lsn,
      cut: before?.cut ?? null,
      tables: Object.fromEntries(tables),
    };
    const stream = await openStream(pool, config, slot, open);
    return new ChangeReader(pool, request, slot, place, stream, barrier);
  }

  firstPage(): ChangePage {
    return { changes: [], state: this.#state(), streams: this.#first };
  }

  /** Made when it is asked for, which says that the page before it was taken. */
  async nextPage(): Promise<ChangePage> {
    this.#stream.acknowledge(this.#lsn);
    const draft: Draft = { changes: [], streams: new Map(), partial: [], bytes: 0 };
    const until = performance.now() + IDLE_MS;
    for (;;) {
      const waits = !(await this.#beginChunk());
      await this.#drain(draft);
      const left = until - performance.now();
      if (draft.changes.length > 0 || draft.streams.size > 0 || left <= 0) break;
      await this.#stream.readable(waits ? Math.min(left, CHUNK_MS) : left);
    }
    await this.#complete(draft);
    const page = { changes: draft.changes, state: this.#state() };
    return draft.streams.size === 0 ? page : { ...page, streams: [...draft.streams.values()] };
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

  async #drain(draft: Draft): Promise<void> {
    while (draft.changes.length < this.#request.pageRecordsMax && draft.bytes < PAGE_BYTES_MAX) {
      const arrival = this.#stream.shift();
      if (arrival === undefined) return;
      const { message } = arrival;
      if (message?.tag === 'relation') await this.#relate(message, draft);
      else this.#handle(arrival, draft);
    }
  }

  #handle({ message, lsn, bytes }: Arrival, draft: Draft): void {
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
        if (this.#isNew()) this.#give(message, bytes, draft);
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
    bytes: number,
    draft: Draft,
  ): void {
    const { stamp, xid } = this.#transaction as Transaction;
    draft.bytes += bytes;
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
      if (change.unchanged !== undefined && fresh) draft.partial.push(draft.changes.length);
      draft.changes.push(change);
    }
  }

  /** Whether a transaction came after what the chunk that is held has seen of this stream. */
  #supersedes(name: string, xid: number): boolean {
    return this.#chunk?.stream.name === name && !sees(this.#chunk.moment, xid);
  }

  #endChunk({ stream, rows, at, last, final }: Chunk, draft: Draft): void {
    const { oid, after } = this.#tables.get(stream.name) as TablePlace;
    this.#tell(stream, draft);
    const position = this.#transaction?.commit ?? this.#lsn;
    for (const row of rows.values()) {
      draft.changes.push({ stream: stream.name, op: 'read', before: null, after: row, at, position });
    }
    this.#tables.set(stream.name, { oid, done: final, after: last ?? after });
    if (final) this.#pending--;
    this.#chunk = undefined;
  }

  async #relate(message: Pgoutput.MessageRelation, draft: Draft): Promise<void> {
    const name = `${message.schema}.${message.name}`;
    if (!this.#tables.has(name)) {
      this.#relations.set(message, null);
      return;
    }
    const table: Table = await findTable(this.#pool, name);
    const relation = await relationOf(message, table, this.#types);
    this.#relations.set(message, relation);
    this.#tell(relation.stream, draft);
  }

  #tell(stream: Stream, draft: Draft): void {
    const fields = JSON.stringify(stream.fields);
    if (this.#told.get(stream.name) === fields) return;
    this.#told.set(stream.name, fields);
    draft.streams.set(stream.name, stream);
  }

  /** Finds values that were not sent. A row that is gone meanwhile is left out: what took it away is still to come. */
  async #complete({ changes, partial }: Draft): Promise<void> {
    const byStream = new Map<string, number[]>();
    for (const at of partial) {
      const name = changes[at]?.stream as string;
      byStream.set(name, [...(byStream.get(name) ?? []), at]);
    }
    const gone = new Set<number>();
    for (const [name, places] of byStream) {
      const table = await findTable(this.#pool, name);
      const keys = places.map((at) => changes[at]?.after as Row);
      const found = await lookUpRows(this.#pool, table, table.stream.primaryKey, keys);
      for (const [i, at] of places.entries()) {
        const { unchanged = [], ...change } = changes[at] as Change;
        const row = found[i];
        if (row === null || row === undefined) gone.add(at);
        else {
          const values = unchanged.map((field): [string, Value] => [field, row[field] ?? null]);
          changes[at] = { ...change, after: { ...change.after, ...Object.fromEntries(values) } };
        }
      }
    }
    for (const at of [...gone].sort((a, b) => b - a)) changes.splice(at, 1);
  }
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
