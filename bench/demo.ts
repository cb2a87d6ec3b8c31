/**
 * The main job on real data (`npm run demo`): three million flights go through the log, through a SIGKILL in the middle,
 * and are checked against the file, byte for byte: each exactly once, in order within its key. A processor reckons the
 * delays of each airport and day along the way, and its numbers are checked too. Exit code 1 otherwise.
 */
import { connect } from '#client';
import { readAirports } from './kit/airports.ts';
import { compareDelays } from './kit/delays.ts';
import { Flights } from './kit/flights.ts';
import { drained, PROCESSORS } from './kit/processing.ts';
import { fixed, formatBytes, Meter, percentile, printResult, printTable, whole } from './kit/report.ts';
import { ServerProcess } from './kit/server-process.ts';

const TOPIC = 'flights';
const PROCESSOR = 'delays';
const PARTITIONS = 8;
const YIELD_EVERY = 1_000;

interface Sent {
  readonly seconds: number;
  readonly ackMs: readonly number[];
  readonly killedAt: number;
  readonly restartMs: number;
  readonly recoveryMs: number;
}

/** Streams every flight; when half of them are acknowledged the server is killed and started again. */
async function send(server: ServerProcess, flights: Flights): Promise<Sent> {
  const client = connect({ url: server.url });
  await client.connection.ready(10_000);
  const meter = new Meter('sending  ', flights.count);
  const ackMs: number[] = [];
  let stored = 0;
  let killedAt = 0;
  let killTime = 0;
  let recoveryMs = 0;
  let reconnected = false;
  let restarted: Promise<number> | undefined;
  const restart = async () => {
    killTime = performance.now();
    await server.kill();
    client.connection.use({
      connected: () => {
        reconnected = true;
      },
      disconnected: () => undefined,
    });
    process.stderr.write(`\nkilled the server with SIGKILL at ${whole(stored)} acknowledged flights\n`);
    return server.start();
  };
  const producer = client.producer({
    topic: TOPIC,
    lingerMs: 20,
    onStored: (records, ms) => {
      if (reconnected && recoveryMs === 0) recoveryMs = performance.now() - killTime;
      ackMs.push(ms);
      stored += records;
      meter.update(stored);
      if (restarted === undefined && stored >= flights.count / 2) {
        killedAt = stored;
        restarted = restart();
      }
    },
  });
  await producer.prepare();
  const startedAt = performance.now();
  for (let row = 0; row < flights.count; row++) {
    const room = producer.push(flights.key(row), flights.value(row), flights.timestamp(row));
    if (!room) await producer.ready();
    else if (row % YIELD_EVERY === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await producer.close();
  const seconds = (performance.now() - startedAt) / 1000;
  const restartMs = (await restarted) ?? 0;
  client.close();
  return { seconds, ackMs, killedAt, restartMs, recoveryMs };
}

interface Checked {
  readonly seconds: number;
  readonly lost: number;
  readonly doubled: number;
  readonly outOfOrder: number;
  readonly different: number;
  readonly members: readonly number[];
}

/** Reads everything from offset 0 as a group of two and holds each record against the file. */
async function check(server: ServerProcess, flights: Flights): Promise<Checked> {
  const seen = new Uint8Array(flights.count);
  const lastRow = new Int32Array(flights.airports.length).fill(-1);
  const meter = new Meter('checking ', flights.count);
  const members = [0, 0];
  let received = 0;
  let doubled = 0;
  let outOfOrder = 0;
  let different = 0;
  const startedAt = performance.now();
  const total = await storedRecords(server);
  const clients = members.map(() => connect({ url: server.url }));
  const consumers = clients.map((client) => client.consumer({ topic: TOPIC, group: 'demo', from: 'earliest' }));
  await Promise.all(
    consumers.map(async (consumer, member) => {
      for await (const record of consumer) {
        const value = record.value ?? new Uint8Array();
        const row = Flights.rowOf(value);
        members[member] = (members[member] as number) + 1;
        if (row < 0 || row >= flights.count) different++;
        else {
          if (seen[row] === 1) doubled++;
          seen[row] = 1;
          const same =
            Buffer.compare(value, flights.value(row)) === 0 &&
            Buffer.compare(record.key ?? value, flights.key(row)) === 0;
          if (!same || record.timestamp !== flights.timestamp(row)) different++;
          const origin = flights.origin(row);
          if (row <= (lastRow[origin] as number)) outOfOrder++;
          lastRow[origin] = row;
        }
        meter.update(++received);
        if (received === total) for (const other of consumers) void other.close();
      }
    }),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  for (const client of clients) client.close();
  const lost = seen.reduce((sum, one) => sum + (1 - one), 0);
  return { seconds, lost, doubled, outOfOrder, different, members };
}

async function storedRecords(server: ServerProcess): Promise<number> {
  const client = connect({ url: server.url });
  const partitions = await client.admin.partitions(TOPIC);
  client.close();
  return partitions.reduce((sum, { durable }) => sum + durable, 0);
}

/** Topics, the table of airports, and the processor that reads one and looks up in the other. */
async function setUp(server: ServerProcess, airports: ReadonlyMap<string, string>): Promise<void> {
  const client = connect({ url: server.url });
  await client.admin.createTopic(TOPIC, { partitions: PARTITIONS });
  await client.admin.createTopic('delays', { partitions: PARTITIONS });
  await client.admin.createTopic('airports', { cleanup: 'compact' });
  const producer = client.producer({ topic: 'airports' });
  await Promise.all(Array.from(airports, ([code, name]) => producer.send({ key: code, value: { name } })));
  await producer.close();
  await client.admin.put('processors', PROCESSOR, { module: 'delays.js' });
  client.close();
}

process.stderr.write('reading the file …\n');
const flights = await Flights.read();
const airports = readAirports();
const server = new ServerProcess(['--processors', PROCESSORS, '--workers', '1']);
await server.start();
await setUp(server, airports);
const startedAt = performance.now();
const sent = await send(server, flights);
const client = connect({ url: server.url });
await drained(client, PROCESSOR);
const processedSeconds = (performance.now() - startedAt) / 1000;
const delays = await compareDelays(client, flights, airports);
client.close();
const checked = await check(server, flights);
const diskBytes = server.diskBytes();
await server.stop();
const { lost, doubled, outOfOrder, different } = checked;
const failed = lost + doubled + outOfOrder + different + delays.different > 0;
const ackP50 = percentile(sent.ackMs, 0.5);
const ackP99 = percentile(sent.ackMs, 0.99);
printTable(`${whole(flights.count)} flights, ${PARTITIONS} partitions, fsync before every acknowledgement`, [
  ['in', `${whole(flights.count / sent.seconds)} events/s (the restart included)`],
  [
    'out, group of two',
    `${whole(flights.count / checked.seconds)} events/s (${checked.members.map(whole).join(' + ')})`,
  ],
  [
    'acknowledged after',
    `p50 ${fixed(ackP50, 0)} ms, p99 ${fixed(ackP99, 0)} ms (a batch, from sealed to stored, the restart included)`,
  ],
  ['killed (SIGKILL) at', `${whole(sent.killedAt)} acknowledged`],
  [
    'server ready again',
    `${fixed(sent.restartMs, 0)} ms after its start; next acknowledgement ${fixed(sent.recoveryMs, 0)} ms after the kill`,
  ],
  [
    'processor',
    `${whole(delays.airportDays)} airport-days, exactly once, ${fixed(processedSeconds, 1)} s after the first flight`,
  ],
  ['on disk', formatBytes(diskBytes)],
  ['lost', whole(lost)],
  ['doubled', whole(doubled)],
  ['out of order', whole(outOfOrder)],
  ['different bytes', whole(different)],
  ['wrong delays', whole(delays.different)],
]);
process.stdout.write(
  failed
    ? '\nFAILED\n'
    : '\nevery flight arrived exactly once, byte for byte, in order within its key; every delay is right to the last digit\n',
);
printResult({
  bench: 'demo',
  records: flights.count,
  records_per_s: Math.round(flights.count / sent.seconds),
  read_records_per_s: Math.round(flights.count / checked.seconds),
  p50_ms: ackP50,
  p99_ms: ackP99,
  recovery_ms: Math.round(sent.recoveryMs),
  disk_bytes: diskBytes,
  durability: 'fsync',
  lost,
  doubled,
  out_of_order: outOfOrder,
  airport_days: delays.airportDays,
  wrong_delays: delays.different,
});
process.exit(failed ? 1 : 0);
