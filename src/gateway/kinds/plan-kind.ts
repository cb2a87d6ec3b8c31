/**
 * Kind `plan`: how much clients may call through the gateway in a period of the calendar. A client names its plan; what is
 * counted is the client's own. What puts it into effect is handed in.
 */
import { z } from 'zod';
import { SluiceError } from '#kernel';
import type { Kind, Spec } from '#resource';
import { PERIODS } from '../quotas/period.ts';

const quota = z.strictObject({
  requests: z.int().min(1).max(1_000_000_000),
  period: z.enum(PERIODS).describe('Of the calendar, in UTC'),
});

const schema = z.strictObject({
  quotas: z
    .array(quota)
    .min(1)
    .max(PERIODS.length)
    .refine((quotas) => new Set(quotas.map(({ period }) => period)).size === quotas.length, 'has a period twice')
    .describe('All of them hold'),
  description: z.string().max(1_000).optional(),
});

export type PlanSpec = z.infer<typeof schema>;

/** Who holds clients to their plans. */
export interface PlanTarget {
  apply(name: string, spec: PlanSpec): void;
  remove(name: string): void;
}

export function planKind(target: PlanTarget): Kind {
  return {
    kind: 'plan',
    plural: 'plans',
    summary: 'How many requests a client may make through the gateway in an hour, a day, a month',
    schema: schema as unknown as z.ZodType<Spec>,
    check: (name, spec, declared) => {
      if (spec !== undefined) return;
      const client = declared.list('client').find((one) => one.spec['plan'] === name);
      if (client === undefined) return;
      throw new SluiceError('RESOURCE_IN_USE', `client ${client.name} has plan ${name}`, { client: client.name });
    },
    apply: async (name, spec) => target.apply(name, spec as unknown as PlanSpec),
    remove: async (name) => target.remove(name),
  };
}
