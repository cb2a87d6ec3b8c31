/**
 * Connector `nats`: streams of JetStream, read from any place and appended to with acknowledgement. Streams that keep messages
 * are read by their number alone; work queues, which forget what is acknowledged, by a durable consumer that is acknowledged
 * when the next page is asked for.
 */
import { z } from 'zod';
import { type Connection, defineConnector, messageSettings, SluiceError } from '#connector';
import { append } from './appending.ts';
import { forgetConsumers, readChanges } from './consuming.ts';
import { coded } from './errors.ts';
import { readStream } from './reading.ts';
import { Session } from './session.ts';

export default defineConnector({
  name: 'nats',
  title: 'NATS JetStream',
  description:
    'Streams of NATS JetStream: read from any message on, followed as messages come, appended to with acknowledgement.',
  types: ['message_queue', 'streaming'],
  proof: 'server',
  can: ['full', 'incremental', 'changes', 'append'],
  spec: z.strictObject({
    servers: z
      .array(z.string().min(1))
      .min(1)
      .default(['localhost:4222'])
      .describe('Addresses of servers of one cluster, host:port'),
    user: z.string().optional().describe('Who connects'),
    password: z.string().optional().describe('Password of the user').meta({ secret: true }),
    token: z.string().optional().describe('Instead of a user').meta({ secret: true }),
    tls: z.enum(['off', 'unverified', 'verified']).default('off').describe('verified: the certificate must be trusted'),
    ...messageSettings,
  }),
  open: async (config, { endpoint }): Promise<Connection> => {
    const { format } = config;
    const session = new Session(config, endpoint);
    const named = async <T>(work: () => Promise<T>): Promise<T> => {
      try {
        return await work();
      } catch (error) {
        throw coded(error);
      }
    };
    await named(() => session.connect());
    return {
      check: () => named(() => session.check()),
      discover: () => named(() => session.streams(format)),
      read: async function* (request) {
        try {
          yield* readStream(session, format, request);
        } catch (error) {
          throw coded(error);
        }
      },
      changes: async function* (request) {
        try {
          yield* readChanges(session, format, request);
        } catch (error) {
          throw coded(error);
        }
      },
      forget: (consumer) => named(() => forgetConsumers(session, consumer)),
      write: (request, records) =>
        named(async () => {
          const info = await session.info(request.stream);
          if (request.mode !== 'append') throw new SluiceError('ENDPOINT_UNSUPPORTED', 'messages can only be appended');
          return append(session, info, format, records);
        }),
      close: () => session.close(),
    };
  },
});
