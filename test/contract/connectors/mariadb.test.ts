/** Connector mariadb on a real server of its own. */
import { createPool, type Pool } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Row } from '#connector';
import {
  type ChangingTable,
  changesSuite,
  connectorSuite,
  lackingServer,
  type PrivateServer,
  startMariadb,
  waitFor,
} from '#kit';
import mariadb from '../../../connectors/mariadb/index.ts';

describe.skipIf(lackingServer('mariadbd'))('on a real server', () => {
  let server: PrivateServer;
  let admin: Pool;
  let tables = 0;
  const config = () => {
    const { host, port, user, password } = server;
    return { host, port, user, password, database: 'shop' };
  };

  beforeAll(async () => {
    server = await startMariadb();
    admin = createPool({ ...config(), connectTimeout: 2_000 });
    await waitFor(() => admin.query('SELECT 1'), { what: 'mariadb to answer', timeoutMs: 30_000 });
    await admin.query("CREATE USER narrow@'127.0.0.1' IDENTIFIED BY 'quiet' WITH MAX_QUERIES_PER_HOUR 1");
    await admin.query("GRANT ALL ON shop.* TO narrow@'127.0.0.1'");
  });
  afterAll(() => admin.end());

  async function createTable(): Promise<ChangingTable> {
    const name = `odd \`${++tables}`;
    const quoted = `\`odd \`\`${tables}\``;
    await admin.query(`CREATE TABLE ${quoted} (id bigint, part varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
      at timestamp(6) NOT NULL, amount decimal(65, 30), ratio double, small float, local datetime(1), day date, clock time(6),
      doc json, raw varbinary(20), mood enum('fine', 'so-so'), flag boolean, n int unsigned, huge bigint unsigned,
      span varchar(5) CHARACTER SET utf8mb4, long_text longtext CHARACTER SET utf8mb4, y year, PRIMARY KEY (part, id))`);
    const types = {
      id: 'int64',
      part: 'string',
      at: 'timestamp',
      amount: 'decimal',
      ratio: 'float',
      small: 'float',
      local: 'datetime',
      day: 'date',
      clock: 'time',
      doc: 'json',
      raw: 'bytes',
      mood: 'string',
      flag: 'boolean',
      n: 'int64',
      huge: 'decimal',
      span: 'string',
      long_text: 'string',
      y: 'int32',
    };
    const empty: Row = Object.fromEntries(Object.keys(types).map((field) => [field, null]));
    const edge = (id: bigint, values: Row) => ({
      ...empty,
      id,
      part: 'edge',
      at: '2000-01-01T00:00:00.000000Z',
      ...values,
    });
    const row = (i: number) => {
      const at = `2026-11-25T01:02:${String(Math.floor(i / 3)).padStart(2, '0')}.000001Z`;
      return { ...empty, id: BigInt(i), part: `p${i % 3}`, at, span: `w${i}` };
    };
    const digits = `${'9'.repeat(35)}.${'0'.repeat(29)}1`;
    return {
      stream: name,
      types,
      key: ['part', 'id'],
      cursor: 'at',
      row,
      changed: (one) => ({ ...one, ratio: -1.5, mood: 'so-so', span: null }),
      exact: [
        edge(-9223372036854775808n, { at: '2026-11-25T01:02:03.123456Z', amount: digits }),
        edge(1n, { amount: `-${digits}`, n: 4294967295n, huge: '18446744073709551615' }),
        edge(2n, { ratio: 5e-324, small: 16777216, local: '2026-03-29T02:30:00.5', day: '1000-01-01' }),
        edge(3n, { clock: '-838:59:59.000000', doc: '{"b": 1,  "a":12345678901234567890.10}', flag: true }),
        edge(4n, { doc: 'null', raw: new Uint8Array([0, 92, 39, 255]), flag: false, ratio: 0.1, y: 2026 }),
        edge(5n, {
          span: '🦥\'"\\%',
          mood: 'fine',
          raw: new Uint8Array(),
          long_text: 'x\u0000\n\t\u001a'.repeat(1000),
        }),
        edge(7n, { clock: '-01:00:00.000000', y: 0, mood: null }),
        edge(8n, { clock: '-00:00:01.500000' }),
        edge(6n, { part: "'; DROP TABLE x; --", ratio: 1.7976931348623157e308 }),
      ],
      poison: edge(10n, { span: 'longer than five' }),
      addColumn: async () => {
        await admin.query(`ALTER TABLE ${quoted} ADD COLUMN extra text`);
        return 'extra';
      },
      rekey: async (from, to) => {
        const values = [to['id'], to['part'], from['id'], from['part']];
        await admin.query(`UPDATE ${quoted} SET id = ?, part = ? WHERE id = ? AND part = ?`, values);
      },
      clear: async () => {
        await admin.query(`TRUNCATE TABLE ${quoted}`);
      },
      fill: async (from, to) => {
        const numbers = `seq_${from}_to_${to - 1}`;
        await admin.query(`INSERT INTO ${quoted} (id, part, at) SELECT seq, 'many', now() FROM ${numbers}`);
      },
    };
  }

  connectorSuite(mariadb, async () => ({
    config: config(),
    bad: {
      'a wrong password': { config: { ...config(), password: 'loud' }, code: 'ENDPOINT_REFUSED' },
      'no such database': { config: { ...config(), database: 'none' }, code: 'ENDPOINT_REFUSED' },
      'nobody there': { config: { ...config(), port: 1 }, code: 'ENDPOINT_UNREACHABLE' },
      'no TLS there': { config: { ...config(), tls: 'verified' }, code: 'ENDPOINT_UNREACHABLE' },
      'too many queries': { config: { ...config(), user: 'narrow' }, code: 'ENDPOINT_RATE_LIMITED' },
    },
    create: createTable,
  }));

  changesSuite(mariadb, () => ({ config: config(), create: createTable }));

  test('an upsert never changes the row of another key', async () => {
    await admin.query('CREATE TABLE people (id int PRIMARY KEY, mail varchar(50) UNIQUE, name text)');
    await admin.query("INSERT INTO people VALUES (1, 'a@b', 'first')");
    const connection = await mariadb.open(mariadb.spec.parse(config()), { endpoint: 'test' });
    const request = { stream: 'people', mode: 'upsert' as const, keys: [] };
    const results = await connection.write?.(request, [
      { id: 2, mail: 'a@b', name: 'thief' },
      { id: 3, mail: 'c@d', name: 'third' },
    ]);
    expect(results?.map(({ ok }) => ok)).toEqual([false, true]);
    const [rows] = await admin.query('SELECT id, name FROM people ORDER BY id');
    expect(rows).toEqual([
      { id: 1, name: 'first' },
      { id: 3, name: 'third' },
    ]);
    await connection.close();
  });
});
