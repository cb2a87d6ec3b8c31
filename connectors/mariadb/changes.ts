/**
 * What changes in tables, as it changes: the snapshots of those that are new to the reader, chunk by chunk, between the
 * transactions of the binary log. The state of a page is exact: after a crash nothing is missing, and nothing is given twice
 * but what was not taken. Called by the connection.
 */
import { MariadbGtidPosition } from '@vlasky/zongji';
import type { ConnectionOptions } from 'mysql2';
import type { Pool } from 'mysql2/promise';
import {
  ChangeDraft,
  type ChangePage,
  type ChangesRequest,
  changesRows,
  type Json,
  keyText,
  type Row,
  rowForm,
  SluiceError,
  type Stream,
} from '#connector';
import { type Arrival, BinlogStream } from './binlog.ts';
import { findTable, publishedStream, type Table } from './discovery.ts';
import { coded } from './errors.ts';
import { domainOf } from './origins.ts';
import { type Place, readPlace, type TablePlace } from './place.ts';
import { type Column, columnsOf, imageOf } from './row-values.ts';
import { checkSettings, logEnd, readableTables } from './settings.ts';
import { type Chunk, readChunk } from './snapshot.ts';
import { changesTables, effectOf } from './statements.ts';

/** An empty page comes after so long. */
const IDLE_MS = 2_000;
/** The time for a chunk has not come: looked at again after so long. */
const CHUNK_MS = 10;

type Rows = Extract<Arrival, { kind: 'rows' }>;
type Statement = Extract<Arrival, { kind: 'statement' }>;

interface Transaction {
  readonly gtid: string;
  readonly stamp: { readonly at: string; readonly position: string; readonly origin?: string };
  /** Changes of rows so far. */
  changes: number;
}

/** A table as the log shows it. */
interface Form {
  readonly stream: Stream;
  readonly columns: readonly Column[];
}

export async function* readChanges(
  database: Pool,
  config: ConnectionOptions,
  request: ChangesRequest,
  open: Set<BinlogStream>,
): AsyncGenerator<ChangePage> {
  let reader: ChangeReader | undefined;
  try {
    reader = await ChangeReader.open(database, config, request, open);
    yield reader.firstPage();
    for (;;) yield await reader.nextPage();
  } catch (error) {
    throw coded(error);
  } finally {
    await reader?.close();
  }
}

class ChangeReader {
  readonly #database: Pool;
  readonly #schema: string;
  readonly #request: ChangesRequest;
  readonly #stream: BinlogStream;
  readonly #first: Stream[];
  readonly #tables: Map<string, TablePlace>;
  readonly #gtids: MariadbGtidPosition;
  readonly #origins: ReadonlyMap<number, string>;
  /** By table: its columns in the log as one text, and what they are. */
  readonly #forms = new Map<string, { readonly text: string; readonly form: Form }>();
  /** Streams as they were told last. */
  readonly #told = new Map<string, Stream>();
  /** Chunks must not be older than this: where the log ended when the reader began, or the last transaction. */
  #given: string;
  /** How far the stream has come. */
  #reached = '';
  #skip: Place['cut'];
  #transaction: Transaction | undefined;
  /** Rows of one event that the last page had no room for. */
  #rest: { readonly arrival: Rows; readonly from: number } | undefined;
  #chunk: Chunk | undefined;

