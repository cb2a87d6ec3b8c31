/**
 * Policy `authorize`: what a caller must be to do this to that (OWASP API1 and API5). A list of rules, each of which names
 * methods, scopes, and what claims must say, also about the parameters of the path; a request passes when one rule holds
 * in all its parts. Nothing else passes: a route that has rules has no gap between them.
 *
 * Claims are those of the verified token or session; a client with an API key has `sub` and `client_id`, its name. Called
 * after the policies that authenticate.
 */
import { z } from 'zod';
import { covers, SluiceError } from '#kernel';
import type { GatewayRequest, Policy, Verdict } from '../policy.ts';
import { hasScopes } from './bearer.ts';
import type { Claims } from './claims.ts';

const paramName = z.string().regex(/^[a-z][a-z0-9_]*$/, 'must be a parameter of the path');
const scalar = z.union([z.string().max(512), z.number(), z.boolean()]);

const claimRule = z
  .strictObject({
    claim: z
      .union([z.string().min(1).max(128), z.array(z.string().min(1).max(128)).min(1).max(8)])
      .describe('Its name; a list leads into objects'),
    equals: scalar.optional(),
    one_of: z.array(scalar).min(1).max(64).optional(),
    contains: scalar.optional().describe('The claim is a list, or words set apart by spaces, and this is one of them'),
    equals_param: paramName.optional().describe('It is what the path has there'),
    contains_param: paramName.optional(),
  })
  .refine(
    ({ claim: _, ...tests }) => Object.values(tests).filter((test) => test !== undefined).length === 1,
    'needs one of equals, one_of, contains, equals_param and contains_param',
  );

const rule = z.strictObject({
  methods: z
    .array(z.string().regex(/^[A-Z]{1,32}$/, 'must be a method in upper case'))
    .max(32)
    .default([])
    .describe('None: any'),
  scopes: z.array(z.string().min(1).max(256)).max(32).default([]).describe('All of them'),
  claims: z.array(claimRule).max(32).default([]).describe('All of them'),
});

export const authorizeSchema = z.strictObject({
  rules: z.array(rule).max(64).describe('One must hold in all its parts; none: nobody passes'),
});

export type AuthorizeSpec = z.infer<typeof authorizeSchema>;
type RuleSpec = AuthorizeSpec['rules'][number];
type ClaimSpec = RuleSpec['claims'][number];
type Test = (claims: Claims, params: readonly string[]) => boolean;

interface Rule {
  readonly methods: ReadonlySet<string>;
  readonly scopes: readonly string[];
  readonly tests: readonly Test[];
}

/** @param path the route's template @throws RESOURCE_INVALID where a rule names a parameter that the path has not */
export function compileAuthorize(spec: AuthorizeSpec, path: string): Policy & Required<Pick<Policy, 'check'>> {
  const names = Array.from(path.matchAll(/\{([a-z][a-z0-9_]*)(?:\.\.\.)?\}/g), ([, name]) => name as string);
  const rules = spec.rules.map(({ methods, scopes, claims }) => ({
    methods: new Set(methods),
    scopes,
    tests: claims.map((claim) => compileClaim(claim, names)),
  }));
  return { name: 'authorize', check: (request) => check(rules, request) };
}

function check(rules: readonly Rule[], request: GatewayRequest): Verdict {
  const { client, params, method } = request;
  const claims = request.claims ?? (client === undefined ? undefined : { sub: client.name, client_id: client.name });
  if (claims === undefined) {
    request.answerHeaders.push('www-authenticate', 'Bearer realm="api"');
    return new SluiceError('TOKEN_MISSING');
  }
  for (const { methods, scopes, tests } of rules) {
    if (methods.size > 0 && !methods.has(method)) continue;
    if (!holdsScopes(scopes, claims, client?.scopes)) continue;
    if (tests.every((test) => test(claims, params))) return undefined;
  }
  return new SluiceError('ACCESS_DENIED');
}

/** Each stands in the token, or is covered by what a client of this server has. */
function holdsScopes(wanted: readonly string[], claims: Claims, held: readonly string[] = []): boolean {
  return wanted.every((scope) => hasScopes(claims, [scope]) || held.some((one) => covers(one, scope)));
}

function compileClaim(spec: ClaimSpec, names: readonly string[]): Test {
  const path = typeof spec.claim === 'string' ? [spec.claim] : spec.claim;
  const { equals, one_of, contains, equals_param, contains_param } = spec;
  if (equals !== undefined) return (claims) => valueAt(claims, path) === equals;
  if (one_of !== undefined) return (claims) => (one_of as readonly unknown[]).includes(valueAt(claims, path));
  if (contains !== undefined) return (claims) => listAt(claims, path).includes(contains);
  const at = names.indexOf((equals_param ?? contains_param) as string);
  if (at < 0) {
    const name = equals_param ?? contains_param;
    throw new SluiceError('RESOURCE_INVALID', `the path has no parameter ${name}`, { field: 'authorize' });
  }
  const isList = equals_param === undefined;
  return (claims, params) => {
    const wanted = decoded(params[at]);
    if (wanted === undefined) return false;
    const value = valueAt(claims, path);
    const values = isList ? listAt(claims, path) : [value];
    // A path has only text: the number 7 is what `/7` names.
    return values.some((one) => (typeof one === 'string' || typeof one === 'number') && String(one) === wanted);
  };
}

/** What the upstream takes a segment for; undefined where that cannot be said. */
function decoded(segment: string | undefined): string | undefined {
  if (segment === undefined || segment === '') return undefined;
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

function valueAt(claims: Claims, path: readonly string[]): unknown {
  let value: unknown = claims;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Claims)[name];
  }
  return value;
}

function listAt(claims: Claims, path: readonly string[]): readonly unknown[] {
  const value = valueAt(claims, path);
  if (Array.isArray(value)) return value;
  return typeof value === 'string' ? value.split(' ') : [];
}
