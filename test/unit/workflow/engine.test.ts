/** The engine of one partition: what tasks do, what is refused, and what of it all is in the records. */
import { describe, expect, test } from 'vitest';
import { Bench, documentOf } from './engine-fixture.ts';

function bench(tasks: unknown, more: object = {}): Bench {
  return new Bench({ test: documentOf(tasks, more) });
}

/** The output of a run that needs nothing from outside. */
function outputOf(tasks: unknown, input: unknown = {}, more: object = {}): unknown {
  const at = bench(tasks, more);
  const id = at.start('test', input);
  const ended = at.ended.get(id);
  return ended?.status === 'completed' ? ended.output : (ended?.error ?? 'open');
}

const CALL = { call: 'http', with: { method: 'get', endpoint: 'http://127.0.0.1:1/' } };

describe('set, do and switch', () => {
  test('a list runs in order, each given what the one before put out', () => {
    const tasks = [{ a: { set: { n: '${ .n + 1 }' } } }, { b: { set: { n: '${ .n + 10 }' } } }];
    expect(outputOf(tasks, { n: 1 })).toEqual({ n: 12 });
  });

  test('switch goes where the first case that holds says, else to the default, else on', () => {
    const tasks = (cases: unknown) => [
      { s: { switch: cases } },
      { next: { set: { went: 'on' }, then: 'end' } },
      { big: { set: { went: 'big' } } },
    ];
    expect(outputOf(tasks([{ c: { when: '.n > 5', then: 'big' } }]), { n: 7 })).toEqual({ went: 'big' });
    expect(outputOf(tasks([{ c: { when: '.n > 5', then: 'big' } }]), { n: 3 })).toEqual({ went: 'on' });
    expect(outputOf(tasks([{ c: { when: '.n > 5', then: 'next' } }, { d: { then: 'big' } }]), { n: 3 })).toEqual({
      went: 'big',
    });
  });

  test('exit leaves the list it stands in, end ends the run', () => {
    const inner = (then: string) => [
      { outer: { do: [{ a: { set: { at: 'a' }, then } }, { b: { set: { at: 'b' } } }] } },
      { after: { set: { before: '${ .at }' } } },
    ];
    expect(outputOf(inner('exit'))).toEqual({ before: 'a' });
    expect(outputOf(inner('end'))).toEqual({ at: 'a' });
  });

  test('a task whose condition does not hold hands on what it was given', () => {
    expect(outputOf([{ a: { if: '.n > 5', set: { n: 0 } } }], { n: 3 })).toEqual({ n: 3 });
  });

  test('input.from, output.as and export.as reshape what goes in, out and to the context', () => {
    const tasks = [
      {
        a: {
          input: { from: '.x' },
          set: { y: '${ .n }' },
          output: { as: '{z: .y, was: $input.n}' },
          export: { as: '{kept: .z}' },
        },
      },
      { b: { set: { all: '${ [.z, .was, $context.kept] }' } } },
    ];
    expect(outputOf(tasks, { x: { n: 4 } })).toEqual({ all: [4, 4, 4] });
  });

  test('a directive to a task that is not there fails as a configuration', () => {
    expect(outputOf([{ a: { set: {}, then: 'nowhere' } }])).toMatchObject({
      status: 400,
      detail: expect.stringContaining('nowhere'),
    });
  });
});

describe('for, fork and try', () => {
  test('for hands its element and place on, and each round what the one before put out', () => {
    const tasks = [
      { f: { for: { in: '.list', each: 'n', at: 'i' }, do: [{ s: { set: { sum: '${ (.sum // 0) + $n * $i }' } } }] } },
    ];
    expect(outputOf(tasks, { list: [5, 6, 7] })).toEqual({ sum: 20 });
  });

  test('for ends where while does not hold, and over no elements puts out its input', () => {
    const tasks = [
      { f: { for: { in: '.list' }, while: '.n < 3', do: [{ s: { set: { n: '${ .n + 1 }', list: '${ .list }' } } }] } },
    ];
    expect(outputOf(tasks, { n: 0, list: [1, 1, 1, 1, 1] })).toMatchObject({ n: 3 });
    expect(outputOf(tasks, { n: 0, list: [] })).toEqual({ n: 0, list: [] });
  });

  test('fork puts out the list of what its branches do', () => {
    const branches = [{ a: { set: { at: 'a' } } }, { b: { do: [{ c: { set: { at: 'c' } } }] } }];
    expect(outputOf([{ f: { fork: { branches } } }])).toEqual([{ at: 'a' }, { at: 'c' }]);
  });

  test('a fork that competes ends with the first, and gives the others up', () => {
    const branches = [{ slow: CALL }, { quick: { wait: { seconds: 1 } } }];
    const at = bench([{ f: { fork: { compete: true, branches } } }]);
    const id = at.start('test', { n: 1 });
    const [effect] = at.effects;
    at.advance(1_000);
    expect(at.ended.get(id)).toMatchObject({ status: 'completed', output: { n: 1 } });
    at.answer(() => 'late');
    expect(effect).toBeDefined();
    expect(at.of(id).at(-1)).toMatchObject({ kind: 'rejection', code: 'EXECUTION_UNKNOWN' });
  });

  test('a branch that fails takes the fork with it', () => {
    const error = { type: 'https://example.com/errors/odd', status: 418 };
    const branches = [{ slow: CALL }, { bad: { raise: { error } } }];
    expect(outputOf([{ f: { fork: { branches } } }])).toMatchObject({
      ...error,
      instance: '/do/0/f/fork/branches/1/bad',
    });
  });

  test('try catches by type whatever its prefix, by status and by condition', () => {
    const raise = { raise: { error: { type: 'https://open-workflow-specification.org/errors/odd', status: 418 } } };
    const caught = (filter: object) => [
      { t: { try: [{ r: raise }], catch: { ...filter, do: [{ s: { set: { caught: '${ $error.status }' } } }] } } },
    ];
    expect(outputOf(caught({ errors: { with: { type: 'https://serverlessworkflow.io/x/odd' } } }))).toEqual({
      caught: 418,
    });
    expect(outputOf(caught({ errors: { with: { status: 418 } } }))).toEqual({ caught: 418 });
    expect(outputOf(caught({ when: '.status == 418' }))).toEqual({ caught: 418 });
    expect(outputOf(caught({ errors: { with: { status: 500 } } }))).toMatchObject({ status: 418 });
    expect(outputOf(caught({ exceptWhen: '$error.status == 418' }))).toMatchObject({ status: 418 });
  });

  test('retries wait as their policy says, then catch.do is run', () => {
    const retry = { delay: { seconds: 1 }, backoff: { exponential: { factor: 3 } }, limit: { attempt: { count: 2 } } };
    const at = bench([{ t: { try: [{ c: CALL }], catch: { retry, do: [{ s: { set: { gaveUp: true } } }] } } }]);
    const id = at.start();
    const times: number[] = [];
    const fail = () => {
      times.push(at.clock.now());
      return new Error('down');
    };
    at.answer(fail);
    for (let second = 0; second < 5; second++) {
      at.advance(1_000);
      at.answer(fail);
    }
    expect(times.map((time) => time - (times[0] as number))).toEqual([0, 1_000, 4_000]);
    expect(at.ended.get(id)).toMatchObject({ status: 'completed', output: { gaveUp: true } });
  });

  test('an error nobody catches ends the run, with where it was', () => {
    const at = bench([{ c: CALL }]);
    const id = at.start();
    at.answer(() => new Error('down'));
    expect(at.ended.get(id)).toMatchObject({
      status: 'faulted',
      error: { status: 503, detail: 'down', instance: '/do/0/c' },
    });
  });
});

