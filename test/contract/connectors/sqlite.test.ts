/** Connector sqlite on files of its own. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'libsql';
import { connectorSuite, type Table, tempDir } from '#kit';
import sqlite from '../../../connectors/sqlite/index.ts';

const COLUMNS = `id INTEGER PRIMARY KEY, name TEXT NOT NULL, big BIGINT, ratio DOUBLE, flag BOOLEAN, blob BLOB, doc JSON`;

function tableIn(path: string): Table {
  const database = new Database(path);
  database.exec(`CREATE TABLE "odd ""name" (${COLUMNS})`);
  const empty = { name: '', big: null, ratio: null, flag: null, blob: null, doc: null };
  return {
    stream: 'odd "name',
    types: {
      id: 'int64',
      name: 'string',
      big: 'int64',
      ratio: 'float',
      flag: 'boolean',
      blob: 'bytes',
      doc: 'json',
    },
    key: ['id'],
    cursor: 'big',
    row: (i) => ({ ...empty, id: BigInt(i), name: `n${i}`, big: BigInt(Math.floor(i / 3)), ratio: i / 2 }),
    changed: (row) => ({ ...row, name: `${row['name']}'; --`, flag: true }),
    exact: [
      { ...empty, id: 9223372036854775807n, big: -9223372036854775808n },
      { ...empty, id: 1n, big: 9007199254740993n, ratio: 5e-324, flag: false },
      { ...empty, id: 2n, ratio: Number.POSITIVE_INFINITY, blob: new Uint8Array([0, 255, 10]), flag: true },
      { ...empty, id: 3n, name: 'naïve 🦥 \n"\'', doc: '{"n":12345678901234567890,"a":[1,null]}', ratio: -0.1 },
      { ...empty, id: 4n, blob: new Uint8Array() },
    ],
    poison: { ...empty, id: 5n, name: null },
    addColumn: async () => {
      database.exec('ALTER TABLE "odd ""name" ADD COLUMN extra TEXT');
      return 'extra';
    },
  };
}

connectorSuite(sqlite, async () => {
  const folder = await tempDir();
  const path = join(folder, 'shop.db');
  await writeFile(join(folder, 'text.db'), 'this is no database, and long enough to be looked at as one'.repeat(9));
  return {
    config: { path, create: true },
    bad: {
      'no file': { config: { path: join(folder, 'none.db') }, code: 'ENDPOINT_UNREACHABLE' },
      'no database': { config: { path: join(folder, 'text.db') }, code: 'ENDPOINT_UNREACHABLE' },
    },
    create: async () => tableIn(path),
  };
});
