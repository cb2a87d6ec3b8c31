/**
 * What a Node user would do instead of a processor: a Redis Streams consumer group that reads, maps, writes and
 * acknowledges, with `appendfsync always`. A pipeline of 500 each way, over a socket, so that no client library is the limit.
 */
import { hasRedis, RedisConnection, RedisProcess, type Reply } from './redis.ts';
import { freePort } from './server-process.ts';

const BATCH = 500;

type Entry = readonly [id: string, fields: readonly string[]];

/** Sends the commands in one write; resolves with the replies. */
function pipeline(connection: RedisConnection, commands: readonly Buffer[]): Promise<Reply[]> {
  return new Promise((resolve, reject) => {
    const replies: Reply[] = [];
    connection.send(Buffer.concat(commands), commands.length, (reply) => {
      if (typeof reply === 'string' && reply.startsWith('-')) reject(new Error(reply));
      if (replies.push(reply) === commands.length) resolve(replies);
    });
  });
}

/** Records a second from stream to stream; undefined where redis-server is not installed. */
export async function redisMap(records: number, value: (n: number) => string): Promise<number | undefined> {
  if (!hasRedis()) return undefined;
  const server = new RedisProcess(await freePort());
  const redis = await server.connect();
  const { command } = RedisConnection;
  await redis.call('XGROUP', 'CREATE', 'in', 'g', '0', 'MKSTREAM');
  for (let n = 0; n < records; n += BATCH) {
    await pipeline(
      redis,
      Array.from({ length: BATCH }, (_, i) => command('XADD', 'in', '*', 'v', value(n + i))),
    );
  }
  const startedAt = performance.now();
  for (let done = 0; done < records; ) {
    const read = await redis.call('XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', String(BATCH), 'STREAMS', 'in', '>');
    const [[, entries]] = read as unknown as [[string, Entry[]]];
    const adds = entries.map(([, fields]) => {
      const order = JSON.parse(fields[1] as string) as { amount: number };
      return command('XADD', 'out', '*', 'v', JSON.stringify({ ...order, amount: order.amount * 2 }));
    });
    await pipeline(redis, [...adds, command('XACK', 'in', 'g', ...entries.map(([id]) => id))]);
    done += entries.length;
  }
  const perSecond = records / ((performance.now() - startedAt) / 1000);
  redis.close();
  await server.stop();
  return perSecond;
}
