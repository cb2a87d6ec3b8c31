/** Records on their way through a processor: every stateless step, what stays bytes, where outputs go, what fails. */

import { pack } from 'msgpackr';
import { type BuildContext, bytes, defineProcessor, json, msgpack, type Serde, text } from 'sluice/processing';
import { describe, expect, it } from 'vitest';
import { iterateRecords } from '#record';
import { batches, jsonBatches, Rig } from './fixture.ts';

type Line = { inputs: { in: Serde<number> }; outputs: { out: Serde<unknown>; other: Serde<unknown> } };
type Build = (context: BuildContext<Line['inputs'], Line['outputs'], Record<never, never>>) => void;

const define = (build: Build) =>
  defineProcessor({ inputs: { in: json<number>() }, outputs: { out: json(), other: json() }, build });
const numbers = (...values: number[]) =>
  jsonBatches(values.map((value) => ({ key: `k${value}`, value, timestamp: value })));
const drain = (build: Build, ...values: number[]) => new Rig(define(build), { in: numbers(...values) }).drain();

const utf8 = (value: string) => new TextEncoder().encode(value);

describe('a stream', () => {
  it('maps values and keeps key, time and headers', async () => {
    const headers = [{ key: 'trace', value: utf8('1') }];
    const definition = define(({ stream }) =>
      stream('in')
        .map((n, { key }) => `${key}:${n}`)
        .to('out'),
    );
    const rig = new Rig(definition, { in: jsonBatches([{ key: 'a', value: 1, timestamp: 5, headers }]) });
    const { outputs } = await rig.run();
    const [record] = iterateRecords((outputs[0] as { batch: Uint8Array }).batch);
    expect(record?.headers.map(({ key, value }) => [key, Buffer.from(value ?? []).toString()])).toEqual([
      ['trace', '1'],
    ]);
    expect(rig.taken).toEqual([{ topic: 'out', partition: 0, key: 'a', value: 'a:1', timestamp: 5 }]);
  });

  it('filters, expands, looks, and takes other keys', async () => {
    const seen: number[] = [];
    const rig = await drain(
      ({ stream }) =>
        stream('in')
          .filter((n) => n > 1)
          .peek((n) => seen.push(n))
          .flatMap((n) => [n, n * 10])
          .keyBy((n) => `key-${n}`)
          .to('out'),
      1,
      2,
      3,
    );
    expect(rig.taken.map(({ key, value }) => [key, value])).toEqual([
      ['key-2', 2],
      ['key-20', 20],
      ['key-3', 3],
      ['key-30', 30],
    ]);
    expect(seen).toEqual([2, 3]);
  });

  it('gives each record to the first branch that wants it, or to the rest', async () => {
    const rig = await drain(
      ({ stream }) => {
        const { small, even, rest } = stream('in').branch({ small: (n) => n < 3, even: (n) => n % 2 === 0 });
        small.map((n) => ['small', n]).to('out');
        even.map((n) => ['even', n]).to('out');
        rest.to('other');
      },
      1,
      2,
      3,
      4,
    );
    expect(rig.values('out')).toEqual([
      ['small', 1],
      ['small', 2],
      ['even', 4],
    ]);
    expect(rig.values('other')).toEqual([3]);
  });

  it('gives every consumer the record as it was, whatever the others make of it', async () => {
    const rig = await drain(
      ({ stream }) => {
        const all = stream('in');
        all.map((n) => n + 100).to('out');
        all
          .keyBy(() => 'other')
          .map((n) => -n)
          .to('out');
        all.to('other');
      },
      1,
      2,
    );
    expect(rig.values('out')).toEqual([101, -1, 102, -2]);
    expect(rig.taken.filter(({ topic }) => topic === 'other').map(({ key, value }) => [key, value])).toEqual([
      ['k1', 1],
      ['k2', 2],
    ]);
  });

  it('takes null for a record without a value', async () => {
    const rig = await drain(
      ({ stream }) =>
        stream('in')
          .map(() => null)
          .to('out'),
      1,
    );
    expect(rig.values('out')).toEqual([null]);
  });
});

describe('what no function touches', () => {
  const odd = utf8(' { "b" : 1,\n "a":[ ] } ');
  const input = batches([
    { key: utf8('k'), value: odd, headers: [{ key: 'content-type', value: utf8('application/x-odd') }], timestamp: 7 },
    { key: new Uint8Array([0xff, 0xfe]), value: utf8('no JSON at all'), timestamp: 8 },
    { key: null, value: null, timestamp: 9 },
  ]);

  const plain = (batch: Uint8Array) =>
    Array.from(iterateRecords(batch), ({ key, value, headers, timestamp }) => ({
      key: key && [...key],
      value: value && [...value],
      headers: headers.map((header) => [header.key, Buffer.from(header.value ?? []).toString()]),
      timestamp,
    }));

  it('leaves as the bytes it came as, also where they are not what was declared', async () => {
    const rig = new Rig(
      define(({ stream }) => stream('in').to('out')),
      { in: input },
    );
    const { outputs } = await rig.runUnread();
    expect(outputs.flatMap(({ batch }) => plain(batch))).toEqual(input.flatMap(plain));
  });

  it('leaves as the bytes it came as when it was only looked at', async () => {
    const rig = new Rig(
      define(({ stream }) =>
        stream('in')
          .filter((value, { key }) => key === 'k' && value !== null)
          .to('out'),
      ),
      { in: batches([{ key: utf8('k'), value: odd, timestamp: 7 }]) },
    );
    const { outputs } = await rig.runUnread();
    expect(outputs.flatMap(({ batch }) => plain(batch))).toMatchObject([{ value: [...odd], timestamp: 7 }]);
  });

  it('is written anew for an output of another format, and says so in its header', async () => {
    const definition = defineProcessor({
      inputs: { in: json<number>() },
      outputs: { out: msgpack<number>() },
      build: ({ stream }) => stream('in').to('out'),
    });
    const headers = [{ key: 'content-type', value: utf8('application/json') }];
    const rig = new Rig(definition, { in: jsonBatches([{ key: 'k', value: 300, headers }]) });
    const { outputs } = await rig.runUnread();
    const [record] = iterateRecords((outputs[0] as { batch: Uint8Array }).batch);
    expect([...(record?.value ?? [])]).toEqual([...pack(300)]);
    expect(Buffer.from(record?.headers[0]?.value ?? []).toString()).toBe('application/msgpack');
  });
});

describe('formats', () => {
  it.each([
    ['msgpack', msgpack(), { a: [1, null], b: 'ü', c: new Uint8Array([1, 2]) }],
    ['text', text(), 'grüße'],
    ['bytes', bytes(), new Uint8Array([0, 255])],
    ['json', json(), { deep: [{ a: 'ü' }] }],
  ])('%s carries a value there and back', (_, serde, value) => {
    const encoded = Buffer.from(serde.encode(value as never));
    const decoded = serde.decode(Buffer.concat([Buffer.from('..'), encoded]), 2, 2 + encoded.length);
    expect(
      typeof value === 'object' && 'c' in value
        ? { ...(decoded as typeof value), c: new Uint8Array((decoded as typeof value).c) }
        : decoded,
    ).toEqual(value);
  });
});
