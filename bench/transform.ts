/**
 * How fast are declared transformations beside the same thing written by hand, on JSON values of 100 bytes? Each is run
 * bare, on decoded values, and whole: decoded from bytes, transformed, encoded to bytes. What is hand-written does
 * the same, no less: it looks whether a field is there and is text before it changes it.
 */

import { deepStrictEqual } from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { decodeUtf8, encodeUtf8 } from '#kernel';
import { compileTransformations, type TransformRecord } from '#transform';
import { options } from './kit/options.ts';
import { fixed, percentile, printResult, printTable, whole } from './kit/report.ts';

type Apply = (record: TransformRecord) => TransformRecord | undefined;

interface Order {
  id: number;
  name?: string | null;
  city?: string | null;
  at?: number | string | null;
  total: number | string;
  vip?: boolean | null;
  [field: string]: unknown;
}

interface Case {
  readonly name: string;
  readonly list: readonly unknown[];
  byHand(record: TransformRecord): TransformRecord | undefined;
}

const NAMES = ['Ada Lovelace', 'Grace Hopper', 'Alan Turing', 'Edsger Dijkstra'];
const CITIES = ['London', 'New York', 'Wilmslow', 'Rotterdam'];
const ROWS = new Map(CITIES.map((city, i) => [city, { zone: i, country: 'XX' }]));
const VALUES = Array.from({ length: 1024 }, (_, i) => {
  const order = { id: 48_150_000 + i, name: NAMES[i % 4], city: CITIES[(i >> 2) % 4], at: 1767225600000 + i * 61_000 };
  return encodeUtf8(JSON.stringify({ ...order, total: String(100 + i), vip: i % 8 === 0 ? true : null }));
});

const two = (n: number) => (n < 10 ? `0${n}` : String(n));

function day(instant: number): string {
  const date = new Date(instant);
  return `${date.getUTCFullYear()}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`;
}

const upper: Apply = (record) => {
  const order = record.value as Order;
  if (typeof order.name === 'string') order.name = order.name.toUpperCase();
  return record;
};
const lower: Apply = (record) => {
  const order = record.value as Order;
  if (typeof order.city === 'string') order.city = order.city.toLowerCase();
  return record;
};
const date: Apply = (record) => {
  const order = record.value as Order;
  if (typeof order.at === 'number') order.at = day(order.at);
  return record;
};
const label: Apply = (record) => {
  const order = record.value as Order;
  if (typeof order.name === 'string' && typeof order.city === 'string') order['label'] = `${order.name}, ${order.city}`;
  return record;
};
const vip: Apply = (record) => {
  const order = record.value as Order;
  order.vip ??= false;
  return record;
};

const SEED = [
  { type: 'uppercase', field: 'name' },
  { type: 'lowercase', field: 'city' },
  { type: 'date_format', field: 'at', from: 'epoch_ms', to: 'yyyy-MM-dd' },
  { type: 'concatenate', fields: ['name', 'city'], separator: ', ', target: 'label' },
  { type: 'default_value', field: 'vip', value: false },
];

const CASES: readonly Case[] = [
  { name: 'uppercase', list: [SEED[0]], byHand: upper },
  { name: 'lowercase', list: [SEED[1]], byHand: lower },
  { name: 'date_format', list: [SEED[2]], byHand: date },
  { name: 'concatenate', list: [SEED[3]], byHand: label },
  { name: 'default_value', list: [SEED[4]], byHand: vip },
  {
    name: 'rename',
    list: [{ type: 'rename', field: 'city', target: 'town' }],
    byHand: (record) => {
      const order = record.value as Order;
      if (order.city !== undefined) {
        order['town'] = order.city;
        delete order.city;
      }
      return record;
    },
  },
  {
    name: 'drop',
    list: [{ type: 'drop', fields: ['city'] }],
    byHand: (record) => {
      delete (record.value as Order).city;
      return record;
    },
  },
  {
    name: 'cast',
    list: [{ type: 'cast', field: 'total', to: 'integer' }],
    byHand: (record) => {
      const order = record.value as Order;
      if (typeof order.total === 'string') {
        if (!/^[+-]?\d+$/.test(order.total)) throw new Error('not an integer');
        order.total = Number(order.total);
      }
      return record;
    },
  },
  {
    name: 'hash',
    list: [{ type: 'hash', field: 'name' }],
    byHand: (record) => {
      const order = record.value as Order;
      if (typeof order.name === 'string') order.name = createHash('sha256').update(order.name).digest('hex');
      return record;
    },
  },
  {
    name: 'mask',
    list: [{ type: 'mask', field: 'name', keep_last: 4 }],
    byHand: (record) => {
      const order = record.value as Order;
      if (typeof order.name === 'string') {
        const { length } = order.name;
        order.name = length <= 4 ? '*'.repeat(length) : '*'.repeat(length - 4) + order.name.slice(-4);
      }
      return record;
    },
  },
  {
    name: 'lookup',
    list: [{ type: 'lookup', table: 'cities', key: 'city', fields: { country: 'country' } }],
    byHand: (record) => {
      const order = record.value as Order;
      const row = ROWS.get(order.city as string);
      if (row === undefined) throw new Error('no such city');
      order['country'] = row.country;
      return record;
    },
  },
  {
    name: 'filter',
    list: [{ type: 'filter', condition: 'id > 48150100 and city = "London"' }],
    byHand: (record) => {
      const order = record.value as Order;
      if (typeof order.id !== 'number') throw new Error('not a number');
      return order.id > 48_150_100 && order.city === 'London' ? record : undefined;
    },
  },
  {
    name: 'the first five',
    list: SEED,
    byHand: (record) => {
      const order = record.value as Order;
      if (typeof order.name === 'string') order.name = order.name.toUpperCase();
      if (typeof order.city === 'string') order.city = order.city.toLowerCase();
      if (typeof order.at === 'number') order.at = day(order.at);
      if (typeof order.name === 'string' && typeof order.city === 'string')
        order['label'] = `${order.name}, ${order.city}`;
      order.vip ??= false;
      return record;
    },
  },
];

