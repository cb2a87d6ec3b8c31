/**
 * Connector `rabbitmq`: queues that are read until they are acknowledged, and queues and exchanges that are written to with
 * confirmation. What a page holds is acknowledged when the next one is asked for: a crash before that brings it again.
 */
import { z } from 'zod';
import { type Connection, defineConnector, messageSettings, messageStream, SluiceError } from '#connector';
import { readQueues } from './consuming.ts';
import { coded } from './errors.ts';
import { publish } from './publishing.ts';
import { Session } from './session.ts';

const BESIDE = { _id: 'string', _key: 'string', _headers: 'json' } as const;

export default defineConnector({
  name: 'rabbitmq',
  title: 'RabbitMQ',
  description:
    'Messages of queues as they come, and messages appended to queues and exchanges, confirmed by the broker.',
  types: ['message_queue'],
  proof: 'server',
  can: ['changes', 'append'],
  spec: z.strictObject({
    host: z.string().min(1).default('localhost').describe('Name or address'),
    port: z.int().min(1).max(65_535).default(5672).describe('TCP port'),
    user: z.string().default('guest').describe('Who connects'),
    password: z.string().optional().describe('Password of the user').meta({ secret: true }),
    vhost: z.string().min(1).default('/').describe('Virtual host'),
    tls: z.enum(['off', 'unverified', 'verified']).default('off').describe('verified: the certificate must be trusted'),
    queues: z
      .array(z.string().min(1).max(255))
      .default([])
      .describe('Queues, each a stream that is read and appended to'),
    exchanges: z
      .array(z.string().min(1).max(255))
      .default([])
      .describe('Exchanges, each a stream that is appended to; _key is the routing key'),
    declare: z.boolean().default(false).describe('Makes durable queues where there are none'),
    ...messageSettings,
  }),
  open: async (config, { endpoint }): Promise<Connection> => {
    const { queues, exchanges, format } = config;
    const twice = queues.find((name) => exchanges.includes(name));
    if (twice !== undefined) throw new SluiceError('ENDPOINT_INVALID', `${twice} is among queues and among exchanges`);
    const session = new Session(config, endpoint);
    const named = async <T>(work: () => Promise<T>): Promise<T> => {
      try {
        return await work();
      } catch (error) {
        throw coded(error);
      }
    };
    const streams = [
      ...queues.map((name) => messageStream(name, format, BESIDE, { can: ['changes', 'append'] })),
      ...exchanges.map((name) => messageStream(name, format, BESIDE, { can: ['append'] })),
    ];
    const streamOf = (name: string) => {
      const found = streams.find((stream) => stream.name === name);
      if (found === undefined) throw new SluiceError('ENDPOINT_STREAM_UNKNOWN', `there is no stream ${name}`, { name });
      return found;
    };
    await named(() => session.connect());
    return {
      check: () => named(() => session.check()),
      discover: async () => streams,
      changes: async function* (request) {
        const wanted = request.streams.map(streamOf);
        const odd = wanted.find(({ can }) => !can.includes('changes'));
        if (odd !== undefined)
          throw new SluiceError('ENDPOINT_UNSUPPORTED', `${odd.name} is an exchange: bind a queue`);
        try {
          yield* readQueues(session, wanted, format, request.pageRecordsMax);
        } catch (error) {
          throw coded(error);
        }
      },
      write: (request, records) =>
        named(async () => {
          const stream = streamOf(request.stream);
          if (request.mode !== 'append') throw new SluiceError('ENDPOINT_UNSUPPORTED', 'messages can only be appended');
          const exchange = queues.includes(stream.name) ? '' : stream.name;
          return publish(session, stream, exchange, format, records);
        }),
      close: () => session.close(),
    };
  },
});
