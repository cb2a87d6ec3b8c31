/**
 * The binary log as it is written, from a GTID position on, taken one by one: transactions with the rows they changed, statements,
 * and where the server is when nothing happens. Decoding is `@vlasky/zongji`'s. Used by `changes`.
 */
import { createHash } from 'node:crypto';
import ZongJi, { type AnyBinlogEvent, type TableMapEntry, type TableMapEvent } from '@vlasky/zongji';
import type { ConnectionOptions } from 'mysql2';
import { Arrivals, SluiceError } from '#connector';

/** The server says where it is when nothing happens for so long. */
const HEARTBEAT_MS = 250;
/** Silence after which the connection is given up. */
const SILENCE_MS = 20_000;
const LOOK_MS = 2_000;
const POSITION_DIGITS = 12;
const BYTE_BITS = 8;

type RowImages = Readonly<Record<string, unknown>>;

/** Places in the log are texts that compare as the places do. */
export type Arrival = { readonly bytes: number } & (
  | {
      readonly kind: 'begin';
      readonly gtid: string;
      readonly domain: number;
      readonly place: string;
      readonly at: string;
    }
  | {
      readonly kind: 'rows';
      readonly op: 'insert' | 'update' | 'delete';
      readonly table: TableMapEntry;
      readonly rows: readonly { readonly before: RowImages | null; readonly after: RowImages | null }[];
    }
  | { readonly kind: 'statement'; readonly sql: string; readonly schema: string; readonly place: string }
  | { readonly kind: 'commit'; readonly place: string }
  /** Between transactions. */
  | { readonly kind: 'alive'; readonly place: string }
);

interface PausableConnection {
  pause(): void;
  resume(): void;
  query(sql: string, done: (error: Error | null) => void): void;
}

/** zongji's object, as far as its types leave it out. */
interface Inside {
  readonly connection: PausableConnection | null;
  readonly options: { readonly filename?: string };
}

/** The bitmap of columns in the images of rows: not declared by the library, and what is absent reads as null there. */
interface Present {
  readonly columns_present_bitmap?: Buffer;
  readonly columns_present_bitmap2?: Buffer;
}

export function placeOf(file: string, position: number | string): string {
  return `${file}:${String(position).padStart(POSITION_DIGITS, '0')}`;
}

export class BinlogStream {
  readonly #zongji: ZongJi;
  readonly #inside: Inside;
  readonly #open: Set<BinlogStream>;
  readonly #arrivals: Arrivals<Arrival>;
  readonly #timer: NodeJS.Timeout;
  #file = '';
  #heardAt = performance.now();

