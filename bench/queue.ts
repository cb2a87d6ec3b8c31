/**
 * Queues: how many records a second are handed out and acknowledged, each by a message of its own, of ten thousand
 * keys? How long does a record take from when it was due to be produced until a member has it, at half that rate? And
 * beside a consumer group of Redis Streams with the same promise (synced before it is answered), where that is here.
 */
import { randomBytes } from 'node:crypto';
import { connect } from '#client';
import { BatchBuilder, partitionForKey } from '#record';
import { decodeAnswers, maskedFrame, RawConnection, RECORD_BYTES } from './kit/load.ts';
import { options } from './kit/options.ts';
import { hasRedis, RedisConnection, RedisProcess, type Reply } from './kit/redis.ts';
import { fixed, percentile, printResult, printTable, spread, whole } from './kit/report.ts';
import { freePort, ServerProcess } from './kit/server-process.ts';

const TOPIC = 'bench';
const PARTITIONS = 8;
const FILL_BATCH_RECORDS = 500;
const TICK_MS = 1;
/** Entries a second that are ready for Redis. */
const REDIS_RATE_MAX = 200_000;

interface Settings {
  readonly seconds: number;
  readonly repeat: number;
  readonly keys: number;
  readonly members: number;
  readonly permits: number;
  readonly rate: number;
}

interface Handed {
  readonly partition: number;
  readonly offset: number;
  readonly key: Buffer;
  readonly value: Buffer;
}

export async function run(): Promise<void> {
  const settings = options({ seconds: 8, repeat: 3, keys: 10_000, members: 2, permits: 2_000, rate: 25_000 });
  const rates: number[] = [];
  for (let i = 0; i < settings.repeat; i++) rates.push(await throughput(settings));
  const rate = spread(rates);
  const { fromDue, fromStored } = await latency(settings);
  const redis = hasRedis() ? await redisThroughput(settings) : undefined;
  const { keys, members, permits } = settings;
  const title = `queue: ${whole(keys)} keys, ${members} members, ${whole(permits)} permits each, ${RECORD_BYTES}-byte records, acknowledged one by one after fsync`;
  printTable(title, [
    [
      'acknowledged',
      `${whole(rate.median)} records/s (${whole(rate.min)} to ${whole(rate.max)}, ${rates.length} runs)`,
    ],
    [`handed out at ${whole(settings.rate)}/s`, `${times(fromDue)} after it was due to be produced`],
    ['', `${times(fromStored)} after it was acknowledged to its producer`],
    [
      'Redis Streams',
      redis === undefined
        ? 'redis-server is not installed'
        : `${whole(redis)} records/s, ratio ${fixed(rate.median / redis)}`,
    ],
  ]);
  printResult({
    bench: 'queue',
    records_per_s: Math.round(rate.median),
    min: Math.round(rate.min),
    max: Math.round(rate.max),
    latency_rate: settings.rate,
    p50_ms: percentile(fromDue, 0.5),
    p99_ms: percentile(fromDue, 0.99),
    p999_ms: percentile(fromDue, 0.999),
    stored_p50_ms: percentile(fromStored, 0.5),
    stored_p99_ms: percentile(fromStored, 0.99),
    keys,
    record_bytes: RECORD_BYTES,
    durability: 'fsync',
    ratio_to_redis: redis === undefined ? null : rate.median / redis,
  });
}

