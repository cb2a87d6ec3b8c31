/**
 * A serializer made for Confluent Schema Registry against the built server: it registers, encodes and decodes in three
 * languages; numbers and versions are there after a kill, without a shutdown in between.
 */
import { COMPATIBILITY, SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import { describe, expect, test } from 'vitest';
import { type Server, startServer } from '#kit';

const AVRO = JSON.stringify({
  type: 'record',
  name: 'Order',
  namespace: 'shop',
  fields: [
    { name: 'id', type: 'int' },
    { name: 'note', type: ['null', 'string'], default: null },
  ],
});
const JSON_SCHEMA = JSON.stringify({ type: 'object', required: ['id'], properties: { id: { type: 'integer' } } });
const PROTOBUF = 'syntax = "proto3"; package shop; message Order { int32 id = 1; string note = 2; }';

const SCHEMAS = [
  [SchemaType.AVRO, 'order-avro', AVRO, { id: 7, note: 'soon' }],
  [SchemaType.JSON, 'order-json', JSON_SCHEMA, { id: 7 }],
  [SchemaType.PROTOBUF, 'order-proto', PROTOBUF, { id: 7, note: 'soon' }],
] as const;

/** A client that knows nothing yet. */
function clientOf(server: Server, password?: string): SchemaRegistry {
  const auth = password === undefined ? {} : { auth: { username: 'anyone', password } };
  return new SchemaRegistry({ host: server.url, retry: { retries: 0 }, ...auth });
}

async function json(server: Server, method: string, path: string, body?: object): Promise<unknown> {
  const answer = await fetch(`${server.url}${path}`, {
    method,
    ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
  return answer.json();
}

describe.each(SCHEMAS)('in %s', (type, subject, schema, order) => {
  test('what one client encodes, another decodes', async () => {
    const server = await startServer();
    const writer = clientOf(server);
    const { id } = await writer.register({ type, schema } as Parameters<typeof writer.register>[0], { subject });
    const encoded = await writer.encode(id, order);
    const reader = clientOf(server);
    expect({ ...((await reader.decode(encoded)) as object) }).toEqual(order);
    expect(await reader.getLatestSchemaId(subject)).toBe(id);
    expect(await reader.getRegistryId(subject, 1)).toBe(id);
    expect(await reader.getRegistryIdBySchema(subject, { type, schema } as Parameters<typeof writer.register>[0])).toBe(
      id,
    );
  });

  test('what is encoded goes through a topic that is bound to the schema', async () => {
    const server = await startServer();
    const client = clientOf(server);
    const { id } = await client.register({ type, schema } as Parameters<typeof client.register>[0], { subject });
    await json(server, 'PUT', '/v1/topics/orders', { value_schema: subject });
    const produce = (value: Buffer) =>
      json(server, 'POST', '/v1/topics/orders/records', { records: [{ value_base64: value.toString('base64') }] });
    expect(await produce(await client.encode(id, order))).toEqual({ offsets: [{ partition: 0, offset: 0 }] });
    expect(await produce(Buffer.from([0, 0, 0, 0, 99, 1]))).toMatchObject({ code: 'SCHEMA_MISMATCH' });
    const { records } = (await json(server, 'GET', '/v1/topics/orders/partitions/0/records?offset=0')) as {
      records: { value_base64: string }[];
    };
    const stored = Buffer.from(records[0]?.value_base64 ?? '', 'base64');
    expect({ ...((await clientOf(server).decode(stored)) as object) }).toEqual(order);
  });
});

test('a change that is not compatible is refused, in words the client passes on', async () => {
  const server = await startServer();
  const client = clientOf(server);
  await client.register({ type: SchemaType.AVRO, schema: AVRO }, { subject: 'order' });
  const changed = AVRO.replace('"int"', '"string"');
  await expect(client.register({ type: SchemaType.AVRO, schema: changed }, { subject: 'order' })).rejects.toThrow(
    'int cannot be read as string',
  );
  await expect(
    client.register({ type: SchemaType.AVRO, schema: AVRO }, { subject: 'order', compatibility: COMPATIBILITY.NONE }),
  ).rejects.toThrow('Compatibility does not match');
});

test('references are followed by the client as by the server', async () => {
  const server = await startServer();
  const client = clientOf(server);
  const line = JSON.stringify({
    type: 'record',
    name: 'Line',
    namespace: 'shop',
    fields: [{ name: 'sku', type: 'string' }],
  });
  await client.register({ type: SchemaType.AVRO, schema: line }, { subject: 'line' });
  const order = JSON.stringify({
    type: 'record',
    name: 'Cart',
    namespace: 'shop',
    fields: [{ name: 'lines', type: { type: 'array', items: 'shop.Line' } }],
  });
  const references = [{ name: 'shop.Line', subject: 'line', version: 1 }];
  const { id } = await client.register({ type: SchemaType.AVRO, schema: order, references }, { subject: 'cart' });
  const encoded = await client.encode(id, { lines: [{ sku: 'x' }] });
  expect(JSON.stringify(await clientOf(server).decode(encoded))).toBe('{"lines":[{"sku":"x"}]}');
});

test('a key of the server is the password of the client', async () => {
  const server = await startServer();
  const { key } = (await json(server, 'PUT', '/v1/clients/root', { scopes: ['admin'] })) as { key: string };
  const { id } = await clientOf(server, key).register({ type: SchemaType.AVRO, schema: AVRO }, { subject: 'order' });
  expect(id).toBe(1);
  await expect(clientOf(server).getLatestSchemaId('order')).rejects.toThrow('an API key is needed');
});

test('what was registered is there after a kill: numbers, versions, modes and bindings', async () => {
  const first = await startServer();
  const client = clientOf(first);
  const ids: number[] = [];
  const encoded: Buffer[] = [];
  for (const [type, subject, schema, order] of SCHEMAS) {
    const { id } = await client.register({ type, schema } as Parameters<typeof client.register>[0], { subject });
    ids.push(id);
    encoded.push(await client.encode(id, order));
  }
  const wider = AVRO.replace('"int"', '"long"');
  expect(await client.register({ type: SchemaType.AVRO, schema: wider }, { subject: 'order-avro' })).toEqual({ id: 4 });
  await json(first, 'PUT', '/v1/topics/orders', { value_schema: 'order-json' });
  await json(first, 'DELETE', '/subjects/order-proto');
  const before = await Promise.all(
    ['/subjects', '/subjects?deleted=true', '/subjects/order-avro/versions', '/v1/schemas', '/config/order-avro'].map(
      (path) => json(first, 'GET', path),
    ),
  );
  await first.kill();

  const second = await startServer({ dataDir: first.dataDir });
  const after = await Promise.all(
    ['/subjects', '/subjects?deleted=true', '/subjects/order-avro/versions', '/v1/schemas', '/config/order-avro'].map(
      (path) => json(second, 'GET', path),
    ),
  );
  expect(after).toEqual(before);
  expect(after.slice(0, 3)).toEqual([
    ['order-avro', 'order-json'],
    ['order-avro', 'order-json', 'order-proto'],
    [1, 2],
  ]);
  const reader = clientOf(second);
  for (const [i, bytes] of encoded.entries())
    expect({ ...((await reader.decode(bytes)) as object) }).toEqual(SCHEMAS[i]?.[3]);
  const refused = await json(second, 'POST', '/v1/topics/orders/records', { records: [{ value: { id: 'x' } }] });
  expect(refused).toMatchObject({ code: 'SCHEMA_MISMATCH', errors: [{ path: '/id' }] });
  // Numbers go on where they were, and what was deleted keeps its own.
  const added = await reader.register({ type: SchemaType.JSON, schema: '{"type":"object"}' }, { subject: 'new' });
  expect([ids, added.id]).toEqual([[1, 2, 3], 5]);
});