  private constructor(
    database: Pool,
    schema: string,
    request: ChangesRequest,
    tables: readonly Table[],
    place: Place,
    given: string,
    stream: BinlogStream,
  ) {
    this.#database = database;
    this.#schema = schema;
    this.#request = request;
    this.#stream = stream;
    this.#tables = new Map(Object.entries(place.tables));
    this.#gtids = MariadbGtidPosition.parse(place.gtids);
    this.#origins = new Map((request.origins ?? []).map((origin) => [domainOf(origin), origin]));
    this.#skip = place.cut;
    this.#given = given;
    this.#first = tables.map(publishedStream);
    for (const one of this.#first) this.#told.set(one.name, one);
  }

  static async open(
    database: Pool,
    config: ConnectionOptions,
    request: ChangesRequest,
    open: Set<BinlogStream>,
  ): Promise<ChangeReader> {
    const { state, streams, snapshot, consumer } = request;
    const before = state === undefined || state === null ? undefined : readPlace(state);
    await checkSettings(database);
    const tables = await readableTables(database, streams);
    // What is in the log by now, and was given or is not in the stream, may not be seen by a chunk yet.
    const end = await logEnd(database, before === undefined);
    const places = streams.map((name): [string, TablePlace] => [
      name,
      before?.tables[name] ?? { done: !snapshot, after: null, form: null },
    ]);
    const place: Place = {
      gtids: before?.gtids ?? end.gtids,
      cut: before?.cut ?? null,
      tables: Object.fromEntries(places),
    };
    const stream = new BinlogStream(config, consumer, place.gtids, streams, open);
    return new ChangeReader(database, config.database as string, request, tables, place, end.place, stream);
  }

  firstPage(): ChangePage {
    return { changes: [], state: this.#state(), streams: this.#first };
  }

  async nextPage(): Promise<ChangePage> {
    const draft = new ChangeDraft(this.#request.pageRecordsMax);
    const until = performance.now() + IDLE_MS;
    for (;;) {
      const waits = !(await this.#beginChunk());
      await this.#drain(draft);
      const left = until - performance.now();
      if (!draft.empty || left <= 0) break;
      await this.#stream.readable(waits ? Math.min(left, CHUNK_MS) : left);
    }
    return draft.page(this.#state());
  }

  close(): Promise<void> {
    return this.#stream.close();
  }

  #state(): Json {
    const { gtid, changes } = this.#transaction ?? { gtid: '', changes: 0 };
    const done = this.#skip?.gtid === gtid ? Math.max(changes, this.#skip.changes) : changes;
    const cut = done > 0 ? { gtid, changes: done } : this.#skip;
    const place: Place = { gtids: this.#gtids.toString(), cut, tables: Object.fromEntries(this.#tables) };
    return place as unknown as Json;
  }

  /** Reads the next chunk where one is due. False: one is due, and its time has not come. */
  async #beginChunk(): Promise<boolean> {
    if (this.#chunk !== undefined) return true;
    const due = [...this.#tables].find(([, { done }]) => !done);
    if (due === undefined) return true;
    const [name, { after }] = due;
    const { pageRecordsMax: limit } = this.#request;
    this.#chunk = await readChunk(this.#database, { name, after, limit, given: this.#given });
    return this.#chunk !== undefined;
  }

  async #drain(draft: ChangeDraft): Promise<void> {
    while (!draft.full) {
      this.#endChunk(draft);
      if (draft.full) return;
      const rest = this.#rest;
      if (rest !== undefined) {
        await this.#give(rest.arrival, rest.from, draft);
        continue;
      }
      const arrival = this.#stream.shift();
      if (arrival === undefined) return;
      draft.bytes += arrival.bytes;
      if (arrival.kind === 'rows') await this.#give(arrival, 0, draft);
      else if (arrival.kind === 'statement') await this.#obey(arrival, draft);
      else this.#move(arrival);
    }
  }

  #move(arrival: Exclude<Arrival, { kind: 'rows' | 'statement' }>): void {
    if (arrival.kind === 'begin') {
      const { gtid, domain, place, at } = arrival;
      const origin = this.#origins.get(domain);
      const stamp = { at, position: `${place} ${gtid}`, ...(origin === undefined ? {} : { origin }) };
      this.#transaction = { gtid, stamp, changes: 0 };
    } else if (arrival.kind === 'commit') this.#commit(arrival.place);
    // A file of the log begins between transactions.
    else if (this.#transaction === undefined && arrival.place > this.#reached) this.#reached = arrival.place;
  }

  #commit(place: string): void {
    if (this.#transaction === undefined) return;
    const [domainId, serverId, seqNo] = this.#transaction.gtid.split('-');
    this.#gtids.add({ domainId: Number(domainId), serverId: Number(serverId), seqNo: String(seqNo) });
    this.#transaction = undefined;
    this.#skip = null;
    this.#reached = place;
    if (place > this.#given) this.#given = place;
  }

  /** Gives the chunk that is held when the stream is where it was read. */
  #endChunk(draft: ChangeDraft): void {
    if (this.#chunk === undefined || this.#transaction !== undefined || this.#reached < this.#chunk.place) return;
    const { stream, table, rows, at, place, last, final } = this.#chunk;
    this.#chunk = undefined;
    if (this.#tell(stream, table, draft)) return;
    for (const row of rows) {
      draft.changes.push({ stream: stream.name, op: 'read', before: null, after: row, at, position: place });
    }
    const { after } = this.#tables.get(stream.name) as TablePlace;
    this.#tables.set(stream.name, { done: final, after: last ?? after, form: rowForm(stream) });
  }

  async #give(arrival: Rows, from: number, draft: ChangeDraft): Promise<void> {
    this.#rest = undefined;
    const transaction = this.#transaction;
    if (transaction === undefined) return;
    const form = await this.#formOf(arrival, draft);
    for (let i = from; i < arrival.rows.length; i++) {
      if (draft.full) {
        this.#rest = { arrival, from: i };
        return;
      }
      transaction.changes++;
      if (this.#skip?.gtid === transaction.gtid && transaction.changes <= this.#skip.changes) continue;
      const images = arrival.rows[i] as Rows['rows'][number];
      const before = images.before === null ? null : imageOf(form.columns, images.before);
      const after = images.after === null ? null : imageOf(form.columns, images.after);
      this.#change(arrival.op, form.stream, before, after, transaction, draft);
    }
  }

  #change(
    op: Rows['op'],
    { name: stream, primaryKey }: Stream,
    before: Row | null,
    after: Row | null,
    { stamp }: Transaction,
    draft: ChangeDraft,
  ): void {
    if (before !== null && after !== null && keyText(before, primaryKey) !== keyText(after, primaryKey)) {
      draft.changes.push({ stream, op: 'delete', before, after: null, ...stamp });
      draft.changes.push({ stream, op: 'insert', before: null, after, ...stamp });
    } else draft.changes.push({ stream, op, before, after, ...stamp });
  }

  async #formOf({ table: shown }: Rows, draft: ChangeDraft): Promise<Form> {
    const { tableName, columnSchemas } = shown;
    let text = '';
    for (const { COLUMN_NAME, COLUMN_TYPE, CHARACTER_SET_NAME } of columnSchemas) {
      text += `${COLUMN_NAME}\0${COLUMN_TYPE}\0${CHARACTER_SET_NAME}\0`;
    }
    const known = this.#forms.get(tableName);
    if (known?.text === text) return known.form;
    const table = await findTable(this.#database, tableName);
    const columns = columnsOf(shown, table);
    const form: Form = { stream: { ...table.stream, fields: columns.map(({ field }) => field) }, columns };
    this.#forms.set(tableName, { text, form });
    this.#tell(form.stream, table, draft);
    return form;
  }

  /** What a statement does to the streams. It is a transaction of its own. */
  async #obey({ sql, schema, place }: Statement, draft: ChangeDraft): Promise<void> {
    const streams = [...this.#tables.keys()];
    if (changesTables(sql, schema, this.#schema, streams)) {
      const message = `rows were changed by a statement, which does not say which: ${sql.slice(0, 100)}`;
      throw new SluiceError('ENDPOINT_CHANGES_LOST', message);
    }
    const { at, position } = this.#transaction?.stamp ?? { at: new Date().toISOString(), position: place };
    for (const stream of streams) {
      const effect = effectOf(sql, schema, this.#schema, stream);
      if (effect === 'none') continue;
      // Types that only the catalogue tells may be others now.
      this.#forms.delete(stream);
      if (effect === 'emptied' || effect === 'replaced') {
        draft.changes.push({ stream, op: 'truncate', before: null, after: null, at, position });
      }
      const reread =
        effect === 'replaced' || effect === 'changed' || (effect === 'altered' && (await this.#differs(stream)));
      if (reread) this.#restart(stream);
    }
    this.#commit(place);
  }

  async #differs(name: string): Promise<boolean> {
    const { form } = this.#tables.get(name) as TablePlace;
    if (form === null) return false;
    const table = await findTable(this.#database, name);
    return changesRows(form, rowForm(publishedStream(table)), table.optional);
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
    this.#restart(name);
    return true;
  }

  /** All rows of a stream are read again: some may be others, and nothing tells which. */
  #restart(name: string): void {
    if (!this.#request.snapshot) return;
    this.#tables.set(name, { done: false, after: null, form: null });
    if (this.#chunk?.stream.name === name) this.#chunk = undefined;
  }
}
