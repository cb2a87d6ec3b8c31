/**
 * What the gateway itself answers under /docs, for APIs with `docs: public`. A route of one's own there goes first.
 *
 *   /docs   /docs/{api}   /docs/{api}/{version}   /docs/{api}/{version}/openapi.json   /docs/{api}/{from}/to/{to}
 */
import { type Clock, SluiceError } from '#kernel';
import type { CompiledApi } from '../api/compiled-api.ts';
import { ROUTE_DEFAULTS } from '../kinds/route-kind.ts';
import type { GatewayRequest, Policy, Verdict, WholeAnswer } from '../policy.ts';
import { OWN_ROUTES } from '../route/router.ts';
import type { NamedRoute } from '../table.ts';
import { guidePage } from './guide-page.ts';
import { jsonAnswer } from './html.ts';
import { listPage, versionPage } from './version-page.ts';

const NAME = `${OWN_ROUTES}docs`;

/** Pages that one thread keeps, and for how long. */
const PAGES_MAX = 64;
const KEPT_MS = 60_000;

export function isDocsRoute({ name }: NamedRoute): boolean {
  return name === NAME;
}

/** None where nothing is shown. */
export function docsRoutes(apis: readonly CompiledApi[]): NamedRoute[] {
  if (!apis.some(isShown)) return [];
  return ['/docs', '/docs/{path...}'].map((path) => ({
    name: NAME,
    spec: { ...ROUTE_DEFAULTS, path, methods: ['GET', 'HEAD'], upstream: '' },
  }));
}

function isShown({ spec }: CompiledApi): boolean {
  return spec.docs === 'public';
}

export class DocsPolicy implements Policy {
  readonly name = 'docs';
  readonly #apis: readonly CompiledApi[];
  readonly #clock: Clock;
  readonly #pages = new Map<string, { readonly madeAt: number; readonly answer: WholeAnswer }>();

  constructor(apis: readonly CompiledApi[], clock: Clock) {
    this.#apis = apis.filter(isShown);
    this.#clock = clock;
  }

  check({ path }: GatewayRequest): Verdict {
    const now = this.#clock.monotonic();
    const kept = this.#pages.get(path);
    if (kept !== undefined && now - kept.madeAt < KEPT_MS) return kept.answer;
    const answer = this.#make(path.split('/').slice(2).filter(Boolean));
    if (answer === undefined) return new SluiceError('ROUTE_UNKNOWN', 'there is no such page');
    if (this.#pages.size >= PAGES_MAX) this.#pages.clear();
    this.#pages.set(path, { madeAt: now, answer });
    return answer;
  }

  #make([apiName, from, what, to, ...more]: readonly string[]): WholeAnswer | undefined {
    if (apiName === undefined) return listPage(this.#apis);
    const api = this.#apis.find(({ name }) => name === apiName);
    const version = from === undefined ? api?.newest : api?.find(from);
    if (api === undefined || version === undefined || more.length > 0) return undefined;
    if (what === undefined) return versionPage(api, version, this.#clock.now());
    if (what === 'openapi.json' && to === undefined) return version.document && jsonAnswer(version.document);
    const next = what === 'to' && to !== undefined ? api.find(to) : undefined;
    return next && guidePage(api, version, next);
  }
}
