/** Aggregations, timers and state of a key: updates, what survives a restart, what a rollback undoes, what is refused. */
import fc from 'fast-check';
import { defineProcessor, json, type Stream, tumbling } from 'sluice/processing';
import { describe, expect, it } from 'vitest';
import { seededRandom, withSeed } from '#kit';
import { CALM, chaos, type Given, jsonBatches, Rig } from './fixture.ts';

type Outputs = { out: ReturnType<typeof json> };
const define = (build: (stream: Stream<number, Outputs>) => void) =>
  defineProcessor({
    inputs: { in: json<number>() },
    outputs: { out: json() },
    build: ({ stream }) => build(stream('in') as never),
  });
const records = (...list: [key: string | null, value: number, timestamp?: number][]): Given[] =>
  list.map(([key, value, timestamp = 0]) => ({ key, value, timestamp }));
const told = (rig: Rig) => rig.taken.map(({ key, value }) => [key, value]);

describe('an aggregation', () => {
  it('tells each key that changed once a run, its newest value', async () => {
    const rig = new Rig(
      define((s) => s.count().to('out')),
      { in: jsonBatches(records(['a', 1], ['b', 1], ['a', 1]), 1) },
    );
    await rig.run({ maxBytes: 1 });
    await rig.run();
    expect(told(rig)).toEqual([
      ['a', 1],
      ['b', 1],
      ['a', 2],
    ]);
  });

  it('counts, reduces and aggregates the same however runs are cut, undone and taken up again', async () => {
    const input = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'ü/:'), fc.integer({ min: -99, max: 99 })), {
      maxLength: 80,
    });
    await fc.assert(
      fc.asyncProperty(input, fc.integer({ min: 0, max: 2 ** 31 }), async (list, wild) => {
        const random = seededRandom(wild);
        const definition = define((s) => {
          s.count()
            .map((n) => ({ count: n }))
            .to('out');
          s.reduce((a, b) => Math.max(a, b))
            .map((n) => ({ max: n }))
            .to('out');
          s.groupBy((n) => `${n % 3}`)
            .aggregate({ init: (): number[] => [], add: (all, n) => [...all, n] })
            .map((all) => ({ all }))
            .to('out');
        });
        const rig = await new Rig(definition, { in: jsonBatches(records(...list), 5, random) }, chaos(random)).drain();
        const newest = new Map(
          rig.taken.map(({ key, value }) => [
            `${Object.keys(value as object)[0]} ${key}`,
            Object.values(value as object)[0],
          ]),
        );
        const expected = new Map<string, unknown>();
        for (const [key, n] of list) {
          expected.set(`count ${key}`, ((expected.get(`count ${key}`) as number) ?? 0) + 1);
          expected.set(`max ${key}`, Math.max((expected.get(`max ${key}`) as number) ?? -Infinity, n));
          expected.set(`all ${n % 3}`, [...((expected.get(`all ${n % 3}`) as number[]) ?? []), n]);
        }
        expect(newest).toEqual(expected);
        expect(rig.instance.unclaimedEntries).toBe(0);
      }),
      withSeed({ numRuns: 120 }),
    );
  });

  it('forgets a key whose value becomes undefined, and says so with a record without a value', async () => {
    const build = (s: Stream<number, Outputs>) =>
      s.aggregate({ init: () => 0, add: (sum, n) => (n === 0 ? undefined : sum + n) }).to('out');
    const rig = new Rig(define(build), { in: jsonBatches(records(['a', 2], ['a', 0]), 1) });
    await rig.run({ maxBytes: 1 });
    expect(rig.state.size).toBe(1);
    await rig.run();
    expect(told(rig)).toEqual([
      ['a', 2],
      ['a', null],
    ]);
    expect(rig.state.size).toBe(0);
  });

  it('keeps what it was when a later run fails half way', async () => {
    const definition = define((s) =>
      s
        .map((n) => (n < 0 ? boom() : n))
        .reduce((a, b) => a + b)
        .to('out'),
    );
    const boom = (): number => {
      throw new Error('boom');
    };
    const rig = new Rig(definition, { in: jsonBatches(records(['a', 1], ['a', 2], ['a', -1], ['a', 4]), 1) });
    await rig.run({ maxBytes: 1 });
    await expect(rig.run()).rejects.toThrow('boom');
    await expect(rig.run()).rejects.toMatchObject({ offset: 2 });
    rig.notices = [{ topic: 'in', offset: 2, code: 'X', message: '', attempts: 1 }];
    await rig.drain();
    expect(told(rig).at(-1)).toEqual(['a', 7]);
  });

  it('blames the record that caused an update when what follows fails on it', async () => {
    const definition = define((s) =>
      s
        .count()
        .map((n) => (n === 2 ? boom() : n))
        .to('out'),
    );
    const boom = (): number => {
      throw new Error('boom');
    };
    const rig = new Rig(definition, { in: jsonBatches(records(['a', 1], ['b', 1], ['a', 1], ['b', 0]).slice(0, 3)) });
    await expect(rig.run()).rejects.toMatchObject({ input: 0, offset: 2, message: 'boom' });
  });

  it('refuses a record without a key', async () => {
    const rig = new Rig(
      define((s) => s.count().to('out')),
      { in: jsonBatches(records([null, 1])) },
    );
    await expect(rig.run()).rejects.toMatchObject({ offset: 0, code: 'PROCESSOR_FAILED' });
  });

  it('does not let others change its value through what it tells', async () => {
    const definition = define((s) =>
      s
        .aggregate({ init: (): number[] => [], add: (all, n) => [...all, n] })
        .map((all) => all.splice(0))
        .to('out'),
    );
    const rig = new Rig(definition, { in: jsonBatches(records(['a', 1], ['a', 2]), 1) });
    await rig.run({ maxBytes: 1 });
    await rig.run();
    expect(told(rig)).toEqual([
      ['a', [1]],
      ['a', [1, 2]],
    ]);
  });

  it('is refused more state than the limit, and goes on with less', async () => {
    const many = records(...Array.from({ length: 500 }, (_, i): [string, number] => [`key-${i}`, i]), ['key-0', 1]);
    const definition = define((s) => s.count({ emit: 'none' }));
    const rig = new Rig(definition, { in: jsonBatches(many, 1) }, CALM, { limits: { processorStateBytesMax: 10_000 } });
    await expect(rig.run()).rejects.toMatchObject({ code: 'STATE_FULL', input: -1 });
    expect(await rig.run({ maxBytes: 5_000 })).toMatchObject({ state: expect.any(Uint8Array) });
  });

  it('refuses a key too long to keep state for, and blames its record', async () => {
    const rig = new Rig(
      define((s) => s.count().to('out')),
      { in: jsonBatches(records(['a', 1], ['x'.repeat(2_000), 1])) },
    );
    await expect(rig.run()).rejects.toMatchObject({ offset: 1, code: 'VALUE_MALFORMED' });
  });
});

