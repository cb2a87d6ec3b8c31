/**
 * Quotas on a listener thread: the policy that lets a client through as long as all quotas of its plan have units, the last
 * of the policies of heads. A request that a later policy refuses before any upstream has seen it is given back.
 *
 * The answer carries `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10), and `Retry-After` on a
 * refusal: when the period ends.
 */
import { type Clock, SluiceError } from '#kernel';
import type { ThreadLink } from '../link.ts';
import type { GatewayRequest, Outcome, Policy, Verdict } from '../policy.ts';
import { QuotaCells } from './cells.ts';
import type { ClientQuota, QuotaShare } from './ledger.ts';
import { ordinalOf, startOf } from './period.ts';

/** Asking again and again is for threads whose clocks see a period end meanwhile. */
const ATTEMPTS_MAX = 100;
/** Beyond so many left, nobody need ask for more yet. */
const AHEAD = 0.25;

interface Taken {
  readonly cell: number;
  readonly ordinal: number;
}

/** A thread's view of all plans. */
export class Quotas {
  cells: QuotaCells | undefined;
  #clients: ReadonlyMap<string, readonly ClientQuota[]> = new Map();

  replace({ buffer, clients }: QuotaShare): void {
    this.cells = new QuotaCells(buffer);
    this.#clients = new Map(clients);
  }

  of(client: string): readonly ClientQuota[] | undefined {
    return this.#clients.get(client);
  }
}

export interface QuotaParts {
  readonly clock: Clock;
  readonly link: ThreadLink;
  readonly quotas: Quotas;
}

export class QuotaPolicy implements Policy {
  readonly name = 'quota';
  readonly #parts: QuotaParts;
  readonly #taken = new WeakMap<GatewayRequest, Taken[]>();
  readonly #asked = new Set<number>();

  constructor(parts: QuotaParts) {
    this.#parts = parts;
  }

  check(request: GatewayRequest): Verdict | Promise<Verdict> {
    const client = request.client?.name;
    const quotas = client === undefined ? undefined : this.#parts.quotas.of(client);
    if (client === undefined || quotas === undefined) return undefined;
    const taken: Taken[] = [];
    this.#taken.set(request, taken);
    for (const quota of quotas) {
      if (!this.#take(quota, taken)) return this.#wait(request, client, quotas, taken);
    }
    this.#tell(request, client, quotas);
    return undefined;
  }

  #take({ period, cell }: ClientQuota, taken: Taken[]): boolean {
    const ordinal = ordinalOf(period, this.#parts.clock.now());
    if (this.#parts.quotas.cells?.take(cell, ordinal) !== true) return false;
    taken.push({ cell, ordinal });
    return true;
  }

  /** Takes the rest, and asks for units where there are none. */
  async #wait(
    request: GatewayRequest,
    client: string,
    quotas: readonly ClientQuota[],
    taken: Taken[],
  ): Promise<Verdict> {
    try {
      for (let i = taken.length; i < quotas.length; i++) {
        const quota = quotas[i] as ClientQuota;
        if (await this.#obtain(client, quota, taken)) continue;
        this.#giveBack(request);
        this.#tell(request, client, quotas);
        return this.#refuse(request, quota);
      }
    } catch (error) {
      this.#giveBack(request);
      throw error;
    }
    this.#tell(request, client, quotas);
    return undefined;
  }

  async #obtain(client: string, quota: ClientQuota, taken: Taken[]): Promise<boolean> {
    const { link, clock } = this.#parts;
    const { period } = quota;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      if (this.#take(quota, taken)) return true;
      if (!(await link.ask('quota', { client, period, ordinal: ordinalOf(period, clock.now()), ahead: false }))) {
        return false;
      }
    }
    throw new SluiceError('LIMIT_EXCEEDED', 'the quota is asked for by too many at once');
  }

  #refuse(request: GatewayRequest, { period, requests }: ClientQuota): SluiceError {
    const now = this.#parts.clock.now();
    const seconds = Math.max(1, Math.ceil((startOf(period, ordinalOf(period, now) + 1) - now) / 1000));
    request.answerHeaders.push('retry-after', String(seconds));
    const message = `the plan has ${requests} requests for each ${period}, and they are used`;
    return new SluiceError('QUOTA_EXCEEDED', message, { period, requests, retry_after_s: seconds });
  }

  /** Writes the fields, and asks for more units before there are none. */
  #tell(request: GatewayRequest, client: string, quotas: readonly ClientQuota[]): void {
    const now = this.#parts.clock.now();
    let policy = '';
    let state = '';
    for (const { period, requests, cell } of quotas) {
      const ordinal = ordinalOf(period, now);
      const [from, until] = [startOf(period, ordinal), startOf(period, ordinal + 1)];
      const found = this.#parts.quotas.cells?.read(cell, ordinal);
      const separator = policy === '' ? '' : ', ';
      policy += `${separator}"${period}";q=${requests};w=${(until - from) / 1000}`;
      const remaining = Math.max(0, requests - (found?.used ?? 0));
      state += `${separator}"${period}";r=${remaining};t=${Math.ceil((until - now) / 1000)}`;
      if (found === undefined || found.granted >= requests || this.#asked.has(cell)) continue;
      const lease = requests / 100;
      if (lease >= 2 && found.granted - found.used <= lease * AHEAD)
        this.#askAhead({ period, requests, cell }, client, ordinal);
    }
    request.answerHeaders.push('ratelimit-policy', policy, 'ratelimit', state);
  }

  #askAhead({ period, cell }: ClientQuota, client: string, ordinal: number): void {
    this.#asked.add(cell);
    this.#parts.link
      .ask('quota', { client, period, ordinal, ahead: true })
      // Whoever finds no unit asks again, and is told why there is none.
      .catch(() => undefined)
      .finally(() => this.#asked.delete(cell));
  }

  #giveBack(request: GatewayRequest): void {
    for (const { cell, ordinal } of this.#taken.get(request) ?? []) this.#parts.quotas.cells?.giveBack(cell, ordinal);
    this.#taken.delete(request);
  }

  ended(request: GatewayRequest, { code, attempts }: Outcome): void {
    if (code !== undefined && attempts === 0) this.#giveBack(request);
  }
}
