/**
 * One server of an upstream: its connections, how busy and how quick it is, and whether it can be relied on. Lives on as
 * long as tables name it with the same way of connecting.
 */
import type { Pool } from 'undici';
import type { UpstreamSpec } from '../kinds/upstream-kind.ts';
import { AddressRule, guardedLookup } from './address.ts';
import { type Choice, hashText, peakMean } from './balance.ts';
import { Breaker, HealthRecord } from './breaker.ts';
import { Connections } from './connections.ts';
import { Origin } from './origin.ts';
import { undici } from './undici.ts';

const KEEP_ALIVE_MS = 55_000;

export class Target implements Choice {
  /** `http://10.0.0.5:8080`. */
  readonly url: string;
  /** What its Host header says. */
  readonly host: string;
  readonly hash: number;
  readonly connections: Connections;
  readonly breaker = new Breaker();
  readonly health = new HealthRecord();
  share = 1;
  inFlight = 0;
  latencyMs = 0;
  turn = 0;
  weight = 1;
  #measuredAt = 0;
  readonly #connectMs: number;
  readonly #lookup: ReturnType<typeof guardedLookup>;

  constructor(url: string, spec: UpstreamSpec) {
    const parsed = new URL(url);
    this.url = url;
    this.host = parsed.host;
    this.hash = hashText(url);
    this.#connectMs = spec.connect_ms;
    this.#lookup = guardedLookup(new AddressRule(spec.networks));
    const origin = new Origin(parsed, { connectMs: spec.connect_ms, lookup: this.#lookup });
    this.connections = new Connections(origin, spec.connections_max);
  }

  /** Targets of one key reach the same server in the same way. */
  static key(url: string, { networks, connections_max, connect_ms }: UpstreamSpec): string {
    return JSON.stringify([url, networks, connections_max, connect_ms]);
  }

  /** A connection of its own, so that a check does not wait behind requests. */
  checker(): Pool {
    const { Pool: NewPool } = undici();
    return new NewPool(new URL(this.url).origin, {
      connect: { timeout: this.#connectMs, lookup: this.#lookup },
      keepAliveTimeout: KEEP_ALIVE_MS,
      connections: 1,
    });
  }

  /** The first bytes of an answer came after so long. */
  measured(latencyMs: number, now: number): void {
    this.latencyMs = peakMean(this.latencyMs, latencyMs, now - this.#measuredAt);
    this.#measuredAt = now;
  }

  /** Takes no more requests; the connections end with what is under way. */
  retire(): void {
    this.connections.retire();
  }

  destroy(): void {
    this.connections.destroy();
  }
}
