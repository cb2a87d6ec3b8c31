/** Shapes of what is read, for the documentation. */
import { z } from 'zod';

const header = z.union([z.string(), z.object({ base64: z.string() }), z.null()]);

export const recordAnswer = z
  .object({
    offset: z.int(),
    timestamp: z.int().describe('Epoch milliseconds'),
    key: z.string().nullable().optional(),
    key_base64: z.string().optional().describe('In place of key where that is not UTF-8'),
    value: z.unknown().optional().describe('As stored; null is a tombstone'),
    value_base64: z.string().optional().describe('In place of value where that is not JSON'),
    headers: z.record(z.string(), header),
  })
  .meta({ id: 'Record' });

export const pageAnswer = z.object({
  records: z.array(recordAnswer),
  next: z.int().describe('Where the next page begins'),
  durable: z.int().describe('The end of what can be read'),
});

export const partitionsAnswer = z.array(
  z
    .object({
      partition: z.int(),
      start: z.int().describe('The first offset kept'),
      durable: z.int().describe('The end of what can be read'),
      bytes: z.int().describe('Of stored batches, about'),
    })
    .meta({ id: 'Partition' }),
);
