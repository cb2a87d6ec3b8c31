/**
 * The policies of a route, sorted into the steps in which an exchange takes them. Compiled with the table.
 */
import type { AnswerStep, BodyStep, GatewayRequest, Policy } from '../policy.ts';

/** A step, and the place of its policy in the order. */
export interface Placed<S> {
  readonly at: number;
  readonly step: S;
}

export interface Plan {
  readonly heads: readonly Placed<Pick<Required<Policy>, 'check'>>[];
  readonly bodies: readonly Placed<BodyStep>[];
  /** The last policy's comes first. */
  readonly answers: readonly Placed<AnswerStep>[];
  readonly enders: readonly Pick<Required<Policy>, 'ended'>[];
  /** So much of a body is gathered for policies. */
  readonly bodyBytesMax: number;
  /** Some policy looks into the answer, so it must come in the clear. */
  readsAnswer(request: GatewayRequest): boolean;
}

export function planOf(policies: readonly Policy[]): Plan {
  const heads: Placed<Pick<Required<Policy>, 'check'>>[] = [];
  const bodies: Placed<BodyStep>[] = [];
  const answers: Placed<AnswerStep>[] = [];
  const enders: Pick<Required<Policy>, 'ended'>[] = [];
  for (const [at, policy] of policies.entries()) {
    if (policy.check !== undefined) heads.push({ at, step: policy as Required<Policy> });
    if (policy.body !== undefined) bodies.push({ at, step: policy.body });
    if (policy.answer !== undefined) answers.unshift({ at, step: policy.answer });
    if (policy.ended !== undefined) enders.push(policy as Required<Policy>);
  }
  return {
    heads,
    bodies,
    answers,
    enders,
    bodyBytesMax: Math.max(0, ...bodies.map(({ step }) => step.bytesMax)),
    readsAnswer: (request) => answers.some(({ step }) => step.bytesMax > 0 && step.applies?.(request) !== false),
  };
}

/** The steps that an answer takes on its way out which a policy gave: those of the policies before it. */
export function answersBefore({ answers }: Plan, place: number): readonly Placed<AnswerStep>[] {
  return answers.filter(({ at }) => at < place);
}