describe('windows of windows', () => {
  it('wait for the first ones to close before they close themselves', async () => {
    const definition = define((s) =>
      s
        .window(tumbling(10), { latenessMs: 5 })
        .count()
        .keyBy(() => 'all')
        .map(({ value }) => value)
        .window(tumbling(20))
        .reduce((a, b) => a + b)
        .to('out'),
    );
    const input = records(
      ['a', 1, 1],
      ['b', 1, 8],
      ['a', 1, 12],
      ['a', 1, 3],
      ['b', 1, 19],
      ['a', 1, 25],
      ['a', 1, 90],
    );
    const rig = await new Rig(definition, { in: jsonBatches(input, 2) }).drain();
    expect(rig.values('out')).toEqual([
      { value: 5, window: { start: 0, end: 20 } },
      { value: 1, window: { start: 20, end: 40 } },
    ]);
  });

  it('that are too many for one run close over several, each once', async () => {
    const input = records(...Array.from({ length: 3_000 }, (_, i): [string, number, number] => [`k${i}`, i, 5]), [
      'end',
      0,
      100,
    ]);
    const definition = define((s) => s.window(tumbling(10)).count().to('out'));
    const random = seededRandom(7);
    const rig = new Rig(
      definition,
      { in: jsonBatches(input, 100) },
      { random, fault: 0, restart: 0.5 },
      { limits: { processorRunBytesMax: 20_000 } },
    );
    await rig.drain();
    expect(new Set(rig.taken.map(({ key }) => key)).size).toBe(3_000);
    expect(rig.taken.length).toBe(3_000);
  });
});