describe('time', () => {
  test('a timer fires once its time has come, also when the clock was set ahead or the engine was away', () => {
    const at = bench([{ w: { wait: { hours: 2 } } }]);
    const [one, other] = [at.start(), at.start()];
    at.advance(3_600_000);
    expect(at.ended.size).toBe(0);
    at.reopen();
    at.clock.jump(3_600_000);
    at.advance(0);
    expect([one, other].map((id) => at.ended.get(id)?.status)).toEqual(['completed', 'completed']);
    at.advance(3_600_000);
    expect(at.of(one).filter(({ type }) => type === 'timer')).toHaveLength(1);
  });

  test('a task and a run that take too long fail with a time-out', () => {
    const slow = { wait: { seconds: 10 } };
    const task = bench([
      {
        t: {
          try: [{ w: { ...slow, timeout: { after: { seconds: 1 } } } }],
          catch: { do: [{ s: { set: '${ $error.status }' } }] },
        },
      },
    ]);
    const one = task.start();
    task.advance(1_000);
    expect(task.ended.get(one)).toMatchObject({ status: 'completed', output: 408 });
    const whole = bench([{ w: slow }], { timeout: { after: 'PT2S' } });
    const other = whole.start();
    whole.advance(2_000);
    expect(whole.ended.get(other)).toMatchObject({ status: 'faulted', error: { status: 408 } });
  });
});

describe('effects', () => {
  test('are asked for when the step is recorded, again after a crash, and are over with their first result', () => {
    const at = bench([{ c: CALL }, { s: { set: { got: '${ . }' } } }]);
    const id = at.start();
    expect(at.effects).toEqual([{ instance: id, frame: 2, attempt: 1 }]);
    at.reopen();
    expect(at.effects).toEqual([{ instance: id, frame: 2, attempt: 1 }]);
    const [effect] = at.effects;
    at.effects.push({ ...(effect as NonNullable<typeof effect>) });
    at.answer(() => 41);
    expect(at.ended.get(id)?.output).toEqual({ got: 41 });
    expect(at.of(id).filter(({ kind }) => kind === 'rejection')).toHaveLength(1);
  });

  test('a result of a superseded attempt is rejected, on the record', () => {
    const at = bench([{ c: CALL }]);
    const id = at.start();
    const reply = at.ask({ type: 'result', id, frame: 2, attempt: 0, result: { ok: true, output: 1 } });
    expect(reply).toMatchObject({ ok: false, code: 'EXECUTION_CONFLICT' });
    expect(at.of(id).at(-1)).toMatchObject({ kind: 'rejection', message: expect.stringContaining('superseded') });
    at.answer(() => 2);
    expect(at.ended.get(id)?.output).toBe(2);
  });

  test('an event is emitted in the commit of its step, to a topic that is there', () => {
    const emit = (topic?: string) => ({
      e: { emit: { event: { with: { type: 'done', data: '${ .n }' } }, ...(topic ? { topic } : {}) } },
    });
    const at = bench([emit(), emit('orders')]);
    at.start('test', { n: 1 });
    expect(at.emissions.map(({ topic }) => topic)).toEqual(['sys.workflow.bus', 'orders']);
    expect(at.emissions[0]).toMatchObject({ value: '1', headers: { ce_type: 'done', ce_specversion: '1.0' } });
    expect(outputOf([emit('missing')])).toMatchObject({ status: 404 });
  });
});
