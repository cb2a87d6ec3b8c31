/**
 * Failed authentications: after `oauthFailuresMax` within a minute, one client from one address is refused before anything
 * is looked at. By both together, so that a stranger who knows the name of a client cannot lock it out from elsewhere.
 * Bounded: the place that failed longest ago is forgotten first. Lost with the process.
 */
import type { Clock, Limits } from '#kernel';

const WINDOW_MS = 60_000;

interface Failures {
  count: number;
  readonly endsAt: number;
}

export class FailureCounts {
  readonly #clock: Clock;
  readonly #limits: Pick<Limits, 'oauthFailuresMax' | 'oauthFailurePlacesMax'>;
  readonly #places = new Map<string, Failures>();

  constructor(clock: Clock, limits: Pick<Limits, 'oauthFailuresMax' | 'oauthFailurePlacesMax'>) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Seconds until this place may try again; 0: now. */
  waitS(place: string): number {
    const failures = this.#places.get(place);
    if (failures === undefined || failures.count < this.#limits.oauthFailuresMax) return 0;
    const leftMs = failures.endsAt - this.#clock.monotonic();
    return leftMs <= 0 ? 0 : Math.ceil(leftMs / 1000);
  }

  add(place: string): void {
    const now = this.#clock.monotonic();
    const before = this.#places.get(place);
    this.#places.delete(place);
    const goesOn = before !== undefined && before.endsAt > now;
    this.#places.set(place, goesOn ? { ...before, count: before.count + 1 } : { count: 1, endsAt: now + WINDOW_MS });
    if (this.#places.size <= this.#limits.oauthFailurePlacesMax) return;
    for (const oldest of this.#places.keys()) {
      this.#places.delete(oldest);
      return;
    }
  }
}