  /**
   * @param gtids what was done already: the last transaction of each domain
   * @param tables of the database, of which rows are told
   * @param open those that are open, with this one until it is closed
   */
  constructor(
    config: ConnectionOptions,
    consumer: string,
    gtids: string,
    tables: readonly string[],
    open: Set<BinlogStream>,
  ) {
    // Values as text, where JavaScript's own types would lose something.
    this.#zongji = new ZongJi({ ...config, dateStrings: true, timezone: 'Z' });
    this.#inside = this.#zongji as unknown as Inside;
    this.#open = open;
    open.add(this);
    this.#arrivals = new Arrivals({
      pause: () => this.#inside.connection?.pause(),
      resume: () => {
        this.#heardAt = performance.now();
        this.#inside.connection?.resume();
      },
    });
    this.#zongji.on('error', (error) => this.#arrivals.fail(error));
    this.#zongji.on('binlog', (event) => this.#take(event as AnyBinlogEvent));
    this.#zongji.on('ready', () => {
      this.#inside.connection?.query(`SET @master_heartbeat_period = ${HEARTBEAT_MS * 1_000_000}`, (error) => {
        if (error !== null) this.#arrivals.fail(error);
      });
    });
    const includeSchema = { [config.database as string]: [...tables] };
    this.#zongji.start({ serverId: serverIdOf(consumer), gtidSet: gtids, includeSchema });
    this.#timer = setInterval(() => {
      if (this.#arrivals.paused || performance.now() - this.#heardAt < SILENCE_MS) return;
      this.#arrivals.fail(new SluiceError('ENDPOINT_UNREACHABLE', `the server was silent for ${SILENCE_MS} ms`));
    }, LOOK_MS).unref();
  }

  shift(): Arrival | undefined {
    return this.#arrivals.shift();
  }

  /** Resolves when something has arrived, and at the latest after so long. @throws what ended the stream */
  readable(ms: number): Promise<void> {
    return this.#arrivals.readable(ms);
  }

  async close(): Promise<void> {
    if (!this.#open.delete(this)) return;
    clearInterval(this.#timer);
    this.#arrivals.fail(new SluiceError('SHUTTING_DOWN', 'the reader of changes was closed'));
    await new Promise<void>((resolve) => {
      this.#zongji.once('stopped', resolve);
      this.#zongji.stop();
    });
  }

  #take(event: AnyBinlogEvent): void {
    this.#heardAt = performance.now();
    try {
      this.#arrive(event);
    } catch (error) {
      this.#arrivals.fail(error);
    }
  }

  #arrive(event: AnyBinlogEvent): void {
    const place = placeOf(this.#file, event.nextPosition);
    const bytes = event.size;
    switch (event.getEventName()) {
      case 'rotate': {
        const { binlogName, position } = event as AnyBinlogEvent & { binlogName: string; position: number };
        this.#file = binlogName;
        this.#arrivals.push({ kind: 'alive', place: placeOf(binlogName, position), bytes: 0 });
        return;
      }
      case 'mariadbgtid': {
        const { gtid, domainId, preparedXa } = event as unknown as {
          gtid: string;
          domainId: number;
          preparedXa: boolean;
        };
        if (preparedXa) throw new SluiceError('ENDPOINT_UNSUPPORTED', 'changes prepared by XA cannot be followed');
        const at = new Date(event.timestamp).toISOString().replace('.000', '');
        this.#arrivals.push({ kind: 'begin', gtid, domain: domainId, place, at, bytes });
        return;
      }
      case 'tablemap':
        checkDescribed(event as TableMapEvent);
        return;
      case 'writerows':
      case 'updaterows':
      case 'deleterows':
        this.#rows(event);
        return;
      case 'xid':
        this.#arrivals.push({ kind: 'commit', place, bytes });
        return;
      case 'query': {
        const { query, schema } = event as AnyBinlogEvent & { query: string; schema: string };
        const word = query.trim().toUpperCase();
        if (word === 'BEGIN' || word.startsWith('SAVEPOINT')) return;
        if (word === 'COMMIT' || word === 'ROLLBACK') this.#arrivals.push({ kind: 'commit', place, bytes });
        else this.#arrivals.push({ kind: 'statement', sql: query, schema, place, bytes });
        return;
      }
      case 'heartbeat':
      case 'mariadbgtidlist':
      case 'binlogcheckpoint':
        if (event.nextPosition > 0) this.#arrivals.push({ kind: 'alive', place, bytes: 0 });
    }
  }

  #rows(event: AnyBinlogEvent): void {
    const { tableId, tableMap, rows, numberOfColumns } = event as unknown as {
      tableId: number;
      tableMap: Record<number, TableMapEntry>;
      rows: readonly { before: RowImages; after: RowImages }[];
      numberOfColumns: number;
    };
    const table = tableMap[tableId];
    if (table === undefined) return;
    const { columns_present_bitmap: first, columns_present_bitmap2: second } = event as Present;
    for (const bitmap of [first, second]) {
      if (bitmap !== undefined && !isWhole(bitmap, numberOfColumns)) {
        const message = `a change of ${table.tableName} was logged without all columns: binlog_row_image was not FULL`;
        throw new SluiceError('ENDPOINT_CHANGES_LOST', message);
      }
    }
    const name = event.getEventName();
    const op = name === 'writerows' ? 'insert' : name === 'updaterows' ? 'update' : 'delete';
    const images = rows.map((row) => {
      if (op === 'update') return row;
      return op === 'insert' ? { before: null, after: row as RowImages } : { before: row as RowImages, after: null };
    });
    this.#arrivals.push({ kind: 'rows', op, table, rows: images, bytes: event.size });
  }
}

/** Without its own names of columns a change from before an ALTER TABLE would be read with those from after it. */
function checkDescribed(event: TableMapEvent): void {
  if (event.hasSelfDescribingMetadata()) return;
  const message = `a change of ${event.tableName} was logged without its columns: binlog_row_metadata was not FULL`;
  throw new SluiceError('ENDPOINT_CHANGES_LOST', message);
}

/** Of replicas each has another; the server sends an older reader with the same away. */
function serverIdOf(consumer: string): number {
  return (createHash('sha256').update(`reader ${consumer}`).digest().readUInt32BE() >>> 1) | 1;
}

function isWhole(bitmap: Buffer, columns: number): boolean {
  for (let i = 0; i < columns; i++) {
    if (((bitmap[Math.floor(i / BYTE_BITS)] as number) & (1 << (i % BYTE_BITS))) === 0) return false;
  }
  return true;
}
