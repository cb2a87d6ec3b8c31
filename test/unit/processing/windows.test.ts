/** Windows against a plain reckoning of which record belongs where, on out-of-order input, through faults and restarts. */
import fc from 'fast-check';
import { defineProcessor, hopping, json, session, tumbling } from 'sluice/processing';
import { describe, expect, it } from 'vitest';
import { seededRandom, withSeed } from '#kit';
import { chaos, type Given, jsonBatches, Rig, sorted } from './fixture.ts';

interface Event {
  readonly key: string;
  readonly value: number;
  readonly timestamp: number;
}

interface Expected {
  readonly final: { key: string; start: number; end: number; ids: number[] }[];
  readonly open: { key: string; start: number; end: number; ids: number[] }[];
  readonly late: number[];
}

interface Shape {
  readonly size: number;
  readonly every: number;
  readonly outOfOrder: number;
  readonly lateness: number;
}

/** Half of the times are whole tens, so that edges are met often. */
const edgy = (max: number, min = 0) =>
  fc.oneof(
    fc.integer({ min, max }),
    fc.integer({ min: Math.ceil(min / 10), max: Math.floor(max / 10) }).map((n) => n * 10),
  );

const events = fc
  .array(fc.tuple(fc.constantFrom('a', 'b', 'ключ', 'd', 'e', 'f'), edgy(400)), { maxLength: 120 })
  .chain((list) => {
    // Mostly forward, with some far behind.
    const drift = fc.array(edgy(40), { minLength: list.length, maxLength: list.length });
    return drift.map((steps) => {
      let base = 1_000;
      return list.map(([key, back], value): Event => {
        base += steps[value] as number;
        return { key, value, timestamp: Math.max(0, base - (back < 300 ? back % 30 : back)) };
      });
    });
  });
const shape = fc
  .record({
    every: edgy(80, 1),
    hops: fc.integer({ min: 1, max: 4 }),
    outOfOrder: edgy(40),
    lateness: edgy(60),
  })
  .map(({ every, hops, outOfOrder, lateness }): Shape => ({ every, size: every * hops, outOfOrder, lateness }));
const mischief = fc.integer({ min: 0, max: 2 ** 31 });

const ids = {
  init: (): number[] => [],
  add: (all: number[], id: number) => [...all, id],
  merge: (a: number[], b: number[]) => [...a, ...b],
};

function expectFixed(list: readonly Event[], { size, every, outOfOrder, lateness }: Shape): Expected {
  const windows = new Map<string, { key: string; start: number; end: number; ids: number[] }>();
  const late: number[] = [];
  let watermark = -Infinity;
  for (const { key, value, timestamp } of list) {
    watermark = Math.max(watermark, timestamp - outOfOrder);
    let taken = false;
    for (let index = Math.ceil((timestamp - size + 1) / every); index * every <= timestamp; index++) {
      const start = index * every;
      if (start + size + lateness <= watermark) continue;
      taken = true;
      const id = `${key}@${start}`;
      if (!windows.has(id)) windows.set(id, { key, start, end: start + size, ids: [] });
      windows.get(id)?.ids.push(value);
    }
    if (!taken) late.push(value);
  }
  const all = [...windows.values()];
  const final = all.filter(({ end }) => end + lateness <= watermark);
  return { final, open: all.filter(({ end }) => end + lateness > watermark), late };
}

/** Sessions as what they are by definition: the clusters of all records that are still open, made anew each time. */
function expectSessions(list: readonly Event[], gap: number, outOfOrder: number, lateness: number): Expected {
  let open: Event[] = [];
  const final: Expected['final'] = [];
  const late: number[] = [];
  let watermark = -Infinity;
  const clusters = (records: readonly Event[]): Event[][] => {
    const found: Event[][] = [];
    for (const record of [...records].sort((a, b) =>
      a.key === b.key ? a.timestamp - b.timestamp : a.key < b.key ? -1 : 1,
    )) {
      const before = found.at(-1)?.at(-1);
      if (before?.key === record.key && record.timestamp - before.timestamp < gap) found.at(-1)?.push(record);
      else found.push([record]);
    }
    return found;
  };
  const describe = (cluster: readonly Event[]) => ({
    key: (cluster[0] as Event).key,
    start: (cluster[0] as Event).timestamp,
    end: (cluster.at(-1) as Event).timestamp + gap,
    ids: cluster.map(({ value }) => value).sort((a, b) => a - b),
  });
  for (const event of list) {
    watermark = Math.max(watermark, event.timestamp - outOfOrder);
    for (const cluster of clusters(open)) {
      if (describe(cluster).end + lateness > watermark) continue;
      final.push(describe(cluster));
      open = open.filter((record) => !cluster.includes(record));
    }
    const own = clusters([...open, event]).find((cluster) => cluster.includes(event)) as Event[];
    if (own.length === 1 && event.timestamp + gap + lateness <= watermark) late.push(event.value);
    else open.push(event);
  }
  return { final, open: clusters(open).map(describe), late };
}

type Row = { value: number[]; window: { start: number; end: number } };

/** The rows of a topic, the ids of each in order, and of several of one window the last when asked so. */
function rows(rig: Rig, newest: boolean) {
  const found = rig.taken
    .filter(({ topic }) => topic === 'out')
    .map(({ key, value }) => ({
      key: key as string,
      ...(value as Row).window,
      ids: (value as Row).value.sort((a, b) => a - b),
    }));
  if (!newest) return sorted(found);
  return sorted([...new Map(found.map((row) => [`${row.key}@${row.start}`, row])).values()]);
}

