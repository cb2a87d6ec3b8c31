/**
 * Connector `files`: files of a folder as streams, CSV, lines of JSON, JSON lists and XML by their extension, read in constant
 * memory whatever their size. CSV and lines of JSON are read on from where one was, and appended to.
 */
import { stat } from 'node:fs/promises';
import { z } from 'zod';
import { type Connection, defineConnector, SluiceError } from '#connector';
import { appendRecords } from './appending.ts';
import { coded } from './errors.ts';
import { discoverFiles, findFile } from './folder.ts';
import { readFile } from './reading.ts';

export default defineConnector({
  name: 'files',
  title: 'Files',
  description: 'CSV, NDJSON, JSON and XML files of a folder of the machine that Sluice runs on, each a stream.',
  types: ['file_system'],
  proof: 'server',
  can: ['full', 'incremental', 'append'],
  spec: z.strictObject({
    path: z.string().min(1).describe('The folder; files in folders below it belong to it too, links do not'),
    delimiter: z.string().length(1).default(',').describe('Between the columns of CSV files'),
    xml_record: z
      .string()
      .min(1)
      .optional()
      .describe('Name of the element that is a record in XML files; otherwise each child of the root is one'),
  }),
  open: async (config): Promise<Connection> => {
    const named = async <T>(work: () => Promise<T>): Promise<T> => {
      try {
        return await work();
      } catch (error) {
        throw coded(error);
      }
    };
    const check = () =>
      named(async () => {
        if ((await stat(config.path)).isDirectory()) return;
        throw new SluiceError('ENDPOINT_UNREACHABLE', `${config.path} is no folder`);
      });
    return {
      check,
      discover: () => named(() => discoverFiles(config)),
      read: async function* (request) {
        try {
          yield* readFile(await findFile(config, request.stream), config, request);
        } catch (error) {
          throw coded(error);
        }
      },
      write: (request, records) =>
        named(async () => appendRecords(await findFile(config, request.stream), config, records)),
      close: async () => undefined,
    };
  },
});
