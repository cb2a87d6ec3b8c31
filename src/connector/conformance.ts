/**
 * Holds a module to the contract before anything of it runs: what is missing or wrong is said with its name. Called by the
 * worker thread that loads a connector, and by the test kit.
 */
import { z } from 'zod';
import { SluiceError } from '#kernel';
import {
  CONNECTOR_TYPES,
  type Connection,
  type Connector,
  OTHER_ABILITIES,
  PROOFS,
  READ_MODES,
  WRITE_MODES,
} from './contract.ts';

const CAPABILITIES = [...READ_MODES, ...WRITE_MODES, ...OTHER_ABILITIES] as const;
const METHODS = {
  check: true,
  discover: true,
  close: true,
  read: false,
  write: false,
  changes: false,
  lookup: false,
  receive: false,
  forget: false,
} as const;

const shape = z.object({
  name: z.string().regex(/^[a-z][a-z0-9-]{0,63}$/, 'must be lower case letters, digits and dashes'),
  title: z.string().min(1).max(100),
  description: z.string().min(20).max(1_000),
  types: z.array(z.enum(CONNECTOR_TYPES)).min(1),
  proof: z.enum(PROOFS),
  can: z.array(z.enum(CAPABILITIES)).min(1),
  spec: z.custom((value) => typeof (value as { safeParse?: unknown } | null)?.safeParse === 'function', {
    message: 'must be a zod schema',
  }),
  open: z.custom((value) => typeof value === 'function', { message: 'must be a function' }),
});

/** A connector without its code, as it crosses threads and is shown. */
export interface Description {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly types: readonly string[];
  readonly proof: string;
  readonly can: readonly string[];
  /** JSON Schema of the configuration; secret fields have `secret: true`. */
  readonly config: Readonly<Record<string, unknown>>;
}

/** @throws CONNECTOR_INVALID */
export function checkConnector(exported: unknown, name: string): Connector {
  const result = shape.safeParse(exported);
  if (!result.success) {
    const issue = result.error.issues[0];
    const field = issue?.path.join('.') ?? '';
    throw invalid(name, `its default export: ${field === '' ? '' : `${field}: `}${issue?.message}`);
  }
  if (result.data.name !== name) throw invalid(name, `it calls itself ${result.data.name}, its folder ${name}`);
  return exported as Connector;
}

/** @throws CONNECTOR_INVALID */
export function describeConnector(connector: Connector): Description {
  const { name, title, description, types, proof, can, spec } = connector;
  let config: Record<string, unknown>;
  try {
    config = z.toJSONSchema(spec, { io: 'input' }) as Record<string, unknown>;
  } catch (error) {
    throw invalid(name, `its spec has no JSON Schema: ${String(error)}`);
  }
  if (config['type'] !== 'object') throw invalid(name, 'its spec must be that of an object');
  return { name, title, description, types, proof, can, config };
}

/** @throws CONNECTOR_INVALID where a member is missing, or is there without being announced */
export function checkConnection(connection: unknown, { name, can }: Connector): Connection {
  if (typeof connection !== 'object' || connection === null) throw invalid(name, 'open does not answer a connection');
  for (const [method, needed] of Object.entries(METHODS)) {
    const member = (connection as Record<string, unknown>)[method];
    if (member === undefined ? needed : typeof member !== 'function') {
      throw invalid(name, `its connection: ${method} must be a function`);
    }
  }
  const { read, write } = connection as Connection;
  for (const one of OTHER_ABILITIES) {
    if (can.includes(one) !== ((connection as Connection)[one] !== undefined)) {
      throw invalid(name, `it announces ${one} and has no ${one}, or the other way round`);
    }
  }
  if (can.some((one) => (READ_MODES as readonly string[]).includes(one)) !== (read !== undefined)) {
    throw invalid(name, 'it announces to read and has no read, or the other way round');
  }
  if (can.some((one) => (WRITE_MODES as readonly string[]).includes(one)) !== (write !== undefined)) {
    throw invalid(name, 'it announces to write and has no write, or the other way round');
  }
  return connection as Connection;
}

/** Dotted paths of the fields that are marked secret, in any form the configuration may have. */
export function secretPaths(schema: unknown, path = ''): string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  const { secret, properties, anyOf, oneOf } = schema as {
    secret?: unknown;
    properties?: Record<string, unknown>;
    anyOf?: readonly unknown[];
    oneOf?: readonly unknown[];
  };
  if (secret === true) return [path];
  const below = Object.entries(properties ?? {}).flatMap(([name, inner]) =>
    secretPaths(inner, path === '' ? name : `${path}.${name}`),
  );
  const forms = [...(anyOf ?? []), ...(oneOf ?? [])].flatMap((form) => secretPaths(form, path));
  return [...new Set([...below, ...forms])];
}

function invalid(name: string, message: string): SluiceError {
  return new SluiceError('CONNECTOR_INVALID', `connector ${name}: ${message}`, { connector: name });
}
