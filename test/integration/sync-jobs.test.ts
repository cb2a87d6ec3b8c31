/** Sync jobs of the built server between SQLite files and topics: mappings, rules, rejected records, tolerance, schedules, topics. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import Database from 'libsql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Admin } from '#client';
import { runCli, type Server, startServer, tempDir, waitFor } from '#kit';

interface Run {
  readonly run: number;
  readonly cause: string;
  readonly state: string;
  readonly reason: { readonly code: string; readonly message: string } | null;
  readonly records: number;
  readonly written: number;
  readonly deleted: number;
  readonly rejected: number;
  readonly ignored_fields: number;
}

interface Status {
  readonly state: string;
  readonly reason: { readonly code: string; readonly message: string } | null;
  readonly lag: number;
  readonly last_run: Run | null;
}

interface Letters {
  readonly letters: readonly { readonly code: string; readonly message: string }[];
}

const JOB = { source: { endpoint: 'from' }, target: { endpoint: 'to' } };
let server: Server;
let admin: Admin;
let from: Database.Database;
let to: Database.Database;

beforeAll(async () => {
  const folder = await tempDir();
  const [source, target] = [join(folder, 'from.db'), join(folder, 'to.db')];
  [from, to] = [new Database(source), new Database(target)];
  for (const one of [from, to]) one.exec('PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 5000');
  server = await startServer();
  admin = new Admin({ url: server.url });
  await admin.put('endpoints', 'from', { connector: 'sqlite', config: { path: source }, check_every_ms: 0 });
  await admin.put('endpoints', 'to', { connector: 'sqlite', config: { path: target }, check_every_ms: 0 });
});
afterAll(() => {
  from.close();
  to.close();
});

const status = (job: string) => admin.call<Status>('GET', `/v1/sync-jobs/${job}/status`);
async function ended(job: string, run = 1): Promise<Run> {
  return waitFor(
    async () => {
      const { last_run } = await status(job);
      return last_run !== null && last_run.run >= run && last_run.state !== 'running' ? last_run : undefined;
    },
    { what: `run ${run} of ${job} to end` },
  );
}
async function runOnce(job: string, spec: object): Promise<Run> {
  await admin.put('sync-jobs', job, spec);
  await admin.call('POST', `/v1/sync-jobs/${job}/run`);
  return ended(job);
}
const rows = (database: Database.Database, sql: string) => database.prepare(sql).all() as Record<string, unknown>[];
const letters = (job: string) => admin.call<Letters>('GET', `/v1/dead/sync.${job}?limit=1000`);

describe('a mapping', () => {
  test('rejects exactly the movies that an independent check names, and writes all others as it says', async () => {
    const data = dirname(dirname(createRequire(import.meta.url).resolve('vega-datasets')));
    const movies = JSON.parse(readFileSync(join(data, 'data', 'movies.json'), 'utf8')) as Record<string, unknown>[];
    from.exec('CREATE TABLE movies (id INTEGER PRIMARY KEY, title TEXT, rating DOUBLE, minutes BIGINT, director TEXT)');
    to.exec('CREATE TABLE movies (id INTEGER PRIMARY KEY, name TEXT, rating DOUBLE, minutes BIGINT)');
    const insert = from.prepare('INSERT INTO movies VALUES (?, ?, ?, ?, ?)');
    from.transaction(() => {
      movies.forEach((movie, id) => {
        const title = movie['Title'] === null ? null : String(movie['Title']);
        insert.run([id, title, movie['IMDB Rating'], movie['Running Time min'], movie['Director']]);
      });
    })();
    await admin.put('mappings', 'movies', {
      transformations: [{ type: 'uppercase', field: 'title', on_error: 'null' }],
      fields: [{ from: 'id' }, { from: 'title', to: 'name' }, { from: 'rating', type: 'float' }, { from: 'minutes' }],
      rules: [
        { rule: 'required', field: 'name' },
        { rule: 'range', field: 'rating', min: 2, max: 8.8 },
        { rule: 'pattern', field: 'name', pattern: '^[A-Z0-9]' },
        { rule: 'expression', expression: '$not($exists(minutes)) or minutes = null or minutes < 200' },
      ],
    });
    const run = await runOnce('movies', { ...JOB, streams: [{ from: 'movies' }], mapping: 'movies' });
    const good = movies.flatMap((movie, id) => {
      const name = movie['Title'] === null ? null : String(movie['Title']).toUpperCase();
      const [rating, minutes] = [movie['IMDB Rating'] as number | null, movie['Running Time min'] as number | null];
      const fits = name !== null && /^[A-Z0-9]/.test(name) && (minutes === null || minutes < 200);
      return fits && (rating === null || (rating >= 2 && rating <= 8.8)) ? [{ id, name, rating, minutes }] : [];
    });
    expect(rows(to, 'SELECT * FROM movies ORDER BY id')).toEqual(good);
    expect(run).toMatchObject({ state: 'done', records: movies.length, written: good.length });
    expect(run.rejected).toBe(movies.length - good.length);
    expect((await letters('movies')).letters.length).toBe(movies.length - good.length);
  });

  test('is held to what it can be when it is declared, and stays while a job uses it', async () => {
    const wrong = { rules: [{ rule: 'pattern', field: 'a', pattern: '(a+)+$' }] };
    await expect(admin.put('mappings', 'wrong', wrong)).rejects.toMatchObject({ code: 'RESOURCE_INVALID' });
    const unparsed = { rules: [{ rule: 'expression', expression: 'a = (' }] };
    await expect(admin.put('mappings', 'wrong', unparsed)).rejects.toMatchObject({ code: 'TRANSFORM_INVALID' });
    await expect(admin.delete('mappings', 'movies')).rejects.toMatchObject({ code: 'RESOURCE_IN_USE' });
  });

  test('asks the target about values that must be unique, or must be there', async () => {
    from.exec(`CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT, country TEXT);
      INSERT INTO users VALUES (1, 'a', 'de'), (2, 'b', 'xx'), (3, 'a', 'fr'), (4, 'd', NULL), (5, 'taken', 'de')`);
    to.exec(`CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT, country TEXT); INSERT INTO users VALUES (9, 'taken', 'fr');
      CREATE TABLE countries (code TEXT PRIMARY KEY); INSERT INTO countries VALUES ('de'), ('fr')`);
    await admin.put('mappings', 'users', {
      rules: [
        { rule: 'unique', field: 'mail' },
        { rule: 'reference', field: 'country', stream: 'countries', key: 'code' },
      ],
    });
    const run = await runOnce('users', { ...JOB, streams: [{ from: 'users' }], mapping: 'users', partitions: 1 });
    expect(rows(to, 'SELECT id FROM users ORDER BY id').map(({ id }) => id)).toEqual([1, 4, 9]);
    expect(run.rejected).toBe(3);
  });
});

describe('rejected records', () => {
  test('are dead letters that are written when the reason is gone and they are sent again', async () => {
    from.exec(
      `CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT); INSERT INTO notes VALUES (1, 'a'), (2, NULL), (3, 'c')`,
    );
    to.exec('CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)');
    await admin.put('mappings', 'notes', { rules: [{ rule: 'required', field: 'text' }] });
    const run = await runOnce('notes', { ...JOB, streams: [{ from: 'notes' }], mapping: 'notes' });
    expect(run).toMatchObject({ state: 'done', written: 2, rejected: 1 });
    expect((await letters('notes')).letters).toMatchObject([{ code: 'RECORD_REJECTED', message: 'text: is required' }]);
    await admin.put('mappings', 'notes', { rules: [] });
    expect((await runCli(['--url', server.url, 'dead', 'retry', 'sync.notes', '--all'])).code).toBe(0);
    await waitFor(() => rows(to, 'SELECT * FROM notes').length === 3, { what: 'the record to be written' });
  });

  test('stop the job where there are more than it tolerates, until it is resumed', async () => {
    from.exec('CREATE TABLE tries (id INTEGER PRIMARY KEY, text TEXT)');
    to.exec('CREATE TABLE tries (id INTEGER PRIMARY KEY, text TEXT NOT NULL)');
    const insert = from.prepare('INSERT INTO tries VALUES (?, ?)');
    for (let id = 0; id < 40; id++) insert.run([id, id % 4 === 0 ? null : 'x']);
    const spec = { ...JOB, streams: [{ from: 'tries' }], tolerance: { records: 5 } };
    const run = await runOnce('tries', spec);
    expect(run).toMatchObject({ state: 'failed', reason: { code: 'SYNC_REJECTS_EXCEEDED' } });
    expect(await status('tries')).toMatchObject({ state: 'stopped', reason: { code: 'SYNC_REJECTS_EXCEEDED' } });
    const again = admin.call('POST', '/v1/sync-jobs/tries/run');
    await expect(again).rejects.toMatchObject({ code: 'SYNC_JOB_STOPPED' });
    from.exec(`UPDATE tries SET text = 'y'`);
    await admin.call('POST', '/v1/sync-jobs/tries/resume');
    await admin.call('POST', '/v1/sync-jobs/tries/run');
    expect(await ended('tries', 2)).toMatchObject({ state: 'done', rejected: 0, written: 40 });
    expect(rows(to, 'SELECT count(*) AS n FROM tries')).toEqual([{ n: 40 }]);
  });
});

describe('a field the target has no place for', () => {
  test.each([
    ['ignore', { state: 'done', written: 2, rejected: 0 }],
    ['reject', { state: 'done', written: 0, rejected: 2 }],
  ])('is treated as the job says: %s', async (on_new_field, expected) => {
    const name = `wide_${on_new_field}`;
    from.exec(
      `CREATE TABLE ${name} (id INTEGER PRIMARY KEY, extra TEXT); INSERT INTO ${name} VALUES (1, 'a'), (2, 'b')`,
    );
    to.exec(`CREATE TABLE ${name} (id INTEGER PRIMARY KEY)`);
    expect(await runOnce(name, { ...JOB, streams: [{ from: name }], on_new_field })).toMatchObject(expected);
  });
});

describe('a topic', () => {
  test('is a target of JSON records, and a source in real time, where a record without a value is a deletion', async () => {
    from.exec(
      `CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO items VALUES (1, 'a'), (2, 'b'), (3, 'c')`,
    );
    to.exec('CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT)');
    await admin.put('topics', 'items', { partitions: 2 });
    const streams = [{ from: 'items', to: 'items', keys: ['id'] }];
    await admin.put('sync-jobs', 'items-in', {
      source: { topic: 'items' },
      target: { endpoint: 'to' },
      streams,
      strategy: 'real_time',
    });
    expect(
      await runOnce('items-out', { source: { endpoint: 'from' }, target: { topic: 'items' }, streams }),
    ).toMatchObject({ state: 'done', written: 3 });
    const names = () => rows(to, 'SELECT name FROM items ORDER BY id').map(({ name }) => name);
    await waitFor(() => names().join() === 'a,b,c', { what: 'the records to arrive' });
    const produce = (record: object) => admin.call('POST', '/v1/topics/items/records', { records: [record] });
    await produce({ key: '2', value: null });
    await produce({ key: '3', value: { id: 3, name: 'changed' } });
    await produce({ key: '4', value: 'no object' });
    await waitFor(() => names().join() === 'a,changed', { what: 'the deletion and the change to arrive' });
    await waitFor(async () => (await admin.call<Letters>('GET', '/v1/dead/items')).letters.length === 1, {
      what: 'what is no record to be rejected',
    });
    to.exec('DELETE FROM items');
    await admin.call('POST', '/v1/sync-jobs/items-in/rewind', { to: 'earliest' });
    await waitFor(() => names().join() === 'a,changed', { what: 'everything to be written again' });
  });

  test('triggers an event-driven job with the records that come to it', async () => {
    from.exec(`CREATE TABLE seen (id INTEGER PRIMARY KEY); INSERT INTO seen VALUES (1)`);
    to.exec('CREATE TABLE seen (id INTEGER PRIMARY KEY)');
    await admin.put('topics', 'ring', {});
    await admin.put('sync-jobs', 'seen', {
      ...JOB,
      streams: [{ from: 'seen' }],
      strategy: 'event_driven',
      trigger: { topic: 'ring' },
    });
    expect((await status('seen')).last_run).toBeNull();
    await admin.call('POST', '/v1/topics/ring/records', { records: [{ value: {} }] });
    expect(await ended('seen')).toMatchObject({ cause: 'event', written: 1 });
  });
});

describe('a job', () => {
  test('runs by its schedule, and follows a source that has to be asked, with what is gone', async () => {
    from.exec(`CREATE TABLE ticks (id INTEGER PRIMARY KEY); INSERT INTO ticks VALUES (1), (2)`);
    to.exec('CREATE TABLE ticks (id INTEGER PRIMARY KEY)');
    const streams = [{ from: 'ticks' }];
    await admin.put('sync-jobs', 'ticks', {
      ...JOB,
      streams,
      strategy: 'scheduled',
      schedule: { cron: '* * * * * *' },
    });
    expect(await ended('ticks')).toMatchObject({ cause: 'schedule', state: 'done', written: 2 });
    await admin.delete('sync-jobs', 'ticks');
    await admin.put('sync-jobs', 'ticks', {
      ...JOB,
      streams,
      strategy: 'real_time',
      mode: 'mirror',
      poll_ms: 100,
      sweep_ms: 200,
    });
    from.exec('DELETE FROM ticks WHERE id = 1; INSERT INTO ticks VALUES (3)');
    const ids = () => rows(to, 'SELECT id FROM ticks ORDER BY id').map(({ id }) => id);
    await waitFor(() => ids().join() === '2,3', { what: 'the target to be as the source' });
    await admin.delete('sync-jobs', 'ticks');
  });

  test('is refused where it cannot be, with the field', async () => {
    const streams = [{ from: 'ticks' }];
    const put = (spec: object) => admin.put('sync-jobs', 'bad', { ...JOB, streams, ...spec });
    for (const [spec, field] of [
      [{ source: { endpoint: 'nowhere' } }, 'source.endpoint'],
      [{ source: {} }, 'source'],
      [{ mapping: 'none' }, 'mapping'],
      [{ strategy: 'scheduled' }, 'schedule'],
      [{ strategy: 'scheduled', schedule: { cron: '61 * * * *' } }, 'schedule'],
      [{ strategy: 'scheduled', schedule: { cron: '* * * * *', time_zone: 'Mars/North' } }, 'schedule'],
      [{ streams: [] }, 'streams'],
      [{ streams: [...streams, ...streams] }, 'streams'],
    ] as const) {
      await expect(put(spec), JSON.stringify(spec)).rejects.toMatchObject({
        code: 'RESOURCE_INVALID',
        details: { field },
      });
    }
    await expect(admin.call('POST', '/v1/sync-jobs/none/run')).rejects.toMatchObject({ code: 'RESOURCE_UNKNOWN' });
    await put({ streams: [{ from: 'missing' }], retry: { attempts_max: 2, backoff_ms: 10 } });
    await admin.call('POST', '/v1/sync-jobs/bad/run');
    expect(await ended('bad')).toMatchObject({ state: 'failed', reason: { code: 'ENDPOINT_STREAM_UNKNOWN' } });
  });

  test('is told of by the command line and by the metrics', async () => {
    const listed = await runCli(['--url', server.url, 'sync']);
    expect(listed.stdout).toMatch(/movies +batch +idle +0 +\d+/);
    const runs = await runCli(['--url', server.url, 'sync', 'runs', 'movies']);
    expect(runs.stdout).toMatch(/1 +request +done/);
    const page = await (await fetch(`${server.url}/metrics`)).text();
    expect(page).toMatch(/sluice_sync_rejected_total\{job="movies"\} \d+/);
  });
});
