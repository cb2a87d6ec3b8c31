/**
 * Connector `postgres`: tables and views of a PostgreSQL database (12 and newer). Every value travels as PostgreSQL's own text,
 * so that no digit of a numeric, no microsecond and no NaN is lost. Tables are read by their primary key, page by page.
 */
import pg from 'pg';
import { z } from 'zod';
import { type Connection, coding, defineConnector } from '#connector';
import { discoverTables } from './discovery.ts';
import { coded } from './errors.ts';
import { readTable } from './reading.ts';
import { writeTable } from './writing.ts';

const CONNECT_MS = 10_000;
const CONNECTIONS_MAX = 4;
/** In which values come out as text: one zone, one style, every digit. */
const SESSION =
  '-c timezone=UTC -c datestyle=ISO -c intervalstyle=postgres -c extra_float_digits=1 -c bytea_output=hex';

export default defineConnector({
  name: 'postgres',
  title: 'PostgreSQL',
  description: 'Tables and views of a PostgreSQL database: exact types, keyset paging, insert, update, upsert, delete.',
  types: ['database'],
  proof: 'server',
  can: ['full', 'incremental', 'insert', 'update', 'upsert', 'delete'],
  spec: z.strictObject({
    host: z.string().min(1).default('localhost').describe('Name or address; a path is the folder of a Unix socket'),
    port: z.int().min(1).max(65_535).default(5432).describe('TCP port'),
    database: z.string().min(1).describe('Name of the database'),
    user: z.string().min(1).describe('Who connects'),
    password: z.string().optional().describe('Password of the user').meta({ secret: true }),
    tls: z.enum(['off', 'unverified', 'verified']).default('off').describe('verified: the certificate must be trusted'),
    schemas: z
      .array(z.string().min(1))
      .min(1)
      .optional()
      .describe('Only these schemas; all that are not of the system'),
  }),
  open: async (config, { endpoint }): Promise<Connection> => {
    const { tls, schemas, ...login } = config;
    const pool = new pg.Pool({
      ...login,
      ssl: tls === 'off' ? false : { rejectUnauthorized: tls === 'verified' },
      options: SESSION,
      application_name: `sluice ${endpoint}`.slice(0, 63),
      max: CONNECTIONS_MAX,
      connectionTimeoutMillis: CONNECT_MS,
      keepAlive: true,
      types: { getTypeParser: () => (text: string) => text },
    });
    // A connection that breaks while nobody uses it is replaced by the next query.
    pool.on('error', () => undefined);
    const named = coding(coded);
    return {
      check: async () => {
        await named(pool.query('SELECT 1'));
      },
      discover: async () => (await named(discoverTables(pool, schemas))).map(({ stream }) => stream),
      read: (request) => readTable(pool, request),
      write: (request, records) => named(writeTable(pool, request, records)),
      close: () => pool.end(),
    };
  },
});
