/**
 * Copies of requests for a second upstream, whose answers nobody gets: to see how a new version bears real traffic. A copy
 * never delays or fails the request it was made of: what finds no room is left out, and counted. Only requests without a
 * body or with a gathered one are copied. One `Shadows` for each listener thread.
 *
 *   copy ─▶ room, a target ─▶ sent ─▶ answer read and dropped ─▶ done
 *     └─▶ skipped               └─▶ failed: no answer in time, too long, or none
 */
import { Attempt, type AttemptOwner } from './attempt.ts';
import { hashKey } from './choice.ts';
import { SHADOW_HEADER } from './headers.ts';
import type { HeldAccount } from './held-bytes.ts';
import type { ListenerHost } from './live-table.ts';
import type { RequestHead } from './request-head.ts';
import type { Watched } from './watch.ts';

/** More of an answer is not read. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

export class Shadows {
  readonly #host: ListenerHost;
  readonly #max: number;
  #underWay = 0;

  constructor(host: ListenerHost) {
    this.#host = host;
    this.#max = host.settings.limits.shadowRequestsMax;
  }

  /** Sends a copy where the route wants one. @param body undefined: it streams, and cannot be copied */
  copy(head: RequestHead, body: Buffer | null | undefined): void {
    const { name, spec } = head.route;
    const { shadow } = spec;
    if (shadow === undefined || Math.random() * 100 >= shadow.percent) return;
    const upstream = this.#host.table.upstream(shadow.upstream);
    const target = upstream?.pick(hashKey(upstream.spec, head), [], false) ?? 'down';
    const held = this.#host.held.account();
    if (body === undefined || this.#underWay >= this.#max || upstream === undefined || typeof target === 'string') {
      this.#host.stats.shadowed(name, 'skipped');
      return;
    }
    try {
      held.take(body?.length ?? 0);
    } catch {
      this.#host.stats.shadowed(name, 'skipped');
      return;
    }
    this.#underWay++;
    const copy = new Shadow(this.#host, held, spec.headers_ms, (outcome) => {
      this.#underWay--;
      this.#host.stats.shadowed(name, outcome);
    });
    const headers = head.forwarded();
    headers.push('host', upstream.spec.pass_host ? (head.header('host') ?? target.host) : target.host);
    headers.push(SHADOW_HEADER, '1');
    const request = { path: head.target(), method: head.method, headers, body };
    copy.begin(new Attempt(copy, upstream, target, this.#host.clock), request);
  }
}

class Shadow implements AttemptOwner, Watched {
  deadline: number;
  watchedAt = -1;
  readonly #host: ListenerHost;
  readonly #held: HeldAccount;
  readonly #done: (outcome: 'sent' | 'failed') => void;
  #attempt: Attempt | undefined;
  #bytes = 0;
  #over = false;

  constructor(host: ListenerHost, held: HeldAccount, timeMs: number, done: (outcome: 'sent' | 'failed') => void) {
    this.#host = host;
    this.#held = held;
    this.#done = done;
    this.deadline = host.clock.monotonic() + timeMs;
    host.watch.add(this);
  }

  begin(attempt: Attempt, request: Parameters<Attempt['begin']>[0]): void {
    this.#attempt = attempt;
    try {
      attempt.begin(request);
    } catch {
      this.#end('failed');
    }
  }

  answered(): boolean {
    return !this.#over;
  }

  data(_attempt: Attempt, chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > ANSWER_BYTES_MAX) this.overdue();
  }

  ended(): void {
    this.#end('sent');
  }

  broke(): void {
    this.#end('failed');
  }

  overdue(): void {
    this.#end('failed');
    this.#attempt?.abort(true);
  }

  #end(outcome: 'sent' | 'failed'): void {
    if (this.#over) return;
    this.#over = true;
    this.#host.watch.delete(this);
    this.#held.settle();
    this.#done(outcome);
  }
}