function decode(i: number): TransformRecord {
  return { key: null, value: JSON.parse(decodeUtf8(VALUES[i & 1023] as Uint8Array)), headers: {}, timestamp: 0 };
}

/** Nanoseconds a record, on values decoded before, few at a time: the collector's work is that of decoding. */
function timeBare(apply: Apply, records: number): number {
  let elapsed = 0;
  for (let done = 0; done < records; done += VALUES.length) {
    const decoded = VALUES.map((_, i) => decode(i));
    const startedAt = performance.now();
    for (let i = 0; i < decoded.length; i++) apply(decoded[i] as TransformRecord);
    elapsed += performance.now() - startedAt;
  }
  return (elapsed / (Math.ceil(records / VALUES.length) * VALUES.length)) * 1e6;
}

/** Nanoseconds a record, from bytes to bytes. */
function timeWhole(apply: Apply, records: number): number {
  let bytes = 0;
  const startedAt = performance.now();
  for (let i = 0; i < records; i++) {
    const record = apply(decode(i));
    if (record !== undefined) bytes += encodeUtf8(JSON.stringify(record.value)).length;
  }
  const elapsed = performance.now() - startedAt;
  if (bytes === 0) throw new Error('nothing was encoded');
  return (elapsed / records) * 1e6;
}

interface Result {
  readonly name: string;
  readonly bareNs: number;
  readonly bareRatio: number;
  readonly wholeNs: number;
  readonly wholeRatio: number;
}

/** Times by hand, times compiled. */
type Pair = readonly [number[], number[]];

/** Both in turns. */
function measure({ name, list, byHand }: Case, records: number, repeat: number): Result {
  const compiled = compileTransformations(list, { lookup: (_table, key) => ROWS.get(key) });
  if (compiled.async) throw new Error(`${name} needs the library`);
  for (let i = 0; i < VALUES.length; i++) deepStrictEqual(compiled.apply(decode(i)), byHand(decode(i)));
  const bare: Pair = [[], []];
  const fromBytes: Pair = [[], []];
  for (let i = -2; i < repeat; i++) {
    for (const [times, time] of [
      [bare, timeBare],
      [fromBytes, timeWhole],
    ] as const) {
      // Each is first as often as the other.
      for (const which of i % 2 === 0 ? [0, 1] : [1, 0]) {
        const ns = time(which === 0 ? byHand : compiled.apply, records);
        if (i >= 0) times[which as 0 | 1].push(ns); // Before that, V8's compiler is at work.
      }
    }
  }
  const median = (samples: readonly number[]) => percentile(samples, 0.5);
  // Of neighbours in time, so that what else the machine does meets both.
  const ratio = ([hand, ours]: Pair) => median(hand.map((ns, i) => ns / (ours[i] as number)));
  return {
    name,
    bareNs: median(bare[1]),
    bareRatio: ratio(bare),
    wholeNs: median(fromBytes[1]),
    wholeRatio: ratio(fromBytes),
  };
}

export async function run(): Promise<void> {
  const { records, repeat } = options({ records: 20_000, repeat: 15 });
  const results = CASES.map((one) => measure(one, records, repeat));
  printTable(
    `transform: declared beside hand-written, values of ${VALUES[0]?.length} bytes, medians of ${repeat} runs`,
    results.map(({ name, bareNs, bareRatio, wholeNs, wholeRatio }) => [
      name,
      [
        `${whole(1e9 / wholeNs)}/s decoded to encoded, ${fixed(wholeRatio)} of hand-written`,
        `bare ${fixed(bareNs, 0)} ns, ${fixed(bareRatio)}`,
      ].join('; '),
    ]),
  );
  const lowest = (pick: (result: Result) => number) => Number(fixed(Math.min(...results.map(pick))));
  const all = results.at(-1) as Result;
  printResult({
    bench: 'transform',
    ratio_to_handwritten: lowest(({ wholeRatio }) => wholeRatio),
    ratio_to_handwritten_bare: lowest(({ bareRatio }) => bareRatio),
    records_per_s: Math.round(1e9 / all.wholeNs),
    transformations: Object.fromEntries(
      results.map(({ name, bareRatio, wholeRatio }) => [
        name,
        { ratio: Number(fixed(wholeRatio)), ratio_bare: Number(fixed(bareRatio)) },
      ]),
    ),
    value_bytes: VALUES[0]?.length,
  });
}
