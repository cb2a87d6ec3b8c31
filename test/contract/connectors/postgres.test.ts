/** Connector postgres on a real server of its own. */
import pg from 'pg';
import { afterAll, beforeAll, describe } from 'vitest';
import type { Row } from '#connector';
import {
  type ChangingTable,
  changesSuite,
  connectorSuite,
  lackingServer,
  type PrivateServer,
  startPostgres,
  waitFor,
} from '#kit';
import postgres from '../../../connectors/postgres/index.ts';

describe.skipIf(lackingServer('postgres'))('on a real server', () => {
  let server: PrivateServer;
  let admin: pg.Pool;
  let tables = 0;

  beforeAll(async () => {
    server = await startPostgres();
    const { host, port, user, password } = server;
    admin = new pg.Pool({ host, port, user, password, database: 'postgres', connectionTimeoutMillis: 2_000 });
    admin.on('error', () => undefined);
    await waitFor(() => admin.query('SELECT 1'), { what: 'postgres to answer', timeoutMs: 60_000 });
    await admin.query("CREATE TYPE mood AS ENUM ('fine', 'so-so'); CREATE DOMAIN positive AS int CHECK (value > 0)");
    await admin.query("CREATE ROLE narrow LOGIN PASSWORD 'quiet' CONNECTION LIMIT 0");
  });
  afterAll(() => admin.end());

  async function createTable(): Promise<ChangingTable> {
    const name = `Odd "${++tables}`;
    const quoted = `"Odd ""${tables}"`;
    await admin.query(`CREATE TABLE ${quoted} (id bigint, part text, at timestamptz NOT NULL, amount numeric, ratio float8,
      small real, local timestamp, day date, clock time, doc json, bdoc jsonb, raw bytea, words text[], grid int[], sums numeric[],
      mood mood, flag bool, n positive, u uuid, span varchar(5), bits bytea[], docs jsonb[], moods mood[],
      PRIMARY KEY (part, id))`);
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
      bdoc: 'json',
      raw: 'bytes',
      words: 'string[]',
      grid: 'int32[]',
      sums: 'decimal[]',
      mood: 'string',
      flag: 'boolean',
      n: 'int32',
      u: 'string',
      span: 'string',
      bits: 'bytes[]',
      docs: 'json[]',
      moods: 'string[]',
    };
    const empty: Row = Object.fromEntries(Object.keys(types).map((field) => [field, null]));
    const edge = (id: bigint, values: Row) => ({ ...empty, id, part: 'edge', at: '2000-01-01T00:00:00Z', ...values });
    const row = (i: number) => {
      const at = `2026-11-25T01:02:${String(Math.floor(i / 3)).padStart(2, '0')}.000001Z`;
      return { ...empty, id: BigInt(i), part: `p${i % 3}`, at, amount: `${i}.50`, words: [`w${i}`] };
    };
    return {
      stream: `public.${name}`,
      types,
      key: ['part', 'id'],
      cursor: 'at',
      row,
      changed: (one) => ({ ...one, amount: '-1.10', mood: 'so-so', words: null }),
      exact: [
        edge(-9223372036854775808n, {
          at: '2026-11-25T01:02:03.123456Z',
          amount: `1${'0'.repeat(40)}.${'0'.repeat(39)}1`,
        }),
        edge(1n, { amount: 'NaN', ratio: Number.NaN, small: Number.NEGATIVE_INFINITY, n: 2147483647 }),
        edge(2n, { amount: '-0.10', ratio: 5e-324, small: 0.1, local: '2026-03-29T02:30:00.5', day: '0001-01-01' }),
        edge(3n, {
          clock: '24:00:00',
          doc: '{"b": 1,  "a":12345678901234567890.10}',
          bdoc: '{"a": 0.10, "z": []}',
        }),
        edge(4n, { doc: 'null', bdoc: 'null', raw: new Uint8Array([0, 92, 255]), words: [], flag: false }),
        edge(5n, {
          words: ['', 'NULL', null, '{"a,b"}', 'back\\slash', "quote'\n🦥"],
          grid: [
            [1, 2],
            [3, 4],
          ] as never,
        }),
        edge(6n, { sums: ['1.10', 'NaN', null], mood: 'fine', flag: true, u: '00000000-0000-4000-8000-000000000001' }),
        edge(7n, { at: 'infinity', day: '4713-01-01 BC', span: 'ab   ', raw: new Uint8Array() }),
        edge(8n, {
          bits: [new Uint8Array([0, 34, 92]), null],
          docs: ['{"a": [1, "x"]}', 'null'],
          moods: ['so-so', null],
        }),
        edge(9n, { part: "'; DROP TABLE x; --", words: ["$1 %s \\'"] }),
      ],
      poison: edge(10n, { span: 'longer than five' }),
      addColumn: async () => {
        await admin.query(`ALTER TABLE ${quoted} ADD COLUMN extra text`);
        return 'extra';
      },
      rekey: async (from, to) => {
        const values = [to['id'], to['part'], from['id'], from['part']];
        await admin.query(`UPDATE ${quoted} SET id = $1, part = $2 WHERE id = $3 AND part = $4`, values);
      },
      clear: async () => {
        await admin.query(`TRUNCATE ${quoted}`);
      },
      fill: async (from, to) => {
        await admin.query(
          `INSERT INTO ${quoted} (id, part, at) SELECT i, 'many', now() FROM generate_series($1::int, $2) i`,
          [from, to - 1],
        );
      },
    };
  }

  connectorSuite(postgres, async () => {
    const { host, port, user, password } = server;
    const config = { host, port, user, password, database: 'postgres' };
    return {
      config,
      bad: {
        'a wrong password': { config: { ...config, password: 'loud' }, code: 'ENDPOINT_REFUSED' },
        'no such database': { config: { ...config, database: 'none' }, code: 'ENDPOINT_REFUSED' },
        'nobody there': { config: { ...config, port: 1 }, code: 'ENDPOINT_UNREACHABLE' },
        'no TLS there': { config: { ...config, tls: 'verified' }, code: 'ENDPOINT_UNREACHABLE' },
        'too many connections': { config: { ...config, user: 'narrow' }, code: 'ENDPOINT_RATE_LIMITED' },
      },
      create: createTable,
    };
  });
  changesSuite(postgres, () => {
    const { host, port, user, password } = server;
    return { config: { host, port, user, password, database: 'postgres' }, create: createTable };
  });
});
