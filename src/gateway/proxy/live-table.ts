/**
 * A table as a listener thread uses it: the router, and the upstreams with their connections. A new one takes over the
 * upstreams and targets that stayed the same, so nothing that is under way notices.
 */
import type { BlockList } from 'node:net';
import { type Clock, SluiceError } from '#kernel';
import { type CompiledApi, compileApi } from '../api/compiled-api.ts';
import { docsRoutes } from '../docs/docs-policy.ts';
import { routeOfStatus } from '../queued/policy.ts';
import { type AccessLog, compileAccessLog } from '../records/access-log.ts';
import type { Recorder } from '../records/recorder.ts';
import type { SpanExporter } from '../records/span-exporter.ts';
import { compileRewrite } from '../route/rewrite.ts';
import { type RouteMatch, type RouteRequest, Router } from '../route/router.ts';
import type { GatewayTable, ListenerSettings, NamedRoute } from '../table.ts';
import { Upstream } from '../upstream/upstream.ts';
import type { HeldBytes } from './held-bytes.ts';
import { type Plan, planOf } from './plan.ts';
import { type PolicyParts, routePolicies } from './route-policies.ts';
import type { Shadows } from './shadow.ts';
import type { RouteStats, Stats } from './stats.ts';
import type { Watch } from './watch.ts';

export interface LiveRoute {
  readonly named: NamedRoute;
  readonly plan: Plan;
  /** The most bytes that a body may have. */
  readonly bodyBytesMax: number;
  readonly rewrite: ((params: readonly string[]) => string) | undefined;
  readonly stats: RouteStats;
  /** Undefined where its requests are not recorded. */
  readonly accessLog: AccessLog | undefined;
}

/** What every exchange on a thread is given. */
export interface ListenerHost {
  readonly settings: ListenerSettings;
  readonly scheme: 'http' | 'https';
  /** Undefined: nobody is. */
  readonly trusted: BlockList | undefined;
  /** What it adds to Via. */
  readonly via: string;
  readonly clock: Clock;
  readonly watch: Watch;
  readonly stats: Stats;
  /** Undefined where no requests are recorded at all. */
  readonly recorder: Recorder | undefined;
  readonly held: HeldBytes;
  /** Undefined where there is no collector for them. */
  readonly spans: SpanExporter | undefined;
  readonly shadows: Shadows;
  /** The newest. */
  readonly table: LiveTable;
  /** An exchange began, or ended. */
  count(change: 1 | -1): void;
}

export class LiveTable {
  readonly router: Router<LiveRoute>;
  readonly #upstreams = new Map<string, Upstream>();
  readonly #queued = new Map<string, LiveRoute>();
  readonly #apis = new Map<string, CompiledApi>();
  readonly #revisions = new Map<string, number>();

  constructor(table: GatewayTable, parts: PolicyParts, stats: Stats, previous?: LiveTable) {
    const left = new Map(previous?.upstreams());
    for (const { name, spec } of table.upstreams) {
      const before = left.get(name);
      left.delete(name);
      const same = before !== undefined && JSON.stringify(before.spec) === JSON.stringify(spec);
      this.#upstreams.set(name, same ? before : new Upstream(name, spec, parts.clock, before));
    }
    for (const gone of left.values()) gone.retire();
    parts.kept.turn();
    for (const { name, revision, spec } of table.apis ?? []) {
      const same = previous !== undefined && previous.#revisions.get(name) === revision;
      const before = same ? previous.#apis.get(name) : undefined;
      this.#apis.set(name, before ?? compileApi(name, spec, parts.clock, parts.limits));
      this.#revisions.set(name, revision);
    }
    const routes = [...table.routes, ...docsRoutes([...this.#apis.values()])];
    const takesVersion = ({ spec }: NamedRoute) => this.#apis.get(spec.api ?? '')?.spec.named_by.path === true;
    const make = (named: NamedRoute): LiveRoute => {
      const live: LiveRoute = {
        named,
        plan: planOf(routePolicies(named, parts, this.#apis)),
        bodyBytesMax: Math.min(
          named.spec.body_bytes_max ?? Number.POSITIVE_INFINITY,
          named.spec.sizes?.body_bytes_max ?? Number.POSITIVE_INFINITY,
        ),
        rewrite: compileRewrite(named.spec.path, named.spec.rewrite),
        stats: stats.route(named.name),
        accessLog: compileAccessLog(named.name, named.spec.path, named.spec.access_log),
      };
      if (named.spec.queue !== undefined) this.#queued.set(named.name, live);
      return live;
    };
    this.router = new Router(routes, make, takesVersion);
  }

  /** The route of a request; of what is asked about a queue, the route that has it. @throws as the router */
  find(request: RouteRequest): RouteMatch<LiveRoute> {
    const name = routeOfStatus(request.path);
    if (name === undefined) return this.router.find(request);
    const route = this.#queued.get(name);
    if (route === undefined) throw new SluiceError('QUEUED_UNKNOWN', `there is no queued route ${name}`);
    return { route, params: [], version: undefined };
  }

  upstream(name: string): Upstream | undefined {
    return this.#upstreams.get(name);
  }

  upstreams(): ReadonlyMap<string, Upstream> {
    return this.#upstreams;
  }
}
