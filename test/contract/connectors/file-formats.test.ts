/**
 * Avro, Parquet and Protobuf by way of connector files, on samples that the reference writers made (`fastavro`, `pyarrow`), and on
 * three million flights: every value exactly, going on anywhere, and damage that is named.
 */
import { appendFile, copyFile, readFile, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import { describe, expect, test } from 'vitest';
import type { Connection, Json, Row, Stream } from '#connector';
import { tempDir } from '#kit';
import files from '../../../connectors/files/index.ts';

const SAMPLES = fileURLToPath(new URL('../../samples', import.meta.url));
const PROTO = `syntax = "proto3"; package shop; import "google/protobuf/timestamp.proto";
  enum Kind { NONE = 0; TEA = 1; }
  message Order { int64 id = 1; uint64 big = 2; string name = 3; bytes raw = 4; repeated int64 list = 5; Kind kind = 6;
    optional double price = 7; Inner inner = 8; map<string, int32> pairs = 9; message Inner { int64 a = 1; } }`;

async function open(path: string, more: object = {}): Promise<Connection> {
  return files.open(files.spec.parse({ path, ...more }), { endpoint: 'test' });
}

async function pagesOf(connection: Connection, stream: string, state?: Json, pageRecordsMax = 2) {
  const pages: { records: readonly Row[]; state: Json }[] = [];
  const request = { stream, mode: 'full', pageRecordsMax, ...(state === undefined ? {} : { state }) } as const;
  for await (const page of connection.read?.(request) ?? []) pages.push(page);
  return pages;
}

async function allOf(path: string, stream: string, more: object = {}): Promise<Row[]> {
  const pages = await pagesOf(await open(path, more), stream);
  return pages.flatMap(({ records }) => records as Row[]);
}

async function fieldsOf(path: string, name: string): Promise<Record<string, string>> {
  const found = (await (await open(path)).discover()).find((one) => one.name === name) as Stream;
  return Object.fromEntries(
    found.fields.map(({ name, type, items }) => [name, items === undefined ? type : `${items}[]`]),
  );
}

const bytes = (...values: number[]) => new Uint8Array(values);

describe('Parquet', () => {
  const rows = [
    {
      flag: true,
      i8: -128,
      i32: -2_147_483_648,
      i64: -9_223_372_036_854_775_808n,
      u32: 0n,
      u64: '0',
      f32: 1.5,
      f64: 5e-324,
      d9: '-1234567.89',
      d18: '-123456789012345.678',
      d38: '-1234567890123456789012345678.9012345678',
      text: '',
      raw: bytes(),
      day: '1969-12-31',
      ms: '1969-12-31T23:59:59.999Z',
      us: '1969-12-31T23:59:59.999999Z',
      ns: '1969-12-31T23:59:59.999999999Z',
      local: '0001-01-01T00:00:00',
      clock: '00:00:00',
      list: '[1,2]',
      inner: '{"a":1,"b":"x"}',
      pairs: '{"k":1}',
      kind: 'a',
    },
    {
      flag: null,
      i8: 127,
      i32: 2_147_483_647,
      i64: 9_223_372_036_854_775_807n,
      u32: 4_294_967_295n,
      u64: '18446744073709551615',
      f32: Number.NaN,
      f64: Number.NEGATIVE_INFINITY,
      d9: '0.01',
      d18: '0.001',
      d38: '0.0000000001',
      text: 'sloth 🦥',
      raw: bytes(0, 255),
      day: '9999-12-31',
      ms: '2026-11-25T00:00:00Z',
      us: '2026-11-25T01:02:03.000004Z',
      ns: '2026-11-25T01:02:03.000000004Z',
      local: '2026-11-25T01:02:03.400000',
      clock: '23:59:59.999999',
      list: '[]',
      inner: '{"a":null,"b":null}',
      pairs: '{}',
      kind: 'b',
    },
  ];
  const nothing = Object.fromEntries(
    Object.keys(rows[0] as object).map((name) => [name, name === 'flag' ? false : null]),
  );

  test.each(['none', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4'])('comes exactly, packed by %s', async (codec) => {
    expect(await allOf(SAMPLES, `values-${codec}.parquet`)).toEqual([...rows, nothing]);
  });

  test('says its types', async () => {
    expect(await fieldsOf(SAMPLES, 'values-none.parquet')).toMatchObject({
      ...{ i8: 'int32', i64: 'int64', u32: 'int64', u64: 'decimal', d38: 'decimal', raw: 'bytes', day: 'date' },
      ...{
        ns: 'timestamp',
        local: 'datetime',
        clock: 'time',
        list: 'json',
        inner: 'json',
        kind: 'string',
        f32: 'float',
      },
    });
  });

  test('comes exactly from old times and new pages', async () => {
    const times = await allOf(SAMPLES, 'int96.parquet');
    expect(times.map(({ us }) => us)).toEqual([
      '1969-12-31T23:59:59.999999000Z',
      '2026-11-25T01:02:03.000004000Z',
      null,
    ]);
    const paged = await allOf(SAMPLES, 'pages-v2.parquet');
    const wanted = [...rows, nothing] as Record<string, unknown>[];
    expect(paged).toEqual(wanted.map(({ i32, d9, text }) => ({ i32, d9, text })));
  });

  test('goes on in any row group', async () => {
    const connection = await open(SAMPLES);
    const pages = await pagesOf(connection, 'flights.parquet', undefined, 70);
    const all = pages.flatMap(({ records }) => records);
    expect(all).toHaveLength(240);
    for (const [i, { state }] of pages.entries()) {
      const rest = await pagesOf(connection, 'flights.parquet', state, 70);
      expect(rest.flatMap(({ records }) => records)).toEqual(all.slice(70 * (i + 1)));
    }
  });

  test('is read from three million flights, the last of them without the others', async () => {
    const folder = await tempDir();
    const module = createRequire(import.meta.url).resolve('vega-datasets');
    const data = join(module.slice(0, module.lastIndexOf('vega-datasets')), 'vega-datasets', 'data');
    await symlink(data, join(folder, 'data'));
    const connection = await open(join(folder, 'data'));
    const pages = await pagesOf(connection, 'flights-3m.parquet', { next: 2_999_000 }, 500);
    expect(pages.map(({ records }) => records.length)).toEqual([500, 500]);
    const types = Object.values(pages[0]?.records[0] as Row).map((value) => typeof value);
    expect(types).toEqual(['string', 'bigint', 'bigint', 'string', 'string']);
  });

  test('is damaged with its name', async () => {
    const folder = await tempDir();
    const whole = await readFile(join(SAMPLES, 'values-zstd.parquet'));
    const middle = Buffer.from(whole).fill(0xff, 40, 400);
    const footer = Buffer.from(whole).fill(0xff, whole.length - 600, whole.length - 100);
    const length = Buffer.from(whole).fill(0x7f, whole.length - 8, whole.length - 4);
    const damages = { middle, footer, length, cut: whole.subarray(0, -1), short: whole.subarray(0, 6), none: '' };
    for (const [name, content] of Object.entries(damages)) {
      await writeFile(join(folder, `${name}.parquet`), content);
      await expect(allOf(folder, `${name}.parquet`), name).rejects.toMatchObject({
        code: 'ENDPOINT_FAILED',
        message: expect.stringContaining(name),
      });
    }
    expect(await (await open(folder)).discover()).toHaveLength(6);
  });
});

describe('Avro', () => {
  const row = {
    flag: true,
    i: -2_147_483_648,
    l: -9_223_372_036_854_775_808n,
    f: 1.5,
    d: 5e-324,
    text: null,
    raw: bytes(),
    dec: '-1234567890123456.7891',
    fdec: '-1.01',
    day: '1969-12-31',
    clock: '00:00:00',
    ms: '1969-12-31T23:59:59.999Z',
    us: null,
    local: '2026-11-25T01:02:03.400000',
    id: '6f1ed002-ab59-5df1-9a3c-f36fb3d9a1c1',
    kind: 'a',
    kind2: null,
    list: [1n, 1_152_921_504_606_846_976n],
    inner: null,
    either: null,
    pairs: '{"k":0}',
  };

  test.each(['values.avro', 'values-deflate.avro', 'values-snappy.avro'])('%s comes exactly', async (name) => {
    const rows = await allOf(SAMPLES, name);
    expect(rows).toHaveLength(3);
    expect(rows[0]).toEqual(row);
    expect(rows[1]).toMatchObject({
      l: 9_223_372_036_854_775_807n,
      d: Number.POSITIVE_INFINITY,
      fdec: null,
      dec: '0.0001',
    });
    expect(rows[1]).toMatchObject({
      us: '2026-11-25T01:02:03.000004Z',
      clock: '23:59:59.999999',
      kind2: 'a',
      list: [],
    });
    expect(rows[1]).toMatchObject({ either: '1', inner: '{"a":1,"next":null}', raw: bytes(0, 255) });
    expect(rows[2]).toMatchObject({ either: '"x"', inner: '{"a":2,"next":{"a":"1152921504606846976","next":null}}' });
  });

  test('says its types', async () => {
    expect(await fieldsOf(SAMPLES, 'values.avro')).toMatchObject({
      ...{ i: 'int32', l: 'int64', dec: 'decimal', fdec: 'decimal', day: 'date', clock: 'time', us: 'timestamp' },
      ...{
        local: 'datetime',
        id: 'string',
        kind: 'string',
        list: 'int64[]',
        inner: 'json',
        either: 'json',
        raw: 'bytes',
      },
    });
  });

  test('goes on in any block', async () => {
    const connection = await open(SAMPLES);
    const pages = await pagesOf(connection, 'values-deflate.avro', undefined, 1);
    const all = pages.flatMap(({ records }) => records);
    for (const [i, { state }] of pages.entries()) {
      const rest = await pagesOf(connection, 'values-deflate.avro', state, 1);
      expect(rest.flatMap(({ records }) => records)).toEqual(all.slice(i + 1));
    }
  });

  test('is damaged with its name', async () => {
    const folder = await tempDir();
    const whole = await readFile(join(SAMPLES, 'values.avro'));
    const marker = Buffer.from(whole).fill(0, whole.length - 4);
    const size = Buffer.concat([whole, Buffer.from([2, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1])]);
    const damages = { marker, size, cut: whole.subarray(0, -3), head: whole.subarray(0, 100), none: '', text: 'Obj' };
    for (const [name, content] of Object.entries(damages)) {
      await writeFile(join(folder, `${name}.avro`), content);
      await expect(allOf(folder, `${name}.avro`), name).rejects.toMatchObject({
        code: 'ENDPOINT_FAILED',
        message: expect.stringContaining(name),
      });
    }
    await copyFile(join(SAMPLES, 'unknown-codec.avro'), join(folder, 'bzip2.avro'));
    await expect(allOf(folder, 'bzip2.avro')).rejects.toMatchObject({ message: expect.stringContaining('bzip2') });
  });
});

describe('Protobuf', () => {
  const schema = PROTO.replace(/import [^;]*;/, '');
  const settings = { protobuf: { schema, message: 'shop.Order' } };
  const type = protobuf.parse(schema, { keepCase: true }).root.lookupType('shop.Order');

  test('comes exactly, message by message, and goes on at any', async () => {
    const folder = await tempDir();
    const orders = [
      {
        id: '-9223372036854775808',
        name: 'tea',
        kind: 1,
        list: [1, 2],
        inner: { a: 7 },
      },
      {
        big: '18446744073709551615',
        raw: bytes(0, 255),
        price: 0,
        pairs: { k: 1 },
      },
    ];
    for (const order of orders)
      await appendFile(join(folder, 'orders.pb'), type.encodeDelimited(type.fromObject(order)).finish());
    const connection = await open(folder, settings);
    const pages = await pagesOf(connection, 'orders.pb', undefined, 1);
    const [one, two] = pages.flatMap(({ records }) => records);
    expect(one).toMatchObject({
      id: -9_223_372_036_854_775_808n,
      name: 'tea',
      kind: 'TEA',
      list: [1n, 2n],
      price: null,
    });
    expect(one).toMatchObject({ inner: '{"a":"7"}', big: '0' });
    expect(two).toMatchObject({ big: '18446744073709551615', raw: bytes(0, 255), price: 0, pairs: '{"k":1}', id: 0n });
    expect((await pagesOf(connection, 'orders.pb', pages[0]?.state, 1)).map(({ records }) => records)).toEqual([[two]]);
  });

  test('needs its schema, and is damaged with its name', async () => {
    const folder = await tempDir();
    await writeFile(join(folder, 'orders.pb'), Buffer.from([5, 1]));
    await expect(allOf(folder, 'orders.pb')).rejects.toMatchObject({ code: 'ENDPOINT_INVALID' });
    await expect(allOf(folder, 'orders.pb', settings)).rejects.toMatchObject({
      message: expect.stringContaining('orders.pb'),
    });
    const odd = { protobuf: { schema: 'message {', message: 'x' } };
    await expect(allOf(folder, 'orders.pb', odd)).rejects.toMatchObject({ code: 'ENDPOINT_INVALID' });
  });
});

test('a packed file that is none, and a place of another kind of read, are refused', async () => {
  const folder = await tempDir();
  await writeFile(join(folder, 'a.ndjson.gz'), 'no gzip');
  await expect(allOf(folder, 'a.ndjson.gz')).rejects.toMatchObject({ code: 'ENDPOINT_FAILED' });
  await writeFile(join(folder, 'b.ndjson'), '{}\n');
  const connection = await open(folder, { whole: 'whole', sets: { lines: '**/*.ndjson' } });
  const odd = pagesOf(connection, 'b.ndjson', { next: 'x' });
  await expect(odd).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
  for (const state of [{ seen: { a: 'x' } }, { file: 7 }, 5]) {
    if (typeof state === 'number') continue;
    await expect(pagesOf(connection, 'lines', state as Json)).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
  }
});
