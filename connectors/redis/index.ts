/**
 * Connector `redis`: hashes whose keys share a prefix, each a record, and Redis Streams, which are read from where one was.
 * Values are text; what is no UTF-8 comes as bytes.
 */
import { Redis } from 'ioredis';
import { z } from 'zod';
import { type Connection, defineConnector, SluiceError } from '#connector';
import { appendEntries, discoverEntries, readEntries } from './entries.ts';
import { coded } from './errors.ts';
import { discoverHashes, lookUpHashes, readHashes, writeHashes } from './hashes.ts';

const CONNECT_MS = 10_000;
const RETRY_MS = 100;
const RETRY_MS_MAX = 2_000;

const names = z.record(z.string().min(1), z.string().min(1)).default({});

export default defineConnector({
  name: 'redis',
  title: 'Redis',
  description: 'Hashes by the prefix of their keys, with upsert and delete, and Redis Streams, read on from any entry.',
  types: ['database', 'streaming'],
  proof: 'server',
  can: ['full', 'incremental', 'lookup', 'upsert', 'delete', 'append'],
  spec: z.strictObject({
    host: z.string().min(1).default('localhost').describe('Name or address'),
    port: z.int().min(1).max(65_535).default(6379).describe('TCP port'),
    database: z.int().min(0).default(0).describe('Number of the database'),
    user: z.string().default('default').describe('Who connects'),
    password: z.string().optional().describe('Password of the user').meta({ secret: true }),
    tls: z.enum(['off', 'unverified', 'verified']).default('off').describe('verified: the certificate must be trusted'),
    hashes: names.describe('Streams of hashes: a name for each prefix of keys'),
    streams: names.describe('Redis Streams: a name for each key'),
  }),
  open: async (config): Promise<Connection> => {
    const { hashes, streams, tls, user, password, database, host, port } = config;
    const twice = Object.keys(hashes).find((name) => Object.hasOwn(streams, name));
    if (twice !== undefined) throw new SluiceError('ENDPOINT_INVALID', `${twice} is among hashes and among streams`);
    let opened = false;
    let problem: unknown;
    const redis = new Redis({
      host,
      port,
      db: database,
      ...(password === undefined ? {} : { username: user, password }),
      ...(tls === 'off' ? {} : { tls: { rejectUnauthorized: tls === 'verified' } }),
      lazyConnect: true,
      connectTimeout: CONNECT_MS,
      maxRetriesPerRequest: 1,
      retryStrategy: (times) => (opened ? Math.min(times * RETRY_MS, RETRY_MS_MAX) : null),
    });
    redis.on('error', (error) => {
      problem = error;
    });
    const named = async <T>(work: () => Promise<T>): Promise<T> => {
      try {
        return await work();
      } catch (error) {
        throw coded(error, problem);
      }
    };
    await named(async () => {
      await redis.connect();
      await redis.ping();
      opened = true;
    }).catch((error: unknown) => {
      redis.disconnect();
      throw error;
    });
    const placeOf = (stream: string): { hash: string | undefined; key: string | undefined } => {
      const hash = Object.hasOwn(hashes, stream) ? hashes[stream] : undefined;
      const key = Object.hasOwn(streams, stream) ? streams[stream] : undefined;
      if (hash === undefined && key === undefined) {
        throw new SluiceError('ENDPOINT_STREAM_UNKNOWN', `there is no stream ${stream}`, { name: stream });
      }
      return { hash, key };
    };
    return {
      check: async () => {
        await named(() => redis.ping());
      },
      discover: () =>
        named(async () => [
          ...(await Promise.all(Object.entries(hashes).map(([name, prefix]) => discoverHashes(redis, name, prefix)))),
          ...(await Promise.all(Object.entries(streams).map(([name, key]) => discoverEntries(redis, name, key)))),
        ]),
      read: async function* (request) {
        const { hash, key } = placeOf(request.stream);
        const pages =
          hash === undefined ? readEntries(redis, key as string, request) : readHashes(redis, hash, request);
        try {
          yield* pages;
        } catch (error) {
          throw coded(error, problem);
        }
      },
      lookup: (stream, fields, keys) =>
        named(async () => {
          const { hash } = placeOf(stream);
          if (hash !== undefined) return lookUpHashes(redis, hash, fields, keys);
          throw new SluiceError('ENDPOINT_UNSUPPORTED', `entries of ${stream} cannot be looked up`);
        }),
      write: (request, records) =>
        named(async () => {
          const { hash, key } = placeOf(request.stream);
          if (hash === undefined) return appendEntries(redis, key as string, records);
          return writeHashes(redis, hash, request.mode, records);
        }),
      close: async () => {
        redis.disconnect();
      },
    };
  },
});
