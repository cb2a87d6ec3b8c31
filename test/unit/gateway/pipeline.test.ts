/** The way of a request through the policies of its route: plan, admission, gathered bodies, edited answers. */
import type { HttpResponse } from 'uWebSockets.js';
import { describe, expect, test } from 'vitest';
import { SluiceError } from '#kernel';
import type { AnswerStep, BodyStep, GatewayRequest, Policy, WholeAnswer } from '../../../src/gateway/policy.ts';
import { Admission } from '../../../src/gateway/proxy/admission.ts';
import { CollectedAnswer, collectors, editHead, editWhole } from '../../../src/gateway/proxy/answer-edits.ts';
import { HeldBytes } from '../../../src/gateway/proxy/held-bytes.ts';
import { answersBefore, planOf } from '../../../src/gateway/proxy/plan.ts';
import { RequestBody } from '../../../src/gateway/proxy/request-body.ts';

const REFUSAL = new SluiceError('FORBIDDEN', 'no');
const OWN: WholeAnswer = { status: 200, headers: [], body: Buffer.from('own') };
const request = (method = 'POST') => ({ method, body: undefined }) as unknown as GatewayRequest;

/** A policy that tells when it is asked, and answers so. */
function policy(
  name: string,
  told: string[],
  parts: { head?: unknown; body?: Partial<BodyStep>; verdict?: unknown },
): Policy {
  const { head, body, verdict } = parts;
  return {
    name,
    ...('head' in parts && {
      check: () => {
        told.push(`${name} head`);
        return head as never;
      },
    }),
    ...(body !== undefined && {
      body: {
        bytesMax: 10,
        whenLonger: 'refuse' as const,
        ...body,
        check: (asked: GatewayRequest) => {
          told.push(`${name} body ${asked.body?.length}`);
          return verdict as never;
        },
      },
    }),
  };
}

/** The native response of a request whose body comes as a test says. */
function incoming() {
  const calls: string[] = [];
  let give: (chunk: ArrayBuffer, last: boolean) => void = () => undefined;
  const res = {
    onData: (handler: typeof give) => {
      give = handler;
    },
    pause: () => calls.push('pause'),
    resume: () => calls.push('resume'),
  } as unknown as HttpResponse;
  const data = (text: string, last = false) => give(new TextEncoder().encode(text).buffer as ArrayBuffer, last);
  return { res, calls, data };
}

/** An admission with a body of a length that is not known, and what became of it. */
function admit(policies: readonly Policy[], bodyBytes?: { held?: HeldBytes }) {
  const plan = planOf(policies);
  const outcome: unknown[] = [];
  const asked = request();
  const admission = new Admission(plan, asked, {
    over: false,
    passed: () => outcome.push('passed'),
    refused: (error) => outcome.push(error.code),
    answeredBy: (at, answer) => outcome.push([at, answer.body.toString()]),
  });
  const held = bodyBytes?.held ?? new HeldBytes(1_000, () => undefined);
  const { res, calls, data } = incoming();
  let body: RequestBody | undefined;
  if (bodyBytes !== undefined) {
    const CHUNKED = -2;
    body = new RequestBody(res, CHUNKED, Number.POSITIVE_INFINITY, plan.bodyBytesMax, held.account(), {
      ready: () => admission.bodyReady(),
      progress: () => undefined,
      failed: (error) => outcome.push(error.code),
    });
  }
  admission.begin(body);
  return { outcome, asked, data, calls, body, held };
}

describe('a request', () => {
  test('meets heads in order, then bodies in order, and passes', () => {
    const told: string[] = [];
    const policies = [
      policy('a', told, { head: undefined, body: {} }),
      policy('b', told, { body: {} }),
      policy('c', told, { head: undefined }),
    ];
    const { outcome, data } = admit(policies, {});
    expect([told, outcome]).toEqual([['a head', 'c head'], []]);
    data('hel');
    data('lo', true);
    expect([told, outcome]).toEqual([['a head', 'c head', 'a body 5', 'b body 5'], ['passed']]);
  });

  test('that is refused or answered goes no further, and who waits is waited for', async () => {
    const told: string[] = [];
    const last = policy('last', told, { head: undefined });
    expect(admit([policy('a', told, { head: REFUSAL }), last]).outcome).toEqual(['FORBIDDEN']);
    const answered = admit([
      policy('a', told, { head: undefined }),
      policy('b', told, { head: Promise.resolve(OWN) }),
      last,
    ]);
    expect(answered.outcome).toEqual([]);
    await Promise.resolve().then(() => undefined);
    await new Promise(setImmediate);
    expect([answered.outcome, told]).toEqual([[[1, 'own']], ['a head', 'a head', 'b head']]);
    const failing = admit([policy('a', told, { head: Promise.reject(new Error('broken')) })]);
    await new Promise(setImmediate);
    expect(failing.outcome).toEqual(['INTERNAL']);
  });

  test('without a body is shown to those body steps that always want to be asked', () => {
    const told: string[] = [];
    const policies = [policy('a', told, { body: {} }), policy('b', told, { body: { always: true } })];
    expect(admit(policies).outcome).toEqual(['passed']);
    expect(told).toEqual(['b body 0']);
  });

  test('with a body too long for a policy is refused by it, or passes unseen as a stream', async () => {
    const told: string[] = [];
    const refusing = admit(
      [policy('a', told, { body: { bytesMax: 4 } }), policy('b', told, { body: { bytesMax: 8 } })],
      {},
    );
    refusing.data('123456', true);
    expect([refusing.outcome, told]).toEqual([['REQUEST_TOO_LARGE'], []]);
    const passing = admit([policy('c', told, { body: { bytesMax: 4, whenLonger: 'pass' } })], {});
    passing.data('123');
    passing.data('456');
    expect([passing.outcome, passing.calls, passing.asked.body, passing.held.bytes]).toEqual([
      ['passed'],
      ['pause'],
      undefined,
      0,
    ]);
    const pieces: string[] = [];
    passing.body?.stream?.on('data', (piece: Buffer) => pieces.push(piece.toString()));
    await new Promise(setImmediate);
    passing.data('789', true);
    await new Promise(setImmediate);
    expect([pieces.join(''), passing.calls, told]).toEqual(['123456789', ['pause', 'resume'], []]);
  });
});

