/** Changes of MariaDB under race, trouble and settings that do not fit, on real servers of their own. */
import { createConnection, createPool, type Pool } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ChangesRequest, Json } from '#connector';
import {
  Fold,
  follow,
  following,
  lackingServer,
  type PrivateServer,
  type RaceSystem,
  raceChanges,
  startMariadb,
  waitFor,
} from '#kit';
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
  /** A connection and what it is asked for one table. */
  async function reading(table: string, more: Partial<ChangesRequest> = {}, config: object = login()) {
    const connection = await mariadb.open(mariadb.spec.parse(config), { endpoint: 'trouble' });
    const request = { streams: [table], snapshot: false, pageRecordsMax: 10, consumer: `trouble ${table}`, ...more };
    const begin = async (state: Json = null) => {
      const pages = following(connection, { ...request, state });
      return { pages, state: (await follow(pages, () => true)).state };
    };
    return { connection, begin };
  }

  test('goes on exactly through an ALTER TABLE and a restart of the server', async () => {
    await admin.query('CREATE TABLE restarted (id int PRIMARY KEY, a int, b int)');
    const one = await reading('restarted');
    const { pages } = await one.begin();
    await admin.query('INSERT INTO restarted VALUES (1, 10, 20)');
    const { state } = await follow(pages, (so) => so.length === 1);
    await one.connection.close();
    await admin.query('INSERT INTO restarted VALUES (2, 11, 21)');
    await admin.query('ALTER TABLE restarted ADD COLUMN first int FIRST, DROP COLUMN a');
    await admin.query('INSERT INTO restarted (id, b, first) VALUES (3, 22, 5)');
    await server.kill();
    server.start();
    await waitFor(() => admin.query('SELECT 1'), { what: 'mariadb to answer again', timeoutMs: 30_000 });
    const again = await reading('restarted');
    const later = await again.begin(state);
    const { changes } = await follow(later.pages, (so) => so.length === 2);
    // A change from before the ALTER TABLE has the columns from before it.
    expect(changes.map(({ after }) => after)).toEqual([
      { id: 2, a: 11, b: 21 },
      { first: 5, id: 3, b: 22 },
    ]);
    await again.connection.close();
  });

  test('gives types that the log has no word for as reading gives them', async () => {
    await admin.query(`CREATE TABLE odd (id int PRIMARY KEY, u uuid, i inet6, v4 inet4, e enum('a,b', 'c''d', 'ä') CHARACTER SET latin1,
      s set('x', 'y z'), bits bit(12), bin binary(8), clock time(3), y year, small float, latin varchar(9) CHARACTER SET latin1,
      m mediumint, tiny tinyint unsigned, twice int AS (id * 2) STORED, later int AS (id * 3) VIRTUAL) CHARACTER SET utf8mb4`);
    const { connection, begin } = await reading('odd');
    const { pages } = await begin();
    const rows = [
      `1, '123e4567-e89b-12d3-a456-426614174000', '::1', '10.0.0.255', 'a,b', 'x,y z', 5, 'ab', '-00:00:01.500', 0, 0.1, 'é€', -1, 255`,
      `2, 'f47ac10b-58cc-4372-a567-0e02b2c3d479', '::ffff:1.2.3.4', '0.0.0.0', 'c''d', '', b'111100001111', '', '-01:00:00', 2155, 1e30, '', -8388608, 0`,
      `3, NULL, 'fe80::1:0:0:5', NULL, 'ä', 'y z', 0, NULL, '838:59:59.999', 1901, -0.5, NULL, 8388607, 1`,
      `4, NULL, '1:0:0:2:0:0:0:3', NULL, NULL, NULL, NULL, NULL, '-00:59:59.000', NULL, NULL, NULL, NULL, NULL`,
      `5, NULL, '::', NULL, NULL, NULL, NULL, NULL, '-838:59:00.000', NULL, NULL, NULL, NULL, NULL`,
    ];
    const names = 'id, u, i, v4, e, s, bits, bin, clock, y, small, latin, m, tiny';
    for (const row of rows) await admin.query(`INSERT INTO odd (${names}) VALUES (${row})`);
    const { changes } = await follow(pages, (so) => so.length === rows.length);
    const read = await connection.lookup?.(
      'odd',
      ['id'],
      [1, 2, 3, 4, 5].map((id) => ({ id })),
    );
    const published = read?.map((row) => {
      const { twice, later, ...others } = row ?? {};
      return others;
    });
    expect(changes.map(({ after }) => ({ ...after }))).toEqual(published);
    await connection.close();
  });

  test('rows that a statement takes away or changes at once are read again', async () => {
    await admin.query('CREATE TABLE swapped (id int PRIMARY KEY, v int)');
    await admin.query('INSERT INTO swapped VALUES (1, 1), (2, 2)');
    const { connection, begin } = await reading('swapped', { snapshot: true });
    const { pages } = await begin();
    const fold = new Fold(['id']);
    const until = async (expected: readonly object[]) => {
      const same = () => JSON.stringify(fold.rows().sort((a, b) => Number(a['id']) - Number(b['id'])));
      for (let page = 0; page < 20 && same() !== JSON.stringify(expected); page++) {
        fold.apply((await follow(pages, () => true)).changes);
      }
      expect(same()).toBe(JSON.stringify(expected));
    };
    await until([
      { id: 1, v: 1 },
      { id: 2, v: 2 },
    ]);
    await admin.query('CREATE TABLE shadow (id int PRIMARY KEY, v int)');
    await admin.query('INSERT INTO shadow VALUES (2, 20), (3, 30)');
    await admin.query('RENAME TABLE swapped TO gone, shadow TO swapped');
    await until([
      { id: 2, v: 20 },
      { id: 3, v: 30 },
    ]);
    await admin.query('ALTER TABLE swapped ADD COLUMN w int DEFAULT 7');
    await until([
      { id: 2, v: 20, w: 7 },
      { id: 3, v: 30, w: 7 },
    ]);
    await admin.query('/* all of it */ TRUNCATE swapped');
    await until([]);
    await connection.close();
  });

  test('says that the changes since a state are gone, or were logged without what is needed', async () => {
    await admin.query('CREATE TABLE lost (id int PRIMARY KEY, v int)');
    const { connection, begin } = await reading('lost');
    const { pages, state } = await begin();
    const session = await admin.getConnection();
    await session.query("SET SESSION binlog_row_image = 'MINIMAL'");
    await session.query('INSERT INTO lost (id) VALUES (1)');
    await expect(follow(pages, () => false)).rejects.toMatchObject({ code: 'ENDPOINT_CHANGES_LOST' });
    await session.query("SET SESSION binlog_row_image = 'FULL', binlog_format = 'STATEMENT'");
    const later = await begin();
    await session.query('UPDATE lost SET v = 1');
    await expect(follow(later.pages, () => false)).rejects.toMatchObject({ code: 'ENDPOINT_CHANGES_LOST' });
    session.destroy();
    await admin.query('FLUSH BINARY LOGS');
    const [[end]] = (await admin.query('SHOW MASTER STATUS')) as unknown as [[{ File: string }]];
    await admin.query(`PURGE BINARY LOGS TO '${end.File}'`);
    const old = await begin(state);
    await expect(follow(old.pages, () => false)).rejects.toMatchObject({ code: 'ENDPOINT_CHANGES_LOST' });
    await connection.close();
  });

  test('says which setting, table or right does not fit', async () => {
    await admin.query('CREATE TABLE fit (id int PRIMARY KEY)');
    const refused = async (table: string, config?: object) => {
      const { connection, begin } = await reading(table, {}, config);
      const { code, message } = await begin()
        .then(({ pages }) => follow(pages, () => false))
        .then(
          () => ({ code: 'none', message: '' }),
          (error: { code: string; message: string }) => error,
        );
      await connection.close();
      return `${code} ${message}`;
    };
    for (const [name, value, back] of [
      ['binlog_format', 'MIXED', 'ROW'],
      ['binlog_row_image', 'MINIMAL', 'FULL'],
      ['binlog_row_metadata', 'NO_LOG', 'FULL'],
    ]) {
      await admin.query(`SET GLOBAL ${name} = '${value}'`);
      expect(await refused('fit')).toMatch(new RegExp(`^ENDPOINT_UNSUPPORTED .*${name}`));
      await admin.query(`SET GLOBAL ${name} = '${back}'`);
    }
    await admin.query('CREATE TABLE keyless (id int)');
    await admin.query('CREATE TABLE aria (id int PRIMARY KEY) ENGINE = Aria');
    await admin.query('CREATE TABLE spatial_one (id int PRIMARY KEY, at point)');
    for (const table of ['keyless', 'aria', 'spatial_one']) {
      expect(await refused(table)).toMatch(/^ENDPOINT_UNSUPPORTED /);
    }
    await admin.query("CREATE USER weak@'127.0.0.1' IDENTIFIED BY 'quiet'");
    await admin.query("GRANT SELECT, INSERT ON shop.* TO weak@'127.0.0.1'");
    const weak = { ...login(), user: 'weak' };
    expect(await refused('fit', weak)).toMatch(/^ENDPOINT_REFUSED /);
    await admin.query("GRANT BINLOG MONITOR ON *.* TO weak@'127.0.0.1'");
    expect(await refused('fit', weak)).toMatch(/^ENDPOINT_REFUSED /);
    const { connection } = await reading('fit', {}, weak);
    const request = { stream: 'fit', mode: 'insert' as const, keys: [], origin: 'somebody' };
    await expect(connection.write?.(request, [{ id: 1 }])).rejects.toMatchObject({ code: 'ENDPOINT_REFUSED' });
    await connection.close();
  });
});
