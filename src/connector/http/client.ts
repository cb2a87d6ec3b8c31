/**
 * One request to a system, with everything that belongs to it: the budget of the account, the token, the bounds of time and
 * size, redirects, what a refusal means, and trying again as long as one call may take. Used by all that asks.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request as send } from 'undici';
import { processMs, SluiceError } from '#kernel';
import type { OpenContext } from '../contract.ts';
import { Addresses } from './addresses.ts';
import { type Auth, type Draft, isFetched, prove, sign } from './auth.ts';
import { BUDGET_BYTES, Budgets } from './budget.ts';
import type { Answer, HttpRequest, HttpSystem } from './declaration.ts';
import { BodyMalformed, decode, inflate } from './decoders.ts';
import { reasonOf, type Verdict, verdictOf } from './error-rules.ts';
import { stringifyExact } from './exact-json.ts';
import { fillPath } from './paths.ts';
import { hintsOf } from './retry-hints.ts';
import { TokenSource } from './tokens.ts';

/** What one call may wait and try again for; then it fails with a code that says to come again. */
export const PATIENCE_MS = 20_000;
const RETRIES_MAX = 6;
const BACKOFF_MS = 100;
const BACKOFF_MS_MAX = 5_000;
const LIMITED_MS = 1_000;
const CONNECTIONS_MAX = 16;
const REDIRECTS_MAX = 3;
const REDIRECTS = [301, 302, 303, 307, 308];
const SERVER_ERROR = 500;
const UNAVAILABLE = 503;
const TOKEN_BYTES = 8_192;
/** The connection did not come to be, so nothing was sent. */
const UNSENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

export interface AskOptions {
  /** For `{name}` in the path. */
  readonly values?: Readonly<Record<string, unknown>>;
  /** By `processMs`; default: as long as one call may take. */
  readonly deadlineMs?: number;
  /** What is answered instead of thrown. */
  readonly tolerates?: readonly Verdict[];
}

export interface Told extends Answer {
  readonly verdict: Verdict;
  /** Of what is no success, for people. */
  readonly reason: string;
}

/** Nobody knows whether the request was carried out. */
export class Unknown extends SluiceError {}

export class HttpClient {
  readonly #system: HttpSystem;
  readonly #base: URL;
  readonly #agent: Agent;
  readonly #addresses: Addresses;
  readonly #budgets: Budgets;
  readonly #tokens: TokenSource | undefined;

  constructor(system: HttpSystem, { shared: given, keep }: Pick<OpenContext, 'shared' | 'keep'>) {
    this.#system = system;
    const { settings, auth, budgets = [] } = system;
    this.#base = new URL(settings.url.endsWith('/') ? settings.url : `${settings.url}/`);
    this.#addresses = new Addresses(settings.allow_networks);
    const shared = given ?? new SharedArrayBuffer(BUDGET_BYTES + TOKEN_BYTES);
    this.#budgets = new Budgets(shared, budgets);
    this.#agent = new Agent({
      connections: CONNECTIONS_MAX,
      connect: { lookup: this.#addresses.lookup, timeout: settings.timeout_ms },
      headersTimeout: settings.timeout_ms,
      bodyTimeout: settings.timeout_ms,
      maxResponseSize: settings.answer_bytes_max,
    });
    this.#tokens =
      auth !== undefined && isFetched(auth)
        ? new TokenSource(auth, shared, (request, proof) => this.#sendOnce(request, proof), keep)
        : undefined;
  }

