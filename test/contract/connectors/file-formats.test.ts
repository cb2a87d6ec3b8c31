/**
 * Avro and Protobuf by way of connector files, Avro on samples that the reference writer made (`fastavro`): every value exactly,
 * going on anywhere, and damage that is named.
 */
import { appendFile, copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import protobuf from 'protobufjs';
import { describe, expect, test } from 'vitest';
import type { Json } from '#connector';
import { tempDir } from '#kit';
import { allOf, bytes, fieldsOf, open, pagesOf, SAMPLES } from './file-formats.ts';

const PROTO = `syntax = "proto3"; package shop; import "google/protobuf/timestamp.proto";
  enum Kind { NONE = 0; TEA = 1; }
  message Order { int64 id = 1; uint64 big = 2; string name = 3; bytes raw = 4; repeated int64 list = 5; Kind kind = 6;
    optional double price = 7; Inner inner = 8; map<string, int32> pairs = 9; message Inner { int64 a = 1; } }`;

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
