/** Steps of one's own: values and timers of a key, through faults and restarts. */
import fc from 'fast-check';
import { defineProcessor, json, type Stream } from 'sluice/processing';
import { describe, expect, it } from 'vitest';
import { seededRandom, withSeed } from '#kit';
import { chaos, type Given, jsonBatches, Rig } from './fixture.ts';

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

describe("a step of one's own", () => {
  it('keeps values of a key and fires event timers in order of time, through faults and restarts', async () => {
    const input = fc.array(
      fc.tuple(fc.constantFrom('a', 'b'), fc.integer({ min: 1, max: 50 }), fc.integer({ min: 0, max: 15 })),
      { maxLength: 60 },
    );
    await fc.assert(
      fc.asyncProperty(input, fc.integer({ min: 0, max: 2 ** 31 }), async (list, wild) => {
        const random = seededRandom(wild);
        // Each record moves the key's timer to its own time plus its value.
        const definition = define((s) =>
          s
            .process<unknown, number>({
              onRecord(value, context, { timestamp }) {
                context.set((context.get() ?? 0) + 1);
                context.setTimer(timestamp + value, { name: 'quiet' });
              },
              onTimer({ time, name }, context) {
                context.emit([name, time, context.get()]);
                context.delete();
              },
            })
            .to('out'),
        );
        let clock = 0;
        const timed = list.map(([key, value, step]): [string, number, number] => {
          clock += step;
          return [key, value, clock];
        });
        const rig = await new Rig(definition, { in: jsonBatches(records(...timed), 4, random) }, chaos(random)).drain();
        const expected: unknown[] = [];
        const open = new Map<string, { due: number; count: number }>();
        for (const [key, value, timestamp] of timed) {
          const due = [...open]
            .filter(([, timer]) => timer.due <= timestamp)
            .sort(([a, x], [b, y]) => x.due - y.due || (a < b ? -1 : 1));
          for (const [name, timer] of due) {
            expected.push([name, ['quiet', timer.due, timer.count]]);
            open.delete(name);
          }
          open.set(key, { due: timestamp + value, count: (open.get(key)?.count ?? 0) + 1 });
        }
        expect(told(rig)).toEqual(expected);
        expect(rig.taken.map(({ timestamp }) => timestamp)).toEqual(
          expected.map((row) => (row as [string, [string, number]])[1][1]),
        );
      }),
      withSeed({ numRuns: 120 }),
    );
  });

  it('fires wall-clock timers when a run is asked to, and tells when the next is due', async () => {
    const definition = define((s) =>
      s
        .process<unknown>({
          onRecord: (value, context) => context.setTimer(context.now + value, { clock: 'wall' }),
          onTimer: ({ time, clock }, context) => context.emit([clock, time]),
        })
        .to('out'),
    );
    const rig = new Rig(definition, { in: jsonBatches(records(['a', 500], ['b', 200])) });
    expect(await rig.run()).toMatchObject({ nextTimerAt: 1_200 });
    rig.instance = rig.fresh();
    rig.now = 1_300;
    expect(await rig.run({ fireTimers: false })).toMatchObject({ nextTimerAt: 1_200 });
    expect(await rig.run()).toMatchObject({ nextTimerAt: 1_500 });
    rig.now = 2_000;
    expect(await rig.run()).toMatchObject({ nextTimerAt: null });
    expect(told(rig)).toEqual([
      ['b', ['wall', 1_200]],
      ['a', ['wall', 1_500]],
    ]);
    expect(rig.state.size).toBe(1);
  });

  it('is asked once more after a timer that failed, which no record is blamed for', async () => {
    let failures = 1;
    const definition = define((s) =>
      s
        .process<unknown>({
          onRecord: (_, context, { timestamp }) => context.setTimer(timestamp + 5),
          onTimer({ time }, context) {
            if (failures-- > 0) throw new Error('not now');
            context.emit(time);
          },
        })
        .to('out'),
    );
    const rig = new Rig(definition, { in: jsonBatches(records(['a', 1, 1], ['b', 1, 50])) });
    await expect(rig.run()).rejects.toMatchObject({ input: -1, offset: -1, message: 'not now' });
    await rig.drain();
    expect(told(rig)).toEqual([['a', 6]]);
  });

  it('fires again in the run that follows one that failed after a timer of an earlier run had fired', async () => {
    const definition = define((s) =>
      s
        .process<unknown>({
          onRecord: (_, context, { timestamp }) => context.setTimer(timestamp + 5),
          onTimer: ({ time }, context) => context.emit(time),
        })
        .to('out'),
    );
    const rig = new Rig(definition, { in: jsonBatches(records(['a', 1, 1], ['b', 1, 50]), 1) });
    await rig.run({ maxBytes: 1 });
    const at = (_: number, offset: number) => {
      if (offset === 1) throw new Error('once');
    };
    await expect(rig.run({ at })).rejects.toThrow('once');
    await rig.drain();
    expect(told(rig)).toEqual([['a', 6]]);
  });

  it('comes to an end with a timer that sets itself again', async () => {
    const definition = define((s) =>
      s
        .process<unknown>({
          onRecord: (_, context, { timestamp }) => context.setTimer(timestamp),
          onTimer({ time }, context) {
            context.emit(time);
            context.setTimer(time);
          },
        })
        .to('out'),
    );
    const rig = await new Rig(definition, { in: jsonBatches(records(['a', 1, 10], ['b', 1, 13])) }).drain();
    expect(rig.taken.filter(({ key }) => key === 'a').map(({ value }) => value)).toEqual([10, 11, 12, 13]);
  });
});
