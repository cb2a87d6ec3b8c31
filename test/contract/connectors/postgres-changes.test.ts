/** Changes of PostgreSQL under race, trouble and settings that do not fit, on real servers of their own. */
import pg from 'pg';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { lackingServer, type PrivateServer, type RaceSystem, raceChanges, startPostgres, waitFor } from '#kit';
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
});
