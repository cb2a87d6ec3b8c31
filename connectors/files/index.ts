/** Connector `files`: files of a folder of this machine as streams. What it can do with them is what all connectors of files can. */
import { z } from 'zod';
import { defineConnector, fileConnection, fileSettings } from '#connector';
import { coded } from './errors.ts';
import { folderStore } from './folder.ts';

export default defineConnector({
  name: 'files',
  title: 'Files',
  description:
    'CSV, NDJSON, JSON, XML, Avro, Parquet and Protobuf files of a folder of the machine that Sluice runs on.',
  types: ['file_system'],
  proof: 'server',
  can: ['full', 'incremental', 'upsert', 'delete', 'append', 'lookup'],
  spec: z.strictObject({
    path: z.string().min(1).describe('The folder; files in folders below it belong to it too, links do not'),
    ...fileSettings,
  }),
  open: async (config) => fileConnection(folderStore(config.path), config, coded),
});
