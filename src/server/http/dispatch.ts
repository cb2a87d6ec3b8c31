/** From the native callback to the route: one request in, its route found, its caller authorised, run. */
import type { TemplatedApp } from 'uWebSockets.js';
import { SluiceError } from '#kernel';
import { authenticate, type KeyRing, presentedKey } from '../auth/principal.ts';
import { Exchange } from './exchange.ts';
import type { ExchangeHost } from './host.ts';
import type { Route } from './route.ts';
import type { Router } from './router.ts';

export function dispatch(
  app: TemplatedApp,
  router: Router,
  keys: KeyRing,
  host: ExchangeHost,
  shutdown: AbortSignal,
): void {
  app.any('/*', (res, req) => {
    const exchange = new Exchange(res, req, host);
    host.begun(exchange);
    try {
      if (exchange.refusal !== undefined) throw exchange.refusal;
      const { route, params } = router.find(exchange.method, exchange.path);
      exchange.route = route;
      exchange.params = params;
      route.begin?.(exchange);
      if (route.access !== 'open') {
        if (shutdown.aborted) throw new SluiceError('SHUTTING_DOWN', 'the server is shutting down');
        authorise(exchange, route, keys);
      }
      const pending = route.run(exchange);
      if (pending !== undefined) pending.catch((error: unknown) => exchange.problem(error));
    } catch (error) {
      exchange.problem(error);
    }
  });
}

function authorise(exchange: Exchange, route: Route, keys: KeyRing): void {
  const { takesBasic } = route;
  const key = keys.required
    ? presentedKey(exchange.header('authorization'), exchange.header('x-api-key'), takesBasic)
    : undefined;
  exchange.principal = authenticate(keys, key);
  const { access } = route;
  if (access === 'open' || access === 'session') return;
  exchange.principal.require(access, access === 'admin' ? '' : subjectOf(exchange, route));
}

/** What a scope must match: as the route says, else the topic that the path names as `{topic}`, its first parameter then. */
function subjectOf(exchange: Exchange, route: Route): string {
  if (route.subject !== undefined) return route.subject(exchange);
  return route.path.includes('{topic}') ? (exchange.params[0] as string) : '';
}
