/**
 * A race for readers of changes: writers that insert, update, delete, give other keys, empty and alter a table at the same time,
 * while its snapshot is taken and afterwards; connections that are cut and readers that die, and go on from the last state that
 * was taken. Whenever the writers rest, what the changes tell has to be what the table holds. Used by tests of connectors.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { ChangePage, Connection, Connector, Json, Row } from '#connector';
import { seed, seededRandom } from '../seed.ts';
import { Fold } from './changes.ts';
import { readAll, sorted } from './records.ts';

export interface RaceSystem {
  readonly connector: Connector;
  readonly config: unknown;
  /** A session of its own for a writer. */
  open(): Promise<{ run(sql: string): Promise<unknown>; close(): Promise<void> }>;
  /** Breaks the connections of the connector. */
  cut(): Promise<void>;
  /** The table of this name, as the connector calls its stream. */
  stream(table: string): string;
  /** Makes a table with the columns `id`, `part`, `v`, `big` and the key (part, id). */
  create(table: string): Promise<void>;
  /** Statements that alter a table, with `{n}` for a number that was not used before; one is picked at random. */
  readonly alterations: readonly string[];
}

export interface RaceLength {
  readonly rows: number;
  readonly writers: number;
  /** Times that the writers rest. */
  readonly rounds: number;
  /** Transactions of each writer in each round. */
  readonly transactions: number;
}

const PARTS = ['a', 'B', 'ä'];
const QUIET_MS = 20_000;
const PAGE_RECORDS = 40;
const KEYS_FACTOR = 1.3;
let tables = 0;

export async function raceChanges(system: RaceSystem, length: RaceLength): Promise<void> {
  const random = seededRandom(seed() + ++tables);
  const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)] as T;
  const names = [`race_${tables}_first`, `race_${tables}_second`];
  const sessions = await Promise.all(Array.from({ length: length.writers }, () => system.open()));
  const admin = sessions[0] as (typeof sessions)[0];
  for (const table of names) {
    await system.create(table);
    const values = Array.from({ length: length.rows }, (_, i) => `(${i}, '${pick(PARTS)}', ${i}, '${text(random)}')`);
    await admin.run(`INSERT INTO ${table} (id, part, v, big) VALUES ${values.join(', ')}`);
  }
  let altered = 0;
  const statement = (): string => {
    const table = pick(names);
    const id = () => Math.floor(random() * length.rows * KEYS_FACTOR);
    const row = `id = ${id()} AND part = '${pick(PARTS)}'`;
    const luck = random();
    if (luck < 0.3) {
      return `INSERT INTO ${table} (id, part, v, big) VALUES (${id()}, '${pick(PARTS)}', ${id()}, '${text(random)}')`;
    }
    if (luck < 0.55) return `UPDATE ${table} SET v = ${id()} WHERE ${row}`;
    if (luck < 0.6) return `UPDATE ${table} SET big = '${text(random)}' WHERE ${row}`;
    if (luck < 0.7) return `UPDATE ${table} SET id = ${id()} WHERE ${row}`;
    if (luck < 0.75) return `UPDATE ${table} SET v = v + 1 WHERE id BETWEEN ${id()} AND ${id()}`;
    if (luck < 0.98) return `DELETE FROM ${table} WHERE ${row}`;
    if (luck < 0.984) return `TRUNCATE TABLE ${table}`;
    if (luck < 0.99 && altered < system.alterations.length) {
      return (system.alterations[altered++] as string).replaceAll('{t}', table).replaceAll('{n}', String(altered));
    }
    return `DELETE FROM ${table} WHERE id < ${id() / 10}`;
  };
  const reader = new RaceReader(system, names.slice(0, 1), random);
  try {
    for (let round = 0; round < length.rounds; round++) {
      if (round === 1) reader.follow(names);
      const writing = Promise.all(
        sessions.map(async ({ run }) => {
          for (let i = 0; i < length.transactions; i++) await transact(run, random, statement);
        }),
      );
      let over = false;
      void writing.finally(() => {
        over = true;
      });
      const troubles = (async () => {
        while (!over) {
          await sleep(50 + random() * 400);
          if (random() < 0.5) await system.cut();
          else reader.die();
        }
      })();
      while (!over) await reader.step();
      await writing;
      await troubles;
      await compare(system, reader, round === 0 ? names.slice(0, 1) : names);
    }
  } finally {
    await reader.close();
    await Promise.all(sessions.map((session) => session.close()));
  }
}

/** One transaction of a writer, which may go wrong: two of them wait for each other, a key is taken. */
async function transact(run: (sql: string) => Promise<unknown>, random: () => number, statement: () => string) {
  const count = 1 + Math.floor(random() * 6);
  await run('BEGIN');
  try {
    for (let i = 0; i < count; i++) await run(statement());
    await run(random() < 0.9 ? 'COMMIT' : 'ROLLBACK');
  } catch {
    await run('ROLLBACK');
  }
}

