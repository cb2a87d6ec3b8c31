/**
 * Connector `postgres`: tables and views of a PostgreSQL database (12 and newer). Every value travels as PostgreSQL's own text,
 * so that no digit of a numeric, no microsecond and no NaN is lost. Tables are read by their primary key, page by page.
 */
import pg from 'pg';
import { z } from 'zod';
import { type Connection, coding, defineConnector } from '#connector';
import { readChanges } from './changes.ts';
import { discoverTables, findTable } from './discovery.ts';
import { coded } from './errors.ts';
import { Origins } from './origins.ts';
import { lookUpRows, readTable } from './reading.ts';
import type { ReplicationStream } from './replication.ts';
import { forgetConsumer } from './slot.ts';
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
  can: ['full', 'incremental', 'changes', 'lookup', 'insert', 'update', 'upsert', 'delete'],
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
    const client = {
      ...login,
      ssl: tls === 'off' ? false : { rejectUnauthorized: tls === 'verified' },
      options: SESSION,
      application_name: `sluice ${endpoint}`.slice(0, 63),
      connectionTimeoutMillis: CONNECT_MS,
      keepAlive: true,
      types: { getTypeParser: () => (text: string) => text },
    };
    const pool = new pg.Pool({ ...client, max: CONNECTIONS_MAX });
    // A connection that breaks while nobody uses it is replaced by the next query.
    pool.on('error', () => undefined);
    // One that breaks while it is used fails what uses it; the client library also says so to nobody in particular.
    pool.on('connect', (connected) => connected.on('error', () => undefined));
    const origins = new Origins(client);
    const streams = new Set<ReplicationStream>();
    const named = coding(coded);
    return {
      check: async () => {
        await named(pool.query('SELECT 1'));
      },
      discover: async () => (await named(discoverTables(pool, schemas))).map(({ stream }) => stream),
      read: (request) => readTable(pool, request),
      changes: (request) => readChanges(pool, client, request, streams),
      lookup: async (stream, fields, keys) =>
        named(lookUpRows(pool, await named(findTable(pool, stream)), fields, keys)),
      forget: (consumer) => named(forgetConsumer(pool, consumer, [...streams])),
      write: (request, records) => {
        const { origin } = request;
        return named(writeTable(origin === undefined ? pool : origins.pool(origin), request, records));
      },
      close: async () => {
        await Promise.all([...streams].map((stream) => stream.close()));
        await Promise.all([pool.end(), origins.close()]);
      },
    };
  },
});
