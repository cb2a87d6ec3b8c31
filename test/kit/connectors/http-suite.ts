/**
 * The suite of connectors to APIs: what they say of themselves, who is let in, reads that are complete under every fault, a
 * read cut in the middle of a page, incremental reads that equal full ones, writes that are done once, records that are
 * refused. A test of a connector is a description of one stream and a call of this.
 */
import { describe, expect, test } from 'vitest';
import {
  type Connection,
  type Connector,
  checkConnection,
  checkConnector,
  describeConnector,
  type Page,
  type Row,
  type WriteMode,
} from '#connector';
import { FAULTS, type FaultProxy, startFaultProxy } from './faults.ts';
import { reading, rejected, take } from './records.ts';

export interface HttpPlace {
  /** Of the server behind the proxy. */
  readonly url: string;
  /** The configuration for an address. */
  config(url: string): unknown;
  /** One that is not let in. */
  readonly refused?: (url: string) => unknown;
  readonly stream: string;
  /** Puts records number `from` to `to` (excluded) there, by another way than the connector. */
  fill(from: number, to: number): Promise<void>;
  /** Which of a list of records are those of `fill`; default: all. */
  readonly mine?: (row: Row) => boolean;
  /** What tells records apart; default: the primary key. */
  readonly identity?: readonly string[];
  readonly cursor?: string;
  /** A record to write by connector; `keys` where they are not the primary key. */
  readonly write?: {
    row(i: number): Row;
    changed(row: Row): Row;
    readonly keys?: readonly string[];
    readonly poison?: Row;
  };
  /** The place of the next page is its last record, so that their order means something. */
  readonly orderMatters?: true;
  /** Which requests may go wrong; default: GET. */
  readonly faulty?: (method: string, path: string) => boolean;
}

const PAGE_RECORDS = 7;
const RECORDS = 18;
const SOME = 3;

