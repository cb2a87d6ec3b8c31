/**
 * Connector `mqtt`: topics that are subscribed to by a session that the broker keeps, and published to with acknowledgement.
 * What a page holds is acknowledged when the next one is asked for: a crash before that brings it again.
 */
import type { MqttClient } from 'mqtt';
import { z } from 'zod';
import { type Connection, defineConnector, messageSettings, messageStream, SluiceError } from '#connector';
import { forgetSession, readTopics } from './consuming.ts';
import { coded } from './errors.ts';
import { publish } from './publishing.ts';
import { begin, sessionId, Writer } from './session.ts';

const BESIDE = { _topic: 'string', _retained: 'boolean', _headers: 'json' } as const;

export default defineConnector({
  name: 'mqtt',
  title: 'MQTT',
  description:
    'Messages of topics as they come, in a session that the broker keeps, and messages published with acknowledgement.',
  types: ['message_queue', 'streaming'],
  proof: 'server',
  can: ['changes', 'append'],
  spec: z.strictObject({
    host: z.string().min(1).default('localhost').describe('Name or address'),
    port: z.int().min(1).max(65_535).default(1883).describe('TCP port'),
    user: z.string().optional().describe('Who connects'),
    password: z.string().optional().describe('Password of the user').meta({ secret: true }),
    tls: z.enum(['off', 'unverified', 'verified']).default('off').describe('verified: the certificate must be trusted'),
    topics: z
      .record(z.string().min(1), z.string().min(1).max(65_535))
      .describe('Streams: a name for each topic; with + and # in it, a message that is appended needs _topic'),
    session_days: z
      .int()
      .min(1)
      .max(365)
      .default(30)
      .describe('How long the broker keeps messages for a reader that is away'),
    ...messageSettings,
  }),
  open: async (config, { endpoint }): Promise<Connection> => {
    const { topics, format } = config;
    const named = async <T>(work: () => Promise<T>): Promise<T> => {
      try {
        return await work();
      } catch (error) {
        throw coded(error);
      }
    };
    const streams = Object.keys(topics).map((name) =>
      messageStream(name, format, BESIDE, { can: ['changes', 'append'] }),
    );
    const streamOf = (name: string) => {
      const found = streams.find((stream) => stream.name === name);
      if (found === undefined) throw new SluiceError('ENDPOINT_STREAM_UNKNOWN', `there is no stream ${name}`, { name });
      return { stream: found, filter: topics[name] as string };
    };
    const writer = new Writer(config, `sluice-${endpoint}`);
    await named(() => writer.client());
    const readers = new Set<MqttClient>();
    return {
      check: () =>
        named(async () => {
          const client = await begin(config, { clean: true, clientId: '' });
          await client.endAsync();
        }),
      discover: async () => streams,
      changes: async function* (request) {
        const wanted = request.streams.map(streamOf);
        try {
          yield* readTopics(config, wanted, request, sessionId(endpoint, request.consumer), readers);
        } catch (error) {
          throw coded(error);
        }
      },
      forget: (consumer) => named(() => forgetSession(config, sessionId(endpoint, consumer))),
      write: (request, records) =>
        named(async () => {
          const { stream, filter } = streamOf(request.stream);
          if (request.mode !== 'append') throw new SluiceError('ENDPOINT_UNSUPPORTED', 'messages can only be appended');
          return publish(await writer.client(), stream, filter, format, records);
        }),
      close: async () => {
        await Promise.all([...readers].map((client) => client.endAsync()));
        await writer.close();
      },
    };
  },
});
