/**
 * Connector `smtp`: mails as records that are appended. What the server refuses for good is rejected, what it refuses for now can
 * be tried again; a mail has the id it is given, so that who receives it twice can tell.
 */
import { createTransport } from 'nodemailer';
import { z } from 'zod';
import { type Connection, defineConnector, SluiceError, type Stream } from '#connector';
import { coded } from './errors.ts';
import { send } from './sending.ts';

const CONNECT_MS = 10_000;
const IDLE_MS = 20_000;
const STREAM = 'mails';

const text = (name: string) => ({ name, type: 'string', nullable: true }) as const;
const stream: Stream = {
  name: STREAM,
  fields: [
    ...['from', 'to', 'cc', 'bcc', 'reply_to', 'subject', 'text', 'html', '_id'].map(text),
    { name: 'headers', type: 'json', nullable: true },
    { name: 'attachments', type: 'json', nullable: true },
  ],
  primaryKey: [],
  cursors: [],
  can: ['append'],
};

export default defineConnector({
  name: 'smtp',
  title: 'SMTP',
  description:
    'Mails sent by an SMTP server: each record of the stream mails is one, accepted by the server when it is answered.',
  types: ['message_queue'],
  proof: 'emulator',
  can: ['append'],
  spec: z.strictObject({
    host: z.string().min(1).describe('Name or address'),
    port: z.int().min(1).max(65_535).default(587).describe('TCP port'),
    tls: z
      .enum(['off', 'starttls', 'implicit'])
      .default('starttls')
      .describe('starttls: an unencrypted connection becomes an encrypted one, or ends'),
    verify_tls: z.boolean().default(true).describe('The certificate must be trusted'),
    user: z.string().optional().describe('Who logs in'),
    password: z.string().optional().describe('Password of the user').meta({ secret: true }),
    from: z.string().optional().describe('Sender of mails that name none'),
  }),
  open: async (config, { endpoint }): Promise<Connection> => {
    const { host, port, tls, verify_tls, user, password = '', from } = config;
    const transport = createTransport({
      pool: true,
      maxConnections: 2,
      host,
      port,
      name: endpoint,
      secure: tls === 'implicit',
      ignoreTLS: tls === 'off',
      requireTLS: tls === 'starttls',
      tls: { rejectUnauthorized: verify_tls },
      ...(user === undefined ? {} : { auth: { user, pass: password } }),
      connectionTimeout: CONNECT_MS,
      greetingTimeout: CONNECT_MS,
      socketTimeout: IDLE_MS,
      // Records name no files and addresses of this machine.
      disableFileAccess: true,
      disableUrlAccess: true,
    });
    const check = async () => {
      try {
        await transport.verify();
      } catch (error) {
        throw coded(error);
      }
    };
    await check().catch((error: unknown) => {
      transport.close();
      throw error;
    });
    return {
      check,
      discover: async () => [stream],
      write: async (request, records) => {
        if (request.stream !== STREAM) {
          throw new SluiceError('ENDPOINT_STREAM_UNKNOWN', `there is no stream ${request.stream}`, {
            name: request.stream,
          });
        }
        if (request.mode !== 'append') throw new SluiceError('ENDPOINT_UNSUPPORTED', 'mails can only be appended');
        return send(transport, records, from);
      },
      close: async () => transport.close(),
    };
  },
});
