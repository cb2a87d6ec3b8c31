/**
 * Replays captured requests against another server, compares what it answers with what was answered then, and counts. Safe
 * methods only, unless more is asked for; what cannot be sent as it was (its body was left out, or a part of it) is skipped
 * and counted too. Called by `sluice gateway replay`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type CapturedBody, type CapturedRequest, type Comparison, type Difference, REDACTED } from '#gateway';

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);
/** Of a connection, or about who called then. */
const NOT_SENT = new Set([
  'connection',
  'content-length',
  'expect',
  'forwarded',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'accept-encoding',
]);

export interface ReplayOptions {
  /** `http://host:port`, with a path to go before those of the requests, or none. */
  readonly to: string;
  /** Asks for the path the upstream was asked for, instead of the one the client sent. */
  readonly rewritten: boolean;
  readonly unsafe: boolean;
  readonly ratePerS: number;
  readonly concurrency: number;
  readonly timeoutMs: number;
  /** Sent with each, in place of what was captured. */
  readonly headers: ReadonlyMap<string, string>;
  readonly comparison: Comparison;
  /** So many requests with differences are told of in full. */
  readonly shownMax: number;
}

export interface ReplayedDifference {
  readonly id: string;
  readonly method: string;
  readonly target: string;
  readonly differences: readonly Difference[];
}

export interface ReplayReport {
  readonly replayed: number;
  readonly same: number;
  readonly different: number;
  /** There was no answer. */
  readonly failed: number;
  readonly skipped: Readonly<Record<string, number>>;
  /** How many requests differed at each place; items of lists are counted together. */
  readonly places: Readonly<Record<string, number>>;
  readonly first: readonly ReplayedDifference[];
}

export class Replay {
  readonly #options: ReplayOptions;
  #same = 0;
  #different = 0;
  #failed = 0;
  readonly #skipped: Record<string, number> = {};
  readonly #places: Record<string, number> = {};
  readonly #first: ReplayedDifference[] = [];
  readonly #underWay = new Set<Promise<void>>();
  #next = 0;

  constructor(options: ReplayOptions) {
    this.#options = options;
  }

  /** Returns when the next one may come. */
  async take(captured: CapturedRequest): Promise<void> {
    const why = this.#reasonToSkip(captured);
    if (why !== undefined) {
      this.#skipped[why] = (this.#skipped[why] ?? 0) + 1;
      return;
    }
    const { ratePerS, concurrency } = this.#options;
    const now = performance.now();
    this.#next = Math.max(this.#next, now) + 1000 / ratePerS;
    while (this.#underWay.size >= concurrency) await Promise.race(this.#underWay);
    const sending: Promise<void> = this.#send(captured).finally(() => this.#underWay.delete(sending));
    this.#underWay.add(sending);
    await sleep(Math.max(0, this.#next - performance.now()));
  }

  async end(): Promise<ReplayReport> {
    await Promise.all(this.#underWay);
    return {
      replayed: this.#same + this.#different + this.#failed,
      same: this.#same,
      different: this.#different,
      failed: this.#failed,
      skipped: this.#skipped,
      places: this.#places,
      first: this.#first,
    };
  }

  #reasonToSkip({ request, code }: CapturedRequest): string | undefined {
    if (code !== null) return 'refused by the gateway';
    if (!this.#options.unsafe && !SAFE.has(request.method)) return 'not a safe method';
    if (request.body_omitted) return 'its body was not kept';
    if (request.body?.includes(`"${REDACTED}"`)) return 'a part of its body was left out';
    return undefined;
  }

  async #send(captured: CapturedRequest): Promise<void> {
    const { comparison, timeoutMs, rewritten, to } = this.#options;
    const { request, answer } = captured;
    const asked = rewritten ? request.target : `${request.path}${request.query === '' ? '' : `?${request.query}`}`;
    const target = withoutRedacted(asked);
    const body = bytesOf(request);
    try {
      const answered = await fetch(`${to}${target}`, {
        method: request.method,
        headers: this.#headersOf(request.headers),
        redirect: 'manual',
        signal: AbortSignal.timeout(timeoutMs),
        ...(body === undefined ? {} : { body: Uint8Array.from(body) }),
      });
      const after = {
        status: answered.status,
        headers: new Map(answered.headers),
        body: Buffer.from(await answered.arrayBuffer()),
      };
      const before = {
        status: answer.status,
        headers: answer.headers === null ? undefined : joined(answer.headers),
        body: answer.body_omitted ? undefined : (bytesOf(answer) ?? Buffer.alloc(0)),
      };
      this.#compared(captured, target, comparison.differences(before, after));
    } catch (error) {
      this.#failed++;
      const cause = (error as Error).cause;
      const why = cause instanceof Error ? cause.message : (error as Error).message;
      this.#tell(captured, target, [{ where: 'answer', before: answer.status, after: why }]);
    }
  }

  #headersOf(flat: readonly string[]): Headers {
    const headers = new Headers();
    for (let i = 0; i < flat.length; i += 2) {
      const [name, value] = [flat[i] as string, flat[i + 1] as string];
      if (!NOT_SENT.has(name) && value !== REDACTED) headers.append(name, value);
    }
    for (const [name, value] of this.#options.headers) headers.set(name, value);
    headers.set('accept-encoding', 'identity');
    return headers;
  }

  #compared(captured: CapturedRequest, target: string, differences: readonly Difference[]): void {
    if (differences.length === 0) {
      this.#same++;
      return;
    }
    this.#different++;
    for (const place of new Set(differences.map(({ where }) => where.replace(/\/(\d+|-)(?=\/|$)/g, '/*')))) {
      this.#places[place] = (this.#places[place] ?? 0) + 1;
    }
    this.#tell(captured, target, differences);
  }

  #tell({ id, request: { method } }: CapturedRequest, target: string, differences: readonly Difference[]): void {
    if (this.#first.length < this.#options.shownMax) this.#first.push({ id, method, target, differences });
  }
}

function bytesOf({ body, body_base64 }: CapturedBody): Buffer | undefined {
  if (body !== undefined) return Buffer.from(body);
  return body_base64 === undefined ? undefined : Buffer.from(body_base64, 'base64');
}

/** Several of one name as one, as `fetch` gives them. */
function joined(flat: readonly string[]): Map<string, string> {
  const all = new Headers();
  for (let i = 0; i < flat.length; i += 2) all.append(flat[i] as string, flat[i + 1] as string);
  return new Map(all);
}

/** Parameters that were left out are not sent. */
function withoutRedacted(target: string): string {
  const at = target.indexOf('?');
  if (at < 0) return target;
  const left = `=${encodeURIComponent(REDACTED)}`;
  const kept = target
    .slice(at + 1)
    .split('&')
    .filter((part) => !part.endsWith(left));
  return kept.length === 0 ? target.slice(0, at) : `${target.slice(0, at)}?${kept.join('&')}`;
}
