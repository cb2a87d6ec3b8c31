/**
 * What clients have used of their plans, on the main thread, which has the log.
 *
 *   thread has no unit left ── ask ─▶ commit: so many units more, in the log ── durable ─▶ granted to all threads
 *   going down in order ─▶ commit: what was used, to the unit
 *
 * A unit is in the log before a request is let through on it, so after a crash the count is never lower than what went
 * through, and higher by at most what was granted and not used: a hundredth of the quota, and no more than
 * `quotaLeaseMax`. Without a crash it is exact.
 */
import { type Clock, encodeUtf8, type Limits, type Logger } from '#kernel';
import type { Log, StateChange } from '#log';
import type { PlanSpec } from '../kinds/plan-kind.ts';
import { QuotaCells } from './cells.ts';
import { ordinalOf, type Period, startOf } from './period.ts';

/** What a thread asks for: one unit more at least. */
export interface QuotaQuestion {
  readonly client: string;
  readonly period: Period;
  readonly ordinal: number;
  /** There are some left; it is asked so that nobody has to wait. */
  readonly ahead: boolean;
}

/** What threads are told of the plans of clients. */
export interface QuotaShare {
  readonly buffer: SharedArrayBuffer;
  readonly clients: readonly (readonly [client: string, quotas: readonly ClientQuota[]])[];
}

export interface ClientQuota {
  readonly period: Period;
  readonly requests: number;
  readonly cell: number;
}

export interface QuotaUsage {
  readonly period: Period;
  readonly requests: number;
  readonly used: number;
  readonly remaining: number;
  /** Epoch milliseconds. */
  readonly from: number;
  readonly until: number;
}

export interface PastUsage {
  readonly period: Period;
  readonly from: number;
  readonly used: number;
}

const SPACE = 'gateway-quotas';
const LEASE_SHARE = 100;
/** Periods whose counts are kept. */
const KEPT = { hour: 48, day: 62, month: 24 } as const;
const PAST_MAX = KEPT.hour + KEPT.day + KEPT.month + 6;

interface Place {
  readonly client: string;
  readonly period: Period;
  readonly cell: number;
}

export interface LedgerParts {
  readonly log: Log;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly logger: Logger;
  /** Tells all threads. */
  share(share: QuotaShare): void;
}

export class QuotaLedger {
  readonly #parts: LedgerParts;
  readonly #cells: QuotaCells;
  readonly #places = new Map<string, Place>();
  readonly #plans = new Map<string, PlanSpec>();
  #clients: ReadonlyMap<string, string> = new Map();
  readonly #changing = new Map<string, Promise<unknown>>();

  constructor(parts: LedgerParts) {
    this.#parts = parts;
    this.#cells = QuotaCells.create(parts.limits.quotaCellsMax);
  }

  setPlan(name: string, spec: PlanSpec | undefined): void {
    if (spec === undefined) this.#plans.delete(name);
    else this.#plans.set(name, spec);
    this.#tell();
  }

  /** @param clients names of clients and of their plans, of those that have one */
  setClients(clients: ReadonlyMap<string, string>): void {
    this.#clients = clients;
    this.#tell();
  }

