/** Changes of MariaDB under race, trouble and settings that do not fit, on real servers of their own. */
import { createConnection, createPool, type Pool } from 'mysql2/promise';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { lackingServer, type PrivateServer, type RaceSystem, raceChanges, startMariadb, waitFor } from '#kit';
import mariadb from '../../../connectors/mariadb/index.ts';

describe.skipIf(lackingServer('mariadbd'))('changes of mariadb', () => {
  let server: PrivateServer;
  let admin: Pool;
  const login = () => {
    const { host, port, user, password } = server;
    return { host, port, user, password, database: 'shop' };
  };

  beforeAll(async () => {
    server = await startMariadb();
    admin = createPool({ ...login(), connectTimeout: 2_000 });
    await waitFor(() => admin.query('SELECT 1'), { what: 'mariadb to answer', timeoutMs: 30_000 });
    await admin.query("CREATE USER racer@'127.0.0.1' IDENTIFIED BY 'quiet'");
    await admin.query("GRANT SELECT ON shop.* TO racer@'127.0.0.1'");
    await admin.query("GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO racer@'127.0.0.1'");
  });
  afterAll(() => admin.end());

  const racing = (): RaceSystem => ({
    connector: mariadb,
    config: { ...login(), user: 'racer' },
    stream: (table) => table,
    open: async () => {
      const connection = await createConnection(login());
      // Two that wait for each other, one of them for an ALTER TABLE, are not found out by the server.
      await connection.query('SET lock_wait_timeout = 1, innodb_lock_wait_timeout = 1');
      return { run: (sql) => connection.query(sql), close: () => connection.end() };
    },
    cut: async () => {
      await admin.query("KILL CONNECTION USER racer@'127.0.0.1'");
    },
    create: async (table) => {
      await admin.query(`CREATE TABLE ${table} (id int, part varchar(5) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, v int,
        big longtext, PRIMARY KEY (part, id))`);
    },
    alterations: [
      'ALTER TABLE {t} ADD COLUMN c{n} int',
      'ALTER TABLE {t} ADD COLUMN c{n} int NOT NULL DEFAULT 7 FIRST',
      'ALTER TABLE {t} MODIFY COLUMN v bigint',
      'ALTER TABLE {t} ADD COLUMN c{n} datetime(6) DEFAULT NOW(6) AFTER id',
    ],
  });

  test('a race ends with what the tables hold', async () => {
    await raceChanges(racing(), { rows: 800, writers: 4, rounds: 3, transactions: 40 });
  });
});
