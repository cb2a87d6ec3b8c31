/** Both ends of a job compared and repaired: a real PostgreSQL, and a real MariaDB that somebody has tampered with. */
import { beforeAll, describe, expect, it } from 'vitest';
import { Admin } from '#client';
import {
  type Database,
  declareEndpoint,
  lackingServer,
  mariadbDatabase,
  postgresDatabase,
  runCli,
  type Server,
  startServer,
  waitFor,
} from '#kit';

const ROWS = 12_000;

interface Comparison {
  readonly state: string;
  readonly equal: boolean;
  readonly streams: readonly Record<string, unknown>[];
}

describe.skipIf(lackingServer('postgres') || lackingServer('mariadbd'))('a comparison', () => {
  let source: Database;
  let target: Database;
  let server: Server;
  let admin: Admin;

  beforeAll(async () => {
    [source, target] = await Promise.all([postgresDatabase(), mariadbDatabase()]);
    await Promise.all([source.ready(), target.ready()]);
    server = await startServer();
    admin = new Admin({ url: server.url });
    await declareEndpoint(admin, 'shop', source);
    await declareEndpoint(admin, 'warehouse', target);
    await source.sql(`CREATE TABLE items (id bigint PRIMARY KEY, name text, price numeric(12, 4), at timestamptz, open boolean, facts jsonb);
      INSERT INTO items SELECT i, CASE WHEN i % 1000 = 0 THEN NULL ELSE 'Näme ' || i END, i / 4.0,
      '2026-01-01T00:00:00Z'::timestamptz + i * interval '1 second', i % 2 = 0, jsonb_build_object('b', i, 'a', 'x')
      FROM generate_series(1, ${ROWS}) i`);
    await target.sql(`CREATE TABLE items (id bigint PRIMARY KEY, name text, price decimal(14, 6), at datetime(6), open tinyint(1),
      facts json, own text) CHARACTER SET utf8mb4`);
    await admin.put('mappings', 'named', { rules: [{ rule: 'required', field: 'name' }] });
    await admin.put('sync-jobs', 'items', {
      source: { endpoint: 'shop' },
      target: { endpoint: 'warehouse' },
      streams: [{ from: 'public.items', mapping: 'named' }],
      mode: 'mirror',
    });
    await admin.call('POST', '/v1/sync-jobs/items/run');
    await waitFor(async () => (await status()).last_run?.['state'] === 'done', {
      what: 'the run to end',
      timeoutMs: 60_000,
    });
  }, 120_000);

  const status = () =>
    admin.call<{ state: string; last_run: Record<string, unknown> | null }>('GET', '/v1/sync-jobs/items/status');
  const compared = async (repair = false): Promise<Comparison> => {
    await admin.call('POST', '/v1/sync-jobs/items/compare', { repair });
    return waitFor(
      async () => {
        const found = await admin.call<Comparison>('GET', '/v1/sync-jobs/items/compare');
        return found.state === 'running' ? undefined : found;
      },
      { what: 'the comparison to end', timeoutMs: 60_000 },
    );
  };
  const none = { missing: 0, extra: 0, different: 0, complete: true, sample: [] };
  const sides = { source: ROWS - 12, rejected: 12 };

  it('finds nothing where both ends say the same, each in its own types', async () => {
    const found = await compared();
    expect(found).toMatchObject({ state: 'done', equal: true });
    expect(found.streams).toMatchObject([{ from: 'public.items', to: 'items', ...sides, target: ROWS - 12, ...none }]);
  });

  it('names exactly the records that were tampered with, and mends them', async () => {
    await target.sql(`UPDATE items SET price = price + 0.000001 WHERE id = 17; UPDATE items SET name = 'name 18' WHERE id = 18;
      UPDATE items SET facts = '{"a": "x", "b": 20}', own = 'not of the job' WHERE id IN (19, 20); DELETE FROM items WHERE id IN (21, 22);
      INSERT INTO items (id, name) VALUES (99999, 'stray')`);
    const found = await compared();
    expect(found).toMatchObject({ state: 'done', equal: false });
    const [{ sample, ...counts } = { sample: [] }] = found.streams as [Record<string, unknown>];
    expect(counts).toMatchObject({ ...sides, target: ROWS - 13, missing: 2, extra: 1, different: 3, repaired: 0 });
    const byKey = (sample as { key: { id: number } }[]).sort((a, b) => a.key.id - b.key.id);
    expect(byKey).toEqual([
      { kind: 'different', key: { id: 17 }, fields: ['price'] },
      { kind: 'different', key: { id: 18 }, fields: ['name'] },
      { kind: 'different', key: { id: 19 }, fields: ['facts'] },
      { kind: 'missing', key: { id: 21 }, fields: [] },
      { kind: 'missing', key: { id: 22 }, fields: [] },
      { kind: 'extra', key: { id: 99999 }, fields: [] },
    ]);
    const told = await runCli(['--url', server.url, 'sync', 'compare', 'items']);
    expect(told.code).toBe(1);
    expect(told.stdout).toContain('{"id":99999}');

    const early = admin.call('POST', '/v1/sync-jobs/items/compare', { repair: true });
    await expect(early).rejects.toMatchObject({ code: 'SYNC_RUN_UNDER_WAY' });
    await admin.call('POST', '/v1/sync-jobs/items/pause');
    expect(await compared(true)).toMatchObject({ equal: true, streams: [{ repaired: 6, ...none }] });
    await admin.call('POST', '/v1/sync-jobs/items/resume');
    expect(await compared()).toMatchObject({ equal: true, streams: [{ ...sides, target: ROWS - 12, ...none }] });
    const [kept] = await target.sql('SELECT own FROM items WHERE id = 19');
    expect(kept).toEqual({ own: 'not of the job' });
  });

  it('is refused where there is nothing to compare, and says what is wrong with an end', async () => {
    await expect(admin.call('GET', '/v1/sync-jobs/none/compare')).rejects.toMatchObject({ code: 'RESOURCE_UNKNOWN' });
    await admin.put('sync-jobs', 'adding', {
      source: { endpoint: 'shop' },
      target: { endpoint: 'warehouse' },
      streams: [{ from: 'public.items' }],
      mode: 'append',
    });
    const appending = admin.call('POST', '/v1/sync-jobs/adding/compare', {});
    await expect(appending).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
    await expect(admin.call('GET', '/v1/sync-jobs/adding/compare')).rejects.toMatchObject({ code: 'RESOURCE_UNKNOWN' });
    await target.sql('RENAME TABLE items TO elsewhere');
    const found = await compared();
    expect(found).toMatchObject({ state: 'failed', equal: false, reason: { code: 'ENDPOINT_STREAM_UNKNOWN' } });
  });
});
