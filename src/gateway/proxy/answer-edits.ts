/**
 * What policies do to an answer. Those that look into bodies have it collected first, up to the most any of them takes;
 * the others see its head and let it stream.
 */
import { assert, SluiceError } from '#kernel';
import type { AnswerStep, GatewayRequest, WholeAnswer } from '../policy.ts';
import type { AnswerHead } from './headers.ts';
import type { Placed } from './plan.ts';

const NOTHING = Buffer.alloc(0);

/** The steps that collect this answer. @throws UPSTREAM_ANSWER_INVALID when it is longer than one of them allows */
export function collectors(
  steps: readonly Placed<AnswerStep>[],
  request: GatewayRequest,
  status: number,
  head: AnswerHead,
): readonly Placed<AnswerStep>[] {
  if (request.method === 'HEAD' || status === 204 || status === 304) return [];
  return steps.filter(({ step }) => {
    if (step.bytesMax === 0 || step.wants?.(request, status, head.headers) === false) return false;
    if (head.contentLength === undefined || head.contentLength <= step.bytesMax) return true;
    if (step.whenLonger === 'refuse') throw tooLong(step);
    return false;
  });
}

/** The head as the policies that look at heads only leave it. @throws what they refuse it with */
export function editHead(
  steps: readonly Placed<AnswerStep>[],
  request: GatewayRequest,
  status: number,
  head: AnswerHead,
): { readonly status: number; readonly head: AnswerHead } {
  let answer: WholeAnswer = { status, headers: head.headers, body: NOTHING };
  for (const { step } of steps) {
    if (step.bytesMax > 0) continue;
    const edited = step.edit(request, answer);
    assert(!(edited instanceof Promise), 'a step that looks at heads only answers at once');
    if (edited instanceof SluiceError) throw edited;
    answer = edited;
  }
  // The body that HEAD leaves out would have been edited to another length.
  const edits =
    request.method === 'HEAD' && steps.some(({ step }) => step.bytesMax > 0 && step.applies?.(request) !== false);
  const contentLength = edits ? undefined : head.contentLength;
  return { status: answer.status, head: { headers: answer.headers, contentLength } };
}

/** A whole answer through steps that take it. Rejects with nothing: errors are answers here. */
export async function editWhole(
  steps: readonly Placed<AnswerStep>[],
  request: GatewayRequest,
  first: WholeAnswer,
): Promise<WholeAnswer | SluiceError> {
  let answer = first;
  for (const { step } of steps) {
    if (step.bytesMax > 0) {
      if (step.wants?.(request, answer.status, answer.headers) === false) continue;
      if (answer.body.length > step.bytesMax) {
        if (step.whenLonger === 'refuse') return tooLong(step);
        continue;
      }
    }
    const edited = await step.edit(request, answer);
    if (edited instanceof SluiceError) return edited;
    answer = edited;
  }
  return answer;
}

export class CollectedAnswer {
  readonly status: number;
  readonly head: AnswerHead;
  readonly #chunks: Buffer[] = [];
  readonly #bytesMax: number;
  readonly #refusing: AnswerStep | undefined;
  #bytes = 0;

  constructor(status: number, head: AnswerHead, steps: readonly Placed<AnswerStep>[]) {
    this.status = status;
    this.head = head;
    this.#refusing = steps
      .map(({ step }) => step)
      .filter(({ whenLonger }) => whenLonger === 'refuse')
      .sort((a, b) => a.bytesMax - b.bytesMax)[0];
    this.#bytesMax = this.#refusing?.bytesMax ?? Math.max(...steps.map(({ step }) => step.bytesMax));
  }

  /** What is added is copied. False: it has become too long for everybody, and is to stream on. @throws UPSTREAM_ANSWER_INVALID */
  add(chunk: Buffer): boolean {
    this.#chunks.push(Buffer.from(chunk));
    this.#bytes += chunk.length;
    if (this.#bytes <= this.#bytesMax) return true;
    if (this.#refusing !== undefined) throw tooLong(this.#refusing);
    return false;
  }

  body(): Buffer {
    return this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
  }

  whole(): WholeAnswer {
    return { status: this.status, headers: this.head.headers, body: this.body() };
  }
}

function tooLong({ bytesMax }: AnswerStep): SluiceError {
  return new SluiceError(
    'UPSTREAM_ANSWER_INVALID',
    `the upstream's answer has more than the ${bytesMax} bytes a policy takes`,
  );
}
