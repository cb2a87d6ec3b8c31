/** Joins of two streams against every pair there is, and of a stream with the rows of a table. */
import fc from 'fast-check';
import { defineProcessor, json } from 'sluice/processing';
import { describe, expect, it } from 'vitest';
import { seededRandom, withSeed } from '#kit';
import { chaos, jsonBatches, Rig, sorted } from './fixture.ts';

interface Event {
  readonly side: 'l' | 'r';
  readonly id: number;
  readonly key: string;
  readonly timestamp: number;
}

type Pair = [number, number | null];

const events = fc
  .array(
    fc.record({
      side: fc.constantFrom('l', 'r'),
      key: fc.constantFrom('a', 'b'),
      step: fc.integer({ min: 0, max: 25 }),
      back: fc.integer({ min: 0, max: 90 }),
    }),
    { maxLength: 100 },
  )
  .map((list) => {
    let base = 1_000;
    return list.map(({ side, key, step, back }, id): Event => {
      base += step;
      return { side: side as 'l' | 'r', id, key, timestamp: base - back };
    });
  });
const settings = fc.record({
  withinMs: fc.integer({ min: 0, max: 120 }),
  outOfOrderMs: fc.integer({ min: 0, max: 100 }),
  left: fc.boolean(),
});
const mischief = fc.integer({ min: 0, max: 2 ** 31 });

function join(left: boolean, withinMs: number, outOfOrderMs: number) {
  const pair = (l: Event, r: Event | undefined): Pair => [l.id, r?.id ?? null];
  const times = { withinMs, outOfOrderMs };
  return defineProcessor({
    inputs: { in: json<Event>(), more: json<Event>() },
    outputs: { out: json<Pair>(), late: json<Event>() },
    build({ stream }) {
      const { l, r } = stream('in').branch({ l: ({ side }) => side === 'l', r: ({ side }) => side === 'r' });
      const joined = left
        ? l.joinStream(r, { ...times, left: true, join: pair })
        : l.joinStream(r, { ...times, join: (a, b) => pair(a, b) });
      joined.to('out');
      joined.late.to('late');
    },
  });
}

const given = (list: readonly Event[]) =>
  list.map((event) => ({ key: event.key, timestamp: event.timestamp, value: event }));

