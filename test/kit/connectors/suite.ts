/**
 * The suite that every connector passes, on the real system: what it says of itself, good and bad configurations, what it
 * finds, exact values, paging, going on after a crash, writing again, deleting, poison records, changes of the schema. What a
 * connector does not announce is not asked of it. A test of a connector is a description of one table and a call of this.
 */
import { describe, expect, test } from 'vitest';
import {
  type Connection,
  type Connector,
  checkConnection,
  checkConnector,
  describeConnector,
  type Page,
  type ReadRequest,
  type Row,
  type Stream,
  type WriteMode,
} from '#connector';
import { randomWrites } from './random-writes.ts';
import { readAll, reading, rejected, sorted, take } from './records.ts';

export interface Table {
  readonly stream: string;
  /** Every field with its type; arrays as `int64[]`. */
  readonly types: Readonly<Record<string, string>>;
  readonly key: readonly string[];
  /** A field that grows with the number of `row`; absent where the stream cannot be read incrementally. */
  readonly cursor?: string;
  /** Record number i: keys differ, the cursor grows. */
  row(i: number): Row;
  /** Another state of the same record. */
  changed(row: Row): Row;
  /** Records at the edges of what the system holds, each to come back as it is. */
  readonly exact: readonly Row[];
  /** A record that the system refuses. */
  readonly poison?: Row;
  /** Gives the table a further column that may be null, and answers its name. */
  addColumn?(): Promise<string>;
}

export interface Place {
  readonly config: unknown;
  /** By what is wrong with it: a configuration that does not work, and the code that says so. */
  readonly bad: Readonly<Record<string, { readonly config: unknown; readonly code: string }>>;
  create(): Promise<Table>;
}

/**
 * @param place called once for each test
 * @param abilities of the streams that `place` makes, where they are not those of the whole connector
 */
