/** Producing to topics that are bound to schemas: what is refused, how it is told, and that nothing else is lost. */
import { Packr } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { encodeBatch } from '#record';
import { type Fixture, type FixtureOptions, problemOf, serve } from './http-fixture.ts';

const ORDER = {
  type: 'object',
  required: ['total'],
  properties: { total: { type: 'number' }, note: { type: 'string' } },
  additionalProperties: false,
};
const PATH = '/v1/topics/t/records';
const good = (total: number) => ({ value: { total } });
const misfit = (path: string, message: string, field = 'value') => ({
  error: { code: 'SCHEMA_MISMATCH', field, path, message },
});

/** Topic `t` of one partition, with the order as the schema of its values. */
async function bound(options: FixtureOptions = {}, spec: object = { value_schema: 'order' }): Promise<Fixture> {
  const server = await serve(options);
  await server.resources.delete('topic', 't', { by: null });
  await server.resources.put('schema', 'order', { type: 'json', schema: ORDER }, { by: null });
  await server.resources.put(
    'schema',
    'customer',
    { type: 'json', schema: { type: 'string', pattern: '^c\\d+$' } },
    { by: null },
  );
  await server.resources.put('topic', 't', spec, { by: null });
  return server;
}

async function totals(server: Fixture): Promise<unknown[]> {
  return (await server.records(0)).map(({ value }) => (value as { total?: number } | null)?.total ?? value);
}

function post(server: Fixture, body: string | Uint8Array, type: string, headers: Record<string, string> = {}) {
  return server.send('POST', PATH, body, { 'content-type': type, ...headers });
}

describe('a request of which some records fit', () => {
  test('is answered 207: an entry a record, in order, and those that fit are stored', async () => {
    const server = await bound();
    const records = [
      good(1),
      { value: { total: 'x' } },
      good(2),
      { value: {} },
      { value: { total: 3, sum: 1 } },
      good(4),
    ];
    const answer = await server.produce(records);
    expect([answer.status, await answer.json()]).toEqual([
      207,
      {
        offsets: [
          { partition: 0, offset: 0 },
          misfit('/total', 'must be number'),
          { partition: 0, offset: 1 },
          misfit('/total', 'is missing'),
          misfit('/sum', 'is not allowed here'),
          { partition: 0, offset: 2 },
        ],
      },
    ]);
    expect(await totals(server)).toEqual([1, 2, 4]);
  });

  test('keeps its entries in order over several partitions', async () => {
    const server = await bound({}, { partitions: 3, value_schema: 'order' });
    const records = Array.from({ length: 30 }, (_, i) => ({
      ...good(i),
      value: { total: i % 3 === 0 ? 'x' : i },
      key: `k${i}`,
    }));
    const { offsets } = (await (await server.produce(records)).json()) as { offsets: Record<string, number>[] };
    expect(offsets).toHaveLength(30);
    for (const [i, entry] of offsets.entries()) {
      if (i % 3 === 0) expect(entry).toEqual(misfit('/total', 'must be number'));
      else {
        const stored = await server.records(entry['partition'] as number);
        expect(stored[entry['offset'] as number]).toMatchObject({ key: `k${i}`, value: { total: i } });
      }
    }
  });

  test('as lines of JSON', async () => {
    const server = await bound();
    const answer = await post(server, '{"value":{"total":1}}\n\n{"value":7}\n', 'application/x-ndjson');
    expect(await answer.json()).toEqual({ offsets: [{ partition: 0, offset: 0 }, misfit('', 'must be object')] });
  });

  test('as MessagePack, whose values are JSON as bytes or text', async () => {
    const server = await bound();
    const records = [
      { value: Buffer.from('{"total":1}') },
      { value: '{"total":2}' },
      { value: Buffer.from([0xc1]) },
      { value: 'x' },
    ];
    const answer = await post(server, new Packr({ useRecords: false }).pack({ records }), 'application/msgpack');
    const noJson = misfit('', 'is not JSON');
    expect(await answer.json()).toEqual({
      offsets: [{ partition: 0, offset: 0 }, { partition: 0, offset: 1 }, noJson, noJson],
    });
  });

  test('as a batch of CloudEvents', async () => {
    const server = await bound();
    const event = (id: string, data: unknown) => ({ specversion: '1.0', id, source: '/till', type: 'order', data });
    const events = JSON.stringify([event('1', { total: 1 }), event('2', { total: 'x' }), event('3', null)]);
    const answer = await post(server, events, 'application/cloudevents-batch+json');
    expect(answer.status).toBe(207);
    expect(await answer.json()).toEqual({
      offsets: [{ partition: 0, offset: 0 }, misfit('/total', 'must be number'), { partition: 0, offset: 1 }],
    });
  });
});

