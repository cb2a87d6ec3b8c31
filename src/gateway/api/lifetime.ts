/**
 * The end of a version: announced in every answer (RFC 9745, RFC 8594), rehearsed in brownouts, then for good.
 *
 *   current ─▶ deprecated: Deprecation, Sunset, Link ─▶ brownouts: 503 for a while ─▶ sunset: 410
 */
import { SluiceError } from '#kernel';
import type { VersionSpec } from '../kinds/api-kind.ts';

export type VersionState = 'current' | 'supported' | 'deprecated' | 'gone';

export interface Lifetime {
  /** Headers of every answer, names and values in turn, apart from the link to the successor. */
  readonly headers: readonly string[];
  /** Epoch milliseconds. */
  readonly deprecatedAt: number | undefined;
  readonly sunsetAt: number | undefined;
  readonly brownouts: readonly { readonly from: number; readonly until: number }[];
}

/** @param guide where people read how to go on to the newest version; undefined where nothing is published */
export function lifetimeOf(spec: VersionSpec, guide: string | undefined): Lifetime {
  const deprecatedAt = spec.deprecated === undefined ? undefined : Date.parse(spec.deprecated);
  const sunsetAt = spec.sunset === undefined ? undefined : Date.parse(spec.sunset);
  const headers: string[] = [];
  if (deprecatedAt !== undefined) {
    headers.push('deprecation', `@${Math.floor(deprecatedAt / 1_000)}`);
    const page = spec.deprecation_link ?? guide;
    if (page !== undefined) headers.push('link', `<${page}>; rel="deprecation"; type="text/html"`);
  }
  if (sunsetAt !== undefined) {
    headers.push('sunset', new Date(sunsetAt).toUTCString());
    const page = spec.sunset_link ?? guide;
    if (page !== undefined) headers.push('link', `<${page}>; rel="sunset"; type="text/html"`);
  }
  const brownouts = spec.brownouts.map(({ from, until }) => ({ from: Date.parse(from), until: Date.parse(until) }));
  return { headers, deprecatedAt, sunsetAt, brownouts };
}

export function isGone({ sunsetAt }: Lifetime, now: number): boolean {
  return sunsetAt !== undefined && now >= sunsetAt;
}

export function stateOf(lifetime: Lifetime, isNewest: boolean, now: number): VersionState {
  if (isGone(lifetime, now)) return 'gone';
  if (lifetime.deprecatedAt !== undefined && now >= lifetime.deprecatedAt) return 'deprecated';
  return isNewest ? 'current' : 'supported';
}

/** Why a version is not served at this moment; undefined: it is. With `retry_after_s` in a brownout. */
export function refusalOf(lifetime: Lifetime, version: string, newest: string, now: number): SluiceError | undefined {
  if (isGone(lifetime, now)) {
    const when = new Date(lifetime.sunsetAt as number).toISOString();
    const message = `version ${version} ended at ${when}; the newest is ${newest}`;
    return new SluiceError('API_VERSION_GONE', message, { version, successor: newest });
  }
  const window = lifetime.brownouts.find(({ from, until }) => from <= now && now < until);
  if (window === undefined) return undefined;
  const message = `version ${version} is switched off until ${new Date(window.until).toISOString()}, ahead of its end`;
  const retryS = Math.ceil((window.until - now) / 1_000);
  return new SluiceError('API_VERSION_PAUSED', message, { version, successor: newest, retry_after_s: retryS });
}
