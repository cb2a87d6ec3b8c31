/**
 * Two answers to one request, compared by rules: status, headers, and bodies, which are compared by their meaning where both
 * are JSON and byte by byte where not. Pure; called by `sluice gateway replay`.
 *
 * Places in bodies are JSON pointers; `*` stands for any one step, and a place stands for all below it.
 */
import { REDACTED } from './captured-request.ts';

export interface ComparedAnswer {
  readonly status: number;
  /** By name in lower case. Undefined: not known, and not compared. */
  readonly headers: ReadonlyMap<string, string> | undefined;
  /** Undefined: not known, and not compared. */
  readonly body: Buffer | undefined;
}

export interface CompareRules {
  /** Places that are not compared. */
  readonly ignore: readonly string[];
  /** Lists whose order does not matter. */
  readonly unordered: readonly string[];
  /** Numbers may differ by so much. */
  readonly tolerance: number;
  /** Besides those that differ by nature. */
  readonly ignoreHeaders: readonly string[];
}

export interface Difference {
  /** `status`, `header content-type`, `body /items/0/price`. */
  readonly where: string;
  /** What was captured, and what came now; undefined: nothing there. */
  readonly before: unknown;
  readonly after: unknown;
}

/** They tell of the time, of a connection or of one request, not of what was answered. */
const VOLATILE = new Set([
  'age',
  'alt-svc',
  'connection',
  'content-encoding',
  'content-length',
  'date',
  'etag',
  'expires',
  'idempotent-replayed',
  'keep-alive',
  'last-modified',
  'ratelimit',
  'ratelimit-limit',
  'ratelimit-policy',
  'ratelimit-remaining',
  'ratelimit-reset',
  'retry-after',
  'server',
  'server-timing',
  'set-cookie',
  'traceparent',
  'tracestate',
  'transfer-encoding',
  'vary',
  'via',
  'x-powered-by',
  'x-ratelimit-limit',
  'x-ratelimit-remaining',
  'x-ratelimit-reset',
  'x-request-id',
]);
const JSON_TYPE = /^application\/([a-z0-9.!#$&^_+-]+\+)?json\b/i;
/** Of one answer; more tell nothing new. */
const DIFFERENCES_MAX = 20;
/** A longer list without order is put into one before it is compared. */
const MATCHED_MAX = 1_000;
const TEXT_CHARS = 200;

type Steps = readonly string[];

export class Comparison {
  readonly #ignore: readonly Steps[];
  readonly #unordered: readonly Steps[];
  readonly #tolerance: number;
  readonly #ignoreHeaders: ReadonlySet<string>;

  constructor({ ignore, unordered, tolerance, ignoreHeaders }: CompareRules) {
    this.#ignore = ignore.map(stepsOf);
    this.#unordered = unordered.map(stepsOf);
    this.#tolerance = tolerance;
    this.#ignoreHeaders = new Set(ignoreHeaders.map((name) => name.toLowerCase()));
  }

  /** Empty: they say the same. */
  differences(before: ComparedAnswer, after: ComparedAnswer): Difference[] {
    const found: Difference[] = [];
    if (before.status !== after.status) found.push({ where: 'status', before: before.status, after: after.status });
    this.#headers(before.headers, after.headers, found);
    this.#bodies(before, after, found);
    return found.slice(0, DIFFERENCES_MAX);
  }

  #headers(before: ComparedAnswer['headers'], after: ComparedAnswer['headers'], found: Difference[]): void {
    if (before === undefined || after === undefined) return;
    for (const name of new Set([...before.keys(), ...after.keys()])) {
      if (VOLATILE.has(name) || this.#ignoreHeaders.has(name)) continue;
      const [was, is] = [before.get(name), after.get(name)];
      if (was === is || was === REDACTED) continue;
      found.push({ where: `header ${name}`, before: was, after: is });
    }
  }

  #bodies(before: ComparedAnswer, after: ComparedAnswer, found: Difference[]): void {
    if (before.body === undefined || after.body === undefined || before.body.equals(after.body)) return;
    const was = jsonOf(before);
    const is = jsonOf(after);
    if (was !== undefined && is !== undefined) this.#values(was.value, is.value, [], found);
    else if (!matches(this.#ignore, []))
      found.push({ where: 'body', before: textOf(before.body), after: textOf(after.body) });
  }

  #values(before: unknown, after: unknown, at: Steps, found: Difference[]): void {
    if (found.length >= DIFFERENCES_MAX || before === REDACTED || matches(this.#ignore, at)) return;
    if (Array.isArray(before) && Array.isArray(after)) {
      if (exactly(this.#unordered, at)) this.#sets(before, after, at, found);
      else this.#lists(before, after, at, found);
    } else if (isObject(before) && isObject(after)) {
      for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
        this.#values(own(before, name), own(after, name), [...at, name], found);
      }
    } else if (!this.#same(before, after)) found.push(difference(at, before, after));
  }

  #same(before: unknown, after: unknown): boolean {
    if (before === after) return true;
    return typeof before === 'number' && typeof after === 'number' && Math.abs(before - after) <= this.#tolerance;
  }

  #lists(before: readonly unknown[], after: readonly unknown[], at: Steps, found: Difference[]): void {
    const length = Math.max(before.length, after.length);
    for (let i = 0; i < length && found.length < DIFFERENCES_MAX; i++) {
      this.#values(before[i], after[i], [...at, String(i)], found);
    }
  }

  /** Each that was there must be there now, anywhere. */
  #sets(before: readonly unknown[], after: readonly unknown[], at: Steps, found: Difference[]): void {
    if (Math.max(before.length, after.length) > MATCHED_MAX) {
      this.#lists(inOrder(before), inOrder(after), at, found);
      return;
    }
    const left = [...after];
    for (const [i, one] of before.entries()) {
      const place = [...at, String(i)];
      const match = left.findIndex((other) => {
        const differing: Difference[] = [];
        this.#values(one, other, place, differing);
        return differing.length === 0;
      });
      if (match < 0) found.push(difference(place, one, undefined));
      else left.splice(match, 1);
      if (found.length >= DIFFERENCES_MAX) return;
    }
    for (const extra of left) found.push(difference([...at, '-'], undefined, extra));
  }
}

function difference(at: Steps, before: unknown, after: unknown): Difference {
  const pointer = at.map((step) => `/${step.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
  return { where: pointer === '' ? 'body' : `body ${pointer}`, before, after };
}

function stepsOf(pointer: string): Steps {
  const parts = pointer.split('/').slice(1);
  return parts
    .filter((part, i) => part !== '' || i < parts.length - 1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** Whether a place is one of these, or below one. */
function matches(places: readonly Steps[], at: Steps): boolean {
  return places.some((place) => place.length <= at.length && place.every((step, i) => step === '*' || step === at[i]));
}

function exactly(places: readonly Steps[], at: Steps): boolean {
  return places.some((place) => place.length === at.length && matches([place], at));
}

function jsonOf({ headers, body }: ComparedAnswer): { readonly value: unknown } | undefined {
  if (body === undefined || !JSON_TYPE.test(headers?.get('content-type') ?? '')) return undefined;
  try {
    return { value: JSON.parse(body.toString('utf8')) };
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function own(value: Record<string, unknown>, name: string): unknown {
  return Object.hasOwn(value, name) ? value[name] : undefined;
}

function inOrder(list: readonly unknown[]): unknown[] {
  const texts = list.map((value) => [sortedText(value), value] as const);
  return texts.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, value]) => value);
}

function sortedText(value: unknown): string {
  return JSON.stringify(value, (_name, inner) =>
    isObject(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner,
  );
}

function textOf(body: Buffer): string {
  const text = body.toString('utf8');
  return text.length > TEXT_CHARS ? `${text.slice(0, TEXT_CHARS)}…` : text;
}
