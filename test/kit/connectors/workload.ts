/**
 * Random tables and random work on them, for what moves data from PostgreSQL to MariaDB: inserts, updates of some columns,
 * changed keys, deletions, transactions that are rolled back, and statements that change many rows. Each column is read back
 * as one text on both sides, so that two tables can be compared value by value. Free of the test runner: benches use it too.
 */

interface ColumnKind {
  readonly postgres: string;
  readonly mariadb: string;
  /** A literal PostgreSQL takes. */
  value(random: () => number): string;
  /** The column as text, the same on both sides for the same value. */
  shownByPostgres(column: string): string;
  shownByMariadb(column: string): string;
}

const pick = <T>(random: () => number, all: readonly T[]): T => all[Math.floor(random() * all.length)] as T;
const whole = (random: () => number, end: number): number => Math.floor(random() * end);
const text = (value: string) => `'${value.replaceAll("'", "''")}'`;
const asIs = (column: string) => `${column}::text`;
const castText = (column: string) => `CAST(${column} AS CHAR)`;

const WORDS = ['', 'a', 'Ä', 'naïve', "o'clock", 'back\\slash', '🦥', 'x'.repeat(300), ' padded ', 'NULL', '日本'];

const KINDS: readonly ColumnKind[] = [
  {
    postgres: 'int',
    mariadb: 'int',
    value: (random) => String(whole(random, 2_000_000) - 1_000_000),
    shownByPostgres: asIs,
    shownByMariadb: castText,
  },
  {
    postgres: 'bigint',
    mariadb: 'bigint',
    value: (random) => pick(random, ['-9223372036854775808', '9223372036854775807', '0', '9007199254740993']),
    shownByPostgres: asIs,
    shownByMariadb: castText,
  },
  {
    postgres: 'numeric(30, 8)',
    mariadb: 'decimal(30, 8)',
    value: (random) => `${whole(random, 1e9)}.${String(whole(random, 1e8)).padStart(8, '0')}`,
    shownByPostgres: asIs,
    shownByMariadb: castText,
  },
  {
    postgres: 'text',
    mariadb: 'longtext',
    value: (random) => text(pick(random, WORDS)),
    shownByPostgres: asIs,
    shownByMariadb: castText,
  },
  {
    postgres: 'boolean',
    mariadb: 'tinyint(1)',
    value: (random) => String(random() < 0.5),
    shownByPostgres: (column) => `${column}::int::text`,
    shownByMariadb: castText,
  },
  {
    postgres: 'timestamptz',
    mariadb: 'datetime(6)',
    value: (random) => `'2026-01-01T00:00:00Z'::timestamptz + ${whole(random, 1e9)} * interval '1.000001 second'`,
    shownByPostgres: (column) => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')`,
    shownByMariadb: castText,
  },
  {
    postgres: 'date',
    mariadb: 'date',
    value: (random) => `'2000-02-29'::date + ${whole(random, 20_000)}`,
    shownByPostgres: asIs,
    shownByMariadb: castText,
  },
  {
    postgres: 'bytea',
    mariadb: 'longblob',
    value: (random) => `decode(md5('${whole(random, 1e6)}'), 'hex')`,
    shownByPostgres: (column) => `upper(encode(${column}, 'hex'))`,
    shownByMariadb: (column) => `HEX(${column})`,
  },
  {
    postgres: 'jsonb',
    mariadb: 'json',
    value: (random) => `'{"n": ${whole(random, 1000)}, "s": ["é", null, true]}'`,
    shownByPostgres: asIs,
    shownByMariadb: castText,
  },
  // Large enough to be kept apart, so that changes of other columns do not send it.
  {
    postgres: 'text',
    mariadb: 'longtext',
    value: (random) => `(SELECT string_agg(md5((${whole(random, 1e6)} + i)::text), '') FROM generate_series(1, 300) i)`,
    shownByPostgres: asIs,
    shownByMariadb: castText,
  },
];

export interface RandomTable {
  readonly name: string;
  readonly createInPostgres: string;
  readonly createInMariadb: string;
  /** One to several statements that belong together, as one text. */
  work(): string;
  /** Adds a column on each side. */
  grow(): { readonly postgres: string; readonly mariadb: string };
  /** All rows in the order of their keys, each value as text. */
  selectInPostgres(): string;
  selectInMariadb(): string;
}

