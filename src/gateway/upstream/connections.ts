/**
 * The connections to one target, one request at a time on each. Few are opened: the one used last is used next, and when
 * all are busy a request waits for the first that gets free. Only one that has waited for a while makes a new one, so a
 * quick target is served over a few warm connections and a slow one over as many as it needs.
 *
 *   carry ─▶ a free connection ─▶ undici ─▶ released by whoever carried ─▶ the next that waits, or free
 *        └─▶ none: waits; GROW_MS later a new connection, up to `connections_max`
 *
 * How many may wait is bounded by the upstream's `requests_max`. Each request, once begun, calls `release` exactly once.
 */
import type { Client, Dispatcher } from 'undici';
import { undici } from './undici.ts';

/** Opened without waiting. */
const PROMPT = 16;
/** How long a request waits before it makes a new connection. */
const GROW_MS = 5;
const COMPACT_FROM = 1_024;

export type CarriedOptions = Pick<Dispatcher.DispatchOptions, 'path' | 'method' | 'headers' | 'body'>;

/** A request that wants to be carried. */
export interface Carried extends Dispatcher.DispatchHandler {
  /** Its exchange is over before a connection got free: it is not sent. */
  readonly abandoned: boolean;
}

interface Waiting {
  readonly options: CarriedOptions;
  readonly carried: Carried;
  readonly since: number;
}

export class Connections {
  readonly #origin: string;
  readonly #options: Client.Options;
  readonly #max: number;
  readonly #Client = undici().Client;
  readonly #all: Client[] = [];
  /** The one used last at the end. */
  readonly #free: Client[] = [];
  readonly #busy = new Map<Carried, Client>();
  #waiting: Waiting[] = [];
  #first = 0;
  #timer: NodeJS.Timeout | undefined;
  #retired = false;
  #destroyed = false;

  constructor(origin: string, options: Client.Options, max: number) {
    this.#origin = origin;
    this.#options = options;
    this.#max = max;
  }

  carry(options: CarriedOptions, carried: Carried): void {
    const client = this.#free.pop() ?? (this.#all.length < Math.min(PROMPT, this.#max) ? this.#open() : undefined);
    if (client !== undefined) {
      this.#send(client, options, carried);
      return;
    }
    this.#waiting.push({ options, carried, since: performance.now() });
    if (this.#all.length < this.#max) this.#timer ??= setTimeout(() => this.#grow(), GROW_MS);
  }

  #send(client: Client, options: CarriedOptions, carried: Carried): void {
    this.#busy.set(carried, client);
    client.dispatch(options, carried);
  }

  #open(): Client {
    const client = new this.#Client(this.#origin, this.#options);
    this.#all.push(client);
    return client;
  }

  /** A request has come to its end, in whatever way. */
  release(carried: Carried): void {
    const client = this.#busy.get(carried);
    if (client === undefined) return;
    this.#busy.delete(carried);
    if (this.#destroyed) return;
    const next = this.#next();
    if (next !== undefined) this.#send(client, next.options, next.carried);
    else if (this.#retired) void client.close();
    else this.#free.push(client);
  }

  #next(): Waiting | undefined {
    for (;;) {
      const next = this.#waiting[this.#first];
      if (next === undefined) return undefined;
      this.#first++;
      if (this.#first >= COMPACT_FROM && this.#first * 2 >= this.#waiting.length) {
        this.#waiting = this.#waiting.slice(this.#first);
        this.#first = 0;
      }
      if (!next.carried.abandoned) return next;
    }
  }

  /** A connection for each that has waited long enough. */
  #grow(): void {
    this.#timer = undefined;
    const before = performance.now() - GROW_MS;
    while (this.#all.length < this.#max && (this.#waiting[this.#first]?.since ?? Number.POSITIVE_INFINITY) <= before) {
      const next = this.#next();
      if (next !== undefined) this.#send(this.#open(), next.options, next.carried);
    }
    if (this.#first < this.#waiting.length && this.#all.length < this.#max) {
      this.#timer = setTimeout(() => this.#grow(), GROW_MS);
    }
  }

  /** Takes no more; the connections end with what is under way. */
  retire(): void {
    this.#retired = true;
    for (const client of this.#free) void client.close();
    this.#free.length = 0;
  }

  async destroy(): Promise<void> {
    this.#destroyed = true;
    clearTimeout(this.#timer);
    this.#waiting.length = 0;
    await Promise.all(this.#all.map((client) => client.destroy()));
  }
}
