/** Tasks that listen, and workflows that are started by events or by time. */
import { describe, expect, test } from 'vitest';
import { Bench, documentOf } from './engine-fixture.ts';

const HOUR_MS = 3_600_000;

function listening(to: unknown, more: object = {}): Bench {
  return new Bench({ test: documentOf([{ l: { listen: { to }, ...more } }]) });
}

const of = (type: string, more: object = {}) => ({ with: { type, ...more } });

describe('listen', () => {
  test('to one takes the first that fits, by attributes and by what its data says', () => {
    const at = listening({ one: of('temperature', { data: '${ .celsius > 38 }' }) });
    const id = at.start();
    at.hear({ type: 'pulse', data: { celsius: 50 } });
    at.hear({ type: 'temperature', data: { celsius: 37 } });
    expect(at.ended.has(id)).toBe(false);
    at.hear({ type: 'temperature', data: { celsius: 39 } });
    expect(at.ended.get(id)).toMatchObject({ status: 'completed', output: [{ celsius: 39 }] });
  });

  test('to all waits for each, in any order, and goes on where it was after a crash', () => {
    const at = listening({ all: [of('a'), of('b')] });
    const id = at.start();
    at.hear({ type: 'b', data: 2 });
    at.hear({ type: 'b', data: 3 });
    at.reopen();
    at.hear({ type: 'a', data: 1 });
    expect(at.ended.get(id)?.output).toEqual([2, 1]);
  });

  test('to any goes on until what it has taken is enough, or until another event comes', () => {
    const enough = listening({ any: [of('n')], until: '(map(.n) | add) >= 5' });
    const one = enough.start();
    for (const n of [1, 2, 3, 4]) enough.hear({ type: 'n', data: { n } });
    expect(enough.ended.get(one)?.output).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
    const stopped = listening({ any: [], until: { one: of('stop') } });
    const other = stopped.start();
    stopped.hear({ type: 'x', data: 1 });
    stopped.hear({ type: 'y', data: 2 });
    expect(stopped.ended.has(other)).toBe(false);
    stopped.hear({ type: 'stop' });
    expect(stopped.ended.get(other)?.output).toEqual([1, 2]);
  });

  test('hears only events of its own order, however many listen', () => {
    const correlate = { order: { from: '.data.order', expect: '${ .order }' } };
    const at = listening({ one: { ...of('paid'), correlate } });
    const ids = Array.from({ length: 20 }, (_, order) => at.start('test', { order }));
    at.hear({ type: 'paid', data: { order: 7 } });
    expect(ids.map((id) => at.ended.has(id))).toEqual(ids.map((_, order) => order === 7));
    at.reopen();
    at.hear({ type: 'paid', data: { order: 3 } });
    expect(at.ended.get(ids[3] as string)?.output).toEqual([{ order: 3 }]);
  });

  test('of events that belong together takes those of the first one', () => {
    const correlate = { room: { from: '.data.room' } };
    const at = listening({
      all: [
        { ...of('in'), correlate },
        { ...of('out'), correlate },
      ],
    });
    const id = at.start();
    at.hear({ type: 'in', data: { room: 1 } });
    at.hear({ type: 'out', data: { room: 2 } });
    expect(at.ended.has(id)).toBe(false);
    at.hear({ type: 'out', data: { room: 1 } });
    expect(at.ended.get(id)?.output).toEqual([{ room: 1 }, { room: 1 }]);
  });

  test('takes what came before it listened, each once, and nothing from before the run', () => {
    const two = [
      { w: { wait: { seconds: 1 } } },
      { a: { listen: { to: { one: of('x') } } } },
      { b: { listen: { to: { one: of('x') } } } },
    ];
    const at = new Bench({ test: documentOf(two) });
    at.hear({ type: 'x', data: 'old' });
    const id = at.start();
    at.hear({ type: 'x', data: 1 });
    at.ask({ type: 'event', id, event: { type: 'x', data: 2 }, by: null });
    at.reopen();
    at.advance(1_000);
    expect(at.ended.get(id)?.output).toEqual([1]);
    expect(at.events(id).filter(({ type }) => type === 'task.completed')).toMatchObject([
      {},
      { output: [2] },
      { output: [1] },
    ]);
  });

  test('an event that a crash came upon is heard again, once', () => {
    const at = listening({ any: [of('n')], until: '(. | length) == 2' });
    const id = at.start();
    at.hear({ type: 'n', data: 1 }, false);
    at.hearAgain();
    at.hearAgain();
    at.hear({ type: 'n', data: 2 });
    expect(at.ended.get(id)?.output).toEqual([1, 2]);
  });

  test('foreach runs its tasks for one event after the other', () => {
    const foreach = {
      item: 'n',
      at: 'i',
      do: [{ w: { wait: { seconds: 1 } } }, { s: { set: { seen: '${ $n * 10 + $i }' } } }],
      output: { as: '.seen' },
    };
    const at = listening({ any: [of('n')], until: '(. | length) == 3' }, { foreach });
    const id = at.start();
    for (const n of [1, 2, 3]) at.hear({ type: 'n', data: n });
    at.advance(1_000);
    at.reopen();
    at.advance(1_000);
    expect(at.ended.has(id)).toBe(false);
    at.advance(1_000);
    expect(at.ended.get(id)?.output).toEqual([10, 21, 32]);
  });
});

describe('a schedule', () => {
  const scheduled = (schedule: object, tasks: unknown = [{ s: { set: '${ . }' } }]) =>
    new Bench({ test: documentOf(tasks, { schedule }) });

  test('every so often starts a run, and makes up once for what it has missed', () => {
    const at = scheduled({ every: { hours: 1 } });
    for (let hour = 0; hour < 3; hour++) at.advance(HOUR_MS);
    expect(at.ended.size).toBe(3);
    at.clock.advance(5 * HOUR_MS);
    at.reopen();
    at.advance(0);
    expect(at.ended.size).toBe(4);
    at.advance(HOUR_MS);
    expect(at.ended.size).toBe(5);
  });

  test('by cron starts at the times it names', () => {
    const at = scheduled({ cron: '0 3 * * *' });
    for (let hour = 0; hour < 48; hour++) at.advance(HOUR_MS);
    expect([...at.ended.values()].map(({ startedAt }) => new Date(startedAt).getUTCHours())).toEqual([3, 3]);
  });

  test('after counts from the end of one run to the start of the next', () => {
    const at = scheduled({ after: { hours: 1 } }, [{ w: { wait: { minutes: 30 } } }]);
    at.advance(0);
    expect(at.engine.instances.size).toBe(1);
    at.advance(HOUR_MS / 2);
    expect([at.engine.instances.size, at.ended.size]).toEqual([0, 1]);
    at.reopen();
    at.advance(HOUR_MS / 2);
    expect(at.engine.instances.size).toBe(0);
    at.advance(HOUR_MS / 2);
    expect(at.engine.instances.size).toBe(1);
  });

  test('on events starts a run with them, once all have come', () => {
    const at = scheduled({ on: { all: [of('a'), of('b')] } });
    at.hear({ type: 'a', data: 1 });
    at.reopen();
    at.hear({ type: 'b', data: 2 });
    at.hear({ type: 'b', data: 3 });
    expect([...at.ended.values()].map(({ output }) => output)).toEqual([[1, 2]]);
    const each = scheduled({ on: { one: of('a') } });
    each.hear({ type: 'a', data: 1 });
    each.hear({ type: 'a', data: 2 });
    expect([...each.ended.values()].map(({ output }) => output)).toEqual([[1], [2]]);
  });
});
