/** Runs from outside: what comes out and where, what a fault says and leaves, where a run begins and ends. */
import { type BuildContext, defineProcessor, json, type Serde } from 'sluice/processing';
import { describe, expect, it } from 'vitest';
import { resolveLimits } from '#kernel';
import { Instance, isDefinition, ProcessingFault, type Task } from '#processing';
import { encodeBatch, iterateRecords, partitionForKey } from '#record';
import { batches, CALM, jsonBatches, Rig, sorted } from './fixture.ts';

type Line = { inputs: { in: Serde<number> }; outputs: { out: Serde<unknown>; other: Serde<unknown> } };
type Build = (context: BuildContext<Line['inputs'], Line['outputs'], Record<never, never>>) => void;

const define = (build: Build) =>
  defineProcessor({ inputs: { in: json<number>() }, outputs: { out: json(), other: json() }, build });
const numbers = (...values: number[]) =>
  jsonBatches(values.map((value) => ({ key: `k${value}`, value, timestamp: value })));

const utf8 = (value: string) => new TextEncoder().encode(value);

describe('outputs', () => {
  it('are partitioned by key as producers do it, and without a key in turn', async () => {
    const records = Array.from({ length: 60 }, (_, i) => ({ key: i % 2 === 0 ? `key-${i}` : null, value: i }));
    const definition = define(({ stream }) => stream('in').to('out'));
    const rig = await new Rig(definition, { in: jsonBatches(records) }, CALM, {
      outputs: { out: 4, other: 1 },
    }).drain();
    for (const { key, partition } of rig.taken) {
      if (key !== null) expect(partition).toBe(partitionForKey(utf8(key), 4));
    }
    const without = rig.taken.filter(({ key }) => key === null).map(({ partition }) => partition);
    expect(sorted([0, 1, 2, 3].map((partition) => without.filter((p) => p === partition).length))).toEqual([
      7, 7, 8, 8,
    ]);
  });

  it('are cut at the limit of a batch, each in a buffer of its own', async () => {
    const definition = define(({ stream }) =>
      stream('in')
        .map((n) => `${n}`.padEnd(100, '.'))
        .to('out'),
    );
    const rig = new Rig(definition, { in: numbers(...Array.from({ length: 50 }, (_, i) => i)) }, CALM, {
      limits: { batchBytesMax: 1_000, recordBytesMax: 500 },
    });
    const { outputs } = await rig.run();
    expect(outputs.length).toBeGreaterThan(5);
    for (const { batch, count } of outputs) {
      expect(batch.length).toBeLessThanOrEqual(1_000);
      expect(batch.buffer.byteLength).toBe(batch.length);
      expect([...iterateRecords(batch)].length).toBe(count);
    }
    expect(rig.taken.length).toBe(50);
  });
});

describe('a fault', () => {
  const fault = async (build: Build, input: Uint8Array[]): Promise<ProcessingFault> => {
    const rig = new Rig(define(build), { in: input });
    const error = await rig.run().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ProcessingFault);
    expect(rig.taken).toEqual([]);
    return error as ProcessingFault;
  };

  it('names the record, and carries the message and the stack of the code that failed', async () => {
    const error = await fault(
      ({ stream }) =>
        stream('in')
          .map(function unlucky(n) {
            if (n === 3) throw new TypeError('three');
            return n;
          })
          .to('out'),
      numbers(1, 2, 3, 4),
    );
    expect(error).toMatchObject({ input: 0, offset: 2, code: 'PROCESSOR_FAILED', message: 'three' });
    expect(error.stack).toContain('unlucky');
  });

  it.each([
    ['JSON', utf8('{"a":')],
    ['UTF-8', new Uint8Array([0x22, 0xff, 0x22])],
  ])('of a value that is not valid %s has a code of its own', async (_, value) => {
    const error = await fault(
      ({ stream }) =>
        stream('in')
          .map((n) => n)
          .to('out'),
      batches([{ value: utf8('1') }, { value }]),
    );
    expect(error).toMatchObject({ offset: 1, code: 'VALUE_MALFORMED' });
  });

  it.each<[string, Build]>([
    [
      'a promise',
      ({ stream }) =>
        stream('in')
          .map(async (n) => n)
          .to('out'),
    ],
    [
      'nothing',
      ({ stream }) =>
        stream('in')
          .map(() => undefined)
          .to('out'),
    ],
    [
      'a key that is no text',
      ({ stream }) =>
        stream('in')
          .keyBy((n) => n as never)
          .to('out'),
    ],
  ])('comes where a function gives %s', async (_, build) => {
    expect(await fault(build, numbers(1))).toMatchObject({ offset: 0, code: 'VALUE_MALFORMED' });
  });

  it('leaves out the record that is then given as dead, and hands it over whole', async () => {
    const build: Build = ({ stream }) =>
      stream('in')
        .map((n) => 1 / (n === 2 ? Number(null as never) - fail() : 1))
        .to('out');
    const fail = (): number => {
      throw new Error('two');
    };
    const rig = new Rig(define(build), { in: numbers(1, 2, 3) });
    const error = (await rig.run().catch((thrown: unknown) => thrown)) as ProcessingFault;
    rig.notices = [{ topic: 'in', offset: error.offset, code: error.code, message: error.message, attempts: 5 }];
    await rig.drain();
    expect(rig.values('out')).toEqual([1, 1]);
    expect(rig.dead).toEqual([
      {
        topic: 'in',
        partition: 0,
        offset: 1,
        key: utf8('k2'),
        value: utf8('2'),
        headers: [],
        timestamp: 2,
        source: 'processor:subject',
        attempts: 5,
        code: 'PROCESSOR_FAILED',
        message: 'two',
        at: 1_000,
      },
    ]);
  });
});

