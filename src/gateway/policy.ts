/**
 * What stands between a route and its upstream: an ordered list of policies. Compiled once for each route and table.
 *
 *   head:   check, in order        ─▶ body, where one asks for it: body.check, in order ─▶ upstream
 *   answer: answer.edit, in reverse order, of head and body or of the head only         ─▶ client ─▶ ended
 *
 * At each step of the request a policy lets it on, refuses it with a coded error, or answers it itself; the first that
 * does either ends the way to the upstream. Every step may wait. A policy keeps nothing of a request beyond `ended`;
 * what it must remember from one step to the next, it keeps by request in a WeakMap of its own.
 */
import type { SluiceError } from '#kernel';
import type { RouteMatch } from './route/router.ts';
import type { NamedRoute } from './table.ts';

export interface GatewayRequest {
  readonly route: NamedRoute;
  readonly method: string;
  /** Lower case, without a port. */
  readonly host: string;
  /** Canonical, as it is matched and, unless `upstreamTarget` is set, forwarded. */
  readonly path: string;
  /** Without the question mark; empty where there is none. */
  readonly query: string;
  /** Of the route's path template. */
  readonly params: RouteMatch<unknown>['params'];
  /** The version of an API that stood before the path, where the route takes one there: `2`, `2026-03-01`. */
  readonly pathVersion?: string | undefined;
  /** Names in lower case and values in turn, as received. */
  readonly headers: readonly string[];
  /** The first header of a name in lower case. */
  header(name: string): string | undefined;
  /** Path and query that the upstream is asked for. */
  target(): string;
  /** Headers for the upstream as they stand now, names and values in turn, apart from Host and length. */
  forwarded(): string[];
  /** Who called, as far as trusted proxies tell: an IP address. Never what an untrusted header says. */
  readonly clientAddress: string;
  /** The TLS certificate the client has shown, PEM; empty: none. Undefined where the listener asks for none. */
  readonly certificate: string | undefined;
  /** Known after the policy that authenticates. */
  client: { readonly name: string; readonly scopes: readonly string[]; readonly key?: string } | undefined;
  /** Of the verified token. */
  claims: Readonly<Record<string, unknown>> | undefined;
  /** Path and query that the upstream is asked for, where they differ from what the route says. */
  upstreamTarget: string | undefined;
  /** Whole, where a policy of the route collects it; what is put here instead is what the upstream gets. */
  body: Buffer | undefined;
  /** The upstream is to be heard out although the client has gone. For requests whose body is gathered. */
  outlives: boolean;
  /** Request headers, in lower case, that are not forwarded: spent credentials, and what is sent anew. */
  readonly spent: Set<string>;
  /** Further headers for the upstream, names in lower case and values in turn. */
  readonly upstreamHeaders: string[];
  /** Further headers of whatever answer the client gets, names and values in turn. */
  readonly answerHeaders: string[];
  /** What policies found out for the access record: `version`, `screening_score`. */
  readonly notes: Map<string, string | number>;
}

/** An answer that is whole. Names in lower case and values in turn; lengths and connection are the gateway's matter. */
export interface WholeAnswer {
  readonly status: number;
  readonly headers: readonly (string | Buffer)[];
  readonly body: Buffer;
}

/** An error refuses the request, an answer ends it well, undefined lets it on. */
export type Verdict = SluiceError | WholeAnswer | undefined;

/** Of a body that is longer than `bytesMax`: it is refused, or goes on without having been looked at. */
export type WhenLonger = 'refuse' | 'pass';

export interface BodyStep {
  readonly bytesMax: number;
  readonly whenLonger: WhenLonger;
  /** With `request.body`, which may be empty. Not called for a request without a body, unless `always`. */
  check(request: GatewayRequest): Verdict | Promise<Verdict>;
  readonly always?: boolean;
  /** Whether it has to do with this body at all; `request.body` is undefined where it is too long. Undefined: yes. */
  wants?(request: GatewayRequest): boolean;
}

export interface AnswerStep {
  /** 0: it looks at heads only, and answers stream on. */
  readonly bytesMax: number;
  /** A longer answer that is refused becomes a 502 of code UPSTREAM_ANSWER_INVALID. */
  readonly whenLonger: WhenLonger;
  /**
   * What the client gets instead; the same one to leave it. `body` is empty when only the head is there.
   * Of answers of the upstream and of policies, not of refusals. An error takes the place of the answer.
   */
  edit(request: GatewayRequest, answer: WholeAnswer): WholeAnswer | SluiceError | Promise<WholeAnswer | SluiceError>;
  /** Whether it may look into the answer to this request, which then is asked for unencoded. Undefined: yes. */
  applies?(request: GatewayRequest): boolean;
  /** Whether this answer is worth collecting, by its head. Undefined: always. */
  wants?(request: GatewayRequest, status: number, headers: readonly (string | Buffer)[]): boolean;
}

/** How it went, for whoever keeps a record of it. */
export interface Outcome {
  /** 0: the client went away before it was answered. */
  readonly status: number;
  /** Code of the refusal or failure. */
  readonly code: string | undefined;
  /** The upstream that answered or was tried last, and its target. */
  readonly upstream: string | undefined;
  readonly target: string | undefined;
  readonly attempts: number;
  /** An upstream may have seen the request, whole or in part. */
  readonly reached: boolean;
  readonly requestBytes: number;
  readonly answerBytes: number;
  /** Epoch milliseconds of the first byte. */
  readonly beganAt: number;
  /** Milliseconds of all of it, and until the upstream began to answer (undefined: it did not). */
  readonly elapsedMs: number;
  readonly upstreamMs: number | undefined;
}

export interface Policy {
  readonly name: string;
  check?(request: GatewayRequest): Verdict | Promise<Verdict>;
  readonly body?: BodyStep;
  readonly answer?: AnswerStep;
  /** Once, whatever became of it. Must not throw. */
  ended?(request: GatewayRequest, outcome: Outcome): void;
}

/** The first verdict of a list of steps, or undefined; without a promise as long as no step waits. */
export function firstVerdict<S>(
  steps: readonly S[],
  ask: (step: S) => Verdict | Promise<Verdict>,
  from = 0,
): Verdict | Promise<Verdict> {
  for (let i = from; i < steps.length; i++) {
    const verdict = ask(steps[i] as S);
    if (verdict instanceof Promise) return verdict.then((found) => found ?? firstVerdict(steps, ask, i + 1));
    if (verdict !== undefined) return verdict;
  }
  return undefined;
}
