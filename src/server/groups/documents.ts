/** Shapes of consumer groups as they are answered, for the documentation. */
import { z } from 'zod';

const place = z.object({ topic: z.string(), partition: z.int() });

export const groupAnswer = z
  .object({
    group: z.string(),
    mode: z.enum(['stream', 'queue']).describe('stream: each member has partitions; queue: records are handed out'),
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
        member: z.string().nullable().describe('Who reads it; nobody alone in a queue'),
      }),
    ),
    queues: z
      .array(
        z.object({
          topic: z.string(),
          in_flight: z.int().describe('Records with members'),
          away: z.int().describe('Records that came back and wait for their backoff'),
          delayed: z.int().describe('Records that wait for their deliver-at, of those read so far'),
          waiting: z.int().describe('Records read ahead and not handed out'),
        }),
      )
      .describe('Of a queue that has members'),
  })
  .meta({ id: 'Group' });

export const resetAnswer = z.object({
  topic: z.string(),
  offsets: z.record(z.string(), z.int()).describe('By partition'),
});