export function httpSuite(connector: Connector, place: () => Promise<HttpPlace>): void {
  const open = async (config: unknown): Promise<Connection> =>
    checkConnection(await connector.open(connector.spec.parse(config), { endpoint: 'suite' }), connector);

  async function begin(records: number) {
    const given = await place();
    const proxy = await startFaultProxy(given.url, given.faulty);
    if (records > 0) await given.fill(0, records);
    const connection = await open(given.config(proxy.url));
    const stream = (await connection.discover()).find(({ name }) => name === given.stream);
    if (stream === undefined) throw new Error(`it has no stream ${given.stream}`);
    const identity = given.identity ?? stream.primaryKey;
    const idOf = (row: Row) => identity.map((name) => String(row[name])).join(' ');
    const mine = (rows: readonly Row[]) => rows.filter(given.mine ?? (() => true));
    const request = { stream: given.stream, mode: 'full' as const, pageRecordsMax: PAGE_RECORDS };
    const read = async (more: object = {}, by = connection) => {
      const pages = await take(reading(by, { ...request, ...more }), Number.POSITIVE_INFINITY);
      return { rows: mine(pages.flatMap((page) => page.records)), state: pages.at(-1)?.state };
    };
    const ids = async (more: object = {}, by = connection) => (await read(more, by)).rows.map(idOf).sort();
    return { ...given, given, proxy, connection, stream, request, read, ids, idOf, mine };
  }

  describe(`connector ${connector.name}`, () => {
    test('meets the contract, and documents each of its settings', () => {
      checkConnector(connector, connector.name);
      const { properties } = describeConnector(connector).config as { properties: Record<string, object> };
      const silent = Object.entries(properties).filter(([, one]) => !('description' in one));
      expect(silent.map(([name]) => name)).toEqual([]);
    });

    test('lets in who may, and says what is wrong otherwise', async () => {
      const { connection, given, proxy } = await begin(0);
      await connection.check();
      const nobody = await open(given.config('http://127.0.0.1:1'));
      await expect(nobody.check()).rejects.toMatchObject({ code: 'ENDPOINT_UNREACHABLE' });
      if (given.refused !== undefined) {
        const refused = await open(given.refused(proxy.url));
        await expect(refused.check()).rejects.toMatchObject({ code: 'ENDPOINT_REFUSED' });
      }
    });

    test('finds streams whose abilities are among those it announces', async () => {
      const { connection } = await begin(0);
      for (const { name, can, fields, primaryKey } of await connection.discover()) {
        expect(connector.can, name).toEqual(expect.arrayContaining([...can]));
        expect(
          fields.map((field) => field.name),
          name,
        ).toEqual(expect.arrayContaining([...primaryKey]));
      }
    });

    test('reads everything once, whatever goes wrong on the way', async () => {
      const { ids, proxy, orderMatters } = await begin(RECORDS);
      const expected = await ids();
      expect(expected).toHaveLength(RECORDS);
      expect(new Set(expected).size).toBe(RECORDS);
      for (const fault of FAULTS) {
        if (fault === 'reordered' && orderMatters === true) continue;
        expect(await faulty(proxy, fault, ids), fault).toEqual(expected);
      }
    });

    test('goes on in the middle of a page, on another connection', async () => {
      const { ids, idOf, mine, connection, given, proxy, request, read } = await begin(RECORDS);
      const expected = await ids();
      // Pages of another size than before, so that the place is not at the beginning of one.
      const pages = await take(reading(connection, { ...request, pageRecordsMax: 5 }), 2);
      await connection.close();
      const again = await open(given.config(proxy.url));
      const { state } = pages.at(-1) as Page;
      const rest = await read({ pageRecordsMax: 5, state: JSON.parse(JSON.stringify(state)) }, again);
      const all = [...mine(pages.flatMap(({ records }) => records)), ...rest.rows];
      expect(all.map(idOf).sort()).toEqual(expected);
    });

    test('reads by a cursor what it reads in full, then only what is new', async ({ skip }) => {
      const { cursor, ids, read, fill, idOf } = await begin(RECORDS);
      if (cursor === undefined) return skip('it has no cursor');
      const incremental = { mode: 'incremental', cursor };
      const first = await read(incremental);
      expect(first.rows.map(idOf).sort()).toEqual(await ids());
      const nothing = await read({ ...incremental, state: first.state });
      expect(nothing.rows).toEqual([]);
      await fill(RECORDS, RECORDS + SOME);
      const state = nothing.state ?? first.state;
      const later = await read({ ...incremental, state: JSON.parse(JSON.stringify(state)) });
      expect(later.rows).toHaveLength(SOME);
      expect([...first.rows, ...later.rows].map(idOf).sort()).toEqual(await ids());
    });

    test('writes a record again without making it two, and deletes what is there and what is not', async ({ skip }) => {
      const { connection, given, read, stream, write } = await begin(0);
      if (write === undefined) return skip('it cannot write');
      const send = sender(connection, given.stream, write.keys ?? []);
      const rows = Array.from({ length: SOME }, (_, i) => write.row(i));
      const fill: WriteMode = stream.can.includes('upsert')
        ? 'upsert'
        : stream.can.includes('insert')
          ? 'insert'
          : 'append';
      expect(rejected(await send(fill, rows))).toEqual([]);
      const written = (await read()).rows;
      expect(holdAll(written, rows)).toEqual([]);
      if (fill === 'upsert') {
        const changed = rows.map(write.changed);
        expect(rejected(await send('upsert', changed))).toEqual([]);
        expect(rejected(await send('upsert', [...changed, ...changed]))).toEqual([]);
        const after = (await read()).rows;
        expect(after).toHaveLength(written.length);
        expect(holdAll(after, changed)).toEqual([]);
      }
      if (!stream.can.includes('delete') || fill !== 'upsert') return;
      expect(rejected(await send('delete', rows))).toEqual([]);
      expect(rejected(await send('delete', rows))).toEqual([]);
      expect((await read()).rows).toHaveLength(written.length - rows.length);
    });

    test('rejects a poison record by itself, and the others land', async ({ skip }) => {
      const { connection, given, read, stream, write } = await begin(0);
      if (write?.poison === undefined) return skip('the system takes everything');
      const send = sender(connection, given.stream, write.keys ?? []);
      const [first, second] = [write.row(0), write.row(1)];
      const results = await send(stream.can.includes('upsert') ? 'upsert' : 'insert', [first, write.poison, second]);
      expect(results.map(({ ok }) => ok)).toEqual([true, false, true]);
      expect(results[1]).toMatchObject({ code: 'RECORD_REJECTED', retryable: false });
      expect(holdAll((await read()).rows, [first, second])).toEqual([]);
    });
  });
}

async function faulty<T>(proxy: FaultProxy, fault: (typeof FAULTS)[number], work: () => Promise<T>): Promise<T> {
  const before = proxy.faults;
  proxy.use(fault);
  try {
    const answer = await work();
    if (proxy.faults === before) throw new Error(`nothing went wrong: ${fault}`);
    return answer;
  } finally {
    proxy.use(undefined);
  }
}

function sender(connection: Connection, stream: string, keys: readonly string[]) {
  return (mode: WriteMode, rows: readonly Row[]) => {
    if (connection.write === undefined) throw new Error('it cannot write');
    return connection.write({ stream, mode, keys }, rows);
  };
}

/** Records that nothing of what was read holds, field by field. */
function holdAll(read: readonly Row[], written: readonly Row[]): readonly Row[] {
  const same = (a: unknown, b: unknown) => String(a) === String(b);
  return written.filter((one) => !read.some((row) => Object.keys(one).every((name) => same(row[name], one[name]))));
}
