/** Shapes of consumer groups as they are answered, for the documentation. */
import { z } from 'zod';

const place = z.object({ topic: z.string(), partition: z.int() });

export const groupAnswer = z
  .object({
    group: z.string(),
    members: z.array(
      z.object({
        id: z.string(),
        client: z.string().optional(),
        topics: z.array(z.string()),
        partitions: z.array(place),
      }),
    ),
    partitions: z.array(
      place.extend({
        committed: z.int().nullable().describe('The next offset the group reads'),
        durable: z.int(),
        lag: z.int().describe('Records it has not acknowledged'),
        member: z.string().nullable().describe('Who reads it'),
      }),
    ),
  })
  .meta({ id: 'Group' });

export const resetAnswer = z.object({
  topic: z.string(),
  offsets: z.record(z.string(), z.int()).describe('By partition'),
});
