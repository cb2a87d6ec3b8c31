/** Changes of PostgreSQL under race, trouble and settings that do not fit, on real servers of their own. */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ChangesRequest, Json } from '#connector';
import {
  follow,
  following,
  lackingServer,
  type PrivateServer,
  type RaceSystem,
  raceChanges,
  startPostgres,
  waitFor,
} from '#kit';
import postgres from '../../../connectors/postgres/index.ts';

describe.skipIf(lackingServer('postgres'))('changes of postgres', () => {
  let server: PrivateServer;
  let admin: pg.Pool;
  const login = () => {
    const { host, port, user, password } = server;
    return { host, port, user, password, database: 'postgres' };
  };

  beforeAll(async () => {
    server = await startPostgres(['max_replication_slots=40', 'max_wal_senders=20']);
    admin = new pg.Pool({ ...login(), connectionTimeoutMillis: 2_000 });
    admin.on('error', () => undefined);
    await waitFor(() => admin.query('SELECT 1'), { what: 'postgres to answer', timeoutMs: 60_000 });
  });
  afterAll(() => admin.end());

  function racing(identity: 'DEFAULT' | 'FULL'): RaceSystem {
    return {
      connector: postgres,
      config: login(),
      stream: (table) => `public.${table}`,
      open: async () => {
        const client = new pg.Client(login());
        client.on('error', () => undefined);
        await client.connect();
        return { run: (sql) => client.query(sql), close: () => client.end() };
      },
      cut: async () => {
        await admin.query(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sluice race'",
        );
      },
      create: async (table) => {
        await admin.query(`CREATE TABLE ${table} (id int, part text, v int, big text, PRIMARY KEY (part, id));
          ALTER TABLE ${table} ALTER COLUMN big SET STORAGE EXTERNAL; ALTER TABLE ${table} REPLICA IDENTITY ${identity}`);
      },
      alterations: [
        'ALTER TABLE {t} ADD COLUMN c{n} int',
        'ALTER TABLE {t} ADD COLUMN c{n} int NOT NULL DEFAULT 7',
        'ALTER TABLE {t} ALTER COLUMN v TYPE bigint',
        'ALTER TABLE {t} ADD COLUMN c{n} timestamptz DEFAULT clock_timestamp()',
      ],
    };
  }

  test('a race ends with what the tables hold, with keys alone before a change', async () => {
    await raceChanges(racing('DEFAULT'), { rows: 800, writers: 4, rounds: 3, transactions: 40 });
  });

  test('a race ends with what the tables hold, with whole records before a change', async () => {
    await raceChanges(racing('FULL'), { rows: 400, writers: 4, rounds: 2, transactions: 25 });
  });
  /** A connection and what it is asked for one table. */
  async function reading(table: string, more: Partial<ChangesRequest> = {}, config: object = login()) {
    const connection = await postgres.open(postgres.spec.parse(config), { endpoint: 'trouble' });
    const request = {
      streams: [`public.${table}`],
      snapshot: false,
      pageRecordsMax: 10,
      consumer: `trouble ${table}`,
      ...more,
    };
    const end = async () => {
      await connection.forget?.(request.consumer);
      await connection.close();
    };
    return {
      connection,
      request,
      begin: (state?: Json) => begin(connection, { ...request, state: state ?? null }),
      end,
    };
  }
  const begin = async (...given: Parameters<typeof following>) => {
    const pages = following(...given);
    const { state } = await follow(pages, () => true);
    return { pages, state };
  };
  const slotOf = async (table: string) => {
    const { rows } = await admin.query(
      `SELECT slot_name, confirmed_flush_lsn::text AS done, pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::int AS behind
        FROM pg_replication_slots WHERE slot_name LIKE $1`,
      [`sluice_trouble_${table}%`],
    );
    return rows[0] as { slot_name: string; done: string; behind: number };
  };

  test('the log is let go while nothing changes in the tables that are read', async () => {
    await admin.query('CREATE TABLE idle (id int PRIMARY KEY); CREATE TABLE busy (id int, text text)');
    const { begin, end } = await reading('idle');
    const { pages } = await begin();
    await admin.query("INSERT INTO busy SELECT i, repeat('x', 500) FROM generate_series(1, 5000) i");
    expect((await slotOf('idle')).behind).toBeGreaterThan(1_000_000);
    await waitFor(
      async () => {
        await pages.next();
        return (await slotOf('idle')).behind < 100_000;
      },
      { what: 'the slot to move on' },
    );
    await end();
  });

  test('what was not taken is kept, through a kill of the reader', async () => {
    await admin.query('CREATE TABLE kept (id int PRIMARY KEY)');
    const one = await reading('kept');
    const { pages, state } = await one.begin();
    await admin.query('INSERT INTO kept VALUES (1)');
    await follow(pages, (changes) => changes.length === 1);
    await admin.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_replication WHERE application_name = 'sluice trouble'",
    );
    await expect(follow(pages, () => false)).rejects.toMatchObject({ code: 'ENDPOINT_UNREACHABLE' });
    const again = await one.begin(state);
    const { changes } = await follow(again.pages, (so) => so.length === 1);
    expect(changes[0]?.after).toEqual({ id: 1 });
    await one.end();
  });

  test('values that were not sent are named, and found where they are needed', async () => {
    await admin.query('CREATE TABLE aside (id int PRIMARY KEY, v int, big text)');
    await admin.query('ALTER TABLE aside ALTER COLUMN big SET STORAGE EXTERNAL');
    const big = 'y'.repeat(5_000);
    await admin.query('INSERT INTO aside VALUES (1, 1, $1), (2, 1, $1)', [big]);
    const { begin, end } = await reading('aside');
    const { pages } = await begin();
    await admin.query('UPDATE aside SET v = 2 WHERE id = 1');
    await admin.query('UPDATE aside SET id = 3 WHERE id = 2');
    await admin.query('UPDATE aside SET big = NULL WHERE id = 1');
    const { changes } = await follow(pages, (so) => so.length === 4);
    expect(changes[0]).toMatchObject({ op: 'update', after: { id: 1, v: 2 }, unchanged: ['big'], before: { id: 1 } });
    expect(changes[0]?.after).not.toHaveProperty('big');
    expect(changes[1]).toMatchObject({ op: 'delete', before: { id: 2 } });
    expect(changes[2]).toMatchObject({ op: 'insert', after: { id: 3, v: 1, big } });
    expect(changes[3]).toMatchObject({ op: 'update', after: { id: 1, v: 2, big: null } });
    await end();
  });

  test('changes of partitions are those of their table; computed columns are left out', async () => {
    await admin.query(`CREATE TABLE parted (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED)
      PARTITION BY RANGE (id)`);
    await admin.query('CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (0) TO (10)');
    await admin.query('CREATE TABLE parted_high PARTITION OF parted FOR VALUES FROM (10) TO (20)');
    await admin.query('INSERT INTO parted VALUES (1), (2)');
    const { begin, end } = await reading('parted', { snapshot: true });
    const { pages } = await begin();
    await follow(pages, (so) => so.length === 2);
    await admin.query('UPDATE parted SET id = 15 WHERE id = 1');
    const { changes } = await follow(pages, (so) => so.length === 2);
    expect(changes.map(({ stream, op, before, after }) => [stream, op, before, after])).toEqual([
      ['public.parted', 'delete', { id: 1 }, null],
      ['public.parted', 'insert', null, { id: 15 }],
    ]);
    await end();
  });

  test('another table under the same name begins with nothing', async () => {
    await admin.query('CREATE TABLE again (id int PRIMARY KEY); INSERT INTO again VALUES (1)');
    const { begin, end } = await reading('again', { snapshot: true });
    const { pages } = await begin();
    const { state } = await follow(pages, (so) => so.length === 1);
    await pages.return?.();
    await admin.query('INSERT INTO again VALUES (2); DROP TABLE again; CREATE TABLE again (id int PRIMARY KEY)');
    await admin.query('INSERT INTO again VALUES (3)');
    const later = (await reading('again')).connection;
    const reader = following(later, { ...(await reading('again', { snapshot: true })).request, state });
    const { changes } = await follow(reader, (so) => so.length === 2);
    expect(changes.map(({ op, after }) => [op, after])).toEqual([
      ['truncate', null],
      ['read', { id: 3 }],
    ]);
    await later.close();
    await end();
  });

  test('the newer of two readers wins', async () => {
    await admin.query('CREATE TABLE shared (id int PRIMARY KEY)');
    const first = await reading('shared');
    const { pages, state } = await first.begin();
    const second = await reading('shared');
    const newer = await second.begin(state);
    await expect(follow(pages, () => false)).rejects.toMatchObject({ code: 'ENDPOINT_UNREACHABLE' });
    await admin.query('INSERT INTO shared VALUES (1)');
    await follow(newer.pages, (so) => so.length === 1);
    await first.connection.close();
    await second.end();
  });

  test('says that the changes since a state are gone', async () => {
    await admin.query('CREATE TABLE lost (id int PRIMARY KEY)');
    const { connection, begin, end } = await reading('lost');
    const { pages, state } = await begin();
    const before = (await slotOf('lost')).done;
    await admin.query('INSERT INTO lost VALUES (1)');
    const { state: later } = await follow(pages, (so) => so.length === 1);
    await pages.next();
    await waitFor(async () => (await slotOf('lost')).done !== before, { what: 'the server to let go' });
    await pages.return?.();
    // The server has let go of what the reader had taken, and the reader comes with an older state.
    await expect(begin(state)).rejects.toMatchObject({ code: 'ENDPOINT_CHANGES_LOST' });
    await connection.forget?.('trouble lost');
    await expect(begin(later)).rejects.toMatchObject({ code: 'ENDPOINT_CHANGES_LOST' });
    await expect(begin({ ...(later as object), system: '1' } as Json)).rejects.toMatchObject({
      code: 'ENDPOINT_CHANGES_LOST',
    });
    await end();
  });

  test('says what a table lacks, and what a user may not', async () => {
    await admin.query(`CREATE TABLE keyless (id int); CREATE VIEW looking AS SELECT 1 AS id;
      CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY);
      CREATE TABLE nothing (id int PRIMARY KEY); ALTER TABLE nothing REPLICA IDENTITY NOTHING`);
    for (const table of ['keyless', 'looking', 'unlogged', 'nothing']) {
      const { begin, end } = await reading(table);
      await expect(begin(), table).rejects.toMatchObject({ code: 'ENDPOINT_UNSUPPORTED' });
      await end();
    }
    await admin.query(`CREATE ROLE weak LOGIN PASSWORD 'quiet'; GRANT CREATE ON DATABASE postgres TO weak;
      GRANT ALL ON SCHEMA public TO weak; CREATE TABLE mine (id int PRIMARY KEY); ALTER TABLE mine OWNER TO weak`);
    for (const table of ['idle', 'mine']) {
      const weak = { ...login(), user: 'weak' };
      const { connection, begin } = await reading(table, { consumer: `weak ${table}` }, weak);
      await expect(begin(), table).rejects.toMatchObject({ code: 'ENDPOINT_REFUSED' });
      const request = { stream: 'public.mine', mode: 'insert' as const, keys: [], origin: 'somebody' };
      const writing = connection.write?.(request, [{ id: 1 }]);
      if (table === 'mine') await expect(writing).rejects.toMatchObject({ code: 'ENDPOINT_REFUSED' });
      else await writing?.catch(() => undefined);
      await connection.close();
    }
  });

  test('a user who may replicate and owns the table needs nothing more', async () => {
    await admin.query(`CREATE ROLE reader LOGIN REPLICATION PASSWORD 'quiet'; GRANT CREATE ON DATABASE postgres TO reader;
      CREATE TABLE owned (id int PRIMARY KEY); INSERT INTO owned VALUES (1); ALTER TABLE owned OWNER TO reader`);
    const { begin, end } = await reading('owned', { snapshot: true }, { ...login(), user: 'reader' });
    const { pages } = await begin();
    await follow(pages, (so) => so.length === 1);
    await admin.query('INSERT INTO owned VALUES (2)');
    const { changes } = await follow(pages, (so) => so.length === 1);
    expect(changes[0]).toMatchObject({ op: 'insert', after: { id: 2 } });
    await end();
  });

  test('says that the server does not keep what changes are read from', async () => {
    const other = await startPostgres(['wal_level=replica']);
    const { host, port, user, password } = other;
    const config = { host, port, user, password, database: 'postgres' };
    const client = await waitFor(
      async () => {
        const attempt = new pg.Client(config);
        await attempt.connect();
        return attempt;
      },
      { what: 'postgres to answer', timeoutMs: 60_000 },
    );
    await client.query('CREATE TABLE plain (id int PRIMARY KEY)');
    await client.end();
    const { connection, begin } = await reading('plain', {}, config);
    await expect(begin()).rejects.toMatchObject({
      code: 'ENDPOINT_UNSUPPORTED',
      message: expect.stringContaining('wal_level = logical'),
    });
    await connection.close();
  });
});
