/**
 * A private PostgreSQL and MariaDB with something to say SQL through, for tests that move data between them, and endpoints of a
 * server for both. Connections are made anew for each statement: the servers are killed under these tests.
 */
import { createConnection } from 'mysql2/promise';
import pg from 'pg';
import type { Admin } from '#client';
import { waitFor } from '../wait.ts';
import type { PrivateServer } from './private-server.ts';
import { startMariadb, startPostgres } from './servers.ts';

export type SqlRow = Record<string, unknown>;

export interface Database extends PrivateServer {
  readonly connector: 'postgres' | 'mariadb';
  readonly database: string;
  /** One or more statements; the rows of the last. Numbers beyond 2^53 and decimals are texts. */
  sql(text: string): Promise<SqlRow[]>;
  /** Waits until it answers. */
  ready(): Promise<void>;
}

export async function postgresDatabase(): Promise<Database> {
  const server = await startPostgres();
  const { host, port, user, password } = server;
  const sql = async (text: string): Promise<SqlRow[]> => {
    const client = new pg.Client({ host, port, user, password, database: 'postgres', connectionTimeoutMillis: 5_000 });
    client.on('error', () => undefined);
    await client.connect();
    try {
      const results: unknown = await client.query(text);
      return ((Array.isArray(results) ? results.at(-1) : results) as pg.QueryResult<SqlRow>).rows;
    } finally {
      await client.end().catch(() => undefined);
    }
  };
  return database(server, 'postgres', 'postgres', sql);
}

export async function mariadbDatabase(): Promise<Database> {
  // What was committed outlives a kill of the process.
  const server = await startMariadb(['--innodb-flush-log-at-trx-commit=2']);
  const { host, port, user, password } = server;
  const sql = async (text: string): Promise<SqlRow[]> => {
    const connection = await createConnection({
      host,
      port,
      user,
      password,
      database: 'shop',
      connectTimeout: 5_000,
      multipleStatements: true,
      dateStrings: true,
      supportBigNumbers: true,
      timezone: 'Z',
    });
    connection.on('error', () => undefined);
    try {
      const [rows] = await connection.query(text);
      const last: unknown = Array.isArray(rows) && Array.isArray(rows.at(-1)) ? rows.at(-1) : rows;
      return (Array.isArray(last) ? last : []) as SqlRow[];
    } finally {
      connection.destroy();
    }
  };
  return database(server, 'mariadb', 'shop', sql);
}

function database(
  server: PrivateServer,
  connector: Database['connector'],
  name: string,
  sql: Database['sql'],
): Database {
  const ready = async () => {
    await waitFor(() => sql('SELECT 1').then(() => true), { what: `${connector} to answer`, timeoutMs: 60_000 });
  };
  return { ...server, connector, database: name, sql, ready };
}

/** Declares it as an endpoint, its password a secret. */
export async function declareEndpoint(admin: Admin, name: string, database: Database, port?: number): Promise<void> {
  const { connector, host, user, password } = database;
  await admin.put('secrets', `${name}-password`, { value: password });
  const config = {
    host,
    port: port ?? database.port,
    user,
    database: database.database,
    password: { secret: `${name}-password` },
  };
  await admin.put('endpoints', name, { connector, config, check_every_ms: 0 });
}
