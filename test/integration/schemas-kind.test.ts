/** Schemas as declared things: versions, dry run, history, going back; and over the WebSocket protocol and the command line. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Packr, Unpackr } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { DEFAULT_LIMITS } from '#kernel';
import { runCli, startServer, tempDir } from '#kit';
import { encodeBatch } from '#record';
import { type Fixture, problemOf, serve } from './http-fixture.ts';

const PATH = '/v1/schemas/order';
const order = (total: object, more: object = {}) => ({
  type: 'json',
  schema: { type: 'object', properties: { total }, additionalProperties: false },
  ...more,
});

async function put(server: Fixture, spec: object, query = '') {
  return server.send('PUT', `${PATH}${query}`, spec);
}

describe('over HTTP', () => {
  test('a schema has versions, each compatible with the last', async () => {
    const server = await serve();
    expect((await put(server, order({ type: 'integer' }))).status).toBe(201);
    const wider = await put(server, order({ type: 'number' }));
    expect(await wider.json()).toMatchObject({ kind: 'schema', name: 'order', version: 2 });
    expect(await problemOf(await put(server, order({ type: 'string' })))).toMatchObject({
      status: 409,
      code: 'SCHEMA_INCOMPATIBLE',
      detail: 'order: it cannot read version 2: #/properties/total: the type was number and is string',
    });
    expect(server.schemas.versions('order')).toEqual([1, 2]);
  });

  test('a dry run tells what is in the way, and stores nothing', async () => {
    const server = await serve();
    await put(server, order({ type: 'number' }));
    const refused = await put(server, order({ type: 'integer' }), '?dry_run=true');
    expect((await problemOf(refused)).code).toBe('SCHEMA_INCOMPATIBLE');
    expect((await put(server, order({ type: ['number', 'null'] }), '?dry_run=true')).status).toBe(200);
    expect(server.schemas.versions('order')).toEqual([1]);
  });

  test('the mode comes with the schema, and what is only said about it makes no version of it', async () => {
    const server = await serve();
    await put(server, order({ type: 'number' }));
    await put(server, order({ type: 'number' }, { compatibility: 'none', description: 'an order' }));
    await put(server, order({ type: 'string' }, { compatibility: 'none' }));
    expect(server.schemas.versions('order')).toEqual([1, 2]);
    const history = (await (await server.get(`${PATH}/history`)).json()) as object[];
    expect(history).toHaveLength(3);
    expect(server.resources.list('schema')).toMatchObject([{ name: 'order', version: 3 }]);
  });

  test('going back makes the earlier schema the newest version, where that is compatible', async () => {
    const server = await serve();
    await put(server, order({ type: 'integer' }));
    await put(server, order({ type: 'number' }));
    const back = () => server.send('POST', `${PATH}/rollback`, { version: 1 });
    expect((await problemOf(await back())).code).toBe('SCHEMA_INCOMPATIBLE');
    await put(server, order({ type: 'number' }, { compatibility: 'none' }));
    expect((await problemOf(await back())).code).toBe('SCHEMA_INCOMPATIBLE');
    await put(server, order({ type: 'integer' }, { compatibility: 'none' }));
    expect(server.schemas.version('order', 'latest')).toMatchObject({ version: 3, id: 1 });
  });

  test('one as large as it may be can be changed: history holds what was and what is', async () => {
    const server = await serve();
    const large = (letter: string) => {
      const head = JSON.stringify({ title: letter, description: '' });
      const room = DEFAULT_LIMITS.schemaBytesMax - head.length;
      return { type: 'json', schema: JSON.stringify({ title: letter, description: '"'.repeat(Math.floor(room / 2)) }) };
    };
    for (const letter of ['a', 'b', 'c']) expect((await put(server, large(letter))).ok).toBe(true);
    expect(server.schemas.versions('order')).toEqual([1, 2, 3]);
    const larger = { type: 'json', schema: `${large('d').schema}   ` };
    expect((await problemOf(await put(server, larger))).code).toBe('SCHEMA_INVALID');
  });

  test.each([
    ['no language', { schema: {} }, 'RESOURCE_INVALID'],
    ['an unknown mode', order({}, { compatibility: 'BACKWARD' }), 'RESOURCE_INVALID'],
    ['a misspelt member', order({}, { compatability: 'none' }), 'RESOURCE_INVALID'],
    ['a schema that is none', { type: 'json', schema: { type: 'text' } }, 'SCHEMA_INVALID'],
    ['Avro that is none', { type: 'avro', schema: '{"type":"record"}' }, 'SCHEMA_INVALID'],
    ['Protobuf that is none', { type: 'protobuf', schema: 'message' }, 'SCHEMA_INVALID'],
    ['a reference to nowhere', order({}, { references: [{ name: 'a', subject: 'b', version: 1 }] }), 'SCHEMA_INVALID'],
  ])('%s is refused', async (_, spec, code) => {
    const server = await serve();
    expect((await problemOf(await put(server, spec))).code).toBe(code);
    expect(server.schemas.subjects(true)).toEqual([]);
  });
});

describe.each(['json', 'msgpack'] as const)('over WebSocket in %s', (codec) => {
  const packr = new Packr({ useRecords: false });
  const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number' });
  const value = (total: unknown) => (codec === 'json' ? { total } : Buffer.from(JSON.stringify({ total })));

  /** Says one thing on a connection of its own; the answer of its id. */
  async function ask(server: Fixture, message: { readonly id: number }): Promise<Record<string, unknown>> {
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/v1/ws`, `sluice.v1.${codec}`);
    try {
      return await new Promise((resolve, reject) => {
        socket.on('error', reject);
        socket.on('open', () => socket.send(codec === 'json' ? JSON.stringify(message) : packr.pack(message)));
        socket.on('message', (data: Buffer) => {
          const decoded: unknown = codec === 'json' ? JSON.parse(data.toString()) : unpackr.unpack(data);
          for (const one of [decoded].flat() as Record<string, unknown>[]) if (one['id'] === message.id) resolve(one);
        });
      });
    } finally {
      socket.close();
    }
  }

  async function bound(): Promise<Fixture> {
    const server = await serve();
    await put(server, order({ type: 'number' }));
    await server.resources.put('topic', 't', { partitions: 2, value_schema: 'order' }, { by: null });
    return server;
  }

  const produce = (records: readonly object[], more: object = {}) => ({
    op: 'produce',
    id: 5,
    topic: 't',
    records,
    partition: 0,
    ...more,
  });

  test('records that fit are stored, the others told in their place', async () => {
    const server = await bound();
    expect(await ask(server, produce([{ value: value(1) }, { value: value('x') }, { value: value(2) }]))).toEqual({
      op: 'produced',
      id: 5,
      offsets: [
        { partition: 0, offset: 0 },
        { error: { code: 'SCHEMA_MISMATCH', field: 'value', path: '/total', message: 'must be number' } },
        { partition: 0, offset: 1 },
      ],
    });
    expect(server.log.partition('t', 0).tail).toBe(2);
  });

  test('where nothing fits, or all must, it is an error with what is wrong', async () => {
    const server = await bound();
    const errors = [{ record: 0, field: 'value', path: '/total', message: 'must be number' }];
    const refused = { op: 'error', id: 5, code: 'SCHEMA_MISMATCH', status: 422, rejected: 1, errors };
    expect(await ask(server, produce([{ value: value('x') }]))).toMatchObject(refused);
    const counted = produce([{ value: value('x') }, { value: value(1) }], { expected_offset: 0 });
    expect(await ask(server, counted)).toMatchObject(refused);
    expect(server.log.partition('t', 0).tail).toBe(0);
  });

  test('one record that fits, and a batch that is not read, are stored', async () => {
    const server = await bound();
    expect(await ask(server, produce([{ value: value(1) }]))).toMatchObject({ offsets: [{ partition: 0, offset: 0 }] });
    const bytes = encodeBatch([{ value: Buffer.from('no JSON') }]);
    const batch = codec === 'json' ? Buffer.from(bytes).toString('base64') : Buffer.from(bytes);
    expect(
      await ask(server, { op: 'produce', id: 6, topic: 't', partition: 0, batch } as { id: number }),
    ).toMatchObject({
      op: 'produced',
      offset: 1,
    });
  });
});

test('the command line declares schemas and what is bound to them from one file', async () => {
  const server = await startServer();
  const folder = await tempDir();
  const file = join(folder, 'shop.yaml');
  writeFileSync(
    file,
    `kind: schema
name: order
spec:
  type: json
  compatibility: full
  schema:
    type: object
    required: [total]
    properties: {total: {type: number}}
---
kind: topic
name: orders
spec: {partitions: 2, value_schema: order}
`,
  );
  const cli = (...args: string[]) => runCli([...args, '--url', server.url]);
  expect((await cli('apply', '-f', file)).stdout).toBe('schema/order version 1\ntopic/orders version 1\n');
  expect((await cli('get', 'schemas')).stdout).toContain('order');
  const refused = await cli('delete', 'schema', 'order');
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toContain('topic orders is bound to order');
});