async function compare(system: RaceSystem, reader: RaceReader, names: readonly string[]): Promise<void> {
  const { connector, config } = system;
  const connection = await connector.open(connector.spec.parse(config), { endpoint: 'judge' });
  try {
    for (const table of names) {
      const stream = system.stream(table);
      const fields = (await connection.discover()).find(({ name }) => name === stream)?.fields ?? [];
      const there = await readAll(connection, { stream, mode: 'full', pageRecordsMax: 1_000 });
      const shown = () => {
        const rows = reader.rows(stream);
        return sorted(rows.map((row) => Object.fromEntries(fields.map(({ name }) => [name, row[name] ?? null]))));
      };
      const expected = sorted(there);
      const deadline = performance.now() + QUIET_MS;
      while (JSON.stringify(shown(), flat) !== JSON.stringify(expected, flat) && performance.now() < deadline) {
        await reader.step();
      }
      expect(differences(shown(), expected)).toEqual([]);
    }
  } finally {
    await connection.close();
  }
}

/** Rows that are on one side only. */
function differences(shown: readonly Row[], expected: readonly Row[]): string[] {
  const texts = (rows: readonly Row[]) => new Set(rows.map((row) => JSON.stringify(row, flat).slice(0, 200)));
  const [left, right] = [texts(shown), texts(expected)];
  return [
    ...[...left].filter((one) => !right.has(one)).map((one) => `only told: ${one}`),
    ...[...right].filter((one) => !left.has(one)).map((one) => `only there: ${one}`),
  ];
}

function flat(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}

/** Long enough to be stored aside, and not to be sent again when it does not change. */
function text(random: () => number): string {
  const length = random() < 0.3 ? 1_500 : 5;
  return Array.from({ length }, () => Math.floor(random() * 36).toString(36)).join('');
}

/** Takes pages; what it has taken is a fold and a state that belong together, as a target would commit them. */
class RaceReader {
  readonly #system: RaceSystem;
  readonly #random: () => number;
  readonly #folds = new Map<string, Fold>();
  #streams: readonly string[];
  #state: Json | undefined;
  #connection: Connection | undefined;
  #pages: AsyncIterator<ChangePage> | undefined;
  #dies = false;

  constructor(system: RaceSystem, tables: readonly string[], random: () => number) {
    this.#system = system;
    this.#random = random;
    this.#streams = tables.map((table) => system.stream(table));
  }

  rows(stream: string): Row[] {
    return this.#folds.get(stream)?.rows() ?? [];
  }

  /** Other streams, from the next time it is opened. */
  follow(tables: readonly string[]): void {
    this.#streams = tables.map((table) => this.#system.stream(table));
    this.#dies = true;
  }

  /** With the next page, which is lost or was taken. */
  die(): void {
    this.#dies = true;
  }

  async step(): Promise<void> {
    try {
      const pages = this.#pages ?? (await this.#open());
      const { value, done } = await pages.next();
      if (done === true) throw new Error('reading changes has ended');
      if (this.#dies && this.#random() < 0.5) return await this.close();
      this.#take(value);
      if (this.#dies) await this.close();
    } catch (error) {
      await this.close();
      // What a cut connection is called; everything else is a failure of the test.
      const { code } = error as { code?: string };
      if (code !== 'ENDPOINT_UNREACHABLE' && code !== 'ENDPOINT_RATE_LIMITED') throw error;
    }
  }

  async close(): Promise<void> {
    this.#dies = false;
    this.#pages = undefined;
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.close().catch(() => undefined);
  }

  async #open(): Promise<AsyncIterator<ChangePage>> {
    const { connector, config } = this.#system;
    this.#connection = await connector.open(connector.spec.parse(config), { endpoint: 'race' });
    const request = {
      streams: this.#streams,
      snapshot: true,
      pageRecordsMax: PAGE_RECORDS,
      consumer: `race ${tables}`,
      ...(this.#state === undefined ? {} : { state: this.#state }),
    };
    const pages = this.#connection.changes?.(request)[Symbol.asyncIterator]();
    if (pages === undefined) throw new Error('it cannot read changes');
    this.#pages = pages;
    return pages;
  }

  #take({ changes, state }: ChangePage): void {
    for (const change of changes) {
      const fold = this.#folds.get(change.stream) ?? new Fold(['part', 'id']);
      this.#folds.set(change.stream, fold);
      fold.apply([change]);
    }
    this.#state = JSON.parse(JSON.stringify(state)) as Json;
  }
}
