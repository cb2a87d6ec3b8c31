/** What is asked of runs while they are under way, the bounds they have, and runs that start others. */
import { describe, expect, test } from 'vitest';
import { Bench, documentOf } from './engine-fixture.ts';

function bench(tasks: unknown): Bench {
  return new Bench({ test: documentOf(tasks) });
}

const CALL = { call: 'http', with: { method: 'get', endpoint: 'http://127.0.0.1:1/' } };

describe('operating', () => {
  test('a paused run takes results and begins nothing, until it is resumed', () => {
    const at = bench([{ c: CALL }, { s: { set: { got: '${ . }' } } }]);
    const id = at.start();
    expect(at.ask({ type: 'pause', id, by: null })).toMatchObject({ ok: true, status: 'paused' });
    expect(at.ask({ type: 'pause', id, by: null })).toMatchObject({ ok: false, code: 'EXECUTION_CONFLICT' });
    at.answer(() => 7);
    at.reopen();
    expect(at.ended.size).toBe(0);
    at.ask({ type: 'resume', id, by: null });
    expect(at.ended.get(id)?.output).toEqual({ got: 7 });
  });

  test('cancel ends it without an outcome; against a result that came first it is refused', () => {
    const at = bench([{ c: CALL }]);
    const [one, other] = [at.start(), at.start()];
    expect(at.ask({ type: 'cancel', id: one, reason: 'no', by: 'me' })).toMatchObject({
      ok: true,
      status: 'cancelled',
    });
    at.answer(() => 1);
    expect(at.ended.get(one)?.status).toBe('cancelled');
    expect(at.ended.get(other)?.status).toBe('completed');
    expect(at.ask({ type: 'cancel', id: other, reason: null, by: null })).toMatchObject({
      ok: false,
      code: 'EXECUTION_UNKNOWN',
    });
  });

  test('a start with the key of another is that one, also after a crash; with another input it is refused', () => {
    const at = bench([{ c: CALL }]);
    const id = at.start('test', { n: 1 }, 'k');
    at.reopen();
    expect(at.start('test', { n: 1 }, 'k')).toBe(id);
    expect(() => at.start('test', { n: 2 }, 'k')).toThrow('IDEMPOTENCY_KEY_REUSED');
    at.advance(3_600_000);
    expect(at.start('test', { n: 2 }, 'k')).not.toBe(id);
  });

  test('beyond what may be open a start is refused, and a result never', () => {
    const at = new Bench({ test: documentOf([{ c: CALL }]) }, { openMax: 2 });
    const ids = [at.start(), at.start()];
    expect(() => at.start()).toThrow('WORKFLOW_BUSY');
    at.answer(() => 1);
    expect(ids.map((id) => at.ended.get(id)?.status)).toEqual(['completed', 'completed']);
    expect(at.start()).toBeTypeOf('string');
  });

  test('a run that loops gives others their turn, and ends at its limit', () => {
    const at = new Bench({ test: documentOf([{ a: { set: { n: '${ .n + 1 }' }, then: 'a' } }]) }, { stepsMax: 950 });
    const id = at.start('test', { n: 0 });
    expect(at.ended.get(id)).toMatchObject({ status: 'faulted', error: { status: 508 } });
    expect(at.of(id).filter(({ type }) => type === 'continue')).toHaveLength(9);
  });

  test('data that is too large fails the task that makes it', () => {
    const at = new Bench(
      { test: documentOf([{ a: { set: { twice: '${ [., .] }' }, then: 'a' } }]) },
      { eventCharsMax: 2_000 },
    );
    const id = at.start('test', { text: 'x'.repeat(100) });
    expect(at.ended.get(id)).toMatchObject({ status: 'faulted', error: { status: 413 } });
  });
});

describe('run', () => {
  const documents = (child: unknown, more: object = {}) => ({
    test: documentOf([
      {
        r: {
          run: { workflow: { namespace: 'test', name: 'child', version: 'latest', input: { n: '${ .n }' } }, ...more },
        },
      },
    ]),
    child: documentOf(child),
  });

  test('another workflow is started once, and its output or error comes back', () => {
    const at = new Bench(documents([{ c: CALL }]));
    const id = at.start('test', { n: 3 });
    expect(at.engine.instances.size).toBe(2);
    at.reopen();
    at.answer(() => ({ from: 'child' }));
    expect(at.ended.get(id)).toMatchObject({ status: 'completed', output: { from: 'child' } });
    const failing = new Bench(documents([{ r: { raise: { error: { type: 'odd', status: 418 } } } }]));
    const other = failing.start('test', { n: 3 });
    expect(failing.ended.get(other)).toMatchObject({ status: 'faulted', error: { status: 418, instance: '/do/0/r' } });
  });

  test('a child is cancelled with its parent, and one that is not waited for goes on alone', () => {
    const at = new Bench(documents([{ c: CALL }]));
    const id = at.start();
    at.ask({ type: 'cancel', id, reason: null, by: null });
    expect([...at.ended.values()].map(({ status }) => status)).toEqual(['cancelled', 'cancelled']);
    const alone = new Bench(documents([{ c: CALL }], { await: false }));
    const parent = alone.start('test', { n: 1 });
    expect(alone.ended.get(parent)).toMatchObject({ status: 'completed', output: { n: 1 } });
    expect(alone.engine.instances.size).toBe(1);
  });

  test('a workflow that runs itself without end fails at a depth', () => {
    const self = documentOf([{ r: { run: { workflow: { namespace: 'test', name: 'test', version: 'latest' } } } }]);
    const at = new Bench({ test: self });
    const id = at.start();
    expect(at.ended.get(id)).toMatchObject({ status: 'faulted', error: { status: 508 } });
  });

  test('what a crash leaves owed is started after it, once', () => {
    const at = new Bench(documents([{ c: CALL }]));
    const id = at.nextId();
    at.engine.handle(
      { type: 'start', id, workflow: 'test', version: 1, input: {}, key: null, parent: null, labels: null, by: 'test' },
      at.clock.now(),
    );
    at.commit();
    at.reopen();
    expect(at.engine.owed).toBe(1);
    at.settle();
    at.reopen();
    expect([at.engine.owed, at.engine.instances.size]).toEqual([0, 2]);
  });
});