function times(samples: readonly number[]): string {
  const at = (share: number) => fixed(percentile(samples, share));
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, p99.9 ${at(0.999)} ms`;
}

function keysOf(count: number): Buffer[] {
  return Array.from({ length: count }, (_, n) => Buffer.from(`key-${n}`));
}

async function startWithTopic(): Promise<ServerProcess> {
  const server = new ServerProcess();
  await server.start();
  const client = connect({ url: server.url });
  await client.admin.createTopic(TOPIC, { partitions: PARTITIONS });
  client.close();
  return server;
}

/** Stores enough records that members never wait for more. */
async function fill(url: string, keys: readonly Buffer[], records: number): Promise<void> {
  const client = connect({ url });
  await client.connection.ready(5_000);
  const value = randomBytes(RECORD_BYTES);
  const builders = Array.from({ length: PARTITIONS }, () => new BatchBuilder(FILL_BATCH_RECORDS * RECORD_BYTES * 2));
  const sent: Promise<unknown>[] = [];
  const now = Date.now();
  for (let n = 0; n < records; n++) {
    const key = keys[Math.floor(Math.random() * keys.length)] as Buffer;
    const partition = partitionForKey(key, PARTITIONS);
    const builder = builders[partition] as BatchBuilder;
    builder.add(key, value, [], now);
    if (builder.count < FILL_BATCH_RECORDS) continue;
    sent.push(client.connection.produceBatch(TOPIC, partition, builder.finish().slice()));
    builder.reset();
    if (sent.length % 64 === 0) await sent.at(-1);
  }
  await Promise.all(sent);
  client.close();
}

/** A member of the queue: `onRecords` with what it is handed; `ack` says each record in a message of its own. */
class Member {
  readonly #connection: RawConnection;
  #asked = 0;
  /** Records whose acknowledgement is known to be durable. */
  durable = 0;
  readonly #sent: number[] = [];
  onRecords: (handed: readonly Handed[]) => void = () => undefined;

  private constructor(connection: RawConnection) {
    this.#connection = connection;
    connection.onMessage = (payload) => {
      for (const answer of decodeAnswers(payload)) {
        if (answer.op === 'records') this.onRecords(answer['records'] as Handed[]);
        else if (answer.op === 'acked') this.durable += this.#sent[answer['id'] as number] as number;
        else if (answer.op === 'error') throw new Error(`the server refused: ${JSON.stringify(answer)}`);
      }
    };
  }

  static async open(url: string, permits: number): Promise<Member> {
    const member = new Member(await RawConnection.open(url));
    const subscribe = {
      op: 'subscribe',
      id: 1,
      topic: TOPIC,
      mode: 'queue',
      group: 'bench',
      from: 'earliest',
      permits,
    };
    member.#connection.socket.write(maskedFrame(subscribe));
    return member;
  }

  /** A message for each record; the last one asks to hear when all are durable. */
  ack(handed: readonly Handed[]): void {
    const messages: object[] = handed.map(({ partition, offset }) => ({ op: 'ack', sub: 1, partition, offset }));
    const id = this.#asked++;
    this.#sent.push(handed.length);
    messages[messages.length - 1] = { ...messages.at(-1), id };
    messages.push({ op: 'permit', sub: 1, records: handed.length });
    this.#connection.socket.write(maskedFrame(messages));
  }

  close(): void {
    this.#connection.close();
  }
}

async function throughput({ seconds, keys, members, permits, rate }: Settings): Promise<number> {
  const server = await startWithTopic();
  const warmUpMs = 1_000;
  const filled = Math.ceil(rate * 12 * (seconds + warmUpMs / 1000));
  await fill(server.url, keysOf(keys), filled);
  const open = await Promise.all(Array.from({ length: members }, () => Member.open(server.url, permits)));
  for (const member of open) member.onRecords = (handed) => member.ack(handed);
  const done = () => open.reduce((sum, { durable }) => sum + durable, 0);
  await new Promise((resolve) => setTimeout(resolve, warmUpMs));
  const before = done();
  const startedAt = performance.now();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const perSecond = (done() - before) / ((performance.now() - startedAt) / 1000);
  if (done() >= filled) throw new Error('the queue ran empty; fewer --seconds');
  for (const member of open) member.close();
  await server.stop();
  return perSecond;
}

interface Latencies {
  readonly fromDue: number[];
  /** From when the producer heard that the record is stored; what a member has before that counts as 0. */
  readonly fromStored: number[];
}

/** Open loop: records are due by the clock, and a late one counts from when it was due. */
async function latency({ seconds, keys, members, permits, rate }: Settings): Promise<Latencies> {
  const server = await startWithTopic();
  const names = keysOf(keys);
  const byPartition = Array.from({ length: PARTITIONS }, (_, partition) =>
    names.filter((key) => partitionForKey(key, PARTITIONS) === partition),
  );
  const open = await Promise.all(Array.from({ length: members }, () => Member.open(server.url, permits)));
  const producer = await RawConnection.open(server.url);
  const total = Math.floor(rate * seconds);
  const warmUp = Math.floor(total / 8);
  const fromDue: number[] = [];
  const receivedAt = new Float64Array(total);
  const storedAt = new Float64Array(total);
  /** By produce message, the first record of the next. */
  const ends: number[] = [];
  producer.onMessage = (payload) => {
    const now = performance.now();
    for (const { op, id } of decodeAnswers(payload)) {
      if (op !== 'produced') continue;
      const batch = id as number;
      storedAt.fill(now, ends[batch - 1] ?? 0, ends[batch]);
    }
  };
  let received = 0;
  let startedAt = 0;
  for (const member of open) {
    member.onRecords = (handed) => {
      const now = performance.now();
      for (const { value } of handed) {
        const index = value.readUInt32BE(0);
        received++;
        receivedAt[index] = now;
        if (index >= warmUp) fromDue.push(now - startedAt - (index * 1000) / rate);
      }
      member.ack(handed);
    };
  }
  const value = randomBytes(RECORD_BYTES);
  const builder = new BatchBuilder(64 * 1024);
  let produced = 0;
  startedAt = performance.now();
  await new Promise<void>((resolve) => {
    const tick = () => {
      const due = Math.min(total, Math.floor(((performance.now() - startedAt) * rate) / 1000));
      const partition = ends.length % PARTITIONS;
      const mine = byPartition[partition] as Buffer[];
      builder.reset();
      for (; produced < due; produced++) {
        value.writeUInt32BE(produced, 0);
        builder.add(mine[Math.floor(Math.random() * mine.length)] as Buffer, value, [], Date.now());
      }
      if (builder.count > 0) {
        const batch = builder.finish();
        producer.socket.write(maskedFrame({ op: 'produce', id: ends.length, topic: TOPIC, partition, batch }));
        ends.push(produced);
      }
      if (produced < total) setTimeout(tick, TICK_MS);
      else resolve();
    };
    tick();
  });
  while (received < total) await new Promise((resolve) => setTimeout(resolve, 10));
  producer.close();
  for (const member of open) member.close();
  await server.stop();
  const fromStored: number[] = [];
  for (let index = warmUp; index < total; index++) {
    fromStored.push(Math.max(0, (receivedAt[index] as number) - (storedAt[index] as number)));
  }
  return { fromDue, fromStored };
}

/** The same work for Redis: a stream, a group of as many consumers, XACK for each entry by itself. */
async function redisThroughput({ seconds, keys, members, permits }: Settings): Promise<number> {
  const redis = new RedisProcess(await freePort());
  const filler = await redis.connect();
  const names = keysOf(keys);
  const value = randomBytes(RECORD_BYTES);
  await filler.call('XGROUP', 'CREATE', TOPIC, 'bench', '0', 'MKSTREAM');
  const entries = REDIS_RATE_MAX * (seconds + 1);
  for (let n = 0; n < entries; ) {
    const commands = Array.from({ length: 1_000 }, () => {
      const key = names[n++ % names.length] as Buffer;
      return RedisConnection.command('XADD', TOPIC, '*', 'k', key, 'v', value);
    });
    await new Promise<void>((resolve) => {
      let left = commands.length;
      filler.send(Buffer.concat(commands), commands.length, () => {
        if (--left === 0) resolve();
      });
    });
  }
  const done = { count: 0, over: false };
  const connections = await Promise.all(Array.from({ length: members }, () => redis.connect()));
  const working = connections.map((connection, i) => redisMember(connection, `member-${i}`, permits, done));
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const before = done.count;
  const startedAt = performance.now();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const perSecond = (done.count - before) / ((performance.now() - startedAt) / 1000);
  done.over = true;
  await Promise.all(working);
  const drained = done.count >= entries;
  for (const connection of [filler, ...connections]) connection.close();
  await redis.stop();
  if (drained) throw new Error('the stream of Redis ran empty; fewer --seconds');
  return perSecond;
}

/** Reads as many as its permits allow, acknowledges each by a command of its own, and reads on. */
async function redisMember(
  connection: RedisConnection,
  name: string,
  permits: number,
  done: { count: number; over: boolean },
): Promise<void> {
  const read = RedisConnection.command(
    'XREADGROUP',
    'GROUP',
    'bench',
    name,
    'COUNT',
    String(Math.ceil(permits / 4)),
    'STREAMS',
    TOPIC,
    '>',
  );
  // Four reads on their way, so that it never waits for a round trip.
  const loop = async () => {
    while (!done.over) {
      const reply = await new Promise<Reply>((resolve) => connection.send(read, 1, resolve));
      const entries = ((reply as Reply[] | null)?.[0] as Reply[] | undefined)?.[1] as Reply[][] | undefined;
      if (entries === undefined) return;
      const commands = entries.map(([id]) => RedisConnection.command('XACK', TOPIC, 'bench', id as string));
      await new Promise<void>((resolve) => {
        let left = commands.length;
        connection.send(Buffer.concat(commands), commands.length, () => {
          done.count++;
          if (--left === 0) resolve();
        });
      });
    }
  };
  await Promise.all(Array.from({ length: 4 }, loop));
}