describe('bodies that are gathered', () => {
  test('share one bound: what finds no room is refused, and room comes back with the end of another', () => {
    let full = 0;
    const held = new HeldBytes(10, () => full++);
    const first = admit([policy('a', [], { body: {} })], { held });
    first.data('1234567');
    const second = admit([policy('a', [], { body: {} })], { held });
    second.data('1234');
    expect([second.outcome, held.bytes, full]).toEqual([['GATEWAY_FULL'], 7, 1]);
    const account = held.account();
    account.take(3);
    expect(() => account.take(1)).toThrow(expect.objectContaining({ code: 'GATEWAY_FULL', status: 503 }));
    account.settle();
    account.settle();
    expect(held.bytes).toBe(7);
  });
});

describe('an answer', () => {
  const step = (bytesMax: number, mark: string, more: Partial<AnswerStep> = {}): Policy => ({
    name: mark,
    answer: {
      bytesMax,
      whenLonger: 'refuse',
      edit: (_request, answer) => ({ ...answer, headers: [...answer.headers, 'x', mark] }),
      ...more,
    },
  });
  const marks = (answer: WholeAnswer | SluiceError) =>
    (answer as WholeAnswer).headers.filter((_, index) => index % 2 === 1);
  const head = (contentLength?: number) => ({ headers: [], contentLength });

  test('meets the steps in reverse order; one that a policy gave, only those before that policy', async () => {
    const plan = planOf([step(100, 'a'), step(0, 'b'), step(100, 'c')]);
    expect(marks(await editWhole(plan.answers, request(), OWN))).toEqual(['c', 'b', 'a']);
    expect(marks(await editWhole(answersBefore(plan, 2), request(), OWN))).toEqual(['b', 'a']);
    expect(answersBefore(plan, 0)).toEqual([]);
    expect([plan.readsAnswer(request()), planOf([step(0, 'b')]).readsAnswer(request())]).toEqual([true, false]);
  });

  test('without a body is not collected', () => {
    const { answers } = planOf([step(100, 'a')]);
    expect(collectors(answers, request('HEAD'), 200, head(5))).toEqual([]);
    for (const status of [204, 304]) expect(collectors(answers, request(), status, head())).toEqual([]);
    expect(collectors(answers, request(), 200, head(5))).toHaveLength(1);
  });

  test('that nobody wants whole streams, its head as the steps for heads leave it', () => {
    const { answers } = planOf([step(0, 'a'), step(100, 'b', { wants: () => false }), step(0, 'c')]);
    expect(collectors(answers, request(), 200, head(5))).toEqual([]);
    expect(editHead(answers, request(), 200, head(5))).toEqual({
      status: 200,
      head: { headers: ['x', 'c', 'x', 'a'], contentLength: 5 },
    });
    const refusing = planOf([step(0, 'a', { edit: () => REFUSAL })]);
    expect(() => editHead(refusing.answers, request(), 200, head())).toThrow(REFUSAL);
  });

  test('too long for a step is refused by it, or streams on past it', async () => {
    const invalid = expect.objectContaining({ code: 'UPSTREAM_ANSWER_INVALID' });
    const refusing = planOf([step(4, 'a')]);
    const passing = planOf([step(4, 'a', { whenLonger: 'pass' })]);
    expect(() => collectors(refusing.answers, request(), 200, head(5))).toThrow(invalid);
    expect(collectors(passing.answers, request(), 200, head(5))).toEqual([]);
    const late = new CollectedAnswer(200, head(), refusing.answers);
    expect(late.add(Buffer.from('1234'))).toBe(true);
    expect(() => late.add(Buffer.from('5'))).toThrow(invalid);
    const long = new CollectedAnswer(200, head(), passing.answers);
    expect([long.add(Buffer.from('123')), long.add(Buffer.from('45')), long.body().toString()]).toEqual([
      true,
      false,
      '12345',
    ]);
    const five = { ...OWN, body: Buffer.from('12345') };
    expect(await editWhole(refusing.answers, request(), five)).toEqual(invalid);
    expect(await editWhole(passing.answers, request(), five)).toBe(five);
  });
});
