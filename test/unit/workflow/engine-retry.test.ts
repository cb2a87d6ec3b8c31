/** Runs that are over and go on: from the task that failed or any other, with other input, with a newer definition. */
import { describe, expect, test } from 'vitest';
import { seededRandom } from '#kit';
import { store } from '../../../src/workflow/engine/apply.ts';
import type { Reply } from '../../../src/workflow/engine/engine.ts';
import { restorePoint } from '../../../src/workflow/engine/restore-point.ts';
import { Bench, documentOf } from './engine-fixture.ts';
import { randomTasks, scriptedOutput } from './random-workflow.ts';

const CALL = { call: 'http', with: { method: 'get', endpoint: 'http://127.0.0.1:1/' } };

function retry(at: Bench, id: string, task: string | null = null, input?: unknown, version = 1): Reply {
  const records = at.of(id);
  const point = restorePoint(id, records, { task, input, now: at.clock.now() });
  const head = at.written.findLastIndex(
    ({ run, kind, code }) => run === id && kind === 'command' && code === undefined,
  );
  const events = records.filter(({ kind }) => kind === 'event').length;
  return at.ask({ type: 'retry', id, task: point.task, version, state: point.state, head, events, by: 'me' });
}

describe('a retry', () => {
  test('runs the task that failed again, with what it was given, and goes on', () => {
    const at = new Bench({
      test: documentOf([{ a: { set: { n: '${ .n + 1 }' } } }, { c: CALL }, { s: { set: { got: '${ . }' } } }]),
    });
    const id = at.start('test', { n: 1 });
    at.answer(() => new Error('down'));
    expect(at.ended.get(id)?.status).toBe('faulted');
    at.ended.delete(id);
    expect(retry(at, id)).toMatchObject({ ok: true, status: 'running' });
    expect(at.stored(id)?.frames.get(3)?.input).toEqual({ n: 2 });
    expect(store(at.replayed(id))).toEqual(store(at.stored(id) as NonNullable<ReturnType<Bench['stored']>>));
    at.answer(() => 'up');
    expect(at.ended.get(id)).toMatchObject({ status: 'completed', output: { got: 'up' } });
  });

  test('takes other input, begins at another task, and keeps what an earlier attempt sends out', () => {
    const at = new Bench({
      test: documentOf([{ a: CALL }, { b: CALL }, { s: { raise: { error: { type: 'odd', status: 418 } } } }]),
    });
    const id = at.start();
    at.answer(() => 1);
    expect(at.ended.get(id)?.status).toBe('faulted');
    expect(retry(at, id, '/do/0/a', { fixed: true })).toMatchObject({ ok: true });
    const [late] = at.of(id).flatMap((record) => (record['type'] === 'task.started' ? [record] : []));
    const reply = at.ask({
      type: 'result',
      id,
      frame: Number(late?.['frame']),
      attempt: 1,
      result: { ok: true, output: 'late' },
    });
    expect(reply).toMatchObject({ ok: false, code: 'EXECUTION_CONFLICT' });
    const inputs = [...(at.stored(id)?.frames.values() ?? [])].map(({ input }) => input);
    expect(inputs).toContainEqual({ fixed: true });
  });

  test('of a branch runs its whole fork again', () => {
    const branches = [{ one: CALL }, { two: { do: [{ fails: CALL }] } }];
    const at = new Bench({ test: documentOf([{ f: { fork: { branches } } }]) });
    const id = at.start();
    at.answer(({ frame }) => (at.stored(id)?.frames.get(frame)?.task.endsWith('fails') ? new Error('down') : 1));
    expect(at.ended.get(id)?.status).toBe('faulted');
    expect(retry(at, id)).toMatchObject({ ok: true });
    at.answer(() => 2);
    expect(at.ended.get(id)).toMatchObject({ status: 'completed', output: [2, 2] });
  });

  test('goes on with a newer definition that has its tasks, and with no other', () => {
    const tasks = (status: number) => [{ w: { set: { n: 1 } } }, { s: { raise: { error: { type: 'odd', status } } } }];
    const at = new Bench({ test: documentOf(tasks(418)) });
    const id = at.start();
    at.engine.define(
      'test',
      2,
      documentOf([{ w: { set: { n: 1 } } }, { s: { set: { mended: true } } }]),
      true,
      at.clock.now(),
    );
    at.engine.define('test', 3, documentOf([{ other: { set: { n: 1 } } }]), true, at.clock.now());
    expect(retry(at, id, null, undefined, 3)).toMatchObject({ ok: false, message: expect.stringContaining('/do/0/w') });
    expect(retry(at, id, null, undefined, 2)).toMatchObject({ ok: true, status: 'completed' });
    expect(at.ended.get(id)?.output).toEqual({ mended: true });
  });

  test('of a random run that failed, from any task it came to, ends again', () => {
    const random = seededRandom();
    let retried = 0;
    for (let round = 0; round < 80; round++) {
      const at = new Bench({ test: documentOf(randomTasks(random, 2)) });
      const id = at.start('test', { n: round });
      finish(at, id);
      const tasks = at
        .events(id)
        .flatMap((event) => (event.type === 'task.started' || event.type === 'task.completed' ? [event.task] : []));
      const task = tasks[Math.floor(random() * tasks.length)];
      if (task === undefined) continue;
      at.ended.delete(id);
      expect(retry(at, id, task), JSON.stringify([task, at.events(id)])).toMatchObject({ ok: true });
      finish(at, id);
      expect(at.ended.get(id)?.status).toMatch(/completed|faulted/);
      retried++;
    }
    expect(retried).toBeGreaterThan(20);
  });
});

function finish(at: Bench, id: string): void {
  for (let step = 0; step < 400 && !at.ended.has(id); step++) {
    const effect = at.effects.shift();
    if (effect === undefined) at.advance(1_000);
    else {
      const { instance, frame, attempt } = effect;
      const task = at.stored(instance)?.frames.get(frame)?.task ?? '';
      at.ask({ type: 'result', id: instance, frame, attempt, result: scriptedOutput(task) });
    }
  }
}
