/**
 * Connector `mariadb`: tables and views of a MariaDB database, and of MySQL 8, which speaks the same protocol. Values travel as
 * the server's text, in UTC; writes are strict, so that nothing is cut to fit.
 */
import { createPool } from 'mysql2';
import { z } from 'zod';
import { type Connection, coding, defineConnector } from '#connector';
import type { BinlogStream } from './binlog.ts';
import { readChanges } from './changes.ts';
import { discoverTables } from './discovery.ts';
import { coded } from './errors.ts';
import { lookUpRows, readTable } from './reading.ts';
import { writeTable } from './writing.ts';

const CONNECT_MS = 10_000;
const CONNECTIONS_MAX = 4;
const SESSION = "SET SESSION time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO'";

export default defineConnector({
  name: 'mariadb',
  title: 'MariaDB and MySQL',
  description:
    'Tables and views of a MariaDB or MySQL database: exact types, keyset paging, insert, update, upsert, delete.',
  types: ['database'],
  proof: 'server',
  can: ['full', 'incremental', 'changes', 'lookup', 'insert', 'update', 'upsert', 'delete'],
  spec: z.strictObject({
    host: z.string().min(1).default('localhost').describe('Name or address'),
    port: z.int().min(1).max(65_535).default(3306).describe('TCP port'),
    database: z.string().min(1).describe('Name of the database'),
    user: z.string().min(1).describe('Who connects'),
    password: z.string().optional().describe('Password of the user').meta({ secret: true }),
    tls: z.enum(['off', 'unverified', 'verified']).default('off').describe('verified: the certificate must be trusted'),
  }),
  open: async (config): Promise<Connection> => {
    const { tls, password = '', ...login } = config;
    const client = {
      ...login,
      password,
      ...(tls === 'off' ? {} : { ssl: { rejectUnauthorized: tls === 'verified' } }),
      charset: 'utf8mb4',
      connectTimeout: CONNECT_MS,
    };
    const pool = createPool({
      ...client,
      connectionLimit: CONNECTIONS_MAX,
      rowsAsArray: true,
      // Bytes as they came: what they are is decided by the column, not by the protocol.
      typeCast: (field) => field.buffer(),
    });
    // Sent ahead of everything else; when it fails, so does what follows on this connection.
    pool.on('connection', (connection) => connection.query(SESSION, () => undefined));
    const database = pool.promise();
    const streams = new Set<BinlogStream>();
    const named = coding(coded);
    return {
      check: async () => {
        await named(database.query('SELECT 1'));
      },
      discover: async () => (await named(discoverTables(database, null))).map(({ stream }) => stream),
      read: (request) => readTable(database, request),
      changes: (request) => readChanges(database, client, request, streams),
      lookup: (stream, fields, keys) => named(lookUpRows(database, stream, fields, keys)),
      write: (request, records) => named(writeTable(database, request, records)),
      close: async () => {
        await Promise.all([...streams].map((stream) => stream.close()));
        await database.end();
      },
    };
  },
});