  /** @throws ENDPOINT_REFUSED, ENDPOINT_UNREACHABLE, ENDPOINT_RATE_LIMITED, ENDPOINT_FAILED, RECORD_REJECTED */
  async ask(request: HttpRequest, options: AskOptions = {}): Promise<Told> {
    const { values = {}, deadlineMs = processMs() + PATIENCE_MS, tolerates = [] } = options;
    const filled = { ...request, path: fillPath(request.path, values) };
    let refreshed = false;
    for (let attempt = 0; ; attempt++) {
      await this.#budgets.take(filled, deadlineMs);
      const token = filled.foreign === true ? undefined : await this.#tokens?.token(deadlineMs);
      let told: Told;
      try {
        told = this.#judge(await this.#follow(filled, this.#system.auth ?? { kind: 'none' }, token));
      } catch (error) {
        await this.#pause(brokenOff(error, filled), attempt, undefined, deadlineMs);
        continue;
      }
      const { verdict } = told;
      if (verdict === 'ok' || verdict === 'ignore' || tolerates.includes(verdict)) return told;
      if (verdict === 'refresh' && token !== undefined && !refreshed) {
        refreshed = true;
        await this.#tokens?.replace(token, deadlineMs);
        continue;
      }
      await this.#again(told, filled, attempt, deadlineMs);
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  #judge(answer: Answer): Told {
    const { rules = [], reason } = this.#system;
    const verdict = verdictOf(answer, rules);
    this.#budgets.learn(hintsOf(answer, Date.now()));
    return { ...answer, verdict, reason: verdict === 'ok' ? '' : reasonOf(answer, reason) };
  }

  /** Waits, where trying again can help. @throws where it cannot, or not in time */
  async #again(told: Told, request: HttpRequest, attempt: number, deadlineMs: number): Promise<void> {
    const { verdict, status, reason } = told;
    const { waitMs, resetMs, remaining } = hintsOf(told, Date.now());
    if (verdict === 'limited') {
      const pauseMs = waitMs ?? (remaining === 0 ? resetMs : undefined) ?? Math.max(backoffMs(attempt), LIMITED_MS);
      this.#budgets.block(pauseMs);
      if (processMs() + pauseMs < deadlineMs) return;
      const details = { retry_after_ms: Math.ceil(pauseMs) };
      throw new SluiceError('ENDPOINT_RATE_LIMITED', `the system takes no more: ${reason}`, details);
    }
    if (verdict === 'retry') {
      const message = `the system answers ${reason}`;
      const sure = isRepeatable(request) || status === UNAVAILABLE || status < SERVER_ERROR;
      const failure = sure ? unreachable(message) : new Unknown('ENDPOINT_UNREACHABLE', message);
      return this.#pause(failure, attempt, waitMs, deadlineMs);
    }
    if (verdict === 'refresh' || verdict === 'refused') throw new SluiceError('ENDPOINT_REFUSED', reason);
    throw new SluiceError('ENDPOINT_FAILED', reason, { status });
  }

  async #pause(error: unknown, attempt: number, hintMs: number | undefined, deadlineMs: number): Promise<void> {
    const waitMs = hintMs ?? backoffMs(attempt);
    if (error instanceof Unknown || !(error instanceof SluiceError) || error.code !== 'ENDPOINT_UNREACHABLE')
      throw error;
    if (attempt >= RETRIES_MAX || processMs() + waitMs > deadlineMs) throw error;
    await sleep(waitMs);
  }

  /** Redirects are followed on the same host, and asked again as they were. */
  async #follow(request: HttpRequest, auth: Auth, token: string | undefined): Promise<Answer> {
    let current = request;
    for (let hop = 0; ; hop++) {
      const answer = await this.#exchange(current, auth, token);
      const { location } = answer.headers;
      if (!REDIRECTS.includes(answer.status) || location === undefined) return answer;
      if (hop === REDIRECTS_MAX) throw new SluiceError('ENDPOINT_FAILED', 'the system sends us from place to place');
      if ((current.method ?? 'GET') !== 'GET' && answer.status < 307) return answer;
      const { query: _, ...rest } = current;
      current = { ...rest, path: new URL(location, this.#addressOf(current)).href };
    }
  }

  /** For tokens: to any address that the configuration names. */
  async #sendOnce(request: HttpRequest, auth: Auth): Promise<Answer> {
    try {
      return await this.#exchange({ ...request, foreign: true }, auth, undefined, true);
    } catch (error) {
      throw brokenOff(error, { ...request, repeatable: true });
    }
  }

  async #exchange(request: HttpRequest, auth: Auth, token: string | undefined, proven = false): Promise<Answer> {
    const url = this.#addressOf(request);
    this.#addresses.requirePermitted(url);
    const draft: Draft = {
      method: request.method ?? 'GET',
      url,
      headers: this.#headersOf(request),
      json: request.json,
    };
    if (request.foreign !== true || proven) prove(draft, auth, token);
    writeBody(draft, request);
    if (request.foreign !== true) await sign(draft, auth);
    const { timeout_ms, answer_bytes_max } = this.#system.settings;
    const answer = await send(draft.url, {
      dispatcher: this.#agent,
      method: draft.method,
      headers: draft.headers,
      body: draft.body ?? null,
      signal: AbortSignal.timeout(timeout_ms),
    });
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(answer.headers)) {
      if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
    }
    const raw = Buffer.from(await answer.body.arrayBuffer());
    const bytes = inflate(raw, headers['content-encoding'], answer_bytes_max);
    return { status: answer.statusCode, headers, body: bodyOf(answer.statusCode, bytes, headers, request) };
  }

  #headersOf({ headers, foreign }: HttpRequest): Record<string, string> {
    const own = foreign === true ? {} : this.#system.headers;
    const all = { 'user-agent': 'sluice', accept: 'application/json', 'accept-encoding': 'gzip', ...own, ...headers };
    return Object.fromEntries(Object.entries(all).map(([name, value]) => [name.toLowerCase(), value]));
  }

  #below(path: string): URL {
    const rest = path.replace(/^\/+/, '');
    return rest === '' ? new URL(this.#system.settings.url) : new URL(`./${rest}`, this.#base);
  }

  /** @throws ENDPOINT_FAILED for another host: our credentials are for this one */
  #addressOf({ path, query = {}, foreign }: HttpRequest): URL {
    const url = /^https?:/i.test(path) ? new URL(path) : this.#below(path);
    if (url.origin !== this.#base.origin && foreign !== true) {
      throw new SluiceError('ENDPOINT_FAILED', `the system sends us to ${url.origin}, which is another host`);
    }
    for (const [name, value] of Object.entries(query)) {
      if (value === undefined) continue;
      url.searchParams.delete(name);
      for (const one of [value].flat()) url.searchParams.append(name, String(one));
    }
    return url;
  }
}

