/**
 * Connector `webdav`: files of a WebDAV server as streams. What it can do with them is what all connectors of files can, but that a
 * file is never appended to: a set of files is, by a new one for each batch.
 */
import { z } from 'zod';
import { defineConnector, fileConnection, fileSettings } from '#connector';
import { coded } from './errors.ts';
import { DavFolder } from './folder.ts';

export default defineConnector({
  name: 'webdav',
  title: 'WebDAV',
  description:
    'CSV, NDJSON, JSON, XML, Avro, Parquet and Protobuf files of a folder of a WebDAV server, and files as they are.',
  types: ['file_system'],
  proof: 'server',
  can: ['full', 'incremental', 'upsert', 'delete', 'append', 'lookup'],
  spec: z.strictObject({
    url: z.url({ protocol: /^https?$/ }).describe('Address of the folder; files in folders below it belong to it too'),
    user: z.string().optional().describe('Who logs in'),
    password: z.string().optional().describe('Password of the user').meta({ secret: true }),
    digest: z.boolean().default(false).describe('The password is proven by digest, not sent'),
    verify_tls: z.boolean().default(true).describe('The certificate must be trusted'),
    ...fileSettings,
  }),
  open: async (config) => fileConnection(new DavFolder(config), config, coded),
});