export function connectorSuite(
  connector: Connector,
  place: () => Promise<Place>,
  abilities: Stream['can'] = connector.can,
): void {
  const open = async (config: unknown): Promise<Connection> =>
    checkConnection(await connector.open(connector.spec.parse(config), { endpoint: 'suite' }), connector);
  const can = (mode: Stream['can'][number]) => abilities.includes(mode);
  const fill: WriteMode = can('append') ? 'append' : can('insert') ? 'insert' : 'upsert';

  /** A connection to a table of its own, with so many records in it. */
  async function withTable(records: number) {
    const { config, create } = await place();
    const table = await create();
    const connection = await open(config);
    const write = (mode: WriteMode, rows: readonly Row[], keys: readonly string[] = []) => {
      if (connection.write === undefined) throw new Error('it cannot write');
      return connection.write({ stream: table.stream, mode, keys }, rows);
    };
    const rows = Array.from({ length: records }, (_, i) => table.row(i));
    if (rows.length > 0) expect(rejected(await write(fill, rows))).toEqual([]);
    const request = (more: Partial<ReadRequest> = {}): ReadRequest => ({
      stream: table.stream,
      mode: 'full',
      pageRecordsMax: 7,
      ...more,
    });
    return { config, table, connection, write, rows, request, all: () => readAll(connection, request()) };
  }

  describe(`connector ${connector.name} (${abilities.join(', ')})`, () => {
    test('meets the contract, and documents each of its settings', () => {
      checkConnector(connector, connector.name);
      const { properties } = describeConnector(connector).config as { properties: Record<string, object> };
      const silent = Object.entries(properties).filter(([, one]) => !('description' in one));
      expect(silent.map(([name]) => name)).toEqual([]);
    });

    test('lets in who may, and says what is wrong otherwise', async () => {
      const { config, bad } = await place();
      const good = await open(config);
      await good.check();
      await good.close();
      for (const [why, { config: wrong, code }] of Object.entries(bad)) {
        const attempt = open(wrong).then(async (connection) => {
          await connection.check().finally(() => connection.close());
        });
        await expect(attempt, why).rejects.toMatchObject({ code });
      }
    });

    test('finds streams with their fields, types and keys', async () => {
      const { table, connection } = await withTable(3);
      const found = (await connection.discover()).find(({ name }) => name === table.stream);
      const types = found?.fields.map(({ name, type, items }) => [name, items === undefined ? type : `${items}[]`]);
      expect(Object.fromEntries(types ?? [])).toEqual(table.types);
      expect(found?.primaryKey).toEqual(table.key);
      if (table.cursor !== undefined && found?.cursors.length !== 0) expect(found?.cursors).toContain(table.cursor);
      expect([...(found?.can ?? [])].sort()).toEqual([...abilities].sort());
      await connection.close();
    });

    test('refuses a stream that is not there', async () => {
      const { connection, request } = await withTable(0);
      await expect(readAll(connection, request({ stream: 'no.such.stream' }))).rejects.toMatchObject({
        code: 'ENDPOINT_STREAM_UNKNOWN',
      });
      await connection.close();
    });

    test('gives back exactly what was written, at the edges of every type', async () => {
      const { table, connection, write, all } = await withTable(0);
      expect(rejected(await write(fill, table.exact))).toEqual([]);
      expect(sorted(await all())).toEqual(sorted(table.exact));
      if (can('lookup')) {
        const found = await connection.lookup?.(table.stream, table.key, table.exact);
        expect(sorted(found as Row[])).toEqual(sorted(table.exact));
      }
      await connection.close();
    });

    test('reads everything once, in pages, and goes on after a crash where it was', async () => {
      const { config, connection, rows, request } = await withTable(40);
      const pages = await take(reading(connection, request()), 2);
      const seen = pages.flatMap(({ records }) => records);
      // The third page was begun, and nobody took it.
      await connection.close();
      const again = await open(config);
      const { state } = pages[1] as Page;
      const rest = await readAll(again, request({ state: JSON.parse(JSON.stringify(state)) }));
      expect(sorted([...seen, ...rest])).toEqual(sorted(rows));
      await again.close();
    });

    test.runIf(can('incremental'))('reads by a cursor what it reads in full, then only what is new', async () => {
      const { table, connection, write, rows, request, all } = await withTable(30);
      if (table.cursor === undefined) throw new Error('the table of this suite needs a cursor');
      const incremental = request({ mode: 'incremental', cursor: table.cursor });
      const pages = await take(reading(connection, incremental), Number.POSITIVE_INFINITY);
      expect(sorted(pages.flatMap(({ records }) => records))).toEqual(sorted(await all()));
      const state = pages.at(-1)?.state ?? null;
      expect(await readAll(connection, { ...incremental, state })).toEqual([]);
      const later = [table.row(rows.length), table.row(rows.length + 1)];
      await write(fill, later);
      expect(sorted(await readAll(connection, { ...incremental, state }))).toEqual(sorted(later));
      await connection.close();
    });

    test.runIf(can('lookup'))(
      'looks records up by their key, in the order asked, and says which are not there',
      async () => {
        const { table, connection, rows } = await withTable(6);
        const look = (given: readonly Row[], fields = table.key) => connection.lookup?.(table.stream, fields, given);
        const asked = [rows[4], table.row(98), rows[0], rows[4], table.row(99)] as Row[];
        const found = (await look(asked)) ?? [];
        expect(found.map((row) => row !== null)).toEqual([true, false, true, true, false]);
        expect(sorted([found[0], found[2], found[3]] as Row[])).toEqual(sorted([rows[4], rows[0], rows[4]] as Row[]));
        expect(await look([])).toEqual([]);
        await expect(look(asked, ['no such field'])).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
        await expect(connection.lookup?.('no.such.stream', table.key, asked)).rejects.toMatchObject({
          code: 'ENDPOINT_STREAM_UNKNOWN',
        });
        await connection.close();
      },
    );

    test.runIf(can('upsert'))('writes a record again without making it two', async () => {
      const { table, connection, write, rows, all } = await withTable(10);
      const changed = rows.map(table.changed);
      const mixed = [...changed, table.row(10)];
      expect(rejected(await write('upsert', mixed))).toEqual([]);
      expect(rejected(await write('upsert', [...mixed, ...mixed]))).toEqual([]);
      expect(sorted(await all())).toEqual(sorted(mixed));
      await connection.close();
    });

    test.runIf(can('update'))('changes what is there, and rejects the change of what is not', async () => {
      const { table, connection, write, rows, all } = await withTable(5);
      const changed = rows.map(table.changed);
      const results = await write('update', [...changed.slice(0, 2), table.row(99), ...changed.slice(2)]);
      expect(results.map(({ ok }) => ok)).toEqual([true, true, false, true, true, true]);
      expect(sorted(await all())).toEqual(sorted(changed));
      await connection.close();
    });

    test.runIf(can('delete'))('deletes, also what is not there', async () => {
      const { table, connection, write, rows, all } = await withTable(8);
      const keys = (row: Row) => Object.fromEntries(table.key.map((name) => [name, row[name] ?? null]));
      const gone = [...rows.slice(0, 3), table.row(99)].map(keys);
      expect(rejected(await write('delete', gone))).toEqual([]);
      expect(rejected(await write('delete', gone))).toEqual([]);
      expect(sorted(await all())).toEqual(sorted(rows.slice(3)));
      await connection.close();
    });

    test('rejects a poison record by itself, and the others land', async ({ skip }) => {
      const { table, connection, write, all } = await withTable(0);
      if (table.poison === undefined) return skip('the system takes everything');
      const good = Array.from({ length: 20 }, (_, i) => table.row(i));
      const results = await write(fill, [...good.slice(0, 7), table.poison, ...good.slice(7)]);
      expect(results[7]).toMatchObject({ ok: false, code: 'RECORD_REJECTED', retryable: false });
      expect(results.filter(({ ok }) => ok)).toHaveLength(20);
      expect(sorted(await all())).toEqual(sorted(good));
      await connection.close();
    });

    test('reads on when the schema changes between two pages', async ({ skip }) => {
      const { table, connection, rows, request } = await withTable(20);
      if (table.addColumn === undefined) return skip('it has no schema');
      const pages = reading(connection, request())[Symbol.asyncIterator]();
      const first = ((await pages.next()).value as Page).records;
      const column = await table.addColumn();
      const rest = await take({ [Symbol.asyncIterator]: () => pages }, Number.POSITIVE_INFINITY);
      const later = rest.flatMap(({ records }) => records);
      expect(later.every((row) => row[column] === null)).toBe(true);
      const known = later.map((row) => Object.fromEntries(Object.entries(row).filter(([name]) => name !== column)));
      expect(sorted([...first, ...known])).toEqual(sorted(rows));
      await connection.close();
    });

    test.runIf(can('upsert') && can('delete'))('ends as the writes say, whatever they are', async () => {
      const { table, connection, write, all } = await withTable(0);
      await randomWrites(table, write, all);
      await connection.close();
    });
  });
}