describe('a run', () => {
  it('begins and ends where it is told, and reports each record before it', async () => {
    const seen: number[] = [];
    const rig = new Rig(
      define(({ stream }) => stream('in').to('out')),
      { in: numbers(0, 1, 2, 3, 4, 5, 6, 7, 8, 9) },
    );
    const base = rig.task();
    const task: Task = {
      ...base,
      inputs: base.inputs.map((input) => ({ ...input, from: 3, until: 7 })),
      at: (_, offset) => seen.push(offset),
    };
    const result = await rig.instance.run(task);
    expect(result).toMatchObject({ next: [7], records: 4, more: false });
    expect(seen.filter((offset) => offset >= 0)).toEqual([3, 4, 5, 6]);
  });

  it('reads about as much as it may, at least one batch', async () => {
    const rig = new Rig(
      define(({ stream }) => stream('in').to('out')),
      {
        in: jsonBatches(
          Array.from({ length: 100 }, (_, value) => ({ value })),
          1,
        ),
      },
    );
    expect(await rig.run({ maxBytes: 1 })).toMatchObject({ records: 1, next: [1] });
    const { bytesIn } = await rig.run({ maxBytes: 1_000 });
    expect(bytesIn).toBeGreaterThanOrEqual(1_000);
    expect(bytesIn).toBeLessThan(1_100);
  });

  it('ends early when it has given as much as one may, and is not lost for it', async () => {
    const definition = define(({ stream }) =>
      stream('in')
        .flatMap((n) => Array.from({ length: 30 }, () => `${n}`.padEnd(900)))
        .to('out'),
    );
    const rig = new Rig(definition, { in: numbers(1, 2, 3, 4, 5, 6) }, CALM, {
      limits: { processorRunBytesMax: 50_000 },
    });
    expect(await rig.run()).toMatchObject({ more: true, records: 2 });
    await rig.drain();
    expect(rig.taken.length).toBe(180);
  });

  it('merges its inputs by time', async () => {
    const definition = defineProcessor({
      inputs: { a: json<string>(), b: json<string>() },
      outputs: { out: json<string>() },
      build({ stream }) {
        stream('a').to('out');
        stream('b').to('out');
      },
    });
    const at = (...times: number[]) => jsonBatches(times.map((timestamp) => ({ value: `${timestamp}`, timestamp })));
    const rig = await new Rig(definition, { a: at(1, 4, 5, 9), b: at(2, 3, 6, 7, 8) }).drain();
    expect(rig.values('out')).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9']);
  });

  it('refuses bytes that are no batches, and has then done nothing', async () => {
    const rig = new Rig(
      define(({ stream }) => stream('in').to('out')),
      { in: numbers(1) },
    );
    const broken = encodeBatch([{ value: utf8('1') }]).slice(0, 50);
    const inputs = [{ topic: 'in', partition: 0, from: 0, chunks: [broken] }];
    await expect(rig.run({ inputs })).rejects.toMatchObject({ code: 'BATCH_MALFORMED' });
    expect(await rig.run()).toMatchObject({ records: 1 });
  });
});

describe('a definition', () => {
  const invalid = expect.objectContaining({ code: 'PROCESSOR_INVALID' });
  const build = () => {};
  const instance = (definition: ReturnType<typeof define>) =>
    new Instance({
      definition,
      name: 'x',
      partition: 0,
      outputs: new Map([
        ['out', 1],
        ['other', 1],
      ]),
      limits: resolveLimits(),
      table: () => ({ get: () => 1 }),
    });

  it.each([
    ['no inputs', { inputs: {}, outputs: {}, build }],
    ['no function', { inputs: { in: json() }, outputs: {} }],
    ['both functions', { inputs: { in: json() }, outputs: {}, build, batch: build }],
    ['a format that is none', { inputs: { in: {} }, outputs: {}, build }],
    ['a topic that is input and output', { inputs: { in: json() }, outputs: { in: json() }, build }],
  ])('with %s is refused', (_, definition) => {
    expect(() => defineProcessor(definition as never)).toThrow(invalid);
  });

  it('is known as one wherever it was made', () => {
    const found = [define(build), { ...define(build) }, {}, null, 'sluice.processor'].map(isDefinition);
    expect(found).toEqual([true, true, false, false, false]);
  });

  it.each<[string, Build]>([
    ['an unknown input', ({ stream }) => stream('nowhere' as 'in').to('out')],
    ['an unknown output', ({ stream }) => stream('in').to('nowhere' as 'out')],
    [
      'two operators of one name',
      ({ stream }) => {
        stream('in').count({ name: 'n' });
        stream('in').count({ name: 'n' });
      },
    ],
    ['a name with a slash', ({ stream }) => stream('in').count({ name: 'a/b' }).to('out')],
  ])('that builds with %s is refused', (_, wrong) => {
    expect(() => instance(define(wrong))).toThrow(invalid);
  });
});