describe('a join of two streams', () => {
  it('gives each pair within its time once, what found no partner at the end, and the rest to late', async () => {
    await fc.assert(
      fc.asyncProperty(events, settings, mischief, async (list, { withinMs, outOfOrderMs, left }, wild) => {
        const random = seededRandom(wild);
        const inputs = { in: jsonBatches(given(list), 6, random), more: [] };
        const rig = await new Rig(join(left, withinMs, outOfOrderMs), inputs, chaos(random)).drain();
        const kept: Event[] = [];
        const late: number[] = [];
        let watermark = -Infinity;
        for (const event of list) {
          watermark = Math.max(watermark, event.timestamp - outOfOrderMs);
          if (event.timestamp < watermark) late.push(event.id);
          else kept.push(event);
        }
        const near = (a: Event, b: Event) => a.key === b.key && Math.abs(a.timestamp - b.timestamp) <= withinMs;
        const rights = kept.filter(({ side }) => side === 'r');
        const pairs: Pair[] = [];
        let waiting = 0;
        for (const event of kept.filter(({ side }) => side === 'l')) {
          const partners = rights.filter((other) => near(event, other));
          for (const { id } of partners) pairs.push([event.id, id]);
          // Given on alone once its span of time, and what could still reach it, is over.
          const span = Math.max(1, withinMs);
          const over = (Math.floor(event.timestamp / span) + 1) * span + withinMs <= watermark;
          if (partners.length === 0 && left && over) pairs.push([event.id, null]);
          if (!over) waiting++;
        }
        expect(sorted(rig.values('out'))).toEqual(sorted(pairs));
        expect(rig.values('late').map((event) => (event as Event).id)).toEqual(late);
        if (waiting === 0 && list.length === 0) expect(rig.state.size).toBe(0);
      }),
      withSeed({ numRuns: 250 }),
    );
  });

  it('gives on what is alone in the run that follows one that failed after it had', async () => {
    const list = [0, 500].map((timestamp, id): Event => ({ side: 'l', id, key: 'a', timestamp }));
    const rig = new Rig(join(true, 10, 0), { in: jsonBatches(given(list), 1), more: [] });
    await rig.run({ maxBytes: 1 });
    const at = (_: number, offset: number) => {
      if (offset === 1) throw new Error('once');
    };
    await expect(rig.run({ at })).rejects.toThrow('once');
    await rig.drain();
    expect(rig.values('out')).toEqual([[0, null]]);
  });

  it('forgets what can find no partner any more', async () => {
    const list = Array.from(
      { length: 2_000 },
      (_, id): Event => ({ side: id % 2 ? 'l' : 'r', id, key: `k${id}`, timestamp: id * 10 }),
    );
    const rig = await new Rig(join(false, 50, 0), { in: jsonBatches(given(list), 50), more: [] }).drain();
    expect(rig.last?.stateEntries).toBeLessThan(40);
  });

  it('gives the same pairs from two topics, however they are read side by side', async () => {
    const definition = defineProcessor({
      inputs: { orders: json<Event>(), payments: json<Event>() },
      outputs: { out: json<Pair>() },
      build({ stream }) {
        const options = { withinMs: 40, outOfOrderMs: 90, join: (l: Event, r: Event): Pair => [l.id, r.id] };
        stream('orders').joinStream(stream('payments'), options).to('out');
      },
    });
    await fc.assert(
      fc.asyncProperty(events, mischief, async (list, wild) => {
        const random = seededRandom(wild);
        const [orders, payments] = (['l', 'r'] as const).map((side) => list.filter((event) => event.side === side));
        const inputs = {
          orders: jsonBatches(given(orders ?? []), 5, random),
          payments: jsonBatches(given(payments ?? []), 5, random),
        };
        const rig = await new Rig(definition, inputs, chaos(random)).drain();
        const pairs = (orders ?? []).flatMap((l) =>
          (payments ?? [])
            .filter((r) => r.key === l.key && Math.abs(r.timestamp - l.timestamp) <= 40)
            .map((r): Pair => [l.id, r.id]),
        );
        expect(sorted(rig.values('out'))).toEqual(sorted(pairs));
      }),
      withSeed({ numRuns: 100 }),
    );
  });
});

describe('a join with a table', () => {
  const airports = new Map<string, unknown>([['FRA', { city: 'Frankfurt' }]]);
  const run = (left: boolean) => {
    const definition = defineProcessor({
      inputs: { flights: json<{ to: string }>() },
      outputs: { out: json<[string, string | null]>() },
      tables: { airports: json<{ city: string }>() },
      build({ stream, table }) {
        const key = (flight: { to: string }) => flight.to;
        const flights = stream('flights');
        if (left) {
          flights
            .join(table('airports'), {
              key,
              left: true,
              join: ({ to }, row): [string, string | null] => [to, row?.city ?? null],
            })
            .to('out');
        } else {
          flights
            .join(table('airports'), { key, join: ({ to }, row): [string, string | null] => [to, row.city] })
            .to('out');
        }
      },
    });
    const flights = jsonBatches([{ value: { to: 'FRA' } }, { value: { to: 'NIL' } }]);
    return new Rig(definition, { flights }, undefined, { tables: { airports } }).drain();
  };

  it('gives only records that have a row', async () => {
    expect((await run(false)).values('out')).toEqual([['FRA', 'Frankfurt']]);
  });

  it('gives all records, some without a row, when it is a left one', async () => {
    expect((await run(true)).values('out')).toEqual([
      ['FRA', 'Frankfurt'],
      ['NIL', null],
    ]);
  });
});