/** @param keys rows there may be @param columns beside the key */
export function randomTable(name: string, random: () => number, keys: number, columns: number): RandomTable {
  const composite = random() < 0.5;
  const kinds = Array.from({ length: columns }, () => pick(random, KINDS));
  const all = () => kinds.map((kind, i) => ({ kind, column: `c${i}` }));
  const key = () => {
    const id = whole(random, keys);
    return composite ? { id: String(id >> 2), part: text(`p${id & 3}`) } : { id: String(id), part: undefined };
  };
  const where = ({ id, part }: ReturnType<typeof key>) =>
    part === undefined ? `id = ${id}` : `id = ${id} AND part = ${part}`;
  const value = (kind: ColumnKind) => (random() < 0.15 ? 'NULL' : kind.value(random));
  const insert = () => {
    const { id, part } = key();
    const values = [id, ...(part === undefined ? [] : [part]), ...all().map(({ kind }) => value(kind))];
    return `INSERT INTO ${name} VALUES (${values.join(', ')}) ON CONFLICT DO NOTHING`;
  };
  const update = () => {
    const { kind, column } = pick(random, all());
    return `UPDATE ${name} SET ${column} = ${value(kind)} WHERE ${where(key())}`;
  };
  const rekey = () => {
    const [from, to] = [key(), key()];
    const set = to.part === undefined ? `id = ${to.id}` : `id = ${to.id}, part = ${to.part}`;
    return `UPDATE ${name} SET ${set} WHERE ${where(from)} AND NOT EXISTS (SELECT FROM ${name} WHERE ${where(to)})`;
  };
  const many = () => {
    const { kind, column } = pick(random, all());
    return `UPDATE ${name} SET ${column} = ${value(kind)} WHERE id % 7 = ${whole(random, 7)}`;
  };
  const one = () => {
    const chance = random();
    if (chance < 0.4) return insert();
    if (chance < 0.75) return update();
    if (chance < 0.83) return rekey();
    if (chance < 0.85) return many();
    return `DELETE FROM ${name} WHERE ${where(key())}`;
  };
  const columnsOf = (side: 'postgres' | 'mariadb') =>
    [`id bigint`, ...(composite ? [`part varchar(20)`] : []), ...all().map((one) => `${one.column} ${one.kind[side]}`)]
      .concat(`PRIMARY KEY (${composite ? 'id, part' : 'id'})`)
      .join(', ');
  const order = composite ? 'ORDER BY id, part' : 'ORDER BY id';
  const shown = (side: 'shownByPostgres' | 'shownByMariadb', plain: (column: string) => string) =>
    [`${plain('id')} AS id`, ...(composite ? [`${plain('part')} AS part`] : [])]
      .concat(all().map(({ kind, column }) => `${kind[side](column)} AS ${column}`))
      .join(', ');
  return {
    name,
    createInPostgres: `CREATE TABLE ${name} (${columnsOf('postgres')})`,
    createInMariadb: `CREATE TABLE ${name} (${columnsOf('mariadb')}) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`,
    work: () => {
      if (random() < 0.85) return one();
      const statements = Array.from({ length: 2 + whole(random, 6) }, one).join('; ');
      return `BEGIN; ${statements}; ${random() < 0.2 ? 'ROLLBACK' : 'COMMIT'}`;
    },
    grow: () => {
      const kind = pick(random, KINDS);
      const column = `c${kinds.length}`;
      kinds.push(kind);
      const alter = (type: string) => `ALTER TABLE ${name} ADD COLUMN ${column} ${type}`;
      return { postgres: alter(kind.postgres), mariadb: alter(kind.mariadb) };
    },
    selectInPostgres: () =>
      `SELECT ${shown('shownByPostgres', asIs)} FROM ${name} ${order.replace('part', 'part COLLATE "C"')}`.replace(
        'ORDER BY id',
        `ORDER BY ${name}.id`,
      ),
    selectInMariadb: () =>
      `SELECT ${shown('shownByMariadb', castText)} FROM ${name} ${order}`.replace('ORDER BY id', `ORDER BY ${name}.id`),
  };
}
