/** Inputs that have fallen silent: when they count as idle, how far they are then taken to be, and what that closes. */
import { defineProcessor, json, tumbling } from 'sluice/processing';
import { describe, expect, it } from 'vitest';
import { InputTimes } from '../../../src/processing/runtime/input-times.ts';
import { jsonBatches, Rig } from './fixture.ts';

const IDLE_MS = 100;

describe('the times of the inputs of a processor', () => {
  function inputs(count: number) {
    const times = new InputTimes(IDLE_MS);
    return { times, list: Array.from({ length: count }, () => times.add()) };
  }

  it('hold each other back as long as none is idle', () => {
    const { times, list } = inputs(2);
    const [a, b] = list as [(typeof list)[0], (typeof list)[0]];
    a.time = 500;
    times.note(0);
    b.quietSince = 0;
    expect([times.idleAt(a, 99), times.idleAt(b, 99)]).toEqual([undefined, undefined]);
  });

  it('let an idle one follow the one that is furthest behind of the others', () => {
    const { times, list } = inputs(3);
    const [a, b, c] = list as [(typeof list)[0], (typeof list)[0], (typeof list)[0]];
    a.time = 500;
    b.time = 300;
    c.quietSince = 0;
    expect(times.idleAt(c, IDLE_MS)).toBe(300);
    c.time = 300;
    expect(times.idleAt(c, IDLE_MS)).toBeUndefined();
    b.time = 400;
    expect(times.idleAt(c, IDLE_MS)).toBe(400);
    times.remove(b);
    expect(times.idleAt(c, IDLE_MS)).toBe(500);
  });

  it('stand still where all are idle, after what the last one to fall silent had reached', () => {
    const { times, list } = inputs(2);
    const [a, b] = list as [(typeof list)[0], (typeof list)[0]];
    b.quietSince = 0;
    a.time = 500;
    times.note(IDLE_MS);
    a.time = 700;
    a.quietSince = IDLE_MS;
    expect(times.idleAt(b, IDLE_MS * 5)).toBe(500);
    expect(times.idleAt(a, IDLE_MS * 5)).toBeUndefined();
  });

  it('are not known while one that is not idle has none', () => {
    const { times, list } = inputs(3);
    const [a, b] = list as [(typeof list)[0], (typeof list)[0]];
    a.time = 500;
    b.quietSince = 0;
    expect(times.idleAt(b, IDLE_MS)).toBeUndefined();
  });
});

type Event = { readonly id: number };
const at = (...timestamps: number[]) =>
  jsonBatches(timestamps.map((timestamp, id) => ({ key: 'k', value: { id }, timestamp })));

let broken = false;
const windows = defineProcessor({
  inputs: { in: json<Event>() },
  outputs: { out: json<unknown>() },
  build({ stream }) {
    stream('in')
      .window(tumbling(1_000), { outOfOrderMs: 100 })
      .count()
      .map((count) => {
        if (broken) throw new Error('a fault of the test');
        return count;
      })
      .to('out');
  },
});

/** One run in which an input is idle. */
const idle = (rig: Rig, topic: string, idleAt: number) => {
  const { inputs } = rig.task();
  return rig.run({ inputs: inputs.map((input) => (input.topic === topic ? { ...input, idleAt } : input)) });
};

describe('an idle input', () => {
  it('closes the windows up to the time it is taken to have come to, for good', async () => {
    const rig = new Rig(windows, { in: at(100, 1_200, 2_300) });
    await rig.drain();
    expect(rig.values('out')).toEqual([
      { value: 1, window: { start: 0, end: 1_000 } },
      { value: 1, window: { start: 1_000, end: 2_000 } },
    ]);
    const { times, watermark } = await idle(rig, 'in', 3_100);
    expect([times, watermark]).toEqual([[3_100], 3_000]);
    expect(rig.values('out').slice(2)).toEqual([{ value: 1, window: { start: 2_000, end: 3_000 } }]);
    rig.instance = rig.fresh();
    expect((await rig.run()).times).toEqual([3_100]);
    expect(rig.state.size).toBe(1);
  });

  it('does not go back in time', async () => {
    const rig = new Rig(windows, { in: at(100, 2_300) });
    await rig.drain();
    expect((await idle(rig, 'in', 500)).times).toEqual([2_300]);
  });

  it('goes on in a later run with what one run has no room for, and is rolled back with a run that fails', async () => {
    const keys = Array.from({ length: 200 }, (_, id) => ({ key: `k${id}`, value: { id }, timestamp: 100 }));
    const rig = new Rig(windows, { in: jsonBatches(keys, 50) }, undefined, { limits: { processorRunBytesMax: 4_000 } });
    await rig.drain();
    broken = true;
    await expect(idle(rig, 'in', 1_100)).rejects.toThrow('a fault of the test');
    broken = false;
    expect((await rig.run()).times).toEqual([100]);
    expect((await idle(rig, 'in', 1_100)).more).toBe(true);
    await rig.drain();
    expect(rig.values('out')).toHaveLength(200);
  });

  it('lets a join give on what finds no partner, and sends what comes after all to late', async () => {
    const joined = defineProcessor({
      inputs: { in: json<Event>(), more: json<Event>() },
      outputs: { out: json<unknown>(), late: json<Event>() },
      build({ stream }) {
        const join = (l: Event, r: Event | undefined) => [l.id, r?.id ?? null];
        const pairs = stream('in').joinStream(stream('more'), { withinMs: 100, left: true, join });
        pairs.to('out');
        pairs.late.to('late');
      },
    });
    const more: Uint8Array[] = [];
    const rig = new Rig(joined, { in: at(100, 5_000), more });
    await rig.drain();
    expect([rig.values('out'), rig.last?.watermark]).toEqual([[], null]);
    await idle(rig, 'more', 5_000);
    expect(rig.values('out')).toEqual([[0, null]]);
    more.push(...at(150, 5_050));
    await rig.drain();
    expect([rig.values('out'), rig.values('late')]).toEqual([
      [
        [0, null],
        [1, 1],
      ],
      [{ id: 0 }],
    ]);
  });
});
