/** An endpoint of the built server and a real PostgreSQL: its password a secret, its server killed and started again. */
import pg from 'pg';
import { expect, it } from 'vitest';
import { Admin } from '#client';
import { lackingServer, startPostgres, startServer, waitFor } from '#kit';

const ROWS = 5_000;

interface Page {
  readonly records: readonly { readonly id: number; readonly total: string }[];
  readonly state: unknown;
}

it.skipIf(lackingServer('postgres'))(
  'reads on where it was after the database was killed, without being told',
  async () => {
    const database = await startPostgres();
    const { host, port, user, password } = database;
    const login = { host, port, user, password, database: 'postgres', connectionTimeoutMillis: 2_000 };
    const query = async (sql: string) => {
      const client = new pg.Client(login);
      client.on('error', () => undefined);
      await client.connect();
      await client.query(sql).finally(() => client.end());
    };
    await waitFor(() => query('SELECT 1').then(() => true), { what: 'postgres to answer', timeoutMs: 60_000 });
    await query(`CREATE TABLE orders AS SELECT i::bigint AS id, (i / 100.0)::numeric(12, 2) AS total
    FROM generate_series(1, ${ROWS}) i; ALTER TABLE orders ADD PRIMARY KEY (id)`);

    const server = await startServer();
    const admin = new Admin({ url: server.url });
    await admin.put('secrets', 'shop-db', { value: password });
    const config = { host, port, user, database: 'postgres', password: { secret: 'shop-db' } };
    await admin.put('endpoints', 'shop', { connector: 'postgres', config, check_every_ms: 200 });
    const state = async () => (await admin.call<{ state: string }>('GET', '/v1/endpoints/shop/status')).state;
    const next = (from: unknown) => {
      const query = from === null ? '' : `&state=${encodeURIComponent(JSON.stringify(from))}`;
      return admin.call<Page>('GET', `/v1/endpoints/shop/streams/public.orders/records?limit=700${query}`);
    };

    const first = await next(null);
    await database.kill();
    await waitFor(async () => (await state()) === 'error', { what: 'the endpoint to notice' });
    await expect(next(first.state)).rejects.toMatchObject({ code: 'ENDPOINT_UNREACHABLE' });
    database.start();
    await waitFor(async () => (await state()) === 'active', { what: 'the endpoint to recover', timeoutMs: 60_000 });
    const seen = [...first.records];
    for (let at = first.state; at !== null; ) {
      const page = await next(at);
      seen.push(...page.records);
      at = page.state;
    }
    expect(seen.map(({ id }) => id)).toEqual(Array.from({ length: ROWS }, (_, i) => i + 1));
    expect(seen.at(-1)?.total).toBe('50.00');
  },
  120_000,
);
