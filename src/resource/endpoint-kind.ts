/**
 * Kind `endpoint`: a system that Sluice reads from or writes to, by way of a connector. What a configuration must look like is
 * the connector's business; who connects is handed in.
 */
import { z } from 'zod';
import type { Kind, Spec } from './document.ts';

const HOUR_MS = 3_600_000;

const schema = z.strictObject({
  connector: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,63}$/, 'must be the name of a connector')
    .describe('GET /v1/connectors lists them'),
  config: z
    .record(z.string(), z.unknown())
    .default({})
    .describe('As the connector wants it; {"secret": "NAME"} stands for the value of a secret'),
  test: z.boolean().default(true).describe('Connect before it is declared; what does not work is refused'),
  enabled: z.boolean().default(true).describe('false: nothing connects, and it is inactive'),
  check_every_ms: z
    .int()
    .min(0)
    .max(24 * HOUR_MS)
    .refine((ms) => ms === 0 || ms >= 100, 'must be 0, or 100 or more')
    .default(60_000)
    .describe('Milliseconds between two checks of the connection; 0: none'),
  description: z.string().max(1_000).optional(),
});

type EndpointSpec = z.infer<typeof schema>;

/** Who connects to endpoints. */
export interface EndpointTarget {
  /** @throws ENDPOINT_INVALID and more, upon which things stay as they are */
  declare(name: string, spec: EndpointSpec, test: boolean): Promise<void>;
  remove(name: string): Promise<void>;
}

export function endpointKind(target: EndpointTarget): Kind {
  return {
    kind: 'endpoint',
    plural: 'endpoints',
    summary: 'A system that is read from or written to, by way of a connector',
    schema: schema as unknown as z.ZodType<Spec>,
    apply: (name, spec) => {
      const checked = spec as unknown as EndpointSpec;
      return target.declare(name, checked, checked.test);
    },
    remove: (name) => target.remove(name),
  };
}