  #quotas(client: string): PlanSpec['quotas'] {
    return this.#plans.get(this.#clients.get(client) ?? '')?.quotas ?? [];
  }

  #tell(): void {
    const now = this.#parts.clock.now();
    const clients: [string, ClientQuota[]][] = [];
    for (const client of this.#clients.keys()) {
      const quotas: ClientQuota[] = [];
      for (const { period, requests } of this.#quotas(client)) {
        const place = this.#place(client, period);
        if (place === undefined) continue;
        quotas.push({ period, requests, cell: place.cell });
        const ordinal = ordinalOf(period, now);
        const found = this.#cells.read(place.cell, ordinal);
        // A quota that has become smaller takes back what was granted beyond it.
        if (found !== undefined && found.granted > requests) {
          this.#cells.grant(place.cell, ordinal, Math.max(requests, found.used));
        }
      }
      if (quotas.length > 0) clients.push([client, quotas]);
    }
    this.#parts.share({ buffer: this.#cells.buffer, clients });
  }

  #place(client: string, period: Period): Place | undefined {
    const key = `${client}\n${period}`;
    let place = this.#places.get(key);
    if (place === undefined) {
      const { limits, logger } = this.#parts;
      if (this.#places.size === limits.quotaCellsMax) {
        logger.error({ client, period }, 'there are more quotas than quotaCellsMax; this one is not held');
        return undefined;
      }
      place = { client, period, cell: this.#places.size };
      this.#places.set(key, place);
    }
    return place;
  }

  /** Whether there is a unit now. @throws as `Log.commit`: what cannot be counted is not let through */
  async extend(question: QuotaQuestion): Promise<boolean> {
    const key = `${question.client}\n${question.period}`;
    const place = this.#places.get(key);
    // Its plan has gone meanwhile: whoever asks looks again.
    if (place === undefined) return true;
    const before = this.#changing.get(key) ?? Promise.resolve();
    const done = before.then(
      () => this.#extend(place, question),
      () => this.#extend(place, question),
    );
    this.#changing.set(key, done);
    try {
      return await done;
    } finally {
      if (this.#changing.get(key) === done) this.#changing.delete(key);
    }
  }

  async #extend({ client, period, cell }: Place, { ordinal, ahead }: QuotaQuestion): Promise<boolean> {
    const limit = this.#limit(client, period);
    if (limit === undefined) return true;
    const lease = Math.max(1, Math.min(this.#parts.limits.quotaLeaseMax, Math.floor(limit / LEASE_SHARE)));
    const found = this.#cells.read(cell, ordinal);
    if (found !== undefined) {
      const left = found.granted - found.used;
      if (left > (ahead ? lease / 2 : 0)) return true;
      if (found.granted >= limit) return left > 0;
      const granted = Math.min(limit, found.used + lease);
      await this.#commit([change(client, period, ordinal, granted)]);
      this.#cells.grant(cell, ordinal, Math.min(granted, this.#limit(client, period) ?? 0));
      return true;
    }
    // A period that is over by more than one is not begun again.
    const old = this.#cells.before(cell, ordinal);
    if (old > ordinal) return true;
    const used = this.#stored(client, period, ordinal);
    if (used >= limit) {
      this.#cells.begin(cell, ordinal, used, used);
      return false;
    }
    const granted = Math.min(limit, used + lease);
    const changes = [change(client, period, ordinal, granted), forget(client, period, ordinal - KEPT[period])];
    const over = this.#cells.read(cell, old);
    if (old > 0 && over !== undefined) changes.push(change(client, period, old, over.used));
    await this.#commit(changes);
    this.#cells.begin(cell, ordinal, used, Math.min(granted, this.#limit(client, period) ?? 0));
    return true;
  }

  /** As it is now: it may have changed while the log was writing. */
  #limit(client: string, period: Period): number | undefined {
    return this.#quotas(client).find((one) => one.period === period)?.requests;
  }

  async #commit(state: readonly StateChange[]): Promise<void> {
    await this.#parts.log.commit({ state });
  }

  #stored(client: string, period: Period, ordinal: number): number {
    const value = this.#parts.log.getState(SPACE, keyOf(client, period, ordinal));
    return value === undefined ? 0 : Number(Buffer.from(value).toString());
  }

  /** Of the periods that are now. */
  usage(client: string): QuotaUsage[] {
    const now = this.#parts.clock.now();
    return this.#quotas(client).map(({ period, requests }) => {
      const ordinal = ordinalOf(period, now);
      const place = this.#places.get(`${client}\n${period}`);
      const live = place && this.#cells.read(place.cell, ordinal);
      const used = live?.used ?? this.#stored(client, period, ordinal);
      const [from, until] = [startOf(period, ordinal), startOf(period, ordinal + 1)];
      return { period, requests, used, remaining: Math.max(0, requests - used), from, until };
    });
  }

  /** Of periods that are over, as far as they are kept; by period, the oldest first. */
  past(client: string): PastUsage[] {
    const now = this.#parts.clock.now();
    const past: PastUsage[] = [];
    const prefix = `${client}\n`;
    for (const [key, value] of this.#parts.log.scanState(SPACE, prefix, PAST_MAX)) {
      if (!key.startsWith(prefix)) break;
      const [, period, ordinal] = key.split('\n') as [string, Period, string];
      if (Number(ordinal) >= ordinalOf(period, now)) continue;
      past.push({ period, from: startOf(period, Number(ordinal)), used: Number(Buffer.from(value).toString()) });
    }
    return past;
  }

  /** Writes down what was used, to the unit. The threads have ended. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#changing.values());
    const now = this.#parts.clock.now();
    const changes: StateChange[] = [];
    for (const { client, period, cell } of this.#places.values()) {
      const latest = ordinalOf(period, now);
      for (const ordinal of [latest - 1, latest]) {
        const found = this.#cells.read(cell, ordinal);
        if (found !== undefined) changes.push(change(client, period, ordinal, found.used));
      }
    }
    if (changes.length > 0) await this.#commit(changes);
  }
}

/** Ordinals are written so that they sort. */
function keyOf(client: string, period: Period, ordinal: number): string {
  return `${client}\n${period}\n${String(ordinal).padStart(8, '0')}`;
}

function change(client: string, period: Period, ordinal: number, count: number): StateChange {
  return { space: SPACE, key: keyOf(client, period, ordinal), value: encodeUtf8(String(count)) };
}

function forget(client: string, period: Period, ordinal: number): StateChange {
  return { space: SPACE, key: keyOf(client, period, ordinal), value: null };
}
