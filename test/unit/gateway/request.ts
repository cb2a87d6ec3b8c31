/** A request as the policies see it, for tests: everything has a harmless default. And what a policy says, as one thing. */
import { SluiceError } from '#kernel';
import type { GatewayRequest, Policy, Verdict } from '../../../src/gateway/policy.ts';

export interface RequestParts
  extends Partial<Omit<GatewayRequest, 'headers' | 'header' | 'route' | 'notes' | 'client' | 'spent'>> {
  readonly headers?: Readonly<Record<string, string>>;
  readonly route?: string;
  readonly client?: string;
  readonly key?: string;
}

export function requestOf({
  headers = {},
  route = 'things',
  client,
  key,
  ...parts
}: RequestParts = {}): GatewayRequest {
  const flat = Object.entries(headers).flat();
  return {
    method: 'GET',
    host: 'api.example',
    path: '/things/1',
    query: '',
    params: [],
    clientAddress: '192.0.2.7',
    certificate: undefined,
    claims: undefined,
    upstreamTarget: undefined,
    body: undefined,
    target: () => '/things/1',
    forwarded: () => [...flat],
    outlives: false,
    upstreamHeaders: [],
    answerHeaders: [],
    ...parts,
    route: { name: route, spec: {} as GatewayRequest['route']['spec'] },
    client:
      client === undefined && key === undefined
        ? undefined
        : { name: client ?? 'it', scopes: [], ...(key === undefined ? {} : { key }) },
    spent: new Set(),
    notes: new Map(),
    headers: flat,
    header: (name) => {
      const at = flat.findIndex((text, i) => i % 2 === 0 && text === name);
      return at < 0 ? undefined : flat[at + 1];
    },
  };
}

/** What a policy said of a request: whether it goes on, its code, and the fields that the answer gets. */
export interface Said {
  readonly allow: boolean;
  readonly code?: string | null;
  readonly status?: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly details?: object;
  readonly claims?: object;
}

function said(request: GatewayRequest, verdict: Verdict): Said {
  const flat = [...request.answerHeaders, ...(verdict instanceof SluiceError ? [] : (verdict?.headers ?? []))];
  const headers: Record<string, string> = {};
  for (let i = 0; i < flat.length; i += 2) headers[String(flat[i])] = String(flat[i + 1]);
  if (verdict === undefined) {
    return { allow: true, headers, ...(request.claims === undefined ? {} : { claims: request.claims }) };
  }
  if (!(verdict instanceof SluiceError)) return { allow: false, code: null, status: verdict.status, headers };
  return { allow: false, code: verdict.code, status: verdict.status, headers, details: verdict.details };
}

/** Asks the steps of a policy that take the request: its head, then its body where there is one or it always wants it. */
export function ask(policy: Policy, request: GatewayRequest): Said | Promise<Said> {
  const verdict = policy.check?.(request);
  if (verdict instanceof Promise) return verdict.then((found) => said(request, found));
  const { body } = policy;
  if (verdict !== undefined || body === undefined || (request.body === undefined && body.always !== true)) {
    return said(request, verdict);
  }
  const next = body.check(request);
  return next instanceof Promise ? next.then((found) => said(request, found)) : said(request, next);
}

/** The same of a policy that never waits. */
export function askNow(policy: Policy, request: GatewayRequest): Said {
  const found = ask(policy, request);
  if (found instanceof Promise) throw new Error('the policy waits');
  return found;
}
