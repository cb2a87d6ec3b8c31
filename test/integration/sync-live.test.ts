/**
 * Real-time jobs of the built server from a real PostgreSQL to a real MariaDB: random work on random tables, with the server and
 * both databases killed under it, and then every value compared.
 */
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Admin } from '#client';
import {
  type Database,
  declareEndpoint,
  lackingServer,
  mariadbDatabase,
  postgresDatabase,
  randomTable,
  type Server,
  seededRandom,
  startServer,
  waitFor,
} from '#kit';

const JOB = { source: { endpoint: 'shop' }, target: { endpoint: 'warehouse' }, strategy: 'real_time' } as const;
const RETRY = { backoff_ms: 50, backoff_max_ms: 500 };

interface Status {
  readonly state: string;
  readonly reason: { readonly code: string } | null;
  readonly lag: number;
  readonly totals: { readonly written: number; readonly deleted: number; readonly rejected: number };
}

describe.skipIf(lackingServer('postgres') || lackingServer('mariadbd'))('a real-time job', () => {
  let source: Database;
  let target: Database;
  let server: Server;
  let admin: Admin;

  const status = (job: string) => admin.call<Status>('GET', `/v1/sync-jobs/${job}/status`);
  const begin = async (dataDir?: string) => {
    server = await startServer(dataDir === undefined ? {} : { dataDir });
    admin = new Admin({ url: server.url });
  };
  const same = async (mine: () => string, theirs: () => string) => {
    const difference = async () => {
      const [a, b] = await Promise.all([source.sql(mine()), target.sql(theirs())]);
      return JSON.stringify(a) === JSON.stringify(b);
    };
    await waitFor(difference, { what: 'both sides to be equal', timeoutMs: 30_000 }).catch(async () => {
      const [a, b] = await Promise.all([source.sql(mine()), target.sql(theirs())]);
      const shown = (row: unknown) =>
        JSON.stringify(row)?.replace(/[0-9a-f]{100,}/g, (long) => `${long.length} digits`);
      expect(b.map(shown)).toEqual(a.map(shown));
    });
  };

  beforeAll(async () => {
    [source, target] = await Promise.all([postgresDatabase(), mariadbDatabase()]);
    await Promise.all([source.ready(), target.ready()]);
  }, 120_000);
  beforeEach(async () => {
    await begin();
    await declareEndpoint(admin, 'shop', source);
    await declareEndpoint(admin, 'warehouse', target);
  });

  it('follows random work on a random table through kills and a new column, value by value', async () => {
    const random = seededRandom();
    const table = randomTable('things', random, 120, 5);
    await source.sql(table.createInPostgres);
    await target.sql(table.createInMariadb);
    const work = async (count: number) => {
      for (let i = 0; i < count; i++) await source.sql(table.work());
    };
    await work(60);
    await admin.put('sync-jobs', 'things', {
      ...JOB,
      streams: [{ from: 'public.things' }],
      page_records: 50,
      retry: RETRY,
    });
    await work(80);
    await server.kill();
    await work(20);
    await begin(server.dataDir);
    await work(60);
    await target.kill();
    await work(20);
    target.start();
    await target.ready();
    const { postgres, mariadb } = table.grow();
    await source.sql(postgres);
    await work(30);
    await waitFor(async () => (await status('things')).reason?.code === 'SYNC_FIELD_UNKNOWN', {
      what: 'the job to wait for the new column',
    });
    await target.sql(mariadb);
    await source.kill();
    source.start();
    await source.ready();
    await work(60);
    await same(table.selectInPostgres, table.selectInMariadb);
    expect((await status('things')).totals.rejected).toBe(0);
  }, 240_000);

  it('empties the target when the source is emptied, and follows what comes after', async () => {
    await source.sql('CREATE TABLE visits (id int PRIMARY KEY, page text)');
    await target.sql('CREATE TABLE visits (id int PRIMARY KEY, page text)');
    await source.sql(`INSERT INTO visits SELECT i, 'p' || i FROM generate_series(1, 500) i`);
    await admin.put('sync-jobs', 'visits', { ...JOB, streams: [{ from: 'public.visits' }], retry: RETRY });
    const [mine, theirs] = [
      () => 'SELECT id, page FROM visits ORDER BY id',
      () => 'SELECT id, page FROM visits ORDER BY id',
    ];
    await same(mine, theirs);
    await source.sql(`INSERT INTO visits SELECT i, 'q' || i FROM generate_series(501, 700) i; TRUNCATE visits;
      INSERT INTO visits SELECT i, 'r' || i FROM generate_series(1, 300, 3) i`);
    await same(mine, theirs);
    await admin.call('POST', '/v1/sync-jobs/visits/pause');
    await source.sql(`UPDATE visits SET page = 'new'; DELETE FROM visits WHERE id < 100`);
    expect((await status('visits')).state).toBe('paused');
    await admin.call('POST', '/v1/sync-jobs/visits/resume');
    await same(mine, theirs);
    await admin.delete('sync-jobs', 'visits');
    expect(await source.sql(`SELECT FROM pg_replication_slots WHERE slot_name LIKE '%visits%'`)).toEqual([]);
  }, 120_000);
});
