/** Connector `ftp`: files of an FTP or FTPS server as streams. What it can do with them is what all connectors of files can. */
import { z } from 'zod';
import { defineConnector, fileConnection, fileSettings } from '#connector';
import { coded } from './errors.ts';
import { FtpFolder } from './folder.ts';

export default defineConnector({
  name: 'ftp',
  title: 'FTP and FTPS',
  description:
    'CSV, NDJSON, JSON, XML, Avro, Parquet and Protobuf files of a folder of an FTP server, and files as they are.',
  types: ['file_system'],
  proof: 'server',
  can: ['full', 'incremental', 'upsert', 'delete', 'append', 'lookup'],
  spec: z.strictObject({
    host: z.string().min(1).describe('Name or address'),
    port: z.int().min(1).max(65_535).default(21).describe('TCP port of the control connection'),
    user: z.string().default('anonymous').describe('Who logs in'),
    password: z.string().default('guest').describe('Password of the user').meta({ secret: true }),
    tls: z
      .enum(['off', 'explicit', 'implicit'])
      .default('off')
      .describe('explicit: the connection becomes encrypted, or ends'),
    verify_tls: z.boolean().default(true).describe('The certificate must be trusted'),
    path: z
      .string()
      .regex(/^\//, 'must begin with /')
      .default('/')
      .describe('The folder; files in folders below it belong to it too'),
    ...fileSettings,
  }),
  open: async (config) => {
    const folder = new FtpFolder(config);
    const connection = fileConnection(folder, config, coded);
    await folder.check().catch(async (error: unknown) => {
      await folder.close();
      throw coded(error);
    });
    return connection;
  },
});
