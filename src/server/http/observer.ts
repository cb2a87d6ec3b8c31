/**
 * What is known of the requests of a server: how many are open, counts and latencies for each route, one line in
 * the access log for each. Routes that are called very often are logged at level debug unless they fail.
 */
import type { Clock, Histogram, Logger, Metrics, SluiceError } from '#kernel';
import { Counter, LATENCY_BOUNDS_S } from '#kernel';
import type { Exchange } from './exchange.ts';
import type { ExchangeEnd } from './host.ts';
import type { Route } from './route.ts';

interface RouteMeter {
  readonly route: Route | undefined;
  readonly seconds: Histogram;
  readonly answers: Map<number, Counter>;
  /** The status answered last, since most are the same. */
  status: number;
  counter: Counter;
}

export class Observer {
  readonly #metrics: Metrics;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #meters = new Map<Route | undefined, RouteMeter>();
  #last: RouteMeter | undefined;
  #open = 0;
  #idleWaiters: (() => void)[] = [];

  constructor(metrics: Metrics, logger: Logger, clock: Clock) {
    this.#metrics = metrics;
    this.#logger = logger;
    this.#clock = clock;
    metrics.gauge('sluice_http_requests_open', 'Requests received and not yet answered', () => this.#open);
  }

  readonly begun = (): void => {
    this.#open++;
  };

  readonly ended = (exchange: Exchange, end: ExchangeEnd): void => {
    this.#open--;
    const ms = this.#clock.monotonic() - exchange.startedMs;
    const { route } = exchange;
    const meter = this.#last !== undefined && this.#last.route === route ? this.#last : this.#meter(route);
    this.#last = meter;
    meter.seconds.observe(ms / 1000);
    if (meter.status !== end.status) this.#switchCounter(meter, end.status);
    meter.counter.value++;
    const level = route?.busy === true && end.status < 400 ? 'debug' : 'info';
    if (this.#logger.isLevelEnabled(level)) this.#log(level, exchange, end, ms);
    if (this.#open === 0) this.#wake();
  };

  readonly failed = (exchange: Exchange, error: SluiceError): void => {
    this.#logger.error({ request: exchange.id, code: error.code, err: error }, 'request failed');
  };

  /** Resolves when no request is open. */
  idle(): Promise<void> {
    if (this.#open === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idleWaiters.push(resolve);
    });
  }

  #wake(): void {
    const waiters = this.#idleWaiters;
    if (waiters.length === 0) return;
    this.#idleWaiters = [];
    for (const wake of waiters) wake();
  }

  #meter(route: Route | undefined): RouteMeter {
    let meter = this.#meters.get(route);
    if (meter === undefined) {
      const labels = labelsOf(route);
      const seconds = this.#metrics.histogram(
        'sluice_http_request_seconds',
        'From the head of a request to the end of its answer',
        LATENCY_BOUNDS_S,
        labels,
      );
      meter = { route, seconds, answers: new Map(), status: -1, counter: new Counter() };
      this.#meters.set(route, meter);
    }
    return meter;
  }

  #switchCounter(meter: RouteMeter, status: number): void {
    let counter = meter.answers.get(status);
    if (counter === undefined) {
      const labels = { ...labelsOf(meter.route), status: status === 0 ? 'aborted' : String(status) };
      counter = this.#metrics.counter('sluice_http_answers_total', 'Answers by route and status', labels);
      meter.answers.set(status, counter);
    }
    meter.status = status;
    meter.counter = counter;
  }

  #log(level: 'debug' | 'info', exchange: Exchange, end: ExchangeEnd, ms: number): void {
    const line = {
      request: exchange.id,
      method: exchange.method,
      path: exchange.path,
      status: end.status,
      bytes: end.bytes,
      ms: Math.round(ms * 1000) / 1000,
      client: exchange.principal.client,
    };
    this.#logger[level](line, end.status === 0 ? 'request aborted' : 'request');
  }
}

function labelsOf(route: Route | undefined): Record<string, string> {
  return route === undefined ? { method: '', route: '' } : { method: route.method, route: route.path };
}
