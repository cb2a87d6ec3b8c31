/**
 * Connector `sftp`: files of an SFTP server as streams. What it can do with them is what all connectors of files can. The server
 * proves by its key that it is the one that is meant.
 */
import { z } from 'zod';
import { defineConnector, fileConnection, fileSettings } from '#connector';
import { coded } from './errors.ts';
import { RemoteFolder } from './folder.ts';

export default defineConnector({
  name: 'sftp',
  title: 'SFTP',
  description:
    'CSV, NDJSON, JSON, XML, Avro, Parquet and Protobuf files of a folder of an SFTP server, and files as they are.',
  types: ['file_system'],
  proof: 'server',
  can: ['full', 'incremental', 'upsert', 'delete', 'append', 'lookup'],
  spec: z.strictObject({
    host: z.string().min(1).describe('Name or address'),
    port: z.int().min(1).max(65_535).default(22).describe('TCP port'),
    user: z.string().min(1).describe('Who logs in'),
    password: z.string().optional().describe('Password of the user').meta({ secret: true }),
    private_key: z.string().min(1).optional().describe('Private key of the user, in PEM').meta({ secret: true }),
    passphrase: z.string().optional().describe('Of the private key').meta({ secret: true }),
    host_key: z
      .string()
      .regex(/^(any|SHA256:[A-Za-z0-9+/]{43}=?)$/, 'must be SHA256:… or any')
      .describe('Fingerprint of the server, as ssh-keygen -l shows it; any: whoever answers is trusted'),
    path: z
      .string()
      .min(1)
      .default('.')
      .describe('The folder; files in folders below it belong to it too, links do not'),
    ...fileSettings,
  }),
  open: async (config) => {
    const folder = new RemoteFolder(config);
    const connection = fileConnection(folder, config, coded);
    await folder.connect().catch((error: unknown) => {
      throw coded(error);
    });
    return connection;
  },
});