function given(list: readonly Event[]): Given[] {
  return list.map(({ key, value, timestamp }) => ({ key, value, timestamp }));
}

async function drive(list: readonly Event[], random: () => number, build: Parameters<typeof define>[0]) {
  return new Rig(define(build), { in: jsonBatches(given(list), 6, random) }, chaos(random)).drain();
}

const define = (window: (stream: import('sluice/processing').Stream<number, Outputs>) => void) =>
  defineProcessor({
    inputs: { in: json<number>() },
    outputs: { out: json(), late: json<number>() },
    build: ({ stream }) => window(stream('in') as never),
  });
type Outputs = { out: ReturnType<typeof json>; late: ReturnType<typeof json<number>> };

describe('tumbling and hopping windows', () => {
  it('hold exactly the records that came in time, once each, and give the others to late', async () => {
    await fc.assert(
      fc.asyncProperty(events, shape, mischief, async (list, { size, every, outOfOrder, lateness }, wild) => {
        const rig = await drive(list, seededRandom(wild), (stream) => {
          const shaped = every === size ? tumbling(size) : hopping(size, every);
          const windows = stream.window(shaped, { outOfOrderMs: outOfOrder, latenessMs: lateness });
          windows.aggregate(ids).to('out');
          windows.late.to('late');
        });
        const expected = expectFixed(list, { size, every, outOfOrder, lateness });
        expect(rows(rig, false)).toEqual(sorted(expected.final));
        expect(rig.values('late')).toEqual(expected.late);
        expect(rig.last?.stateEntries).toBe(expected.open.length + (list.length > 0 ? 1 : 0));
      }),
      withSeed({ numRuns: 150 }),
    );
  });

  it('tell the newest value of each window that changed, when asked for changes', async () => {
    await fc.assert(
      fc.asyncProperty(events, shape, mischief, async (list, { size, every, outOfOrder, lateness }, wild) => {
        const rig = await drive(list, seededRandom(wild), (stream) => {
          const options = { outOfOrderMs: outOfOrder, latenessMs: lateness, emit: 'change' } as const;
          stream.window(hopping(size, every), options).aggregate(ids).to('out');
        });
        const expected = expectFixed(list, { size, every, outOfOrder, lateness });
        expect(rows(rig, true)).toEqual(sorted([...expected.final, ...expected.open]));
      }),
      withSeed({ numRuns: 80 }),
    );
  });
});

describe('session windows', () => {
  const gap = edgy(90, 1);
  const slack = edgy(60);

  it('grow together where a record joins them, and close when nothing can reach them any more', async () => {
    await fc.assert(
      fc.asyncProperty(events, gap, slack, slack, mischief, async (list, gapMs, outOfOrder, lateness, wild) => {
        const rig = await drive(list, seededRandom(wild), (stream) => {
          const windows = stream.window(session(gapMs), { outOfOrderMs: outOfOrder, latenessMs: lateness });
          windows.aggregate(ids).to('out');
          windows.late.to('late');
        });
        const expected = expectSessions(list, gapMs, outOfOrder, lateness);
        expect(rows(rig, false)).toEqual(sorted(expected.final));
        expect(rig.values('late')).toEqual(expected.late);
      }),
      withSeed({ numRuns: 200 }),
    );
  });

  it('end where the next record is a whole gap away, on either side', async () => {
    const list = [100, 110, 95, 85, 300].map((timestamp, value): Event => ({ key: 'a', value, timestamp }));
    const rig = await drive(list, seededRandom(1), (stream) => {
      stream.window(session(10), { outOfOrderMs: 50 }).aggregate(ids).to('out');
    });
    expect(rows(rig, false)).toEqual([
      { key: 'a', start: 110, end: 120, ids: [1] },
      { key: 'a', start: 85, end: 95, ids: [3] },
      { key: 'a', start: 95, end: 110, ids: [0, 2] },
    ]);
  });

  it('close again in the run that follows one that failed after it had closed them', async () => {
    const list = [0, 100].map((timestamp, value): Event => ({ key: `k${value}`, value, timestamp }));
    const definition = define((stream) => stream.window(session(10)).aggregate(ids).to('out'));
    const rig = new Rig(definition, { in: jsonBatches(given(list), 1) });
    await rig.run({ maxBytes: 1 });
    const at = (_: number, offset: number) => {
      if (offset === 1) throw new Error('once');
    };
    await expect(rig.run({ at })).rejects.toThrow('once');
    await rig.drain();
    expect(rows(rig, false)).toEqual([{ key: 'k0', start: 0, end: 10, ids: [0] }]);
  });

  it('tell at last what each one holds, when asked for changes', async () => {
    await fc.assert(
      fc.asyncProperty(events, gap, slack, mischief, async (list, gapMs, lateness, wild) => {
        const rig = await drive(list, seededRandom(wild), (stream) => {
          stream.window(session(gapMs), { latenessMs: lateness, emit: 'change' }).aggregate(ids).to('out');
        });
        const expected = expectSessions(list, gapMs, 0, lateness);
        const told = new Set(rows(rig, false).map((row) => JSON.stringify(row)));
        for (const row of [...expected.final, ...expected.open]) expect(told).toContain(JSON.stringify(row));
      }),
      withSeed({ numRuns: 80 }),
    );
  });
});
