/**
 * What became of queued requests, by id, beside the log: written with the request in one commit, and before what it tells
 * is acted on. So a status may be behind by an attempt after a crash, but is never ahead. Ids are ordered by time, which
 * makes the oldest cheap to find: those that have ended are forgotten after their time, earlier when there are too many.
 */
import { decodeUtf8, encodeUtf8, type Limits } from '#kernel';
import type { Log, StateChange } from '#log';

const SPACE = 'gateway.queued';
/** Statuses looked at in one turn. */
const PAGE = 1_000;

export interface QueuedStatus {
  readonly id: string;
  readonly route: string;
  /** Who posted it; null for a route that asks for no key. */
  readonly client: string | null;
  readonly state: 'queued' | 'retrying' | 'delivered' | 'dead';
  readonly attempts: number;
  /** Of the last answer. */
  readonly status: number | null;
  /** Why the last attempt failed. */
  readonly reason: string | null;
  /** Epoch milliseconds. */
  readonly queued_at: number;
  readonly updated_at: number;
}

export class Statuses {
  readonly #log: Log;
  readonly #limits: Limits;
  readonly #now: () => number;
  #known = 0;

  constructor(log: Log, limits: Limits, now: () => number) {
    this.#log = log;
    this.#limits = limits;
    this.#now = now;
  }

  get(id: string): QueuedStatus | undefined {
    const value = this.#log.getState(SPACE, id);
    return value === undefined ? undefined : (JSON.parse(decodeUtf8(value)) as QueuedStatus);
  }

  /** Of a request that is about to be stored. */
  first(id: string, route: string, client: string | null): StateChange {
    const now = this.#now();
    this.#known++;
    return change({
      id,
      route,
      client,
      state: 'queued',
      attempts: 0,
      status: null,
      reason: null,
      queued_at: now,
      updated_at: now,
    });
  }

  /** Resolves when it is durable. A status that was forgotten stays so. */
  async update(id: string, news: Pick<QueuedStatus, 'state' | 'attempts' | 'status' | 'reason'>): Promise<void> {
    const before = this.get(id);
    if (before === undefined) return;
    await this.#log.commit({ state: [change({ ...before, ...news, updated_at: this.#now() })] });
  }

  /**
   * Forgets what is over and older than its time. Called now and then; takes long where there is much, in short turns.
   * @param ttlMsOf of a route
   */
  async sweep(ttlMsOf: (route: string) => number, isOver: () => boolean): Promise<void> {
    let known = 0;
    for (let from = ''; !isOver(); ) {
      const page = this.#log.scanState(SPACE, from, PAGE);
      const excess = this.#known - this.#limits.queuedStatusesMax;
      const gone: StateChange[] = [];
      for (const [key, value] of page) {
        known++;
        const { state, route, updated_at } = JSON.parse(decodeUtf8(value)) as QueuedStatus;
        const ended = state === 'delivered' || state === 'dead';
        const old = updated_at < this.#now() - ttlMsOf(route);
        if (ended && (old || gone.length < excess)) gone.push({ space: SPACE, key, value: null });
      }
      if (gone.length > 0) await this.#log.commit({ state: gone });
      known -= gone.length;
      this.#known = Math.max(0, this.#known - gone.length);
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE) {
        this.#known = known;
        return;
      }
      from = `${last[0]}\0`;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

function change(status: QueuedStatus): StateChange {
  return { space: SPACE, key: status.id, value: encodeUtf8(JSON.stringify(status)) };
}
