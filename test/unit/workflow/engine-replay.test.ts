/**
 * What is recorded is all there is: the state of a random workflow, at every point of its life, is what its events alone make
 * of it; and a run that is cut off anywhere ends as one that was not.
 */
import { expect, test } from 'vitest';
import { seed, seededRandom } from '#kit';
import { store } from '../../../src/workflow/engine/apply.ts';
import { Bench, documentOf } from './engine-fixture.ts';
import { randomTasks, scriptedOutput } from './random-workflow.ts';

const ROUNDS = 60;
const STEPS_MAX = 400;

/** Runs to the end; `between` is called before each step. */
function runToEnd(bench: Bench, id: string, between: () => void): void {
  for (let step = 0; step < STEPS_MAX && !bench.ended.has(id); step++) {
    between();
    const [effect] = bench.effects;
    if (effect === undefined) bench.advance(1_000);
    else {
      bench.effects = bench.effects.slice(1);
      const { instance, frame, attempt } = effect;
      const task = bench.stored(instance)?.frames.get(frame)?.task ?? '';
      bench.ask({ type: 'result', id: instance, frame, attempt, result: scriptedOutput(task) });
    }
  }
}

/** What happened, without what differs between two runs of the same. */
function outline(bench: Bench, id: string): unknown[] {
  return bench
    .events(id)
    .map(({ type, ...event }) => [type, 'task' in event ? event.task : '', 'output' in event ? event.output : null]);
}

test('the state is what the events make of it, after every step of a random workflow', () => {
  const random = seededRandom();
  for (let round = 0; round < ROUNDS; round++) {
    const document = documentOf(randomTasks(random, 3));
    const bench = new Bench({ test: document }, { stepsAtOnceMax: 7, liveMax: 1 });
    const id = bench.start('test', { n: round });
    runToEnd(bench, id, () => {
      const stored = bench.stored(id);
      if (stored !== undefined) expect(store(bench.replayed(id))).toEqual(store(stored));
    });
    expect(bench.ended.has(id), JSON.stringify(document.do)).toBe(true);
    const { status, output, error } = bench.replayed(id);
    expect({ status, output, error }).toMatchObject({ ...pick(bench.ended.get(id)) });
  }
});

test('a run that is cut off again and again does what an uninterrupted one does', () => {
  const random = seededRandom(seed() + 1);
  for (let round = 0; round < ROUNDS; round++) {
    const documents = { test: documentOf(randomTasks(random, 3)) };
    const [whole, cut] = [new Bench(documents), new Bench(documents)];
    const ids = [whole.start('test', { n: round }), cut.start('test', { n: round })] as const;
    runToEnd(whole, ids[0], () => undefined);
    runToEnd(cut, ids[1], () => {
      if (random() < 0.5) cut.reopen();
    });
    expect(pick(cut.ended.get(ids[1]))).toEqual(pick(whole.ended.get(ids[0])));
    expect(outline(cut, ids[1])).toEqual(outline(whole, ids[0]));
  }
});

function pick(ended: unknown): object {
  const { status, output, error } = ended as { status: string; output: unknown; error: unknown };
  return { status, output, error };
}
