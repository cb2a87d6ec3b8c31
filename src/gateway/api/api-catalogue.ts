/**
 * The declared APIs on the main thread: refuses one that cannot be served, or that breaks those who call by what was
 * published before. Called by the gateway, for declarations and dry runs alike.
 */
import { type Clock, type ErrorDetails, type Limits, SluiceError } from '#kernel';
import type { ApiSpec } from '../kinds/api-kind.ts';
import type { NamedApi } from '../table.ts';
import { breaksBetween } from './breaks.ts';
import { compileApi } from './compiled-api.ts';
import { checkDocuments } from './document-check.ts';
import { documentsOf } from './documents.ts';

/** Breaks that a refusal tells of one by one, and those that its message names. */
const TOLD_MAX = 100;
const NAMED_MAX = 5;

/** Of the whole declaration; what walks through it afterwards may do so by calling itself. */
const DEPTH_MAX = 200;

interface PublishedBreak {
  readonly version: string;
  readonly rule: string;
  readonly at: string;
  readonly what: string;
}

export class ApiCatalogue {
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #apis = new Map<string, NamedApi>();
  #revision = 0;

  constructor(clock: Clock, limits: Limits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  has(name: string): boolean {
    return this.#apis.has(name);
  }

  find(name: string | undefined): NamedApi | undefined {
    return name === undefined ? undefined : this.#apis.get(name);
  }

  named(): NamedApi[] {
    return [...this.#apis.values()];
  }

  set(name: string, spec: ApiSpec): void {
    this.#apis.set(name, { name, spec, revision: ++this.#revision });
  }

  delete(name: string): void {
    this.#apis.delete(name);
  }

  /** @param before what is declared now @throws RESOURCE_INVALID, TRANSFORM_INVALID, API_BREAKS_CALLERS */
  check(name: string, spec: ApiSpec, before: ApiSpec | undefined): void {
    if (isDeep(spec))
      throw new SluiceError('RESOURCE_INVALID', `an api nests at most ${DEPTH_MAX} deep`, { field: '' });
    const { apiBytesMax } = this.#limits;
    if (Buffer.byteLength(JSON.stringify(spec)) > apiBytesMax) {
      throw new SluiceError('RESOURCE_INVALID', `an api has at most ${apiBytesMax} bytes as JSON`, { field: '' });
    }
    checkDocuments(spec);
    compileApi(name, spec, this.#clock, this.#limits);
    if (before === undefined) return;
    const breaks = publishedBreaks(before, spec, this.#clock.now());
    const unmeant = breaks.filter((one) => !spec.accepted_breaks.includes(breakText(one)));
    if (unmeant.length === 0) return;
    const named = unmeant.slice(0, NAMED_MAX).map(breakText).join('; ');
    const more = unmeant.length > NAMED_MAX ? `; and ${unmeant.length - NAMED_MAX} more` : '';
    const details: ErrorDetails = {
      breaks: unmeant.slice(0, TOLD_MAX).map((one) => ({ ...one, text: breakText(one) })),
    };
    throw new SluiceError('API_BREAKS_CALLERS', `${named}${more}. Make a new version for it`, details);
  }
}

function isDeep(spec: unknown): boolean {
  const waiting: [value: unknown, depth: number][] = [[spec, 0]];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [value, depth] = next;
    if (typeof value !== 'object' || value === null) continue;
    if (depth > DEPTH_MAX) return true;
    for (const one of Object.values(value)) waiting.push([one, depth + 1]);
  }
  return false;
}

/** As `accepted_breaks` has it. */
function breakText({ version, at, what }: PublishedBreak): string {
  return at === '' ? `${version}: ${what}` : `${version}: ${at} ${what}`;
}

/** What callers of each version that was published, and has not ended, would notice. */
function publishedBreaks(before: ApiSpec, after: ApiSpec, now: number): PublishedBreak[] {
  const [were, are] = [documentsOf(before), documentsOf(after)];
  return before.versions.flatMap(({ version, sunset }): PublishedBreak[] => {
    if (sunset !== undefined && Date.parse(sunset) <= now) return [];
    if (!after.versions.some((one) => one.version === version)) {
      return [{ version, rule: 'version_removed', at: '', what: 'is gone before its sunset' }];
    }
    const [was, is] = [were.get(version), are.get(version)];
    if (was === undefined) return [];
    if (is === undefined) {
      return [{ version, rule: 'document_removed', at: '', what: 'has no OpenAPI document any more' }];
    }
    return breaksBetween(was, is).map((one) => ({ version, ...one }));
  });
}
