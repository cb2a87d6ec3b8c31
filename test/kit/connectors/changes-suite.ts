/**
 * The suite of connectors that read changes, on the real system: the snapshot and what follows it, exact values, every kind of
 * change, going on exactly where it was, new columns, who wrote, large transactions, idleness, forgetting. A test of a connector
 * is the table of `connectorSuite` with three more ways to change it.
 */
import { describe, expect, test } from 'vitest';
import type { ChangesRequest, Connection, Connector, Json, Row } from '#connector';
import { Fold, follow, following } from './changes.ts';
import { readAll, rejected, sorted } from './records.ts';
import type { Table } from './suite.ts';

export interface ChangingTable extends Table {
  /** Gives a record another key, by a statement of the system. */
  rekey(from: Row, to: Row): Promise<void>;
  /** Empties it at once. */
  clear(): Promise<void>;
  /** Inserts the records of so many numbers in one transaction. */
  fill(from: number, to: number): Promise<void>;
}

export interface ChangingPlace {
  readonly config: unknown;
  create(): Promise<ChangingTable>;
}

const LARGE = 3_000;

export function changesSuite(connector: Connector, place: () => ChangingPlace): void {
  let consumers = 0;

  /** A table with so many records, a connection to write, and a way to begin reading its changes again and again. */
  async function withTable(records: number, snapshot = true) {
    const { config, create } = place();
    const table = await create();
    const open = async () => connector.open(connector.spec.parse(config), { endpoint: 'suite' });
    const connection = await open();
    const rows = Array.from({ length: records }, (_, i) => table.row(i));
    const write = async (mode: 'insert' | 'update' | 'upsert' | 'delete', given: readonly Row[], origin?: string) => {
      const request = { stream: table.stream, mode, keys: [], ...(origin === undefined ? {} : { origin }) };
      expect(rejected((await connection.write?.(request, given)) ?? [])).toEqual([]);
    };
    if (rows.length > 0) await write('insert', rows);
    const consumer = `Suite.of-${connector.name} ${process.pid}/${++consumers}`;
    const request = (state?: Json): ChangesRequest => ({
      streams: [table.stream],
      snapshot,
      pageRecordsMax: 7,
      consumer,
      origins: ['job.a: b', 'other'],
      ...(state === undefined ? {} : { state }),
    });
    const all = () => readAll(connection, { stream: table.stream, mode: 'full', pageRecordsMax: 100 });
    const begin = (state?: Json, by: Connection = connection) => following(by, request(state));
    const end = async (...readers: readonly AsyncIterator<unknown>[]) => {
      for (const reader of readers) await reader.return?.();
      await connection.forget?.(consumer);
      await connection.close();
    };
    return { table, connection, open, rows, write, request, all, begin, end };
  }

  describe(`changes of ${connector.name}`, () => {
    test('begins with what is there, and goes on with what changes', async () => {
      const { table, rows, write, all, begin, end } = await withTable(30);
      const reader = begin();
      const fold = new Fold(table.key);
      const first = await follow(reader, (changes) => changes.length >= rows.length);
      expect(first.pages[0]?.streams?.map(({ name }) => name)).toEqual([table.stream]);
      expect(first.changes.every(({ op, before }) => op === 'read' && before === null)).toBe(true);
      fold.apply(first.changes);
      expect(sorted(fold.rows())).toEqual(sorted(rows));
      await write('insert', [table.row(30), table.row(31)]);
      await write('update', [table.changed(table.row(3))]);
      await write('delete', [table.row(4), table.row(5)]);
      const second = await follow(reader, (changes) => changes.length >= 5);
      expect(second.changes.map(({ op }) => op)).toEqual(['insert', 'insert', 'update', 'delete', 'delete']);
      fold.apply(second.changes);
      expect(sorted(fold.rows())).toEqual(sorted(await all()));
      await end(reader);
    });

    test('gives exactly the values that reading gives, at the edges of every type', async () => {
      const { table, write, all, begin, end } = await withTable(0, false);
      const reader = begin();
      await follow(reader, () => true);
      await write('insert', table.exact);
      const { changes } = await follow(reader, (so) => so.length >= table.exact.length);
      expect(sorted(changes.map(({ after }) => after as Row))).toEqual(sorted(await all()));
      const snapshot = await withTable(0);
      await snapshot.write('insert', snapshot.table.exact);
      const other = snapshot.begin();
      const read = await follow(other, (so) => so.length >= table.exact.length);
      expect(sorted(read.changes.map(({ after }) => after as Row))).toEqual(sorted(await snapshot.all()));
      await snapshot.end(other);
      await end(reader);
    });

    test('says what a change was: its time, its transaction, the record before', async () => {
      const { table, rows, write, begin, end } = await withTable(3, false);
      const reader = begin();
      await follow(reader, () => true);
      await write('update', [table.changed(rows[1] as Row)]);
      await write('delete', rows.slice(0, 2));
      const { changes } = await follow(reader, (so) => so.length >= 3);
      const [update, first, second] = changes;
      expect(update?.at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
      expect(first?.position).toBe(second?.position);
      expect(String(update?.position) < String(first?.position)).toBe(true);
      for (const { before } of changes) {
        for (const name of table.key) expect(before).toHaveProperty([name]);
      }
      await end(reader);
    });

    test('tells of another key as the end of one record and the beginning of another', async () => {
      const { table, rows, begin, end } = await withTable(2, false);
      const reader = begin();
      await follow(reader, () => true);
      await table.rekey(rows[0] as Row, table.row(50));
      const { changes } = await follow(reader, (so) => so.length >= 2);
      const key = (row: Row | null) => table.key.map((name) => row?.[name]);
      expect(changes.map(({ op }) => op)).toEqual(['delete', 'insert']);
      expect(key(changes[0]?.before ?? null)).toEqual(key(rows[0] as Row));
      expect(key(changes[1]?.after ?? null)).toEqual(key(table.row(50)));
      await end(reader);
    });

    test('tells that all records went at once', async () => {
      const { table, write, begin, end } = await withTable(2, false);
      const reader = begin();
      await follow(reader, () => true);
      await table.clear();
      await write('insert', [table.row(7)]);
      const { changes } = await follow(reader, (so) => so.length >= 2);
      expect(changes.map(({ op }) => op)).toEqual(['truncate', 'insert']);
      await end(reader);
    });

    test('goes on where the last page ended, wherever that is, and gives nothing twice', async () => {
      const { table, open, rows, write, begin, end } = await withTable(40);
      const seen: string[] = [];
      let state: Json | undefined;
      let done = false;
      for (let round = 0; !done; round++) {
        // Each round is a reader that dies after two pages, the third being made.
        const connection = await open();
        const reader = begin(state, connection);
        for (let taken = 0; taken < 3 && !done; taken++) {
          const page = await follow(reader, () => true);
          seen.push(...page.changes.map(({ op, before, after }) => `${op} ${keyOf(table, after ?? before)}`));
          state = page.state;
          done = seen.filter((one) => one.startsWith('delete')).length >= rows.length;
        }
        void reader.next().catch(() => undefined);
        await connection.close();
        if (round === 1) {
          await write('update', rows.map(table.changed));
          await write('delete', rows);
        }
      }
      const expected = ['read', 'update', 'delete'].flatMap((op) => rows.map((row) => `${op} ${keyOf(table, row)}`));
      // The snapshot of a record that went meanwhile is left out.
      const missing = expected.filter((one) => !seen.includes(one));
      expect(missing.filter((one) => !one.startsWith('read'))).toEqual([]);
      expect(seen.filter((one, at) => !one.startsWith('read') && seen.indexOf(one) !== at)).toEqual([]);
      await end();
    });

    test('cuts a large transaction into pages, and goes on inside it', async () => {
      const { table, all, begin, end, rows } = await withTable(1, false);
      const reader = begin();
      await follow(reader, () => true);
      await table.fill(1, LARGE);
      const part = await follow(reader, (so) => so.length >= LARGE / 3);
      expect(Math.max(...part.pages.map(({ changes }) => changes.length))).toBeLessThanOrEqual(14);
      await reader.return?.();
      const again = begin(part.state);
      const rest = await follow(again, (so) => part.changes.length + so.length >= LARGE - 1);
      const given = [...part.changes, ...rest.changes];
      expect(new Set(given.map(({ position }) => position)).size).toBe(1);
      expect(given).toHaveLength(LARGE - 1);
      expect(sorted([...rows, ...given.map(({ after }) => after as Row)])).toEqual(sorted(await all()));
      await end(again);
    });

    test('tells the new fields before the first record that has them', async ({ skip }) => {
      const { table, write, begin, end } = await withTable(3);
      if (table.addColumn === undefined) return skip('it has no schema');
      const reader = begin();
      await follow(reader, (so) => so.length >= 3);
      await write('insert', [table.row(10)]);
      const column = await table.addColumn();
      await write('insert', [{ ...table.row(11), [column]: 'new' }]);
      const { changes, pages } = await follow(reader, (so) => so.length >= 2);
      expect(changes.map(({ after }) => after?.[column])).toEqual([undefined, 'new']);
      const told = pages.findIndex(({ streams }) => streams?.[0]?.fields.some(({ name }) => name === column));
      const first = pages.findIndex((page) => page.changes.some(({ after }) => after?.[column] === 'new'));
      expect(told).toBeGreaterThanOrEqual(0);
      expect(told).toBeLessThanOrEqual(first);
      await end(reader);
    });

    test('says who wrote a change, where the writer said so', async () => {
      const { table, write, begin, end } = await withTable(0, false);
      const reader = begin();
      await follow(reader, () => true);
      await write('insert', [table.row(0)], 'job.a: b');
      await write('insert', [table.row(1)]);
      await write('upsert', [table.row(2)], 'other');
      await write('upsert', [table.row(3)], 'job.a: b');
      const { changes } = await follow(reader, (so) => so.length >= 4);
      expect(changes.map(({ origin }) => origin)).toEqual(['job.a: b', undefined, 'other', 'job.a: b']);
      await end(reader);
    });

    test('gives an empty page when nothing happens', async () => {
      const { begin, end } = await withTable(0);
      const reader = begin();
      const { pages } = await follow(reader, (_, page) => page.streams === undefined);
      expect(pages.at(-1)?.changes).toEqual([]);
      await end(reader);
    });

    test('begins anew after it was forgotten, and forgets what is not there', async () => {
      const { connection, request, rows, begin, end } = await withTable(5);
      const reader = begin();
      await follow(reader, (so) => so.length >= rows.length);
      await reader.return?.();
      await connection.forget?.(request().consumer);
      await connection.forget?.(request().consumer);
      const again = begin();
      const { changes } = await follow(again, (so) => so.length >= rows.length);
      expect(changes.every(({ op }) => op === 'read')).toBe(true);
      await end(again);
    });

    test('refuses streams that are not there, and states that are none', async () => {
      const { request, connection, end } = await withTable(0);
      await expect(following(connection, { ...request(), streams: ['no.such'] }).next()).rejects.toMatchObject({
        code: 'ENDPOINT_STREAM_UNKNOWN',
      });
      for (const state of [{}, 'x', { lsn: "'; DROP" }, { gtids: "'" }]) {
        await expect(following(connection, request(state)).next()).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
      }
      await end();
    });
  });
}

function keyOf(table: Table, row: Row | null): string {
  return table.key.map((name) => String(row?.[name])).join(' ');
}
