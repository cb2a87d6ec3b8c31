/**
 * Connector `s3`: objects of a bucket as streams, of S3 and what speaks like it. What it can do with them is what all connectors
 * of files can, but that an object is never appended to: a set of objects is, by a new one for each batch.
 */
import { z } from 'zod';
import { defineConnector, fileConnection, fileSettings, HttpCalls } from '#connector';
import { Bucket } from './bucket.ts';

export default defineConnector({
  name: 's3',
  title: 'Amazon S3 and compatibles',
  description: 'CSV, NDJSON, JSON, XML, Avro, Parquet and Protobuf objects of a bucket, and objects as they are.',
  types: ['file_system'],
  proof: 'emulator',
  can: ['full', 'incremental', 'upsert', 'delete', 'append', 'lookup'],
  spec: z.strictObject({
    bucket: z.string().min(3).max(63).describe('Name of the bucket'),
    region: z.string().min(1).default('us-east-1').describe('Region, as signatures name it'),
    endpoint: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe('Address of a compatible service; otherwise that of Amazon in the region'),
    path_style: z
      .boolean()
      .optional()
      .describe('The bucket is in the path, not in the name of the host; so by default where an endpoint is given'),
    access_key_id: z.string().min(1).describe('Access key'),
    secret_access_key: z.string().min(1).describe('Its secret').meta({ secret: true }),
    session_token: z.string().min(1).optional().describe('Of temporary keys').meta({ secret: true }),
    prefix: z
      .string()
      .regex(/^(?:[^/]+\/)*$/, 'must end with / and not begin with it')
      .default('')
      .describe('Only objects below it are seen, by the rest of their keys'),
    ...fileSettings,
  }),
  open: async (config) => {
    const calls = await HttpCalls.open();
    return fileConnection(new Bucket(config, calls), config, (error) => error);
  },
});
