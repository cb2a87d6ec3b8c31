/**
 * The connections to one target, one request at a time on each. Few are opened: the one used last is used next, and when
 * all are busy a request waits for the first that gets free. Only one that has waited for a while makes a new one, so a
 * quick target is served over a few warm connections and a slow one over as many as it needs.
 *
 *   carry ─▶ a free connection ─▶ free again ─▶ the next that waits, or at rest until it is wanted or too old
 *        └─▶ none: waits; GROW_MS later a new connection, up to `connections_max`
 *
 * How many may wait is bounded by the upstream's `requests_max`.
 */
import type { Carried, CarriedRequest } from './carried.ts';
import { Connection, type ConnectionOwner } from './connection.ts';
import type { Origin } from './origin.ts';

/** Opened without waiting. */
const PROMPT = 16;
/** How long a request waits before it makes a new connection. */
const GROW_MS = 5;
/** How long a connection may rest where its server does not say. */
const REST_MS = 55_000;
const SWEEP_MS = 5_000;
const COMPACT_FROM = 1_024;

interface Waiting {
  readonly request: CarriedRequest;
  readonly carried: Carried;
  readonly since: number;
}

export class Connections implements ConnectionOwner {
  readonly #origin: Origin;
  readonly #max: number;
  readonly #all = new Set<Connection>();
  /** The one used last at the end. */
  readonly #free: Connection[] = [];
  /** Empty up to the first that waits: what was here would keep all of its exchange. */
  #waiting: (Waiting | undefined)[] = [];
  #first = 0;
  #growing: NodeJS.Timeout | undefined;
  #sweeping: NodeJS.Timeout | undefined;
  #retired = false;
  #destroyed = false;

  constructor(origin: Origin, max: number) {
    this.#origin = origin;
    this.#max = max;
  }

  carry(request: CarriedRequest, carried: Carried): void {
    const connection = this.#rested() ?? (this.#all.size < Math.min(PROMPT, this.#max) ? this.#open() : undefined);
    if (connection !== undefined) {
      connection.send(request, carried);
      return;
    }
    this.#waiting.push({ request, carried, since: performance.now() });
    if (this.#all.size < this.#max) this.#growing ??= setTimeout(() => this.#grow(), GROW_MS);
  }

  /** The free one that rests least, unless its server may be about to close it. */
  #rested(): Connection | undefined {
    for (;;) {
      const connection = this.#free.pop();
      if (connection === undefined || !this.#tooOld(connection)) return connection;
      connection.close();
    }
  }

  #tooOld({ freeSince, restMs }: Connection): boolean {
    return performance.now() - freeSince > Math.min(restMs, REST_MS);
  }

  #open(): Connection {
    const connection = new Connection(this.#origin, this);
    this.#all.add(connection);
    this.#sweeping ??= setInterval(() => this.#sweep(), SWEEP_MS).unref();
    return connection;
  }

  freed(connection: Connection): void {
    const next = this.#next();
    if (next !== undefined) connection.send(next.request, next.carried);
    else if (this.#retired) connection.close();
    else {
      connection.freeSince = performance.now();
      this.#free.push(connection);
    }
  }

  lost(connection: Connection): void {
    this.#all.delete(connection);
    const at = this.#free.indexOf(connection);
    if (at >= 0) this.#free.splice(at, 1);
    if (this.#all.size === 0) this.#rest();
    if (this.#destroyed) return;
    const next = this.#next();
    if (next !== undefined) this.#open().send(next.request, next.carried);
  }

  #next(): Waiting | undefined {
    for (;;) {
      const next = this.#waiting[this.#first];
      if (next === undefined) {
        this.#waiting.length = 0;
        this.#first = 0;
        return undefined;
      }
      this.#waiting[this.#first++] = undefined;
      if (this.#first >= COMPACT_FROM && this.#first * 2 >= this.#waiting.length) {
        this.#waiting = this.#waiting.slice(this.#first);
        this.#first = 0;
      }
      if (!next.carried.abandoned) return next;
    }
  }

  /** A connection for each that has waited long enough. */
  #grow(): void {
    this.#growing = undefined;
    const before = performance.now() - GROW_MS;
    while (this.#all.size < this.#max && (this.#waiting[this.#first]?.since ?? Number.POSITIVE_INFINITY) <= before) {
      const next = this.#next();
      if (next !== undefined) this.#open().send(next.request, next.carried);
    }
    if (this.#first < this.#waiting.length && this.#all.size < this.#max) {
      this.#growing = setTimeout(() => this.#grow(), GROW_MS);
    }
  }

  #sweep(): void {
    for (const connection of this.#free.filter((one) => this.#tooOld(one))) connection.close();
  }

  #rest(): void {
    clearInterval(this.#sweeping);
    this.#sweeping = undefined;
  }

  /** Takes no more; the connections end with what is under way. */
  retire(): void {
    this.#retired = true;
    for (const connection of [...this.#free]) connection.close();
  }

  destroy(): void {
    this.#destroyed = true;
    clearTimeout(this.#growing);
    this.#waiting.length = 0;
    for (const connection of [...this.#all]) connection.close();
  }
}
