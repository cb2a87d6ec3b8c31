/**
 * What a listener thread counts. It adds to plain numbers, and hands them over at intervals to the main thread, which
 * alone has the metrics.
 */
import { Histogram, LATENCY_BOUNDS_S } from '#kernel';
import type { Outcome } from '../policy.ts';

export interface RouteDelta {
  /** Requests by class of status; 0: the client went away. */
  readonly classes: Readonly<Record<string, number>>;
  readonly counts: readonly number[];
  readonly sum: number;
  readonly count: number;
  /** Answers with an error of the gateway's own, by its code. */
  readonly refusals: Readonly<Record<string, number>>;
  readonly requestBytes: number;
  readonly answerBytes: number;
}

/** How quickly upstreams began to answer. */
export interface UpstreamDelta {
  readonly counts: readonly number[];
  readonly sum: number;
  readonly count: number;
}

/** How a thread is at the moment. */
export interface ThreadState {
  readonly thread: number;
  readonly requests: number;
  readonly webSockets: number;
  readonly targets: readonly TargetState[];
}

export interface TargetState {
  readonly upstream: string;
  readonly target: string;
  readonly inFlight: number;
  readonly available: boolean;
  readonly breakerOpen: boolean;
  /** How often its breaker has opened since the thread began. */
  readonly ejections: number;
}

export interface StatsDelta {
  readonly routes: Readonly<Record<string, RouteDelta>>;
  readonly upstreams: Readonly<Record<string, UpstreamDelta>>;
  /** By upstream and target, a line break between. */
  readonly failures: Readonly<Record<string, number>>;
  readonly retries: Readonly<Record<string, number>>;
  /** What policies found and may have let pass, by policy, route and outcome, line breaks between. */
  readonly findings: Readonly<Record<string, number>>;
  /** Copies of requests, by route and what became of them, a line break between. */
  readonly shadowed: Readonly<Record<string, number>>;
  /** Requests no route was found for, or that were refused before. */
  readonly refused: number;
  /** Access records that could not be kept. */
  readonly lostRecords: number;
  /** Requests refused because the thread held as much as it may. */
  readonly full: number;
  readonly exportedSpans: number;
  readonly lostSpans: number;
}

/** What of the end of a request is counted. */
export type EndedRequest = Pick<Outcome, 'status' | 'code' | 'requestBytes' | 'answerBytes'>;

/** By the first digit of a status. */
const CLASSES = ['aborted', ...Array.from({ length: 9 }, (_, i) => `${i + 1}xx`)];

export class RouteStats {
  #classes: Record<string, number> = {};
  #seconds = new Histogram(LATENCY_BOUNDS_S);
  #refusals: Record<string, number> = {};
  #requestBytes = 0;
  #answerBytes = 0;

  /** @param outcome its status is 0 when the client went away first @param elapsedMs until it was served */
  ended({ status, code, requestBytes, answerBytes }: EndedRequest, elapsedMs: number): void {
    const name = CLASSES[Math.floor(status / 100)] ?? 'other';
    this.#classes[name] = (this.#classes[name] ?? 0) + 1;
    this.#seconds.observe(elapsedMs / 1000);
    this.#requestBytes += requestBytes;
    this.#answerBytes += answerBytes;
    if (code !== undefined) this.#refusals[code] = (this.#refusals[code] ?? 0) + 1;
  }

  /** Undefined when nothing happened. */
  take(): RouteDelta | undefined {
    const { counts, sum, count } = this.#seconds;
    if (count === 0) return undefined;
    const delta = {
      classes: this.#classes,
      counts,
      sum,
      count,
      refusals: this.#refusals,
      requestBytes: this.#requestBytes,
      answerBytes: this.#answerBytes,
    };
    this.#classes = {};
    this.#refusals = {};
    this.#requestBytes = 0;
    this.#answerBytes = 0;
    this.#seconds = new Histogram(LATENCY_BOUNDS_S);
    return delta;
  }
}

export class Stats {
  readonly #routes = new Map<string, RouteStats>();
  #upstreams = new Map<string, Histogram>();
  #failures: Record<string, number> = {};
  #retries: Record<string, number> = {};
  #findings: Record<string, number> = {};
  #shadowed: Record<string, number> = {};
  #refused = 0;
  #lostRecords = 0;
  #full = 0;
  #exportedSpans = 0;
  #lostSpans = 0;
  #dirty = false;

  route(name: string): RouteStats {
    const stats = this.#routes.get(name) ?? new RouteStats();
    this.#routes.set(name, stats);
    return stats;
  }

  /** An upstream began to answer. */
  answered(upstream: string, afterMs: number): void {
    let seconds = this.#upstreams.get(upstream);
    if (seconds === undefined) {
      seconds = new Histogram(LATENCY_BOUNDS_S);
      this.#upstreams.set(upstream, seconds);
    }
    seconds.observe(afterMs / 1000);
    this.#dirty = true;
  }

  failed(upstream: string, target: string): void {
    const key = `${upstream}\n${target}`;
    this.#failures[key] = (this.#failures[key] ?? 0) + 1;
    this.#dirty = true;
  }

  retried(upstream: string): void {
    this.#retries[upstream] = (this.#retries[upstream] ?? 0) + 1;
    this.#dirty = true;
  }

  /** A policy that can be told to let pass what it finds has found something. */
  found(policy: string, route: string, refused: boolean): void {
    const key = `${policy}\n${route}\n${refused ? 'refused' : 'passed'}`;
    this.#findings[key] = (this.#findings[key] ?? 0) + 1;
    this.#dirty = true;
  }

  refused(): void {
    this.#refused++;
    this.#dirty = true;
  }

  shadowed(route: string, outcome: 'sent' | 'failed' | 'skipped'): void {
    const key = `${route}\n${outcome}`;
    this.#shadowed[key] = (this.#shadowed[key] ?? 0) + 1;
    this.#dirty = true;
  }

  /** A request found no room among what its thread holds. */
  wasFull(): void {
    this.#full++;
    this.#dirty = true;
  }

  lostRecords(records: number): void {
    this.#lostRecords += records;
    this.#dirty = true;
  }

  exportedSpans(spans: number): void {
    this.#exportedSpans += spans;
    this.#dirty = true;
  }

  lostSpans(spans: number): void {
    this.#lostSpans += spans;
    this.#dirty = true;
  }

  /** What has been counted since; undefined when nothing was. */
  take(): StatsDelta | undefined {
    const routes: Record<string, RouteDelta> = {};
    let some = this.#dirty;
    for (const [name, stats] of this.#routes) {
      const delta = stats.take();
      if (delta === undefined) continue;
      routes[name] = delta;
      some = true;
    }
    if (!some) return undefined;
    const delta = {
      routes,
      upstreams: Object.fromEntries(
        [...this.#upstreams].map(([name, { counts, sum, count }]) => [name, { counts, sum, count }]),
      ),
      failures: this.#failures,
      retries: this.#retries,
      findings: this.#findings,
      shadowed: this.#shadowed,
      refused: this.#refused,
      lostRecords: this.#lostRecords,
      full: this.#full,
      exportedSpans: this.#exportedSpans,
      lostSpans: this.#lostSpans,
    };
    this.#upstreams = new Map();
    this.#findings = {};
    this.#shadowed = {};
    this.#failures = {};
    this.#retries = {};
    this.#refused = 0;
    this.#lostRecords = 0;
    this.#full = 0;
    this.#exportedSpans = 0;
    this.#lostSpans = 0;
    this.#dirty = false;
    return delta;
  }
}
