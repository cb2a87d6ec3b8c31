/**
 * Parquet by way of connector files, on samples that the reference writer made (`pyarrow`), and on three million flights: every
 * value exactly, going on anywhere, and damage that is named.
 */
import { readFile, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Row } from '#connector';
import { tempDir } from '#kit';
import { allOf, bytes, fieldsOf, open, pagesOf, SAMPLES } from './file-formats.ts';

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
