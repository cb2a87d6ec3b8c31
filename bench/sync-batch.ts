/**
 * How fast does a batch job move a table from PostgreSQL to MariaDB, and does its memory stay flat? The 3,000,000 flights of
 * vega-datasets with a key of their own, read by pages of the key, through the topic of the job, written by upserts; then both
 * tables are compared by count and sums. Beside it what COPY and LOAD DATA take by hand, over a file: the ceiling. Everything runs on
 * this machine, the databases included, all of them durable.
 */
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { BenchDatabase, call, put } from './kit/databases.ts';
import { Flights } from './kit/flights.ts';
import { options } from './kit/options.ts';
import { fixed, formatBytes, Meter, printResult, printTable, whole } from './kit/report.ts';
import { ServerProcess } from './kit/server-process.ts';

const COLUMNS = 'id, departed, delay, distance, origin, destination';
const TABLE = `(id int PRIMARY KEY, departed TIME_TYPE, delay int, distance int, origin varchar(8), destination varchar(8))`;
const SUMS = `SELECT count(*) AS n, sum(id) AS a, sum(delay) AS b, sum(distance) AS c, min(departed) AS d, max(departed) AS e,
  sum(ascii(origin)) AS f, sum(ascii(destination)) AS g FROM flights`;
const LOOK_MS = 250;

interface Status {
  readonly state: string;
  readonly reason: { readonly message: string } | null;
  readonly run: { readonly records: number } | null;
  readonly totals: { readonly written: number };
  readonly last_run: { readonly state: string; readonly rejected: number } | null;
}

export async function run(): Promise<void> {
  const { rows } = options({ rows: 3_000_000 });
  const [source, target] = await Promise.all([BenchDatabase.postgres(), BenchDatabase.mariadb()]);
  await Promise.all([source.start(), target.start()]);
  const count = await load(source, rows);
  const ceiling = await byHand(source, target, count);
  await target.sql(`DROP TABLE flights; CREATE TABLE flights ${TABLE.replace('TIME_TYPE', 'datetime')}`);
  const server = new ServerProcess();
  await server.start();
  await source.declare(server, 'source');
  await target.declare(server, 'target');
  await put(server, 'sync-jobs/flights', {
    source: { endpoint: 'source' },
    target: { endpoint: 'target' },
    streams: [{ from: 'public.flights' }],
    mode: 'full',
  });
  const startedAt = performance.now();
  await call(server, 'POST', '/v1/sync-jobs/flights/run');
  const memory = await follow(server, count);
  const seconds = (performance.now() - startedAt) / 1000;
  const cpu = server.cpuSeconds();
  const differences = await compare(source, target);
  await server.stop();
  const perSecond = count / seconds;
  printTable(`sync-batch: ${whole(count)} flights, PostgreSQL to MariaDB`, [
    ['by a job, end to end', `${whole(perSecond)} rows/s (${fixed(seconds, 1)} s)`],
    ['by hand, COPY then LOAD DATA', `${whole(count / ceiling)} rows/s (${fixed(ceiling, 1)} s)`],
    [
      'resident memory of the server, after a tenth and at most',
      `${formatBytes(memory.early)}, ${formatBytes(memory.most)}`,
    ],
    ['processor time of the server', `${fixed(cpu, 1)} s`],
    ['differences', String(differences)],
  ]);
  printResult({
    bench: 'sync-batch',
    rows: count,
    rows_per_s: Math.round(perSecond),
    by_hand_rows_per_s: Math.round(count / ceiling),
    memory_bytes_early: memory.early,
    memory_bytes_max: memory.most,
    cpu_s: cpu,
    differences,
  });
}

/** The flights as a file and, by COPY, as a table. */
async function load(source: BenchDatabase, rows: number): Promise<number> {
  const flights = await Flights.read();
  const count = Math.min(rows, flights.count);
  const file = join(source.folder, 'flights.csv');
  const out = createWriteStream(file, { mode: 0o644 });
  for (let row = 0; row < count; row++) {
    const { delay, distance, destination } = JSON.parse(flights.value(row).toString()) as Record<string, unknown>;
    const departed = new Date(flights.timestamp(row)).toISOString().slice(0, 19).replace('T', ' ');
    const line = `${row},${departed},${delay},${distance},${flights.airports[flights.origin(row)]},${destination}\n`;
    if (!out.write(line)) await new Promise<void>((resolve) => out.once('drain', () => resolve()));
  }
  await new Promise<void>((resolve) => out.end(() => resolve()));
  await source.sql(`CREATE TABLE flights ${TABLE.replace('TIME_TYPE', 'timestamp')}; COPY flights FROM '${file}' (FORMAT csv);
    ANALYZE flights; CHECKPOINT`);
  return count;
}

/** Seconds. */
async function byHand(source: BenchDatabase, target: BenchDatabase, count: number): Promise<number> {
  await target.sql(`CREATE TABLE flights ${TABLE.replace('TIME_TYPE', 'datetime')}`);
  const file = join(source.folder, 'copied.csv');
  const startedAt = performance.now();
  await source.sql(`COPY (SELECT ${COLUMNS} FROM flights ORDER BY id) TO '${file}' (FORMAT csv)`);
  await source.sql(`COPY (SELECT 1) TO PROGRAM 'chmod 644 ${file}'`);
  await target.sql(`LOAD DATA INFILE '${file}' INTO TABLE flights FIELDS TERMINATED BY ','`);
  const seconds = (performance.now() - startedAt) / 1000;
  const [found] = await target.sql('SELECT count(*) AS n FROM flights');
  if (Number(found?.['n']) !== count) throw new Error(`LOAD DATA brought ${String(found?.['n'])} rows of ${count}`);
  return seconds;
}

/** Until the run has ended. */
async function follow(server: ServerProcess, count: number): Promise<{ early: number; most: number }> {
  const meter = new Meter('rows written', count);
  let [early, most] = [0, 0];
  for (;;) {
    const status = await call<Status>(server, 'GET', '/v1/sync-jobs/flights/status');
    const { run, totals, last_run } = status;
    const bytes = await server.metric('process_resident_memory_bytes');
    if (early === 0 && totals.written >= count / 10) early = bytes;
    most = Math.max(most, bytes);
    meter.update(totals.written);
    if (run === null && last_run !== null && last_run.state !== 'running') {
      if (last_run.state !== 'done' || last_run.rejected > 0)
        throw new Error(`the run ended as ${JSON.stringify(last_run)}`);
      return { early, most };
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

async function compare(source: BenchDatabase, target: BenchDatabase): Promise<number> {
  const shown = (rows: Record<string, unknown>[]) => {
    return Object.entries(rows[0] ?? {}).map(([name, value]) => {
      const text =
        value instanceof Date
          ? new Date(value.getTime() - value.getTimezoneOffset() * 60_000).toISOString()
          : String(value);
      return `${name}=${text.replace('T', ' ').replace(/\.000Z$/, '')}`;
    });
  };
  const [mine, theirs] = [shown(await source.sql(SUMS)), shown(await target.sql(SUMS))];
  const differing = mine.filter((one, i) => one !== theirs[i]);
  if (differing.length > 0) process.stderr.write(`${mine.join(' ')}\n${theirs.join(' ')}\n`);
  return differing.length;
}