/** A key that is the same for the same work, however often it is tried. */
export function idempotencyKey(...parts: readonly unknown[]): string {
  return createHash('sha256').update(stringifyExact(parts)).digest('hex').slice(0, 32);
}

function isRepeatable({ method = 'GET', repeatable }: HttpRequest): boolean {
  return repeatable ?? (method !== 'POST' && method !== 'PATCH');
}

function writeBody(draft: Draft, { form, text }: HttpRequest): void {
  const { headers } = draft;
  if (draft.json !== undefined) {
    draft.body = stringifyExact(draft.json);
    headers['content-type'] ??= 'application/json';
  } else if (form !== undefined) {
    const given = Object.entries(form).filter(([, value]) => value !== undefined);
    draft.body = new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)])).toString();
    headers['content-type'] ??= 'application/x-www-form-urlencoded';
  } else if (text !== undefined) draft.body = text;
}

/** A refusal may have any body; a success must have the one that was asked for. */
function bodyOf(status: number, bytes: Buffer, headers: Record<string, string>, { decode: how }: HttpRequest): unknown {
  const type = headers['content-type'] ?? '';
  if (status < 300) return decode(bytes, type, how);
  try {
    return decode(bytes, type, undefined);
  } catch {
    return bytes.toString('utf8');
  }
}

/** What went wrong on the way. */
function brokenOff(error: unknown, request: HttpRequest): unknown {
  if (error instanceof BodyMalformed) {
    const message = `the answer was cut or is none: ${error.message}`;
    return isRepeatable(request) ? unreachable(message) : new Unknown('ENDPOINT_UNREACHABLE', message);
  }
  if (error instanceof SluiceError) return error;
  const { code, message, name } = error as NodeJS.ErrnoException;
  if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') {
    return new SluiceError('ENDPOINT_FAILED', 'the answer is larger than answer_bytes_max');
  }
  const text = name === 'TimeoutError' ? 'it did not answer in time' : `${message} (${code ?? name})`;
  if (isRepeatable(request) || (code !== undefined && UNSENT.has(code))) return unreachable(text);
  return new Unknown('ENDPOINT_UNREACHABLE', `${text}; it is not known whether the request was carried out`);
}

function unreachable(message: string): SluiceError {
  return new SluiceError('ENDPOINT_UNREACHABLE', message);
}

/** Grows, and differs for those that failed together. */
function backoffMs(attempt: number): number {
  return Math.min(BACKOFF_MS * 2 ** attempt, BACKOFF_MS_MAX) * (0.5 + Math.random() / 2);
}
