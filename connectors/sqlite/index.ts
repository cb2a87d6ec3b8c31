/**
 * Connector `sqlite`: tables and views of a SQLite file, in process. Integers come whole (64 bits). SQLite does not hold a
 * column to its type: a value of another storage class comes as what it is. It has no NaN, no arrays and no exact decimals.
 */
import { existsSync } from 'node:fs';
import Database from 'libsql';
import { z } from 'zod';
import { type Connection, defineConnector } from '#connector';
import { discoverTables } from './discovery.ts';
import { asCoded } from './errors.ts';
import { lookUpRows, readTable } from './reading.ts';
import { writeTable } from './writing.ts';

const BUSY_MS = 5_000;

export default defineConnector({
  name: 'sqlite',
  title: 'SQLite',
  description: 'Tables and views of a SQLite database file on the machine that Sluice runs on.',
  types: ['database'],
  proof: 'server',
  can: ['full', 'incremental', 'lookup', 'insert', 'update', 'upsert', 'delete'],
  spec: z.strictObject({
    path: z.string().min(1).describe('The file; it must exist unless `create` is set'),
    create: z.boolean().default(false).describe('Make the file where there is none'),
    busy_ms: z.int().min(0).max(20_000).default(BUSY_MS).describe('How long to wait for other writers, ms'),
  }),
  open: async ({ path, create, busy_ms }): Promise<Connection> => {
    const database = asCoded(() => {
      if (!create && !existsSync(path)) throw new Error(`there is no file ${path}`);
      const opened = new Database(path);
      opened.defaultSafeIntegers(true);
      opened.exec(`PRAGMA busy_timeout = ${busy_ms}; PRAGMA foreign_keys = ON`);
      return opened;
    });
    return {
      check: async () => {
        asCoded(() => database.prepare('SELECT count(*) FROM sqlite_master').get());
      },
      discover: async () => asCoded(() => discoverTables(database)),
      read: (request) => readTable(database, request),
      lookup: async (stream, fields, keys) => asCoded(() => lookUpRows(database, stream, fields, keys)),
      write: (request, records) => writeTable(database, request, records),
      close: async () => {
        database.close();
      },
    };
  },
});
