/**
 * A request before its policies: they see its head, then, once it is there, its body.
 *
 *   heads, in order ──┐
 *   body gathered  ───┴─▶ bodies, in order ─▶ passed        at any step: refused, or answered by a policy
 */
import { asSluiceError, SluiceError } from '#kernel';
import { firstVerdict, type GatewayRequest, type Verdict, type WholeAnswer } from '../policy.ts';
import type { Plan } from './plan.ts';
import type { RequestBody } from './request-body.ts';

const NO_BYTES = Buffer.alloc(0);

export interface AdmissionOwner {
  /** The exchange has come to its end. */
  readonly over: boolean;
  passed(): void;
  refused(error: SluiceError): void;
  /** @param at the place of the policy that answered */
  answeredBy(at: number, answer: WholeAnswer): void;
}

export class Admission {
  readonly #plan: Plan;
  readonly #request: GatewayRequest;
  readonly #owner: AdmissionOwner;
  #body: RequestBody | undefined;
  /** The body is there, or streams. */
  #received = false;
  /** The policies let the head on. */
  #admitted = false;
  #looked = false;
  /** The policy that was asked last. */
  #reached = 0;

  constructor(plan: Plan, request: GatewayRequest, owner: AdmissionOwner) {
    this.#plan = plan;
    this.#request = request;
    this.#owner = owner;
  }

  /** @param body undefined: the request has none */
  begin(body: RequestBody | undefined): void {
    this.#body = body;
    this.#received ||= body === undefined || body.stream !== undefined;
    const ask = () =>
      firstVerdict(this.#plan.heads, ({ at, step }) => {
        this.#reached = at;
        return step.check(this.#request);
      });
    this.#settle(ask, () => {
      this.#admitted = true;
      this.#look();
    });
  }

  bodyReady(): void {
    this.#received = true;
    this.#look();
  }

  #look(): void {
    if (!this.#received || !this.#admitted || this.#owner.over || this.#looked) return;
    this.#looked = true;
    const body = this.#body;
    const request = this.#request;
    if (body?.stream === undefined) request.body = body?.gathered() ?? NO_BYTES;
    const size = request.body?.length ?? Number.POSITIVE_INFINITY;
    const ask = () =>
      firstVerdict(this.#plan.bodies, ({ at, step }) => {
        this.#reached = at;
        if (step.wants?.(request) === false) return undefined;
        if (size > step.bytesMax) {
          if (step.whenLonger === 'pass') return undefined;
          return new SluiceError('REQUEST_TOO_LARGE', `the body has more than ${step.bytesMax} bytes`);
        }
        return body === undefined && step.always !== true ? undefined : step.check(request);
      });
    this.#settle(ask, () => this.#owner.passed());
  }

  /** What a policy throws refuses the request: nobody else would hear of it. */
  #settle(ask: () => Verdict | Promise<Verdict>, goOn: () => void): void {
    const decide = (found: Verdict) => {
      if (this.#owner.over) return;
      if (found === undefined) goOn();
      else if (found instanceof SluiceError) this.#owner.refused(found);
      else this.#owner.answeredBy(this.#reached, found);
    };
    const fail = (error: unknown) => this.#owner.refused(asSluiceError(error));
    let verdict: Verdict | Promise<Verdict>;
    try {
      verdict = ask();
    } catch (error) {
      fail(error);
      return;
    }
    if (verdict instanceof Promise) verdict.then(decide).catch(fail);
    else decide(verdict);
  }
}
