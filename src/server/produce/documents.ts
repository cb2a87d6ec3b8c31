/** Shapes of what is produced and answered, for the documentation; the reading itself is by hand, see record-shape.ts. */
import { z } from 'zod';

const bytesText = z.string().describe('Bytes in base64');

export const recordShape = z
  .object({
    key: z.string().nullable().optional().describe('Decides the partition'),
    key_base64: bytesText.optional().describe('In place of key'),
    value: z.unknown().optional().describe('Any JSON, stored as sent; absent or null is a tombstone'),
    value_base64: bytesText.optional().describe('In place of value'),
    headers: z.record(z.string(), z.union([z.string(), z.object({ base64: z.string() }), z.null()])).optional(),
    timestamp: z.int().min(0).optional().describe('Epoch milliseconds; default the time of arrival'),
    partition: z.int().min(0).optional().describe('In place of the one the key decides'),
  })
  .meta({ id: 'ProducedRecord' });

export const produceBody = z.object({ records: z.array(recordShape).min(1) });

export const cloudEvent = z
  .looseObject({
    specversion: z.literal('1.0'),
    id: z.string().min(1),
    source: z.string().min(1),
    type: z.string().min(1),
    datacontenttype: z.string().optional(),
    partitionkey: z.string().optional().describe('Becomes the key of the record'),
    data: z.unknown().optional(),
    data_base64: bytesText.optional(),
  })
  .meta({ id: 'CloudEvent' });

const placed = z.object({ partition: z.int(), offset: z.int() });

export const offsetsAnswer = z.object({
  offsets: z.array(placed).describe('One entry a record, in order'),
});

const rejected = z.object({
  error: z.object({
    code: z.literal('SCHEMA_MISMATCH'),
    field: z.enum(['key', 'value']),
    path: z.string().describe('JSON pointer to what does not fit'),
    message: z.string(),
  }),
});

export const partialAnswer = z.object({
  offsets: z.array(z.union([placed, rejected])).describe('One entry a record, in order'),
});

export const batchAnswer = z.object({
  partition: z.int(),
  offset: z.int().describe('Of the first record'),
  count: z.int(),
  duplicate: z.boolean(),
});
