/**
 * What stands between a route and its upstream: an ordered list of policies, each of which lets a request on or refuses it
 * with a coded error. Compiled once for each route and table; the first refusal ends the request. A policy sees the head
 * only, must not keep it, and may wait.
 */
import type { SluiceError } from '#kernel';
import type { RouteMatch } from './route/router.ts';
import type { NamedRoute } from './table.ts';

export interface GatewayRequest {
  readonly route: NamedRoute;
  readonly method: string;
  /** Lower case, without a port. */
  readonly host: string;
  /** Canonical, as it is matched and forwarded. */
  readonly path: string;
  readonly query: string;
  /** Of the route's path template. */
  readonly params: RouteMatch<unknown>['params'];
  /** Names in lower case and values in turn, as received. */
  readonly headers: readonly string[];
  /** The first header of a name in lower case. */
  header(name: string): string | undefined;
  /** Who called, as far as trusted proxies tell: an IP address. Never what an untrusted header says. */
  readonly clientAddress: string;
  /** Known after the policy that authenticates. */
  client: { readonly name: string; readonly scopes: readonly string[] } | undefined;
  /** Request headers, in lower case, that are not forwarded: spent credentials. */
  readonly spent: Set<string>;
  /** Further headers of the answer, names and values in turn. */
  readonly answerHeaders: string[];
}

/** Undefined lets the request on. */
export type Verdict = SluiceError | undefined;

export interface Policy {
  readonly name: string;
  check(request: GatewayRequest): Verdict | Promise<Verdict>;
}

/** The first refusal, or undefined; without a promise as long as no policy waits. */
export function checkAll(policies: readonly Policy[], request: GatewayRequest, from = 0): Verdict | Promise<Verdict> {
  for (let i = from; i < policies.length; i++) {
    const verdict = (policies[i] as Policy).check(request);
    if (verdict instanceof Promise) {
      return verdict.then((refusal) => refusal ?? checkAll(policies, request, i + 1));
    }
    if (verdict !== undefined) return verdict;
  }
  return undefined;
}
