/**
 * Connector `kafka`: topics that are read from any offset on, followed as records come, and appended to with the acknowledgement
 * of all replicas. Where a reader is, its state says: groups are made for one reading, and nothing is asked of their offsets.
 */
import { z } from 'zod';
import { type Connection, defineConnector, messageSettings, SluiceError } from '#connector';
import { Cluster } from './cluster.ts';
import { readChanges } from './consuming.ts';
import { coded } from './errors.ts';
import { append } from './producing.ts';
import { readTopic } from './reading.ts';

export default defineConnector({
  name: 'kafka',
  title: 'Apache Kafka',
  description:
    'Topics of Kafka: read from any offset on, followed as records come, appended to with full acknowledgement.',
  types: ['message_queue', 'streaming'],
  proof: 'emulator',
  can: ['full', 'incremental', 'changes', 'append'],
  spec: z.strictObject({
    brokers: z.array(z.string().min(1)).min(1).describe('Some brokers of the cluster, host:port'),
    tls: z.enum(['off', 'unverified', 'verified']).default('off').describe('verified: the certificate must be trusted'),
    sasl: z
      .enum(['off', 'plain', 'scram-sha-256', 'scram-sha-512'])
      .default('off')
      .describe('How user and password are proven'),
    user: z.string().optional().describe('Who connects'),
    password: z.string().optional().describe('Password of the user').meta({ secret: true }),
    ...messageSettings,
  }),
  open: async (config, { endpoint }): Promise<Connection> => {
    const { format, sasl, user, password } = config;
    if (sasl !== 'off' && (user === undefined || password === undefined)) {
      throw new SluiceError('ENDPOINT_INVALID', 'config.sasl: user and password are needed', { field: 'config.sasl' });
    }
    const cluster = new Cluster(config, endpoint);
    const named = async <T>(work: () => Promise<T>): Promise<T> => {
      try {
        return await work();
      } catch (error) {
        throw coded(error);
      }
    };
    await named(() => cluster.check()).catch(async (error: unknown) => {
      await cluster.close();
      throw error;
    });
    return {
      check: () => named(() => cluster.check()),
      discover: () => named(() => cluster.streams(format)),
      read: async function* (request) {
        try {
          yield* readTopic(cluster, format, request);
        } catch (error) {
          throw coded(error);
        }
      },
      changes: async function* (request) {
        try {
          yield* readChanges(cluster, format, request);
        } catch (error) {
          throw coded(error);
        }
      },
      write: (request, records) =>
        named(async () => {
          const stream = await cluster.stream(request.stream, format);
          if (request.mode !== 'append') throw new SluiceError('ENDPOINT_UNSUPPORTED', 'records can only be appended');
          return append(cluster, stream, format, records);
        }),
      close: () => cluster.close(),
    };
  },
});
