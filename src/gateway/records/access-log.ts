/**
 * What a route wants recorded of its requests: the field `access_log` of kind `route`, and its compiled form. By default
 * a record says nothing that only the caller knows: the template of the path instead of the path, no query, no bodies,
 * and the network of the address. Pure.
 */
import { z } from 'zod';
import { parseAddress } from '../policies/address.ts';

const BODY_BYTES_MAX = 64 * 1024;
/** They are worth nothing in a record and everything to whoever reads it. */
const CREDENTIALS = new Set(['authorization', 'proxy-authorization', 'cookie', 'x-api-key']);
const REDACTED = [
  'password',
  'passwd',
  'secret',
  'token',
  'access_token',
  'refresh_token',
  'id_token',
  'client_secret',
  'api_key',
  'authorization',
  'card_number',
  'cvc',
];

const header = z
  .string()
  .regex(/^[a-z0-9!#$%&'*+.^_`|~-]{1,100}$/, 'must be a header name in lower case')
  .refine((name) => !CREDENTIALS.has(name), 'carries credentials, which are not recorded');

const bodies = z.strictObject({
  request_bytes_max: z
    .int()
    .min(0)
    .max(BODY_BYTES_MAX)
    .default(0)
    .describe('A request body up to this long is recorded; 0: none'),
  answer_bytes_max: z
    .int()
    .min(0)
    .max(BODY_BYTES_MAX)
    .default(0)
    .describe('An answer up to this long is recorded; up to it answers are collected before they go on; 0: none'),
  redact: z
    .array(z.string().min(1).max(200))
    .max(200)
    .default(REDACTED)
    .describe('Members of JSON bodies, at any depth and in any case, whose values are left out'),
});

export const accessLogSchema = z.strictObject({
  enabled: z.boolean().default(true).describe('Requests of this route are recorded'),
  percent: z
    .number()
    .min(0)
    .max(100)
    .default(100)
    .describe('This share of them; what ends with 5xx is recorded always'),
  path: z.enum(['template', 'full']).default('template').describe('full: the path as it was asked for'),
  query: z.boolean().default(false).describe('The query is recorded too'),
  address: z
    .enum(['none', 'network', 'full'])
    .default('network')
    .describe('network: the /24 of an IPv4 address, the /48 of an IPv6 address'),
  headers: z.array(header).max(20).default([]).describe('Request headers that are recorded'),
  bodies: bodies.optional().describe('Bodies that are recorded; of what is not JSON only where redact is empty'),
});

export type AccessLogSpec = z.infer<typeof accessLogSchema>;

/** A route's wishes, ready for its requests. */
export interface AccessLog {
  /** Members that are the same in all records, each with a comma behind it. */
  readonly constant: string;
  readonly template: string | undefined;
  readonly percent: number;
  readonly query: boolean;
  readonly address: AccessLogSpec['address'];
  readonly headers: readonly string[];
}

/** Undefined where nothing is recorded. */
export function compileAccessLog(
  route: string,
  path: string,
  spec: AccessLogSpec = accessLogSchema.parse({}),
): AccessLog | undefined {
  if (!spec.enabled) return undefined;
  const template = spec.path === 'template' ? path : undefined;
  return {
    constant: `"route":${JSON.stringify(route)},${template === undefined ? '' : `"path":${JSON.stringify(template)},`}`,
    template,
    percent: spec.percent,
    query: spec.query,
    address: spec.address,
    headers: spec.headers,
  };
}

/** What no route took: there is no template, and what was asked for is all there is to see. */
export const UNROUTED: AccessLog = {
  constant: '',
  template: undefined,
  percent: 100,
  query: false,
  address: 'network',
  headers: [],
};

/** The network an address is in, wide enough not to name anybody: `192.0.2.0/24`, `2001:db8:1::/48`. */
export function networkOf(address: string): string {
  const words = parseAddress(address);
  if (words === undefined) return '';
  const [first, second, third, fourth] = words;
  if (first === 0 && second === 0 && third === 0xffff) {
    return `${fourth >>> 24}.${(fourth >>> 16) & 0xff}.${(fourth >>> 8) & 0xff}.0/24`;
  }
  const groups = [first >>> 16, first & 0xffff, second >>> 16];
  return `${groups.map((group) => group.toString(16)).join(':')}::/48`;
}
