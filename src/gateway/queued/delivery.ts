/**
 * One attempt to deliver a queued request, on the delivery thread: a target is chosen as for any other request, and asked
 * once. A target that could not be connected to has seen nothing, so another one is asked; while none is well the delivery
 * waits for one, since an upstream that is down as a whole says nothing about this request.
 */
import type { Clock } from '#kernel';
import { Attempt, type AttemptOwner } from '../proxy/attempt.ts';
import { upstreamError, wasNotSent } from '../proxy/problem.ts';
import type { AnsweredHead } from '../upstream/carried.ts';
import type { Target } from '../upstream/target.ts';
import type { Upstream } from '../upstream/upstream.ts';

const LOOK_AGAIN_MS = 100;
/** Longer than any `Retry-After` that is meant. */
const RETRY_AFTER_MS_MAX = 86_400_000;

export interface DeliveryRequest {
  readonly method: string;
  readonly path: string;
  /** Names and values in turn, without Host. */
  readonly headers: readonly string[];
  readonly host: string;
  readonly body: Uint8Array;
  readonly timeoutMs: number;
}

/** What became of an attempt. */
export interface Delivered {
  /** Undefined: there was no answer. */
  readonly status: number | undefined;
  /** Why there was no answer. */
  readonly message: string;
  readonly retryAfterMs: number | undefined;
}

export class Delivery implements AttemptOwner {
  readonly #request: DeliveryRequest;
  readonly #upstreamOf: () => Upstream | undefined;
  readonly #clock: Clock;
  readonly #done: (delivered: Delivered) => void;
  readonly #tried: Target[] = [];
  readonly #timer: NodeJS.Timeout;
  #again: NodeJS.Timeout | undefined;
  #attempt: Attempt | undefined;
  #status: number | undefined;
  #retryAfterMs: number | undefined;
  #over = false;

  /** @param upstreamOf the upstream as the newest table has it */
  constructor(
    request: DeliveryRequest,
    upstreamOf: () => Upstream | undefined,
    clock: Clock,
    done: (delivered: Delivered) => void,
  ) {
    this.#request = request;
    this.#upstreamOf = upstreamOf;
    this.#clock = clock;
    this.#done = done;
    this.#timer = setTimeout(() => this.#overdue(), request.timeoutMs);
  }

  begin(): void {
    if (this.#over) return;
    const upstream = this.#upstreamOf();
    if (upstream === undefined) {
      this.#end('there is no such upstream');
      return;
    }
    const { method, path, headers, host, body } = this.#request;
    const target = upstream.pick(0, this.#tried, false);
    if (typeof target === 'string') {
      this.#tried.length = 0;
      this.#again = setTimeout(() => this.begin(), LOOK_AGAIN_MS);
      return;
    }
    this.#tried.push(target);
    const attempt = new Attempt(this, upstream, target, this.#clock);
    this.#attempt = attempt;
    const shown = upstream.spec.pass_host && host !== '' ? host : target.host;
    try {
      attempt.begin({
        path,
        method,
        headers: [...headers, 'host', shown],
        body: body.length === 0 ? null : body,
      });
    } catch (error) {
      this.#end((error as Error).message);
    }
  }

  answered(_attempt: Attempt, { status, headers }: AnsweredHead): boolean {
    if (this.#over) return false;
    this.#status = status;
    for (let i = 0; i < headers.length; i += 2) {
      if (headers[i] === 'retry-after') this.#retryAfterMs = retryAfterMs(String(headers[i + 1]), this.#clock.now());
    }
    return true;
  }

  /** What it says is of no interest: the status decides. */
  data(): void {}

  ended(): void {
    this.#end('');
  }

  broke(attempt: Attempt, error: Error): void {
    if (this.#over) return;
    const { spec, name } = attempt.upstream;
    if (wasNotSent(error) && this.#tried.length < Math.min(spec.attempts_max, spec.targets.length)) this.begin();
    else this.#end(upstreamError(error, name).message);
  }

  #overdue(): void {
    if (this.#over) return;
    this.#end(`no answer within ${this.#request.timeoutMs} ms`);
    this.#attempt?.abort(true);
  }

  #end(message: string): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#again);
    this.#done({ status: this.#status, message, retryAfterMs: this.#retryAfterMs });
  }
}

/** Seconds or a date; undefined where it is neither, or past. */
export function retryAfterMs(text: string, now: number): number | undefined {
  const ms = /^\d{1,9}$/.test(text.trim()) ? Number(text) * 1000 : Date.parse(text) - now;
  return ms > 0 ? Math.min(ms, RETRY_AFTER_MS_MAX) : undefined;
}
