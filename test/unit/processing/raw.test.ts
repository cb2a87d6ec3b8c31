/** The raw form: whole chunks to a function that may wait, with state and outputs of its own. */

import { defineProcessor, json, type RawBatch, text } from 'sluice/processing';
import { describe, expect, it } from 'vitest';
import { seed, seededRandom } from '#kit';
import { chaos, jsonBatches, Rig } from './fixture.ts';

const list = Array.from({ length: 40 }, (_, i) => ({ key: `k${i % 4}`, value: i, timestamp: i }));

function define(
  batch: (
    batch: RawBatch<{ in: ReturnType<typeof json<number>> }>,
    context: Parameters<
      Parameters<typeof defineProcessor>[0] extends infer D ? Extract<D, { batch: unknown }>['batch'] : never
    >[1],
  ) => void | Promise<void>,
) {
  return defineProcessor({
    inputs: { in: json<number>() },
    outputs: { out: json(), log: text() },
    batch: batch as never,
  });
}

describe('the raw form', () => {
  it('gets every record once, and keeps its state, through faults and restarts, also when it waits', async () => {
    const random = seededRandom(seed());
    const definition = define(async ({ records }, context) => {
      for (const { key, value, timestamp } of records) {
        await Promise.resolve();
        const sum = ((context.state.get(key as string) as number) ?? 0) + value;
        context.state.set(key as string, sum);
        context.emit('out', { key, value: sum, timestamp });
      }
    });
    const rig = await new Rig(definition, { in: jsonBatches(list, 5, random) }, chaos(random)).drain();
    const sums: Record<string, number> = {};
    const expected = list.map(({ key, value }) => {
      sums[key] = (sums[key] ?? 0) + value;
      return [key, sums[key]];
    });
    expect(rig.taken.map(({ key, value }) => [key, value])).toEqual(expected);
    expect([...rig.state.keys()].sort()).toEqual(['raw/k0', 'raw/k1', 'raw/k2', 'raw/k3']);
  });

  it('may look at the bytes, give to a partition, and delete', async () => {
    const definition = define(({ bytes, from, topic }, context) => {
      context.state.set('seen', bytes.length);
      if (from > 0) context.state.delete('seen');
      context.emit('out', { value: topic, partition: 2, headers: [{ key: 'h', value: null }] });
    });
    const rig = new Rig(definition, { in: jsonBatches(list, 20) }, undefined, { outputs: { out: 3, log: 1 } });
    await rig.run({ maxBytes: 1 });
    expect(rig.state.size).toBe(1);
    await rig.drain();
    expect(rig.state.size).toBe(0);
    expect(new Set(rig.taken.map(({ partition, timestamp }) => `${partition} ${timestamp}`))).toEqual(
      new Set(['2 1000']),
    );
  });

  it('is blamed for the record it took last, or the one it says it is at', async () => {
    const lazily = define(({ records }) => {
      for (const { value } of records) if (value === 7) throw new Error('seven');
    });
    const atOnce = define(({ records }, context) => {
      for (const record of [...records]) {
        context.at(record);
        if (record.value === 7) throw new Error('seven');
      }
    });
    const blindly = define(() => {
      throw new Error('seven');
    });
    const input = { in: jsonBatches(list, 20) };
    await expect(new Rig(lazily, input).run()).rejects.toMatchObject({ input: 0, offset: 7, message: 'seven' });
    await expect(new Rig(atOnce, input).run()).rejects.toMatchObject({ input: 0, offset: 7, message: 'seven' });
    await expect(new Rig(blindly, input).run()).rejects.toMatchObject({ input: -1, message: 'seven' });
  });

  it('is not given records that are dead, before the start or behind the end', async () => {
    const definition = define(({ records }, context) => {
      for (const { value } of records) context.emit('out', { value });
    });
    const rig = new Rig(definition, { in: jsonBatches(list, 20) });
    rig.notices = [{ topic: 'in', offset: 5, code: 'X', message: 'm', attempts: 1 }];
    const { inputs } = rig.task();
    const result = await rig.run({ inputs: inputs.map((input) => ({ ...input, from: 3, until: 9 })) });
    expect(rig.values('out')).toEqual([3, 4, 6, 7, 8]);
    expect(result).toMatchObject({ next: [9], records: 5 });
    expect(rig.dead).toMatchObject([{ offset: 5, timestamp: 5, code: 'X' }]);
  });

  it('reads the rows of its tables', async () => {
    const definition = defineProcessor({
      inputs: { in: json<number>() },
      outputs: { out: json() },
      tables: { names: json<string>() },
      batch(_, context) {
        context.emit('out', { value: [context.row('names', 'a') ?? null, context.row('names', 'b') ?? null] });
      },
    });
    const rig = new Rig(definition, { in: jsonBatches(list.slice(0, 1)) }, undefined, {
      tables: { names: new Map([['a', 'Anna']]) },
    });
    await rig.drain();
    expect(rig.values('out')).toEqual([['Anna', null]]);
  });
});