describe('a request of which nothing fits', () => {
  test('is refused, with what is wrong with each record', async () => {
    const server = await bound();
    const answer = await server.produce([{ value: { total: 'x' } }, { value: [] }]);
    expect(await problemOf(answer)).toMatchObject({
      status: 422,
      code: 'SCHEMA_MISMATCH',
      detail: 'record 0: value /total must be number; 2 of 2 records do not fit',
      rejected: 2,
      errors: [
        { record: 0, field: 'value', path: '/total', message: 'must be number' },
        { record: 1, field: 'value', path: '', message: 'must be object' },
      ],
    });
    expect(await totals(server)).toEqual([]);
  });

  test('tells of the first ones where there are many', async () => {
    const server = await bound({ limits: { rejectionsToldMax: 3 } });
    const problem = await problemOf(await server.produce(Array.from({ length: 10 }, () => ({ value: 1 }))));
    expect([problem['rejected'], (problem['errors'] as object[]).length]).toEqual([10, 3]);
  });

  test('as one CloudEvent, in either mode', async () => {
    const server = await bound();
    const structured = JSON.stringify({
      specversion: '1.0',
      id: '1',
      source: '/till',
      type: 'order',
      data: { total: 'x' },
    });
    const answers = [
      await post(server, structured, 'application/cloudevents+json'),
      await post(server, '{"total":"x"}', 'application/json', {
        'ce-specversion': '1.0',
        'ce-id': '1',
        'ce-source': '/till',
        'ce-type': 'order',
      }),
    ];
    for (const answer of answers)
      expect(await problemOf(answer)).toMatchObject({ status: 422, errors: [{ path: '/total' }] });
  });
});

describe('what passes', () => {
  test('a null value, which is a tombstone, and a null key', async () => {
    const server = await bound({}, { key_schema: 'customer', value_schema: 'order' });
    expect((await server.produce([{ key: 'c1', value: null }, good(1), { key: 'c2' }])).status).toBe(200);
  });

  test('a record batch, which is not read', async () => {
    const server = await bound();
    const batch = encodeBatch([{ value: Buffer.from('no JSON') }]);
    const answer = await server.send('POST', `${PATH}?partition=0`, batch, {
      'content-type': 'application/vnd.sluice.batch',
    });
    expect(answer.status).toBe(200);
  });

  test('bytes that name a version of the schema in the wire format, and no others', async () => {
    const server = await bound();
    const wire = (id: number) => ({ value_base64: Buffer.from([0, 0, 0, 0, id, 1, 2]).toString('base64') });
    const { offsets } = (await (await server.produce([wire(1), wire(2)])).json()) as { offsets: object[] };
    expect(offsets).toEqual([{ partition: 0, offset: 0 }, misfit('', 'is of schema 2, which is no version of order')]);
  });
});

test('keys are held to their schema too, and are told first', async () => {
  const server = await bound({}, { key_schema: 'customer', value_schema: 'order' });
  const answer = await server.produce([
    { key: 'c1', ...good(1) },
    { key: 'x', value: {} },
    { key: 'c2', value: {} },
  ]);
  expect(await answer.json()).toEqual({
    offsets: [
      { partition: 0, offset: 0 },
      misfit('', 'must match pattern "^c\\d+$"', 'key'),
      misfit('/total', 'is missing'),
    ],
  });
});

