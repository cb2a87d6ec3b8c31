/** Batch jobs of the built server between a real PostgreSQL and a real MariaDB, with both of them and the server killed. */
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Admin } from '#client';
import {
  type Database,
  declareEndpoint,
  lackingServer,
  mariadbDatabase,
  postgresDatabase,
  type Server,
  startServer,
  waitFor,
} from '#kit';

const ROWS = 40_000;

interface Status {
  readonly state: string;
  readonly lag: number;
  readonly reason: { readonly code: string; readonly message: string } | null;
  readonly run: { readonly records: number } | null;
  readonly last_run: Record<string, unknown> | null;
}

describe.skipIf(lackingServer('postgres') || lackingServer('mariadbd'))('a batch job', () => {
  let source: Database;
  let target: Database;
  let server: Server;
  let admin: Admin;

  const status = (job: string) => admin.call<Status>('GET', `/v1/sync-jobs/${job}/status`);
  const ended = async (job: string, run: number): Promise<Status> =>
    waitFor(
      async () => {
        const now = await status(job).catch(() => undefined);
        return now?.last_run?.['run'] === run && now.last_run['state'] !== 'running' ? now : undefined;
      },
      { what: `run ${run} of ${job} to end`, timeoutMs: 90_000 },
    );
  const compare = async (job: string): Promise<void> => {
    const columns = 'id, name, total, at, note';
    const mine = await source.sql(`SELECT id::text, name, total::text, to_char(at AT TIME ZONE 'UTC',
      'YYYY-MM-DD HH24:MI:SS.US') AS at, note FROM ${job} ORDER BY ${job}.id`);
    const theirs = await target.sql(`SELECT ${columns} FROM ${job} ORDER BY id`);
    expect(theirs.map((row) => ({ ...row, id: String(row['id']) }))).toEqual(mine);
  };
  const create = async (name: string, rows: number) => {
    await source.sql(`CREATE TABLE ${name} (id bigint PRIMARY KEY, name text, total numeric(20, 6), at timestamptz, note text);
      INSERT INTO ${name} SELECT i, 'name ' || i, i / 8.0, '2026-01-01T00:00:00Z'::timestamptz + i * interval '1 second 1 microsecond',
      CASE WHEN i % 3 = 0 THEN NULL ELSE repeat('é', i % 7) END FROM generate_series(1, ${rows}) i`);
    await target.sql(`CREATE TABLE ${name} (id bigint PRIMARY KEY, name text, total decimal(20, 6), at datetime(6), note text)
      CHARACTER SET utf8mb4`);
  };

  beforeAll(async () => {
    [source, target] = await Promise.all([postgresDatabase(), mariadbDatabase()]);
    await Promise.all([source.ready(), target.ready()]);
  }, 120_000);
  beforeEach(async () => {
    server = await startServer();
    admin = new Admin({ url: server.url });
    await declareEndpoint(admin, 'shop', source);
    await declareEndpoint(admin, 'warehouse', target);
  });

  it('copies everything, and goes on where it was after kills of the server and both databases', async () => {
    await create('orders', ROWS);
    await admin.put('sync-jobs', 'orders', {
      source: { endpoint: 'shop' },
      target: { endpoint: 'warehouse' },
      streams: [{ from: 'public.orders' }],
      page_records: 1_000,
      retry: { backoff_ms: 50, backoff_max_ms: 500 },
    });
    await admin.call('POST', '/v1/sync-jobs/orders/run');
    await waitFor(async () => ((await status('orders')).run?.records ?? 0) > 2_000, {
      what: 'the run to be under way',
    });
    await server.kill();
    server = await startServer({ dataDir: server.dataDir });
    admin = new Admin({ url: server.url });
    await target.kill();
    await waitFor(async () => (await status('orders')).reason !== null, { what: 'the job to say that it waits' });
    target.start();
    await source.kill();
    source.start();
    await target.ready();
    const { last_run, reason } = await ended('orders', 1);
    expect(reason).toBeNull();
    expect(last_run).toMatchObject({ state: 'done', cause: 'request', records: ROWS, rejected: 0, written: ROWS });
    await compare('orders');
  }, 180_000);

  it('reads by a cursor only what is new, and by a mirror deletes what is gone', async () => {
    await create('parts', 3_000);
    const job = { source: { endpoint: 'shop' }, target: { endpoint: 'warehouse' } };
    await admin.put('sync-jobs', 'parts', { ...job, streams: [{ from: 'public.parts', cursor: 'at' }] });
    await admin.call('POST', '/v1/sync-jobs/parts/run');
    await ended('parts', 1);
    await source.sql(
      `UPDATE parts SET name = 'new', at = at + interval '1 year' WHERE id <= 10; DELETE FROM parts WHERE id = 20`,
    );
    await admin.call('POST', '/v1/sync-jobs/parts/run');
    expect((await ended('parts', 2)).last_run).toMatchObject({ records: 10, written: 10 });
    await target.sql(`INSERT INTO parts (id, name) VALUES (9000, 'stray')`);
    await admin.put('sync-jobs', 'parts', { ...job, mode: 'mirror', streams: [{ from: 'public.parts' }] });
    await admin.call('POST', '/v1/sync-jobs/parts/run');
    expect((await ended('parts', 3)).last_run).toMatchObject({ records: 2_999, swept: 2 });
    await compare('parts');
  }, 120_000);
});
