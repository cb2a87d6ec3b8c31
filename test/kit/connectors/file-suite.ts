/**
 * The suite of every connector of files, on its real store: files as they are, sets of files, one file of each format read from
 * there, and going on in the middle of a large one. The suite of the contract is part of it.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { type Connection, type Connector, checkConnection, type Page, type Row } from '#connector';
import { readAll, reading, take } from './records.ts';
import { connectorSuite, type Place } from './suite.ts';

const SAMPLES = fileURLToPath(new URL('../../samples', import.meta.url));
const FLIGHT_COLUMNS = ['date', 'delay', 'distance', 'origin', 'destination'];

/**
 * @param place a store of its own for each test, empty
 */
export function fileSuite(connector: Connector, place: () => Promise<Omit<Place, 'create'>>): void {
  const withSettings = async (more: object, create: Place['create']): Promise<Place> => {
    const { config, bad } = await place();
    return { config: { ...(config as object), ...more }, bad, create };
  };
  connectorSuite(
    connector,
    () =>
      withSettings({ whole: 'all files' }, async () => ({
        stream: 'all files',
        types: { name: 'string', content: 'bytes' },
        key: ['name'],
        cursor: 'its place',
        row: (i): Row => ({ name: `in/${String(i).padStart(4, '0')}.txt`, content: new Uint8Array([i, 255, 0]) }),
        changed: (row) => ({ ...row, content: new Uint8Array([1, 2]) }),
        exact: [
          { name: 'empty', content: new Uint8Array() },
          { name: 'odd ü+&%41 name #1.b', content: new Uint8Array([13, 10]) },
          { name: 'deep/er/one.bin', content: new Uint8Array(300_000).fill(7) },
        ],
        poison: { name: '../outside', content: new Uint8Array() },
      })),
    ['full', 'incremental', 'lookup', 'upsert', 'delete'],
  );
  connectorSuite(
    connector,
    () =>
      withSettings({ sets: { orders: 'in/orders-*.ndjson' } }, async () => ({
        stream: 'orders',
        types: { id: 'float', name: 'string' },
        key: [],
        cursor: 'its place',
        row: (i): Row => ({ id: i, name: `n${i}` }),
        changed: (row) => row,
        exact: [
          { id: 1.5, name: 'line\nü' },
          { id: -1, name: null },
        ],
      })),
    ['full', 'incremental', 'append'],
  );

  describe(`connector ${connector.name}, files`, () => {
    const opened = async (
      more: object = {},
    ): Promise<{ connection: Connection; put(name: string, content: Uint8Array | string): Promise<void> }> => {
      const { config } = await place();
      const parsed = connector.spec.parse({ ...(config as object), whole: 'whole', ...more });
      const connection = checkConnection(await connector.open(parsed, { endpoint: 'suite' }), connector);
      const put = async (name: string, content: Uint8Array | string) => {
        const bytes = typeof content === 'string' ? Buffer.from(content) : content;
        const request = { stream: 'whole', mode: 'upsert', keys: [] } as const;
        expect(await connection.write?.(request, [{ name, content: new Uint8Array(bytes) }])).toEqual([{ ok: true }]);
      };
      return { connection, put };
    };

    test('looks up files by name, in order, and says where there is none', async () => {
      const { connection, put } = await opened();
      await put('a/b.txt', 'one');
      const keys = [{ name: 'a/none' }, { name: 'a/b.txt' }, { name: '../x' }];
      const found = await connection.lookup?.('whole', ['name'], keys);
      expect(found?.map((row) => row && Buffer.from(row['content'] as Uint8Array).toString())).toEqual([
        null,
        'one',
        null,
      ]);
      await connection.close();
    });

    test('reads CSV, packed lines, JSON, XML, Avro and Parquet from there', async () => {
      const { connection, put } = await opened();
      await put('a.csv', 'id,name\n1,"x, y"\n');
      await put('b.ndjson.gz', gzipSync('{"id":1}\n{"id":2}\n'));
      await put('c.json', '[{"id":1},{"id":2}]');
      await put('d.xml', '<all><one id="1">t</one></all>');
      await put('e.avro', await readFile(join(SAMPLES, 'values.avro')));
      await put('f.parquet', await readFile(join(SAMPLES, 'flights.parquet')));
      const streams = (await connection.discover()).map(({ name }) => name);
      expect(streams).toEqual(['a.csv', 'b.ndjson.gz', 'c.json', 'd.xml', 'e.avro', 'f.parquet', 'whole']);
      const all = (stream: string) => readAll(connection, { stream, mode: 'full', pageRecordsMax: 50 });
      expect(await all('a.csv')).toEqual([{ id: '1', name: 'x, y' }]);
      expect(await all('b.ndjson.gz')).toEqual([{ id: 1 }, { id: 2 }]);
      expect(await all('c.json')).toEqual([{ id: 1 }, { id: 2 }]);
      expect(await all('d.xml')).toEqual([{ '@id': '1', '#text': 't' }]);
      expect(await all('e.avro')).toHaveLength(3);
      const flights = await all('f.parquet');
      expect(Object.keys(flights[0] as Row)).toEqual(FLIGHT_COLUMNS);
      await connection.close();
    });

    test('goes on in the middle of a large file, on another connection, and reads on what was added', async () => {
      const { connection, put } = await opened({ sets: { log: 'log-*.ndjson' } });
      const lines = Array.from({ length: 30_000 }, (_, id) => JSON.stringify({ id, text: 'x'.repeat(50) }));
      await put('log-1.ndjson', `${lines.join('\n')}\n`);
      const request = { stream: 'log', mode: 'incremental', pageRecordsMax: 1_000 } as const;
      const pages = await take(reading(connection, request), 7);
      const { state } = pages.at(-1) as Page;
      const rest = await readAll(connection, { ...request, state: JSON.parse(JSON.stringify(state)) });
      expect(rest.map(({ id }) => id)).toEqual(Array.from({ length: 23_000 }, (_, i) => 7_000 + i));
      const done = await take(reading(connection, { ...request, state }), Number.POSITIVE_INFINITY);
      await put('log-0.ndjson', '{"id":-1}\n');
      const later = await readAll(connection, { ...request, state: (done.at(-1) as Page).state });
      expect(later.map(({ id }) => id)).toEqual([-1]);
      await connection.close();
    });

    test('gives no content of files over the bound, and takes those of several parts', async () => {
      const { connection, put } = await opened({ content_bytes_max: 20_000_000 });
      const large = new Uint8Array(17_000_000).map((_, i) => i % 251);
      await put('large.bin', large);
      await put('too large.bin', new Uint8Array(20_000_001));
      const rows = await readAll(connection, { stream: 'whole', mode: 'full', pageRecordsMax: 10 });
      expect(rows.map(({ name, content }) => [name, (content as Uint8Array | null)?.length])).toEqual([
        ['large.bin', large.length],
        ['too large.bin', undefined],
      ]);
      expect(Buffer.from(rows[0]?.['content'] as Uint8Array).equals(large)).toBe(true);
      await connection.close();
    });
  });
}