describe('a request that counts its records is stored whole or not at all', () => {
  const headers = (sequence: number) => ({
    'producer-id': 'till',
    'producer-epoch': '0',
    'producer-seq': String(sequence),
  });

  test('with a producer’s sequence number, which then can be used again', async () => {
    const server = await bound();
    const first = await server.produce([good(1), { value: 1 }], '?partition=0', headers(0));
    expect(await problemOf(first)).toMatchObject({ status: 422, code: 'SCHEMA_MISMATCH', rejected: 1 });
    expect(await totals(server)).toEqual([]);
    expect((await server.produce([good(1), good(2)], '?partition=0', headers(0))).status).toBe(200);
    expect((await server.produce([good(3)], '?partition=0', headers(2))).status).toBe(200);
    expect(await totals(server)).toEqual([1, 2, 3]);
  });

  test('with an expected offset', async () => {
    const server = await bound();
    const answer = await server.produce([good(1), { value: 1 }], '?partition=0', { 'expected-offset': '0' });
    expect((await problemOf(answer)).code).toBe('SCHEMA_MISMATCH');
    expect((await server.produce([good(1)], '?partition=0', { 'expected-offset': '0' })).status).toBe(200);
  });
});

describe('the binding', () => {
  test('follows the topic and the newest version, at once', async () => {
    const server = await bound();
    const withMail = { ...ORDER, properties: { ...ORDER.properties, mail: { type: 'string' } } };
    const mail = { value: { total: 1, mail: 'a@b.example' } };
    expect((await server.produce([mail])).status).toBe(422);
    await server.resources.put('schema', 'order', { type: 'json', schema: withMail }, { by: null });
    expect((await server.produce([mail])).status).toBe(200);
    await server.resources.put('topic', 't', {}, { by: null });
    expect((await server.produce([{ value: 'anything' }])).status).toBe(200);
  });

  test('is to a schema that is there, and holds it', async () => {
    const server = await bound();
    const missing = await server.send('PUT', '/v1/topics/u', { value_schema: 'nothing' });
    expect(await problemOf(missing)).toMatchObject({ code: 'RESOURCE_INVALID', field: 'value_schema' });
    expect(server.log.findTopic('u')).toBeUndefined();
    expect(await problemOf(await server.send('DELETE', '/v1/schemas/order'))).toMatchObject({
      code: 'SCHEMA_IN_USE',
      by: 't',
    });
    expect((await server.send('DELETE', '/v1/topics/t')).status).toBe(204);
    expect((await server.send('DELETE', '/v1/schemas/order')).status).toBe(204);
  });

  test('in Avro and in Protobuf asks for the JSON of the language', async () => {
    const server = await bound();
    const avro = { type: 'record', name: 'Order', fields: [{ name: 'note', type: ['null', 'string'] }] };
    await server.resources.put('schema', 'avro', { type: 'avro', schema: avro }, { by: null });
    await server.resources.put(
      'schema',
      'proto',
      { type: 'protobuf', schema: 'syntax = "proto3"; message Order { int64 n = 1; }' },
      { by: null },
    );
    const bind = (name: string) => server.resources.put('topic', 't', { value_schema: name }, { by: null });
    await bind('avro');
    const asAvro = await server.produce([{ value: { note: { string: 'x' } } }, { value: { note: 'x' } }]);
    expect(await asAvro.json()).toMatchObject({ offsets: [{ offset: 0 }, { error: { path: '/note' } }] });
    await bind('proto');
    const asProto = await server.produce([{ value: { n: '9007199254740993' } }, { value: { n: 'x' } }]);
    expect(await asProto.json()).toMatchObject({ offsets: [{ offset: 1 }, { error: { path: '/n' } }] });
  });
});

test('records that were refused are counted', async () => {
  const server = await bound();
  await server.produce([good(1), { value: 1 }, { value: 2 }]);
  const metrics = await (await server.get('/metrics')).text();
  expect(metrics).toMatch(/^sluice_schema_rejected_records_total 2$/m);
});
