/**
 * What a listener thread counts. It adds to plain numbers, and hands them over at intervals to the main thread, which
 * alone has the metrics.
 */
import { Histogram, LATENCY_BOUNDS_S } from '#kernel';

export interface RouteDelta {
  /** Requests by class of status; 0: the client went away. */
  readonly classes: Readonly<Record<string, number>>;
  readonly counts: readonly number[];
  readonly sum: number;
  readonly count: number;
}

export interface StatsDelta {
  readonly routes: Readonly<Record<string, RouteDelta>>;
  /** By upstream and target, a line break between. */
  readonly failures: Readonly<Record<string, number>>;
  readonly retries: Readonly<Record<string, number>>;
  /** What policies found and may have let pass, by policy, route and outcome, line breaks between. */
  readonly findings: Readonly<Record<string, number>>;
  /** Requests no route was found for, or that were refused before. */
  readonly refused: number;
  /** Access records that could not be kept. */
  readonly lostRecords: number;
  /** Requests refused because the thread held as much as it may. */
  readonly full: number;
  readonly exportedSpans: number;
  readonly lostSpans: number;
}

export class RouteStats {
  #classes: Record<string, number> = {};
  #seconds = new Histogram(LATENCY_BOUNDS_S);

  /** @param status 0 when the client went away first */
  ended(status: number, elapsedMs: number): void {
    const name = status === 0 ? 'aborted' : `${Math.floor(status / 100)}xx`;
    this.#classes[name] = (this.#classes[name] ?? 0) + 1;
    this.#seconds.observe(elapsedMs / 1000);
  }

  /** Undefined when nothing happened. */
  take(): RouteDelta | undefined {
    const { counts, sum, count } = this.#seconds;
    if (count === 0) return undefined;
    const delta = { classes: this.#classes, counts, sum, count };
    this.#classes = {};
    this.#seconds = new Histogram(LATENCY_BOUNDS_S);
    return delta;
  }
}

export class Stats {
  readonly #routes = new Map<string, RouteStats>();
  #failures: Record<string, number> = {};
  #retries: Record<string, number> = {};
  #findings: Record<string, number> = {};
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
      failures: this.#failures,
      retries: this.#retries,
      findings: this.#findings,
      refused: this.#refused,
      lostRecords: this.#lostRecords,
      full: this.#full,
      exportedSpans: this.#exportedSpans,
      lostSpans: this.#lostSpans,
    };
    this.#findings = {};
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
