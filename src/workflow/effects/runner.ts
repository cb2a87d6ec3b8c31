/**
 * Has effects done, so many at once, the oldest first; what they come to goes back to the lane as a result. Knows nothing of
 * the log. Effects of frames that are gone are given up. Runs on the thread of the lane.
 */
import { crashPoint } from '#kernel';
import type { Result } from '../engine/behaviour.ts';
import { type EffectId, type EffectRequest, effectKey } from '../engine/effect.ts';
import { Fault, problem, problemOf } from '../engine/fault.ts';

export interface EffectContext {
  /** The same for every time the effect is done. */
  readonly key: string;
  readonly signal: AbortSignal;
}

/** Does the effects of one kind. @throws Fault, or what becomes one */
export type Doer<Request extends EffectRequest = EffectRequest> = (
  request: Request,
  context: EffectContext,
) => Promise<unknown>;

export interface RunnerOptions {
  readonly atOnceMax: number;
  /** One effect, from begin to end. */
  readonly effectMs: number;
  /** What is to be done for a frame; undefined: nothing any more. @throws Fault */
  request(id: EffectId): EffectRequest | undefined;
  done(id: EffectId, result: Result): void;
}

export class EffectRunner {
  readonly #options: RunnerOptions;
  readonly #doers = new Map<string, Doer>();
  readonly #underWay = new Map<string, AbortController>();
  #waiting: EffectId[] = [];
  #next = 0;
  #closed = false;

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  /** @param name `http`, or the runner that requests of kind `other` name */
  register<Request extends EffectRequest>(name: string, doer: Doer<Request>): void {
    this.#doers.set(name, doer as unknown as Doer);
  }

  get underWay(): number {
    return this.#underWay.size;
  }

  get waiting(): number {
    return this.#waiting.length - this.#next;
  }

  add(ids: readonly EffectId[]): void {
    for (const id of ids) this.#waiting.push(id);
    this.#pump();
  }

  /** Nobody waits for it any more. */
  abort({ instance, frame }: EffectId): void {
    this.#underWay.get(`${instance}/${frame}`)?.abort(new Fault(problem('runtime', 409, 'it was given up')));
  }

  #pump(): void {
    while (!this.#closed && this.#next < this.#waiting.length && this.#underWay.size < this.#options.atOnceMax) {
      this.#begin(this.#waiting[this.#next++] as EffectId);
    }
    if (this.#next === this.#waiting.length || this.#next > this.#options.atOnceMax) {
      this.#waiting = this.#waiting.slice(this.#next);
      this.#next = 0;
    }
  }

  #begin(id: EffectId): void {
    let request: EffectRequest | undefined;
    try {
      request = this.#options.request(id);
    } catch (error) {
      this.#options.done(id, { ok: false, error: problemOf(error, '') });
      return;
    }
    if (request === undefined) return;
    const place = `${id.instance}/${id.frame}`;
    crashPoint('workflow-before-effect');
    const abort = new AbortController();
    this.#underWay.set(place, abort);
    const late = () =>
      abort.abort(new Fault(problem('timeout', 408, `it took more than ${this.#options.effectMs} ms`)));
    const timer = setTimeout(late, this.#options.effectMs);
    void this.#do(request, { key: effectKey(id), signal: abort.signal })
      .then(
        (output): Result => ({ ok: true, output: output === undefined ? null : output }),
        (error: unknown): Result => {
          const reason: unknown = abort.signal.aborted ? abort.signal.reason : error;
          return { ok: false, error: problemOf(reason, '') };
        },
      )
      .then((result) => {
        clearTimeout(timer);
        this.#underWay.delete(place);
        crashPoint('workflow-after-effect');
        if (!this.#closed) this.#options.done(id, result);
        this.#pump();
      });
  }

  async #do(request: EffectRequest, context: EffectContext): Promise<unknown> {
    const name = request.kind === 'other' ? request.runner : request.kind;
    const doer = this.#doers.get(name);
    if (doer === undefined) throw new Fault(problem('configuration', 501, `calls by ${name} cannot be made here`));
    return await doer(request, context);
  }

  close(): void {
    this.#closed = true;
    for (const abort of this.#underWay.values()) abort.abort(new Fault(problem('runtime', 503, 'it is shutting down')));
  }
}
